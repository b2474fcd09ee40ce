//! The object memory: what the files that links lead to looked like when they were known to be whole. A file that looks the
//! same was not changed, and is not read again; one that does not is suspect, and only its bytes tell.
//!
//! Nothing depends on the memory being there: without it every file is suspect. As in git's index (its documentation
//! "racy-git"), what changed in the same moment in which the memory was written is suspect too.
//!
//! Every apply reads the file, so it is binary: a line with the version; then of each link target the number of its rows
//! in 4 bytes, and the rows: the kind in 1 byte, the numbers that the system tells in 8 bytes each, the NAR hash, the
//! length of the path in 4 bytes, and the path relative to the directory of all objects. Numbers are little-endian. The
//! first row is the target itself; below a directory there is a row for everything in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::info::read_info;
use super::{Result, Store, tree, verify};
use crate::hash::{Hash, Hasher, READ_SIZE};
use crate::names::ObjectName;
use crate::nar::Writer;
use crate::platform::{self, Directory, FACTS, FileKind, Step, Walk};

const HEADER: &[u8] = b"syslua objects 1\n";

/// The bytes of a hash.
const HASH: usize = 32;

/// Numbers that no file has: what has them in the memory is suspect.
const UNKNOWN: [u64; FACTS] = [u64::MAX; FACTS];

/// How often to write the memory until it is newer than what it tells of.
const TRIES: usize = 20;

/// The shortest time after which clocks of file systems go on.
const TICK: Duration = Duration::from_millis(1);

/// What is known of a file, directory or link in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: FileKind,
    /// What the system told of it.
    pub numbers: [u64; FACTS],
    /// The NAR hash of a file or link; of a directory, zeros.
    pub nar: Hash,
}

impl Entry {
    /// Returns the entry of something that was just put in its place.
    ///
    /// # Errors
    /// When the system does not tell what it looks like.
    pub fn of(objects: &Directory, path: &[u8], nar: Hash) -> Result<Entry> {
        let facts = objects.facts_of(&platform::name_from_bytes(path))?;
        let numbers = if facts.has_old_time { facts.numbers } else { UNKNOWN };
        Ok(Entry { kind: facts.kind, numbers, nar })
    }
}

/// A row of the memory.
#[derive(Clone, Copy)]
struct Row<'a> {
    kind: FileKind,
    numbers: [u64; FACTS],
    nar: Hash,
    path: &'a [u8],
}

impl Row<'_> {
    fn is_executable(&self) -> bool {
        // The permission bits are the fourth number.
        cfg!(unix) && self.numbers[3] & 0o100 != 0
    }

    /// Returns whether what has this path looks as it did. A link cannot be changed, but only replaced, which its directory
    /// shows.
    fn is_plainly_whole(&self, objects: &Directory) -> bool {
        let is_same = |facts: &platform::Facts| {
            facts.kind == self.kind && (facts.is_immutable || facts.numbers == self.numbers)
        };
        objects.facts_of(&platform::name_from_bytes(self.path)).is_ok_and(|facts| is_same(&facts))
    }
}

/// Takes the next bytes off a text.
fn take<'a>(text: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = text.split_at_checked(length)?;
    *text = rest;
    Some(taken)
}

fn take_length(text: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take(text, 4)?.try_into().ok()?)).ok()
}

fn take_row<'a>(text: &mut &'a [u8]) -> Option<Row<'a>> {
    let kind = match take(text, 1)? {
        [0] => FileKind::File,
        [1] => FileKind::Directory,
        [2] => FileKind::Symlink,
        _ => return None,
    };
    let mut numbers = [0; FACTS];
    for number in &mut numbers {
        *number = u64::from_le_bytes(take(text, 8)?.try_into().ok()?);
    }
    let nar = Hash::from_bytes(take(text, HASH)?.try_into().ok()?);
    let length = take_length(text)?;
    Some(Row { kind, numbers, nar, path: take(text, length)? })
}

