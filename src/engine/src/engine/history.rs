//! Verbs that look at snapshots: which there are, and how two of them, or two files, differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::report::{action_report, snapshot_report};
use super::{DerivationChange, Engine, Error, HistoryEntry, HistoryReport, SnapshotDiffReport, SnapshotReport};
use crate::action::{After, Before};
use crate::activation::Activation;
use crate::generations;
use crate::names::{ObjectName, SnapshotId};
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::{Store, read_info};
use crate::switch::{Entry, Mark, Step, is_same_file};

/// Longer files are compared as a whole.
const LARGEST: u64 = 1 << 20;

impl Engine {
    /// Lists the snapshots, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn history(&self) -> Result<HistoryReport, Error> {
        let current = generations::current_id(&self.store)?;
        let mut snapshots = Vec::new();
        for id in generations::all(&self.store)? {
            let entry = match generations::read(&self.store, id) {
                Ok(snapshot) => HistoryEntry {
                    parent: snapshot.parent,
                    current: id == current,
                    targets: snapshot.activations.iter().filter(|entry| entry.action.target().is_some()).count(),
                    actions: snapshot.activations.len(),
                    derivations: snapshot.derivations.len(),
                    problem: None,
                    snapshot: snapshot_report(&snapshot),
                },
                // gc removed it meanwhile.
                Err(_) if id != SnapshotId(0) && !platform::exists(&self.store.snapshot(id)) => continue,
                Err(error) => HistoryEntry {
                    snapshot: SnapshotReport { id, created_at: 0, config_path: None, description: String::new() },
                    parent: None,
                    current: id == current,
                    targets: 0,
                    actions: 0,
                    derivations: 0,
                    problem: Some(error.to_string()),
                },
            };
            snapshots.push(entry);
        }
        Ok(HistoryReport { root: self.settings.root.clone(), snapshots, pending: self.pending()? })
    }

    /// Says how two snapshots differ. Unless given, the second is the current one, and the first its parent.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read.
    pub fn diff_snapshots(
        &self,
        first: Option<SnapshotId>,
        second: Option<SnapshotId>,
    ) -> Result<SnapshotDiffReport, Error> {
        let second = match second {
            Some(id) => self.snapshot(id)?,
            None => generations::current(&self.store)?,
        };
        let first = self.snapshot(first.or(second.parent).ok_or(Error::NothingBefore)?)?;
        Ok(SnapshotDiffReport {
            root: self.settings.root.clone(),
            derivations: compare_derivations(&self.store, &first, &second),
            actions: compare_actions(&self.store, &first, &second).iter().map(action_report).collect(),
            from: snapshot_report(&first),
            to: snapshot_report(&second),
        })
    }
}

/// Name and version of an object; the record tells them apart, else the name as a whole.
fn label(store: &Store, object: &ObjectName) -> (String, Option<String>) {
    match read_info(store, object) {
        Ok(Some(info)) => (info.name.to_string(), info.derivation_version.map(|version| version.to_string())),
        _ => (object.to_string(), None),
    }
}

fn compare_derivations(store: &Store, first: &Snapshot, second: &Snapshot) -> Vec<DerivationChange> {
    let objects = |snapshot: &Snapshot| -> BTreeSet<ObjectName> {
        snapshot.derivations.values().flat_map(|outputs| outputs.values().cloned()).collect()
    };
    let (old, new) = (objects(first), objects(second));
    let labels = |one: &BTreeSet<ObjectName>, other: &BTreeSet<ObjectName>| {
        let mut labels: BTreeMap<String, Vec<(Option<String>, ObjectName)>> = BTreeMap::new();
        for object in one.difference(other) {
            let (name, version) = label(store, object);
            let versions = labels.entry(name).or_default();
            // Several outputs of one derivation are one line.
            if !versions.iter().any(|(known, _)| *known == version) {
                versions.push((version, object.clone()));
            }
        }
        labels
    };
    let (gone, come) = (labels(&old, &new), labels(&new, &old));
    let names: BTreeSet<&String> = gone.keys().chain(come.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let none = Vec::new();
        let (before, after) = (gone.get(name).unwrap_or(&none), come.get(name).unwrap_or(&none));
        for place in 0..before.len().max(after.len()) {
            let (old, new) = (before.get(place), after.get(place));
            let mark = match (old, new) {
                (Some(_), Some(_)) => Mark::Change,
                (None, _) => Mark::Add,
                (_, None) => Mark::Remove,
            };
            let version = |label: Option<&(Option<String>, ObjectName)>| label.and_then(|(version, _)| version.clone());
            changes.push(DerivationChange {
                mark,
                name: name.clone(),
                old_version: version(old),
                new_version: version(new),
                old_object: old.map(|(_, object)| object.clone()),
                new_object: new.map(|(_, object)| object.clone()),
            });
        }
    }
    changes
}

fn compare_actions(store: &Store, first: &Snapshot, second: &Snapshot) -> Vec<Step> {
    let step = |activation: &Arc<Activation>, mark| Step::new(mark, &Entry::applied(activation));
    let mut old: BTreeMap<Vec<u8>, &Arc<Activation>> =
        first.activations.iter().map(|activation| (activation.action.subject(), activation)).collect();
    let mut steps = Vec::new();
    for activation in &second.activations {
        let mark = match old.remove(&activation.action.subject()) {
            Some(before) if before.action == activation.action || follows(store, before, activation) => continue,
            Some(_) => Mark::Change,
            None => Mark::Add,
        };
        steps.push(step(activation, mark));
    }
    let removed = first.activations.iter().filter(|activation| old.contains_key(&activation.action.subject()));
    removed.map(|activation| step(activation, Mark::Remove)).chain(steps).collect()
}

/// Returns whether two links lead to the same file, in different objects.
fn follows(store: &Store, old: &Activation, new: &Activation) -> bool {
    let leads_to = |activation: &Activation| Some(activation.action.as_target()?.leads_to()?.to_path());
    let is_in_store = |path: &std::path::PathBuf| path.starts_with(store.objects());
    matches!((leads_to(old).filter(is_in_store), leads_to(new).filter(is_in_store)), (Some(old), Some(new)) if is_same_file(&old, &new))
}

/// Returns how the text at a target changes, as a unified diff; nothing when it is no text, or does not
/// change.
pub(super) fn text_difference(step: &Step) -> Option<String> {
    let change = step.change()?;
    let place = change.place.to_path();
    let before = match &change.before {
        Before::Nothing => Some(String::new()),
        _ => read_text(&place),
    }?;
    let after = match &change.after {
        After::Directory { .. } => None,
        After::Nothing => Some(String::new()),
        _ if step.may_change => None,
        After::Link { source } | After::File { source, .. } => read_text(&source.to_path()),
        After::Original { kept, .. } => read_text(&kept.to_path()),
    }?;
    if before == after {
        return None;
    }
    let name = step.activation.action.target().map(crate::value::Text::display).unwrap_or_default();
    let (old, new) = (format!("a/{name}"), format!("b/{name}"));
    let old = if before.is_empty() { "/dev/null".to_owned() } else { old };
    let new = if after.is_empty() { "/dev/null".to_owned() } else { new };
    let difference = similar::TextDiff::from_lines(&before, &after);
    Some(difference.unified_diff().context_radius(3).header(&old, &new).to_string())
}

fn read_text(path: &Path) -> Option<String> {
    let data = std::fs::metadata(path).ok()?;
    if !data.is_file() || data.len() > LARGEST {
        return None;
    }
    platform::read_to_string(path).ok().filter(|text| !text.contains('\0'))
}
