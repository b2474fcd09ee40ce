//! The processes that make the namespaces of builds, and that start their commands: see
//! `keeper.rs`.
//!
//! They run in the memory of this process, beside a thread: they only make system calls, and never
//! use the C library.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::mounts::{Walk, allow_root, mount, open_all, perform, ruleset, set_attributes};
use super::shared::{BEGIN, Command, END, NOTHING, OPEN, RUN, STOP, Shared};
use super::steps::Step;
use super::system_call::{
    OWN_DIRECTORY, SIGNAL_SET, checked, close, descriptor, exit, poll, system_call, take, tell,
    wait_for, write_file,
};
use super::view::{GROUP_NUMBER, USER_NUMBER, View};
use crate::platform::process::limits;

const HOST: &[u8] = b"build";
const DOMAIN: &[u8] = b"(none)";
/// The permissions that other users never get on a new file.
const UMASK: u32 = 0o022;
/// The mounts of a process, as a file.
const OWN_MOUNTS: &CStr = c"/proc/self/ns/mnt";
/// Not a descriptor, and never readable.
const NO_DESCRIPTOR: RawFd = -1;
/// How a command ends that could not be started.
const NOT_STARTED: c_int = 127;
/// `/proc/`, a number, `/uid_map` and NUL.
const LONGEST_PATH: usize = 32;
const LONGEST_NUMBER: usize = 10;

/// Lets the ends of children be known, whatever the host program made of them.
unsafe fn hear_children() {
    let default = [0_usize; 4];
    // SAFETY: the call reads an action of the kernel's form, which is all zero.
    unsafe {
        system_call!(
            libc::SYS_rt_sigaction,
            libc::SIGCHLD,
            default.as_ptr(),
            ptr::null_mut::<usize>(),
            SIGNAL_SET
        );
        system_call!(libc::SYS_setsid);
    }
}

/// Says who the keeper is in its namespace, which is one user.
unsafe fn write_own_maps([users, groups]: [&CStr; 2]) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        write_file(c"/proc/self/uid_map", users.to_bytes())?;
        write_file(c"/proc/self/setgroups", b"deny")?;
        write_file(c"/proc/self/gid_map", groups.to_bytes())
    }
}

/// Says who an init is outside, which root may say.
unsafe fn write_maps_of(init: c_int, view: &View) -> Result<(), i32> {
    let Some(maps) = &view.maps else { return Ok(()) };
    for (name, map) in [b"/uid_map", b"/gid_map"].into_iter().zip(maps) {
        let mut digits = [0; LONGEST_NUMBER];
        let mut first = LONGEST_NUMBER;
        let mut rest = init.unsigned_abs();
        while rest > 0 && first > 0 {
            first -= 1;
            digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        let mut path = [0; LONGEST_PATH];
        let bytes = b"/proc/".iter().chain(&digits[first..]).chain(name);
        path.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| libc::EINVAL)?;
        // SAFETY: as for the whole process.
        unsafe { write_file(path, map.to_bytes())? };
    }
    Ok(())
}

/// Refuses this process, and all that it starts, users of their own.
unsafe fn refuse_new_users(shared: &Shared) -> Result<(), i32> {
    let filter = &shared.new_users;
    let length = u16::try_from(filter.len()).map_err(|_| libc::EINVAL)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the call reads a program, which lives.
    let answer = unsafe {
        system_call!(
            libc::SYS_prctl,
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program
        )
    };
    checked(answer).map(drop)
}

/// Does steps; notes which one failed.
unsafe fn perform_all<'a>(
    steps: &'a [Step],
    walk: &mut Walk<'a>,
    failed: &AtomicI32,
) -> Result<(), i32> {
    for (number, step) in steps.iter().enumerate() {
        // SAFETY: as for the whole process.
        if let Err(error) = unsafe { perform(step, walk) } {
            failed.store(i32::try_from(number).unwrap_or(-1), Ordering::SeqCst);
            return Err(error);
        }
    }
    Ok(())
}

