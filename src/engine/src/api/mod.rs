//! The verbs: each a few lines over the floors below.

mod adopt;
mod altered;
mod altered_builds;
mod apply;
mod closure;
mod compare;
mod consistent_read;
mod derivation_diff;
mod destroy;
mod diff_report;
mod environment;
mod gc;
mod gc_roots;
mod history;
mod inspect;
mod old_snapshots;
mod own_content;
mod packages;
mod pins;
mod project;
mod prospect;
mod report;
#[cfg(test)]
mod report_schema;
mod rollback;
mod services;
mod status;
mod status_report;
mod text_diff;
mod usage;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::derivation::Derivation;
use crate::failure::{Explain, Failure, FailureKind, Mismatch};
use crate::generations::{self, Ahead};
use crate::hash::Hash;
use crate::names::SnapshotId;
use crate::platform::lock::Patience;
use crate::realize::{self, Tasks};
use crate::settings::{Settings, Stopped};
use crate::snapshot::Snapshot;
use crate::store::{self, Access, Outputs, Store};
use crate::{operation, switch};

pub use adopt::Taken;
pub use apply::{ApplyOptions, PlanOptions};
pub use closure::ExportTo;
pub use diff_report::{DerivationChange, DiffReport, Difference, SnapshotDiffReport};
pub use environment::{EnvironmentReport, ScriptReport, StampReport, VariableReport};
pub use gc::{GcFiles, GcObject, GcOptions, GcReport};
pub use gc_roots::{Holder, Roots};
pub use packages::PackageStateReport;
pub use project::{Entered, Look, LookKind};
pub use report::*;
pub use services::{ServiceStateReport, ServicesReport};
pub use status_report::{OldSnapshotsReport, StatusReport, TargetReport};
pub use usage::{HoldReport, HolderReport};
pub use verify::Rebuild;

/// What went wrong in a verb.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] crate::platform::Error),
    /// Realizing failed.
    #[error(transparent)]
    Realize(#[from] realize::Error),
    /// The switch was refused or undone.
    #[error(transparent)]
    Switch(#[from] switch::Error),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Generations(#[from] generations::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A closure was not written or read.
    #[error("{what}: {source}")]
    Closure {
        /// The intended action.
        what: String,
        /// Why it was not.
        source: store::closure::Error,
    },
    /// A switch is not finished, so its needs are unknown.
    #[error(
        "nothing was removed: {} is the journal of a switch that {}",
        path.display(), how_far(*is_confirmable)
    )]
    Unfinished {
        /// The journal.
        path: std::path::PathBuf,
        /// Whether it waits to be confirmed.
        is_confirmable: bool,
    },
    /// An interrupt came while garbage was removed.
    #[error("interrupted: some objects were deleted, and the others are intact")]
    Unswept,
    /// No derivation has such a hash.
    #[error("no derivation of this store has a hash that begins with {prefix}")]
    NoDerivation {
        /// The given value.
        prefix: String,
    },
    /// No snapshot has that number.
    #[error("there is no snapshot {0}")]
    NoSnapshot(SnapshotId),
    /// Nothing precedes the current snapshot.
    #[error("nothing was applied yet: there is no snapshot to go back to")]
    NothingBefore,
    /// What was resolved and built cannot be locked.
    #[error("{}; nothing was switched", .0.message)]
    NotLocked(Failure),
    /// A pin of the lock names a commit that its tree is not from.
    #[error("{}", .0.message)]
    WrongRev(Failure),
    /// Several derivations do.
    #[error("{count} derivations of this store have a hash that begins with {prefix}")]
    Ambiguous {
        /// The given value.
        prefix: String,
        /// How many.
        count: usize,
    },
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        match self {
            error if Stopped::caused(error) => FailureKind::Interrupted,
            Error::File(_) => FailureKind::Io,
            Error::Realize(error) => error.kind(),
            Error::Switch(error) => error.kind(),
            Error::Generations(error) => error.kind(),
            Error::Store(error) => error.kind(),
            Error::Closure { source, .. } => source.kind(),
            Error::Unfinished { .. } => FailureKind::Gc,
            Error::Unswept => FailureKind::Interrupted,
            Error::NoDerivation { .. } | Error::Ambiguous { .. } | Error::NoSnapshot(_) => {
                FailureKind::Usage
            }
            Error::NothingBefore => FailureKind::Engine,
            Error::NotLocked(failure) | Error::WrongRev(failure) => failure.kind,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Realize(error) => return error.hint(),
            Error::Switch(error) => return error.hint(),
            Error::Generations(error) => return error.hint(),
            Error::Store(error) => return error.hint(),
            Error::Closure { source, .. } => return source.hint(),
            Error::NotLocked(failure) | Error::WrongRev(failure) => return failure.hint.clone(),
            Error::Unfinished { is_confirmable: true, .. } => "`confirm` keeps what it did",
            Error::Unfinished { .. } => "run `apply` or `rollback` to end it first",
            Error::Unswept => "run `gc` again to continue",
            Error::NoSnapshot(_) => "`history` lists them",
            Error::NoDerivation { .. } | Error::Ambiguous { .. } => {
                "`list` and the names in store/drv/ show the hashes"
            }
            Error::File(_) | Error::NothingBefore => return None,
        };
        Some(text.to_owned())
    }
}

