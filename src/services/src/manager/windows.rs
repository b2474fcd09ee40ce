//! The service control manager and the task scheduler of Windows, by their programs.

use std::path::PathBuf;
use std::process::Command;

use super::{Job, Manager, Whose, run};
use crate::problem::Problem;
use crate::state::UnitState;

/// The two, for the services of one declaration each.
pub(super) struct Windows {
    whose: Whose,
}

impl Windows {
    /// Makes one.
    pub(super) fn new(whose: Whose) -> Windows {
        Windows { whose }
    }

    fn directory(&self) -> PathBuf {
        match &self.whose {
            Whose::System => PathBuf::from("C:/ProgramData/syslua/services"),
            Whose::User { name, .. } => {
                PathBuf::from("C:/Users").join(name).join("AppData/Local/syslua/services")
            }
        }
    }

    fn ask(&self, what: &str, command: &mut Command) -> Result<String, Problem> {
        let output = run(command).map_err(|reason| Problem::Refused {
            manager: self.whose.in_words(),
            what: what.to_owned(),
            reason,
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn task(name: &str) -> String {
        format!("\\syslua\\{name}")
    }

    /// Returns the settings of a service, if it is one and no task.
    #[expect(clippy::disallowed_methods, reason = "reads a file of its own")]
    fn settings(&self, unit: &str) -> Option<Vec<(String, String)>> {
        let text =
            std::fs::read_to_string(self.directory().join(format!("{unit}.service"))).ok()?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        Some(lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn create(&self, unit: &str, what: &str) -> Result<(), Problem> {
        let Some(settings) = self.settings(unit) else {
            let file = self.directory().join(format!("{unit}.xml"));
            let name = Windows::task(unit);
            let mut command = Command::new("schtasks.exe");
            command.args(["/create", "/f", "/tn", &name, "/xml"]).arg(file);
            return self.ask(what, &mut command).map(drop);
        };
        let value = |key: &str| {
            let found = settings.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let mut command = Command::new("sc.exe");
        command.args(["create", unit, "binPath=", value("command"), "start=", value("start")]);
        self.ask(what, &mut command)?;
        let mut command = Command::new("sc.exe");
        self.ask(what, command.args(["description", unit, value("description")]))?;
        if value("restart") != "no" {
            let mut command = Command::new("sc.exe");
            command.args(["failure", unit, "reset=", "86400", "actions=", "restart/1000"]);
            self.ask(what, &mut command)?;
        }
        let variables: Vec<&str> = settings
            .iter()
            .filter(|(name, _)| name == "environment")
            .map(|(_, value)| value.as_str())
            .collect();
        if !variables.is_empty() {
            let key = format!("HKLM\\SYSTEM\\CurrentControlSet\\Services\\{unit}");
            let mut command = Command::new("reg.exe");
            command.args(["add", &key, "/f", "/v", "Environment", "/t", "REG_MULTI_SZ", "/d"]);
            self.ask(what, command.arg(variables.join("\\0")))?;
        }
        Ok(())
    }

    fn remove(&self, unit: &str) {
        // What is not there need not go.
        let _ = run(Command::new("sc.exe").args(["stop", unit]));
        let _ = run(Command::new("sc.exe").args(["delete", unit]));
        let name = Windows::task(unit);
        let _ = run(Command::new("schtasks.exe").args(["/end", "/tn", &name]));
        let _ = run(Command::new("schtasks.exe").args(["/delete", "/f", "/tn", &name]));
    }
}

impl Manager for Windows {
    /// Settings are given when a service starts.
    fn reload(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        let what = format!("{} {unit}", job.word());
        self.remove(unit);
        if job == Job::Stop {
            return Ok(());
        }
        self.create(unit, &what)?;
        let name = Windows::task(unit);
        if self.settings(unit).is_some() {
            self.ask(&what, Command::new("sc.exe").args(["start", unit])).map(drop)
        } else {
            self.ask(&what, Command::new("schtasks.exe").args(["/run", "/tn", &name])).map(drop)
        }
    }

    fn cancel(&mut self, unit: &str) -> Result<(), Problem> {
        self.remove(unit);
        Ok(())
    }

    fn reset_failed(&mut self, _unit: &str) -> Result<(), Problem> {
        Ok(())
    }

    fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem> {
        let mut states = Vec::with_capacity(units.len());
        for unit in units {
            let name = Windows::task(unit);
            let query = ["/query", "/tn", &name, "/fo", "csv", "/nh"];
            let asked = run(Command::new("sc.exe").args(["query", unit]))
                .or_else(|_| run(Command::new("schtasks.exe").args(query)));
            let told = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let is_known = told.is_ok();
            let told = told.unwrap_or_default();
            let is_running = ["RUNNING", "Running", "Ready"].iter().any(|word| told.contains(word));
            states.push(UnitState {
                name: (*unit).to_owned(),
                load: if is_known { "loaded" } else { "not-found" }.to_owned(),
                active: if is_running { "active" } else { "inactive" }.to_owned(),
                ..UnitState::default()
            });
        }
        Ok(states)
    }

    fn last_lines(&mut self, _state: &UnitState) -> Vec<String> {
        Vec::new()
    }
}
