//! The side effects of a switch: each can be done, and taken back from what stands there.

pub mod command;
mod directories;
mod found;
pub mod target;

pub use directories::Directories;
pub use found::{Found, is_link_to, look};

use std::path::PathBuf;

use crate::platform;

/// Why a side effect failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// Somebody was faster.
    #[error("{} changed while it was applied: apply again", .0.display())]
    Changed(PathBuf),
    /// A command could not be started.
    #[error("`{command}` cannot be started: {reason}")]
    NotStarted {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// A command ended badly.
    #[error("`{command}` failed with {status}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        output: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}
