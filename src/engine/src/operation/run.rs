//! Running programs in a build: confined, with their output in the log, and nothing left running in
//! the end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::confined_thread::{self, Runner};
use super::log::Log;
use super::sandbox::Confined;
use super::{Error, LogPlace, Result, Workspace};
use crate::platform::jail::{self, Confinement, Rules, Step};
use crate::platform::process::{
    End, ProgramLimits, Reaper, Stream, start, start_in_jail, wait_for_program,
};
use crate::platform::{self, FileKind};
use crate::settings::{Interrupt, OutputLimits};

/// As much of a script as the system looks at for its interpreter, in bytes.
const LONGEST_INTERPRETER: u64 = 256;

/// A program to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// What runs.
    pub program: Program,
    /// The directory it runs in; the build directory when `None`.
    pub directory: Option<PathBuf>,
    /// Its whole environment.
    pub environment: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// The time limit; unlimited when `None`.
    pub timeout: Option<Duration>,
    /// What it may read besides what every program of the build may.
    pub read: Vec<PathBuf>,
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
    /// Returns the command as a person would type it.
    fn display(&self) -> String {
        match self {
            Program::Line { line, .. } => String::from_utf8_lossy(line).into_owned(),
            Program::Arguments(arguments) => arguments
                .iter()
                .map(|argument| String::from_utf8_lossy(argument))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// Returns the command for a message: a whole script is named by its first line.
fn in_short(command: &str) -> String {
    let mut lines = command.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(first), Some(_)) => format!("{first} ..."),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

fn os(bytes: &[u8]) -> OsString {
    platform::path_from_bytes(bytes).into_os_string()
}

/// Runs a program and returns its standard output.
pub fn run(workspace: &Workspace, command: &Command) -> Result<Vec<u8>> {
    let directory = match &command.directory {
        Some(directory) => workspace.place_to_write_into(directory)?.path(),
        None => workspace.directory.clone(),
    };
    let found = platform::kind_of(&directory)?;
    if found != Some(FileKind::Directory) {
        let why = if found.is_none() { "there is no such directory" } else { "it is a file" };
        let shown = command.directory.as_ref().unwrap_or(&directory).display();
        return Err(Error::Refused { what: format!("cannot run a program in {shown}: {why}") });
    }
    let rules = workspace.rules(readable(workspace, command)?);
    let whole = command.program.display();
    let name = in_short(&whole);
    let not_started = |reason| Error::NotStarted { command: name.clone(), reason };
    let confined = workspace.sandbox.confine(workspace, rules, &name)?;
    let is_marked = !matches!(confined, Confined::Jail(..));
    let attendance = ProgramWorker {
        process: process(workspace, command, &directory, &name)?,
        name: name.clone(),
        whole,
        log: workspace.log.clone(),
        limits: workspace.settings.output.clone(),
        mark: if is_marked { workspace.sandbox.mark(&workspace.mark)? } else { String::new() },
        input: command.input.clone(),
        deadline: command.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        interrupt: workspace.settings.interrupt.clone(),
    };
    let attended = match confined {
        Confined::Jail(lease, rules, beginning) => {
            let steps = workspace.sandbox.steps_for(&rules);
            let command = name.clone();
            let attended = match steps {
                Ok(steps) => lease.run(move |runner| {
                    let refusal = match beginning {
                        Some(beginning) => beginning.make(runner).err(),
                        // It was to be made before this.
                        None => runner.refusal.take(),
                    };
                    if let Some(reason) = refusal {
                        return Err(Error::NotStarted { command, reason });
                    }
                    attendance.run(Means::Jail(runner, steps))
                }),
                Err(reason) => Ok(Err(not_started(reason))),
            };
            workspace.sandbox.keep(lease);
            attended
        }
        Confined::Landlock(lease, rules) => {
            if let Some(user) = workspace.sandbox.user()
                && !workspace.may_build_read(&workspace.directory)
            {
                return Err(Error::NotForBuilds { path: workspace.directory.clone(), user });
            }
            // What a program leaves behind is found as long as this is there.
            let _reaper = Reaper::begin();
            lease.run(move |runner| attendance.run(Means::Landlock(runner, rules)))
        }
        Confined::Off(lease) => {
            let _reaper = Reaper::begin();
            lease.run(move |_| attendance.run(Means::Nothing))
        }
    };
    let (end, output, log) = attended.map_err(|error| not_started(error.to_string()))??;
    let last = log.last_lines();
    let path = log.is_cut().then(|| LogPlace { path: workspace.log.clone(), limit: log.reached() });
    match end {
        End::Ended(status) if status.success() => Ok(output),
        End::Ended(status) => {
            Err(Error::Failed { command: name, status: in_words(status), output: last, log: path })
        }
        End::TimedOut => {
            let seconds = command.timeout.unwrap_or_default().as_secs_f64();
            Err(Error::Failed {
                command: name,
                status: format!("did not end within {seconds} s"),
                output: last,
                log: path,
            })
        }
        End::Refused => {
            Err(Error::TooMuchOutput { command: name, limit: workspace.settings.output.string })
        }
        End::Interrupted => Err(Error::Interrupted),
    }
}

/// Returns what a program may read besides, as absolute paths.
fn readable(workspace: &Workspace, command: &Command) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in &command.read {
        let path = workspace.absolute(path);
        if !platform::leads_somewhere(&path) {
            return Err(platform::failed("read", &path)(io::ErrorKind::NotFound.into()).into());
        }
        if let Some(user) = workspace.sandbox.user() {
            let is_open = workspace.may_build_read(&path);
            if !is_open {
                return Err(Error::NotForBuilds { path, user });
            }
        }
        paths.push(path);
    }
    Ok(paths)
}

fn process(
    workspace: &Workspace,
    command: &Command,
    directory: &Path,
    name: &str,
) -> Result<std::process::Command> {
    let find = |program: &OsStr| {
        resolve_program(program, command, directory).ok_or_else(|| Error::NotStarted {
            command: name.to_owned(),
            reason: format!("there is no program {} in the PATH of the build", program.display()),
        })
    };
    let mut process = match &command.program {
        Program::Line { line, shell } => {
            let shell = shell.as_ref().map(|shell| find(shell.as_os_str())).transpose()?;
            platform::shell_command(shell.as_deref(), &os(line))
        }
        Program::Arguments(arguments) => {
            let mut arguments = arguments.iter().map(|argument| os(argument));
            let mut process =
                std::process::Command::new(find(&arguments.next().unwrap_or_default())?);
            process.args(arguments);
            process
        }
    };
    if workspace.is_check {
        process = with_other_umask(&process);
    }
    process.env_clear().envs(command.environment.iter().map(|(key, value)| (os(key), os(value))));
    process.current_dir(directory);
    Ok(process)
}

/// What a program of a second build runs under: a shell sets it, whatever confines the program.
const OTHER_UMASK: &str = "umask 077; exec \"$@\"";

fn with_other_umask(process: &std::process::Command) -> std::process::Command {
    let mut shell = platform::shell_command(None, OsStr::new(OTHER_UMASK));
    shell.arg("sh").arg(process.get_program()).args(process.get_args());
    shell
}

/// A name without a slash is looked up in the `PATH` of the program, not in that of this process.
fn resolve_program(program: &OsStr, command: &Command, directory: &Path) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return Some(directory.join(path));
    }
    let search =
        command.environment.get(b"PATH".as_slice()).map(|path| os(path)).unwrap_or_default();
    std::env::split_paths(&search)
        .map(|place| directory.join(place).join(path))
        .find(|candidate| platform::is_file(candidate))
}

