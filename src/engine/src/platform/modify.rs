//! Changing the file system: one numbered operation a function.
//!
//! Every file has its final mode from its creation, whatever the umask is, so others cannot read it
//! for a moment. By default that is 0755 for directories and 0644 for files, because the
//! directories of a root control access; only files in directories of the user have the mode that
//! the umask leaves.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::fault::Operation;
use super::{Result, failed, fault, system};
use crate::settings::Interrupt;

/// Passes the fault point, then performs the operation.
fn perform<T>(
    operation: &'static str,
    path: &Path,
    run: impl FnOnce() -> io::Result<T>,
) -> Result<T> {
    perform_as(operation, path, run, || Operation::Other)
}

/// The same for an operation that a replay must know.
fn perform_as<T>(
    operation: &'static str,
    path: &Path,
    run: impl FnOnce() -> io::Result<T>,
    record: impl FnOnce() -> Operation,
) -> Result<T> {
    fault::point()
        .and_then(|()| run())
        .inspect(|_| fault::done(record))
        .map_err(failed(operation, path))
}

/// Removes a file that an operation left when it failed; a halted process removes nothing.
fn tidy(path: &Path) {
    let _ = fault::point().and_then(|()| fs::remove_file(path));
}

/// The mode of a file that those may read who can reach it.
const FILE: u32 = 0o644;
/// The mode of such a directory.
const DIRECTORY: u32 = 0o755;
/// The mode of a private file.
const PRIVATE: u32 = 0o600;

/// Creates one directory.
///
/// # Errors
/// When it exists or cannot be created.
pub fn create_directory(path: &Path) -> Result<()> {
    create_directory_as(path, DIRECTORY)
}

/// Creates one directory with this mode.
///
/// # Errors
/// When it exists or cannot be created.
pub fn create_directory_as(path: &Path, mode: u32) -> Result<()> {
    let create = || system::create_directory(path, mode);
    perform_as("create the directory", path, create, || Operation::MakeDirectory(path.to_owned()))
}

/// Creates a directory and whatever is missing above it; returns those that were created, outermost
/// first.
///
/// # Errors
/// When one cannot be created.
pub fn create_directories(path: &Path) -> Result<Vec<PathBuf>> {
    create_directories_as(path, DIRECTORY)
}

/// The same with this mode for all that are created.
///
/// # Errors
/// When one cannot be created.
pub fn create_directories_as(path: &Path, mode: u32) -> Result<Vec<PathBuf>> {
    make_missing(path, |directory| create_directory_as(directory, mode))
}

/// The same in a directory of the user, with what the umask leaves of the mode.
///
/// # Errors
/// When one cannot be created.
pub fn create_user_directories(path: &Path) -> Result<Vec<PathBuf>> {
    make_missing(path, |directory| {
        let create = || system::create_user_directory(directory, DIRECTORY);
        perform_as("create the directory", directory, create, || {
            Operation::MakeDirectory(directory.to_owned())
        })
    })
}

fn make_missing(path: &Path, create: impl Fn(&Path) -> Result<()>) -> Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let mut current = Some(path);
    while let Some(directory) = current {
        if fs::metadata(directory).is_ok_and(|metadata| metadata.is_dir()) {
            break;
        }
        missing.push(directory);
        current = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    }
    let mut created = Vec::new();
    for directory in missing.into_iter().rev() {
        match create(directory) {
            Ok(()) => created.push(directory.to_owned()),
            // Another process was faster, or a file is in the way.
            Err(error) if error.is_already_there() && directory.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(created)
}

/// Creates a file that must not exist.
///
/// # Errors
/// When it exists or cannot be created.
pub fn create_file(path: &Path) -> Result<File> {
    perform("create", path, || system::create_file(path, FILE))
}

/// Creates a file in a directory of the user, with the mode that the umask leaves.
///
/// # Errors
/// When it exists or cannot be created.
pub fn create_user_file(path: &Path) -> Result<File> {
    perform("create", path, || OpenOptions::new().write(true).create_new(true).open(path))
}

/// Opens a private file to read and write it, creating it if it is missing.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn create_private_file(path: &Path) -> Result<File> {
    perform("create", path, || system::open_private_file(path))
}

