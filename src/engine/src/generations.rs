//! Which snapshot is applied, and which there are.

use crate::names::SnapshotId;
use crate::platform;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::store::Store;

/// A failure to read the snapshots.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// A snapshot cannot be read.
    #[error("the snapshot {} cannot be used: {source}", path.display())]
    Snapshot {
        /// Its file.
        path: std::path::PathBuf,
        /// Why.
        source: SnapshotError,
    },
    /// `current` points to no snapshot.
    #[error("{} does not lead to a snapshot", .0.display())]
    Current(std::path::PathBuf),
}

/// Returns the number of the snapshot that is applied: 0 before the first apply.
///
/// # Errors
/// When `current` is there but names no snapshot.
pub fn current_id(store: &Store) -> Result<SnapshotId, Error> {
    let link = store.current();
    let target = match platform::read_link(&link) {
        Ok(target) => target,
        Err(error) if error.is_not_found() => return Ok(SnapshotId(0)),
        Err(error) => return Err(error.into()),
    };
    let name = target.file_name().and_then(|name| name.to_str());
    name.and_then(|name| SnapshotId::parse(name).ok()).ok_or(Error::Current(link))
}

/// Returns the snapshot that is applied.
///
/// # Errors
/// When it cannot be read, or a newer program wrote it.
pub fn current(store: &Store) -> Result<Snapshot, Error> {
    read(store, current_id(store)?)
}

/// Returns a snapshot; number 0 is always there.
///
/// # Errors
/// When it cannot be read, or a newer program wrote it.
pub fn read(store: &Store, id: SnapshotId) -> Result<Snapshot, Error> {
    let path = store.snapshot(id).join("snapshot.json");
    match platform::read_file(&path) {
        Ok(text) => Snapshot::parse(&text).map_err(|source| Error::Snapshot { path, source }),
        Err(error) if error.is_not_found() && id == SnapshotId(0) => Ok(Snapshot::empty()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the numbers of all snapshots, in order.
///
/// # Errors
/// When the directory of snapshots cannot be read.
pub fn all(store: &Store) -> Result<Vec<SnapshotId>, Error> {
    let entries = match platform::list_directory(&store.snapshots()) {
        Err(error) if error.is_not_found() => Vec::new(),
        entries => entries?,
    };
    let ids = entries.iter().filter_map(|(name, _)| SnapshotId::parse(name.to_str()?).ok());
    let mut ids: Vec<SnapshotId> = ids.collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Returns one number above the greatest that was ever used.
///
/// # Errors
/// When the directory of snapshots cannot be read.
pub fn next_id(store: &Store) -> Result<SnapshotId, Error> {
    let greatest = all(store)?.last().copied().max(Some(current_id(store)?));
    Ok(SnapshotId(greatest.map_or(0, |greatest| greatest.0) + 1))
}
