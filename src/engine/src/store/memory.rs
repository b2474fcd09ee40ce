//! The object memory: metadata of the files behind links when they were known to be intact. A file
//! with the same metadata was not changed, and is not read again; any other is suspect, and its
//! bytes are checked.
//!
//! Nothing depends on the memory being there: without it every file is suspect. As in git's index
//! (its documentation "racy-git"), what changed in the same moment in which the memory was written
//! is suspect too.
//!
//! Every apply reads the file, so it is binary: a line with the version; then of each link target
//! the number of its rows in 4 bytes, and the rows: the kind in 1 byte, the numbers that the system
//! tells in 8 bytes each, the NAR hash, the length of the path in 4 bytes, and the path relative to
//! the directory of all objects. Numbers are little-endian. The first row is the target itself;
//! below a directory there is a row for everything in it.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{Result, Store};
use crate::hash::{Hash, QuickMap};
use crate::platform::{self, Directory, FACTS, FileKind};

const HEADER: &[u8] = b"syslua objects 1\n";

/// The bytes of a hash.
const HASH: usize = 32;

/// Numbers that no file has: what has them in the memory is suspect.
pub(super) const UNKNOWN: [u64; FACTS] = [u64::MAX; FACTS];

/// From this number on, files are checked in parallel, this number on each thread.
const MANY: usize = 2000;
const PART: usize = 256;

/// How often to write the memory until it is newer than what it tells of.
const TRIES: usize = 20;

/// The shortest tick of the clocks of file systems.
const TICK: Duration = Duration::from_millis(1);

/// What is known of a file, directory or link in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: FileKind,
    /// What the system told of it.
    pub numbers: [u64; FACTS],
    /// The NAR hash of a file or link; of a directory, zeros.
    pub nar: Hash,
}

impl Entry {
    /// Returns the entry of something that looks like this.
    pub fn from_facts(facts: &platform::Facts, nar: Hash) -> Entry {
        let numbers = if facts.has_old_time { facts.numbers } else { UNKNOWN };
        Entry { kind: facts.kind, numbers, nar }
    }

    /// Returns the entry of something that was just put in its place.
    ///
    /// # Errors
    /// When the system does not tell what it looks like.
    pub fn of(objects: &Directory, path: &[u8], nar: Hash) -> Result<Entry> {
        Ok(Entry::from_facts(&objects.facts_of(&platform::name_from_bytes(path))?, nar))
    }
}

/// A row of the memory.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) kind: FileKind,
    pub(super) numbers: [u64; FACTS],
    pub(super) nar: Hash,
    pub(super) path: &'a [u8],
}

impl Row<'_> {
    /// Returns whether what has this path looks as it did. A link cannot be changed, but only
    /// replaced, which its directory shows.
    pub(super) fn is_plainly_whole(&self, objects: &Directory) -> bool {
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

impl ObjectMemory {
    /// Reads the memory of a root; a missing or damaged one counts as empty.
    pub fn load(store: &Store) -> ObjectMemory {
        let path = store.object_memory();
        let Ok(text) = platform::read_file(&path) else { return ObjectMemory::default() };
        let written_at = platform::facts_of(&path).ok().map(|facts| facts.newest);
        let groups = parse(&text).unwrap_or_default();
        ObjectMemory { text, groups, written_at }
    }

    pub(super) fn rows(&self, group: (usize, usize)) -> impl Iterator<Item = Row<'_>> {
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

    /// Returns the targets that do not look as they did, of these: paths relative to the directory
    /// of all objects, in the order in which the links were declared.
    pub fn suspects<'a>(
        &self,
        store: &Store,
        sources: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<&'a [u8]> {
        let Ok(objects) = Directory::at(store.objects()) else { return Vec::new() };
        let mut finder = Finder::new(self);
        let found: Vec<_> = sources.map(|source| (source, finder.find(source))).collect();
        let is_whole = |group: (usize, usize)| {
            let mut rows = self.rows(group).enumerate();
            rows.all(|(number, row)| {
                (row.kind == FileKind::Symlink && number > 0) || row.is_plainly_whole(&objects)
            })
        };
        let suspect = |(source, group): &(&'a [u8], Option<(usize, usize)>)| {
            (!group.is_some_and(is_whole)).then_some(*source)
        };
        if found.len() < MANY {
            return found.iter().filter_map(suspect).collect();
        }
        found.par_iter().with_min_len(PART).filter_map(suspect).collect()
    }
}

/// Finds the rows of targets; most are requested in their order.
#[derive(Debug)]
pub(super) struct Finder<'a> {
    pub(super) memory: &'a ObjectMemory,
    next: usize,
    by_source: Option<QuickMap<&'a [u8], (usize, usize)>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(memory: &'a ObjectMemory) -> Finder<'a> {
        Finder { memory, next: 0, by_source: None }
    }

    /// Returns where the rows of a target begin and end.
    pub(super) fn find(&mut self, source: &[u8]) -> Option<(usize, usize)> {
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

/// A memory that is to be written.
pub(super) struct NewMemory {
    text: Vec<u8>,
    newest: SystemTime,
}

impl NewMemory {
    /// Returns one without rows, with room for those of another.
    pub(super) fn like(other: &ObjectMemory) -> NewMemory {
        let mut text = Vec::with_capacity(other.text.len().max(HEADER.len()));
        text.extend_from_slice(HEADER);
        NewMemory { text, newest: SystemTime::UNIX_EPOCH }
    }

    /// Adds the rows of a target, with the times that this process gave to its files since.
    pub(super) fn add(&mut self, store: &Store, entries: &mut [(Vec<u8>, Entry)]) {
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.text.extend_from_slice(&count.to_le_bytes());
        for (path, entry) in entries {
            if entry.numbers != UNKNOWN {
                let stamp = store.session().stamp([entry.numbers[0], entry.numbers[1]]);
                entry.numbers = stamp.unwrap_or(entry.numbers);
                self.newest = self.newest.max(platform::changed_at(&entry.numbers));
            }
            put_row(&mut self.text, path, entry);
        }
    }

    /// Writes it where it differs from the present one, so that it is newer than all it tells of,
    /// if the clock of the file system allows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, store: &Store, present: &ObjectMemory) -> Result<()> {
        if self.text == present.text { Ok(()) } else { write(store, &self.text, self.newest) }
    }
}

