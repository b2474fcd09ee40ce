//! The reports of `diff` for snapshots and derivations, as data.

use std::path::PathBuf;

use serde::Serialize;

use super::plain;
use super::report::{ActionReport, SnapshotReport};
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::switch::Mark;

/// A derivation that two snapshots have differently.
#[derive(Debug, Serialize)]
pub struct DerivationChange {
    /// What happened to it: added, changed or removed.
    pub mark: Mark,
    /// Its name.
    pub name: String,
    /// Whether it is a single file: its target says more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
    /// Its version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_version: Option<String>,
    /// Its version after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_version: Option<String>,
    /// Its object before, or one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_object: Option<ObjectName>,
    /// Its object after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_object: Option<ObjectName>,
}

/// What `diff` of two snapshots answers.
#[derive(Debug, Serialize)]
pub struct SnapshotDiffReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The first snapshot.
    pub from: SnapshotReport,
    /// The second one.
    pub to: SnapshotReport,
    /// The derivations that differ, by name.
    pub derivations: Vec<DerivationChange>,
    /// The actions that differ.
    pub actions: Vec<ActionReport>,
}

/// A difference between two derivations.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Which input differs, such as `opts.server.port`.
    pub path: String,
    /// What the first one has, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What the second one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// The name and version of the derivation that the first one has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The name and version of the derivation that the second one has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_name: Option<String>,
    /// How a text of several lines differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Difference {
    pub(super) fn new(path: String, first: Option<String>, second: Option<String>) -> Difference {
        Difference { path, first, second, first_name: None, second_name: None, diff: None }
    }
}

/// What `diff` of two derivations answers.
#[derive(Debug, Serialize)]
pub struct DiffReport {
    /// The first derivation.
    pub first: Hash,
    /// The second one.
    pub second: Hash,
    /// The inputs that differ.
    pub differences: Vec<Difference>,
}
