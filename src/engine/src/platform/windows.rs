//! Windows: type-checked here, run elsewhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Returns the path of these bytes; bytes that are not UTF-8 cannot name a file here.
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Returns the file name that these bytes are, as [`path_from_bytes`] does.
pub fn name_from_bytes(bytes: &[u8]) -> std::borrow::Cow<'_, OsStr> {
    std::ffi::OsString::from(String::from_utf8_lossy(bytes).into_owned()).into()
}

/// Reads at an offset of a file, independently of other readers.
///
/// # Errors
/// When the system refuses.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Opens a file to read.
///
/// # Errors
/// When the system refuses.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Returns the bytes of a path, as UTF-8 wherever it is.
pub fn bytes_of_path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// Returns the command that runs a line of the system's shell.
pub fn shell_command(shell: Option<&Path>, line: &OsStr) -> Command {
    let mut command = Command::new(shell.unwrap_or(Path::new("cmd.exe")));
    command.arg("/C").arg(line);
    command
}

/// Gives a program its own process group.
pub fn own_group(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Programs that are asked to stop are ended here: there is nothing softer.
pub fn ask_to_stop(process: u32) {
    end_group(process);
}

/// Ends a program and all that it started.
pub fn end_group(leader: u32) {
    let leader = leader.to_string();
    let _ = Command::new("taskkill").args(["/F", "/T", "/PID", &leader]).output();
}

/// The system tells no width here without calls that nothing else needs.
pub fn terminal_width() -> Option<u16> {
    None
}

/// Waits for input; here there is no limit to that.
pub fn wait_for_input(_limit: std::time::Duration) -> bool {
    true
}

/// Processes belong to no terminal here.
pub fn leave_session() -> bool {
    true
}

/// Returns the permission bits that come nearest.
pub fn mode_of(metadata: &fs::Metadata) -> u32 {
    if metadata.permissions().readonly() { 0o444 } else { 0o644 }
}

/// Returns whether the file is executable, which this system does not record.
pub fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}

/// Returns whether there is a file, which may be a program.
pub fn is_executable_file(path: &Path) -> bool {
    path.is_file()
}

/// Returns the signal that ended a program; there are none here.
pub fn signal_of(_status: std::process::ExitStatus) -> Option<String> {
    None
}

/// Returns whether a file or directory has the mode of one in an object.
pub fn has_object_mode(metadata: &fs::Metadata) -> bool {
    metadata.is_dir() || metadata.permissions().readonly()
}

/// Returns whether it is worth trying to make files immutable.
pub fn may_set_immutable() -> bool {
    true
}

/// Denies everyone to write and delete, or lifts that, by the access control list.
pub(super) fn set_immutable(path: &Path, immutable: bool) {
    let mut command = Command::new("icacls");
    command.arg(path);
    if immutable {
        command.args(["/deny", "*S-1-1-0:(WD,AD,DE,DC)"]);
    } else {
        command.args(["/remove:d", "*S-1-1-0"]);
    }
    let _ = command.output();
}

/// Returns whether a file is immutable; this system does not tell cheaply.
pub(super) fn is_immutable(_path: &Path) -> bool {
    false
}

/// Returns whether a path is immutable, and whether it is append-only: such flags are not here.
pub(super) fn fixing_flags(_path: &Path) -> [bool; 2] {
    [false; 2]
}

/// The flags of a file.
pub(super) type Flags = ();

/// Returns the flags of an open file if it is immutable; this system does not tell cheaply.
pub(super) fn immutable_flags(_file: &fs::File) -> Option<Flags> {
    None
}

/// Makes an open file immutable, or lifts that; here that is done by its path alone.
pub(super) fn set_flags(_file: &fs::File, _flags: &Flags, _immutable: bool) -> io::Result<()> {
    Ok(())
}