/// Puts an empty private file in the place of another.
///
/// # Errors
/// When one of the steps fails; the old file stays.
pub(super) fn replace_by_private_file(path: &Path) -> Result<()> {
    let temporary = temporary_beside(path);
    let created =
        perform("create", &temporary, || system::create_file(&temporary, PRIVATE).map(drop));
    created.and_then(|()| rename(&temporary, path)).inspect_err(|_| tidy(&temporary))
}

/// Opens a file to write at its end, creating it when it is missing.
///
/// # Errors
/// When it cannot be opened.
pub fn append_file(path: &Path) -> Result<File> {
    let open = || match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => system::create_file(path, FILE),
        opened => opened,
    };
    perform("open", path, open)
}

/// Writes a file, replacing what it had.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    write_file_as(path, content, FILE)
}

/// Writes a file, replacing what it had. A new one has this mode; an old one keeps its own.
///
/// # Errors
/// When it cannot be written.
pub fn write_file_as(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let write = || {
        let mut file = match system::create_file(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                File::options().write(true).open(path)?
            }
            created => created?,
        };
        // File systems see to it that what replaces the content of a file is on the disk when it is
        // closed, which takes time: an empty one is not cut off.
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
        }
        file.write_all(content)
    };
    perform_as("write", path, write, || Operation::Write(path.to_owned(), content.to_vec()))
}

/// Writes a file beside its place and renames it into place, so that readers see the old or the new
/// one.
///
/// # Errors
/// When one of the steps fails; the old file stays.
pub fn write_file_atomically(path: &Path, content: &[u8]) -> Result<()> {
    write_file_atomically_as(path, content, FILE)
}

/// The same for a file that only its owner reads.
///
/// # Errors
/// When one of the steps fails; the old file stays.
pub fn write_private_file_atomically(path: &Path, content: &[u8]) -> Result<()> {
    write_file_atomically_as(path, content, PRIVATE)
}

fn write_file_atomically_as(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content, mode).and_then(|()| rename(&temporary, path));
    written.inspect_err(|_| tidy(&temporary))
}

/// The same in a directory of the user: a new file has the mode that the umask leaves, an old one
/// keeps its own.
///
/// # Errors
/// When one of the steps fails; the old file stays.
pub fn write_user_file_atomically(path: &Path, content: &[u8]) -> Result<()> {
    if let Ok(present) = fs::metadata(path) {
        return write_file_atomically_as(path, content, system::mode_of(&present) & 0o777);
    }
    let temporary = temporary_beside(path);
    let write =
        || OpenOptions::new().write(true).create_new(true).open(&temporary)?.write_all(content);
    let record = || Operation::Write(temporary.clone(), content.to_vec());
    let written =
        perform_as("write", &temporary, write, record).and_then(|()| rename(&temporary, path));
    written.inspect_err(|_| tidy(&temporary))
}

/// Writes a small file whose readers can tell whether it is complete: directly if it does not
/// exist, otherwise as [`write_file_atomically`] does.
///
/// # Errors
/// When one of the steps fails; an old file stays, of a new one nothing does.
pub fn write_record(path: &Path, content: &[u8]) -> Result<()> {
    match write_new(path, content, FILE) {
        Err(error) if error.is_already_there() => write_file_atomically(path, content),
        Err(error) => {
            tidy(path);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Writes a private file beside its place; waits until its content, but not yet its name, is on the
/// disk.
///
/// # Errors
/// When one of the steps fails; the old file stays.
pub fn write_file_durably(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content, PRIVATE).and_then(|()| sync_file(&temporary));
    written.and_then(|()| rename(&temporary, path)).inspect_err(|_| tidy(&temporary))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let write = || system::create_file(path, mode)?.write_all(content);
    perform_as("write", path, write, || Operation::Write(path.to_owned(), content.to_vec()))
}

/// Writes at the end of a file that is there, and waits until it is on the disk.
///
/// # Errors
/// When one of the steps fails.
pub fn append_durably(path: &Path, content: &[u8]) -> Result<()> {
    perform_as(
        "write to",
        path,
        || OpenOptions::new().append(true).open(path)?.write_all(content),
        || Operation::Write(path.to_owned(), fs::read(path).unwrap_or_default()),
    )?;
    sync_file(path)
}

/// Waits until the content of a file is on the disk.
///
/// # Errors
/// When the system reports a failed write.
pub fn sync_file(path: &Path) -> Result<()> {
    perform_as(
        "sync",
        path,
        || File::open(path)?.sync_all(),
        || Operation::SyncFile(path.to_owned()),
    )
}

/// Renames; an existing file at the destination is replaced.
///
/// # Errors
/// When the system refuses, for example across file systems.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    perform_as(
        "rename to",
        to,
        || fs::rename(from, to),
        || Operation::Rename(from.to_owned(), to.to_owned()),
    )
}

