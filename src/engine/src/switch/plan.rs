//! The difference between what is to be in force and what is. `plan`, `apply` and `rollback` all
//! call this, and perform nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backups::{Backups, original_of};
use super::desired::{Desired, Entry, key};
use super::difference::{Old, removal, stands, wanted};
use super::scene::Scene;
use super::unchanged::{is_applied, unchanged};
use super::{Error, Targets};
use crate::activation::{Action, Activation};
use crate::environment::{self, Environment};
use crate::hash::Hash;
use crate::journal::{Before, TargetChange};
use crate::names::ObjectName;
use crate::platform::{self, Directory};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::Positions;

/// What happens to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is new.
    Add,
    /// It replaces another one of its kind, or repairs it.
    Change,
    /// It is gone.
    Remove,
    /// It is in force.
    Unchanged,
}

/// What a step does to the system.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most steps change a target")]
pub enum Effect {
    /// Nothing by itself: it is in force, or part of the environment.
    None,
    /// What stands at a target changes.
    Target(TargetChange),
    /// A command runs.
    Command {
        /// Whether it is the action's undo.
        undo: bool,
    },
}

/// One entry of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub mark: Mark,
    /// The action: resolved as far as its content is known; the old one if it is removed.
    pub activation: Arc<Activation>,
    /// The action as people read it: content that is not built yet is `<name>`.
    pub shown: Option<Action>,
    /// Whether it names content that is not built yet.
    pub may_change: bool,
    /// What of the user's is moved to the backups, in words.
    pub replaces: Option<String>,
    /// Where the target is.
    pub place: Option<PathBuf>,
    /// What is done.
    pub effect: Effect,
}

impl Step {
    /// Makes a step that touches nothing.
    pub fn new(mark: Mark, entry: &Entry) -> Step {
        Step {
            mark,
            activation: Arc::clone(&entry.activation),
            shown: entry.shown.clone(),
            may_change: entry.may_change,
            replaces: None,
            place: None,
            effect: Effect::None,
        }
    }

    /// Returns the action as people read it.
    pub fn shown(&self) -> &Action {
        self.shown.as_ref().unwrap_or(&self.activation.action)
    }

    /// Returns whether anything happens.
    pub fn is_news(&self) -> bool {
        self.mark != Mark::Unchanged || matches!(self.effect, Effect::Command { .. })
    }
}

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
    let is_brief = extent != Extent::All;
    if is_applied && let Some((mut steps, mut files)) = unchanged(store, home, &desired, is_brief) {
        steps.append(&mut files);
        steps.extend(environment_steps(&current, &desired.entries));
        steps.extend(wanted_commands(&current, &desired.entries));
        return Ok(Plan {
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
        });
    }
    // Something may only stand otherwise than it is declared: that takes a look at everything.
    let looks = extent != Extent::Foresight || is_applied || has_same_objects && desired.is_complete;
    let targets = Targets::new(home);
    let present = present(&targets, &current)?;
    let places = super::conflicts::places(store, &targets, &desired.entries)?;
    let mut scene = Scene::new();
    let mut backups: Option<Backups> = None;
    let mut steps = removed_commands(&current, &desired.entries);

    // Reverse of the order in which they were made.
    let kept: HashSet<&PathBuf> = places.iter().map(|(place, _)| place).collect();
    let mut gone: Vec<(&PathBuf, &Old<'_>)> = present.iter().filter(|(place, _)| !kept.contains(place)).collect();
    gone.sort_by_key(|(_, old)| std::cmp::Reverse(old.order));
    for (place, old) in gone {
        let original = original_of(store, place);
        let step = removal(store, &scene.directories, place, old, original.as_deref())?;
        scene.remove(place.clone(), original);
        steps.push(step);
    }

    let mut created = Vec::new();
    let mut seen_parents = HashSet::new();
    let (mut links, mut files) = (Vec::new(), Vec::new());
    for (place, entry) in &places {
        let action = &entry.activation.action;
        let old = present.get(place);
        let stands = match old {
            Some(old) if looks => stands(&scene, place, action, old)?,
            Some(old) => old.activation.action == *action,
            None => false,
        };
        if stands && is_brief {
            continue;
        }
        let step = if stands {
            Step { place: Some(place.clone()), ..Step::new(Mark::Unchanged, entry) }
        } else {
            wanted(store, &scene, place, entry, old, &mut backups)?
        };
        if let Effect::Target(change) = &step.effect
            && let Some(parent) = place.parent()
        {
            let positions = &entry.activation.positions;
            if seen_parents.insert(parent.to_owned()) {
                created.extend(check_parent(&scene, place, positions)?);
            }
            check_mount(change, place, positions)?;
        }
        let is_link = matches!(action, Action::Symlink { .. });
        if is_link { &mut links } else { &mut files }.push(step);
    }
    let mut restored = Vec::new();
    for step in &steps {
        if let (Effect::Target(change), Some(place)) = (&step.effect, &step.place) {
            let positions = &step.activation.positions;
            restored.extend(check_parent(&scene, place, positions)?);
            check_mount(change, place, positions)?;
        }
    }
    restored.sort();
    restored.dedup();
    created.retain(|directory| restored.binary_search(directory).is_err());
    created.sort();
    created.dedup();
    steps.append(&mut links);
    steps.append(&mut files);
    steps.extend(environment_steps(&current, &desired.entries));
    let commands = wanted_commands(&current, &desired.entries);
    let always = commands.iter().any(|step| step.mark == Mark::Unchanged && !matches!(step.effect, Effect::None));
    steps.extend(commands);

    let activations = desired.activations();
    let environment_changes = has_other_environment(&activations, &current.activations, home);
    let changes = environment_changes
        || !desired.is_complete
        || !has_same_objects
        || steps.iter().any(|step| step.mark != Mark::Unchanged);
    let occupied = occupied(&places);
    let backups = backups.unwrap_or_else(|| if changes { Backups::load(store) } else { Backups::default() });
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

/// Returns whether the environment of somebody changes. Only when the actions that make it are others it takes to be seen.
fn has_other_environment(new: &[Arc<Activation>], old: &[Arc<Activation>], home: &Path) -> bool {
    fn is_part(activation: &&Activation) -> bool {
        activation.action.is_environment() || activation.project.is_some()
    }
    let (new, old) = (new.iter().map(AsRef::as_ref), old.iter().map(AsRef::as_ref));
    let is_same = |(new, old): (&Activation, &Activation)| {
        new.action == old.action && new.user == old.user && new.project == old.project
    };
    let (new_parts, old_parts) = (new.clone().filter(is_part), old.clone().filter(is_part));
    let are_same = new_parts.clone().count() == old_parts.clone().count() && new_parts.zip(old_parts).all(is_same);
    if are_same && environment::users(new.clone()) == environment::users(old.clone()) {
        return false;
    }
    environments(&new, home) != environments(&old, home)
}

/// Returns everybody's environment, that of each user, and what makes those of projects.
fn environments<'a>(
    activations: &(impl Iterator<Item = &'a Activation> + Clone),
    home: &Path,
) -> (Environment, BTreeMap<String, Environment>, BTreeSet<String>) {
    let of_user = |user: &str| (user.to_owned(), Environment::of_user(activations.clone(), user));
    let users = environment::users(activations.clone()).into_iter().map(of_user).collect();
    let projects = activations.clone().filter(|activation| activation.project.is_some());
    (Environment::new(activations.clone(), home), users, projects.map(Activation::key).collect())
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
        let Some(target) = activation.action.target() else { continue };
        let place = targets.place(target, &activation.positions)?;
        present.insert(place, Old { activation, order });
    }
    // Of files too: somebody may have put a link in the place of one.
    for place in present.keys() {
        targets.manage(place.clone());
    }
    Ok(present)
}

