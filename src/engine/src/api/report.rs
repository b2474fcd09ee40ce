//! The reports of the public functions, as data.
//!
//! It is over 600 lines, because all that `--json` can print is described here, once.

pub(super) mod bytes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use syslua_packages::package::Item;
use syslua_services::declaration::Scope;
use syslua_services::manager::Job;

use crate::action::{Description, Direction};
use crate::activation::DeclaredAction;
use crate::derivation::{Derivation, Recipe};
use crate::hash::Hash;
use crate::names::{ObjectName, SnapshotId};
use crate::platform::jail::Level;
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::switch::Backup;
use crate::switch::{ManagerWork, Mark, PackageWork, ServiceWork, Step, Work};
use crate::value::{Positions, Text};

/// A derivation in a report.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DerivationReport {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its hash.
    pub hash: Hash,
    /// True for a `file{}`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
    /// The paths of its outputs by name, once they are built.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "bytes::named_paths")]
    pub outputs: BTreeMap<String, PathBuf>,
}

/// A key that changes in a file that a program owns too.
#[derive(Debug, JsonSchema, Serialize)]
pub struct KeyReport {
    /// The key: `editor.size`.
    pub key: String,
    /// Its value before, as a text of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Its value after that, as a text of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// An action in a report.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ActionReport {
    /// What happens to it.
    pub mark: Mark,
    /// "symlink", "install", "merge", "set_variable", "run", "enable_service", "package" and
    /// others.
    pub kind: &'static str,
    /// The path of its target.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_text")]
    pub target: Option<Text>,
    /// The name of its variable, service or package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The target of a link, the value of a variable, the directory, the script, the command, the
    /// package manager.
    #[serde(serialize_with = "bytes::text")]
    pub detail: Text,
    /// True when its content is not built yet, so it may turn out to be unchanged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_change: bool,
    /// True when a file of the user is moved to the backups.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replaces_existing: bool,
    /// The kind of that file, in words: "a file", "a file (same content)".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The keys that change in a file that a program owns too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyReport>,
    /// True when a command runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub runs_command: bool,
    /// True when it is the `undo` of a removed command.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// True for a command that runs at each apply.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// The work for the service manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceReport>,
    /// What becomes of a package of the system, in words: its version, "stays, since git needs it".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// With `--diff`, and with `--text` in `diff`: the unified diff of a text file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// True when `--diff` is given and the text is only known after a build.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_build: bool,
    /// Its user, from a user block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The project to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The lines that declared it, innermost first: "init.lua:12".
    pub positions: Positions,
}

/// A service in a plan.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ServiceReport {
    /// Whose it is.
    pub scope: Scope,
    /// Its units.
    pub units: Vec<String>,
    /// The jobs of its units, and why.
    #[serde(flatten)]
    pub work: ServiceWork,
    /// Units of the distribution that it replaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Units that stop and start with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<String>,
    /// Files of others that add to its units.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "bytes::paths")]
    pub drop_ins: Vec<PathBuf>,
    /// True when it starts only when its user logs in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_login: bool,
}

/// What a package manager would do, as it says itself.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PackagesReport {
    /// The manager.
    pub manager: &'static str,
    /// What it would install, dependencies included.
    pub install: Vec<Item>,
    /// What gets another version.
    pub change: Vec<Item>,
    /// What it would remove.
    pub remove: Vec<Item>,
    /// What is not declared any more and stays: by name, the package that needs it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stay: BTreeMap<String, String>,
}

pub(super) fn package_reports(work: &PackageWork) -> Vec<PackagesReport> {
    let report = |one: &ManagerWork| PackagesReport {
        manager: one.manager.name(),
        install: one.simulation.installs.clone(),
        change: one.simulation.changes.clone(),
        remove: one.simulation.removes.clone(),
        stay: one.stays.clone(),
    };
    work.managers.iter().filter(|one| one.is_needed()).map(report).collect()
}

/// A switch that is not over.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PendingReport {
    /// "running"; "interrupted", which the next `apply` or `rollback` undoes; or "unconfirmed".
    pub state: &'static str,
    /// The id of the snapshot before it.
    pub from: SnapshotId,
    /// The id of the snapshot after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<SnapshotId>,
    /// When it began, in seconds since 1970.
    pub started_at: u64,
    /// The id of the process that started it.
    pub process: u32,
    /// The time until which it can be confirmed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
}

