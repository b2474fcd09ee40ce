//! Linux and macOS.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::Account;
pub(super) use super::unix_locks::{
    ancestor_among, is_locked_by_strangers, lock_holder, lock_holders_of,
};

/// Returns the path that these bytes name.
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}

/// Returns the file name that these bytes are.
pub fn name_from_bytes(bytes: &[u8]) -> std::borrow::Cow<'_, std::ffi::OsStr> {
    std::ffi::OsStr::from_bytes(bytes).into()
}

/// Reads at an offset of a file, independently of other readers.
///
/// # Errors
/// When the system refuses.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Opens a file to read; the other end of a named pipe is not waited for.
///
/// # Errors
/// When the system refuses.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty()).map(File::from)?)
}

/// Returns the bytes of a path.
pub fn bytes_of_path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Returns the command that runs a line of the system's shell.
pub fn shell_command(shell: Option<&Path>, line: &std::ffi::OsStr) -> Command {
    let mut command = Command::new(shell.unwrap_or(Path::new("/bin/sh")));
    command.arg("-c").arg(line);
    command
}

/// Opens standard input, output and error on `/dev/null` where they are closed, so that no file
/// that is opened later gets their numbers, and with it what is printed.
pub fn open_standard_descriptors() {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::{FdFlags, fcntl_setfd};
    use std::os::fd::{AsRawFd, IntoRawFd};
    const LAST: i32 = 2;
    // The system returns the lowest free number. Without `/dev` a directory, which no program can
    // write to.
    while let Ok(descriptor) = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .or_else(|_| open("/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))
    {
        if descriptor.as_raw_fd() > LAST || fcntl_setfd(&descriptor, FdFlags::empty()).is_err() {
            return;
        }
        // It stays open for as long as the process lives.
        let _ = descriptor.into_raw_fd();
    }
}

/// Gives a program its own process group, so that it can be ended with all it starts.
pub fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Asks a program to stop, as Ctrl-C does. It alone is asked, and not what it started.
pub fn ask_to_stop(process: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill_process(process, Signal::INT);
    }
}

/// Ends every process of a group that is named by its first process.
pub fn end_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // Usually no process is left to end.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Returns how many characters fit on a line of the terminal that is standard output.
pub fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// Waits until standard input has something to read, at most so long; returns whether it has.
pub fn wait_for_input(limit: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let begin = std::time::Instant::now();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.is_ok_and(|ready| ready > 0),
        }
    }
}

/// Makes this process the first of a new session, without a terminal (setsid(2)).
pub fn leave_session() -> bool {
    rustix::process::setsid().is_ok()
}

/// Returns the permission bits.
pub fn mode_of(metadata: &fs::Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// Returns whether the owner may execute the file, which is what an archive records.
pub fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.mode() & 0o100 != 0
}

/// Returns whether the file exists and is executable for any user.
pub fn is_executable_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// Returns the signal that ended a program, in words.
pub fn signal_of(status: std::process::ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    let number = status.signal()?;
    let signal = rustix::process::Signal::from_named_raw(number);
    // "Signal::KILL", as the library shows it.
    let name = signal.map(|signal| format!("{signal:?}")).unwrap_or_default();
    let name = name.rsplit("::").next().unwrap_or_default();
    let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    if word.is_empty() {
        Some(format!("signal {number}"))
    } else {
        Some(format!("signal {number} (SIG{word})"))
    }
}

/// Returns whether a file or directory has the mode of one in an object.
pub fn has_object_mode(metadata: &fs::Metadata) -> bool {
    let mode = metadata.mode() & 0o7777;
    mode == 0o555 || (mode == 0o444 && !metadata.is_dir())
}

/// Returns whether it is worth trying to make files immutable.
#[cfg(target_os = "linux")]
pub fn may_set_immutable() -> bool {
    rustix::process::geteuid().is_root()
}

