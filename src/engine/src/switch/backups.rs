//! The kept files of the user: originals, displaced copies, and the list of created directories.
//!
//! Where an original is follows from its target alone, so that it is found whatever else is lost.
//! The index says what people want to know of the rest; a damaged one loses none of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use syslua_merge::Record;

use crate::action::{Rights, Role, Untouched};
use crate::hash::Hash;
use crate::platform::{self, Directory, FileKind, Result};
use crate::snapshot::{HomeAt, Moves};
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
    /// Those that were created with declared rights: they never had others that could come back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    declared: BTreeSet<Text>,
    /// Device and inode of these directories, of those with other rights, and of those that hold
    /// files with declared keys: what the user moved and linked is found through the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<(Text, (u64, u64))>,
    /// Where directories were recorded that are reached through a link now, by where they are.
    #[serde(skip)]
    linked: BTreeMap<Text, Text>,
    /// The directories that were created since the index was read.
    #[serde(skip)]
    created: BTreeSet<Text>,
    /// A file that was moved away.
    pub entries: Vec<Backup>,
    /// The rights that directories had before they got declared ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rights: Vec<(Text, Rights)>,
    /// The earlier values of keys in files that programs own too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<(Text, Record)>,
    /// These files before the first key was set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untouched: Vec<(Text, Untouched)>,
    /// Where the root was when this was written, and the home that targets were in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<At>,
}

/// Where a root and the home were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    root: Text,
    home: Text,
    /// The homes that targets are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    homes: Vec<HomeAt>,
}

/// Something of the user's that was moved away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its target.
    pub target: Text,
    /// Where it is now.
    pub path: Text,
    /// Whether it is restored.
    pub role: Role,
    /// When it was moved, in seconds since the epoch.
    pub created_at: u64,
    /// The target as it was declared, where that was written differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Text>,
    /// Device and inode of its former directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<(u64, u64)>,
}

impl Backups {
    /// Reads the index; a missing or damaged one is empty. What was in another home or root that
    /// got its present place is read as it is there.
    pub fn load(store: &Store, home: &Path) -> Backups {
        let mut backups = Backups::read(store);
        // By their own names: a place is where it really is.
        let at = At {
            root: text(&platform::canonical(store.root())),
            home: text(&platform::canonical(home)),
            homes: Vec::new(),
        };
        if let Some(old) = backups.at.clone() {
            let moves = Moves::new(
                (&old.root.to_path(), &old.home.to_path()),
                (&at.root.to_path(), &at.home.to_path()),
            );
            let moves = moves.with_homes(&old.homes, &at.home.to_path());
            for entry in &mut backups.entries {
                entry.path = moves.follow(&entry.path);
                entry.target = moves.follow(&entry.target);
                entry.declared = entry.declared.as_ref().map(|declared| moves.follow(declared));
            }
            for directories in [&mut backups.directories, &mut backups.declared] {
                *directories = directories.iter().map(|path| moves.follow(path)).collect();
            }
            backups.rights.iter_mut().for_each(|(path, _)| *path = moves.follow(path));
            backups.keys.iter_mut().for_each(|(path, _)| *path = moves.follow(path));
            backups.untouched.iter_mut().for_each(|(path, _)| *path = moves.follow(path));
            backups.numbers.iter_mut().for_each(|(path, _)| *path = moves.follow(path));
        }
        backups.follow_links();
        let homes = backups.at.take().map(|old| old.homes).unwrap_or_default();
        backups.at = Some(At { homes, ..at });
        backups
    }

    /// Reads the places of directories that the user moved, and left a link to, as they are now.
    fn follow_links(&mut self) {
        let mut ends = Ends::default();
        let linked = self.numbers.iter().filter_map(|(path, number)| {
            let path = path.to_path();
            let end = ends.of(&path);
            (end != path && number_of(&end) == Some(*number)).then(|| (text(&end), text(&path)))
        });
        self.linked = linked.collect();
        let moved = self.linked.iter().map(|(end, path)| (path.clone(), end.clone())).collect();
        self.rename(&moved);
    }

