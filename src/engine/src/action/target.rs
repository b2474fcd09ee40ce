//! Changing targets, and undoing that.
//!
//! Every step is one system call, so readers never see a part of it. Undoing needs no record of its
//! progress: it looks at the target and restores what differs.

use std::path::{Path, PathBuf};

use super::change::{After, Before, Rights, Role, TargetChange, Undone};
use super::declared_keys::Planned;
use super::merging::{self, OnMerged};
use super::{Directories, Error, Key, Observed, file, insisted_mode, link, observe, secret};
use crate::platform::{self, FileKind, Identity, NewFile};
use crate::value::Text;

/// Returns whether something is to be prepared before the change, and to be on the disk by then.
pub fn needs_preparation(change: &TargetChange) -> bool {
    match &change.after {
        After::File { .. } | After::Secret { .. } => true,
        // Its file is written when it gets its place.
        After::Merged { edit } => edit.displaced.is_some(),
        _ => keeps_second_name(change),
    }
}

/// A second name keeps the old file while a new one replaces it in one step.
fn keeps_second_name(change: &TargetChange) -> bool {
    let is_file = matches!(
        &change.before,
        Before::Kept { identity, role: Role::Ours, .. } if identity.content.is_some()
    );
    is_file
        && matches!(change.after, After::Link { .. } | After::File { .. } | After::Secret { .. })
}

/// Writes new content beside its place, and gives an old file a second name. Nothing is synced.
///
/// # Errors
/// When the file system refuses.
pub fn prepare(directories: &Directories, change: &TargetChange) -> Result<(), Error> {
    if let Some(edit) = merging::of(change) {
        return merging::prepare(directories, change, edit);
    }
    if let (After::File { source, mode, owner, group, mark, .. }, Some(temporary)) =
        (&change.after, &change.temporary)
    {
        let (directory, name) = directories.of(&temporary.to_path())?;
        let source = source.to_path();
        let mark = mark.as_ref().map(|mark| mark.0.as_slice());
        directory.write_file(
            &name,
            NewFile { source: &source, mode: *mode, owner: *owner, group: *group, mark },
        )?;
    }
    if let (After::Secret { digest, mode, owner, group, .. }, Some(temporary)) =
        (&change.after, &change.temporary)
    {
        let (directory, name) = directories.of(&temporary.to_path())?;
        let content = directories.contents().get(*digest).ok_or(Error::NotDecrypted)?;
        directory.write_private(&name, content, *mode, *owner, *group)?;
    }
    if let (true, Before::Kept { identity, kept, .. }) = (keeps_second_name(change), &change.before)
    {
        let place = change.place.to_path();
        if !is(&observe(directories, &place)?, identity) {
            return Err(Error::Changed(place));
        }
        let (directory, name) = directories.of(&place)?;
        let second = kept.to_path().file_name().unwrap_or_default().to_owned();
        // Not every file system knows second names: then the old file is moved away first.
        let _ = directory.hard_link(&name, &directory, &second);
    }
    Ok(())
}

