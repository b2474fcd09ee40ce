//! Publication, verification, repair, closures and removal of trees as an attacker makes them: of
//! any depth, of any kinds of files, and changing meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::closure::{self, Limits};
use super::gc::mark::{Living, present};
use super::import::{Build, SourceTree, import, import_source};
use super::own::Own;
use super::source_cache::SourceMemory;
use super::{Error, Outputs, Slot, Store, gc::sweep, repair, tree, verify};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, OutputName};
use crate::platform::hostile::{
    Arena, DEEP, Kinds, Random, count, deep_file, holds_no_canary, make_deep, make_tree, place,
};
use crate::platform::jail::Level;
use crate::platform::{self, Step, Walk};
use crate::settings::{Interrupt, UnpackLimits};
use crate::value::Source;

const HERE: &str = "x86_64-linux";
const RECIPE: &[u8] = b"recipe";

/// A store in its own directory.
struct Place {
    store: Store,
    /// It goes with this.
    directory: Option<tempfile::TempDir>,
}

impl Place {
    fn new() -> Place {
        let directory = place();
        let mut place = Place::at(&directory.path().canonicalize().unwrap().join("root"));
        place.directory = Some(directory);
        place
    }

    fn at(root: &Path) -> Place {
        let store = Store::new(root);
        store.create().unwrap();
        Place { store, directory: None }
    }

    fn temporary() -> ObjectName {
        ObjectName::new(&Name::parse("demo").unwrap(), None, &OutputName::main(), Hash::of(RECIPE))
    }

    /// Where the output is built.
    fn built(&self) -> PathBuf {
        let slot = self.store.building(Slot::of(Hash::of(RECIPE)));
        platform::create_directories(&slot).unwrap();
        slot.join(Place::temporary().as_str())
    }

    fn import(&self) -> super::Result<ObjectName> {
        let outputs = BTreeMap::from([(OutputName::main(), Place::temporary())]);
        let build = Build {
            deriver: Hash::of(RECIPE),
            name: &Name::parse("demo").unwrap(),
            version: None,
            outputs: &outputs,
            dependencies: &BTreeSet::new(),
            published: &|_, _| {},
            expected: None,
            sandbox: Level::Off,
        };
        let made: Outputs = import(&self.store, &build, || Ok(()))?;
        Ok(made.into_iter().next().unwrap().1)
    }

    fn export(&self, object: &ObjectName) -> closure::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let found = closure::collect(&self.store, None, std::slice::from_ref(object), HERE)?;
        closure::export(&self.store, None, found, &mut bytes, 2, &Interrupt::default())?;
        Ok(bytes)
    }

    fn receive(&self, bytes: Vec<u8>) -> closure::Result<ObjectName> {
        let (depth, path) = (u64::try_from(DEEP).unwrap() + 1, u64::MAX);
        let unpack = UnpackLimits { depth, path, ..UnpackLimits::default() };
        let limits = Limits {
            unpack: &unpack,
            platform: HERE,
            lock_timeout: None,
            interrupt: &Interrupt::default(),
        };
        let imported = closure::import(
            &self.store,
            Box::new(std::io::Cursor::new(bytes)),
            &limits,
            &mut |_, _| {},
        )?;
        Ok(imported.roots[0].clone())
    }

    /// Removes all objects, as gc does.
    fn sweep(&self) {
        let _open = self.store.lock_publication().unwrap();
        let own = Own::open(&self.store).unwrap().unwrap();
        let objects = present(&self.store).unwrap();
        let living = Living::default();
        let found = sweep::list_garbage(
            &self.store,
            &own,
            &objects,
            &living,
            &BTreeSet::new(),
            &keep_none(),
        )
        .unwrap();
        let interrupt = Interrupt::default();
        sweep::clear(&self.store, &own, &found, &interrupt).unwrap();
        sweep::retire(&self.store, &own, &found, &interrupt).unwrap();
        sweep::erase(&self.store, &own, &found, &interrupt).unwrap();
        assert_eq!(fs::read_dir(self.store.objects()).unwrap().count(), 0);
    }

    /// Panics when something is left of a publication.
    fn is_tidy(&self) {
        assert_eq!(fs::read_dir(self.store.staging()).unwrap().count(), 0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // As root they cannot be removed otherwise.
        platform::set_immutable(self.store.root(), false);
        let _ = platform::remove_tree(self.store.root());
        self.directory = None;
    }
}

