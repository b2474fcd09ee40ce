//! Random configs over random homes, with links at every level: no source is ever changed, a second apply does nothing, and
//! destroying gives the home back byte for byte.
//!
//! `SYSLUA_ROUNDS` says how many homes, `SYSLUA_SEED` which is the first.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syslua_engine::action::{Absent, Action, Directory, File, Link};
use syslua_engine::activation::Activation;
use syslua_engine::derivation::{Derivation, FileContent, FileRecipe, Recipe, Spec};
use syslua_engine::engine::{ApplyOptions, Engine, PlanOptions};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::{Name, OutputName};
use syslua_engine::settings::{Interrupt, System};
use syslua_engine::store::{Access, tree};
use syslua_engine::value::{Source, Text};

use crate::support::{NoTasks, remove, settings, temporary_directory};

/// How many homes the suite makes.
const ROUNDS: u64 = 60;
/// Homes that showed defects once.
const FOUND: [u64; 3] = [1920, 3285, 3966];
/// The names that everything has, so that trees meet.
const NAMES: [&str; 5] = [".config", "app", "lua", "rc", "x"];

/// Numbers that look random: xorshift64* (Vigna, 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// One to three names.
    fn path(&mut self) -> PathBuf {
        (0..=self.below(3)).map(|_| *self.pick(&NAMES)).collect()
    }
}

/// Everything below a directory: what it is, its mode, and its content.
type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

fn read_tree(top: &Path) -> Tree {
    fn add(path: &Path, tree: &mut Tree) {
        let Ok(data) = fs::symlink_metadata(path) else { return };
        let content = if data.is_symlink() {
            fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
        } else if data.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| add(&entry.unwrap().path(), tree));
            Vec::new()
        } else {
            fs::read(path).unwrap()
        };
        tree.insert(path.to_owned(), (data.permissions().mode(), content));
    }
    let mut tree = Tree::new();
    add(top, &mut tree);
    tree
}

fn differing(before: &Tree, after: &Tree) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

struct World {
    random: Random,
    base: PathBuf,
    home: PathBuf,
    packages: Vec<PathBuf>,
    /// What was written once, and is the user's.
    given: BTreeSet<PathBuf>,
    /// What the config that was made last reads.
    reads: Vec<PathBuf>,
    log: Vec<String>,
}

impl World {
    fn new(base: &Path, seed: u64) -> World {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let home = base.join("home");
        // The dotfiles are in the home, or elsewhere; both are usual.
        let dotfiles = if random.one_in(3) { base.join("dotfiles") } else { home.join("dotfiles") };
        fs::create_dir_all(base.join("elsewhere")).unwrap();
        fs::create_dir_all(&home).unwrap();
        let packages = ["one", "two"].iter().map(|name| dotfiles.join(name)).collect();
        let mut world = World {
            random,
            base: base.to_owned(),
            home,
            packages,
            given: BTreeSet::new(),
            reads: Vec::new(),
            log: Vec::new(),
        };
        world.fill_packages();
        world.fill_home();
        world
    }

    fn fill_packages(&mut self) {
        for package in self.packages.clone() {
            for number in 0..=self.random.below(5) {
                let path = package.join(self.random.path());
                if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::symlink_metadata(&path).is_err() {
                    if self.random.one_in(6) {
                        symlink(*self.random.pick(&NAMES), &path).unwrap();
                    } else {
                        fs::write(&path, format!("{} {number}", package.display())).unwrap();
                    }
                }
            }
            fs::create_dir_all(&package).unwrap();
        }
    }

    /// Puts files, directories and links of all kinds into the home.
    fn fill_home(&mut self) {
        for number in 0..=self.random.below(7) {
            let below = self.random.path();
            let path = self.home.join(&below);
            if fs::create_dir_all(path.parent().unwrap()).is_err() || fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            // What a link above it leads to is no place for more.
            if !path.parent().unwrap().canonicalize().is_ok_and(|parent| parent == path.parent().unwrap()) {
                continue;
            }
            match self.random.below(8) {
                0 => fs::create_dir(&path).unwrap(),
                1 => fs::write(&path, format!("mine {number}")).unwrap(),
                // GNU Stow folds a directory, or links a file.
                2..=4 => {
                    let package = self.random.pick(&self.packages).clone();
                    symlink(package.join(&below), &path).unwrap();
                }
                5 => {
                    let other = self.base.join("elsewhere").join(number.to_string());
                    fs::create_dir_all(&other).unwrap();
                    fs::write(other.join("rc"), "elsewhere").unwrap();
                    symlink(&other, &path).unwrap();
                }
                // A chain, a loop, or a link that leads nowhere.
                6 => {
                    let middle = path.with_file_name(format!("middle{number}"));
                    let package = self.random.pick(&self.packages).clone();
                    symlink(package.join(&below), &middle).unwrap();
                    symlink(&middle, &path).unwrap();
                }
                _ => symlink(path.file_name().unwrap(), &path).unwrap(),
            }
        }
    }

