//! The environment of shells in a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::desired::Entry;
use super::step::{Mark, Step};
use crate::activation::DeclaredAction;
use crate::environment::{self, Environment};
use crate::snapshot::Snapshot;

/// Compares the parts of two environments by their subjects.
pub fn steps(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    fn key(activation: &DeclaredAction) -> Option<Vec<u8>> {
        activation.action.as_environment().map(|_| activation.scoped_subject())
    }
    let mut old: BTreeMap<Vec<u8>, &Arc<DeclaredAction>> = current
        .activations
        .iter()
        .filter_map(|activation| Some((key(activation)?, activation)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for entry in entries {
        let Some(key) = key(&entry.activation) else { continue };
        if !seen.insert(key.clone()) {
            continue;
        }
        let mark = match old.remove(&key) {
            Some(old)
                if old.action == entry.activation.action
                    || old.has_same_script(&entry.activation) =>
            {
                Mark::Unchanged
            }
            Some(_) => Mark::Change,
            None => Mark::Add,
        };
        steps.push(Step::new(mark, entry));
    }
    let removed =
        old.into_values().map(|activation| Step::new(Mark::Remove, &Entry::applied(activation)));
    removed.chain(steps).collect()
}

/// Returns whether the environment of any user changes. This needs a full check only if its actions
/// changed.
pub fn differ(new: &[Arc<DeclaredAction>], old: &[Arc<DeclaredAction>], home: &Path) -> bool {
    fn is_part(activation: &&DeclaredAction) -> bool {
        activation.action.as_environment().is_some() || activation.project.is_some()
    }
    let (new, old) = (new.iter().map(AsRef::as_ref), old.iter().map(AsRef::as_ref));
    let is_same = |(new, old): (&DeclaredAction, &DeclaredAction)| {
        new.action == old.action && new.user == old.user && new.project == old.project
    };
    let (new_parts, old_parts) = (new.clone().filter(is_part), old.clone().filter(is_part));
    let are_same = new_parts.clone().count() == old_parts.clone().count()
        && new_parts.zip(old_parts).all(is_same);
    if are_same && environment::users(new.clone()) == environment::users(old.clone()) {
        return false;
    }
    environments(&new, home) != environments(&old, home)
}

/// Returns the common environment, the environment of each user, and the parts of the environments
/// of projects.
fn environments<'a>(
    activations: &(impl Iterator<Item = &'a DeclaredAction> + Clone),
    home: &Path,
) -> (Environment, BTreeMap<String, Environment>, BTreeSet<String>) {
    let of_user = |user: &str| (user.to_owned(), Environment::of_user(activations.clone(), user));
    let users = environment::users(activations.clone()).into_iter().map(of_user).collect();
    let projects = activations.clone().filter(|activation| activation.project.is_some());
    (
        Environment::new(activations.clone(), home),
        users,
        projects.map(DeclaredAction::key).collect(),
    )
}