/// A snapshot in a report.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SnapshotReport {
    /// Its number: "0" before the first apply.
    pub id: SnapshotId,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// The entry file.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_path")]
    pub config_path: Option<PathBuf>,
    /// A line for people.
    pub description: String,
}

/// What `plan` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PlanReport {
    /// Whether an apply would change anything.
    pub changed: bool,
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The current snapshot, which was compared with the config.
    pub snapshot: SnapshotReport,
    /// The derivations that would be built.
    pub realize: Vec<DerivationReport>,
    /// The actions, in the order in which they would be performed.
    pub actions: Vec<ActionReport>,
    /// Whether the environment of shells changes.
    pub environment_changed: bool,
    /// What package managers would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackagesReport>,
    /// With `--no-services`: the names of the services that it did not change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services_left_out: Vec<String>,
    /// A switch that is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}

/// What `apply` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ApplyReport {
    /// The plan that was performed.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Whether anything was done: false with `--dry-run`, and when nothing differed.
    pub applied: bool,
    /// The built derivations. Empty with `--dry-run`.
    pub built: Vec<DerivationReport>,
    /// The id of the snapshot that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_snapshot: Option<SnapshotId>,
    /// Edits of managed targets that were moved away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<DisplacedReport>,
    /// The script that gives a shell the applied environment.
    #[serde(serialize_with = "bytes::path")]
    pub env_script: PathBuf,
    /// With `--confirm`: the time until which it can be confirmed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
    /// With `--confirm`: a text that identifies this switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

/// What `rollback` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RollbackReport {
    /// The plan, or the performed part of it.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// The snapshot to go back to.
    pub to: SnapshotReport,
    /// Whether it was done: false with `--dry-run`, and when nothing differed.
    pub applied: bool,
    /// Edits of managed targets that were moved away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<DisplacedReport>,
    /// The script for a shell to source.
    #[serde(serialize_with = "bytes::path")]
    pub env_script: PathBuf,
}

/// What `destroy` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DestroyReport {
    /// The plan, or the performed part of it.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Whether it was done: false with `--dry-run`, and when there was nothing.
    pub applied: bool,
    /// Whether there was a root.
    pub exists: bool,
    /// Whether the root was removed.
    pub removed: bool,
    /// All edits of managed targets, which stay.
    pub displaced: Vec<DisplacedReport>,
    /// Originals that cannot be restored, because other files are at their targets.
    pub stuck: Vec<DisplacedReport>,
    /// Unknown files in the root, which stay.
    #[serde(serialize_with = "bytes::paths")]
    pub unknown: Vec<PathBuf>,
}

/// What a snapshot changed, in short.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ChangesReport {
    /// How many actions were added.
    pub added: usize,
    /// How many actions were changed.
    pub changed: usize,
    /// How many actions were removed.
    pub removed: usize,
    /// The first five; of more than 30 changes, their directories.
    pub first: Vec<ChangeReport>,
}

impl ChangesReport {
    /// How many of them are named.
    pub const SHOWN: usize = 5;
    /// When there are more, directories are named instead of targets.
    pub const MANY: usize = 30;
}

/// An action that changed.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ChangeReport {
    /// What happened to it.
    pub mark: Mark,
    /// Its target, or the name or value that it is about.
    #[serde(serialize_with = "bytes::text")]
    pub what: Text,
}

/// A snapshot among others.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HistoryEntry {
    /// Its number, time and description.
    #[serde(flatten)]
    pub snapshot: SnapshotReport,
    /// The id of the snapshot that was current when this one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// Whether it is applied.
    pub current: bool,
    /// How many targets it has.
    pub targets: usize,
    /// How many actions it has.
    pub actions: usize,
    /// How many derivations it has.
    pub derivations: usize,
    /// What it changed. Missing when the previous snapshot is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesReport>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What `history` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HistoryReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The snapshots, oldest first.
    pub snapshots: Vec<HistoryEntry>,
    /// A switch that is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}

/// What `confirm` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ConfirmReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The snapshot that stays.
    pub snapshot: SnapshotReport,
}

