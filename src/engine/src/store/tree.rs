//! Hashing a tree of files as a NAR, with a search for names on the way; and copying it at the same
//! time.
//!
//! A NAR is one stream, so one thread computes its hash. Reading, copying and searching run ahead
//! on other threads: file by file for small files, piece by piece for a large one. The data that
//! waits to be hashed is bounded, whatever the tree is. A tree may have any depth, and others may
//! change it: it is read by descriptors, and never through a link.
//!
//! It has over 600 lines: how a file is read, hashed and copied is one way, whatever it is read
//! for.

pub(super) mod content;
mod likeness;
mod list;
pub(super) mod source_walk;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

pub use crate::seen_trees::{Listing, Part, SeenTrees};
pub use content::SMALL as LARGE;
pub use likeness::Likeness;

pub use self::content::RACY;
use self::content::Read;
use self::likeness::Twice;
use super::self_references::Patterns;
use super::traces::Traces;
use super::{Error, Result};
use crate::hash::{Hash, Hasher, Sink};
use crate::nar::Writer;
use crate::platform::{self, Descent, Directory, FileKind, Unwritten};
use crate::settings::Interrupt;

/// What a walk over a tree found.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The SHA-256 of the NAR, after replacements.
    pub nar: Hash,
    /// The bytes of all files.
    pub size: u64,
    /// Paths, relative to the top, whose names differ from that of a neighbour only in case. Not
    /// looked for where there are no patterns.
    pub case_collisions: Vec<PathBuf>,
    /// For each pattern, the paths that hold it; a directory where it occurs in the name of an
    /// entry.
    pub found: Vec<Vec<PathBuf>>,
    /// The numbers of the file system and of the top that was read.
    pub id: (u64, u64),
}

/// The text to search for, and its replacement for hashing.
pub type Pattern = (Vec<u8>, Option<Vec<u8>>);

/// Returns the NAR hash of the tree at `path`.
///
/// # Errors
/// When a file cannot be read, is neither file, directory nor link, or changes while it is read; on
/// an interrupt.
pub fn hash(path: &Path, interrupt: &Interrupt) -> Result<Digest> {
    hash_replacing(path, &[], interrupt)
}

/// Returns the NAR hash of a file with this content.
pub fn hash_of_file(content: &[u8], is_executable: bool) -> Hash {
    let mut hasher = Hasher::default();
    let mut archive = Writer::new(&mut hasher);
    let length = content.len() as u64;
    archive.begin_file(is_executable, length);
    archive.content(content);
    archive.end_file(length);
    hasher.finish()
}

/// Returns the NAR hash that a tree has without some of its paths, which are relative to it.
///
/// # Errors
/// As [`hash`].
pub fn hash_without(
    path: &Path,
    excluded: &BTreeSet<PathBuf>,
    interrupt: &Interrupt,
) -> Result<Hash> {
    let (directory, name) = platform::locate(path)?;
    let tree = Tree { directory: &directory, name, excluded: Some(excluded), copy: None };
    digest(&tree, &compile(path, &[])?, interrupt).map(|digest| digest.nar)
}

/// The same of a tree: notes what is in it, if that is small files, links and directories without a
/// placeholder. `root` is the place of the store.
///
/// # Errors
/// As [`hash`].
pub fn hash_listed(
    path: &Path,
    excluded: &BTreeSet<PathBuf>,
    root: &Path,
    seen: &SeenTrees,
    interrupt: &Interrupt,
) -> Result<Hash> {
    let Some(listed) = list::hash(path, excluded, root, interrupt)? else {
        return hash_without(path, excluded, interrupt);
    };
    if let Some(listing) = listed.listing {
        seen.note_listing(listed.nar, listing);
    }
    Ok(listed.nar)
}

/// The same of a tree that may be copied later to the store with this root: notes what it looks
/// like, so that [`copy_seen`] need not hash it again, and which of its large files it need not
/// search.
///
/// # Errors
/// As [`hash`].
pub fn hash_to_copy(
    path: &Path,
    excluded: &BTreeSet<PathBuf>,
    root: Option<&Path>,
    seen: &SeenTrees,
    interrupt: &Interrupt,
) -> Result<Hash> {
    let (directory, name) = platform::locate(path)?;
    let tree = Tree { directory: &directory, name, excluded: Some(excluded), copy: None };
    let mut both = Twice::default();
    let traces = root.map(|root| Traces::new(&platform::bytes_of_path(root)));
    let known = Seen { trees: Some(seen), traces: traces.as_ref() };
    let none = compile(path, &[])?;
    let walked = walk_knowing(&tree, &none, interrupt, &mut both, StandIns::Begin, known)?;
    let nar = both.nar.finish();
    if walked.is_alike {
        seen.note(both.likeness.finish(), nar);
    }
    Ok(nar)
}

