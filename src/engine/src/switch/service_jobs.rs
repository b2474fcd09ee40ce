//! The jobs of service managers during a switch and its undoing. Running services stop before the
//! first change and start after the last one; units are reloaded once.

use std::cell::LazyCell;
use std::path::Path;
use std::sync::Arc;

use syslua_services::batch::{self, Failed, Request};
use syslua_services::declaration::Scope;
use syslua_services::manager::{Job, Manager};
use syslua_services::own;
use syslua_services::problem::Problem;

use super::Error;
use super::error::FailedService;
use super::plan::Plan;
use super::service_checks::{check, new_files};
use super::service_managers::{Managers, at, manager_of, whose};
use super::service_marks::{change_linger, lingers, mark_of, record_earlier};
use super::service_neighbours::Neighbours;
use super::service_work::asked;
use super::step::{Mark, Work};
use crate::activation::DeclaredAction;
use crate::journal::{Change, Earlier, Phase, ServiceManager, UnitChange};
use crate::platform::{self, Account};
use crate::settings::{Event, Events, Settings};
use crate::store::Store;
use crate::value::Positions;

/// Checks that managers can be reached for all that the plan of an apply asks of them.
///
/// # Errors
/// When one cannot.
pub fn check_reachable(settings: &Settings, plan: &Plan) -> Result<(), Error> {
    let mut managers = Managers::new(settings);
    for step in &plan.steps {
        if let (Work::Service(_), Some(service)) = (&step.work, step.activation.action.as_service())
        {
            let of = manager_of(&step.activation, service);
            let reached = managers.get(&of).map_err(Problem::of_apply);
            reached.map_err(at(&step.activation.positions))?;
        }
    }
    Ok(())
}

/// Runs the checks of services that come or change, and returns what their managers do before and
/// after all other changes, or `None` if no service changes. Changes nothing.
///
/// # Errors
/// When a check fails, or a manager cannot be reached.
pub fn prepare(
    store: &Store,
    settings: &Settings,
    plan: &Plan,
) -> Result<Option<[Change; 2]>, Error> {
    let mut managers = Managers::new(settings);
    let (mut of, mut units): (Vec<ServiceManager>, Vec<UnitChange>) = (Vec::new(), Vec::new());
    let own = own::own_units();
    let new_files = LazyCell::new(|| new_files(plan));
    for step in &plan.steps {
        if step.mark != Mark::Remove
            && let Some(service) = step.activation.action.as_service()
        {
            check((store, settings), plan, step, service, &new_files)?;
        }
        let (Work::Service(work), Some(service)) =
            (&step.work, step.activation.action.as_service())
        else {
            continue;
        };
        let positions = &step.activation.positions;
        let mut manager = manager_of(&step.activation, service);
        if step.mark != Mark::Remove {
            manager.lingers = service.linger;
        }
        let number = match of
            .iter()
            .position(|known| (known.scope, &known.user) == (manager.scope, &manager.user))
        {
            Some(number) => {
                of[number].lingers |= manager.lingers;
                number
            }
            None => {
                of.push(manager.clone());
                of.len() - 1
            }
        };
        let Some(connection) = managers.get(&manager).map_err(at(positions))? else {
            // It starts them when it starts.
            let started = work.jobs.iter().filter(|job| job.job == Job::Start || job.returns);
            units.extend(started.map(|job| UnitChange {
                manager: number,
                unit: job.unit.clone(),
                service: service.name.clone(),
                job: job.job,
                was_active: false,
                is_own: false,
                earlier: job.returns.then_some(Earlier::Returns),
                is_optional: false,
                is_alone: false,
                positions: positions.clone(),
            }));
            continue;
        };
        let names: Vec<&str> = work.jobs.iter().map(|job| job.unit.as_str()).collect();
        let states = connection.states(&names).map_err(at(positions))?;
        for (job, state) in work.jobs.iter().zip(states) {
            let was_active = state.is_active();
            let (wanted, earlier) = match step.mark {
                // Something else of this name runs: it makes way, and returns when this goes.
                Mark::Add if was_active => (Job::Restart, Some(Earlier::Ends)),
                Mark::Remove if job.returns => (job.job, Some(Earlier::Returns)),
                _ => (asked(job, service, &state), None),
            };
            if was_active || !(job.only_if_active || wanted == Job::Stop) {
                units.push(UnitChange {
                    manager: number,
                    unit: job.unit.clone(),
                    service: service.name.clone(),
                    job: wanted,
                    was_active,
                    is_own: own.contains(&job.unit),
                    earlier,
                    is_optional: false,
                    is_alone: false,
                    positions: positions.clone(),
                });
            }
        }
    }
    if of.is_empty() {
        return Ok(None);
    }
    let mut neighbours = Neighbours { managers: &mut managers, of: &of, plan, own: &own };
    neighbours.add_conflicting(&mut units)?;
    neighbours.add_dependents(&mut units)?;
    for manager in &mut of {
        let needs = |activation: &Arc<DeclaredAction>| {
            activation.action.as_service().is_some_and(|service| {
                let other = manager_of(activation, service);
                service.linger && (other.scope, &other.user) == (manager.scope, &manager.user)
            })
        };
        let is_needed = plan.activations.iter().any(needs);
        manager.stops_lingering = !is_needed && platform::exists(&mark_of(store, manager));
        // What lingered before is left as it is.
        manager.lingers = manager.lingers && !lingers(settings, manager)?;
    }
    let change = |phase| Change::Services { phase, managers: of.clone(), units: units.clone() };
    Ok(Some([change(Phase::Stop), change(Phase::Start)]))
}

