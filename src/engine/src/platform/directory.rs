//! Working in one directory by its descriptor: names in it are never followed, and whoever swaps a
//! directory above it for a link leads us nowhere.
//!
//! As root, below a directory that belongs to somebody else, everything is done with that user's
//! rights. Elsewhere than on Unix, paths stand in for descriptors.
//!
//! It is over 600 lines, since both ways of doing each operation, on Unix and elsewhere, stand side by side.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fault::Operation;
use super::{Actor, Error, FileKind, Result, failed, fault};
use crate::hash::{Hash, Hasher, Sink};
use crate::settings::Interrupt;

/// A directory that is open.
#[derive(Debug)]
pub struct Directory {
    raw: raw::Handle,
    path: PathBuf,
    actor: Option<Actor>,
}

/// What tells a file from others, also after it got another name or the machine started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number on the file system.
    pub inode: u64,
    /// Size and time of the last change of content, in seconds and nanoseconds; of directories, whose
    /// entries may come and go, nothing.
    pub content: Option<(u64, i64, i64)>,
}

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: FileKind,
    /// Which one it is.
    pub identity: Identity,
    /// Its permission bits.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
    /// The file system that it is on, and where that is mounted.
    pub device: (u64, u64),
}

/// The content and the rights of a file to write.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// A file with the content. It is read with our own rights.
    pub source: &'a Path,
    /// Permission bits.
    pub mode: u32,
    /// The number of its owner; whoever writes it unless given.
    pub owner: Option<u32>,
    /// The number of its group.
    pub group: Option<u32>,
    /// What tells whose it is; a file system that cannot hold it does without.
    pub mark: Option<&'a [u8]>,
}

