//! Looking without a lock while others may switch: what was seen in between is looked at again.

use std::time::Duration;

use super::{Engine, Error};
use crate::platform::{self, Identity};
use crate::switch;

/// How often to look.
const TRIES: usize = 10;

/// How long to wait before looking again at what somebody is busy with.
const PAUSE: Duration = Duration::from_millis(10);

impl Engine {
    /// Looks, and does so again when somebody switched meanwhile, or when it fails while somebody
    /// switches: a file may have been replaced between two looks at it.
    pub(super) fn calmly<T>(&self, look: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        for _ in 1..TRIES {
            let before = self.moment();
            let result = look();
            let after = self.moment();
            let is_switching = after.0.is_some();
            if before == after && (result.is_ok() || !is_switching) {
                return result;
            }
            if is_switching {
                std::thread::sleep(PAUSE);
            }
        }
        look()
    }

    /// Returns what is another after a switch, and while one is under way: the mark of the journal,
    /// and which link `current` is. Whoever switched and switched back made another link.
    fn moment(&self) -> (Option<String>, Option<Identity>) {
        let pending = switch::pending(&self.store).ok().flatten();
        (pending.map(|pending| pending.mark), self.current_link())
    }

    /// Returns which link leads to the snapshot in force.
    pub(super) fn current_link(&self) -> Option<Identity> {
        platform::look(&self.store.current()).ok().flatten().map(|seen| seen.identity)
    }
}
