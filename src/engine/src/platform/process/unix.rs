//! Linux and macOS: one loop that waits for a program and its pipes at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::{End, ProgramLimits, Stream, reaper};
use crate::platform::jail::Keeper;

/// How soon a request to stop is noticed.
const NOTICED_WITHIN: Duration = Duration::from_millis(100);
/// The interval of polling on systems that do not report the end of a program.
const ASKED_EVERY: Duration = Duration::from_millis(5);
/// The time limit for the last output of killed processes.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
const READ_SIZE: usize = 64 * 1024;

/// How a program is held until it ends.
pub(super) enum Held<'k> {
    /// As a child of this process.
    Child(Pid),
    /// By the keeper of a jail.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has jails"))]
    Jail(&'k mut Keeper),
}

/// A running program, with this side's ends of its streams.
pub struct Program<'k> {
    pub(super) held: Held<'k>,
    /// Becomes readable when it ends, where the system has that.
    pub(super) handle: Option<OwnedFd>,
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Prepares this thread to start programs. Nothing is needed here: open files close automatically.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn prepare_thread() -> io::Result<()> {
    Ok(())
}

/// Starts a program in its own process group. It gets only the environment of the command.
/// `has_input` says whether it has standard input.
///
/// # Errors
/// When the system refuses.
#[cfg(not(target_os = "linux"))]
pub fn start(
    command: &mut std::process::Command,
    has_input: bool,
    _confinement: Option<&crate::platform::jail::Confinement>,
    _known_by: (Option<u32>, &str),
) -> io::Result<Program<'static>> {
    use std::process::Stdio;
    crate::platform::own_group(command);
    command
        .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let stdout = child.stdout.take().ok_or_else(gone)?.into();
    let stderr = child.stderr.take().ok_or_else(gone)?.into();
    Ok(Program {
        held: Held::Child(pid),
        handle: None,
        stdin: child.stdin.take().map(OwnedFd::from),
        stdout,
        stderr,
    })
}

/// Waits for the end of a program and hands on what it prints; `take` returns `false` when it had
/// enough. In the end nothing that it started runs any more.
///
/// # Errors
/// When the system does not tell how it ended.
pub fn wait_for_program(
    program: Program<'_>,
    limits: &ProgramLimits<'_>,
    take: &mut dyn FnMut(Stream, &[u8]) -> bool,
) -> io::Result<End> {
    let Program { held, handle, stdin, stdout, stderr } = program;
    let mut pipes = Pipes {
        stdin,
        input: limits.input,
        outputs: [(Stream::Output, Some(stdout)), (Stream::Error, Some(stderr))],
        buffer: Vec::with_capacity(READ_SIZE),
        is_refused: false,
    };
    let end = wait(&held, handle.as_ref(), &mut pipes, limits, take);
    let status = match held {
        Held::Child(pid) => {
            // Before the program's number is released: no other process can have it.
            crate::platform::end_group(pid.as_raw_pid().cast_unsigned());
            let is_clean = reaper::end(limits);
            let status = status(pid)?;
            if !is_clean {
                return Err(io::Error::other("it left processes running that cannot be ended"));
            }
            status
        }
        Held::Jail(keeper) => {
            if !matches!(end, Ok(None)) {
                keeper.stop()?;
            }
            ExitStatus::from_raw(keeper.wait()?)
        }
    };
    let last = Instant::now() + LAST_OUTPUT;
    while pipes.are_open() && Instant::now() < last {
        pipes.serve(None, last.saturating_duration_since(Instant::now()), take)?;
    }
    // What is too much may also come with the end, and after it.
    let ended = if pipes.is_refused { End::Refused } else { End::Ended(status) };
    Ok(end?.unwrap_or(ended))
}

/// Waits for the end of a program, and gives its number back.
pub(super) fn status(pid: Pid) -> io::Result<ExitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the program ends (`None`) or must be ended.
fn wait(
    held: &Held<'_>,
    handle: Option<&OwnedFd>,
    pipes: &mut Pipes<'_>,
    limits: &ProgramLimits<'_>,
    take: &mut dyn FnMut(Stream, &[u8]) -> bool,
) -> io::Result<Option<End>> {
    if let Some(stdin) = &pipes.stdin {
        rustix::io::ioctl_fionbio(stdin, true)?;
    }
    let longest = if handle.is_some() { NOTICED_WITHIN } else { ASKED_EVERY };
    loop {
        let now = Instant::now();
        let left = limits
            .deadline
            .map_or(longest, |deadline| deadline.saturating_duration_since(now).min(longest));
        let served = pipes.serve(handle.map(AsFd::as_fd), left, take)?;
        let has_ended = match held {
            _ if handle.is_some() && served.has_ended => true,
            Held::Child(pid) if handle.is_none() => has_ended(*pid)?,
            Held::Child(_) => false,
            Held::Jail(keeper) => !keeper.is_alive(),
        };
        if has_ended {
            return Ok(None);
        } else if !served.goes_on {
            return Ok(Some(End::Refused));
        } else if limits.interrupt.is_set() {
            return Ok(Some(End::Interrupted));
        } else if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Some(End::TimedOut));
        }
    }
}

/// Returns whether a program ended; its number stays taken.
fn has_ended(pid: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

struct Pipes<'a> {
    stdin: Option<OwnedFd>,
    input: &'a [u8],
    outputs: [(Stream, Option<OwnedFd>); 2],
    buffer: Vec<u8>,
    /// Whether `take` had enough.
    is_refused: bool,
}

struct Served {
    has_ended: bool,
    goes_on: bool,
}

impl Pipes<'_> {
    fn are_open(&self) -> bool {
        self.outputs.iter().any(|(_, pipe)| pipe.is_some())
    }

    /// Waits until something can be read or written or the program has ended, and does it once.
    fn serve(
        &mut self,
        handle: Option<BorrowedFd<'_>>,
        longest: Duration,
        take: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> io::Result<Served> {
        let mut waited = Vec::with_capacity(4);
        waited.extend(handle.map(|handle| PollFd::from_borrowed_fd(handle, PollFlags::IN)));
        waited.extend(self.stdin.as_ref().map(|stdin| PollFd::new(stdin, PollFlags::OUT)));
        let outputs = self.outputs.iter().filter_map(|(_, pipe)| pipe.as_ref());
        waited.extend(outputs.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        match poll(&mut waited, Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = waited
            .iter()
            .map(|waited| !waited.revents().is_empty())
            .collect::<Vec<_>>()
            .into_iter();
        let mut next = |is_waited: bool| is_waited && happened.next().unwrap_or(false);
        let has_ended = next(handle.is_some());
        if next(self.stdin.is_some()) {
            self.write();
        }
        let mut goes_on = true;
        for (stream, pipe) in &mut self.outputs {
            if !next(pipe.is_some()) {
                continue;
            }
            self.buffer.clear();
            match pipe.as_ref().map(|pipe| rustix::io::read(pipe, spare_capacity(&mut self.buffer)))
            {
                Some(Ok(1..)) => goes_on = take(*stream, &self.buffer) && goes_on,
                Some(Err(Errno::INTR | Errno::AGAIN)) => {}
                _ => *pipe = None,
            }
        }
        self.is_refused |= !goes_on;
        Ok(Served { has_ended, goes_on })
    }

    fn write(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        match rustix::io::write(stdin, self.input) {
            Ok(written) => self.input = &self.input[written..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The program does not want to read more.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}
