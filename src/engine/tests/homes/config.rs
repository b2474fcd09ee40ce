//! Random configs over a world.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syslua_engine::action::{Absent, Action, Command, Directory, File, Link, Run};
use syslua_engine::activation::DeclaredAction;
use syslua_engine::derivation::{Derivation, FileContent, FileRecipe, Recipe, Spec};
use syslua_engine::hash::Hash;
use syslua_engine::manifest::Manifest;
use syslua_engine::names::{Name, OutputName};
use syslua_engine::settings::{Interrupt, System};
use syslua_engine::store::tree;
use syslua_engine::value::{Source, Text};

use crate::world::{NAMES, World, files_below};

/// A config, and the files that it reads.
#[derive(Default)]
pub struct Config {
    pub manifest: Manifest,
    pub reads: Vec<PathBuf>,
    /// Whether its last step fails.
    pub fails: bool,
    /// The kind of its first tree: no version linked some trees in one way and some in another.
    through: Option<usize>,
}

fn text(path: &Path) -> Text {
    Text(path.as_os_str().as_encoded_bytes().to_vec())
}

impl World {
    fn target(&mut self, source: &Path) -> PathBuf {
        let home = if self.random.one_in(2) { self.home.clone() } else { self.named_home.clone() };
        match self.random.below(16) {
            // Where it may do harm.
            0 => {
                let sources = self.sources();
                if sources.is_empty() { home } else { self.random.pick(&sources).clone() }
            }
            1 => {
                let precious = [
                    self.base.clone(),
                    self.base.join("elsewhere"),
                    home.clone(),
                    self.dotfiles.clone(),
                    self.real_dotfiles.clone(),
                    self.root.clone(),
                    self.root.join("store/obj/x"),
                    home.join(".local"),
                ];
                self.random.pick(&precious).clone()
            }
            2 => {
                let files = self.config_files();
                self.random.pick(&files).clone()
            }
            3 => source.parent().unwrap().join("new"),
            // Through a link.
            4 | 5 => {
                let tree = self.observe();
                let links: Vec<_> = tree
                    .iter()
                    .filter(|(_, entry)| entry.is_link())
                    .map(|(path, _)| path)
                    .collect();
                match links.is_empty() {
                    true => home.join("x"),
                    false => self.random.pick(&links).join(self.random_name()),
                }
            }
            // Written in another way.
            6 => {
                let below = self.random.path();
                home.join(self.random_name()).join("..").join(below)
            }
            // Where Stow has it.
            7..=11 => {
                let below =
                    self.packages.iter().find_map(|package| source.strip_prefix(package).ok());
                home.join(
                    below
                        .filter(|below| below.file_name().is_some())
                        .unwrap_or(Path::new(".config")),
                )
            }
            _ => home.join(self.random.path()),
        }
    }

    /// Returns a link in the home that leads somewhere: it may be named as a source too.
    fn link_in_home(&mut self) -> Option<PathBuf> {
        let tree = self.observe();
        let links = tree.iter().filter(|(path, entry)| {
            entry.is_link() && path.starts_with(&self.home) && path.exists()
        });
        let links: Vec<_> = links.map(|(path, _)| path.clone()).collect();
        if links.is_empty() { None } else { Some(self.random.pick(&links).clone()) }
    }

