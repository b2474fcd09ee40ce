//! A failure as the user reads it: what happened, where, and what to do.

pub use syslua_fetch::problem::chain;

/// Makes [`FailureKind`] of its list: `Variant "word": meaning`.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// What sort of failure it is. `docs/reference/json.md` has the same list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureKind {
            $($(#[doc = $doc])* $name,)*
        }

        impl FailureKind {
            /// All kinds, in the order of their words.
            pub const ALL: &[FailureKind] = &[$(FailureKind::$name),*];

            /// Returns its word for programs, such as `build`.
            pub fn word(self) -> &'static str {
                match self {
                    $(FailureKind::$name => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// Files that exist cannot be taken over.
    Adopt = "adopt",
    /// A build failed.
    Build = "build",
    /// An export or import of objects failed.
    Closure = "closure",
    /// A config is wrong.
    Config = "config",
    /// Two declarations contradict each other.
    Conflict = "conflict",
    /// The store or its snapshots cannot be used.
    Engine = "engine",
    /// Lua code raised an error that is not of sys.lua.
    Error = "error",
    /// A download failed.
    Fetch = "fetch",
    /// Garbage cannot be removed.
    Gc = "gc",
    /// Git failed.
    Git = "git",
    /// Dotfiles or tools of another program cannot be imported.
    Import = "import",
    /// An input cannot be resolved.
    Input = "input",
    /// sys.lua is not completely installed.
    Install = "install",
    /// A bug in sys.lua.
    Internal = "internal",
    /// A signal ended the command.
    Interrupted = "interrupted",
    /// A file cannot be read or written.
    Io = "io",
    /// `syslua.lock` cannot be read, written or followed.
    Lock = "lock",
    /// Another process holds a lock.
    Locked = "locked",
    /// A file that shall be trusted does not exist.
    Missing = "missing",
    /// A release of a tool does not exist.
    NoRelease = "no-release",
    /// A program does not exist.
    NotFound = "not_found",
    /// A program cannot be started.
    NotStarted = "not_started",
    /// A document of secrets cannot be read or written.
    Secrets = "secrets",
    /// An object of the store is missing or damaged.
    Store = "store",
    /// A switch was refused or undone.
    Switch = "switch",
    /// A tool cannot be found or locked.
    Tools = "tools",
    /// A file of a project is not trusted.
    Untrusted = "untrusted",
    /// A command or function was called wrongly.
    Usage = "usage",
}

impl FailureKind {
    /// Returns the kind of a word, or `None` if no kind has it.
    pub fn parse(word: &str) -> Option<FailureKind> {
        FailureKind::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

/// An error that knows how users read it. Each error says so beside its definition.
pub trait Explain: std::error::Error {
    /// Returns what sort of failure it is.
    fn kind(&self) -> FailureKind {
        FailureKind::Engine
    }

    /// Returns what the user can do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// A failure that carries what a report needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// Where in the user's files, such as `init.lua:12`.
    pub position: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// More lines, such as the end of a build's output.
    pub details: Option<String>,
    /// The contents that differ from their declaration, if it is about that.
    pub mismatches: Vec<Mismatch>,
}

/// A content that differs from its declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it was declared, such as `init.lua:12`.
    pub position: Option<String>,
    /// The address that it came from, or the name of the derivation whose output it is.
    pub url: String,
    /// The SHA-256 that was declared, as hexadecimal digits.
    pub expected: String,
    /// The hash of the actual content.
    pub found: String,
}

impl Mismatch {
    /// Returns its lines in a list of several.
    pub fn lines(&self) -> String {
        let position =
            self.position.as_ref().map_or_else(String::new, |position| format!("{position}: "));
        format!(
            "  {position}{}\n    declared sha256 {}\n    received sha256 {}",
            self.url, self.expected, self.found
        )
    }
}

impl Failure {
    /// Makes a failure of a kind and a message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            position: None,
            hint: None,
            details: None,
            mismatches: Vec::new(),
        }
    }

    /// Makes the failure of an error of a kind, with its causes and its hint.
    pub fn of(kind: FailureKind, error: &(impl Explain + 'static)) -> Failure {
        Failure { hint: error.hint(), ..Failure::new(kind, chain(error)) }
    }

    /// Makes the failure of an interrupt before anything was changed.
    pub fn interrupted() -> Failure {
        Failure::new(FailureKind::Interrupted, "interrupted: nothing was changed")
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, position: Option<String>) -> Failure {
        self.position = position;
        self
    }

    /// Adds more lines.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Failure {
        self.details = Some(details.into());
        self
    }
}
