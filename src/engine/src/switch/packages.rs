//! Packages of the system in a plan: what is missing, what is removed, and what the manager says
//! that it would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syslua_packages::manager::{MANAGERS, Manager, Rights};
use syslua_packages::package::{Change, Inventory, Simulation};

use super::Error;
use super::desired::Entry;
use super::plan::Plan;
use super::step::{Mark, Step, Work};
use crate::action::Package;
use crate::activation::DeclaredAction;
use crate::packages::{self, Managed, Problem, Record, add_installed};
use crate::platform;
use crate::settings::Settings;
use crate::store::Store;
use crate::value::Positions;

/// What the managers of a machine are to do.
#[derive(Debug, Default)]
pub struct PackageWork {
    /// Those that have something to do, or had.
    pub managers: Vec<ManagerWork>,
    /// Managers that the config names and the machine does not have, where it has none of them.
    pub absent: Vec<String>,
    pub(super) record: Record,
    /// What calls that are over did, in words.
    pub(super) done: Vec<String>,
}

/// What one manager is to do.
pub struct ManagerWork {
    /// The manager.
    pub manager: &'static dyn Manager,
    /// What it is asked.
    pub change: Change,
    /// What it says that it would do.
    pub simulation: Simulation,
    /// Packages that are not declared any more and stay, each with a package that needs it.
    pub stays: BTreeMap<String, String>,
    /// Packages that were there as dependencies, and are wanted for themselves from now on.
    pub(super) marks: BTreeSet<String>,
    /// Packages that count as dependencies again.
    pub(super) releases: BTreeSet<String>,
    /// The names of declared packages, and who declared them.
    pub(super) declared: BTreeMap<String, Positions>,
    /// What is recorded before it is called.
    pub(super) managed: Managed,
    /// Packages that the user has: another version of one stays the user's.
    pub(super) foreign: BTreeSet<String>,
    /// Packages that a call which was cut off left half installed.
    cut_off: BTreeSet<String>,
}

impl std::fmt::Debug for ManagerWork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {:?}", self.manager.name(), self.change)
    }
}

impl PackageWork {
    /// Returns an error of a step after the calls, which they outlast.
    pub fn outlast(&self, error: Error) -> Error {
        error.after_packages(&self.done)
    }
}

impl ManagerWork {
    /// Returns whether the manager is called.
    pub fn is_needed(&self) -> bool {
        !(self.change.is_empty() && self.marks.is_empty() && self.releases.is_empty())
    }
}

/// Returns the packages that are declared for a manager: their names, the form in which they are
/// declared, and the lines.
fn declared_for<'a>(
    manager: &dyn Manager,
    activations: impl Iterator<Item = &'a Arc<DeclaredAction>>,
) -> Result<BTreeMap<String, (&'a Package, &'a Positions)>, Error> {
    let mut declared: BTreeMap<String, (&Package, &Positions)> = BTreeMap::new();
    for activation in activations {
        let Some(package) = activation.action.as_package() else { continue };
        if package.manager != manager.name() {
            continue;
        }
        let name = manager.name_of(&package.package).to_owned();
        let new = (package, &activation.positions);
        let (first, place) = *declared.entry(name).or_insert(new);
        if first != package {
            let place = place.first().cloned().unwrap_or_default();
            return Err(Error::Packages {
                message: format!(
                    "{} and {} are one package of {}; the first is declared at {place}",
                    first.package,
                    package.package,
                    manager.name()
                ),
                output: String::new(),
                hint: Some("leave out one of the two".to_owned()),
                is_interruption: false,
                positions: activation.positions.clone(),
            });
        }
    }
    Ok(declared)
}

