//! Operations relative to a descriptor, on Linux and macOS. No link is followed, but by [`open`]
//! among the parents.
//!
//! It is over 600 lines, because all operations of a directory are here, as those of Windows are in
//! `windows_directory`.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self as sys, Access, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::directory::{Blank, Identity, NewFile, Node, Seen};
use super::read::FileKind;
use super::{Actor, Facts, unix};

pub(super) type Handle = OwnedFd;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// A named pipe must not block.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// To pass through a directory that may not be read.
#[cfg(target_os = "linux")]
const PASS: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = DIRECTORY;

pub(super) fn open(path: &Path) -> io::Result<Handle> {
    Ok(sys::openat(CWD, path, DIRECTORY, Mode::empty())?)
}

/// Waits until the entries of a directory are on the disk.
pub(super) fn sync(directory: &Handle) -> io::Result<()> {
    Ok(sys::fsync(directory)?)
}

/// Opens a directory, following links.
pub(super) fn follow(path: &Path) -> io::Result<Handle> {
    Ok(sys::openat(CWD, path, PASS.difference(OFlags::NOFOLLOW), Mode::empty())?)
}

/// Returns whether a link is in a place where links are refused.
pub(super) fn is_link_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Opens a directory component by component, and tells with whose rights to work in it.
pub(super) fn walk(path: &Path) -> io::Result<(Handle, Option<Actor>)> {
    let is_root = rustix::process::geteuid().is_root();
    let mut actor: Option<Actor> = None;
    let mut handle = sys::openat(CWD, "/", PASS, Mode::empty())?;
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => {
                handle =
                    Actor::act(actor.as_ref(), || sys::openat(&handle, name, PASS, Mode::empty()))?;
                if is_root && actor.is_none() {
                    let owner = sys::fstat(&handle)?.st_uid;
                    actor = (owner != 0).then(|| Actor::of(owner));
                }
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok((handle, actor))
}

pub(super) fn open_in(directory: &Handle, name: &OsStr) -> io::Result<Handle> {
    Ok(sys::openat(directory, name, DIRECTORY, Mode::empty())?)
}

pub(super) fn open_parent(directory: &Handle) -> io::Result<Handle> {
    Ok(sys::openat(directory, "..", DIRECTORY, Mode::empty())?)
}

#[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn id(stat: &sys::Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

pub(super) fn id_of(directory: &Handle) -> io::Result<(u64, u64)> {
    Ok(id(&sys::fstat(directory)?))
}

/// Returns the numbers of the file at a path, which may be a link.
pub(super) fn id_at(path: &Path) -> io::Result<(u64, u64)> {
    Ok(id(&sys::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// Returns the attributes of an empty directory, or `None` if it has entries or attributes besides
/// its mode.
#[cfg(target_os = "linux")]
pub(super) fn blank(directory: &Handle) -> io::Result<Option<Blank>> {
    use rustix::fs::{RawDir, flistxattr, ioctl_getflags};
    use std::mem::MaybeUninit;
    let flags = match ioctl_getflags(directory) {
        Ok(flags) => flags.bits(),
        // This file system has none.
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut names = [0; 1024];
    let length = match flistxattr(directory, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    if unix::removable_attributes(&names[..length]).next().is_some() {
        return Ok(None);
    }
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(None);
        }
    }
    let found = sys::fstat(directory)?;
    let node = node_from(&found);
    Ok(Some(Blank { id: node.id, mode: node.mode, size: node.size, flags: flags.into() }))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn blank(_directory: &Handle) -> io::Result<Option<Blank>> {
    Ok(None)
}

fn kind_of(stat: &sys::Stat) -> FileKind {
    kind_from(FileType::from_raw_mode(stat.st_mode))
}

fn kind_from(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Special,
    }
}

#[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn node_from(stat: &sys::Stat) -> Node {
    Node {
        kind: kind_of(stat),
        mode: stat.st_mode as u32 & 0o7777,
        owner: stat.st_uid,
        group: stat.st_gid,
        size: stat.st_size.cast_unsigned(),
        links: stat.st_nlink as u64,
        id: id(stat),
    }
}

pub(super) fn node(directory: &Handle, name: &OsStr) -> io::Result<Node> {
    Ok(node_from(&sys::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

#[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn seen_from(stat: &sys::Stat) -> Seen {
    let kind = kind_of(stat);
    let content = (stat.st_size.cast_unsigned(), stat.st_mtime as i64, stat.st_mtime_nsec as i64);
    Seen {
        kind,
        identity: Identity {
            inode: stat.st_ino as u64,
            content: (kind != FileKind::Directory).then_some(content),
        },
        mode: stat.st_mode as u32 & 0o7777,
        owner: stat.st_uid,
        group: stat.st_gid,
        device: (stat.st_dev as u64, 0),
    }
}

pub(super) fn seen(directory: &Handle, name: &OsStr) -> io::Result<Seen> {
    Ok(seen_from(&sys::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

pub(super) fn seen_at_path(path: &Path) -> io::Result<Seen> {
    let mut seen = seen_from(&sys::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?);
    seen.device.1 = mount_of(path);
    Ok(seen)
}

/// One file system may be mounted twice, and a rename between the two is refused.
#[cfg(target_os = "linux")]
fn mount_of(path: &Path) -> u64 {
    use rustix::fs::{StatxFlags, statx};
    const MOUNT: StatxFlags = StatxFlags::MNT_ID;
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, MOUNT).map_or(0, |found| found.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
fn mount_of(_path: &Path) -> u64 {
    0
}

/// Asks first whether it can be reached, which the system answers soonest, and then for what does
/// not lead anywhere.
pub(super) fn exists(directory: &Handle, name: &OsStr) -> bool {
    sys::accessat(directory, name, Access::EXISTS, AtFlags::empty()).is_ok()
        || node(directory, name).is_ok()
}

#[cfg(target_os = "linux")]
pub(super) fn facts(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    use rustix::fs::{StatxAttributes, StatxFlags, makedev, statx};
    let data = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
    let device = makedev(data.stx_dev_major, data.stx_dev_minor);
    let (modified, changed) = (data.stx_mtime, data.stx_ctime);
    let facts = unix::facts(
        kind_from(FileType::from_raw_mode(data.stx_mode.into())),
        [device, data.stx_ino, data.stx_size, data.stx_mode.into()],
        (modified.tv_sec, modified.tv_nsec.into()),
        (changed.tv_sec, changed.tv_nsec.into()),
    );
    Ok(Facts { is_immutable: data.stx_attributes.contains(StatxAttributes::IMMUTABLE), ..facts })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn facts(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    Ok(facts_from(&sys::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

#[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn facts_from(stat: &sys::Stat) -> Facts {
    let (device, inode) = id(stat);
    unix::facts(
        kind_of(stat),
        [device, inode, stat.st_size.cast_unsigned(), stat.st_mode as u64],
        (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    )
}

/// Hands over the names but `.` and `..`, in no order, until told to stop.
pub(super) fn each(directory: &Handle, take: &mut impl FnMut(OsString) -> bool) -> io::Result<()> {
    for entry in sys::Dir::new(sys::openat(directory, ".", DIRECTORY, Mode::empty())?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !take(OsString::from_vec(name.to_vec())) {
            break;
        }
    }
    Ok(())
}

/// Returns the names except `.` and `..`, in no order. Names that disappear are skipped.
pub(super) fn list(directory: &Handle) -> io::Result<Vec<(OsString, FileKind)>> {
    let mut entries = Vec::new();
    // A directory that was opened only for traversal cannot be read by its own descriptor.
    for entry in sys::Dir::new(sys::openat(directory, ".", DIRECTORY, Mode::empty())?)? {
        let entry = entry?;
        add_entry(&mut entries, directory, entry.file_name(), entry.file_type())?;
    }
    Ok(entries)
}

/// Does the same with a directory that was just opened, by its own descriptor: it can be done only
/// once.
#[cfg(target_os = "linux")]
pub(super) fn list_new(directory: &Handle) -> io::Result<Vec<(OsString, FileKind)>> {
    let mut entries = Vec::new();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 8192];
    let mut raw = sys::RawDir::new(directory, &mut buffer);
    while let Some(entry) = raw.next() {
        let entry = entry?;
        add_entry(&mut entries, directory, entry.file_name(), entry.file_type())?;
    }
    Ok(entries)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn list_new(directory: &Handle) -> io::Result<Vec<(OsString, FileKind)>> {
    list(directory)
}

fn add_entry(
    entries: &mut Vec<(OsString, FileKind)>,
    directory: &Handle,
    name: &CStr,
    file_type: FileType,
) -> io::Result<()> {
    let name = name.to_bytes();
    if name == b"." || name == b".." {
        return Ok(());
    }
    let name = OsString::from_vec(name.to_vec());
    let kind = match file_type {
        FileType::Unknown => match node(directory, &name) {
            Ok(node) => node.kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        },
        file_type => kind_from(file_type),
    };
    entries.push((name, kind));
    Ok(())
}

pub(super) fn read_link(directory: &Handle, name: &OsStr) -> io::Result<PathBuf> {
    let target = sys::readlinkat(directory, name, Vec::with_capacity(256))?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// Without an allocation for each of a thousand links. A longer one is looked at more closely.
pub(super) fn is_link_to(directory: &Handle, name: &OsStr, target: &[u8]) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    let length = sys::readlinkat_raw(directory, name, &mut buffer[..])?;
    Ok(length < buffer.len() && buffer[..length] == *target)
}

/// Opens a regular file, and nothing else: the descriptor tells the kind.
pub(super) fn open_file(directory: &Handle, name: &OsStr) -> io::Result<(File, Node)> {
    regular(sys::openat(directory, name, FILE, Mode::empty())?)
}

/// Opens what has a name, and fails for a link.
pub(super) fn open_any(directory: &Handle, name: &OsStr) -> io::Result<File> {
    Ok(File::from(sys::openat(directory, name, FILE, Mode::empty())?))
}

/// The same of a regular file with everything that the system tells of it, in one call.
pub(super) fn open_known(directory: &Handle, name: &OsStr) -> io::Result<(File, Node, Facts)> {
    let file = File::from(sys::openat(directory, name, FILE, Mode::empty())?);
    let stat = sys::fstat(&file)?;
    let node = node_from(&stat);
    if node.kind != FileKind::File {
        return Err(no_file(node.kind));
    }
    Ok((file, node, facts_from(&stat)))
}

/// The same at a path; its parents may be links.
pub(super) fn open_file_at(path: &Path) -> io::Result<(File, Node)> {
    regular(sys::openat(CWD, path, FILE, Mode::empty())?)
}

fn regular(file: OwnedFd) -> io::Result<(File, Node)> {
    let file = File::from(file);
    let node = node_from(&sys::fstat(&file)?);
    if node.kind == FileKind::File { Ok((file, node)) } else { Err(no_file(node.kind)) }
}

fn no_file(kind: FileKind) -> io::Error {
    match kind {
        FileKind::Directory => io::ErrorKind::IsADirectory.into(),
        _ => io::Error::other("it is not a regular file"),
    }
}

/// Opens a regular file to replace its content, and returns its size, or `None` if there is no file
/// with this single name.
pub(super) fn open_to_write(directory: &Handle, name: &OsStr) -> io::Result<Option<(File, u64)>> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match sys::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        // What a link is called where it may not be opened.
        Err(error) => match node(directory, name) {
            Ok(node) if node.kind == FileKind::Symlink => return Ok(None),
            _ => return Err(error.into()),
        },
    };
    let node = node_from(&sys::fstat(&file)?);
    match node.kind {
        FileKind::File if node.links > 1 => Ok(None),
        FileKind::File => Ok(Some((file, node.size))),
        kind => Err(no_file(kind)),
    }
}

pub(super) fn check_writable(directory: &Handle) -> io::Result<()> {
    Ok(sys::accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

pub(super) fn make_directory(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(sys::mkdirat(directory, name, mode_from(mode))?)
}

pub(super) fn remove_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(sys::unlinkat(directory, name, AtFlags::REMOVEDIR)?)
}

pub(super) fn symlink(target: &Path, directory: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(sys::symlinkat(target, directory, name)?)
}

pub(super) fn remove(directory: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(sys::unlinkat(directory, name, AtFlags::empty())?)
}

pub(super) fn hard_link(
    of: &Handle,
    original: &OsStr,
    directory: &Handle,
    name: &OsStr,
) -> io::Result<()> {
    Ok(sys::linkat(of, original, directory, name, AtFlags::empty())?)
}

pub(super) fn rename(
    from: &Handle,
    name: &OsStr,
    to: &Handle,
    new: &OsStr,
    keep: bool,
) -> io::Result<()> {
    if !keep {
        return Ok(sys::renameat(from, name, to, new)?);
    }
    match sys::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            match sys::statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(Errno::NOENT) => Ok(sys::renameat(from, name, to, new)?),
                Err(error) => Err(error.into()),
            }
        }
        result => Ok(result?),
    }
}

pub(super) fn exchange(directory: &Handle, name: &OsStr, other: &OsStr) -> io::Result<()> {
    match sys::renameat_with(directory, name, directory, other, RenameFlags::EXCHANGE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        result => return Ok(result?),
    }
    let mut aside = name.to_owned();
    aside.push("-aside");
    sys::linkat(directory, other, directory, &aside, AtFlags::empty())?;
    sys::renameat(directory, name, directory, other)?;
    Ok(sys::renameat(directory, &aside, directory, name)?)
}

/// Returns owner and group of a file, where there are such.
pub(super) fn owner_of(file: &File) -> io::Result<Option<(u32, u32)>> {
    let seen = sys::fstat(file)?;
    Ok(Some((seen.st_uid, seen.st_gid)))
}

/// Gives a file the attributes and lists of users of another one, as far as the system permits.
#[cfg(target_os = "linux")]
pub(super) fn copy_attributes(directory: &Handle, like: &OsStr, file: &File) {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
    let Ok(from) = sys::openat(directory, like, FILE, Mode::empty()) else { return };
    let (mut names, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let Ok(length) = flistxattr(&from, &mut names[..]) else { return };
    for name in names[..length].split(|byte| *byte == 0) {
        let is_kept = name.starts_with(b"user.") || name == b"system.posix_acl_access";
        if is_kept && let Ok(length) = fgetxattr(&from, name, &mut value[..]) {
            let _ = fsetxattr(file, name, &value[..length], XattrFlags::empty());
        }
    }
}

/// Gives a file the attributes of another one: not done on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn copy_attributes(_directory: &Handle, _like: &OsStr, _file: &File) {}

pub(super) fn create_file(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<File> {
    Ok(File::from(sys::openat(directory, name, NEW_FILE, mode_from(mode))?))
}

pub(super) fn set_rights(file: &File, new: &NewFile<'_>) -> io::Result<()> {
    // While this process may write to it.
    if let Some(mark) = new.mark {
        super::owner_xattr::set(file, mark);
    }
    if new.owner.is_some() || new.group.is_some() {
        let owner = new.owner.map(sys::Uid::from_raw);
        sys::fchown(file, owner, new.group.map(sys::Gid::from_raw))?;
    }
    // After the owner: a change of owner takes bits away.
    set_mode_of(file, new.mode)
}

/// Gives a directory these permission bits, owner and group.
pub(super) fn set_rights_of(
    directory: &Handle,
    name: &OsStr,
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    let (user, users) = (owner.map(sys::Uid::from_raw), group.map(sys::Gid::from_raw));
    let inner = match sys::openat(directory, name, DIRECTORY, Mode::empty()) {
        // Its owner may not read it.
        Err(Errno::ACCESS) => {
            if user.is_some() || users.is_some() {
                sys::chownat(directory, name, user, users, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            return mode.map_or(Ok(()), |mode| set_mode_unread(directory, name, mode));
        }
        inner => inner?,
    };
    if user.is_some() || users.is_some() {
        sys::fchown(&inner, user, users)?;
    }
    // After the owner: a change of owner takes bits away.
    mode.map_or(Ok(()), |mode| Ok(sys::fchmod(&inner, mode_from(mode))?))
}

pub(super) fn set_mode_of(file: &File, mode: u32) -> io::Result<()> {
    Ok(sys::fchmod(file, mode_from(mode))?)
}

pub(super) fn set_mode(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    match sys::openat(directory, name, FILE, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            let node = node_from(&sys::fstat(&file)?);
            match node.kind {
                FileKind::File if node.links > 1 => separate(directory, name, file, mode),
                FileKind::File | FileKind::Directory => Ok(sys::fchmod(&file, mode_from(mode))?),
                kind => Err(no_file(kind)),
            }
        }
        Err(Errno::ACCESS) => set_mode_unread(directory, name, mode),
        Err(error) => Err(error.into()),
    }
}

/// Puts a copy with another mode in the place of a file that has other names, wherever these are.
fn separate(directory: &Handle, name: &OsStr, mut file: File, mode: u32) -> io::Result<()> {
    let temporary = OsString::from(format!(".syslua-{}", super::random_name()?));
    let mut copy = create_file(directory, &temporary, 0o600)?;
    let copied = io::copy(&mut file, &mut copy).and_then(|_| set_mode_of(&copy, mode));
    let placed = copied.and_then(|()| rename(directory, &temporary, directory, name, false));
    placed.inspect_err(|_| drop(remove(directory, &temporary)))
}

/// Sets the mode of what its owner may not read, and so not open for anything but that.
#[cfg(target_os = "linux")]
fn set_mode_unread(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = sys::openat(directory, name, flags, Mode::empty())?;
    let node = node_from(&sys::fstat(&handle)?);
    match node.kind {
        FileKind::File if node.links > 1 => {
            Err(io::Error::other("it may not be read, and has other names"))
        }
        // The kernel's own link leads to what the descriptor is, whatever has the name by now.
        FileKind::File | FileKind::Directory => {
            Ok(sys::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), mode_from(mode))?)
        }
        kind => Err(no_file(kind)),
    }
}

#[cfg(not(target_os = "linux"))]
fn set_mode_unread(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(sys::chmodat(directory, name, mode_from(mode), AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(super) fn set_own_mode(directory: &Handle, mode: u32) -> io::Result<()> {
    match sys::fchmod(directory, mode_from(mode)) {
        // Only for traversal.
        Err(Errno::BADF) => Ok(sys::fchmod(
            sys::openat(directory, ".", DIRECTORY, Mode::empty())?,
            mode_from(mode),
        )?),
        result => Ok(result?),
    }
}

pub(super) fn normalise(
    directory: &Handle,
    name: &OsStr,
    mode: impl FnOnce(&Node) -> u32,
) -> io::Result<Node> {
    let found = node(directory, name)?;
    let time = super::modify::old_timestamps();
    match found.kind {
        FileKind::Symlink => {
            if !is_own(&found) {
                let (user, group) = own();
                sys::chownat(directory, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            sys::utimensat(directory, name, &time, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(found)
        }
        FileKind::File | FileKind::Directory => {
            let file = File::from(sys::openat(directory, name, FILE, Mode::empty())?);
            let node = node_from(&sys::fstat(&file)?);
            if node.kind != found.kind {
                return Err(io::Error::other("it changed during the operation"));
            }
            make_plain(&file, &node)?;
            sys::fchmod(&file, mode_from(mode(&node)))?;
            sys::futimens(&file, &time)?;
            Ok(node)
        }
        FileKind::Special => Err(no_file(found.kind)),
    }
}

fn own() -> (sys::Uid, sys::Gid) {
    (rustix::process::geteuid(), rustix::process::getegid())
}

fn is_own(node: &Node) -> bool {
    let (user, group) = own();
    node.owner == user.as_raw() && node.group == group.as_raw()
}

pub(super) fn make_plain_file(file: &File) -> io::Result<()> {
    make_plain(file, &node_from(&sys::fstat(file)?))
}

/// Gives a file to the user whose rights this process has, and takes away what modes do not say.
fn make_plain(file: &File, node: &Node) -> io::Result<()> {
    if !is_own(node) {
        let (user, group) = own();
        sys::fchown(file, Some(user), Some(group))?;
    }
    remove_attributes(file)
}

#[cfg(target_os = "linux")]
fn remove_attributes(file: &File) -> io::Result<()> {
    use rustix::fs::{flistxattr, fremovexattr};
    let mut names = vec![0; 4096];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    unix::removable_attributes(&names[..length]).try_for_each(|name| Ok(fremovexattr(file, name)?))
}

#[cfg(not(target_os = "linux"))]
fn remove_attributes(_file: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn set_immutable(directory: &Handle, name: &OsStr, immutable: bool) -> io::Result<()> {
    // A look costs less than to open it, and nearly all files of a changed tree are those of the
    // one before.
    if immutable && facts(directory, name).is_ok_and(|facts| facts.is_immutable) {
        return Ok(());
    }
    let file = sys::openat(directory, name, FILE, Mode::empty())?;
    if matches!(kind_of(&sys::fstat(&file)?), FileKind::File | FileKind::Directory) {
        unix::set_immutable_of(&file, immutable)?;
    }
    Ok(())
}

/// Lifts the flag of what is immutable, and returns that.
pub(super) fn lift_immutable(directory: &Handle, name: &OsStr) -> io::Result<Option<File>> {
    let file = File::from(sys::openat(directory, name, FILE, Mode::empty())?);
    if !unix::is_immutable_file(&file) {
        return Ok(None);
    }
    unix::set_immutable_of(&file, false)?;
    Ok(Some(file))
}

/// Removes a file that is immutable; other names that it has are so again after that.
pub(super) fn remove_immutable(directory: &Handle, name: &OsStr) -> io::Result<()> {
    let file = sys::openat(directory, name, FILE, Mode::empty())?;
    let node = node_from(&sys::fstat(&file)?);
    unix::set_immutable_of(&file, false)?;
    let removed = remove(directory, name);
    if node.links > 1 || removed.is_err() {
        unix::set_immutable_of(&file, true)?;
    }
    removed
}

fn mode_from(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as sys::RawMode)
}