/// Creates a symbolic link.
///
/// # Errors
/// When the name exists or the file cannot be created.
pub fn symlink(target: &Path, link: &Path) -> Result<()> {
    perform_as(
        "create the link",
        link,
        || system::symlink(target, link),
        || Operation::Symlink(target.to_owned(), link.to_owned()),
    )
}

/// Gives a file another name.
///
/// # Errors
/// When something has that name, or the file system has no such links.
pub fn hard_link(file: &Path, name: &Path) -> Result<()> {
    perform_as(
        "create the name",
        name,
        || fs::hard_link(file, name),
        || Operation::HardLink(file.to_owned(), name.to_owned()),
    )
}

/// Creates a symbolic link, or replaces an existing one, in one step for readers.
///
/// # Errors
/// When one of the steps fails; the old link stays.
pub fn replace_symlink(target: &Path, link: &Path) -> Result<()> {
    let temporary = temporary_beside(link);
    symlink(target, &temporary)?;
    rename(&temporary, link).inspect_err(|_| tidy(&temporary))
}

/// Removes a file or a symbolic link.
///
/// # Errors
/// When it is missing or cannot be removed.
pub fn remove_file(path: &Path) -> Result<()> {
    perform_as("remove", path, || fs::remove_file(path), || Operation::Remove(path.to_owned()))
}

/// Removes an empty directory.
///
/// # Errors
/// When it is not empty or cannot be removed.
pub fn remove_directory(path: &Path) -> Result<()> {
    perform_as(
        "remove the directory",
        path,
        || fs::remove_dir(path),
        || Operation::RemoveDirectory(path.to_owned()),
    )
}

/// Sets the permission bits of a file or directory; a symbolic link is followed.
///
/// # Errors
/// When the system refuses.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    perform("change the mode of", path, || system::set_mode(path, mode))
}

/// Makes a user of this name the owner, if this process is root; otherwise the owner stays.
///
/// # Errors
/// When the system refuses.
pub fn give_to(path: &Path, user: &str) -> Result<()> {
    perform("change the owner of", path, || system::give_to(path, user))
}

/// Gives a file or directory to the user and the group of a number. A link is given itself.
///
/// # Errors
/// When the system refuses.
pub fn give_to_number(path: &Path, user: u32) -> Result<()> {
    perform("change the owner of", path, || system::give_to_number(path, user))
}

/// Sets the modification time to one second after the epoch, as every object of the store has it.
///
/// # Errors
/// When the system refuses.
pub fn set_old_time(path: &Path) -> Result<()> {
    perform("set the time of", path, || {
        system::set_time(path, SystemTime::UNIX_EPOCH + Duration::from_secs(1))
    })
}

/// Sets the modification time of a file, which is made when it is missing, and says only that: it
/// is empty.
///
/// # Errors
/// When the system refuses.
pub fn touch(path: &Path, time: SystemTime) -> Result<()> {
    if !super::read::exists(path) {
        write_record(path, b"")?;
    }
    perform("set the time of", path, || system::set_time(path, time))
}

/// Returns whether a file has the time that [`set_old_time`] sets.
pub fn has_old_time(metadata: &fs::Metadata) -> bool {
    metadata.modified().is_ok_and(|time| time == SystemTime::UNIX_EPOCH + Duration::from_secs(1))
}

