//! The packages of the system that a root has to do with, as their managers tell.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use syslua_packages::manager::{MANAGERS, Manager};
use syslua_packages::package::Inventory;

use super::Engine;
use crate::packages::{self, Managed};
use crate::snapshot::Snapshot;
use crate::value::Positions;

/// The state of a package of the system.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PackageStateReport {
    /// Its manager.
    pub manager: &'static str,
    /// The package, as the config has it.
    pub package: String,
    /// The installed version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// "installed", "missing", "changed" (another version than declared), "incomplete" (half
    /// installed), "left" (a switch that failed or was cut off installed it) or "unknown" (its
    /// manager does not tell).
    pub state: &'static str,
    /// True when it was there before, so that it stays.
    pub was_there: bool,
    /// What is wrong, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The lines that declared it, innermost first: "init.lua:12".
    pub positions: Positions,
}

impl PackageStateReport {
    /// Returns whether it is not as it is declared.
    pub fn is_drift(&self) -> bool {
        !["installed", "unknown"].contains(&self.state)
    }
}

impl Engine {
    /// Returns the states of declared packages, and of those that a failed switch left.
    pub(super) fn package_states(&self, current: &Snapshot) -> Vec<PackageStateReport> {
        let record = packages::load(&self.store).unwrap_or_default();
        let mut reports = Vec::new();
        for manager in MANAGERS {
            let managed = record.managers.get(manager.name());
            let declared = current.activations.iter().filter_map(|activation| {
                let package = activation.action.as_package()?;
                (package.manager == manager.name())
                    .then(|| (package.package.clone(), activation.positions.clone()))
            });
            let declared: Vec<(String, Positions)> = declared.collect();
            if declared.is_empty() && managed.is_none() {
                continue;
            }
            let inventory = packages::is_here(&self.settings, manager)
                .then(|| packages::inventory(manager).ok())
                .flatten();
            let managed = managed.cloned().unwrap_or_default();
            states(manager, declared, &managed, inventory.as_ref(), &mut reports);
        }
        reports
    }
}

fn states(
    manager: &'static dyn Manager,
    declared: Vec<(String, Positions)>,
    managed: &Managed,
    inventory: Option<&Inventory>,
    reports: &mut Vec<PackageStateReport>,
) {
    let was_cut_off = managed.pending.is_some();
    let repair = manager.repair();
    let state_of = |package: &str| {
        let name = manager.name_of(package);
        let Some(inventory) = inventory else {
            return (None, "unknown", Some(format!("{} does not tell", manager.name())));
        };
        match inventory.get(name) {
            None => (None, "missing", None),
            Some(found) if !found.is_complete => {
                let problem = format!("half installed: `{repair}` completes it");
                (Some(found.version.clone()), "incomplete", Some(problem))
            }
            Some(found) => {
                let declared = manager.version_of(package);
                match declared.filter(|declared| *declared != found.version) {
                    Some(declared) => {
                        let problem = format!("the config wants version {declared}");
                        (Some(found.version.clone()), "changed", Some(problem))
                    }
                    None => (Some(found.version.clone()), "installed", None),
                }
            }
        }
    };
    let mut told = BTreeSet::new();
    for (package, positions) in declared {
        if !told.insert(manager.name_of(&package).to_owned()) {
            continue;
        }
        let (version, state, problem) = state_of(&package);
        let kept = managed.packages.get(manager.name_of(&package));
        let was_there = kept.is_none_or(|kept| kept.was_there);
        let manager = manager.name();
        reports.push(PackageStateReport {
            manager,
            package,
            version,
            state,
            was_there,
            problem,
            positions,
        });
    }
    let of_record = managed.packages.iter().filter(|(_, kept)| kept.declared);
    let pending = managed.pending.iter().flat_map(|pending| &pending.installs);
    let left: BTreeSet<&String> = of_record.map(|(name, _)| name).chain(pending).collect();
    for name in left {
        if !told.insert(name.clone()) {
            continue;
        }
        let (version, state, problem) = state_of(name);
        let (state, problem) = match state {
            // It did not come so far, or someone removed it.
            "missing" => continue,
            "installed" if was_cut_off => (
                "left",
                Some("an install that was cut off left it: the next apply decides".to_owned()),
            ),
            "installed" => (
                "left",
                Some(
                    "a switch that failed left it: the next apply that does not declare it \
                     removes it"
                        .to_owned(),
                ),
            ),
            state => (state, problem),
        };
        reports.push(PackageStateReport {
            manager: manager.name(),
            package: name.clone(),
            version,
            state,
            was_there: false,
            problem,
            positions: Positions::default(),
        });
    }
}