/// Something of the user's that was moved away from a managed target.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DisplacedReport {
    /// Its target.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_text")]
    pub target: Option<Text>,
    /// Where it is now.
    #[serde(serialize_with = "bytes::text")]
    pub path: Text,
    /// "file", "directory", "symlink" or "special"; absent when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// When it was moved, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
}

/// An object in a report.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ObjectReport {
    /// Its name in the store.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "bytes::path")]
    pub path: PathBuf,
    /// The name of the derivation that first made it.
    pub name: String,
    /// The version of that derivation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The output of that derivation.
    pub output: String,
    /// The bytes of its files.
    pub size: u64,
    /// The SHA-256 that names it: of its NAR with its own name zeroed.
    pub content: Hash,
    /// The SHA-256 of its NAR.
    pub nar: Hash,
    /// The hash of that derivation.
    pub deriver: Hash,
    /// The objects that its bytes refer to.
    pub references: Vec<ObjectName>,
    /// Whether its bytes do not contain the path of the store.
    pub relocatable: bool,
    /// How far the programs that built it were confined.
    pub sandbox: Level,
    /// Whether the current snapshot names it.
    pub current: bool,
}

/// What `list` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The objects, in the order of their names.
    pub objects: Vec<ObjectReport>,
    /// The objects whose record is missing or damaged.
    pub unreadable: Vec<UnreadableReport>,
}

/// An object without known facts; it only exists.
#[derive(Debug, JsonSchema, Serialize)]
pub struct UnreadableReport {
    /// Its name in the store.
    pub object: ObjectName,
    /// What is wrong with its record, in words.
    pub problem: String,
}

/// What `info` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct InfoReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The platform: "x86_64-linux".
    pub platform: String,
    /// The current snapshot.
    pub snapshot: SnapshotReport,
    /// How many objects the store has.
    pub objects: usize,
    /// The bytes of their files.
    pub size: u64,
}

/// The applied actions.
#[derive(Debug, Serialize)]
pub struct ActionsReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The current snapshot.
    pub snapshot: SnapshotReport,
    /// The variables that show a shell's environment: the common one, and those of users.
    pub environments: Vec<super::StampReport>,
    /// The actions, as the snapshot has them.
    pub actions: Vec<Arc<DeclaredAction>>,
}

/// An object that is not what its record says.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DamageReport {
    /// Its name in the store.
    pub object: ObjectName,
    /// What is wrong, in words.
    pub problem: String,
    /// "found", or with `--repair` "restored" or "quarantined".
    pub state: &'static str,
    /// Where the damaged object is now.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_path")]
    pub quarantine: Option<PathBuf>,
    /// Why it could not be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The managed targets that are affected.
    pub targets: Vec<String>,
    /// The ids of the snapshots that are affected.
    pub snapshots: Vec<SnapshotId>,
}

/// What `verify` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct VerifyReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// How many objects were checked.
    pub checked: usize,
    /// The objects that are damaged, or were before `--repair`.
    pub damaged: Vec<DamageReport>,
    /// How many of them are still damaged.
    pub broken: usize,
}

/// What a second build answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CheckReport {
    /// The derivation.
    pub derivation: DerivationReport,
    /// Whether it came out the same.
    pub reproducible: bool,
    /// The output that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The first file that differs, below the output.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_path")]
    pub file: Option<PathBuf>,
    /// How it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

pub(super) fn derivation_report(
    derivation: &Derivation,
    outputs: BTreeMap<String, PathBuf>,
) -> DerivationReport {
    let spec = &derivation.spec;
    DerivationReport {
        name: spec.name.to_string(),
        version: spec.version.as_ref().map(ToString::to_string),
        hash: derivation.hash,
        file: matches!(spec.recipe, Recipe::File(_)),
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

pub(super) fn displaced_report(backup: &Backup) -> DisplacedReport {
    DisplacedReport {
        target: Some(backup.target.clone()).filter(|target| !target.0.is_empty()),
        path: backup.path.clone(),
        kind: platform::kind_of(&backup.path.to_path()).ok().flatten().map(kind_word),
        created_at: Some(backup.created_at).filter(|moment| *moment > 0),
    }
}

fn kind_word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Special => "special",
    }
}

