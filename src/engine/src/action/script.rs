//! A script that shells source.

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use crate::value::Text;

/// A script that shells source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script.
    pub script: Text,
    /// The names of the shells.
    pub shells: Vec<String>,
}

impl Kind for Script {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.script]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.script]
    }
}

impl EnvironmentKind for Script {
    fn subject(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn detail(&self) -> Text {
        self.script.clone()
    }

    fn addition(&self) -> Addition<'_> {
        Addition::Script(&self.script, &self.shells)
    }
}
