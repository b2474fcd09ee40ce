//! Namespaces of a build, as the thread sees them that starts its programs.
//!
//! Each such thread has a **keeper**, a process with the most expensive parts, which contain
//! nothing of a build: its own user, empty network and host name. It knows two sets of mounts:
//! those of the machine, where it stays, and those that all builds see, without anything else of
//! the machine. For each build it opens in the first set what this build sees, and makes an
//! **init** in a copy of the second: the first process of a pid namespace, with its own IPC (for
//! root with its own users too, because each build of root is another user). The init mounts the
//! opened files. Commands run there. A command that sees more than its build gets a copy of the
//! mounts, and makes a root of them with the files that the keeper opened for it. A thread has one
//! jail at a time.
//!
//! Keeper and init are made as `vfork` makes a process: they share the memory of this process and
//! the descriptors of the thread, so nothing is copied or sent, and a lock of the thread is held
//! while one of them runs. Their code is in `processes.rs`. No process of a build can inspect them:
//! they have capabilities, which builds lack. Both end as soon as this process does, after all
//! processes of the build.

use std::ffi::{CString, c_int};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::filter::new_users;
use super::processes::keep;
use super::shared::{self, Command, Events, Shared, Stack};
use super::steps::{Source, Step};
use super::view::{GROUP_NUMBER, Template, USER_NUMBER, View};
use crate::platform::process::Start;

/// Why a jail cannot be made.
#[derive(Debug)]
pub struct Refused {
    /// The operation.
    pub step: String,
    /// Why it failed.
    pub cause: io::Error,
}

fn refused(step: &str) -> impl FnOnce(io::Error) -> Refused + '_ {
    move |cause| Refused { step: step.to_owned(), cause }
}

/// The keeper of a thread. It is used, and dropped, on the thread that made it.
pub struct Keeper {
    shared: ManuallyDrop<Box<Shared>>,
    stack: ManuallyDrop<Stack>,
    pid: c_int,
    /// Becomes readable when the keeper ends.
    process: OwnedFd,
    /// What the build sees that has a jail.
    jail: Option<Box<View>>,
    /// What the last one saw, whose init may not have ended yet.
    last: Option<Box<View>>,
}

fn event() -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers and gives a descriptor.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: this code owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes this process's end known as the readability of a descriptor.
fn own_process() -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers and gives a descriptor.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: this code owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Events {
    fn new() -> io::Result<Events> {
        Ok(Events {
            process: own_process()?,
            to_keeper: event()?,
            from_keeper: event()?,
            to_init: event()?,
            from_init: event()?,
            ended: event()?,
        })
    }
}

/// Waits until one of two can be read, or for a time; returns which can.
fn wait_for_one(descriptors: [&OwnedFd; 2], longest: Option<Duration>) -> io::Result<[bool; 2]> {
    let longest = longest.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
    loop {
        let mut waited = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::IN));
        match rustix::event::poll(&mut waited, longest.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(waited.map(|waited| !waited.revents().is_empty())),
        }
    }
}