/// Returns the command that shows the log of a unit, on a system that has one.
fn log_command(of: &ServiceManager, unit: &str) -> Option<String> {
    let which = match (of.scope, &of.user) {
        (Scope::System, _) => format!("--unit={unit}"),
        (Scope::User, None) => format!("--user --unit={unit}"),
        (Scope::User, Some(user)) => {
            // journalctl selects the user who calls it; its fields select any other one, in what
            // the unit printed and in what the manager says of it.
            let uid = Account::of(Some(user)).ok()?.number;
            format!("_UID={uid} _SYSTEMD_USER_UNIT={unit} + _UID={uid} USER_UNIT={unit}")
        }
    };
    cfg!(target_os = "linux").then(|| format!("journalctl {which}"))
}

/// Does the jobs of a phase.
///
/// # Errors
/// When a service does not stop or start, or a manager does not answer.
pub fn perform(
    store: &Store,
    settings: &Settings,
    phase: Phase,
    of: &[ServiceManager],
    units: &[UnitChange],
) -> Result<(), Error> {
    platform::fault::pass(Path::new("services"))?;
    let mut managers = Managers::new(settings);
    let mut failed = Vec::new();
    for (number, manager) in of.iter().enumerate() {
        let mine: Vec<&UnitChange> =
            units.iter().filter(|unit| unit.manager == number && !unit.is_own).collect();
        let positions = mine.first().map(|unit| unit.positions.clone()).unwrap_or_default();
        if phase == Phase::Start && manager.lingers {
            change_linger(store, settings, manager, true)?;
            managers.forget(manager);
        }
        let Some(connection) = managers.get(manager).map_err(at(&positions))? else {
            if phase == Phase::Start {
                record_earlier(store, manager, &mine, false)?;
                if manager.stops_lingering {
                    change_linger(store, settings, manager, false)?;
                }
            }
            continue;
        };
        let jobs: Vec<(&UnitChange, Job)> = match phase {
            Phase::Stop => {
                let stopped = mine
                    .iter()
                    .filter(|unit| unit.was_active && matches!(unit.job, Job::Stop | Job::Restart));
                stopped.map(|unit| (*unit, Job::Stop)).collect()
            }
            Phase::Start => {
                connection.reload().map_err(at(&positions))?;
                let started = mine.iter().filter(|unit| unit.job != Job::Stop);
                // What stopped alone starts: a restart would reach what requires it.
                let started_by = |unit: &UnitChange| match unit.job {
                    Job::Restart if unit.is_alone => Job::Start,
                    job => job,
                };
                started.map(|unit| (*unit, started_by(unit))).collect()
            }
        };
        let ended = in_waves(settings, connection, manager, &jobs, true).map_err(at(&positions))?;
        // What is not declared does not prevent a removal.
        let is_needed = |unit: &str| {
            let change = mine.iter().find(|one| one.unit == unit);
            phase == Phase::Stop
                || change
                    .is_none_or(|one| !one.is_optional && one.earlier != Some(Earlier::Returns))
        };
        for one in ended {
            if is_needed(&one.failed.unit) {
                failed.push(one);
            } else {
                let Failed { unit, why, .. } = &one.failed;
                let message = format!("{unit} ran before the switch and does not start: {why}");
                settings.events.send(Event::Warning { message });
            }
        }
        if phase == Phase::Start && failed.is_empty() {
            record_earlier(store, manager, &mine, false)?;
        }
        if phase == Phase::Start && manager.stops_lingering && failed.is_empty() {
            change_linger(store, settings, manager, false)?;
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Services(failed)) }
}

/// Does jobs: first of what starts others, sockets above all, then of all others.
fn in_waves(
    settings: &Settings,
    manager: &mut dyn Manager,
    whose: &ServiceManager,
    jobs: &[(&UnitChange, Job)],
    is_watching: bool,
) -> Result<Vec<FailedService>, Problem> {
    let is_starter = |unit: &str| unit.ends_with(".socket") || unit.ends_with(".timer");
    let mut failed = Vec::new();
    for first in [true, false] {
        let wave = jobs.iter().filter(|(unit, _)| is_starter(&unit.unit) == first);
        let requests: Vec<Request> = wave.map(|(unit, job)| request(unit, *job)).collect();
        if requests.is_empty() {
            continue;
        }
        let is_stopped = || settings.interrupt.is_set();
        for one in batch::perform(manager, &requests, is_watching, &is_stopped)? {
            let of = jobs.iter().find(|(unit, _)| unit.unit == one.unit);
            failed.push(FailedService {
                name: of.map(|(unit, _)| unit.service.clone()).unwrap_or_default(),
                positions: of.map(|(unit, _)| unit.positions.clone()).unwrap_or_default(),
                log: log_command(whose, &one.unit),
                failed: one,
            });
        }
        if !failed.is_empty() {
            break;
        }
    }
    Ok(failed)
}

