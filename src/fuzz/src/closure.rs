//! The import of a closure into an empty store.

use std::io::Cursor;

use syslua_engine::settings::{Interrupt, UnpackLimits};
use syslua_engine::store::Store;
use syslua_engine::store::closure::{Limits, import};

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(&directory.path().join("root"));
    let unpack = UnpackLimits {
        bytes: 4 << 20,
        entries: 500,
        path: 300,
        depth: 20,
        memory: 4 << 20,
        ratio: 200,
    };
    let limits = Limits {
        unpack: &unpack,
        platform: "x86_64-linux",
        lock_timeout: None,
        interrupt: &Interrupt::default(),
    };
    let imported = import(&store, Box::new(Cursor::new(bytes.to_vec())), &limits, &mut |_, _| {});
    let objects = std::fs::read_dir(store.objects()).map_or(0, Iterator::count);
    match imported {
        Ok(imported) => assert_eq!(objects, imported.new.len()),
        Err(error) => {
            assert_eq!(objects, 0, "{error}, but {objects} objects are there");
            assert!(error.to_string().len() < 2000);
        }
    }
    // Nothing leaves the root.
    assert!(
        std::fs::read_dir(directory.path())
            .unwrap()
            .all(|entry| entry.unwrap().file_name() == "root")
    );
}