impl Error {
    /// Returns the failure as the user reads it.
    pub fn to_failure(&self) -> Failure {
        let kind = self.kind();
        match self {
            Error::NotLocked(failure) => Failure { message: self.to_string(), ..failure.clone() },
            Error::WrongRev(failure) => failure.clone(),
            Error::Switch(switch::Error::CutOff { .. }) | Error::Unswept => Failure::of(kind, self),
            _ if kind == FailureKind::Interrupted => Failure::interrupted(),
            Error::Realize(realize::Error::Build { derivation, failure }) => Failure {
                message: format!("cannot build {derivation}: {}", failure.message),
                ..failure.clone()
            },
            Error::Realize(realize::Error::Mismatches { mismatches }) => {
                Failure { mismatches: mismatches.clone(), ..Failure::of(kind, self) }
            }
            Error::Switch(error) => Failure {
                position: error.positions().first().cloned(),
                details: error.output(),
                ..Failure::of(kind, error)
            },
            other => Failure::of(kind, other),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        error.to_failure()
    }
}

fn how_far(is_confirmable: bool) -> &'static str {
    if is_confirmable { "waits to be confirmed" } else { "was cut off" }
}

/// Returns the failure of an operation as the user reads it.
pub fn operation_failure(error: &operation::Error) -> Failure {
    let mut failure = Failure::of(error.kind(), error);
    if let operation::Error::WrongHash { url, declared, received, .. } = error {
        let (expected, found) = (declared.to_hex(), received.to_hex());
        failure.mismatches.push(Mismatch { position: None, url: url.clone(), expected, found });
    }
    if let operation::Error::Failed { output, .. } = error {
        failure.details = Some(output.clone()).filter(|output| !output.is_empty());
    }
    failure
}

/// The engine on one root.
pub struct Engine {
    settings: Settings,
    store: Store,
    /// The current snapshot, if a thread began to read it.
    ahead: Mutex<Option<Ahead>>,
}

impl Engine {
    /// Makes an engine on a root, which need not be there.
    ///
    /// # Errors
    /// When the root is another user's.
    pub fn open(settings: Settings, access: Access) -> Result<Engine, Error> {
        let patience =
            Patience { timeout: settings.lock_timeout, interrupt: settings.interrupt.clone() };
        let store = Store::new(&settings.root).with_patience(patience);
        store::check_owner(&store, access)?;
        if access == Access::Work {
            // What is wrong with the root is told by what works in it.
            let _ = store::shared::protect_lifted(&store);
        }
        Ok(Engine { settings, store, ahead: Mutex::default() })
    }

    /// Returns the same engine with the applied snapshot, which it need not read again while that
    /// stays current.
    #[must_use]
    pub fn with_current(self, ahead: Option<Ahead>) -> Engine {
        Engine { ahead: Mutex::new(ahead), ..self }
    }

    /// Returns the applied snapshot.
    fn current(&self) -> Result<Snapshot, generations::Error> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        let current = ahead.and_then(|ahead| ahead.take(&self.store));
        current.map_or_else(|| generations::current(&self.store), Ok)
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Realizes derivations, and returns the objects of all that were looked at; `derivations` are
    /// all that are known, each after its dependencies.
    ///
    /// # Errors
    /// When one or something it needs cannot be built.
    pub fn build(
        &self,
        derivations: &[Arc<Derivation>],
        wanted: &BTreeSet<Hash>,
        tasks: &mut dyn Tasks,
    ) -> Result<BTreeMap<Hash, Outputs>, Error> {
        self.check_revs()?;
        let known = BTreeMap::new();
        let realized =
            realize::realize(&self.store, &self.settings, derivations, wanted, known, tasks)?;
        // What cannot be remembered is only suspect.
        let _ = store::memory::take_over_stamps(&self.store);
        Ok(realized.outputs)
    }
}
