//! The report of `status`, as data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::report::bytes;
use super::report::{DisplacedReport, PendingReport, SnapshotReport};
use crate::action::{Aspect, Direction, Properties};
use crate::activation::DeclaredAction;
use crate::value::{Positions, Text};

/// The size of what only old snapshots keep.
#[derive(Debug, JsonSchema, Serialize)]
pub struct OldSnapshotsReport {
    /// How many there are.
    pub count: usize,
    /// The bytes that only they keep.
    pub size: u64,
}

/// The state of a managed target.
#[derive(Debug, JsonSchema, Serialize)]
pub struct TargetReport {
    /// "symlink" or "install".
    pub kind: &'static str,
    /// Its path, as written in the config.
    #[serde(serialize_with = "bytes::text")]
    pub target: Text,
    /// "ok", "missing", "replaced", "changed", "unreadable", "broken" or "switching".
    pub state: &'static str,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Aspect>,
    /// The file there instead, in words: "a link to /x", "mode 644", "init.lua changed, notes
    /// added" in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The target of a link, or the file whose content was written.
    #[serde(serialize_with = "bytes::text")]
    pub detail: Text,
    /// The mode of a file, as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner of a file, as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group of a file, as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// True when it is yours to change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// Its user, from a user block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The lines that declared it, innermost first: "init.lua:12".
    pub positions: Positions,
}

impl TargetReport {
    /// Returns the report about the target of an action.
    pub(super) fn new(activation: &DeclaredAction, state: &'static str) -> TargetReport {
        let action = &activation.action;
        let description = action.describe(Direction::Do);
        let Properties { mode, owner, group, mutable } =
            action.as_target().map(|target| target.properties()).unwrap_or_default();
        TargetReport {
            kind: action.kind(),
            target: description.target.unwrap_or_default(),
            state,
            differs: Vec::new(),
            found: None,
            problem: None,
            detail: description.detail,
            mode: mode.cloned(),
            owner: owner.cloned(),
            group: group.cloned(),
            mutable,
            user: activation.user.clone(),
            positions: activation.positions.clone(),
        }
    }

    /// Returns whether it is not as it should be.
    pub fn is_drift(&self) -> bool {
        !["ok", "switching"].contains(&self.state)
    }
}

/// What `status` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct StatusReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The current snapshot.
    pub snapshot: SnapshotReport,
    /// How many targets are managed.
    pub managed: usize,
    /// The managed targets.
    pub targets: Vec<TargetReport>,
    /// How many derivations the snapshot holds.
    pub derivations: usize,
    /// How many targets are neither "ok" nor "switching", and how many services and packages are
    /// not as declared.
    pub drift: usize,
    /// What only old snapshots keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_snapshots: Option<OldSnapshotsReport>,
    /// Edits of managed targets that were moved away.
    pub displaced: Vec<DisplacedReport>,
    /// What shows that a shell is up to date: the common environment first, then those of users.
    pub environments: Vec<super::StampReport>,
    /// Originals that no managed target would restore.
    pub lost_originals: Vec<DisplacedReport>,
    /// The services and their states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<super::ServiceStateReport>,
    /// The packages of the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<super::PackageStateReport>,
    /// A switch that is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}