/// What the keeper does.
pub extern "C" fn keep(shared: *mut c_void) -> c_int {
    // SAFETY: it is what `new` gave, which lives as long as this process.
    let shared = unsafe { &*shared.cast::<Shared>() };
    let events = &shared.events;
    // SAFETY: this process calls the system only.
    unsafe {
        hear_children();
        if let Err(error) = prepare(shared) {
            shared.error.store(error, Ordering::SeqCst);
        }
        tell(events.from_keeper.as_raw_fd());
        let mut init = None;
        loop {
            let end = init.as_ref().map_or(NO_DESCRIPTOR, |init: &Init| init.end);
            let [is_over, is_asked, has_ended] =
                poll([events.process.as_raw_fd(), events.to_keeper.as_raw_fd(), end]);
            if let Some(ended) = init.take_if(|_| has_ended || is_over) {
                bury(shared, &ended);
            }
            if is_over {
                exit(0);
            } else if !is_asked {
                continue;
            }
            take(events.to_keeper.as_raw_fd());
            match shared.request.swap(NOTHING, Ordering::SeqCst) {
                BEGIN => init = make_jail(shared),
                OPEN => {
                    let view = &*shared.view.load(Ordering::SeqCst);
                    let command = &*shared.command.load(Ordering::SeqCst).cast::<Command<'_>>();
                    // Whatever a path leads to by now, it is nothing that the build may not read.
                    let opened = as_user(view.user, || open_all(command.steps, &command.failed));
                    if let Err(error) = opened {
                        command.error.store(error, Ordering::SeqCst);
                    }
                    // The init gets no requests during that time.
                    tell(events.from_init.as_raw_fd());
                }
                END => {
                    if let Some(ended) = init.take() {
                        bury(shared, &ended);
                    }
                    exit(0)
                }
                _ => {}
            }
        }
    }
}

/// Does something with the rights to files that a build of root has.
unsafe fn as_user<T>(user: Option<u32>, act: impl FnOnce() -> T) -> T {
    let Some(user) = user else { return act() };
    let become_user = |user: u32| {
        // SAFETY: the calls take numbers.
        unsafe {
            system_call!(libc::SYS_setfsgid, user);
            system_call!(libc::SYS_setfsuid, user);
        }
    };
    become_user(user);
    let result = act();
    become_user(0);
    result
}

/// The init of a jail, as the keeper knows it.
struct Init {
    number: c_int,
    /// Becomes readable when it ends.
    end: RawFd,
}

/// Waits for the end of an init, and tells of it.
unsafe fn bury(shared: &Shared, init: &Init) {
    // SAFETY: as for the whole process.
    unsafe {
        wait_for(init.number);
        close(init.end);
        tell_of_end(shared);
    }
}

unsafe fn tell_of_end(shared: &Shared) {
    shared.is_gone.store(1, Ordering::SeqCst);
    let events = &shared.events;
    for event in [&events.from_init, &events.ended, &events.from_keeper] {
        // SAFETY: as for the whole process.
        unsafe { tell(event.as_raw_fd()) };
    }
}

