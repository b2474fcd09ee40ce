//! Running programs in a build: own process group, output kept in the log.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Error, Result, Workspace};
use crate::platform;

/// How many of the last lines an error shows.
const LAST_LINES: usize = 20;
const FIRST_POLL: Duration = Duration::from_millis(1);
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// What runs.
    pub program: Program,
    /// The directory it runs in; the build directory when `None`.
    pub directory: Option<PathBuf>,
    /// Its whole environment.
    pub environment: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A line for the shell, or a list of arguments.
#[derive(Clone, Debug)]
pub enum Program {
    /// A line for the shell; the system's own when `shell` is `None`.
    Line {
        /// The line.
        line: Vec<u8>,
        /// The shell's path.
        shell: Option<PathBuf>,
    },
    /// The program and its arguments. Never empty.
    Arguments(Vec<Vec<u8>>),
}

impl Program {
    /// Returns the command as a person would type it, for messages.
    fn display(&self) -> String {
        match self {
            Program::Line { line, .. } => String::from_utf8_lossy(line).into_owned(),
            Program::Arguments(arguments) => {
                arguments.iter().map(|argument| String::from_utf8_lossy(argument)).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn os(bytes: &[u8]) -> OsString {
    platform::path_from_bytes(bytes).into_os_string()
}

/// Runs a program and returns its standard output.
pub fn run(workspace: &Workspace, command: &Command) -> Result<Vec<u8>> {
    let directory = match &command.directory {
        Some(directory) => workspace.writable(directory)?,
        None => workspace.directory.clone(),
    };
    let name = command.program.display();
    let mut process = match &command.program {
        Program::Line { line, shell } => platform::shell_command(shell.as_deref(), &os(line)),
        Program::Arguments(arguments) => {
            let mut arguments = arguments.iter().map(|argument| os(argument));
            let program = arguments.next().unwrap_or_default();
            let mut process = std::process::Command::new(find_program(&program, command, &directory));
            process.args(arguments);
            process
        }
    };
    process.env_clear().envs(command.environment.iter().map(|(key, value)| (os(key), os(value))));
    process.current_dir(&directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::own_group(&mut process);
    let mut child =
        process.spawn().map_err(|error| Error::NotStarted { command: name.clone(), reason: error.to_string() })?;
    let log = Log::open(&workspace.log, &name)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, output) = thread::scope(|scope| {
        let output = scope.spawn(|| stdout.map(|pipe| log.copy(pipe, true)).unwrap_or_default());
        scope.spawn(|| stderr.map(|pipe| log.copy(pipe, false)));
        let status = wait(workspace, &mut child);
        // Whatever the program left behind would keep the pipes open.
        platform::end_group(child.id());
        (status, output.join().unwrap_or_default())
    });
    let status = status?;
    if status.success() {
        return Ok(output);
    }
    Err(Error::Failed { command: name, status: in_words(status), output: log.last_lines() })
}

/// A name without a slash is looked up in the `PATH` that the program gets, not in ours.
fn find_program(program: &OsStr, command: &Command, directory: &Path) -> PathBuf {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return directory.join(path);
    }
    let search = command.environment.get(b"PATH".as_slice()).map(|path| os(path)).unwrap_or_default();
    std::env::split_paths(&search)
        .map(|place| place.join(path))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| path.to_owned())
}

fn wait(workspace: &Workspace, child: &mut Child) -> Result<ExitStatus> {
    let mut poll = FIRST_POLL;
    loop {
        let stopped = |error| platform::failed("wait for", &workspace.directory)(error);
        if let Some(status) = child.try_wait().map_err(stopped)? {
            return Ok(status);
        }
        if workspace.settings.interrupt.is_set() {
            platform::end_group(child.id());
            let _ = child.wait();
            return Err(Error::Interrupted);
        }
        thread::sleep(poll);
        poll = (poll * 2).min(LONGEST_POLL);
    }
}

fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// The build's log, and the last lines for an error.
struct Log {
    file: Mutex<std::fs::File>,
    last: Mutex<VecDeque<String>>,
}

impl Log {
    fn open(path: &Path, command: &str) -> Result<Log> {
        let mut file = platform::append_file(path)?;
        // A full disk is noticed where it hurts: a log alone does not end a build.
        let _ = writeln!(file, "$ {command}");
        Ok(Log { file: Mutex::new(file), last: Mutex::new(VecDeque::new()) })
    }

    /// Copies what comes from a pipe, line by line; returns it if asked to.
    fn copy(&self, pipe: impl Read, keep: bool) -> Vec<u8> {
        let mut reader = BufReader::new(pipe);
        let mut all = Vec::new();
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            if last.len() > LAST_LINES {
                last.pop_front();
            }
            if keep {
                all.append(&mut line);
            }
            line.clear();
        }
        all
    }

    fn last_lines(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
