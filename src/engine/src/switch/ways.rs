//! The links of the root's through which links in homes lead to the files of trees:
//! `store/ways/NAME` leads to the object of a tree. After an edit in a tree one link moves,
//! whatever the number of its files; those in the home stay as they are.
//!
//! They follow from the applied links, and are in the journal like targets; but no line declared
//! them, so they are reported only when one must be repaired.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::desired::Entry;
use super::overlay::Overlay;
use super::step::{Mark, Step, Work};
use crate::action::{
    self, After, Before, Directories, Link, Observed, Role, TargetChange, is_link_to,
};
use crate::activation::DeclaredAction;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::Text;

/// Where ways lead.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ways<'a> {
    /// The names of objects, by the names of ways.
    objects: BTreeMap<&'a [u8], &'a [u8]>,
}

impl<'a> Ways<'a> {
    /// Returns the ways of links. Ways of unbuilt trees have no destination and are omitted.
    pub fn of(store: &Store, activations: impl Iterator<Item = &'a DeclaredAction>) -> Ways<'a> {
        let [objects, ways] = [store.objects(), &store.ways()].map(platform::bytes_of_path);
        let first = |path: &'a Text, above: &[u8]| {
            let inner = path.0.strip_prefix(above)?.strip_prefix(b"/")?;
            Some(&inner[..memchr::memchr(b'/', inner)?])
        };
        let mut found = Ways::default();
        // The files of a tree are declared together.
        let mut last = None;
        for activation in activations {
            let Some((source, text)) = activation
                .action
                .as_target()
                .and_then(|target| Some((target.leads_to()?, target.link_text()?)))
            else {
                continue;
            };
            let Some(way) = first(text, &ways).zip(first(source, &objects)) else { continue };
            if last != Some(way) {
                found.objects.insert(way.0, way.1);
                last = Some(way);
            }
        }
        found
    }

    /// Returns whether every way is there and leads where it should.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn stand(&self, store: &Store, directories: &Directories) -> platform::Result<bool> {
        if self.objects.is_empty() {
            return Ok(true);
        }
        let above = directory(store);
        for (name, object) in &self.objects {
            if !is_link_to(
                directories,
                &above.join(platform::name_from_bytes(name)),
                &text(object).0,
            )? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the directory of ways, with no link above it.
fn directory(store: &Store) -> PathBuf {
    platform::canonical(store.root()).join("store/ways")
}

/// Returns what the way to an object says. It is right wherever the root is.
fn text(object: &[u8]) -> Text {
    Text([b"../obj/".as_slice(), object].concat())
}

/// Returns whether a path is a way.
pub fn is_way(store: &Store, place: &Path) -> bool {
    place
        .parent()
        .is_some_and(|parent| parent.ends_with("store/ways") && parent == directory(store))
}

/// Plans the ways: first those that are to be there before links lead through them, then those that
/// go after that.
///
/// # Errors
/// When the file cannot be observed.
pub fn steps(
    overlay: &Overlay<'_>,
    current: &Snapshot,
    entries: &[Entry],
) -> Result<(Vec<Step>, Vec<Step>), Error> {
    let old = Ways::of(overlay.store, current.actions());
    let new = Ways::of(overlay.store, entries.iter().map(|entry| &*entry.activation));
    let (mut made, mut gone) = (Vec::new(), Vec::new());
    if old.objects.is_empty() && new.objects.is_empty() {
        return Ok((made, gone));
    }
    let directory = directory(overlay.store);
    let step = |mark, place: &Path, object: &[u8], before, after| {
        let object = overlay.store.objects().join(platform::path_from_bytes(object));
        let [object, target] = [&object, place].map(|path| Text(platform::bytes_of_path(path)));
        let activation =
            Arc::new(DeclaredAction::new(Link::new(object, target.clone()).into(), Vec::new()));
        let change = TargetChange {
            place: target,
            before,
            after,
            declared: None,
            private: None,
            temporary: None,
        };
        Step { work: Work::Target(change), ..Step::at(mark, &Entry::applied(&activation), place) }
    };
    for (name, object) in &new.objects {
        let place = directory.join(platform::name_from_bytes(name));
        let found = action::observe(&overlay.directories, &place)?;
        let (source, wanted) = (link_text(&found), text(object));
        if source.as_ref() == Some(&wanted) {
            continue;
        }
        let before = match (source.clone(), found.seen()) {
            (Some(source), _) => Before::Link { source },
            (None, Some(seen)) => Before::Kept {
                identity: seen.identity.clone(),
                kept: Text::default(),
                role: Role::Displaced,
            },
            (None, None) => Before::Nothing,
        };
        let is_as_left = old.objects.get(name).is_none_or(|object| source == Some(text(object)));
        let mark = if is_as_left { Mark::Unchanged } else { Mark::Change };
        made.push(step(mark, &place, object, before, After::Link { source: wanted }));
    }
    for (name, object) in old.objects.iter().filter(|(name, _)| !new.objects.contains_key(*name)) {
        let place = directory.join(platform::name_from_bytes(name));
        if let Some(source) = link_text(&action::observe(&overlay.directories, &place)?) {
            gone.push(step(
                Mark::Unchanged,
                &place,
                object,
                Before::Link { source },
                After::Nothing,
            ));
        }
    }
    Ok((made, gone))
}

fn link_text(found: &Observed) -> Option<Text> {
    match found {
        Observed::Link(target, _) => Some(Text(platform::bytes_of_path(target))),
        _ => None,
    }
}