/// Makes an open file immutable; here that is done by its path alone.
pub(super) fn set_immutable_of(_file: &fs::File, _immutable: bool) -> io::Result<()> {
    Ok(())
}

/// Returns what the system tells of a file; a symbolic link is not followed.
///
/// # Errors
/// When it is missing or the system does not tell.
pub fn facts_of(path: &Path) -> super::Result<super::Facts> {
    let data = fs::symlink_metadata(path).map_err(super::failed("access", path))?;
    facts_from(&data).map_err(super::failed("access", path))
}

/// Returns what the system tells of an open file.
///
/// # Errors
/// When it does not tell.
pub fn facts_of_file(file: &fs::File) -> io::Result<super::Facts> {
    facts_from(&file.metadata()?)
}

fn facts_from(data: &fs::Metadata) -> io::Result<super::Facts> {
    use std::os::windows::fs::MetadataExt;
    Ok(super::Facts {
        kind: super::read::kind_from(data.file_type()),
        numbers: [
            data.file_size(),
            data.last_write_time(),
            data.creation_time(),
            u64::from(data.file_attributes()),
        ],
        modified: data.modified()?,
        newest: data.modified()?,
        has_fractions: false,
        is_immutable: false,
        has_old_time: super::has_old_time(data),
    })
}

/// Returns whether a file or directory has the mode of one in an object.
pub fn is_object_mode(node: &super::Node) -> bool {
    node.kind != super::FileKind::File || node.mode & 0o200 == 0
}

/// Returns the number of the user; here users have none.
pub fn user_number() -> u32 {
    0
}

/// Returns whether this process has the rights of the one user whose store is the system's.
pub fn is_system_user() -> bool {
    false
}

/// Users have no numbers here.
pub fn own_number() -> Option<u32> {
    None
}

/// Users have no numbers here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub fn owner_of(_path: &Path) -> super::Result<Option<u32>> {
    Ok(None)
}

/// Numbers of files are not used again on this system.
pub fn open_standard_descriptors() {}

/// Creates a directory.
pub(super) fn create_user_directory(path: &Path, _mode: u32) -> io::Result<()> {
    fs::create_dir(path)
}

/// Creates a directory. What others may do there follows from the directory above.
pub(super) fn create_directory(path: &Path, _mode: u32) -> io::Result<()> {
    fs::create_dir(path)
}

/// Creates a file that must not exist, to write to it.
pub(super) fn create_file(path: &Path, _mode: u32) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Opens a file to read and write it; a missing file is created.
pub(super) fn open_private_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Opens a lock file that is there.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Returns whether locking failed since the file system has no locks.
pub(super) fn lacks_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Returns whether only processes of other users hold a lock: not known here.
pub(super) fn is_locked_by_strangers(_file: &File) -> bool {
    false
}

/// Returns how many bytes may still be written: not known here.
pub fn free_space(_path: &Path) -> Option<u64> {
    None
}

pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    fs::set_permissions(path, permissions)
}

pub(super) fn random_bytes() -> io::Result<[u8; 16]> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn give_to_number(_path: &Path, _user: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn give_to(_path: &Path, _user: &str) -> io::Result<()> {
    Ok(())
}

pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    if target.is_dir() {
        std::os::windows::fs::symlink_dir(target, link)
    } else {
        std::os::windows::fs::symlink_file(target, link)
    }
}

pub(super) fn set_time(path: &Path, time: SystemTime) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        File::options().write(true).open(path)?.set_modified(time)
    } else {
        Ok(())
    }
}

pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn sync_file_system(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn is_same_file(_file: &File, path: &Path) -> bool {
    // An open file cannot be removed on this system.
    path.exists()
}

pub(super) fn lock_holders_of(_path: &Path) -> Vec<u32> {
    Vec::new()
}

pub(super) fn ancestor_among(_processes: &[u32]) -> Option<u32> {
    None
}

pub(super) fn lock_holder(_path: &Path) -> Option<u32> {
    None
}
