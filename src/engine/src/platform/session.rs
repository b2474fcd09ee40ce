//! Programs that talk to the user: as which user they run, and whether they have the terminal.

use std::path::PathBuf;

/// A user that a program runs as, as at a login.
#[derive(Clone, Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "changing the user is not supported there"))]
pub struct Login {
    /// The name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
    /// The shell.
    pub shell: PathBuf,
    user: u32,
    group: u32,
    groups: Vec<u32>,
}

#[cfg(unix)]
mod unix {
    use std::ffi::{CString, OsString};
    use std::fs::File;
    use std::io::{self, Read};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, ExitStatus};

    use rustix::process::Pid;
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

    use super::Login;
    #[cfg(target_os = "linux")]
    use crate::platform::process::close_on_exec;
    use crate::platform::{Account, bytes_of_path};

    #[cfg(target_os = "linux")]
    fn groups_of(account: &Account) -> io::Result<Vec<u32>> {
        account.groups()
    }

    /// Returns the user's main group: here the system adds the other groups (setgroups(2) of
    /// macOS).
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn groups_of(account: &Account) -> io::Result<Vec<u32>> {
        Ok(vec![account.group])
    }

    impl Login {
        /// Returns a user of this machine.
        ///
        /// # Errors
        /// When there is no such user, or its groups are not known.
        pub fn of(name: &str) -> io::Result<Login> {
            let account = Account::of(Some(name))?;
            let groups = groups_of(&account)?;
            let Account { number, group, name, home, shell } = account;
            let (home, shell) = (home.unwrap_or_default(), shell.unwrap_or_default());
            Ok(Login { name, home, shell, user: number, group, groups })
        }

        /// Returns the directory of the user's session, where that runs: programs such as
        /// `systemctl --user` need it.
        pub fn runtime_directory(&self) -> Option<PathBuf> {
            use std::os::unix::fs::MetadataExt;
            let directory = PathBuf::from(format!("/run/user/{}", self.user));
            directory
                .metadata()
                .is_ok_and(|data| data.is_dir() && data.uid() == self.user)
                .then_some(directory)
        }
    }

    /// The terminal of this process, while a program has it.
    pub struct Terminal {
        file: File,
        own: Pid,
        modes: Option<Termios>,
        blocked: libc::sigset_t,
        /// What tells of Ctrl-C, which the terminal sends to the program alone, and the end of it
        /// for who notices.
        keys: Option<(UnixStream, UnixStream)>,
    }

    impl Terminal {
        /// Returns the terminal whose foreground this process is in. Without one, questions are
        /// impossible.
        pub fn of_this_process() -> Option<Terminal> {
            let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
            let own = rustix::process::getpgrp();
            if tcgetpgrp(&file).ok()? != own {
                return None;
            }
            let modes = tcgetattr(&file).ok();
            let keys =
                UnixStream::pair().ok().filter(|(told, _)| told.set_nonblocking(true).is_ok());
            Some(Terminal { blocked: block_output_stop(), file, own, modes, keys })
        }

        /// Returns whether Ctrl-C was pressed since the last call. A program may ignore it.
        pub fn was_interrupted(&self) -> bool {
            self.keys
                .as_ref()
                .is_some_and(|(told, _)| matches!((&*told).read(&mut [0; 16]), Ok(1..)))
        }

        /// Returns another descriptor of it.
        pub fn input(&self) -> Option<File> {
            self.file.try_clone().ok()
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            let _ = tcsetpgrp(&self.file, self.own);
            if let Some(modes) = &self.modes {
                // A program that was ended may have left it without echo.
                let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
            }
            // SAFETY: the set was filled by the same function.
            unsafe {
                libc::pthread_sigmask(
                    libc::SIG_SETMASK,
                    &raw const self.blocked,
                    std::ptr::null_mut(),
                )
            };
        }
    }

    /// Starts a process in the group of this one, which writes a byte whenever the terminal sends
    /// Ctrl-C to the group, and ends when its reader is gone. It has no parent that waits: a
    /// program that waits for all its children does not wait for it.
    ///
    /// # Safety
    /// It is for the time between fork and exec: it calls nothing but the system.
    #[cfg(target_os = "linux")]
    unsafe fn watch_keys(keys: i32) {
        // SAFETY: see above; all that is pointed to lives on this stack.
        unsafe {
            // Not `fork`, which has locks of the library taken.
            let fork = || libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
            let between = fork();
            if between > 0 {
                libc::waitpid(between as libc::pid_t, std::ptr::null_mut(), 0);
            }
            if between != 0 {
                return;
            }
            if fork() != 0 {
                libc::_exit(0);
            }
            let (mut all, mut key): (libc::sigset_t, libc::sigset_t) =
                (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            // A reader of the program's output would wait for this process too.
            for number in (0..MOST_DESCRIPTORS).filter(|number| *number != keys) {
                libc::close(number);
            }
            libc::sigemptyset(&raw mut key);
            libc::sigaddset(&raw mut key, libc::SIGINT);
            let signals = libc::signalfd(-1, &raw const key, 0);
            let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut polled = [poll(signals), poll(keys)];
            let mut signal: libc::signalfd_siginfo = std::mem::zeroed();
            while signals >= 0
                && libc::poll(polled.as_mut_ptr(), 2, -1) > 0
                && polled[1].revents == 0
            {
                let size = size_of::<libc::signalfd_siginfo>();
                let is_read = libc::read(signals, (&raw mut signal).cast(), size) > 0;
                if !is_read || libc::send(keys, c"c".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) < 0 {
                    break;
                }
            }
            libc::_exit(0);
        }
    }

    /// More than this process has open.
    #[cfg(target_os = "linux")]
    const MOST_DESCRIPTORS: i32 = 4096;

    /// Blocks the signal that stops a background process that writes to, or takes, a terminal;
    /// returns the earlier mask.
    fn block_output_stop() -> libc::sigset_t {
        // SAFETY: both sets are this function's own; the calls fill them.
        unsafe {
            let (mut set, mut before): (libc::sigset_t, libc::sigset_t) =
                (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGTTOU);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            before
        }
    }

    /// A file that a program and all its children inherit. It identifies them in every namespace
    /// and with every environment. They can neither read nor write it.
    pub struct SwitchTag(File);

    impl SwitchTag {
        /// Creates one from a file, or returns `None` if the system has no such descriptors.
        pub fn of(path: &Path) -> Option<SwitchTag> {
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{CWD, Mode, OFlags, openat};
                let file = openat(
                    CWD,
                    path,
                    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )
                .ok()?;
                Some(SwitchTag(File::from(file)))
            }
            #[cfg(not(target_os = "linux"))]
            {
                let _ = path;
                None
            }
        }
    }

    /// Returns whether this process inherited a mark of a file: see [`SwitchTag`].
    #[cfg(target_os = "linux")]
    pub fn has_switch_tag(path: &Path) -> bool {
        use std::os::fd::BorrowedFd;
        use std::os::unix::fs::MetadataExt;

        use rustix::fs::{OFlags, fcntl_getfl, fstat};
        /// Programs get the lowest numbers that are free.
        const MOST: i32 = 256;
        let Ok(metadata) = path.symlink_metadata() else { return false };
        (3..MOST).any(|number| {
            // SAFETY: the descriptor is only inspected; an invalid or reused number does not match
            // the mark.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let is_it = fstat(descriptor)
                .is_ok_and(|seen| seen.st_ino == metadata.ino() && seen.st_dev == metadata.dev());
            is_it && fcntl_getfl(descriptor).is_ok_and(|flags| flags.contains(OFlags::PATH))
        })
    }

    /// There are no marks here.
    #[cfg(not(target_os = "linux"))]
    pub fn has_switch_tag(_path: &Path) -> bool {
        false
    }

    /// Has a program run as a user, in its own process group: in the foreground of the
    /// terminal, or in a session that has none. `directory` is entered with the user's rights.
    pub fn prepare_session(
        command: &mut Command,
        login: Option<&Login>,
        terminal: Option<&Terminal>,
        mark: Option<&SwitchTag>,
        directory: &Path,
    ) -> io::Result<()> {
        let directory = CString::new(bytes_of_path(directory))?;
        let ids = login.map(|login| (login.user, login.group, login.groups.clone()));
        let keys =
            terminal.and_then(|terminal| terminal.keys.as_ref()).map(|(_, keys)| keys.as_raw_fd());
        let terminal = terminal.map(|terminal| terminal.file.as_raw_fd());
        let mark = mark.map(|mark| mark.0.as_raw_fd());
        let check =
            |answer: i32| if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        let begin = move || {
            // SAFETY: between fork and exec, only calls that are safe there: they allocate nothing,
            // and their arguments were made before.
            unsafe {
                match terminal {
                    Some(terminal) => {
                        check(libc::setpgid(0, 0))?;
                        block_output_stop();
                        // Otherwise the program would be stopped when it asks.
                        libc::tcsetpgrp(terminal, libc::getpid());
                        #[cfg(target_os = "linux")]
                        if let Some(keys) = keys {
                            watch_keys(keys);
                        }
                        #[cfg(not(target_os = "linux"))]
                        let _ = keys;
                    }
                    None => check((libc::setsid() < 0).into())?,
                }
                if let Some((user, group, groups)) = &ids {
                    // What root inherited is not for another user.
                    #[cfg(target_os = "linux")]
                    close_on_exec();
                    check(libc::setgroups(groups.len() as _, groups.as_ptr()))?;
                    check(libc::setgid(*group))?;
                    check(libc::setuid(*user))?;
                }
                check(libc::chdir(directory.as_ptr()))?;
                if let Some(mark) = mark {
                    check((libc::fcntl(mark, libc::F_SETFD, 0) < 0).into())?;
                }
                let mut none: libc::sigset_t = std::mem::zeroed();
                libc::sigemptyset(&raw mut none);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            }
            Ok(())
        };
        // SAFETY: see above.
        unsafe { command.pre_exec(begin) };
        Ok(())
    }

    /// Returns how a program ended, or nothing while it runs. A stopped program is continued,
    /// because no shell would do that.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn poll_child(child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        let mut status = 0;
        // SAFETY: the status is this function's own.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG | libc::WUNTRACED) } {
            0 => Ok(None),
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
                error => Err(error),
            },
            _ if libc::WIFSTOPPED(status) => {
                // SAFETY: a signal to a group that is this program's own.
                unsafe { libc::killpg(pid, libc::SIGCONT) };
                Ok(None)
            }
            _ => Ok(Some(ExitStatus::from_raw(status))),
        }
    }

    /// Returns whether Ctrl-C ended a program: it got the signal, or says so as shells do.
    pub fn was_interrupted(status: ExitStatus) -> bool {
        status.signal() == Some(libc::SIGINT) || status.code() == Some(128 + libc::SIGINT)
    }

    /// Returns the variables of a program that begins as at a login.
    pub fn login_variables(login: &Login) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("HOME", login.home.clone().into_os_string()),
            ("USER", login.name.clone().into()),
            ("LOGNAME", login.name.clone().into()),
            ("SHELL", login.shell.clone().into_os_string()),
        ];
        variables.extend(
            login
                .runtime_directory()
                .map(|directory| ("XDG_RUNTIME_DIR", directory.into_os_string())),
        );
        variables
    }
}

