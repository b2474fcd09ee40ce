//! Walking through a tree of any depth, by descriptors, without recursion.
//!
//! Only some directories on the way down are held open. A closed directory is opened again as the
//! parent of its child, and refused if it is another one: a process that moves directories leads
//! the walk nowhere.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::vec::IntoIter;

use super::{Directory, FileKind, Result};

/// How many directories of the way down are held open.
const HELD: usize = 8;

/// The way down to a directory.
#[derive(Debug)]
pub struct Descent {
    levels: Vec<Level>,
    lowest: Arc<Directory>,
}

#[derive(Debug)]
enum Level {
    Open(Arc<Directory>),
    /// Let go, and found again by its device and inode.
    Closed((u64, u64)),
}

impl Descent {
    /// Begins at a directory.
    pub fn new(top: Arc<Directory>) -> Descent {
        Descent { levels: Vec::new(), lowest: top }
    }

    /// Returns the directory where it is.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.lowest
    }

    /// Returns how many directories it is below where it began.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Descends into an open directory.
    ///
    /// # Errors
    /// When the system does not report what would be needed to return.
    pub fn enter(&mut self, directory: Arc<Directory>) -> Result<()> {
        let above = std::mem::replace(&mut self.lowest, directory);
        self.levels.push(Level::Open(above));
        // The first stays open: it may be the only way to its place.
        if let Some(index) = self.levels.len().checked_sub(HELD).filter(|index| *index > 0)
            && let Level::Open(directory) = &self.levels[index]
        {
            self.levels[index] = Level::Closed(directory.id()?);
        }
        Ok(())
    }

    /// Goes up again; returns the directory that it left, or nothing where it began.
    ///
    /// # Errors
    /// When the directory was moved in the meantime.
    pub fn leave(&mut self) -> Result<Option<Arc<Directory>>> {
        let Some(level) = self.levels.pop() else { return Ok(None) };
        let above = match level {
            Level::Open(directory) => directory,
            Level::Closed(id) => Arc::new(self.lowest.parent(id)?),
        };
        Ok(Some(std::mem::replace(&mut self.lowest, above)))
    }
}

/// A step of a walk.
#[derive(Debug)]
pub enum Step {
    /// A name. A directory is entered next, unless it is skipped.
    Node {
        /// The directory that it is in.
        directory: Arc<Directory>,
        /// The name.
        name: OsString,
        /// Its kind.
        kind: FileKind,
    },
    /// A directory is done: everything in it came before.
    Left {
        /// The directory itself.
        inner: Arc<Directory>,
        /// The directory that it is in.
        directory: Arc<Directory>,
        /// The name.
        name: OsString,
    },
}

/// A walk through the tree at a name: each directory before its contents, names sorted by bytes.
#[derive(Debug)]
pub struct Walk {
    descent: Descent,
    /// What is left in each directory on the way down, and the name of each.
    left: Vec<(IntoIter<(OsString, FileKind)>, OsString)>,
    /// The top, at first; then the directory that is entered next.
    next: Next,
}

#[derive(Debug)]
enum Next {
    Top(OsString),
    Enter(OsString),
    On,
}

impl Walk {
    /// Begins at a name in a directory.
    pub fn new(directory: Arc<Directory>, name: &OsStr) -> Walk {
        Walk {
            descent: Descent::new(directory),
            left: Vec::new(),
            next: Next::Top(name.to_owned()),
        }
    }

    /// Begins in the directory at a name, which is not a step of its own.
    pub fn inside(directory: Arc<Directory>, name: &OsStr) -> Walk {
        Walk { next: Next::Enter(name.to_owned()), ..Walk::new(directory, name) }
    }

    /// Passes over the directory that came last.
    pub fn skip(&mut self) {
        self.next = Next::On;
    }

    /// Returns the way from the top to the node that came last: nothing for the top itself.
    pub fn way(&self, name: &OsStr) -> PathBuf {
        let mut names: Vec<&OsStr> = self.left.iter().map(|(_, name)| name.as_os_str()).collect();
        names.push(name);
        names[1..].iter().collect()
    }

    /// Continues.
    ///
    /// # Errors
    /// When a directory cannot be opened or listed, or is no longer a directory.
    pub fn step(&mut self) -> Result<Option<Step>> {
        match std::mem::replace(&mut self.next, Next::On) {
            Next::Top(name) => {
                let directory = Arc::clone(self.descent.directory());
                let Some(node) = directory.node(&name)? else { return Ok(None) };
                return Ok(Some(self.node(directory, name, node.kind)));
            }
            Next::Enter(name) => {
                let inner = self.descent.directory().directory(&name)?;
                let entries = inner.list_new()?;
                self.descent.enter(Arc::new(inner))?;
                self.left.push((entries.into_iter(), name));
            }
            Next::On => {}
        }
        let Some((entries, _)) = self.left.last_mut() else { return Ok(None) };
        if let Some((name, kind)) = entries.next() {
            let directory = Arc::clone(self.descent.directory());
            return Ok(Some(self.node(directory, name, kind)));
        }
        let Some((_, name)) = self.left.pop() else { return Ok(None) };
        let inner = self.descent.leave()?;
        let directory = Arc::clone(self.descent.directory());
        Ok(inner.map(|inner| Step::Left { inner, directory, name }))
    }

    fn node(&mut self, directory: Arc<Directory>, name: OsString, kind: FileKind) -> Step {
        if kind == FileKind::Directory {
            self.next = Next::Enter(name.clone());
        }
        Step::Node { directory, name, kind }
    }
}
