//! The directories of targets, each opened once.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::contents::Contents;
use crate::places::{OwnPlaces, PlaceMap};
use crate::platform::{Directory, Result, failed};
use crate::settings::Interrupt;

/// Far below the number of files that a process may have open.
const MOST: usize = 128;

/// Directories that are open.
#[derive(Debug, Default)]
pub struct Directories {
    open: RefCell<PlaceMap<'static, Rc<Directory>>>,
    /// The last requested one: neighbors are declared together.
    last: RefCell<Option<Rc<Directory>>>,
    /// Missing directories, for callers that change nothing in the meantime.
    missing: Option<RefCell<OwnPlaces>>,
    /// Stops the hashing of files in them.
    interrupt: Interrupt,
    /// The contents of secrets that are to be written.
    contents: Arc<Contents>,
}

impl Directories {
    /// For a look at many places while nothing is changed: what is missing is asked for once.
    pub fn observer() -> Directories {
        Directories { missing: Some(RefCell::default()), ..Directories::default() }
    }

    /// Returns the same for work that this stops.
    #[must_use]
    pub fn stopped_by(self, interrupt: &Interrupt) -> Directories {
        Directories { interrupt: interrupt.clone(), ..self }
    }

    /// Returns the same for who writes secrets, with their contents.
    #[must_use]
    pub fn with_contents(self, contents: &Arc<Contents>) -> Directories {
        Directories { contents: Arc::clone(contents), ..self }
    }

    /// Returns the contents of secrets that are to be written.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns what stops the work on them.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

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
        let mut last = self.last.borrow_mut();
        if let Some(directory) = last.as_ref()
            && directory.path().as_os_str() == path.as_os_str()
        {
            return Ok(Rc::clone(directory));
        }
        if self.missing.as_ref().is_some_and(|missing| missing.borrow().contains(path)) {
            return Err(failed("open the directory", path)(io::ErrorKind::NotFound.into()));
        }
        let mut open = self.open.borrow_mut();
        let directory = match open.get(path) {
            Some(directory) => Rc::clone(directory),
            None => {
                if open.len() >= MOST {
                    open.clear();
                }
                let directory = Directory::open(path).inspect_err(|error| {
                    if let (true, Some(missing)) = (error.is_not_found(), &self.missing) {
                        missing.borrow_mut().insert(path.to_owned());
                    }
                });
                let directory = Rc::new(directory?);
                open.insert(path.to_owned(), Rc::clone(&directory));
                directory
            }
        };
        *last = Some(Rc::clone(&directory));
        Ok(directory)
    }

    /// Forgets all, since a directory got another name or went.
    pub fn forget(&self) {
        self.open.borrow_mut().clear();
        *self.last.borrow_mut() = None;
    }
}
