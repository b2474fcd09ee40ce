//! The plan for targets after an edit of sources: they are those in force, and some links lead
//! elsewhere. One pass over them, each directory opened once, shows that. In any doubtful case, all
//! places are resolved and compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::Error;
use super::closed_directories;
use super::conflicts::Declared;
use super::desired::{Desired, Entry};
use super::noop::{PART, is_in_parallel, leads_elsewhere_only, place_as_written};
use super::obstacles::missing_parents;
use super::overlay::Overlay;
use super::step::{Mark, Step};
use super::target_plan::{Old, standing_mark, wanted};
use crate::action::{Accounts, Directories, Observer};
use crate::activation::DeclaredAction;
use crate::places::PlaceMap;
use crate::platform;
use crate::settings::Interrupt;
use crate::snapshot::Snapshot;

/// What happens at targets.
#[derive(Default)]
pub struct AtTargets<'a> {
    /// The wanted ones, each once.
    pub places: Vec<Declared<'a>>,
    /// What goes, in the order in which it does.
    pub gone: Vec<Step>,
    /// What is made or replaced, or stays.
    pub changes: Vec<Step>,
    /// Directories that will be created, outermost first.
    pub created: Vec<PathBuf>,
    /// Removed directories that originals are restored to, outermost first.
    pub restored: Vec<PathBuf>,
    /// The originals that cannot come back, in words.
    pub stuck: Vec<String>,
}

/// A wanted target and the one in force in its place.
type Pair<'a, 'b> = (&'a Entry, &'b Arc<DeclaredAction>);

/// Returns what happens at targets where only the destinations of links differ from those in force,
/// without steps that have no effect, or `None` if only a full check can tell. `compares` says
/// whether a link to the same file in another object is such a step.
///
/// # Errors
/// When targets overlap with files that the config reads, or the file system refuses.
pub fn leads_elsewhere<'a>(
    overlay: &mut Overlay<'_>,
    desired: &'a Desired,
    current: &Snapshot,
    compares: bool,
) -> Result<Option<AtTargets<'a>>, Error> {
    let wanted = desired.entries.iter().map(|entry| &*entry.activation);
    if !leads_elsewhere_only(wanted, current) {
        return Ok(None);
    }
    let Some(found) = observe_all(overlay, &desired.entries, current, compares) else {
        return Ok(None);
    };
    let (places, changes) = found;
    if desired.is_evaluated {
        overlay.reads.check_root(overlay.store, &places)?;
    }
    overlay.reads.check(&places)?;
    closed_directories::check(&places)?;
    overlay.add_closable(closed_directories::list(&PlaceMap::default(), &places));
    let created = missing_parents(overlay, &changes)?;
    Ok(Some(AtTargets { places, changes, created, ..AtTargets::default() }))
}

fn observe_all<'a>(
    overlay: &Overlay<'_>,
    entries: &'a [Entry],
    current: &Snapshot,
    compares: bool,
) -> Option<(Vec<Declared<'a>>, Vec<Step>)> {
    let is_at_target = |(entry, _): &Pair<'_, '_>| entry.activation.action.as_target().is_some();
    let pairs: Vec<Pair<'_, '_>> =
        entries.iter().zip(&current.activations).filter(is_at_target).collect();
    let root = platform::canonical(overlay.store.root());
    let (home, interrupt) = (overlay.home, overlay.store.interrupt());
    let observe = |part: &[Pair<'_, '_>]| observe_at(part, home, &root, interrupt);
    let looked: Vec<Vec<(PathBuf, bool)>> = if is_in_parallel(pairs.len()) {
        pairs.par_chunks(PART).map(observe).collect::<Option<_>>()?
    } else {
        vec![observe(&pairs)?]
    };
    let (mut places, mut changes) = (Vec::with_capacity(pairs.len()), Vec::new());
    for ((entry, old), (place, stands)) in pairs.into_iter().zip(looked.into_iter().flatten()) {
        let target = entry.activation.action.as_target()?;
        let declared = Declared { place, entry, target };
        if !is_same(entry, old) {
            let old_target = old.action.as_target()?;
            let old = Old { activation: old, target: old_target, order: 0, is_elsewhere: false };
            let step = if stands {
                let mark = standing_mark(overlay, &declared, &old, compares);
                Step::at(mark, entry, &declared.place)
            } else {
                wanted(overlay, &declared, Some(&old), compares).ok()?
            };
            if step.mark != Mark::Unchanged || step.change().is_some() {
                changes.push(step);
            }
        }
        places.push(declared);
    }
    Some((places, changes))
}

/// Returns whether nothing can be left out of a path.
fn is_written_once(place: &Path) -> bool {
    let mut names = place.as_os_str().as_encoded_bytes().split(|byte| *byte == b'/').skip(1);
    names.all(|name| !matches!(name, b"" | b"." | b".."))
}

fn is_same(entry: &Entry, old: &Arc<DeclaredAction>) -> bool {
    Arc::ptr_eq(&entry.activation, old) || entry.activation.action == old.action
}

/// Returns where targets are, and whether each is as it is wanted: a link may say the same as
/// before, and lead elsewhere.
fn observe_at(
    pairs: &[Pair<'_, '_>],
    home: &Path,
    root: &Path,
    interrupt: &Interrupt,
) -> Option<Vec<(PathBuf, bool)>> {
    let (directories, accounts) =
        (Directories::observer().stopped_by(interrupt), Accounts::default());
    let observer = Observer { directories: &directories, accounts: &accounts };
    let mut last_parent = PathBuf::new();
    let mut looked = Vec::with_capacity(pairs.len());
    for (entry, old) in pairs {
        let target = entry.activation.action.as_target()?;
        // A target below a link is resolved.
        if old.place.is_some() || entry.activation.place.is_some() || target.is_pending() {
            return None;
        }
        let place = place_as_written(target, home, root, &mut last_parent)
            .filter(|place| is_written_once(place))?;
        let stands = target.is_in_place(observer, &place).ok()?;
        let is_link_elsewhere = target.leads_to().is_some() && !is_same(entry, old);
        // A link among its parents may be the reason.
        if !stands && (!is_link_elsewhere || directories.open(place.parent()?).is_err()) {
            return None;
        }
        // It may say the same as before by chance only.
        let was = || old.action.as_target()?.link_text();
        let says_the_same = || target.link_text().is_some_and(|text| was() == Some(text));
        looked.push((place, stands && (!is_link_elsewhere || says_the_same())));
    }
    Some(looked)
}