/// What a program is started with.
enum Means<'a> {
    Nothing,
    Landlock(&'a Runner, Rules),
    /// In the jail of the thread, with what it sees besides.
    Jail(&'a mut Runner, Vec<Step>),
}

/// What the thread that starts a program works with.
struct ProgramWorker {
    process: std::process::Command,
    name: String,
    whole: String,
    log: PathBuf,
    limits: OutputLimits,
    mark: String,
    input: Vec<u8>,
    deadline: Option<Instant>,
    interrupt: Interrupt,
}

impl ProgramWorker {
    fn run(mut self, means: Means<'_>) -> Result<(End, Vec<u8>, Log)> {
        let is_confined = !matches!(means, Means::Nothing);
        let not_started = |reason| Error::NotStarted { command: self.name.clone(), reason };
        let mut log = Log::new(&self.log, self.limits.log);
        log.begin(&self.whole)?;
        let (mut has_scoped_signals, mut user) = (false, None);
        let started = match means {
            Means::Nothing => {
                start(&mut self.process, !self.input.is_empty(), None, (None, &self.mark))
            }
            Means::Landlock(runner, rules) => {
                has_scoped_signals = jail::support().has_scoped_signals();
                user = rules.user;
                let confinement = runner
                    .places
                    .as_ref()
                    .map(|places| Confinement::new(&rules, places))
                    .transpose();
                let confinement = confinement.map_err(|error| {
                    not_started(confined_thread::Error::NotConfined(error).to_string())
                })?;
                start(
                    &mut self.process,
                    !self.input.is_empty(),
                    confinement.as_ref(),
                    (rules.user, &self.mark),
                )
            }
            Means::Jail(runner, steps) => match &mut runner.keeper {
                Some(keeper) if keeper.has_jail() => {
                    start_in_jail(&mut self.process, !self.input.is_empty(), keeper, &steps)
                }
                _ => Err(io::Error::other("its jail is gone")),
            },
        };
        let program = match started {
            Ok(program) => program,
            Err(error) => return Err(not_started(self.why_not(&error, is_confined))),
        };
        let mut output = Vec::new();
        let mut take = |stream: Stream, bytes: &[u8]| {
            log.put(stream, bytes);
            let is_enough = stream == Stream::Output
                && (output.len() + bytes.len()) as u64 > self.limits.string;
            if stream == Stream::Output && !is_enough {
                output.extend_from_slice(bytes);
            }
            !is_enough
        };
        let limits = ProgramLimits {
            input: &self.input,
            deadline: self.deadline,
            interrupt: &self.interrupt,
            has_scoped_signals,
            user,
            mark: &self.mark,
        };
        let end = wait_for_program(program, &limits, &mut take);
        // Its descriptor means nothing outside of this thread.
        log.close();
        Ok((end.map_err(|error| not_started(error.to_string()))?, output, log))
    }

    /// Says why a program did not start, which the system tells in one word.
    fn why_not(&self, error: &io::Error, is_confined: bool) -> String {
        let program = Path::new(self.process.get_program());
        let shown = program.display();
        let outside = || {
            format!(
                "{shown} is outside of what a build may read: name it in `read`, or build it as a \
                 derivation"
            )
        };
        match error.kind() {
            io::ErrorKind::NotFound
                if platform::leads_somewhere(program)
                    && is_confined
                    && !is_interpreter_missing(program) =>
            {
                outside()
            }
            io::ErrorKind::NotFound if platform::leads_somewhere(program) => {
                format!("the interpreter that {shown} names is missing")
            }
            io::ErrorKind::NotFound => format!("there is no {shown}"),
            io::ErrorKind::PermissionDenied
                if is_confined && platform::is_executable_file(program) =>
            {
                outside()
            }
            io::ErrorKind::PermissionDenied => format!("{shown} is not executable"),
            io::ErrorKind::ArgumentListTooLong => {
                "its arguments and environment are too long".to_owned()
            }
            _ => platform::reason(error),
        }
    }
}

/// Returns whether a program is a script of an interpreter that is not there.
fn is_interpreter_missing(program: &Path) -> bool {
    use std::io::Read;
    let mut beginning = Vec::new();
    let read = platform::open_regular(program)
        .and_then(|file| file.take(LONGEST_INTERPRETER).read_to_end(&mut beginning));
    let line = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let interpreter = line.strip_prefix(b"#!").map(<[u8]>::trim_ascii_start);
    let interpreter = interpreter.and_then(|line| line.split(u8::is_ascii_whitespace).next());
    read.is_ok()
        && interpreter
            .is_some_and(|path| !platform::leads_somewhere(&platform::path_from_bytes(path)))
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => platform::signal_of(status)
            .map_or_else(|| status.to_string(), |signal| format!("was ended by {signal}")),
    }
}
