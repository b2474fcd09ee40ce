//! The list of snapshots, and which of them is applied.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::failure::Explain;
use crate::names::SnapshotId;
use crate::platform::{self, Identity};
use crate::snapshot::{Snapshot, SnapshotError};
use crate::store::Store;
use crate::value::{path_from_json, path_to_json};

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
    /// The greatest number is taken.
    #[error("{} leaves no number for another snapshot", .0.display())]
    Numbers(std::path::PathBuf),
    /// `current` points to no snapshot.
    #[error("{} is not a link to a snapshot", .0.display())]
    Current(std::path::PathBuf),
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        matches!(self, Error::Snapshot { .. } | Error::Current(_)).then(|| {
            "`rollback ID` goes to a snapshot that can be read: `history` lists them".to_owned()
        })
    }
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
        // Another kind of file is there.
        Err(_) if platform::kind_of(&link)? != Some(platform::FileKind::Symlink) => {
            return Err(Error::Current(link));
        }
        Err(error) => return Err(error.into()),
    };
    let name = target.file_name().and_then(|name| name.to_str());
    name.and_then(|name| SnapshotId::parse(name).ok()).ok_or(Error::Current(link))
}

/// The snapshot that is applied, which a thread reads while something else is done.
#[derive(Debug)]
pub struct Ahead {
    link: (PathBuf, Identity),
    reading: JoinHandle<Option<Snapshot>>,
}

/// What is smaller is read when it is needed: that takes no longer than to begin a thread.
const WORTH_READING_AHEAD: u64 = 128 << 10;

/// Begins to read the snapshot that is applied, where that takes a while.
pub fn read_ahead(store: &Store) -> Option<Ahead> {
    let link = read_current_link(store)?;
    let path = store.current().join("snapshot.json");
    platform::metadata_of(&path).ok()?.filter(|data| data.len() >= WORTH_READING_AHEAD)?;
    let read = move || Snapshot::parse(&platform::read_file(&path).ok()?).ok();
    Some(Ahead { link, reading: thread::Builder::new().spawn(read).ok()? })
}

impl Ahead {
    /// Returns the snapshot, if it could be read and is still the applied one: each switch makes
    /// another link.
    pub fn take(self, store: &Store) -> Option<Snapshot> {
        let snapshot = self.reading.join().ok()?;
        if read_current_link(store)? == self.link { snapshot } else { None }
    }
}

/// Returns where `current` is and which link that is.
fn read_current_link(store: &Store) -> Option<(PathBuf, Identity)> {
    let path = store.current();
    let seen = platform::observe(&path).ok()??;
    Some((path, seen.identity))
}

/// Returns the snapshot that is applied.
///
/// # Errors
/// When it cannot be read, or a newer program wrote it.
pub fn current(store: &Store) -> Result<Snapshot, Error> {
    // Opened through the link, at one moment: a concurrent switch or removal cannot interfere.
    let path = store.current().join("snapshot.json");
    match platform::read_file(&path) {
        Ok(text) => {
            let shown = || {
                current_id(store)
                    .map_or(path.clone(), |id| store.snapshot(id).join("snapshot.json"))
            };
            Snapshot::parse(&text).map_err(|source| Error::Snapshot { path: shown(), source })
        }
        Err(_) => read(store, current_id(store)?),
    }
}