/// Sets or lifts the immutable flag (`chattr +i`); a file system without it refuses.
#[cfg(target_os = "linux")]
pub(super) fn set_immutable_of(file: impl std::os::fd::AsFd, immutable: bool) -> io::Result<()> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let mut present = ioctl_getflags(&file)?;
    if present.contains(IFlags::IMMUTABLE) != immutable {
        present.set(IFlags::IMMUTABLE, immutable);
        ioctl_setflags(&file, present)?;
    }
    Ok(())
}

/// Returns whether a file is immutable, as far as the file system tells.
#[cfg(target_os = "linux")]
pub(super) fn is_immutable(path: &Path) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).is_ok_and(|file| is_immutable_file(&file))
}

/// Does the same for a file that is open.
#[cfg(target_os = "linux")]
pub(super) fn is_immutable_file(file: impl std::os::fd::AsFd) -> bool {
    use rustix::fs::{IFlags, ioctl_getflags};
    ioctl_getflags(&file).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE))
}

/// The flags of a file (FS_IOC_GETFLAGS of ioctl_iflags(2)).
#[cfg(target_os = "linux")]
pub(super) type Flags = rustix::fs::IFlags;

/// Returns the flags of an open file if it is immutable.
#[cfg(target_os = "linux")]
pub(super) fn immutable_flags(file: &fs::File) -> Option<Flags> {
    rustix::fs::ioctl_getflags(file).ok().filter(|flags| flags.contains(Flags::IMMUTABLE))
}

/// Gives an open file these flags, immutable or not.
#[cfg(target_os = "linux")]
pub(super) fn set_flags(file: &fs::File, flags: &Flags, immutable: bool) -> io::Result<()> {
    let mut flags = *flags;
    flags.set(Flags::IMMUTABLE, immutable);
    Ok(rustix::fs::ioctl_setflags(file, flags)?)
}

/// Returns whether a path is immutable, and whether it is append-only.
#[cfg(target_os = "linux")]
pub(super) fn fixing_flags(path: &Path) -> [bool; 2] {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()).map_or([false; 2], |found| {
        [StatxAttributes::IMMUTABLE, StatxAttributes::APPEND]
            .map(|flag| found.stx_attributes.contains(flag))
    })
}

/// Returns whether a path is immutable, and whether it is append-only (chflags(2)).
#[cfg(not(target_os = "linux"))]
pub(super) fn fixing_flags(path: &Path) -> [bool; 2] {
    use std::os::darwin::fs::MetadataExt as _;
    // UF_IMMUTABLE and SF_IMMUTABLE, UF_APPEND and SF_APPEND.
    fs::symlink_metadata(path)
        .map_or([false; 2], |data| [0x2_0002, 0x4_0004].map(|bits| data.st_flags() & bits != 0))
}

/// Returns whether it is worth trying to make files immutable.
#[cfg(not(target_os = "linux"))]
pub fn may_set_immutable() -> bool {
    true
}

/// Sets or lifts the user's immutable flag (fchflags(2), `chflags uchg`); a file system without it
/// refuses.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_immutable_of(file: impl std::os::fd::AsFd, immutable: bool) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let present = rustix::fs::fstat(&file)?.st_flags;
    let flags =
        if immutable { present | libc::UF_IMMUTABLE } else { present & !libc::UF_IMMUTABLE };
    // SAFETY: the descriptor is open, and nothing else is passed.
    if unsafe { libc::fchflags(file.as_fd().as_raw_fd(), flags) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns whether a file has the user's immutable flag (chflags(2): UF_IMMUTABLE).
#[cfg(not(target_os = "linux"))]
pub(super) fn is_immutable(path: &Path) -> bool {
    use std::os::darwin::fs::MetadataExt as _;
    fs::symlink_metadata(path).is_ok_and(|data| data.st_flags() & 2 != 0)
}

/// Does the same for a file that is open.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_immutable_file(file: &fs::File) -> bool {
    use std::os::darwin::fs::MetadataExt as _;
    file.metadata().is_ok_and(|data| data.st_flags() & 2 != 0)
}

