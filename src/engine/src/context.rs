//! What outlives one call of the engine: the caller makes it, and hands it to each call in its settings.
//! Nothing in the engine is process-wide, so that two callers in one process have nothing in common.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use syslua_fetch::{Client, Network, Problem};

/// What calls of the engine share.
#[derive(Default)]
pub struct EngineContext {
    client: Mutex<Option<Client>>,
    warnings: Mutex<BTreeSet<String>>,
    numbers: AtomicU64,
}

impl EngineContext {
    /// Returns the HTTP client for these settings. The last one is kept, with its open connections.
    ///
    /// # Errors
    /// When the certificates that the settings name cannot be read.
    pub fn client(&self, network: &Network, interrupt: &Arc<AtomicBool>) -> Result<Client, Problem> {
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

    /// Returns a number that it returns only once, for names of temporary files. Other contexts of this process
    /// return the same ones.
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
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
        assert!(context.is_new_warning("a") && context.is_new_warning("b") && !context.is_new_warning("a"));
        assert_ne!(context.next_number(), context.next_number());
    }
}
