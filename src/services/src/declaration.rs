//! What is declared of a service: the fields of `service{}`, checked for what no manager could
//! take.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::problem::Refusal;

/// Whose service it is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    schemars::JsonSchema,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The machine's.
    System,
    /// A user's.
    #[default]
    User,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// A line for the shell.
    Line(String),
    /// The program and its arguments.
    Words(Vec<String>),
}

/// When a service that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Restart {
    /// Never.
    #[serde(rename = "no")]
    No,
    /// When it failed.
    #[serde(rename = "on-failure")]
    OnFailure,
    /// However it ended.
    #[serde(rename = "always")]
    Always,
}

/// How a service says that it is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// Its program runs.
    #[default]
    Exec,
    /// It tells the manager.
    Notify,
    /// Its first process ends, and another one stays.
    Forking,
    /// It has done its work and ended.
    Oneshot,
}

/// When a service is started by the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Points in time, as `systemd.time(7)` writes them.
    #[serde(default)]
    pub calendar: Vec<String>,
    /// The time between two runs, such as `15m`.
    #[serde(default)]
    pub every: Option<String>,
    /// The time after the machine (or the user's session) started.
    #[serde(default)]
    pub on_boot: Option<String>,
}

/// Where the manager listens for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Paths, ports, `address:port`; `udp:` before one is for datagrams.
    pub listen: Vec<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Its name, without a suffix.
    pub name: String,
    /// Whose it is.
    #[serde(default)]
    pub scope: Scope,
    /// A line for people.
    #[serde(default)]
    pub description: Option<String>,
    /// What runs.
    pub command: Command,
    /// Variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files with variables; `-` before an optional one.
    #[serde(default)]
    pub environment_files: Vec<String>,
    /// The user that it runs as.
    #[serde(default)]
    pub user: Option<String>,
    /// The group that it runs as.
    #[serde(default)]
    pub group: Option<String>,
    /// The directory that it runs in.
    #[serde(default)]
    pub directory: Option<String>,
    /// When it is started again.
    #[serde(default)]
    pub restart: Option<Restart>,
    /// How it says that it is ready.
    #[serde(default)]
    pub ready: Ready,
    /// Units that start before it.
    #[serde(default)]
    pub after: Vec<String>,
    /// Units that it does not run without.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Units that are started with it.
    #[serde(default)]
    pub wants: Vec<String>,
    /// Limits: `memory`, `cpu`, `tasks`, `files`, `nice`.
    #[serde(default)]
    pub limits: BTreeMap<String, String>,
    /// When it is started by the clock.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Where the manager listens for it.
    #[serde(default)]
    pub socket: Option<Socket>,
    /// Sections of systemd's, verbatim: they replace what is rendered.
    #[serde(default)]
    pub unit: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// The suffixes of systemd's units.
pub const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".timer",
    ".target",
    ".path",
    ".mount",
    ".automount",
    ".swap",
    ".slice",
    ".scope",
    ".device",
];

/// The longest name: with the longest suffix it fits into a file's.
const LONGEST_NAME: usize = 200;

/// Checks the name of a service.
///
/// # Errors
/// When no manager could have a service of that name.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:".contains(&byte);
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !starts || !name.bytes().all(is_plain) {
        return Err(Refusal::new("name", format!("cannot be {name:?}"))
            .with_hint("letters, digits and `_.-:`, a letter or digit first"));
    }
    if name.len() > LONGEST_NAME {
        return Err(Refusal::new("name", format!("is longer than {LONGEST_NAME} bytes")));
    }
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)) {
        let short = name.strip_suffix(suffix).unwrap_or(name);
        return Err(Refusal::new("name", format!("ends with {suffix}"))
            .with_hint(format!("name = {short:?}: the suffix is added")));
    }
    Ok(())
}

impl Declaration {
    /// Returns when the service is started again, where it is not declared: a program that is to
    /// stay is, when it fails.
    pub fn restart(&self) -> Restart {
        let is_once = self.ready == Ready::Oneshot || self.schedule.is_some();
        self.restart.unwrap_or(if is_once { Restart::No } else { Restart::OnFailure })
    }
}

/// Checks a text for what no format can hold.
///
/// # Errors
/// When it contains a control character, or a number that Unicode gives to no character.
pub fn check_text(field: &str, text: &str) -> Result<(), Refusal> {
    let is_none = |character: char| {
        let number = u32::from(character);
        (0xfdd0..=0xfdef).contains(&number) || number & 0xfffe == 0xfffe
    };
    match text.chars().find(|character| character.is_control() || is_none(*character)) {
        None => Ok(()),
        Some(found) => {
            let shown = found.escape_default();
            let what = if found.is_control() { "control character" } else { "noncharacter" };
            Err(Refusal::new(field, format!("has the {what} {shown}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_without_suffixes() {
        for name in ["web", "a.b", "my-app_2:x", "9p"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", ".x", "-x", "a b", "a/b", "a@b", "a%", "web.service", "t.timer", "\u{e4}"]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"x".repeat(201)).is_err());
    }
}