/// The flags of a file: a call that sets one asks for the others itself.
#[cfg(not(target_os = "linux"))]
pub(super) type Flags = ();

/// Returns the flags of an open file if it is immutable.
#[cfg(not(target_os = "linux"))]
pub(super) fn immutable_flags(file: &fs::File) -> Option<Flags> {
    is_immutable_file(file).then_some(())
}

/// Makes an open file immutable, or lifts that.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_flags(file: &fs::File, _flags: &Flags, immutable: bool) -> io::Result<()> {
    set_immutable_of(file, immutable)
}

/// Returns what the system tells of a file; a symbolic link is not followed.
///
/// # Errors
/// When it is missing or the system does not tell.
pub fn facts_of(path: &Path) -> super::Result<super::Facts> {
    let data = fs::symlink_metadata(path).map_err(super::failed("access", path))?;
    Ok(facts_from(&data))
}

/// Returns what the system tells of an open file.
///
/// # Errors
/// When it does not tell.
pub fn facts_of_file(file: &fs::File) -> io::Result<super::Facts> {
    file.metadata().map(|data| facts_from(&data))
}

fn facts_from(data: &fs::Metadata) -> super::Facts {
    facts(
        super::read::kind_from(data.file_type()),
        [data.dev(), data.ino(), data.len(), u64::from(data.mode())],
        (data.mtime(), data.mtime_nsec()),
        (data.ctime(), data.ctime_nsec()),
    )
}

/// Makes facts of device, inode, size and mode, and of the times when content and state changed, in
/// seconds and nanoseconds.
pub(super) fn facts(
    kind: super::FileKind,
    numbers: [u64; 4],
    modified: (i64, i64),
    changed: (i64, i64),
) -> super::Facts {
    let [a, b, c, d] = numbers;
    let [e, f, g, h] = [modified.0, modified.1, changed.0, changed.1].map(i64::cast_unsigned);
    let moment = |(seconds, nanoseconds): (i64, i64)| {
        let seconds = std::time::Duration::from_secs(seconds.max(0).cast_unsigned());
        SystemTime::UNIX_EPOCH
            + seconds
            + std::time::Duration::from_nanos(nanoseconds.max(0).cast_unsigned())
    };
    super::Facts {
        kind,
        numbers: [a, b, c, d, e, f, g, h],
        modified: moment(modified),
        newest: moment(modified).max(moment(changed)),
        // Only the system sets this one.
        has_fractions: changed.1 != 0,
        is_immutable: false,
        has_old_time: modified == (1, 0),
    }
}

/// Returns whether a file or directory has the mode of one in an object.
pub fn is_object_mode(node: &super::Node) -> bool {
    node.mode == 0o555 || (node.mode == 0o444 && node.kind == super::FileKind::File)
}

/// Returns the extended attributes that no object has, of a list in which each ends with a zero.
/// Labels of a security module are the system's business.
#[cfg(target_os = "linux")]
pub(super) fn removable_attributes(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    names.split(|byte| *byte == 0).filter(|name| {
        name.starts_with(b"user.")
            || name.starts_with(b"system.posix_acl_")
            || *name == b"security.capability"
    })
}

/// Returns the number of the user whose rights this process has.
pub fn user_number() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the user number of files that this process creates, or `None` if users have no numbers.
pub fn own_number() -> Option<u32> {
    Some(user_number())
}

