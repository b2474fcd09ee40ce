//! Linux and macOS: one loop that waits for a program and its pipes at once.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{End, Stream, Terms, leftovers};

/// How soon a request to stop is noticed.
const NOTICED_WITHIN: Duration = Duration::from_millis(100);
/// How often a system is asked that does not tell the end of a program by itself.
const ASKED_EVERY: Duration = Duration::from_millis(5);
/// How long to wait for the last output of what was ended.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
const READ_SIZE: usize = 64 * 1024;

/// Gives this thread descriptors of its own, and closes all but the first three and `kept` in it: a program inherits
/// what Lua opened otherwise. To be called while the thread holds no open file.
pub fn leave_descriptors(kept: impl Iterator<Item = i32>) {
    // Elsewhere threads share their descriptors.
    #[cfg(not(target_os = "linux"))]
    drop(kept);
    #[cfg(target_os = "linux")]
    {
        const FIRST: u32 = 3;
        let mut kept: Vec<u32> = kept.filter_map(|kept| u32::try_from(kept).ok()).collect();
        kept.sort_unstable();
        // SAFETY: the copies that are closed belong to nobody in this thread.
        unsafe {
            if rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FILES).is_ok() {
                let mut first = FIRST;
                for kept in kept {
                    if kept > first {
                        libc::syscall(libc::SYS_close_range, first, kept - 1, 0);
                    }
                    first = first.max(kept + 1);
                }
                libc::syscall(libc::SYS_close_range, first, u32::MAX, 0);
            }
        }
    }
}

/// Waits for the end of a program and hands on what it prints; `take` returns `false` when it had enough. In the end
/// nothing that it started runs any more.
///
/// # Errors
/// When the system does not tell how it ended.
pub fn attend(mut child: Child, terms: &Terms<'_>, take: &mut dyn FnMut(Stream, &[u8]) -> bool) -> io::Result<End> {
    let pid = Pid::from_child(&child);
    let mut pipes = Pipes {
        stdin: child.stdin.take().filter(|_| !terms.input.is_empty()),
        input: terms.input,
        outputs: [
            (Stream::Output, child.stdout.take().map(OwnedFd::from)),
            (Stream::Error, child.stderr.take().map(OwnedFd::from)),
        ],
        buffer: vec![0; READ_SIZE],
    };
    let end = wait(pid, &mut pipes, terms, take);
    // Before the program's number is given back: nobody else can have it.
    crate::platform::end_group(child.id());
    leftovers::end(terms);
    let status = child.wait()?;
    let last = Instant::now() + LAST_OUTPUT;
    while pipes.are_open() && Instant::now() < last {
        pipes.serve(None, last.saturating_duration_since(Instant::now()), take)?;
    }
    Ok(end?.unwrap_or(End::Ended(status)))
}

/// Waits until the program ended by itself, which is `None`, or has to.
fn wait(
    pid: Pid,
    pipes: &mut Pipes<'_>,
    terms: &Terms<'_>,
    take: &mut dyn FnMut(Stream, &[u8]) -> bool,
) -> io::Result<Option<End>> {
    if let Some(stdin) = &pipes.stdin {
        rustix::io::ioctl_fionbio(stdin, true)?;
    }
    #[cfg(target_os = "linux")]
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(target_os = "linux"))]
    let handle: Option<OwnedFd> = None;
    let longest = if handle.is_some() { NOTICED_WITHIN } else { ASKED_EVERY };
    loop {
        let now = Instant::now();
        let left = terms.deadline.map_or(longest, |deadline| deadline.saturating_duration_since(now).min(longest));
        let served = pipes.serve(handle.as_ref().map(AsFd::as_fd), left, take)?;
        let has_ended = match handle {
            Some(_) => served.has_ended,
            None => has_ended(pid)?,
        };
        if has_ended {
            return Ok(None);
        } else if !served.goes_on {
            return Ok(Some(End::Refused));
        } else if terms.interrupt.is_set() {
            return Ok(Some(End::Interrupted));
        } else if terms.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
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
    stdin: Option<ChildStdin>,
    input: &'a [u8],
    outputs: [(Stream, Option<OwnedFd>); 2],
    buffer: Vec<u8>,
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
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = waited.iter().map(|waited| !waited.revents().is_empty()).collect::<Vec<_>>().into_iter();
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
            match pipe.as_ref().map(|pipe| rustix::io::read(pipe, &mut self.buffer)) {
                Some(Ok(read @ 1..)) => goes_on = take(*stream, &self.buffer[..read]) && goes_on,
                Some(Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN)) => {}
                _ => *pipe = None,
            }
        }
        Ok(Served { has_ended, goes_on })
    }

    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.input) {
            Ok(written) => self.input = &self.input[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The program does not want to read more.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}
