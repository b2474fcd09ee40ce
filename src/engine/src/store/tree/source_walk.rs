//! A walk over a source: what is in it, without what is excluded, in the order of its archive.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check_way;
use crate::platform::{self, Directory, FileKind, Step, Walk};
use crate::store::{Error, Result};

/// What a walk over a source comes to.
pub enum SourceStep {
    /// A file, a link, or a directory, which it goes into.
    Node(SourceNode),
    /// The end of the innermost directory.
    End {
        /// The name of the directory.
        name: OsString,
        /// Whether it is the top.
        is_top: bool,
    },
}

/// A file, link or directory of a source; never a special file.
pub struct SourceNode {
    /// The directory that it is in.
    pub directory: Arc<Directory>,
    /// Its name there.
    pub name: OsString,
    /// Its path below the top.
    pub below: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// Whether it is the top.
    pub is_top: bool,
    /// Whether its name differs from that of a neighbour only in case.
    pub collides: bool,
}

/// A walk over a source.
pub struct SourceWalk<'a> {
    walk: Walk,
    excluded: &'a BTreeSet<PathBuf>,
    /// For each directory on the way down, its names where case does not count.
    seen: Vec<HashSet<String>>,
    has_begun: bool,
}

impl<'a> SourceWalk<'a> {
    /// Begins at a path.
    ///
    /// # Errors
    /// When its directory cannot be opened.
    pub fn new(path: &Path, excluded: &'a BTreeSet<PathBuf>) -> Result<SourceWalk<'a>> {
        let (directory, name) = platform::locate(path)?;
        Ok(SourceWalk {
            walk: Walk::new(directory, name),
            excluded,
            seen: Vec::new(),
            has_begun: false,
        })
    }

    /// Continues; `None` at the end.
    ///
    /// # Errors
    /// When a directory cannot be read, a path is too long, or something is neither file, directory
    /// nor link.
    pub fn step(&mut self) -> Result<Option<SourceStep>> {
        while let Some(step) = self.walk.step()? {
            match step {
                Step::Node { directory, name, kind } => {
                    let is_top = !std::mem::replace(&mut self.has_begun, true);
                    let below = if is_top { PathBuf::new() } else { self.walk.way(&name) };
                    check_way(&below)?;
                    if self.excluded.contains(&below) {
                        if kind == FileKind::Directory {
                            self.walk.skip();
                        }
                        continue;
                    }
                    if kind == FileKind::Special {
                        return Err(Error::special(directory.path().join(&name)));
                    }
                    let collides =
                        self.seen.last_mut().is_some_and(|seen| !seen.insert(without_case(&name)));
                    if kind == FileKind::Directory {
                        self.seen.push(HashSet::new());
                    }
                    let node = SourceNode { directory, name, below, kind, is_top, collides };
                    return Ok(Some(SourceStep::Node(node)));
                }
                Step::Left { name, .. } => {
                    self.seen.pop();
                    return Ok(Some(SourceStep::End { name, is_top: self.seen.is_empty() }));
                }
            }
        }
        Ok(None)
    }
}

/// Returns a name as it is where case does not count.
fn without_case(name: &OsString) -> String {
    let bytes = platform::bytes_of_path(Path::new(name));
    String::from_utf8_lossy(&bytes).to_lowercase()
}
