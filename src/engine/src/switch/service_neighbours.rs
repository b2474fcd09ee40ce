//! Units that a switch does not name, but that stop because of it: they require a unit that stops,
//! or conflict with a unit that starts.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use syslua_services::manager::{Job, Manager};
use syslua_services::problem::Problem;
use syslua_services::state::UnitState;
use syslua_services::unit_file::UnitFile;

use super::Error;
use super::plan::Plan;
use super::service_managers::{Managers, at, manager_of};
use crate::action::ServiceUnit;
use crate::journal::{ServiceManager, UnitChange};
use crate::platform;

/// Finds units that stop with others.
pub(super) struct Neighbours<'a, 'b> {
    /// The connections.
    pub managers: &'a mut Managers<'b>,
    /// The managers, by the numbers that changes name.
    pub of: &'a [ServiceManager],
    /// What is switched.
    pub plan: &'a Plan,
    /// The units that the switch itself runs in.
    pub own: &'a [String],
}

fn is_known(units: &[UnitChange], manager: usize, name: &str) -> bool {
    units.iter().any(|unit| unit.manager == manager && unit.unit == name)
}

/// What stops with a unit.
#[derive(Default)]
pub struct Dependents {
    /// The names of the units.
    pub names: Vec<String>,
    /// Whether oneshots that require it stay as they are.
    pub spares: bool,
}

/// Returns the active units that stop with one, those that stop with these, and so on. A oneshot
/// that only requires the unit stays if `is_spared` tells so of its name.
///
/// # Errors
/// When the manager does not answer.
pub fn dependents(
    manager: &mut dyn Manager,
    unit: &str,
    is_spared: &dyn Fn(&str) -> bool,
) -> Result<Dependents, Problem> {
    let (mut found, mut next) = (vec![unit.to_owned()], 0);
    let mut spared = BTreeSet::new();
    while let Some(name) = found.get(next).cloned() {
        next += 1;
        for state in manager.states(&[&name])?.into_iter().filter(UnitState::is_active) {
            let names: Vec<&str> = state.needed_by.iter().map(String::as_str).collect();
            for other in manager.states(&names)?.into_iter().filter(UnitState::is_active) {
                let is_bound = state.bound.contains(&other.name);
                if other.is_oneshot() && !is_bound && is_spared(&other.name) {
                    spared.insert(other.name);
                } else if !found.contains(&other.name) {
                    found.push(other.name);
                }
            }
        }
    }
    found.remove(0);
    let spares = spared.iter().any(|name| !found.contains(name));
    Ok(Dependents { names: found, spares })
}

