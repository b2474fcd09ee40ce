//! The difference between the wanted and the applied state. `plan`, `apply` and `rollback` all call
//! this, and perform nothing else.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backups::Backups;
use super::closed_directories;
use super::conflicts::Declared;
use super::desired::{Desired, Entry};
use super::effects::{Changed, Effects, Planner};
use super::elsewhere::{AtTargets, leads_elsewhere};
use super::noop::{is_applied, leads_elsewhere_only, unchanged};
use super::obstacles::{check_parent, missing_parents};
use super::overlap::Reads;
use super::overlay::Overlay;
use super::services::{declared_once, leave_alone, own_targets};
use super::step::{Mark, Step, Work};
use super::target_plan::{Old, is_left_alone, removal, wanted};
use super::unfold::{in_place_of_files, unfolded};
use super::{Error, PackageWork, Targets, conflicts, secrets, shells, unfold, ways};
use crate::action::{self, After, Before, Contents, Observed, Target, TargetChange};
use crate::activation::DeclaredAction;
use crate::hash::{Hash, QuickMap, QuickSet};
use crate::names::ObjectName;
use crate::places::{OwnPlaces, PlaceMap, PlaceSet};
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::Text;

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// What is applied; without its derivations, where these are those that will be in force.
    pub current: Snapshot,
    /// What happens, in the order in which it is performed: what takes commands back, commands that
    /// run before, removals, links, files, environment, commands, services. Those that stop do so
    /// before anything changes.
    pub steps: Vec<Step>,
    /// The actions that will be in force.
    pub activations: Vec<Arc<DeclaredAction>>,
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
    /// Removed directories that originals are restored to, outermost first.
    pub restored: Vec<PathBuf>,
    /// The directories below which targets will be.
    pub occupied: OwnPlaces,
    /// The directories that are opened for changes in them, besides those that sys.lua made.
    pub closable: OwnPlaces,
    /// The originals that cannot come back, in words.
    pub stuck: Vec<String>,
    /// The files that the config reads: directories of it stay, even empty ones of sys.lua.
    pub reads: Reads,
    /// The kept files of the user, and the created directories.
    pub backups: Backups,
    /// The contents of secrets that are to be written.
    pub contents: Arc<Contents>,
    /// The services that would change and are left alone, by name.
    pub left_out: Vec<String>,
    /// What package managers are to do.
    pub packages: PackageWork,
}

impl Plan {
    /// Returns a plan that tells nothing but whether anything changes.
    pub fn bare(
        current: Snapshot,
        derivations: Arc<BTreeMap<Hash, Outputs>>,
        changes: bool,
    ) -> Plan {
        Plan {
            current,
            steps: Vec::new(),
            activations: Vec::new(),
            derivations,
            environment_changes: false,
            changes,
            always: false,
            created: Vec::new(),
            restored: Vec::new(),
            occupied: OwnPlaces::default(),
            closable: OwnPlaces::default(),
            stuck: Vec::new(),
            reads: Reads::default(),
            backups: Backups::default(),
            contents: Arc::default(),
            left_out: Vec::new(),
            packages: PackageWork::default(),
        }
    }
}

/// How much a plan is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A step for everything.
    All,
    /// None for targets that stay as they are.
    News,
    /// Whether anything changes, and contradictions, before anything is built. When something does,
    /// what is declared as it is applied is not looked at: that is for the plan that follows. Nor
    /// is anything when existing links only lead elsewhere: what did not contradict itself then
    /// does not now.
    Foresight,
}

