//! A symbolic link at a target.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Aspect, Drift, Observer};
use super::kind::{Kind, Properties, TargetKind};
use super::{Error, Observed, is_link_to};
use crate::names::Placeholder;
use crate::platform::{Directory, Result};
use crate::value::Text;

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What the link points to.
    pub source: Text,
    /// The path of the link; `~/` is the user's home.
    pub target: Text,
    /// Whether it points to the user's own file instead of the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// The user's own directory whose files are linked one by one, when this is one of these links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Text>,
    /// Of a file of a tree: what the link says instead of its source. It leads there through a link
    /// of the root's, which the switch moves when the tree changes. As it is declared, only the
    /// name of that link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Text>,
}

impl Link {
    /// Returns a link into the store.
    pub fn new(source: Text, target: Text) -> Link {
        Link { source, target, mutable: false, tree: None, through: None }
    }

    /// Returns what the link says.
    pub fn text(&self) -> &Text {
        self.through.as_ref().unwrap_or(&self.source)
    }

    /// Completes what the link says, once its source is known: `objects` is the directory of all
    /// objects and `ways` that of the links of the root's to trees.
    pub fn complete(&mut self, objects: &[u8], ways: &[u8]) {
        let Some(name) = self.through.take_if(|name| !name.0.contains(&b'/')) else { return };
        let inner = self.source.0.strip_prefix(objects).and_then(|rest| rest.strip_prefix(b"/"));
        let below = inner.and_then(|inner| Some(&inner[memchr::memchr(b'/', inner)?..]));
        // What is not built yet has no text.
        self.through = match below {
            Some(below) => Some(Text([ways, b"/", &name.0, below].concat())),
            None if inner.is_some() => None,
            None => Some(name),
        };
    }

    /// Returns whether it is what another link is once the one placeholder that its source begins
    /// with is a path.
    pub fn is_of(&self, declared: &Link, path: &impl Fn(Placeholder) -> Option<Vec<u8>>) -> bool {
        let Some(((0, placeholder), below)) =
            Placeholder::find(&declared.source.0).zip(declared.source.0.get(Placeholder::LENGTH..))
        else {
            return false;
        };
        let rest = || self.source.0.strip_prefix(path(placeholder)?.as_slice());
        let leads_through = match (&self.through, &declared.through) {
            // One of an older version stays until its tree changes.
            (None, _) => true,
            (Some(text), Some(Text(name))) => text
                .0
                .strip_suffix(below)
                .and_then(|way| way.strip_suffix(name.as_slice()))
                .is_some_and(|ways| ways.ends_with(b"/")),
            (Some(_), None) => false,
        };
        self.target == declared.target
            && self.mutable == declared.mutable
            && self.tree == declared.tree
            && leads_through
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

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        [&mut self.source, &mut self.target].into_iter().chain(&mut self.through).collect()
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
        let text = self.through.as_ref().map_or(b"".as_slice(), |text| &text.0);
        [self.target.0.as_slice(), b"\0", &self.source.0, &[u8::from(self.mutable)], text].concat()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        Ok(After::Link { source: self.text().clone() })
    }

    fn drift(&self, _look: Observer<'_>, _place: &Path, found: &Observed) -> Result<Drift> {
        Ok(match found {
            Observed::Nothing => Drift::Missing,
            Observed::Link(target, _) if *target == self.text().to_path() => Drift::None,
            Observed::Link(..) => Drift::Changed(vec![Aspect::Link]),
            Observed::Other(_) => Drift::Replaced,
        })
    }

    fn has_written(&self, _look: Observer<'_>, _place: &Path, found: &Observed) -> Result<bool> {
        Ok(is_at(self.text(), found))
    }

    /// One call of the system, for most targets of most applies.
    fn is_in_place(&self, observer: Observer<'_>, place: &Path) -> Result<bool> {
        is_link_to(observer.directories, place, &self.text().0)
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

    fn link_text(&self) -> Option<&Text> {
        Some(self.text())
    }

    fn complete(&mut self, objects: &[u8], ways: &[u8]) {
        Link::complete(self, objects, ways);
    }

    fn lead_straight(&mut self) {
        self.through = None;
    }
}

/// Returns whether a link to `source` was found.
pub fn is_at(source: &Text, found: &Observed) -> bool {
    matches!(found, Observed::Link(target, _) if *target == source.to_path())
}

/// Makes a link at a free place, or replaces a file: then it has the name `temporary` for a moment.
///
/// # Errors
/// When the file system refuses.
pub fn put(
    directory: &Directory,
    name: &OsStr,
    source: &Text,
    temporary: Option<&OsStr>,
) -> Result<()> {
    match temporary {
        Some(temporary) => {
            directory.symlink(&source.to_path(), temporary)?;
            directory.rename_over(temporary, directory, name)
        }
        None => directory.symlink(&source.to_path(), name),
    }
}
