//! Becoming another program: a shell or a command in an environment that was made.

#[cfg(unix)]
mod system {
    use std::ffi::OsString;
    use std::fs;
    use std::io;
    use std::os::fd::{IntoRawFd, OwnedFd};
    use std::path::Path;
    use std::process::Command;

    /// Where a program that this process becomes finds its script: what stands for the descriptor
    /// in arguments and variables.
    pub const SCRIPT: &str = "/dev/fd/SCRIPT";

    /// Becomes a program, which gets only these variables. `script` is a text that it can read at
    /// [`SCRIPT`], once that is replaced in its arguments and variables; `directory` is where it
    /// may be kept for a moment. Returns only when that fails; elsewhere, the exit code of the
    /// program.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn become_program(
        words: &[OsString],
        variables: &[(OsString, OsString)],
        script: Option<(&[u8], &Path)>,
    ) -> io::Result<i32> {
        use std::os::unix::process::CommandExt;
        let descriptor =
            script.map(|(text, directory)| open_unnamed(text, directory)).transpose()?;
        let place = descriptor.map(|descriptor| format!("/dev/fd/{}", descriptor.into_raw_fd()));
        let replaced = |text: &OsString| match (&place, text.to_str()) {
            (Some(place), Some(text)) => text.replace(SCRIPT, place).into(),
            _ => text.clone(),
        };
        let mut words = words.iter().map(replaced);
        let Some(program) = words.next() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let variables = variables.iter().map(|(name, value)| (name, replaced(value)));
        Err(Command::new(program).args(words).env_clear().envs(variables).exec())
    }

    /// Returns a descriptor, which programs inherit, of a file without a name that has a text.
    fn open_unnamed(text: &[u8], directory: &Path) -> io::Result<OwnedFd> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        fs::create_dir_all(directory)?;
        let path = directory.join(format!(".shell.{}", std::process::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let written = file.write_all(text).and_then(|()| fs::File::open(&path));
        fs::remove_file(&path)?;
        let descriptor = OwnedFd::from(written?);
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty())?;
        Ok(descriptor)
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::OsString;
    use std::io;
    use std::path::Path;
    use std::process::Command;

    /// Where a program would find its script; nothing reads it here.
    pub const SCRIPT: &str = "/dev/fd/SCRIPT";

    /// Runs a program, which gets only these variables, to its end; returns its exit code.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn become_program(
        words: &[OsString],
        variables: &[(OsString, OsString)],
        _script: Option<(&[u8], &Path)>,
    ) -> io::Result<i32> {
        let Some((program, words)) = words.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let variables = variables.iter().map(|(name, value)| (name, value));
        let status = Command::new(program).args(words).env_clear().envs(variables).status()?;
        Ok(status.code().unwrap_or(1))
    }
}

pub use system::{SCRIPT, become_program};
