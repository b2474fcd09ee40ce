//! The state of a unit, as its manager reports it.

use std::time::Duration;

/// What a manager tells of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// What it calls it.
    pub name: String,
    /// Whether it knows it: `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// What it does: `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active: String,
    /// The same, in words of its kind: `running`, `listening`, `waiting`, `exited`.
    pub sub: String,
    /// How it ended: `success`, `exit-code`, `signal`, `timeout`.
    pub result: String,
    /// The exit code or signal of its main process.
    pub exit: Option<(String, i32)>,
    /// How it says that it is ready: `simple`, `notify`, `oneshot`.
    pub kind: String,
    /// The process that counts, or 0.
    pub main_pid: u32,
    /// How often its manager restarted it.
    pub restarts: u32,
    /// The job that is under way for it, or 0.
    pub job: u32,
    /// Since when it is in this state, in microseconds since the epoch.
    pub since: u64,
    /// What distinguishes one run from another.
    pub invocation: String,
    /// The time limit of its start; unlimited when absent.
    pub start_limit: Option<Duration>,
    /// The time limit of its stop; unlimited when absent.
    pub stop_limit: Option<Duration>,
    /// Whether a condition of its unit was not met at the last start.
    pub is_skipped: bool,
    /// Units that stop when it stops.
    pub needed_by: Vec<String>,
    /// Those of them that are bound to it, and not only require it.
    pub bound: Vec<String>,
    /// Units that stop when it starts, as they say themselves.
    pub conflicts: Vec<String>,
    /// How its last reload ended, in the words of `result`.
    pub reload_result: String,
    /// Whether it can read its configuration again without a restart.
    pub can_reload: bool,
}

impl UnitState {
    /// Returns whether it runs, listens or waits, or is about to.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }

    /// Returns whether the user keeps it from running.
    pub fn is_masked(&self) -> bool {
        self.load == "masked"
    }

    /// Returns whether its work is done when it is started.
    pub fn is_oneshot(&self) -> bool {
        self.kind == "oneshot"
    }

    /// Returns whether its first process ends, and others stay.
    pub fn is_forking(&self) -> bool {
        self.kind == "forking"
    }

    /// Describes how it ended.
    pub fn in_words(&self) -> String {
        match (self.result.as_str(), &self.exit) {
            ("timeout", _) => "it took too long".to_owned(),
            ("exit-code", Some((_, code))) => format!("exit code {code}"),
            ("signal" | "core-dump", Some((_, signal))) => format!("signal {signal}"),
            ("start-limit-hit", _) => "it failed repeatedly".to_owned(),
            ("protocol", _) => "it ended before it reported that it is ready".to_owned(),
            ("resources", _) => "a file or resource that its unit needs is missing".to_owned(),
            ("success" | "", Some((how, code))) if how == "exited" && self.active != "active" => {
                format!("it ended with exit code {code}")
            }
            // Its manager starts it anew, and no longer knows how it ended.
            ("success" | "", _) if self.active == "activating" => "it starts again".to_owned(),
            ("success" | "", _) => format!("it is {}", self.active),
            (other, _) => other.to_owned(),
        }
    }
}
