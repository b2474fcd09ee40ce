//! Reads without a lock. If a switch changed the data in between, they are read again.

use std::time::Duration;

use super::{Engine, Error};
use crate::platform::{self, Identity};
use crate::switch;

/// How often to look.
const TRIES: usize = 10;

/// The wait before the next attempt while another process works.
const PAUSE: Duration = Duration::from_millis(10);

impl Engine {
    /// Reads, and repeats that if a switch happened in the meantime, or if it fails while a switch
    /// runs: a file may have been replaced during the read.
    pub(super) fn read_consistently<T>(
        &self,
        observe: impl Fn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 1..TRIES {
            let before = self.moment();
            let result = observe();
            let after = self.moment();
            let is_switching = after.0.is_some();
            if before == after && (result.is_ok() || !is_switching) {
                return result;
            }
            if is_switching {
                std::thread::sleep(PAUSE);
            }
        }
        observe()
    }

    /// Returns a value that changes with a switch, and while a switch runs: the mark of the
    /// journal, and the identity of the link `current`. Switching there and back makes another
    /// link.
    fn moment(&self) -> (Option<String>, Option<Identity>) {
        let pending = switch::pending(&self.store).ok().flatten();
        (pending.map(|pending| pending.mark), self.current_link())
    }

    /// Returns the link to the applied snapshot.
    pub(super) fn current_link(&self) -> Option<Identity> {
        platform::observe(&self.store.current()).ok().flatten().map(|seen| seen.identity)
    }
}
