//! State that outlives one call of the engine. The caller creates it and passes it to each call in
//! the settings. The engine has no process-wide state, so two callers in one process share nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use syslua_fetch::{Client, Network, Problem};

use crate::seen_trees::SeenTrees;

/// How long to wait for a turn before looking at the flag again.
const SLICE: Duration = Duration::from_millis(50);

/// What calls of the engine share.
#[derive(Default)]
pub struct EngineContext {
    client: Mutex<Option<Client>>,
    warnings: Mutex<BTreeSet<String>>,
    turns: Arc<Turns>,
    /// The trees that were hashed, which need not be hashed again when they are copied.
    pub seen_trees: Arc<SeenTrees>,
}

/// The places that something is fetched to.
#[derive(Default)]
struct Turns {
    taken: Mutex<BTreeSet<PathBuf>>,
    given_back: Condvar,
}

/// The turn at a place, until it is dropped.
pub struct OwnTurn {
    turns: Arc<Turns>,
    place: PathBuf,
}

impl Drop for OwnTurn {
    fn drop(&mut self) {
        self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
        self.turns.given_back.notify_all();
    }
}

impl EngineContext {
    /// Returns the HTTP client for these settings. The last one is kept, with its open connections.
    ///
    /// # Errors
    /// When the certificates that the settings name cannot be read.
    pub fn client(
        &self,
        network: &Network,
        interrupt: &Arc<AtomicBool>,
    ) -> Result<Client, Problem> {
        let mut last = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = last.as_ref().filter(|client| client.is_for(network, interrupt)) {
            return Ok(client.clone());
        }
        let client = Client::new(network, interrupt)?;
        *last = Some(client.clone());
        Ok(client)
    }

    /// Returns whether a warning is given for the first time.
    pub fn is_new_warning(&self, message: &str) -> bool {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned())
    }

    /// Waits until no other call has the turn at a place; `None` when the flag is set before.
    pub fn take_turn(&self, place: &Path, interrupt: &AtomicBool) -> Option<OwnTurn> {
        let mut taken = self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while !taken.insert(place.to_owned()) {
            if interrupt.load(Ordering::Relaxed) {
                return None;
            }
            let waited = self.turns.given_back.wait_timeout(taken, SLICE);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(OwnTurn { turns: Arc::clone(&self.turns), place: place.to_owned() })
    }
}

impl fmt::Debug for EngineContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EngineContext")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_kept_for_the_same_settings_and_a_warning_is_new_once() {
        let (context, interrupt) = (EngineContext::default(), Arc::default());
        let network = Network::default();
        context.client(&network, &interrupt).unwrap();
        assert!(context.client.lock().unwrap().as_ref().unwrap().is_for(&network, &interrupt));
        let other = Network { retries: 9, ..Network::default() };
        context.client(&other, &interrupt).unwrap();
        assert!(!context.client.lock().unwrap().as_ref().unwrap().is_for(&network, &interrupt));
        assert!(
            context.is_new_warning("a")
                && context.is_new_warning("b")
                && !context.is_new_warning("a")
        );
    }

    #[test]
    fn one_has_the_turn_at_a_place_and_who_waits_hears_the_flag() {
        let (context, quiet) = (EngineContext::default(), AtomicBool::new(false));
        let first = context.take_turn(Path::new("a"), &quiet).unwrap();
        assert!(context.take_turn(Path::new("b"), &quiet).is_some());
        assert!(context.take_turn(Path::new("a"), &AtomicBool::new(true)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| context.take_turn(Path::new("a"), &quiet).is_some());
            drop(first);
            assert!(waiting.join().unwrap());
        });
    }
}
