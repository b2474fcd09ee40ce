//! systemd over D-Bus: `org.freedesktop.systemd1(5)`.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, block_on, connection};

use super::{Job, Manager, Whose, journal};
use crate::problem::Problem;
use crate::state::UnitState;

const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long systemd may take for an answer. A reload of many units takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a manager.
pub(super) struct Bus {
    connection: Connection,
    whose: Whose,
}

/// Returns the socket of the bus that a manager is on.
fn socket(whose: &Whose) -> String {
    match whose {
        Whose::System => "/run/dbus/system_bus_socket".to_owned(),
        Whose::User { uid, .. } => format!("/run/user/{uid}/bus"),
    }
}

/// Opens a socket as a user: the bus of a user serves only that user.
#[expect(clippy::disallowed_methods, reason = "sockets and marks of the system")]
fn open(path: &str, whose: &Whose) -> Result<UnixStream, String> {
    let own = rustix::process::geteuid().as_raw();
    match whose {
        Whose::User { uid, gid, .. } if *uid != own => {
            let (path, uid, gid) = (path.to_owned(), *uid, *gid);
            // Rights are those of a thread: this one ends right after.
            let opened = std::thread::spawn(move || {
                use rustix::process::{Gid, Uid};
                let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
                rustix::thread::set_thread_groups(&[group])?;
                rustix::thread::set_thread_res_gid(group, group, group)?;
                rustix::thread::set_thread_res_uid(user, user, user)?;
                UnixStream::connect(path)
            });
            opened.join().map_err(|_| "a thread died".to_owned())?.map_err(|e| e.to_string())
        }
        _ => UnixStream::connect(path).map_err(|error| error.to_string()),
    }
}

/// How systemd says that a job is gone.
const NO_SUCH_JOB: &str = "org.freedesktop.systemd1.NoSuchJob";

impl Bus {
    /// Connects to a manager.
    ///
    /// # Errors
    /// Why it cannot be reached, in words.
    pub(super) fn connect(whose: &Whose) -> Result<Bus, String> {
        let path = socket(whose);
        let connected = open(&path, whose).and_then(|stream| {
            let mut builder = connection::Builder::unix_stream(stream).method_timeout(PATIENCE);
            if let Whose::User { uid, .. } = whose {
                builder = builder.user_id(*uid);
            }
            let connection = block_on(builder.build()).map_err(|error| error.to_string())?;
            let bus = Bus { connection, whose: whose.clone() };
            // A bus may be there without systemd on it.
            bus.call("GetUnitFileState", &"default.target").map_err(|e| e.to_string())?;
            Ok(bus)
        });
        connected.map_err(|reason| format!("{path}: {reason}"))
    }

    fn call<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + DynamicType,
    {
        block_on(self.connection.call_method(Some(SERVICE), PATH, Some(MANAGER), method, body))
    }

    /// Asks for a job, in a mode: `StartUnit` of org.freedesktop.systemd1(5).
    fn ask(&self, job: Job, unit: &str, mode: &str) -> Result<(), Problem> {
        let method = match job {
            Job::Start => "StartUnit",
            Job::Stop => "StopUnit",
            Job::Restart => "RestartUnit",
            Job::Reload => "ReloadOrRestartUnit",
        };
        let what = format!("{} {unit}", job.word());
        self.call(method, &(unit, mode)).map_err(self.refused(what))?;
        Ok(())
    }

    fn refused(&self, what: String) -> impl FnOnce(zbus::Error) -> Problem {
        let manager = self.whose.in_words();
        move |error| {
            let reason = match &error {
                zbus::Error::MethodError(_, Some(text), _) => text.clone(),
                other => other.to_string(),
            };
            Problem::Refused { manager, what, reason }
        }
    }

    /// Returns all properties of a unit, whatever it is.
    fn properties(&self, unit: &str) -> zbus::Result<HashMap<String, OwnedVariant>> {
        let path: OwnedObjectPath = self.call("LoadUnit", &unit)?.body().deserialize()?;
        let reply = block_on(self.connection.call_method(
            Some(SERVICE),
            path,
            Some(PROPERTIES),
            "GetAll",
            &"",
        ))?;
        reply.body().deserialize()
    }
}

impl Manager for Bus {
    fn reload(&mut self) -> Result<(), Problem> {
        self.call("Reload", &()).map_err(self.refused("read its units again".to_owned()))?;
        Ok(())
    }

