//! Hashing a tree of files as a NAR, with a search for names on the way.
//!
//! A NAR is one stream, so its hash is computed on one thread; what comes before, reading and searching,
//! runs ahead on others: file by file for small ones, piece by piece for a large one. What waits to be
//! hashed is bounded, whatever the tree is.

pub(super) mod content;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::rewrite::Patterns;
use super::{Error, Result};
use crate::hash::{Hash, Hasher, Sink};
use crate::nar::Writer;
use crate::platform::{self, FileKind};
use crate::settings::Interrupt;

/// What a walk over a tree found.
#[derive(Debug)]
pub struct Digest {
    /// The SHA-256 of the NAR, after replacements.
    pub nar: Hash,
    /// The bytes of all files.
    pub size: u64,
    /// Paths, relative to the top, whose names differ from that of a neighbour only in case. Not looked for
    /// where there are no patterns.
    pub case_collisions: Vec<PathBuf>,
    /// For each pattern, the paths that hold it; a directory where it occurs in the name of an entry.
    pub found: Vec<Vec<PathBuf>>,
}

/// Returns the NAR hash of whatever stands at `path`.
///
/// # Errors
/// When something cannot be read, is neither file, directory nor link, or changes while it is read, or somebody asked to
/// stop.
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
pub fn hash_without(path: &Path, excluded: &BTreeSet<PathBuf>, interrupt: &Interrupt) -> Result<Hash> {
    let excluded = excluded.iter().map(|inner| path.join(inner)).collect();
    walk(path, &[], excluded, Hasher::default(), interrupt).map(|digest| digest.nar)
}

/// Returns the NAR hash that the tree has once the patterns with a replacement are replaced in
/// contents, targets of links and names.
///
/// # Errors
/// As [`hash`].
pub fn hash_replacing(path: &Path, patterns: &[(Vec<u8>, Option<Vec<u8>>)], interrupt: &Interrupt) -> Result<Digest> {
    walk(path, patterns, BTreeSet::new(), Hasher::default(), interrupt)
}

/// Writes the NAR of whatever stands at `path`, and searches for patterns on the way. Returns early, with some error,
/// when the sink is closed.
///
/// # Errors
/// As [`hash`].
pub fn archive(
    path: &Path,
    patterns: &[(Vec<u8>, Option<Vec<u8>>)],
    sink: &mut impl Sink,
    interrupt: &Interrupt,
) -> Result<Digest> {
    walk(path, patterns, BTreeSet::new(), Copied { hasher: Hasher::default(), sink }, interrupt)
}

/// A digest of what goes to another sink.
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

impl<S: Sink> From<Copied<'_, S>> for Hasher {
    fn from(copied: Copied<'_, S>) -> Hasher {
        copied.hasher
    }
}

fn walk(
    path: &Path,
    patterns: &[(Vec<u8>, Option<Vec<u8>>)],
    excluded: BTreeSet<PathBuf>,
    mut sink: impl Sink + Into<Hasher>,
    interrupt: &Interrupt,
) -> Result<Digest> {
    // Lengths are part of the archive.
    debug_assert!(patterns.iter().all(|(p, r)| r.as_ref().is_none_or(|r| r.len() == p.len())));
    let compiled = Patterns::new(patterns)
        .map_err(|error| Error::Damaged { path: path.to_owned(), problem: error.to_string() })?;
    let mut walk = Walk {
        patterns: &compiled,
        archive: Writer::new(&mut sink),
        ahead: HashMap::new(),
        size: 0,
        case_collisions: Vec::new(),
        found: vec![Vec::new(); patterns.len()],
        excluded,
        interrupt,
    };
    walk.node(path)?;
    let Walk { size, found, case_collisions, .. } = walk;
    let relative = |inner: &PathBuf| inner.strip_prefix(path).unwrap_or(inner).to_owned();
    let case_collisions = case_collisions.iter().map(relative).collect();
    Ok(Digest { nar: sink.into().finish(), size, case_collisions, found })
}

struct Walk<'a, S: Sink> {
    patterns: &'a Patterns,
    archive: Writer<'a, S>,
    ahead: HashMap<PathBuf, Result<Option<content::Small>>>,
    size: u64,
    case_collisions: Vec<PathBuf>,
    found: Vec<Vec<PathBuf>>,
    excluded: BTreeSet<PathBuf>,
    interrupt: &'a Interrupt,
}

