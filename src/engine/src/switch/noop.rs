//! The usual case of an apply: every wanted action is applied, and every target is right. One pass
//! over the targets, each directory opened once, shows that. In any doubtful case, the plan makes
//! the full check.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::desired::{Desired, Entry};
use super::step::{Mark, Step};
use super::ways::Ways;
use crate::action::{Accounts, Directories, Observer, Target};
use crate::activation::DeclaredAction;
use crate::manifest::Manifest;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::Text;

/// Returns whether the wanted actions equal the applied ones, whatever their positions.
pub fn is_applied(desired: &Desired, current: &Snapshot) -> bool {
    let is_same = |entry: &Entry, old: &Arc<DeclaredAction>| {
        let new = &entry.activation;
        let is_alike =
            || new.action == old.action && new.user == old.user && new.project == old.project;
        Arc::ptr_eq(new, old) || (is_alike() && is_there(new, old))
    };
    desired.is_complete
        && desired.entries.len() == current.activations.len()
        && desired.entries.iter().zip(&current.activations).all(|(entry, old)| is_same(entry, old))
}

/// Returns whether what a snapshot had at a place is wanted where it is applied: the same words
/// mean another place in another home.
fn is_there(new: &DeclaredAction, old: &DeclaredAction) -> bool {
    new.place.is_none() || new.place == old.place
}

/// Returns whether the wanted and the applied state differ only in the destinations of links.
pub fn leads_elsewhere_only<'a>(
    wanted: impl ExactSizeIterator<Item = &'a DeclaredAction>,
    current: &Snapshot,
) -> bool {
    let is_alike = |new: &DeclaredAction, old: &Arc<DeclaredAction>| {
        if std::ptr::eq(new, &**old) {
            return true;
        }
        let is_same = match (new.action.as_target(), old.action.as_target()) {
            (Some(target), Some(before))
                if target.leads_to().is_some() && before.leads_to().is_some() =>
            {
                target.kind() == before.kind() && target.target() == before.target()
            }
            _ => new.action == old.action,
        };
        is_same && new.user == old.user && new.project == old.project && is_there(new, old)
    };
    wanted.len() == current.activations.len()
        && wanted.zip(&current.activations).all(|(new, old)| is_alike(new, old))
}

/// Returns whether a manifest that is not completely built yet wants what is applied, except for
/// the destinations of links, and nothing that runs. What did not contradict itself then does not
/// now, which takes no resolving of thousands of links to tell.
pub fn needs_only_builds(
    manifest: &Manifest,
    home: &Path,
    root: &Path,
    current: &Snapshot,
) -> bool {
    let is_at = |place: &Option<Text>, path: &Path| {
        place.as_ref().is_some_and(|place| place.0 == platform::bytes_of_path(path))
    };
    let is_plain = |activation: &DeclaredAction| {
        let action = &activation.action;
        match action.as_target() {
            Some(target) => !target.is_implied(),
            None => {
                action.as_effect().is_none()
                    && action.as_service().is_none()
                    && action.as_package().is_none()
            }
        }
    };
    current.moved.is_none()
        && is_at(&current.home, home)
        && is_at(&current.root, root)
        && manifest.actions().all(is_plain)
        && leads_elsewhere_only(manifest.actions(), current)
}

/// Returns the steps of the applied actions, links first, all without effect, or none if
/// `is_brief`, or `None` if only a full check can tell.
pub fn unchanged(
    store: &Store,
    home: &Path,
    desired: &Desired,
    is_brief: bool,
) -> Option<Vec<Step>> {
    // What is done at each apply switches, and needs a plan with everything in it.
    let is_always = |entry: &Entry| {
        entry.activation.action.as_effect().is_some_and(|effect| effect.is_always())
    };
    if desired.entries.iter().any(is_always) {
        return None;
    }
    let ways = Ways::of(store, desired.entries.iter().map(|entry| &*entry.activation));
    if !ways.stand(store, &Directories::observer()).ok()? {
        return None;
    }
    let root = platform::canonical(store.root());
    let observe = |entries: &[Entry]| observe_at(entries, store, home, &root, is_brief);
    let looked: Option<Vec<_>> = if is_in_parallel(desired.entries.len()) {
        desired.entries.par_chunks(PART).map(observe).collect()
    } else {
        Some(vec![observe(&desired.entries)?])
    };
    let (links, rest): (Vec<_>, Vec<_>) = looked?.into_iter().unzip();
    Some(links.into_iter().chain(rest).flatten().collect())
}

/// From this number on, targets are checked in parallel, this number on each thread: neighbors are
/// in one directory.
const MANY: usize = 2000;
pub const PART: usize = 256;

/// Returns whether this number of targets is checked in parallel.
pub fn is_in_parallel(count: usize) -> bool {
    // Where rights are those of a whole process, root cannot take on those of others beside itself.
    count >= MANY && (cfg!(target_os = "linux") || platform::user_number() != 0)
}

/// Returns where a target is, taken as it is written: a parent that is a link cannot be opened, and
/// then the plan resolves it. `None` where only that can tell.
pub fn place_as_written(
    target: &Target,
    home: &Path,
    root: &Path,
    last_parent: &mut PathBuf,
) -> Option<PathBuf> {
    let place = target.target().expand_home(home).to_path();
    let parent = place.parent()?;
    if parent.as_os_str() != last_parent.as_os_str() {
        if parent.starts_with(root) || !parent.is_absolute() {
            return None;
        }
        *last_parent = parent.to_owned();
    }
    Some(place)
}

/// Returns the steps of some entries, those of links apart from the rest.
fn observe_at(
    entries: &[Entry],
    store: &Store,
    home: &Path,
    root: &Path,
    is_brief: bool,
) -> Option<(Vec<Step>, Vec<Step>)> {
    let (directories, accounts) =
        (Directories::observer().stopped_by(store.interrupt()), Accounts::default());
    let observer = Observer { directories: &directories, accounts: &accounts };
    let mut last_parent = PathBuf::new();
    let (mut links, mut rest) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(target) = entry.activation.action.as_target() else { continue };
        let place = place_as_written(target, home, root, &mut last_parent)?;
        if !target.is_in_place(observer, &place).ok()? {
            return None;
        }
        if !is_brief {
            let step = Step::at(Mark::Unchanged, entry, &place);
            if target.leads_to().is_some() { &mut links } else { &mut rest }.push(step);
        }
    }
    Some((links, rest))
}