/// Adds to a plan what happens to packages.
///
/// # Errors
/// When a manager refuses, or the user may not change packages.
pub fn add(store: &Store, settings: &Settings, plan: &mut Plan) -> Result<(), Error> {
    let has_packages = |activations: &[Arc<DeclaredAction>]| {
        activations.iter().any(|activation| activation.action.as_package().is_some())
    };
    let record = packages::load(store).map_err(|message| Error::Packages {
        message,
        output: String::new(),
        hint: Some("move it away: packages that it named stay from then on".to_owned()),
        is_interruption: false,
        positions: Positions::default(),
    })?;
    if record.managers.is_empty()
        && !has_packages(&plan.activations)
        && !has_packages(&plan.current.activations)
    {
        return Ok(());
    }
    let mut work = PackageWork { record, ..PackageWork::default() };
    let mut steps = Vec::new();
    let mut is_any_here = false;
    for manager in MANAGERS {
        let declared = declared_for(manager, plan.activations.iter())?;
        let recorded = work.record.managers.get(manager.name());
        let is_here = packages::is_here(settings, manager);
        if is_here && (!declared.is_empty() || recorded.is_some()) {
            is_any_here |= !declared.is_empty();
            let managed = recorded.cloned().unwrap_or_default();
            let inventory = check_rights(manager, &declared)
                .and_then(|()| packages::inventory(manager).map_err(at(&declared)))?;
            let one = ManagerWork::plan(manager, &declared, managed, &inventory)?;
            one.add_steps(plan, &inventory, &mut steps);
            work.managers.push(one);
            continue;
        }
        if !declared.is_empty() {
            work.absent.push(manager.name().to_owned());
        }
        add_plain_steps(manager, plan, &mut steps);
    }
    if is_any_here {
        work.absent.clear();
    }
    plan.changes |= steps.iter().any(|step: &Step| step.mark != Mark::Unchanged)
        || work.managers.iter().any(ManagerWork::is_needed);
    // What is installed is there before the files that configure it.
    plan.steps.splice(0..0, steps);
    plan.packages = work;
    Ok(())
}

fn check_rights(
    manager: &dyn Manager,
    declared: &BTreeMap<String, (&Package, &Positions)>,
) -> Result<(), Error> {
    let is_root = platform::user_number() == 0;
    let (message, hint) = match manager.rights() {
        Rights::Root if !is_root => (
            format!("only root installs packages with {}", manager.name()),
            "apply the config that declares them as root, or install them by hand",
        ),
        Rights::NotRoot if is_root => (
            format!("{} does not work for root", manager.name()),
            "declare its packages in a config that you apply as yourself",
        ),
        _ => return Ok(()),
    };
    Err(Error::Packages {
        message,
        output: String::new(),
        hint: Some(hint.to_owned()),
        is_interruption: false,
        positions: declared.values().next().map(|(_, at)| (*at).clone()).unwrap_or_default(),
    })
}

/// Returns a function that adds to a problem who declared the package that it is about.
fn at<'a>(
    declared: &'a BTreeMap<String, (&'a Package, &'a Positions)>,
) -> impl Fn(Problem) -> Error + 'a {
    move |problem| {
        let positions = about(&problem.message, declared.iter().map(|(name, (_, at))| (name, *at)));
        failure(problem, positions, None)
    }
}

/// Returns who declared the first package that a text names, else the first one.
pub(super) fn about<'a>(
    text: &str,
    mut declared: impl Iterator<Item = (&'a String, &'a Positions)> + Clone,
) -> Positions {
    let is_part = |letter: char| letter.is_alphanumeric() || "+-._".contains(letter);
    let words: BTreeSet<&str> =
        text.split(|letter| !is_part(letter)).map(|word| word.trim_end_matches('.')).collect();
    let named = declared.clone().find(|(name, _)| words.contains(name.as_str()));
    named.or_else(|| declared.next()).map(|(_, at)| at.clone()).unwrap_or_default()
}

pub(super) fn failure(problem: Problem, positions: Positions, hint: Option<String>) -> Error {
    let Problem { message, output, is_interruption } = problem;
    Error::Packages { message, output, hint, is_interruption, positions }
}

/// Adds the steps of a manager that is not there: its packages are declared, and nothing is done.
fn add_plain_steps(manager: &dyn Manager, plan: &Plan, steps: &mut Vec<Step>) {
    let of = |activation: &&Arc<DeclaredAction>| {
        activation.action.as_package().is_some_and(|package| package.manager == manager.name())
    };
    let is_in = |activations: &[Arc<DeclaredAction>], activation: &DeclaredAction| {
        activations.iter().any(|other| other.action == activation.action)
    };
    for gone in plan.current.activations.iter().filter(of) {
        if !is_in(&plan.activations, gone) {
            steps.push(Step::new(Mark::Remove, &Entry::applied(gone)));
        }
    }
    for wanted in plan.activations.iter().filter(of) {
        let is_applied = is_in(&plan.current.activations, wanted);
        let mark = if is_applied { Mark::Unchanged } else { Mark::Add };
        let work = Work::Package(format!("there is no {} here", manager.name()));
        steps.push(Step { work, ..Step::new(mark, &Entry::applied(wanted)) });
    }
}

