//! Several jobs at once: they start together, are waited for together, and are watched together
//! afterwards.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::manager::{Job, Manager};
use crate::problem::Problem;
use crate::state::UnitState;

/// How often a manager is asked.
const POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(100);
/// How long a job may take whose unit has no limit.
const USUAL_LIMIT: Duration = Duration::from_secs(300);
/// The time that systemd has to end a job after the limit of the job.
const GRACE: Duration = Duration::from_secs(10);
/// How long a program has to stay for its start to count.
const WATCH: Duration = Duration::from_secs(1);

/// A job of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The unit.
    pub unit: String,
    /// What is to be done with it.
    pub job: Job,
    /// Whether units that require it stay as they are.
    pub is_alone: bool,
}

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The unit.
    pub unit: String,
    /// What was to be done.
    pub job: Job,
    /// Why, in words.
    pub why: String,
    /// The last lines of its log.
    pub lines: Vec<String>,
}

/// Starts jobs of a manager, waits for them, and returns the failed ones. If `is_watching`, a
/// started unit must run for a second. `is_stopped` tells whether the user requested a stop.
///
/// # Errors
/// When the manager does not answer, or the user asked to stop.
pub fn perform(
    manager: &mut dyn Manager,
    requests: &[Request],
    is_watching: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<Failed>, Problem> {
    let mut failed = Vec::new();
    let mut queued: Vec<&Request> = Vec::new();
    for request in requests {
        if request.job != Job::Stop {
            manager.reset_failed(&request.unit)?;
        }
        let queued_one = if request.is_alone {
            manager.queue_alone(request.job, &request.unit)
        } else {
            manager.queue(request.job, &request.unit)
        };
        match queued_one {
            Ok(()) => queued.push(request),
            Err(Problem::Refused { reason, .. }) => failed.push(Failed {
                unit: request.unit.clone(),
                job: request.job,
                why: reason,
                lines: Vec::new(),
            }),
            Err(problem) => return Err(problem),
        }
    }
    let ended = wait(manager, &queued, is_stopped)?;
    let mut running = Vec::new();
    for (request, state, was_too_late) in ended {
        let why = if was_too_late {
            Some("its job took too long and was cancelled".to_owned())
        } else {
            verdict(request.job, &state)
        };
        match why {
            Some(why) => failed.push(failure(manager, request, &state, why)),
            None if is_watching && is_watched(request, &state) => running.push((request, state)),
            None => {}
        }
    }
    failed.extend(watch(manager, &running, is_stopped)?);
    Ok(failed)
}

/// A job that is waited for.
struct Waiting<'a> {
    request: &'a Request,
    /// Since when its unit is in this phase.
    since: Instant,
    /// What its unit is about to do; nothing while it waits for others.
    phase: Option<(String, String)>,
}

/// Waits until no job is left; returns the states, and whether a job was withdrawn.
fn wait<'a>(
    manager: &mut dyn Manager,
    requests: &[&'a Request],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<(&'a Request, UnitState, bool)>, Problem> {
    let begin = Instant::now();
    let waiting = requests.iter().map(|request| Waiting { request, since: begin, phase: None });
    let (mut left, mut ended, mut poll) = (waiting.collect::<Vec<_>>(), Vec::new(), POLL);
    // When a unit was last busy: until then, those that did not begin wait for it.
    let mut last_busy = begin;
    while !left.is_empty() {
        if is_stopped() {
            for waiting in &left {
                manager.cancel(&waiting.request.unit)?;
            }
            return Err(Problem::Interrupted);
        }
        let units: Vec<&str> = left.iter().map(|waiting| waiting.request.unit.as_str()).collect();
        let mut still = Vec::new();
        for (mut waiting, state) in left.into_iter().zip(manager.states(&units)?) {
            let request = waiting.request;
            let is_busy = state.active.ends_with("ing");
            if is_busy {
                last_busy = Instant::now();
            }
            // Each phase of a start and of a stop has the time of the limit.
            let phase = is_busy.then(|| (state.active.clone(), state.sub.clone()));
            if waiting.phase != phase {
                (waiting.since, waiting.phase) = (Instant::now(), phase);
            }
            let is_stopping = state.active == "deactivating";
            let limit = if is_stopping { state.stop_limit } else { state.start_limit };
            let (since, limit) = match waiting.phase {
                Some(_) => (waiting.since, limit.unwrap_or(USUAL_LIMIT)),
                None => (last_busy.max(waiting.since), USUAL_LIMIT),
            };
            if state.job == 0 && !matches!(state.active.as_str(), "reloading" | "refreshing") {
                ended.push((request, state, false));
            } else if since.elapsed() > limit + GRACE {
                manager.cancel(&request.unit)?;
                ended.push((request, state, true));
            } else {
                still.push(waiting);
            }
        }
        left = still;
        if !left.is_empty() {
            sleep(poll);
            poll = (poll * 2).min(LONGEST_POLL);
        }
    }
    Ok(ended)
}

