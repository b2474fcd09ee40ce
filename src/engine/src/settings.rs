//! What the engine is told from outside: where its root is, whose home it manages, its limits.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
pub use syslua_archive::Limits as UnpackLimits;
pub use syslua_fetch::Network;
use syslua_secrets::identity::Identities;

use crate::context::EngineContext;
use crate::pins::Pins;

/// The settings of one call of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What calls share.
    pub context: Arc<EngineContext>,
    /// The directory of `store/`, `env.sh` and all other files of sys.lua. Absolute.
    pub root: PathBuf,
    /// The home directory that `~` stands for. Absolute.
    pub home: PathBuf,
    /// The root of another store, whose objects replace damaged ones.
    pub substitute: Option<PathBuf>,
    /// Operations that run at the same time.
    pub jobs: usize,
    /// Refuse everything that needs the network.
    pub offline: bool,
    /// How the network is used.
    pub network: Network,
    /// The time limit for a lock; unlimited when `None`.
    pub lock_timeout: Option<Duration>,
    /// How programs of builds are confined.
    pub sandbox: Sandbox,
    /// Leave services as they are.
    pub leaves_services: bool,
    /// The users of root's builds.
    pub build_users: UserRange,
    /// Set from outside to stop.
    pub interrupt: Interrupt,
    /// Takes what the call reports.
    pub events: Events,
    /// The variables of this process that commands of other users see: where programs are, the
    /// language, the terminal.
    pub shared_environment: Vec<(OsString, OsString)>,
    /// The platform that derivations are built on.
    pub system: System,
    /// How large an archive may be, where a build does not say.
    pub unpack: UnpackLimits,
    /// How much of what programs of builds print is kept.
    pub output: OutputLimits,
    /// What the lock of the config says of what builds fetch without a hash.
    pub pins: Arc<Pins>,
    /// Looks for the identities that decrypt secrets. It is called only when there are secrets to
    /// decrypt.
    pub identities: fn() -> Identities,
}

impl Settings {
    /// Returns the same settings with another receiver of events.
    #[must_use]
    pub fn with_events(&self, events: Events) -> Settings {
        Settings { events, ..self.clone() }
    }

    /// Returns the same settings without a receiver of events.
    #[must_use]
    pub fn without_events(&self) -> Settings {
        self.with_events(Events::default())
    }
}

/// How much of what programs of builds print is kept, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// In the log of a build: later output is omitted, and the log says so.
    pub log: u64,
    /// Of what a program prints to its standard output, which its build gets as a string: more is
    /// an error.
    pub string: u64,
}

impl Default for OutputLimits {
    fn default() -> OutputLimits {
        OutputLimits { log: 64 << 20, string: 256 << 20 }
    }
}

/// How programs of builds are confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// Not at all.
    Off,
    /// As far as the system can.
    #[default]
    Auto,
    /// By Landlock and a filter of system calls, without namespaces.
    Landlock,
    /// By namespaces, or they do not run.
    Require,
}

impl std::str::FromStr for Sandbox {
    type Err = UnknownSandbox;

    fn from_str(word: &str) -> Result<Sandbox, UnknownSandbox> {
        match word {
            "off" => Ok(Sandbox::Off),
            "auto" => Ok(Sandbox::Auto),
            "landlock" => Ok(Sandbox::Landlock),
            "require" => Ok(Sandbox::Require),
            _ => Err(UnknownSandbox),
        }
    }
}

/// A word that names no way to confine programs.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox is `auto`, `require`, `landlock` or `off`")]
pub struct UnknownSandbox;

/// The platform a config is evaluated for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct System {
    /// For example `x86_64-linux`.
    pub platform: String,
    /// `linux`, `darwin` or `windows`.
    pub os: String,
    /// `x86_64`, `aarch64` or `arm`.
    pub arch: String,
}

impl System {
    /// Returns the platform that this library was built for.
    pub fn current() -> System {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        System::new(std::env::consts::ARCH, os)
    }

    /// Returns the platform of an architecture and an operating system.
    pub fn new(arch: &str, os: &str) -> System {
        System { platform: format!("{arch}-{os}"), os: os.to_owned(), arch: arch.to_owned() }
    }
}

/// The numbers that builds of root may have, as users and as groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRange(RangeInclusive<u32>);

impl Default for UserRange {
    /// Above what systemd gives to containers, and below what does not fit into 31 bits.
    fn default() -> UserRange {
        UserRange(1_900_000_000..=1_900_065_535)
    }
}

