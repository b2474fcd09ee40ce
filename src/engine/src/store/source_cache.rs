//! The source memory: what local files and trees hashed to, so that they need not be read again.
//!
//! A tree is known by the names, kinds, devices, inodes, sizes and times of everything in it. As in
//! git's index (its documentation "racy-git"), what changed shortly before it was hashed is not
//! trusted: a later change could have the same times.
//!
//! Every evaluation reads the file, so it is not JSON: a line with its version, then for each entry
//! the fingerprint, the NAR hash, the length of the path in 4 bytes and the path, and at the end
//! the SHA-256 of all that.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::BuildHasherDefault;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

use super::tree::{LARGE, SeenTrees};
use super::{Result, Store, tree};
use crate::encode;
use crate::hash::{Hash, Hasher, QuickMap, Sink};
use crate::platform::{self, Directory, Facts, FileKind, Step, Walk};
use crate::settings::Interrupt;

const HEADER: &[u8] = b"syslua sources 2\n";

/// From this number on, places are checked in parallel.
const MANY: usize = 2000;
/// How many one thread looks at, one after the other: neighbours are in one directory.
const PART: usize = 256;

/// A memory of fewer bytes is read at once: that takes no longer than to begin a thread.
const WORTH_LOADING_AHEAD: u64 = 64 << 10;

/// From this number of bytes in large files on, their likeness is worth recording: they are copied
/// without another hash.
const WORTH_LOOKS: u64 = 4 << 20;

/// The bytes of a hash.
const HASH: usize = 32;

/// Coarser than the clocks of all known file systems.
const RACY: Duration = Duration::from_secs(2);

/// The same where times have fractions of a second: the kernel's clock ticks at least every 10 ms.
const RACY_FINE: Duration = Duration::from_millis(100);

/// The longest tick of a kernel's clock.
const TICK: Duration = Duration::from_millis(10);

/// If at most this number of files of a tree changed shortly before it was hashed, only these are
/// checked again.
const FEW: usize = 16;

/// What sources hashed to.
#[derive(Debug, Default)]
pub struct SourceMemory {
    /// By the bytes of paths, which are quicker to compare than their components.
    entries: QuickMap<Vec<u8>, Entry>,
    /// Reads these, where that takes a while.
    loading: Option<JoinHandle<QuickMap<Vec<u8>, Entry>>>,
    changed: bool,
    /// Sources that had changed too shortly before they were hashed, and what is left out of them.
    unsettled: BTreeMap<PathBuf, (BTreeSet<PathBuf>, Option<Fresh>)>,
    /// Stops the reading of sources.
    interrupt: Interrupt,
    /// The directory that was looked into last: neighbours are declared together.
    directory: Option<Directory>,
    /// Learns what trees look like that are hashed.
    seen: Arc<SeenTrees>,
    /// The root of the store that they are for.
    root: Option<PathBuf>,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug)]
pub struct KnownSource {
    /// The file at it.
    pub kind: FileKind,
    /// Its NAR hash.
    pub nar: Hash,
    /// Whether others cannot read it, or something in it.
    pub is_private: bool,
}

/// Looks at sources on one thread of several.
pub struct Look<'a> {
    entries: &'a QuickMap<Vec<u8>, Entry>,
    interrupt: &'a Interrupt,
    /// The directory that was looked into last.
    directory: Option<Directory>,
}

impl Look<'_> {
    /// Returns what is known of a source, but nothing where that takes more than a look: of what is
    /// missing or changed, of a tree, or of a link.
    pub fn at(&mut self, path: &Path) -> Option<KnownSource> {
        let facts = facts_of(&mut self.directory, path)
            .ok()
            .filter(|facts| facts.kind == FileKind::File)?;
        let none = BTreeSet::new();
        let mut print = Fingerprint::new(&none, self.interrupt);
        print.add(path, Path::new(""), &facts).ok()?;
        let fingerprint = print.hasher.finish();
        let known = self.entries.get(path.as_os_str().as_encoded_bytes());
        let known = known.filter(|known| known.fingerprint == fingerprint)?;
        Some(KnownSource { kind: facts.kind, nar: known.nar, is_private: print.is_private })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    /// The hash of everything that `stat` tells.
    fingerprint: Hash,
    /// The NAR hash.
    nar: Hash,
}

