//! One object of a closure: from its archive to a private tree of files, hashed and searched on the
//! way.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::super::self_references::{Patterns, Stream};
use super::{Error, Result, damaged};
use crate::hash::{Hash, Hasher, Sink};
use crate::names::ObjectName;
use crate::nar::read::{Part, ReadError, Reader};
use crate::platform::{self, Descent, Directory};
use crate::settings::UnpackLimits;
use crate::value::Text;

/// What an archive holds.
pub struct Received {
    /// Its SHA-256.
    pub nar: Hash,
    /// The bytes of all files.
    pub size: u64,
    /// The numbers of the patterns that are in it.
    pub found: BTreeSet<usize>,
    /// Paths that collide with a neighbour where the file system does not tell case.
    pub case_collisions: Vec<Text>,
}

/// What is wrong, before the object is named.
enum Trouble {
    Read(ReadError),
    Other(Error),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Trouble {
        Trouble::Read(error)
    }
}

impl From<platform::Error> for Trouble {
    fn from(error: platform::Error) -> Trouble {
        Trouble::Other(error.into())
    }
}

/// How much the closure may still hold.
pub struct Budget<'a> {
    /// The limits.
    pub limits: &'a UnpackLimits,
    /// Entries until now.
    pub entries: u64,
}

/// Reads the archive of an object. With `place` the tree is written there, under the object's name;
/// without, it is only looked at. `size` is the most bytes that its files may have.
///
/// # Errors
/// When it is not an archive, exceeds a limit, or cannot be written.
pub fn receive(
    stream: &mut impl BufRead,
    object: &ObjectName,
    size: u64,
    place: Option<&Arc<Directory>>,
    names: &Patterns,
    budget: &mut Budget<'_>,
) -> Result<Received> {
    let mut scan =
        Scan { hasher: Hasher::default(), stream: Some(names.stream()), found: BTreeSet::new() };
    let mut tree = Tree {
        place: place.map(|place| Descent::new(Arc::clone(place))),
        way: vec![object.as_str().as_bytes().to_vec()],
        length: 0,
        names: Vec::new(),
    };
    let read = || -> std::result::Result<(u64, Vec<Text>), Trouble> {
        let mut reader = Reader::new(stream, &mut scan, budget.limits.depth)?;
        let (mut total, mut case_collisions) = (0u64, Vec::new());
        while let Some(part) = reader.next_part()? {
            match part {
                Part::Entry(name) => {
                    budget.entries += 1;
                    if budget.entries > budget.limits.entries {
                        let what = format!("it has {} entries or more", budget.entries);
                        return Err(limit(what, "entries", budget.limits.entries));
                    }
                    if cfg!(windows) && name.iter().any(|byte| b"\\:".contains(byte)) {
                        return Err(ReadError::Wrong(
                            "a name leads elsewhere on this system".to_owned(),
                        )
                        .into());
                    }
                    tree.enter(name, &mut case_collisions);
                    if tree.length > budget.limits.path {
                        let what =
                            format!("it has an entry whose name is {} bytes long", tree.length);
                        return Err(limit(what, "path", budget.limits.path));
                    }
                }
                Part::Directory => tree.directory()?,
                Part::End => tree.end()?,
                Part::Symlink(target) => tree.symlink(&target)?,
                Part::File { executable, length } => {
                    total = total.saturating_add(length);
                    if total > size {
                        let problem = format!(
                            "the files have more than the {size} bytes that they should have"
                        );
                        return Err(ReadError::Wrong(problem).into());
                    }
                    let mut file = tree.file(executable)?;
                    let path = file.as_ref().map(|_| tree.path()).unwrap_or_default();
                    while reader.content(|bytes| match &mut file {
                        Some(file) => file
                            .write_all(bytes)
                            .map_err(|error| platform::failed("write", &path)(error).into()),
                        None => Ok::<(), Trouble>(()),
                    })? {}
                }
            }
        }
        Ok((total, case_collisions))
    };
    let (total, case_collisions) = read().map_err(|trouble| match trouble {
        Trouble::Read(error) => damaged(object, error),
        Trouble::Other(error) => error,
    })?;
    let found = scan.end();
    Ok(Received { nar: scan.hasher.finish(), size: total, found, case_collisions })
}

