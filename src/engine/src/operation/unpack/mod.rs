//! Unpacking archives below one directory, whoever made them: `syslua_archive` reads them, and [`tree`]
//! writes what they hold.

mod place;
mod tree;

#[cfg(test)]
mod tests;

use std::path::Path;

use syslua_archive::{Archive, Options as UnpackOptions, Problem};

use self::place::Place;
use self::tree::Tree;
use super::{Error, Result, Workspace};
use crate::platform;

/// Unpacks an archive into a directory.
pub fn unpack(workspace: &Workspace, archive: &Path, destination: &Path, options: &UnpackOptions) -> Result<()> {
    let path = workspace.readable(archive)?;
    let destination = workspace.writable(destination)?;
    let failed = |problem: Problem| match problem {
        Problem::Interrupted => Error::Interrupted,
        problem => Error::Archive { archive: workspace.name_of(&path), problem: Box::new(problem) },
    };
    let file = workspace.reading(&path, platform::open_regular);
    let file = file.map_err(platform::failed("read", &path))?;
    let metadata = file.metadata().map_err(platform::failed("read", &path))?;
    let archive = Archive {
        source: &place::ArchiveFile(file),
        length: metadata.len(),
        options,
        threads: workspace.settings.jobs,
        interrupt: &workspace.settings.interrupt.0,
    };
    workspace.make_parents(&destination)?;
    // Threads that are made meanwhile have the same rights.
    workspace.as_build(&destination, |destination| {
        let open = || {
            platform::create_directories(destination)?;
            Ok(Place(Tree::open(destination)?))
        };
        archive.unpack(&open).map_err(failed)
    })
}
