//! Where targets really are: home expanded, symbolic links among the parents resolved, each once.
//!
//! Links at managed targets are not followed: they may be removed in the same switch. As root, only
//! links of root or of their directory's owner are followed.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Error;
use crate::action::Target;
use crate::activation::DeclaredAction;
use crate::hash::QuickMap;
use crate::places::{OwnPlaces, PlaceMap};
use crate::platform::{self, FileKind};
use crate::value::{Positions, Text};

/// As many links as the system itself follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// The longest name that file systems have, in bytes (NAME_MAX of limits.h, and as much on
/// Windows).
const LONGEST_NAME: usize = 255;
/// The longest path that the system takes, in bytes, without the zero at its end (PATH_MAX of
/// limits.h).
const LONGEST_PATH: usize = if cfg!(target_os = "macos") { 1023 } else { 4095 };

/// Where services of Windows are. A plan for Windows made on another system looks for the drive at
/// the root, where there is none.
const OF_WINDOWS: &[u8] = b"C:/ProgramData/syslua/services/";

/// Resolves targets, looking at every directory once.
pub struct Targets<'a> {
    home: &'a Path,
    places: RefCell<QuickMap<Text, PathBuf>>,
    parents: RefCell<PlaceMap<'static, PathBuf>>,
    /// The last parent that was asked for, and where it is: neighbours are declared together.
    last_parent: RefCell<Option<(PathBuf, PathBuf)>>,
    managed: RefCell<OwnPlaces>,
    replaced: RefCell<OwnPlaces>,
    actual: RefCell<PlaceMap<'static, PathBuf>>,
    /// Whether what is known of places depends on links.
    has_followed: Cell<bool>,
}

impl<'a> Targets<'a> {
    /// Makes a resolver; `home` is what `~` stands for.
    pub fn new(home: &'a Path) -> Targets<'a> {
        Targets {
            home,
            places: RefCell::default(),
            parents: RefCell::default(),
            last_parent: RefCell::default(),
            managed: RefCell::default(),
            replaced: RefCell::default(),
            actual: RefCell::default(),
            has_followed: Cell::default(),
        }
    }

    /// Returns what `~` stands for.
    pub fn home(&self) -> &Path {
        self.home
    }

    /// From now on, a link at this place is not followed. Returns whether that is new.
    pub fn manage(&self, place: PathBuf) -> bool {
        self.managed.borrow_mut().insert(place)
    }

    /// From now on, no link in the directory at this place is followed. Returns whether that is
    /// new.
    pub fn replace(&self, place: PathBuf) -> bool {
        self.replaced.borrow_mut().insert(place)
    }

    /// From now on, the future file at a place is looked up in its present place.
    pub fn observe_at(&self, place: PathBuf, actual: PathBuf) {
        self.actual.borrow_mut().insert(place, actual);
        self.has_followed.set(true);
    }

    /// Returns every directory on the way to a target that was asked for.
    pub fn passed(&self) -> OwnPlaces {
        self.parents.borrow().iter().map(|(_, place)| place.clone()).collect()
    }

    /// Returns whether a link at this place is not followed.
    pub fn is_managed(&self, place: &Path) -> bool {
        self.managed.borrow().contains(place)
    }

    /// Forgets where targets are, since other links are followed now.
    pub fn forget(&self) {
        if !self.has_followed.replace(false) {
            return;
        }
        self.places.borrow_mut().clear();
        self.parents.borrow_mut().clear();
        self.last_parent.take();
    }

    /// Returns where that is which an action puts at a path.
    ///
    /// # Errors
    /// As [`place`](Targets::place).
    pub fn place_of(
        &self,
        target: &Target,
        path: &Text,
        positions: &Positions,
    ) -> Result<PathBuf, Error> {
        let place = self.place(path, positions)?;
        Ok(if target.keeps_below() && !target.is_implied() { self.directory(place) } else { place })
    }

    /// Returns the absolute path of a target. Its last component is not followed.
    ///
    /// # Errors
    /// When the target is not absolute, or a link on the way may not be followed.
    pub fn place(&self, target: &Text, positions: &Positions) -> Result<PathBuf, Error> {
        if let Some(place) = self.places.borrow().get(target) {
            return Ok(place.clone());
        }
        let mut path = target.expand_home(self.home).to_path();
        if target.0.starts_with(OF_WINDOWS) && !path.is_absolute() {
            path = Path::new("/").join(path);
        }
        let (Some(parent), Some(name), true) =
            (path.parent(), path.file_name(), path.is_absolute())
        else {
            return Err(Error::Relative { given: target.display(), positions: positions.clone() });
        };
        check_length(&path, &path, positions)?;
        let place = self.in_parent(parent, name).map_err(|problem| Error::Parent {
            target: path.clone(),
            problem,
            positions: positions.clone(),
        })?;
        check_length(&path, &place, positions)?;
        self.places.borrow_mut().insert(target.clone(), place.clone());
        Ok(place)
    }

    /// Returns where the target of an action is, by the links that are there now: what cannot be
    /// followed yet may be replaced by a directory that is declared, and is taken as it is written.
    pub fn place_as_is(&self, activation: &DeclaredAction) -> Option<PathBuf> {
        let target = activation.place.as_ref().or(activation.action.target())?;
        let place = self.place(target, &activation.positions);
        Some(place.unwrap_or_else(|_| target.expand_home(self.home).to_path()))
    }

    fn in_parent(&self, parent: &Path, name: &OsStr) -> Result<PathBuf, String> {
        if let Some((last, resolved)) = &*self.last_parent.borrow()
            && last.as_os_str() == parent.as_os_str()
        {
            return Ok(resolved.join(name));
        }
        let resolved = self.resolve(parent, &mut 0)?;
        let place = resolved.join(name);
        *self.last_parent.borrow_mut() = Some((parent.to_owned(), resolved));
        Ok(place)
    }

    /// Returns where a directory is whose place may hold a link to one.
    fn directory(&self, place: PathBuf) -> PathBuf {
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
            (Some(parent), Some(name)) => {
                self.follow(&self.resolve(parent, links)?, Path::new(name), links)?
            }
            // `x/..`: the directory above where `x` leads.
            (Some(parent), None) => {
                self.resolve(parent, links)?.parent().unwrap_or(Path::new("/")).to_owned()
            }
            _ => directory.to_owned(),
        };
        self.parents.borrow_mut().insert(directory.to_owned(), resolved.clone());
        Ok(resolved)
    }

