//! What is kept of the user's: originals, displaced copies, and which directories we made.
//!
//! Where an original is follows from its target alone, so that it is found whatever else is lost.
//! The index says what people want to know of the rest; a damaged one loses none of it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::action::Role;
use crate::hash::Hash;
use crate::platform::{self, Directory, FileKind, Result};
use crate::store::Store;
use crate::value::Text;

const VERSION: u32 = 1;
/// Digits of the hash of a target, which make its name unique.
const DIGITS: usize = 16;
/// Together with what else is in them, names stay below the 255 bytes of most file systems.
const LONGEST_NAME: usize = 180;

/// The index of what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backups {
    version: u32,
    /// Directories that were created for targets.
    pub directories: BTreeSet<Text>,
    /// What was moved away.
    pub entries: Vec<Backup>,
}

/// Something of the user's that was moved away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The target that it stood at.
    pub target: Text,
    /// Where it is now.
    pub path: Text,
    /// Whether it comes back.
    pub role: Role,
    /// When it was moved, in seconds since the epoch.
    pub created_at: u64,
}

impl Backups {
    /// Reads the index; a missing or damaged one is empty.
    pub fn load(store: &Store) -> Backups {
        let text = platform::read_file(&store.backups_index()).unwrap_or_default();
        let backups: Option<Backups> = serde_json::from_slice(&text).ok();
        backups.filter(|backups| backups.version <= VERSION).unwrap_or_default()
    }

    /// Writes the index, if it differs from the one that is there; entries whose file is gone are left out.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(mut self, store: &Store) -> Result<()> {
        self.version = VERSION;
        self.entries.retain(|entry| platform::exists(&entry.path.to_path()));
        if self == Backups::load(store) || (self.is_empty() && !platform::exists(&store.backups_index())) {
            return Ok(());
        }
        let mut text = serde_json::to_vec(&self).unwrap_or_default();
        text.push(b'\n');
        platform::write_file_durably(&store.backups_index(), &text)
    }

    fn is_empty(&self) -> bool {
        self.directories.is_empty() && self.entries.is_empty()
    }

    /// Adds something that was moved away; again for one that is there already changes nothing.
    pub fn add(&mut self, target: Text, path: Text, role: Role, created_at: u64) {
        self.entries.retain(|entry| entry.path != path);
        self.entries.push(Backup { target, path, role, created_at });
    }

    /// Returns the displaced copies that are still there, oldest first.
    pub fn displaced(&self, store: &Store) -> Vec<Backup> {
        let there = |entry: &&Backup| entry.role == Role::Displaced && platform::exists(&entry.path.to_path());
        let mut displaced: Vec<Backup> = self.entries.iter().filter(there).cloned().collect();
        // What a lost index does not name is there all the same.
        let listed = platform::list_directory(&store.displaced()).unwrap_or_default();
        let known: HashSet<OsString> =
            displaced.iter().filter_map(|entry| Some(entry.path.to_path().file_name()?.to_owned())).collect();
        for (name, _) in listed {
            if !known.contains(&name) {
                let path = Text(platform::bytes_of_path(&store.displaced().join(&name)));
                displaced.push(Backup { target: Text::default(), path, role: Role::Displaced, created_at: 0 });
            }
        }
        displaced
    }
}

fn short_name(place: &Path) -> Vec<u8> {
    let name = place.file_name().map(|name| platform::bytes_of_path(Path::new(name))).unwrap_or_default();
    name[..name.len().min(LONGEST_NAME)].to_vec()
}

fn digits(place: &Path) -> String {
    Hash::of(&platform::bytes_of_path(place)).to_hex()[..DIGITS].to_owned()
}

/// Returns where the originals of a target may be: in `backups/`, or beside the target when they cannot be
/// moved there.
pub fn original_places(store: &Store, place: &Path) -> [PathBuf; 2] {
    let name = [digits(place).as_bytes(), b"-", &short_name(place)].concat();
    let beside = format!(".syslua-original-{}", digits(place));
    [resolved(&store.originals()).join(platform::path_from_bytes(&name)), place.with_file_name(beside)]
}

/// Returns where the original of a target is, if it has one.
pub fn original_of(store: &Store, place: &Path) -> Option<PathBuf> {
    original_places(store, place).into_iter().find(|path| platform::exists(path))
}

/// Returns where something that stands at a target is moved to. `mark` makes the name of a displaced
/// copy unique.
pub fn place_for(store: &Store, place: &Path, role: Role, mark: &str) -> PathBuf {
    let beside = |name: String| place.with_file_name(name);
    match role {
        Role::Ours => beside(format!(".syslua-{mark}.old")),
        Role::Original => {
            let [inside, outside] = original_places(store, place);
            if is_movable(&store.originals(), place) { inside } else { outside }
        }
        Role::Displaced if is_movable(&store.displaced(), place) => {
            let name = [mark.as_bytes(), b"-", &short_name(place)].concat();
            resolved(&store.displaced()).join(platform::path_from_bytes(&name))
        }
        Role::Displaced => beside(format!(".syslua-displaced-{mark}")),
    }
}

/// Returns where a copy of something of the user's, which is about to be replaced, is kept.
pub fn place_of_copy(store: &Store, path: &Path) -> PathBuf {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = format!("{:x}-{:x}", std::process::id(), moment.as_nanos());
    store.displaced().join(platform::path_from_bytes(&[mark.as_bytes(), b"-", &short_name(path)].concat()))
}

/// Adds such a copy to the index. The caller holds the switch lock.
///
/// # Errors
/// When the index cannot be written.
pub fn note_copy(store: &Store, path: &Path, copy: &Path) -> Result<()> {
    let text = |path| Text(platform::bytes_of_path(path));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut backups = Backups::load(store);
    backups.add(text(path), text(copy), Role::Displaced, now);
    backups.save(store)
}

/// Places are opened without following links, which may be among the parents of the root.
fn resolved(directory: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else { return directory.to_owned() };
    let (Some(root), Some(middle)) = (parent.parent(), parent.file_name()) else { return directory.to_owned() };
    platform::canonical(root).join(middle).join(name)
}

/// Whether something at a target can be renamed into a directory of ours: not to another file system, and no
/// directory that we may not write to, since what is above it is one of its entries.
fn is_movable(directory: &Path, place: &Path) -> bool {
    if matches!(platform::kind_of(place), Ok(Some(FileKind::Directory)))
        && Directory::open(place).is_ok_and(|inner| inner.check_writable().is_err())
    {
        return false;
    }
    let device = |path: &Path| platform::look(path).ok().flatten().map(|seen| seen.device);
    place.parent().is_some_and(|parent| device(parent) == device(directory))
}