/// Returns a snapshot; number 0 is always there.
///
/// # Errors
/// When it cannot be read, or a newer program wrote it.
pub fn read(store: &Store, id: SnapshotId) -> Result<Snapshot, Error> {
    let path = store.snapshot(id).join("snapshot.json");
    match platform::read_file(&path) {
        Ok(text) => match Snapshot::parse(&text) {
            Ok(snapshot) if snapshot.id == id => Ok(snapshot),
            Ok(other) => Err(Error::Snapshot { path, source: SnapshotError::Other(other.id) }),
            Err(source) => Err(Error::Snapshot { path, source }),
        },
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

/// The index of all snapshots. It can be rebuilt, except for the greatest number that was used.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Index {
    version: u32,
    last_id: SnapshotId,
    #[serde(default)]
    snapshots: Vec<IndexEntry>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct IndexEntry {
    id: SnapshotId,
    parent: Option<SnapshotId>,
    created_at: u64,
    description: String,
    #[serde(default, serialize_with = "path_to_json", deserialize_with = "path_from_json")]
    config_path: Option<std::path::PathBuf>,
}

impl IndexEntry {
    fn of(snapshot: &Snapshot) -> IndexEntry {
        let Snapshot { id, parent, created_at, description, config_path, .. } = snapshot;
        IndexEntry {
            id: *id,
            parent: *parent,
            created_at: *created_at,
            description: description.clone(),
            config_path: config_path.clone(),
        }
    }
}

const INDEX_VERSION: u32 = 1;

/// Reads the index. A damaged one is empty, and made anew by the next switch; of a newer one only
/// the greatest number is taken over.
fn read_index(store: &Store) -> Index {
    #[derive(serde::Deserialize)]
    struct Header {
        version: u64,
        #[serde(default)]
        last_id: SnapshotId,
    }
    let text = platform::read_file(&store.snapshots_index()).unwrap_or_default();
    let Ok(Header { version, last_id }) = serde_json::from_slice(&text) else {
        return Index::default();
    };
    // No root comes so far: it is damaged.
    if last_id.0 > u64::MAX / 2 {
        return Index::default();
    }
    let newer = Index { last_id, ..Index::default() };
    if version == u64::from(INDEX_VERSION) {
        serde_json::from_slice(&text).unwrap_or(newer)
    } else {
        newer
    }
}

/// Returns one number above the greatest that was ever used.
///
/// # Errors
/// When the directory of snapshots cannot be read, or has the greatest number that there is.
pub fn next_id(store: &Store) -> Result<SnapshotId, Error> {
    let greatest = greatest_id(store, &read_index(store), &all(store)?)?;
    greatest.0.checked_add(1).map(SnapshotId).ok_or_else(|| Error::Numbers(store.snapshots()))
}

/// Returns the greatest number that was ever used.
fn greatest_id(store: &Store, index: &Index, all: &[SnapshotId]) -> Result<SnapshotId, Error> {
    Ok(all
        .last()
        .copied()
        .max(Some(current_id(store)?))
        .max(Some(index.last_id))
        .unwrap_or_default())
}

/// Returns the parent of a snapshot that cannot be read itself: as the index has it, else the
/// greatest number below.
pub fn parent_of(store: &Store, id: SnapshotId) -> Option<SnapshotId> {
    let indexed = read_index(store)
        .snapshots
        .into_iter()
        .find(|entry| entry.id == id)
        .and_then(|entry| entry.parent);
    indexed.or_else(|| all(store).ok()?.into_iter().rfind(|other| *other < id))
}

/// Takes the next number for a snapshot. It is used once, even when the switch is undone: programs
/// that ran with the environment of that snapshot remember its number.
///
/// # Errors
/// As [`next_id`], and when the index cannot be written.
pub fn take_id(store: &Store) -> Result<SnapshotId, Error> {
    let id = next_id(store)?;
    let index = Index { version: INDEX_VERSION, last_id: id, ..read_index(store) };
    write(store, &index)?;
    Ok(id)
}

/// Writes the index of all snapshots. Call it before a snapshot is removed, so that its number is
/// not used again. `new` is a snapshot that need not be read.
///
/// # Errors
/// When the directory of snapshots cannot be read or the index cannot be written.
pub fn write_index(store: &Store, new: Option<&Snapshot>) -> Result<(), Error> {
    let all = all(store)?;
    let present = read_index(store);
    let last_id = greatest_id(store, &present, &all)?;
    let mut known: HashMap<SnapshotId, IndexEntry> =
        present.snapshots.into_iter().map(|entry| (entry.id, entry)).collect();
    let mut snapshots = Vec::with_capacity(all.len());
    for id in all {
        if let Some(entry) = known.remove(&id) {
            snapshots.push(entry);
        } else if let Some(new) = new.filter(|new| new.id == id) {
            snapshots.push(IndexEntry::of(new));
        } else if let Ok(snapshot) = read(store, id) {
            snapshots.push(IndexEntry::of(&snapshot));
        }
        // Commands that need an unreadable snapshot name it.
    }
    write(store, &Index { version: INDEX_VERSION, last_id, snapshots })
}

fn write(store: &Store, index: &Index) -> Result<(), Error> {
    let mut text = serde_json::to_vec(index).unwrap_or_default();
    text.push(b'\n');
    let path = store.snapshots_index();
    if platform::read_file(&path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    Ok(platform::write_private_file_atomically(&path, &text)?)
}
