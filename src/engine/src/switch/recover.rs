//! Taking back a switch, finishing one, and finding out which of the two a journal asks for.

use std::path::{Path, PathBuf};

use super::Error;
use super::backups::{Backups, place_for};
use super::perform::{now, sync_places};
use crate::action::target::Undone;
use crate::action::{Directories, command, target};
use crate::activation::Action;
use crate::generations;
use crate::journal::{After, Before, Change, Note, Role, Written};
use crate::names::SnapshotId;
use crate::platform;
use crate::settings::{Event, Settings};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::Text;

/// A switch that is not over.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The snapshot before it.
    pub from: SnapshotId,
    /// The snapshot that it leads to.
    pub to: Option<SnapshotId>,
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// The process that began it.
    pub process: u32,
    /// Whether its new state is in force already.
    pub is_committed: bool,
    /// Whether it is to be confirmed.
    pub is_confirmable: bool,
    /// Until when it can be confirmed, in seconds since the epoch.
    pub deadline: Option<f64>,
    /// What distinguishes it from others.
    pub mark: String,
    /// The targets that it changes.
    pub changes: Vec<Change>,
}

fn read(store: &Store) -> Result<Option<Written>, Error> {
    let path = store.journal();
    match platform::read_file(&path) {
        Ok(text) => Written::parse(&text).map(Some).map_err(|source| Error::Journal { path, source }),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_committed(store: &Store, written: &Written) -> Result<bool, Error> {
    let journal = &written.journal;
    Ok(journal.to.is_some() && Some(generations::current_id(store)?) == journal.to && journal.to != Some(journal.from))
}

/// Returns the switch that a journal tells of, if there is one. Reads only.
///
/// # Errors
/// When the journal cannot be read.
pub fn pending(store: &Store) -> Result<Option<Pending>, Error> {
    let Some(written) = read(store)? else { return Ok(None) };
    let is_committed = is_committed(store, &written)?;
    let deadline = written.deadline();
    let journal = written.journal;
    Ok(Some(Pending {
        from: journal.from,
        to: journal.to,
        started_at: journal.started_at,
        process: journal.process,
        is_committed,
        is_confirmable: journal.confirm.is_some() && is_committed,
        deadline,
        mark: journal.mark,
        changes: journal.changes,
    }))
}

/// Brings a switch that was cut off to its end or back to its beginning. The caller holds the lock.
///
/// # Errors
/// When it waits to be confirmed, its journal cannot be used, or something cannot be put back.
pub fn recover(store: &Store, settings: &Settings, on_event: &mut dyn FnMut(Event)) -> Result<(), Error> {
    let Some(written) = read(store)? else { return Ok(()) };
    let is_committed = is_committed(store, &written)?;
    if written.journal.confirm.is_some() && is_committed {
        let left = written.deadline().map_or(0.0, |deadline| deadline - now());
        // A clock that was set back must not keep us waiting for ever.
        let longest = written.journal.confirm.unwrap_or_default();
        if left > 0.0 && left <= longest {
            let id = written.journal.to.unwrap_or(written.journal.from);
            return Err(Error::Unconfirmed { id, seconds: left });
        }
        return back(store, settings, &written, "an apply that nobody confirmed", on_event);
    }
    if is_committed {
        return finish(store, &written, None);
    }
    back(store, settings, &written, "an apply that was cut off", on_event)
}

fn back(
    store: &Store,
    settings: &Settings,
    written: &Written,
    what: &str,
    on_event: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let failed = undo(store, &settings.home, written, None, on_event);
    if !failed.is_empty() {
        return Err(Error::HalfUndone { cause: format!("{what} is taken back"), failed });
    }
    let message = format!("took back {what}: snapshot {} is in force", written.journal.from);
    on_event(Event::Warning { message });
    Ok(())
}

/// Takes back a switch that waits to be confirmed, if it is still the one of this mark.
///
/// # Errors
/// When something cannot be put back.
pub fn revert(store: &Store, settings: &Settings, mark: &str, on_event: &mut dyn FnMut(Event)) -> Result<bool, Error> {
    let Some(written) = read(store)? else { return Ok(false) };
    if written.journal.mark != mark || written.journal.confirm.is_none() || !is_committed(store, &written)? {
        return Ok(false);
    }
    back(store, settings, &written, "an apply that nobody confirmed", on_event)?;
    Ok(true)
}

/// Keeps a switch that waits to be confirmed; returns its snapshot.
///
/// # Errors
/// When none does.
pub fn confirm(store: &Store) -> Result<SnapshotId, Error> {
    let Some(written) = read(store)? else { return Err(Error::NothingToConfirm) };
    if written.journal.confirm.is_none() || !is_committed(store, &written)? {
        return Err(Error::NothingToConfirm);
    }
    finish(store, &written, None)?;
    Ok(written.journal.to.unwrap_or(written.journal.from))
}

/// Puts a journal that cannot be read out of the way; returns where it is now, or `None` when it can be read. Nobody knows
/// how far that switch came: what follows must look at every target.
///
/// # Errors
/// When the file system refuses.
pub fn set_journal_aside(store: &Store) -> Result<Option<PathBuf>, Error> {
    if !matches!(read(store), Err(Error::Journal { .. })) {
        return Ok(None);
    }
    let mut places = (0u64..).map(|number| store.quarantine().join(format!("journal.{number}")));
    let Some(aside) = places.find(|path| !platform::exists(path)) else { return Ok(None) };
    platform::create_directories(&store.quarantine())?;
    platform::rename(&store.journal(), &aside)?;
    Ok(Some(aside))
}

/// Tidies up after a commit; can be repeated. `made` is the snapshot that the switch made, where that is at hand.
pub fn finish(store: &Store, written: &Written, made: Option<&Snapshot>) -> Result<(), Error> {
    let journal = &written.journal;
    let mut backups = Backups::load(store);
    for change in &journal.changes {
        match change {
            Change::Directory { path } => drop(backups.directories.insert(path.clone())),
            Change::Target(change) => {
                if let Before::Kept { kept, role: role @ (Role::Original | Role::Displaced), .. } = &change.before {
                    backups.add(change.place.clone(), kept.clone(), *role, journal.started_at);
                }
                if let After::Original { kept, .. } = &change.after {
                    backups.entries.retain(|entry| entry.path != *kept);
                }
            }
            Change::Command { .. } => {}
        }
    }
    for path in &journal.leftover {
        backups.directories.remove(path);
    }
    let directories = Directories::default();
    for (number, change) in journal.changes.iter().enumerate() {
        let later = journal.changes[number + 1..].iter().filter_map(Change::target);
        if let Change::Target(change) = change
            && let Some(stays) = target::settle(&directories, change, later)?
        {
            let stays = Text(platform::bytes_of_path(&stays));
            backups.add(change.place.clone(), stays, Role::Displaced, journal.started_at);
        }
    }
    backups.save(store)?;
    for path in journal.leftover.iter().rev() {
        let path = journal.changes.iter().filter_map(Change::target).fold(path.to_path(), target::moved);
        target::remove_directory(&directories, &path)?;
    }
    if journal.to.is_some() {
        generations::write_index(store, made)?;
    }
    let is_ours = |change: &Change| matches!(change, Change::Target(change) if matches!(change.before, Before::Kept { role: Role::Ours, .. }));
    if !journal.leftover.is_empty() || journal.changes.iter().any(is_ours) {
        // Without the journal nobody would tidy up again.
        sync_places(store, &directories, &journal.changes)?;
    }
    Ok(remove_journal(store)?)
}

fn remove_journal(store: &Store) -> platform::Result<()> {
    match platform::remove_file(&store.journal()) {
        Err(error) if error.is_not_found() => Ok(()),
        result => result,
    }
}

/// Takes back whatever a switch did, in reverse; returns what could not be taken back, in words. Then
/// the journal stays, and it can be tried again. `failed` is the command that failed by itself.
pub fn undo(
    store: &Store,
    home: &Path,
    written: &Written,
    failed: Option<usize>,
    on_event: &mut dyn FnMut(Event),
) -> Vec<String> {
    let journal = &written.journal;
    let directories = Directories::default();
    let mut failures = Vec::new();
    for (number, change) in journal.changes.iter().enumerate().rev() {
        let result = match change {
            Change::Directory { path } => target::remove_directory(&directories, &path.to_path()).map_err(Error::from),
            Change::Target(change) => match target::undo(&directories, change) {
                Ok(Undone::Done) => Ok(()),
                Ok(Undone::LeftAlone { place, found, kept }) => {
                    let kept = kept.map(|kept| displace(store, change, &kept, &format!("{}-{number}", journal.mark)));
                    let kept = match kept {
                        Some(kept) => format!("; what stood there before is {kept}"),
                        None => String::new(),
                    };
                    let message =
                        format!("{} was changed meanwhile: {found} is left alone there{kept}", place.display());
                    on_event(Event::Warning { message });
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
            Change::Command { action, undo, .. } if failed != Some(number) => {
                take_back_command(store, home, written, (number, action, *undo), on_event)
            }
            Change::Command { .. } => Ok(()),
        };
        failures.extend(result.err().map(|error| error.to_string()));
    }
    if failures.is_empty()
        && let Err(error) = restore_metadata(store, written, &directories)
    {
        failures.push(error.to_string());
    }
    failures
}

/// Makes sure that nobody takes something for an original that no longer is; returns where it is.
fn displace(store: &Store, change: &crate::journal::TargetChange, kept: &Path, mark: &str) -> String {
    let place = change.place.to_path();
    let displaced = place_for(store, &place, Role::Displaced, mark);
    let now_at = if displaced == kept || platform::rename(kept, &displaced).is_err() { kept } else { &displaced };
    let mut backups = Backups::load(store);
    backups.add(change.place.clone(), Text(platform::bytes_of_path(now_at)), Role::Displaced, now().max(0.0) as u64);
    // Only the list for people: the copy itself is there.
    let _ = backups.save(store);
    now_at.display().to_string()
}

fn take_back_command(
    store: &Store,
    home: &Path,
    written: &Written,
    (number, action, was_undo): (usize, &Action, bool),
    on_event: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let Action::Run { command, undo, .. } = action else { return Ok(()) };
    if !written.notes.contains(&Note::Begin(number)) {
        return Ok(());
    }
    let has_inverse = was_undo || undo.is_some();
    if !has_inverse {
        let did = if written.notes.contains(&Note::End(number)) { "ran" } else { "may have run" };
        let message = format!("`{}` {did}, and has no `undo`", command.display());
        on_event(Event::Warning { message });
        return Ok(());
    }
    let journal = &written.journal;
    let id = if was_undo { journal.from } else { journal.to.unwrap_or(journal.from) };
    let script = store.snapshot(id).join("env.sh");
    // Nothing interrupts this: half an undo helps nobody.
    Ok(command::run(action, !was_undo, home, &script, None)?)
}

/// Puts `current` and the snapshots back, and removes the journal once all the rest is on the disk.
fn restore_metadata(store: &Store, written: &Written, directories: &Directories) -> Result<(), Error> {
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
        // A snapshot that is not current is nobody's.
        platform::remove_tree(&store.snapshot(id))?;
        platform::remove_tree(&store.snapshots().join(format!(".{id}.new")))?;
    }
    if journal.is_first {
        for path in super::write::fixed_links(store).iter().map(|(link, _)| link).chain([&store.current()]) {
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
