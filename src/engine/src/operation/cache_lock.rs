//! The locks of the cache: one against gc, and one for each item, so that it is fetched once.
//! Another process that needs the item waits, and then uses it.

use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::context::OwnTurn;
use crate::failure::{Failure, FailureKind, chain};
use crate::platform;
use crate::platform::lock::{Lock, LockError, Sharing};
use crate::settings::Settings;
use crate::store::Store;

/// Makes the cache, and keeps gc from taking anything away while what it returns is held.
///
/// # Errors
/// When the cache cannot be made, or gc is at work for too long.
pub fn lock_cache(
    settings: &Settings,
    store: &Store,
) -> std::result::Result<Option<Lock>, Failure> {
    store.create_cache().map_err(|error| Failure::new(FailureKind::Io, chain(&error)))?;
    if !platform::exists(&store.metadata()) {
        return Ok(None);
    }
    match Lock::take_for(settings, &store.store_lock(), Sharing::Shared, "the store") {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Interrupted) => Err(Failure::interrupted()),
        // The root was destroyed in the meantime.
        Err(LockError::File(error))
            if error.is_not_found() && !platform::exists(&store.metadata()) =>
        {
            lock_cache(settings, store)
        }
        Err(error) => Err(Failure::new(FailureKind::Locked, error.to_string())
            .with_hint("wait until gc ends, and try again")),
    }
}

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
pub fn take(settings: &Settings, place: &Path, what: &str) -> Result<Turn> {
    let path = place.with_extension("lock");
    // First another build of this process: a lock that remains belongs to another process.
    let own = settings.context.take_turn(&path, &settings.interrupt.0).ok_or(Error::Interrupted)?;
    let shown = format!("the download of {what}");
    match Lock::take_for(settings, &path, Sharing::Exclusive, shown) {
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