/// Returns the NAR hash that the tree has once the patterns with a replacement are replaced in
/// contents, targets of links and names.
///
/// # Errors
/// As [`hash`].
pub fn hash_replacing(path: &Path, patterns: &[Pattern], interrupt: &Interrupt) -> Result<Digest> {
    let (directory, name) = platform::locate(path)?;
    hash_in(&directory, name, patterns, interrupt)
}

/// The same of what has a name in a directory.
///
/// # Errors
/// As [`hash`].
pub fn hash_in(
    directory: &Arc<Directory>,
    name: &OsStr,
    patterns: &[Pattern],
    interrupt: &Interrupt,
) -> Result<Digest> {
    let patterns = compile(&directory.path().join(name), patterns)?;
    digest(&Tree { directory, name, excluded: None, copy: None }, &patterns, interrupt)
}

/// Copies a tree while it is hashed. A directory is merged into an existing one, files and links
/// are replaced. The owner can write to copies of files.
///
/// # Errors
/// As [`hash`], and when something cannot be written.
pub fn copy(tree: &Tree<'_>, patterns: &[Pattern], interrupt: &Interrupt) -> Result<Digest> {
    let patterns = compile(&tree.directory.path().join(tree.name), patterns)?;
    digest(tree, &patterns, interrupt)
}

/// The same of a tree that this process hashed before and found to have a NAR hash: its large files
/// are not hashed again, when nothing wrote to them. `None` when that cannot be told: the copy is
/// of no use then.
///
/// # Errors
/// As [`copy`].
pub fn copy_seen(
    tree: &Tree<'_>,
    patterns: &[Pattern],
    seen: &SeenTrees,
    nar: Hash,
    interrupt: &Interrupt,
) -> Result<Option<Digest>> {
    if !seen.knows(nar) {
        return Ok(None);
    }
    let patterns = compile(&tree.directory.path().join(tree.name), patterns)?;
    let mut likeness = Likeness::default();
    let known = Seen { trees: Some(seen), traces: None };
    let walked = walk_knowing(tree, &patterns, interrupt, &mut likeness, StandIns::Look, known)?;
    let is_same = walked.is_alike && seen.nar_of(likeness.finish()) == Some(nar);
    Ok(is_same.then(|| walked.digest(nar)))
}

/// The same without a hash: that of the digest is the one of nothing.
///
/// # Errors
/// As [`copy`].
pub fn copy_only(tree: &Tree<'_>, interrupt: &Interrupt) -> Result<Digest> {
    struct Nowhere;
    impl Sink for Nowhere {
        fn put(&mut self, _bytes: &[u8]) {}
    }
    let patterns = compile(&tree.directory.path().join(tree.name), &[])?;
    let walked = walk(tree, &patterns, interrupt, &mut Nowhere, StandIns::None)?;
    Ok(walked.digest(Hasher::default().finish()))
}

/// Writes the NAR of the tree at `path`, and searches for patterns on the way. Returns early, with
/// an error, when the sink is closed.
///
/// # Errors
/// As [`hash`].
pub fn archive(
    path: &Path,
    patterns: &[Pattern],
    sink: &mut impl Sink,
    interrupt: &Interrupt,
) -> Result<Digest> {
    let (directory, name) = platform::locate(path)?;
    let tree = Tree { directory: &directory, name, excluded: None, copy: None };
    let mut copied = Copied { hasher: Hasher::default(), sink };
    let walked = walk(&tree, &compile(path, patterns)?, interrupt, &mut copied, StandIns::None)?;
    Ok(walked.digest(copied.hasher.finish()))
}

/// The longest way from the top of a source to what is in it, in bytes: what is remembered of
/// sources names everything by its way, and systems take no longer paths.
const LONGEST_WAY: usize = 4096;

