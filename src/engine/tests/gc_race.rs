//! gc beside users who root objects meanwhile: what a borrower rooted and then found whole stays.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use syslua_engine::api::{Engine, GcOptions};
use syslua_engine::names::ObjectName;
use syslua_engine::platform;
use syslua_engine::settings::Mode;
use syslua_engine::store::{Access, Store, verify};

use support::{remove, settings, temporary_directory, write};

fn publish(store: &Store, number: usize) -> ObjectName {
    let name = format!("object{number}");
    support::build(store, &name, &[], |path| write(&path.join("bin/run"), &name))
}

/// Roots the objects of a user's choice as a borrower does, first the link and then the look, as
/// long as it is not told to stop. Returns those that were there and whole, which nothing may have
/// removed since.
fn borrow(
    root: &Path,
    objects: &[ObjectName],
    stop: &AtomicBool,
    seed: u64,
) -> BTreeSet<ObjectName> {
    let store = Store::new(root);
    let mut held = BTreeSet::new();
    let mut state = seed | 1;
    while !stop.load(Ordering::Relaxed) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let object = &objects[usize::try_from(state >> 16).unwrap() % objects.len()];
        let link = store.all_user_roots().join("1000").join(object.as_str());
        if !held.contains(object) && symlink(store.object(object), &link).is_ok() {
            if verify::observe(&store, object).is_ok() {
                held.insert(object.clone());
            } else {
                fs::remove_file(link).unwrap();
            }
        }
        std::thread::sleep(Duration::from_micros(state % 300));
    }
    held
}

#[test]
fn what_is_rooted_while_gc_works_stays() {
    let (mut kept, mut removed) = (0, 0);
    for round in 0..25 {
        let base = temporary_directory();
        let root = base.path().join("root");
        let store = Store::new(&root);
        store.create().unwrap();
        let objects: Vec<ObjectName> = (0..30).map(|number| publish(&store, number)).collect();
        fs::create_dir_all(store.all_user_roots().join("1000")).unwrap();
        let stop = AtomicBool::new(false);
        let held = std::thread::scope(|scope| {
            let borrower = scope.spawn(|| borrow(&root, &objects, &stop, 7 * round + 3));
            std::thread::sleep(Duration::from_micros(400 * (round % 5)));
            let engine = Engine::open(settings(&root, &root), Access::Work).unwrap();
            removed += engine.gc(GcOptions::default(), Mode::Perform).unwrap().removed;
            stop.store(true, Ordering::Relaxed);
            borrower.join().unwrap()
        });
        let there: BTreeSet<ObjectName> =
            objects.into_iter().filter(|object| platform::exists(&store.object(object))).collect();
        for object in &there {
            assert_eq!(verify::observe(&store, object), Ok(()), "round {round}");
        }
        assert!(there.is_superset(&held), "round {round}: {:?}", held.difference(&there));
        kept += there.len();
        remove(&root);
    }
    // Both happened, so that there was something to decide.
    assert!(kept > 0 && removed > 0, "{kept} kept, {removed} removed");
}
