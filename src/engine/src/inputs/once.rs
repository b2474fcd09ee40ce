//! What one evaluation fetched: inputs with the same address are one fetch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Fetched;
use super::Request;
use super::address::{InputAddress, Origin};
use crate::lock::LockedInput;
use crate::pins::KnownCommit;

/// The trees that were fetched since an evaluation began.
#[derive(Debug, Default)]
pub struct Once {
    known: Mutex<BTreeMap<String, Arc<Slot>>>,
    commits: Mutex<Vec<KnownCommit>>,
}

/// What became of one fetch.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<Fetched>>);

impl Slot {
    /// Returns what is known of it. As long as that is held, others who want the same wait.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Fetched>> {
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
        let key = format!("{what} {:?} {login:?}", request.github);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(key).or_default())
    }

    /// Notes a commit that was fetched without a login of the config, so that a build that wants
    /// the same needs no other fetch.
    pub(super) fn note(
        &self,
        request: &Request,
        address: &InputAddress,
        locked: Option<&LockedInput>,
        fetched: &Fetched,
    ) {
        let Origin::Git { repository, reference, submodules } = &address.origin else { return };
        let Some(rev) = &fetched.rev else { return };
        if request.auth.is_some() || request.sealed_auth.is_some() {
            return;
        }
        // Where a locked branch leads to now is not known.
        let reference =
            locked.is_none().then(|| reference.clone().unwrap_or_else(|| "HEAD".to_owned()));
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).push(KnownCommit {
            address: repository.clone(),
            reference,
            rev: rev.clone(),
            submodules: *submodules,
            sha256: fetched.sha256,
            last_modified: fetched.last_modified,
        });
    }

    /// Returns the commits that were fetched.
    pub fn commits(&self) -> Vec<KnownCommit> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
