//! Running the commands of activations: with the environment of a snapshot, in a process group of
//! their own, so that they can be ended with all they started.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Error;
use super::kind::{Direction, EffectKind, Kind, Surroundings};
use crate::platform::{self, Login, Terminal};
use crate::settings::{Event, Events, Interrupt};
use crate::tail::Tail;
use crate::value::Text;

/// How many of the last lines an error shows.
const LAST_LINES: usize = 20;
const READ_SIZE: usize = 64 * 1024;
/// How many pieces of output may wait.
const CHUNKS: usize = 16;
/// Bytes of a line that an event shows.
const LONGEST_LINE: usize = 4096;
const FIRST_POLL: Duration = Duration::from_millis(1);
const LONGEST_POLL: Duration = Duration::from_millis(50);
/// The time that a command has to end after Ctrl-C before it is killed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait for output of a program that left others behind.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Reads the scripts of the environment, sets the command's own variables, whose values are in
/// variables too, then becomes the program. The arguments are the number of scripts and the
/// scripts, the number of variables and their names, and the program. A script that changes
/// arguments changes only those of the function.
#[cfg(unix)]
const START: &[u8] = b"syslua_read() { if [ -r \"$1\" ]; then . \"$1\"; fi; }
syslua_left=$1; shift
while [ \"$syslua_left\" -gt 0 ]; do set -- \"$((syslua_left - 1))\" \"$@\"
syslua_read \"$2\"; syslua_left=$1; shift 2; done
syslua_left=$1; shift
while [ \"$syslua_left\" -gt 0 ]; do
eval \"export $1=\\\"\\$SYSLUA_VALUE_$1\\\"\"; unset \"SYSLUA_VALUE_$1\"
shift; syslua_left=$((syslua_left - 1)); done
unset syslua_left; unset -f syslua_read; exec \"$@\"";

/// What begins the names of variables that carry the values of others.
#[cfg(unix)]
const VALUE: &str = "SYSLUA_VALUE_";

/// A line for the shell, or a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// A line for the shell.
    Line(Text),
    /// The program and its arguments. Never empty.
    Arguments(Vec<Text>),
}

impl Command {
    /// Returns the command as a person would type it, for messages.
    pub fn display(&self) -> String {
        match self {
            Command::Line(line) => line.display(),
            Command::Arguments(words) => {
                words.iter().map(Text::display).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// Returns its texts.
    pub(super) fn texts(&self) -> &[Text] {
        match self {
            Command::Line(line) => std::slice::from_ref(line),
            Command::Arguments(words) => words,
        }
    }

    /// Returns the same, to be changed.
    pub(super) fn texts_mut(&mut self) -> &mut [Text] {
        match self {
            Command::Line(line) => std::slice::from_mut(line),
            Command::Arguments(words) => words,
        }
    }
}

impl Default for Command {
    fn default() -> Command {
        Command::Line(Text::default())
    }
}

/// A command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What runs.
    pub command: Command,
    /// What takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Command>,
    /// Whether it runs at each apply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// The directory that it runs in; by default the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Text>,
    /// Variables besides those of the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// The shell for lines; by default the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Text>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it runs before files change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
    /// Its triggers: it runs again when one of these changes. Objects, `source-` with a hash, and
    /// targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_change: Vec<Text>,
    /// Whether it runs only when one of these changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_on_change: bool,
}

impl Run {
    /// Returns its name, or else its beginning.
    fn title(&self, command: &Command) -> String {
        const LONGEST: usize = 60;
        let Some(name) = &self.name else {
            let shown = command.display();
            let line =
                shown.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
            let short: String = line.chars().take(LONGEST).collect();
            return if short.len() < shown.trim().len() { format!("{short} ...") } else { short };
        };
        name.clone()
    }
}

impl Kind for Run {
    fn texts(&self) -> Vec<&Text> {
        let commands = [Some(&self.command), self.undo.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(Command::texts);
        commands
            .chain(&self.cwd)
            .chain(&self.shell)
            .chain(self.env.values())
            .chain(&self.on_change)
            .collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        let commands = [Some(&mut self.command), self.undo.as_mut()].into_iter().flatten();
        let words = commands.flat_map(Command::texts_mut);
        words
            .chain(&mut self.cwd)
            .chain(&mut self.shell)
            .chain(self.env.values_mut())
            .chain(&mut self.on_change)
            .collect()
    }
}

impl EffectKind for Run {
    /// What runs, and where it runs.
    fn key(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.command, &self.cwd, &self.env, &self.shell)).unwrap_or_default()
    }

    fn describe(&self, direction: Direction) -> String {
        let undo = self.undo.as_ref().filter(|_| direction.is_undo());
        let command = undo.unwrap_or(&self.command);
        match &self.name {
            Some(name) => format!("{name}: {}", command.display()),
            None => command.display(),
        }
    }

    fn has_undo(&self) -> bool {
        self.undo.is_some()
    }

    fn is_always(&self) -> bool {
        self.always
    }

    fn is_before(&self) -> bool {
        self.before
    }

    fn is_only_on_change(&self) -> bool {
        self.only_on_change
    }

    fn on_change(&self) -> &[Text] {
        &self.on_change
    }

    fn absorb(&mut self, other: &dyn EffectKind) {
        let new = other.on_change().iter().filter(|about| !self.on_change.contains(about));
        let new: Vec<Text> = new.cloned().collect();
        self.on_change.extend(new);
        self.only_on_change &= other.is_only_on_change();
        self.always |= other.is_always();
        self.before |= other.is_before();
    }

    fn perform(&self, direction: Direction, surroundings: &Surroundings<'_>) -> Result<(), Error> {
        let command = match direction {
            Direction::Do => Some(&self.command),
            Direction::Undo => self.undo.as_ref(),
        };
        let Some(command) = command else { return Ok(()) };
        let name = self.title(command);
        surroundings.events.send(Event::CommandStarted { name: name.clone() });
        let ended = run(self, command, surroundings);
        surroundings.events.send(Event::CommandFinished { name, success: ended.is_ok() });
        ended
    }
}

fn run(action: &Run, command: &Command, surroundings: &Surroundings<'_>) -> Result<(), Error> {
    let Run { cwd, env, shell, .. } = action;
    let Surroundings { home, user, environment, journal, shared, interrupt, events } = surroundings;
    let name = command.display();
    let not_started =
        |error: io::Error| Error::NotStarted { command: name.clone(), reason: error.to_string() };
    let login = user.map(Login::of).transpose().map_err(not_started)?;
    let home = login.as_ref().map_or(*home, |login| &login.home);
    let mut process = prepare(command, env, shell.as_ref(), environment);
    if login.is_some() {
        // What else this process has in its environment is not that user's to see.
        let own: Vec<_> = process
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned)))
            .collect();
        process.env_clear().envs(shared.iter().map(|(name, value)| (name, value)));
        process.envs(own.into_iter().filter_map(|(name, value)| Some((name, value?))));
    }
    process.env("HOME", home);
    process.envs(login.iter().flat_map(platform::login_variables));
    let terminal = Terminal::of_this_process();
    let input = terminal.as_ref().and_then(Terminal::input).map_or_else(Stdio::null, Stdio::from);
    process.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let directory =
        cwd.as_ref().map_or_else(|| home.to_path_buf(), |cwd| cwd.expand_home(home).to_path());
    let not_started = |error: io::Error| Error::NotStarted {
        command: name.clone(),
        reason: if platform::is_directory(&directory) {
            error.to_string()
        } else {
            format!("its directory {} does not exist", directory.display())
        },
    };
    let mark = platform::SwitchTag::of(journal);
    platform::prepare_session(
        &mut process,
        login.as_ref(),
        terminal.as_ref(),
        mark.as_ref(),
        &directory,
    )
    .map_err(not_started)?;
    // Its effects are unknown: it counts as one change.
    platform::fault::pass(Path::new(&name))?;
    let mut child = process.spawn().map_err(not_started)?;
    let mut output = Output::new(&mut child, events);
    let status = wait(&mut child, *interrupt, terminal.as_ref(), &mut output);
    if status.is_err() {
        platform::end_group(child.id());
        let _ = child.wait();
    }
    // A daemon that it started may keep the pipes open: it continues alone.
    output.end();
    let was_asked = terminal.is_some();
    drop(terminal);
    let status = status?;
    if status.success() {
        return Ok(());
    }
    // The terminal sent Ctrl-C to the command alone.
    if was_asked && platform::was_interrupted(status) {
        return Err(Error::Interrupted);
    }
    Err(Error::Failed {
        command: name,
        status: ending(status),
        output: output.last.lines().join("\n"),
    })
}

