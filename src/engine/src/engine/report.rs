//! What the verbs answer, as data for people and programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::activation::Action;
use crate::derivation::Derivation;
use crate::hash::Hash;
use crate::names::{ObjectName, SnapshotId};
use crate::platform::sandbox::Level;
use crate::snapshot::Snapshot;
use crate::switch;
use crate::switch::plan::Mark;

/// A derivation in a report.
#[derive(Debug, Serialize)]
pub struct DerivationReport {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its hash.
    pub hash: Hash,
    /// Where its outputs are, once they are built.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, PathBuf>,
}

/// An action in a report.
#[derive(Debug, Serialize)]
pub struct ActionReport {
    /// What happens to it.
    pub mark: Mark,
    /// Its kind.
    pub kind: &'static str,
    /// Its target, as the config has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The name of its variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it puts there.
    pub detail: String,
    /// Whether it names content that is not built yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_change: bool,
    /// Who declared it.
    pub positions: Vec<String>,
}

/// A snapshot in a report.
#[derive(Debug, Serialize)]
pub struct SnapshotReport {
    /// Its number.
    pub id: SnapshotId,
    /// When it was made, in seconds since the epoch.
    pub created_at: u64,
    /// The entry file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_path: Option<PathBuf>,
    /// A line for people.
    pub description: String,
}

/// What `plan` answers.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// Whether an apply changes anything.
    pub changed: bool,
    /// The root.
    pub root: PathBuf,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// What would be built.
    pub realize: Vec<DerivationReport>,
    /// What would be done, in order.
    pub actions: Vec<ActionReport>,
    /// Whether the environment of shells changes.
    pub environment_changed: bool,
}

/// What `apply` answers.
#[derive(Debug, Serialize)]
pub struct ApplyReport {
    /// The plan that was performed.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Whether anything was done.
    pub applied: bool,
    /// What was built.
    pub built: Vec<DerivationReport>,
    /// The snapshot that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_snapshot: Option<SnapshotId>,
    /// The script that shells source.
    pub env_script: PathBuf,
}

/// The state of a managed target.
#[derive(Debug, Serialize)]
pub struct TargetReport {
    /// The kind of its action.
    pub kind: &'static str,
    /// The target, as the config has it.
    pub target: String,
    /// `ok`, `missing`, `replaced` (something else stands there) or `changed` (a link elsewhere).
    pub state: &'static str,
    /// What it should point to.
    pub detail: String,
    /// Who declared it.
    pub positions: Vec<String>,
}

/// What `status` answers.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// The root.
    pub root: PathBuf,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// The state of every target.
    pub targets: Vec<TargetReport>,
    /// How many derivations are in force.
    pub derivations: usize,
    /// How many targets are not as they should be.
    pub drift: usize,
}

/// An object in a report.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    /// The object's name in the store.
    pub object: ObjectName,
    /// Where it is.
    pub path: PathBuf,
    /// The name of its derivation.
    pub name: String,
    /// The version of its derivation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which output of its derivation it is.
    pub output: String,
    /// The bytes of its files.
    pub size: u64,
    /// The SHA-256 that names it.
    pub content: Hash,
    /// The SHA-256 of its NAR.
    pub nar: Hash,
    /// The derivation that first made it.
    pub deriver: Hash,
    /// The objects that its bytes refer to.
    pub references: Vec<ObjectName>,
    /// Whether it can be moved to another root.
    pub relocatable: bool,
    /// How far the programs that built it were confined.
    pub sandbox: Level,
    /// Whether the current snapshot names it.
    pub current: bool,
}

/// What `list` answers.
#[derive(Debug, Serialize)]
pub struct ListReport {
    /// The root.
    pub root: PathBuf,
    /// The objects, in the order of their names.
    pub objects: Vec<ObjectReport>,
}

/// What `info` answers.
#[derive(Debug, Serialize)]
pub struct InfoReport {
    /// The root.
    pub root: PathBuf,
    /// The platform.
    pub platform: String,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// How many objects there are.
    pub objects: usize,
    /// The bytes of their files.
    pub size: u64,
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

/// An object that is not what its record says.
#[derive(Debug, Serialize)]
pub struct DamageReport {
    /// The object.
    pub object: ObjectName,
    /// What is wrong.
    pub problem: String,
    /// What was done: `found`, `restored` or `quarantined`.
    pub state: &'static str,
    /// Where its damaged bytes are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<PathBuf>,
    /// Why it was not restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The targets of the current snapshot that lead to it.
    pub targets: Vec<String>,
    /// The snapshots that name it.
    pub snapshots: Vec<SnapshotId>,
}

/// What `verify` answers.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// The root.
    pub root: PathBuf,
    /// How many objects were looked at.
    pub checked: usize,
    /// Those that are not what they should be.
    pub damaged: Vec<DamageReport>,
    /// How many of them still are not.
    pub broken: usize,
}

/// What a second build answers.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The derivation.
    pub derivation: DerivationReport,
    /// Whether it came out the same.
    pub reproducible: bool,
    /// The output that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The first file that differs, below the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

pub(super) fn derivation_report(derivation: &Derivation, outputs: BTreeMap<String, PathBuf>) -> DerivationReport {
    let spec = &derivation.spec;
    DerivationReport {
        name: spec.name.to_string(),
        version: spec.version.as_ref().map(ToString::to_string),
        hash: derivation.hash,
        outputs,
    }
}

pub(super) fn snapshot_report(snapshot: &Snapshot) -> SnapshotReport {
    SnapshotReport {
        id: snapshot.id,
        created_at: snapshot.created_at,
        config_path: snapshot.config_path.clone(),
        description: snapshot.description.clone(),
    }
}

pub(super) fn action_report(step: &switch::plan::Step) -> ActionReport {
    let (target, name, detail) = match &step.shown {
        Action::Symlink { source, target, .. } => (Some(target.display()), None, source.display()),
        Action::AddToPath { directory } => (None, Some("PATH".to_owned()), directory.display()),
        Action::SourceInShell { script, .. } => (None, None, script.display()),
        Action::SetVariable { name, value } => (None, Some(name.clone()), value.display()),
    };
    ActionReport {
        mark: step.mark,
        kind: step.activation.action.kind(),
        target,
        name,
        detail,
        may_change: step.may_change,
        positions: step.activation.positions.clone(),
    }
}
