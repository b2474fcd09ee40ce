//! Waiting until the changes at targets are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Error;
use crate::action::Directories;
use crate::journal::Change;
use crate::platform::{self, FileKind};
use crate::store::Store;

/// Waits until everything at the places of changes is on the disk.
pub fn sync_places(
    store: &Store,
    directories: &Directories,
    changes: &[Change],
) -> Result<(), Error> {
    let mut devices: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    let mut parents = BTreeSet::new();
    for change in changes {
        let Change::Target(change) = change else { continue };
        let place = change.place.to_path();
        let Some(parent) = place.parent().filter(|parent| parents.insert(parent.to_path_buf()))
        else {
            continue;
        };
        // A former directory may be a link by now.
        let directory = parent.ancestors().find_map(|above| {
            let seen = platform::observe(above).ok().flatten()?;
            (seen.kind == FileKind::Directory).then_some((above, seen.device.0))
        });
        if let Some((directory, device)) = directory {
            devices.entry((device, 0)).or_insert_with(|| directory.to_owned());
        }
    }
    if devices.is_empty() {
        return Ok(());
    }
    // The files moved to the backups.
    if let Ok(Some(seen)) = platform::observe(&store.metadata()) {
        devices.entry((seen.device.0, 0)).or_insert_with(|| store.metadata());
    }
    for path in devices.values() {
        directories.open(&platform::canonical(path))?.sync_file_system()?;
    }
    Ok(())
}
