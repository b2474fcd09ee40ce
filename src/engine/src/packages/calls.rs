//! Runs the programs of package managers.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use syslua_packages::call::Call;
use syslua_packages::manager::{Answer, Manager, Options};
use syslua_packages::package::{Change, Inventory, Simulation};

use crate::action;
use crate::platform;
use crate::settings::{Event, Settings};

/// Why a package manager does not do what it is asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What failed, in words.
    pub message: String,
    /// What it printed.
    pub output: String,
    /// Whether the user interrupted it.
    pub is_interruption: bool,
}

impl Problem {
    fn new(message: String, output: String) -> Problem {
        Problem { message, output, is_interruption: false }
    }
}

/// Returns whether the machine has a manager: its program is in `PATH`.
pub fn is_here(settings: &Settings, manager: &dyn Manager) -> bool {
    let path = settings.shared_environment.iter().find(|(name, _)| name == OsStr::new("PATH"));
    let Some((_, path)) = path else { return false };
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .any(|directory| platform::is_executable_file(&directory.join(manager.program())))
}

fn command(call: &Call) -> Command {
    let mut command = Command::new(call.program);
    command.args(&call.arguments).envs(call.variables.iter().copied()).stdin(Stdio::null());
    command
}

/// A program's answer.
struct Answered {
    output: String,
    errors: String,
    code: Option<i32>,
}

fn run(call: &Call) -> Result<Answered, Problem> {
    let output = command(call).output().map_err(|error| {
        Problem::new(format!("`{}` cannot be started: {error}", call.program), String::new())
    })?;
    Ok(Answered {
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    })
}

/// Runs a program, and returns what it prints.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn ask(call: &Call) -> Result<String, Problem> {
    let Answered { output, errors, code } = run(call)?;
    if code.is_some_and(|code| call.accepts.contains(&code)) {
        return Ok(output);
    }
    let how = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    let message = format!("`{}` failed with {how}", call.display());
    Err(Problem::new(message, errors.trim_end().to_owned()))
}

/// Returns the packages that are installed.
///
/// # Errors
/// When the manager does not tell.
pub fn inventory(manager: &dyn Manager) -> Result<Inventory, Problem> {
    let answers: Vec<String> = manager.inventory().iter().map(ask).collect::<Result<_, _>>()?;
    Ok(manager.read_inventory(&answers))
}

/// Returns the packages that are there only because others need them.
///
/// # Errors
/// When the manager does not tell.
pub fn dependencies(manager: &dyn Manager) -> Result<BTreeSet<String>, Problem> {
    let Some(call) = manager.dependencies() else { return Ok(BTreeSet::new()) };
    Ok(manager.read_dependencies(&ask(&call)?))
}

/// Returns what a change would do, as the manager says.
///
/// # Errors
/// When the manager refuses it.
pub fn simulate(
    manager: &dyn Manager,
    change: &Change,
    unneeded: bool,
) -> Result<Simulation, Problem> {
    if change.is_empty() {
        return Ok(Simulation::default());
    }
    let calls = manager.simulate(change, unneeded);
    let answered: Vec<Answered> = calls.iter().map(run).collect::<Result<_, _>>()?;
    let answers = answered.iter().map(|Answered { output, errors, code }| Answer {
        output,
        errors,
        is_success: *code == Some(0),
    });
    let answers: Vec<Answer<'_>> = answers.collect();
    manager.read_simulation(change, &answers).map_err(|refusal| {
        Problem::new(format!("{} refuses that:\n{refusal}", manager.program()), String::new())
    })
}

/// Changes packages. What programs print are events. An interrupt is passed on, and the program
/// comes to its end: it knows when it can stop.
///
/// # Errors
/// When a program fails.
pub fn perform(settings: &Settings, manager: &dyn Manager, change: &Change) -> Result<(), Problem> {
    let wait = settings.lock_timeout.map_or(u64::from(u32::MAX), |limit| limit.as_secs().max(1));
    let options = Options { wait: wait.min(24 * 60 * 60), offline: settings.offline };
    for call in manager.perform(change, options) {
        if settings.interrupt.is_set() {
            return Err(interruption());
        }
        let name = call.display();
        // Its effects are unknown: it counts as one change.
        platform::fault::pass(Path::new(&name))
            .map_err(|error| Problem::new(error.to_string(), String::new()))?;
        settings.events.send(Event::CommandStarted { name: name.clone() });
        let ended = action::run_to_its_end(
            &mut command(&call),
            &name,
            &settings.interrupt,
            &settings.events,
        );
        settings.events.send(Event::CommandFinished { name, success: ended.is_ok() });
        ended.map_err(|error| match error {
            action::Error::Interrupted => interruption(),
            action::Error::Failed { command, status, output } => {
                Problem::new(format!("`{command}` failed with {status}"), output)
            }
            other => Problem::new(other.to_string(), String::new()),
        })?;
    }
    Ok(())
}

fn interruption() -> Problem {
    Problem { is_interruption: true, ..Problem::new("interrupted".to_owned(), String::new()) }
}

/// Makes packages count as dependencies, or as wanted for themselves.
///
/// # Errors
/// When the manager refuses.
pub fn mark(
    manager: &dyn Manager,
    names: &BTreeSet<String>,
    as_dependencies: bool,
) -> Result<(), Problem> {
    if names.is_empty() {
        return Ok(());
    }
    let mut last = Ok(());
    for call in manager.mark(names, as_dependencies) {
        last = ask(&call).map(drop);
        if last.is_ok() {
            break;
        }
    }
    last
}