/// Makes what all builds see, in the keeper's own namespaces: mounts in which nothing else of the
/// machine is. Jails begin there. The keeper itself stays among the mounts of the machine, from
/// which it takes what a single build sees.
unsafe fn prepare(shared: &Shared) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        if let Some([users, groups]) = &shared.keeper_maps {
            write_own_maps([users, groups])?;
            refuse_new_users(shared)?;
        } else {
            // Builds of root have none.
            checked(system_call!(libc::SYS_setgroups, 0, ptr::null::<u32>()))?;
        }
        checked(system_call!(libc::SYS_sethostname, HOST.as_ptr(), HOST.len()))?;
        checked(system_call!(libc::SYS_setdomainname, DOMAIN.as_ptr(), DOMAIN.len()))?;
        system_call!(libc::SYS_umask, UMASK);
        // All builds inherit these from here.
        limits::set_usual(|number, [a, b, c, d]| system_call!(number, a, b, c, d) >= 0);
        mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
        let (template, flags) = (&shared.template, libc::MS_NOSUID | libc::MS_NODEV);
        mount(Some(c"none"), &template.place, Some(c"tmpfs"), flags, Some(c"mode=755"))?;
        checked(system_call!(libc::SYS_chdir, template.place.as_ptr()))?;
        let mut walk = Walk::new();
        perform_all(&template.steps, &mut walk, &shared.failed)?;
        walk.end();
        let open = |path: &CStr, flags: c_int| {
            descriptor(system_call!(
                libc::SYS_openat,
                OWN_DIRECTORY,
                path.as_ptr(),
                flags | libc::O_CLOEXEC
            ))
        };
        let [machine, root] = &shared.machine;
        machine.store(open(OWN_MOUNTS, libc::O_RDONLY)?, Ordering::SeqCst);
        root.store(open(c"/", libc::O_PATH | libc::O_DIRECTORY)?, Ordering::SeqCst);
        // Another process makes the mounts of jails: some processes may not leave their mounts.
        let flags = libc::CLONE_VM
            | libc::CLONE_FILES
            | libc::CLONE_VFORK
            | libc::CLONE_NEWNS
            | libc::SIGCHLD;
        let argument = ptr::from_ref(shared).cast_mut().cast();
        let maker = libc::clone(make_mounts_of_jails, shared.init_stack.top(), flags, argument);
        if maker < 0 {
            return Err(libc::EPERM);
        }
        wait_for(maker);
        match shared.jails.load(Ordering::SeqCst) {
            error if error < 0 => Err(-error),
            _ => Ok(()),
        }
    }
}

/// Makes the directory of this process its root, and leaves its mounts to the keeper, or returns an
/// error.
extern "C" fn make_mounts_of_jails(shared: *mut c_void) -> c_int {
    // SAFETY: it is what the keeper gave, which waits.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: this process calls the system only.
    unsafe {
        let made = become_root().and_then(|()| {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            descriptor(system_call!(libc::SYS_openat, OWN_DIRECTORY, OWN_MOUNTS.as_ptr(), flags))
        });
        shared.jails.store(made.unwrap_or_else(|error| -error), Ordering::SeqCst);
        exit(0)
    }
}

/// Goes back to the mounts of the machine.
unsafe fn return_to_machine(shared: &Shared) -> Result<(), i32> {
    let [machine, root] = &shared.machine;
    // SAFETY: as for the whole process.
    unsafe {
        checked(system_call!(libc::SYS_setns, machine.load(Ordering::SeqCst), libc::CLONE_NEWNS))?;
        // Which may not be the root of all mounts.
        checked(system_call!(libc::SYS_fchdir, root.load(Ordering::SeqCst)))?;
        checked(system_call!(libc::SYS_chroot, c".".as_ptr())).map(drop)
    }
}

/// Makes the directory of this process, on which something is mounted, the root of its mounts, to
/// be read only. Nothing is left of the other mounts but what is below it.
unsafe fn become_root() -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        set_attributes(OWN_DIRECTORY, c".", libc::MOUNT_ATTR_RDONLY, 0)?;
        checked(system_call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        checked(system_call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH))?;
        checked(system_call!(libc::SYS_chdir, c"/".as_ptr())).map(drop)
    }
}

/// Makes an init. Where that fails, its end is told.
unsafe fn make_jail(shared: &Shared) -> Option<Init> {
    let mut flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD | libc::SIGCHLD;
    flags |= libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    if shared.keeper_maps.is_none() {
        flags |= libc::CLONE_NEWUSER;
    }
    // SAFETY: this process calls the system only; the view lives until the thread knows that the
    // init has ended.
    unsafe {
        let view = &*shared.view.load(Ordering::SeqCst);
        let entered = open_all(&view.steps, &shared.failed).and_then(|()| {
            checked(system_call!(
                libc::SYS_setns,
                shared.jails.load(Ordering::SeqCst),
                libc::CLONE_NEWNS
            ))
            .map(drop)
        });
        let made = entered.and_then(|()| {
            let argument = ptr::from_ref(shared).cast_mut().cast();
            let mut end: RawFd = NO_DESCRIPTOR;
            let number = libc::clone(begin, shared.init_stack.top(), flags, argument, &raw mut end);
            // Which error it was is in the memory of the C library.
            if number < 0 { Err(libc::EPERM) } else { Ok(Init { number, end }) }
        });
        if entered.is_ok() && return_to_machine(shared).is_err() {
            // An init of this keeper ends with it, and the next jail has another keeper.
            exit(1);
        }
        match made {
            Err(error) => {
                shared.error.store(error, Ordering::SeqCst);
                tell_of_end(shared);
                None
            }
            Ok(init) => {
                if shared.keeper_maps.is_none() {
                    if let Err(error) = write_maps_of(init.number, view) {
                        shared.error.store(error, Ordering::SeqCst);
                    }
                    tell(shared.events.to_init.as_raw_fd());
                }
                Some(init)
            }
        }
    }
}