fn request(unit: &UnitChange, job: Job) -> Request {
    Request { unit: unit.unit.clone(), job, is_alone: unit.is_alone && job == Job::Stop }
}

/// Undoes a phase: started units stop, and when all files are restored, the units from before run
/// again.
///
/// # Errors
/// When a manager does not answer.
pub fn undo(
    store: &Store,
    settings: &Settings,
    phase: Phase,
    of: &[ServiceManager],
    units: &[UnitChange],
) -> Result<(), Error> {
    // Nothing interrupts this: a partial undo is worse.
    let is_hurried = settings.interrupt.is_set();
    let calm = Settings { interrupt: crate::settings::Interrupt::default(), ..settings.clone() };
    let mut managers = Managers::new(&calm);
    for (number, manager) in of.iter().enumerate() {
        let mine: Vec<&UnitChange> =
            units.iter().filter(|unit| unit.manager == number && !unit.is_own).collect();
        let none = Positions::default();
        if phase == Phase::Start && manager.stops_lingering {
            change_linger(store, &calm, manager, true)?;
        }
        let Some(connection) = managers.get(manager).map_err(at(&none))? else {
            if phase == Phase::Start {
                record_earlier(store, manager, &mine, true)?;
            } else if manager.lingers {
                change_linger(store, &calm, manager, false)?;
            }
            continue;
        };
        let mut jobs: Vec<(&UnitChange, Job)> = match phase {
            Phase::Start => {
                let started =
                    mine.iter().filter(|unit| matches!(unit.job, Job::Start | Job::Restart));
                started.map(|unit| (*unit, Job::Stop)).collect()
            }
            Phase::Stop => {
                connection.reload().map_err(at(&none))?;
                let ran = mine.iter().filter(|unit| unit.was_active);
                let again = |unit: &&UnitChange| {
                    if unit.job == Job::Reload { Job::Reload } else { Job::Start }
                };
                ran.map(|unit| (*unit, again(unit))).collect()
            }
        };
        if phase == Phase::Start {
            record_earlier(store, manager, &mine, true)?;
        }
        if is_hurried && phase == Phase::Stop {
            start_after_stop(&calm.events, connection, &mut jobs).map_err(at(&none))?;
        }
        // After Ctrl-C it starts what ran, and does not watch it for a second.
        let failed = in_waves(&calm, connection, manager, &jobs, !is_hurried).map_err(at(&none))?;
        for FailedService { failed: Failed { unit, why, .. }, .. } in failed {
            if phase == Phase::Stop {
                let message =
                    format!("{unit} ran before the switch and does not start again: {why}");
                settings.events.send(Event::Warning { message });
            }
        }
        for unit in mine.iter().filter(|unit| phase == Phase::Stop && !unit.was_active) {
            connection.reset_failed(&unit.unit).map_err(at(&none))?;
        }
        // The last thing: what is undone needs the manager until then.
        if phase == Phase::Stop && manager.lingers {
            change_linger(store, &calm, manager, false)?;
        }
    }
    Ok(())
}

/// Has units that are still stopping start when they have stopped, and does not wait for them: the
/// user asked to stop waiting.
fn start_after_stop(
    events: &Events,
    manager: &mut dyn Manager,
    jobs: &mut Vec<(&UnitChange, Job)>,
) -> Result<(), Problem> {
    let names: Vec<&str> = jobs.iter().map(|(unit, _)| unit.unit.as_str()).collect();
    let states = manager.states(&names)?;
    let mut waited = Vec::new();
    for ((unit, job), state) in std::mem::take(jobs).into_iter().zip(states) {
        if state.active == "deactivating" && job == Job::Start {
            manager.queue(job, &unit.unit)?;
            let message = format!("{} is still stopping, and starts again after that", unit.unit);
            events.send(Event::Warning { message });
        } else {
            waited.push((unit, job));
        }
    }
    *jobs = waited;
    Ok(())
}

/// Restarts the service that contains the switch, after everything else. A delay lets the process
/// report its result first.
pub fn restart_own(settings: &Settings, changes: &[Change]) {
    for change in changes {
        let Change::Services { phase: Phase::Start, managers: of, units } = change else {
            continue;
        };
        for unit in units.iter().filter(|unit| unit.is_own) {
            if let Err(problem) = queue_own(settings, &of[unit.manager], unit) {
                settings.events.send(Event::Warning { message: problem.to_string() });
            }
        }
    }
}

fn queue_own(settings: &Settings, of: &ServiceManager, unit: &UnitChange) -> Result<(), Problem> {
    if let Some(whose) = whose(settings, of.scope, of.user.as_deref())?
        && own::do_later(&whose, unit.job, &unit.unit).is_ok()
    {
        return Ok(());
    }
    match Managers::new(settings).get(of)? {
        Some(manager) => manager.queue(unit.job, &unit.unit),
        None => Ok(()),
    }
}