/// Returns what stands at a path, of which the last component is not followed.
///
/// # Errors
/// When the system does not tell.
pub fn look(path: &Path) -> Result<Option<Seen>> {
    match raw::seen_at_path(path) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Directory {
    /// Opens a directory by its absolute path, none of whose components may be a link.
    ///
    /// # Errors
    /// When it is missing, a component is no directory, or the system refuses.
    pub fn open(path: &Path) -> Result<Directory> {
        let (raw, actor) = raw::walk(path).map_err(failed("open the directory", path))?;
        Ok(Directory { raw, path: path.to_owned(), actor })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn act<T>(&self, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        Actor::act(self.actor.as_ref(), run)
    }

    fn change<T>(
        &self,
        operation: &'static str,
        name: &OsStr,
        run: impl FnOnce() -> io::Result<T>,
        record: impl FnOnce() -> Operation,
    ) -> Result<T> {
        let path = self.path.join(name);
        fault::point().and_then(|()| self.act(run)).inspect(|_| fault::done(record)).map_err(failed(operation, &path))
    }

    /// Returns what stands at a name.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn look(&self, name: &OsStr) -> Result<Option<Seen>> {
        match self.act(|| raw::seen(&self.raw, name)) {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("look at", &self.path.join(name))(error)),
        }
    }

    /// Returns where a link leads, or `None` where no link stands.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn read_link(&self, name: &OsStr) -> Result<Option<PathBuf>> {
        self.act(|| raw::read_link(&self.raw, name)).map(Some).or_else(|error| self.unless_link(name, error))
    }

    /// Returns whether a link to exactly `target` stands at a name.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_link_to(&self, name: &OsStr, target: &[u8]) -> Result<bool> {
        self.act(|| raw::is_link_to(&self.raw, name, target)).or_else(|error| self.unless_link(name, error))
    }

    /// What is told of a name where no link stands.
    fn unless_link<T: Default>(&self, name: &OsStr, error: io::Error) -> Result<T> {
        if is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput {
            return Ok(T::default());
        }
        Err(failed("read the link", &self.path.join(name))(error))
    }

    /// Opens a regular file to read it.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn open_file(&self, name: &OsStr) -> Result<File> {
        self.act(|| raw::open_file(&self.raw, name)).map_err(failed("read", &self.path.join(name)))
    }

    /// Returns the SHA-256 of a regular file's content.
    ///
    /// # Errors
    /// When it cannot be read, or somebody asked to stop.
    pub fn hash(&self, name: &OsStr, interrupt: &Interrupt) -> Result<Hash> {
        let mut file = self.open_file(name)?;
        let mut hasher = Hasher::default();
        let mut buffer = [0; 1 << 16];
        loop {
            interrupt.check().map_err(failed("read", &self.path.join(name)))?;
            match file.read(&mut buffer).map_err(failed("read", &self.path.join(name)))? {
                0 => return Ok(hasher.finish()),
                read => hasher.put(&buffer[..read]),
            }
        }
    }

    /// Returns whether a regular file has this content. Nobody can say so of one that may not be read: then it has not.
    ///
    /// # Errors
    /// When it cannot be read for another reason, or somebody asked to stop.
    pub fn has_content(&self, name: &OsStr, digest: Hash, interrupt: &Interrupt) -> Result<bool> {
        match self.hash(name, interrupt) {
            Err(error) if error.is_denied() => Ok(false),
            found => Ok(found? == digest),
        }
    }

    /// Returns what tells whose regular file this is, if it says so.
    pub fn read_mark(&self, name: &OsStr) -> Option<Vec<u8>> {
        super::mark::read(&self.open_file(name).ok()?)
    }

    /// Returns whether we may create and remove names here; errors say why not.
    ///
    /// # Errors
    /// When we may not.
    pub fn check_writable(&self) -> Result<()> {
        self.act(|| raw::check_writable(&self.raw, &self.path)).map_err(failed("write to", &self.path))
    }

    /// Creates a directory.
    ///
    /// # Errors
    /// When something stands there or the system refuses.
    pub fn make_directory(&self, name: &OsStr) -> Result<()> {
        self.change(
            "create the directory",
            name,
            || raw::make_directory(&self.raw, name),
            || Operation::MakeDirectory(self.path.join(name)),
        )
    }

    /// Creates a directory with exactly these permission bits, whatever the umask; those of a new directory unless given.
    ///
    /// # Errors
    /// When something stands there or the system refuses.
    pub fn make_with_rights(&self, name: &OsStr, mode: Option<u32>) -> Result<()> {
        let Some(mode) = mode else { return self.make_directory(name) };
        let create = || {
            raw::make_private_directory(&self.raw, name)?;
            raw::set_rights_of(&self.raw, name, Some(mode), None, None)
        };
        self.change("create the directory", name, create, || Operation::MakeDirectory(self.path.join(name)))
    }

    /// Gives a directory these permission bits, owner and group, as far as they are given.
    ///
    /// # Errors
    /// When none stands there or the system refuses.
    pub fn set_rights(&self, name: &OsStr, mode: Option<u32>, owner: Option<u32>, group: Option<u32>) -> Result<()> {
        let change = || raw::set_rights_of(&self.raw, name, mode, owner, group);
        self.change("change the rights of", name, change, || Operation::Other)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not empty, or the system refuses.
    pub fn remove_directory(&self, name: &OsStr) -> Result<()> {
        self.change(
            "remove the directory",
            name,
            || raw::remove_directory(&self.raw, name),
            || Operation::RemoveDirectory(self.path.join(name)),
        )
    }

    /// Creates a symbolic link where nothing stands.
    ///
    /// # Errors
    /// When something stands there or the system refuses.
    pub fn symlink(&self, target: &Path, name: &OsStr) -> Result<()> {
        self.change(
            "create the link",
            name,
            || raw::symlink(target, &self.raw, name),
            || Operation::Symlink(target.to_owned(), self.path.join(name)),
        )
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// When it is missing or the system refuses.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        self.change("remove", name, || raw::remove(&self.raw, name), || Operation::Remove(self.path.join(name)))
    }

    /// Gives a file a second name, where nothing stands.
    ///
    /// # Errors
    /// When the system refuses, for example since the file system knows no second names.
    pub fn hard_link(&self, name: &OsStr, second: &OsStr) -> Result<()> {
        self.change(
            "link to",
            second,
            || raw::hard_link(&self.raw, name, second),
            || Operation::HardLink(self.path.join(name), self.path.join(second)),
        )
    }

    /// Renames over whatever file or link stands at the new name.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename_over(&self, name: &OsStr, to: &Directory, new: &OsStr) -> Result<()> {
        self.rename(name, to, new, false)
    }

    /// Renames to a name that nothing has.
    ///
    /// # Errors
    /// When something stands there or the system refuses.
    pub fn rename_new(&self, name: &OsStr, to: &Directory, new: &OsStr) -> Result<()> {
        self.rename(name, to, new, true)
    }

    fn rename(&self, name: &OsStr, to: &Directory, new: &OsStr, keep: bool) -> Result<()> {
        // Between our own directories and those of a user, only we ourselves have all rights; the
        // descriptors still name the places that were checked.
        let actor = if self.actor == to.actor { self.actor.as_ref() } else { None };
        let path = to.path.join(new);
        fault::point()
            .and_then(|()| Actor::act(actor, || raw::rename(&self.raw, name, &to.raw, new, keep)))
            .inspect(|()| {
                let record = if keep { Operation::RenameNew } else { Operation::Rename };
                fault::done(|| record(self.path.join(name), path.clone()));
            })
            .map_err(failed("rename to", &path))
    }

    /// Writes a file at a name that nothing has; it is not synced.
    ///
    /// # Errors
    /// When something stands there, the source cannot be read, or the system refuses.
    pub fn write_file(&self, name: &OsStr, new: NewFile<'_>) -> Result<()> {
        let mut content = Vec::new();
        let mut source = File::open(new.source).map_err(failed("read", new.source))?;
        let path = self.path.join(name);
        fault::point().map_err(failed("write", &path))?;
        let mut file = self.act(|| raw::create_file(&self.raw, name)).map_err(failed("write", &path))?;
        let mut buffer = vec![0; 1 << 16];
        let result = (|| -> io::Result<()> {
            loop {
                let read = source.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                self.act(|| file.write_all(&buffer[..read]))?;
                if cfg!(any(test, feature = "fault-injection")) {
                    content.extend_from_slice(&buffer[..read]);
                }
            }
            // By the descriptor, so that a name that was swapped meanwhile gets nothing.
            raw::set_rights(&file, new)
        })();
        result.map_err(failed("write", &path))?;
        fault::done(|| Operation::Write(path, content));
        Ok(())
    }

    /// Waits until everything that was written to this file system is on the disk.
    ///
    /// # Errors
    /// When the system reports a failed write.
    pub fn sync_file_system(&self) -> Result<()> {
        super::sync_file_system(&self.path)
    }

    /// Returns the names in it, in the order of their bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self) -> Result<Vec<(OsString, FileKind)>> {
        let listed = self.act(|| super::list_directory(&self.path).map_err(|error| error.cause));
        listed.map_err(|cause| Error { operation: "list", path: self.path.clone(), cause })
    }
}

