//! A home and a root with two snapshots, and every command that looks at them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syslua_engine::action::{Action, File, Link, Variable};
use syslua_engine::activation::DeclaredAction;
use syslua_engine::api::{ApplyOptions, Engine, GcOptions, PlanOptions};
use syslua_engine::derivation::{Derivation, Recipe, Spec};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::{Name, OutputName, SnapshotId};
use syslua_engine::platform;
use syslua_engine::settings::{Mode, System};
use syslua_engine::store::{self, Access, Slot, Store};
use syslua_engine::value::{Function, Value};
use syslua_engine::variable::VariableValue;

use crate::damages::thorough;
use crate::support::{NoTasks, publish, remove, settings, temporary_directory};

/// Every path below a directory, with what is there. Locks and logs apart.
pub type Tree = BTreeMap<PathBuf, Vec<u8>>;

pub fn read_tree(top: &Path) -> Tree {
    fn add(path: &Path, tree: &mut Tree) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let content = if data.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if data.is_dir() {
                add(&path, tree);
                b"directory".to_vec()
            } else {
                fs::read(&path).unwrap()
            };
            if path.extension().is_none_or(|extension| extension != "lock") {
                tree.insert(path, content);
            }
        }
    }
    let mut tree = Tree::new();
    add(top, &mut tree);
    tree
}

pub fn differing(before: &Tree, after: &Tree) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

pub struct Machine {
    base: tempfile::TempDir,
    pub work: PathBuf,
    pub derivations: [Arc<Derivation>; 3],
}

impl Machine {
    /// Applies two manifests: snapshot 2 is current.
    pub fn new() -> Machine {
        let base = temporary_directory();
        let work = base.path().canonicalize().unwrap().join("work");
        fs::create_dir_all(work.join("home")).unwrap();
        fs::write(work.join("home/.both"), "precious").unwrap();
        let store = Store::new(&work.join("root"));
        store.create().unwrap();
        let derivations = ["one", "two", "three"].map(|name| build(&store, name));
        let machine = Machine { base, work, derivations };
        for number in [1, 2] {
            machine.apply(number).unwrap();
        }
        let source = machine.work.join("source");
        fs::write(&source, "text").unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
        fs::File::options().write(true).open(&source).unwrap().set_modified(old).unwrap();
        machine.save();
        machine
    }

    pub fn engine(&self) -> Engine {
        Engine::open(settings(&self.work.join("root"), &self.work.join("home")), Access::Work)
            .unwrap()
    }

    /// `~/.both` and `~/.N` lead to the object of that number.
    fn manifest(&self, number: usize) -> Manifest {
        let derivation = &self.derivations[number - 1];
        let placeholder = derivation.placeholder(&OutputName::main()).to_string();
        let action =
            |action: Action| Arc::new(DeclaredAction::new(action, vec!["init.lua:1".into()]));
        let link =
            |target: &str| action(Link::new(placeholder.as_str().into(), target.into()).into());
        let target = format!("~/.file{number}").as_str().into();
        let source = placeholder.as_str().into();
        let install =
            action(File { source, target, mode: Some("640".into()), ..File::default() }.into());
        let value = VariableValue::Single(format!("{number}").as_str().into());
        let activations = vec![
            link("~/.both"),
            link(&format!("~/.deep/{number}/link")),
            install,
            action(Variable { name: "VALUE".into(), value }.into()),
        ];
        Manifest { derivations: vec![Arc::clone(derivation)], activations, ..Manifest::default() }
    }

    pub fn apply(&self, number: usize) -> Result<(), String> {
        let manifest = self.manifest(number);
        let applied = self.engine().apply(&manifest, &ApplyOptions::default(), &mut NoTasks);
        applied.map(drop).map_err(|error| error.to_failure().message)
    }

    pub fn rollback(&self, id: Option<u64>) -> Result<(), String> {
        let done = self.engine().rollback(id.map(SnapshotId), Mode::Perform);
        done.map(drop).map_err(|error| error.to_failure().message)
    }

    /// Removes what only snapshots before the current one hold, with them.
    pub fn collect(&self) -> Result<(), String> {
        let options = GcOptions { keep: Some(1), ..GcOptions::default() };
        let done = self.engine().gc(options, Mode::Perform);
        done.map(drop).map_err(|error| error.to_failure().message)
    }

    pub fn home(&self) -> Tree {
        read_tree(&self.work.join("home"))
    }