/// A text that is not a range.
#[derive(Debug, thiserror::Error)]
#[error("a range of at least {FEWEST} users is FIRST-LAST, such as {}", UserRange::default())]
pub struct InvalidRange;

/// As many as there are slots, so that no build waits for another one's.
const FEWEST: u32 = 256;

impl std::fmt::Display for UserRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.0.start(), self.0.end())
    }
}

impl std::str::FromStr for UserRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> std::result::Result<UserRange, InvalidRange> {
        let (first, last) = text.split_once('-').ok_or(InvalidRange)?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| InvalidRange);
        let (first, last) = (number(first)?, number(last)?);
        // Root is not a build user, and the last number means "no user".
        if first == 0 || last == u32::MAX || last < first || last - first < FEWEST - 1 {
            return Err(InvalidRange);
        }
        Ok(UserRange(first..=last))
    }
}

impl UserRange {
    /// Returns the first number.
    pub fn first(&self) -> u32 {
        *self.0.start()
    }

    /// Returns the last number.
    pub fn last(&self) -> u32 {
        *self.0.end()
    }
}

/// A flag that asks everything that runs to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(pub Arc<AtomicBool>);

impl Interrupt {
    /// Returns whether the operation was cancelled.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Is called in every loop that may take long: between the pieces of a file, between the
    /// entries of a tree.
    ///
    /// # Errors
    /// [`Stopped`], if the operation was cancelled.
    pub fn check(&self) -> io::Result<()> {
        if self.is_set() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }
}

/// The operation was cancelled while a file or a tree was read or written.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Stopped;

impl Stopped {
    /// Returns whether an error is one of these, or was caused by one.
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Stopped>)
        })
    }
}

/// Whether a function of the engine changes the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It reports what it would do, and takes no lock.
    Preview,
    /// It does it.
    Perform,
}

impl Mode {
    /// Returns the mode of a call that may be a dry run.
    pub fn of_dry_run(is_dry: bool) -> Mode {
        if is_dry { Mode::Preview } else { Mode::Perform }
    }

    /// Returns whether the system changes.
    pub fn performs(self) -> bool {
        self == Mode::Perform
    }
}

/// What the engine reports while it works. Unknown kinds are to be ignored.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A derivation began to build.
    BuildStarted {
        /// Its name.
        name: String,
        /// Its version.
        version: Option<String>,
        /// Its hash.
        hash: String,
        /// Whether it is a file or tree that is given as data.
        file: bool,
    },
    /// A derivation was built.
    BuildFinished {
        /// Its name.
        name: String,
        /// Its version.
        version: Option<String>,
        /// Its hash.
        hash: String,
        /// How long it took.
        seconds: f64,
        /// Whether it is a file or tree that is given as data.
        file: bool,
    },
    /// A derivation could not be built.
    BuildFailed {
        /// Its name.
        name: String,
        /// Its version.
        version: Option<String>,
        /// Its hash.
        hash: String,
    },
    /// Bytes of a download arrived.
    Download {
        /// Where from.
        url: String,
        /// Bytes until now.
        bytes: u64,
        /// Bytes in all, when the server says so.
        total: Option<u64>,
    },
    /// An archive is being unpacked.
    UnpackStarted {
        /// Its path.
        archive: String,
    },
    /// It is unpacked, or cannot be.
    UnpackFinished {
        /// Its path.
        archive: String,
    },
    /// Nothing happened for a moment: lets callers show the elapsed time.
    Tick,
    /// Another process holds a lock.
    Waiting {
        /// What is locked.
        lock: String,
        /// Who holds it, when the system tells.
        pid: Option<u32>,
    },
    /// A command of an activation began to run.
    CommandStarted {
        /// Its name, or else its beginning.
        name: String,
    },
    /// It printed a line.
    CommandOutput {
        /// The line.
        line: String,
    },
    /// It ended.
    CommandFinished {
        /// Its name, or else its beginning.
        name: String,
        /// Whether it ended well.
        success: bool,
    },
    /// Something that the user should know.
    Warning {
        /// The text.
        message: String,
    },
}

/// Takes what the engine reports. The engine sends from the thread of its caller; the threads that
/// it starts have settings whose events go there first.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Events {
    /// Makes a handle that calls a function with each event.
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Events {
        Events(Some(Arc::new(listener)))
    }

    /// Reports an event. Without a listener it is lost.
    pub fn send(&self, event: Event) {
        if let Some(listener) = &self.0 {
            listener(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Events")
    }
}