    fn queue(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        self.ask(job, unit, "replace")
    }

    fn queue_alone(&mut self, job: Job, unit: &str) -> Result<(), Problem> {
        self.ask(job, unit, "ignore-requirements")
    }

    fn cancel(&mut self, unit: &str) -> Result<(), Problem> {
        let what = format!("cancel the job of {unit}");
        let state = self.states(&[unit])?;
        let Some(job) = state.first().map(|state| state.job).filter(|job| *job > 0) else {
            return Ok(());
        };
        match self.call("CancelJob", &job) {
            // It ended by now.
            Err(zbus::Error::MethodError(name, ..)) if name == NO_SUCH_JOB => Ok(()),
            Err(error) => Err(self.refused(what)(error)),
            Ok(_) => Ok(()),
        }
    }

    fn reset_failed(&mut self, unit: &str) -> Result<(), Problem> {
        // A unit that is not loaded has nothing to forget.
        let _ = self.call("ResetFailedUnit", &unit);
        Ok(())
    }

    fn states(&mut self, units: &[&str]) -> Result<Vec<UnitState>, Problem> {
        let mut states = Vec::with_capacity(units.len());
        for unit in units {
            let what = format!("tell of {unit}");
            let properties = self.properties(unit).map_err(self.refused(what))?;
            states.push(state(unit, &properties));
        }
        Ok(states)
    }

    fn last_lines(&mut self, state: &UnitState) -> Vec<String> {
        journal(state, &self.whose)
    }
}

fn state(unit: &str, properties: &HashMap<String, OwnedVariant>) -> UnitState {
    let value = |name: &str| properties.get(name);
    let text = |name: &str| {
        value(name).and_then(|value| String::try_from(value.clone()).ok()).unwrap_or_default()
    };
    let number = |name: &str| value(name).and_then(|value| u32::try_from(value.clone()).ok());
    let long = |name: &str| value(name).and_then(|value| u64::try_from(value.clone()).ok());
    let signed = |name: &str| value(name).and_then(|value| i32::try_from(value.clone()).ok());
    let flag = |name: &str| value(name).and_then(|value| bool::try_from(value.clone()).ok());
    let list = |name: &str| {
        value(name)
            .and_then(|value| Vec::<String>::try_from(value.clone()).ok())
            .unwrap_or_default()
    };
    let job = value("Job").and_then(|value| <(u32, OwnedObjectPath)>::try_from(value.clone()).ok());
    let invocation =
        value("InvocationID").and_then(|value| Vec::<u8>::try_from(value.clone()).ok());
    let exit = signed("ExecMainStatus").zip(signed("ExecMainCode"));
    let bound = [list("BoundBy"), list("ConsistsOf")].concat();
    let needed_by = [list("RequiredBy"), list("RequisiteOf"), bound.clone()].concat();
    UnitState {
        name: unit.to_owned(),
        load: text("LoadState"),
        active: text("ActiveState"),
        sub: text("SubState"),
        result: text("Result"),
        exit: exit.filter(|(_, code)| *code != 0).map(|(status, code)| {
            // CLD_EXITED of waitid(2).
            (if code == 1 { "exited" } else { "killed" }.to_owned(), status)
        }),
        kind: text("Type"),
        main_pid: number("MainPID").unwrap_or_default(),
        restarts: number("NRestarts").unwrap_or_default(),
        job: job.map(|(id, _)| id).unwrap_or_default(),
        since: long("StateChangeTimestamp").unwrap_or_default(),
        invocation: invocation
            .filter(|id| id.iter().any(|byte| *byte != 0))
            .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
            .unwrap_or_default(),
        start_limit: long("TimeoutStartUSec").and_then(limit),
        stop_limit: long("TimeoutStopUSec").and_then(limit),
        is_skipped: flag("ConditionResult") == Some(false)
            && long("ConditionTimestamp").is_some_and(|moment| moment > 0),
        needed_by,
        bound,
        conflicts: list("ConflictedBy"),
        reload_result: text("ReloadResult"),
        can_reload: flag("CanReload") == Some(true),
    }
}

/// Returns a span of time in microseconds; the largest one is unlimited.
fn limit(microseconds: u64) -> Option<Duration> {
    (microseconds != u64::MAX).then(|| Duration::from_micros(microseconds))
}
