//! Where targets really are: home expanded, symbolic links among the parents resolved, each once.
//!
//! Links at targets that we manage are not followed: they may go in the same switch. As root, only links are
//! followed that belong to root or to whose directory they are in.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::Error;
use crate::platform::{self, FileKind};
use crate::value::{Positions, Text};

/// As many links as the system itself follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Resolves targets, looking at every directory once.
pub struct Targets<'a> {
    home: &'a Path,
    places: RefCell<HashMap<Text, PathBuf>>,
    parents: RefCell<HashMap<PathBuf, PathBuf>>,
    managed: RefCell<HashSet<PathBuf>>,
    replaced: RefCell<HashSet<PathBuf>>,
    returning: RefCell<HashMap<PathBuf, PathBuf>>,
}

impl<'a> Targets<'a> {
    /// Makes a resolver; `home` is what `~` stands for.
    pub fn new(home: &'a Path) -> Targets<'a> {
        Targets {
            home,
            places: RefCell::default(),
            parents: RefCell::default(),
            managed: RefCell::default(),
            replaced: RefCell::default(),
            returning: RefCell::default(),
        }
    }

    /// Returns what `~` stands for.
    pub fn home(&self) -> &Path {
        self.home
    }

    /// From now on, a link at this place is not followed.
    pub fn manage(&self, place: PathBuf) {
        self.managed.borrow_mut().insert(place);
    }

    /// From now on, no link in the directory at this place is followed.
    pub fn replace(&self, place: PathBuf) {
        self.replaced.borrow_mut().insert(place);
    }

    /// From now on, the link that is kept at `original` is followed at this place: it comes back.
    pub fn bring_back(&self, place: PathBuf, original: PathBuf) {
        self.returning.borrow_mut().insert(place, original);
    }

    /// Returns whether a link at this place is not followed.
    pub fn is_managed(&self, place: &Path) -> bool {
        self.managed.borrow().contains(place)
    }

    /// Forgets where targets are, since fewer links are followed now.
    pub fn forget(&self) {
        self.places.borrow_mut().clear();
        self.parents.borrow_mut().clear();
    }

    /// Returns the absolute path of a target. Its last component is not followed.
    ///
    /// # Errors
    /// When the target is not absolute, or a link on the way may not be followed.
    pub fn place(&self, target: &Text, positions: &Positions) -> Result<PathBuf, Error> {
        if let Some(place) = self.places.borrow().get(target) {
            return Ok(place.clone());
        }
        let path = target.expand_home(self.home).to_path();
        let (Some(parent), Some(name), true) = (path.parent(), path.file_name(), path.is_absolute()) else {
            return Err(Error::Relative { given: target.display(), positions: positions.clone() });
        };
        let mut links = 0;
        let parent = self.resolve(parent, &mut links).map_err(|problem| Error::Parent {
            target: path.clone(),
            problem,
            positions: positions.clone(),
        })?;
        let place = parent.join(name);
        self.places.borrow_mut().insert(target.clone(), place.clone());
        Ok(place)
    }

    /// Returns where a directory is whose place may hold a link to one.
    pub fn directory(&self, place: PathBuf) -> PathBuf {
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else { return place };
        match self.follow(parent, Path::new(name), &mut 0) {
            Ok(end) if matches!(platform::kind_of(&end), Ok(Some(FileKind::Directory))) => end,
            _ => place,
        }
    }

    fn resolve(&self, directory: &Path, links: &mut usize) -> Result<PathBuf, String> {
        if let Some(known) = self.parents.borrow().get(directory) {
            return Ok(known.clone());
        }
        let resolved = match (directory.parent(), directory.file_name()) {
            (Some(parent), Some(name)) => self.follow(&self.resolve(parent, links)?, Path::new(name), links)?,
            // `x/..`: the directory above where `x` leads.
            (Some(parent), None) => self.resolve(parent, links)?.parent().unwrap_or(Path::new("/")).to_owned(),
            _ => directory.to_owned(),
        };
        self.parents.borrow_mut().insert(directory.to_owned(), resolved.clone());
        Ok(resolved)
    }

    fn follow(&self, base: &Path, name: &Path, links: &mut usize) -> Result<PathBuf, String> {
        let path = base.join(name);
        let replaced = self.replaced.borrow();
        let goes = !replaced.is_empty() && path.ancestors().any(|above| replaced.contains(above));
        if goes {
            return Ok(path);
        }
        drop(replaced);
        // Where the link is that will stand there.
        let link = match self.returning.borrow().get(&path) {
            Some(original) => original.clone(),
            None if self.managed.borrow().contains(&path) => return Ok(path),
            None => path.clone(),
        };
        // What is missing, or cannot be looked at, is no link that could lead elsewhere.
        let Ok(Some(seen)) = platform::look(&link) else { return Ok(path) };
        if seen.kind != FileKind::Symlink {
            return Ok(path);
        }
        *links += 1;
        if *links > MOST_LINKS {
            return Err(format!("{} is one of too many links", path.display()));
        }
        let is_trusted = platform::user_number() != 0 || seen.owner == 0;
        if !is_trusted && user_of(base) != Some(seen.owner) {
            return Err(format!("{} is a link that belongs to another user", path.display()));
        }
        let target = platform::read_link(&link).map_err(|error| error.to_string())?;
        let resolved = self.resolve(&base.join(target), links)?;
        // Root would act as itself there, where the user only led it.
        if !is_trusted && user_of(&resolved) != Some(seen.owner) {
            return Err(format!("{} leads out of the directories of its owner", path.display()));
        }
        Ok(resolved)
    }
}

/// Returns with whose rights root works in a directory: those of the first other owner above it.
fn user_of(directory: &Path) -> Option<u32> {
    let above: Vec<_> = directory.ancestors().collect();
    let owners = above.into_iter().rev().filter_map(|directory| platform::look(directory).ok().flatten());
    owners.map(|seen| seen.owner).find(|owner| *owner != 0)
}
