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
    while linger && !is_running(uid) {
        if begin.elapsed() > PATIENCE {
            return Err(refused("the user's service manager does not start".to_owned()));
        }
        sleep(POLL);
    }
    Ok(was)
}