/// Computes a plan.
///
/// # Errors
/// When targets contradict each other, or cannot be written.
pub fn plan(
    store: &Store,
    home: &Path,
    mut desired: Desired,
    mut current: Snapshot,
    extent: Extent,
) -> Result<Plan, Error> {
    let moved = current.follow_moves(store.root(), home);
    let is_elsewhere =
        moved.is_some() || current.home.as_ref().is_some_and(|old| old.to_path() != home);
    if Desired::has_implied(&current) {
        let targets = Targets::new(home);
        present(&targets, &current)?;
        desired.keep_implied(&targets, &current);
    }
    let has_same_objects = has_same_objects(&desired, &current);
    let is_applied = has_same_objects && !is_elsewhere && is_applied(&desired, &current);
    if is_applied
        && desired.altered.is_empty()
        && let Some(steps) = unchanged(store, home, &desired, extent != Extent::All)
    {
        return nothing_to_do(store, home, desired, current, steps);
    }

    // The plan under the lock looks at everything.
    if extent == Extent::Foresight
        && !is_applied
        && !is_elsewhere
        && desired.altered.is_empty()
        && leads_elsewhere_only(desired.entries.iter().map(|entry| &*entry.activation), &current)
    {
        return Ok(Plan {
            changes: true,
            ..nothing_to_do(store, home, desired, current, Vec::new())?
        });
    }

    // Otherwise a service that is declared twice is told as two files at one place.
    declared_once(&desired.entries)?;
    let targets = Targets::new(home);
    let mut overlay = Overlay::new(store, home, Reads::new(store, desired.reads.drain(..)));
    overlay.merges = std::mem::take(&mut desired.merges);
    if let Some((old_root, moves)) = moved {
        overlay.add_moves(&old_root, moves);
    }
    let may_follow = extent == Extent::News
        && desired.is_complete
        && !is_elsewhere
        && desired.altered.is_empty();
    let followed =
        if may_follow { leads_elsewhere(&mut overlay, &desired, &current, true)? } else { None };
    let at_targets = match followed {
        Some(followed) => {
            // What commands and services are about is at its target, wherever that leads now.
            if followed.places.len() < desired.entries.len() {
                for declared in &followed.places {
                    targets.manage(declared.place.clone());
                }
            }
            followed
        }
        None => {
            let present = present(&targets, &current)?;
            follow_merged(&mut overlay, &present, &current);
            let unfolded = unfolded(home, &targets, &desired.entries)?;
            desired.entries.splice(0..0, unfolded);
            let is_replaced = |place: &Path| {
                let old = present.get(place).filter(|old| !old.target.keeps_below());
                let original = old.and_then(|old| overlay.original_of(place, old.activation));
                // Without one, the directory is simply created.
                original.is_some_and(|original| {
                    matches!(platform::kind_of(&original), Ok(Some(FileKind::File)))
                })
            };
            let instead = in_place_of_files(&targets, &desired.entries, is_replaced);
            desired.entries.splice(0..0, instead);
            // Only the notation of a path may differ: that needs a full check.
            let looks = extent != Extent::Foresight
                || is_applied
                || has_same_objects && desired.is_complete;
            resolved(&mut overlay, &targets, &desired, (&current, &present), (looks, extent))?
        }
    };
    let AtTargets { places, gone, mut changes, created, restored, stuck } = at_targets;
    let planner = Planner { store, targets: &targets, changed: Changed::by(&gone, &changes) };
    let Effects { first, last } = planner.plan(&current, &desired.entries);
    let mut services = planner.services(&current, &desired.entries)?;
    let left_out = if desired.leaves_services { leave_alone(&mut services) } else { Vec::new() };
    let runs = |step: &&Step| step.mark == Mark::Unchanged && !matches!(step.work, Work::None);
    let (opened, closed) = ways::steps(&overlay, &current, &desired.entries)?;
    let (secrets_made, secrets_gone) = secrets::steps(&overlay, &current, &desired.entries)?;
    let always = first.iter().chain(&last).any(|step| runs(&step));
    // Directories that others need come first, then what links lead through.
    let is_directory =
        |step: &Step| step.activation.action.as_target().is_some_and(|target| target.keeps_below());
    let first_link = changes.iter().position(|step| !is_directory(step)).unwrap_or(changes.len());
    changes.splice(first_link..first_link, opened.into_iter().chain(secrets_made));
    let steps: Vec<Step> = first
        .into_iter()
        .chain(gone)
        .chain(changes)
        .chain(closed)
        .chain(secrets_gone)
        .chain(shells::steps(&current, &desired.entries))
        .chain(last)
        .chain(services)
        .collect();

    let activations = with_places(&desired, &targets, &places)?;
    let environment_changes = shells::differ(&activations, &current.activations, home);
    let changes = environment_changes
        // Going back records no home.
        || is_elsewhere && desired.is_evaluated
        || !desired.is_complete
        || !has_same_objects
        || steps.iter().any(|step| step.mark != Mark::Unchanged || step.change().is_some());
    let occupied = conflicts::occupied(&places);
    let reads =
        if desired.is_evaluated { std::mem::take(&mut overlay.reads) } else { Reads::default() };
    let closable = overlay.closable().clone();
    let backups = if changes { overlay.into_backups() } else { Backups::default() };
    Ok(Plan {
        current,
        steps,
        activations,
        derivations: desired.derivations,
        environment_changes,
        changes,
        left_out,
        always,
        created,
        restored,
        occupied,
        closable,
        stuck,
        reads,
        backups,
        contents: Arc::default(),
        packages: PackageWork::default(),
    })
}