/// Everything that was fetched goes.
fn keep_none() -> sweep::KeptDownloads {
    sweep::KeptDownloads { after: None, locked: Some(BTreeSet::new()) }
}

fn hash(path: &Path) -> Hash {
    tree::hash(path, &Interrupt::default()).unwrap().nar
}

#[test]
fn objects_of_any_depth_are_published_verified_repaired_moved_and_removed() {
    let (first, second) = (Place::new(), Place::new());
    // It names itself, so that it is rewritten at the bottom.
    make_deep(&first.built(), DEEP, format!("called {}", Place::temporary()).as_bytes());
    let object = first.import().unwrap();
    first.is_tidy();
    assert_eq!(count(&first.store.object(&object)), DEEP + 1);
    assert_eq!(verify::observe(&first.store, &object), Ok(()));
    first.sweep();
    // The same is done to it several times, so it is less deep: deeper than paths and tables of
    // descriptors still.
    let depth = DEEP / 5;
    make_deep(&first.built(), depth, format!("called {}", Place::temporary()).as_bytes());
    let object = first.import().unwrap();
    let bytes = first.export(&object).unwrap();
    assert_eq!(second.receive(bytes).unwrap(), object);
    assert_eq!(hash(&second.store.object(&object)), hash(&first.store.object(&object)));
    // Damaged at the bottom, set aside, and replaced by the copy of the other store.
    platform::set_immutable(&second.store.object(&object), false);
    damage(&second.store.object(&object), depth);
    assert!(verify::observe(&second.store, &object).is_err());
    {
        let _open = second.store.lock_publication().unwrap();
        assert!(verify::quarantine(&second.store, &object).unwrap().is_some());
    }
    assert!(repair::substitute(&second.store, &first.store, &object).unwrap());
    assert_eq!(verify::observe(&second.store, &object), Ok(()));
    second.is_tidy();
    second.sweep();
    first.sweep();
}

#[test]
fn a_source_that_is_too_deep_is_refused_soon() {
    let place = Place::new();
    let path = place.store.root().join("source");
    make_deep(&path, DEEP, b"text");
    let error =
        SourceMemory::load(&place.store).hash(&path, &BTreeSet::new()).unwrap_err().to_string();
    assert!(error.contains("may have 4096 bytes") && error.len() < 10_000, "{error}");
    let source = Source { path, excluded: BTreeSet::new(), nar: Hash::of(b"nar") };
    let tree = SourceTree {
        deriver: Hash::of(b"deriver"),
        name: &Name::parse("demo").unwrap(),
        source: &source,
        sandbox: Level::Off,
    };
    let error =
        import_source(&place.store, &tree, &tree::SeenTrees::default()).unwrap_err().to_string();
    assert!(error.contains("may have 4096 bytes"), "{error}");
    place.is_tidy();
}

/// Changes the file at the bottom of a deep tree.
fn damage(path: &Path, depth: usize) {
    let (mut directory, name) = platform::locate(path).unwrap();
    let mut name = name.to_owned();
    for component in deep_file(depth).components() {
        directory.set_mode(&name, 0o755).unwrap();
        directory = std::sync::Arc::new(directory.directory(&name).unwrap());
        component.as_os_str().clone_into(&mut name);
    }
    directory.set_mode(&name, 0o644).unwrap();
    directory.overwrite(&name, b"other", 0o644).unwrap();
}

