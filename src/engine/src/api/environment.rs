//! `env`: the environment of shells, and how a shell detects that its environment is old.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{SnapshotReport, snapshot_report};
use super::{Engine, Error, report::bytes};
use crate::environment::shells::{self, Call, Identity};
use crate::environment::{self, Environment};
use crate::generations;
use crate::snapshot::Snapshot;
use crate::variable::Template;

/// By what a shell shows which environment it has.
#[derive(Debug, JsonSchema, Serialize)]
pub struct StampReport {
    /// Its user; absent for the common environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The variable that shows what the shell has.
    pub memory: String,
    /// What the value of that variable begins with when the shell is up to date.
    pub stamp: String,
    /// How many variables it has.
    pub variables: usize,
}

/// A variable that shells get.
#[derive(Debug, JsonSchema, Serialize)]
pub struct VariableReport {
    /// Its name.
    pub name: String,
    /// Its value; for a list, its new entries. A reference is `$NAME`.
    pub value: String,
    /// What separates the entries of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

/// What `env` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct EnvironmentReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: std::path::PathBuf,
    /// The current snapshot.
    pub snapshot: SnapshotReport,
    /// What shows that a shell is up to date.
    pub environment: StampReport,
    /// The variables, in the order in which they are set.
    pub variables: Vec<VariableReport>,
    /// The scripts that shells read.
    pub scripts: Vec<ScriptReport>,
}

/// A script that shells read.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ScriptReport {
    /// Its path.
    pub script: String,
    /// The names of the shells.
    pub shells: Vec<String>,
}

fn environment_of(snapshot: &Snapshot, user: Option<&str>, home: &Path) -> Environment {
    match user {
        Some(user) => Environment::of_user(snapshot.actions(), user),
        None => Environment::new(snapshot.actions(), home),
    }
}

/// Returns the variables that show a shell's environment of a snapshot: the common one first, then
/// those of users.
pub(super) fn stamps(root: &Path, snapshot: &Snapshot, home: &Path) -> Vec<StampReport> {
    let users = environment::users(snapshot.actions()).into_iter().map(Some);
    std::iter::once(None)
        .chain(users)
        .map(|user| stamp(root, snapshot, user, &environment_of(snapshot, user, home)))
        .collect()
}

fn stamp(
    root: &Path,
    snapshot: &Snapshot,
    user: Option<&str>,
    environment: &Environment,
) -> StampReport {
    let identity = Identity { root, user, project: None, snapshot: snapshot.id };
    StampReport {
        user: user.map(str::to_owned),
        memory: identity.memory(),
        stamp: identity.stamp(environment),
        variables: environment.single.len() + environment.lists.len(),
    }
}

impl Engine {
    /// Describes the environment of shells: the common one, or that of a user.
    ///
    /// # Errors
    /// When the current snapshot cannot be read.
    pub fn environment(&self, user: Option<&str>) -> Result<EnvironmentReport, Error> {
        let current = generations::current(&self.store)?;
        let environment = environment_of(&current, user, &self.settings.home);
        let variable = |call: &Call<'_>| match call {
            Call::Single(name, value) => {
                VariableReport { name: (*name).to_owned(), value: value.display(), separator: None }
            }
            Call::List(name, list) => VariableReport {
                name: (*name).to_owned(),
                value: list
                    .entries
                    .iter()
                    .map(Template::display)
                    .collect::<Vec<_>>()
                    .join(list.separator),
                separator: Some(list.separator.to_owned()),
            },
        };
        let script = |(path, shells): &(Template, Vec<String>)| ScriptReport {
            script: path.display(),
            shells: shells.clone(),
        };
        Ok(EnvironmentReport {
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&current),
            environment: stamp(&self.settings.root, &current, user, &environment),
            variables: shells::calls(&environment).iter().map(variable).collect(),
            scripts: environment.scripts.iter().map(script).collect(),
        })
    }
}
