//! Declarations that contradict each other.

use std::path::{Path, PathBuf};

use super::desired::Entry;
use super::{Error, Targets};
use crate::action::Target;
use crate::places::{OwnPlaces, PlaceMap};
use crate::platform::{self, FileKind};
use crate::store::Store;

/// A target and its declaration.
pub struct Declared<'a> {
    /// Where it is.
    pub place: PathBuf,
    /// The action and who declared it.
    pub entry: &'a Entry,
    /// What the action puts there.
    pub target: &'a Target,
}

/// Collects the places of all targets in order of declaration, each once.
///
/// # Errors
/// When two declarations want one place with different content, or a place is below another one, or
/// in the store.
pub fn places<'a>(
    store: &Store,
    targets: &Targets<'_>,
    entries: &'a [Entry],
) -> Result<Vec<Declared<'a>>, Error> {
    // Where fewer links are followed, targets are elsewhere, and there may be other links at their
    // places.
    while manage_links(targets, entries)? {}
    let mut places: Vec<Declared<'a>> = Vec::new();
    let mut by_place = PlaceMap::with_capacity(entries.len());
    for entry in entries {
        let Some(target) = entry.activation.action.as_target() else { continue };
        let positions = &entry.activation.positions;
        // What a snapshot has in force is where it was put.
        let declared = entry.activation.place.as_ref().unwrap_or(target.target());
        let place = targets.place_of(target, declared, positions)?;
        let known = by_place.or_insert_with(comparable(&place), || places.len());
        let Some(first) = places.get(*known) else {
            places.push(Declared { place, entry, target });
            continue;
        };
        // A directory that others need exists, whatever its declaration.
        if first.target.is_implied() && target.keeps_below() {
            places[*known] = Declared { place, entry, target };
            continue;
        }
        if !first.target.puts_same(target) {
            let differing = differing_rights(first.target, target);
            return Err(Error::Conflict {
                target: place,
                what: in_plural(&differing),
                first: describe(first.entry, &differing),
                second: describe(entry, &differing),
                positions: positions.clone(),
            });
        }
    }
    let store_path = platform::canonical(store.root());
    // What is above is the same for all in one directory, and neighbours are declared together.
    let mut last_parent: Option<&Path> = None;
    for Declared { place, entry, .. } in &places {
        let parent = place.parent();
        let is_known = parent.map(Path::as_os_str) == last_parent.map(Path::as_os_str);
        if is_known && *place != store_path && !super::ownership::may_be_owned(place) {
            continue;
        }
        last_parent = parent;
        let positions = || entry.activation.positions.clone();
        if let Some(&above) = comparable(place).ancestors().skip(1).find_map(|directory| {
            by_place.get(directory).filter(|above| !places[**above].target.keeps_below())
        }) {
            let above = &places[above];
            return Err(Error::Below {
                target: place.clone(),
                above: above.place.clone(),
                noun: above.target.noun(),
                above_position: above
                    .entry
                    .activation
                    .positions
                    .first()
                    .cloned()
                    .unwrap_or_default(),
                positions: positions(),
            });
        }
        if let Some(above) = kernel_files(place, targets.home()) {
            return Err(Error::KernelFiles {
                target: place.clone(),
                above,
                positions: positions(),
            });
        }
        if let Some(root) = super::ownership::owner(store, place) {
            return Err(Error::OtherRoot { target: place.clone(), root, positions: positions() });
        }
        if place.starts_with(&store_path) {
            return Err(Error::InsideRoot {
                target: place.clone(),
                root: store_path,
                positions: positions(),
            });
        }
    }
    Ok(places)
}

