//! Namespaces of a build: the processes that make them, and that start its commands.
//!
//! Each thread that starts programs has a **keeper**, a process with a user and an empty network of
//! its own, which cost the most and hold nothing of a build. For each build it makes an **init**: the
//! first process of a pid namespace, with users, mounts, IPC and a host name of its own. It keeps the
//! machine's files in view and mounts beside them what the build sees. Each command gets a copy of
//! these mounts, adds what it may read, and makes them its root; the machine's files go with that.
//!
//! Keeper and init are made as `vfork` makes a process: they share our memory and the descriptors of
//! the thread, so that nothing is copied or sent. They call nothing but the system, with no word in
//! the memory of the C library. No process of a build can look into them: they have capabilities in
//! its user namespace, which a build has not. Both end as soon as this process does.
//!
//! It is over 600 lines, since what runs in these processes may call nothing that stands elsewhere.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::system_call::system_call;
use super::view::{Mode, Place, Source, Step, View};
use crate::platform::process::Start;

const STACK_SIZE: usize = 64 * 1024;
/// Who a build is, on every machine.
const USER: u32 = 1000;
const GROUP: u32 = 100;
const HOST: &[u8] = b"build";
const DOMAIN: &[u8] = b"(none)";
const SIGNAL_SET: usize = 8;
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_BOTH_EMPTY: u32 = 0x4 | 0x40;
const AT_RECURSIVE: u32 = 0x8000;
const OWN_DIRECTORY: c_int = libc::AT_FDCWD;
/// How a command ends that could not be started.
const NOT_STARTED: c_int = 127;

/// What a thread asks of its processes.
#[repr(u32)]
#[derive(Clone, Copy)]
enum Request {
    Nothing,
    Begin,
    Run,
    Stop,
    End,
}

const BEGIN: u32 = Request::Begin as u32;
const RUN: u32 = Request::Run as u32;
const STOP: u32 = Request::Stop as u32;
const END: u32 = Request::End as u32;

/// A command for a jail.
struct Command<'a> {
    steps: &'a [Step],
    start: &'a Start<'a>,
    error: AtomicI32,
    /// The step that failed; none when starting did.
    failed: AtomicI32,
}

/// What the thread and its processes share.
struct Shared {
    /// Becomes readable when this process ends.
    process: OwnedFd,
    to_keeper: OwnedFd,
    from_keeper: OwnedFd,
    to_init: OwnedFd,
    from_init: OwnedFd,
    /// Becomes readable when a command and all that it started have ended.
    ended: OwnedFd,
    request: AtomicU32,
    view: AtomicPtr<View>,
    command: AtomicPtr<c_void>,
    /// The init as this process sees it; less than 0 is an error.
    init: AtomicI32,
    /// Whether the init has ended.
    is_gone: AtomicU32,
    failed: AtomicI32,
    error: AtomicI32,
    status: AtomicI32,
    keeper_maps: [CString; 2],
    /// Whether the keeper has a user namespace; root's needs none.
    is_nested: bool,
    init_stack: Stack,
    command_stack: Stack,
}

/// Memory for a process beside us.
struct Stack(UnsafeCell<Vec<MaybeUninit<u128>>>);

impl Stack {
    fn new() -> Stack {
        Stack(UnsafeCell::new(Vec::with_capacity(STACK_SIZE / size_of::<u128>())))
    }

    /// Returns its top: it grows downwards.
    fn top(&self) -> *mut c_void {
        // SAFETY: nobody refers to what is in it as a vector.
        unsafe { (*self.0.get()).spare_capacity_mut().as_mut_ptr_range().end.cast() }
    }
}

/// Why a jail cannot be made.
#[derive(Debug)]
pub struct Refused {
    /// What was tried.
    pub step: String,
    /// Why it failed.
    pub cause: io::Error,
}

fn refused(step: &str) -> impl FnOnce(io::Error) -> Refused + '_ {
    move |cause| Refused { step: step.to_owned(), cause }
}

