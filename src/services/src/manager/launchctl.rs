//! launchd by its program. A unit is the label of a property list.

use std::path::PathBuf;
use std::process::Command;

use super::{Job, Manager, Whose, run};
use crate::problem::Problem;
use crate::state::UnitState;

/// A manager that is reached by `launchctl`.
pub(super) struct Launchctl {
    whose: Whose,
}

impl Launchctl {
    /// Makes one.
    pub(super) fn new(whose: Whose) -> Launchctl {
        Launchctl { whose }
    }

    /// Returns what launchctl calls the services of a user or of the system.
    fn domain(&self) -> String {
        match &self.whose {
            Whose::System => "system".to_owned(),
            Whose::User { uid, .. } => format!("gui/{uid}"),
        }
    }

    fn plist(&self, unit: &str) -> PathBuf {
        let directory = match &self.whose {
            Whose::System => PathBuf::from("/Library/LaunchDaemons"),
            Whose::User { name, .. } => {
                PathBuf::from("/Users").join(name).join("Library/LaunchAgents")
            }
        };
        directory.join(format!("{unit}.plist"))
    }

    fn ask(&self, what: String, command: &mut Command) -> Result<String, Problem> {
        let output = run(command).map_err(|reason| Problem::Refused {
            manager: self.whose.in_words(),
            what,
            reason,
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn is_loaded(&self, unit: &str) -> bool {
        let name = format!("{}/{unit}", self.domain());
        run(Command::new("launchctl").args(["print", &name])).is_ok()
    }
}

impl Manager for Launchctl {
    /// It reads a property list when that is loaded.
    fn reload(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        let (domain, name) = (self.domain(), format!("{}/{unit}", self.domain()));
        let what = format!("{} {unit}", job.word());
        if job != Job::Start && self.is_loaded(unit) {
            self.ask(what.clone(), Command::new("launchctl").args(["bootout", &name]))?;
        }
        if job != Job::Stop && !self.is_loaded(unit) {
            let plist = self.plist(unit);
            let mut command = Command::new("launchctl");
            self.ask(what, command.args(["bootstrap", &domain]).arg(plist))?;
        }
        Ok(())
    }

    fn cancel(&mut self, unit: &str) -> Result<(), Problem> {
        self.queue(Job::Stop, unit)
    }

    fn reset_failed(&mut self, _unit: &str) -> Result<(), Problem> {
        Ok(())
    }

    fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem> {
        let mut states = Vec::with_capacity(units.len());
        for unit in units {
            let name = format!("{}/{unit}", self.domain());
            let printed = run(Command::new("launchctl").args(["print", &name]));
            let printed =
                printed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let Ok(printed) = printed else {
                let (load, active) = ("not-found".to_owned(), "inactive".to_owned());
                states.push(UnitState {
                    name: (*unit).to_owned(),
                    load,
                    active,
                    ..UnitState::default()
                });
                continue;
            };
            let value = |key: &str| {
                let prefix = format!("{key} = ");
                let found = printed.lines().find_map(|line| line.trim().strip_prefix(&prefix));
                found.unwrap_or_default().to_owned()
            };
            let pid = value("pid").parse().unwrap_or_default();
            states.push(UnitState {
                name: (*unit).to_owned(),
                load: "loaded".to_owned(),
                active: "active".to_owned(),
                sub: value("state"),
                main_pid: pid,
                exit: value("last exit code").parse().ok().map(|code| ("exited".to_owned(), code)),
                ..UnitState::default()
            });
        }
        Ok(states)
    }

    fn last_lines(&mut self, _state: &UnitState) -> Vec<String> {
        Vec::new()
    }
}
