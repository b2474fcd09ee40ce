//! Managers of services. Each one is a file; `connect` chooses.

#[cfg(target_os = "linux")]
mod bus;
#[cfg(target_os = "macos")]
mod launchctl;
#[cfg(target_os = "linux")]
mod logind;
#[cfg(target_os = "linux")]
mod systemctl;
#[cfg(target_os = "windows")]
mod windows;

use std::process::{Command, Output, Stdio};

use crate::problem::Problem;
use crate::state::UnitState;

/// What a manager can be asked to do with a unit.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    schemars::JsonSchema,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// It starts, unless it runs.
    Start,
    /// It stops.
    Stop,
    /// It stops if it runs, and starts.
    Restart,
    /// It reads its configuration again; if it cannot, it is started anew.
    Reload,
}

impl Job {
    /// Returns the verb.
    pub fn word(self) -> &'static str {
        match self {
            Job::Start => "start",
            Job::Stop => "stop",
            Job::Restart => "restart",
            Job::Reload => "reload",
        }
    }

    /// Returns what `systemctl` calls it.
    #[cfg(target_os = "linux")]
    pub(crate) fn verb(self) -> &'static str {
        if self == Job::Reload { "reload-or-restart" } else { self.word() }
    }
}

/// Whose manager it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The machine's.
    System,
    /// That of a user.
    User {
        /// The user's number.
        uid: u32,
        /// The user's group.
        gid: u32,
        /// The user's name.
        name: String,
    },
}

impl Whose {
    /// Describes its owner.
    pub fn in_words(&self) -> String {
        match self {
            Whose::System => "the system's service manager".to_owned(),
            Whose::User { name, .. } => format!("the service manager of {name}"),
        }
    }
}

/// A manager of services.
pub trait Manager {
    /// Has it read its units again.
    ///
    /// # Errors
    /// When it does not.
    fn reload(&mut self) -> Result<(), Problem>;

    /// Asks for a job, and does not wait for it.
    ///
    /// # Errors
    /// When it refuses the job.
    fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem>;

    /// Asks for a job of a unit alone: units that require it have no jobs because of that.
    ///
    /// # Errors
    /// When it refuses the job.
    fn queue_alone(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        self.queue(job, unit)
    }

    /// Withdraws the job of a unit.
    ///
    /// # Errors
    /// When it does not answer.
    fn cancel(&mut self, unit: &str) -> Result<(), Problem>;

    /// Forgets that a unit failed, and how often it was started.
    ///
    /// # Errors
    /// When it does not answer.
    fn reset_failed(&mut self, unit: &str) -> Result<(), Problem>;

    /// Returns the states of units, in the same order.
    ///
    /// # Errors
    /// When it does not answer.
    fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem>;

    /// Returns the last lines of the log about the present run of a unit.
    fn last_lines(&mut self, state: &UnitState) -> Vec<String>;
}

/// Connects to a manager, or returns `None` for a user's manager that does not run.
///
/// # Errors
/// When that of the system cannot be reached.
pub fn connect(whose: &Whose) -> Result<Option<Box<dyn Manager>>, Problem> {
    #[cfg(target_os = "linux")]
    return linux(whose);
    #[cfg(target_os = "macos")]
    return Ok(Some(Box::new(launchctl::Launchctl::new(whose.clone()))));
    #[cfg(target_os = "windows")]
    return Ok(Some(Box::new(windows::Windows::new(whose.clone()))));
    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
    return Err(Problem::Unreachable {
        manager: whose.in_words(),
        reason: "this system has no supported service manager".to_owned(),
    });
}

/// The directory that is there when systemd is the system's manager: `sd_booted(3)`.
#[cfg(target_os = "linux")]
const BOOTED: &str = "/run/systemd/system";