/// The keeper of a thread. It is used, and dropped, on the thread that made it.
pub struct Keeper {
    shared: Box<Shared>,
    _stack: Stack,
    pid: c_int,
    /// Becomes readable when the keeper ends.
    process: OwnedFd,
    /// What the build sees that has a jail.
    jail: Option<Box<View>>,
}

fn event() -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers and gives a descriptor.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
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

/// Makes this process's end known as the readability of a descriptor.
fn own_process() -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers and gives a descriptor.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Keeper {
    /// Makes the keeper of this thread, which must be a prepared one. With `network`, its builds have
    /// that of the machine.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(network: bool) -> Result<Keeper, Refused> {
        let events =
            || -> io::Result<[OwnedFd; 6]> { Ok([own_process()?, event()?, event()?, event()?, event()?, event()?]) };
        let [process, to_keeper, from_keeper, to_init, from_init, ended] = events().map_err(refused("events"))?;
        let is_root = rustix::process::geteuid().is_root();
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let map = |inside: u32, outside: u32| CString::new(format!("{inside} {outside} 1")).unwrap_or_default();
        let shared = Box::new(Shared {
            process,
            to_keeper,
            from_keeper,
            to_init,
            from_init,
            ended,
            request: AtomicU32::new(Request::Nothing as u32),
            view: AtomicPtr::default(),
            command: AtomicPtr::new(ptr::null_mut()),
            init: AtomicI32::new(0),
            is_gone: AtomicU32::new(0),
            failed: AtomicI32::new(-1),
            error: AtomicI32::new(0),
            status: AtomicI32::new(0),
            keeper_maps: [map(USER, user), map(GROUP, group)],
            is_nested: !is_root,
            init_stack: Stack::new(),
            command_stack: Stack::new(),
        });
        let stack = Stack::new();
        let mut flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD | libc::SIGCHLD;
        let mut process: RawFd = -1;
        if !is_root {
            flags |= libc::CLONE_NEWUSER;
        }
        if !network {
            flags |= libc::CLONE_NEWNET;
        }
        // SAFETY: the stack and what is shared live until the process has ended, see `drop`; all signals
        // are blocked on this thread, so that no handler runs in it.
        let pid = unsafe {
            let argument = ptr::from_ref::<Shared>(&shared).cast_mut().cast();
            libc::clone(keep, stack.top(), flags, argument, &raw mut process)
        };
        if pid < 0 {
            return Err(refused("a user namespace")(io::Error::last_os_error()));
        }
        // SAFETY: the system gave us the descriptor.
        let process = unsafe { OwnedFd::from_raw_fd(process) };
        let keeper = Keeper { shared, _stack: stack, pid, process, jail: None };
        keeper.answer(&keeper.shared.from_keeper).map_err(refused("its users"))?;
        Ok(keeper)
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
        let [is_over, _] = wait_for_one([&self.process, event], None)?;
        if !is_over {
            rustix::io::read(event, &mut [0; 8])?;
        }
        Ok(is_over)
    }

    /// Returns whether the processes that the jail needs still run.
    pub fn is_alive(&self) -> bool {
        let now = wait_for_one([&self.process, &self.process], Some(Duration::ZERO));
        self.shared.is_gone.load(Ordering::SeqCst) == 0 && now.is_ok_and(|[is_over, _]| !is_over)
    }

    /// Waits until the keeper has seen the init end, and forgets what was told meanwhile.
    fn bury(&self) {
        let _ = self.await_event(&self.shared.from_keeper);
        self.shared.error.store(0, Ordering::SeqCst);
        self.shared.is_gone.store(0, Ordering::SeqCst);
        for event in [&self.shared.from_init, &self.shared.ended] {
            let is_told = wait_for_one([event, event], Some(Duration::ZERO)).is_ok_and(|[is_told, _]| is_told);
            if is_told {
                let _ = rustix::io::read(event, &mut [0; 8]);
            }
        }
    }

    fn ask(&self, event: &OwnedFd, request: Request) -> io::Result<()> {
        self.shared.request.store(request as u32, Ordering::SeqCst);
        rustix::io::write(event, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    /// Returns whether a build has a jail here.
    pub fn has_jail(&self) -> bool {
        self.jail.is_some()
    }

    /// Makes a jail, in which a build sees this.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin(&mut self, view: View) -> Result<(), Refused> {
        let view = Box::new(view);
        self.shared.view.store(ptr::from_ref::<View>(&view).cast_mut(), Ordering::SeqCst);
        self.shared.failed.store(-1, Ordering::SeqCst);
        self.shared.is_gone.store(0, Ordering::SeqCst);
        self.ask(&self.shared.to_keeper, Request::Begin).map_err(refused("the keeper"))?;
        // The init may have failed by now, which it tells itself.
        let is_over = self.await_event(&self.shared.from_keeper).map_err(refused("the keeper"))?;
        let init = self.shared.init.load(Ordering::SeqCst);
        if is_over || init < 0 {
            let cause = io::Error::from_raw_os_error(if is_over { libc::ESRCH } else { -init });
            return Err(refused("namespaces")(cause));
        }
        if !self.shared.is_nested {
            self.write_maps(view.user).map_err(refused("the user of the build"))?;
            self.ask(&self.shared.to_init, Request::Begin).map_err(refused("the user of the build"))?;
        }
        let made = self.answer(&self.shared.from_init);
        if let Err(cause) = made {
            let failed = usize::try_from(self.shared.failed.load(Ordering::SeqCst)).ok();
            let step =
                failed.and_then(|failed| view.steps.get(failed)).map_or("a root of its own".to_owned(), Step::name);
            self.bury();
            return Err(Refused { step, cause });
        }
        self.jail = Some(view);
        Ok(())
    }

    /// Says who the init is outside, which root may say.
    fn write_maps(&self, user: u32) -> io::Result<()> {
        let init = self.shared.init.load(Ordering::SeqCst);
        for (file, inside) in [("uid_map", USER), ("gid_map", GROUP)] {
            std::fs::write(format!("/proc/{init}/{file}"), format!("{inside} {user} 1"))?;
        }
        Ok(())
    }

    /// Starts a command; `steps` are done for it alone before. Returns what becomes readable when it,
    /// and all that it started, has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn run(&mut self, steps: &[Step], start: &Start<'_>) -> io::Result<OwnedFd> {
        let command = Command { steps, start, error: AtomicI32::new(0), failed: AtomicI32::new(-1) };
        self.shared.command.store(ptr::from_ref(&command).cast_mut().cast(), Ordering::SeqCst);
        self.ask(&self.shared.to_init, Request::Run)?;
        self.answer(&self.shared.from_init)?;
        match command.error.load(Ordering::SeqCst) {
            0 => Ok(self.shared.ended.try_clone()?),
            error => {
                // It ended at once.
                self.answer(&self.shared.ended)?;
                let failed = usize::try_from(command.failed.load(Ordering::SeqCst)).ok();
                let cause = io::Error::from_raw_os_error(error);
                match failed.and_then(|failed| steps.get(failed)) {
                    Some(step) => Err(io::Error::new(cause.kind(), format!("{}: {cause}", step.name()))),
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
        self.ask(&self.shared.to_init, Request::Stop)
    }

    /// Waits until a command and all that it started has ended, and returns how it did, as wait(2)
    /// tells.
    ///
    /// # Errors
    /// When the init is gone.
    pub fn wait(&self) -> io::Result<i32> {
        self.answer(&self.shared.ended)?;
        Ok(self.shared.status.load(Ordering::SeqCst))
    }

    /// Ends the jail, with every process in it.
    pub fn end(&mut self) {
        if self.jail.is_some() {
            let _ = self.ask(&self.shared.to_init, Request::End);
            self.bury();
            self.jail = None;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
        let _ = self.ask(&self.shared.to_keeper, Request::End);
        let mut status = 0;
        // SAFETY: the call writes a number.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } == -1
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}

// From here on: the processes. They call the system only.

/// Returns the error of an answer, as a positive number.
fn checked(answer: isize) -> Result<isize, i32> {
    if answer < 0 { Err(i32::try_from(-answer).unwrap_or(libc::EIO)) } else { Ok(answer) }
}

fn descriptor(answer: isize) -> Result<RawFd, i32> {
    checked(answer).map(|answer| RawFd::try_from(answer).unwrap_or(-1))
}

unsafe fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: it ends this process.
        unsafe { system_call!(libc::SYS_exit_group, code) };
    }
}

unsafe fn tell(event: &OwnedFd) {
    let one = 1_u64;
    // SAFETY: the call reads eight bytes.
    unsafe { system_call!(libc::SYS_write, event.as_raw_fd(), &raw const one, 8_usize) };
}

unsafe fn take(event: RawFd) {
    let mut count = 0_u64;
    // SAFETY: the call writes eight bytes.
    unsafe { system_call!(libc::SYS_read, event, &raw mut count, 8_usize) };
}

unsafe fn close(descriptor: RawFd) {
    // SAFETY: whoever calls this owns it.
    unsafe { system_call!(libc::SYS_close, descriptor) };
}

/// Waits until one of these can be read; returns which can.
unsafe fn poll<const COUNT: usize>(descriptors: [RawFd; COUNT]) -> [bool; COUNT] {
    let mut waited = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let forever = ptr::null::<libc::timespec>();
    // SAFETY: the call reads and writes that many entries.
    unsafe { system_call!(libc::SYS_ppoll, waited.as_mut_ptr(), COUNT, forever, ptr::null::<u64>(), SIGNAL_SET) };
    waited.map(|waited| waited.revents != 0)
}

/// Lets the ends of children be known, whatever the host program made of them.
unsafe fn hear_children() {
    let default = [0_usize; 4];
    // SAFETY: the call reads an action of the kernel's form, which is all zero.
    unsafe {
        system_call!(libc::SYS_rt_sigaction, libc::SIGCHLD, default.as_ptr(), ptr::null_mut::<usize>(), SIGNAL_SET);
        system_call!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        system_call!(libc::SYS_setsid);
    }
}

unsafe fn write_file(path: &CStr, content: &[u8]) -> Result<(), i32> {
    // SAFETY: the path ends with NUL, and the content has that many bytes.
    unsafe {
        let file =
            descriptor(system_call!(libc::SYS_openat, OWN_DIRECTORY, path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let written = checked(system_call!(libc::SYS_write, file, content.as_ptr(), content.len()));
        close(file);
        written.map(drop)
    }
}

/// Says who this process is in the namespace above, which is one user.
unsafe fn write_own_maps(maps: [&CStr; 2], is_first: bool) -> Result<(), i32> {
    // SAFETY: as above.
    unsafe {
        write_file(c"/proc/self/uid_map", maps[0].to_bytes())?;
        if is_first {
            write_file(c"/proc/self/setgroups", b"deny")?;
        }
        write_file(c"/proc/self/gid_map", maps[1].to_bytes())
    }
}

/// What the keeper does.
extern "C" fn keep(shared: *mut c_void) -> c_int {
    // SAFETY: it is what `new` gave, which lives as long as this process.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: this process calls the system only.
    unsafe {
        hear_children();
        let [users, groups] = &shared.keeper_maps;
        if shared.is_nested
            && let Err(error) = write_own_maps([users, groups], true)
        {
            shared.error.store(error, Ordering::SeqCst);
        }
        tell(&shared.from_keeper);
        loop {
            let [is_over, is_asked] = poll([shared.process.as_raw_fd(), shared.to_keeper.as_raw_fd()]);
            if is_over {
                exit(0);
            } else if !is_asked {
                continue;
            }
            take(shared.to_keeper.as_raw_fd());
            match shared.request.swap(Request::Nothing as u32, Ordering::SeqCst) {
                BEGIN => {}
                END => exit(0),
                _ => continue,
            }
            let flags = libc::CLONE_VM
                | libc::CLONE_FILES
                | libc::CLONE_NEWUSER
                | libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUTS
                | libc::SIGCHLD;
            let argument = ptr::from_ref(shared).cast_mut().cast();
            let init = libc::clone(begin, shared.init_stack.top(), flags, argument);
            // Which error it was is in the memory of the C library.
            shared.init.store(if init < 0 { -libc::EPERM } else { init }, Ordering::SeqCst);
            if init < 0 {
                tell(&shared.from_keeper);
                continue;
            }
            tell(&shared.from_keeper);
            wait_for(init);
            shared.is_gone.store(1, Ordering::SeqCst);
            tell(&shared.from_init);
            tell(&shared.ended);
            tell(&shared.from_keeper);
        }
    }
}

unsafe fn wait_for(process: c_int) {
    let none = ptr::null_mut::<c_int>();
    // SAFETY: nothing is written.
    let wait = || unsafe { system_call!(libc::SYS_wait4, process, none, 0, ptr::null_mut::<c_void>()) };
    while wait() == -(libc::EINTR as isize) {}
}

/// What the init does.
extern "C" fn begin(shared: *mut c_void) -> c_int {
    // SAFETY: it is what the keeper gave, which lives as long as this process.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: this process calls the system only; the view lives until the thread has our answer, and
    // then until we end.
    unsafe {
        let view = &*shared.view.load(Ordering::SeqCst);
        let made = make(shared, view);
        if let Err(error) = made {
            shared.error.store(error, Ordering::SeqCst);
            tell(&shared.from_init);
            exit(1);
        }
        let (children, layer) = made.unwrap_or((-1, None));
        tell(&shared.from_init);
        serve(shared, children, layer)
    }
}

/// Makes what a build sees. Returns what tells of children, and the ruleset of commands.
unsafe fn make(shared: &Shared, view: &View) -> Result<(RawFd, Option<RawFd>), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        hear_children();
        let child = 1_u64 << (libc::SIGCHLD - 1);
        let children = descriptor(system_call!(
            libc::SYS_signalfd4,
            -1,
            &raw const child,
            SIGNAL_SET,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK
        ))?;
        if shared.is_nested {
            write_own_maps([c"1000 1000 1", c"100 100 1"], false)?;
        } else {
            take(shared.to_init.as_raw_fd());
        }
        // Where the file cannot be written, commands can have namespaces of their own, in which they
        // have no right that they lack here.
        let _ = write_file(c"/proc/sys/user/max_user_namespaces", b"0");
        checked(system_call!(libc::SYS_sethostname, HOST.as_ptr(), HOST.len()))?;
        checked(system_call!(libc::SYS_setdomainname, DOMAIN.as_ptr(), DOMAIN.len()))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        mount(None, c"/", None, private, None)?;
        for opened in &view.opened {
            let flags = libc::O_PATH | libc::O_CLOEXEC;
            let opening = system_call!(libc::SYS_openat, OWN_DIRECTORY, opened.path.as_ptr(), flags);
            opened.descriptor.store(descriptor(opening)?, Ordering::SeqCst);
        }
        let options = Some(c"mode=755,uid=1000,gid=100");
        mount(Some(c"none"), &view.place, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, options)?;
        checked(system_call!(libc::SYS_chdir, view.place.as_ptr()))?;
        if !shared.is_nested {
            checked(system_call!(libc::SYS_setgroups, 0, ptr::null::<u32>()))?;
            checked(system_call!(libc::SYS_setresgid, GROUP, GROUP, GROUP))?;
            checked(system_call!(libc::SYS_setresuid, USER, USER, USER))?;
            // A change of users takes it back.
            system_call!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
        system_call!(libc::SYS_umask, 0o022);
        for (number, step) in view.steps.iter().enumerate() {
            if let Err(error) = perform(step) {
                shared.failed.store(i32::try_from(number).unwrap_or(-1), Ordering::SeqCst);
                return Err(error);
            }
        }
        for opened in &view.opened {
            close(opened.descriptor.load(Ordering::SeqCst));
        }
        Ok((children, ruleset(view)?))
    }
}

/// Does what the thread asks until the jail ends.
unsafe fn serve(shared: &Shared, children: RawFd, layer: Option<RawFd>) -> ! {
    let (process, requests) = (shared.process.as_raw_fd(), shared.to_init.as_raw_fd());
    let mut command = None;
    loop {
        // SAFETY: this process calls the system only; a command lives until the thread has our answer.
        unsafe {
            let [is_over, is_asked, has_children] = poll([process, requests, children]);
            if is_over {
                end_all();
                exit(0);
            }
            if is_asked {
                take(requests);
                match shared.request.swap(Request::Nothing as u32, Ordering::SeqCst) {
                    RUN => {
                        let wanted = shared.command.load(Ordering::SeqCst);
                        command = Some(start(shared, wanted, layer));
                        tell(&shared.from_init);
                    }
                    STOP => {
                        system_call!(libc::SYS_kill, -1, libc::SIGKILL);
                    }
                    END => {
                        end_all();
                        exit(0);
                    }
                    _ => {}
                }
            }
            if has_children {
                let mut information = MaybeUninit::<[u8; 128]>::uninit();
                system_call!(libc::SYS_read, children, information.as_mut_ptr(), 128_usize);
            }
            if let Some(running) = command
                && reap(running, &shared.status)
            {
                end_all();
                command = None;
                tell(&shared.ended);
            }
        }
    }
}

/// Buries who has ended; returns whether this one did.
unsafe fn reap(command: c_int, end: &AtomicI32) -> bool {
    // One that could not be made has ended.
    let mut has_ended = command < 0;
    loop {
        let mut status = 0;
        let usage = ptr::null_mut::<c_void>();
        // SAFETY: the call writes a number.
        let child = unsafe { system_call!(libc::SYS_wait4, -1, &raw mut status, libc::WNOHANG, usage) };
        if child <= 0 {
            return has_ended;
        }
        if child == command as isize {
            end.store(status, Ordering::SeqCst);
            has_ended = true;
        }
    }
}

/// Ends every process of the jail but this one.
unsafe fn end_all() {
    let none = ptr::null_mut::<c_int>();
    // SAFETY: this is the first process of a pid namespace, and signals nobody outside of it.
    unsafe {
        system_call!(libc::SYS_kill, -1, libc::SIGKILL);
        loop {
            let child = system_call!(libc::SYS_wait4, -1, none, 0, ptr::null_mut::<c_void>());
            if child < 0 && child != -(libc::EINTR as isize) {
                return;
            }
        }
    }
}

/// What a process needs that becomes a command.
struct Becoming<'a> {
    command: &'a Command<'a>,
    layer: Option<RawFd>,
}

/// Starts a command; returns its number, less than 0 when there is none.
unsafe fn start(shared: &Shared, command: *mut c_void, layer: Option<RawFd>) -> c_int {
    // SAFETY: it is what `run` gave, which waits for our answer.
    let becoming = Becoming { command: unsafe { &*command.cast::<Command<'_>>() }, layer };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_NEWNS | libc::SIGCHLD;
    let argument = ptr::from_ref(&becoming).cast_mut().cast();
    // SAFETY: this process stands still until the command runs, and the stack is for it alone.
    let process = unsafe { libc::clone(become_command, shared.command_stack.top(), flags, argument) };
    if process < 0 {
        becoming.command.error.store(libc::EAGAIN, Ordering::SeqCst);
    }
    process
}

extern "C" fn become_command(becoming: *mut c_void) -> c_int {
    // SAFETY: it is what `start` gave, which stands still.
    let Becoming { command, layer } = unsafe { &*becoming.cast::<Becoming<'_>>() };
    // SAFETY: this process calls the system only.
    unsafe {
        let error = match enter(command) {
            Ok(()) => command.start.become_program(*layer),
            Err(error) => error,
        };
        command.error.store(error, Ordering::SeqCst);
        exit(NOT_STARTED)
    }
}

/// Makes what the jail's mounts show this command's root.
unsafe fn enter(command: &Command<'_>) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        for (number, step) in command.steps.iter().enumerate() {
            if let Err(error) = perform(step) {
                command.failed.store(i32::try_from(number).unwrap_or(-1), Ordering::SeqCst);
                return Err(error);
            }
        }
        set_attributes(OWN_DIRECTORY, c".", libc::MOUNT_ATTR_RDONLY, 0)?;
        checked(system_call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        checked(system_call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH))?;
        checked(system_call!(libc::SYS_chdir, c"/".as_ptr()))?;
        Ok(())
    }
}

unsafe fn mount(
    source: Option<&CStr>,
    place: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> Result<(), i32> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all texts end with NUL.
    let answer = unsafe {
        system_call!(libc::SYS_mount, pointer(source), place.as_ptr(), pointer(kind), flags, pointer(options))
    };
    checked(answer).map(drop)
}

unsafe fn set_attributes(at: RawFd, path: &CStr, attributes: u64, flags: u32) -> Result<(), i32> {
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the call reads a structure of that size.
    let answer = unsafe {
        system_call!(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>()
        )
    };
    checked(answer).map(drop)
}

/// Calls something with the directory of a place and its last name. Directories on the way are made;
/// no link is followed: the build may have made it.
unsafe fn at_place<T>(place: &Place, then: impl FnOnce(RawFd, &CStr) -> Result<T, i32>) -> Result<T, i32> {
    let Some((last, above)) = place.split_last() else { return Err(libc::EINVAL) };
    let mut directory = OWN_DIRECTORY;
    let mut result = Ok(());
    for name in above {
        // SAFETY: as for the whole process.
        let next = unsafe { open_directory(directory, name) };
        if directory != OWN_DIRECTORY {
            // SAFETY: it is ours.
            unsafe { close(directory) };
        }
        directory = OWN_DIRECTORY;
        match next {
            Ok(next) => directory = next,
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    let result = result.and_then(|()| then(directory, last));
    if directory != OWN_DIRECTORY {
        // SAFETY: it is ours.
        unsafe { close(directory) };
    }
    result
}

unsafe fn open_directory(directory: RawFd, name: &CStr) -> Result<RawFd, i32> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends with NUL.
    unsafe {
        let open = || descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags));
        match open() {
            Err(libc::ENOENT) => {
                checked(system_call!(libc::SYS_mkdirat, directory, name.as_ptr(), 0o755))?;
                open()
            }
            answer => answer,
        }
    }
}

unsafe fn make_file(directory: RawFd, name: &CStr, content: &[u8]) -> Result<(), i32> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends with NUL, and the content has that many bytes.
    unsafe {
        let file = match descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags, 0o644)) {
            Err(libc::EEXIST) => return Ok(()),
            answer => answer?,
        };
        let written = checked(system_call!(libc::SYS_write, file, content.as_ptr(), content.len()));
        close(file);
        written.map(drop)
    }
}

