//! How two snapshots differ: by declarations, and by the objects behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::DerivationChange;
use super::text_diff::{self, TextDiff};
use crate::activation::DeclaredAction;
use crate::names::ObjectName;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::gc::mark::mentioned;
use crate::store::{Store, read_info};
use crate::switch::{Entry, Mark, Step, is_same_file};
use crate::value::Text;

/// An action that two snapshots have differently.
pub(super) struct Difference<'a> {
    /// The new one, or the old one when that is gone.
    shown: &'a Arc<DeclaredAction>,
    before: Option<&'a Arc<DeclaredAction>>,
    after: Option<&'a Arc<DeclaredAction>>,
}

impl Difference<'_> {
    pub(super) fn mark(&self) -> Mark {
        match (self.before, self.after) {
            (None, _) => Mark::Add,
            (Some(_), None) => Mark::Remove,
            (Some(_), Some(_)) => Mark::Change,
        }
    }

    /// Returns it as a step that does nothing: the new action, or the old one when that is gone.
    pub(super) fn step(&self) -> Step {
        Step::new(self.mark(), &Entry::applied(self.shown))
    }

    /// Returns how the text of a file differs.
    pub(super) fn text(&self) -> Option<String> {
        let read = |activation: Option<&Arc<DeclaredAction>>| match activation {
            None => Some(Vec::new()),
            Some(activation) => {
                text_diff::read(&activation.action.as_target()?.source()?.to_path())
            }
        };
        let target = self.shown.action.target()?.display();
        match text_diff::compare(&target, &read(self.before)?, &read(self.after)?) {
            TextDiff::Changed(text) => Some(text),
            _ => None,
        }
    }
}

/// Returns the actions that differ: those that are gone, then the others in the order of the second
/// snapshot.
pub(super) fn compare_actions<'a>(
    store: &Store,
    first: &'a Snapshot,
    second: &'a Snapshot,
) -> Vec<Difference<'a>> {
    let mut old: BTreeMap<Vec<u8>, &Arc<DeclaredAction>> =
        first.activations.iter().map(|activation| (key(activation), activation)).collect();
    let mut differences = Vec::new();
    for activation in &second.activations {
        let before = old.remove(&key(activation));
        let is_same = |before: &&Arc<DeclaredAction>| {
            before.action == activation.action
                || before.has_same_script(activation)
                || follows(store, before, activation)
                || is_same_copy(before, activation)
        };
        if !before.as_ref().is_some_and(is_same) {
            differences.push(Difference { shown: activation, before, after: Some(activation) });
        }
    }
    let removed = first.activations.iter().filter(|activation| old.contains_key(&key(activation)));
    removed
        .map(|before| Difference { shown: before, before: Some(before), after: None })
        .chain(differences)
        .collect()
}

/// What an action is compared by: the environments of several users have parts of one name.
fn key(activation: &DeclaredAction) -> Vec<u8> {
    match activation.action.as_environment() {
        Some(_) => activation.scoped_subject(),
        None => activation.action.subject(),
    }
}

/// Returns whether two links lead to the same file, in different objects.
fn follows(store: &Store, old: &DeclaredAction, new: &DeclaredAction) -> bool {
    let leads_to =
        |activation: &DeclaredAction| Some(activation.action.as_target()?.leads_to()?.to_path());
    let is_in_store = |path: &PathBuf| path.starts_with(store.objects());
    let places = (leads_to(old).filter(is_in_store), leads_to(new).filter(is_in_store));
    matches!(places, (Some(old), Some(new)) if is_same_file(&old, &new))
}

/// Returns whether two files have the same content and rights, from different objects.
fn is_same_copy(old: &DeclaredAction, new: &DeclaredAction) -> bool {
    let (Some(old), Some(new)) = (old.action.as_target(), new.action.as_target()) else {
        return false;
    };
    matches!(new.digest(), Some((_, Some(_))))
        && (new.properties().mode.is_some() || new.is_executable() == old.is_executable())
        && !new.is_given()
        && new.continues(old)
}