/// Copies a file's content and permission bits; returns the bytes copied.
///
/// # Errors
/// When it cannot be read or written, is not a regular file, or on an interrupt.
pub fn copy_file(from: &Path, to: &Path, interrupt: &Interrupt) -> Result<u64> {
    let copy = || {
        let source = super::read::open_regular(from)?;
        if source.metadata()?.len() <= COPIED_AT_ONCE {
            // The system may make two names of one content.
            return fs::copy(from, to);
        }
        copy_content(&source, to, interrupt)
    };
    perform("copy to", to, copy)
}

fn copy_content(source: &File, to: &Path, interrupt: &Interrupt) -> io::Result<u64> {
    let mut target = File::create(to)?;
    let mut copied = 0;
    loop {
        interrupt.check()?;
        match io::copy(&mut io::Read::take(source, COPIED_AT_ONCE), &mut target)? {
            0 => break,
            piece => copied += piece,
        }
    }
    target.set_permissions(source.metadata()?.permissions())?;
    Ok(copied)
}

/// Bytes that are copied between two checks for an interrupt.
const COPIED_AT_ONCE: u64 = 64 << 20;

/// Returns whether a file is immutable. Says no where it is not worth asking.
pub fn is_immutable(path: &Path) -> bool {
    system::may_set_immutable() && system::is_immutable(path)
}

/// What [`fixing_flag`] says of a file that takes no more than new bytes at its end.
pub const APPEND_ONLY: &str = "append-only";

/// Returns which flag keeps a file or directory from being renamed, in words; nothing without one,
/// or where the system does not tell. A link is not followed.
pub fn fixing_flag(path: &Path) -> Option<&'static str> {
    let [immutable, append_only] = system::fixing_flags(path);
    immutable.then_some("immutable").or_else(|| append_only.then_some(APPEND_ONLY))
}

/// The flags of an immutable file, which is open.
#[derive(Debug)]
pub struct ImmutableFile<'a> {
    file: &'a File,
    flags: system::Flags,
}

impl ImmutableFile<'_> {
    /// Makes it mutable for a moment: until [`protect`](ImmutableFile::protect).
    pub fn lift(&self) {
        // Callers that need the file notice.
        let _ = system::set_flags(self.file, &self.flags, false);
    }

    /// Makes it immutable again, under whatever names it has by now.
    pub fn protect(&self) {
        // A file system without such a flag had none to set again.
        let _ = system::set_flags(self.file, &self.flags, true);
    }
}

/// Returns a file that is open, if it is immutable. The caller may set and lift that.
pub fn immutable_file(file: &File) -> Option<ImmutableFile<'_>> {
    system::immutable_flags(file).map(|flags| ImmutableFile { file, flags })
}

/// Makes a file immutable again, under whatever names it has by now.
pub fn set_file_immutable(file: &File) {
    // A file system without such a flag had none to set again.
    let _ = system::set_immutable_of(file, true);
}

/// Waits until a directory's entries are on the disk.
///
/// # Errors
/// When the system reports a failed write.
pub fn sync_directory(path: &Path) -> Result<()> {
    perform_as(
        "sync",
        path,
        || system::sync_directory(path),
        || Operation::SyncDirectory(path.to_owned()),
    )
}

/// Waits until everything written to the file system that holds `path` is on the disk.
///
/// # Errors
/// When the system reports a failed write.
pub fn sync_file_system(path: &Path) -> Result<()> {
    perform_as("sync", path, || system::sync_file_system(path), || Operation::SyncFileSystem)
}

/// Returns a name beside `path` that nothing has.
fn temporary_beside(path: &Path) -> PathBuf {
    // Its keys differ from call to call, and from thread to thread.
    let number = RandomState::new().hash_one(path);
    path.with_file_name(format!(".syslua-{}-{number}.tmp", std::process::id()))
}

/// The time that every object of the store has: one second after the epoch.
pub(super) fn old_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

/// The same for a system call.
#[cfg(unix)]
pub(super) fn old_timestamps() -> rustix::fs::Timestamps {
    let stamp = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
    rustix::fs::Timestamps { last_access: stamp, last_modification: stamp }
}
