//! Linux: starting a program, and confining it on the way.
//!
//! The child shares the memory of this process until its program replaces it, as in posix_spawn(3):
//! nothing is copied, however much memory Lua uses. It may do little until then, see
//! [`become_program`]. The thread that starts programs has its own descriptors and blocks all
//! signals, see [`prepare_thread`].

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::limits;
use super::system::{Held, Program};
use crate::platform::jail::{Confinement, Keeper, Step};

/// What a child needs until its program runs: a few calls deep.
const STACK_SIZE: usize = 32 * 1024;
const FIRST_INHERITED: u32 = 3;
/// The most descriptors of a process, unless the limit is raised.
const MOST_LOOKED_AT: c_int = 1024;
/// No build may let others than the owner write to a new file.
const UMASK: libc::mode_t = 0o022;
/// The descriptor that programs are known by.
const MARK: RawFd = 873;
const LOW_MARK: RawFd = 63;
/// The size of a set of signals in the kernel, in bytes.
const SIGNAL_SET: usize = 8;
const LAST_SIGNAL: c_int = 64;

thread_local! {
    /// What programs read that get nothing to read.
    static NOTHING: OnceCell<OwnedFd> = const { OnceCell::new() };
    /// Whether this thread shares its descriptors with the others.
    static IS_SHARING: Cell<bool> = const { Cell::new(false) };
    /// The signals that did not do what they do by default when this thread was prepared, a bit for
    /// each.
    static HANDLED: Cell<u64> = const { Cell::new(0) };
}

/// Prepares this thread to start programs: its own descriptors, so a program inherits nothing that
/// Lua opened, and no signals, which a child would handle in this memory. Call it while the thread
/// holds no open file. If the thread cannot get its own descriptors, as in many containers, each
/// child makes sure that its program inherits none.
///
/// # Errors
/// When the system refuses.
pub fn prepare_thread() -> io::Result<()> {
    // SAFETY: this thread does not use the copies that are closed.
    unsafe {
        if rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FILES).is_ok() {
            libc::syscall(libc::SYS_close_range, FIRST_INHERITED, u32::MAX, 0);
        } else {
            IS_SHARING.set(true);
        }
    }
    let mut nothing = OwnedFd::from(File::open("/dev/null")?);
    // If the standard streams of this process are closed, their numbers must not become the streams
    // of a program.
    while nothing.as_raw_fd().cast_unsigned() < FIRST_INHERITED {
        std::mem::forget(nothing);
        nothing = File::open("/dev/null")?.into();
    }
    NOTHING
        .with(|place| place.set(nothing))
        .map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    HANDLED.set(
        (1..=LAST_SIGNAL)
            .filter(|signal| is_handled(*signal))
            .fold(0, |set, signal| set | 1 << (signal - 1)),
    );
    set_blocked_signals(u64::MAX)
}

/// Returns whether a signal has another disposition than the default: a handler, which does not
/// belong to the program, or ignoring, which a program would inherit and builds would differ by.
fn is_handled(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the call writes one action, or refuses.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init_ref().sa_sigaction != libc::SIG_DFL
    }
}

/// Sets which signals wait, all those of the C library too.
fn set_blocked_signals(set: u64) -> io::Result<()> {
    // SAFETY: the call reads a set, which lives until it returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const set,
            ptr::null_mut::<u64>(),
            SIGNAL_SET,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Starts a program in its own session. It gets only the environment of the command. `has_input`
/// says whether it has standard input; `user` is the user it runs as, if that is another one, and
/// `mark` the name of a file that it inherits. This thread must be a [prepared](prepare_thread)
/// one.
///
/// # Errors
/// When the system refuses, at whatever step.
pub fn start<'k>(
    command: &mut Command,
    has_input: bool,
    confinement: Option<&Confinement>,
    (user, mark): (Option<u32>, &str),
) -> io::Result<Program<'k>> {
    let layer = confinement.and_then(Confinement::descriptor);
    let mark = make_mark(mark)?;
    launch(command, has_input, (layer, user, Some(mark.as_raw_fd())), |start| {
        let (pid, handle) = start.child()?;
        Ok((Held::Child(pid), handle))
    })
}

/// The same in the jail that this thread's keeper has made. `steps` are what this program sees
/// besides.
///
/// # Errors
/// When the system refuses, at whatever step.
pub fn start_in_jail<'k>(
    command: &mut Command,
    has_input: bool,
    keeper: &'k mut Keeper,
    steps: &[Step],
) -> io::Result<Program<'k>> {
    launch(command, has_input, (None, None, None), |start| {
        let ended = keeper.run(steps, start)?;
        Ok((Held::Jail(keeper), Some(ended)))
    })
}