/// Makes the change. `on_merged` gets the result of a merge that differs from the plan, before it
/// takes effect.
///
/// # Errors
/// When the file system refuses, or the place has an unexpected file. The work until then is for
/// [`undo`].
pub fn perform(
    directories: &Directories,
    change: &TargetChange,
    on_merged: OnMerged<'_>,
) -> Result<(), Error> {
    let place = change.place.to_path();
    let (directory, name) = directories.of(&place)?;
    if let Some(edit) = merging::of(change) {
        if let Before::Kept { identity, kept, .. } = &change.before {
            if !is(&observe(directories, &place)?, identity) {
                return Err(Error::Changed(place));
            }
            let (away, away_name) = directories.of(&kept.to_path())?;
            directory.rename_new(&name, &away, &away_name)?;
            directories.forget();
        }
        return merging::perform(directories, change, edit, on_merged);
    }
    let temporary = change.temporary.as_ref().map(Text::to_path).unwrap_or_default();
    let temporary = temporary.file_name().unwrap_or_default();
    let mut replace = false;
    match &change.before {
        Before::Nothing => {}
        Before::Directory { .. } => {
            if !matches!(directory.observe(&name)?, Some(seen) if seen.kind == FileKind::Directory)
            {
                return Err(Error::Changed(place));
            }
            if let After::Directory { mode, owner, group } = &change.after {
                directory.set_rights(&name, *mode, *owner, *group)?;
            }
            return Ok(());
        }
        Before::Link { source } => {
            if directory.read_link(&name)? != Some(source.to_path()) {
                return Err(Error::Changed(place));
            }
            match &change.after {
                After::Nothing => return Ok(directory.remove(&name)?),
                // No directory can replace a link.
                After::Original { identity, .. } if identity.content.is_none() => {
                    directory.remove(&name)?;
                }
                After::Directory { .. } => directory.remove(&name)?,
                _ => replace = true,
            }
        }
        Before::Kept { identity, kept, role } => {
            let seen = directory.observe(&name)?;
            if seen.as_ref().map(|seen| &seen.identity) != Some(identity) {
                return Err(Error::Changed(place));
            }
            let kept = kept.to_path();
            let (away, away_name) = directories.of(&kept)?;
            let has_second_name =
                keeps_second_name(change) && is(&observe(directories, &kept)?, identity);
            if has_second_name {
                replace = true;
            } else {
                directory.rename_new(&name, &away, &away_name)?;
                if identity.content.is_none() {
                    directories.forget();
                }
                // An original is the user's: it keeps its mode, in a directory that others cannot
                // enter.
                if change.private.is_some() && *role != Role::Original {
                    away.set_mode(&away_name, secret::PRIVATE)?;
                }
            }
        }
    }
    match &change.after {
        After::Nothing | After::Merged { .. } => {}
        After::Link { source } => {
            link::put(&directory, &name, source, replace.then_some(temporary))?;
        }
        After::File { .. } | After::Secret { .. } if replace => {
            directory.rename_over(temporary, &directory, &name)?;
        }
        After::File { .. } | After::Secret { .. } => {
            directory.rename_new(temporary, &directory, &name)?;
        }
        After::Directory { mode, owner, group } => {
            directories.forget();
            directory.make_with_rights(&name, mode.or_else(|| insisted_mode(&place)))?;
            if owner.is_some() || group.is_some() {
                directory.set_rights(&name, None, *owner, *group)?;
            }
        }
        After::Original { kept, identity } => {
            let (away, away_name) = directories.of(&kept.to_path())?;
            if replace {
                away.rename_over(&away_name, &directory, &name)?;
            } else {
                away.rename_new(&away_name, &directory, &name)?;
            }
            if identity.content.is_none() {
                directories.forget();
            }
        }
    }
    Ok(())
}

/// Returns whether the file at a place is this one.
fn is(found: &Observed, identity: &Identity) -> bool {
    found.seen().is_some_and(|seen| seen.identity == *identity)
}

/// Returns whether the place has the result of the change.
///
/// # Errors
/// When the system does not tell.
pub fn is_after(
    directories: &Directories,
    change: &TargetChange,
    found: &Observed,
) -> Result<bool, Error> {
    Ok(match (&change.after, found) {
        (After::Nothing, Observed::Nothing) => true,
        (After::Link { source }, found) => link::is_at(source, found),
        (After::File { source, digest, mode, .. }, found) => {
            let (place, source) = (change.place.to_path(), source.to_path());
            file::is_written(directories, &place, found, (&source, *digest, *mode))?
        }
        (After::Secret { digest, key, .. }, found) => match Key::read_file(&key.to_path())? {
            Some(key) => key.is_at(directories, &change.place.to_path(), found, *digest)?,
            None => false,
        },
        (After::Directory { .. }, Observed::Other(seen)) => seen.kind == FileKind::Directory,
        (After::Original { identity, .. }, found) => is(found, identity),
        _ => false,
    })
}

