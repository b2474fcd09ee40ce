//! The same by paths, on Windows: type-checked here, run elsewhere.
//!
//! A link that stands where a directory is opened is refused, but one that is put there later is not
//! seen. Making links takes a privilege here that an archive does not have, and a build directory
//! belongs to one user.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Facts;
use super::read::{FileKind, kind_from};

pub(super) type Handle = PathBuf;

pub(super) fn open(path: &Path) -> io::Result<Handle> {
    match kind_from(fs::symlink_metadata(path)?.file_type()) {
        FileKind::Directory => Ok(path.to_owned()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

pub(super) fn open_in(directory: &Handle, name: &OsStr) -> io::Result<Handle> {
    open(&directory.join(name))
}

pub(super) fn create_in(directory: &Handle, name: &OsStr, _mode: u32) -> io::Result<()> {
    fs::create_dir(directory.join(name))
}

pub(super) fn create_file_in(directory: &Handle, name: &OsStr, _mode: u32) -> io::Result<File> {
    File::options().write(true).create_new(true).open(directory.join(name))
}

pub(super) fn symlink_in(directory: &Handle, target: &Path, name: &OsStr) -> io::Result<()> {
    super::system::symlink(target, &directory.join(name))
}

pub(super) fn remove_in(directory: &Handle, name: &OsStr) -> io::Result<()> {
    fs::remove_file(directory.join(name))
}

pub(super) fn link_in(of: &Handle, original: &OsStr, directory: &Handle, name: &OsStr) -> io::Result<()> {
    fs::hard_link(of.join(original), directory.join(name))
}

pub(super) fn look_in(directory: &Handle, name: &OsStr) -> io::Result<(FileKind, u64)> {
    let metadata = fs::symlink_metadata(directory.join(name))?;
    Ok((kind_from(metadata.file_type()), metadata.len()))
}

pub(super) fn exists_in(directory: &Handle, name: &OsStr) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

pub(super) fn facts_in(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    super::system::facts_of(&directory.join(name)).map_err(|error| error.cause)
}

pub(super) fn set_mode_of(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}
