//! A function of interactive shells, with a text for each shell language.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use crate::value::Text;

/// A function of interactive shells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The name.
    pub name: String,
    /// What it does, by the names of shells. `sh` counts for bash and zsh too, unless these are
    /// there.
    pub bodies: BTreeMap<String, Text>,
}

impl Kind for Function {
    fn texts(&self) -> Vec<&Text> {
        self.bodies.values().collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        self.bodies.values_mut().collect()
    }

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        Vec::new()
    }
}

impl EnvironmentKind for Function {
    /// As an alias: one replaces the other.
    fn subject(&self) -> Vec<u8> {
        format!("alias {}", self.name).into_bytes()
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn detail(&self) -> Text {
        let shells: Vec<&str> = self.bodies.keys().map(String::as_str).collect();
        format!("function of {}", shells.join(", ")).as_str().into()
    }

    fn addition(&self) -> Addition<'_> {
        Addition::Function(&self.name, &self.bodies)
    }
}
