//! The reports of the public functions, as data.
//!
//! It is over 600 lines, because all that `--json` can print is described here, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use syslua_packages::package::Item;
use syslua_services::declaration::Scope;
use syslua_services::manager::Job;

use super::plain;
use crate::action::Description;
use crate::activation::Activation;
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
#[derive(Debug, Serialize)]
pub struct DerivationReport {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its hash.
    pub hash: Hash,
    /// Whether it is a file or tree that is given as data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
    /// Where its outputs are, once they are built.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "plain::named_paths")]
    pub outputs: BTreeMap<String, PathBuf>,
}

/// A key that changes in a file that a program owns too.
#[derive(Debug, Serialize)]
pub struct KeyReport {
    /// The key, as people write it: `editor.size`.
    pub key: String,
    /// Its value before, as JSON; nothing, when it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Its value after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// An action in a report.
#[derive(Debug, Serialize)]
pub struct ActionReport {
    /// What happens to it.
    pub mark: Mark,
    /// Its kind.
    pub kind: &'static str,
    /// Its target, as the config has it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_text")]
    pub target: Option<Text>,
    /// The name of its variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it puts there.
    #[serde(serialize_with = "plain::text")]
    pub detail: Text,
    /// Whether it names content that is not built yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_change: bool,
    /// Whether something of the user's is moved to the backups.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replaces_existing: bool,
    /// What that is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The keys that change in a file that a program owns too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyReport>,
    /// Whether a command runs, which may do anything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub runs_command: bool,
    /// Whether it is the command that undoes another one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// Whether the command runs at each apply.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// What is asked of the manager of services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceReport>,
    /// What becomes of a package of the system, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// How the content of a file changes, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Whether that was asked for and only a build can tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_build: bool,
    /// The user that `user{}` scopes it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of the project that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Who declared it.
    pub positions: Positions,
}

/// A service in a plan.
#[derive(Debug, Serialize)]
pub struct ServiceReport {
    /// Whose it is.
    pub scope: Scope,
    /// Its units.
    pub units: Vec<String>,
    /// The jobs of its units, and why.
    #[serde(flatten)]
    pub work: ServiceWork,
    /// Units of the distribution that it takes the place of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Other units, which stop with it since they require it, and start again after that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<String>,
    /// Files of others that add to its units.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "plain::paths")]
    pub drop_ins: Vec<PathBuf>,
    /// Whether it starts when the user logs in: the user's manager does not run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_login: bool,
}

/// What a package manager would do, as it says itself.
#[derive(Debug, Serialize)]
pub struct PackagesReport {
    /// The manager.
    pub manager: &'static str,
    /// What it would install.
    pub install: Vec<Item>,
    /// What it would give another version.
    pub change: Vec<Item>,
    /// What it would remove.
    pub remove: Vec<Item>,
    /// What is not declared any more and stays, each with the package that needs it.
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
#[derive(Debug, Serialize)]
pub struct PendingReport {
    /// `running`, `interrupted` or `unconfirmed`.
    pub state: &'static str,
    /// The snapshot before it.
    pub from: SnapshotId,
    /// The snapshot that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<SnapshotId>,
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// The process that began it.
    pub process: u32,
    /// Until when it can be confirmed, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
}

/// A snapshot in a report.
#[derive(Debug, Serialize)]
pub struct SnapshotReport {
    /// Its number.
    pub id: SnapshotId,
    /// When it was made, in seconds since the epoch.
    pub created_at: u64,
    /// The entry file.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_path")]
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
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// What would be built.
    pub realize: Vec<DerivationReport>,
    /// What would be done, in order.
    pub actions: Vec<ActionReport>,
    /// Whether the environment of shells changes.
    pub environment_changed: bool,
    /// What package managers would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackagesReport>,
    /// Services that are left as they are, since that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services_left_out: Vec<String>,
    /// A switch that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}

/// What `apply` answers.
#[derive(Debug, Serialize)]
pub struct ApplyReport {
    /// The plan that was performed.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Whether anything was done.
    pub applied: bool,
    /// The built derivations.
    pub built: Vec<DerivationReport>,
    /// The snapshot that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_snapshot: Option<SnapshotId>,
    /// Edits of managed targets that were moved away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<DisplacedReport>,
    /// The script that shells source.
    #[serde(serialize_with = "plain::path")]
    pub env_script: PathBuf,
    /// Until when it can be confirmed, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
    /// What distinguishes a switch that waits to be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

/// What `rollback` answers.
#[derive(Debug, Serialize)]
pub struct RollbackReport {
    /// The plan, or the performed part of it.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// The snapshot that is gone back to.
    pub to: SnapshotReport,
    /// Whether it was done.
    pub applied: bool,
    /// Edits of managed targets that were moved away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<DisplacedReport>,
    /// The script that shells source.
    #[serde(serialize_with = "plain::path")]
    pub env_script: PathBuf,
}

/// What `destroy` answers.
#[derive(Debug, Serialize)]
pub struct DestroyReport {
    /// The plan, or the performed part of it.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Whether it was done.
    pub applied: bool,
    /// Whether there was a root at all.
    pub exists: bool,
    /// Whether the root is gone.
    pub removed: bool,
    /// Edits of managed targets, which stay.
    pub displaced: Vec<DisplacedReport>,
    /// Originals that cannot be restored, because other files are at their targets.
    pub stuck: Vec<DisplacedReport>,
    /// Unknown files in the root, which stay.
    #[serde(serialize_with = "plain::paths")]
    pub unknown: Vec<PathBuf>,
}

/// What a snapshot changed, in short.
#[derive(Debug, Serialize)]
pub struct ChangesReport {
    /// How many actions came.
    pub added: usize,
    /// How many changed.
    pub changed: usize,
    /// How many went.
    pub removed: usize,
    /// The first of them.
    pub first: Vec<ChangeReport>,
}

impl ChangesReport {
    /// How many of them are named.
    pub const SHOWN: usize = 5;
    /// When there are more, directories are named instead of targets.
    pub const MANY: usize = 30;
}

/// An action that changed.
#[derive(Debug, Serialize)]
pub struct ChangeReport {
    /// What happened to it.
    pub mark: Mark,
    /// Its target, else the name or value that it is about.
    #[serde(serialize_with = "plain::text")]
    pub what: Text,
}

/// A snapshot among others.
#[derive(Debug, Serialize)]
pub struct HistoryEntry {
    /// What is known of it.
    #[serde(flatten)]
    pub snapshot: SnapshotReport,
    /// The snapshot that was current when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// Whether it is applied.
    pub current: bool,
    /// How many targets it manages.
    pub targets: usize,
    /// How many actions it has in all.
    pub actions: usize,
    /// How many derivations it holds.
    pub derivations: usize,
    /// What it changed, unless the one before is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesReport>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What `history` answers.
#[derive(Debug, Serialize)]
pub struct HistoryReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The snapshots, oldest first.
    pub snapshots: Vec<HistoryEntry>,
    /// A switch that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}

/// What `confirm` answers.
#[derive(Debug, Serialize)]
pub struct ConfirmReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The snapshot that stays.
    pub snapshot: SnapshotReport,
}

/// Something of the user's that was moved away from a managed target.
#[derive(Debug, Serialize)]
pub struct DisplacedReport {
    /// Its target.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_text")]
    pub target: Option<Text>,
    /// Where it is now.
    #[serde(serialize_with = "plain::text")]
    pub path: Text,
    /// Its kind: `file`, `directory`, `symlink` or `special`; absent when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// When it was moved, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
}

/// An object in a report.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    /// The object's name in the store.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "plain::path")]
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
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The objects, in the order of their names.
    pub objects: Vec<ObjectReport>,
    /// Those whose record is missing or cannot be read.
    pub unreadable: Vec<UnreadableReport>,
}

/// An object without known facts; it only exists.
#[derive(Debug, Serialize)]
pub struct UnreadableReport {
    /// Its name.
    pub object: ObjectName,
    /// What is wrong with its record.
    pub problem: String,
}

/// What `info` answers.
#[derive(Debug, Serialize)]
pub struct InfoReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
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

/// The applied actions.
#[derive(Debug, Serialize)]
pub struct ActionsReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// What is applied.
    pub snapshot: SnapshotReport,
    /// The variables that show a shell's environment: the common one, and those of users.
    pub environments: Vec<super::StampReport>,
    /// The actions, as the snapshot has them.
    pub actions: Vec<Arc<Activation>>,
}

/// An object that is not what its record says.
#[derive(Debug, Serialize)]
pub struct DamageReport {
    /// The object.
    pub object: ObjectName,
    /// What is wrong.
    pub problem: String,
    /// The result: `found`, `restored` or `quarantined`.
    pub state: &'static str,
    /// Where its damaged bytes are now.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_path")]
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
    #[serde(serialize_with = "plain::path")]
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
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_path")]
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
    let (runs_command, undo) = match step.work {
        Work::Effect { undo, .. } => (true, undo),
        _ => (false, false),
    };
    let Description { target, name, detail } = step.shown().describe(undo);
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
        undo,
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
#[derive(Debug, Serialize)]
pub struct ClosureObjectReport {
    /// Its name.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "plain::path")]
    pub path: PathBuf,
    /// The bytes of its files.
    pub size: u64,
}

/// What `export` answers.
#[derive(Debug, Serialize)]
pub struct ExportReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The file that was written; absent when the caller took the bytes.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain::optional_path")]
    pub file: Option<PathBuf>,
    /// The objects that were asked for.
    pub roots: Vec<ObjectName>,
    /// All objects in the closure, each after those it refers to.
    pub objects: Vec<ClosureObjectReport>,
    /// The length of the closure in bytes.
    pub length: u64,
}

/// What `import closure` answers.
#[derive(Debug, Serialize)]
pub struct ImportReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// The imported objects.
    pub kind: &'static str,
    /// The platform of the machine that wrote the closure.
    pub platform: String,
    /// The objects that were asked for when it was written, and that are kept.
    pub roots: Vec<RootReport>,
    /// What is new.
    pub imported: Vec<ClosureObjectReport>,
    /// The existing objects.
    pub present: Vec<ObjectName>,
}

/// An object that a link keeps.
#[derive(Debug, Serialize)]
pub struct RootReport {
    /// Its name.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "plain::path")]
    pub path: PathBuf,
    /// The link that keeps it: without it, the next garbage collection deletes it.
    #[serde(serialize_with = "plain::path")]
    pub gc_root: PathBuf,
}
