//! Accounts of this machine.

use std::io;
use std::path::PathBuf;

/// An account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number; 0 where the system has none.
    pub number: u32,
    /// The number of its group.
    pub group: u32,
    /// Its name.
    pub name: String,
    /// Its home directory, where the system tells.
    pub home: Option<PathBuf>,
}

impl Account {
    /// Returns the account of a name, or that of who runs this.
    ///
    /// # Errors
    /// When there is none.
    #[cfg(unix)]
    pub fn of(name: Option<&str>) -> io::Result<Account> {
        use nix::unistd::{User, geteuid};
        let entry = match name {
            Some(name) => User::from_name(name)?,
            None => User::from_uid(geteuid())?,
        };
        let entry = entry.ok_or_else(|| {
            let shown = name.map_or_else(|| format!("number {}", geteuid()), str::to_owned);
            io::Error::new(io::ErrorKind::NotFound, format!("there is no user {shown}"))
        })?;
        Ok(Account {
            number: entry.uid.as_raw(),
            group: entry.gid.as_raw(),
            name: entry.name,
            home: Some(entry.dir),
        })
    }

    /// Returns an account with its name only.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub fn of(name: Option<&str>) -> io::Result<Account> {
        let name = name.unwrap_or_default().to_owned();
        Ok(Account { number: 0, group: 0, name, home: None })
    }
}
