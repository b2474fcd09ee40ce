//! Pins: the parts of downloads that a config leaves open and its lock fixes. They are in memory
//! only: the caller reads and writes the file.
//!
//! A key is the address of a download, or `ADDRESS#REF` of a commit, where `ADDRESS` ends with
//! `?submodules=1` when its submodules belong to it. One key means one content for a whole call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::hash::Hash;

/// The pins that a result depends on: the hash of each key.
pub type PinnedHashes = BTreeMap<String, Hash>;

/// What a lock says of something that is fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// The full commit; nothing for a download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// The SHA-256 of a download, the NAR hash of the tree of a commit.
    pub sha256: Hash,
    /// When the commit was made, in seconds since the epoch.
    #[serde(rename = "lastModified", default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    /// Where else to look for a download, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// The platforms whose builds used it.
    #[serde(default)]
    pub platforms: BTreeSet<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

impl Pin {
    /// Returns the same pin with the platforms and mirrors of another one besides its own.
    #[must_use]
    pub fn with_uses_of(mut self, other: &Pin) -> Pin {
        self.platforms.extend(other.platforms.iter().cloned());
        self.add_mirrors(&other.mirrors);
        self
    }

    fn add_mirrors(&mut self, mirrors: &[String]) {
        for mirror in mirrors {
            if !self.mirrors.contains(mirror) {
                self.mirrors.push(mirror.clone());
            }
        }
    }
}

/// Returns the parts of the key of a commit: address, reference and whether submodules belong to
/// it; nothing for the key of a download.
pub fn parts_of(key: &str) -> Option<(&str, &str, bool)> {
    let (address, reference) = key.split_once('#')?;
    match address.strip_suffix(SUBMODULES) {
        Some(address) => Some((address, reference, true)),
        None => Some((address, reference, false)),
    }
}

/// Returns the key of a commit.
pub fn key_of_commit(address: &str, reference: &str, submodules: bool) -> String {
    format!("{address}{}#{reference}", if submodules { SUBMODULES } else { "" })
}

const SUBMODULES: &str = "?submodules=1";

/// What may happen to pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// There is no lock: everything that is fetched names its hash.
    #[default]
    NoLock,
    /// What is missing is fetched and added.
    Adds,
    /// Nothing is added: `--locked`.
    Locked,
    /// Nothing is added: a config of a snapshot is what it was.
    Kept,
}

/// The pins of one config, as its lock has them and as calls add to them. Only adding is possible.
#[derive(Debug, Default)]
pub struct Pins {
    rule: Rule,
    state: Mutex<State>,
    commits: Vec<KnownCommit>,
}

/// A commit that an input of the config is, whose tree is in the cache of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownCommit {
    /// The address of the repository.
    pub address: String,
    /// What leads to it now: a branch, a tag or `HEAD`; nothing where only the
    /// commit was asked for.
    pub reference: Option<String>,
    /// The full commit.
    pub rev: String,
    /// Whether its submodules belong to the tree.
    pub submodules: bool,
    /// The NAR hash of its tree.
    pub sha256: Hash,
    /// When it was made, in seconds since the epoch.
    pub last_modified: Option<i64>,
}

#[derive(Debug, Default)]
struct State {
    /// What the lock has.
    locked: BTreeMap<String, Pin>,
    /// Added pins, and locked ones that got a platform.
    changed: BTreeMap<String, Pin>,
    /// What could not be fetched for a record: a build says why.
    failed: BTreeSet<String>,
}

impl State {
    fn get(&self, key: &str) -> Option<&Pin> {
        self.changed.get(key).or_else(|| self.locked.get(key))
    }
}

impl Pins {
    /// Begins with what a lock has.
    pub fn new(rule: Rule, locked: BTreeMap<String, Pin>) -> Pins {
        let state = Mutex::new(State { locked, ..State::default() });
        Pins { rule, state, commits: Vec::new() }
    }

    /// Returns the same pins, with commits that need not be fetched again.
    #[must_use]
    pub fn with_commits(self, commits: Vec<KnownCommit>) -> Pins {
        Pins { commits, ..self }
    }

    /// Returns the same pins, to which nothing is added.
    #[must_use]
    pub fn kept(&self) -> Pins {
        let state = self.state();
        let all = state.locked.iter().chain(&state.changed);
        let all = all.map(|(key, pin)| (key.clone(), pin.clone())).collect();
        Pins::new(Rule::Kept, all).with_commits(self.commits.clone())
    }