/// Resolves the places of all targets, and compares each with what is there. With `looks`, also
/// applied ones.
fn resolved<'a>(
    overlay: &mut Overlay<'_>,
    targets: &Targets<'_>,
    desired: &'a Desired,
    (current, present): (&Snapshot, &PlaceMap<'_, Old<'_>>),
    (looks, extent): (bool, Extent),
) -> Result<AtTargets<'a>, Error> {
    let store = overlay.store;
    let mut places = conflicts::places(store, targets, &desired.entries)?;
    if observe_unchanged(overlay, targets, present, &places)? {
        places = conflicts::places(store, targets, &desired.entries)?;
    }
    if desired.is_evaluated {
        overlay.reads.check_root(store, &places)?;
    }
    overlay.reads.check(&places)?;
    closed_directories::check(&places)?;
    overlay.add_closable(closed_directories::list(present, &places));
    let mut gone = removals(overlay, present, &places, false)?;
    let mut stuck = keep_stuck(overlay, &mut gone)?;
    // Directories of sys.lua are removed after their contents, and exist until then.
    let mut restored = missing_parents(overlay, &gone)?;
    let mut directories = removals(overlay, present, &places, true)?;
    stuck.extend(keep_stuck(overlay, &mut directories)?);
    restored.extend(missing_parents(overlay, &directories)?);
    restored.sort();
    restored.dedup();
    gone.extend(directories);
    if desired.is_evaluated {
        overlay.reads.check_removals(&gone)?;
    }
    let home = overlay.home;
    if let Some(other) = current.home.as_ref().map(Text::to_path).filter(|other| other != home) {
        for step in &mut gone {
            step.shown = Some(step.shown().in_home(&other));
        }
    }
    let services = own_targets(desired.entries.iter().map(|entry| &*entry.activation));
    let known = PlanContext { present, services: &services, altered: &desired.altered };
    let changes = changes(overlay, &known, &places, looks, extent)?;
    let mut created = missing_parents(overlay, &changes)?;
    created.retain(|directory| restored.binary_search(directory).is_err());
    Ok(AtTargets { places, gone, changes, created, restored, stuck })
}

