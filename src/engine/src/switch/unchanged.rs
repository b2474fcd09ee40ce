//! The usual case of an apply: everything that is wanted is applied, and stands where it should. That is seen in one pass
//! over the targets, each directory opened once. Whenever anything is not plainly so, the plan looks closely.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::desired::{Desired, Entry};
use super::difference::holds;
use super::plan::{Mark, Step};
use crate::action::{self, Directories};
use crate::activation::{Action, Activation};
use crate::environment::expand_home;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Returns whether what is wanted says the same as what is applied, whoever declares it now.
pub fn is_applied(desired: &Desired, current: &Snapshot) -> bool {
    let is_same = |entry: &Entry, old: &Arc<Activation>| {
        let new = &entry.activation;
        Arc::ptr_eq(new, old) || (new.action == old.action && new.user == old.user && new.project == old.project)
    };
    desired.is_complete
        && desired.entries.len() == current.activations.len()
        && desired.entries.iter().zip(&current.activations).all(|(entry, old)| is_same(entry, old))
}

/// Returns of what is applied the steps of all links and those of all files, none of which does anything, unless `is_brief`: then there are
/// none; or nothing, when it takes a closer look to see what there is to do.
pub fn unchanged(store: &Store, home: &Path, desired: &Desired, is_brief: bool) -> Option<(Vec<Step>, Vec<Step>)> {
    // What runs at each apply switches, and needs a plan with everything in it.
    let runs = |entry: &Entry| matches!(entry.activation.action, Action::Run { always: true, .. });
    if desired.entries.iter().any(runs) {
        return None;
    }
    let directories = Directories::looking();
    let root = platform::canonical(store.root());
    let mut last_parent = PathBuf::new();
    let (mut links, mut files) = (Vec::new(), Vec::new());
    for entry in &desired.entries {
        let action = &entry.activation.action;
        let Some(target) = action.target() else { continue };
        // Taken as it is written: a parent that is a link cannot be opened, and then the plan resolves it.
        let place = expand_home(target, home).to_path();
        let parent = place.parent()?;
        if parent.as_os_str() != last_parent.as_os_str() {
            if parent.starts_with(&root) || !parent.is_absolute() {
                return None;
            }
            last_parent = parent.to_owned();
        }
        let stands = match action {
            Action::Symlink { source, .. } => action::is_link_to(&directories, &place, &source.0).ok()?,
            _ => {
                let found = action::look(&directories, &place).ok()?;
                holds(&directories, &place, &found, action).ok()?
            }
        };
        if !stands {
            return None;
        }
        if !is_brief {
            let is_link = matches!(action, Action::Symlink { .. });
            let step = Step { place: Some(place), ..Step::new(Mark::Unchanged, entry) };
            if is_link { &mut links } else { &mut files }.push(step);
        }
    }
    Some((links, files))
}