#[cfg(unix)]
pub use unix::{
    SwitchTag, Terminal, has_switch_tag, login_variables, poll_child, prepare_session,
    was_interrupted,
};

#[cfg(not(unix))]
mod other {
    use std::ffi::OsString;
    use std::fs::File;
    use std::io;
    use std::path::Path;
    use std::process::{Child, Command, ExitStatus};

    use super::Login;

    impl Login {
        /// Changing the user is not supported here.
        ///
        /// # Errors
        /// Always.
        pub fn of(name: &str) -> io::Result<Login> {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("commands cannot run as {name} here"),
            ))
        }
    }

    /// There is no terminal to hand over.
    pub struct Terminal;

    impl Terminal {
        /// Programs share the console.
        pub fn of_this_process() -> Option<Terminal> {
            None
        }

        /// Never called.
        pub fn input(&self) -> Option<File> {
            None
        }

        /// Ctrl-C reaches this process too.
        pub fn was_interrupted(&self) -> bool {
            false
        }
    }

    /// Programs inherit no descriptors here.
    pub struct SwitchTag;

    impl SwitchTag {
        /// There is none.
        pub fn of(_path: &Path) -> Option<SwitchTag> {
            None
        }
    }

    /// There is none.
    pub fn has_switch_tag(_path: &Path) -> bool {
        false
    }

    /// Gives a program its own process group, and a directory.
    pub fn prepare_session(
        command: &mut Command,
        _login: Option<&Login>,
        _terminal: Option<&Terminal>,
        _mark: Option<&SwitchTag>,
        directory: &Path,
    ) -> io::Result<()> {
        crate::platform::own_group(command);
        command.current_dir(directory);
        Ok(())
    }

    /// Returns how a program ended; nothing while it runs.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn poll_child(child: &mut Child) -> io::Result<Option<ExitStatus>> {
        child.try_wait()
    }

    /// Ctrl-C reaches this process too.
    pub fn was_interrupted(_status: ExitStatus) -> bool {
        false
    }

    /// Changing the user is not supported here.
    pub fn login_variables(_login: &Login) -> Vec<(&'static str, OsString)> {
        Vec::new()
    }
}

#[cfg(not(unix))]
pub use other::{
    SwitchTag, Terminal, has_switch_tag, login_variables, poll_child, prepare_session,
    was_interrupted,
};