#[cfg(unix)]
mod raw {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStringExt;
    use std::path::{Component, Path, PathBuf};

    use rustix::fs::{self as sys, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};

    use super::{Actor, FileKind, Identity, NewFile, Seen};

    pub type Handle = OwnedFd;

    #[cfg(target_os = "linux")]
    const LOOK: OFlags = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    const LOOK: OFlags = OFlags::RDONLY;

    /// Opens a directory component by component, and tells with whose rights to work in it.
    pub fn walk(path: &Path) -> io::Result<(Handle, Option<Actor>)> {
        let flags = LOOK | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let is_root = rustix::process::geteuid().is_root();
        let mut actor: Option<Actor> = None;
        let mut handle = sys::openat(CWD, "/", flags, Mode::empty())?;
        for component in path.components() {
            match component {
                Component::RootDir => {}
                Component::Normal(name) => {
                    handle = Actor::act(actor.as_ref(), || sys::openat(&handle, name, flags, Mode::empty()))?;
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

    #[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
    fn seen_of(stat: &sys::Stat) -> Seen {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            _ => FileKind::Special,
        };
        let content = (stat.st_size.cast_unsigned(), stat.st_mtime as i64, stat.st_mtime_nsec as i64);
        Seen {
            kind,
            identity: Identity { inode: stat.st_ino as u64, content: (kind != FileKind::Directory).then_some(content) },
            mode: stat.st_mode as u32 & 0o7777,
            owner: stat.st_uid,
            group: stat.st_gid,
            device: (stat.st_dev as u64, 0),
        }
    }

    pub fn seen(directory: &Handle, name: &OsStr) -> io::Result<Seen> {
        Ok(seen_of(&sys::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    pub fn seen_at_path(path: &Path) -> io::Result<Seen> {
        let mut seen = seen_of(&sys::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?);
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

    pub fn read_link(directory: &Handle, name: &OsStr) -> io::Result<PathBuf> {
        let target = sys::readlinkat(directory, name, Vec::with_capacity(256))?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
    }

    /// Without an allocation for each of a thousand links. A longer one is looked at more closely.
    pub fn is_link_to(directory: &Handle, name: &OsStr, target: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        let length = sys::readlinkat_raw(directory, name, &mut buffer[..])?;
        Ok(length < buffer.len() && buffer[..length] == *target)
    }

    pub fn open_file(directory: &Handle, name: &OsStr) -> io::Result<File> {
        // A named pipe must not keep us waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(sys::openat(directory, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }

    pub fn check_writable(_directory: &Handle, path: &Path) -> io::Result<()> {
        use rustix::fs::{Access, accessat};
        Ok(accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }

    pub fn make_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        Ok(sys::mkdirat(directory, name, Mode::from_raw_mode(0o777))?)
    }

    pub fn remove_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(directory, name, AtFlags::REMOVEDIR)?)
    }

    pub fn symlink(target: &Path, directory: &Handle, name: &OsStr) -> io::Result<()> {
        Ok(sys::symlinkat(target, directory, name)?)
    }

    pub fn remove(directory: &Handle, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(directory, name, AtFlags::empty())?)
    }

    pub fn hard_link(directory: &Handle, name: &OsStr, second: &OsStr) -> io::Result<()> {
        Ok(sys::linkat(directory, name, directory, second, AtFlags::empty())?)
    }

    pub fn rename(from: &Handle, name: &OsStr, to: &Handle, new: &OsStr, keep: bool) -> io::Result<()> {
        if !keep {
            return Ok(sys::renameat(from, name, to, new)?);
        }
        match sys::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                match sys::statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                    Err(rustix::io::Errno::NOENT) => Ok(sys::renameat(from, name, to, new)?),
                    Err(error) => Err(error.into()),
                }
            }
            result => Ok(result?),
        }
    }

    pub fn create_file(directory: &Handle, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(sys::openat(directory, name, flags, Mode::from_raw_mode(0o600))?))
    }

    pub fn make_private_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        Ok(sys::mkdirat(directory, name, Mode::RWXU)?)
    }

