//! Directories whose declared mode keeps their owner out, and those that sys.lua made. A switch
//! that changes something in them opens them first and closes them last; undoing and the cleanup
//! open them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Error;
use super::conflicts::Declared;
use super::target_plan::Old;
use super::targets::{may_change, user_of};
use crate::action::{After, Before, Directories, Target, TargetChange, target};
use crate::journal::Change;
use crate::places::{OwnPlaces, PlaceMap};
use crate::platform::{self, FileKind};
use crate::value::Text;

/// The bits without which its owner cannot do everything in a directory.
const OPEN: u32 = 0o700;
/// The bit without which its owner reaches nothing in it.
const REACH: u32 = 0o100;

fn text(path: &Path) -> Text {
    Text(platform::bytes_of_path(path))
}

fn declared_mode(target: &Target) -> Option<u32> {
    let mode = target.properties().mode.filter(|_| target.keeps_below())?;
    u32::from_str_radix(mode, 8).ok()
}

/// Returns the directories with a declared mode, now or until now, whose mode this process may
/// change.
pub fn list(present: &PlaceMap<'_, Old<'_>>, places: &[Declared<'_>]) -> OwnPlaces {
    let old = present.iter().map(|(place, old)| (place, old.target));
    let new = places.iter().map(|declared| (declared.place.as_path(), declared.target));
    old.chain(new)
        .filter(|(place, target)| declared_mode(target).is_some() && may_change(place))
        .map(|(place, _)| place.to_owned())
        .collect()
}

/// Checks that what is declared in a directory can be reached in it.
///
/// # Errors
/// When the mode of the directory prevents that.
pub fn check(places: &[Declared<'_>]) -> Result<(), Error> {
    let shut: Vec<_> = places
        .iter()
        .filter(|declared| declared_mode(declared.target).is_some_and(|mode| mode & REACH == 0))
        .collect();
    for directory in shut {
        let owner = directory.target.properties().owner;
        let is_roots = platform::user_number() == 0
            && owner.is_none_or(|owner| platform::user_named(owner) == Some(0))
            && user_of(&directory.place).is_none();
        let inner = places.iter().find(|inner| {
            inner.place != directory.place && inner.place.starts_with(&directory.place)
        });
        if let Some(inner) = inner.filter(|_| !is_roots) {
            let position = directory.entry.activation.positions.first();
            let mode = declared_mode(directory.target).unwrap_or_default();
            let problem = format!(
                "the mode {mode:03o} of {}, at {}, keeps its owner out; give it at least {:03o}",
                directory.place.display(),
                position.map_or("an unknown place", String::as_str),
                mode | REACH
            );
            let positions = inner.entry.activation.positions.clone();
            return Err(Error::Parent { target: inner.place.clone(), problem, positions });
        }
    }
    Ok(())
}

/// Adds what opens directories before the first change in them, and closes them after the last one.
/// `leftover` are directories that are removed in the cleanup, `made` those that sys.lua made.
pub fn add_openings(
    mut changes: Vec<Change>,
    leftover: &[Text],
    closable: &OwnPlaces,
    made: &BTreeSet<Text>,
) -> Vec<Change> {
    let leftover: Vec<PathBuf> = leftover.iter().map(Text::to_path).collect();
    let is_at_files =
        |change: &Change| matches!(change, Change::Target(_) | Change::Directory { .. });
    let first = changes.iter().position(is_at_files).unwrap_or(changes.len());
    let mut used: BTreeSet<&Path> = BTreeSet::new();
    let places: Vec<(PathBuf, bool)> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Directory { path, .. } => Some((path.to_path(), false)),
            Change::Target(change) => {
                Some((change.place.to_path(), matches!(change.before, Before::Kept { .. })))
            }
            _ => None,
        })
        .chain(leftover.iter().map(|path| (path.clone(), true)))
        .collect();
    for (place, is_emptied) in &places {
        // What becomes of a directory itself may need a look into it.
        let above = place.ancestors().skip(usize::from(!is_emptied));
        let is_closable = |above: &&Path| {
            closable.contains(above) || made.contains(&text(above)) && may_change(above)
        };
        used.extend(above.filter(is_closable));
    }
    let (mut openings, mut closings) = (Vec::new(), Vec::new());
    for directory in used {
        let closed = platform::observe(directory)
            .ok()
            .flatten()
            .filter(|seen| seen.kind == FileKind::Directory && seen.mode & OPEN != OPEN)
            .map(|seen| seen.mode);
        // How it is left.
        let mut last = closed.filter(|_| !leftover.iter().any(|path| path == directory));
        for change in
            changes.iter_mut().filter_map(target_of).filter(|change| is_at(change, directory))
        {
            if let (Before::Directory { rights, .. }, Some(_)) = (&mut change.before, closed) {
                rights.mode |= OPEN;
            }
            last = None;
            if let After::Directory { mode: Some(mode), .. } = &mut change.after
                && *mode & OPEN != OPEN
            {
                last = Some(*mode);
                *mode |= OPEN;
            }
        }
        if let Some(before) = closed {
            openings.push(Change::Mode { path: text(directory), before, after: before | OPEN });
        }
        if let Some(after) = last {
            closings.push(Change::Mode { path: text(directory), before: after | OPEN, after });
        }
    }
    let end = changes.iter().rposition(is_at_files).map_or(first, |last| last + 1);
    // The inner ones are closed first.
    changes.splice(end..end, closings.into_iter().rev());
    changes.splice(first..first, openings);
    changes
}