#[test]
fn random_trees_become_whole_objects_or_nothing() {
    for seed in 0..60 {
        let arena = Arena::new();
        let (first, second) = (Place::at(&arena.path("first")), Place::at(&arena.path("second")));
        let kinds = if seed % 3 == 0 { Kinds::All } else { Kinds::Storable };
        make_tree(&first.built(), &mut Random::new(seed), kinds, &arena.path("outside"));
        match first.import() {
            Ok(object) => {
                assert_eq!(verify::observe(&first.store, &object), Ok(()), "seed {seed}");
                is_plain(&first.store.object(&object));
                let bytes = first.export(&object).unwrap();
                assert_eq!(second.receive(bytes).unwrap(), object, "seed {seed}");
                assert_eq!(verify::observe(&second.store, &object), Ok(()), "seed {seed}");
                platform::set_immutable(&second.store.object(&object), false);
                let open = second.store.lock_publication().unwrap();
                platform::remove_tree(&second.store.object(&object)).unwrap();
                drop(open);
                assert!(
                    repair::substitute(&second.store, &first.store, &object).unwrap(),
                    "seed {seed}"
                );
                assert_eq!(verify::observe(&second.store, &object), Ok(()), "seed {seed}");
            }
            Err(error) => {
                let has_special = kinds == Kinds::All && matches!(error, Error::Unstorable { .. });
                // Who is not root cannot copy such a file, and changes none that is found
                // elsewhere.
                let is_closed = error.to_string().contains("has other names");
                assert!(has_special || is_closed, "seed {seed}: {error}");
                assert_eq!(fs::read_dir(first.store.objects()).unwrap().count(), 0);
            }
        }
        first.is_tidy();
        first.sweep();
        second.sweep();
        arena.is_unharmed();
    }
}

/// Panics when something in an object has rights that objects have not, or an inode that is found
/// elsewhere too.
fn is_plain(path: &Path) {
    let (directory, name) = platform::locate(path).unwrap();
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step().unwrap() {
        if let Step::Node { directory, name, kind } = step {
            let node = directory.node(&name).unwrap().unwrap();
            assert!(
                kind == platform::FileKind::Symlink || platform::is_object_mode(&node),
                "{node:?}"
            );
            assert!(kind != platform::FileKind::File || node.links == 1, "{node:?}");
        }
    }
}

#[test]
fn what_is_swapped_in_while_a_tree_is_hashed_leads_nowhere() {
    let arena = Arena::new();
    let canary = hash(&arena.path("outside/one"));
    arena.race(|tree| {
        let found =
            tree::hash_replacing(tree, &[(b"canary".to_vec(), None)], &Interrupt::default());
        assert!(
            found.is_err()
                || found.is_ok_and(|digest| digest.nar != canary && digest.found[0].is_empty())
        );
    });
}

#[test]
fn what_is_swapped_in_while_a_tree_is_published_leads_nowhere() {
    let arena = Arena::new();
    let place = Place::at(&arena.path("root"));
    let built = place.built();
    arena.race_at(&built, 1, |tree| {
        // The own name in it makes it rewrite files while their names are swapped.
        let _ = fs::write(tree.join("names"), tree.to_str().unwrap());
        let imported = place.import();
        if let Ok(object) = imported {
            platform::set_immutable(&place.store.object(&object), false);
        }
    });
    for entry in fs::read_dir(place.store.objects()).unwrap() {
        holds_no_canary(&entry.unwrap().path());
    }
}

#[test]
fn what_is_swapped_in_while_an_object_is_looked_at_moved_and_removed_leads_nowhere() {
    let arena = Arena::new();
    let (first, second) = (Place::at(&arena.path("first")), Place::at(&arena.path("second")));
    fs::create_dir(first.built()).unwrap();
    fs::write(first.built().join("file"), "text").unwrap();
    let object = first.import().unwrap();
    let path = first.store.object(&object);
    // The same record for another tree, which changes all the time.
    arena.race_at(&path, 3, |_| {
        assert!(verify::observe(&first.store, &object).is_err());
        if let Ok(bytes) = first.export(&object) {
            assert!(second.receive(bytes).is_err());
        }
        assert!(!repair::substitute(&second.store, &first.store, &object).unwrap_or(false));
    });
    assert_eq!(fs::read_dir(second.store.objects()).unwrap().count(), 0);
    arena.race_at(&path, 1, |_| {
        let own = Own::open(&first.store).unwrap().unwrap();
        let objects = present(&first.store).unwrap();
        let found = sweep::list_garbage(
            &first.store,
            &own,
            &objects,
            &Living::default(),
            &BTreeSet::new(),
            &keep_none(),
        )
        .unwrap();
        let interrupt = Interrupt::default();
        let _ = sweep::retire(&first.store, &own, &found, &interrupt);
        let _ = sweep::erase(&first.store, &own, &found, &interrupt);
    });
    arena.race_at(&path, 1, |_| {
        if let Ok(Some(place)) = verify::quarantine(&first.store, &object) {
            let _ = platform::remove_tree(&place);
        }
    });
}
