//! gc under faults: at every numbered operation the process ends, or the operation fails. What is
//! alive stays, whatever has its name is whole, no record leads to something else, and the next gc
//! completes.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use syslua_engine::api::{Engine, GcOptions};
use syslua_engine::hash::Hash;
use syslua_engine::names::ObjectName;
use syslua_engine::platform::fault::{self, Fault};
use syslua_engine::settings::{Mode, Settings};
use syslua_engine::store::{Access, Slot, Store, verify};

use support::{EIO, ENOSPC, remove, settings, temporary_directory, write};

fn gc(root: &Path) -> Result<usize, String> {
    // With one job the numbers of operations count the same each time.
    let engine = Engine::open(Settings { jobs: 1, ..settings(root, root) }, Access::Work).unwrap();
    let report = engine.gc(GcOptions::default(), Mode::Perform);
    report.map(|report| report.removed).map_err(|error| error.to_failure().message)
}

/// Publishes an object that refers to others, with its record of outputs, log and description.
fn build(store: &Store, name: &str, dependencies: &[&ObjectName]) -> ObjectName {
    let names: Vec<&str> = dependencies.iter().map(|object| object.as_str()).collect();
    let text = format!("{name} {}", names.join(" "));
    let object =
        support::build(store, name, dependencies, |path| write(&path.join("bin/run"), text));
    let recipe = Hash::of(name.as_bytes());
    for path in [store.outputs(recipe), store.log(recipe), store.derivation(recipe)] {
        write(&path, format!(r#"{{"out":"{object}"}}"#));
    }
    object
}

/// Makes a store of two objects that are held and three that are not. Returns those that are held.
fn furnish(root: &Path) -> BTreeSet<ObjectName> {
    let store = Store::new(root);
    store.create().unwrap();
    let low = build(&store, "low", &[]);
    let high = build(&store, "high", &[&low]);
    let dead = build(&store, "dead", &[&low]);
    build(&store, "deader", &[&dead]);
    build(&store, "single", &[]);
    fs::create_dir_all(store.gc_roots()).unwrap();
    symlink(store.object(&high), store.gc_roots().join("mine")).unwrap();
    for leftover in [
        store.old_building().join("half-012345678"),
        store.building(Slot::of(Hash::of(b"half"))).join("half"),
        store.staging().join(format!("{}-out", Hash::of(b"half"))),
        store.downloads().join(Hash::of(b"old").to_hex()),
    ] {
        write(&leftover, "bytes");
    }
    BTreeSet::from([low, high])
}

/// Checks that what is there is whole, and that records of outputs name only that. Returns what is
/// there.
fn check(root: &Path, when: &str) -> BTreeSet<ObjectName> {
    let store = Store::new(root);
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let there: BTreeSet<ObjectName> =
        names(store.objects()).iter().filter_map(|name| ObjectName::parse(name).ok()).collect();
    for object in &there {
        assert_eq!(verify::observe(&store, object), Ok(()), "{when}: {object}");
    }
    for name in names(&store.all_outputs()) {
        let text = fs::read_to_string(store.all_outputs().join(&name)).unwrap();
        assert!(
            there.iter().any(|object| text.contains(object.as_str())),
            "{when}: {name} names what is gone: {text}"
        );
    }
    there
}

#[test]
fn gc_is_disturbed_at_every_operation() {
    let base = temporary_directory();
    let root = base.path().join("root");
    let alive = furnish(&root);
    fault::choose(None);
    assert_eq!(gc(&root), Ok(3));
    let operations = fault::count();
    assert!(operations > 15, "{operations}");
    assert_eq!(check(&root, "undisturbed"), alive);
    remove(&root);
    let mut failures = 0;
    for number in 1..=operations {
        for fault in [Fault::Halt, Fault::Fail(ENOSPC), Fault::Fail(EIO)] {
            let when = format!("{number}: {fault:?}");
            furnish(&root);
            fault::choose(Some((number, fault)));
            failures += usize::from(gc(&root).is_err());
            fault::choose(None);
            assert!(check(&root, &when).is_superset(&alive), "{when}");
            gc(&root).unwrap_or_else(|error| panic!("{when}: the next one fails: {error}"));
            assert_eq!(check(&root, &when), alive, "{when}: the next one does not complete");
            let left = fs::read_dir(Store::new(&root).objects()).unwrap().count();
            assert_eq!(left, alive.len(), "{when}: something is left");
            remove(&root);
        }
    }
    // Only what does no harm may go on after an error.
    assert!(failures > usize::try_from(operations).unwrap(), "{failures} of {operations}");
}