    /// Returns the same pins, to which `--locked` lets nothing be added.
    #[must_use]
    pub fn locked(&self) -> Pins {
        Pins { rule: Rule::Locked, ..self.kept() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what may happen to them.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Returns a pin.
    pub fn get(&self, key: &str) -> Option<Pin> {
        self.state().get(key).cloned()
    }

    /// Returns the pin of any reference of a repository that leads to a commit.
    pub fn get_commit(&self, address: &str, rev: &str, submodules: bool) -> Option<Pin> {
        let state = self.state();
        let mut all = state.changed.iter().chain(&state.locked);
        let is_same = |key: &str, pin: &Pin| {
            pin.rev.as_deref() == Some(rev)
                && parts_of(key).is_some_and(|(own, _, with)| own == address && with == submodules)
        };
        all.find(|(key, pin)| is_same(key, pin)).map(|(_, pin)| pin.clone())
    }

    /// Returns what a reference or a full commit of a repository leads to, where an input of the
    /// config is that commit.
    pub fn get_known(&self, address: &str, reference: &str, submodules: bool) -> Option<Pin> {
        let is_same = |commit: &&KnownCommit| {
            commit.address == address
                && commit.submodules == submodules
                && (commit.reference.as_deref() == Some(reference) || commit.rev == reference)
        };
        self.commits.iter().find(is_same).map(|commit| Pin {
            rev: Some(commit.rev.clone()),
            sha256: commit.sha256,
            last_modified: commit.last_modified,
            mirrors: Vec::new(),
            platforms: BTreeSet::new(),
            others: BTreeMap::new(),
        })
    }

    /// Returns the commits of the lock that builds of a platform used: the key and the pin of each.
    pub fn locked_commits(&self, platform: &str) -> Vec<(String, Pin)> {
        let is_used =
            |(_, pin): &(&String, &Pin)| pin.rev.is_some() && pin.platforms.contains(platform);
        let state = self.state();
        let used = state.locked.iter().filter(is_used);
        used.map(|(key, pin)| (key.clone(), pin.clone())).collect()
    }

    /// Returns whether each of these pins is there, with the same hash.
    pub fn agree(&self, hashes: &PinnedHashes) -> bool {
        if hashes.is_empty() {
            return true;
        }
        let state = self.state();
        let is_same =
            |(key, hash): (&String, &Hash)| state.get(key).is_some_and(|pin| pin.sha256 == *hash);
        hashes.iter().all(is_same)
    }

    /// Returns the pins that are missing where all others agree; nothing where one has another
    /// hash.
    pub fn missing<'a>(&self, hashes: &'a PinnedHashes) -> Option<Vec<(&'a String, Hash)>> {
        let state = self.state();
        let mut missing = Vec::new();
        for (key, hash) in hashes {
            match state.get(key) {
                Some(pin) if pin.sha256 == *hash => {}
                Some(_) => return None,
                None => missing.push((key, *hash)),
            }
        }
        Some(missing)
    }

    /// Returns the pins that are missing where all others agree, as far as they may be added.
    pub fn lacking(&self, hashes: &PinnedHashes) -> Vec<String> {
        if hashes.is_empty() || self.rule != Rule::Adds {
            return Vec::new();
        }
        let missing = self.missing(hashes).unwrap_or_default();
        let state = self.state();
        if missing.iter().any(|(key, _)| state.failed.contains(*key)) {
            return Vec::new();
        }
        missing.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Adds a pin, unless it exists; returns the valid one.
    pub fn add(&self, key: &str, pin: Pin) -> Pin {
        let mut state = self.state();
        if let Some(known) = state.get(key) {
            return known.clone();
        }
        state.changed.insert(key.to_owned(), pin.clone());
        pin
    }

    /// Notes that a pin cannot be fetched.
    pub fn note_failure(&self, key: &str) {
        self.state().failed.insert(key.to_owned());
    }

    /// Notes that builds of a platform used pins.
    pub fn note_use<'a>(&self, keys: impl Iterator<Item = &'a String>, platform: &str) {
        let mut state = self.state();
        for key in keys {
            let Some(pin) = state.get(key).filter(|pin| !pin.platforms.contains(platform)) else {
                continue;
            };
            let mut pin = pin.clone();
            pin.platforms.insert(platform.to_owned());
            state.changed.insert(key.clone(), pin);
        }
    }

    /// Notes where else a build looks for a download.
    pub fn note_mirrors(&self, key: &str, mirrors: &[String]) {
        let mut state = self.state();
        let Some(known) = state.get(key) else { return };
        let mut pin = known.clone();
        pin.add_mirrors(mirrors);
        if pin != *known {
            state.changed.insert(key.to_owned(), pin);
        }
    }

    /// Returns the pins that the lock does not have so, each with what it has.
    pub fn changes(&self) -> Vec<PinChange> {
        if self.rule != Rule::Adds {
            return Vec::new();
        }
        let state = self.state();
        let change = |(key, pin): (&String, &Pin)| PinChange {
            key: key.clone(),
            old: state.locked.get(key).cloned(),
            new: Some(pin.clone()),
        };
        state.changed.iter().map(change).collect()
    }

    /// Notes that the lock has all of them now.
    pub fn note_written(&self) {
        let mut state = self.state();
        let changed = std::mem::take(&mut state.changed);
        state.locked.extend(changed);
    }
}

/// What happens to a pin of a lock.
#[derive(Clone, Debug, PartialEq)]
pub struct PinChange {
    /// Its key.
    pub key: String,
    /// What the lock had.
    pub old: Option<Pin>,
    /// What it gets.
    pub new: Option<Pin>,
}

impl PinChange {
    /// Returns whether only the platforms and mirrors differ.
    pub fn is_of_platforms(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return false };
        old.sha256 == new.sha256 && old.rev == new.rev
    }

