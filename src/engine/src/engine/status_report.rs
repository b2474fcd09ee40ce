//! The report of `status`, as data.

use std::path::PathBuf;

use serde::Serialize;

use super::plain;
use super::report::{DisplacedReport, PendingReport, SnapshotReport};
use crate::action::{Aspect, Properties};
use crate::activation::Activation;
use crate::value::{Positions, Text};

/// The size of what only old snapshots keep.
#[derive(Debug, Serialize)]
pub struct OldSnapshotsReport {
    /// How many there are.
    pub count: usize,
    /// The bytes of what they alone hold.
    pub size: u64,
}

/// The state of a managed target.
#[derive(Debug, Serialize)]
pub struct TargetReport {
    /// The kind of its action.
    pub kind: &'static str,
    /// The target, as the config has it.
    #[serde(serialize_with = "plain::text")]
    pub target: Text,
    /// `ok`, `missing`, `replaced` (a file of another kind is there), `changed`, `unreadable` (it
    /// cannot be read), `broken` (the object behind its link is missing) or `switching` (an
    /// unfinished switch changed it).
    pub state: &'static str,
    /// In what it differs, when it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Aspect>,
    /// What is there instead, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why it cannot be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What it should point to, or has the content of.
    #[serde(serialize_with = "plain::text")]
    pub detail: Text,
    /// Its mode, owner and group, as far as they are declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it is the user's to change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// The user that `user{}` scopes it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who declared it.
    pub positions: Positions,
}

impl TargetReport {
    /// Returns the report about the target of an action.
    pub(super) fn new(activation: &Activation, state: &'static str) -> TargetReport {
        let action = &activation.action;
        let description = action.describe(false);
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
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// How many targets are managed.
    pub managed: usize,
    /// Their states.
    pub targets: Vec<TargetReport>,
    /// How many derivations are in force.
    pub derivations: usize,
    /// How many targets and services are not as they should be.
    pub drift: usize,
    /// The size of what only old snapshots keep, or `None` without old snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_snapshots: Option<OldSnapshotsReport>,
    /// Edits of managed targets that were moved away.
    pub displaced: Vec<DisplacedReport>,
    /// The variables that show a shell's environment: the common one, and those of users.
    pub environments: Vec<super::StampReport>,
    /// Originals that no managed target gets back.
    pub lost_originals: Vec<DisplacedReport>,
    /// Services, and what they do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<super::ServiceStateReport>,
    /// Packages of the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<super::PackageStateReport>,
    /// A switch that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}
