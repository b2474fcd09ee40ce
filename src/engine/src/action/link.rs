//! A symbolic link at a target.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Aspect, Drift, Look};
use super::kind::{Kind, Properties, TargetKind};
use super::{Error, Found, is_link_to};
use crate::names::Placeholder;
use crate::platform::{Directory, Result};
use crate::value::Text;

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What the link points to.
    pub source: Text,
    /// Where the link stands; `~/` is the user's home.
    pub target: Text,
    /// Whether it points to the user's own file instead of the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// The user's own directory whose files are linked one by one, when this is one of these links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Text>,
}

impl Link {
    /// Returns a link into the store.
    pub fn new(source: Text, target: Text) -> Link {
        Link { source, target, mutable: false, tree: None }
    }

    /// Returns whether it is what another link is once the one placeholder that its source begins with is a path.
    pub fn is_of(&self, declared: &Link, path: &impl Fn(Placeholder) -> Option<Vec<u8>>) -> bool {
        let Some(((0, placeholder), below)) =
            Placeholder::find(&declared.source.0).zip(declared.source.0.get(Placeholder::LENGTH..))
        else {
            return false;
        };
        let rest = || self.source.0.strip_prefix(path(placeholder)?.as_slice());
        self.target == declared.target
            && self.mutable == declared.mutable
            && self.tree == declared.tree
            && rest() == Some(below)
            && !Placeholder::may_be_in(below)
            && !Placeholder::may_be_in(&declared.target.0)
    }
}

impl Kind for Link {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.source, &self.target]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.source, &mut self.target]
    }
}

impl TargetKind for Link {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "link"
    }

    fn in_words(&self) -> String {
        self.source.display()
    }

    fn content(&self) -> Vec<u8> {
        self.source.0.clone()
    }

    fn state(&self) -> Vec<u8> {
        [self.target.0.as_slice(), b"\0", &self.source.0, &[u8::from(self.mutable)]].concat()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        Ok(After::Link { source: self.source.clone() })
    }

    fn drift(&self, _look: Look<'_>, _place: &Path, found: &Found) -> Result<Drift> {
        Ok(match found {
            Found::Nothing => Drift::Missing,
            Found::Link(target, _) if *target == self.source.to_path() => Drift::None,
            Found::Link(..) => Drift::Changed(vec![Aspect::Link]),
            Found::Other(_) => Drift::Replaced,
        })
    }

    fn has_written(&self, _look: Look<'_>, _place: &Path, found: &Found) -> Result<bool> {
        Ok(is_at(&self.source, found))
    }

    /// One call of the system, for most targets of most applies.
    fn stands(&self, look: Look<'_>, place: &Path) -> Result<bool> {
        is_link_to(look.directories, place, &self.source.0)
    }

    fn source(&self) -> Option<&Text> {
        Some(&self.source)
    }

    fn properties(&self) -> Properties<'_> {
        Properties { mutable: self.mutable, ..Properties::default() }
    }

    fn tree(&self) -> Option<&Text> {
        self.tree.as_ref()
    }

    fn leads_to(&self) -> Option<&Text> {
        Some(&self.source)
    }
}

/// Returns whether a link to `source` was found.
pub fn is_at(source: &Text, found: &Found) -> bool {
    matches!(found, Found::Link(target, _) if *target == source.to_path())
}

/// Makes a link where nothing stands, or in the place of what does: then it has the name `temporary` for a moment.
///
/// # Errors
/// When the file system refuses.
pub fn put(directory: &Directory, name: &OsStr, source: &Text, temporary: Option<&OsStr>) -> Result<()> {
    match temporary {
        Some(temporary) => {
            directory.symlink(&source.to_path(), temporary)?;
            directory.rename_over(temporary, directory, name)
        }
        None => directory.symlink(&source.to_path(), name),
    }
}
