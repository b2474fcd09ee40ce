//! A service that the service manager keeps running. Its unit files and the links that enable it
//! are separate targets; this action is what the manager must do.

use serde::{Deserialize, Serialize};
use syslua_services::declaration::Scope;

use super::command::Command;
use super::kind::Kind;
use crate::value::Text;

/// What a change of a service does to it when it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSwitch {
    /// It stops before files change, and starts after.
    #[default]
    Restart,
    /// It is told to read its configuration again.
    Reload,
    /// Nothing: what it is started with next counts.
    Nothing,
}

impl OnSwitch {
    fn is_usual(&self) -> bool {
        *self == OnSwitch::default()
    }
}

/// A unit of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceUnit {
    /// What the manager calls it, such as `web.service`.
    pub name: String,
    /// The object that its file is.
    pub file: Text,
    /// Where its file is linked; `~/` is the user's home.
    pub target: Text,
    /// The links that enable it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Text>,
    /// Whether a switch starts it, and not a timer or a socket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub starts: bool,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub scope: Scope,
    /// Its units. Never empty; what starts others comes before these.
    pub units: Vec<ServiceUnit>,
    /// What a change does.
    #[serde(default, skip_serializing_if = "OnSwitch::is_usual")]
    pub on_switch: OnSwitch,
    /// What it depends on: objects, `source-` with a hash, and targets. A change of one is a change
    /// of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<Text>,
    /// Texts that may name targets: the arguments of its command, files with variables. A change
    /// of a named target is one of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Text>,
    /// What is run on the new files before anything changes, and must succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Command>,
    /// Whether the user's manager runs without a session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linger: bool,
}

impl Service {
    /// Returns the targets that belong to it.
    pub fn targets(&self) -> impl Iterator<Item = &Text> {
        self.units.iter().flat_map(|unit| std::iter::once(&unit.target).chain(&unit.links))
    }
}

impl Kind for Service {
    fn texts(&self) -> Vec<&Text> {
        let units = self.units.iter();
        let units =
            units.flat_map(|unit| [&unit.file, &unit.target].into_iter().chain(&unit.links));
        let check = self.check.iter().flat_map(Command::texts);
        units.chain(&self.depends).chain(&self.names).chain(check).collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        let units = self.units.iter_mut();
        let units = units
            .flat_map(|unit| [&mut unit.file, &mut unit.target].into_iter().chain(&mut unit.links));
        let check = self.check.iter_mut().flat_map(Command::texts_mut);
        units.chain(&mut self.depends).chain(&mut self.names).chain(check).collect()
    }
}

/// An action that has a service run.
pub trait ServiceKind: Kind {
    /// Returns the service.
    fn service(&self) -> &Service;
}

impl ServiceKind for Service {
    fn service(&self) -> &Service {
        self
    }
}