    fn save(&self) {
        copy(&self.work, &self.base.path().join("saved"));
    }

    pub fn restore(&self) {
        copy(&self.base.path().join("saved"), &self.work);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.work.join("root").join(name)
    }

    /// The home as it is under each snapshot.
    pub fn homes(&self) -> Vec<Tree> {
        let homes = [0, 1, 2].map(|id| {
            self.rollback(Some(id)).unwrap();
            self.home()
        });
        self.restore();
        homes.into()
    }

    /// Runs every command that only looks; each result under its name.
    fn observe(&self, with_gc: bool) -> Vec<(&'static str, Result<(), String>)> {
        fn done<T>(result: Result<T, syslua_engine::api::Error>) -> Result<(), String> {
            result.map(drop).map_err(|error| error.to_failure().message)
        }
        let engine = self.engine();
        let hashes = [0, 1].map(|number: usize| self.derivations[number].hash.to_hex());
        let mut looked = vec![
            ("status", done(engine.status())),
            ("plan", done(engine.plan(&self.manifest(2), PlanOptions::default()))),
            (
                "plan of another",
                done(
                    engine.plan(
                        &self.manifest(3),
                        PlanOptions { diff: true, ..PlanOptions::default() },
                    ),
                ),
            ),
            ("history", done(engine.history())),
            ("diff", done(engine.diff_snapshots(Some(SnapshotId(1)), Some(SnapshotId(2)), true))),
            ("diff of derivations", done(engine.diff_derivations(&hashes[0], &hashes[1]))),
            ("why", done(engine.actions())),
            ("list", done(engine.list())),
            ("info", done(engine.info())),
            ("verify", done(engine.verify())),
            ("destroy --dry-run", done(engine.destroy(Mode::Preview))),
            ("rollback --dry-run", done(engine.rollback(Some(SnapshotId(1)), Mode::Preview))),
        ];
        if with_gc {
            looked.push(("gc --dry-run", done(engine.gc(GcOptions::default(), Mode::Preview))));
        }
        looked
    }

    /// Runs them all; returns those that failed. Nothing changes.
    pub fn look_at_damage(&self, when: &str) -> BTreeMap<&'static str, String> {
        self.observe_at(when, true)
    }

    /// The same, for one of very many; `gc`, which looks at all processes of the machine too, only
    /// at some.
    pub fn look_at_one_of_many(&self, when: &str, place: usize) -> BTreeMap<&'static str, String> {
        self.observe_at(when, thorough() || place.is_multiple_of(8))
    }

    fn observe_at(&self, when: &str, with_gc: bool) -> BTreeMap<&'static str, String> {
        let before = read_tree(&self.work);
        let looked = self.observe(with_gc);
        let changed = differing(&before, &read_tree(&self.work));
        assert!(changed.is_empty(), "{when}: looking changed {changed:?}");
        looked.into_iter().filter_map(|(name, result)| Some((name, result.err()?))).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        platform::set_immutable(self.base.path(), false);
        let _ = platform::remove_tree(&self.work);
        let _ = platform::remove_tree(&self.base.path().join("saved"));
    }
}

fn copy(from: &Path, to: &Path) {
    remove(to);
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Publishes an object as if a derivation had been built.
fn build(store: &Store, name: &str) -> Arc<Derivation> {
    let spec = Spec {
        name: Name::parse(name).unwrap(),
        version: None,
        outputs: vec![OutputName::main()],
        system: System::current().into(),
        recipe: Recipe::Function {
            opts: Value::Bytes(name.as_bytes().to_vec()),
            config: Function { text: b"function() end".to_vec(), captures: Vec::new() }.into(),
        },
        output_hash: None,
    };
    let derivation = Derivation::new(spec, |_| None).unwrap();
    let outputs = derivation.temporary_names();
    for temporary in outputs.values() {
        let slot = store.building(Slot::of(derivation.hash));
        fs::create_dir_all(&slot).unwrap();
        fs::write(slot.join(temporary.as_str()), format!("content of {name}\n")).unwrap();
    }
    let published =
        publish(store, derivation.hash, &derivation.spec.name, &outputs, &BTreeSet::new());
    store::write_derivation(store, derivation.hash, &derivation.description()).unwrap();
    store::write_outputs(store, derivation.hash, &published).unwrap();
    Arc::new(derivation)
}
