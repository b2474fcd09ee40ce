//! Unpacking untrusted archives below one directory: `syslua_archive` reads them, and [`tree`]
//! writes their contents.

pub mod place;
pub mod tree;

#[cfg(test)]
pub(in crate::operation) mod tests;

use std::path::Path;

use syslua_archive::{Archive, Options as UnpackOptions, Problem};

use self::place::Place;
use self::tree::Tree;
use super::places::Last;
use super::{Error, Result, Workspace};

/// Unpacks an archive into a directory.
pub fn unpack(
    workspace: &Workspace,
    archive: &Path,
    destination: &Path,
    options: &UnpackOptions,
) -> Result<()> {
    let place = workspace.place_to_read(archive, Last::Follow)?;
    let destination = workspace.place_to_write_into(destination)?;
    let path = place.path();
    let failed = |problem: Problem| match problem {
        Problem::Interrupted => Error::Interrupted,
        problem => Error::Archive { archive: workspace.name_of(&path), problem: Box::new(problem) },
    };
    let (file, node) = place.directory.open_node(&place.name)?;
    let archive = Archive {
        source: &place::ArchiveFile(file),
        length: node.size,
        options,
        threads: workspace.settings.jobs,
        interrupt: &workspace.settings.interrupt.0,
    };
    let open = || Ok(Place(Tree::new(destination.make_directory()?)));
    archive.unpack(&open).map_err(failed)
}