/// What the init does.
extern "C" fn begin(shared: *mut c_void) -> c_int {
    // SAFETY: it is what the keeper gave, which lives as long as this process.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: this process only makes system calls; the view lives until it has ended.
    unsafe {
        let view = &*shared.view.load(Ordering::SeqCst);
        match make(shared, view) {
            Ok((children, layer)) => {
                tell(shared.events.from_init.as_raw_fd());
                serve(shared, children, layer)
            }
            Err(error) => {
                shared.error.store(error, Ordering::SeqCst);
                exit(1)
            }
        }
    }
}

/// Waits until the keeper has said who the build of root is.
unsafe fn await_users(shared: &Shared) -> Result<(), i32> {
    let [process, keeper] = shared.ends();
    let request = shared.events.to_init.as_raw_fd();
    // SAFETY: as for the whole process.
    unsafe {
        if let [_, _, false] = poll([process, keeper, request]) {
            return Err(libc::ESRCH);
        }
        take(request);
        match shared.error.load(Ordering::SeqCst) {
            0 => Ok(()),
            error => Err(error),
        }
    }
}

/// Makes what a build sees. Returns what tells of children, and the ruleset of commands.
unsafe fn make(shared: &Shared, view: &View) -> Result<(RawFd, Option<RawFd>), i32> {
    let is_root = shared.keeper_maps.is_none();
    // SAFETY: as for the whole process.
    unsafe {
        // Session and signals are those of the keeper, which hears its children and has no
        // terminal.
        let child = 1_u64 << (libc::SIGCHLD - 1);
        let children = descriptor(system_call!(
            libc::SYS_signalfd4,
            -1,
            &raw const child,
            SIGNAL_SET,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK
        ))?;
        if is_root {
            await_users(shared)?;
            refuse_new_users(shared)?;
        }
        if is_root {
            checked(system_call!(libc::SYS_setgroups, 0, ptr::null::<u32>()))?;
            checked(system_call!(libc::SYS_setresgid, GROUP_NUMBER, GROUP_NUMBER, GROUP_NUMBER))?;
            checked(system_call!(libc::SYS_setresuid, USER_NUMBER, USER_NUMBER, USER_NUMBER))?;
        }
        let mut walk = Walk::new();
        perform_all(&view.steps, &mut walk, &shared.failed)?;
        let layer = ruleset(view, &mut walk)?;
        walk.end();
        Ok((children, layer))
    }
}

