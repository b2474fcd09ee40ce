//! The errors of a switch: why it was refused or undone.

use std::path::{Path, PathBuf};

use crate::failure::{Explain, FailureKind};
use crate::journal::JournalError;
use crate::names::{Placeholder, SnapshotId};
use crate::platform;
use crate::platform::lock::LockError;
use crate::value::Positions;
use crate::{action, generations, store, tree_choice};

/// Why a switch was refused or undone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
    /// It is not known what of a tree is taken.
    #[error(transparent)]
    Tree(#[from] tree_choice::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Generations(#[from] generations::Error),
    /// The lock was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A side effect failed.
    #[error("{cause}")]
    Action {
        /// Why.
        cause: action::Error,
        /// Who declared it.
        positions: Positions,
    },
    /// A target cannot be reached or written.
    #[error("cannot put anything at {}: {problem}", target.display())]
    Parent {
        /// The target.
        target: PathBuf,
        /// Why not.
        problem: String,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target whose path or name no system call takes.
    #[error(
        "cannot put anything at {}: {what} has {length} bytes, and the system takes {most} at most",
        short(target)
    )]
    TooLong {
        /// The target.
        target: PathBuf,
        /// What is too long.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The longest length that the system takes, in bytes.
        most: usize,
        /// Who declares the target.
        positions: Positions,
    },
    /// Two declarations of one service.
    #[error("the service {name} is declared twice, here and at {first}")]
    ServiceTwice {
        /// Its name.
        name: String,
        /// Who made the first declaration.
        first: String,
        /// Who made the second one.
        positions: Positions,
    },
    /// A manager of services does not do what it is asked to.
    #[error("{problem}")]
    Manager {
        /// Why.
        problem: syslua_services::problem::Problem,
        /// Who declared the service.
        positions: Positions,
    },
    /// Services did not start or stop.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Services(Vec<FailedService>),
    /// A package manager does not do what it is asked to.
    #[error("{message}")]
    Packages {
        /// What failed, in words.
        message: String,
        /// What it printed.
        output: String,
        /// What to do.
        hint: Option<String>,
        /// Whether it is only an interrupt.
        is_interruption: bool,
        /// Who declared the packages.
        positions: Positions,
    },
    /// A switch failed after packages were installed or removed, which is not undone.
    #[error("{cause}\nThis is not undone: {}", done.join(", "))]
    AfterPackages {
        /// What ended the switch.
        cause: Box<Error>,
        /// What package managers did, in words.
        done: Vec<String>,
    },
    /// Two declarations of one target.
    #[error(
        "{} is declared twice, with different {what}:\n  {first}\n  {second}",
        target.display()
    )]
    Conflict {
        /// The target.
        target: PathBuf,
        /// In what they differ, in words.
        what: String,
        /// The first declaration: source and position.
        first: String,
        /// The second one.
        second: String,
        /// Who made the second one.
        positions: Positions,
    },
    /// A target below another target that is not a directory.
    #[error(
        "{} is below {}, which is declared as {} {} at {above_position}",
        target.display(), above.display(), article(noun), noun
    )]
    Below {
        /// The target.
        target: PathBuf,
        /// The link or file.
        above: PathBuf,
        /// What that is.
        noun: &'static str,
        /// Who declares it.
        above_position: String,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target inside the root.
    #[error("{} is in {}, where sys.lua keeps its own files", target.display(), root.display())]
    InsideRoot {
        /// The target.
        target: PathBuf,
        /// The root.
        root: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A secret cannot be decrypted or made.
    #[error("cannot {verb} the secret {secret}: {problem}")]
    Secret {
        /// "decrypt" or "make".
        verb: &'static str,
        /// Which one.
        secret: String,
        /// Why not.
        problem: String,
        /// What the user can do about it.
        hint: Option<String>,
        /// Who uses it.
        positions: Positions,
    },
    /// A target that is, contains or is inside a file that the config reads.
    #[error("{}", overlap(target, how, source_path))]
    Overlap {
        /// The target.
        target: PathBuf,
        /// How the two overlap.
        how: &'static str,
        /// What the config reads, as it is named.
        source_path: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target among the files of the kernel.
    #[error("{} is in {above}, where the system shows its devices and processes", target.display())]
    KernelFiles {
        /// The target.
        target: PathBuf,
        /// Where it is.
        above: &'static str,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target above the root.
    #[error("{} contains the root, where sys.lua keeps its own files", target.display())]
    AboveRoot {
        /// The target.
        target: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// The root is inside a source.
    #[error("the root {} is in {}, which the config reads", root.display(), source_path.display())]
    RootInSource {
        /// The root.
        root: PathBuf,
        /// The source, as it is named.
        source_path: PathBuf,
        /// The link that leads to the root.
        link: Option<PathBuf>,
        /// Who declares a target of it.
        positions: Positions,
    },
    /// A target of another root.
    #[error("{} is managed by the root {}", target.display(), root.display())]
    OtherRoot {
        /// The target.
        target: PathBuf,
        /// The other root.
        root: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A file that is to be merged into, and is a link.
    #[error("{} is a link to {}: keys are set in files only", target.display(), leads_to.display())]
    MergedLink {
        /// The target.
        target: PathBuf,
        /// Where it leads.
        leads_to: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target that sys.lua managed as a whole and that becomes a merged file, or the reverse.
    #[error("{} cannot become {now} in one step: it is {until_now}", target.display())]
    OtherOwner {
        /// The target.
        target: PathBuf,
        /// What it is.
        until_now: &'static str,
        /// What it is to be.
        now: &'static str,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target that something is mounted on.
    #[error("{} cannot be moved away: a file system is mounted there", target.display())]
    Mounted {
        /// The target.
        target: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target that no user can change, or one in such a directory.
    #[error("{} cannot be changed: {} is {flag}", target.display(), path.display())]
    Flagged {
        /// The target.
        target: PathBuf,
        /// What has the flag.
        path: PathBuf,
        /// The flag, in words.
        flag: &'static str,
        /// Who declares the target.
        positions: Positions,
    },
    /// A directory that the file system does not rename.
    #[error(
        "the directory {} cannot be moved away: it belongs to a lower layer of an overlay file \
         system, which renames none",
        path.display()
    )]
    Fixed {
        /// The directory: one at a target, or an original that is restored to it.
        path: PathBuf,
        /// Who declares the target.
        positions: Positions,
    },
    /// A target that names no place.
    #[error("the target {given:?} is not absolute: begin it with / or ~/")]
    Relative {
        /// The target.
        given: String,
        /// Who declares it.
        positions: Positions,
    },
    /// A placeholder of a derivation that the manifest does not have.
    #[error(
        "an action holds the placeholder {placeholder} of a derivation that is not part of this \
         manifest"
    )]
    Placeholder {
        /// The placeholder.
        placeholder: Placeholder,
        /// Who recorded the action.
        positions: Positions,
    },
    /// An object that a snapshot needs is not there.
    #[error("the snapshot {id} needs the object {}, which is missing", object.display())]
    MissingObject {
        /// The snapshot.
        id: SnapshotId,
        /// The object.
        object: PathBuf,
    },
    /// The journal cannot be read.
    #[error(
        "the journal of a switch that was cut off, {}, cannot be used: {source}",
        path.display()
    )]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: JournalError,
    },
    /// The last switch waits to be confirmed.
    #[error("the snapshot {id} is not confirmed yet: it will be undone in {seconds:.0} s")]
    Unconfirmed {
        /// Its snapshot.
        id: SnapshotId,
        /// How long it can be confirmed.
        seconds: f64,
    },
    /// Nothing waits to be confirmed.
    #[error("no apply waits for confirmation")]
    NothingToConfirm,
    /// The directory to remove is not a root.
    #[error(
        "{} is not a root of sys.lua, or it holds other files: nothing in it was changed",
        path.display()
    )]
    NotARoot {
        /// What is to be removed.
        path: PathBuf,
    },
    /// A root was destroyed while something waited for its lock.
    #[error("{} was destroyed while this waited for it", root.display())]
    Gone {
        /// The root.
        root: PathBuf,
    },
    /// The disk was full while a root was removed.
    #[error("{cause}: everything is as it was before the first apply, but {} is not removed yet",
            root.display())]
    NoRoom {
        /// The root.
        root: PathBuf,
        /// What could not be written.
        cause: String,
    },
    /// An interrupt came while a root was removed.
    #[error("interrupted: everything is as it was before the first apply, \
             but {} is not removed yet", root.display())]
    CutOff {
        /// The root.
        root: PathBuf,
    },
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
    /// A part of the work could not be undone.
    #[error("{cause}; and undoing the earlier steps failed: {}", failed.join("; "))]
    HalfUndone {
        /// What ended the switch.
        cause: String,
        /// The remains.
        failed: Vec<String>,
    },
}

