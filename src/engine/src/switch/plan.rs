//! The difference between what is to be in force and what is. `plan`, `apply` and `rollback` all
//! call this, and perform nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backups::{Backups, original_of};
use super::conflicts::Declared;
use super::desired::Desired;
use super::difference::{Old, removal, wanted};
use super::scene::Scene;
use super::step::{Mark, Step, Work};
use super::unchanged::{is_applied, unchanged};
use super::{Error, Targets, conflicts, effects, shells};
use crate::action::{Before, TargetChange};
use crate::activation::Activation;
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform::{self, Directory};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::Positions;

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// What is applied; without its derivations, where these are those that will be in force.
    pub current: Snapshot,
    /// What happens, in the order in which it is performed: what takes commands back, removals, links,
    /// files, environment, commands.
    pub steps: Vec<Step>,
    /// The actions that will be in force.
    pub activations: Vec<Arc<Activation>>,
    /// The objects that will be in force.
    pub derivations: Arc<BTreeMap<Hash, Outputs>>,
    /// Whether the environment of shells changes.
    pub environment_changes: bool,
    /// Whether anything changes at all.
    pub changes: bool,
    /// Whether there are commands that run at each apply.
    pub always: bool,
    /// Directories that will be created, outermost first.
    pub created: Vec<PathBuf>,
    /// Directories that somebody removed, and that originals come back to, outermost first.
    pub restored: Vec<PathBuf>,
    /// The directories below which something of ours will be.
    pub occupied: HashSet<PathBuf>,
    /// What is kept of the user's, and which directories we made.
    pub backups: Backups,
}

/// How much a plan is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A step for everything.
    All,
    /// None for targets that stay as they are.
    News,
    /// Whether anything changes, and contradictions, before anything is built. When something does, what is declared as
    /// it is applied is not looked at: that is for the plan that follows.
    Foresight,
}

/// Computes a plan.
///
/// # Errors
/// When targets contradict each other, or cannot be written.
pub fn plan(store: &Store, home: &Path, desired: Desired, current: Snapshot, extent: Extent) -> Result<Plan, Error> {
    let has_same_objects = has_same_objects(&desired, &current);
    let is_applied = has_same_objects && is_applied(&desired, &current);
    if is_applied && let Some(steps) = unchanged(store, home, &desired, extent != Extent::All) {
        return Ok(nothing_to_do(desired, current, steps));
    }

    let targets = Targets::new(home);
    let present = present(&targets, &current)?;
    let places = conflicts::places(store, &targets, &desired.entries)?;

    let mut scene = Scene::new(store);
    let mut steps = effects::taken_back(&current, &desired.entries);
    steps.extend(removals(store, &mut scene, &present, &places)?);
    let restored = missing_parents(&scene, &steps)?;
    // Something may only stand otherwise than it is declared: that takes a look at everything.
    let looks = extent != Extent::Foresight || is_applied || has_same_objects && desired.is_complete;
    let changes = changes(store, &scene, &present, &places, looks, extent != Extent::All)?;
    let mut created = missing_parents(&scene, &changes)?;
    created.retain(|directory| restored.binary_search(directory).is_err());
    steps.extend(changes);
    steps.extend(shells::steps(&current, &desired.entries));
    let effects = effects::wanted(&current, &desired.entries);
    let always = effects.iter().any(|step| step.mark == Mark::Unchanged && !matches!(step.work, Work::None));
    steps.extend(effects);

    let activations = desired.activations();
    let environment_changes = shells::differ(&activations, &current.activations, home);
    let changes = environment_changes
        || !desired.is_complete
        || !has_same_objects
        || steps.iter().any(|step| step.mark != Mark::Unchanged);
    let occupied = occupied(&places);
    let backups = if changes { scene.into_backups() } else { Backups::default() };
    Ok(Plan {
        current,
        steps,
        activations,
        derivations: desired.derivations,
        environment_changes,
        changes,
        always,
        created,
        restored,
        occupied,
        backups,
    })
}

/// Returns the plan of what is applied already. `steps` are those of its targets.
fn nothing_to_do(desired: Desired, current: Snapshot, mut steps: Vec<Step>) -> Plan {
    steps.extend(shells::steps(&current, &desired.entries));
    steps.extend(effects::wanted(&current, &desired.entries));
    Plan {
        activations: desired.activations(),
        derivations: desired.derivations,
        current,
        steps,
        environment_changes: false,
        changes: false,
        always: false,
        created: Vec::new(),
        restored: Vec::new(),
        occupied: HashSet::new(),
        backups: Backups::default(),
    }
}

/// Returns whether the same objects are in force, whatever they are made by.
fn has_same_objects(desired: &Desired, current: &Snapshot) -> bool {
    fn objects(derivations: &BTreeMap<Hash, Outputs>) -> HashSet<&ObjectName> {
        derivations.values().flat_map(Outputs::values).collect()
    }
    desired.has_applied_objects
        || desired.derivations == current.derivations
        || objects(&desired.derivations) == objects(&current.derivations)
}

