//! A short name for a command, in interactive shells.

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use crate::value::Text;

/// A short name for a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// What it stands for: words as the shell takes them.
    pub command: Text,
}

impl Kind for Alias {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.command]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.command]
    }

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        Vec::new()
    }
}

impl EnvironmentKind for Alias {
    fn subject(&self) -> Vec<u8> {
        format!("alias {}", self.name).into_bytes()
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn detail(&self) -> Text {
        self.command.clone()
    }

    fn addition(&self) -> Addition<'_> {
        Addition::Alias(&self.name, &self.command)
    }
}
