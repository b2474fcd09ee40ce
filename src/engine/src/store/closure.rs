//! Closures: objects and everything they refer to, in one file that another machine can read.
//!
//! The format is described in `docs/reference/closures.md`: a line of JSON that says what comes,
//! then the NAR of each object, each after those it refers to, compressed by zstd. Only objects
//! that do not name the place of their store can be in it. Knows nothing of snapshots and of what
//! keeps objects alive.

mod decode;
mod export;
mod import;
mod receive;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::info::ObjectInfo;
use crate::failure::{Explain, FailureKind};
use crate::names::ObjectName;
use crate::nar::read::ReadError;
use crate::platform;

pub use export::{Export, Exported, collect, export};
pub use import::{Imported, Limits, import};

/// The word that identifies the file.
const FORMAT: &str = "syslua-closure";

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// The longest first line, in bytes: some hundred thousand objects.
const LONGEST_HEADER: u64 = 64 << 20;

/// The first line of a closure.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// The platform of the machine that wrote it.
    platform: String,
    /// The objects that were asked for.
    roots: Vec<ObjectName>,
    /// All objects, each after those it refers to.
    objects: Vec<Entry>,
}

/// What is said of an object in the header: its record.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    object: ObjectName,
    #[serde(flatten)]
    info: ObjectInfo,
}

/// Why a closure was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] super::Error),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// An object is not there.
    #[error("the object {object} is missing{}", for_whom(needed_by.as_ref()))]
    Missing {
        /// The object.
        object: ObjectName,
        /// The object that refers to it.
        needed_by: Option<ObjectName>,
    },
    /// An object names the place of its store.
    #[error("{object} cannot be moved: {}{}", named(files, place), for_whom(needed_by.as_ref()))]
    Fixed {
        /// The object.
        object: ObjectName,
        /// The object that refers to it.
        needed_by: Option<ObjectName>,
        /// Paths in it that name a place, the first of them.
        files: Vec<PathBuf>,
        /// What they name.
        place: String,
    },
    /// An object is not what its record says.
    #[error("{object} is damaged: {problem}")]
    DamagedObject {
        /// The object.
        object: ObjectName,
        /// What is wrong.
        problem: String,
    },
    /// The destination of the closure cannot be written.
    #[error("cannot write the closure: {}", platform::reason(.0))]
    Write(std::io::Error),
    /// The closure cannot be read from where it is.
    #[error("cannot read the closure: {}", platform::reason(.0))]
    Read(std::io::Error),
    /// It is something else.
    #[error("it is not a closure: {0}")]
    NoClosure(String),
    /// A newer program wrote it.
    #[error("the closure has version {0}, which only a newer sys.lua reads")]
    Newer(u64),
    /// What it says of itself is wrong.
    #[error("the closure is damaged: {0}")]
    Damaged(String),
    /// An object in it is not what the closure says.
    #[error("the closure is damaged: in {object}, {problem}")]
    DamagedEntry {
        /// The object.
        object: ObjectName,
        /// What is wrong.
        problem: String,
    },
    /// It is larger than is allowed.
    #[error("{what}, and the limit `{limit}` is {value}")]
    Limit {
        /// What it has.
        what: String,
        /// The limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// It does not fit.
    #[error("the closure unpacks to {needed} bytes, and {} has {free} bytes left", path.display())]
    NoSpace {
        /// What it needs.
        needed: u64,
        /// What there is.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// Other content has the name already.
    #[error("this store has other content under the name {0}")]
    Taken(ObjectName),
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// The result of an operation on closures.
pub type Result<T> = std::result::Result<T, Error>;

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Error::Interrupted => FailureKind::Interrupted,
            Error::Store(super::Error::Lock(error)) if error.kind() != FailureKind::Engine => {
                error.kind()
            }
            _ => FailureKind::Closure,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Store(error @ super::Error::Lock(_)) => return error.hint(),
            Error::Missing { .. } | Error::DamagedObject { .. } => {
                "`verify --repair` restores what is damaged"
            }
            Error::Fixed { .. } => {
                "refer to other objects by paths relative to the file, such as $ORIGIN/../../NAME: \
                 see \"Moving objects\" in the guide"
            }
            Error::Newer(_) => "update sys.lua here, or export with the older one",
            Error::NoClosure(_) => "`export OBJECT... -o FILE` writes one",
            Error::Damaged(_) | Error::DamagedEntry { .. } => {
                "nothing was imported: copy or export the closure again"
            }
            Error::NoSpace { .. } => "nothing was imported: `gc` frees space",
            Error::Taken(_) => {
                "nothing was imported; the name of an object has nine digits of its hash, and here \
                 two have the same"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What went wrong in the archive of an object.
fn damaged(object: &ObjectName, error: ReadError) -> Error {
    match error {
        ReadError::Stream(error) => decode::failed(error),
        ReadError::Cut => Error::Damaged(format!("it ends in the middle of {object}")),
        ReadError::Wrong(problem) => Error::DamagedEntry { object: object.clone(), problem },
    }
}

fn for_whom(needed_by: Option<&ObjectName>) -> String {
    needed_by.map(|object| format!(", and {object} refers to it")).unwrap_or_default()
}

/// Says which paths in an object name a place.
fn named(files: &[PathBuf], place: &str) -> String {
    match files {
        [] => format!("its record says that it names {place}"),
        [file] if file.as_os_str().is_empty() => format!("it names {place}"),
        [file] => format!("{} in it names {place}", file.display()),
        [file, more @ ..] => {
            format!("{} and {} more in it name {place}", file.display(), more.len())
        }
    }
}

#[cfg(test)]
mod tests;