/// A tree in which a few files had changed shortly before it was hashed.
#[derive(Debug)]
struct Fresh {
    entry: Entry,
    /// The NAR hashes of these files alone, just before the tree was hashed.
    files: Vec<(PathBuf, Hash)>,
}

/// Takes the next bytes off a text.
fn take<'a>(text: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = text.split_at_checked(length)?;
    *text = rest;
    Some(taken)
}

fn take_hash(text: &mut &[u8]) -> Option<Hash> {
    take(text, HASH)?.try_into().ok().map(Hash::from_bytes)
}

fn parse(text: &[u8]) -> Option<QuickMap<Vec<u8>, Entry>> {
    let (content, sum) = text.split_at_checked(text.len().checked_sub(HASH)?)?;
    if Hash::of(content).as_bytes() != sum {
        return None;
    }
    let mut rest = content.strip_prefix(HEADER)?;
    let mut entries =
        QuickMap::with_capacity_and_hasher(rest.len() / (3 * HASH), BuildHasherDefault::default());
    while !rest.is_empty() {
        let entry = Entry { fingerprint: take_hash(&mut rest)?, nar: take_hash(&mut rest)? };
        let length = u32::from_le_bytes(take(&mut rest, size_of::<u32>())?.try_into().ok()?);
        entries.insert(take(&mut rest, usize::try_from(length).ok()?)?.to_vec(), entry);
    }
    Some(entries)
}

fn render(entries: &QuickMap<Vec<u8>, Entry>) -> Vec<u8> {
    let mut text = HEADER.to_vec();
    for (path, entry) in entries.iter().collect::<BTreeMap<_, _>>() {
        // A path that exceeds the limit of every system is not remembered.
        let Ok(length) = u32::try_from(path.len()) else { continue };
        text.extend_from_slice(entry.fingerprint.as_bytes());
        text.extend_from_slice(entry.nar.as_bytes());
        text.extend_from_slice(&length.to_le_bytes());
        text.extend_from_slice(path);
    }
    let sum = Hash::of(&text);
    text.extend_from_slice(sum.as_bytes());
    text
}

impl SourceMemory {
    /// Reads the memory of a root; a missing or damaged one counts as empty.
    pub fn load(store: &Store) -> SourceMemory {
        let path = store.source_memory();
        let is_large = matches!(
            platform::metadata_of(&path),
            Ok(Some(data)) if data.len() >= WORTH_LOADING_AHEAD
        );
        let read =
            move || parse(&platform::read_file(&path).unwrap_or_default()).unwrap_or_default();
        let mut memory = SourceMemory {
            interrupt: store.interrupt().clone(),
            root: Some(store.root().to_owned()),
            ..SourceMemory::default()
        };
        if is_large {
            memory.loading = thread::Builder::new().spawn(read.clone()).ok();
        }
        if memory.loading.is_none() {
            memory.entries = read();
        }
        memory
    }

    /// Lets copies of trees use the likeness that was computed with the hash.
    #[must_use]
    pub fn telling(self, seen: &Arc<SeenTrees>) -> SourceMemory {
        SourceMemory { seen: Arc::clone(seen), ..self }
    }

    /// Searches what it hashes for names in the store with this root.
    #[must_use]
    pub fn searching_for(self, root: Option<PathBuf>) -> SourceMemory {
        SourceMemory { root, ..self }
    }

    /// Waits until the memory is read.
    fn finish_loading(&mut self) {
        if let Some(loading) = self.loading.take() {
            self.entries = loading.join().unwrap_or_default();
        }
    }

    /// Returns the file at a path and its NAR hash, reading it only if it changed, or `None` if it
    /// does not exist.
    ///
    /// # Errors
    /// When something cannot be read, or is neither file, directory nor link.
    pub fn observe(&mut self, path: &Path) -> Result<Option<KnownSource>> {
        self.observe_without(path, &BTreeSet::new())
    }