/// Returns every directory above one of the places.
pub fn occupied(places: &[Declared<'_>]) -> OwnPlaces {
    let mut occupied = OwnPlaces::default();
    let mut last: Option<&Path> = None;
    for parent in places.iter().filter_map(|declared| declared.place.parent()) {
        if last.is_none_or(|last| last.as_os_str() != parent.as_os_str()) {
            occupied.extend(parent.ancestors().map(Path::to_owned));
            last = Some(parent);
        }
    }
    let directories = places.iter().filter(|declared| declared.target.keeps_below());
    occupied.extend(directories.map(|declared| declared.place.clone()));
    occupied
}

/// Makes sure that no link is followed that another target takes the place of: what is below it
/// then is not where it led. Returns whether there was another one.
fn manage_links(targets: &Targets<'_>, entries: &[Entry]) -> Result<bool, Error> {
    let mut found = false;
    let mut targets_of =
        entries.iter().filter_map(|entry| Some((entry, entry.activation.action.as_target()?)));
    targets_of.try_for_each(|(entry, target)| {
        let declared = entry.activation.place.as_ref().unwrap_or(target.target());
        targets.place(declared, &entry.activation.positions).map(drop)
    })?;
    // An applied link is not followed; but a directory that replaced it is removed, with the links
    // in it.
    let passed = targets.passed();
    for entry in entries {
        let Some(target) =
            entry.activation.action.as_target().filter(|target| !target.is_pending())
        else {
            continue;
        };
        let declared = entry.activation.place.as_ref().unwrap_or(target.target());
        let positions = &entry.activation.positions;
        let place = targets.place(declared, positions)?;
        if targets.is_managed(&place) && !passed.contains(&place) {
            continue;
        }
        let place = targets.place_of(target, declared, positions)?;
        found |= match platform::kind_of(&place) {
            Ok(Some(FileKind::Symlink)) => targets.manage(place),
            // The links in it go with it.
            Ok(Some(FileKind::Directory)) if !target.keeps_below() => targets.replace(place),
            _ => false,
        };
    }
    if found {
        targets.forget();
    }
    Ok(found)
}

/// Where the system shows its devices and processes as files.
const KERNEL_FILES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Returns which of these a place is or is inside. A home in `/dev/shm` is an ordinary one.
fn kernel_files(place: &Path, home: &Path) -> Option<&'static str> {
    KERNEL_FILES
        .into_iter()
        .find(|above| cfg!(unix) && place.starts_with(above) && !home.starts_with(above))
}

/// Returns a path that is equal for equal files: these systems do not tell upper from lower case.
fn comparable(place: &Path) -> PathBuf {
    if cfg!(any(target_os = "macos", windows)) {
        PathBuf::from(place.to_string_lossy().to_lowercase())
    } else {
        place.to_owned()
    }
}

/// Returns the rights in which two declarations of the same content differ.
fn differing_rights(first: &Target, second: &Target) -> Vec<&'static str> {
    if first.kind() != second.kind() || first.in_words() != second.in_words() {
        return Vec::new();
    }
    let names = ["mode", "owner", "group"];
    let differing = names.iter().filter(|name| right(first, name) != right(second, name));
    differing.copied().collect()
}

fn right<'a>(target: &'a Target, name: &str) -> Option<&'a String> {
    let properties = target.properties();
    match name {
        "mode" => properties.mode,
        "owner" => properties.owner,
        _ => properties.group,
    }
}

fn in_plural(differing: &[&str]) -> String {
    match differing {
        [] => "sources".to_owned(),
        names => names.iter().map(|name| format!("{name}s")).collect::<Vec<_>>().join(" and "),
    }
}

/// Describes a declaration, with its rights of these names.
fn describe(entry: &Entry, rights: &[&str]) -> String {
    let position = entry.activation.positions.first().map_or("an unknown place", String::as_str);
    let Some(target) = entry.shown().as_target() else { return position.to_owned() };
    // Two paths may lead to one place.
    let mut words = vec![format!("{}: {}", target.target().display(), target.in_words())];
    words.extend(rights.iter().map(|name| match right(target, name) {
        Some(value) => format!("{name} {value}"),
        None => format!("no {name}"),
    }));
    format!("{} at {position}", words.join(", "))
}
