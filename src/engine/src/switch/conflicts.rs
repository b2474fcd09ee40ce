//! Declarations that contradict each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::desired::Entry;
use super::{Error, Targets};
use crate::activation::Action;
use crate::platform;
use crate::store::Store;

/// Collects the places of all targets in order of declaration, each once.
///
/// # Errors
/// When a place is wanted twice with different content, lies below another one, or in the store.
pub fn places<'a>(
    store: &Store,
    targets: &Targets<'_>,
    entries: &'a [Entry],
) -> Result<Vec<(PathBuf, &'a Entry)>, Error> {
    let mut places: Vec<(PathBuf, &Entry)> = Vec::new();
    let mut by_place: HashMap<PathBuf, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let Some(target) = entry.activation.action.target() else { continue };
        let positions = &entry.activation.positions;
        let place = targets.place(target, positions)?;
        let known = by_place.entry(comparable(&place)).or_insert(places.len());
        let Some((_, first)) = places.get(*known) else {
            places.push((place, entry));
            continue;
        };
        if !is_same(&first.activation.action, &entry.activation.action) {
            return Err(Error::Conflict {
                target: place,
                first: describe(first),
                second: describe(entry),
                positions: positions.clone(),
            });
        }
    }
    let store_path = platform::canonical(store.root());
    // What is above is the same for all in one directory, and neighbours are declared together.
    let mut last_parent: Option<&Path> = None;
    for (place, entry) in &places {
        let parent = place.parent();
        let is_known = parent.map(Path::as_os_str) == last_parent.map(Path::as_os_str);
        if is_known && *place != store_path && !super::neighbours::may_be_owned(place) {
            continue;
        }
        last_parent = parent;
        let positions = || entry.activation.positions.clone();
        if let Some(&above) = comparable(place).ancestors().skip(1).find_map(|directory| by_place.get(directory)) {
            let (above, declared) = &places[above];
            return Err(Error::Below {
                target: place.clone(),
                above: above.clone(),
                is_link: matches!(declared.activation.action, Action::Symlink { .. }),
                above_position: declared.activation.positions.first().cloned().unwrap_or_default(),
                positions: positions(),
            });
        }
        if let Some(root) = super::neighbours::owner(store, place) {
            return Err(Error::OtherRoot { target: place.clone(), root, positions: positions() });
        }
        if place.starts_with(&store_path) {
            return Err(Error::InsideRoot { target: place.clone(), root: store_path, positions: positions() });
        }
    }
    Ok(places)
}

/// Returns a path that is equal for equal files: these systems do not tell upper from lower case.
fn comparable(place: &Path) -> PathBuf {
    if cfg!(any(target_os = "macos", windows)) {
        PathBuf::from(place.to_string_lossy().to_lowercase())
    } else {
        place.to_owned()
    }
}

/// Whether two actions put the same at their target, which may be written differently.
fn is_same(first: &Action, second: &Action) -> bool {
    match (first, second) {
        (Action::Symlink { source: a, .. }, Action::Symlink { source: b, .. }) => a == b,
        (
            Action::Install { source: a, mode: a_mode, owner: a_owner, group: a_group, mutable: a_mutable, .. },
            Action::Install { source: b, mode: b_mode, owner: b_owner, group: b_group, mutable: b_mutable, .. },
        ) => a == b && a_mode == b_mode && a_owner == b_owner && a_group == b_group && a_mutable == b_mutable,
        _ => false,
    }
}

fn describe(entry: &Entry) -> String {
    let position = entry.activation.positions.first().map_or("an unknown place", String::as_str);
    match entry.shown() {
        Action::Symlink { source, .. } => format!("{} at {position}", source.display()),
        Action::Install { source, .. } => format!("a file with the content of {} at {position}", source.display()),
        _ => position.to_owned(),
    }
}
