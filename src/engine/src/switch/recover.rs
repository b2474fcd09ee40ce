//! Decides whether a journal requires that a switch is undone or finished.

use std::path::PathBuf;

use super::Error;
use super::finish::finish;
use super::service_jobs;
use super::undo::undo;
use crate::generations;
use crate::journal::{Change, Written};
use crate::names::SnapshotId;
use crate::platform;
use crate::settings::{Event, Settings};
use crate::store::Store;

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
        Ok(text) => {
            Written::parse(&text).map(Some).map_err(|source| Error::Journal { path, source })
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_committed(store: &Store, written: &Written) -> Result<bool, Error> {
    let journal = &written.journal;
    Ok(journal.to.is_some()
        && Some(generations::current_id(store)?) == journal.to
        && journal.to != Some(journal.from))
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
pub fn recover(store: &Store, settings: &Settings) -> Result<(), Error> {
    let Some(written) = read(store)? else { return Ok(()) };
    let is_committed = is_committed(store, &written)?;
    if written.journal.confirm.is_some() && is_committed {
        let left = written.deadline().map_or(0.0, |deadline| deadline - platform::now());
        // A clock that was set back must not cause an endless wait.
        let longest = written.journal.confirm.unwrap_or_default();
        if left > 0.0 && left <= longest {
            let id = written.journal.to.unwrap_or(written.journal.from);
            return Err(Error::Unconfirmed { id, seconds: left });
        }
        return undo_pending(store, settings, &written, "an unconfirmed apply");
    }
    if is_committed {
        return finish(store, &settings.home, &written, None);
    }
    undo_pending(store, settings, &written, "an apply that was cut off")
}

fn undo_pending(
    store: &Store,
    settings: &Settings,
    written: &Written,
    what: &str,
) -> Result<(), Error> {
    let failed = undo(store, settings, written, None);
    if !failed.is_empty() {
        return Err(Error::HalfUndone { cause: format!("{what} is taken back"), failed });
    }
    let message = format!("took back {what}: snapshot {} is in force", written.journal.from);
    settings.events.send(Event::Warning { message });
    Ok(())
}

/// Undoes a switch that waits for confirmation, if it is still the one of this mark.
///
/// # Errors
/// When something cannot be put back.
pub fn revert(store: &Store, settings: &Settings, mark: &str) -> Result<bool, Error> {
    let Some(written) = read(store)? else { return Ok(false) };
    if written.journal.mark != mark
        || written.journal.confirm.is_none()
        || !is_committed(store, &written)?
    {
        return Ok(false);
    }
    undo_pending(store, settings, &written, "an unconfirmed apply")?;
    Ok(true)
}

/// Keeps a switch that waits to be confirmed; returns its snapshot.
///
/// # Errors
/// When none does.
pub fn confirm(store: &Store, settings: &Settings) -> Result<SnapshotId, Error> {
    let Some(written) = read(store)? else { return Err(Error::NothingToConfirm) };
    if written.journal.confirm.is_none() || !is_committed(store, &written)? {
        return Err(Error::NothingToConfirm);
    }
    finish(store, &settings.home, &written, None)?;
    service_jobs::restart_own(settings, &written.journal.changes);
    Ok(written.journal.to.unwrap_or(written.journal.from))
}

/// Moves an unreadable journal away; returns its new place, or `None` if it can be read. The
/// progress of that switch is unknown: the next steps must check every target.
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
