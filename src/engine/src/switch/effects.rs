//! Effects in a plan: what is done anew, and what is taken back.

use std::collections::{BTreeSet, HashMap};

use super::desired::Entry;
use super::step::{Mark, Step, Work};
use crate::action::Action;
use crate::activation::Activation;
use crate::snapshot::Snapshot;

/// Returns what is equal for effects that count as one: those of one user that are the same.
fn key(activation: &Activation) -> Option<(Option<&str>, Vec<u8>)> {
    Some((activation.user.as_deref(), activation.action.as_effect()?.key()))
}

/// Returns the steps that take back what is gone, in reverse of the order in which it was done.
pub fn taken_back(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    let kept: BTreeSet<_> = entries.iter().filter_map(|entry| key(&entry.activation)).collect();
    let mut steps = Vec::new();
    for activation in current.activations.iter().rev() {
        let (Some(key), Some(effect)) = (key(activation), activation.action.as_effect()) else { continue };
        if kept.contains(&key) {
            continue;
        }
        let mut step = Step::new(Mark::Remove, &Entry::applied(activation));
        if effect.has_undo() {
            step.work = Work::Effect { undo: true };
        }
        steps.push(step);
    }
    steps
}

/// Returns the steps of what is declared, in its order.
pub fn wanted(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    let present = current.activations.iter().filter_map(|activation| Some((key(activation)?, &activation.action)));
    let present: HashMap<_, &Action> = present.collect();
    let mut steps = Vec::new();
    for entry in entries {
        let activation = &entry.activation;
        let (Some(key), Some(effect)) = (key(activation), activation.action.as_effect()) else { continue };
        let (mark, is_done) = match present.get(&key) {
            Some(old) if **old == activation.action => (Mark::Unchanged, effect.is_always()),
            // It was done already; only what is recorded of it changes.
            Some(_) => (Mark::Change, effect.is_always()),
            None => (Mark::Add, true),
        };
        let mut step = Step::new(mark, entry);
        if is_done {
            step.work = Work::Effect { undo: false };
        }
        steps.push(step);
    }
    steps
}
