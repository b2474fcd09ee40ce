//! Moving objects under faults: at every numbered operation the process ends, or the operation fails. Whatever has its name
//! afterwards is whole, with all that it refers to; the same import completes; a file that was there before an export stays.

#![expect(clippy::unwrap_used, reason = "a test")]
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;

use syslua_engine::engine::{Engine, ExportTo};
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, ObjectName, OutputName};
use syslua_engine::platform;
use syslua_engine::platform::fault::{self, Fault};
use syslua_engine::platform::sandbox::Level;
use syslua_engine::settings::{Interrupt, Network, Sandbox, Settings, System, UnpackLimits};
use syslua_engine::store::{self, Store, read_info, verify};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

fn engine(root: &Path) -> Engine {
    Engine::new(Settings {
        root: root.to_owned(),
        home: root.to_owned(),
        substitute: None,
        jobs: 2,
        offline: true,
        lock_timeout: None,
        sandbox: Sandbox::Off,
        network: Network::default(),
        unpack: UnpackLimits::default(),
        interrupt: Interrupt::default(),
        system: System::current(),
    })
}

/// Publishes an object that refers to others and to itself.
fn build(store: &Store, name: &str, dependencies: &[ObjectName]) -> ObjectName {
    let (name, main) = (Name::parse(name).unwrap(), OutputName::main());
    let recipe = Hash::of(name.as_str().as_bytes());
    let temporary = ObjectName::new(&name, None, &main, recipe);
    let path = store.building().join(temporary.as_str());
    fs::create_dir_all(path.join("bin")).unwrap();
    let names: Vec<&str> = dependencies.iter().map(ObjectName::as_str).collect();
    fs::write(path.join("bin/run"), format!("{} ../{temporary}", names.join(" "))).unwrap();
    std::os::unix::fs::symlink("bin/run", path.join("link")).unwrap();
    let build = store::import::Build {
        deriver: recipe,
        name: &name,
        version: None,
        outputs: &BTreeMap::from([(main, temporary)]),
        dependencies: &dependencies.iter().cloned().collect(),
        published: &|_, _| {},
        expected: None,
        sandbox: Level::Off,
    };
    store::import::import(store, &build, || Ok(())).unwrap().into_values().next().unwrap()
}

fn import(root: &Path, bytes: &[u8]) -> Result<usize, String> {
    let imported = engine(root).import_closure(Box::new(Cursor::new(bytes.to_vec())), "it", &mut |_| {});
    let imported = imported.map_err(|error| error.to_failure().message)?;
    Ok(imported.imported.len() + imported.present.len())
}

/// Checks that what is there is whole and has all it refers to.
fn check(root: &Path, when: &str) -> BTreeSet<ObjectName> {
    let store = Store::new(root);
    let entries = fs::read_dir(store.objects()).into_iter().flatten();
    let there: BTreeSet<ObjectName> =
        entries.map(|entry| ObjectName::parse(entry.unwrap().file_name().to_str().unwrap()).unwrap()).collect();
    for object in &there {
        let mut looked = verify::look(&store, object);
        // Whoever was stopped between the two steps did not take the right to write from the top.
        if looked.as_ref().is_err_and(|problem| problem.ends_with("is not read-only")) {
            platform::set_mode(&store.object(object), 0o555).unwrap();
            looked = verify::look(&store, object);
        }
        assert_eq!(looked, Ok(()), "{when}: {object}");
        let references = read_info(&store, object).unwrap().unwrap().references;
        assert!(references.iter().all(|reference| there.contains(reference)), "{when}: {object} lacks something");
    }
    there
}

fn clean(root: &Path) {
    platform::set_immutable(root, false);
    platform::remove_tree(root).unwrap();
}

#[test]
fn an_import_or_export_is_disturbed_at_every_operation() {
    let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (here, there) = (base.path().join("here"), base.path().join("there"));
    let store = Store::new(&here);
    store.create().unwrap();
    let low = build(&store, "low", &[]);
    let middle = build(&store, "middle", std::slice::from_ref(&low));
    let high = build(&store, "high", &[low.clone(), middle.clone()]);
    let all = BTreeSet::from([low, middle, high.clone()]);
    let file = base.path().join("it.closure");
    let export = || engine(&here).export(std::slice::from_ref(&high), ExportTo::File(&file), &mut |_| {});
    export().unwrap();
    let bytes = fs::read(&file).unwrap();

    fault::choose(None);
    import(&there, &bytes).unwrap();
    let operations = fault::count();
    assert!(operations > 60, "{operations}");
    clean(&there);
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
            assert!(!store.building().join("closure").exists(), "{when}: something is left");
            assert!(!store.quarantine().exists(), "{when}: something was taken for damaged");
            clean(&there);
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
    clean(&here);
}