impl Neighbours<'_, '_> {
    /// Returns those of some units that are active.
    fn active(&mut self, change: &UnitChange, names: &[String]) -> Result<Vec<UnitState>, Error> {
        let positions = &change.positions;
        let Some(manager) = self.managers.get(&self.of[change.manager]).map_err(at(positions))?
        else {
            return Ok(Vec::new());
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let states = manager.states(&names).map_err(at(positions))?;
        Ok(states.into_iter().filter(UnitState::is_active).collect())
    }

    /// Returns the active units that stop with one. Declared oneshots that do not change do not:
    /// their work is done.
    fn dependents(
        &mut self,
        change: &UnitChange,
        units: &[UnitChange],
    ) -> Result<Dependents, Error> {
        let positions = &change.positions;
        let declared: HashSet<String> =
            self.declared(change).map(|unit| unit.name.clone()).collect();
        let is_spared =
            |name: &str| declared.contains(name) && !is_known(units, change.manager, name);
        match self.managers.get(&self.of[change.manager]).map_err(at(positions))? {
            Some(manager) => dependents(manager, &change.unit, &is_spared).map_err(at(positions)),
            None => Ok(Dependents::default()),
        }
    }

    /// Adds what stops since something that it requires stops, and is to run again after that. What
    /// would end the switch that way is left for later.
    pub fn add_dependents(&mut self, units: &mut Vec<UnitChange>) -> Result<(), Error> {
        let mut next = 0;
        while let Some(change) = units.get(next).cloned() {
            next += 1;
            let stops = change.was_active && change.job != Job::Reload;
            if !stops || change.is_own {
                continue;
            }
            let dependents = self.dependents(&change, units)?;
            if dependents.names.iter().any(|name| self.own.contains(name)) {
                // Its manager stops and starts with it what requires it.
                units[next - 1].is_own = true;
                continue;
            }
            units[next - 1].is_alone = dependents.spares;
            for name in dependents.names {
                let is_same =
                    |unit: &&mut UnitChange| unit.manager == change.manager && unit.unit == name;
                if let Some(known) = units.iter_mut().find(is_same) {
                    if dependents.spares && known.job == Job::Reload {
                        known.job = Job::Restart;
                    }
                    continue;
                }
                // What is gone cannot be required any more.
                let is_gone = change.job == Job::Stop && !self.is_declared(&change, &change.unit);
                units.push(UnitChange {
                    job: if dependents.spares { Job::Restart } else { Job::Start },
                    is_alone: false,
                    was_active: true,
                    earlier: None,
                    is_optional: is_gone && !self.is_declared(&change, &name),
                    unit: name,
                    ..change.clone()
                });
            }
        }
        Ok(())
    }

    /// Adds what stops since it conflicts with something that starts: when that is undone, it runs
    /// again.
    pub fn add_conflicting(&mut self, units: &mut Vec<UnitChange>) -> Result<(), Error> {
        for change in units.clone() {
            if !matches!(change.job, Job::Start | Job::Restart) {
                continue;
            }
            let mut names = self.declared_conflicts(&change);
            if let Some(manager) =
                self.managers.get(&self.of[change.manager]).map_err(at(&change.positions))?
            {
                let states =
                    manager.states(&[&change.unit]).map_err(at(&change.positions))?.into_iter();
                names.extend(states.flat_map(|state| state.conflicts));
            }
            for state in self.active(&change, &names)? {
                let stops = UnitChange {
                    unit: state.name.clone(),
                    job: Job::Stop,
                    was_active: true,
                    is_own: self.own.contains(&state.name),
                    earlier: None,
                    is_optional: true,
                    ..change.clone()
                };
                // What requires it cannot run beside the new one either.
                let dependents = self.dependents(&stops, units)?;
                for name in std::iter::once(state.name).chain(dependents.names) {
                    if !is_known(units, change.manager, &name) {
                        let is_own = self.own.contains(&name);
                        units.push(UnitChange { unit: name, is_own, ..stops.clone() });
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the declared units of a manager.
    fn declared(&self, change: &UnitChange) -> impl Iterator<Item = &ServiceUnit> {
        let of = &self.of[change.manager];
        let whose = (of.scope, of.user.clone());
        let activations = self.plan.activations.iter();
        activations
            .filter_map(move |activation| {
                let service = activation.action.as_service()?;
                let other = manager_of(activation, service);
                ((other.scope, other.user) == whose).then_some(&service.units)
            })
            .flatten()
    }

    fn is_declared(&self, change: &UnitChange, name: &str) -> bool {
        self.declared(change).any(|unit| unit.name == name)
    }

    /// Returns what the new unit says that it conflicts with: its manager does not know it yet.
    fn declared_conflicts(&self, change: &UnitChange) -> Vec<String> {
        let unit = self.declared(change).find(|unit| unit.name == change.unit);
        let read = |path: &Path| platform::read_to_string(path).ok();
        let Some(text) = unit.and_then(|unit| read(&unit.file.to_path())) else {
            return Vec::new();
        };
        let file = UnitFile::parse(&text);
        let words = file.values("Unit", "Conflicts").flat_map(str::split_whitespace);
        words.filter(|word| word.contains('.') && !word.contains('%')).map(str::to_owned).collect()
    }
}