/// Returns a plan without changes: what is wanted besides targets is in force. `steps` are the
/// steps of its targets.
fn nothing_to_do(
    store: &Store,
    home: &Path,
    desired: Desired,
    current: Snapshot,
    mut steps: Vec<Step>,
) -> Result<Plan, Error> {
    let is_target = |entry: &Entry| entry.activation.action.as_target().is_some();
    if !desired.entries.iter().all(is_target) {
        steps.extend(shells::steps(&current, &desired.entries));
        let planner = Planner { store, targets: &Targets::new(home), changed: Changed::default() };
        let Effects { first, last } = planner.plan(&current, &desired.entries);
        steps.extend(first.into_iter().chain(last));
        steps.extend(planner.services(&current, &desired.entries)?);
    }
    let activations = desired.activations();
    Ok(Plan { activations, steps, ..Plan::bare(current, desired.derivations, false) })
}

/// Returns whether the applied objects are the same, whatever derivations built them.
fn has_same_objects(desired: &Desired, current: &Snapshot) -> bool {
    fn objects(derivations: &BTreeMap<Hash, Outputs>) -> QuickSet<&ObjectName> {
        derivations.values().flat_map(Outputs::values).collect()
    }
    desired.has_applied_objects
        || desired.derivations == current.derivations
        || objects(&desired.derivations) == objects(&current.derivations)
}

/// Collects the applied actions at targets, by their places.
fn present<'a>(
    targets: &Targets<'_>,
    current: &'a Snapshot,
) -> Result<PlaceMap<'static, Old<'a>>, Error> {
    let mut present = PlaceMap::with_capacity(current.activations.len());
    for (order, activation) in current.activations.iter().enumerate() {
        let Some(target) = activation.action.as_target() else { continue };
        let recorded = current.place_of(activation, targets.home()).unwrap_or_default();
        let place = targets.place_of(target, &recorded, &activation.positions)?;
        // Of what an older version recorded it is not known which links were above it.
        let is_elsewhere = current.home.is_some() && place != recorded.to_path();
        // Of those that put the same at one place, written in different ways, the first one counts,
        // as when they are declared.
        if present.get(&place).is_none_or(|first: &Old<'_>| !first.target.puts_same(target)) {
            present.insert(place, Old { activation, target, order, is_elsewhere });
        }
    }
    // Also for files: a link may have replaced one.
    for (place, _) in present.iter() {
        targets.manage(place.to_owned());
    }
    targets.forget();
    Ok(present)
}

/// Finds what is known of files with declared keys again where the user moved their directory, and
/// made a link above it lead to the new place.
fn follow_merged(overlay: &mut Overlay<'_>, present: &PlaceMap<'_, Old<'_>>, current: &Snapshot) {
    let home = current.home.as_ref().map_or_else(|| overlay.home.to_owned(), Text::to_path);
    for (place, old) in present.iter().filter(|(_, old)| old.target.merge().is_some()) {
        let recorded = old.activation.place.as_ref().unwrap_or(old.target.target());
        let recorded = recorded.expand_home(&home);
        let is_gone = |place: &Path| place.parent().is_some_and(|above| !platform::exists(above));
        if is_gone(&recorded.to_path()) {
            overlay.follow_file(&recorded, &Text(platform::bytes_of_path(place)));
        }
    }
}

