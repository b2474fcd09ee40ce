//! Running the commands of activations: with the environment of a snapshot, in a process group of
//! their own, so that they can be ended with all they started.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Error;
use super::kind::{EffectKind, Kind, Surroundings};
use crate::platform;
use crate::settings::Interrupt;
use crate::tail::Tail;
use crate::value::Text;

/// How many of the last lines an error shows.
const LAST_LINES: usize = 20;
const READ_SIZE: usize = 64 * 1024;
const FIRST_POLL: Duration = Duration::from_millis(1);
const LONGEST_POLL: Duration = Duration::from_millis(50);
/// How long to wait for output of a program that left others behind.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Sources the environment, then becomes the program.
#[cfg(unix)]
const START: &[u8] = b"if [ -r \"$1\" ]; then . \"$1\"; fi; shift; exec env \"$@\"";

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
            Command::Arguments(words) => words.iter().map(Text::display).collect::<Vec<_>>().join(" "),
        }
    }

    fn texts(&self) -> &[Text] {
        match self {
            Command::Line(line) => std::slice::from_ref(line),
            Command::Arguments(words) => words,
        }
    }

    fn texts_mut(&mut self) -> &mut [Text] {
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
    /// The directory that it runs in; the home unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Text>,
    /// Variables besides those of the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// The shell for lines; the system's own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Text>,
}

impl Kind for Run {
    fn texts(&self) -> Vec<&Text> {
        let commands = [Some(&self.command), self.undo.as_ref()].into_iter().flatten().flat_map(Command::texts);
        commands.chain(&self.cwd).chain(&self.shell).chain(self.env.values()).collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        let commands = [Some(&mut self.command), self.undo.as_mut()].into_iter().flatten();
        let words = commands.flat_map(Command::texts_mut);
        words.chain(&mut self.cwd).chain(&mut self.shell).chain(self.env.values_mut()).collect()
    }
}

impl EffectKind for Run {
    /// What runs, and where it runs.
    fn key(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.command, &self.cwd, &self.env, &self.shell)).unwrap_or_default()
    }

    fn describe(&self, undo: bool) -> String {
        if undo { self.undo.as_ref().unwrap_or(&self.command).display() } else { self.command.display() }
    }

    fn has_undo(&self) -> bool {
        self.undo.is_some()
    }

    fn is_always(&self) -> bool {
        self.always
    }

    fn perform(&self, undo: bool, surroundings: &Surroundings<'_>) -> Result<(), Error> {
        match if undo { self.undo.as_ref() } else { Some(&self.command) } {
            Some(command) => run(self, command, surroundings),
            None => Ok(()),
        }
    }
}

fn run(action: &Run, command: &Command, surroundings: &Surroundings<'_>) -> Result<(), Error> {
    let Run { cwd, env, shell, .. } = action;
    let Surroundings { home, environment, interrupt } = surroundings;
    let name = command.display();
    let mut process = prepare(command, env, shell.as_ref(), environment);
    process.current_dir(cwd.as_ref().map_or_else(|| home.to_path_buf(), |cwd| cwd.expand_home(home).to_path()));
    process.env("HOME", home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::own_group(&mut process);
    // What it will do is not known: to those who count changes, it is one.
    platform::fault::pass(Path::new(&name))?;
    let mut child =
        process.spawn().map_err(|error| Error::NotStarted { command: name.clone(), reason: error.to_string() })?;
    let last = Arc::new(Mutex::new(Tail::new(LAST_LINES)));
    let readers: Vec<_> = [
        child.stdout.take().map(|pipe| read(pipe, 0, Arc::clone(&last))),
        child.stderr.take().map(|pipe| read(pipe, 1, Arc::clone(&last))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let status = wait(&mut child, *interrupt);
    if status.is_err() {
        platform::end_group(child.id());
        let _ = child.wait();
    }
    // A daemon that it started may keep the pipes open: it goes on without us.
    let begin = Instant::now();
    while readers.iter().any(|reader| !reader.is_finished()) && begin.elapsed() < LAST_WORDS {
        thread::sleep(FIRST_POLL);
    }
    let status = status?;
    if status.success() {
        return Ok(());
    }
    let last = last.lock().unwrap_or_else(PoisonError::into_inner);
    Err(Error::Failed {
        command: name,
        status: status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}")),
        output: last.lines().join("\n"),
    })
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
    environment: &Path,
) -> std::process::Command {
    let mut process = platform::shell_command(None, platform::path_from_bytes(START).as_os_str());
    process.arg("sh").arg(environment);
    for (name, value) in env {
        process.arg(platform::path_from_bytes(&[name.as_bytes(), b"=", &value.0].concat()));
    }
    process.args(words(command, shell));
    process
}

#[cfg(not(unix))]
fn prepare(
    command: &Command,
    env: &BTreeMap<String, Text>,
    shell: Option<&Text>,
    _environment: &Path,
) -> std::process::Command {
    let mut words = words(command, shell).into_iter();
    let mut process = std::process::Command::new(words.next().unwrap_or_default());
    process.args(words).envs(env.iter().map(|(name, value)| (name, value.to_path())));
    process
}

fn read(mut pipe: impl Read + Send + 'static, stream: usize, last: Arc<Mutex<Tail<2>>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; READ_SIZE];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => last.lock().unwrap_or_else(PoisonError::into_inner).put(stream, &buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })
}

fn wait(child: &mut Child, interrupt: Option<&Interrupt>) -> Result<std::process::ExitStatus, Error> {
    let mut poll = FIRST_POLL;
    loop {
        let failed = |error: std::io::Error| Error::NotStarted { command: "wait".into(), reason: error.to_string() };
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if interrupt.is_some_and(Interrupt::is_set) {
            return Err(Error::Interrupted);
        }
        thread::sleep(poll);
        poll = (poll * 2).min(LONGEST_POLL);
    }
}
