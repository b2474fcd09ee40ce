//! Operations relative to a descriptor, on Linux and macOS.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, accessat, fchmod, linkat, mkdirat, openat, statat, symlinkat, unlinkat,
};

use super::read::FileKind;
use super::{Facts, unix};

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

pub(super) fn remove_in(directory: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(unlinkat(directory, name, AtFlags::empty())?)
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

/// Asks first whether it can be reached, which the system answers soonest, and then for what does not lead anywhere.
pub(super) fn exists_in(directory: &Handle, name: &OsStr) -> bool {
    accessat(directory, name, Access::EXISTS, AtFlags::empty()).is_ok() || look_in(directory, name).is_ok()
}

#[cfg(target_os = "linux")]
pub(super) fn facts_in(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    use rustix::fs::{FileType, StatxFlags, makedev, statx};
    let data = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
    let kind = match FileType::from_raw_mode(data.stx_mode.into()) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Special,
    };
    let device = makedev(data.stx_dev_major, data.stx_dev_minor);
    let (modified, changed) = (data.stx_mtime, data.stx_ctime);
    Ok(unix::facts(
        kind,
        [device, data.stx_ino, data.stx_size, data.stx_mode.into()],
        (modified.tv_sec, modified.tv_nsec.into()),
        (changed.tv_sec, changed.tv_nsec.into()),
    ))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
pub(super) fn facts_in(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    let data = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let (kind, size) = look_in(directory, name)?;
    Ok(unix::facts(
        kind,
        [data.st_dev as u64, data.st_ino as u64, size, data.st_mode as u64],
        (data.st_mtime as i64, data.st_mtime_nsec as i64),
        (data.st_ctime as i64, data.st_ctime_nsec as i64),
    ))
}

pub(super) fn set_mode_of(file: &File, mode: u32) -> io::Result<()> {
    Ok(fchmod(file, mode_from(mode))?)
}

fn mode_from(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as rustix::fs::RawMode)
}