/// Refuses what is too deep in a source.
///
/// # Errors
/// When it is.
pub fn check_way(way: &Path) -> Result<()> {
    if way.as_os_str().len() <= LONGEST_WAY {
        return Ok(());
    }
    let problem = std::io::Error::other(format!("a path in a source may have {LONGEST_WAY} bytes"));
    Err(platform::failed("use", way)(problem).into())
}

fn compile(path: &Path, patterns: &[Pattern]) -> Result<Patterns> {
    // Lengths are part of the archive.
    debug_assert!(patterns.iter().all(|(p, r)| r.as_ref().is_none_or(|r| r.len() == p.len())));
    Patterns::new(patterns)
        .map_err(|error| Error::Damaged { path: path.to_owned(), problem: error.to_string() })
}

/// A digest of the data for another sink.
struct Copied<'a, S: Sink> {
    hasher: Hasher,
    sink: &'a mut S,
}

impl<S: Sink> Sink for Copied<'_, S> {
    fn put(&mut self, bytes: &[u8]) {
        self.hasher.put(bytes);
        self.sink.put(bytes);
    }

    fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }
}

/// A tree to read.
pub struct Tree<'a> {
    /// The directory that it is in.
    pub directory: &'a Arc<Directory>,
    /// Its name there.
    pub name: &'a OsStr,
    /// What is left out, by paths relative to it.
    pub excluded: Option<&'a BTreeSet<PathBuf>>,
    /// The directory and the name that it is copied to.
    pub copy: Option<(&'a Arc<Directory>, &'a OsStr)>,
}

/// More bytes of paths than any tree of use has, and few enough to hold.
const MOST_PATHS: usize = 256 << 20;

/// What is told of the contents of files, beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StandIns {
    /// Nothing.
    None,
    /// What stands for them from now on.
    Begin,
    /// What stands for them, in the place of large ones.
    Look,
}

/// What a walk found, except for the hash.
struct Walked {
    size: u64,
    case_collisions: Vec<PathBuf>,
    found: Vec<Vec<PathBuf>>,
    id: (u64, u64),
    /// Whether something stands for the content of each file.
    is_alike: bool,
}

impl Walked {
    fn digest(self, nar: Hash) -> Digest {
        let Walked { size, case_collisions, found, id, .. } = self;
        Digest { nar, size, case_collisions, found, id }
    }
}

fn digest(tree: &Tree<'_>, patterns: &Patterns, interrupt: &Interrupt) -> Result<Digest> {
    let mut hasher = Hasher::default();
    let walked = walk(tree, patterns, interrupt, &mut hasher, StandIns::None)?;
    Ok(walked.digest(hasher.finish()))
}

/// What is known of large files, and becomes known.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    trees: Option<&'a SeenTrees>,
    /// What is searched for beside the patterns.
    traces: Option<&'a Traces>,
}

fn walk(
    tree: &Tree<'_>,
    patterns: &Patterns,
    interrupt: &Interrupt,
    sink: &mut impl Sink,
    stand_ins: StandIns,
) -> Result<Walked> {
    walk_knowing(tree, patterns, interrupt, sink, stand_ins, Seen::default())
}

fn walk_knowing(
    tree: &Tree<'_>,
    patterns: &Patterns,
    interrupt: &Interrupt,
    sink: &mut impl Sink,
    stand_ins: StandIns,
    seen: Seen<'_>,
) -> Result<Walked> {
    let top = || tree.directory.path().join(tree.name);
    let Some(node) = tree.directory.node(tree.name)? else {
        return Err(platform::failed("read", &top())(std::io::ErrorKind::NotFound.into()).into());
    };
    let mut walk = Walk {
        patterns,
        archive: Writer::new(sink),
        seen,
        stand_ins,
        is_alike: true,
        ahead: HashMap::new(),
        size: 0,
        case_collisions: Vec::new(),
        found: vec![Vec::new(); patterns.len()],
        path_bytes: 0,
        excluded: tree.excluded.filter(|excluded| !excluded.is_empty()),
        interrupt,
        copy: tree.copy.map(|(directory, _)| Descent::new(Arc::clone(directory))),
    };
    let new_name = tree.copy.map(|(_, name)| name);
    if node.kind == FileKind::Directory {
        walk.directories(tree, new_name)?;
    } else {
        walk.leaf(tree.directory, tree.name, new_name, node.kind)?;
    }
    let Walk { size, found, case_collisions, is_alike, .. } = walk;
    let path = top();
    let relative = |inner: &PathBuf| inner.strip_prefix(&path).unwrap_or(inner).to_owned();
    let case_collisions = case_collisions.iter().map(relative).collect();
    Ok(Walked { size, case_collisions, found, id: node.id, is_alike })
}