    /// Every file and directory of the packages.
    fn sources(&self) -> Vec<PathBuf> {
        self.packages.iter().flat_map(|package| read_tree(package).into_keys()).collect()
    }

    fn target(&mut self, source: &Path) -> PathBuf {
        match self.random.below(12) {
            // Where it may do harm.
            0 => self.random.pick(&self.sources()).clone(),
            1 => self.base.join("elsewhere"),
            2 => self.base.clone(),
            3 => source.parent().unwrap().join("new"),
            // Where Stow has it.
            4..=7 => {
                let below = self.packages.iter().find_map(|package| source.strip_prefix(package).ok());
                self.home.join(below.filter(|below| below.file_name().is_some()).unwrap_or(Path::new(".config")))
            }
            _ => self.home.join(self.random.path()),
        }
    }

    fn config(&mut self) -> Manifest {
        let mut manifest = Manifest::default();
        for _ in 0..=self.random.below(4) {
            self.declare(&mut manifest);
        }
        manifest.derivations.dedup_by_key(|derivation| derivation.hash);
        manifest
    }

    fn declare(&mut self, manifest: &mut Manifest) {
        let sources = self.sources();
        let source = if sources.is_empty() { self.base.clone() } else { self.random.pick(&sources).clone() };
        let target = self.target(&source);
        let is_directory = source.is_dir();
        let text = |path: &Path| Text(path.as_os_str().as_encoded_bytes().to_vec());
        let kind = self.random.below(9);
        self.log.push(format!("{kind}: {} -> {}", source.display(), target.display()));
        if kind == 3 && is_directory && files_below(&source).is_empty() {
            return;
        }
        if kind > 1 && kind != 4 && source.exists() {
            self.reads.push(source.clone());
        }
        let mut add = |action: Action| {
            manifest.activations.push(Activation::new(action, vec!["init.lua:1".into()]));
        };
        match kind {
            0 => add(Absent { target: text(&target) }.into()),
            1 => {
                let mode = self.random.one_in(2).then(|| "750".to_owned());
                add(Directory { target: text(&target), mode, ..Directory::default() }.into());
            }
            2 if source.exists() => add(Link { mutable: true, ..Link::new(text(&source), text(&target)) }.into()),
            3 if is_directory => {
                for below in files_below(&source) {
                    let (from, to) = (source.join(&below), target.join(&below));
                    let tree = Some(text(&source));
                    add(Link { mutable: true, tree, ..Link::new(text(&from), text(&to)) }.into());
                }
            }
            4 => {
                let derivation = derive(FileContent::Text(b"once".to_vec()));
                self.given.insert(target.clone());
                let object = Text(placeholder(&derivation).into_bytes());
                add(File { source: object, target: text(&target), mutable: true, ..File::default() }.into());
                manifest.derivations.push(derivation);
            }
            kind => {
                let Ok(digest) = tree::hash(&source, &Interrupt::default()) else { return };
                let nar = digest.nar;
                let derivation =
                    derive(FileContent::Source(Source { path: source.clone(), nar, excluded: BTreeSet::new() }));
                let object = placeholder(&derivation);
                if is_directory && kind < 7 {
                    for below in files_below(&source) {
                        let from = Text(format!("{object}/{}", below.display()).into_bytes());
                        add(Link::new(from, text(&target.join(&below))).into());
                    }
                } else if kind == 8 && !source.is_symlink() {
                    add(File { source: object.as_str().into(), target: text(&target), ..File::default() }.into());
                } else {
                    add(Link::new(object.as_str().into(), text(&target)).into());
                }
                manifest.links.push(source.clone());
                manifest.derivations.push(derivation);
            }
        }
    }
}

fn files_below(top: &Path) -> Vec<PathBuf> {
    let tree = read_tree(top);
    let files = tree.keys().filter(|path| path.is_symlink() || !path.is_dir());
    files
        .filter_map(|path| Some(path.strip_prefix(top).ok()?.to_owned()))
        .filter(|path| path != Path::new(""))
        .collect()
}