fn put_row(text: &mut Vec<u8>, path: &[u8], entry: &Entry) {
    text.push(match entry.kind {
        FileKind::Directory => 1,
        FileKind::Symlink => 2,
        FileKind::File | FileKind::Special => 0,
    });
    entry.numbers.iter().for_each(|number| text.extend_from_slice(&number.to_le_bytes()));
    text.extend_from_slice(entry.nar.as_bytes());
    text.extend_from_slice(&u32::try_from(path.len()).unwrap_or(u32::MAX).to_le_bytes());
    text.extend_from_slice(path);
}

/// What is known of the files that links lead to.
#[derive(Debug, Default)]
pub struct ObjectMemory {
    text: Vec<u8>,
    /// Where the rows of each target begin and end, in the order in which the links were declared.
    groups: Vec<(usize, usize)>,
    /// When it was written: what changed in that moment or later is not known.
    written_at: Option<SystemTime>,
}

/// How something in an object differs from what was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has other bytes, or is of another kind.
    Changed,
    /// It was not there.
    Added,
    /// It is not there any more.
    Missing,
}

/// Something in an object that a program changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// Where, relative to the target of the link; empty for that itself.
    pub below: PathBuf,
    /// How.
    pub change: Difference,
    /// The file as it is now, and the NAR hash that it should have, when it was written in place: other objects may have it.
    pub shared: Option<([u64; 2], Hash)>,
}

impl Alteration {
    /// Returns whether the target of the link itself was changed, and not something below it.
    pub fn is_of_top(&self) -> bool {
        self.below.as_os_str().is_empty()
    }

    /// Returns the change of the target of a link itself.
    pub fn at_top() -> Alteration {
        Alteration { below: PathBuf::new(), change: Difference::Changed, shared: None }
    }
}

impl ObjectMemory {
    /// Reads the memory of a root; a missing or damaged one counts as empty.
    pub fn load(store: &Store) -> ObjectMemory {
        let path = store.object_memory();
        let Ok(text) = platform::read_file(&path) else { return ObjectMemory::default() };
        let written_at = platform::facts_of(&path).ok().map(|facts| facts.newest);
        let groups = parse(&text).unwrap_or_default();
        ObjectMemory { text, groups, written_at }
    }

    fn rows(&self, group: (usize, usize)) -> impl Iterator<Item = Row<'_>> {
        let mut rest = self.text.get(group.0..group.1).unwrap_or_default();
        std::iter::from_fn(move || {
            let mut row = take_row(&mut rest)?;
            // Something may have changed once more in the same moment.
            if self.written_at.is_none_or(|moment| platform::changed_at(&row.numbers) >= moment) {
                row.numbers = UNKNOWN;
            }
            Some(row)
        })
    }

    fn source(&self, group: (usize, usize)) -> &[u8] {
        let mut rest = self.text.get(group.0..group.1).unwrap_or_default();
        take_row(&mut rest).map_or(&[], |row| row.path)
    }

    /// Returns the targets that do not look as they did, of these: paths relative to the directory of all objects, in the order
    /// in which the links were declared.
    pub fn suspects<'a>(&self, store: &Store, sources: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
        let Ok(objects) = Directory::at(store.objects()) else { return Vec::new() };
        let mut finder = Finder { memory: self, next: 0, by_source: None };
        let is_suspect = |source: &&[u8]| match finder.find(source) {
            Some(group) => {
                let mut rows = self.rows(group).enumerate();
                !rows.all(|(number, row)| {
                    (row.kind == FileKind::Symlink && number > 0) || row.is_plainly_whole(&objects)
                })
            }
            None => true,
        };
        sources.filter(is_suspect).collect()
    }
}

/// Finds the rows of targets, most of which are asked for in the order in which they stand.
struct Finder<'a> {
    memory: &'a ObjectMemory,
    next: usize,
    by_source: Option<HashMap<&'a [u8], (usize, usize)>>,
}