struct Walk<'a, S: Sink> {
    patterns: &'a Patterns,
    archive: Writer<'a, S>,
    /// Data read ahead of the innermost directory.
    ahead: HashMap<OsString, Result<Read>>,
    seen: Seen<'a>,
    stand_ins: StandIns,
    is_alike: bool,
    size: u64,
    case_collisions: Vec<PathBuf>,
    found: Vec<Vec<PathBuf>>,
    path_bytes: usize,
    excluded: Option<&'a BTreeSet<PathBuf>>,
    interrupt: &'a Interrupt,
    copy: Option<Descent>,
}

/// A directory on the way down.
struct Frame {
    entries: IntoIter<Entry>,
    /// How many of the entries were considered to be read ahead.
    considered: usize,
    name: OsString,
}

impl<S: Sink> Walk<'_, S> {
    /// Goes through a tree of directories.
    fn directories(&mut self, tree: &Tree<'_>, new_name: Option<&OsStr>) -> Result<()> {
        let mut descent = Descent::new(Arc::clone(tree.directory));
        let mut frames = Vec::new();
        self.enter(&mut descent, &mut frames, tree.name, new_name)?;
        while let Some(frame) = frames.last_mut() {
            if frame.considered == 0 {
                frame.considered = self.read_ahead(descent.directory(), frame.entries.as_slice());
            }
            let Some(entry) = frame.entries.next() else {
                frames.pop();
                self.archive.end_directory();
                descent.leave()?;
                if let Some(copy) = &mut self.copy {
                    copy.leave()?;
                }
                if !frames.is_empty() {
                    self.archive.end_entry();
                }
                continue;
            };
            frame.considered = frame.considered.saturating_sub(1);
            self.archive.begin_entry(&entry.bytes);
            if entry.kind == FileKind::Directory {
                self.enter(&mut descent, &mut frames, &entry.name, Some(&entry.name))?;
            } else {
                let directory = Arc::clone(descent.directory());
                self.leaf(&directory, &entry.name, Some(&entry.name), entry.kind)?;
                self.archive.end_entry();
            }
        }
        Ok(())
    }

    fn check(&self, path: impl FnOnce() -> PathBuf) -> Result<()> {
        if self.archive.is_closed() {
            return Err(content::nobody_reads(&path()));
        }
        Ok(self.interrupt.check().map_err(|cause| platform::failed("read", &path())(cause))?)
    }

    fn enter(
        &mut self,
        descent: &mut Descent,
        frames: &mut Vec<Frame>,
        name: &OsStr,
        new_name: Option<&OsStr>,
    ) -> Result<()> {
        let directory = descent.directory().directory(name)?;
        self.check(|| directory.path().into_owned())?;
        let mut entries = Vec::new();
        for (inner, kind) in directory.list()? {
            let way = frames.iter().skip(1).map(|frame: &Frame| frame.name.as_os_str());
            let way = || {
                way.chain((!frames.is_empty()).then_some(name))
                    .chain([inner.as_os_str()])
                    .collect::<PathBuf>()
            };
            if self.excluded.is_some_and(|excluded| excluded.contains(&way())) {
                continue;
            }
            let bytes = platform::bytes_of_path(Path::new(&inner));
            let bytes = self.replaced(&bytes, || directory.path().into_owned())?;
            entries.push(Entry { bytes, name: inner, kind });
        }
        // Replacing a name may change its place.
        entries.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        if !self.patterns.is_empty() {
            self.note_case_collisions(&directory, &entries)?;
        }
        self.archive.begin_directory();
        if let (Some(copy), Some(new_name)) = (&mut self.copy, new_name) {
            let to = copy.directory();
            match to.make_with_rights(new_name, Some(0o755)) {
                Err(error) if error.is_already_there() => {}
                made => made?,
            }
            let inner = to.directory(new_name)?;
            copy.enter(Arc::new(inner))?;
        }
        descent.enter(Arc::new(directory))?;
        self.ahead.clear();
        frames.push(Frame { entries: entries.into_iter(), considered: 0, name: name.to_owned() });
        Ok(())
    }

    fn leaf(
        &mut self,
        directory: &Arc<Directory>,
        name: &OsStr,
        new_name: Option<&OsStr>,
        kind: FileKind,
    ) -> Result<()> {
        let path = || directory.path().join(name);
        self.check(path)?;
        match kind {
            FileKind::File => self.file(directory, name, new_name),
            FileKind::Symlink => {
                let target = directory.read_link(name)?.ok_or_else(|| content::changed(&path()))?;
                if let (Some(copy), Some(new_name)) = (&self.copy, new_name) {
                    content::make_room(copy.directory(), new_name)?;
                    copy.directory().symlink(&target, new_name)?;
                }
                let target = self.replaced(&platform::bytes_of_path(&target), path)?;
                self.archive.symlink(&target);
                Ok(())
            }
            // A listed directory is no longer a directory.
            FileKind::Directory => Err(content::changed(&path())),
            FileKind::Special => Err(Error::special(path())),
        }
    }

    fn replaced(&mut self, bytes: &[u8], path: impl Fn() -> PathBuf) -> Result<Vec<u8>> {
        let mut found = Vec::new();
        let replaced = self.patterns.apply(bytes, |number| found.push(number));
        self.remember(&found, path)?;
        Ok(replaced)
    }

    /// Remembers where patterns were found.
    fn remember(&mut self, numbers: &[usize], path: impl Fn() -> PathBuf) -> Result<()> {
        if numbers.is_empty() {
            return Ok(());
        }
        let path = path();
        for number in numbers {
            let paths = &mut self.found[*number];
            if paths.last() != Some(&path) {
                self.path_bytes += path.as_os_str().len();
                if self.path_bytes > MOST_PATHS {
                    let problem =
                        "the paths of what names objects in it are too long together".to_owned();
                    return Err(Error::Damaged { path, problem });
                }
                paths.push(path.clone());
            }
        }
        Ok(())
    }

    /// Remembers names that are one where the file system does not tell case.
    fn note_case_collisions(&mut self, directory: &Directory, entries: &[Entry]) -> Result<()> {
        let mut seen = HashSet::new();
        for entry in entries {
            if !seen.insert(String::from_utf8_lossy(&entry.bytes).to_lowercase()) {
                let path = directory.path().join(&entry.name);
                self.path_bytes += path.as_os_str().len();
                if self.path_bytes > MOST_PATHS {
                    let problem =
                        "the paths of names that differ in case only are too long together"
                            .to_owned();
                    return Err(Error::Damaged { path, problem });
                }
                self.case_collisions.push(path);
            }
        }
        Ok(())
    }

    /// Reads the small files up to the next directory side by side; returns how many entries were
    /// considered. A few files are not worth it.
    fn read_ahead(&mut self, directory: &Arc<Directory>, entries: &[Entry]) -> usize {
        let until = entries.iter().take(AHEAD).position(|entry| entry.kind == FileKind::Directory);
        let until = until.unwrap_or(entries.len().min(AHEAD));
        let is_file = |entry: &&Entry| entry.kind == FileKind::File;
        let files: Vec<&OsString> =
            entries[..until].iter().filter(is_file).map(|entry| &entry.name).collect();
        // What is copied here may be large.
        let is_worth =
            files.len() >= WORTH_THREADS || (self.stand_ins == StandIns::Look && files.len() > 1);
        if is_worth {
            let (patterns, interrupt, stand_ins) = (self.patterns, self.interrupt, self.stand_ins);
            let seen = self.seen.trees;
            let copy = self.copy.as_ref().map(Descent::directory);
            let read = |name: &&OsString| {
                let copy = copy.map(|to| (&**to, name.as_os_str()));
                let read = interrupt
                    .check()
                    .map_err(|cause| platform::failed("read", Path::new(name))(cause).into());
                let read = read.and_then(|()| {
                    read_file(directory, name, patterns, copy, stand_ins, seen, interrupt)
                });
                ((*name).clone(), read)
            };
            self.ahead = files.par_iter().map(read).collect();
        }
        // At least the next one.
        until.max(1)
    }

    /// Tells what stands for the content of a file.
    fn stand_in(&mut self, look: Option<Unwritten>) {
        match look {
            Some(look) => self.archive.stand_in(&look.bytes()),
            None => self.is_alike = false,
        }
    }

    fn file(
        &mut self,
        directory: &Arc<Directory>,
        name: &OsStr,
        new_name: Option<&OsStr>,
    ) -> Result<()> {
        let copy = self.copy.as_ref().map(|copy| Arc::clone(copy.directory()));
        let copy = copy.as_deref().zip(new_name);
        let read = match self.ahead.remove(name) {
            Some(read) => read?,
            None => {
                let (patterns, seen) = (self.patterns, self.seen.trees);
                read_file(directory, name, patterns, copy, self.stand_ins, seen, self.interrupt)?
            }
        };
        let path = || directory.path().join(name);
        let (length, found) = match read {
            Read::Small(small) => {
                let length = small.bytes.len() as u64;
                self.archive.begin_file(small.executable, length);
                self.archive.content(&small.bytes);
                self.archive.end_file(length);
                if let Some(hash) = small.hash {
                    self.archive.stand_in(hash.as_bytes());
                }
                (length, small.found)
            }
            Read::Copied(copied) => {
                self.archive.begin_file(copied.executable, copied.length);
                self.archive.end_file(copied.length);
                self.stand_in(copied.look);
                (copied.length, copied.found.into_iter().collect())
            }
            Read::Large => {
                let mut found = BTreeSet::new();
                let mut report = |number: usize| {
                    found.insert(number);
                };
                let (file, node) = directory.open_node(name)?;
                // Before it is read, and after it.
                let before =
                    if self.stand_ins == StandIns::Begin { Unwritten::begin(&file) } else { None };
                let same = before.map(|_| file.try_clone()).transpose();
                let same = same.map_err(|cause| platform::failed("read", &path())(cause))?;
                let traces = before.and(self.seen.traces);
                let source = content::Large { file, node, path: path(), copy, traces };
                let streamed = content::stream_large(
                    source,
                    self.patterns,
                    &mut self.archive,
                    &mut report,
                    self.interrupt,
                )?;
                if self.stand_ins == StandIns::Begin {
                    let look = same.as_ref().and_then(Unwritten::observe);
                    let look = look.filter(|look| before == Some(*look));
                    if let (Some(look), Some(seen), Some(traces)) = (look, self.seen.trees, traces)
                        && !streamed.has_trace
                    {
                        seen.note_nameless(look.digest(), traces.root());
                    }
                    self.stand_in(look);
                }
                (streamed.length, found.into_iter().collect())
            }
        };
        self.size += length;
        // With a replacement it is another archive than that of the tree.
        self.is_alike &= !found.iter().any(|number| self.patterns.replaces(*number));
        self.remember(&found, path)
    }
}

