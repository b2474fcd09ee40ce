//! systemd by its program, where no bus is to be reached.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use super::{Job, Manager, Whose, become_user, journal, run};
use crate::problem::Problem;
use crate::state::UnitState;

/// The properties that are asked for.
const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,ExecMainStatus,ExecMainCode,\
                          Type,MainPID,NRestarts,Job,StateChangeTimestamp,InvocationID,\
                          TimeoutStartUSec,TimeoutStopUSec,ConditionResult,ConditionTimestamp,\
                          RequiredBy,RequisiteOf,BoundBy,ConsistsOf,\
                          ConflictedBy,ReloadResult,CanReload";

/// A manager that is reached by `systemctl`.
pub(super) struct Systemctl {
    whose: Whose,
}

impl Systemctl {
    /// Finds out whether it can be reached.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn connect(whose: &Whose) -> Result<Systemctl, String> {
        let systemctl = Systemctl { whose: whose.clone() };
        run(systemctl.command().args(["show", "--property=Version"]))?;
        Ok(systemctl)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("systemctl");
        command.env("LC_ALL", "C").env("SYSTEMD_PAGER", "").env("TZ", "UTC");
        if let Whose::User { .. } = self.whose {
            command.arg("--user");
            become_user(&mut command, &self.whose);
        }
        command
    }

    fn ask(&self, what: &str, arguments: &[&str]) -> Result<String, Problem> {
        let output = run(self.command().args(arguments)).map_err(|reason| Problem::Refused {
            manager: self.whose.in_words(),
            what: what.to_owned(),
            reason,
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Manager for Systemctl {
    fn reload(&mut self) -> Result<(), Problem> {
        self.ask("read its units again", &["daemon-reload"]).map(drop)
    }

    fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        let what = format!("{} {unit}", job.word());
        self.ask(&what, &["--no-block", "--quiet", job.verb(), "--", unit]).map(drop)
    }

    fn queue_alone(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        let what = format!("{} {unit}", job.word());
        let mode = "--job-mode=ignore-requirements";
        self.ask(&what, &["--no-block", "--quiet", mode, job.verb(), "--", unit]).map(drop)
    }

    fn cancel(&mut self, unit: &str) -> Result<(), Problem> {
        let job = self.states(&[unit])?.first().map(|state| state.job).unwrap_or_default();
        if job == 0 {
            return Ok(());
        }
        let cancelled =
            self.ask(&format!("cancel the job of {unit}"), &["cancel", &job.to_string()]);
        match cancelled {
            // It may have ended by now.
            Err(_) if self.states(&[unit])?.iter().all(|state| state.job != job) => Ok(()),
            other => other.map(drop),
        }
    }

    fn reset_failed(&mut self, unit: &str) -> Result<(), Problem> {
        let _ = self.ask("forget", &["reset-failed", "--", unit]);
        Ok(())
    }

    fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem> {
        // Without a name, it would tell of the manager.
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let property = format!("--property={PROPERTIES}");
        let mut arguments = vec!["show", property.as_str(), "--timestamp=unix", "--"];
        arguments.extend(units);
        let text = self.ask(&format!("tell of {}", units.join(", ")), &arguments)?;
        // One block for each, in the order of the names.
        let mut blocks = text.split("\n\n");
        Ok(units.iter().map(|unit| parse(unit, blocks.next().unwrap_or_default())).collect())
    }

    fn last_lines(&mut self, state: &UnitState) -> Vec<String> {
        journal(state, &self.whose)
    }
}

/// Reads what `systemctl show` prints of one unit.
fn parse(unit: &str, text: &str) -> UnitState {
    let properties: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| properties.get(name).copied().unwrap_or_default();
    let number = |name: &str| value(name).parse::<u32>().unwrap_or_default();
    let code = number("ExecMainCode");
    let exit = value("ExecMainStatus").parse().ok().filter(|_| code != 0);
    let lists = |names: &[&str]| -> Vec<String> {
        let words = names.iter().flat_map(|name| value(name).split_whitespace());
        words.map(str::to_owned).collect()
    };
    UnitState {
        name: unit.to_owned(),
        load: value("LoadState").to_owned(),
        active: value("ActiveState").to_owned(),
        sub: value("SubState").to_owned(),
        result: value("Result").to_owned(),
        exit: exit.map(|status| (if code == 1 { "exited" } else { "killed" }.to_owned(), status)),
        kind: value("Type").to_owned(),
        main_pid: number("MainPID"),
        restarts: number("NRestarts"),
        job: number("Job"),
        since: moment(value("StateChangeTimestamp")),
        invocation: value("InvocationID").to_owned(),
        start_limit: span(value("TimeoutStartUSec")),
        stop_limit: span(value("TimeoutStopUSec")),
        is_skipped: value("ConditionResult") == "no" && !value("ConditionTimestamp").is_empty(),
        needed_by: lists(&["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"]),
        bound: lists(&["BoundBy", "ConsistsOf"]),
        conflicts: lists(&["ConflictedBy"]),
        reload_result: value("ReloadResult").to_owned(),
        can_reload: value("CanReload") == "yes",
    }
}

/// Reads a moment such as `@1795985549`, in microseconds since the epoch.
fn moment(text: &str) -> u64 {
    let seconds = text.strip_prefix('@').and_then(|seconds| seconds.parse::<u64>().ok());
    seconds.unwrap_or_default() * 1_000_000
}

/// Reads a span such as `1min 30s`; `infinity` has no limit.
fn span(text: &str) -> Option<Duration> {
    if text == "infinity" {
        return None;
    }
    let mut total = Duration::ZERO;
    for word in text.split_whitespace() {
        let split = word.find(|character: char| character.is_ascii_alphabetic())?;
        let (number, unit) = word.split_at(split);
        let number: f64 = number.parse().ok()?;
        let factor = match unit {
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            // Microseconds.
            _ => 1e-6,
        };
        total += Duration::try_from_secs_f64(number * factor).ok()?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_prints_is_read() {
        let state = parse(
            "a.service",
            "LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=3\n\
             ExecMainCode=1\nJob=12\nTimeoutStartUSec=1min 30s\nTimeoutStopUSec=infinity\n\
             StateChangeTimestamp=@1795985549\n\
             RequiredBy=b.service c.target\n",
        );
        assert_eq!(state.in_words(), "exit code 3");
        assert_eq!(state.start_limit, Some(Duration::from_secs(90)));
        assert_eq!((state.stop_limit, state.job), (None, 12));
        assert_eq!(state.since, 1_795_985_549_000_000);
        assert_eq!(state.needed_by, ["b.service", "c.target"]);
        assert_eq!(moment("@1"), 1_000_000);
        assert_eq!(moment("n/a"), 0);
    }
}
