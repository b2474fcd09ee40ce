//! Fetching inputs side by side, each into the cache.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use syslua_fetch::url::redact;

use super::address::{InputAddress, Origin};
use super::once::Once;
use super::{
    Fetched, LOGIN_HINT, MOST_AT_ONCE, REFUSED_HINT, Request, Resolved, TICK, archive, auth,
    commit, done, failed, may_be_from, origin_of,
};
use crate::failure::{Explain, Failure, FailureKind, Mismatch, chain};
use crate::hash::Hash;
use crate::lock::LockedInput;
use crate::operation::{self, cache_lock, origins};
use crate::platform;
use crate::settings::{Event, Events, Settings};
use crate::store::Store;
use crate::store::tree as store_tree;

/// What fetches inputs.
pub struct Session<'a> {
    pub(super) settings: &'a Settings,
    store: Store,
    once: &'a Once,
}

/// A message from a thread.
enum Message {
    Event(Event),
    Done(usize, Result<Resolved, Failure>),
}

/// Fetches inputs side by side.
pub fn fetch_all(
    settings: &Settings,
    store: &Store,
    requests: &[Request],
    open: Vec<(usize, InputAddress)>,
    once: &Once,
) -> Vec<(usize, Result<Resolved, Failure>)> {
    let mut answers = Vec::with_capacity(open.len());
    if open.is_empty() {
        return answers;
    }
    let _lock = match cache_lock::lock_cache(settings, store) {
        Ok(lock) => lock,
        Err(failure) if failure.kind == FailureKind::Interrupted => return Vec::new(),
        Err(failure) => {
            return open.into_iter().map(|(index, _)| (index, Err(failure.clone()))).collect();
        }
    };
    let (sender, receiver) = channel();
    let count = open.len();
    let waiting = std::sync::Mutex::new(open.into_iter());
    thread::scope(|scope| {
        for _ in 0..count.min(MOST_AT_ONCE) {
            let sender = sender.clone();
            let waiting = &waiting;
            let settings = settings.with_events(Events::new({
                let sender = sender.clone();
                // The receiver is gone.
                move |event| drop(sender.send(Message::Event(event)))
            }));
            let work = move || {
                let session = Session { settings: &settings, store: store.clone(), once };
                loop {
                    // A separate statement: nothing is locked while it is fetched.
                    let next =
                        waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some((index, address)) = next else { return };
                    let answer = session.fetch(&requests[index], &address);
                    let _ = sender.send(Message::Done(index, answer));
                }
            };
            // Where the system gives no more threads, those that there are do all.
            let _ =
                thread::Builder::new().name("syslua-input".to_owned()).spawn_scoped(scope, work);
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => settings.events.send(event),
                Ok(Message::Done(index, answer)) => answers.push((index, answer)),
                Err(RecvTimeoutError::Timeout) => settings.events.send(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    answers
}

impl Session<'_> {
    /// Fetches an input: what the lock says, or the newest.
    fn fetch(&self, request: &Request, address: &InputAddress) -> Result<Resolved, Failure> {
        if self.settings.interrupt.is_set() {
            return Err(Failure::interrupted());
        }
        let locked = request.locked.as_ref().filter(|_| !request.refresh);
        let slot = self.once.slot(request, address, locked);
        let mut known = slot.lock();
        if let Some(fetched) = &*known {
            return self.taken(request, address, locked, fetched);
        }
        let wanted = format!("{} {:?}", request.url, locked.and_then(|locked| locked.sha256));
        let turn_place = self.store.input_trees().join(Hash::of(wanted.as_bytes()).to_hex());
        let in_words = |error: operation::Error| self.in_words(request, &error);
        let _turn = cache_lock::take(self.settings, &turn_place, &request.key).map_err(in_words)?;
        if let Some(locked) = locked
            && let Some(sha256) = locked.sha256
        {
            // Another process may have been after the same.
            let place = self.store.input_trees().join(sha256.to_hex());
            if self.hash(&place).is_ok_and(|found| found == sha256)
                && may_be_from(&place, address, locked.rev.as_deref(), request.strip)
            {
                return done(request, address, place, locked.clone(), Vec::new());
            }
        }
        // This process holds its lock, so nothing else makes one with this name.
        let scratch = turn_place.with_extension("new");
        let cleared =
            platform::remove_tree(&scratch).and_then(|()| platform::create_directory(&scratch));
        cleared.map_err(|error| in_words(error.into()))?;
        let fetched = self.fetch_in(request, address, locked, &scratch);
        let cleaned = platform::remove_tree(&scratch).map_err(|error| in_words(error.into()));
        let fetched = fetched?;
        cleaned?;
        let resolved = self.taken(request, address, locked, &fetched);
        if resolved.is_ok() {
            self.once.note(request, address, locked, &fetched);
            *known = Some(fetched);
        }
        resolved
    }

    /// Returns a tree that was fetched as what an input resolved to, if it is what was locked.
    fn taken(
        &self,
        request: &Request,
        address: &InputAddress,
        locked: Option<&LockedInput>,
        fetched: &Fetched,
    ) -> Result<Resolved, Failure> {
        if let Some(locked) = locked
            && let Some(expected) = locked.sha256
            && expected != fetched.sha256
        {
            return Err(mismatch(request, locked, expected, fetched.sha256));
        }
        let place = self.store.input_trees().join(fetched.sha256.to_hex());
        let entry = locked.cloned().unwrap_or_else(|| LockedInput {
            kind: address.kind(),
            url: request.url.clone(),
            reference: match &address.origin {
                Origin::Git { reference, .. } => reference.clone(),
                _ => None,
            },
            rev: fetched.rev.clone(),
            strip: request.strip,
            sha256: Some(fetched.sha256),
            last_modified: fetched.last_modified,
            others: BTreeMap::new(),
        });
        done(request, address, place, entry, fetched.notices.clone())
    }

    fn fetch_in(
        &self,
        request: &Request,
        address: &InputAddress,
        locked: Option<&LockedInput>,
        scratch: &Path,
    ) -> Result<Fetched, Failure> {
        let opened = auth::opened(self.settings, request)?;
        let request = opened.as_ref().unwrap_or(request);
        let in_words = |error: operation::Error| self.in_words(request, &error);
        let (fetched, tree) = match &address.origin {
            Origin::Git { .. } => {
                commit::fetch(self, request, address, locked, scratch).map_err(in_words)?
            }
            Origin::Archive { url, strip } => {
                let strip = request.strip.or(*strip);
                archive::fetch(self, request, url, strip, scratch).map_err(in_words)?
            }
            Origin::Path(_) => return Err(failed(request, "a path is not fetched")),
        };
        if locked.and_then(|locked| locked.sha256).is_some_and(|wanted| wanted != fetched.sha256) {
            // The tree is of no use, and what is wrong is told where the input is taken.
            return Ok(fetched);
        }
        let place = self.store.input_trees().join(fetched.sha256.to_hex());
        let origin = origin_of(address, fetched.rev.as_deref(), request.strip);
        self.publish(&tree, &place, fetched.sha256, origin).map_err(in_words)?;
        Ok(fetched)
    }

    /// Gives a tree its place, unless the same is there, and notes where it came from.
    fn publish(
        &self,
        tree: &Path,
        place: &Path,
        sha256: Hash,
        origin: Option<origins::Origin<'_>>,
    ) -> operation::Result<()> {
        let _turn = cache_lock::take(self.settings, place, "an input")?;
        // First: a tree without it would be taken for one of an older version.
        if let Some(origin) = origin {
            origins::note(place, origin)?;
        }
        if self.hash(place).is_ok_and(|found| found == sha256) {
            return Ok(());
        }
        platform::remove_tree(place)?;
        Ok(platform::rename(tree, place)?)
    }

    pub(super) fn hash(&self, tree: &Path) -> crate::store::Result<Hash> {
        Ok(store_tree::hash(tree, &self.settings.interrupt)?.nar)
    }

    fn in_words(&self, request: &Request, error: &operation::Error) -> Failure {
        if matches!(error, operation::Error::Interrupted) || self.settings.interrupt.is_set() {
            return Failure::interrupted();
        }
        let mut failure = failed(request, without_secret(chain(error), request));
        failure.hint = error.hint().map(|hint| without_secret(hint, request));
        if failure.hint.as_deref().is_some_and(|hint| hint.contains(".netrc")) {
            failure.hint = Some(match request.auth {
                Some(_) => REFUSED_HINT.to_owned(),
                None => LOGIN_HINT.to_owned(),
            });
        }
        let locked = request.locked.as_ref().filter(|_| !request.refresh);
        if locked.and_then(|locked| locked.rev.as_ref()).is_some_and(|rev| {
            failure.message.contains(rev.as_str()) && failure.message.contains("no commit")
        }) {
            failure.hint = Some(format!(
                "syslua.lock names that commit: take the file back from version control, or \
                 `sys update {}` locks what is there now",
                request.key
            ));
        }
        failure.hint = failure.hint.or_else(|| Some(reach_hint(request)));
        failure
    }
}

/// What to do where nothing better is known.
fn reach_hint(request: &Request) -> String {
    match InputAddress::parse(&request.url).map(|address| address.origin) {
        Ok(Origin::Git { repository, .. }) => format!(
            "check the address, and what git says to it: git ls-remote {}",
            redact(&repository)
        ),
        _ => "check the address, and that this machine reaches the server".to_owned(),
    }
}

/// A message never has a token, whatever a server answered.
fn without_secret(text: String, request: &Request) -> String {
    match request
        .auth
        .as_deref()
        .map(|auth| auth.split_once(':').map_or(auth.as_str(), |(_, password)| password))
    {
        Some(secret) if !secret.is_empty() => text.replace(secret, "***"),
        _ => text,
    }
}

fn mismatch(request: &Request, locked: &LockedInput, expected: Hash, found: Hash) -> Failure {
    let what = match &locked.rev {
        Some(rev) => format!("commit {rev} of {}", redact(&request.url)),
        None => redact(&request.url),
    };
    let mut failure = failed(
        request,
        format!(
            "{what} differs from what syslua.lock names\n  locked sha256   {expected}\n  received \
             sha256 {found}"
        ),
    )
    .with_hint(format!(
        "find out why it changed before you trust it; then `sys update {}` locks the new content",
        request.key
    ));
    failure.mismatches.push(Mismatch {
        position: request.position.clone(),
        url: redact(&request.url),
        expected: expected.to_hex(),
        found: found.to_hex(),
    });
    failure
}
