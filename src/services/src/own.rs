//! The services that this process is part of: what stops one of them ends this process too.

use crate::manager::{Job, Whose};

/// How long after a switch the service that it runs in starts anew: until then it tells what it
/// did.
#[cfg(target_os = "linux")]
const DELAY: &str = "--on-active=1s";

/// Returns the services that this process is part of.
pub fn own_units() -> Vec<String> {
    let text = if cfg!(target_os = "linux") {
        // What the kernel tells of this process, and no file.
        #[expect(clippy::disallowed_methods, reason = "reads a file of the kernel")]
        std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
    } else {
        String::new()
    };
    units_in(&text)
}

fn units_in(cgroups: &str) -> Vec<String> {
    let parts = cgroups.lines().flat_map(|line| line.split('/'));
    let mut units: Vec<String> = parts
        .filter(|part| part.ends_with(".service"))
        // The manager of a user is one too, and is never switched as a whole.
        .filter(|part| !part.starts_with("user@"))
        .map(str::to_owned)
        .collect();
    units.sort();
    units.dedup();
    units
}

/// Returns the words before a command that is to run when the service that this process is part
/// of has stopped; none where it is part of none. `is_root` tells whose manager is asked.
pub fn outliving(is_root: bool) -> Vec<&'static str> {
    if own_units().is_empty() {
        return Vec::new();
    }
    let mut words = vec!["systemd-run", "--scope", "--quiet", "--collect"];
    words.extend((!is_root).then_some("--user"));
    words.push("--");
    words
}

/// Schedules a job for a service that this process is part of, a second from now. The manager keeps
/// the schedule, because this process may end before.
///
/// # Errors
/// Why that cannot be, in words.
pub fn do_later(whose: &Whose, job: Job, unit: &str) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        let scope = matches!(whose, Whose::User { .. }).then_some("--user");
        let mut command = std::process::Command::new("systemd-run");
        command.args(["--quiet", "--collect", DELAY, "--timer-property=AccuracySec=50ms"]);
        command.args(scope).args(["--", "systemctl"]).args(scope);
        // What another switch stopped until then stays so.
        let verb = match job {
            Job::Restart => "try-restart",
            Job::Reload => "try-reload-or-restart",
            Job::Start | Job::Stop => job.verb(),
        };
        command.args(["--no-block", "--quiet", verb, "--", unit]);
        crate::manager::become_user(&mut command, whose);
        crate::manager::run(&mut command).map(drop)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (whose, job, unit);
        Err("only systemd does that".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_service_is_known() {
        assert_eq!(
            units_in(
                "1:name=systemd:/system.slice/web.service\n0::/user.slice/user@1.service/a.service"
            ),
            ["a.service", "web.service"]
        );
    }
}