/// Returns why a job with this final state failed, if it failed.
fn verdict(job: Job, state: &UnitState) -> Option<String> {
    if job == Job::Stop {
        return matches!(state.active.as_str(), "active" | "activating" | "deactivating")
            .then(|| format!("it is {} still", state.active));
    }
    if job == Job::Reload && !matches!(state.reload_result.as_str(), "" | "success") {
        return Some(match state.reload_result.as_str() {
            "timeout" => "its reload took too long".to_owned(),
            other => format!("its reload failed ({other}), and it runs on as before"),
        });
    }
    match (state.load.as_str(), state.active.as_str(), state.sub.as_str()) {
        ("masked", ..) => Some("it is masked".to_owned()),
        ("not-found", ..) => Some("the manager does not find its unit".to_owned()),
        ("bad-setting" | "error", ..) => Some("its unit has an invalid setting".to_owned()),
        (_, "activating", "auto-restart" | "auto-restart-queued") | (_, "failed", _) => {
            Some(state.in_words())
        }
        (_, "active" | "activating", _) => None,
        (_, "inactive", _) if state.is_skipped => None,
        (_, "inactive", _) if state.is_oneshot() && state.result == "success" => None,
        (_, "inactive", _) if state.exit.is_none() && state.result == "success" => {
            Some(if state.is_forking() {
                "no process of it stayed".to_owned()
            } else {
                // Nothing of it was ever started: what it requires was not.
                "it was not started: something that it requires failed".to_owned()
            })
        }
        _ => Some(state.in_words()),
    }
}

fn is_watched(request: &Request, state: &UnitState) -> bool {
    // Of several processes that stay none may be the main one.
    let is_running = state.main_pid != 0 || state.is_forking() && state.active == "active";
    request.job != Job::Stop && is_running && !state.is_oneshot()
}

fn failure(manager: &mut dyn Manager, request: &Request, state: &UnitState, why: String) -> Failed {
    Failed { unit: request.unit.clone(), job: request.job, why, lines: manager.last_lines(state) }
}

