//! The record of packages that a root had installed: the file `store/metadata/packages`.
//!
//! Package managers tell what is installed, but not why. A package that is not in the record was
//! there before, and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use syslua_packages::package::Inventory;

use crate::platform;
use crate::store::Store;

/// The version of the format.
const VERSION: u32 = 1;

/// What a root had installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format.
    pub version: u32,
    /// By the name of the manager.
    pub managers: BTreeMap<String, Managed>,
}

/// What one manager installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// The packages, by name.
    pub packages: BTreeMap<String, Kept>,
    /// The call that is under way, or was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A package that was installed, or marked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whether a config declares it; else another package needs it.
    pub declared: bool,
    /// Whether it was there before, as a dependency of others. Then it is only marked as such again
    /// when no config declares it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_there: bool,
    /// Its version.
    pub version: String,
}

/// A call that changes packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// The packages that were not there before, as the simulation named them.
    pub installs: BTreeSet<String>,
    /// Those of them that a config declares.
    pub declared: BTreeSet<String>,
}

impl Managed {
    /// Returns whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.pending.is_none()
    }
}

fn path(store: &Store) -> PathBuf {
    store.metadata().join("packages")
}

/// Reads the record of a root. A root without one had nothing installed.
///
/// # Errors
/// When it cannot be read, or a newer version wrote it.
pub fn load(store: &Store) -> Result<Record, String> {
    let path = path(store);
    let bytes = match platform::read_file(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(Record::default()),
        Err(error) => return Err(error.to_string()),
    };
    let record: Record = serde_json::from_slice(&bytes)
        .map_err(|error| format!("the record of packages, {}: {error}", path.display()))?;
    if record.version > VERSION {
        let shown = path.display();
        return Err(format!("a newer version of sys.lua wrote the record of packages, {shown}"));
    }
    Ok(record)
}

/// Writes the record of a root; an empty one is removed.
///
/// # Errors
/// When the file system refuses.
pub fn store(store: &Store, record: &Record) -> platform::Result<()> {
    let mut record = record.clone();
    record.managers.retain(|_, managed| !managed.is_empty());
    record.version = VERSION;
    let path = path(store);
    if !record.managers.is_empty() {
        let content = serde_json::to_vec_pretty(&record).unwrap_or_default();
        platform::write_file_durably(&path, &content)?;
    } else if platform::exists(&path) {
        platform::remove_file(&path)?;
    } else {
        return Ok(());
    }
    platform::sync_directory(&store.metadata())
}

/// Records what a call installed.
pub fn add_installed(managed: &mut Managed, pending: &Pending, inventory: &Inventory) {
    for name in &pending.installs {
        let Some(found) = inventory.get(name) else { continue };
        let kept = managed.packages.entry(name.clone()).or_default();
        kept.declared |= pending.declared.contains(name);
        kept.version.clone_from(&found.version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_survives_and_disappears() {
        let directory = tempfile::tempdir().unwrap();
        let root = Store::new(directory.path());
        std::fs::create_dir_all(root.metadata()).unwrap();
        assert_eq!(load(&root), Ok(Record::default()));
        let kept = Kept { declared: true, was_there: false, version: "1".into() };
        let managed = Managed {
            packages: [("git".to_owned(), kept)].into(),
            pending: Some(Pending { installs: ["x".into()].into(), ..Pending::default() }),
        };
        let record = Record { version: VERSION, managers: [("apt".to_owned(), managed)].into() };
        store(&root, &record).unwrap();
        assert_eq!(load(&root), Ok(record));
        store(&root, &Record::default()).unwrap();
        assert!(!path(&root).exists());
        for wrong in ["{", "[]", r#"{"version":2,"managers":{}}"#, r#"{"version":1}"#] {
            std::fs::write(path(&root), wrong).unwrap();
            assert!(load(&root).is_err(), "{wrong}");
        }
    }
}
