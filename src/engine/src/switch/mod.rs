//! The switch: the difference between a manifest and what is applied, and making it so.
//!
//! Only this module changes the system outside of the root, only under the switch lock.

mod perform;
pub mod plan;
mod targets;
mod write;

pub use perform::{Switched, switch};
pub use targets::Targets;

use std::path::PathBuf;

use crate::names::Placeholder;
use crate::platform;
use crate::platform::lock::LockError;
use crate::{generations, store};

/// Why a switch was refused or undone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Generations(#[from] generations::Error),
    /// The lock was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Something that is not ours stands at a target.
    #[error("{} exists and was not put there by sys.lua: it is {found}", target.display())]
    Occupied {
        /// The target.
        target: PathBuf,
        /// What stands there, in words.
        found: String,
        /// Who declares the target.
        positions: Vec<String>,
    },
    /// Two declarations of one target.
    #[error("{} is declared twice, with different sources:\n  {first}\n  {second}", target.display())]
    Conflict {
        /// The target.
        target: PathBuf,
        /// The first declaration: source and position.
        first: String,
        /// The second one.
        second: String,
        /// Who made the second one.
        positions: Vec<String>,
    },
    /// A target below another one, which is a link.
    #[error("{} lies below {}, which is declared as a link at {above_position}", target.display(), above.display())]
    BelowLink {
        /// The target.
        target: PathBuf,
        /// The link.
        above: PathBuf,
        /// Who declares the link.
        above_position: String,
        /// Who declares the target.
        positions: Vec<String>,
    },
    /// A target that names no place.
    #[error("the target {given:?} is not absolute: begin it with / or ~/")]
    Relative {
        /// The target.
        given: String,
        /// Who declares it.
        positions: Vec<String>,
    },
    /// A placeholder of a derivation that the manifest does not have.
    #[error("an action holds the placeholder {placeholder} of a derivation that is not part of this manifest")]
    Placeholder {
        /// The placeholder.
        placeholder: Placeholder,
        /// Who recorded the action.
        positions: Vec<String>,
    },
    /// Something of what was done could not be undone.
    #[error("{cause}; and taking back what was done failed: {}", failed.join("; "))]
    HalfUndone {
        /// What ended the switch.
        cause: String,
        /// What was left.
        failed: Vec<String>,
    },
}

impl Error {
    /// Returns the positions of the user's files that have to do with it.
    pub fn positions(&self) -> &[String] {
        match self {
            Error::Occupied { positions, .. }
            | Error::Conflict { positions, .. }
            | Error::BelowLink { positions, .. }
            | Error::Relative { positions, .. }
            | Error::Placeholder { positions, .. } => positions,
            _ => &[],
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Occupied { target, .. } => {
                Some(format!("move it away (mv {0} {0}.before) and apply again", target.display()))
            }
            Error::Conflict { .. } => Some("remove one of the two declarations".to_owned()),
            Error::BelowLink { .. } => Some("link the directory or the files in it, not both".to_owned()),
            _ => None,
        }
    }
}
