//! Programs that run to their end, with all processes that they start.
//!
//! A program gets its own process group. When it ends or is stopped, every process that it left is
//! killed, on Linux also those in another group or session: while programs run, processes without a
//! parent become children of this process (`PR_SET_CHILD_SUBREAPER`), and are found there. Programs
//! are started by threads that do nothing else. This room does not know the purpose of programs.

use std::process::ExitStatus;
use std::time::Instant;

use crate::settings::Interrupt;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
pub(super) mod limits;
#[cfg(not(target_os = "linux"))]
mod no_reaper;
#[cfg(target_os = "linux")]
mod reaper;
#[cfg(not(target_os = "linux"))]
use no_reaper as reaper;

#[cfg(not(target_os = "linux"))]
pub use super::jail::start_in_jail;
#[cfg(target_os = "linux")]
pub use launch::{Start, close_on_exec, prepare_thread, start, start_in_jail};
pub use reaper::{Reaper, end_marked, end_user, missing as missing_leftovers};
pub use system::{Program, wait_for_program};
#[cfg(not(target_os = "linux"))]
pub use system::{prepare_thread, start};

/// Where bytes of a program come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Output,
    /// Its standard error.
    Error,
}

/// What a program is given, and when it has to end.
pub struct ProgramLimits<'a> {
    /// Its standard input.
    pub input: &'a [u8],
    /// When its time is over.
    pub deadline: Option<Instant>,
    /// Ends it when set.
    pub interrupt: &'a Interrupt,
    /// Whether this thread can signal only what it started: then leftovers are known by that.
    pub has_scoped_signals: bool,
    /// The user that only this build is, where it has one: then they are known by that.
    pub user: Option<u32>,
    /// Otherwise they are known by a file of this name that they inherit.
    pub mark: &'a str,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// On its own.
    Ended(ExitStatus),
    /// Its time was over.
    TimedOut,
    /// On an interrupt.
    Interrupted,
    /// The receiver of its output had enough.
    Refused,
}