fn derive(content: FileContent) -> Arc<Derivation> {
    let spec = Spec {
        name: Name::parse("file").unwrap(),
        version: None,
        outputs: vec![OutputName::main()],
        system: Arc::new(System::current()),
        recipe: Recipe::File(FileRecipe { content, executable: false }),
        output_hash: None,
    };
    Arc::new(Derivation::new(spec, |_| None).unwrap())
}

fn placeholder(derivation: &Derivation) -> String {
    derivation.placeholder(&OutputName::main()).to_string()
}

fn apply(engine: &Engine, manifest: &Manifest) -> Result<bool, String> {
    let options = ApplyOptions { description: "test".into(), ..ApplyOptions::default() };
    let applied = engine.apply(manifest, &options, &mut NoTasks, &mut |_| {});
    applied.map(|report| report.applied).map_err(|error| error.to_failure().message)
}

/// What an apply would change, for messages.
fn planned(engine: &Engine, manifest: &Manifest) -> String {
    let options = PlanOptions { brief: true, ..PlanOptions::default() };
    match engine.plan(manifest, options) {
        Ok(plan) => format!(
            "{:#?}",
            plan.actions.iter().map(|a| (a.mark, a.kind, a.target.as_ref().map(Text::display))).collect::<Vec<_>>()
        ),
        Err(error) => error.to_failure().message,
    }
}

fn play(base: &Path, seed: u64) -> usize {
    let mut world = World::new(base, seed);
    let engine = Engine::open(settings(&base.join("root"), &world.home), Access::Work).unwrap();
    let look = || {
        let mut all = read_tree(base);
        all.retain(|path, _| !path.starts_with(base.join("root")));
        // It has the root.
        all.remove(base);
        all
    };
    let first = look();
    let mut applied = 0;
    for _ in 0..3 {
        world.log.push("apply:".to_owned());
        let number = world.log.len() - 1;
        world.reads.clear();
        let manifest = world.config();
        let reads = world.reads.clone();
        let read = || -> Tree { reads.iter().flat_map(|source| read_tree(source)).collect() };
        let (before, sources) = (look(), read());
        let result = apply(&engine, &manifest);
        world.log[number] = format!("apply: {result:?}");
        let (after, now) = (look(), read());
        let told = |what: &str| format!("seed {seed}: {what}\n{:#?}\n{result:?}", world.log);
        assert_eq!(differing(&sources, &now), Vec::<PathBuf>::new(), "{}", told("a source changed"));
        match &result {
            Ok(_) => {
                applied += 1;
                let again = planned(&engine, &manifest);
                assert_eq!(
                    apply(&engine, &manifest),
                    Ok(false),
                    "{}",
                    told(&format!("a second apply does something: {again}"))
                );
                let again = look();
                assert_eq!(differing(&after, &again), Vec::<PathBuf>::new(), "{}", told("a second apply changed"));
            }
            Err(_) => {
                assert_eq!(differing(&before, &after), Vec::<PathBuf>::new(), "{}", told("a refusal changed"));
            }
        }
    }
    let log = world.log.clone();
    let destroyed = engine.destroy(true, &mut |_| {}).map_err(|error| error.to_failure().message);
    let report = destroyed.unwrap_or_else(|message| panic!("seed {seed}: {message}\n{log:#?}"));
    let last = look();
    let given = |path: &PathBuf| world.given.iter().any(|given| given.starts_with(path) || path.starts_with(given));
    // What was written once is the user's, with the directories that hold it and what it keeps from coming back.
    let real: BTreeSet<PathBuf> = world.given.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let is_given = |path: &PathBuf| given(path) || real.iter().any(|given| given.starts_with(path));
    let others: Vec<_> = differing(&first, &last).into_iter().filter(|path| !is_given(path)).collect();
    let is = |tree: &Tree| others.iter().map(|path| tree.get(path).cloned()).collect::<Vec<_>>();
    let how = format!("{:?} became {:?}", is(&first), is(&last));
    assert_eq!(others, Vec::<PathBuf>::new(), "seed {seed}: {how} {log:#?}\nstuck: {:?}", report.stuck);
    applied
}

#[test]
fn no_source_is_changed_and_every_home_comes_back() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (rounds, first) = (number("SYSLUA_ROUNDS").unwrap_or(ROUNDS), number("SYSLUA_SEED").unwrap_or(1));
    let mut applied = 0;
    for seed in (first..first + rounds).chain(FOUND) {
        let base = temporary_directory();
        applied += play(&base.path().canonicalize().unwrap(), seed);
        remove(&base.path().join("root"));
    }
    // Most configs are refused, as they should be; a test that applies none shows nothing.
    assert!(applied as u64 >= rounds / 4, "{applied} of {rounds}");
}
