//! The manager of sessions, which keeps managers of users running: `org.freedesktop.login1(5)`.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{is_running, run};
use crate::problem::Problem;

/// How long the manager of a user may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// Sets whether the manager of a user runs without a session; returns whether it did.
#[expect(clippy::disallowed_methods, reason = "sockets and marks of the system")]
pub(super) fn set_linger(uid: u32, name: &str, linger: bool) -> Result<bool, Problem> {
    let was = Path::new("/var/lib/systemd/linger").join(name).exists();
    if was == linger {
        return Ok(was);
    }
    let verb = if linger { "enable-linger" } else { "disable-linger" };
    let refused = |reason: String| Problem::Refused {
        manager: "the manager of sessions".to_owned(),
        what: format!("{verb} {name}"),
        reason,
    };
    run(Command::new("loginctl").args([verb, name])).map_err(refused)?;
    let begin = Instant::now();
    // The sockets of a manager that stops outlive it.
    while linger && !(is_running(uid) && settle(uid)? == Settled::Running) {
        if begin.elapsed() > PATIENCE {
            return Err(refused("the user's service manager does not start".to_owned()));
        }
        sleep(POLL);
    }
    Ok(was)
}

/// What the manager of a user does once it neither starts nor stops.
#[derive(PartialEq, Eq)]
pub(super) enum Settled {
    /// It runs, or nothing tells.
    Running,
    /// It does not run.
    Stopped,
}

/// Waits while the manager of a user starts or stops.
///
/// # Errors
/// When that takes too long.
pub(super) fn settle(uid: u32) -> Result<Settled, Problem> {
    let unit = format!("user@{uid}.service");
    let begin = Instant::now();
    loop {
        let shown = run(Command::new("systemctl").args(["show", "--property=ActiveState", &unit]));
        let Ok(shown) = shown else { return Ok(Settled::Running) };
        let state = String::from_utf8_lossy(&shown.stdout);
        match state.trim().trim_start_matches("ActiveState=") {
            "inactive" | "failed" => return Ok(Settled::Stopped),
            "activating" | "deactivating" | "reloading" => {}
            _ => return Ok(Settled::Running),
        }
        if begin.elapsed() > PATIENCE {
            return Err(Problem::Unreachable {
                manager: unit,
                reason: format!("it is still {}", state.trim()),
            });
        }
        sleep(POLL);
    }
}
