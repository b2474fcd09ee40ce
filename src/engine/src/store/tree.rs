//! Hashing a tree of files as a NAR, with a search for names on the way.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::rewrite::Patterns;
use super::{Error, Result};
use crate::hash::{Hash, Hasher, READ_SIZE, Sink};
use crate::nar::Writer;
use crate::platform::{self, FileKind};

/// What a walk over a tree found.
#[derive(Debug)]
pub struct Digest {
    /// The SHA-256 of the NAR, after replacements.
    pub nar: Hash,
    /// The bytes of all files.
    pub size: u64,
    /// For each pattern, the paths that hold it; a directory where it occurs in the name of an entry.
    pub found: Vec<Vec<PathBuf>>,
}

/// Returns the NAR hash of whatever stands at `path`.
///
/// # Errors
/// When something cannot be read, is neither file, directory nor link, or changes while it is read.
pub fn hash(path: &Path) -> Result<Digest> {
    hash_replacing(path, &[])
}

/// Returns the NAR hash that a tree has without some of its paths, which are relative to it.
///
/// # Errors
/// As [`hash`].
pub fn hash_without(path: &Path, excluded: &BTreeSet<PathBuf>) -> Result<Hash> {
    let excluded = excluded.iter().map(|inner| path.join(inner)).collect();
    walk(path, &[], excluded).map(|digest| digest.nar)
}

/// Returns the NAR hash that the tree has once the patterns with a replacement are replaced in
/// contents, targets of links and names.
///
/// # Errors
/// As [`hash`].
pub fn hash_replacing(path: &Path, patterns: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Digest> {
    walk(path, patterns, BTreeSet::new())
}

fn walk(path: &Path, patterns: &[(Vec<u8>, Option<Vec<u8>>)], excluded: BTreeSet<PathBuf>) -> Result<Digest> {
    let compiled = Patterns::new(patterns)
        .map_err(|error| Error::Damaged { path: path.to_owned(), problem: error.to_string() })?;
    let mut hasher = Hasher::default();
    let mut walk = Walk {
        patterns: &compiled,
        archive: Writer::new(&mut hasher),
        buffer: vec![0; READ_SIZE],
        size: 0,
        found: vec![Vec::new(); patterns.len()],
        excluded,
    };
    walk.node(path)?;
    let Walk { size, found, .. } = walk;
    Ok(Digest { nar: hasher.finish(), size, found })
}

struct Walk<'a, S: Sink> {
    patterns: &'a Patterns,
    archive: Writer<'a, S>,
    buffer: Vec<u8>,
    size: u64,
    found: Vec<Vec<PathBuf>>,
    excluded: BTreeSet<PathBuf>,
}

impl<S: Sink> Walk<'_, S> {
    fn node(&mut self, path: &Path) -> Result<()> {
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
        for (name, _) in platform::list_directory(path)? {
            if !self.excluded.is_empty() && self.excluded.contains(&path.join(&name)) {
                continue;
            }
            let bytes = platform::bytes_of_path(Path::new(&name));
            entries.push((self.replaced(path, &bytes), name));
        }
        // Replacing a name may change its place.
        entries.sort();
        self.archive.begin_directory();
        for (bytes, name) in entries {
            self.archive.begin_entry(&bytes);
            self.node(&path.join(name))?;
            self.archive.end_entry();
        }
        self.archive.end_directory();
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let mut file = fs::File::open(path).map_err(platform::failed("read", path))?;
        let metadata = file.metadata().map_err(platform::failed("read", path))?;
        let length = metadata.len();
        self.archive.begin_file(platform::is_executable(&metadata), length);
        let (archive, found) = (&mut self.archive, &mut self.found);
        let mut stream = self.patterns.stream();
        let mut report = |number: usize| remember(&mut found[number], path);
        let mut total = 0;
        loop {
            let read = file.read(&mut self.buffer).map_err(platform::failed("read", path))?;
            if read == 0 {
                break;
            }
            total += read as u64;
            stream.push(&self.buffer[..read], &mut |part| archive.content(part), &mut report);
        }
        stream.finish(&mut |part| archive.content(part), &mut report);
        if total != length {
            return Err(platform::failed("read", path)(std::io::Error::other("it changed meanwhile")).into());
        }
        archive.end_file(length);
        self.size += length;
        Ok(())
    }
}

fn remember(paths: &mut Vec<PathBuf>, path: &Path) {
    if paths.last().is_none_or(|last| last != path) {
        paths.push(path.to_owned());
    }
}
