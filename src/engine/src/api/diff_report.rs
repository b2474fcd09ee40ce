//! The reports of `diff` for snapshots and derivations, as data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::report::bytes;
use super::report::{ActionReport, SnapshotReport};
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::switch::Mark;

/// A derivation that two snapshots have differently.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DerivationChange {
    /// What happened to it.
    pub mark: Mark,
    /// Its name.
    pub name: String,
    /// True for a single file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
    /// Its version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_version: Option<String>,
    /// Its version after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_version: Option<String>,
    /// Its object before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_object: Option<ObjectName>,
    /// Its object after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_object: Option<ObjectName>,
}

/// What `diff` of two snapshots answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SnapshotDiffReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The first snapshot.
    pub from: SnapshotReport,
    /// The second snapshot.
    pub to: SnapshotReport,
    /// The derivations that differ.
    pub derivations: Vec<DerivationChange>,
    /// The actions that differ.
    pub actions: Vec<ActionReport>,
}

/// A difference between two derivations.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Difference {
    /// The input that differs, such as "opts.server.port".
    pub path: String,
    /// What the first derivation has, as a text of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What the second derivation has, as a text of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// Name and version, when that is another derivation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Name and version, when that is another derivation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_name: Option<String>,
    /// The unified diff of a text of several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Difference {
    pub(super) fn new(path: String, first: Option<String>, second: Option<String>) -> Difference {
        Difference { path, first, second, first_name: None, second_name: None, diff: None }
    }
}

/// What `diff` of two derivations answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DiffReport {
    /// The hash of the first derivation.
    pub first: Hash,
    /// The hash of the second derivation.
    pub second: Hash,
    /// The inputs that differ.
    pub differences: Vec<Difference>,
}