impl Finder<'_> {
    fn find(&mut self, source: &[u8]) -> Option<(usize, usize)> {
        let memory = self.memory;
        if let Some(group) = memory.groups.get(self.next)
            && memory.source(*group) == source
        {
            self.next += 1;
            return Some(*group);
        }
        let by_source = self.by_source.get_or_insert_with(|| {
            memory.groups.iter().map(|group| (memory.source(*group), *group)).collect()
        });
        by_source.get(source).copied()
    }
}

fn parse(text: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut rest = text.strip_prefix(HEADER)?;
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let count = take_length(&mut rest)?;
        let start = text.len() - rest.len();
        for _ in 0..count {
            take_row(&mut rest)?;
        }
        groups.push((start, text.len() - rest.len()));
    }
    Some(groups)
}

/// Looks closely at targets that are suspect. Reads only.
pub struct Examination<'a> {
    store: &'a Store,
    finder: Finder<'a>,
    /// The objects that were hashed, and whether they are whole.
    hashed: BTreeMap<ObjectName, bool>,
}

impl<'a> Examination<'a> {
    /// Begins.
    pub fn new(store: &'a Store, memory: &'a ObjectMemory) -> Examination<'a> {
        Examination { store, finder: Finder { memory, next: 0, by_source: None }, hashed: BTreeMap::new() }
    }

    /// Returns what programs changed at a target and below it; nothing when it has the bytes that were published. What is
    /// not there at all is for others to tell.
    ///
    /// # Errors
    /// When something cannot be read, or somebody asked to stop.
    pub fn look(&mut self, source: &[u8]) -> Result<Vec<Alteration>> {
        let path = platform::path_from_bytes(source);
        let Some(object) = object_of(&path) else { return Ok(Vec::new()) };
        let top = self.store.object(&object);
        if !platform::exists(&top) || self.is_borrowed(&object, &top) {
            return Ok(Vec::new());
        }
        let found = match self.finder.find(source) {
            Some(group) => self.compare(group, &path)?,
            None if self.is_whole(&object)? => Vec::new(),
            None => self.guess(&path)?,
        };
        // The memory may be of another object with the name, or damaged: the record of the object decides.
        if !found.is_empty() && self.is_whole(&object)? {
            return Ok(Vec::new());
        }
        Ok(found)
    }

    /// Returns whether an object is a link into the system's store, where only root changes anything.
    fn is_borrowed(&self, object: &ObjectName, top: &Path) -> bool {
        matches!(platform::kind_of(top), Ok(Some(FileKind::Symlink)))
            && read_info(self.store, object).ok().flatten().is_some_and(|info| info.borrowed)
    }

    /// Returns whether an object has the bytes that were published, whatever its modes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_whole(&mut self, object: &ObjectName) -> Result<bool> {
        if let Some(known) = self.hashed.get(object) {
            return Ok(*known);
        }
        let is_whole = verify::has_bytes(self.store, object)?;
        self.hashed.insert(object.clone(), is_whole);
        Ok(is_whole)
    }

    /// Compares what is there with the rows of a target.
    fn compare(&self, group: (usize, usize), source: &Path) -> Result<Vec<Alteration>> {
        let (store, memory) = (self.store, self.finder.memory);
        let objects = Directory::at(store.objects())?;
        let known: HashSet<&[u8]> = memory.rows(group).map(|row| row.path).collect();
        let mut found = Vec::new();
        for row in memory.rows(group) {
            store.interrupt().check().map_err(platform::failed("read", source))?;
            let path = platform::path_from_bytes(row.path);
            let facts = match objects.facts_of(path.as_os_str()) {
                Ok(facts) => facts,
                Err(error) if error.is_not_found() => {
                    found.push(alteration(&path, source, Difference::Missing));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if facts.kind != row.kind {
                found.push(alteration(&path, source, Difference::Changed));
            } else if row.kind == FileKind::Directory && !row.is_plainly_whole(&objects) {
                for (name, _) in platform::list_directory(&store.objects().join(&path))? {
                    let inner = path.join(name);
                    if !known.contains(platform::bytes_of_path(&inner).as_slice()) {
                        found.push(alteration(&inner, source, Difference::Added));
                    }
                }
            } else if row.kind != FileKind::Directory && !row.is_plainly_whole(&objects) {
                let place = store.objects().join(&path);
                let nar = match row.kind {
                    FileKind::File => hash_of(&place, row.is_executable(), store)?,
                    _ => tree::hash(&place, store.interrupt())?.nar,
                };
                if nar != row.nar {
                    let id = [facts.numbers[0], facts.numbers[1]];
                    let is_same = row.kind == FileKind::File && (row.numbers == UNKNOWN || row.numbers[..2] == id);
                    let shared = is_same.then_some((id, row.nar));
                    found.push(Alteration { shared, ..alteration(&path, source, Difference::Changed) });
                }
            }
        }
        Ok(found)
    }

    /// Finds out without the memory what was changed in a damaged object: every file that is not one of those that are shared
    /// by their content.
    fn guess(&self, source: &Path) -> Result<Vec<Alteration>> {
        let store = self.store;
        let place = store.objects().join(source);
        if !platform::exists(&place) {
            return Ok(vec![alteration(source, source, Difference::Missing)]);
        }
        let mut found = Vec::new();
        let (directory, name) = platform::locate(&place)?;
        let mut walk = Walk::new(directory, name);
        let mut is_top = true;
        while let Some(step) = walk.step()? {
            let Step::Node { directory, name, kind } = step else { continue };
            let below = if std::mem::take(&mut is_top) { PathBuf::new() } else { walk.way(&name) };
            let is_changed = match kind {
                FileKind::Directory => false,
                // It may stand where a file was.
                FileKind::Symlink => below.as_os_str().is_empty(),
                FileKind::File => {
                    let path = directory.path().join(&name);
                    let shared = store.shared_files().join(tree::hash(&path, store.interrupt())?.nar.to_hex());
                    let id = platform::facts_of(&shared).ok().map(|facts| (facts.numbers[0], facts.numbers[1]));
                    id.is_none() || directory.node(&name)?.map(|node| node.id) != id
                }
                FileKind::Special => true,
            };
            if is_changed {
                found.push(Alteration { below, change: Difference::Changed, shared: None });
            }
        }
        // A name was added or taken: nothing else tells which.
        if found.is_empty() && source.components().count() == 1 {
            found.push(alteration(source, source, Difference::Changed));
        }
        Ok(found)
    }
}

fn alteration(path: &Path, source: &Path, change: Difference) -> Alteration {
    Alteration { below: path.strip_prefix(source).unwrap_or(path).to_owned(), change, shared: None }
}

/// Returns the object that a path relative to the directory of all objects leads into.
pub fn object_of(path: &Path) -> Option<ObjectName> {
    ObjectName::parse(path.components().next()?.as_os_str().to_str()?).ok()
}

/// Returns the NAR hash of a file, as if it could be run or not.
fn hash_of(path: &Path, is_executable: bool, store: &Store) -> Result<Hash> {
    let failed = |cause| platform::failed("read", path)(cause);
    let mut file: File = platform::open_regular(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut hasher = Hasher::default();
    let mut archive = Writer::new(&mut hasher);
    archive.begin_file(is_executable, length);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        store.interrupt().check().map_err(failed)?;
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        archive.content(&buffer[..read]);
    }
    archive.end_file(length);
    Ok(hasher.finish())
}

/// Gives back to everything in an object that has its bytes the modes and the time that it had.
///
/// # Errors
/// When the file system refuses.
pub fn restore_modes(store: &Store, object: &ObjectName) -> Result<()> {
    let top = store.object(object);
    let (directory, name) = platform::locate(&top)?;
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { kind: FileKind::Directory, .. } => {}
            Step::Node { directory, name, .. } => restore(&directory, &name, |is_executable| {
                if is_executable { 0o555 } else { 0o444 }
            })?,
            Step::Left { directory, name, .. } => restore(&directory, &name, |_| 0o555)?,
        }
    }
    Ok(())
}