    /// Returns the present place of the future file at a path, or `None` if it must not be read,
    /// because it is removed.
    fn actual_at(&self, path: &Path) -> Option<PathBuf> {
        let (moved, mut replaced) = (self.actual.borrow(), self.replaced.borrow_mut());
        for above in path.ancestors() {
            if let Some(actual) = moved.get(above) {
                let below =
                    path.strip_prefix(above).ok().filter(|below| !below.as_os_str().is_empty());
                return Some(below.map_or_else(|| actual.clone(), |below| actual.join(below)));
            }
            if replaced.contains(above) {
                return None;
            }
        }
        if !self.managed.borrow().contains(path) {
            return Some(path.to_owned());
        }
        // Below a link that is not followed, nothing that it leads to is looked at either.
        if matches!(platform::kind_of(path), Ok(Some(FileKind::Symlink))) {
            replaced.insert(path.to_owned());
        }
        None
    }

    fn follow(&self, base: &Path, name: &Path, links: &mut usize) -> Result<PathBuf, String> {
        let path = base.join(name);
        let Some(actual) = self.actual_at(&path) else { return Ok(path) };
        // A missing or unreadable component is not a link that could lead elsewhere.
        let Ok(Some(seen)) = platform::observe(&actual) else { return Ok(path) };
        if seen.kind != FileKind::Symlink {
            return Ok(path);
        }
        self.has_followed.set(true);
        *links += 1;
        if *links > MOST_LINKS {
            return Err(format!("{} is one of too many links", path.display()));
        }
        let is_trusted = platform::user_number() != 0 || seen.owner == 0;
        if !is_trusted && user_of(base) != Some(seen.owner) {
            return Err(format!("{} is a link that belongs to another user", path.display()));
        }
        let target = platform::read_link(&actual).map_err(|error| error.to_string())?;
        let resolved = self.resolve(&base.join(target), links)?;
        // Root would act as itself there, where the user only led it.
        if !is_trusted && user_of(&resolved) != Some(seen.owner) {
            return Err(format!("{} leads out of the directories of its owner", path.display()));
        }
        Ok(resolved)
    }
}

/// Returns whether this process may change the mode of what is at a place, if anything is.
pub(super) fn may_change(place: &Path) -> bool {
    match platform::observe(place) {
        Ok(Some(seen)) => [0, seen.owner].contains(&platform::user_number()),
        _ => true,
    }
}

/// Returns with whose rights root works in a directory: those of the first other owner above it.
pub(super) fn user_of(directory: &Path) -> Option<u32> {
    let above: Vec<_> = directory.ancestors().collect();
    let owners =
        above.into_iter().rev().filter_map(|directory| platform::observe(directory).ok().flatten());
    owners.map(|seen| seen.owner).find(|owner| *owner != 0)
}

/// Refuses a target that the system takes no path for: without this, it would be known only when
/// the target is observed, after everything is built.
fn check_length(target: &Path, place: &Path, positions: &Positions) -> Result<(), Error> {
    let refused = |what, length, most| Error::TooLong {
        target: target.to_owned(),
        what,
        length,
        most,
        positions: positions.clone(),
    };
    let length = place.as_os_str().len();
    if length <= LONGEST_NAME {
        return Ok(());
    }
    if let Some(name) = place.iter().find(|name| name.len() > LONGEST_NAME) {
        return Err(refused("a name in it", name.len(), LONGEST_NAME));
    }
    if length > LONGEST_PATH {
        return Err(refused("its path", length, LONGEST_PATH));
    }
    Ok(())
}