    pub fn set_rights_of(
        directory: &Handle,
        name: &OsStr,
        mode: Option<u32>,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inner = sys::openat(directory, name, flags, Mode::empty())?;
        if owner.is_some() || group.is_some() {
            sys::fchown(&inner, owner.map(rustix::fs::Uid::from_raw), group.map(rustix::fs::Gid::from_raw))?;
        }
        // After the owner: a change of owner takes bits away.
        if let Some(mode) = mode {
            sys::fchmod(&inner, Mode::from_raw_mode(mode as sys::RawMode))?;
        }
        Ok(())
    }

    pub fn set_rights(file: &File, new: NewFile<'_>) -> io::Result<()> {
        // As long as we may write to it.
        if let Some(mark) = new.mark {
            crate::platform::mark::set(file, mark);
        }
        if new.owner.is_some() || new.group.is_some() {
            let owner = new.owner.map(rustix::fs::Uid::from_raw);
            sys::fchown(file, owner, new.group.map(rustix::fs::Gid::from_raw))?;
        }
        // After the owner: a change of owner takes bits away.
        Ok(sys::fchmod(file, Mode::from_raw_mode(new.mode as sys::RawMode))?)
    }
}

#[cfg(not(unix))]
mod raw {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::{Actor, FileKind, Identity, NewFile, Seen};
    use crate::platform::system;

    pub type Handle = PathBuf;

