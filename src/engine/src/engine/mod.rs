//! The verbs: each a few lines over the floors below.

mod adopt;
mod altered;
mod apply;
mod calm;
mod closure;
mod compare;
mod derivation_diff;
mod destroy;
mod diff_report;
mod environment;
mod gc;
mod history;
mod hold;
mod inspect;
mod old_snapshots;
mod packages;
mod pins;
mod plain;
mod project;
mod prospect;
mod report;
mod rollback;
mod roots;
mod services;
mod status;
mod status_report;
mod text_diff;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::derivation::Derivation;
use crate::failure::{Failure, Mismatch, chain};
use crate::generations::{self, Ahead};
use crate::hash::Hash;
use crate::names::SnapshotId;
use crate::platform::lock::{LockError, Patience};
use crate::realize::{self, Tasks};
use crate::settings::{Event, Settings, Stopped};
use crate::snapshot::Snapshot;
use crate::store::{self, Access, Outputs, Store};
use crate::{operation, switch};

pub use adopt::Taken;
pub use apply::{ApplyOptions, PlanOptions};
pub use closure::ExportTo;
pub use diff_report::{DerivationChange, DiffReport, Difference, SnapshotDiffReport};
pub use environment::{EnvironmentReport, ScriptReport, StampReport, VariableReport};
pub use gc::{GcFiles, GcObject, GcOptions, GcReport};
pub use hold::{HoldReport, HolderReport};
pub use packages::PackageStateReport;
pub use project::{Entered, Look, LookKind};
pub use report::*;
pub use roots::{Holder, Roots};
pub use services::{ServiceStateReport, ServicesReport};
pub use status_report::{OldSnapshotsReport, StatusReport, TargetReport};
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

impl Error {
    /// Returns the failure as the user reads it.
    pub fn to_failure(&self) -> Failure {
        match self {
            error if Stopped::caused(error) => interrupted(),
            Error::Realize(realize::Error::Build { failure, .. })
                if failure.kind == "interrupted" =>
            {
                interrupted()
            }
            Error::Realize(realize::Error::Build { derivation, failure }) => {
                let mut failure = failure.clone();
                failure.message = format!("cannot build {derivation}: {}", failure.message);
                failure
            }
            Error::NotLocked(failure) => Failure { message: self.to_string(), ..failure.clone() },
            Error::WrongRev(failure) => failure.clone(),
            Error::Realize(realize::Error::Mismatches { mismatches }) => Failure {
                hint: Some(
                    "if you trust the received content, write the received hashes in the config"
                        .to_owned(),
                ),
                mismatches: mismatches.clone(),
                ..Failure::new("build", self.to_string())
            },
            Error::Realize(
                realize::Error::Interrupted
                | realize::Error::Store(store::Error::Lock(LockError::Interrupted)),
            )
            | Error::Store(store::Error::Lock(LockError::Interrupted)) => interrupted(),
            Error::Switch(error @ switch::Error::CutOff { .. }) => {
                Failure { hint: error.hint(), ..Failure::new("interrupted", error.to_string()) }
            }
            Error::Switch(error) if error.is_interruption() => interrupted(),
            Error::Switch(switch::Error::Lock(LockError::Busy { .. }))
            | Error::Realize(
                realize::Error::Busy { .. }
                | realize::Error::Store(store::Error::Lock(LockError::Busy { .. })),
            )
            | Error::Store(store::Error::Lock(LockError::Busy { .. })) => {
                Failure::new("locked", chain(self)).with_hint(WAIT_LONGER)
            }
            Error::Switch(switch::Error::Lock(LockError::Inside { .. }))
            | Error::Realize(realize::Error::Store(store::Error::Lock(LockError::Inside {
                ..
            })))
            | Error::Store(store::Error::Lock(LockError::Inside { .. })) => {
                Failure::new("locked", chain(self)).with_hint(INSIDE)
            }
            Error::Switch(error) => {
                let mut failure =
                    Failure::new("switch", chain(error)).at(error.positions().first().cloned());
                failure.hint = error.hint();
                failure.details = error.output();
                failure
            }
            Error::Closure { source, .. } if source.is_interruption() => interrupted(),
            Error::Closure { source, .. } if source.is_busy() => {
                Failure::new("locked", chain(self)).with_hint(WAIT_LONGER)
            }
            Error::Closure { source, .. } => {
                let mut failure = Failure::new("closure", chain(self));
                failure.hint = source.hint();
                failure
            }
            Error::Generations(
                generations::Error::Snapshot { .. } | generations::Error::Current(_),
            ) => Failure::new("engine", chain(self)).with_hint(
                "`rollback ID` goes to a snapshot that can be read: `history` lists them",
            ),
            Error::Unfinished { is_confirmable: true, .. } => {
                Failure::new("gc", self.to_string()).with_hint("`confirm` keeps what it did")
            }
            Error::Unfinished { .. } => Failure::new("gc", self.to_string())
                .with_hint("run `apply` or `rollback` to end it first"),
            Error::Unswept => Failure::new("interrupted", self.to_string())
                .with_hint("run `gc` again to continue"),
            Error::NoSnapshot(_) => {
                Failure::new("usage", self.to_string()).with_hint("`history` lists them")
            }
            Error::NoDerivation { .. } | Error::Ambiguous { .. } => {
                Failure::new("usage", self.to_string())
                    .with_hint("`list` and the names in store/drv/ show the hashes")
            }
            Error::Store(error @ (store::Error::Foreign { .. } | store::Error::Linked { .. })) => {
                Failure { hint: error.hint(), ..Failure::new("usage", error.to_string()) }
            }
            Error::File(error) => Failure::new("io", chain(error)),
            other => Failure::new("engine", chain(other)),
        }
    }
}

const INSIDE: &str = "a command of an activation cannot change the root that it belongs to: \
                      run this after the apply";
const WAIT_LONGER: &str = "wait until it ends, or wait longer with --lock-timeout";

fn how_far(is_confirmable: bool) -> &'static str {
    if is_confirmable { "waits to be confirmed" } else { "was cut off" }
}

fn interrupted() -> Failure {
    Failure::new("interrupted", "interrupted: nothing was changed")
}

/// Returns the failure of an operation as the user reads it.
pub fn operation_failure(error: &operation::Error) -> Failure {
    let kind = if matches!(error, operation::Error::Interrupted) || Stopped::caused(error) {
        "interrupted"
    } else {
        "build"
    };
    let mut failure = Failure::new(kind, chain(error));
    failure.hint = error.hint();
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
        on_event: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Hash, Outputs>, Error> {
        self.check_revs(on_event)?;
        let known = BTreeMap::new();
        let realized = realize::realize(
            &self.store,
            &self.settings,
            derivations,
            wanted,
            known,
            tasks,
            on_event,
        )?;
        // What cannot be remembered is only suspect.
        let _ = store::memory::take_over_stamps(&self.store);
        Ok(realized.outputs)
    }
}
