//! The work of a plan for service managers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use syslua_services::declaration::Scope;
use syslua_services::manager::Job;
use syslua_services::state::UnitState;
use syslua_services::unit_file::UnitFile;

use crate::action::{Service, ServiceUnit};
use crate::platform;
use crate::store::Store;

/// What is asked of managers for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ServiceWork {
    /// The jobs, in the order in which they are asked for.
    pub jobs: Vec<UnitJob>,
    /// What changed, in words; nothing for a service that is new or gone.
    pub because: Vec<String>,
}

impl ServiceWork {
    /// Returns whether a unit starts that did not run.
    pub fn starts(&self) -> bool {
        self.jobs.iter().any(|job| job.job == Job::Start)
    }
}

/// A job of a unit.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct UnitJob {
    /// The unit.
    pub unit: String,
    /// What is done with it.
    pub job: Job,
    /// Whether it is done only if it runs: something else starts it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_if_active: bool,
    /// Whether another unit of this name, which ran before the service took its place, starts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub returns: bool,
}

/// Returns what a job comes to: a service that cannot reload is restarted. `state` is what its
/// manager tells of the unit.
pub fn asked(job: &UnitJob, service: &Service, state: &UnitState) -> Job {
    let unit = service.units.iter().find(|unit| unit.name == job.unit);
    let is_service = job.unit.ends_with(".service");
    let cannot_reload = |unit: &ServiceUnit| {
        let text = platform::read_to_string(&unit.file.to_path());
        text.is_ok_and(|text| !UnitFile::parse(&text).can_reload())
    };
    match job.job {
        Job::Reload if is_service && !state.can_reload && unit.is_some_and(cannot_reload) => {
            Job::Restart
        }
        job => job,
    }
}

/// Returns the file that says that another unit of this name ran before a service took its place.
/// `user` is whose it is, if it is not the user who applies.
pub fn mark_of_earlier(store: &Store, scope: Scope, user: Option<&str>, unit: &str) -> PathBuf {
    let whose = match scope {
        Scope::System => "system",
        Scope::User => user.unwrap_or("self"),
    };
    store.metadata().join(format!("ran.{whose}.{unit}"))
}
