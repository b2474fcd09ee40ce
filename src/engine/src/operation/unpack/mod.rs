//! Unpacking archives below one directory, whoever made them.
//!
//! What an archive is, its first bytes tell, never its name. Nothing in it is skipped silently: an
//! entry that would leave the destination, go through a link or over another entry, or that says two
//! different things of itself, ends the build. Each floor of this room knows only those above:
//! [`problem`] and [`budget`] what is refused, [`names`] and [`registry`] what entries are called,
//! [`tree`] how they are written, then the formats.

mod budget;
mod compression;
mod format;
mod names;
mod problem;
mod registry;
mod stream;
mod tar;
mod tree;
mod zip;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

pub use problem::Problem;

use self::budget::Budget;
use self::format::Format;
use self::stream::Stream;
use self::tree::Tree;
use super::{Error, Result, Workspace};
use crate::platform;
use crate::settings::UnpackLimits;

/// How an archive is unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnpackOptions {
    /// How many leading components of each name to leave out; `.` counts as one, as for `tar`.
    pub strip: usize,
    /// Keep names that differ in case only, which some file systems cannot tell apart.
    pub allow_case_collisions: bool,
    /// Take files that are setuid or setgid, without that bit.
    pub allow_setuid: bool,
    /// How large it may be.
    pub limits: UnpackLimits,
}

/// Unpacks an archive into a directory.
pub fn unpack(workspace: &Workspace, archive: &Path, destination: &Path, options: &UnpackOptions) -> Result<()> {
    let archive = workspace.readable(archive)?;
    let destination = workspace.writable(destination)?;
    let failed = |problem: Problem| match problem {
        Problem::Interrupted => Error::Interrupted,
        problem => Error::Archive { archive: archive.clone(), problem: Box::new(problem) },
    };
    let file = File::open(&archive).map_err(platform::failed("read", &archive))?;
    let length = file.metadata().map_err(platform::failed("read", &archive))?;
    if !length.is_file() {
        return Err(failed(Problem::Unknown { found: "no file".to_owned() }));
    }
    let place = &Place { workspace, archive: &archive, destination: &destination, options };
    extract(place, &file, length.len()).map_err(failed)
}

/// What every format needs to know.
struct Place<'a> {
    workspace: &'a Workspace,
    archive: &'a Path,
    destination: &'a Path,
    options: &'a UnpackOptions,
}

impl Place<'_> {
    /// Creates the destination; done last before the first entry, when the format is known.
    fn tree(&self) -> problem::Result<Tree> {
        platform::create_directories(self.destination)?;
        Tree::open(self.destination)
    }
}

fn extract(place: &Place<'_>, file: &File, length: u64) -> problem::Result<()> {
    let mut budget = Budget::new(&place.options.limits, length);
    let mut start = [0; format::START];
    let mut known = 0;
    while known < start.len() {
        match platform::read_at(file, &mut start[known..], known as u64) {
            Ok(0) => break,
            Ok(read) => known += read,
            Err(error) => return Err(platform::failed("read", place.archive)(error).into()),
        }
    }
    let compression = match format::recognise(&start[..known])? {
        Format::Zip => return zip::extract(place, file, length, &mut budget),
        Format::Tar(compression) => compression,
    };
    let interrupt = &place.workspace.settings.interrupt;
    Stream::run(compression, file, place.archive, budget, interrupt, |stream| tar::extract(place, stream))
}