/// Collects what is in force at targets, by their places.
fn present<'a>(targets: &Targets<'_>, current: &'a Snapshot) -> Result<HashMap<PathBuf, Old<'a>>, Error> {
    let mut present = HashMap::new();
    for (order, activation) in current.activations.iter().enumerate() {
        let Some(target) = activation.action.as_target() else { continue };
        let place = targets.place(target.target(), &activation.positions)?;
        present.insert(place, Old { activation, target, order });
    }
    // Of files too: somebody may have put a link in the place of one.
    for place in present.keys() {
        targets.manage(place.clone());
    }
    Ok(present)
}

/// Plans what goes where nothing of ours is to stand any more, in reverse of the order in which it was made.
fn removals(
    store: &Store,
    scene: &mut Scene,
    present: &HashMap<PathBuf, Old<'_>>,
    places: &[Declared<'_>],
) -> Result<Vec<Step>, Error> {
    let kept: HashSet<&PathBuf> = places.iter().map(|declared| &declared.place).collect();
    let mut gone: Vec<(&PathBuf, &Old<'_>)> = present.iter().filter(|(place, _)| !kept.contains(place)).collect();
    gone.sort_by_key(|(_, old)| std::cmp::Reverse(old.order));
    let mut steps = Vec::new();
    for (place, old) in gone {
        let original = original_of(store, place);
        steps.push(removal(store, scene, place, old, original.as_deref())?);
        scene.remove(place.clone(), original);
    }
    Ok(steps)
}

/// Plans what is to stand at targets: links first, then the rest. With `looks` also where the same is in force; if
/// `is_brief`, without a step for what stays as it is.
fn changes(
    store: &Store,
    scene: &Scene,
    present: &HashMap<PathBuf, Old<'_>>,
    places: &[Declared<'_>],
    looks: bool,
    is_brief: bool,
) -> Result<Vec<Step>, Error> {
    let (mut links, mut rest) = (Vec::new(), Vec::new());
    for declared in places {
        let Declared { place, entry, target } = declared;
        let old = present.get(place);
        let is_same = old.is_some_and(|old| old.activation.action == entry.activation.action);
        let stands = is_same && (!looks || target.stands(scene.looking(), place)?);
        if stands && is_brief {
            continue;
        }
        let step = if stands { Step::at(Mark::Unchanged, entry, place) } else { wanted(store, scene, declared, old)? };
        if target.leads_to().is_some() { &mut links } else { &mut rest }.push(step);
    }
    links.append(&mut rest);
    Ok(links)
}

/// Returns every directory that one of the places lies below.
fn occupied(places: &[Declared<'_>]) -> HashSet<PathBuf> {
    let mut occupied = HashSet::new();
    let mut last: Option<&Path> = None;
    for parent in places.iter().filter_map(|declared| declared.place.parent()) {
        if last.is_none_or(|last| last.as_os_str() != parent.as_os_str()) {
            occupied.extend(parent.ancestors().map(Path::to_owned));
            last = Some(parent);
        }
    }
    occupied
}

/// Checks that the places of changes can be changed; returns the directories that are missing above them, outermost first.
fn missing_parents(scene: &Scene, steps: &[Step]) -> Result<Vec<PathBuf>, Error> {
    let (mut missing, mut seen) = (Vec::new(), HashSet::new());
    for step in steps {
        let (Some(change), Some(place)) = (step.change(), &step.place) else { continue };
        let positions = &step.activation.positions;
        if place.parent().is_some_and(|parent| seen.insert(parent)) {
            missing.extend(check_parent(scene, place, positions)?);
        }
        check_mount(change, place, positions)?;
    }
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// Checks that a place can be changed; returns the directories that are missing above it.
fn check_parent(scene: &Scene, place: &Path, positions: &Positions) -> Result<Vec<PathBuf>, Error> {
    let problem = |problem: String| Error::Parent { target: place.to_owned(), problem, positions: positions.clone() };
    let missing = match scene.missing_parents(place)? {
        Ok(missing) => missing,
        Err(file) => return Err(problem(format!("{} is no directory", file.display()))),
    };
    let first = missing.first().map_or(place, PathBuf::as_path);
    let above = first.ancestors().skip(1).find_map(|above| Directory::open(above).ok());
    if let Some(directory) = above {
        directory.check_writable().map_err(|error| problem(error.to_string()))?;
    }
    Ok(missing)
}

/// Checks that what is to be moved away is no other file system: the kernel refuses to rename what it is mounted on.
fn check_mount(change: &TargetChange, place: &Path, positions: &Positions) -> Result<(), Error> {
    let device = |path: &Path| platform::look(path).ok().flatten().map(|seen| seen.device);
    if matches!(change.before, Before::Kept { .. })
        && let (Some(inner), Some(outer)) = (device(place), place.parent().and_then(device))
        && inner != outer
    {
        return Err(Error::Mounted { target: place.to_owned(), positions: positions.clone() });
    }
    Ok(())
}
