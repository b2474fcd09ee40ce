//! Confining a program: what it may read, write, and whether it may use the network.
//!
//! A thread confines itself, then each program that it starts confines itself more: both for good,
//! whatever the program is. The other threads are not confined. On Linux this is Landlock, which
//! knows files, TCP and signals, and a filter of system calls for all other networks. Elsewhere
//! nothing can be enforced. It does not know what builds are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
use landlock as system;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod keeper;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod mounts;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod processes;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod shared;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod steps;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system_call;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod view;

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod no_namespaces;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use keeper::{Keeper, Refused};
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub use no_namespaces::{Keeper, Machine, Refused, Step, Template, View};
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use steps::Step;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use view::{Machine, Template, View};

#[cfg(not(target_os = "linux"))]
pub use no_namespaces::start_in_jail;
pub use system::{Base, Confinement, Places, support};

/// What a program may touch besides the directories of the system. What does not exist is left out.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Directories of objects, which all programs of a build may read and execute.
    pub read: Vec<PathBuf>,
    /// Files and trees that this program may read and execute besides.
    pub more: Vec<PathBuf>,
    /// Trees that it may read, execute and change.
    pub write: Vec<PathBuf>,
    /// Whether it may use the network.
    pub network: bool,
    /// A directory that no build sees: its own root is mounted there.
    pub covered: PathBuf,
    /// The user that it runs as, if it is another one.
    pub user: Option<u32>,
}

/// What this system can enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Support {
    /// The version of Landlock's interface; 0 for none.
    pub landlock: i32,
    /// Whether system calls can be filtered.
    pub filter: bool,
}

/// How far a program was confined.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    schemars::JsonSchema,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Unknown here: it was built elsewhere.
    #[default]
    Unknown,
    /// Not at all.
    Off,
    /// By less than what [`Level::Landlock`] promises.
    Partial,
    /// By Landlock and a filter of system calls.
    #[serde(alias = "enforced")]
    Landlock,
    /// By namespaces too, or there was no program.
    Namespaces,
}

/// Before it, a program can cut off any file that its user may write.
const LANDLOCK_WITH_TRUNCATE: i32 = 3;
/// From it on, signals stay inside, also those of the thread that confined itself.
const LANDLOCK_WITH_SCOPES: i32 = 6;

impl Support {
    /// Returns how far programs are confined here.
    pub fn level(self) -> Level {
        match self {
            Support { landlock: LANDLOCK_WITH_TRUNCATE.., filter: true } => Level::Landlock,
            Support { landlock: ..=0, filter: false } => Level::Off,
            _ => Level::Partial,
        }
    }

    /// Returns what cannot be enforced here, in words; `None` when everything that is promised can
    /// be.
    pub fn missing(self) -> Option<String> {
        let files = match self.landlock {
            ..=0 => Some(
                "this system has no Landlock (Linux 5.13), so that programs can read and write \
                 every file",
            ),
            1..LANDLOCK_WITH_TRUNCATE => Some(
                "the Landlock of this system is older than Linux 6.2, so that programs can \
                 truncate every file",
            ),
            _ => None,
        };
        let network = (!self.filter).then_some(
            "this system does not filter system calls (seccomp), so that programs can use \
             the network",
        );
        let missing: Vec<&str> = files.into_iter().chain(network).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    /// Returns whether a confined thread can signal only what it started itself.
    pub fn has_scoped_signals(self) -> bool {
        self.landlock >= LANDLOCK_WITH_SCOPES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_and_lowers_the_level() {
        let level = |landlock, filter| {
            let support = Support { landlock, filter };
            assert_eq!(support.missing().is_none(), support.level() == Level::Landlock);
            support.level()
        };
        assert_eq!(level(0, false), Level::Off);
        assert_eq!(level(0, true), Level::Partial);
        assert_eq!(level(2, true), Level::Partial);
        assert_eq!(level(3, false), Level::Partial);
        assert_eq!(level(3, true), Level::Landlock);
        assert_eq!(level(7, true), Level::Landlock);
        assert!(!Support { landlock: 5, filter: true }.has_scoped_signals());
    }
}