fn launch<'k>(
    command: &mut Command,
    has_input: bool,
    (layer, user, mark): (Option<RawFd>, Option<u32>, Option<RawFd>),
    begin: impl FnOnce(&Start<'_>) -> io::Result<(Held<'k>, Option<OwnedFd>)>,
) -> io::Result<Program<'k>> {
    let text = |text: &OsStr| {
        CString::new(text.as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let program = text(command.get_program())?;
    let directory =
        command.get_current_dir().map(|directory| text(directory.as_os_str())).transpose()?;
    let arguments = command.get_args().map(text).collect::<io::Result<Vec<_>>>()?;
    let variables = command.get_envs().filter_map(|(name, value)| {
        let pair = [name.as_bytes(), b"=", value?.as_bytes()].concat();
        Some(text(OsStr::from_bytes(&pair)))
    });
    let variables = variables.collect::<io::Result<Vec<_>>>()?;
    let pointers = |texts: &mut dyn Iterator<Item = &CString>| -> Vec<*const c_char> {
        texts.map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let input = has_input.then(|| pipe_with(PipeFlags::CLOEXEC)).transpose()?;
    let nothing = NOTHING
        .with(|nothing| nothing.get().map(AsRawFd::as_raw_fd))
        .ok_or(io::ErrorKind::Other)?;
    let (input, our_input) = input.unzip();
    let (our_output, output) = pipe_with(PipeFlags::CLOEXEC)?;
    let (our_errors, errors) = pipe_with(PipeFlags::CLOEXEC)?;
    let start = Start {
        program: &program,
        arguments: &pointers(&mut std::iter::once(&program).chain(&arguments)),
        variables: &pointers(&mut variables.iter()),
        directory: directory.as_deref(),
        streams: [
            input.as_ref().map_or(nothing, AsRawFd::as_raw_fd),
            output.as_raw_fd(),
            errors.as_raw_fd(),
        ],
        layer,
        user,
        mark,
        is_sharing: IS_SHARING.get(),
        handled: HANDLED.get(),
        failure: AtomicI32::new(0),
    };
    let (held, handle) = begin(&start)?;
    Ok(Program { held, handle, stdin: our_input, stdout: our_output, stderr: our_errors })
}

/// Sends SIGKILL to every process of a user. A child becomes that user to do it, so it cannot
/// signal others. Needs root.
///
/// # Errors
/// When the system refuses.
pub(super) fn signal_all_of(user: u32) -> io::Result<()> {
    let blocked = block_all_signals()?;
    let mut stack: Vec<MaybeUninit<u128>> = Vec::with_capacity(STACK_SIZE / size_of::<u128>());
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
    let signaller = Signaller { user, answer: AtomicI32::new(0) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `child` below.
    let pid = unsafe {
        libc::clone(signal_all, top.cast(), flags, ptr::from_ref(&signaller).cast_mut().cast())
    };
    let failure = io::Error::last_os_error();
    set_blocked_signals(blocked)?;
    let Some(pid) = Pid::from_raw(pid).filter(|pid| pid.as_raw_pid() > 0) else {
        return Err(failure);
    };
    let _ = super::system::status(pid);
    match signaller.answer.load(Ordering::Relaxed) {
        0 | libc::ESRCH => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sends SIGKILL to every process that this thread may signal. It must be confined so that these
/// are the ones that it started.
pub(super) fn signal_all_in_scope() {
    // SAFETY: the call takes numbers.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Makes a sealed file without a path, which identifies programs.
fn make_mark(name: &str) -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let mark = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    fcntl_add_seals(
        &mark,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(mark)
}

struct Signaller {
    user: u32,
    answer: AtomicI32,
}

/// Blocks all signals; returns which were blocked before.
fn block_all_signals() -> io::Result<u64> {
    let (all, mut before) = (u64::MAX, 0_u64);
    // SAFETY: the call reads a set and writes another, which live until it returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const all,
            &raw mut before,
            SIGNAL_SET,
        )
    };
    if answer == 0 { Ok(before) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn signal_all(signaller: *mut c_void) -> c_int {
    // SAFETY: it is what `signal_all_of` gave, which waits.
    let signaller = unsafe { &*signaller.cast::<Signaller>() };
    // SAFETY: the calls take numbers; the process ends without running this process's exit
    // handlers.
    unsafe {
        // Only after it has permanently become that user, it may signal all processes.
        let answer = match become_user(signaller.user) {
            Some(()) if libc::kill(-1, libc::SIGKILL) == 0 => 0,
            _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
        };
        signaller.answer.store(answer, Ordering::Relaxed);
        libc::_exit(0);
    }
}

/// Becomes a user and a group of the same number, without other groups and capabilities, on this
/// thread.
///
/// # Safety
/// To be called in a child.
unsafe fn become_user(user: u32) -> Option<()> {
    // Not through the C library, which would change all threads of this memory. SAFETY: the calls
    // take numbers, and no group.
    unsafe {
        let succeeded = |answer: libc::c_long| (answer == 0).then_some(());
        succeeded(libc::syscall(libc::SYS_setgroups, 0_usize, ptr::null::<u32>()))?;
        succeeded(libc::syscall(libc::SYS_setresgid, user, user, user))?;
        succeeded(libc::syscall(libc::SYS_setresuid, user, user, user))
    }
}

/// All that a child reads.
pub struct Start<'a> {
    program: &'a CStr,
    arguments: &'a [*const c_char],
    variables: &'a [*const c_char],
    directory: Option<&'a CStr>,
    streams: [RawFd; 3],
    layer: Option<RawFd>,
    /// The user that it becomes, if that is another one and no jail does it.
    user: Option<u32>,
    /// Its mark.
    mark: Option<RawFd>,
    /// Whether other code opened some of the descriptors.
    is_sharing: bool,
    handled: u64,
    /// Why the program did not start; 0 when it did.
    failure: AtomicI32,
}

impl Start<'_> {
    /// Makes the child; returns when its program runs.
    fn child(&self) -> io::Result<(Pid, Option<OwnedFd>)> {
        let mut stack: Vec<MaybeUninit<u128>> = Vec::with_capacity(STACK_SIZE / size_of::<u128>());
        // It grows downwards.
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
        let mut handle: c_int = -1;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: this thread waits until the child no longer uses the stack and `self`, and
        // everything that this refers to lives; all signals are blocked, so that no handler runs in
        // the child.
        let pid = unsafe {
            libc::clone(
                become_program,
                top.cast(),
                flags,
                ptr::from_ref(self).cast_mut().cast(),
                &raw mut handle,
            )
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::Other)?;
        // SAFETY: the system returned the descriptor.
        let handle = (handle >= 0).then(|| unsafe { OwnedFd::from_raw_fd(handle) });
        match self.failure.load(Ordering::Relaxed) {
            0 => Ok((pid, handle)),
            failure => {
                // It ended at once.
                let _ = super::system::status(pid);
                Err(io::Error::from_raw_os_error(failure))
            }
        }
    }

    /// Becomes the program. Returns the error when that fails. `layer` is a ruleset of Landlock
    /// that confines it.
    ///
    /// # Safety
    /// Call it in a child, which owns its signal handlers, and either its descriptors or none of
    /// those that it changes. It may share this memory: nothing here allocates or takes a lock.
    pub unsafe fn become_program(&self, layer: Option<RawFd>) -> c_int {
        // SAFETY: as the caller says.
        match unsafe { self.run(layer) } {
            Some(()) => 0,
            None => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
        }
    }

    /// # Safety
    /// As [`Self::become_program`].
    unsafe fn run(&self, layer: Option<RawFd>) -> Option<()> {
        let succeeded = |answer: c_int| (answer >= 0).then_some(());
        // SAFETY: the calls get data that lives in the parent, which waits; none of them allocates
        // or takes a lock.
        unsafe {
            // A handler would run in this memory, between unblocking the signals and the start of
            // the program.
            for signal in (1..=LAST_SIGNAL).filter(|signal| self.handled & 1 << (signal - 1) != 0) {
                libc::signal(signal, libc::SIG_DFL);
            }
            // Away from the terminal, and from the group that Ctrl-C reaches.
            succeeded(libc::setsid())?;
            for (number, stream) in (0..).zip(self.streams) {
                succeeded(libc::dup2(stream, number))?;
            }
            if self.is_sharing {
                close_on_exec();
            }
            if let Some(mark) = self.mark {
                // Far from the numbers that shells and their scripts use, if the limit allows it.
                if libc::dup2(mark, MARK) < 0 {
                    succeeded(libc::dup2(mark, LOW_MARK))?;
                }
            }
            libc::umask(UMASK);
            // In a jail, they come from its keeper.
            if self.mark.is_some() {
                limits::set_usual(|number, [a, b, c, d]| libc::syscall(number, a, b, c, d) >= 0);
            }
            if let Some(user) = self.user {
                become_user(user)?;
            }
            if let Some(directory) = self.directory {
                succeeded(libc::chdir(directory.as_ptr()))?;
            }
            if let Some(layer) = layer {
                (libc::syscall(libc::SYS_landlock_restrict_self, layer, 0_u32) == 0)
                    .then_some(())?;
            }
            set_blocked_signals(0).ok()?;
            libc::execve(self.program.as_ptr(), self.arguments.as_ptr(), self.variables.as_ptr());
        }
        None
    }
}

/// Has all descriptors but the three streams closed when the program begins.
///
/// # Safety
/// To be called in a child, which owns its descriptors.
pub unsafe fn close_on_exec() {
    // SAFETY: flags of descriptors are no memory.
    unsafe {
        if libc::syscall(
            libc::SYS_close_range,
            FIRST_INHERITED,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        ) != 0
        {
            // Linux before 5.11.
            for descriptor in FIRST_INHERITED.cast_signed()..MOST_LOOKED_AT {
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

/// The work of a child. It shares this memory, so it must not do anything that another thread could
/// be in the middle of: it allocates nothing, takes no lock, and only makes system calls.
extern "C" fn become_program(start: *mut c_void) -> c_int {
    // SAFETY: it is what `child` gave, which waits.
    let start = unsafe { &*start.cast::<Start<'_>>() };
    // SAFETY: this is the child.
    let failure = unsafe { start.become_program(start.layer) };
    start.failure.store(failure, Ordering::Relaxed);
    // SAFETY: ends the child without running this process's exit handlers.
    unsafe { libc::_exit(127) }
}