/// Returns how a target and what is read overlap, naming one path once.
fn overlap(target: &Path, how: &str, source: &Path) -> String {
    let (target, source) = (target.display(), source.display());
    match how {
        "is" if target.to_string() == source.to_string() => {
            format!("{target} is a target and a source, which the config reads")
        }
        _ => format!("{target} {how} {source}, which the config reads"),
    }
}

impl Error {
    /// Returns a function that adds the declaration to an error of an action.
    pub fn at(positions: &Positions) -> impl FnOnce(action::Error) -> Error {
        |cause| match Error::from(cause) {
            Error::Action { cause, .. } => Error::Action { cause, positions: positions.clone() },
            other => other,
        }
    }

    /// Adds what package managers did before a switch failed.
    pub fn after_packages(self, done: &[String]) -> Error {
        if done.is_empty() {
            return self;
        }
        Error::AfterPackages { cause: Box::new(self), done: done.to_vec() }
    }

    /// Returns the positions of the user's files that have to do with it.
    pub fn positions(&self) -> &[String] {
        match self {
            Error::Services(failed) => {
                failed.first().map(|failed| &*failed.positions).unwrap_or_default()
            }
            Error::AfterPackages { cause, .. } => cause.positions(),
            Error::ServiceTwice { positions, .. }
            | Error::Packages { positions, .. }
            | Error::Manager { positions, .. }
            | Error::Action { positions, .. }
            | Error::Parent { positions, .. }
            | Error::TooLong { positions, .. }
            | Error::Secret { positions, .. }
            | Error::Conflict { positions, .. }
            | Error::Below { positions, .. }
            | Error::InsideRoot { positions, .. }
            | Error::OtherRoot { positions, .. }
            | Error::Overlap { positions, .. }
            | Error::AboveRoot { positions, .. }
            | Error::RootInSource { positions, .. }
            | Error::KernelFiles { positions, .. }
            | Error::MergedLink { positions, .. }
            | Error::OtherOwner { positions, .. }
            | Error::Mounted { positions, .. }
            | Error::Flagged { positions, .. }
            | Error::Fixed { positions, .. }
            | Error::Relative { positions, .. }
            | Error::Placeholder { positions, .. } => positions,
            _ => &[],
        }
    }

