//! Kernel locks on files: gone when their process is.
//!
//! A lock file belongs to its owner alone, mode 0600: a user who can open it can hold a lock on it
//! forever. Older versions made lock files readable for all; such a file is closed, and replaced
//! when another user holds it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Error, Result, failed, modify, reason, system};
use crate::failure::{Explain, FailureKind};
use crate::settings::{Event, Interrupt, Settings};

const POLL: Duration = Duration::from_millis(20);

/// How a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// With others that share it.
    Shared,
    /// With no other process.
    Exclusive,
}

/// How long to wait for a lock.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    /// The time limit; unlimited when `None`.
    pub timeout: Option<Duration>,
    /// Until an interrupt.
    pub interrupt: Interrupt,
}

/// A lock that is held; dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] Error),
    /// Another process holds it, and the time to wait is over.
    #[error("{} is locked by {}", path.display(), by_whom(*pid))]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, when the system tells.
        pid: Option<u32>,
    },
    /// A process that waits for this one holds it: both would wait forever.
    #[error(
        "this runs inside of the process {pid}, which holds {} and waits for this to end",
        path.display()
    )]
    Inside {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        pid: u32,
    },
    /// An interrupt came during the wait.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for LockError {
    fn kind(&self) -> FailureKind {
        match self {
            LockError::File(_) => FailureKind::Engine,
            LockError::Busy { .. } | LockError::Inside { .. } => FailureKind::Locked,
            LockError::Interrupted => FailureKind::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            LockError::Busy { .. } => WAIT_LONGER,
            LockError::Inside { .. } => {
                "a command of an activation cannot change the root that it belongs to: \
                 run this after the apply"
            }
            LockError::File(_) | LockError::Interrupted => return None,
        };
        Some(text.to_owned())
    }
}

/// What to do about a lock that another process holds.
pub const WAIT_LONGER: &str = "wait until it ends, or wait longer with --lock-timeout";

/// Returns the process that holds a lock, when the system tells.
pub fn holder(path: &Path) -> Option<u32> {
    system::lock_holder(path)
}

/// Says who holds a lock: "the process 12", or "another process".
pub fn by_whom(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process {pid}"))
}

impl Lock {
    /// Takes a lock if it is free; `None` otherwise.
    ///
    /// # Errors
    /// When the lock file cannot be created or locked.
    pub fn try_take(path: &Path, sharing: Sharing) -> Result<Option<Lock>> {
        loop {
            let file = open(path, sharing)?;
            let locked = match sharing {
                Sharing::Shared => file.try_lock_shared(),
                Sharing::Exclusive => file.try_lock(),
            };
            match locked {
                Err(TryLockError::WouldBlock) if system::is_locked_by_strangers(&file) => {
                    modify::replace_by_private_file(path)?;
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    return Err(failed("lock", path)(explain(error)));
                }
                // The last holder may have removed the file: then this lock guards nothing.
                Ok(()) if system::is_same_file(&file, path) => return Ok(Some(Lock { file })),
                Ok(()) => {}
            }
        }
    }

    /// Leaves a note in the lock file, or takes it out. It stays there when this process is killed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_note(&self, is_noted: bool) -> io::Result<()> {
        // A size without content: nothing has to be written to a disk.
        self.file.set_len(u64::from(is_noted))
    }

    /// Returns whether there is a note in the lock file.
    pub fn has_note(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.len() > 0)
    }

    /// Takes a lock for a call, as long as its settings permit, and reports that it waits; `what`
    /// says to people what is locked.
    ///
    /// # Errors
    /// When the lock file cannot be used, on a timeout, on an interrupt, or when the holder waits
    /// for this process.
    pub fn take_for(
        settings: &Settings,
        path: &Path,
        sharing: Sharing,
        what: impl Into<String>,
    ) -> std::result::Result<Lock, LockError> {
        let waiting = |pid| settings.events.send(Event::Waiting { lock: what.into(), pid });
        Lock::take(path, sharing, settings.lock_timeout, &settings.interrupt, waiting)
    }

    /// Takes a lock, waiting at most `timeout`. `waiting` is called once, before the wait begins.
    ///
    /// # Errors
    /// When the lock file cannot be used, on a timeout, on an interrupt, or when the holder waits
    /// for this process.
    pub fn take(
        path: &Path,
        sharing: Sharing,
        timeout: Option<Duration>,
        interrupt: &Interrupt,
        waiting: impl FnOnce(Option<u32>),
    ) -> std::result::Result<Lock, LockError> {
        let begin = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Lock::try_take(path, sharing)? {
                return Ok(lock);
            }
            if interrupt.is_set() {
                return Err(LockError::Interrupted);
            }
            // Once: a later holder did not start this process.
            if waiting.is_some()
                && let Some(pid) = system::ancestor_among(&system::lock_holders_of(path))
            {
                return Err(LockError::Inside { path: path.to_owned(), pid });
            }
            if timeout.is_some_and(|timeout| begin.elapsed() >= timeout) {
                return Err(LockError::Busy { path: path.to_owned(), pid: holder(path) });
            }
            if let Some(waiting) = waiting.take() {
                waiting(holder(path));
            }
            sleep(POLL);
        }
    }

    /// Takes the lock of a directory itself, which leaves no file in it. Returns `None` where the
    /// directory has no lock to take: its file system or the system has none, it cannot be opened,
    /// or only other users hold it, who could hold it forever.
    ///
    /// # Errors
    /// On a timeout, or on an interrupt.
    pub fn take_directory(
        path: &Path,
        patience: &Patience,
    ) -> std::result::Result<Option<Lock>, LockError> {
        let begin = Instant::now();
        let Ok(file) = system::open_without_waiting(path) else { return Ok(None) };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Lock { file })),
                Err(TryLockError::Error(_)) => return Ok(None),
                Err(TryLockError::WouldBlock) if system::is_locked_by_strangers(&file) => {
                    return Ok(None);
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if patience.interrupt.is_set() {
                return Err(LockError::Interrupted);
            }
            if patience.timeout.is_some_and(|timeout| begin.elapsed() >= timeout) {
                return Err(LockError::Busy { path: path.to_owned(), pid: holder(path) });
            }
            sleep(POLL);
        }
    }

    /// Takes a lock that is held only for a moment, without telling that it waits.
    ///
    /// # Errors
    /// When the lock file cannot be used, on a timeout, or on an interrupt.
    pub fn take_briefly(path: &Path, patience: &Patience) -> std::result::Result<Lock, LockError> {
        Lock::take(path, Sharing::Exclusive, patience.timeout, &patience.interrupt, |_| {})
    }
}