    pub fn walk(path: &Path) -> io::Result<(Handle, Option<Actor>)> {
        if fs::metadata(path)?.is_dir() {
            Ok((path.to_owned(), None))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub fn seen(directory: &Handle, name: &OsStr) -> io::Result<Seen> {
        seen_at_path(&directory.join(name))
    }

    pub fn seen_at_path(path: &Path) -> io::Result<Seen> {
        let data = fs::symlink_metadata(path)?;
        let kind = crate::platform::read::kind_from(data.file_type());
        let modified = data.modified()?.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(modified.as_secs()).unwrap_or_default();
        let content = (data.len(), seconds, i64::from(modified.subsec_nanos()));
        // The standard library tells no number of a file here: the time that it was created stays with it.
        let created = data.created()?.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let inode = u64::try_from(created.as_nanos()).unwrap_or_default();
        let identity = Identity { inode, content: (kind != FileKind::Directory).then_some(content) };
        Ok(Seen { kind, identity, mode: system::mode_of(&data), owner: 0, group: 0, device: (0, 0) })
    }

    pub fn read_link(directory: &Handle, name: &OsStr) -> io::Result<PathBuf> {
        fs::read_link(directory.join(name))
    }

    pub fn is_link_to(directory: &Handle, name: &OsStr, target: &[u8]) -> io::Result<bool> {
        Ok(system::bytes_of_path(&read_link(directory, name)?) == target)
    }

    pub fn open_file(directory: &Handle, name: &OsStr) -> io::Result<File> {
        File::open(directory.join(name))
    }

    pub fn check_writable(_directory: &Handle, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn make_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        fs::create_dir(directory.join(name))
    }

    pub fn remove_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(directory.join(name))
    }

    pub fn symlink(target: &Path, directory: &Handle, name: &OsStr) -> io::Result<()> {
        system::symlink(target, &directory.join(name))
    }

    pub fn remove(directory: &Handle, name: &OsStr) -> io::Result<()> {
        fs::remove_file(directory.join(name))
    }

    pub fn hard_link(directory: &Handle, name: &OsStr, second: &OsStr) -> io::Result<()> {
        fs::hard_link(directory.join(name), directory.join(second))
    }

    pub fn rename(from: &Handle, name: &OsStr, to: &Handle, new: &OsStr, keep: bool) -> io::Result<()> {
        let place = to.join(new);
        if keep && fs::symlink_metadata(&place).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(from.join(name), place)
    }

    pub fn create_file(directory: &Handle, name: &OsStr) -> io::Result<File> {
        File::options().write(true).create_new(true).open(directory.join(name))
    }

    pub fn make_private_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
        make_directory(directory, name)
    }

    pub fn set_rights_of(
        _directory: &Handle,
        _name: &OsStr,
        _mode: Option<u32>,
        _owner: Option<u32>,
        _group: Option<u32>,
    ) -> io::Result<()> {
        Ok(())
    }

    pub fn set_rights(file: &File, new: NewFile<'_>) -> io::Result<()> {
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(new.mode & 0o200 == 0);
        file.set_permissions(permissions)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn no_component_may_be_a_link() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        assert!(Directory::open(&base.join("real")).is_ok());
        assert!(Directory::open(&base.join("link")).is_err());
        assert!(Directory::open(&base.join("link/below")).is_err());
    }

    #[test]
    fn a_new_name_replaces_nothing() {
        let base = tempfile::tempdir().unwrap();
        let directory = Directory::open(&base.path().canonicalize().unwrap()).unwrap();
        let (one, two) = (OsStr::new("one"), OsStr::new("two"));
        directory.symlink(Path::new("1"), one).unwrap();
        directory.symlink(Path::new("2"), two).unwrap();
        assert!(directory.rename_new(one, &directory, two).unwrap_err().is_already_there());
        assert_eq!(directory.read_link(two).unwrap(), Some("2".into()));
        directory.rename_over(one, &directory, two).unwrap();
        assert_eq!(directory.read_link(two).unwrap(), Some("1".into()));
        assert_eq!(directory.read_link(one).unwrap(), None);
    }
}
