//! Archives made by hand: those of the hostile corpus, and those that no tool makes.

mod builder;
mod good;
mod hostile;
mod hostile_zip;
mod mutations;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use self::builder::Packing;
use super::{UnpackOptions, unpack};
use crate::failure::Explain;
use crate::operation::{Error, Result, Workspace};
use crate::settings::{Interrupt, OutputLimits, Settings, System, UnpackLimits};

/// A build directory with things outside of it that must not change.
pub struct Place {
    directory: tempfile::TempDir,
    pub workspace: Workspace,
}

impl Place {
    pub fn new() -> Place {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let base = fs::canonicalize(directory.path()).unwrap();
        for name in ["work", "outside", "target"] {
            fs::create_dir(base.join(name)).unwrap();
        }
        fs::write(base.join("canary"), "untouched").unwrap();
        fs::write(base.join("outside/canary"), "untouched").unwrap();
        let settings = Settings {
            identities: Default::default,
            context: Default::default(),
            root: base.join("root"),
            home: base.join("home"),
            substitute: None,
            jobs: 2,
            offline: true,
            network: Default::default(),
            lock_timeout: None,
            sandbox: crate::settings::Sandbox::default(),
            interrupt: Interrupt::default(),
            events: Default::default(),
            shared_environment: Vec::new(),
            system: System::current(),
            unpack: UnpackLimits::default(),
            build_users: Default::default(),
            leaves_services: false,
            output: OutputLimits::default(),
            pins: Arc::default(),
        };
        let workspace = Workspace {
            directory: base.join("work"),
            building: base.join("building"),
            outputs: BTreeMap::new(),
            objects: Vec::new(),
            sees: Box::new(|_| false),
            sources: Vec::new(),
            copied_sources: Default::default(),
            is_check: false,
            search: None,
            copies: Default::default(),
            downloads: base.join("downloads"),
            log: base.join("log"),
            mark: base.join("mark"),
            jail: base.join("jail"),
            settings,
            network: false,
            fetched: Mutex::default(),
            pins: Mutex::default(),
            sandbox: Default::default(),
            given: Default::default(),
            origins: Mutex::default(),
            refusal: Mutex::default(),
        };
        Place { directory, workspace }
    }

    /// Unpacks bytes into `out`, which is emptied before.
    pub fn unpack(&self, archive: &[u8], options: &UnpackOptions) -> Result<()> {
        self.clear();
        self.unpack_over(archive, options)
    }

    /// The same over what is there.
    pub fn unpack_over(&self, archive: &[u8], options: &UnpackOptions) -> Result<()> {
        let path = self.workspace.directory.join("archive");
        fs::write(&path, archive).unwrap();
        unpack(&self.workspace, Path::new("archive"), Path::new("out"), options)
    }

    pub fn clear(&self) {
        crate::platform::remove_tree(&self.out()).unwrap();
    }

    pub fn out(&self) -> PathBuf {
        self.workspace.directory.join("out")
    }

    pub fn base(&self) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap()
    }

    /// Panics when something outside of the destination is not as it was.
    pub fn check_canaries(&self, what: &str) {
        let base = self.base();
        let list = |path: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(list(&base), ["canary", "outside", "target", "work"], "{what}");
        assert_eq!(list(&base.join("outside")), ["canary"], "{what}");
        assert!(list(&base.join("target")).is_empty(), "{what}");
        for name in ["canary", "outside/canary"] {
            assert_eq!(fs::read_to_string(base.join(name)).unwrap(), "untouched", "{what}");
        }
        let work = list(&base.join("work"));
        assert!(work.iter().all(|name| name == "archive" || name == "out"), "{what}: {work:?}");
    }
}

/// Returns the message of a refusal, and its hint.
pub fn message(error: &Error) -> String {
    format!("{error}\n{}", error.hint().unwrap_or_default())
}

/// Returns everything below a directory: kind, name, mode, content or target, one a line.
pub fn describe(path: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut lines = Vec::new();
    for (name, kind) in crate::platform::list_directory(path).unwrap() {
        let place = path.join(&name);
        let shown = name.to_string_lossy().into_owned();
        match kind {
            crate::platform::FileKind::Directory => {
                lines.push(format!("{shown}/"));
                lines.extend(describe(&place).into_iter().map(|line| format!("{shown}/{line}")));
            }
            crate::platform::FileKind::Symlink => {
                lines.push(format!("{shown} -> {}", fs::read_link(&place).unwrap().display()));
            }
            _ => {
                let mode = fs::metadata(&place).unwrap().permissions().mode() & 0o7777;
                let content = fs::read(&place).unwrap();
                lines.push(format!("{shown} {mode:o} {}", String::from_utf8_lossy(&content)));
            }
        }
    }
    lines
}

pub const PACKINGS: [Packing; 5] =
    [Packing::Plain, Packing::Gzip, Packing::Xz, Packing::Zstd, Packing::Bzip2];
