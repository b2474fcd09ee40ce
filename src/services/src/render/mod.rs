//! Renders declarations into files that managers read.

mod calendar;
mod expression;
mod launchd;
mod systemd;
mod values;
mod windows;
mod xml;

use serde::Serialize;

use crate::declaration::{Declaration, Scope, check_name};
use crate::problem::Refusal;

/// A manager of services, by the name of its system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(Hash))]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// Of Linux.
    #[default]
    Systemd,
    /// Of macOS.
    Launchd,
    /// The service control manager and the task scheduler.
    Windows,
}

impl Manager {
    /// Returns the manager of an operating system.
    pub fn of(os: &str) -> Manager {
        match os {
            "darwin" => Manager::Launchd,
            "windows" => Manager::Windows,
            _ => Manager::Systemd,
        }
    }
}

/// What a unit is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It is what runs.
    Main,
    /// It starts the main one by the clock.
    Timer,
    /// It starts the main one when something comes.
    Socket,
}

/// A file that a manager reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// What the manager calls it: `web.service`.
    pub name: String,
    /// What it is to its service.
    pub role: Role,
    /// Where its file belongs; `~/` is the user's home.
    pub target: String,
    /// Whether the manager insists on a regular file.
    pub copy: bool,
    /// The text of the file.
    pub text: String,
    /// Links that enable it, and where they lead.
    pub links: Vec<(String, String)>,
    /// Whether a switch starts it. What a timer or a socket starts is not.
    pub starts: bool,
}

/// Renders a service for a manager.
///
/// # Errors
/// When something of it cannot be written in the manager's format.
pub fn render(declaration: &Declaration, manager: Manager) -> Result<Vec<Unit>, Refusal> {
    check_name(&declaration.name)?;
    values::check(declaration, manager)?;
    match manager {
        Manager::Systemd => systemd::render(declaration),
        Manager::Launchd => launchd::render(declaration).map(|unit| vec![unit]),
        Manager::Windows => windows::render(declaration).map(|unit| vec![unit]),
    }
}

/// Returns the unit of systemd that is given as a text; without one it is a file that is built
/// later.
///
/// # Errors
/// When its name is unusable, or it is not a unit.
pub fn given(name: &str, scope: Scope, text: Option<&str>) -> Result<Unit, Refusal> {
    check_name(name)?;
    match text {
        Some(text) => systemd::given(name, scope, text),
        None => Ok(systemd::given_later(name, scope)),
    }
}