fn target_of(change: &mut Change) -> Option<&mut TargetChange> {
    match change {
        Change::Target(change) => Some(change),
        _ => None,
    }
}

fn is_at(change: &TargetChange, place: &Path) -> bool {
    change.place.to_path() == place
}

/// Returns the modes that a directory has before and after a switch, as far as the switch changes
/// them beside its declaration.
pub fn modes_around(changes: &[Change], place: &Text) -> (Option<u32>, Option<u32>) {
    let of_place = |change: &Change| match change {
        Change::Mode { path, before, after } if path == place => Some((*before, *after)),
        _ => None,
    };
    let mut modes = changes.iter().filter_map(of_place);
    let opening = modes.clone().next().filter(|(_, after)| after & OPEN == OPEN);
    let closing = modes.next_back().filter(|(_, after)| after & OPEN != OPEN);
    (opening.map(|(before, _)| before), closing.map(|(_, after)| after))
}

/// The directories that a switch opens or closes, opened again: the outer ones first.
#[derive(Debug)]
pub struct Opened(BTreeMap<PathBuf, u32>);

impl Opened {
    /// Opens them. What cannot be opened is reported by who needs it.
    pub fn again(directories: &Directories, changes: &[Change]) -> Opened {
        let mut closed = BTreeMap::new();
        let paths: BTreeSet<&Text> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Mode { path, .. } => Some(path),
                _ => None,
            })
            .collect();
        for text in paths {
            let path = text.to_path();
            let Some(mode) = target::mode_of_directory(directories, &path) else { continue };
            let own =
                || changes.iter().filter_map(Change::target).filter(|change| is_at(change, &path));
            // That is another one.
            if own().any(|change| matches!(change.after, After::Original { .. })) {
                continue;
            }
            let (opening, closing) = modes_around(changes, text);
            if mode & OPEN != OPEN {
                let _ = target::set_mode_of_directory(directories, &path, mode | OPEN);
            }
            // What got another mode is not closed.
            if let Some(last) = closing.or(opening.filter(|_| own().next().is_none())) {
                closed.insert(path, last);
            }
        }
        Opened(closed)
    }

    /// Closes those that are still there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn close(self, directories: &Directories) -> Result<(), Error> {
        for (path, last) in self.0.iter().rev() {
            if target::mode_of_directory(directories, path) == Some(last | OPEN) {
                target::set_mode_of_directory(directories, path, *last)?;
            }
        }
        Ok(())
    }
}