fn limit(what: String, limit: &'static str, value: u64) -> Trouble {
    Trouble::Other(Error::Limit { what, limit, value })
}

/// Where the parts of an archive go. Each is made relative to the open directory that it is in, and
/// no link is followed.
struct Tree {
    /// The innermost directory, or `None` if the archive is only looked at.
    place: Option<Descent>,
    /// The names on the way to the current entry; first that of the object.
    way: Vec<Vec<u8>>,
    /// The length of that way below the object, in bytes.
    length: u64,
    /// For each open directory, its names where case does not count.
    names: Vec<HashSet<String>>,
}

impl Tree {
    /// Continues with the next entry of the innermost directory.
    fn enter(&mut self, name: Vec<u8>, case_collisions: &mut Vec<Text>) {
        // Whatever the last entry was, its name is removed.
        self.shorten(self.names.len());
        let folded = String::from_utf8_lossy(&name).to_lowercase();
        self.length += name.len() as u64 + u64::from(self.way.len() > 1);
        self.way.push(name);
        if self.names.last_mut().is_some_and(|names| !names.insert(folded)) {
            case_collisions.push(Text(self.way[1..].join(&b'/')));
        }
    }

    fn directory(&mut self) -> std::result::Result<(), Trouble> {
        self.names.push(HashSet::new());
        if let Some(place) = &mut self.place {
            let (parent, name) = (place.directory(), platform::name_from_bytes(name(&self.way)));
            parent.make_directory_with(&name, 0o755)?;
            let opened = parent.directory(&name)?;
            place.enter(Arc::new(opened))?;
        }
        Ok(())
    }

    fn end(&mut self) -> std::result::Result<(), Trouble> {
        self.names.pop();
        if let Some(place) = &mut self.place {
            place.leave()?;
        }
        // The directory is the last entry of its parent.
        self.shorten(self.names.len() + 1);
        Ok(())
    }

    /// Removes this number of names from the path.
    fn shorten(&mut self, names: usize) {
        while self.way.len() > names
            && let Some(name) = self.way.pop()
        {
            let is_object = self.way.is_empty();
            self.length -=
                if is_object { 0 } else { name.len() as u64 + u64::from(self.way.len() > 1) };
        }
    }

    fn symlink(&mut self, target: &[u8]) -> std::result::Result<(), Trouble> {
        let target = platform::path_from_bytes(target);
        self.with_parent(|parent, name| parent.symlink(&target, name)).map(drop)
    }

    fn file(&mut self, executable: bool) -> std::result::Result<Option<std::fs::File>, Trouble> {
        self.with_parent(|parent, name| {
            parent.create_file(name, if executable { 0o700 } else { 0o600 })
        })
    }

    fn with_parent<T>(
        &self,
        make: impl FnOnce(&Directory, &OsStr) -> platform::Result<T>,
    ) -> std::result::Result<Option<T>, Trouble> {
        let Some(parent) = self.place.as_ref().map(Descent::directory) else { return Ok(None) };
        Ok(Some(make(parent, &platform::name_from_bytes(name(&self.way)))?))
    }

    fn path(&self) -> PathBuf {
        let directory = self
            .place
            .as_ref()
            .map(|place| place.directory().path().into_owned())
            .unwrap_or_default();
        directory.join(platform::name_from_bytes(name(&self.way)))
    }
}

fn name(way: &[Vec<u8>]) -> &[u8] {
    way.last().map(Vec::as_slice).unwrap_or_default()
}

/// Hashes and searches what passes.
struct Scan<'a> {
    hasher: Hasher,
    stream: Option<Stream<'a>>,
    found: BTreeSet<usize>,
}

impl Scan<'_> {
    fn end(&mut self) -> BTreeSet<usize> {
        let mut found = std::mem::take(&mut self.found);
        if let Some(stream) = self.stream.take() {
            stream.finish(&mut |_| {}, &mut |number| {
                found.insert(number);
            });
        }
        found
    }
}

impl Sink for Scan<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.hasher.put(bytes);
        let found = &mut self.found;
        if let Some(stream) = &mut self.stream {
            stream.push(bytes, &mut |_| {}, &mut |number| {
                found.insert(number);
            });
        }
    }
}
