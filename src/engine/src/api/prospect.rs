//! The future content of targets, including content that is not built yet if the config contains
//! it. Plans and diffs use it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::text_diff::{self, TextDiff};
use crate::action::{After, Before};
use crate::derivation::{Derivation, FileContent, Recipe};
use crate::manifest::Manifest;
use crate::names::{Placeholder, Segment};
use crate::platform::{self, FileKind};
use crate::settings::Interrupt;
use crate::store::tree;
use crate::switch::{self, Step};
use crate::value::Text;

/// How often content may be that of another derivation.
const DEPTH: usize = 16;

/// Where content is.
enum Content {
    /// It is given.
    Bytes(Vec<u8>),
    /// It exists.
    At(PathBuf),
    /// It takes a build.
    Unknown,
}

/// Knows the content that a manifest declares.
pub(super) struct Prospect<'a> {
    derivations: HashMap<Placeholder, &'a Derivation>,
    interrupt: &'a Interrupt,
    /// Where the root has its private files.
    private_files: &'a Path,
}

impl<'a> Prospect<'a> {
    pub(super) fn new(
        manifest: &'a Manifest,
        interrupt: &'a Interrupt,
        private_files: &'a Path,
    ) -> Prospect<'a> {
        let of = |derivation: &'a std::sync::Arc<Derivation>| {
            derivation.outputs().map(move |(_, placeholder)| (placeholder, derivation.as_ref()))
        };
        let derivations = manifest.derivations.iter().flat_map(of).collect();
        Prospect { derivations, interrupt, private_files }
    }

    /// Returns the content of what a path will lead to.
    fn content(&self, path: &Text, depth: usize) -> Content {
        let (placeholder, below) = match Placeholder::split(&path.0).as_slice() {
            [Segment::Placeholder(placeholder)] => (*placeholder, &b""[..]),
            [Segment::Placeholder(placeholder), Segment::Literal(below)] => (*placeholder, *below),
            [Segment::Literal(_)] => return Content::At(path.to_path()),
            _ => return Content::Unknown,
        };
        let Some(derivation) = self.derivations.get(&placeholder) else { return Content::Unknown };
        let Recipe::File(file) = &derivation.spec.recipe else { return Content::Unknown };
        match &file.content {
            FileContent::Text(text) if below.is_empty() && !Placeholder::may_be_in(text) => {
                Content::Bytes(text.clone())
            }
            FileContent::Named(name, text)
                if below.strip_prefix(b"/") == Some(name.as_bytes())
                    && !Placeholder::may_be_in(text) =>
            {
                Content::Bytes(text.clone())
            }
            FileContent::Text(_) | FileContent::Named(..) => Content::Unknown,
            FileContent::Source(source) => {
                let top = platform::bytes_of_path(&source.path);
                Content::At(platform::path_from_bytes(&[top.as_slice(), below].concat()))
            }
            FileContent::Built(_) if depth == 0 => Content::Unknown,
            FileContent::Built(built) => {
                self.content(&Text([built.as_slice(), below].concat()), depth - 1)
            }
        }
    }

    fn after(&self, step: &Step) -> Content {
        match step.change().map(|change| &change.after) {
            // What a link says may lead there through another one.
            Some(After::Link { source }) => self.content(leads_to(step).unwrap_or(source), DEPTH),
            Some(After::File { source, .. }) => self.content(source, DEPTH),
            None if step.changes_behind() => {
                leads_to(step).map_or(Content::Unknown, |source| self.content(source, DEPTH))
            }
            Some(After::Original { kept, .. }) => Content::At(kept.to_path()),
            Some(After::Nothing) => Content::Bytes(Vec::new()),
            _ => Content::Unknown,
        }
    }

    /// Returns whether a target is or becomes a secret: then its text is never shown.
    fn is_secret(&self, step: &Step) -> bool {
        let leads_there = |place: &Path| {
            platform::read_link(place).is_ok_and(|target| target.starts_with(self.private_files))
        };
        step.activation.action.as_secret().is_some()
            || step.change().is_some_and(|change| change.private.is_some())
            || step.place.as_deref().is_some_and(leads_there)
    }

    /// Returns how the text at a target changes.
    pub(super) fn text_difference(&self, step: &Step) -> TextDiff {
        if self.is_secret(step) {
            return TextDiff::None;
        }
        let before = match (step.change(), &step.place) {
            (Some(change), _)
                if matches!(change.after, After::Directory { .. })
                    || matches!(change.before, Before::Directory { .. }) =>
            {
                return TextDiff::None;
            }
            (Some(change), _) if change.before == Before::Nothing => Some(Vec::new()),
            (Some(change), _) => text_diff::read(&change.place.to_path()),
            (None, Some(place)) if step.changes_behind() => text_diff::read(place),
            (None, _) => return TextDiff::None,
        };
        let after = match self.after(step) {
            Content::Unknown => return TextDiff::NeedsBuild,
            Content::Bytes(bytes) => Some(bytes),
            Content::At(path) => text_diff::read(&path),
        };
        let (Some(before), Some(after)) = (before, after) else { return TextDiff::None };
        let name = step.activation.action.target().map(Text::display).unwrap_or_default();
        text_diff::compare(&name, &before, &after)
    }

    /// Returns whether a file that is moved away from a target has the new content of the target.
    pub(super) fn is_same_content(&self, step: &Step) -> bool {
        if self.is_secret(step) {
            return false;
        }
        let Some(change) = step.change() else { return false };
        let place = change.place.to_path();
        match self.after(step) {
            Content::Unknown => false,
            Content::Bytes(bytes) => {
                matches!(platform::observe(&place), Ok(Some(seen)) if seen.kind == FileKind::File)
                    && platform::metadata_of(&place)
                        .ok()
                        .flatten()
                        .is_some_and(|data| data.len() == bytes.len() as u64)
                    && platform::read_file(&place).is_ok_and(|there| there == bytes)
            }
            Content::At(path) => is_same(&place, &path, self.interrupt),
        }
    }
}

/// Returns where the link of a step leads.
fn leads_to(step: &Step) -> Option<&Text> {
    step.activation.action.as_target()?.leads_to()
}

/// Returns whether two places hold the same, through links at the second one.
fn is_same(place: &Path, other: &Path, interrupt: &Interrupt) -> bool {
    let other = platform::canonical(other);
    let kind = |path: &Path| platform::kind_of(path).ok().flatten();
    match (kind(place), kind(&other)) {
        (Some(FileKind::File), Some(FileKind::File)) => switch::is_same_file(place, &other),
        (Some(FileKind::Directory), Some(FileKind::Directory)) => {
            let hash = |path: &Path| tree::hash(path, interrupt).ok().map(|digest| digest.nar);
            hash(place).is_some_and(|nar| hash(&other) == Some(nar))
        }
        _ => false,
    }
}
