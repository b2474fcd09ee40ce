//! Who holds a lock on a file, as far as the system tells: from `/proc` on Linux.

#[cfg(target_os = "linux")]
use std::fs;
use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Returns the process that holds a lock on a file, from `/proc/locks` (proc(5)).
#[cfg(target_os = "linux")]
pub(super) fn lock_holder(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    lock_holders().into_iter().find(|holder| holder.inode == inode).map(|holder| holder.process)
}

/// Returns all processes that hold a lock on a file, as far as the system tells.
#[cfg(target_os = "linux")]
pub(super) fn lock_holders_of(path: &Path) -> Vec<u32> {
    let Ok(metadata) = fs::metadata(path) else { return Vec::new() };
    let holders = lock_holders().into_iter().filter(|holder| holder.inode == metadata.ino());
    holders.map(|holder| holder.process).collect()
}

/// Returns the first of some processes that started this one, directly or through others. The
/// numbers are those of `/proc`, which may be that of an outer namespace of processes; so is the
/// number of this process there.
#[cfg(target_os = "linux")]
pub(super) fn ancestor_among(processes: &[u32]) -> Option<u32> {
    if processes.is_empty() {
        return None;
    }
    let mut process: u32 = fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()?;
    // The chain ends at the first process; nothing makes it longer than the numbers that there are.
    for _ in 0..u16::MAX {
        let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name of a program may hold anything, also parentheses.
        process = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        if processes.contains(&process) {
            return Some(process);
        }
        if process == 0 {
            return None;
        }
    }
    None
}

/// A line of `/proc/locks`.
#[cfg(target_os = "linux")]
struct LockHolder {
    process: u32,
    /// Major and minor number, as the system has them in memory.
    device: (u32, u32),
    inode: u64,
}

#[cfg(target_os = "linux")]
fn lock_holders() -> Vec<LockHolder> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK");
        let process = words.nth(3)?.parse().ok()?;
        let mut file = words.next()?.split(':');
        let major = u32::from_str_radix(file.next()?, 16).ok()?;
        let minor = u32::from_str_radix(file.next()?, 16).ok()?;
        Some(LockHolder { process, device: (major, minor), inode: file.next()?.parse().ok()? })
    };
    fs::read_to_string("/proc/locks").unwrap_or_default().lines().filter_map(parse).collect()
}

/// Returns whether an open file is locked, and only by processes of other users. A process that
/// cannot be inspected may belong to this user.
#[cfg(target_os = "linux")]
pub(super) fn is_locked_by_strangers(file: &File) -> bool {
    use rustix::fs::{major, minor};
    let Ok(metadata) = file.metadata() else { return false };
    let (device, inode) = ((major(metadata.dev()), minor(metadata.dev())), metadata.ino());
    let is_strange = |process: u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        // Real, effective, saved and file system user.
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        let mut users = users.split_whitespace().map(str::parse::<u32>).peekable();
        users.peek().is_some()
            && users.all(|user| user.is_ok_and(|user| user != super::user_number()))
    };
    let mut holders = lock_holders().into_iter().filter(|holder| holder.inode == inode).peekable();
    holders.peek().is_some()
        && holders.all(|holder| holder.device == device && is_strange(holder.process))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lock_holder(_path: &Path) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lock_holders_of(_path: &Path) -> Vec<u32> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ancestor_among(_processes: &[u32]) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_locked_by_strangers(_file: &File) -> bool {
    false
}
