//! What stands at targets once the removals of a switch are done.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::action::{self, Accounts, Directories, Found, Look};
use crate::platform::{self, FileKind, Result};
use crate::store::Store;
use crate::value::Text;

use super::backups::Backups;

/// The targets as a switch will find them.
pub struct Scene<'a> {
    store: &'a Store,
    /// The directories that are open.
    pub directories: Directories,
    accounts: Accounts,
    backups: OnceCell<Backups>,
    /// Links and files of ours that go.
    removed: HashSet<PathBuf>,
    /// Originals that come back where something goes.
    restored: HashMap<PathBuf, PathBuf>,
}

impl<'a> Scene<'a> {
    /// Makes a scene from which nothing is removed.
    pub fn new(store: &'a Store) -> Scene<'a> {
        Scene {
            store,
            directories: Directories::looking().stopped_by(store.interrupt()),
            accounts: Accounts::default(),
            backups: OnceCell::new(),
            removed: HashSet::new(),
            restored: HashMap::new(),
        }
    }

    /// Returns what it takes to look at targets.
    pub fn looking(&self) -> Look<'_> {
        Look { directories: &self.directories, accounts: &self.accounts }
    }

    /// Returns what is kept of the user's, read once.
    pub fn backups(&self) -> &Backups {
        self.backups.get_or_init(|| Backups::load(self.store))
    }

    /// Returns the same, to be kept.
    pub fn into_backups(self) -> Backups {
        self.backups.into_inner().unwrap_or_else(|| Backups::load(self.store))
    }

    /// From now on, something of ours is gone; its original is back.
    pub fn remove(&mut self, place: PathBuf, original: Option<PathBuf>) {
        if let Some(original) = original {
            self.restored.insert(place.clone(), original);
        }
        self.removed.insert(place);
    }

    /// Returns where to look for what will stand at a path, or nothing when nothing will.
    fn actual(&self, path: &Path) -> Option<PathBuf> {
        if self.removed.is_empty() {
            return Some(path.to_owned());
        }
        for above in path.ancestors() {
            if let Some(original) = self.restored.get(above) {
                return Some(match path.strip_prefix(above) {
                    Ok(rest) if !rest.as_os_str().is_empty() => original.join(rest),
                    _ => original.clone(),
                });
            }
            if self.removed.contains(above) {
                return None;
            }
        }
        Some(path.to_owned())
    }

    /// Looks at a target.
    pub fn look(&self, place: &Path) -> Result<Found> {
        match self.actual(place) {
            Some(actual) => action::look(&self.directories, &actual),
            None => Ok(Found::Nothing),
        }
    }

    /// Returns the directories above a place that will have to be created, outermost first; or what
    /// stands in their way.
    pub fn missing_parents(&self, place: &Path) -> Result<std::result::Result<Vec<PathBuf>, PathBuf>> {
        let mut missing = Vec::new();
        for directory in place.ancestors().skip(1) {
            let kind = match self.actual(directory) {
                Some(actual) => platform::kind_of(&actual)?,
                None => None,
            };
            match kind {
                None => missing.push(directory.to_owned()),
                Some(FileKind::Directory) => break,
                Some(_) => return Ok(Err(directory.to_owned())),
            }
        }
        missing.reverse();
        Ok(Ok(missing))
    }

    /// Returns whether a directory is ours and will be empty, but for directories that are too.
    pub fn will_be_empty(&self, path: &Path) -> bool {
        if !self.backups().directories.contains(&Text(platform::bytes_of_path(path))) {
            return false;
        }
        let Ok(entries) = platform::list_directory(path) else { return false };
        entries.iter().all(|(name, kind)| {
            let inner = path.join(name);
            if self.removed.contains(&inner) {
                // Be it a directory that somebody put there: that is moved away.
                !self.restored.contains_key(&inner)
            } else {
                *kind == FileKind::Directory && self.will_be_empty(&inner)
            }
        })
    }
}