/// Does what the thread asks until the jail ends.
unsafe fn serve(shared: &Shared, children: RawFd, layer: Option<RawFd>) -> ! {
    let requests = shared.events.to_init.as_raw_fd();
    let [process, keeper] = shared.ends();
    let mut command = None;
    loop {
        // SAFETY: this process only makes system calls; a command lives until the thread has the
        // answer.
        unsafe {
            let [is_over, is_alone, is_asked, has_children] =
                poll([process, keeper, requests, children]);
            if is_over || is_alone {
                end_all();
                exit(0);
            }
            if is_asked {
                take(requests);
                match shared.request.swap(NOTHING, Ordering::SeqCst) {
                    RUN => {
                        let wanted = shared.command.load(Ordering::SeqCst);
                        command = Some(start(shared, wanted, layer));
                        tell(shared.events.from_init.as_raw_fd());
                    }
                    STOP => {
                        system_call!(libc::SYS_kill, -1, libc::SIGKILL);
                    }
                    END => {
                        end_all();
                        close(children);
                        if let Some(layer) = layer {
                            close(layer);
                        }
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
                tell(shared.events.ended.as_raw_fd());
            }
        }
    }
}

/// Buries who has ended; returns whether this one did.
unsafe fn reap(command: c_int, end: &AtomicI32) -> bool {
    // A process that could not be made has ended.
    let mut has_ended = command < 0;
    loop {
        let mut status = 0;
        let usage = ptr::null_mut::<c_void>();
        // SAFETY: the call writes a number.
        let child =
            unsafe { system_call!(libc::SYS_wait4, -1, &raw mut status, libc::WNOHANG, usage) };
        if child <= 0 {
            return has_ended;
        }
        if child == command as isize {
            end.store(status, Ordering::SeqCst);
            has_ended = true;
        }
    }
}

/// Ends every process of the jail but this one. All of them have an ancestor among its children, so
/// that where it has none, there is no other process.
unsafe fn end_all() {
    let none = ptr::null_mut::<c_int>();
    // SAFETY: this is the first process of a pid namespace, and signals only processes inside it.
    unsafe {
        let bury = |options: c_int| {
            // Whatever signal they end with.
            system_call!(
                libc::SYS_wait4,
                -1,
                none,
                options | libc::__WALL,
                ptr::null_mut::<c_void>()
            )
        };
        // To signal all makes the kernel look at every process of the machine.
        let mut child = 1;
        while child > 0 || child == -(libc::EINTR as isize) {
            child = bury(libc::WNOHANG);
        }
        if child != 0 {
            return;
        }
        system_call!(libc::SYS_kill, -1, libc::SIGKILL);
        while child >= 0 || child == -(libc::EINTR as isize) {
            child = bury(0);
        }
    }
}

/// What a process needs that becomes a command.
struct Becoming<'a> {
    view: &'a View,
    command: &'a Command<'a>,
    layer: Option<RawFd>,
}

/// Starts a command; returns its number, less than 0 when there is none.
unsafe fn start(shared: &Shared, command: *mut c_void, layer: Option<RawFd>) -> c_int {
    // SAFETY: they come from `begin` and `run`; the first lives until this process has ended, and
    // the second waits.
    let (view, command) =
        unsafe { (&*shared.view.load(Ordering::SeqCst), &*command.cast::<Command<'_>>()) };
    let becoming = Becoming { view, command, layer };
    let mut flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    if !becoming.command.steps.is_empty() {
        flags |= libc::CLONE_NEWNS;
    }
    let argument = ptr::from_ref(&becoming).cast_mut().cast();
    // SAFETY: this process waits until the command runs, and the stack is for that command alone.
    let process =
        unsafe { libc::clone(become_command, shared.command_stack.top(), flags, argument) };
    if process < 0 {
        becoming.command.error.store(libc::EAGAIN, Ordering::SeqCst);
    }
    process
}

extern "C" fn become_command(becoming: *mut c_void) -> c_int {
    // SAFETY: it comes from `start`, which waits.
    let Becoming { view, command, layer } = unsafe { &*becoming.cast::<Becoming<'_>>() };
    // SAFETY: this process calls the system only.
    unsafe {
        let error = match enter(view, command, *layer) {
            Ok(()) => command.start.become_program(*layer),
            Err(error) => error,
        };
        command.error.store(error, Ordering::SeqCst);
        exit(NOT_STARTED)
    }
}

/// Makes a root for this command alone, if it sees more than the build. It is mounted over the root
/// of the build, and only the files that the steps take over remain visible.
unsafe fn enter(view: &View, command: &Command<'_>, layer: Option<RawFd>) -> Result<(), i32> {
    if command.steps.is_empty() {
        return Ok(());
    }
    // SAFETY: as for the whole process.
    unsafe {
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        mount(Some(c"none"), c"/proc", Some(c"tmpfs"), flags, Some(c"mode=755,uid=1000,gid=100"))?;
        checked(system_call!(libc::SYS_chdir, c"/proc".as_ptr()))?;
        perform_all(command.steps, &mut Walk::new(), &command.failed)?;
        if let Some(ruleset) = layer {
            allow_root(view, ruleset)?;
        }
        become_root()
    }
}
