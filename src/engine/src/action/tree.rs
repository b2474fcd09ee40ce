//! A tree whose files are linked one by one, before it is built. After the build, each file is a
//! separate action.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Drift, Observer};
use super::kind::{Kind, TargetKind};
use super::{Error, Observed};
use crate::platform::Result;
use crate::tree_choice::Choice;
use crate::value::Text;

/// A tree that is not built yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The directory with the files.
    pub source: Text,
    /// Their place; `~/` is the user's home.
    pub target: Text,
    /// The name of the link of the root's through which links lead to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Text>,
    /// Which of the files are linked.
    #[serde(default, skip_serializing_if = "Choice::is_everything")]
    pub choice: Choice,
}

impl Kind for Tree {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.source, &self.target]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.source, &mut self.target]
    }
}

impl TargetKind for Tree {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "tree"
    }

    fn in_words(&self) -> String {
        format!("the files of {}", self.source.display())
    }

    fn content(&self) -> Vec<u8> {
        if self.choice.is_everything() {
            return self.source.0.clone();
        }
        format!("{}\0{:?}", self.source.display(), self.choice).into_bytes()
    }

    fn state(&self) -> Vec<u8> {
        self.content()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        Ok(After::Nothing)
    }

    fn drift(&self, _look: Observer<'_>, _place: &Path, _found: &Observed) -> Result<Drift> {
        Ok(Drift::None)
    }

    fn has_written(&self, _look: Observer<'_>, _place: &Path, _found: &Observed) -> Result<bool> {
        Ok(false)
    }

    fn source(&self) -> Option<&Text> {
        Some(&self.source)
    }

    fn keeps_below(&self) -> bool {
        true
    }

    fn is_pending(&self) -> bool {
        true
    }
}
