//! The directories that targets stand in, each opened once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::platform::{Directory, Result};

/// Far below the number of files that a process may have open.
const MOST: usize = 128;

/// Directories that are open.
#[derive(Debug, Default)]
pub struct Directories {
    open: RefCell<HashMap<PathBuf, Rc<Directory>>>,
}

impl Directories {
    /// Opens the directory that holds a place; returns the place's name in it too.
    ///
    /// # Errors
    /// When it cannot be opened, or one of its parents is a link.
    pub fn of(&self, place: &Path) -> Result<(Rc<Directory>, OsString)> {
        let parent = place.parent().unwrap_or(Path::new("/"));
        let name = place.file_name().unwrap_or(OsStr::new("/")).to_owned();
        Ok((self.open(parent)?, name))
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// When it cannot be opened, or one of its parents is a link.
    pub fn open(&self, path: &Path) -> Result<Rc<Directory>> {
        let mut open = self.open.borrow_mut();
        if let Some(directory) = open.get(path) {
            return Ok(Rc::clone(directory));
        }
        if open.len() >= MOST {
            open.clear();
        }
        let directory = Rc::new(Directory::open(path)?);
        open.insert(path.to_owned(), Rc::clone(&directory));
        Ok(directory)
    }

    /// Forgets all, since a directory got another name or went.
    pub fn forget(&self) {
        self.open.borrow_mut().clear();
    }
}
