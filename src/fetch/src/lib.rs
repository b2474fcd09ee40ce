//! Downloads: web addresses, HTTP, downloads in parts, and commits of git.
//!
//! It knows neither what things must hash to nor where they are kept: bytes go to a
//! [`download::Target`], the files of a commit to a [`git::Destination`]. Settings, a flag to stop
//! and a function that takes progress are arguments; nothing is read from the environment.
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`url`], [`problem`], [`network`]: addresses, what goes wrong, the settings
//! - **F1** [`http`]: one request
//! - **F2** [`download`], [`git`]: whole files, whole commits
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests make files as they like"
    )
)]

pub mod network;
pub mod problem;
pub mod url;

pub mod http;

pub mod download;
pub mod git;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use http::Client;
pub use network::Network;
pub use problem::{Failure, Problem};
pub use url::Url;

/// What happens while something is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Bytes arrived.
    Received {
        /// Where from, without what is secret.
        url: &'a str,
        /// Bytes until now.
        bytes: u64,
        /// Bytes in all, when they are known.
        total: Option<u64>,
    },
    /// A try failed, and another one follows.
    Retrying {
        /// Where from.
        url: &'a str,
        /// Why.
        reason: &'a str,
        /// After how long.
        pause: Duration,
    },
}

/// Takes progress, from any thread.
pub type Report = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

fn is_set(interrupt: &AtomicBool) -> bool {
    interrupt.load(Ordering::Relaxed)
}
