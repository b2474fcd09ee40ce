//! Starts and ends a program with all its processes. Writing to the standard input of an ended
//! program is an error.

#[cfg(unix)]
mod system {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// Returns the command that runs a line of the system's shell.
    pub fn shell_command(line: &OsStr) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    }

    /// Gives a program its own process group, so that it can be ended with all it starts.
    pub fn own_group(command: &mut Command) {
        command.process_group(0);
    }

    /// Ends every process of a group that is named by its first process.
    pub fn end_group(leader: u32) {
        use rustix::process::{Pid, Signal, kill_process_group};
        if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
            // An empty group is the usual case.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// The writing end of a program's standard input. If the program is gone, a write is an error:
    /// a pipe would end this process with SIGPIPE, which has its default action in a library.
    #[derive(Debug)]
    pub struct ProgramInput(std::os::unix::net::UnixStream);

    /// Returns what a program gets as standard input, and the other end of it.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn program_input() -> io::Result<(Stdio, ProgramInput)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        #[cfg(target_vendor = "apple")]
        rustix::net::sockopt::set_socket_nosigpipe(&ours, true)?;
        Ok((std::os::fd::OwnedFd::from(theirs).into(), ProgramInput(ours)))
    }

    impl io::Write for ProgramInput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            #[cfg(target_vendor = "apple")]
            let flags = rustix::net::SendFlags::empty();
            #[cfg(not(target_vendor = "apple"))]
            let flags = rustix::net::SendFlags::NOSIGNAL;
            Ok(rustix::net::send(&self.0, bytes, flags)?)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::OsStr;
    use std::io;
    use std::os::windows::process::CommandExt;
    use std::process::{Command, Stdio};

    /// Returns the command that runs a line of the system's shell.
    pub fn shell_command(line: &OsStr) -> Command {
        let mut command = Command::new("cmd.exe");
        command.arg("/C").arg(line);
        command
    }

    /// Gives a program its own process group.
    pub fn own_group(command: &mut Command) {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }

    /// Ends a program and what it started.
    pub fn end_group(leader: u32) {
        let leader = leader.to_string();
        let _ = Command::new("taskkill").args(["/F", "/T", "/PID", &leader]).output();
    }

    /// The writing end of a program's standard input.
    pub type ProgramInput = io::PipeWriter;

    /// Returns what a program gets as standard input, and the other end of it.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn program_input() -> io::Result<(Stdio, ProgramInput)> {
        let (theirs, ours) = io::pipe()?;
        Ok((theirs.into(), ours))
    }
}

pub use system::{ProgramInput, end_group, own_group, program_input, shell_command};