/// Runs a program in a session of its own to its end; what it prints are events. An interrupt is
/// passed on to it, and it decides when it stops: being cut off could leave the system unusable.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn run_to_its_end(
    process: &mut std::process::Command,
    name: &str,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<(), Error> {
    let not_started = |error: io::Error| Error::NotStarted {
        command: name.to_owned(),
        reason: error.to_string(),
    };
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::prepare_session(process, None, None, None, Path::new("/")).map_err(not_started)?;
    let mut child = process.spawn().map_err(not_started)?;
    let mut output = Output::new(&mut child, events);
    let mut was_asked = false;
    let status = loop {
        if let Some(status) = platform::poll_child(&mut child).map_err(not_started)? {
            break status;
        }
        if interrupt.is_set() && !was_asked {
            platform::ask_to_stop(child.id());
            was_asked = true;
        }
        if !output.take(LONGEST_POLL) {
            thread::sleep(LONGEST_POLL);
        }
    };
    output.end();
    if status.success() {
        return Ok(());
    }
    if was_asked {
        return Err(Error::Interrupted);
    }
    Err(Error::Failed {
        command: name.to_owned(),
        status: ending(status),
        output: output.last.lines().join("\n"),
    })
}

fn ending(status: std::process::ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// What a command prints, while it runs: its last lines, and each line as an event.
struct Output<'a> {
    events: &'a Events,
    chunks: Receiver<(usize, Vec<u8>)>,
    last: Tail<2>,
    /// The line that each stream is in.
    current: [Vec<u8>; 2],
}

