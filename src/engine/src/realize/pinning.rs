//! Which results count by their pins, and fetching the pins that records name and the lock lacks.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::derivation::Derivation;
use crate::failure::{Explain, Failure, FailureKind, chain};
use crate::operation::cache::Cache;
use crate::operation::pinned::fetch_key;
use crate::operation::{Error as OperationError, Result as OperationResult, cache_lock, fetch_git};
use crate::pins::{Pin, PinChange, PinnedHashes, Rule, parts_of};
use crate::settings::{Event, Events, Settings};
use crate::store::{Outputs, Store};

/// The most parallel fetches: they wait for servers, not for processors.
const MOST_AT_ONCE: usize = 16;
const TICK: Duration = Duration::from_millis(100);

/// Returns whether the pins of a result are those of the lock. What has to be in the output of a
/// derivation was declared where it has a hash.
pub fn agrees(settings: &Settings, derivation: Option<&Derivation>, outputs: &Outputs) -> bool {
    settings.pins.agree(outputs.pins()) || is_declared(derivation)
}

fn is_declared(derivation: Option<&Derivation>) -> bool {
    derivation.is_some_and(|derivation| derivation.spec.output_hash.is_some())
}

/// Returns a result as users of a derivation have it: what has to be in it may be declared, and
/// then they do not depend on what it was made of.
pub fn for_users(derivation: Option<&Derivation>, outputs: Outputs) -> Outputs {
    if is_declared(derivation) && !outputs.pins().is_empty() {
        outputs.with_pins(None, PinnedHashes::new())
    } else {
        outputs
    }
}

/// Fetches what keys stand for, side by side.
fn fetch_all(
    settings: &Settings,
    store: &Store,
    keys: Vec<String>,
) -> Vec<(String, OperationResult<Pin>)> {
    enum Message {
        Event(Event),
        Done(String, OperationResult<Pin>),
    }
    let (sender, receiver) = channel();
    let count = keys.len();
    let waiting = Mutex::new(keys.into_iter());
    let mut fetched = Vec::with_capacity(count);
    thread::scope(|scope| {
        for _ in 0..count.min(MOST_AT_ONCE) {
            let (own, waiting) = (sender.clone(), &waiting);
            let work = move || {
                let settings = settings.with_events(Events::new({
                    let own = own.clone();
                    // The receiver is gone.
                    move |event| drop(own.send(Message::Event(event)))
                }));
                loop {
                    // A separate statement: nothing is locked while it is fetched.
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(key) = next else { return };
                    let known = settings.pins.get(&key);
                    let pin = fetch(&settings, store, &key, known.as_ref());
                    drop(own.send(Message::Done(key, pin)));
                }
            };
            // Without another thread it is done here.
            if thread::Builder::new().spawn_scoped(scope, work.clone()).is_err() {
                work();
            }
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => settings.events.send(event),
                Ok(Message::Done(key, pin)) => fetched.push((key, pin)),
                Err(RecvTimeoutError::Timeout) => settings.events.send(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    fetched.sort_by(|(one, _), (other, _)| one.cmp(other));
    fetched
}

fn fetch(
    settings: &Settings,
    store: &Store,
    key: &str,
    known: Option<&Pin>,
) -> OperationResult<Pin> {
    if settings.interrupt.is_set() {
        return Err(OperationError::Interrupted);
    }
    let downloads = store.downloads();
    fetch_key(Cache { settings, downloads: &downloads }, key, known)
}

/// What became of pins that were looked up.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// Those that moved.
    pub changes: Vec<PinChange>,
    /// Those that cannot be fetched, each with why.
    pub failures: Vec<(String, Failure)>,
}

/// Fetches what pins of a lock stand for now. A full commit stays what it is.
///
/// # Errors
/// When the cache cannot be used, or on an interrupt.
pub fn refresh(settings: &Settings, keys: Vec<String>) -> Result<Refreshed, Failure> {
    let may_move = |key: &String| {
        let reference = parts_of(key).map(|(_, reference, _)| reference);
        !reference.is_some_and(|text| {
            text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let keys: Vec<String> = keys.into_iter().filter(may_move).collect();
    if keys.is_empty() {
        return Ok(Refreshed::default());
    }
    let store = Store::new(&settings.root);
    let _lock = cache_lock::lock_cache(settings, &store)?;
    let mut refreshed = Refreshed::default();
    for (key, fetched) in fetch_all(settings, &store, keys) {
        let old = settings.pins.get(&key);
        match fetched {
            Err(OperationError::Interrupted) => {
                return Err(Failure::interrupted());
            }
            Err(error) => {
                let failure = Failure {
                    hint: error.hint(),
                    ..Failure::new(FailureKind::Fetch, format!("the pin {key}: {}", chain(&error)))
                };
                refreshed.failures.push((key, failure));
            }
            Ok(new) => {
                let change = PinChange { key, old, new: Some(new) };
                if !change.is_of_platforms() {
                    refreshed.changes.push(change);
                }
            }
        }
    }
    Ok(refreshed)
}

/// Makes sure that the pins of the lock name the commits that their trees came from. Records count
/// by the hash alone, so without it a wrong revision would only be found on another machine.
///
/// # Errors
/// When a pin names a commit with another tree, or a commit that cannot be fetched.
pub fn check_revs(settings: &Settings, store: &Store) -> Result<(), Failure> {
    if !matches!(settings.pins.rule(), Rule::Adds | Rule::Locked) {
        return Ok(());
    }
    let downloads = store.downloads();
    let silent = settings.without_events();
    let cache = Cache { settings: &silent, downloads: &downloads };
    let commits = settings.pins.locked_commits(&settings.system.platform);
    let suspect = |(key, pin): &(String, Pin)| fetch_git::has_other_rev(cache, key, pin);
    let suspects: Vec<(String, Pin)> = commits.into_iter().filter(suspect).collect();
    if suspects.is_empty() {
        return Ok(());
    }
    let _lock = cache_lock::lock_cache(settings, store)?;
    for (key, pin) in suspects {
        fetch_git::check_rev(cache, &key, &pin).map_err(|error| match error {
            OperationError::Interrupted => Failure::interrupted(),
            error => Failure::of(FailureKind::Lock, &error),
        })?;
    }
    Ok(())
}

/// Fetches and adds the pins that records name and the lock lacks. What cannot be fetched is noted:
/// its record does not count.
pub fn complete(settings: &Settings, store: &Store, keys: Vec<String>) {
    for (key, pin) in fetch_all(settings, store, keys) {
        match pin {
            Ok(pin) => drop(settings.pins.add(&key, pin)),
            Err(_) => settings.pins.note_failure(&key),
        }
    }
}
