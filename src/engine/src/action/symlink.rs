//! Symbolic links at targets.

use std::path::{Path, PathBuf};

use crate::platform::{self, FileKind, Result};

/// What stands at a target, compared with what should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A link to this.
    Link(PathBuf),
    /// Something else.
    Other(FileKind),
}

/// Looks at a target.
///
/// # Errors
/// When the system does not tell.
pub fn look(target: &Path) -> Result<Found> {
    Ok(match platform::kind_of(target)? {
        None => Found::Nothing,
        Some(FileKind::Symlink) => Found::Link(platform::read_link(target)?),
        Some(other) => Found::Other(other),
    })
}

/// A link made, changed or removed, and how to take that back.
#[derive(Debug)]
pub struct Done {
    target: PathBuf,
    before: Option<PathBuf>,
    created: Vec<PathBuf>,
}

/// Makes `target` a link to `source`, or removes it when there is no source. `before` is the link
/// that stands there.
///
/// # Errors
/// When the file system refuses; what was done until then is undone.
pub fn perform(target: &Path, source: Option<&Path>, before: Option<&Path>) -> Result<Done> {
    let mut done = Done { target: target.to_owned(), before: before.map(Path::to_owned), created: Vec::new() };
    match (source, before) {
        (Some(source), Some(_)) => platform::replace_symlink(source, target)?,
        (Some(source), None) => {
            if let Some(parent) = target.parent() {
                done.created = platform::create_directories(parent)?;
            }
            // Never over something that appeared meanwhile: creating a link replaces nothing.
            platform::symlink(source, target).inspect_err(|_| remove_empty(&done.created))?;
        }
        (None, Some(_)) => platform::remove_file(target)?,
        (None, None) => {}
    }
    Ok(done)
}

impl Done {
    /// Takes the change back.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn undo(&self) -> Result<()> {
        match &self.before {
            Some(before) => platform::replace_symlink(before, &self.target)?,
            None if platform::exists(&self.target) => platform::remove_file(&self.target)?,
            None => {}
        }
        remove_empty(&self.created);
        Ok(())
    }
}

/// Removes directories, innermost first, as long as they are empty.
pub fn remove_empty(directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        // One that somebody put something into stays.
        let _ = platform::remove_directory(directory);
    }
}
