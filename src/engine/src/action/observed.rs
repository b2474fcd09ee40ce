//! The file at a target.

use std::path::{Path, PathBuf};

use super::Directories;
use crate::platform::{FileKind, Result, Seen};

/// The file at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Nothing.
    Nothing,
    /// A link, and where it leads.
    Link(PathBuf, Seen),
    /// Something else.
    Other(Seen),
}

impl Observed {
    /// Returns its kind, in words.
    pub fn in_words(&self) -> String {
        match self {
            Observed::Nothing => "nothing".to_owned(),
            Observed::Link(target, _) => format!("a link to {}", target.display()),
            Observed::Other(seen) if seen.kind == FileKind::Directory => "a directory".to_owned(),
            Observed::Other(seen) if seen.kind == FileKind::File => "a file".to_owned(),
            Observed::Other(_) => "a special file".to_owned(),
        }
    }

    /// Returns what the system tells of it.
    pub fn seen(&self) -> Option<&Seen> {
        match self {
            Observed::Nothing => None,
            Observed::Link(_, seen) | Observed::Other(seen) => Some(seen),
        }
    }
}

/// Observes a place whose parents are not links. If a parent is missing, the place is free.
///
/// # Errors
/// When the system does not tell.
pub fn observe(directories: &Directories, place: &Path) -> Result<Observed> {
    let (directory, name) = match directories.of(place) {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(Observed::Nothing),
        Err(error) => return Err(error),
    };
    Ok(match directory.observe(&name)? {
        None => Observed::Nothing,
        Some(seen) if seen.kind == FileKind::Symlink => match directory.read_link(&name)? {
            Some(target) => Observed::Link(target, seen),
            None => Observed::Nothing,
        },
        Some(seen) => Observed::Other(seen),
    })
}

/// Returns whether a link to exactly `source` is at a place: one system call, for most targets of
/// most applies.
///
/// # Errors
/// When the system does not tell.
pub fn is_link_to(directories: &Directories, place: &Path, source: &[u8]) -> Result<bool> {
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else { return Ok(false) };
    match directories.open(parent) {
        Ok(directory) => directory.is_link_to(name, source),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