/// Reads a small file, or looks at a large one; in a walk that takes what stands for it, copies
/// that.
fn read_file(
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
    copy: Option<(&Directory, &OsStr)>,
    stand_ins: StandIns,
    seen: Option<&SeenTrees>,
    interrupt: &Interrupt,
) -> Result<Read> {
    let hash = match stand_ins {
        StandIns::None => content::HashOf::Nothing,
        StandIns::Begin | StandIns::Look => content::HashOf::Content,
    };
    if let Some(small) = content::read_small(directory, name, patterns, copy, hash)? {
        return Ok(Read::Small(small));
    }
    match copy {
        Some(copy) if stand_ins == StandIns::Look => {
            let unread = seen.map(|seen| {
                content::copy_nameless(directory, name, patterns, copy, seen, interrupt)
            });
            if let Some(copied) = unread.transpose()?.flatten() {
                return Ok(Read::Copied(copied));
            }
            let copied = content::copy_large(
                directory,
                name,
                patterns,
                copy,
                None::<&mut Writer<'_, Hasher>>,
                false,
                interrupt,
            )?;
            Ok(Read::Copied(copied))
        }
        _ => Ok(Read::Large),
    }
}

struct Entry {
    /// The name in the archive.
    bytes: Vec<u8>,
    /// The name on the disk.
    name: OsString,
    kind: FileKind,
}

/// How many entries of a directory are read ahead at most: with the size of a small file, the
/// memory that takes.
const AHEAD: usize = 64;

/// Fewer files are read faster by one thread.
const WORTH_THREADS: usize = 8;