/// Opens a lock file, or creates it. Opening writes nothing, so that a run without changes leaves
/// no trace.
fn open(path: &Path, sharing: Sharing) -> Result<File> {
    match system::open_lock(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => modify::create_private_file(path),
        // No process can hold it exclusively there.
        Err(error)
            if error.kind() == io::ErrorKind::ReadOnlyFilesystem && sharing == Sharing::Shared =>
        {
            File::open(path).map_err(failed("open the lock", path))
        }
        opened => opened.map_err(failed("open the lock", path)),
    }
}

/// Says what to do where a file system has no locks, such as NFS without its lock service.
fn explain(error: io::Error) -> io::Error {
    if !system::lacks_locks(&error) {
        return error;
    }
    let reason = reason(&error);
    let remedy =
        "its file system has no locks: put the root on a local disk (SYSLUA_ROOT or --root)";
    io::Error::new(io::ErrorKind::Unsupported, format!("{reason}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_lock_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let new = directory.path().join("new");
        let _lock = Lock::try_take(&new, Sharing::Shared).unwrap();
        assert_eq!(mode(&new), 0o600);
        let old = directory.path().join("old");
        std::fs::write(&old, "").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Lock::try_take(&old, Sharing::Exclusive).unwrap().is_some());
        assert_eq!(mode(&old), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert!(Lock::try_take(&link, Sharing::Exclusive).is_err());
        let pipe = directory.path().join("pipe");
        crate::platform::hostile::make_pipe(&pipe);
        assert!(Lock::try_take(&pipe, Sharing::Exclusive).is_err());
        assert!(Lock::try_take(directory.path(), Sharing::Shared).is_err());
    }

    #[test]
    fn waiting_ends_when_time_is_over_or_somebody_asks_to_stop() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = Lock::try_take(&path, Sharing::Exclusive).unwrap();
        let patience = Patience { timeout: Some(Duration::from_millis(30)), ..Patience::default() };
        assert!(matches!(Lock::take_briefly(&path, &patience), Err(LockError::Busy { .. })));
        let patience = Patience::default();
        patience.interrupt.0.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(Lock::take_briefly(&path, &patience), Err(LockError::Interrupted)));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_locked_without_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let short = Patience { timeout: Some(Duration::from_millis(30)), ..Patience::default() };
        let first = Lock::take_directory(directory.path(), &short).unwrap();
        assert!(first.is_some());
        assert!(matches!(
            Lock::take_directory(directory.path(), &short),
            Err(LockError::Busy { .. })
        ));
        drop(first);
        assert!(Lock::take_directory(directory.path(), &short).unwrap().is_some());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(Lock::take_directory(&directory.path().join("none"), &short).unwrap().is_none());
    }

    #[test]
    fn an_exclusive_lock_keeps_others_out_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_take(&path, Sharing::Exclusive).unwrap();
        assert!(first.is_some());
        assert!(Lock::try_take(&path, Sharing::Shared).unwrap().is_none());
        let waited =
            Lock::take(&path, Sharing::Shared, Some(Duration::ZERO), &Interrupt::default(), |_| {});
        assert!(matches!(waited, Err(LockError::Busy { .. })));
        drop(first);
        assert!(Lock::try_take(&path, Sharing::Shared).unwrap().is_some());
    }

    #[test]
    fn a_removed_lock_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_take(&path, Sharing::Exclusive).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(Lock::try_take(&path, Sharing::Exclusive).unwrap().is_some());
        assert!(path.exists());
        drop(first);
    }
}