/// Returns every directory that one of the places lies below.
fn occupied(places: &[(PathBuf, &Entry)]) -> HashSet<PathBuf> {
    let mut occupied = HashSet::new();
    let mut last: Option<&Path> = None;
    for parent in places.iter().filter_map(|(place, _)| place.parent()) {
        if last.is_none_or(|last| last.as_os_str() != parent.as_os_str()) {
            occupied.extend(parent.ancestors().map(Path::to_owned));
            last = Some(parent);
        }
    }
    occupied
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

fn commands(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| matches!(entry.activation.action, Action::Run { .. }))
}

fn is_always(action: &Action) -> bool {
    matches!(action, Action::Run { always: true, .. })
}

/// What takes back commands that are gone, in reverse of the order in which they ran.
fn removed_commands(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    let kept: BTreeSet<Vec<u8>> = commands(entries).map(|entry| key(&entry.activation)).collect();
    let mut steps = Vec::new();
    for activation in current.activations.iter().rev() {
        let Action::Run { undo, .. } = &activation.action else { continue };
        if kept.contains(&key(activation)) {
            continue;
        }
        let mut step = Step::new(Mark::Remove, &Entry::applied(activation));
        if undo.is_some() {
            step.effect = Effect::Command { undo: true };
        }
        steps.push(step);
    }
    steps
}

fn wanted_commands(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    let mut present: HashMap<Vec<u8>, &Action> = HashMap::new();
    for activation in &current.activations {
        if matches!(activation.action, Action::Run { .. }) {
            present.insert(key(activation), &activation.action);
        }
    }
    let mut steps = Vec::new();
    for entry in commands(entries) {
        let action = &entry.activation.action;
        let (mark, runs) = match present.get(&key(&entry.activation)) {
            Some(old) if *old == action => (Mark::Unchanged, is_always(action)),
            // It ran already; only what is recorded of it changes.
            Some(_) => (Mark::Change, is_always(action)),
            None => (Mark::Add, true),
        };
        let mut step = Step::new(mark, entry);
        if runs {
            step.effect = Effect::Command { undo: false };
        }
        steps.push(step);
    }
    steps
}

/// Compares what makes the environment: a variable by its name, everything else as a whole.
fn environment_steps(current: &Snapshot, entries: &[Entry]) -> Vec<Step> {
    fn environment_key(activation: &Activation) -> Option<Vec<u8>> {
        match &activation.action {
            Action::Symlink { .. } | Action::Install { .. } | Action::Run { .. } => None,
            Action::SetVariable { name, .. } => {
                Some(format!("{:?} {:?} {name}", activation.user, activation.project).into_bytes())
            }
            _ => Some(key(activation)),
        }
    }
    let mut old: BTreeMap<Vec<u8>, &Arc<Activation>> =
        current.activations.iter().filter_map(|activation| Some((environment_key(activation)?, activation))).collect();
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for entry in entries {
        let Some(key) = environment_key(&entry.activation) else { continue };
        if !seen.insert(key.clone()) {
            continue;
        }
        let mark = match old.remove(&key) {
            Some(old) if old.action == entry.activation.action => Mark::Unchanged,
            Some(_) => Mark::Change,
            None => Mark::Add,
        };
        steps.push(Step::new(mark, entry));
    }
    let removed = old.into_values().map(|activation| Step::new(Mark::Remove, &Entry::applied(activation)));
    removed.collect::<Vec<_>>().into_iter().chain(steps).collect()
}