    /// Gives directories, and the files in them, other names.
    fn rename(&mut self, names: &BTreeMap<Text, Text>) {
        if names.is_empty() {
            return;
        }
        let own = |path: &mut Text| {
            if let Some(name) = names.get(path) {
                path.clone_from(name);
            }
        };
        for directories in [&mut self.directories, &mut self.declared] {
            let mut renamed: Vec<Text> = std::mem::take(directories).into_iter().collect();
            renamed.iter_mut().for_each(own);
            *directories = renamed.into_iter().collect();
        }
        self.rights.iter_mut().for_each(|(path, _)| own(path));
        self.numbers.iter_mut().for_each(|(path, _)| own(path));
        let keys = self.keys.iter_mut().map(|(path, _)| path);
        for path in keys.chain(self.untouched.iter_mut().map(|(path, _)| path)) {
            let place = path.to_path();
            if let (Some(parent), Some(name)) = (place.parent(), place.file_name())
                && let Some(parent) = names.get(&text(parent))
            {
                *path = text(&parent.to_path().join(name));
            }
        }
    }

    /// Notes device and inode of the directories that are in the index.
    fn note_numbers(&mut self) {
        let created = std::mem::take(&mut self.created);
        let known: BTreeMap<Text, (u64, u64)> = std::mem::take(&mut self.numbers)
            .into_iter()
            .filter(|(path, _)| !created.contains(path))
            .collect();
        let holding = self.keys.iter().filter_map(|(path, _)| Some(text(path.to_path().parent()?)));
        let all: BTreeSet<Text> = self
            .directories
            .iter()
            .chain(self.rights.iter().map(|(path, _)| path))
            .cloned()
            .chain(holding)
            .collect();
        let number = |path: &Text| known.get(path).copied().or_else(|| number_of(&path.to_path()));
        self.numbers =
            all.into_iter().filter_map(|path| Some((path.clone(), number(&path)?))).collect();
    }

    /// Adds a directory that was created for targets, with declared rights or not. What an earlier
    /// one at its place had does not count, unless that comes back.
    pub fn add_directory(&mut self, place: &Text, is_declared: bool) {
        self.declared.remove(place);
        if is_declared {
            self.declared.insert(place.clone());
        }
        let comes_back = |entry: &Backup| entry.role == Role::Original && entry.target == *place;
        if !self.entries.iter().any(comes_back) {
            self.forget_rights(place);
        }
        self.created.insert(place.clone());
        self.directories.insert(place.clone());
    }

    /// Notes which homes the targets are in.
    pub fn set_homes(&mut self, homes: &[HomeAt]) {
        if let Some(at) = &mut self.at {
            at.homes = homes.to_vec();
        }
    }

    fn read(store: &Store) -> Backups {
        let text = platform::read_file(&store.backups_index()).unwrap_or_default();
        let backups: Option<Backups> = serde_json::from_slice(&text).ok();
        backups.filter(|backups| backups.version <= VERSION).unwrap_or_default()
    }

