//! The applied services and their states.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use syslua_services::declaration::Scope;
use syslua_services::manager::Job;
use syslua_services::state::UnitState;

use super::report::{directories_of_others, snapshot_report};
use super::{ActionReport, Engine, Error, SnapshotReport, report::bytes};
use crate::generations;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::switch::{self, Mark, Plan, Step, UnitJob, Work};
use crate::value::Positions;

/// An applied service and its state.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ServiceStateReport {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub scope: Scope,
    /// Its user, if that is another one than the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its main unit.
    pub unit: String,
    /// All its units.
    pub units: Vec<String>,
    /// "running", "done" (a oneshot that ended well), "waiting" (for the clock or a connection),
    /// "starting", "stopped", "failed", "masked", "missing" or "unknown" (its manager does not
    /// report it).
    pub state: &'static str,
    /// The beginning of this state, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Its main process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Why it failed, or why its state is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The lines that declared it, innermost first: "init.lua:12".
    pub positions: Positions,
}

impl ServiceStateReport {
    /// Returns whether its state differs from the declaration.
    pub fn is_drift(&self) -> bool {
        ["stopped", "failed", "masked", "missing"].contains(&self.state)
    }
}

/// What `services` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ServicesReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The current snapshot.
    pub snapshot: SnapshotReport,
    /// The services in force, by name.
    pub services: Vec<ServiceStateReport>,
}

impl Engine {
    /// Returns the applied services with their states, for which it asks their managers.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn services(&self) -> Result<ServicesReport, Error> {
        let current = generations::current(&self.store)?;
        let mut services = self.service_states(&current);
        services.sort_by(|left, right| {
            (&left.name, left.scope, &left.user).cmp(&(&right.name, right.scope, &right.user))
        });
        Ok(ServicesReport {
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&current),
            services,
        })
    }

    /// Notes in the report of a service whether it starts only when its user logs in.
    pub(super) fn note_login(&self, plan: &Plan, step: &Step, report: &mut ActionReport) {
        if let Some(service) = report
            .service
            .as_mut()
            .filter(|service| service.work.starts() || !service.overrides.is_empty())
        {
            let user = step.activation.user.as_deref();
            let manager = switch::connect(&self.settings, service.scope, user);
            // A service that is to linger starts its manager, for all of its user.
            let lingers = plan.activations.iter().any(|other| {
                other.user == step.activation.user
                    && other.action.as_service().is_some_and(|service| service.linger)
            });
            service.at_login = matches!(manager, Ok(None)) && !lingers;
        }
    }

    /// Notes in the report of a service whether it restarts instead of a reload, and which other
    /// units stop with it, and start again. Of a manager that does not answer nothing is said.
    pub(super) fn note_dependents(&self, plan: &Plan, step: &Step, report: &mut ActionReport) {
        let (Some(service), Some(of)) =
            (report.service.as_mut(), step.activation.action.as_service())
        else {
            return;
        };
        if service.work.jobs.iter().all(|job| job.job == Job::Start) || step.mark == Mark::Add {
            return;
        }
        let user = step.activation.user.as_deref().filter(|_| service.scope == Scope::User);
        let Ok(Some(mut manager)) = switch::connect(&self.settings, service.scope, user) else {
            return;
        };
        for job in service.work.jobs.iter_mut().filter(|job| job.job == Job::Reload) {
            for state in manager.states(&[&job.unit]).unwrap_or_default() {
                job.job = switch::asked_of_service(job, of, &state);
            }
        }
        let stops = |job: &&UnitJob| matches!(job.job, Job::Stop | Job::Restart);
        let stopped: Vec<String> =
            service.work.jobs.iter().filter(stops).map(|job| job.unit.clone()).collect();
        // What has jobs of its own is told there.
        let (mut own, mut declared) = (Vec::new(), HashSet::new());
        for other in &plan.steps {
            let Some(of) = other.activation.action.as_service() else { continue };
            if of.scope != service.scope
                || of.scope == Scope::User && other.activation.user != step.activation.user
            {
                continue;
            }
            declared.extend(of.units.iter().map(|unit| unit.name.as_str()));
            if let Work::Service(work) = &other.work {
                own.extend(work.jobs.iter().map(|job| job.unit.as_str()));
            }
        }
        let is_spared = |name: &str| declared.contains(name) && !own.contains(&name);
        let mut found: Vec<String> = Vec::new();
        for unit in &stopped {
            let dependents = switch::dependents(&mut *manager, unit, &is_spared);
            found.extend(dependents.map(|of| of.names).unwrap_or_default());
        }
        let mut known = HashSet::new();
        found.retain(|name| known.insert(name.clone()));
        found.retain(|name| !stopped.contains(name) && !own.contains(&name.as_str()));
        service.dependents = found;
    }

    /// Notes in the report of a service which files of others add to its units: they take effect
    /// with it. What the plan itself writes or removes is told of there.
    pub(super) fn note_drop_ins(&self, plan: &Plan, step: &Step, report: &mut ActionReport) {
        let (Some(service), Some(of)) =
            (report.service.as_mut(), step.activation.action.as_service())
        else {
            return;
        };
        if !matches!(step.mark, Mark::Add | Mark::Change) {
            return;
        }
        for unit in &of.units {
            let target = unit.target.expand_home(&self.settings.home).to_path();
            let own = target.parent().map(Path::to_owned);
            for above in own.into_iter().chain(directories_of_others(of.scope)) {
                let directory = above.join(format!("{}.d", unit.name));
                let names = platform::list_directory(&directory).unwrap_or_default();
                let found = names.into_iter().map(|(name, _)| directory.join(name));
                service.drop_ins.extend(found.filter(|path| {
                    let is_of_plan = |step: &Step| step.place.as_ref() == Some(path);
                    path.extension().is_some_and(|kind| kind == "conf")
                        && !plan.steps.iter().any(is_of_plan)
                }));
            }
        }
        service.drop_ins.sort();
    }

    /// Returns the states of the services of a snapshot.
    pub(super) fn service_states(&self, current: &Snapshot) -> Vec<ServiceStateReport> {
        let mut managers = BTreeMap::new();
        let mut reports = Vec::new();
        for activation in &current.activations {
            let Some(service) = activation.action.as_service() else { continue };
            let user = activation.user.as_deref().filter(|_| service.scope == Scope::User);
            let manager = managers
                .entry((service.scope, user))
                .or_insert_with(|| switch::connect(&self.settings, service.scope, user));
            let units: Vec<&str> = service.units.iter().map(|unit| unit.name.as_str()).collect();
            let main = units.last().copied().unwrap_or_default();
            let started = service.units.iter().filter(|unit| unit.starts);
            let started: Vec<&str> = started.map(|unit| unit.name.as_str()).collect();
            let mut report = ServiceStateReport {
                name: service.name.clone(),
                scope: service.scope,
                user: user.map(str::to_owned),
                unit: main.to_owned(),
                units: units.iter().map(|unit| (*unit).to_owned()).collect(),
                state: "unknown",
                since: None,
                process: None,
                problem: None,
                positions: activation.positions.clone(),
            };
            match manager {
                Ok(Some(manager)) => {
                    let asked: Vec<&str> = std::iter::once(main).chain(started).collect();
                    match manager.states(&asked) {
                        Ok(states) => tell(&mut report, &states),
                        Err(problem) => report.problem = Some(problem.to_string()),
                    }
                }
                Ok(None) => report.problem = Some("its service manager is not running".to_owned()),
                Err(problem) => report.problem = Some(problem.to_string()),
            }
            reports.push(report);
        }
        reports
    }
}