    fn random_name(&mut self) -> &'static str {
        NAMES[self.random.below(NAMES.len())]
    }

    pub fn config(&mut self) -> Config {
        let mut config = Config::default();
        // Without its entry file there is no config.
        if self.random.one_in(2) && self.config_files()[0].exists() {
            let [entry, module, lock, answers] = self.config_files();
            for file in [&entry, &module] {
                config.manifest.files.push((text(file), fs::read(file).unwrap_or_default()));
            }
            config.manifest.config_path = Some(entry.clone());
            config.reads.extend([entry, module, lock, answers]);
        }
        for _ in 0..=self.random.below(5) {
            self.declare(&mut config);
        }
        if self.also(8) {
            // All is put back when the last step fails.
            let run =
                Run { command: Command::Line("exit 7".into()), always: true, ..Run::default() };
            config
                .manifest
                .activations
                .push(Arc::new(DeclaredAction::new(run.into(), vec!["init.lua:2".into()])));
            self.log.push("a command fails".to_owned());
            config.fails = true;
        }
        let mut seen = BTreeSet::new();
        config.manifest.derivations.retain(|derivation| seen.insert(derivation.hash));
        config
    }

    /// Returns what puts keys into a file near a place. Nothing of the user's has its name, and
    /// other targets have it in turn.
    fn merged(&mut self, place: &Path) -> Option<Action> {
        if !self.also(3) {
            return None;
        }
        let near = match self.further(3) {
            0 => place.to_owned(),
            1 => self.home.clone(),
            _ => place.parent()?.to_owned(),
        };
        let below = ["keys", "keys", "keys/keys"][self.further(3)];
        let target = near.join(below);
        let number = self.further(3);
        self.log.push(format!("merge {number}: {}", target.display()));
        let action = serde_json::json!({
            "kind": "merge", "target": target, "format": "json",
            "keys": [{ "path": [format!("k{number}")], "value": number }],
        });
        Some(serde_json::from_value(action).unwrap())
    }

    fn declare(&mut self, config: &mut Config) {
        let sources = self.sources();
        // An apply whose config reads none of them may have taken them away.
        let mut source =
            if sources.is_empty() { self.base.clone() } else { self.random.pick(&sources).clone() };
        if self.random.one_in(8) {
            source = self.link_in_home().unwrap_or(source);
        }
        let mut target = self.target(&source);
        if self.also(6) {
            let below = ["keys", "keys/keys"][self.further(2)];
            target = self.home.join(below);
        }
        let is_directory = source.is_dir();
        let files = if is_directory { files_below(&source) } else { Vec::new() };
        let kind = self.random.below(12);
        self.log.push(format!("{kind}: {} -> {}", source.display(), target.display()));
        let (place, target) = (target.clone(), self.written(&target));
        let stays_private = self.also(2);
        let merged = self.merged(&place);
        if kind == 1 {
            self.note_directory(place.clone());
        }
        let Config { manifest, reads, through, .. } = config;
        let mut add = |action: Action| {
            manifest
                .activations
                .push(Arc::new(DeclaredAction::new(action, vec!["init.lua:1".into()])));
        };
        merged.into_iter().for_each(&mut add);
        let mode = self
            .random
            .one_in(2)
            .then(|| (*self.random.pick(&["750", "700", "644", "400"])).to_owned());
        match kind {
            0 => add(Absent { target: text(&target) }.into()),
            1 => {
                let mode = mode.filter(|mode| mode.starts_with('7'));
                add(Directory { target: text(&target), mode, ..Directory::default() }.into());
            }
            2 if source.exists() => {
                reads.push(source.clone());
                add(Link { mutable: true, ..Link::new(text(&source), text(&target)) }.into());
            }
            3 if !files.is_empty() => {
                reads.push(source.clone());
                for below in &files {
                    let tree = Some(text(&source));
                    let (from, to) = (text(&source.join(below)), text(&target.join(below)));
                    add(Link { mutable: true, tree, ..Link::new(from, to) }.into());
                }
            }
            2 | 3 => {}
            4..=6 => {
                let what = if kind == 4 { "once" } else { "text" };
                let derivation = derive(FileContent::Text(
                    format!("{what} {}", self.random.below(3)).into_bytes(),
                ));
                let object = Text(placeholder(&derivation).into_bytes());
                match kind {
                    4 => {
                        self.given.insert(place);
                        add(File {
                            source: object,
                            target: text(&target),
                            mode,
                            mutable: true,
                            ..File::default()
                        }
                        .into());
                    }
                    5 => {
                        add(File {
                            source: object,
                            target: text(&target),
                            mode,
                            ..File::default()
                        }
                        .into());
                    }
                    _ => add(Link::new(object, text(&target)).into()),
                }
                manifest.derivations.push(derivation);
            }
            kind => {
                // A link that is named as a source is followed, and read too.
                let Ok(end) = source.canonicalize() else { return };
                let Ok(digest) = tree::hash(&end, &Interrupt::default()) else { return };
                reads.push(source.clone());
                let nar = digest.nar;
                let derivation = derive(FileContent::Source(Source {
                    path: end,
                    nar,
                    excluded: BTreeSet::new(),
                }));
                let object = placeholder(&derivation);
                let below =
                    |below: &Path| Text(format!("{object}/{}", below.display()).into_bytes());
                match kind {
                    7 | 8 if is_directory => {
                        // Through a link of the root's, or straight, as older versions did.
                        let digest = Hash::of(target.as_os_str().as_bytes()).to_hex();
                        let through = (*through.get_or_insert(kind) == 7)
                            .then(|| Text(format!("tree-{}", &digest[..9]).into_bytes()));
                        for inner in &files {
                            let (from, to) = (below(inner), text(&target.join(inner)));
                            let private = stays_private && is_private(&source.join(inner));
                            add(match private {
                                true => {
                                    File { source: from, target: to, private, ..File::default() }
                                        .into()
                                }
                                false => {
                                    Link { through: through.clone(), ..Link::new(from, to) }.into()
                                }
                            });
                        }
                    }
                    9 if is_directory => {
                        for inner in files.iter().filter(|inner| source.join(inner).is_file()) {
                            add(File {
                                source: below(inner),
                                target: text(&target.join(inner)),
                                ..File::default()
                            }
                            .into());
                        }
                    }
                    9 | 10 => {
                        let private = stays_private;
                        let (source, target) = (object.as_str().into(), text(&target));
                        add(File { source, target, private, ..File::default() }.into());
                    }
                    _ => add(Link::new(object.as_str().into(), text(&target)).into()),
                }
                manifest.also_read.push(source.clone());
                manifest.derivations.push(derivation);
            }
        }
    }
}

/// Returns whether only its owner can read a file.
fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.is_file() && data.mode() & 0o077 == 0)
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