    /// Returns what was printed before it failed, if that is known.
    pub fn output(&self) -> Option<String> {
        let output = match self {
            Error::Action { cause: action::Error::Failed { output, .. }, .. } => output.clone(),
            Error::Packages { output, .. } => output.clone(),
            Error::AfterPackages { cause, .. } => return cause.output(),
            Error::Services(failed) => {
                let lines = failed.iter().flat_map(|one| &one.failed.lines);
                lines.map(String::as_str).collect::<Vec<_>>().join("\n")
            }
            _ => return None,
        };
        Some(output).filter(|output| !output.is_empty())
    }

    /// Returns whether it is only an interrupt.
    pub fn is_interruption(&self) -> bool {
        if let Error::AfterPackages { cause, .. } = self {
            return cause.is_interruption();
        }
        matches!(
            self,
            Error::Interrupted
                | Error::Packages { is_interruption: true, .. }
                | Error::Manager { problem: syslua_services::problem::Problem::Interrupted, .. }
                | Error::Lock(LockError::Interrupted)
                | Error::Action { cause: action::Error::Interrupted, .. }
        )
    }
}

/// Returns the article of a noun.
fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Returns the beginning of a long path.
fn short(path: &Path) -> String {
    const SHOWN: usize = 120;
    let text = path.display().to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Error::Lock(error) if error.kind() == FailureKind::Locked => FailureKind::Locked,
            Error::CutOff { .. } => FailureKind::Interrupted,
            error if error.is_interruption() => FailureKind::Interrupted,
            _ => FailureKind::Switch,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Secret { hint, .. } | Error::Packages { hint, .. } => return hint.clone(),
            Error::AfterPackages { cause, .. } => return cause.hint(),
            Error::Lock(error) => return error.hint(),
            Error::Conflict { what, .. } if what != "sources" => {
                return Some(format!(
                    "remove one of the two declarations, or make their {what} equal"
                ));
            }
            Error::Conflict { .. } => "remove one of the two declarations",
            Error::Below { noun: "link", .. } => "link the directory or the files in it, not both",
            Error::Below { noun: "absent file", .. } => {
                "an absent path contains nothing: remove one of the two declarations"
            }
            Error::Below { .. } => "a file cannot contain others: change one of the two paths",
            Error::InsideRoot { .. } => "give it another path",
            Error::Overlap { .. } => {
                "a switch would change the source: give the target or the source another path"
            }
            Error::KernelFiles { .. } => "its files do not survive a restart: use another path",
            Error::RootInSource { link: Some(link), .. } => {
                return Some(format!(
                    "replace the link by a directory (rm {0} && mkdir {0}), or use another root \
                     (--root)",
                    quoted(link)
                ));
            }
            Error::RootInSource { .. } => {
                "use another root (--root), or leave what holds it out of the sources"
            }
            Error::AboveRoot { .. } => "declare what is in it, or use another root",
            Error::OtherRoot { root, .. } => {
                return Some(format!(
                    "remove it from the config that was applied with --root {}",
                    root.display()
                ));
            }
            Error::MergedLink { leads_to, .. } => {
                return Some(format!("declare {} itself", leads_to.display()));
            }
            Error::Parent { .. } => "move away what is there, or give the target another path",
            Error::TooLong { .. } => "give the target another path",
            Error::OtherOwner { .. } => "apply once without it, then with the new declaration",
            Error::Flagged { path, flag, .. } => {
                let letter = if *flag == platform::APPEND_ONLY { 'a' } else { 'i' };
                return Some(format!("lift the flag first: chattr -{letter} {}", quoted(path)));
            }
            Error::Mounted { .. } => "unmount it first, or declare the files in it",
            Error::Fixed { path, .. } => {
                return Some(format!(
                    "replace it by a copy of its own: cp -a {0} {0}.copy && rm -r {0} && mv \
                     {0}.copy {0}",
                    quoted(path)
                ));
            }
            Error::Action { cause, .. } => return cause.hint(),
            Error::Manager { problem, .. } => problem.hint()?,
            Error::ServiceTwice { .. } => "use only one of them another name",
            Error::Services(_) => return services_hint(self),
            Error::MissingObject { .. } => "`verify --repair` restores what can be restored",
            Error::Journal { path, .. } => {
                return Some(format!(
                    "`rollback ID` goes to a snapshot anyway; or move it away (mv {0} \
                     {0}.damaged) and apply again",
                    path.display()
                ));
            }
            Error::NotARoot { .. } => {
                "name the root with --root or SYSLUA_ROOT; `info` tells which one it would be"
            }
            Error::NoRoom { .. } => "free some space and run `destroy` again to continue",
            Error::Gone { .. } => "run the command again, if it is still wanted",
            Error::CutOff { .. } => "run `destroy` again to continue",
            Error::Unconfirmed { .. } => "`confirm` keeps it",
            Error::HalfUndone { .. } => {
                "the next `apply` or `rollback` tries again to take it back"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl From<action::Error> for Error {
    fn from(cause: action::Error) -> Error {
        match cause {
            action::Error::File(error) => Error::File(error),
            cause => Error::Action { cause, positions: Positions::default() },
        }
    }
}

/// A service that did not start or stop.
#[derive(Debug)]
pub struct FailedService {
    /// Its name.
    pub name: String,
    /// The unit, what was to be done with it, and why it was not.
    pub failed: syslua_services::batch::Failed,
    /// The command that shows its log, on a system that has one.
    pub log: Option<String>,
    /// Who declared it.
    pub positions: Positions,
}

impl std::fmt::Display for FailedService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let syslua_services::batch::Failed { unit, job, why, .. } = &self.failed;
        write!(formatter, "{unit} did not {}: {why}", job.word())
    }
}

/// Returns where the log of a service is that did not start.
fn services_hint(error: &Error) -> Option<String> {
    let Error::Services(failed) = error else { return None };
    Some(format!("`{}` shows its log", failed.first()?.log.as_ref()?))
}

/// Returns a path as a shell reads it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