    /// Like [`SourceMemory::look`], without what is excluded of a tree: that may be unreadable.
    ///
    /// # Errors
    /// When something else cannot be read, or is neither file, directory nor link.
    pub fn observe_without(
        &mut self,
        path: &Path,
        excluded: &BTreeSet<PathBuf>,
    ) -> Result<Option<KnownSource>> {
        let facts = match facts_of(&mut self.directory, path) {
            Ok(facts) => facts,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kind = facts.kind;
        let (nar, is_private) = self.hash_looked_at(path, &facts, excluded)?;
        Ok(Some(KnownSource { kind, nar, is_private }))
    }

    /// Makes something of each of many declarations side by side; `make` may look at sources.
    pub fn observe_each<T: Sync, R: Send>(
        &mut self,
        declarations: &[T],
        make: impl Fn(&T, &mut Look<'_>) -> R + Sync,
    ) -> Vec<R> {
        self.finish_loading();
        let look = || Look { entries: &self.entries, interrupt: &self.interrupt, directory: None };
        if declarations.len() < MANY {
            let mut look = look();
            return declarations.iter().map(|one| make(one, &mut look)).collect();
        }
        let make = &make;
        let made = declarations.par_chunks(PART).flat_map_iter(|part| {
            let mut look = look();
            part.iter().map(move |one| make(one, &mut look))
        });
        made.collect()
    }

    /// Returns the NAR hash of a file or tree without what is excluded, reading it only if it
    /// changed.
    ///
    /// # Errors
    /// When something cannot be read, or is neither file, directory nor link.
    pub fn hash(&mut self, path: &Path, excluded: &BTreeSet<PathBuf>) -> Result<Hash> {
        self.hash_looked_at(path, &platform::facts_of(path)?, excluded).map(|(nar, _)| nar)
    }

    /// Returns the NAR hash, and whether others cannot read something of it.
    fn hash_looked_at(
        &mut self,
        path: &Path,
        facts: &Facts,
        excluded: &BTreeSet<PathBuf>,
    ) -> Result<(Hash, bool)> {
        self.finish_loading();
        let now = SystemTime::now();
        let mut print = Fingerprint::new(excluded, &self.interrupt);
        print.tree(path, facts)?;
        let (settled, is_private, large) = (print.settled, print.is_private, print.large);
        // A change in the tick of the clock in which a file got its times would not show.
        let fresh = if facts.kind == FileKind::Directory && settled >= now {
            print.fresh_before(now)
        } else {
            None
        };
        let fingerprint = print.hasher.finish();
        let known = self.entries.get(path.as_os_str().as_encoded_bytes());
        if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
            return Ok((known.nar, is_private));
        }
        let fresh = fresh.and_then(|files| self.hash_each(path, files));
        let nar = if large >= WORTH_LOOKS {
            tree::hash_to_copy(path, excluded, self.root.as_deref(), &self.seen, &self.interrupt)?
        } else if facts.kind == FileKind::Directory
            && large == 0
            && let Some(root) = &self.root
        {
            let (seen, interrupt) = (&self.seen, &self.interrupt);
            // On a thread of those that read its files, which it would wait for otherwise.
            rayon::join(|| tree::hash_listed(path, excluded, root, seen, interrupt), || ()).0?
        } else {
            tree::hash_without(path, excluded, &self.interrupt)?
        };
        let entry = Entry { fingerprint, nar };
        if settled < now {
            self.entries.insert(platform::bytes_of_path(path), entry);
            self.changed = true;
        } else {
            let fresh = fresh.map(|files| Fresh { entry, files });
            self.unsettled.insert(path.to_owned(), (excluded.clone(), fresh));
        }
        Ok((nar, is_private))
    }

    /// Returns the NAR hashes of some files of a tree, or `None` if one cannot be read.
    fn hash_each(&self, top: &Path, files: Vec<PathBuf>) -> Option<Vec<(PathBuf, Hash)>> {
        let hash = |inner: PathBuf| {
            Some((tree::hash(&top.join(&inner), &self.interrupt).ok()?.nar, inner))
        };
        files.into_iter().map(|inner| hash(inner).map(|(nar, inner)| (inner, nar))).collect()
    }

    /// Remembers a tree that had changed shortly before it was hashed, if it did not change since:
    /// what had settled by then shows that by its times, and the rest is read once more. Returns
    /// whether there is nothing else to be remembered of it.
    fn settle(&mut self, path: &Path, excluded: &BTreeSet<PathBuf>, fresh: &Fresh) -> bool {
        let now = SystemTime::now();
        let mut print = Fingerprint::new(excluded, &self.interrupt);
        if !platform::facts_of(path).is_ok_and(|facts| print.tree(path, &facts).is_ok())
            || print.settled >= now
        {
            return true;
        }
        let names = fresh.files.iter().map(|(inner, _)| inner.clone()).collect();
        let is_same = print.hasher.finish() == fresh.entry.fingerprint
            && self.hash_each(path, names).is_some_and(|files| files == fresh.files);
        if is_same {
            self.entries.insert(platform::bytes_of_path(path), fresh.entry);
            self.changed = true;
        }
        is_same
    }

    /// Writes the memory, if there is anything new in it. What had changed just before it was
    /// hashed is hashed once more: by now it may be old enough, and nothing that changes nothing
    /// will write the memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self, store: &Store) -> Result<()> {
        self.finish_loading();
        for (path, (excluded, fresh)) in std::mem::take(&mut self.unsettled) {
            if !fresh.is_some_and(|fresh| self.settle(&path, &excluded, &fresh)) {
                // A missing file has nothing to remember.
                let _ = self.hash(&path, &excluded);
            }
        }
        self.unsettled.clear();
        if !self.changed {
            return Ok(());
        }
        platform::write_file_atomically(&store.source_memory(), &render(&self.entries))?;
        self.changed = false;
        Ok(())
    }
}