fn restore(directory: &Directory, name: &OsStr, mode: impl Fn(bool) -> u32) -> Result<()> {
    let facts = directory.facts_of(name)?;
    let Some(node) = directory.node(name)? else { return Ok(()) };
    let is_right = node.kind == FileKind::Symlink || node.mode == mode(node.is_executable());
    if !facts.is_immutable && (!is_right || !facts.has_old_time) {
        directory.normalise(name, |node| mode(node.is_executable()))?;
    }
    Ok(())
}

/// Writes what is known of the targets of these links, in their order: what the memory knows and does not suspect, what this
/// process published, and what it hashes now. Returns the targets that are not whole. The caller holds the switch lock.
///
/// # Errors
/// When something cannot be read, or the memory cannot be written.
pub fn record<'a>(
    store: &Store,
    memory: &ObjectMemory,
    suspects: &HashSet<&[u8]>,
    sources: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<&'a [u8]>> {
    let mut text = Vec::with_capacity(memory.text.len().max(HEADER.len()));
    text.extend_from_slice(HEADER);
    let mut seen = HashSet::new();
    let mut finder = Finder { memory, next: 0, by_source: None };
    let mut examination = Examination::new(store, memory);
    let mut damaged = Vec::new();
    let mut newest = SystemTime::UNIX_EPOCH;
    for source in sources.filter(|source| seen.insert(*source)) {
        let known = finder.find(source).filter(|_| !suspects.contains(source));
        let mut entries: Vec<(Vec<u8>, Entry)> = match known {
            Some(group) => memory
                .rows(group)
                .map(|row| (row.path.to_vec(), Entry { kind: row.kind, numbers: row.numbers, nar: row.nar }))
                .collect(),
            None => store.session().published_at(source),
        };
        if entries.is_empty() {
            let path = platform::path_from_bytes(source);
            let Some(object) = object_of(&path) else { continue };
            if !platform::exists(&store.object(&object)) || examination.is_borrowed(&object, &store.object(&object)) {
                continue;
            }
            if !examination.look(source)?.is_empty() {
                damaged.push(source);
                continue;
            }
            entries = read_entries(store, &path)?;
        }
        text.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (path, mut entry) in entries {
            if entry.numbers != UNKNOWN {
                let stamp = store.session().stamp([entry.numbers[0], entry.numbers[1]]);
                entry.numbers = stamp.unwrap_or(entry.numbers);
                newest = newest.max(platform::changed_at(&entry.numbers));
            }
            put_row(&mut text, &path, &entry);
        }
    }
    if text != memory.text {
        write(store, &text, newest)?;
    }
    Ok(damaged)
}