#[expect(clippy::disallowed_methods, reason = "sockets and marks of the system")]
#[cfg(target_os = "linux")]
fn linux(whose: &Whose) -> Result<Option<Box<dyn Manager>>, Problem> {
    let unreachable = |reason: String| Problem::Unreachable { manager: whose.in_words(), reason };
    match whose {
        Whose::System if !std::path::Path::new(BOOTED).is_dir() => {
            return Err(unreachable("systemd is not the first process here".to_owned()));
        }
        Whose::User { uid, .. } if !is_running(*uid) => return Ok(None),
        _ => {}
    }
    let mut is_settled = false;
    loop {
        let reason = match bus::Bus::connect(whose) {
            Ok(bus) => return Ok(Some(Box::new(bus))),
            Err(reason) => reason,
        };
        // Without a bus, it knows a socket of systemd's own.
        let other = match systemctl::Systemctl::connect(whose) {
            Ok(systemctl) => return Ok(Some(Box::new(systemctl))),
            Err(other) => other,
        };
        let error = unreachable(format!("{reason}; systemctl: {other}"));
        // The sockets of a user's manager outlive it for a moment, and are there before it answers.
        match whose {
            Whose::User { uid, .. } if !is_settled => match logind::settle(*uid)? {
                logind::Settled::Stopped => return Ok(None),
                logind::Settled::Running => is_settled = true,
            },
            _ => return Err(error),
        }
    }
}

/// Returns whether a user's manager runs.
#[expect(clippy::disallowed_methods, reason = "sockets and marks of the system")]
#[cfg(target_os = "linux")]
fn is_running(uid: u32) -> bool {
    std::path::Path::new(&format!("/run/user/{uid}/systemd/private")).exists()
}

/// Has the manager of a user run also when the user has no session, or no longer; returns whether
/// that was so before. Waits until it runs.
///
/// # Errors
/// When the system's manager of sessions refuses, or the user's does not start in time.
pub fn set_linger(whose: &Whose, linger: bool) -> Result<bool, Problem> {
    #[cfg(target_os = "linux")]
    if let Whose::User { uid, name, .. } = whose {
        return logind::set_linger(*uid, name, linger);
    }
    let _ = linger;
    Err(Problem::Refused {
        manager: whose.in_words(),
        what: "linger".to_owned(),
        reason: "only Linux has this for users".to_owned(),
    })
}

/// Runs a program to its end; returns what it printed, or why it failed.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(output);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.trim();
    Err(if told.is_empty() { output.status.to_string() } else { told.to_owned() })
}

/// Makes a command run as the user of the manager.
#[cfg(target_os = "linux")]
pub(crate) fn become_user(command: &mut Command, whose: &Whose) {
    use std::os::unix::process::CommandExt;
    let Whose::User { uid, gid, name } = whose else { return };
    command.env("XDG_RUNTIME_DIR", format!("/run/user/{uid}"));
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path=/run/user/{uid}/bus"));
    if rustix::process::geteuid().as_raw() != *uid {
        command.env("USER", name).uid(*uid).gid(*gid);
    }
}

/// How many of the last lines of a log are shown.
#[cfg(target_os = "linux")]
const LAST_LINES: usize = 10;

/// Returns the last journal lines about a run of a unit: its output and the messages of systemd.
#[cfg(target_os = "linux")]
fn journal(state: &UnitState, whose: &Whose) -> Vec<String> {
    if state.invocation.is_empty() {
        return Vec::new();
    }
    // What was printed a moment ago is on its way. Only root may ask to wait for it.
    let _ = run(Command::new("journalctl").arg("--sync"));
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("journalctl");
        command.args(["--quiet", "--no-pager", "--all"]).args(arguments);
        if let Whose::User { uid, .. } = whose
            && rustix::process::geteuid().as_raw() == *uid
        {
            become_user(&mut command, whose);
        }
        let output = run(&mut command).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    };
    let of_run: Vec<String> = ["_SYSTEMD_INVOCATION_ID", "INVOCATION_ID", "USER_INVOCATION_ID"]
        .iter()
        .map(|field| format!("{field}={}", state.invocation))
        .collect();
    let own = [&of_run[0], "+", &of_run[1], "+", &of_run[2]];
    // A process that ended at once may have lines that name its unit only: they count from the
    // first message about this run on.
    let first = ask(&[&["--output=short-unix"], own.as_slice()].concat());
    let Some((since, _)) = first.split_once(' ') else { return Vec::new() };
    let unit = match whose {
        Whose::System => format!("_SYSTEMD_UNIT={}", state.name),
        Whose::User { .. } => format!("_SYSTEMD_USER_UNIT={}", state.name),
    };
    let (since, lines) = (format!("--since=@{since}"), format!("--lines={LAST_LINES}"));
    let limits = ["--output=cat", since.as_str(), lines.as_str()];
    let shown = ask(&[limits.as_slice(), own.as_slice(), &["+", &unit]].concat());
    shown.lines().map(str::to_owned).collect()
}
