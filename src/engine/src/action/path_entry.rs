//! An entry of `PATH`.

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use crate::value::Text;

/// An entry of `PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathEntry {
    /// The directory.
    pub directory: Text,
}

impl Kind for PathEntry {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.directory]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.directory]
    }
}

impl EnvironmentKind for PathEntry {
    fn subject(&self) -> Vec<u8> {
        [b"PATH\0".as_slice(), &self.directory.0].concat()
    }

    fn name(&self) -> Option<&str> {
        Some("PATH")
    }

    fn detail(&self) -> Text {
        self.directory.clone()
    }

    fn addition(&self) -> Addition<'_> {
        Addition::Entries("PATH", ":", vec![self.directory.clone().into()])
    }
}