impl ManagerWork {
    fn plan(
        manager: &'static dyn Manager,
        declared: &BTreeMap<String, (&Package, &Positions)>,
        mut managed: Managed,
        inventory: &Inventory,
    ) -> Result<ManagerWork, Error> {
        let cut_off = reconcile(&mut managed, inventory);
        let mut work = ManagerWork {
            manager,
            change: Change::default(),
            simulation: Simulation::default(),
            stays: BTreeMap::new(),
            marks: BTreeSet::new(),
            releases: BTreeSet::new(),
            declared: declared
                .iter()
                .map(|(name, (_, at))| (name.clone(), (*at).clone()))
                .collect(),
            foreign: inventory
                .keys()
                .filter(|name| !managed.packages.contains_key(*name))
                .cloned()
                .collect(),
            managed,
            cut_off,
        };
        for (name, (package, _)) in declared {
            let version = manager.version_of(&package.package);
            let is_right = inventory.get(name).is_some_and(|found| {
                found.is_complete && version.is_none_or(|version| version == found.version)
            });
            if !is_right {
                work.change.install.insert(package.package.clone());
            }
        }
        let gone: BTreeSet<String> = work
            .managed
            .packages
            .iter()
            .filter(|(name, kept)| kept.declared && !declared.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        work.note_marks(inventory).map_err(at(declared))?;
        if !gone.is_empty() {
            work.plan_removal(gone).map_err(at(declared))?;
        }
        if work.change.is_empty() {
            return Ok(work);
        }
        if !work.cut_off.is_empty() {
            let names: Vec<&str> = work.cut_off.iter().map(String::as_str).collect();
            return Err(Error::Packages {
                message: format!(
                    "{} was cut off, and left these packages half installed: {}",
                    manager.name(),
                    names.join(", ")
                ),
                output: String::new(),
                hint: Some(format!("run `{}`, then apply again", manager.repair())),
                is_interruption: false,
                positions: about(&names.join(" "), work.declared.iter()),
            });
        }
        let refused = |problem: Problem| {
            let hint = format!("`{}` refreshes what {} knows", manager.refresh(), manager.name());
            let positions = about(&problem.message, work.declared.iter());
            failure(problem, positions, Some(hint))
        };
        work.simulation = packages::simulate(manager, &work.change, false).map_err(refused)?;
        work.check_simulation(declared, inventory)?;
        Ok(work)
    }

    /// Finds declared packages that are there only as dependencies of others: the manager must not
    /// take them away with these.
    fn note_marks(&mut self, inventory: &Inventory) -> Result<(), Problem> {
        let is_new = |name: &String| {
            inventory.contains_key(name)
                && self.managed.packages.get(name).is_none_or(|kept| !kept.declared)
        };
        let new: BTreeSet<String> =
            self.declared.keys().filter(|name| is_new(name)).cloned().collect();
        if !new.is_empty() {
            let dependencies = packages::dependencies(self.manager)?;
            self.marks = new.into_iter().filter(|name| dependencies.contains(name)).collect();
        }
        Ok(())
    }

    /// Finds out which packages that are not declared any more can go, and what goes with them: of
    /// what the manager would take, only what was not there before.
    fn plan_removal(&mut self, gone: BTreeSet<String>) -> Result<(), Problem> {
        let manager = self.manager;
        let is_ours = |name: &str| {
            self.managed.packages.get(name).is_some_and(|kept| !kept.was_there)
                && !self.declared.contains_key(name)
        };
        let (mut asked, there): (BTreeSet<String>, BTreeSet<String>) =
            gone.into_iter().partition(|name| is_ours(name));
        self.releases.extend(there);
        let removal = |remove: BTreeSet<String>| Change { remove, ..Change::default() };
        let obstacle = |asked: &BTreeSet<String>| -> Result<Option<String>, Problem> {
            let simulation = packages::simulate(manager, &removal(asked.clone()), false)?;
            let taken = simulation.removes.iter().map(|item| &item.name);
            let taken = taken.chain(simulation.needed_by.iter().map(|(_, by)| by));
            let mut foreign = taken.filter(|name| !asked.contains(*name) && !is_ours(name));
            Ok(foreign.next().cloned())
        };
        // Usually nothing needs them.
        if obstacle(&asked)?.is_some() {
            for name in asked.clone() {
                if let Some(other) = obstacle(&BTreeSet::from([name.clone()]))? {
                    asked.remove(&name);
                    self.stays.insert(name, other);
                }
            }
        }
        let simulation = packages::simulate(manager, &removal(asked.clone()), true)?;
        let taken = simulation.removed();
        let remove: BTreeSet<String> =
            taken.into_iter().filter(|name| is_ours(name)).map(str::to_owned).collect();
        self.releases.extend(self.stays.keys().cloned());
        self.change.remove = remove.into_iter().chain(asked).collect();
        Ok(())
    }

    /// Checks that the manager would do what is declared, and no more.
    fn check_simulation(
        &self,
        declared: &BTreeMap<String, (&Package, &Positions)>,
        inventory: &Inventory,
    ) -> Result<(), Error> {
        let error = |message: String, hint: &str, positions: &Positions| Error::Packages {
            message,
            output: String::new(),
            hint: Some(hint.to_owned()),
            is_interruption: false,
            positions: positions.clone(),
        };
        let others: Vec<&str> = self
            .simulation
            .removed()
            .into_iter()
            .filter(|name| !self.change.remove.contains(*name))
            .collect();
        if !others.is_empty() {
            let names: Vec<&str> = self.change.install.iter().map(String::as_str).collect();
            let message = format!(
                "to install {} {} would remove {}, which sys.lua did not install",
                names.join(", "),
                self.manager.name(),
                others.join(", ")
            );
            let hint = "remove it by hand if that is what you want, or leave the package out";
            let positions = about(&names.join(" "), self.declared.iter());
            return Err(error(message, hint, &positions));
        }
        let told = |name: &str| {
            let mut items = self.simulation.installs.iter().chain(&self.simulation.changes);
            let bare = name.split(':').next().unwrap_or(name);
            items.any(|item| item.name == name || item.name == bare)
                || self.simulation.sets_up.contains(name)
        };
        for (name, (package, positions)) in declared {
            if !self.change.install.contains(&package.package)
                || told(name)
                || inventory.contains_key(name)
            {
                continue;
            }
            let instead: Vec<&str> =
                self.simulation.installs.iter().map(|item| item.name.as_str()).collect();
            let message = match instead.as_slice() {
                [] => format!("{name} does not name a package of {} itself", self.manager.name()),
                _ => format!(
                    "{name} does not name a package of {} itself: it would install {}",
                    self.manager.name(),
                    instead.join(", ")
                ),
            };
            return Err(error(message, "name the package that provides it", positions));
        }
        Ok(())
    }

    /// Adds the steps of the packages of this manager.
    fn add_steps(&self, plan: &Plan, inventory: &Inventory, steps: &mut Vec<Step>) {
        let manager = self.manager;
        let name_in = |activation: &DeclaredAction| {
            let package = activation.action.as_package()?;
            (package.manager == manager.name())
                .then(|| manager.name_of(&package.package).to_owned())
        };
        let mut applied = BTreeSet::new();
        let mut told = BTreeSet::new();
        for activation in &plan.current.activations {
            let Some(name) = name_in(activation) else { continue };
            if !self.declared.contains_key(&name) && told.insert(name.clone()) {
                let work = Work::Package(self.fate_of(&name));
                steps.push(Step { work, ..Step::new(Mark::Remove, &Entry::applied(activation)) });
            }
            applied.insert(name);
        }
        // What a switch left that failed, or was undone.
        for (name, kept) in &self.managed.packages {
            if kept.declared && !self.declared.contains_key(name) && told.insert(name.clone()) {
                let package = Package { manager: manager.name().to_owned(), package: name.clone() };
                let left = Arc::new(DeclaredAction::new(package.into(), Vec::<String>::new()));
                let fate = format!("{}; left by a switch that failed", self.fate_of(name));
                let work = Work::Package(fate);
                steps.push(Step { work, ..Step::new(Mark::Remove, &Entry::applied(&left)) });
            }
        }
        let mut seen = BTreeSet::new();
        for activation in &plan.activations {
            let Some(name) = name_in(activation) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            let package = activation.action.as_package().map(|package| package.package.as_str());
            let is_missing = package.is_some_and(|package| self.change.install.contains(package));
            let mark = match (applied.contains(&name), is_missing) {
                (false, _) => Mark::Add,
                (true, true) => Mark::Change,
                (true, false) => Mark::Unchanged,
            };
            let version = |items: &[syslua_packages::package::Item]| {
                items.iter().find(|item| item.name == name).map(|item| item.version.clone())
            };
            let fate = match inventory.get(&name) {
                Some(found) if !is_missing => format!("{}, is there already", found.version),
                Some(found) if !found.is_complete => "is set up".to_owned(),
                found => {
                    let new = version(&self.simulation.installs)
                        .or_else(|| version(&self.simulation.changes))
                        .unwrap_or_default();
                    match found {
                        Some(found) => format!("{} -> {new}", found.version),
                        None => new,
                    }
                }
            };
            let work = Work::Package(fate);
            steps.push(Step { work, ..Step::new(mark, &Entry::applied(activation)) });
        }
    }

    /// Says what becomes of a package that is not declared any more.
    fn fate_of(&self, name: &str) -> String {
        if let Some(other) = self.stays.get(name) {
            return format!("stays, since {other} needs it");
        }
        if self.change.remove.contains(name) {
            return "is removed".to_owned();
        }
        "stays, since it was there before".to_owned()
    }
}

/// Brings a record up to date with what is installed: a call may have been cut off, and people
/// install and remove packages too. Returns what a call that was cut off left half installed.
fn reconcile(managed: &mut Managed, inventory: &Inventory) -> BTreeSet<String> {
    let mut cut_off = BTreeSet::new();
    if let Some(pending) = managed.pending.take() {
        add_installed(managed, &pending, inventory);
        let half = inventory.iter().filter(|(_, found)| !found.is_complete);
        cut_off.extend(half.map(|(name, _)| name.clone()));
        if !cut_off.is_empty() {
            managed.pending = Some(pending);
        }
    }
    managed.packages.retain(|name, _| inventory.contains_key(name));
    cut_off
}

#[cfg(test)]
mod tests {
    use syslua_packages::package::Installed;

