//! Users without an account, for the builds of root: a number for one build at a time, on the whole
//! machine.
//!
//! Each number has a lock below `/run`. A file that is not empty tells that a build was cut off:
//! what it left running is ended before the number is given away again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::lock::{Lock, Sharing};
use super::{Result, failed, modify};
use crate::settings::UserRange;

/// Where the locks are. All roots of the machine use it.
const LOCKS: &str = "/run/syslua/build-users";
/// Where numbers of users and groups are given to users, each with the place of the first number of
/// an entry.
const USERS: [(&str, usize); 2] = [("/etc/passwd", 2), ("/etc/group", 2)];
const SUBORDINATES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// Why there is no user for a build.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A user has a number of the range.
    #[error("the range {range} of users for builds overlaps with {what} in {}: \
             set another with SYSLUA_BUILD_USERS or `build_users`", file.display())]
    Taken {
        /// The range.
        range: UserRange,
        /// Whose entry it is.
        what: String,
        /// Where it is.
        file: PathBuf,
    },
    /// The system has no such numbers, as in some containers.
    #[error(
        "the range {range} of users for builds is not among the users of this container: set \
         another with SYSLUA_BUILD_USERS or `build_users`"
    )]
    NotMapped {
        /// The range.
        range: UserRange,
    },
    /// Each has a build.
    #[error("all users of the range {range} have a build")]
    AllBusy {
        /// The range.
        range: UserRange,
    },
    /// The locks cannot be used.
    #[error(transparent)]
    File(#[from] super::Error),
}

impl UserRange {
    /// Looks whether no user and no subordinate range has a number of the range, and the system has
    /// all of them.
    ///
    /// # Errors
    /// When that is not so.
    pub fn check(&self) -> std::result::Result<(), Error> {
        self.check_below(Path::new("/"))
    }

    fn check_below(&self, root: &Path) -> std::result::Result<(), Error> {
        let (first, last) = (u64::from(self.first()), u64::from(self.last()));
        let fixed = USERS.map(|(file, place)| (file, place, None));
        let ranges = SUBORDINATES.map(|file| (file, 1, Some(2)));
        for (file, place, length) in fixed.into_iter().chain(ranges) {
            let path = root.join(&file[1..]);
            for line in fs::read_to_string(&path).unwrap_or_default().lines() {
                let fields: Vec<&str> = line.split(':').collect();
                let number = |place: usize| {
                    fields.get(place).and_then(|field| field.trim().parse::<u64>().ok())
                };
                let Some(begin) = number(place) else { continue };
                let count = length.map_or(Some(1), number).unwrap_or(0);
                if begin <= last && first < begin + count {
                    let what = fields.first().map(ToString::to_string).unwrap_or_default();
                    return Err(Error::Taken { range: self.clone(), what, file: path });
                }
            }
        }
        for file in ["proc/self/uid_map", "proc/self/gid_map"] {
            let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
            let is_mapped = text.lines().any(|line| {
                let numbers: Vec<u64> =
                    line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                matches!(numbers[..], [begin, _, count] if begin <= first && last < begin + count)
            });
            if !is_mapped {
                return Err(Error::NotMapped { range: self.clone() });
            }
        }
        Ok(())
    }
}

/// A user that one build has. What is left of it is ended when it is dropped and when it is taken.
#[derive(Debug)]
pub struct BuildUser {
    number: u32,
    path: PathBuf,
    /// Whether processes of it may run that nothing else ends.
    has_processes: AtomicBool,
    lock: Lock,
}