/// Undoes the change, whatever its progress. `merged` is the last recorded result.
///
/// # Errors
/// When the file system refuses; it can be tried again.
pub fn undo(
    directories: &Directories,
    change: &TargetChange,
    merged: Option<&Planned>,
) -> Result<Undone, Error> {
    let place = change.place.to_path();
    if let Some(edit) = merging::of(change) {
        let Before::Kept { identity, kept, .. } = &change.before else {
            return merging::undo(directories, change, edit, merged);
        };
        if is(&observe(directories, &place)?, identity) {
            return Ok(Undone::Done);
        }
        let undone = merging::undo(directories, change, edit, merged)?;
        let kept = kept.to_path();
        if observe(directories, &place)? == Observed::Nothing
            && is(&observe(directories, &kept)?, identity)
        {
            let (from, from_name) = directories.of(&kept)?;
            let (directory, name) = directories.of(&place)?;
            from.rename_new(&from_name, &directory, &name)?;
            directories.forget();
        }
        return Ok(undone);
    }
    if let Some(temporary) = &change.temporary {
        remove_ours(directories, &temporary.to_path())?;
    }
    let found = observe(directories, &place)?;
    let left_alone = |kept: Option<PathBuf>| Undone::LeftAlone {
        place: place.clone(),
        found: found.in_words(),
        kept,
    };
    match &change.before {
        Before::Nothing => {
            let is_gone = found == Observed::Nothing
                || (is_after(directories, change, &found)? && take_away(directories, change)?);
            if is_gone { Ok(Undone::Done) } else { Ok(left_alone(None)) }
        }
        Before::Directory { rights: Rights { mode, owner, group }, .. } => {
            let (After::Directory { .. }, Observed::Other(seen)) = (&change.after, &found) else {
                return Ok(left_alone(None));
            };
            if seen.kind != FileKind::Directory {
                return Ok(left_alone(None));
            }
            let (directory, name) = directories.of(&place)?;
            if (seen.mode, seen.owner, seen.group) != (*mode, *owner, *group) {
                let changed = |old: u32, new: u32| (old != new).then_some(old);
                let (owner, group) = (changed(*owner, seen.owner), changed(*group, seen.group));
                directory.set_rights(&name, Some(*mode), owner, group)?;
            }
            Ok(Undone::Done)
        }
        Before::Link { source } => {
            // A restored original may be a link with the same target.
            let is_original =
                matches!(&change.after, After::Original { identity, .. } if is(&found, identity));
            if link::is_at(source, &found) && !is_original {
                return Ok(Undone::Done);
            }
            // Between the old link and a restored directory, the place is free for a moment.
            if found != Observed::Nothing && !is_after(directories, change, &found)? {
                return Ok(left_alone(None));
            }
            let replace = found != Observed::Nothing
                && !matches!(change.after, After::Original { .. } | After::Directory { .. });
            if found != Observed::Nothing && !replace && !take_away(directories, change)? {
                return Ok(left_alone(None));
            }
            let (directory, name) = directories.of(&place)?;
            let temporary =
                change.temporary.as_ref().map_or_else(|| beside(&place, "undo"), Text::to_path);
            let temporary = temporary.file_name().unwrap_or_default();
            link::put(&directory, &name, source, replace.then_some(temporary))?;
            Ok(Undone::Done)
        }
        Before::Kept { identity, kept, .. } => {
            let kept = kept.to_path();
            let away = observe(directories, &kept)?;
            if is(&found, identity) {
                // Its second name, if it came that far.
                if is(&away, identity) && identity.content.is_some() {
                    remove_ours(directories, &kept)?;
                }
                return Ok(Undone::Done);
            }
            if !is(&away, identity) {
                return Ok(left_alone(None));
            }
            if found != Observed::Nothing {
                if !is_after(directories, change, &found)? {
                    return Ok(left_alone(Some(kept)));
                }
                // A file replaces a file in one step; anything else is removed first.
                let goes_first =
                    matches!(change.after, After::Original { .. } | After::Directory { .. });
                if (goes_first || identity.content.is_none()) && !take_away(directories, change)? {
                    return Ok(left_alone(Some(kept)));
                }
            }
            let (from, from_name) = directories.of(&kept)?;
            let (directory, name) = directories.of(&place)?;
            if observe(directories, &place)? == Observed::Nothing {
                from.rename_new(&from_name, &directory, &name)?;
            } else {
                from.rename_over(&from_name, &directory, &name)?;
            }
            if identity.content.is_none() {
                directories.forget();
            }
            if let Some(mode) = change.private {
                directory.set_mode(&name, mode)?;
            }
            Ok(Undone::Done)
        }
    }
}

/// Removes the result of the change from its place; returns whether it is gone: a directory may
/// contain foreign files.
fn take_away(directories: &Directories, change: &TargetChange) -> Result<bool, Error> {
    let place = change.place.to_path();
    let (directory, name) = directories.of(&place)?;
    match &change.after {
        After::Nothing | After::Merged { .. } => {}
        After::Directory { .. } => {
            if !directories.open(&place)?.list()?.is_empty() {
                return Ok(false);
            }
            directories.forget();
            directory.remove_directory(&name)?;
        }
        After::Original { kept, identity } => {
            let (away, away_name) = directories.of(&kept.to_path())?;
            directory.rename_new(&name, &away, &away_name)?;
            if identity.content.is_none() {
                directories.forget();
            }
        }
        After::Link { .. } | After::File { .. } | After::Secret { .. } => {
            directory.remove(&name)?;
        }
    }
    Ok(true)
}

