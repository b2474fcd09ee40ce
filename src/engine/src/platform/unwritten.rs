//! Whether a file that was read is still the same, by what the system tells, without reading it
//! again.
//!
//! Times alone are not enough: a program that maps a file writes into it without changing them. So
//! before the first read, the kernel is asked whether the file is open for writing, and a mapping
//! counts as open (fcntl(2), `F_SETLEASE`: it grants a read lease only if the file is not open for
//! writing). A later open changes the ctime with the first write. That is true on the file systems
//! named here; others do not record writes to mappings, or do not know the writes of other
//! machines. Only files that only their owner can write count, and only for that owner: there are
//! tricks to write late (a read from a slow device into a closed mapping), and no user should be
//! able to play them on another.

use std::fs::File;

use super::FACTS;
use crate::hash::Hash;

/// What a file looked like while nothing wrote to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten([u64; FACTS]);

impl Unwritten {
    /// Returns the metadata of a file that no program writes to, before it is read, or `None` if
    /// the system cannot tell, or where a change could go unseen.
    pub fn begin(file: &File) -> Option<Unwritten> {
        system::begin(file)
    }

    /// Returns what it looks like now: the same as long as nothing wrote to it.
    pub fn observe(file: &File) -> Option<Unwritten> {
        system::observe(file)
    }

    /// Returns the digest of these numbers.
    pub fn digest(&self) -> Hash {
        Hash::of(&self.bytes())
    }

    /// Returns the numbers that tell it from all others.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Returns whether it is on the same file system as another file.
    pub fn is_beside(&self, file: &File) -> bool {
        Unwritten::observe(file).is_some_and(|other| other.0[0] == self.0[0])
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};

    use super::Unwritten;
    use crate::platform::read::kind_from;
    use crate::platform::unix;

    /// The numbers of ext4, XFS, Btrfs and F2FS (linux/magic.h): they note the first write to each
    /// mapped page.
    const NOTING: [i64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

    /// The kernel's clock ticks at least every 10 ms; a change in the same tick has the same time.
    const TICK: Duration = Duration::from_millis(100);

    fn facts(file: &File) -> Option<(crate::platform::Facts, u32, u32)> {
        let data = file.metadata().ok()?;
        let facts = unix::facts(
            kind_from(data.file_type()),
            [data.dev(), data.ino(), data.len(), u64::from(data.mode())],
            (data.mtime(), data.mtime_nsec()),
            (data.ctime(), data.ctime_nsec()),
        );
        Some((facts, data.uid(), data.mode()))
    }

    pub(super) fn begin(file: &File) -> Option<Unwritten> {
        const OTHERS_WRITE: u32 = 0o022;
        let now = SystemTime::now();
        let (seen, owner, mode) = facts(file)?;
        let is_settled = seen.has_fractions && seen.newest + TICK < now;
        if owner != unix::user_number()
            || mode & OTHERS_WRITE != 0
            || !is_settled
            || !is_noted(file)
        {
            return None;
        }
        // Whatever changed before this moment shows in what it looks like after it.
        if !has_no_writer(file) {
            return None;
        }
        observe(file).filter(|look| look.0 == seen.numbers)
    }

    pub(super) fn observe(file: &File) -> Option<Unwritten> {
        facts(file).map(|(facts, _, _)| Unwritten(facts.numbers))
    }

    #[expect(clippy::unnecessary_cast, reason = "the type differs between systems")]
    fn is_noted(file: &File) -> bool {
        rustix::fs::fstatfs(file).is_ok_and(|found| NOTING.contains(&(found.f_type as i64)))
    }

    /// Takes a lease and returns it. A process that opens the file for writing in between waits
    /// until then, and the kernel sends a signal, which is ignored.
    fn has_no_writer(file: &File) -> bool {
        let descriptor = file.as_raw_fd();
        /// `F_SETSIG` of fcntl(2), the same on all processors (linux/fcntl.h).
        const SET_SIGNAL: libc::c_int = 10;
        // SAFETY: the descriptor is open, and the calls take numbers only.
        unsafe {
            if libc::fcntl(descriptor, SET_SIGNAL, libc::SIGURG) != 0 {
                return false;
            }
            let granted = libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_RDLCK) == 0;
            granted && libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_UNLCK) == 0
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;

    use super::Unwritten;

    pub(super) fn begin(_file: &File) -> Option<Unwritten> {
        None
    }

    pub(super) fn observe(_file: &File) -> Option<Unwritten> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn settled(name: &str) -> (tempfile::TempDir, std::path::PathBuf, Option<Unwritten>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, "text").unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let seen = Unwritten::begin(&File::open(&path).unwrap());
        (directory, path, seen)
    }

    #[test]
    fn a_file_that_something_can_write_to_is_not_trusted() {
        let (_directory, path, seen) = settled("file");
        // The file system of temporary files may not support this.
        if seen.is_none() {
            return;
        }
        assert_eq!(seen, Unwritten::observe(&File::open(&path).unwrap()));
        let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(Unwritten::begin(&File::open(&path).unwrap()), None);
        drop(writer);
        assert_eq!(Unwritten::begin(&File::open(&path).unwrap()), seen);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(Unwritten::begin(&File::open(&path).unwrap()), None);
    }

    #[test]
    fn a_write_shows_and_a_fresh_file_is_not_trusted() {
        let (_directory, path, seen) = settled("file");
        let Some(seen) = seen else { return };
        let file = File::open(&path).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(b"TEXT").unwrap();
        assert_ne!(Unwritten::observe(&file), Some(seen));
        assert_eq!(Unwritten::begin(&file), None);
        // Nor does it help to set the time back.
        let modified = std::time::UNIX_EPOCH + Duration::from_secs(1);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_ne!(Unwritten::observe(&file), Some(seen));
    }

    #[test]
    fn a_mapping_that_can_be_written_counts_as_a_writer() {
        use std::os::fd::AsRawFd;
        let (_directory, path, seen) = settled("file");
        if seen.is_none() {
            return;
        }
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping of an open file, which is removed below.
        let map =
            unsafe { libc::mmap(std::ptr::null_mut(), 4, protection, kind, file.as_raw_fd(), 0) };
        assert_ne!(map, libc::MAP_FAILED);
        drop(file);
        assert_eq!(Unwritten::begin(&File::open(&path).unwrap()), None);
        // SAFETY: the mapping from above.
        unsafe { libc::munmap(map, 4) };
        assert_eq!(Unwritten::begin(&File::open(&path).unwrap()), seen);
    }
}
