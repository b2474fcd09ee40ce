//! What the integration tests share: settings, a directory in memory, and objects that nobody has
//! to build.

#![expect(dead_code, reason = "each test is a program of its own, and uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use syslua_engine::failure::{Failure, FailureKind};
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, ObjectName, OutputName};
use syslua_engine::platform;
use syslua_engine::platform::jail::Level;
use syslua_engine::realize::{Build, Task, Tasks};
use syslua_engine::settings::{
    Interrupt, Network, OutputLimits, Sandbox, Settings, System, UnpackLimits,
};
use syslua_engine::store::{self, Outputs, Slot, Store};

// Numbers of errors that an operation may fail with.
pub const ENOSPC: i32 = 28;
pub const EIO: i32 = 5;
pub const EMFILE: i32 = 24;

/// Returns a new directory, in memory where there is room for it: thousands of syncs go faster
/// there.
pub fn temporary_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Removes a tree, also the objects in it.
pub fn remove(path: &Path) {
    platform::set_immutable(path, false);
    platform::remove_tree(path).unwrap();
}

/// Returns the settings of an engine that reaches no network and confines nothing.
pub fn settings(root: &Path, home: &Path) -> Settings {
    Settings {
        identities: Default::default,
        context: Default::default(),
        root: root.to_owned(),
        home: home.to_owned(),
        substitute: None,
        jobs: 2,
        offline: true,
        network: Network::default(),
        lock_timeout: None,
        sandbox: Sandbox::Off,
        interrupt: Interrupt::default(),
        events: Default::default(),
        shared_environment: Vec::new(),
        system: System::current(),
        unpack: UnpackLimits::default(),
        build_users: Default::default(),
        leaves_services: false,
        output: OutputLimits::default(),
        pins: Arc::default(),
    }
}

/// For what must be built already.
pub struct NoTasks;

impl Tasks for NoTasks {
    fn begin(&mut self, build: Arc<Build>, _in_place: bool) -> Result<Box<dyn Task>, Failure> {
        Err(Failure::new(
            FailureKind::Internal,
            format!("{} is not built here", build.derivation.title()),
        ))
    }
}

/// Publishes an object whose derivation has the hash of its name. `fill` makes its content at the
/// path that it is told.
pub fn build(
    store: &Store,
    name: &str,
    dependencies: &[&ObjectName],
    fill: impl FnOnce(&Path),
) -> ObjectName {
    let (deriver, name) = (Hash::of(name.as_bytes()), Name::parse(name).unwrap());
    let temporary = ObjectName::new(&name, None, &OutputName::main(), deriver);
    let slot = store.building(Slot::of(deriver));
    fs::create_dir_all(&slot).unwrap();
    fill(&slot.join(temporary.as_str()));
    let outputs = BTreeMap::from([(OutputName::main(), temporary)]);
    let dependencies = dependencies.iter().map(|object| (*object).clone()).collect();
    publish(store, deriver, &name, &outputs, &dependencies).into_iter().next().unwrap().1
}

/// Publishes what stands at the temporary names of a derivation's outputs. Returns the objects that
/// they became.
pub fn publish(
    store: &Store,
    deriver: Hash,
    name: &Name,
    outputs: &BTreeMap<OutputName, ObjectName>,
    dependencies: &BTreeSet<ObjectName>,
) -> Outputs {
    let build = store::import::Build {
        deriver,
        name,
        version: None,
        outputs,
        dependencies,
        published: &|_, _| {},
        expected: None,
        sandbox: Level::Off,
    };
    store::import::import(store, &build, || Ok(())).unwrap()
}

/// Writes a file and the directories that lead to it.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
