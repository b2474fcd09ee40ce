//! From derivations to objects: builds run side by side, driven from one thread.

mod build;
mod check;
mod file;
mod fixed_output;
mod pinning;
mod pool;
mod recorder;
mod scheduler;
mod slots;
mod substitute;

pub use build::Build;
pub use check::{Difference, check};
pub use pinning::{Refreshed, agrees, check_revs, refresh as refresh_pins};
pub use pool::panic_text;
pub use recorder::Recorder;
pub use scheduler::{Realization, realize, realize_ahead};
pub use slots::Slots;

use crate::derivation::Derivation;
use crate::failure::{Explain, Failure, FailureKind, Mismatch};
use crate::operation::{Error as OperationError, Request, Response};
use crate::platform::lock::{LockError, WAIT_LONGER, by_whom};
use crate::store;
use std::sync::Arc;

/// A build's own program, which asks for operations one after the other.
pub trait Task {
    /// Continues until the next request or the end. `answer` is the answer to the last request,
    /// `None` at first.
    fn resume(&mut self, answer: Option<Result<Response, OperationError>>) -> Step;
}

/// How far a task got.
#[derive(Debug)]
pub enum Step {
    /// It asks for an operation.
    Request(Request),
    /// It is finished.
    Finished,
    /// It could not wait for an operation: run it again from the start, with operations in place.
    Restart,
    /// It failed.
    Failed(Failure),
}

/// Makes the tasks of derivations.
pub trait Tasks {
    /// Begins the task of a derivation; with `in_place` it performs its operations itself, by
    /// [`Build::perform`], and never asks.
    ///
    /// # Errors
    /// When there is nothing to run for this derivation.
    fn begin(&mut self, build: Arc<Build>, in_place: bool) -> Result<Box<dyn Task>, Failure>;

    /// Is called when all builds are over and nothing is switched yet.
    ///
    /// # Errors
    /// When nothing is to be switched.
    fn built(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why a derivation was not realized.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its build failed.
    #[error("{}", failure.message)]
    Build {
        /// The derivation's name, with its version.
        derivation: String,
        /// What happened.
        failure: Failure,
    },
    /// Several contents differ from their declarations.
    #[error("{}", list(mismatches))]
    Mismatches {
        /// Them, by their positions.
        mismatches: Vec<Mismatch>,
    },
    /// What it left could not be published.
    #[error("cannot store {derivation}: {source}")]
    Import {
        /// The derivation's name, with its version.
        derivation: String,
        /// Why.
        source: store::Error,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A dependency is not among the derivations of the manifest.
    #[error("the derivation {0} is needed and not part of this manifest")]
    Unknown(crate::hash::Hash),
    /// Another process builds it, and the time to wait is over.
    #[error("{derivation} is being built by {}", by_whom(*pid))]
    Busy {
        /// The derivation's name, with its version.
        derivation: String,
        /// Who builds it, when the system tells.
        pid: Option<u32>,
    },
    /// There is no user for a build of root.
    #[error("builds of root have no user on this machine: {0}")]
    NoUser(#[from] crate::platform::build_users::Error),
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
    /// The threads for operations could not be started.
    #[error("cannot start threads: {0}")]
    Threads(String),
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Error::Build { failure, .. } => failure.kind,
            Error::Mismatches { .. } => FailureKind::Build,
            Error::Store(error) => error.kind(),
            Error::Busy { .. } => FailureKind::Locked,
            Error::Interrupted => FailureKind::Interrupted,
            Error::Import { .. } | Error::Unknown(_) | Error::NoUser(_) | Error::Threads(_) => {
                FailureKind::Engine
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Mismatches { .. } => Some(
                "if you trust the received content, write the received hashes in the config"
                    .to_owned(),
            ),
            Error::Store(error) => error.hint(),
            Error::Busy { .. } => Some(WAIT_LONGER.to_owned()),
            _ => None,
        }
    }
}

/// Returns the error of a derivation's lock that was not obtained.
fn busy(derivation: &Derivation, error: LockError) -> Error {
    match error {
        LockError::Busy { pid, .. } => Error::Busy { derivation: derivation.title(), pid },
        LockError::Interrupted => Error::Interrupted,
        error @ LockError::Inside { .. } => store::Error::from(error).into(),
        LockError::File(error) => store::Error::from(error).into(),
    }
}

/// Returns the lines that name mismatches.
fn list(mismatches: &[Mismatch]) -> String {
    let count = match mismatches.len() {
        1 => "1 hash is wrong:".to_owned(),
        count => format!("{count} hashes are wrong:"),
    };
    let lines = mismatches.iter().map(Mismatch::lines);
    std::iter::once(count).chain(lines).collect::<Vec<_>>().join("\n")
}