    /// Writes the index, if it changed; entries whose file is missing are omitted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(mut self, store: &Store) -> Result<()> {
        self.version = VERSION;
        self.declared.retain(|path| self.directories.contains(path));
        self.entries.retain(|entry| platform::exists(&entry.path.to_path()));
        self.note_numbers();
        // They may be moved back.
        let mut linked = std::mem::take(&mut self.linked);
        linked.retain(|_, path| !self.numbers.iter().any(|(known, _)| known == path));
        self.rename(&linked);
        if self.is_empty() {
            // It needs no space, which `destroy` may not have.
            return match platform::remove_file(&store.backups_index()) {
                Err(error) if error.is_not_found() => Ok(()),
                removed => removed,
            };
        }
        if self == Backups::read(store) {
            return Ok(());
        }
        let mut text = serde_json::to_vec(&self).unwrap_or_default();
        text.push(b'\n');
        platform::write_file_durably(&store.backups_index(), &text)
    }

    fn is_empty(&self) -> bool {
        self.directories.is_empty()
            && self.entries.is_empty()
            && self.rights.is_empty()
            && self.keys.is_empty()
    }

    /// Adds a file that was moved away; adding it again changes nothing.
    pub fn add(&mut self, backup: Backup) {
        self.entries.retain(|entry| entry.path != backup.path);
        self.entries.push(backup);
    }

    /// Records the rights of a directory, unless sys.lua created it with declared ones.
    pub fn add_rights(&mut self, place: &Text, before: Rights) {
        // Those of an original that comes back are its own.
        let comes_back = |entry: &Backup| entry.role == Role::Original && entry.target == *place;
        let is_ours = self.directories.contains(place)
            && (self.declared.contains(place) || self.entries.iter().any(comes_back));
        if !is_ours && !self.rights.iter().any(|(known, _)| known == place) {
            self.rights.push((place.clone(), before));
        }
    }

    /// Forgets the rights that a directory had.
    pub fn forget_rights(&mut self, place: &Text) {
        self.rights.retain(|(known, _)| known != place);
    }

    /// Returns the rights that a directory had before it got declared ones.
    pub fn rights_of(&self, place: &Path) -> Option<Rights> {
        let place = text(place);
        self.rights.iter().find(|(known, _)| *known == place).map(|(_, rights)| *rights)
    }

    /// Sets the earlier values of the keys of a file, and the file before; an empty record is
    /// removed.
    pub fn set_record(&mut self, place: &Text, record: Record, untouched: Option<Untouched>) {
        self.keys.retain(|(known, _)| known != place);
        self.untouched.retain(|(known, _)| known != place);
        if !record.is_empty() {
            self.keys.push((place.clone(), record));
            self.untouched.extend(untouched.map(|file| (place.clone(), file)));
        }
    }

    /// Reads what is known of the keys of a file as of another one, where the user moved its
    /// directory, and made a link above it lead to the new place.
    pub fn follow_file(&mut self, from: &Text, to: &Text) {
        if self.keys.iter().any(|(known, _)| known == to) {
            return;
        }
        let keys = self.keys.iter_mut().map(|(path, _)| path);
        let all = keys.chain(self.untouched.iter_mut().map(|(path, _)| path));
        all.filter(|path| *path == from).for_each(|path| path.clone_from(to));
    }

    /// Returns the file at a place before the first key was set in it.
    pub fn untouched(&self, place: &Path) -> Option<&Untouched> {
        let place = text(place);
        self.untouched.iter().find(|(known, _)| *known == place).map(|(_, file)| file)
    }

    /// Returns the earlier values of the keys of a file.
    pub fn record_of(&self, place: &Path) -> Record {
        let place = text(place);
        let known = self.keys.iter().find(|(known, _)| *known == place);
        known.map(|(_, record)| record.clone()).unwrap_or_default()
    }

    /// Returns the place of a target's original, if it has one: the file that was at the place, in
    /// the same directory wherever that is now, or at the target as declared. Without the index,
    /// its name identifies it.
    pub fn original_of(
        &self,
        store: &Store,
        place: &Path,
        declared: Option<&Path>,
    ) -> Option<PathBuf> {
        let originals = || self.entries.iter().filter(|entry| entry.role == Role::Original);
        let declared = declared.map(text);
        let at = text(place);
        let in_directory = |entry: &&Backup| {
            entry.directory.is_some()
                && entry.target.to_path().file_name() == place.file_name()
                && entry.directory == place.parent().and_then(number_of)
        };
        let is_declared = |entry: &&Backup| {
            declared
                .as_ref()
                .is_some_and(|path| *path == entry.target || Some(path) == entry.declared.as_ref())
        };
        let found =
            originals().find(|entry| entry.target == at).or_else(|| originals().find(in_directory));
        let found =
            found.or_else(|| originals().find(is_declared)).map(|entry| entry.path.to_path());
        // An original beside its target moves with the directory, which may now be reached through
        // a link.
        let is_there = found.filter(|path| platform::exists(path)).map(|path| {
            match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => platform::canonical(parent).join(name),
                _ => path,
            }
        });
        is_there.or_else(|| {
            original_places(store, place).into_iter().find(|path| platform::exists(path))
        })
    }

    /// Returns the originals that are still there, with what a lost index does not name.
    pub fn originals(&self, store: &Store) -> Vec<Backup> {
        self.listed(Role::Original, &store.originals())
    }

    /// Returns the displaced copies that are still there, oldest first.
    pub fn displaced(&self, store: &Store) -> Vec<Backup> {
        self.listed(Role::Displaced, &store.displaced())
    }

    fn listed(&self, role: Role, directory: &Path) -> Vec<Backup> {
        let there = |entry: &&Backup| entry.role == role && platform::exists(&entry.path.to_path());
        let mut listed: Vec<Backup> = self.entries.iter().filter(there).cloned().collect();
        // A copy that a lost index does not name still exists.
        let names = platform::list_directory(directory).unwrap_or_default();
        let known: HashSet<OsString> = listed
            .iter()
            .filter_map(|entry| Some(entry.path.to_path().file_name()?.to_owned()))
            .collect();
        for (name, _) in names {
            if !known.contains(&name) {
                listed.push(Backup::new(Text::default(), text(&directory.join(&name)), role, 0));
            }
        }
        listed
    }
}