/// Something in a tree: its directory, its name there, and its path below the top.
type TreeNode = (Arc<Directory>, OsString, PathBuf);

/// How many nodes of a tree are looked at before they are hashed, in how many directories, which
/// are open; and from which number on that is done side by side.
const CHUNK: usize = 512;
const DIRECTORIES: usize = 64;
const FEW_NODES: usize = 128;

struct Fingerprint<'a> {
    hasher: Hasher,
    /// What it takes next: one piece costs less than many.
    line: Vec<u8>,
    /// From when on a change of anything in it shows.
    settled: SystemTime,
    /// The first files and links that changed shortly before, and when they did.
    fresh: Vec<(PathBuf, SystemTime)>,
    /// When this was begun.
    began: SystemTime,
    /// Whether others cannot read something.
    is_private: bool,
    /// The bytes of all that is large.
    large: u64,
    excluded: &'a BTreeSet<PathBuf>,
    interrupt: &'a Interrupt,
}

/// Returns the metadata of a path; `directory` is the last directory that was opened.
fn facts_of(directory: &mut Option<Directory>, path: &Path) -> platform::Result<Facts> {
    // What ends with a slash names what a link leads to.
    let name = path
        .file_name()
        .filter(|name| path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()));
    let (Some(parent), Some(name)) = (path.parent(), name) else { return platform::facts_of(path) };
    if directory.as_ref().is_none_or(|open| open.path().as_os_str() != parent.as_os_str()) {
        *directory = Directory::at(parent).ok();
    }
    match directory {
        Some(directory) => directory.facts_of(name),
        None => platform::facts_of(path),
    }
}