/// Writes the memory, so that it is newer than all it tells of, if the clock of the file system allows.
fn write(store: &Store, text: &[u8], newest: SystemTime) -> Result<()> {
    let path = store.object_memory();
    for _ in 0..TRIES {
        platform::write_file_atomically(&path, text)?;
        let facts = platform::facts_of(&path)?;
        if facts.newest > newest || !facts.has_fractions {
            break;
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// Returns the rows of a target that is whole, by reading it.
fn read_entries(store: &Store, source: &Path) -> Result<Vec<(Vec<u8>, Entry)>> {
    let objects = Directory::at(store.objects())?;
    let top = store.objects().join(source);
    let (directory, name) = platform::locate(&top)?;
    let mut walk = Walk::new(directory, name);
    let mut entries = Vec::new();
    let mut is_top = true;
    while let Some(step) = walk.step()? {
        let Step::Node { directory, name, kind } = step else { continue };
        let path = if std::mem::take(&mut is_top) { source.to_owned() } else { source.join(walk.way(&name)) };
        let path = platform::bytes_of_path(&path);
        // Looked at first: what changes while it is read has another time.
        let mut entry = Entry::of(&objects, &path, Hash::from_bytes([0; HASH]))?;
        if kind != FileKind::Directory {
            entry.nar = tree::hash(&directory.path().join(&name), store.interrupt())?.nar;
        }
        entries.push((path, entry));
    }
    Ok(entries)
}

/// Takes over into the memory what files look like that got or lost names in this process.
///
/// # Errors
/// When the memory cannot be written.
pub fn take_over_stamps(store: &Store) -> Result<()> {
    if !store.session().has_stamps() {
        return Ok(());
    }
    let memory = ObjectMemory::load(store);
    let mut text = memory.text.clone();
    let mut newest = SystemTime::UNIX_EPOCH;
    for group in &memory.groups {
        let mut start = group.0;
        for row in memory.rows(*group) {
            let stamp = (row.numbers != UNKNOWN).then(|| store.session().stamp([row.numbers[0], row.numbers[1]]));
            let numbers = stamp.flatten().unwrap_or(row.numbers);
            if numbers != UNKNOWN {
                newest = newest.max(platform::changed_at(&numbers));
            }
            for (number, place) in numbers.iter().zip(text[start + 1..].chunks_exact_mut(8)) {
                place.copy_from_slice(&number.to_le_bytes());
            }
            start += 1 + 8 * FACTS + HASH + 4 + row.path.len();
        }
    }
    if text != memory.text {
        write(store, &text, newest)?;
    }
    Ok(())
}

/// Runs what takes names from files, such as the removal of objects, and remembers what the others look like after it.
///
/// # Errors
/// Those of what is run.
pub fn keeping<T, E>(store: &Store, run: impl FnOnce() -> std::result::Result<T, E>) -> std::result::Result<T, E> {
    let memory = ObjectMemory::load(store);
    let whole: Vec<(usize, usize)> = match Directory::at(store.objects()) {
        Ok(objects) => {
            let is_whole = |group: &&(usize, usize)| {
                memory.rows(**group).all(|row| row.kind == FileKind::Symlink || row.is_plainly_whole(&objects))
            };
            memory.groups.iter().filter(is_whole).copied().collect()
        }
        Err(_) => Vec::new(),
    };
    let result = run();
    if let Ok(objects) = Directory::at(store.objects()) {
        for row in whole.iter().flat_map(|group| memory.rows(*group)).filter(|row| row.kind == FileKind::File) {
            let Ok(facts) = objects.facts_of(&platform::name_from_bytes(row.path)) else { continue };
            let is_same = facts.numbers[..FACTS - 2] == row.numbers[..FACTS - 2];
            if is_same && facts.numbers != row.numbers {
                store.session().note_stamp(facts.numbers);
            }
        }
    }
    // What cannot be remembered is only suspect.
    let _ = take_over_stamps(store);
    result
}

/// Knows the files that the memory holds, to tell whether one may get another name.
#[derive(Debug)]
pub struct KnownFiles(HashMap<[u64; 2], ([u64; FACTS], Hash)>);

impl KnownFiles {
    /// Reads the memory of a root.
    pub fn load(store: &Store) -> KnownFiles {
        let memory = ObjectMemory::load(store);
        let rows = memory.groups.iter().flat_map(|group| memory.rows(*group));
        let files = rows.filter(|row| row.kind == FileKind::File && row.numbers != UNKNOWN);
        KnownFiles(files.map(|row| ([row.numbers[0], row.numbers[1]], (row.numbers, row.nar))).collect())
    }

    /// Returns whether a file looks as it did when it was known to have this NAR hash. `session` has the newer looks.
    pub fn has(&self, store: &Store, facts: &platform::Facts, nar: Hash) -> bool {
        let id = [facts.numbers[0], facts.numbers[1]];
        self.0.get(&id).is_some_and(|(numbers, known)| {
            let numbers = store.session().stamp(id).unwrap_or(*numbers);
            *known == nar && (facts.is_immutable || numbers == facts.numbers)
        })
    }
}
