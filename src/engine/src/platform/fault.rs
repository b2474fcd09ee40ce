//! The fault point: every mutating operation has a number and can be made to fail or to stop there.
//!
//! Only builds with the feature `fault-injection`, and this crate's own tests, count; elsewhere a
//! point costs nothing.

use std::io;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends at once, as by a kill.
    Stop,
    /// The operation fails with this error number of the system.
    Fail(i32),
}

#[cfg(any(test, feature = "fault-injection"))]
mod counting {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::Fault;

    static COUNT: AtomicU64 = AtomicU64::new(0);
    static CHOSEN: Mutex<Option<(u64, Fault)>> = Mutex::new(None);

    /// Chooses the operation, counted from 1, at which the fault happens, and counts anew.
    pub fn choose(chosen: Option<(u64, Fault)>) {
        *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = chosen;
        COUNT.store(0, Ordering::SeqCst);
    }

    /// Returns how many operations there were since the last choice.
    pub fn count() -> u64 {
        COUNT.load(Ordering::SeqCst)
    }

    pub(super) fn point() -> io::Result<()> {
        let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
        match *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((chosen, Fault::Stop)) if chosen == number => std::process::abort(),
            Some((chosen, Fault::Fail(code))) if chosen == number => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(()),
        }
    }
}

#[cfg(any(test, feature = "fault-injection"))]
pub use counting::{choose, count};

/// Passes the point of one mutating operation.
pub(crate) fn point() -> io::Result<()> {
    #[cfg(any(test, feature = "fault-injection"))]
    return counting::point();
    #[cfg(not(any(test, feature = "fault-injection")))]
    Ok(())
}