/// A derivation that only one of the snapshots has.
struct Item {
    /// Its object, or one of them.
    object: ObjectName,
    name: String,
    version: Option<String>,
    /// The targets that its objects are used for.
    targets: BTreeSet<Text>,
    is_file: bool,
}

/// Returns the derivations of one snapshot of whose objects the other one has none, in the order of
/// their names.
fn items(store: &Store, snapshot: &Snapshot, other: &BTreeSet<ObjectName>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut by_object: BTreeMap<ObjectName, usize> = BTreeMap::new();
    for outputs in snapshot.derivations.values() {
        let new: Vec<&ObjectName> =
            outputs.values().filter(|object| !other.contains(*object)).collect();
        let Some(first) = new.first() else { continue };
        if by_object.contains_key(*first) {
            continue;
        }
        by_object.extend(new.iter().map(|object| ((*object).clone(), items.len())));
        // The record tells name and version apart; without one the name of the object tells both.
        let (name, version) = match read_info(store, first) {
            Ok(Some(info)) => {
                (info.name.to_string(), info.derivation_version.map(|version| version.to_string()))
            }
            _ => (first.to_string(), None),
        };
        // A program of a version says more than the targets that it is used for.
        let is_file = version.is_none() && platform::is_file(&store.object(first));
        items.push(Item {
            object: (*first).clone(),
            name,
            version,
            targets: BTreeSet::new(),
            is_file,
        });
    }
    let wanted: BTreeSet<ObjectName> = by_object.keys().cloned().collect();
    for activation in &snapshot.activations {
        let Some(target) = activation.action.target() else { continue };
        for text in activation.action.texts() {
            for object in mentioned(&text.0, &wanted) {
                if let Some(item) = by_object.get(&object).and_then(|number| items.get_mut(*number))
                {
                    item.targets.insert(target.clone());
                }
            }
        }
    }
    items.sort_by(|a, b| (&a.name, &a.version, &a.object).cmp(&(&b.name, &b.version, &b.object)));
    items
}

/// Returns the derivations that differ. Two are one change when they are used for the same target,
/// or, where they are used for none, when they are the only ones of a name: names alone say little,
/// several files are called \"config\".
pub(super) fn compare_derivations(
    store: &Store,
    first: &Snapshot,
    second: &Snapshot,
) -> Vec<DerivationChange> {
    let objects = |snapshot: &Snapshot| -> BTreeSet<ObjectName> {
        snapshot.derivations.values().flat_map(|outputs| outputs.values().cloned()).collect()
    };
    let (mut gone, come) =
        (items(store, first, &objects(second)), items(store, second, &objects(first)));
    let is_only = |items: &[Item], item: &Item| {
        items.iter().filter(|other| other.targets.is_empty() && other.name == item.name).count()
            == 1
    };
    let mut changes = Vec::new();
    for new in &come {
        let by_target = gone.iter().position(|old| !old.targets.is_disjoint(&new.targets));
        let by_name = || {
            let place =
                gone.iter().position(|old| old.targets.is_empty() && old.name == new.name)?;
            (new.targets.is_empty() && is_only(&gone, new) && is_only(&come, new)).then_some(place)
        };
        let old = by_target.or_else(by_name).map(|place| gone.remove(place));
        changes.push(change(old.as_ref(), Some(new)));
    }
    changes.extend(gone.iter().map(|old| change(Some(old), None)));
    changes.sort_by(|a, b| (&a.name, &a.new_object).cmp(&(&b.name, &b.new_object)));
    changes
}

fn change(old: Option<&Item>, new: Option<&Item>) -> DerivationChange {
    let mark = match (old, new) {
        (Some(_), Some(_)) => Mark::Change,
        (None, _) => Mark::Add,
        (_, None) => Mark::Remove,
    };
    DerivationChange {
        mark,
        name: new.or(old).map(|item| item.name.clone()).unwrap_or_default(),
        file: old.is_none_or(|item| item.is_file) && new.is_none_or(|item| item.is_file),
        old_version: old.and_then(|item| item.version.clone()),
        new_version: new.and_then(|item| item.version.clone()),
        old_object: old.map(|item| item.object.clone()),
        new_object: new.map(|item| item.object.clone()),
    }
}