impl<S: Sink> Walk<'_, S> {
    fn node(&mut self, path: &Path) -> Result<()> {
        if self.archive.is_closed() {
            return Err(content::nobody_reads(path));
        }
        self.interrupt.check().map_err(platform::failed("read", path))?;
        match platform::kind_of(path)? {
            Some(FileKind::File) => self.file(path),
            Some(FileKind::Directory) => self.directory(path),
            Some(FileKind::Symlink) => {
                let target = platform::bytes_of_path(&platform::read_link(path)?);
                let target = self.replaced(path, &target);
                self.archive.symlink(&target);
                Ok(())
            }
            Some(FileKind::Special) => {
                Err(Error::Unstorable { path: path.to_owned(), what: "a socket, a device or a named pipe" })
            }
            None => Err(platform::failed("read", path)(std::io::ErrorKind::NotFound.into()).into()),
        }
    }

    fn replaced(&mut self, path: &Path, bytes: &[u8]) -> Vec<u8> {
        let found = &mut self.found;
        self.patterns.apply(bytes, |number| remember(&mut found[number], path))
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        let mut entries = Vec::new();
        for (name, kind) in platform::list_directory(path)? {
            if !self.excluded.is_empty() && self.excluded.contains(&path.join(&name)) {
                continue;
            }
            let bytes = platform::bytes_of_path(Path::new(&name));
            entries.push(Entry { bytes: self.replaced(path, &bytes), name, kind });
        }
        // Replacing a name may change its place.
        entries.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        if !self.patterns.is_empty() {
            self.note_case_collisions(path, &entries);
        }
        self.archive.begin_directory();
        let mut read_until = 0;
        for (number, Entry { bytes, name, kind }) in entries.iter().enumerate() {
            if number >= read_until && *kind == FileKind::File {
                read_until = self.read_ahead(path, &entries, number);
            }
            self.archive.begin_entry(bytes);
            self.node(&path.join(name))?;
            self.archive.end_entry();
        }
        self.archive.end_directory();
        Ok(())
    }

    /// Remembers names that are one where the file system does not tell case.
    fn note_case_collisions(&mut self, path: &Path, entries: &[Entry]) {
        let mut seen = HashSet::new();
        for entry in entries {
            if !seen.insert(String::from_utf8_lossy(&entry.bytes).to_lowercase()) {
                self.case_collisions.push(path.join(&entry.name));
            }
        }
    }

    /// Reads the small files up to the next directory side by side; returns the number of the first entry
    /// that was not considered. A few files are not worth it.
    fn read_ahead(&mut self, path: &Path, entries: &[Entry], from: usize) -> usize {
        let directory = entries[from..].iter().take(AHEAD).position(|entry| entry.kind == FileKind::Directory);
        let until = directory.map_or(entries.len().min(from + AHEAD), |place| from + place);
        let files: Vec<&OsString> =
            entries[from..until].iter().filter(|entry| entry.kind == FileKind::File).map(|entry| &entry.name).collect();
        if files.len() >= WORTH_THREADS {
            let patterns = self.patterns;
            let read = |name: &&OsString| {
                let path = path.join(name);
                let content = content::read_small(&path, patterns);
                (path, content)
            };
            self.ahead = files.par_iter().map(read).collect();
        }
        until
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let small = match self.ahead.remove(path) {
            Some(read) => read?,
            None => content::read_small(path, self.patterns)?,
        };
        let (archive, found) = (&mut self.archive, &mut self.found);
        self.size += match small {
            Some(small) => {
                small.found.iter().for_each(|number| remember(&mut found[*number], path));
                let length = small.bytes.len() as u64;
                archive.begin_file(small.executable, length);
                archive.content(&small.bytes);
                archive.end_file(length);
                length
            }
            None => {
                let mut report = |number: usize| remember(&mut found[number], path);
                content::stream_large(path, self.patterns, archive, &mut report, self.interrupt)?
            }
        };
        Ok(())
    }
}

struct Entry {
    /// The name in the archive.
    bytes: Vec<u8>,
    /// The name on the disk.
    name: OsString,
    kind: FileKind,
}

/// How many entries of a directory are read ahead at most: with the size of a small file, the memory that takes.
const AHEAD: usize = 64;

/// Fewer files are read faster by one thread.
const WORTH_THREADS: usize = 8;

fn remember(paths: &mut Vec<PathBuf>, path: &Path) {
    if paths.last().is_none_or(|last| last != path) {
        paths.push(path.to_owned());
    }
}
