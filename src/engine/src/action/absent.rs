//! No file at a target: an existing file is moved away, and restored later.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Drift, Observer};
use super::kind::{Kind, TargetKind};
use super::{Error, Observed};
use crate::platform::Result;
use crate::value::Text;

/// Nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The path that must stay free; `~/` is the user's home.
    pub target: Text,
}

impl Kind for Absent {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.target]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.target]
    }
}

impl TargetKind for Absent {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "absent file"
    }

    fn in_words(&self) -> String {
        "nothing".to_owned()
    }

    fn content(&self) -> Vec<u8> {
        Vec::new()
    }

    fn state(&self) -> Vec<u8> {
        Vec::new()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        Ok(After::Nothing)
    }

    fn drift(&self, _look: Observer<'_>, _place: &Path, found: &Observed) -> Result<Drift> {
        Ok(if *found == Observed::Nothing { Drift::None } else { Drift::Replaced })
    }

    fn has_written(&self, _look: Observer<'_>, _place: &Path, found: &Observed) -> Result<bool> {
        Ok(*found == Observed::Nothing)
    }
}
