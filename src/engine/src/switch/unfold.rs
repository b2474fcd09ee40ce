//! Directories that take the place of something else, because targets are below them: of what GNU
//! Stow folded, links to the directory of a package in whose place the files of a tree are to be
//! linked one by one, and of files of sys.lua that have an original.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::desired::Entry;
use super::targets::Targets;
use crate::action::Directory;
use crate::activation::DeclaredAction;
use crate::places::{OwnPlaces, PlaceMap, PlaceSet};
use crate::platform::{self, FileKind};
use crate::value::Text;

/// As many names as a plan shows of what is behind a link.
const MOST_NAMES: usize = 10;

/// Returns the directories that are to replace such links, outermost first, and makes sure that
/// these are not followed.
///
/// A link is one of these when it ends at the directory that holds the source of a file of a tree,
/// where its place is the directory that holds the target of the file, or when that is so of the
/// directories above both, which have the same names.
///
/// # Errors
/// When the way to one cannot be followed.
pub fn unfolded(
    home: &Path,
    targets: &Targets<'_>,
    entries: &[Entry],
) -> Result<Vec<Entry>, Error> {
    let mut links: BTreeMap<PathBuf, &Entry> = BTreeMap::new();
    let mut looks = Looks::default();
    let mut last: Option<(PathBuf, PathBuf)> = None;
    for entry in entries {
        let Some(origin) = entry.origin() else { continue };
        let Some(origin) = origin.parent() else { continue };
        let Some(target) = entry.activation.action.target() else { continue };
        let target = target.expand_home(home).to_path();
        let Some(parent) = target.parent() else { continue };
        if last
            .as_ref()
            .is_some_and(|(known, of)| is_written_as(known, parent) && is_written_as(of, origin))
        {
            continue;
        }
        if let Some(link) = looks.outermost(parent, origin, home) {
            links.entry(link).or_insert(entry);
        }
        last = Some((parent.to_owned(), origin.to_owned()));
    }
    let mut found: Vec<Entry> = Vec::new();
    let mut seen = OwnPlaces::default();
    // The outer ones come first: what is below them is not there any more.
    for (link, entry) in links {
        if link.ancestors().skip(1).any(|above| seen.contains(above)) {
            continue;
        }
        let target = Text(platform::bytes_of_path(&link));
        targets.manage(targets.place(&target, &entry.activation.positions)?);
        found.push(implied(&link, entry));
        seen.insert(link);
    }
    Ok(found)
}

/// Returns the directories that are to replace applied files which have an original, where targets
/// are below: the original comes back when nothing is declared below its place any more.
pub fn in_place_of_files(
    targets: &Targets<'_>,
    entries: &[Entry],
    is_replaced: impl Fn(&Path) -> bool,
) -> Vec<Entry> {
    let mut found: BTreeMap<PathBuf, &Entry> = BTreeMap::new();
    let mut last = PathBuf::new();
    for entry in entries {
        let Some(target) = entry.activation.action.target() else { continue };
        let written = target.expand_home(targets.home()).to_path();
        let Some(parent) = written.parent().filter(|parent| !is_written_as(parent, &last)) else {
            continue;
        };
        // By a link or `..`, a target is elsewhere than its words say.
        let Some(place) = targets.place_as_is(&entry.activation) else { continue };
        for above in place.ancestors().skip(1).filter(|above| is_replaced(above)) {
            found.entry(above.to_owned()).or_insert(entry);
        }
        last = parent.to_owned();
    }
    targets.forget();
    found.into_iter().map(|(place, entry)| implied(&place, entry)).collect()
}

/// Returns the directory at a place that exists because of a target below it.
fn implied(place: &Path, entry: &Entry) -> Entry {
    let target = Text(platform::bytes_of_path(place));
    let directory = Directory { target, unfolded: true, ..Directory::default() };
    let activation = DeclaredAction {
        user: entry.activation.user.clone(),
        ..DeclaredAction::new(directory.into(), Arc::clone(&entry.activation.positions))
    };
    Entry::applied(&Arc::new(activation))
}

fn is_written_as(first: &Path, second: &Path) -> bool {
    first.as_os_str() == second.as_os_str()
}

/// The observed paths.
#[derive(Default)]
struct Looks {
    ends: PlaceMap<'static, Option<PathBuf>>,
    real: PlaceMap<'static, PathBuf>,
}

impl Looks {
    /// Returns the outermost link among a directory of targets and those above it that ends at the
    /// directory of sources beside it.
    fn outermost(&mut self, targets: &Path, sources: &Path, home: &Path) -> Option<PathBuf> {
        let (mut target, mut source) = (targets, sources);
        let mut outermost = None;
        loop {
            if target == home || target.parent().is_none() {
                break;
            }
            if let Some(end) = self.end_of_link(target)
                && end == self.real(source)
            {
                outermost = Some(target.to_owned());
            }
            let is_same_name =
                target.file_name().is_some() && target.file_name() == source.file_name();
            match (target.parent(), source.parent()) {
                (Some(above), Some(beside)) if is_same_name => (target, source) = (above, beside),
                _ => break,
            }
        }
        outermost
    }

    /// Returns the destination of a link, if there is one.
    fn end_of_link(&mut self, path: &Path) -> Option<PathBuf> {
        if let Some(known) = self.ends.get(path) {
            return known.clone();
        }
        let is_link = matches!(platform::kind_of(path), Ok(Some(FileKind::Symlink)));
        let end = is_link.then(|| platform::canonical(path));
        self.ends.insert(path.to_owned(), end.clone());
        end
    }

    fn real(&mut self, path: &Path) -> &Path {
        self.real.or_insert_with(path.to_owned(), || platform::canonical(path))
    }
}

/// Returns, in words, what is behind a link and will not be seen below its place any more. `places`
/// are the targets.
pub fn hidden_behind(link: &Path, places: &PlaceSet<'_>) -> Option<String> {
    let mut names = Vec::new();
    collect(link, link, places, &mut names);
    if names.is_empty() {
        return None;
    }
    let shown: Vec<_> =
        names.iter().take(MOST_NAMES).map(|name| name.display().to_string()).collect();
    let more = if names.len() > MOST_NAMES { " and more" } else { "" };
    Some(format!("not declared in it: {}{more}", shown.join(", ")))
}

fn collect(top: &Path, directory: &Path, places: &PlaceSet<'_>, names: &mut Vec<PathBuf>) {
    for (name, kind) in platform::list_directory(directory).unwrap_or_default() {
        let path = directory.join(name);
        if names.len() > MOST_NAMES {
            return;
        }
        if kind == FileKind::Directory {
            collect(top, &path, places, names);
        } else if !places.contains(&path)
            && let Ok(below) = path.strip_prefix(top)
        {
            names.push(below.to_owned());
        }
    }
}
