//! Actions: the changes of an activation to a system. Each kind is one file, which knows its form
//! in JSON, its words, and how it is observed, planned, performed and undone; a new one is a file
//! beside this one and a line in the list. The switch decides what is done, and when.

mod absent;
mod alias;
mod change;
mod command;
mod contents;
mod declared_keys;
mod directories;
mod directory;
mod drift;
mod file;
mod function;
mod key;
mod kind;
mod link;
#[macro_use]
mod list;
mod merge;
pub mod merging;
mod observed;
mod package;
mod path_entry;
mod script;
mod secret;
mod secret_script;
mod service;
pub mod target;
mod tree;
mod variable;

pub use absent::Absent;
pub use alias::Alias;
pub use change::{After, Before, Rights, Role, TargetChange, Undone};
pub use command::{Command, Run, run_to_its_end};
pub use contents::Contents;
pub use declared_keys::{DeclaredKey, DeclaredValue, Edit, Planned, Untouched};
pub use directories::Directories;
pub use directory::{Directory, insisted_mode};
pub use drift::{Accounts, Aspect, Drift, Observer};
pub use file::{File, digest_of, is_executable};
pub use function::Function;
pub use key::{KEY as SECRET_KEY, Key, put_once};
pub use kind::{
    Addition, Direction, EffectKind, EnvironmentKind, Kind, Properties, Surroundings, TargetKind,
};
pub use link::Link;
pub use list::Description;
pub use merge::Merge;
pub use observed::{Observed, is_link_to, observe};
pub use package::{Package, PackageKind};
pub use path_entry::PathEntry;
pub use script::Script;
pub use secret::{Named, Part, Reference, Secret, without_links};
pub use secret_script::SecretScript;
pub use service::{OnSwitch, Service, ServiceKind, ServiceUnit};
pub use tree::Tree;
pub use variable::Variable;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::failure::Explain;
use crate::platform;
use crate::value::Text;

kinds! {
    /// A target.
    Target as TargetKind {
        "symlink" => Link,
        "install" => File,
        "directory" => Directory,
        "absent" => Absent,
        "merge" => Merge,
        "secret" => Secret,
        "tree" => Tree,
    }
    /// Part of the environment of shells.
    Environment as EnvironmentKind {
        "add_to_path" => PathEntry,
        "set_alias" => Alias,
        "set_function" => Function,
        "source_in_shell" => Script,
        "source_secret_in_shell" => SecretScript,
        "set_variable" => Variable,
    }
    /// Something else is done.
    Effect as EffectKind {
        "run" => Run,
    }
    /// A service runs.
    Enablement as ServiceKind {
        "enable_service" => Service,
    }
    /// A package of the system is installed.
    Requirement as PackageKind {
        "package" => Package,
    }
}

/// Why a side effect failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// Another process was faster.
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
    /// The path to install is not a file.
    #[error("cannot install {}: {found}", path.display())]
    NoFile {
        /// What is to be installed.
        path: PathBuf,
        /// Its kind.
        found: &'static str,
    },
    /// What is to be installed leads out of the store: only a build can have made such a link.
    #[error(
        "cannot install {}: it leads to {}, outside of the store",
        path.display(),
        end.display()
    )]
    LeadsOut {
        /// What is to be installed.
        path: PathBuf,
        /// The file at the end of its links.
        end: PathBuf,
    },
    /// A mode, owner or group that cannot be.
    #[error("there is no {what} {given:?}")]
    Unusable {
        /// Which of them.
        what: &'static str,
        /// The given value.
        given: String,
    },
    /// A file for another user, without the right to make one.
    #[error("only root can give a file to another user, here {owner}")]
    NotRoot {
        /// Its owner.
        owner: String,
    },
    /// A secret is to be written whose value was not decrypted before the switch.
    #[error("a secret changed while it was applied: apply again")]
    NotDecrypted,
    /// A file that cannot be merged into.
    #[error("{}:{}{problem}", path.display(), gap(problem))]
    Unmergeable {
        /// The file.
        path: PathBuf,
        /// Why not, after the line and column.
        problem: syslua_merge::Problem,
    },
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// Returns what is between a path and a problem: the line and column follow it directly.
fn gap(problem: &syslua_merge::Problem) -> &'static str {
    if matches!(problem, syslua_merge::Problem::Syntax { .. }) { "" } else { " " }
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Error::NoFile { .. } => "ctx.install takes one file; ctx.symlink links directories too",
            Error::LeadsOut { .. } => {
                "a build must copy what it gives; a file of this machine is the `source` of a \
                 `file{}` itself"
            }
            Error::NotRoot { .. } => "leave `owner` out, or apply as root",
            Error::Unusable { what: "mode", .. } => "a mode is octal, such as \"644\"",
            Error::Unmergeable { problem: syslua_merge::Problem::Value { .. }, .. } => return None,
            Error::Unmergeable { .. } => "repair the file, or move it away: nothing was changed",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