/// Watches what was started for a second; returns what did not stay.
fn watch(
    manager: &mut dyn Manager,
    running: &[(&Request, UnitState)],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<Failed>, Problem> {
    let begin = Instant::now();
    let mut left: Vec<&(&Request, UnitState)> = running.iter().collect();
    let mut failed = Vec::new();
    while !left.is_empty() {
        if is_stopped() {
            return Err(Problem::Interrupted);
        }
        let rest = WATCH.saturating_sub(begin.elapsed());
        sleep(rest.min(LONGEST_POLL));
        let units: Vec<&str> = left.iter().map(|(request, _)| request.unit.as_str()).collect();
        let now = manager.states(&units)?;
        let mut still = Vec::new();
        for (entry, state) in left.into_iter().zip(now) {
            let (request, before) = entry;
            // Within one run, another process may take over.
            let is_same_run = !state.invocation.is_empty() && state.invocation == before.invocation;
            let has_stayed = state.active == "active"
                && state.restarts == before.restarts
                && (state.main_pid == before.main_pid || is_same_run || state.sub == "exited");
            if has_stayed {
                still.push(entry);
            } else {
                let why = format!("it ended within a second: {}", state.in_words());
                failed.push(failure(manager, request, &state, why));
            }
        }
        left = if rest.is_zero() { Vec::new() } else { still };
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A manager whose units go through given states, one at each request.
    #[derive(Default)]
    struct Told {
        states: BTreeMap<String, Vec<UnitState>>,
        asked: Vec<String>,
    }

    impl Manager for Told {
        fn reload(&mut self) -> Result<(), Problem> {
            Ok(())
        }

        fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
            self.asked.push(format!("{} {unit}", job.word()));
            Ok(())
        }

        fn cancel(&mut self, unit: &str) -> Result<(), Problem> {
            self.asked.push(format!("cancel {unit}"));
            Ok(())
        }

        fn reset_failed(&mut self, _unit: &str) -> Result<(), Problem> {
            Ok(())
        }

        fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem> {
            let next = |unit: &&str| {
                let states = self.states.get_mut(*unit).unwrap();
                if states.len() > 1 { states.remove(0) } else { states[0].clone() }
            };
            Ok(units.iter().map(next).collect())
        }

        fn last_lines(&mut self, state: &UnitState) -> Vec<String> {
            vec![format!("log of {}", state.name)]
        }
    }

    fn state(active: &str, sub: &str, pid: u32, job: u32) -> UnitState {
        UnitState {
            load: "loaded".into(),
            active: active.into(),
            sub: sub.into(),
            main_pid: pid,
            job,
            result: "success".into(),
            ..UnitState::default()
        }
    }

    fn run(states: Vec<UnitState>, job: Job) -> (Vec<Failed>, Vec<String>) {
        let mut manager = Told::default();
        manager.states.insert("a.service".into(), states);
        let requests = [Request { unit: "a.service".into(), job, is_alone: false }];
        let failed = perform(&mut manager, &requests, true, &|| false).unwrap();
        (failed, manager.asked)
    }

    #[test]
    fn what_stays_a_second_has_started() {
        let begins = state("activating", "start", 0, 7);
        let runs = state("active", "running", 5, 0);
        assert_eq!(run(vec![begins.clone(), runs.clone()], Job::Start).0, []);
        let again = UnitState { restarts: 1, main_pid: 6, ..runs.clone() };
        let gone = state("inactive", "dead", 0, 0);
        for end in [again, gone.clone(), state("activating", "auto-restart", 0, 0)] {
            let (failed, _) = run(vec![begins.clone(), runs.clone(), end.clone()], Job::Start);
            assert!(failed[0].why.starts_with("it ended within a second"), "{end:?}");
        }
        let failed = UnitState { result: "timeout".into(), ..state("failed", "failed", 0, 0) };
        assert_eq!(run(vec![begins, failed], Job::Start).0[0].why, "it took too long");
        assert_eq!(run(vec![gone.clone()], Job::Stop).0, []);
        let oneshot = UnitState { kind: "oneshot".into(), ..gone.clone() };
        assert_eq!(run(vec![oneshot], Job::Start).0, []);
        let skipped = UnitState { is_skipped: true, ..gone.clone() };
        assert_eq!(run(vec![skipped], Job::Start).0, []);
        assert!(run(vec![gone], Job::Start).0[0].why.contains("requires"));
        assert_eq!(run(vec![runs], Job::Stop).0.len(), 1);
    }

    #[test]
    fn a_reload_that_fails_a_process_that_takes_over_and_daemons_without_a_main_one() {
        let runs = UnitState { invocation: "a".into(), ..state("active", "running", 5, 0) };
        let failed = UnitState { reload_result: "exit-code".into(), ..runs.clone() };
        assert!(run(vec![failed], Job::Reload).0[0].why.contains("reload failed"));
        let well = UnitState { reload_result: "success".into(), ..runs.clone() };
        assert_eq!(run(vec![well.clone()], Job::Reload).0, []);
        let handed_over = UnitState { main_pid: 6, ..runs.clone() };
        assert_eq!(run(vec![runs.clone(), handed_over.clone()], Job::Start).0, []);
        let other_run = UnitState { invocation: "b".into(), ..handed_over };
        assert_eq!(run(vec![runs, other_run], Job::Start).0.len(), 1);
        let both = UnitState { kind: "forking".into(), ..state("active", "running", 0, 0) };
        let none = UnitState { kind: "forking".into(), ..state("inactive", "dead", 0, 0) };
        assert_eq!(run(vec![both.clone()], Job::Start).0, []);
        assert!(run(vec![both, none], Job::Start).0[0].why.contains("within a second"));
    }

    #[test]
    fn who_asks_to_stop_is_heard() {
        let mut manager = Told::default();
        manager.states.insert("a.service".into(), vec![state("activating", "start", 0, 7)]);
        let requests = [Request { unit: "a.service".into(), job: Job::Start, is_alone: false }];
        assert!(matches!(
            perform(&mut manager, &requests, true, &|| true),
            Err(Problem::Interrupted)
        ));
        assert_eq!(manager.asked, ["start a.service", "cancel a.service"]);
    }
}
