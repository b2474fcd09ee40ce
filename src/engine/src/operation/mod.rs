//! The operations of a build, one file each. All are [`Send`], so they run on the pool.

pub mod cache;
pub mod cache_lock;
mod confined_thread;
pub mod fetch_git;
mod fetch_url;
mod fields;
mod files;
#[cfg(test)]
#[cfg(unix)]
mod hostile_tests;
mod log;
pub mod network;
pub mod origins;
pub mod pinned;
mod places;
mod request;
mod run;
mod sandbox;
pub mod unpack;
mod workspace;

use std::path::PathBuf;

pub use fetch_git::Commit;
pub use fetch_url::Download;
pub use fields::{Field, Fields};
pub use request::Request;
pub use run::{Command, Program};
pub use sandbox::{BuildSandbox, Sandboxes};
pub use syslua_archive::{Options as UnpackOptions, Problem as UnpackProblem};
pub use workspace::{Search, Sees, Workspace};

use crate::failure::{Explain, FailureKind};
use crate::hash::{Hash, HashError};
use crate::pins::Rule;
use crate::platform;
use crate::settings::{Settings, Stopped};

/// What an operation gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nothing.
    Done,
    /// A path.
    Path(PathBuf),
    /// The content of a file, or the standard output of a program.
    Output(Vec<u8>),
    /// Names, in the order of their bytes.
    Names(Vec<Vec<u8>>),
    /// Yes or no.
    Flag(bool),
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// The request makes no sense with the existing files.
    #[error("{what}")]
    Refused {
        /// What cannot be done, and why.
        what: String,
    },
    /// The build may not write there.
    #[error("{} is outside of the build: a build writes only below its outputs and its build \
             directory", .0.display())]
    WriteOutside(PathBuf),
    /// The build may not read that.
    #[error(
        "{} is not declared: a build reads only its sources, downloads and dependencies",
        .0.display()
    )]
    ReadUndeclared(PathBuf),
    /// The build may not read that, which another derivation made.
    #[error("the build does not depend on {}", .0.display())]
    UndeclaredObject(PathBuf),
    /// A link leads to where the build may not go.
    #[error("{} leads elsewhere through a link: {reason}", .link.display())]
    LeadsOut {
        /// The path that the build named.
        link: PathBuf,
        /// What is wrong with the place that it leads to.
        reason: Box<Error>,
    },
    /// A hash that does not read as one.
    #[error("{error}")]
    InvalidHash {
        /// What is wrong with it.
        error: HashError,
        /// Where to get one.
        hint: &'static str,
    },
    /// A request that the Lua side should not make.
    #[error("{0}")]
    Malformed(String),
    /// A download failed.
    #[error("cannot fetch {url}: {reason}")]
    Fetch {
        /// Where from.
        url: String,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A download differs from its declaration.
    #[error(
        "{url} has another content than declared:\n  declared sha256 {declared}\n  received sha256 \
         {received}"
    )]
    WrongHash {
        /// Where from.
        url: String,
        /// What the config says.
        declared: Hash,
        /// The actual hash.
        received: Hash,
        /// Whether it is the hash of a tool in the lock, which no config has.
        is_locked: bool,
    },
    /// A download is not what the lock says.
    #[error(
        "{key}{} is not what syslua.lock pins:\n  pinned sha256   {pinned}\n  \
         received sha256 {received}",
        rev.as_ref().map(|rev| format!(" at {rev}")).unwrap_or_default()
    )]
    WrongPin {
        /// What is called so in the lock.
        key: String,
        /// The commit that the lock names for it; nothing for a download.
        rev: Option<String>,
        /// What the lock says.
        pinned: Hash,
        /// The actual hash.
        received: Hash,
    },
    /// Something is fetched without a hash, and nothing may be pinned.
    #[error("{}", not_pinned(key, call, *rule))]
    NotPinned {
        /// Its name in a lock.
        key: String,
        /// The call that fetches it.
        call: String,
        /// Why it is not pinned.
        rule: Rule,
    },
    /// An archive cannot be unpacked.
    #[error("cannot unpack {archive}: {problem}")]
    Archive {
        /// The archive's path, or where it came from.
        archive: String,
        /// Why.
        problem: Box<UnpackProblem>,
    },
    /// A program could not be started.
    #[error("cannot run `{command}`: {reason}")]
    NotStarted {
        /// The operation.
        command: String,
        /// Why.
        reason: String,
    },
    /// A program failed.
    #[error("`{command}` {status}")]
    Failed {
        /// What ran.
        command: String,
        /// What it did: its exit code or signal, in words.
        status: String,
        /// The end of what it printed.
        output: String,
        /// Where more of it is, when that is not all.
        log: Option<LogPlace>,
    },
    /// A program printed more than is kept in memory.
    #[error(
        "`{command}` printed more than {} to stdout, which `ctx.run` returns",
        in_words(*limit)
    )]
    TooMuchOutput {
        /// What ran.
        command: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The user of a build of root cannot read what its programs are to read, or enter its own
    /// directories.
    #[error("{} cannot be read by the user that runs builds of root ({user})", path.display())]
    NotForBuilds {
        /// What.
        path: PathBuf,
        /// The user's number.
        user: u32,
    },
    /// Programs must be confined and cannot be.
    #[error("programs cannot be confined, and the sandbox is required: {missing}")]
    NotConfined {
        /// What the system lacks.
        missing: String,
    },
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
}