impl Keeper {
    /// Makes the keeper of this thread, which must be a prepared one. With `network`, its builds
    /// have that of the machine. `template` is what they all see.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(network: bool, template: Template) -> Result<Keeper, Refused> {
        let events = Events::new().map_err(refused("events"))?;
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let map = |inside: u32, outside: u32| {
            CString::new(format!("{inside} {outside} 1")).unwrap_or_default()
        };
        let maps = [map(USER_NUMBER, user.as_raw()), map(GROUP_NUMBER, group.as_raw())];
        let shared = Box::new(Shared {
            events,
            keeper: AtomicI32::new(-1),
            machine: [AtomicI32::new(-1), AtomicI32::new(-1)],
            jails: AtomicI32::new(-1),
            request: AtomicU32::new(shared::NOTHING),
            view: AtomicPtr::default(),
            command: AtomicPtr::new(ptr::null_mut()),
            is_gone: AtomicU32::new(0),
            failed: AtomicI32::new(-1),
            error: AtomicI32::new(0),
            status: AtomicI32::new(0),
            keeper_maps: (!user.is_root()).then_some(maps),
            template,
            new_users: new_users(),
            init_stack: Stack::new(),
            command_stack: Stack::new(),
        });
        let stack = Stack::new();
        let mut flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD | libc::SIGCHLD;
        flags |= libc::CLONE_NEWNS | libc::CLONE_NEWUTS;
        let mut process: RawFd = -1;
        if shared.keeper_maps.is_some() {
            flags |= libc::CLONE_NEWUSER;
        }
        if !network {
            flags |= libc::CLONE_NEWNET;
        }
        // SAFETY: the stack and what is shared live until the process has ended, see `drop`; all
        // signals are blocked on this thread, so that no handler runs in it.
        let pid = unsafe {
            let argument = ptr::from_ref::<Shared>(&shared).cast_mut().cast();
            libc::clone(keep, stack.top(), flags, argument, &raw mut process)
        };
        if pid < 0 {
            return Err(refused("namespaces of its own")(io::Error::last_os_error()));
        }
        // SAFETY: the system returned the descriptor.
        let process = unsafe { OwnedFd::from_raw_fd(process) };
        shared.keeper.store(process.as_raw_fd(), Ordering::SeqCst);
        let keeper = Keeper {
            shared: ManuallyDrop::new(shared),
            stack: ManuallyDrop::new(stack),
            pid,
            process,
            jail: None,
            last: None,
        };
        let ready = keeper.answer(&keeper.shared.events.from_keeper);
        ready.map_err(|cause| keeper.refused(&keeper.shared.template.steps, "its users", cause))?;
        Ok(keeper)
    }

    /// Names the step that failed.
    fn refused(&self, steps: &[Step], otherwise: &str, cause: io::Error) -> Refused {
        let failed = usize::try_from(self.shared.failed.load(Ordering::SeqCst)).ok();
        let step = failed.and_then(|failed| steps.get(failed));
        Refused { step: step.map_or(otherwise.to_owned(), Step::name), cause }
    }

    /// Waits for an answer, and returns the error that came with it.
    fn answer(&self, event: &OwnedFd) -> io::Result<()> {
        let is_over = self.await_event(event)?;
        let is_gone = is_over || self.shared.is_gone.load(Ordering::SeqCst) != 0;
        match self.shared.error.swap(0, Ordering::SeqCst) {
            0 if is_gone => Err(io::Error::other("the first process of its namespaces was ended")),
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Waits until something is told; returns whether the keeper ended instead.
    fn await_event(&self, event: &OwnedFd) -> io::Result<bool> {
        let [_, is_told] = wait_for_one([&self.process, event], None)?;
        if is_told {
            rustix::io::read(event, &mut [0; 8])?;
        }
        Ok(!is_told)
    }

    /// Returns whether the keeper runs, so that it can make jails.
    pub fn is_ready(&self) -> bool {
        wait_for_one([&self.process, &self.process], Some(Duration::ZERO))
            .is_ok_and(|[is_over, _]| !is_over)
    }

    /// Returns whether the processes that the jail needs still run.
    pub fn is_alive(&self) -> bool {
        self.shared.is_gone.load(Ordering::SeqCst) == 0 && self.is_ready()
    }

    /// Waits until the keeper has seen the init end, and forgets earlier messages. Returns whether
    /// it has: after the end of the keeper, nothing reports the end of the init.
    fn bury(&mut self) -> bool {
        let events = &self.shared.events;
        let is_gone = self.await_event(&events.from_keeper).is_ok_and(|is_over| !is_over);
        self.shared.error.store(0, Ordering::SeqCst);
        self.shared.is_gone.store(0, Ordering::SeqCst);
        for event in [&events.from_init, &events.ended] {
            let is_told = wait_for_one([event, event], Some(Duration::ZERO))
                .is_ok_and(|[is_told, _]| is_told);
            if is_told {
                let _ = rustix::io::read(event, &mut [0; 8]);
            }
        }
        if let Some(last) = self.last.take()
            && !is_gone
        {
            // The init may still read it.
            std::mem::forget(last);
        }
        is_gone
    }

    fn ask(&self, event: &OwnedFd, request: u32) -> io::Result<()> {
        self.shared.request.store(request, Ordering::SeqCst);
        rustix::io::write(event, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    /// Returns whether a build has a jail here, and its processes run.
    pub fn has_jail(&self) -> bool {
        self.jail.is_some() && self.is_alive()
    }

    /// Makes a jail, in which a build sees this.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin(&mut self, view: View) -> Result<(), Refused> {
        // A build that was given up may have left one.
        self.end();
        self.settle();
        let view = Box::new(view);
        self.shared.view.store(ptr::from_ref::<View>(&view).cast_mut(), Ordering::SeqCst);
        self.shared.failed.store(-1, Ordering::SeqCst);
        self.ask(&self.shared.events.to_keeper, shared::BEGIN).map_err(refused("the keeper"))?;
        let answer = self.answer(&self.shared.events.from_init);
        close_opened(&view.steps);
        if let Err(cause) = answer {
            let is_gone = self.bury();
            let refused = self.refused(&view.steps, "a root of its own", cause);
            if !is_gone {
                std::mem::forget(view);
            }
            return Err(refused);
        }
        self.jail = Some(view);
        Ok(())
    }

    /// Starts a command; `steps` are done for it alone before. Returns what becomes readable when
    /// it, and all that it started, has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn run(&mut self, steps: &[Step], start: &Start<'_>) -> io::Result<OwnedFd> {
        let command =
            Command { steps, start, error: AtomicI32::new(0), failed: AtomicI32::new(-1) };
        self.shared.command.store(ptr::from_ref(&command).cast_mut().cast(), Ordering::SeqCst);
        if !steps.is_empty() {
            self.ask(&self.shared.events.to_keeper, shared::OPEN)?;
            self.answer(&self.shared.events.from_init)?;
        }
        let is_open = command.error.load(Ordering::SeqCst) == 0;
        let ran = if is_open {
            let asked = self.ask(&self.shared.events.to_init, shared::RUN);
            asked.and_then(|()| self.answer(&self.shared.events.from_init))
        } else {
            Ok(())
        };
        close_opened(steps);
        ran?;
        match command.error.load(Ordering::SeqCst) {
            0 => Ok(self.shared.events.ended.try_clone()?),
            error => {
                if is_open {
                    // It ended at once.
                    self.answer(&self.shared.events.ended)?;
                }
                let failed = usize::try_from(command.failed.load(Ordering::SeqCst)).ok();
                let cause = io::Error::from_raw_os_error(error);
                match failed.and_then(|failed| steps.get(failed)) {
                    Some(step) => {
                        Err(io::Error::new(cause.kind(), format!("{}: {cause}", step.name())))
                    }
                    None => Err(cause),
                }
            }
        }
    }

    /// Ends the command that runs, and all that it started.
    ///
    /// # Errors
    /// When the init is gone.
    pub fn stop(&self) -> io::Result<()> {
        self.ask(&self.shared.events.to_init, shared::STOP)
    }

    /// Waits until a command and all that it started has ended, and returns how it did, as wait(2)
    /// tells.
    ///
    /// # Errors
    /// When the init is gone.
    pub fn wait(&self) -> io::Result<i32> {
        self.answer(&self.shared.events.ended)?;
        Ok(self.shared.status.load(Ordering::SeqCst))
    }

    /// Waits until the last jail is gone.
    pub fn settle(&mut self) {
        if self.last.is_some() {
            self.bury();
        }
    }

    /// Ends the jail. No process of the build runs any more: each command is waited for with all
    /// its children. Therefore the build does not wait for the end of the namespaces.
    pub fn end(&mut self) {
        if self.jail.is_some() {
            let _ = self.ask(&self.shared.events.to_init, shared::END);
            self.last = self.jail.take();
        }
    }
}

/// Closes what the keeper opened for steps that are done. It has the descriptors of this thread.
fn close_opened(steps: &[Step]) {
    for step in steps {
        if let Step::Show { source: Source::Opened(opened), .. } = step {
            close_known(&opened.descriptor);
        }
    }
}

/// Closes a descriptor that the keeper or init opened for this thread.
fn close_known(descriptor: &AtomicI32) {
    let known = descriptor.swap(-libc::EBADF, Ordering::SeqCst);
    if known >= 0 {
        // SAFETY: nothing else closes it, and it is told once.
        drop(unsafe { OwnedFd::from_raw_fd(known) });
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
        let is_gone = self.last.is_none() && self.is_ready() || self.last.is_some() && self.bury();
        let _ = self.ask(&self.shared.events.to_keeper, shared::END);
        let mut status = 0;
        // SAFETY: the call writes a number.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } == -1
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        for descriptor in self.shared.machine.iter().chain([&self.shared.jails]) {
            close_known(descriptor);
        }
        if is_gone {
            // SAFETY: both processes have ended, and nothing uses these afterwards. Otherwise an
            // init may still run on them, without anything waiting for it.
            unsafe {
                ManuallyDrop::drop(&mut self.shared);
                ManuallyDrop::drop(&mut self.stack);
            }
        }
    }
}