/// Writes the memory, so that it is newer than all it tells of.
fn write(store: &Store, text: &[u8], newest: SystemTime) -> Result<()> {
    let path = store.object_memory();
    for _ in 0..TRIES {
        // Names of files in a user's objects are the user's.
        if platform::is_system_user() {
            platform::write_file_atomically(&path, text)?;
        } else {
            platform::write_private_file_atomically(&path, text)?;
        }
        let facts = platform::facts_of(&path)?;
        if facts.newest > newest || !facts.has_fractions {
            break;
        }
        std::thread::sleep(TICK);
    }
    Ok(())
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
            let stamp = (row.numbers != UNKNOWN)
                .then(|| store.session().stamp([row.numbers[0], row.numbers[1]]));
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

/// Runs what takes names from files, such as the removal of objects, and remembers what the others
/// look like after it.
///
/// # Errors
/// Those of what is run.
pub fn keeping<T, E>(
    store: &Store,
    run: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let memory = ObjectMemory::load(store);
    let whole: Vec<(usize, usize)> = match Directory::at(store.objects()) {
        Ok(objects) => {
            let is_whole = |group: &&(usize, usize)| {
                memory
                    .rows(**group)
                    .all(|row| row.kind == FileKind::Symlink || row.is_plainly_whole(&objects))
            };
            memory.groups.iter().filter(is_whole).copied().collect()
        }
        Err(_) => Vec::new(),
    };
    let result = run();
    if let Ok(objects) = Directory::at(store.objects()) {
        for row in whole
            .iter()
            .flat_map(|group| memory.rows(*group))
            .filter(|row| row.kind == FileKind::File)
        {
            let Ok(facts) = objects.facts_of(&platform::name_from_bytes(row.path)) else {
                continue;
            };
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

/// What the memory knows, and which targets of it do not look as they did.
#[derive(Debug, Default)]
pub struct Looked {
    /// What it knows.
    pub memory: ObjectMemory,
    /// The targets of links that are suspect, relative to the directory of all objects.
    pub suspects: HashSet<Vec<u8>>,
    /// Where the rows of each target are, once something was asked for.
    by_source: OnceLock<QuickMap<Vec<u8>, (usize, usize)>>,
}

impl Looked {
    /// Reads the memory of a root, and compares these targets with it: paths relative to the
    /// directory of all objects, in the order in which the links were declared.
    pub fn load<'a>(store: &Store, sources: impl Iterator<Item = &'a [u8]>) -> Looked {
        let memory = ObjectMemory::load(store);
        let suspects = memory.suspects(store, sources).into_iter().map(<[u8]>::to_vec).collect();
        Looked { memory, suspects, by_source: OnceLock::new() }
    }

    /// Returns the NAR hash of a file or link that a link leads to, if it looked as it did.
    pub fn nar_of(&self, source: &[u8]) -> Option<Hash> {
        let memory = &self.memory;
        let by_source = self.by_source.get_or_init(|| {
            memory.groups.iter().map(|group| (memory.source(*group).to_vec(), *group)).collect()
        });
        let row = memory.rows(*by_source.get(source)?).next()?;
        (row.kind != FileKind::Directory && !self.suspects.contains(source)).then_some(row.nar)
    }
}

/// Knows the files that the memory holds, to tell whether one may get another name.
#[derive(Debug)]
pub struct KnownFiles(QuickMap<[u64; 2], ([u64; FACTS], Hash)>);

impl KnownFiles {
    /// Reads the memory of a root.
    pub fn load(store: &Store) -> KnownFiles {
        match store.session().looked() {
            Some(looked) => KnownFiles::of(&looked.memory),
            None => KnownFiles::of(&ObjectMemory::load(store)),
        }
    }

    fn of(memory: &ObjectMemory) -> KnownFiles {
        let rows = memory.groups.iter().flat_map(|group| memory.rows(*group));
        let files = rows.filter(|row| row.kind == FileKind::File && row.numbers != UNKNOWN);
        KnownFiles(
            files.map(|row| ([row.numbers[0], row.numbers[1]], (row.numbers, row.nar))).collect(),
        )
    }

    /// Returns whether there are none, as before the first apply.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a file looks as it did when it was known to have this NAR hash. `session`
    /// has the newer looks.
    pub fn has(&self, store: &Store, facts: &platform::Facts, nar: Hash) -> bool {
        let id = [facts.numbers[0], facts.numbers[1]];
        self.0.get(&id).is_some_and(|(numbers, known)| {
            let numbers = store.session().stamp(id).unwrap_or(*numbers);
            *known == nar && (facts.is_immutable || numbers == facts.numbers)
        })
    }
}
