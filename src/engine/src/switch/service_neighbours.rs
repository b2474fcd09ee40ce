//! Units that a switch does not name, but that stop because of it: they require a unit that stops,
//! or conflict with a unit that starts.

use std::path::Path;

use syslua_services::manager::Job;
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

    /// Returns the active units that stop with one, those that stop with these, and so on.
    fn dependents(&mut self, change: &UnitChange) -> Result<Vec<String>, Error> {
        let mut found: Vec<String> = vec![change.unit.clone()];
        let mut next = 0;
        while let Some(name) = found.get(next).cloned() {
            next += 1;
            for state in self.active(change, &[name])? {
                for other in self.active(change, &state.needed_by)? {
                    if !found.contains(&other.name) {
                        found.push(other.name);
                    }
                }
            }
        }
        found.remove(0);
        Ok(found)
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
            let dependents = self.dependents(&change)?;
            if dependents.iter().any(|name| self.own.contains(name)) {
                // Its manager stops and starts with it what requires it.
                units[next - 1].is_own = true;
                continue;
            }
            for name in dependents {
                if is_known(units, change.manager, &name) {
                    continue;
                }
                // What is gone cannot be required any more.
                let is_gone = change.job == Job::Stop && !self.is_declared(&change, &change.unit);
                units.push(UnitChange {
                    job: Job::Start,
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
                let dependents = self.dependents(&stops)?;
                for name in std::iter::once(state.name).chain(dependents) {
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