impl BuildUser {
    /// Takes a user of a range that no other build has on this machine; the one at this place, if
    /// it is free.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(range: &UserRange, place: u32) -> std::result::Result<BuildUser, Error> {
        BuildUser::take_below(Path::new(LOCKS), range, place)
    }

    fn take_below(
        locks: &Path,
        range: &UserRange,
        place: u32,
    ) -> std::result::Result<BuildUser, Error> {
        const PRIVATE: u32 = 0o700;
        modify::create_directories_as(locks, PRIVATE)?;
        let (first, count) = (range.first(), range.last() - range.first() + 1);
        for step in 0..count {
            let number = first + (place % count + step) % count;
            let path = locks.join(number.to_string());
            let Some(lock) = Lock::try_take(&path, Sharing::Exclusive)? else { continue };
            let was_cut_off = lock.has_note();
            let user = BuildUser { number, path, has_processes: AtomicBool::new(false), lock };
            if was_cut_off {
                user.end_processes().map_err(failed("end the processes of", &user.path))?;
            }
            user.note(true)?;
            return Ok(user);
        }
        Err(Error::AllBusy { range: range.clone() })
    }

    /// Returns its number, as a user and as a group.
    pub fn number(&self) -> u32 {
        self.number
    }

    fn note(&self, is_in_use: bool) -> Result<()> {
        self.lock.set_note(is_in_use).map_err(failed("write", &self.path))
    }

    /// Notes that processes of it are going to run that nothing else ends.
    pub fn expect_processes(&self) {
        self.has_processes.store(true, Ordering::Relaxed);
    }

    /// Ends what runs of it, where something may.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn end_expected(&self) -> io::Result<()> {
        if self.has_processes.load(Ordering::Relaxed) { self.end_processes() } else { Ok(()) }
    }

    /// Ends every process of this user.
    ///
    /// # Errors
    /// When that cannot be done.
    fn end_processes(&self) -> io::Result<()> {
        super::process::end_user(self.number)
    }
}

impl Drop for BuildUser {
    fn drop(&mut self) {
        if self.end_expected().is_ok() {
            let _ = self.note(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_with_room_for_each_slot() {
        let range: UserRange = "300000-300255".parse().unwrap();
        assert_eq!(range.to_string(), "300000-300255");
        for text in
            ["", "1", "0-1000", "300000-300254", "5-4", "a-b", "1-4294967295", "-1-500", "1-2-3"]
        {
            assert!(text.parse::<UserRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_with_a_user_or_a_subordinate_range_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        let range: UserRange = "300000-300999".parse().unwrap();
        let put = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
        assert!(range.check_below(root.path()).is_ok());
        for (file, free, taken) in [
            (
                "etc/passwd",
                "a:x:299999:1::/:/bin/sh\nb:x:301000:1::/:/bin/sh\n",
                "c:x:300999:1::/:/bin/sh",
            ),
            ("etc/group", "a:x:301000:\n", "b:x:300000:\n"),
            ("etc/subuid", "a:200000:100000\nb:301000:1\n", "c:200000:100001\n"),
            ("etc/subgid", "", "a:300500:1\n"),
        ] {
            put(file, free);
            assert!(range.check_below(root.path()).is_ok(), "{file}");
            put(file, &format!("{free}{taken}"));
            assert!(matches!(range.check_below(root.path()), Err(Error::Taken { .. })), "{file}");
            put(file, "");
        }
        put("proc/self/uid_map", "0 0 4294967295\n");
        assert!(range.check_below(root.path()).is_ok());
        put("proc/self/uid_map", "0 1000 65536\n");
        let refused = range.check_below(root.path()).unwrap_err();
        assert!(matches!(refused, Error::NotMapped { .. }));
        assert!(refused.to_string().contains("SYSLUA_BUILD_USERS"), "{refused}");
    }

    #[test]
    fn no_two_builds_have_one_user() {
        let place = tempfile::tempdir().unwrap();
        let range: UserRange = "4000000-4000255".parse().unwrap();
        let take = |wanted| BuildUser::take_below(place.path(), &range, wanted);
        let users: Vec<BuildUser> = (0..256).map(|wanted| take(wanted / 2).unwrap()).collect();
        let numbers: std::collections::BTreeSet<u32> =
            users.iter().map(BuildUser::number).collect();
        assert_eq!(numbers.len(), 256);
        assert!(matches!(take(0), Err(Error::AllBusy { .. })));
    }
}