fn not_pinned(key: &str, call: &str, rule: Rule) -> String {
    match rule {
        Rule::NoLock | Rule::Adds => format!("{call}: {key} has no sha256, and no lock pins it"),
        Rule::Locked => format!("{key} is not in syslua.lock, and --locked forbids adding it"),
        Rule::Kept => format!("{key} is not in the lock that the snapshot keeps"),
    }
}

/// Returns a number of bytes as people write it, where that is the same.
pub(super) fn in_words(bytes: u64) -> String {
    if bytes > 0 && bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{bytes} bytes")
    }
}

/// The log of a build.
#[derive(Debug)]
pub struct LogPlace {
    /// Where it is.
    pub path: PathBuf,
    /// The limit that it reached, in bytes.
    pub limit: Option<u64>,
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        if matches!(self, Error::Interrupted) || Stopped::caused(self) {
            FailureKind::Interrupted
        } else if matches!(self, Error::Malformed(_)) {
            FailureKind::Internal
        } else {
            FailureKind::Build
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::UndeclaredObject(_) => Some(
                "what another derivation makes is read by its handle, \
                 in opts or in a variable that `config` uses"
                    .to_owned(),
            ),
            Error::LeadsOut { reason, .. } => reason.hint(),
            Error::ReadUndeclared(_) => {
                Some("declare it: opts = { file = source(\"./path\") }".to_owned())
            }
            Error::WriteOutside(_) => {
                Some("write below ctx.out, or use a relative path for scratch files".to_owned())
            }
            Error::WrongHash { is_locked: true, .. } => Some(
                "the release or its checksum changed: find out why before you trust it; then \
                 `sys update` with the name of the tool asks for its hash again"
                    .to_owned(),
            ),
            Error::WrongHash { received, .. } => Some(format!(
                "if you trust the received content, write \"{received}\" in the config"
            )),
            Error::WrongPin { key, .. } => Some(format!(
                "find out why it changed before you trust it; \
                 then `sys update '{key}'` pins the new content"
            )),
            Error::NotPinned { call, rule: Rule::NoLock | Rule::Adds, .. } => Some(format!(
                "give {call} the sha256; \
                 or build it from a config, beside which syslua.lock pins it"
            )),
            Error::NotPinned { rule: Rule::Locked, .. } => {
                Some("apply once without --locked, and commit syslua.lock".to_owned())
            }
            Error::NotPinned { rule: Rule::Kept, .. } => None,
            Error::Archive { problem, .. } => problem.hint(),
            Error::Failed { log, .. } => log.as_ref().map(|LogPlace { path, limit }| match limit {
                None => format!("all of its output is in {}", path.display()),
                Some(limit) => format!(
                    "the first {} that the build printed are in {}; SYSLUA_LOG_LIMIT sets \
                     that limit",
                    in_words(*limit),
                    path.display()
                ),
            }),
            Error::TooMuchOutput { .. } => Some(
                "send it to a file: `... >output`, and read that; SYSLUA_OUTPUT_LIMIT sets \
                 the limit"
                    .to_owned(),
            ),
            Error::NotForBuilds { .. } => Some(
                "declare it as a source: opts = { file = source(\"/path\") }; \
                 all users must be able to enter the directories above the root"
                    .to_owned(),
            ),
            Error::NotConfined { .. } => {
                Some("`--sandbox auto` continues with what can be enforced".to_owned())
            }
            Error::Fetch { hint, .. } => hint.clone(),
            Error::InvalidHash { hint, .. } => Some((*hint).to_owned()),
            _ => None,
        }
    }
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Performs an operation in a workspace.
///
/// # Errors
/// When it fails; files written until then are deleted with the workspace.
pub fn perform(workspace: &Workspace, request: Request) -> Result<Response> {
    let result = request.perform(workspace);
    if let Err(error) = &result
        && is_of_this_call(&workspace.settings, error)
    {
        workspace.note_refusal(error);
    }
    result
}

/// Makes ready what an operation needs while others are performed: the jail of a program.
pub fn prepare(workspace: &Workspace, request: &Request) {
    let is_program = matches!(request, Request::Run(_));
    if is_program && !workspace.settings.interrupt.is_set() && workspace.make_directory().is_ok() {
        workspace.sandbox.prepare(workspace);
    }
}

/// Returns whether an error is one of how this call runs, such as `--locked` and `--offline`: what
/// a build makes of it does not follow from its recipe.
fn is_of_this_call(settings: &Settings, error: &Error) -> bool {
    match error {
        Error::NotPinned { .. } => true,
        Error::Fetch { .. } => settings.offline,
        _ => false,
    }
}
