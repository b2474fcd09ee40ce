//! What keeps an object of the store: snapshots whose actions use it, and links that root it, directly or through
//! objects that refer to it. It looks at what is recorded, not at running processes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use serde::Serialize;

use super::{Engine, Error, plain};
use crate::activation::Action;
use crate::generations;
use crate::names::{ObjectName, SnapshotId};
use crate::platform::{self, FileKind};
use crate::store::{Store, read_info};

/// Something that keeps an object.
#[derive(Debug, Serialize)]
pub struct HolderReport {
    /// `snapshot` or `gc_root`.
    pub kind: &'static str,
    /// The number of the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// The link.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_path")]
    pub path: Option<PathBuf>,
    /// The objects between the two, the one that is named there first; empty when it names the object itself.
    pub through: Vec<ObjectName>,
    /// Whether it is the current snapshot.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub current: bool,
}

/// What is known of how an object is used.
#[derive(Debug, Serialize)]
pub struct HoldReport {
    /// The objects that it needs, itself among them.
    pub closure: Vec<ObjectName>,
    /// The bytes of their files.
    pub closure_size: u64,
    /// What keeps it.
    pub holders: Vec<HolderReport>,
    /// The places of the actions in force that name it, in the order of the snapshot.
    pub actions: Vec<usize>,
}

impl Engine {
    /// Tells what keeps an object, and what it needs.
    ///
    /// # Errors
    /// When the store or the snapshots cannot be listed, or the current one cannot be read.
    pub fn hold(&self, object: &ObjectName) -> Result<HoldReport, Error> {
        let mut references: BTreeMap<ObjectName, (Vec<ObjectName>, u64)> = BTreeMap::new();
        for name in objects(&self.store)? {
            // What has no good record refers to nothing that we know.
            if let Ok(Some(info)) = read_info(&self.store, &name) {
                references.insert(name, (info.references, info.size));
            }
        }
        let none = (Vec::new(), 0);
        let closure = walk(object, |name| references.get(name).unwrap_or(&none).0.iter());
        let mut referrers: BTreeMap<&ObjectName, Vec<&ObjectName>> = BTreeMap::new();
        for (name, (inner, _)) in &references {
            for reference in inner.iter().filter(|reference| *reference != name) {
                referrers.entry(reference).or_default().push(name);
            }
        }
        // From each object that leads here, the next one on the shortest way.
        let leads = walk(object, |name| referrers.get(name).into_iter().flatten().copied());
        let current = generations::current(&self.store)?;
        let places = current.activations.iter().enumerate();
        let actions = places.filter(|(_, entry)| self.names_in(&entry.action).contains(object)).map(|(place, _)| place);
        Ok(HoldReport {
            actions: actions.collect(),
            holders: self.holders(&leads, current.id)?,
            closure_size: closure.keys().map(|name| references.get(name).map_or(0, |(_, size)| *size)).sum(),
            closure: closure.into_keys().collect(),
        })
    }

    fn holders(
        &self,
        leads: &BTreeMap<ObjectName, Option<ObjectName>>,
        current: SnapshotId,
    ) -> Result<Vec<HolderReport>, Error> {
        let mut holders = Vec::new();
        for id in generations::all(&self.store)? {
            // One that cannot be read is told by `history`.
            let Ok(snapshot) = generations::read(&self.store, id) else { continue };
            let named = snapshot.activations.iter().flat_map(|entry| self.names_in(&entry.action));
            if let Some(through) = shortest(leads, named) {
                let holder =
                    HolderReport { kind: "snapshot", snapshot: Some(id), path: None, through, current: id == current };
                holders.push(holder);
            }
        }
        let objects = platform::canonical(self.store.objects());
        let mut pending = vec![self.store.metadata().join("gc-roots")];
        while let Some(directory) = pending.pop() {
            for (name, kind) in platform::list_directory(&directory).unwrap_or_default() {
                let path = directory.join(name);
                if kind == FileKind::Directory {
                    pending.push(path);
                    continue;
                }
                let target = platform::canonical(&path);
                let inner = target.strip_prefix(&objects).ok().and_then(|inner| inner.components().next());
                let named = inner.and_then(|name| ObjectName::parse(name.as_os_str().to_str()?).ok());
                if let Some(through) = shortest(leads, named.into_iter()) {
                    holders.push(HolderReport {
                        kind: "gc_root",
                        snapshot: None,
                        path: Some(path),
                        through,
                        current: false,
                    });
                }
            }
        }
        Ok(holders)
    }

    /// Returns the objects that an action names.
    fn names_in(&self, action: &Action) -> BTreeSet<ObjectName> {
        action.texts().into_iter().flat_map(|text| object_in(&self.store, &text.0)).collect()
    }
}

fn objects(store: &Store) -> Result<Vec<ObjectName>, Error> {
    let entries = match platform::list_directory(store.objects()) {
        Err(error) if error.is_not_found() => Vec::new(),
        entries => entries.map_err(crate::store::Error::from)?,
    };
    Ok(entries.iter().filter_map(|(name, _)| ObjectName::parse(name.to_str()?).ok()).collect())
}

/// Returns the objects that a text names by their paths.
fn object_in(store: &Store, text: &[u8]) -> Vec<ObjectName> {
    let mut prefix = platform::bytes_of_path(store.objects());
    prefix.push(b'/');
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.windows(prefix.len()).position(|window| window == prefix) {
        rest = &rest[place + prefix.len()..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
        let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let name = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        found.extend(ObjectName::parse(name));
    }
    found
}

/// Returns all that can be reached from an object, each with the one that it was reached from.
fn walk<'a, I: Iterator<Item = &'a ObjectName>>(
    from: &ObjectName,
    next: impl Fn(&ObjectName) -> I,
) -> BTreeMap<ObjectName, Option<ObjectName>> {
    let mut seen = BTreeMap::from([(from.clone(), None)]);
    let mut queue = VecDeque::from([from.clone()]);
    while let Some(object) = queue.pop_front() {
        for reached in next(&object) {
            if !seen.contains_key(reached) {
                seen.insert(reached.clone(), Some(object.clone()));
                queue.push_back(reached.clone());
            }
        }
    }
    seen
}

/// Returns the shortest way from one of the named objects to the one that all lead to, without its end.
fn shortest(
    leads: &BTreeMap<ObjectName, Option<ObjectName>>,
    named: impl Iterator<Item = ObjectName>,
) -> Option<Vec<ObjectName>> {
    let way = |from: ObjectName| {
        let mut way = Vec::new();
        let mut at = from;
        while let Some(next) = leads.get(&at)? {
            way.push(at);
            at = next.clone();
        }
        Some(way)
    };
    named.filter_map(way).min_by_key(Vec::len)
}