unsafe fn perform(step: &Step) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        match step {
            Step::Directory(place) => {
                at_place(place, |directory, name| open_directory(directory, name).map(|made| close(made)))
            }
            Step::Link { place, target } => at_place(place, |directory, name| {
                match checked(system_call!(libc::SYS_symlinkat, target.as_ptr(), directory, name.as_ptr())) {
                    Ok(_) | Err(libc::EEXIST) => Ok(()),
                    Err(error) => Err(error),
                }
            }),
            Step::File { place, content } => at_place(place, |directory, name| make_file(directory, name, content)),
            Step::Remove(place) => at_place(place, |directory, name| {
                checked(system_call!(libc::SYS_unlinkat, directory, name.as_ptr(), 0)).map(drop)
            }),
            Step::Mount { place, kind, flags, options } => at_place(place, |directory, name| {
                close(open_directory(directory, name)?);
                // No link is there: this was just made, or opened without following one.
                let back = descriptor(system_call!(
                    libc::SYS_openat,
                    OWN_DIRECTORY,
                    c".".as_ptr(),
                    libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC
                ))?;
                let mut mounted = Ok(());
                if directory != OWN_DIRECTORY {
                    mounted = checked(system_call!(libc::SYS_fchdir, directory)).map(drop);
                }
                let mounted = mounted.and_then(|()| mount(Some(c"none"), name, Some(kind), *flags, options.as_deref()));
                let returned = checked(system_call!(libc::SYS_fchdir, back));
                close(back);
                mounted.and(returned.map(drop))
            }),
            Step::Show { source, place, is_directory, mode, is_optional } => {
                let shown = show(source, place, *is_directory, *mode);
                if *is_optional && matches!(shown, Err(libc::ENOENT | libc::EROFS | libc::ENOTDIR)) {
                    Ok(())
                } else {
                    shown
                }
            }
        }
    }
}

