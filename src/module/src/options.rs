//! The settings of one call, from its options and the process's environment.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mlua::prelude::*;
use syslua_engine::api::Engine;
use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
use syslua_engine::settings::{Event, Mode, Sandbox, Settings, System, UnpackLimits, UserRange};
use syslua_engine::store::Access;

use crate::console::interrupt::interrupt;
use crate::error::{Answer, Error, OrFail, absolute_path};
use crate::listeners::Registration;
use crate::{machine, network, state};

/// At least two, so that one long download does not hold up everything else.
const FEWEST_JOBS: usize = 2;

/// What a call was given.
pub struct Options {
    /// The engine's settings.
    pub settings: Settings,
    /// Whether the system changes.
    pub mode: Mode,
    /// A line for the snapshot.
    pub description: String,
    /// Keeps the caller's function listening.
    _listener: Option<Registration>,
}

impl Options {
    /// Reads a table of options; `nil` means all defaults.
    ///
    /// # Errors
    /// When a value is unusable, or no home directory is known.
    pub fn read(lua: &Lua, options: Option<&LuaTable>) -> Answer<Options> {
        let empty = lua.create_table()?;
        let options = options.unwrap_or(&empty);
        let home = machine::home()?;
        let root = options.get::<Option<LuaString>>("root")?;
        let root = match root {
            Some(root) => platform::path_from_bytes(&root.as_bytes()),
            None => default_root(&home),
        };
        let root = absolute_path(&root, format_args!("the root {}", root.display()))?;
        let jobs = options.get::<Option<usize>>("jobs")?;
        let timeout = options.get::<Option<f64>>("lock_timeout")?;
        let lock_timeout = timeout.map(Duration::try_from_secs_f64).transpose();
        let lock_timeout = lock_timeout.map_err(|_| {
            Error::new(
                FailureKind::Usage,
                "`lock_timeout`: expected a number of seconds, 0 or more",
            )
        })?;
        if jobs == Some(0) {
            return Err(Error::new(FailureKind::Usage, "`jobs`: expected a number of at least 1"));
        }
        let listener = options.get::<Option<LuaFunction>>("on_event")?;
        let wants_ticks = flag(Some(options), "ticks")?;
        let listener = listener
            .map(|function| Registration::new(listener_of(lua.clone(), function, wants_ticks)));
        Ok(Options {
            settings: Settings {
                context: state::read(lua, |state| Arc::clone(&state.context)),
                // Root's own store has no fallback.
                substitute: Some(PathBuf::from("/syslua")).filter(|system| *system != root),
                root,
                home,
                jobs: jobs.unwrap_or_else(usual_jobs),
                offline: options.get::<Option<bool>>("offline")?.unwrap_or(false),
                network: network::from_environment()?,
                lock_timeout,
                sandbox: sandbox(options)?,
                leaves_services: options.get::<Option<bool>>("no_services")?.unwrap_or(false),
                build_users: build_users(options)?,
                interrupt: interrupt(),
                events: listener.as_ref().map(Registration::events).unwrap_or_default(),
                shared_environment: shared_environment(),
                system: System::current(),
                unpack: UnpackLimits::default(),
                output: network::output_limits()?,
                pins: Arc::default(),
                identities: crate::identities::get_identities,
            },
            mode: Mode::of_dry_run(flag(Some(options), "dry_run")?),
            description: options.get::<Option<String>>("description")?.unwrap_or_default(),
            _listener: listener,
        })
    }

    /// Returns the engine on the root of the call.
    ///
    /// # Errors
    /// When the root is another user's.
    pub fn engine(&self, access: Access) -> Answer<Engine> {
        Ok(Engine::open(self.settings.clone(), access)?)
    }
}