    /// Makes the change in pins that may have changed since they were read. Returns whether that
    /// was possible: what another process says otherwise stays.
    pub fn make(&self, pins: &mut BTreeMap<String, Pin>) -> bool {
        let now = pins.get(&self.key);
        let is_as_read = now == self.old.as_ref();
        match (&self.new, now) {
            (Some(new), Some(now)) if now.sha256 == new.sha256 => {
                let merged = if is_as_read { new.clone() } else { now.clone().with_uses_of(new) };
                pins.insert(self.key.clone(), merged);
                true
            }
            (Some(new), now) if is_as_read || now.is_none() => {
                pins.insert(self.key.clone(), new.clone());
                true
            }
            (Some(_), _) => false,
            (None, _) if is_as_read => {
                pins.remove(&self.key);
                true
            }
            (None, now) => now.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str, platforms: &[&str]) -> Pin {
        Pin {
            rev: None,
            sha256: Hash::of(text.as_bytes()),
            last_modified: None,
            mirrors: Vec::new(),
            platforms: platforms.iter().map(|name| (*name).to_owned()).collect(),
            others: BTreeMap::new(),
        }
    }

    fn hashes(pairs: &[(&str, &str)]) -> PinnedHashes {
        let pair = |(key, text): &(&str, &str)| ((*key).to_owned(), Hash::of(text.as_bytes()));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn keys_tell_commits_from_downloads() {
        for (address, reference, submodules) in
            [("https://a/b.git", "main", false), ("git@a:b", "v1#x", true), ("/a b", "HEAD", true)]
        {
            let key = key_of_commit(address, reference, submodules);
            assert_eq!(parts_of(&key), Some((address, reference, submodules)));
        }
        assert_eq!(parts_of("https://a/b.tar.gz?x=1"), None);
    }

    #[test]
    fn a_key_means_one_content_and_a_rule_decides_what_is_lacking() {
        let locked = BTreeMap::from([("a".to_owned(), pin("1", &["x"]))]);
        for rule in [Rule::NoLock, Rule::Adds, Rule::Locked, Rule::Kept] {
            let pins = Pins::new(rule, locked.clone());
            assert!(pins.agree(&hashes(&[])) && pins.agree(&hashes(&[("a", "1")])));
            assert!(!pins.agree(&hashes(&[("a", "2")])));
            assert!(!pins.agree(&hashes(&[("a", "1"), ("b", "1")])));
            let expected: &[&str] = if rule == Rule::Adds { &["b"] } else { &[] };
            assert_eq!(pins.lacking(&hashes(&[("a", "1"), ("b", "1")])), expected);
            assert!(pins.lacking(&hashes(&[("a", "2"), ("b", "1")])).is_empty());
        }
        let pins = Pins::new(Rule::Adds, locked);
        assert_eq!(pins.add("a", pin("2", &[])), pin("1", &["x"]));
        assert_eq!(pins.add("b", pin("3", &["x"])), pin("3", &["x"]));
        assert_eq!(pins.add("b", pin("4", &["x"])), pin("3", &["x"]));
        pins.note_failure("c");
        assert!(pins.lacking(&hashes(&[("c", "1")])).is_empty());
        pins.note_use(["a".to_owned(), "b".to_owned()].iter(), "y");
        let changes = pins.changes();
        assert_eq!(changes.len(), 2);
        assert!(changes[0].is_of_platforms() && !changes[1].is_of_platforms());
        pins.note_written();
        assert!(pins.changes().is_empty() && pins.agree(&hashes(&[("a", "1"), ("b", "3")])));
    }

    #[test]
    fn changes_are_made_beside_what_another_process_wrote() {
        let change =
            |old: Option<Pin>, new: Option<Pin>| PinChange { key: "a".to_owned(), old, new };
        let made = |change: &PinChange, now: Option<Pin>| {
            let mut pins: BTreeMap<String, Pin> =
                now.into_iter().map(|pin| ("a".to_owned(), pin)).collect();
            let is_made = change.make(&mut pins);
            (is_made, pins.remove("a"))
        };
        let (one, two, three) = (pin("1", &["x"]), pin("2", &["x"]), pin("3", &["y"]));
        let add = change(None, Some(one.clone()));
        assert_eq!(made(&add, None), (true, Some(one.clone())));
        assert_eq!(made(&add, Some(pin("1", &["y"]))), (true, Some(pin("1", &["x", "y"]))));
        assert_eq!(made(&add, Some(three.clone())), (false, Some(three.clone())));
        let update = change(Some(one.clone()), Some(two.clone()));
        assert_eq!(made(&update, Some(one.clone())), (true, Some(two.clone())));
        assert_eq!(made(&update, Some(three.clone())), (false, Some(three.clone())));
        let remove = change(Some(one.clone()), None);
        assert_eq!(made(&remove, Some(one)), (true, None));
        assert_eq!(made(&remove, Some(three.clone())), (false, Some(three)));
        assert_eq!(made(&remove, None), (true, None));
    }
}