    use super::*;
    use crate::packages::{Kept, Pending};

    fn inventory(rows: &[(&str, bool)]) -> Inventory {
        let row = |(name, is_complete): &(&str, bool)| {
            let installed = Installed { version: "1".to_owned(), is_complete: *is_complete };
            ((*name).to_owned(), installed)
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn what_a_call_installed_that_was_cut_off_is_ours() {
        let pending = Pending {
            installs: ["a".into(), "lib".into(), "late".into()].into(),
            declared: ["a".into()].into(),
            started_at: 0,
        };
        let mut managed = Managed { pending: Some(pending), ..Managed::default() };
        managed.packages.insert("gone".into(), Kept { declared: true, ..Kept::default() });
        let mut complete = managed.clone();
        let cut_off = reconcile(&mut managed, &inventory(&[("a", false), ("lib", true)]));
        assert_eq!(cut_off, ["a".to_owned()].into());
        assert!(managed.pending.is_some());
        let names: Vec<_> =
            managed.packages.iter().map(|(name, one)| (&**name, one.declared)).collect();
        assert_eq!(names, [("a", true), ("lib", false)]);
        let cut_off = reconcile(&mut complete, &inventory(&[("a", true), ("other", true)]));
        assert!(cut_off.is_empty() && complete.pending.is_none());
        assert_eq!(complete.packages.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_message_is_about_the_package_that_it_names() {
        let place = |line: &str| Positions::from(vec![line.to_owned()]);
        let declared: BTreeMap<String, Positions> =
            [("a".to_owned(), place("1")), ("nope".to_owned(), place("2"))].into();
        assert_eq!(about("E: Unable to locate package nope", declared.iter()), place("2"));
        assert_eq!(about("E: something else", declared.iter()), place("1"));
    }
}