/// Prepares the check of files in place of removed targets: restored originals, and files that are
/// left alone. Their links determine the places of declarations below. Returns whether there are
/// any.
fn observe_unchanged(
    overlay: &Overlay,
    targets: &Targets<'_>,
    present: &PlaceMap<'_, Old<'_>>,
    places: &[Declared<'_>],
) -> Result<bool, Error> {
    let kept: PlaceSet<'_> = places.iter().map(|declared| declared.place.as_path()).collect();
    let passed = targets.passed();
    let mut found = false;
    for (place, old) in
        present.iter().filter(|(place, _)| passed.contains(place) && !kept.contains(place))
    {
        let original = overlay.original_of(place, old.activation);
        let standing = action::observe(&overlay.directories, place)?;
        let stays = if old.target.keeps_below() {
            original.is_none()
        } else {
            is_left_alone(overlay, place, old, &standing)?
        };
        let actual =
            if stays && standing != Observed::Nothing { Some(place.to_owned()) } else { original };
        if let Some(actual) = actual {
            targets.observe_at(place.to_owned(), actual);
            found = true;
        }
    }
    if found {
        targets.forget();
    }
    Ok(found)
}

/// Returns the actions that will be recorded, with the places of those whose targets do not tell.
fn with_places(
    desired: &Desired,
    targets: &Targets<'_>,
    places: &[Declared<'_>],
) -> Result<Vec<Arc<DeclaredAction>>, Error> {
    let mut known: QuickMap<*const DeclaredAction, &Path> =
        QuickMap::with_capacity_and_hasher(places.len(), BuildHasherDefault::default());
    known.extend(
        places
            .iter()
            .map(|declared| (Arc::as_ptr(&declared.entry.activation), declared.place.as_path())),
    );
    let mut activations = desired.activations();
    for activation in &mut activations {
        let Some(target) = activation.action.as_target() else { continue };
        let place = match known.get(&Arc::as_ptr(activation)) {
            Some(place) => Cow::Borrowed(*place),
            // What says the same as another one, in other words.
            None => {
                let declared = activation.place.as_ref().unwrap_or(target.target());
                Cow::Owned(targets.place_of(target, declared, &activation.positions)?)
            }
        };
        let place = platform::bytes_of_path(&place);
        if target.target().expand_home(targets.home()).0 != place {
            Arc::make_mut(activation).place = Some(Text(place));
        }
    }
    Ok(activations)
}

/// Plans the removal of targets that are no longer declared, in reverse order of creation:
/// directories, the inner ones first, or all the rest. A target that is only written to free places
/// has no original: an original is restored first.
fn removals(
    overlay: &mut Overlay,
    present: &PlaceMap<'_, Old<'_>>,
    places: &[Declared<'_>],
    of_directories: bool,
) -> Result<Vec<Step>, Error> {
    let kept: PlaceSet<'_> = places.iter().map(|declared| declared.place.as_path()).collect();
    let given = places.iter().filter(|declared| declared.target.is_given());
    let given: PlaceSet<'_> = given.map(|declared| declared.place.as_path()).collect();
    let goes = |place: &Path, old: &Old<'_>| {
        !kept.contains(place) || given.contains(place) && !old.target.is_given()
    };
    let mut gone: Vec<(&Path, &Old<'_>)> =
        present.iter().filter(|(place, old)| goes(place, old)).collect();
    gone.retain(|(_, old)| old.target.keeps_below() == of_directories);
    gone.sort_by_key(|(place, old)| {
        (of_directories.then_some(Reverse(*place)), Reverse(old.order))
    });
    let mut steps = Vec::new();
    for (place, old) in gone {
        let original = overlay.original_of(place, old.activation);
        let is_given = given.contains(place);
        if is_given && original.is_none() {
            continue;
        }
        let step = removal(overlay, place, old, original.as_deref())?;
        if is_given && step.change().is_none() {
            continue;
        }
        // A directory that only gets its rights back stays.
        let is_gone = |change: &TargetChange| match &change.after {
            After::Directory { .. } => false,
            After::Merged { edit } => edit.planned.after.is_none(),
            _ => true,
        };
        if step.change().is_some_and(is_gone) {
            overlay.remove(place.to_owned(), original);
        }
        steps.push(step);
    }
    Ok(steps)
}

/// Leaves originals where they are kept that cannot come back, since nothing can be put where they
/// were. Returns these, in words.
fn keep_stuck(overlay: &mut Overlay, steps: &mut [Step]) -> Result<Vec<String>, Error> {
    let mut stuck = Vec::new();
    for step in steps {
        let (Work::Target(change), Some(place)) = (&step.work, &step.place) else { continue };
        let (Before::Nothing, After::Original { kept, .. }) = (&change.before, &change.after)
        else {
            continue;
        };
        match check_parent(overlay, place, &step.activation.positions) {
            Err(Error::Parent { target, problem, .. }) => {
                stuck.push(format!(
                    "the original of {} cannot come back, and stays at {}: {problem}",
                    target.display(),
                    kept.display()
                ));
                overlay.keep_original(place);
                step.work = Work::None;
            }
            result => drop(result?),
        }
    }
    Ok(stuck)
}

/// What the plan knows besides the declarations.
struct PlanContext<'a> {
    /// What is in force, by its place.
    present: &'a PlaceMap<'a, Old<'a>>,
    /// The targets that belong to services.
    services: &'a HashSet<&'a Text>,
    /// What programs changed where links lead, in words.
    altered: &'a HashMap<Text, String>,
}

/// Plans the wanted targets: directories, the outer ones first, then links, then the rest. With
/// `looks`, also applied ones; with a full plan of everything, without a step for unchanged
/// targets.
fn changes(
    overlay: &mut Overlay,
    known: &PlanContext<'_>,
    places: &[Declared<'_>],
    looks: bool,
    extent: Extent,
) -> Result<Vec<Step>, Error> {
    let PlanContext { present, services, altered } = known;
    let (mut directories, others): (Vec<_>, Vec<_>) =
        places.iter().partition(|declared| declared.target.keeps_below());
    directories.sort_by_key(|declared| &declared.place);
    let declared_at = LazyCell::new(|| {
        places.iter().map(|declared| declared.place.as_path()).collect::<PlaceSet<'_>>()
    });
    let (mut steps, mut links, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for declared in directories.into_iter().chain(others) {
        let Declared { place, entry, target } = declared;
        let old = present.get(place);
        let is_same = old.is_some_and(|old| old.activation.action == entry.activation.action);
        // What the system does not tell of a target, such as one with too long a name, is said of
        // its declaration.
        let refused = |cause: platform::Error| Error::Parent {
            target: place.clone(),
            problem: cause.to_string(),
            positions: entry.activation.positions.clone(),
        };
        let stands = is_same
            && (!looks
                || target.is_in_place(overlay.observer(), place).map_err(refused)?
                || is_masked(overlay, target, place, services));
        let source = old.and_then(|old| old.target.leads_to());
        let was_altered = source.and_then(|source| altered.get(source));
        if stands && was_altered.is_none() && extent != Extent::All {
            continue;
        }
        let mut step = if stands {
            Step::at(Mark::Unchanged, entry, place)
        } else {
            wanted(overlay, declared, old, extent != Extent::Foresight).map_err(
                |error| match error {
                    Error::File(cause) => refused(cause),
                    other => other,
                },
            )?
        };
        // The link may stay: what it leads to is built again.
        if let Some(words) = was_altered {
            step.replaces.get_or_insert_with(|| words.clone());
            if step.mark == Mark::Unchanged {
                step.mark = Mark::Change;
            }
        }
        if target.keeps_below() {
            if step
                .change()
                .is_some_and(|change| !matches!(change.before, Before::Directory { .. }))
            {
                if let (true, Some(replaced)) = (target.is_implied(), &mut step.replaces)
                    && let Some(hidden) = unfold::hidden_behind(place, &declared_at)
                {
                    replaced.push_str("; ");
                    replaced.push_str(&hidden);
                }
                overlay.make(place.clone());
            }
            steps.push(step);
        } else if target.leads_to().is_some() {
            links.push(step);
        } else {
            rest.push(step);
        }
    }
    steps.append(&mut links);
    steps.append(&mut rest);
    Ok(steps)
}

/// Returns whether the user masked the unit of a service: it stays so until the unit changes.
fn is_masked(overlay: &Overlay, target: &Target, place: &Path, services: &HashSet<&Text>) -> bool {
    services.contains(target.target())
        && matches!(
            action::observe(&overlay.directories, place),
            Ok(Observed::Link(leads_to, _)) if leads_to.as_os_str() == "/dev/null"
        )
}