pub(super) fn action_report(step: &Step) -> ActionReport {
    let (runs_command, direction) = match step.work {
        Work::Effect { direction, .. } => (true, direction),
        _ => (false, Direction::Do),
    };
    let Description { target, name, detail } = step.shown().describe(direction);
    let is_always = step.activation.action.as_effect().is_some_and(|effect| effect.is_always());
    ActionReport {
        mark: step.mark,
        kind: step.activation.action.kind(),
        target,
        name,
        detail,
        may_change: step.may_change,
        replaces_existing: step.replaces.is_some(),
        replaces: step.replaces.clone(),
        keys: step.keys.iter().map(key_report).collect(),
        runs_command,
        undo: direction.is_undo(),
        always: is_always,
        service: service_report(step),
        package: match &step.work {
            Work::Package(fate) => Some(fate.clone()),
            _ => None,
        },
        diff: None,
        needs_build: false,
        user: step.activation.user.clone(),
        project: step.activation.project.as_ref().map(|project| project.name.clone()),
        positions: step.activation.positions.clone(),
    }
}

fn service_report(step: &Step) -> Option<ServiceReport> {
    let service = step.activation.action.as_service()?;
    let mut work = match &step.work {
        Work::Service(work) => work.clone(),
        _ => ServiceWork::default(),
    };
    let units: Vec<String> = service.units.iter().map(|unit| unit.name.clone()).collect();
    let directories = directories_of_others(service.scope);
    let is_of_others =
        |unit: &String| directories.iter().any(|above| platform::exists(&above.join(unit)));
    let is_new = step.mark == Mark::Add;
    let overrides = units.iter().filter(|unit| is_new && is_of_others(unit));
    let overrides: Vec<String> = overrides.cloned().collect();
    // What the distribution has of this name may run.
    for job in work.jobs.iter_mut().filter(|job| overrides.contains(&job.unit)) {
        if job.job == Job::Start {
            job.job = Job::Restart;
        }
    }
    Some(ServiceReport {
        scope: service.scope,
        overrides,
        units,
        work,
        dependents: Vec::new(),
        drop_ins: Vec::new(),
        at_login: false,
    })
}

/// Returns where systemd looks for units after ours: systemd.unit(5).
pub(super) fn directories_of_others(scope: Scope) -> Vec<PathBuf> {
    let (name, generated): (_, &[&str]) = match scope {
        Scope::System => ("system", &["/run/systemd/generator", "/run/systemd/generator.late"]),
        Scope::User => ("user", &[]),
    };
    let usual = ["/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];
    let usual = usual.iter().map(|above| Path::new(above).join(name));
    usual.chain(generated.iter().map(PathBuf::from)).collect()
}

fn key_report(change: &syslua_merge::Change) -> KeyReport {
    let text = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
    KeyReport { key: change.key.clone(), old: text(&change.old), new: text(&change.new) }
}

/// An object of a closure in a report.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ClosureObjectReport {
    /// Its name in the store.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "bytes::path")]
    pub path: PathBuf,
    /// The bytes of its files.
    pub size: u64,
}

/// What `export` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExportReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// The file that was written; absent on standard output.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bytes::optional_path")]
    pub file: Option<PathBuf>,
    /// The requested objects.
    pub roots: Vec<ObjectName>,
    /// All objects in the file, each after those it refers to.
    pub objects: Vec<ClosureObjectReport>,
    /// The bytes of the file.
    pub length: u64,
}

/// What `import closure` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// Always "closure".
    pub kind: &'static str,
    /// The platform of the machine that wrote it: "x86_64-linux".
    pub platform: String,
    /// The objects that were requested at the export.
    pub roots: Vec<RootReport>,
    /// The objects that are new, each after those it refers to.
    pub imported: Vec<ClosureObjectReport>,
    /// The objects that existed already.
    pub present: Vec<ObjectName>,
}

/// An object that a link keeps.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RootReport {
    /// Its name in the store.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "bytes::path")]
    pub path: PathBuf,
    /// The link that keeps it.
    #[serde(serialize_with = "bytes::path")]
    pub gc_root: PathBuf,
}