/// Mounts what is at one place of the machine at a place of the jail.
unsafe fn show(source: &Source, place: &Place, is_directory: bool, mode: Mode) -> Result<(), i32> {
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | AT_RECURSIVE;
    let empty = libc::AT_EMPTY_PATH.cast_unsigned();
    // SAFETY: all texts end with NUL.
    unsafe {
        let tree = descriptor(match source {
            Source::Path(path) => system_call!(libc::SYS_open_tree, OWN_DIRECTORY, path.as_ptr(), flags),
            Source::Opened(opened) => {
                let opened = opened.descriptor.load(Ordering::SeqCst);
                system_call!(libc::SYS_open_tree, opened, c"".as_ptr(), flags | empty)
            }
        })?;
        let shown = set_attributes(tree, c"", mode.attributes(), empty | AT_RECURSIVE).and_then(|()| {
            at_place(place, |directory, name| {
                if is_directory {
                    close(open_directory(directory, name)?);
                } else {
                    make_file(directory, name, b"")?;
                }
                let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
                let target = descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags))?;
                let moved =
                    system_call!(libc::SYS_move_mount, tree, c"".as_ptr(), target, c"".as_ptr(), MOVE_MOUNT_BOTH_EMPTY);
                close(target);
                checked(moved).map(drop)
            })
        });
        close(tree);
        shown
    }
}

/// Makes the ruleset of Landlock that all commands of a build have; nothing where there is none.
unsafe fn ruleset(view: &View) -> Result<Option<RawFd>, i32> {
    const PATH_BENEATH: c_int = 1;
    let Some(attributes) = &view.handled else { return Ok(None) };
    // SAFETY: the calls read structures of the kernel's form.
    unsafe {
        let size = size_of_val(&attributes.words);
        let ruleset = descriptor(system_call!(libc::SYS_landlock_create_ruleset, attributes.words.as_ptr(), size, 0))?;
        for (place, access) in &view.rules {
            let opened = match place {
                None => descriptor(system_call!(
                    libc::SYS_openat,
                    OWN_DIRECTORY,
                    c".".as_ptr(),
                    libc::O_PATH | libc::O_CLOEXEC
                )),
                Some(place) => at_place(place, |directory, name| {
                    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
                    descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags))
                }),
            }?;
            let rule = Rule { access: *access, opened };
            let added = system_call!(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0);
            close(opened);
            checked(added)?;
        }
        Ok(Some(ruleset))
    }
}

/// `struct landlock_path_beneath_attr` of landlock(7).
#[repr(C, packed)]
struct Rule {
    access: u64,
    opened: RawFd,
}
