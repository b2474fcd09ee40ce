//! The store: objects that never change, and what is recorded of them.
//!
//! Knows nothing of snapshots: what is alive is told from outside.

pub mod closure;
pub mod compare;
pub mod examination;
pub mod examined;
pub mod gc;
#[cfg(test)]
#[cfg(unix)]
mod hostile_tests;
pub mod import;
mod info;
mod layout;
pub mod memory;
mod object_set;
mod outputs;
pub mod own;
mod owner;
pub mod publication;
mod record;
pub mod repair;
mod root_marker;
pub mod self_references;
mod session;
pub mod shared;
pub mod source_cache;
mod traces;
pub mod tree;
pub mod verify;

pub use info::{ObjectInfo, read_info, write_info};
pub use layout::{Slot, Store};
pub use object_set::Present;
pub use outputs::Outputs;
pub use owner::{Access, check_owner};
pub use record::{
    get_outputs, has_objects, list_derivations, read_derivation, recorded_outputs,
    write_derivation, write_outputs, write_package_link,
};
pub use root_marker::made_above;

use crate::failure::{Explain, FailureKind};
use crate::platform;
use crate::platform::lock::LockError;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// A lock was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of the store does not read as what it should be.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A build left something that an object cannot hold.
    #[error("{} is {what}, which cannot be stored", path.display())]
    Unstorable {
        /// The file.
        path: std::path::PathBuf,
        /// Its kind.
        what: &'static str,
    },
    /// A build did not make an output.
    #[error("the build did not create its output `{output}` ({})", path.display())]
    MissingOutput {
        /// The output.
        output: String,
        /// Where it should be.
        path: std::path::PathBuf,
    },
    /// An output differs from its declaration.
    #[error(
        "the output has another content than declared:\n  declared sha256 {declared}\n  built    \
         sha256 {built}"
    )]
    WrongOutput {
        /// What the config says.
        declared: crate::hash::Hash,
        /// The built output.
        built: crate::hash::Hash,
    },
    /// Outputs of one derivation refer to each other in a circle.
    #[error(
        "the outputs `{first}` and `{second}` refer to each other: {} and {}",
        first_file.display(), second_file.display()
    )]
    Cycle {
        /// One output.
        first: String,
        /// The other one.
        second: String,
        /// A file of the first that names the second.
        first_file: std::path::PathBuf,
        /// A file of the second that names the first.
        second_file: std::path::PathBuf,
    },
    /// A source is not what it was when the config was evaluated.
    #[error("the source {} changed while it was built: apply again", path.display())]
    SourceChanged {
        /// The source.
        path: std::path::PathBuf,
    },
    /// Built content names the directory that it was built in.
    #[error(
        "{} contains `store/{slot}`, the build directory, which does not exist after the build",
        path.display()
    )]
    Building {
        /// The file.
        path: std::path::PathBuf,
        /// The directory.
        slot: Slot,
    },
    /// The root is another user's.
    #[error(
        "{} belongs to {}, and {} {}",
        path.display(), platform::user_name(*owner), platform::user_name(*own), refused(*access)
    )]
    Foreign {
        /// The directory that tells so.
        path: std::path::PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who wants to use it.
        own: u32,
        /// What for.
        access: Access,
    },
    /// A directory of a root is a link.
    #[error(
        "{} is a link, and a root's own directories are not used through links",
        path.display()
    )]
    Linked {
        /// The link.
        path: std::path::PathBuf,
    },
    /// A placeholder was left in built content.
    #[error(
        "{} contains the placeholder of an output that the build does not depend on",
        path.display()
    )]
    Placeholder {
        /// The file.
        path: std::path::PathBuf,
    },
}

/// Says what a user does in no root of others.
fn refused(access: Access) -> &'static str {
    match access {
        Access::Look => "reads no root of another user but the system's",
        Access::Work => "changes no root of another user",
    }
}

impl Error {
    /// Returns the error of a special file, which no archive can hold.
    fn special(path: std::path::PathBuf) -> Error {
        Error::Unstorable { path, what: "a socket, a device or a named pipe" }
    }

    /// Puts other paths in the place of those for which `map` has one.
    #[must_use]
    fn map_paths(mut self, map: impl Fn(&std::path::Path) -> Option<std::path::PathBuf>) -> Error {
        let paths = match &mut self {
            Error::File(error) => vec![&mut error.path],
            Error::Damaged { path, .. }
            | Error::Unstorable { path, .. }
            | Error::MissingOutput { path, .. }
            | Error::Building { path, .. }
            | Error::Placeholder { path } => vec![path],
            Error::Cycle { first_file, second_file, .. } => vec![first_file, second_file],
            Error::Foreign { .. }
            | Error::Linked { .. }
            | Error::Lock(_)
            | Error::WrongOutput { .. }
            | Error::SourceChanged { .. } => Vec::new(),
        };
        for path in paths {
            if let Some(mapped) = map(path) {
                *path = mapped;
            }
        }
        self
    }
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Error::Foreign { .. } | Error::Linked { .. } => FailureKind::Usage,
            Error::Lock(error) => error.kind(),
            _ => FailureKind::Engine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Lock(error) => error.hint(),
            Error::Foreign { owner, .. } => Some(format!(
                "run it as {}, or name a root of your own with --root or SYSLUA_ROOT",
                platform::user_name(*owner)
            )),
            Error::Linked { .. } => Some(
                "put the directory itself in its place; to use another disk, mount it there or \
                 name a root on it with --root or SYSLUA_ROOT"
                    .to_owned(),
            ),
            Error::MissingOutput { .. } => {
                Some("`ctx.out` and `ctx.outputs` say where outputs belong".to_owned())
            }
            Error::Unstorable { .. } => Some(
                "take it away; of a tree that a config declares, `exclude` leaves it out"
                    .to_owned(),
            ),
            Error::Building { .. } => Some(
                "write the path of an output, such as `$out`, which becomes the final one"
                    .to_owned(),
            ),
            Error::WrongOutput { built, .. } => {
                Some(format!("if you trust what was built, write output_sha256 = \"{built}\""))
            }
            _ => None,
        }
    }
}

/// The result of an operation of the store.
pub type Result<T> = std::result::Result<T, Error>;
