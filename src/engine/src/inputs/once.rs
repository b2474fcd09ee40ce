//! What one evaluation fetched: inputs with the same address are one fetch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Fetched;
use super::Request;
use super::address::{InputAddress, Origin};
use crate::lock::LockedInput;

/// The trees that were fetched since an evaluation began.
#[derive(Debug, Default)]
pub struct Once {
    known: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// What became of one fetch.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<Fetched>>);

impl Slot {
    /// Returns what is known of it. As long as that is held, others who want the same wait.
    pub(super) fn hold(&self) -> MutexGuard<'_, Option<Fetched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Once {
    /// Returns the place of what is to be fetched: the locked revision, or the newest.
    pub(super) fn slot(
        &self,
        request: &Request,
        address: &InputAddress,
        locked: Option<&LockedInput>,
    ) -> Arc<Slot> {
        let what = match &address.origin {
            Origin::Git { repository, reference, submodules } => {
                let rev = locked.and_then(|locked| locked.rev.as_ref());
                format!("git {submodules} {:?} {repository}", rev.or(reference.as_ref()))
            }
            Origin::Archive { url, strip } => {
                format!("archive {:?} {url}", request.strip.or(*strip))
            }
            Origin::Path(path) => format!("path {path}"),
        };
        // With another login a server may give something else.
        let login = (&request.auth, request.sealed_auth.as_ref().map(|_| &request.key));
        let key = format!("{what} {login:?}");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(key).or_default())
    }
}