impl Backup {
    /// Returns the kept files of a target, and for an original its former directory.
    pub fn new(target: Text, path: Text, role: Role, created_at: u64) -> Backup {
        let parent = target.to_path().parent().and_then(number_of);
        let directory = parent.filter(|_| role == Role::Original);
        Backup { target, path, role, created_at, declared: None, directory }
    }
}

/// Where directories really are, each looked at once.
#[derive(Default)]
struct Ends(HashMap<PathBuf, PathBuf>);

impl Ends {
    fn of(&mut self, path: &Path) -> PathBuf {
        if let Some(known) = self.0.get(path) {
            return known.clone();
        }
        let end = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                let place = self.of(parent).join(name);
                let is_link = matches!(platform::kind_of(&place), Ok(Some(FileKind::Symlink)));
                if is_link { platform::canonical(&place) } else { place }
            }
            _ => path.to_owned(),
        };
        self.0.insert(path.to_owned(), end.clone());
        end
    }
}

fn text(path: &Path) -> Text {
    Text(platform::bytes_of_path(path))
}

/// Returns device and inode of a directory.
fn number_of(directory: &Path) -> Option<(u64, u64)> {
    let seen = platform::observe(directory).ok()??;
    Some((seen.device.0, seen.identity.inode))
}

fn short_name(place: &Path) -> Vec<u8> {
    let name =
        place.file_name().map(|name| platform::bytes_of_path(Path::new(name))).unwrap_or_default();
    name[..name.len().min(LONGEST_NAME)].to_vec()
}

fn digits(place: &Path) -> String {
    Hash::of(&platform::bytes_of_path(place)).to_hex()[..DIGITS].to_owned()
}

/// Returns where the originals of a target may be: in `backups/`, or beside the target when they
/// cannot be moved there.
pub fn original_places(store: &Store, place: &Path) -> [PathBuf; 2] {
    let name = [digits(place).as_bytes(), b"-", &short_name(place)].concat();
    let beside = format!(".syslua-original-{}", digits(place));
    [
        resolved(&store.originals()).join(platform::path_from_bytes(&name)),
        place.with_file_name(beside),
    ]
}

/// Returns the place that a file at a target is moved to. `mark` makes the name of a displaced copy
/// unique.
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
    store
        .displaced()
        .join(platform::path_from_bytes(&[mark.as_bytes(), b"-", &short_name(path)].concat()))
}

/// Adds such a copy to the index. The caller holds the switch lock.
///
/// # Errors
/// When the index cannot be written.
pub fn note_copy(store: &Store, home: &Path, path: &Path, copy: &Path) -> Result<()> {
    let now = platform::now().max(0.0) as u64;
    let mut backups = Backups::load(store, home);
    backups.add(Backup::new(text(path), text(copy), Role::Displaced, now));
    backups.save(store)
}

/// Places are opened without following links, which may be among the parents of the root.
fn resolved(directory: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return directory.to_owned();
    };
    let (Some(root), Some(middle)) = (parent.parent(), parent.file_name()) else {
        return directory.to_owned();
    };
    platform::canonical(root).join(middle).join(name)
}

/// Whether a file at a target can be renamed into a directory of sys.lua: not to another file
/// system, and not a directory without write permission, because its `..` entry would change.
fn is_movable(directory: &Path, place: &Path) -> bool {
    if matches!(platform::kind_of(place), Ok(Some(FileKind::Directory)))
        && Directory::open(place).is_ok_and(|inner| inner.check_writable().is_err())
    {
        return false;
    }
    let device = |path: &Path| platform::observe(path).ok().flatten().map(|seen| seen.device);
    // A directory that will be restored has no device yet: that of its parent is used.
    place.ancestors().skip(1).find_map(device) == device(directory)
}