/// How often a listener that wants to know is told that time goes by.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// Returns what passes events to a function of Lua, whose errors are its own.
fn listener_of(lua: Lua, function: LuaFunction, wants_ticks: bool) -> impl Fn(&Event) {
    let told = Cell::new(Instant::now());
    move |event| {
        let is_tick = matches!(event, Event::Tick);
        if is_tick && (!wants_ticks || told.get().elapsed() < TOLD_EVERY) {
            return;
        }
        told.set(Instant::now());
        let absent_is_nil = LuaSerializeOptions::new().serialize_none_to_null(false);
        let event = lua.to_value_with(event, absent_is_nil);
        let _ = event.and_then(|event| function.call::<()>(event));
    }
}

/// Returns as many jobs as there are processors, but not fewer than a few. The system is asked
/// once: it reads files to tell.
fn usual_jobs() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    let available = || std::thread::available_parallelism().map_or(FEWEST_JOBS, usize::from);
    (*AVAILABLE.get_or_init(available)).max(FEWEST_JOBS)
}

/// The variables that commands of other users see. Others may be secrets of who applies.
fn shared_environment() -> Vec<(OsString, OsString)> {
    const NAMES: [&str; 8] =
        ["PATH", "LANG", "LANGUAGE", "TERM", "COLORTERM", "NO_COLOR", "TZ", "TERMINFO"];
    let is_shared = |name: &OsString| {
        name.to_str().is_some_and(|name| NAMES.contains(&name) || name.starts_with("LC_"))
    };
    std::env::vars_os().filter(|(name, _)| is_shared(name)).collect()
}

/// How programs are confined: as the call says, else as `SYSLUA_SANDBOX` does.
fn sandbox(options: &LuaTable) -> Answer<Sandbox> {
    let given = options.get::<Option<String>>("sandbox")?.map(|word| ("`sandbox`", word));
    let from_variable = || std::env::var("SYSLUA_SANDBOX").ok().filter(|word| !word.is_empty());
    let given = given.or_else(|| from_variable().map(|word| ("SYSLUA_SANDBOX", word)));
    let Some((name, word)) = given else { return Ok(Sandbox::default()) };
    word.parse().or_fail_with(FailureKind::Usage, format_args!("{name} is `{word}`"))
}

/// The users of root's builds: from the call, or else from `SYSLUA_BUILD_USERS`.
fn build_users(options: &LuaTable) -> Answer<UserRange> {
    let given = options.get::<Option<String>>("build_users")?.map(|text| ("`build_users`", text));
    let from_variable = || std::env::var("SYSLUA_BUILD_USERS").ok().filter(|text| !text.is_empty());
    let given = given.or_else(|| from_variable().map(|text| ("SYSLUA_BUILD_USERS", text)));
    let Some((name, text)) = given else { return Ok(UserRange::default()) };
    text.parse().or_fail_with(FailureKind::Usage, format_args!("{name} is `{text}`"))
}

/// Returns the root of calls that name none, as an absolute path.
pub fn usual_root() -> Option<PathBuf> {
    std::path::absolute(default_root(&machine::home().ok()?)).ok()
}

fn default_root(home: &std::path::Path) -> PathBuf {
    if let Some(root) = machine::variable("SYSLUA_ROOT") {
        return root;
    }
    if cfg!(windows) {
        return machine::variable("LOCALAPPDATA")
            .unwrap_or_else(|| home.join("AppData/Local"))
            .join("syslua");
    }
    if machine::is_root() {
        return PathBuf::from("/syslua");
    }
    if cfg!(target_os = "macos") {
        return home.join("Library/Application Support/syslua");
    }
    let data = machine::variable("XDG_DATA_HOME").filter(|data| data.is_absolute());
    data.unwrap_or_else(|| home.join(".local/share")).join("syslua")
}

/// Reads an option that is false unless given.
///
/// # Errors
/// When it is another value than a boolean.
pub fn flag(table: Option<&LuaTable>, name: &str) -> Answer<bool> {
    let value = table.map(|table| table.get::<Option<bool>>(name)).transpose()?;
    Ok(value.flatten().unwrap_or(false))
}
