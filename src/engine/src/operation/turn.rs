//! One fetch at a time for each item of the cache. Another process that needs the item waits, and
//! then uses it.

use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::context::OwnTurn;
use crate::platform;
use crate::platform::lock::{Lock, LockError, Mode};
use crate::settings::{Event, EventSink, Settings};

/// A lock beside a place in the cache; it is removed with its file.
pub struct Turn {
    _lock: Lock,
    path: PathBuf,
    // Given back last: who has it next finds the lock free.
    _own: OwnTurn,
}

/// Waits until no other process fetches to `place`; `what` says to people what is waited for.
///
/// # Errors
/// When the lock cannot be had, or not in time.
pub fn take(settings: &Settings, events: &EventSink, place: &Path, what: &str) -> Result<Turn> {
    let path = place.with_extension("lock");
    // First another build of this process: a lock that remains belongs to another process.
    let own = settings.context.take_turn(&path, &settings.interrupt.0).ok_or(Error::Interrupted)?;
    let waiting = |pid| events(Event::Waiting { lock: format!("the download of {what}"), pid });
    let lock =
        Lock::take(&path, Mode::Exclusive, settings.lock_timeout, &settings.interrupt, waiting);
    match lock {
        Ok(lock) => Ok(Turn { _lock: lock, path, _own: own }),
        Err(LockError::Interrupted) => Err(Error::Interrupted),
        Err(LockError::File(error)) => Err(Error::File(error)),
        Err(error @ LockError::Inside { .. }) => {
            Err(Error::Fetch { url: what.to_owned(), reason: error.to_string(), hint: None })
        }
        Err(LockError::Busy { .. }) => Err(Error::Fetch {
            url: what.to_owned(),
            reason: "another process fetches it, and the time to wait is over".to_owned(),
            hint: None,
        }),
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // While it is locked: a process that opened it sees that it is gone, and makes another.
        let _ = platform::remove_file(&self.path);
    }
}
