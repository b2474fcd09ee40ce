//! The cleanup after a commit.

use std::collections::HashSet;
use std::path::Path;

use super::Error;
use super::backups::{Backup, Backups};
use super::closed_directories::{Opened, modes_around};
use super::follow::is_same_file;
use super::sync::sync_places;
use crate::action::{After, Before, Directories, Rights, Role, TargetChange, merging, target};
use crate::generations;
use crate::journal::{Change, Journal, Written};
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::Text;

/// Tidies up after a commit; can be repeated. `made` is the snapshot that the switch made, where
/// that is at hand.
pub fn finish(
    store: &Store,
    home: &Path,
    written: &Written,
    made: Option<&Snapshot>,
) -> Result<(), Error> {
    let journal = &written.journal;
    let mut backups = Backups::load(store, home);
    for (number, change) in journal.changes.iter().enumerate() {
        match change {
            Change::Directory { path, .. } => backups.add_directory(path, false),
            Change::Target(change) => {
                if let (After::Directory { mode, owner, group }, false) =
                    (&change.after, matches!(change.before, Before::Directory { .. }))
                {
                    let is_declared = mode.is_some() || owner.is_some() || group.is_some();
                    backups.add_directory(&change.place, is_declared);
                }
                if let Before::Directory { rights, original } = &change.before {
                    note_rights(&mut backups, change, (*rights, *original), &journal.changes);
                }
                if let Before::Kept {
                    kept, role: role @ (Role::Original | Role::Displaced), ..
                } = &change.before
                {
                    let mut backup =
                        Backup::new(change.place.clone(), kept.clone(), *role, journal.started_at);
                    backup.declared.clone_from(&change.declared);
                    backups.add(backup);
                }
                if let Some(edit) = merging::of(change) {
                    let planned = written.merged(number).unwrap_or(&edit.planned);
                    let untouched = edit.untouched.clone();
                    backups.set_record(&change.place, planned.record.clone(), untouched);
                    if let Some(copy) = &edit.displaced {
                        let (place, copy) = (change.place.clone(), copy.clone());
                        backups.add(Backup::new(place, copy, Role::Displaced, journal.started_at));
                    }
                }
                if let After::Original { kept, .. } = &change.after {
                    backups.directories.remove(&change.place);
                    backups.entries.retain(|entry| entry.path != *kept);
                }
            }
            Change::Mode { .. } | Change::Command { .. } | Change::Services { .. } => {}
        }
    }
    for path in &journal.leftover {
        backups.directories.remove(path);
    }
    let directories = Directories::default();
    let opened = Opened::again(&directories, &journal.changes);
    for (number, change) in journal.changes.iter().enumerate() {
        let later = journal.changes[number + 1..].iter().filter_map(Change::target);
        if let Change::Target(change) = change
            && let Some(stays) = target::settle(&directories, change, later)?
        {
            let stays = Text(platform::bytes_of_path(&stays));
            backups.add(Backup::new(
                change.place.clone(),
                stays,
                Role::Displaced,
                journal.started_at,
            ));
        }
    }
    drop_equal(store, journal, &backups)?;
    // A directory that got other rights before it was moved away is restored with its own.
    for change in journal.changes.iter().filter_map(Change::target) {
        let Some(rights) = backups.rights_of(&change.place.to_path()) else { continue };
        if let After::Original { .. } = change.after {
            let (directory, name) = directories.of(&change.place.to_path())?;
            if matches!(directory.observe(&name)?, Some(seen) if seen.kind == FileKind::Directory) {
                directory.set_rights(&name, Some(rights.mode), None, None)?;
            }
            backups.forget_rights(&change.place);
        }
    }
    let current = if made.is_none() { generations::current(store).ok() } else { None };
    if let Some(snapshot) = made.or(current.as_ref()) {
        backups.set_homes(&snapshot.homes);
    }
    backups.save(store)?;
    for path in journal.leftover.iter().rev() {
        let path =
            journal.changes.iter().filter_map(Change::target).fold(path.to_path(), target::moved);
        target::remove_directory(&directories, &path)?;
    }
    opened.close(&directories)?;
    if journal.to.is_some() {
        generations::write_index(store, made)?;
    }
    let is_ours = |change: &Change| {
        let Change::Target(change) = change else { return false };
        let was_ours = matches!(change.before, Before::Kept { role: Role::Ours, .. });
        was_ours || merging::of(change).is_some()
    };
    if !journal.leftover.is_empty() || journal.changes.iter().any(is_ours) {
        // Without the journal, no later command would clean up.
        sync_places(store, &directories, &journal.changes)?;
    }
    remove_journal(store)
}

/// Removes displaced copies of the changed targets that equal the applied content: nothing is lost
/// with them. Copies beside their target stay.
fn drop_equal(store: &Store, journal: &Journal, backups: &Backups) -> Result<(), Error> {
    let made: HashSet<&Text> = journal
        .changes
        .iter()
        .filter_map(Change::target)
        .filter(|change| {
            matches!(change.after, After::Link { .. } | After::File { .. } | After::Secret { .. })
        })
        .map(|change| &change.place)
        .collect();
    let displaced = platform::canonical(&store.displaced());
    for entry in backups
        .entries
        .iter()
        .filter(|entry| entry.role == Role::Displaced && made.contains(&entry.target))
    {
        let (copy, applied) = (entry.path.to_path(), platform::canonical(&entry.target.to_path()));
        let is_inside =
            copy.parent().is_some_and(|parent| platform::canonical(parent) == displaced);
        if is_inside
            && platform::kind_of(&copy)? == Some(FileKind::File)
            && is_same_file(&copy, &applied)
        {
            platform::remove_file(&copy)?;
        }
    }
    Ok(())
}

/// Notes the rights that a directory had, or forgets them when it has them again: also when they
/// were forgotten before the cleanup was cut off.
fn note_rights(
    backups: &mut Backups,
    change: &TargetChange,
    (before, original): (Rights, Option<Rights>),
    changes: &[Change],
) {
    let After::Directory { mode, owner, group } = &change.after else { return };
    let (opening, closing) = modes_around(changes, &change.place);
    let before = Rights { mode: opening.unwrap_or(before.mode), ..before };
    let mode = closing.or(*mode);
    let is_back = backups.rights_of(&change.place.to_path()).or(original).is_some_and(|old| {
        mode == Some(old.mode)
            && owner.unwrap_or(before.owner) == old.owner
            && group.unwrap_or(before.group) == old.group
    });
    if is_back {
        backups.forget_rights(&change.place);
    } else {
        backups.add_rights(&change.place, before);
    }
}

/// Removes the journal, if it is there.
pub fn remove_journal(store: &Store) -> Result<(), Error> {
    match platform::remove_file(&store.journal()) {
        Err(error) if error.is_not_found() => Ok(()),
        result => Ok(result?),
    }
}
