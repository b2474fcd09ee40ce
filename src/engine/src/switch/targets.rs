//! Where targets really are: home expanded, symbolic links among the parents resolved.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use crate::environment::expand_home;
use crate::value::Text;

/// Resolves targets, looking at every directory once.
pub struct Targets<'a> {
    home: &'a Path,
    parents: RefCell<HashMap<PathBuf, PathBuf>>,
}

impl<'a> Targets<'a> {
    /// Makes a resolver; `home` is what `~` stands for.
    pub fn new(home: &'a Path) -> Targets<'a> {
        Targets { home, parents: RefCell::default() }
    }

    /// Returns the absolute path of a target. Its last component is not followed.
    ///
    /// # Errors
    /// When the target is not absolute.
    pub fn place(&self, target: &Text, positions: &[String]) -> Result<PathBuf, Error> {
        let path = expand_home(target, self.home).to_path();
        let (Some(parent), Some(name), true) = (path.parent(), path.file_name(), path.is_absolute()) else {
            return Err(Error::Relative { given: target.display(), positions: positions.to_vec() });
        };
        Ok(self.resolve(parent).join(name))
    }

    fn resolve(&self, directory: &Path) -> PathBuf {
        if let Some(known) = self.parents.borrow().get(directory) {
            return known.clone();
        }
        let resolved =
            fs::canonicalize(directory).unwrap_or_else(|_| match (directory.parent(), directory.file_name()) {
                (Some(parent), Some(name)) => self.resolve(parent).join(name),
                // `missing/..`: what does not exist is no link that could lead elsewhere.
                (Some(parent), None) => self.resolve(parent).parent().unwrap_or(Path::new("/")).to_owned(),
                _ => directory.to_owned(),
            });
        self.parents.borrow_mut().insert(directory.to_owned(), resolved.clone());
        resolved
    }
}
