//! Operations relative to a descriptor, on Linux and macOS.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, linkat, mkdirat, openat, statat, symlinkat};

use super::read::FileKind;

pub(super) type Handle = OwnedFd;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub(super) fn open(path: &Path) -> io::Result<Handle> {
    Ok(openat(CWD, path, DIRECTORY, Mode::empty())?)
}

pub(super) fn open_in(directory: &Handle, name: &OsStr) -> io::Result<Handle> {
    Ok(openat(directory, name, DIRECTORY, Mode::empty())?)
}

pub(super) fn create_in(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(mkdirat(directory, name, mode_from(mode))?)
}

pub(super) fn create_file_in(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<File> {
    Ok(File::from(openat(directory, name, NEW_FILE, mode_from(mode))?))
}

pub(super) fn symlink_in(directory: &Handle, target: &Path, name: &OsStr) -> io::Result<()> {
    Ok(symlinkat(target, directory, name)?)
}

pub(super) fn link_in(of: &Handle, original: &OsStr, directory: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(linkat(of, original, directory, name, AtFlags::empty())?)
}

pub(super) fn look_in(directory: &Handle, name: &OsStr) -> io::Result<(FileKind, u64)> {
    let data = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match rustix::fs::FileType::from_raw_mode(data.st_mode) {
        rustix::fs::FileType::RegularFile => FileKind::File,
        rustix::fs::FileType::Directory => FileKind::Directory,
        rustix::fs::FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Special,
    };
    Ok((kind, u64::try_from(data.st_size).unwrap_or(0)))
}

pub(super) fn set_mode_of(file: &File, mode: u32) -> io::Result<()> {
    Ok(fchmod(file, mode_from(mode))?)
}

fn mode_from(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as rustix::fs::RawMode)
}