/// Returns the state of a service from the states of its main unit and of the units that a switch
/// starts.
fn tell(report: &mut ServiceStateReport, states: &[UnitState]) {
    let Some((main, started)) = states.split_first() else { return };
    // What starts it may be stopped while it still runs, and it may fail while that waits.
    let is_well = |state: &&UnitState| ["running", "waiting", "done"].contains(&word(state));
    let worst = started.iter().find(|state| !is_well(state));
    let shown = match worst {
        Some(worst) => worst,
        None if main.is_active() || word(main) == "failed" => main,
        None => started.first().unwrap_or(main),
    };
    report.state = word(shown);
    report.since = Some(shown.since / 1_000_000).filter(|moment| *moment > 0);
    report.process = Some(main.main_pid).filter(|process| *process > 0);
    if report.state == "failed" {
        report.problem = Some(shown.in_words());
    } else if report.is_drift() && shown.name != report.unit {
        report.problem = Some(shown.name.clone());
    }
}

fn word(state: &UnitState) -> &'static str {
    match (state.load.as_str(), state.active.as_str(), state.sub.as_str()) {
        ("masked", ..) => "masked",
        ("not-found", ..) => "missing",
        (_, "failed", _) => "failed",
        (_, "activating", "auto-restart" | "auto-restart-queued") => "failed",
        (_, "activating" | "reloading", _) => "starting",
        (_, "active", "exited" | "elapsed") => "done",
        (_, "active", "waiting" | "listening") => "waiting",
        (_, "active", _) => "running",
        (_, "inactive", _) if state.is_oneshot() && state.exit.is_some() => "done",
        _ => "stopped",
    }
}