impl<'a> Fingerprint<'a> {
    fn new(excluded: &'a BTreeSet<PathBuf>, interrupt: &'a Interrupt) -> Fingerprint<'a> {
        Fingerprint {
            hasher: Hasher::default(),
            line: Vec::new(),
            settled: UNIX_EPOCH,
            fresh: Vec::new(),
            began: SystemTime::now(),
            is_private: false,
            large: 0,
            excluded,
            interrupt,
        }
    }

    /// Returns the files and links that changed shortly before a moment, or `None` if these are
    /// many, or one did so in the tick of the clock that ends with it.
    fn fresh_before(&self, now: SystemTime) -> Option<Vec<PathBuf>> {
        let is_few =
            self.fresh.len() <= FEW && self.fresh.iter().all(|(_, changed)| *changed + TICK < now);
        is_few.then(|| self.fresh.iter().map(|(inner, _)| inner.clone()).collect())
    }

    /// Adds a file or tree; `facts` are those of its top.
    fn tree(&mut self, path: &Path, facts: &Facts) -> Result<()> {
        if facts.kind != FileKind::Directory {
            return self.add(path, Path::new(""), facts);
        }
        self.add(path, Path::new(""), facts)?;
        let (directory, name) = platform::locate(path)?;
        let mut walk = Walk::inside(directory, name);
        let (mut nodes, mut directories) = (Vec::new(), 0);
        while let Some(step) = walk.step()? {
            match step {
                Step::Node { directory, name, kind } => {
                    let inner = walk.way(&name);
                    tree::check_way(&inner)?;
                    if self.excluded.contains(&inner) {
                        if kind == FileKind::Directory {
                            walk.skip();
                        }
                        continue;
                    }
                    directories += usize::from(kind == FileKind::Directory);
                    nodes.push(Some((directory, name, inner)));
                }
                Step::Left { .. } => nodes.push(None),
            }
            if nodes.len() >= CHUNK || directories >= DIRECTORIES {
                self.add_all(path, &std::mem::take(&mut nodes))?;
                directories = 0;
            }
        }
        self.add_all(path, &nodes)
    }

    /// Adds nodes of a tree, after many were looked at side by side; `None` ends a directory.
    fn add_all(&mut self, top: &Path, nodes: &[Option<TreeNode>]) -> Result<()> {
        let observe = |node: &Option<TreeNode>| {
            node.as_ref().map(|(directory, name, _)| directory.facts_of(name)).transpose()
        };
        let looked: Vec<_> = if nodes.len() < FEW_NODES {
            nodes.iter().map(observe).collect()
        } else {
            nodes.par_iter().with_min_len(FEW_NODES / 2).map(observe).collect()
        };
        for (node, facts) in nodes.iter().zip(looked) {
            match (node, facts?) {
                (Some((_, _, inner)), Some(facts)) => self.add(top, inner, &facts)?,
                // Where a directory ends is part of what the tree is.
                _ => self.hasher.put(b"/"),
            }
        }
        Ok(())
    }

    fn add(&mut self, top: &Path, relative: &Path, facts: &Facts) -> Result<()> {
        self.interrupt.check().map_err(platform::failed("read", top))?;
        self.line.clear();
        encode::bytes(&mut self.line, &platform::bytes_of_path(relative));
        for fact in &facts.numbers {
            encode::number(&mut self.line, *fact);
        }
        self.hasher.put(&self.line);
        self.is_private |= facts.is_private();
        // The size is the third number.
        self.large += if facts.kind == FileKind::File && facts.numbers[2] > LARGE {
            facts.numbers[2]
        } else {
            0
        };
        let settled = facts.newest + if facts.has_fractions { RACY_FINE } else { RACY };
        self.settled = self.settled.max(settled);
        // What is in a directory shows by its names.
        if settled >= self.began && facts.kind != FileKind::Directory && self.fresh.len() <= FEW {
            self.fresh.push((relative.to_owned(), facts.newest));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_fresh_one_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        std::fs::write(&path, "one").unwrap();
        let mut memory = SourceMemory::default();
        let first = memory.hash(&path, &BTreeSet::new()).unwrap();
        // The file was written just now: a change in the same moment would go unseen.
        assert!(memory.entries.is_empty());
        std::fs::write(&path, "two").unwrap();
        old(&path, 100);
        assert_ne!(memory.hash(&path, &BTreeSet::new()).unwrap(), first);
    }

    #[test]
    fn a_fresh_file_is_looked_at_again_when_the_memory_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        std::fs::create_dir(directory.path().join("cache")).unwrap();
        let path = directory.path().join("source");
        std::fs::write(&path, "one").unwrap();
        let mut memory = SourceMemory::default();
        let first = memory.hash(&path, &BTreeSet::new()).unwrap();
        old(&path, 100);
        std::thread::sleep(RACY_FINE * 2);
        memory.save(&store).unwrap();
        let known = SourceMemory::load(&store).entries.into_values().next().unwrap();
        assert_eq!(known.nar, first);
        assert!(memory.unsettled.is_empty());
    }

    #[test]
    fn of_a_tree_only_what_changed_shortly_before_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        std::fs::create_dir(directory.path().join("cache")).unwrap();
        let top = directory.path().join("tree");
        std::fs::create_dir(&top).unwrap();
        for name in ["one", "two"] {
            std::fs::write(top.join(name), name).unwrap();
        }
        std::thread::sleep(RACY_FINE);
        // What happens between the hash and the moment when the memory is written.
        let changes: [&dyn Fn(); 4] = [
            &|| {},
            &|| std::fs::write(top.join("two"), "edited while the old one was used").unwrap(),
            &|| std::fs::write(top.join("new"), "").unwrap(),
            &|| std::fs::remove_file(top.join("one")).unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            std::fs::write(top.join("one"), number.to_string()).unwrap();
            std::thread::sleep(TICK * 2);
            let mut memory = SourceMemory::default();
            memory.hash(&top, &BTreeSet::new()).unwrap();
            // A loaded machine may have taken longer.
            let is_fresh = memory.unsettled.values().any(|(_, fresh)| fresh.is_some());
            assert!(is_fresh || !memory.entries.is_empty());
            change();
            std::thread::sleep(RACY_FINE * 2);
            memory.save(&store).unwrap();
            let now = tree::hash(&top, &Interrupt::default()).unwrap().nar;
            assert_eq!(memory.hash(&top, &BTreeSet::new()).unwrap(), now, "{number}");
            assert_eq!(memory.entries.values().next().unwrap().nar, now, "{number}");
        }
    }

    #[test]
    fn a_large_memory_is_read_while_others_work() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        std::fs::create_dir(directory.path().join("cache")).unwrap();
        let entry = |number: usize| Entry {
            fingerprint: Hash::of(&number.to_le_bytes()),
            nar: Hash::of(b"nar"),
        };
        let entries = QuickMap::from_iter(
            (0..4000).map(|number| (format!("/{number}").into_bytes(), entry(number))),
        );
        std::fs::write(store.source_memory(), render(&entries)).unwrap();
        let mut memory = SourceMemory::load(&store);
        assert!(memory.loading.is_some());
        let observe = |path: &PathBuf, look: &mut Look<'_>| look.at(path).is_some();
        assert_eq!(memory.observe_each(&["/no such file".into()], observe), [false]);
        assert_eq!(memory.entries, entries);
    }

    #[test]
    fn many_looks_tell_what_single_ones_tell() {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = SourceMemory::default();
        let paths: Vec<PathBuf> =
            (0..MANY + 7).map(|number| directory.path().join(number.to_string())).collect();
        for (number, path) in paths.iter().enumerate() {
            match number % 50 {
                3 => {}
                4 => std::fs::create_dir(path).unwrap(),
                5 => platform::symlink(Path::new("0"), path).unwrap(),
                _ => std::fs::write(path, number.to_string()).unwrap(),
            }
        }
        std::thread::sleep(RACY_FINE * 2);
        let single: Vec<Option<KnownSource>> =
            paths.iter().map(|path| memory.observe(path).unwrap()).collect();
        std::fs::write(&paths[7], "changed").unwrap();
        for count in [paths.len(), MANY - 1] {
            let observe = |path: &PathBuf, look: &mut Look<'_>| look.at(path);
            let looked = memory.observe_each(&paths[..count], observe);
            for (number, known) in looked.into_iter().enumerate() {
                let expected =
                    single[number].filter(|known| known.kind == FileKind::File && number != 7);
                assert_eq!(
                    known.map(|known| known.nar),
                    expected.map(|known| known.nar),
                    "{number}"
                );
            }
        }
    }

    #[test]
    fn a_damaged_memory_counts_as_empty() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        std::fs::create_dir(directory.path().join("cache")).unwrap();
        for text in ["", "{", "[]", "{\"version\":1,\"entries\":{}}", "\0\0"] {
            std::fs::write(store.source_memory(), text).unwrap();
            assert!(SourceMemory::load(&store).entries.is_empty());
        }
        let entry = Entry { fingerprint: Hash::of(b"1"), nar: Hash::of(b"2") };
        let entries = QuickMap::from_iter([(b"/a".to_vec(), entry), (b"/b\xff".to_vec(), entry)]);
        let whole = render(&entries);
        assert_eq!(parse(&whole), Some(entries));
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert_eq!(parse(&damaged), None, "byte {place}");
            assert_eq!(parse(&whole[..place]), None, "cut at {place}");
        }
    }
}
