//! Moving objects under faults: at every numbered operation the process ends, or the operation
//! fails. Whatever has its name afterwards is whole, with all that it refers to; the same import
//! completes; a file that was there before an export stays.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;
use std::path::Path;

use syslua_engine::api::{Engine, ExportTo};
use syslua_engine::names::ObjectName;
use syslua_engine::platform;
use syslua_engine::platform::fault::{self, Fault};
use syslua_engine::store::{Access, Store, read_info, verify};

use support::{EIO, ENOSPC, remove, settings, temporary_directory, write};

fn engine(root: &Path) -> Engine {
    Engine::open(settings(root, root), Access::Work).unwrap()
}

/// Publishes an object that refers to others and to itself.
fn build(store: &Store, name: &str, dependencies: &[&ObjectName]) -> ObjectName {
    let names: Vec<&str> = dependencies.iter().map(|object| object.as_str()).collect();
    support::build(store, name, dependencies, |path| {
        let own = path.file_name().unwrap().display();
        write(&path.join("bin/run"), format!("{} ../{own}", names.join(" ")));
        symlink("bin/run", path.join("link")).unwrap();
    })
}

fn import(root: &Path, bytes: &[u8]) -> Result<usize, String> {
    let imported = engine(root).import_closure(Box::new(Cursor::new(bytes.to_vec())), "it");
    let imported = imported.map_err(|error| error.to_failure().message)?;
    Ok(imported.imported.len() + imported.present.len())
}

/// Checks that what is there is whole and has all it refers to.
fn check(root: &Path, when: &str) -> BTreeSet<ObjectName> {
    let store = Store::new(root);
    let entries = fs::read_dir(store.objects()).into_iter().flatten();
    let there: BTreeSet<ObjectName> = entries
        .map(|entry| ObjectName::parse(entry.unwrap().file_name().to_str().unwrap()).unwrap())
        .collect();
    for object in &there {
        let mut looked = verify::observe(&store, object);
        // Whoever was stopped between the two steps did not take the right to write from the top.
        if looked.as_ref().is_err_and(|problem| problem.ends_with("is not read-only")) {
            platform::set_mode(&store.object(object), 0o555).unwrap();
            looked = verify::observe(&store, object);
        }
        assert_eq!(looked, Ok(()), "{when}: {object}");
        let references = read_info(&store, object).unwrap().unwrap().references;
        assert!(
            references.iter().all(|reference| there.contains(reference)),
            "{when}: {object} lacks something"
        );
    }
    there
}

#[test]
fn an_import_or_export_is_disturbed_at_every_operation() {
    let base = temporary_directory();
    let (here, there) = (base.path().join("here"), base.path().join("there"));
    let store = Store::new(&here);
    store.create().unwrap();
    let low = build(&store, "low", &[]);
    let middle = build(&store, "middle", &[&low]);
    let high = build(&store, "high", &[&low, &middle]);
    let all = BTreeSet::from([low, middle, high.clone()]);
    let file = base.path().join("it.closure");
    let export = || engine(&here).export(std::slice::from_ref(&high), ExportTo::File(&file));
    export().unwrap();
    let bytes = fs::read(&file).unwrap();

    fault::choose(None);
    import(&there, &bytes).unwrap();
    let operations = fault::count();
    assert!(operations > 60, "{operations}");
    remove(&there);
    for number in 1..=operations {
        for fault in [Fault::Halt, Fault::Fail(ENOSPC), Fault::Fail(EIO)] {
            let when = format!("{number}: {fault:?}");
            fault::choose(Some((number, fault)));
            let result = import(&there, &bytes);
            fault::choose(None);
            let found = check(&there, &when);
            if let Err(message) = &result {
                assert!(message.starts_with("cannot import it: "), "{when}: {message}");
            } else {
                assert_eq!(found, all, "{when}");
            }
            assert_eq!(import(&there, &bytes), Ok(3), "{when}: the next one");
            assert_eq!(check(&there, &when), all, "{when}: the next one");
            let store = Store::new(&there);
            assert!(platform::exists(&store.import_root(&high)), "{when}: nothing keeps it");
            assert!(!store.staging().join("closure").exists(), "{when}: something is left");
            assert!(!store.quarantine().exists(), "{when}: something was taken for damaged");
            remove(&there);
        }
    }

    fault::choose(None);
    export().unwrap();
    let operations = fault::count();
    for number in 1..=operations {
        for fault in [Fault::Halt, Fault::Fail(ENOSPC)] {
            fs::write(&file, "before").unwrap();
            fault::choose(Some((number, fault)));
            let result = export();
            fault::choose(None);
            if result.is_err() {
                assert_eq!(fs::read(&file).unwrap(), b"before", "{number}");
            }
            export().unwrap();
            assert_eq!(fs::read(&file).unwrap().len(), bytes.len(), "{number}");
        }
    }
    remove(&here);
}
