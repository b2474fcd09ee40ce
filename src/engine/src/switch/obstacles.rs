//! What keeps the places of changes from being changed: files in place of directories, rights,
//! mount points and flags.

use std::path::{Path, PathBuf};

use super::Error;
use super::overlay::Overlay;
use super::step::Step;
use crate::action::{After, Before, TargetChange};
use crate::places::PlaceSet;
use crate::platform::{self, Directory};
use crate::value::Positions;

/// Checks that the places of changes can be changed; returns the directories that are missing above
/// them, outermost first.
///
/// # Errors
/// When one cannot be.
pub fn missing_parents(overlay: &Overlay, steps: &[Step]) -> Result<Vec<PathBuf>, Error> {
    let (mut missing, mut seen) = (Vec::new(), PlaceSet::default());
    for step in steps {
        let (Some(change), Some(place)) = (step.change(), &step.place) else { continue };
        let positions = &step.activation.positions;
        // A place that must stay free needs no directories above.
        let stays_away =
            matches!((&change.before, &change.after), (Before::Nothing, After::Nothing));
        if !stays_away && let Some(parent) = place.parent().filter(|parent| seen.insert(*parent)) {
            missing.extend(check_parent(overlay, place, positions)?);
            check_flags(overlay, parent, place, positions)?;
        }
        check_mount(change, place, positions)?;
        if !matches!(change.before, Before::Nothing) {
            check_flags(overlay, place, place, positions)?;
        }
        check_renames(overlay, change, place, positions)?;
    }
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// Checks that a place can be changed; returns the directories that are missing above it.
///
/// # Errors
/// When it cannot be.
pub fn check_parent(
    overlay: &Overlay,
    place: &Path,
    positions: &Positions,
) -> Result<Vec<PathBuf>, Error> {
    let problem = |problem: String| Error::Parent {
        target: place.to_owned(),
        problem,
        positions: positions.clone(),
    };
    let missing = match overlay.missing_parents(place)? {
        Ok(missing) => missing,
        Err(file) => return Err(problem(format!("{} is not a directory", file.display()))),
    };
    let first = missing.first().map_or(place, PathBuf::as_path);
    let above = first.ancestors().skip(1).find_map(|above| Directory::open(above).ok());
    if let Some(directory) = above.filter(|above| !overlay.opens(&above.path())) {
        directory.check_writable().map_err(|error| problem(error.to_string()))?;
    }
    Ok(missing)
}

/// Returns whether two places are in different mounts. Where the system tells these, only they
/// count: the files of an overlay have the devices of its layers.
fn is_other(inner: (u64, u64), outer: (u64, u64)) -> bool {
    if inner.1 != 0 && outer.1 != 0 { inner.1 != outer.1 } else { inner != outer }
}

/// Checks that a path to be moved away is not a mount point: the kernel refuses to rename it.
fn check_mount(change: &TargetChange, place: &Path, positions: &Positions) -> Result<(), Error> {
    let device = |path: &Path| platform::observe(path).ok().flatten().map(|seen| seen.device);
    if matches!(change.before, Before::Kept { .. })
        && let (Some(inner), Some(outer)) = (device(place), place.parent().and_then(device))
        && is_other(inner, outer)
    {
        return Err(Error::Mounted { target: place.to_owned(), positions: positions.clone() });
    }
    Ok(())
}

/// Checks that a path, a target or the directory around one, has no flag (chattr(1)) that keeps
/// even root from renaming. A managed link may lead to objects, which have one; it goes before.
fn check_flags(
    overlay: &Overlay,
    path: &Path,
    place: &Path,
    positions: &Positions,
) -> Result<(), Error> {
    match platform::fixing_flag(path) {
        Some(flag)
            if !platform::canonical(path)
                .starts_with(platform::canonical(overlay.store.objects())) =>
        {
            let (target, path) = (place.to_owned(), path.to_owned());
            Err(Error::Flagged { target, path, flag, positions: positions.clone() })
        }
        _ => Ok(()),
    }
}

/// Checks that the file system can rename the directory to be moved away, and the one to be
/// restored.
fn check_renames(
    overlay: &Overlay,
    change: &TargetChange,
    place: &Path,
    positions: &Positions,
) -> Result<(), Error> {
    let goes = matches!(change.before, Before::Kept { .. }).then(|| place.to_owned());
    let comes =
        if let After::Original { kept, .. } = &change.after { Some(kept.to_path()) } else { None };
    for path in goes.into_iter().chain(comes) {
        if platform::is_fixed(&path, &overlay.store.staging())? {
            return Err(Error::Fixed { path, positions: positions.clone() });
        }
    }
    Ok(())
}
