//! This machine and who uses it: names and homes.

use std::path::PathBuf;

use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
#[cfg(unix)]
use syslua_engine::platform::Account;

use crate::error::{Answer, Error};

/// Returns a path that a variable of the environment names, or `None` if it is empty.
pub fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the home of the user who runs this.
///
/// # Errors
/// When no home is known.
pub fn home() -> Answer<PathBuf> {
    let from_variable = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
        .filter(|home| home.is_absolute());
    from_variable.or_else(home_of_user).ok_or_else(|| {
        Error::new(FailureKind::Usage, "the home directory is not known")
            .with_hint("set HOME to an absolute path")
    })
}

#[cfg(unix)]
fn home_of_user() -> Option<PathBuf> {
    Account::of(None).ok()?.home
}

/// Returns whether root runs this.
pub fn is_root() -> bool {
    platform::is_system_user()
}

/// Returns the name of the user who runs this.
#[cfg(unix)]
pub fn username() -> Vec<u8> {
    let account = Account::of(None);
    account
        .map_or_else(|_| platform::user_number().to_string(), |account| account.name)
        .into_bytes()
}

/// Returns the home directory of a user of this machine, if there is such a user.
#[cfg(unix)]
pub fn home_of(name: &str) -> Option<PathBuf> {
    Account::by_name(name).ok().flatten()?.home
}

/// Returns the name of this machine.
#[cfg(unix)]
pub fn hostname() -> Vec<u8> {
    platform::hostname()
}

#[cfg(windows)]
fn home_of_user() -> Option<PathBuf> {
    None
}

/// Returns the home directory of a user of this machine: where Windows puts it.
#[cfg(windows)]
pub fn home_of(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from("C:/Users").join(name)).filter(|home| platform::is_directory(home))
}

/// Returns the name of the user who runs this.
#[cfg(windows)]
pub fn username() -> Vec<u8> {
    std::env::var_os("USERNAME").unwrap_or_default().into_encoded_bytes()
}

/// Returns the name of this machine.
#[cfg(windows)]
pub fn hostname() -> Vec<u8> {
    std::env::var_os("COMPUTERNAME").unwrap_or_default().into_encoded_bytes()
}