/// After the commit: removes files of sys.lua that were kept only for undoing. `later` are the
/// changes after this one. Returns the places of files that stay, because they were put there in
/// the meantime.
///
/// # Errors
/// When the file system refuses; it can be tried again.
pub fn settle<'a>(
    directories: &Directories,
    change: &TargetChange,
    later: impl Iterator<Item = &'a TargetChange> + Clone,
) -> Result<Option<PathBuf>, Error> {
    if let (Some(_), Some(temporary)) = (merging::of(change), &change.temporary) {
        // The directory that it is in may have been moved away since.
        merging::settle(directories, &later.clone().fold(temporary.to_path(), moved))?;
    }
    let Before::Kept { identity, kept, role: Role::Ours } = &change.before else { return Ok(None) };
    let kept = later.fold(kept.to_path(), moved);
    let found = observe(directories, &kept)?;
    if !is(&found, identity) {
        return Ok(None);
    }
    if identity.content.is_none() {
        // An empty directory of sys.lua.
        return Ok(if remove_empty(directories, &kept)? { None } else { Some(kept) });
    }
    remove_ours(directories, &kept)?;
    Ok(None)
}

/// Returns where something is after a change, which may have moved a directory above it.
pub fn moved(path: PathBuf, change: &TargetChange) -> PathBuf {
    let Before::Kept { kept, .. } = &change.before else { return path };
    match path.strip_prefix(change.place.to_path()) {
        Ok(rest) if !rest.as_os_str().is_empty() => kept.to_path().join(rest),
        _ => path,
    }
}

/// Removes a directory that contains only empty directories, and returns whether it was removed.
fn remove_empty(directories: &Directories, path: &Path) -> Result<bool, Error> {
    let mut is_empty = true;
    for (name, kind) in directories.open(path)?.list()? {
        is_empty &= kind == FileKind::Directory && remove_empty(directories, &path.join(name))?;
    }
    if is_empty {
        directories.forget();
        let (directory, name) = directories.of(path)?;
        directory.remove_directory(&name)?;
    }
    Ok(is_empty)
}

/// Removes a file or link with a private name.
fn remove_ours(directories: &Directories, path: &Path) -> Result<(), Error> {
    match observe(directories, path)? {
        Observed::Nothing => Ok(()),
        Observed::Other(seen) if seen.kind == FileKind::Directory => Ok(()),
        _ => {
            let (directory, name) = directories.of(path)?;
            Ok(directory.remove(&name)?)
        }
    }
}

/// Creates a directory that holds targets, with these permission bits or those of a new directory.
///
/// # Errors
/// When the file system refuses.
pub fn make_directory(
    directories: &Directories,
    path: &Path,
    mode: Option<u32>,
) -> Result<(), Error> {
    let (directory, name) = directories.of(path)?;
    match directory.make_with_rights(&name, mode) {
        // Another process was faster: then the file belongs to it.
        Err(error)
            if error.is_already_there()
                && matches!(platform::kind_of(path), Ok(Some(FileKind::Directory))) =>
        {
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Returns the permission bits of a directory, if one is there and can be seen.
pub fn mode_of_directory(directories: &Directories, path: &Path) -> Option<u32> {
    match observe(directories, path) {
        Ok(Observed::Other(seen)) if seen.kind == FileKind::Directory => Some(seen.mode),
        _ => None,
    }
}

/// Sets the permission bits of a directory.
///
/// # Errors
/// When there is none, or the file system refuses.
pub fn set_mode_of_directory(
    directories: &Directories,
    path: &Path,
    mode: u32,
) -> Result<(), Error> {
    let (directory, name) = directories.of(path)?;
    if !matches!(directory.observe(&name)?, Some(seen) if seen.kind == FileKind::Directory) {
        return Err(Error::Changed(path.to_owned()));
    }
    Ok(directory.set_rights(&name, Some(mode), None, None)?)
}

/// Removes a directory if it is there and empty.
///
/// # Errors
/// When the file system refuses for another reason than that it is not.
pub fn remove_directory(directories: &Directories, path: &Path) -> Result<(), Error> {
    let (directory, name) = match directories.of(path) {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !matches!(directory.observe(&name)?, Some(seen) if seen.kind == FileKind::Directory) {
        return Ok(());
    }
    let is_empty = directories.open(path)?.list()?.is_empty();
    if is_empty {
        directories.forget();
        directory.remove_directory(&name)?;
    }
    Ok(())
}

/// Returns a name beside a place; `mark` is what tells it from other such names.
pub fn beside(place: &Path, mark: &str) -> PathBuf {
    place.with_file_name(format!(".syslua-{mark}"))
}
