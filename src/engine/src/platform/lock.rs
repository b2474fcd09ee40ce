//! Kernel locks on files: gone when their process is.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Error, Result, failed, fault, system};
use crate::settings::Interrupt;

const POLL: Duration = Duration::from_millis(20);

/// How a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With others that share it.
    Shared,
    /// With nobody.
    Exclusive,
}

/// A lock that is held; dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
    /// Somebody asked to stop while we waited.
    #[error("interrupted")]
    Interrupted,
}

/// Returns the process that holds a lock, when the system tells.
pub fn holder(path: &Path) -> Option<u32> {
    system::lock_holder(path)
}

/// Says who holds a lock: "the process 12", or "another process".
pub fn by_whom(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process {pid}"))
}

impl Lock {
    /// Takes a lock if nobody else holds it; `None` when somebody does.
    ///
    /// # Errors
    /// When the lock file cannot be created or locked.
    pub fn try_take(path: &Path, mode: Mode) -> Result<Option<Lock>> {
        loop {
            let file = open(path)?;
            let locked = match mode {
                Mode::Shared => file.try_lock_shared(),
                Mode::Exclusive => file.try_lock(),
            };
            match locked {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
                // Whoever held it may have removed the file meanwhile: then this lock guards nothing.
                Ok(()) if system::is_same_file(&file, path) => return Ok(Some(Lock { _file: file })),
                Ok(()) => {}
            }
        }
    }

    /// Takes a lock, waiting at most `timeout`. `waiting` is called once, before the wait begins.
    ///
    /// # Errors
    /// When the lock file cannot be used, the time is over, or somebody asked to stop.
    pub fn take(
        path: &Path,
        mode: Mode,
        timeout: Option<Duration>,
        interrupt: &Interrupt,
        waiting: impl FnOnce(Option<u32>),
    ) -> std::result::Result<Lock, LockError> {
        let begin = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Lock::try_take(path, mode)? {
                return Ok(lock);
            }
            if interrupt.is_set() {
                return Err(LockError::Interrupted);
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

    /// Takes a lock that everybody holds only for a moment, waiting in the kernel.
    ///
    /// # Errors
    /// When the lock file cannot be created or locked.
    pub fn take_briefly(path: &Path) -> Result<Lock> {
        let file = open(path)?;
        file.lock().map_err(failed("lock", path))?;
        Ok(Lock { _file: file })
    }
}

fn open(path: &Path) -> Result<File> {
    // Opening an existing lock writes nothing, so that a run without changes leaves no trace.
    match File::open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fault::point()
            .and_then(|()| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path))
            .and_then(|file| system::share(&file).map(|()| file))
            .map_err(failed("create the lock", path)),
        Err(error) => Err(failed("open the lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_lock_keeps_others_out_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_take(&path, Mode::Exclusive).unwrap();
        assert!(first.is_some());
        assert!(Lock::try_take(&path, Mode::Shared).unwrap().is_none());
        let waited = Lock::take(&path, Mode::Shared, Some(Duration::ZERO), &Interrupt::default(), |_| {});
        assert!(matches!(waited, Err(LockError::Busy { .. })));
        drop(first);
        assert!(Lock::try_take(&path, Mode::Shared).unwrap().is_some());
    }

    #[test]
    fn a_removed_lock_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_take(&path, Mode::Exclusive).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(Lock::try_take(&path, Mode::Exclusive).unwrap().is_some());
        assert!(path.exists());
        drop(first);
    }
}
