//! The processes that make the namespaces of builds, and that start their commands: see `keeper.rs`.
//!
//! They run in our memory, beside a thread: they call the system only, with no word in the memory of
//! the C library.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::mounts::{Walk, mount, perform, ruleset, set_attributes};
use super::shared::{BEGIN, Command, END, NOTHING, RUN, STOP, Shared};
use super::system_call::{
    OWN_DIRECTORY, SIGNAL_SET, checked, close, descriptor, exit, poll, system_call, take, tell, wait_for, write_file,
};
use super::view::{GROUP_NUMBER, Step, USER_NUMBER, View};

const HOST: &[u8] = b"build";
const DOMAIN: &[u8] = b"(none)";
/// What everybody may not do with a new file.
const UMASK: u32 = 0o022;
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
        system_call!(libc::SYS_rt_sigaction, libc::SIGCHLD, default.as_ptr(), ptr::null_mut::<usize>(), SIGNAL_SET);
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
    let answer =
        unsafe { system_call!(libc::SYS_prctl, libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    checked(answer).map(drop)
}

/// Does steps; notes which one failed.
unsafe fn perform_all<'a>(steps: &'a [Step], walk: &mut Walk<'a>, failed: &AtomicI32) -> Result<(), i32> {
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
        loop {
            let [is_over, is_asked] = poll([events.process.as_raw_fd(), events.to_keeper.as_raw_fd()]);
            if is_over {
                exit(0);
            } else if !is_asked {
                continue;
            }
            take(events.to_keeper.as_raw_fd());
            match shared.request.swap(NOTHING, Ordering::SeqCst) {
                BEGIN => make_jail(shared),
                END => exit(0),
                _ => {}
            }
        }
    }
}

/// Makes what all builds see, in the keeper's own namespaces.
unsafe fn prepare(shared: &Shared) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        if let Some([users, groups]) = &shared.keeper_maps {
            write_own_maps([users, groups])?;
            refuse_new_users(shared)?;
        }
        checked(system_call!(libc::SYS_sethostname, HOST.as_ptr(), HOST.len()))?;
        checked(system_call!(libc::SYS_setdomainname, DOMAIN.as_ptr(), DOMAIN.len()))?;
        system_call!(libc::SYS_umask, UMASK);
        mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
        let (template, flags) = (&shared.template, libc::MS_NOSUID | libc::MS_NODEV);
        mount(Some(c"none"), &template.place, Some(c"tmpfs"), flags, Some(c"mode=755"))?;
        // Inits begin here.
        checked(system_call!(libc::SYS_chdir, template.place.as_ptr()))?;
        let mut walk = Walk::new();
        perform_all(&template.steps, &mut walk, &shared.failed)?;
        walk.end();
        Ok(())
    }
}

/// Makes an init and waits for its end.
unsafe fn make_jail(shared: &Shared) {
    let mut flags = libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD;
    flags |= libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    if shared.keeper_maps.is_none() {
        flags |= libc::CLONE_NEWUSER;
    }
    // SAFETY: this process calls the system only; the view lives until the thread knows that the init
    // has ended.
    unsafe {
        let argument = ptr::from_ref(shared).cast_mut().cast();
        let init = libc::clone(begin, shared.init_stack.top(), flags, argument);
        if init < 0 {
            // Which error it was is in the memory of the C library.
            shared.error.store(libc::EPERM, Ordering::SeqCst);
        } else {
            if shared.keeper_maps.is_none() {
                let view = &*shared.view.load(Ordering::SeqCst);
                if let Err(error) = write_maps_of(init, view) {
                    shared.error.store(error, Ordering::SeqCst);
                }
                tell(shared.events.to_init.as_raw_fd());
            }
            wait_for(init);
        }
        shared.is_gone.store(1, Ordering::SeqCst);
        tell(shared.events.from_init.as_raw_fd());
        tell(shared.events.ended.as_raw_fd());
        tell(shared.events.from_keeper.as_raw_fd());
    }
}

/// What the init does.
extern "C" fn begin(shared: *mut c_void) -> c_int {
    // SAFETY: it is what the keeper gave, which lives as long as this process.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: this process calls the system only; the view lives until we have ended.
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
        hear_children();
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
        for opened in &view.opened {
            let flags = libc::O_PATH | libc::O_CLOEXEC;
            let opening = system_call!(libc::SYS_openat, OWN_DIRECTORY, opened.path.as_ptr(), flags);
            opened.descriptor.store(descriptor(opening)?, Ordering::SeqCst);
        }
        let (options, flags) = (Some(c"mode=755,uid=1000,gid=100"), libc::MS_NOSUID | libc::MS_NODEV);
        mount(Some(c"none"), &view.place, Some(c"tmpfs"), flags, options)?;
        checked(system_call!(libc::SYS_chdir, view.place.as_ptr()))?;
        if is_root {
            checked(system_call!(libc::SYS_setgroups, 0, ptr::null::<u32>()))?;
            checked(system_call!(libc::SYS_setresgid, GROUP_NUMBER, GROUP_NUMBER, GROUP_NUMBER))?;
            checked(system_call!(libc::SYS_setresuid, USER_NUMBER, USER_NUMBER, USER_NUMBER))?;
        }
        let mut walk = Walk::new();
        perform_all(&view.steps, &mut walk, &shared.failed)?;
        for opened in &view.opened {
            close(opened.descriptor.load(Ordering::SeqCst));
        }
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
        // SAFETY: this process calls the system only; a command lives until the thread has our answer.
        unsafe {
            let [is_over, is_alone, is_asked, has_children] = poll([process, keeper, requests, children]);
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
        perform_all(command.steps, &mut Walk::new(), &command.failed)?;
        set_attributes(OWN_DIRECTORY, c".", libc::MOUNT_ATTR_RDONLY, 0)?;
        checked(system_call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        checked(system_call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH))?;
        checked(system_call!(libc::SYS_chdir, c"/".as_ptr()))?;
        Ok(())
    }
}