/// Returns the number of the user who owns a file; a link is followed. Nothing if the file is
/// missing.
///
/// # Errors
/// When the system does not tell.
pub fn owner_of(path: &Path) -> super::Result<Option<u32>> {
    match fs::metadata(path).map_err(super::failed("access", path)) {
        Ok(metadata) => Ok(Some(metadata.uid())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether this process has the rights of the one user whose store is the system's.
pub fn is_system_user() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the name of this machine; nothing if the system does not tell.
pub fn hostname() -> Vec<u8> {
    let mut name = [0_u8; 256];
    // SAFETY: the call writes at most this many bytes.
    let answer = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let length = name.iter().position(|byte| *byte == 0).filter(|_| answer == 0);
    name[..length.unwrap_or(0)].to_vec()
}

/// Creates a directory that has what the umask leaves of this mode.
pub(super) fn create_user_directory(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(mode).create(path)
}

/// Creates a directory that has this mode, whatever the umask is.
pub(super) fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, fchmod, mkdirat, openat};
    let raw = Mode::from_raw_mode(mode as rustix::fs::RawMode);
    mkdirat(CWD, path, raw)?;
    // To ask is cheaper than to change.
    if fs::symlink_metadata(path)?.mode() & 0o777 != mode {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(directory) => fchmod(directory, raw)?,
            // The umask removed even the owner's rights, and other users have none.
            Err(rustix::io::Errno::ACCESS) => set_mode(path, mode)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Creates a file that must not exist, to write to it. It has this mode, whatever the umask is.
pub(super) fn create_file(path: &Path, mode: u32) -> io::Result<File> {
    use rustix::fs::OFlags;
    create_with(path, mode, OFlags::WRONLY | OFlags::EXCL)
}

/// Opens a file to read and write it; a missing file is created, and only its owner may use it.
pub(super) fn open_private_file(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    create_with(path, 0o600, OFlags::RDWR | OFlags::NONBLOCK)
}

fn create_with(path: &Path, mode: u32, flags: rustix::fs::OFlags) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = flags | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        File::from(openat(CWD, path, flags, Mode::from_raw_mode(mode as rustix::fs::RawMode))?);
    if file.metadata()?.mode() & 0o7777 != mode {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Returns how many bytes a user may still write to the file system that holds `path`, when it
/// tells.
pub fn free_space(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|data| data.f_bavail.saturating_mul(data.f_frsize))
}

pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

pub(super) fn random_bytes() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn give_to_number(path: &Path, user: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(user))
}

pub(super) fn give_to(path: &Path, user: &str) -> io::Result<()> {
    match Account::by_name(user).ok().flatten() {
        Some(account) if is_system_user() => {
            std::os::unix::fs::lchown(path, Some(account.number), Some(account.group))
        }
        _ => Ok(()),
    }
}

pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Sets the modification time; a symbolic link is not followed.
pub(super) fn set_time(path: &Path, time: SystemTime) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let stamp =
        Timespec { tv_sec: since.as_secs().cast_signed(), tv_nsec: since.subsec_nanos().into() };
    let times = Timestamps { last_access: stamp, last_modification: stamp };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(target_os = "linux")]
pub(super) fn sync_file_system(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let directory = match File::open(path) {
        // It may not be read: a directory above it is on the same file system.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let device = fs::symlink_metadata(path)?.dev();
            let opened = path.ancestors().skip(1).filter_map(|above| File::open(above).ok());
            let mut same =
                opened.filter(|above| above.metadata().is_ok_and(|found| found.dev() == device));
            let Some(above) = same.next() else {
                rustix::fs::sync();
                return Ok(());
            };
            above
        }
        opened => opened?,
    };
    Ok(rustix::fs::syncfs(directory)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_file_system(_path: &Path) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Returns whether an open file is still the one at `path`.
pub(super) fn is_same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => open.dev() == there.dev() && open.ino() == there.ino(),
        _ => false,
    }
}

/// Opens a lock file that is there, for writing: NFSv4 refuses exclusive locks otherwise. Others
/// lose the rights that an older version gave them.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.uid() != user_number() {
        return Err(io::Error::other(format!(
            "it belongs to {}: remove it",
            super::user_name(metadata.uid())
        )));
    }
    if metadata.mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Returns whether locking failed since the file system has no locks.
pub(super) fn lacks_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let without = [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS];
    error
        .raw_os_error()
        .is_some_and(|code| without.iter().any(|errno| errno.raw_os_error() == code))
}
