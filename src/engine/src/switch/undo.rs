//! Undoes a switch, whatever its progress.

use std::path::Path;

use super::Error;
use super::backups::{Backup, Backups, place_for};
use super::closed_directories::Opened;
use super::finish::remove_journal;
use super::service_jobs;
use super::surroundings::surroundings;
use super::sync::sync_places;
use crate::action::{Direction, Directories, Role, TargetChange, Undone, target};
use crate::journal::{Change, Note, Written};
use crate::names::SnapshotId;
use crate::platform;
use crate::settings::{Event, Settings};
use crate::store::Store;
use crate::value::Text;

/// Undoes a switch in reverse order, and describes what could not be undone. In that case the
/// journal stays, and undoing can be repeated. `failed` is the command that failed itself.
pub fn undo(
    store: &Store,
    settings: &Settings,
    written: &Written,
    failed: Option<usize>,
) -> Vec<String> {
    let journal = &written.journal;
    let directories = Directories::default();
    let mut failures = Vec::new();
    // They are closed by undoing what opened them.
    let _ = Opened::again(&directories, &journal.changes);
    for (number, change) in journal.changes.iter().enumerate().rev() {
        let result = match change {
            Change::Directory { path, .. } => {
                target::remove_directory(&directories, &path.to_path()).map_err(Error::from)
            }
            Change::Mode { path, before, .. } => {
                let path = path.to_path();
                match target::mode_of_directory(&directories, &path) {
                    Some(_) => target::set_mode_of_directory(&directories, &path, *before)
                        .map_err(Error::from),
                    None => Ok(()),
                }
            }
            Change::Target(change) => {
                match target::undo(&directories, change, written.merged(number)) {
                    Ok(Undone::Done) => Ok(()),
                    Ok(Undone::LeftAlone { place, found, kept }) => {
                        let kept = kept.map(|kept| {
                            displace(
                                store,
                                &settings.home,
                                change,
                                &kept,
                                &format!("{}-{number}", journal.mark),
                            )
                        });
                        let kept = match kept {
                            Some(kept) => format!("; the earlier file is {kept}"),
                            None => String::new(),
                        };
                        let message = format!(
                            "{} was changed in the meantime: {found} is left alone there{kept}",
                            place.display()
                        );
                        settings.events.send(Event::Warning { message });
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Change::Command { again: false, .. } if failed != Some(number) => {
                undo_effect(store, settings, written, (number, change))
            }
            Change::Command { .. } => Ok(()),
            Change::Services { phase, managers, units }
                if written.notes.contains(&Note::Begin(number)) =>
            {
                service_jobs::undo(store, settings, *phase, managers, units)
            }
            Change::Services { .. } => Ok(()),
        };
        failures.extend(result.err().map(|error| error.to_string()));
    }
    if failures.is_empty() {
        do_again(store, settings, written);
    }
    if failures.is_empty()
        && let Err(error) = restore_metadata(store, written, &directories)
    {
        failures.push(error.to_string());
    }
    failures
}

/// Makes sure that a former original is not taken for one; returns its place.
fn displace(store: &Store, home: &Path, change: &TargetChange, kept: &Path, mark: &str) -> String {
    let place = change.place.to_path();
    let displaced = place_for(store, &place, Role::Displaced, mark);
    let now_at = if displaced == kept || platform::rename(kept, &displaced).is_err() {
        kept
    } else {
        &displaced
    };
    let mut backups = Backups::load(store, home);
    let (path, now) = (Text(platform::bytes_of_path(now_at)), platform::now().max(0.0) as u64);
    backups.add(Backup::new(change.place.clone(), path, Role::Displaced, now));
    // Only the list for people: the copy itself is there.
    let _ = backups.save(store);
    now_at.display().to_string()
}

fn undo_effect(
    store: &Store,
    settings: &Settings,
    written: &Written,
    (number, change): (usize, &Change),
) -> Result<(), Error> {
    let Change::Command { action, undo, user, .. } = change else { return Ok(()) };
    let direction = Direction::of_undo(*undo);
    let Some(effect) = action.as_effect() else { return Ok(()) };
    if !written.notes.contains(&Note::Begin(number)) {
        return Ok(());
    }
    if direction == Direction::Do && !effect.has_undo() {
        let did = if written.notes.contains(&Note::End(number)) { "ran" } else { "may have run" };
        let message = format!("`{}` {did}, and has no `undo`", effect.describe(Direction::Do));
        settings.events.send(Event::Warning { message });
        return Ok(());
    }
    let journal = &written.journal;
    let id = journal.environment_of(direction);
    // Nothing interrupts this: half an undo is useless.
    let surroundings = surroundings(store, settings, id, user.as_deref(), None);
    Ok(effect.perform(direction.reversed(), &surroundings)?)
}

/// Runs `on_change` commands again: the files are restored, and no program knows yet. A failure of
/// a command does not keep the undone change.
fn do_again(store: &Store, settings: &Settings, written: &Written) {
    for (number, change) in written.journal.changes.iter().enumerate() {
        let Change::Command { action, again: true, user, .. } = change else { continue };
        let (Some(effect), true) =
            (action.as_effect(), written.notes.contains(&Note::Begin(number)))
        else {
            continue;
        };
        let surroundings =
            surroundings(store, settings, written.journal.from, user.as_deref(), None);
        if let Err(error) = effect.perform(Direction::Do, &surroundings) {
            let message = format!("what was changed is as it was, and then {error}");
            settings.events.send(Event::Warning { message });
        }
    }
}

/// Puts `current` and the snapshots back, and removes the journal once all the rest is on the disk.
fn restore_metadata(
    store: &Store,
    written: &Written,
    directories: &Directories,
) -> Result<(), Error> {
    let journal = &written.journal;
    let link = format!("snapshots/{}", journal.from);
    if platform::read_link(&store.current()).is_ok_and(|target| target != Path::new(&link)) {
        platform::replace_symlink(Path::new(&link), &store.current())?;
        platform::sync_directory(&store.metadata())?;
    }
    let has_journal = platform::exists(&store.journal());
    if has_journal {
        sync_places(store, directories, &journal.changes)?;
    }
    if let (true, Some(id)) = (journal.makes_snapshot, journal.to) {
        // A snapshot that is not current is not in use.
        platform::remove_tree(&store.snapshot(id))?;
        platform::remove_tree(&store.snapshots().join(format!(".{id}.new")))?;
    }
    if journal.is_first {
        for path in
            super::write::fixed_links(store).iter().map(|(link, _)| link).chain([&store.current()])
        {
            if platform::exists(path) {
                platform::remove_file(path)?;
            }
        }
        platform::remove_tree(&store.snapshot(SnapshotId(0)))?;
        platform::remove_tree(&store.snapshots().join(".0.new"))?;
    }
    if has_journal {
        remove_journal(store)?;
    }
    Ok(())
}