impl Output<'_> {
    fn new<'a>(child: &mut Child, events: &'a Events) -> Output<'a> {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS);
        if let Some(pipe) = child.stdout.take() {
            read(pipe, 0, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            read(pipe, 1, sender);
        }
        Output { events, chunks, last: Tail::new(LAST_LINES), current: Default::default() }
    }

    /// Reads available output within a time limit, and returns whether more may follow.
    fn take(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        loop {
            match self.chunks.recv_timeout(limit.saturating_sub(begin.elapsed())) {
                Ok((stream, bytes)) => self.put(stream, &bytes),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            if begin.elapsed() >= limit {
                return true;
            }
        }
    }

    fn put(&mut self, stream: usize, bytes: &[u8]) {
        self.last.put(stream, bytes);
        let current = &mut self.current[stream];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(current.len());
            current.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = String::from_utf8_lossy(current).trim_end().to_owned();
                self.events.send(Event::CommandOutput { line });
                current.clear();
            }
        }
    }

    /// Reads the remaining output of a program that has ended.
    fn end(&mut self) {
        self.take(LAST_WORDS);
        for current in std::mem::take(&mut self.current) {
            if !current.is_empty() {
                self.events.send(Event::CommandOutput {
                    line: String::from_utf8_lossy(&current).into_owned(),
                });
            }
        }
    }
}

/// The program and its arguments, without what sources the environment.
fn words(command: &Command, shell: Option<&Text>) -> Vec<PathBuf> {
    match command {
        Command::Arguments(words) => words.iter().map(Text::to_path).collect(),
        Command::Line(line) => {
            let (default, flag) = if cfg!(windows) { ("cmd.exe", "/C") } else { ("/bin/sh", "-c") };
            vec![shell.map_or_else(|| default.into(), Text::to_path), flag.into(), line.to_path()]
        }
    }
}

#[cfg(unix)]
fn prepare(
    command: &Command,
    env: &BTreeMap<String, Text>,
    shell: Option<&Text>,
    environment: &[PathBuf],
) -> std::process::Command {
    let mut process = platform::shell_command(None, platform::path_from_bytes(START).as_os_str());
    process.arg("sh").arg(environment.len().to_string()).args(environment);
    // All users could read values in arguments.
    process.arg(env.len().to_string()).args(env.keys());
    process.envs(env.iter().map(|(name, value)| (format!("{VALUE}{name}"), value.to_path())));
    process.args(words(command, shell));
    process
}

#[cfg(not(unix))]
fn prepare(
    command: &Command,
    env: &BTreeMap<String, Text>,
    shell: Option<&Text>,
    _environment: &[PathBuf],
) -> std::process::Command {
    let mut words = words(command, shell).into_iter();
    let mut process = std::process::Command::new(words.next().unwrap_or_default());
    process.args(words).envs(env.iter().map(|(name, value)| (name, value.to_path())));
    process
}

/// Reads a pipe to its end. It waits when its consumer is slow.
fn read(mut pipe: impl Read + Send + 'static, stream: usize, chunks: SyncSender<(usize, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; READ_SIZE];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                // The receiver is gone, and the program must not block.
                Ok(read) => drop(chunks.send((stream, buffer[..read].to_vec()))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
}

fn wait(
    child: &mut Child,
    interrupt: Option<&Interrupt>,
    terminal: Option<&Terminal>,
    output: &mut Output<'_>,
) -> Result<std::process::ExitStatus, Error> {
    let mut poll = FIRST_POLL;
    let mut asked: Option<Instant> = None;
    loop {
        let failed = |error: std::io::Error| Error::NotStarted {
            command: "wait".into(),
            reason: error.to_string(),
        };
        if let Some(status) = platform::poll_child(child).map_err(failed)? {
            return Ok(status);
        }
        if interrupt.is_some() && terminal.is_some_and(Terminal::was_interrupted) {
            asked.get_or_insert_with(Instant::now);
        }
        // A command that ignores Ctrl-C is killed.
        if interrupt.is_some_and(Interrupt::is_set)
            || asked.is_some_and(|asked| asked.elapsed() >= PATIENCE)
        {
            return Err(Error::Interrupted);
        }
        if !output.take(poll) {
            thread::sleep(poll);
        }
        poll = (poll * 2).min(LONGEST_POLL);
    }
}
