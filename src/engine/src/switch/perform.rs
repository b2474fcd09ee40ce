//! Performing a plan: new snapshot, journal, side effects, then the swap of `current`, which is the
//! commit. Whatever fails before that is undone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::backups::{Backup, place_for};
use super::closed_directories;
use super::finish::finish;
use super::plan::Plan;
use super::step::{Mark, Step, Work};
use super::surroundings::surroundings;
use super::sync::sync_places;
use super::undo::undo;
use super::{Error, secrets, ways, write};
use super::{package_calls, service_jobs};
use crate::action::{
    self, Action, After, Before, Direction, Directories, Planned, Role, TargetChange,
    insisted_mode, merging, target,
};
use crate::activation::DeclaredAction;
use crate::generations;
use crate::journal::{self, Change, Journal, Note, Written};
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::places::OwnPlaces;
use crate::platform;
use crate::settings::{Event, Settings};
use crate::snapshot::{self, HomeAt, Snapshot};
use crate::store::Store;
use crate::value::Text;

/// What a switch leads to.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// A new snapshot.
    New {
        /// The evaluated manifest, which the snapshot keeps.
        manifest: &'a Manifest,
        /// A line for people.
        description: &'a str,
    },
    /// A snapshot that is there.
    Snapshot(SnapshotId),
    /// The same state: there are only commands to run.
    Same,
}

/// What a switch left.
#[derive(Debug)]
pub struct Switched {
    /// The snapshot that is applied now.
    pub id: SnapshotId,
    /// Until when it can be confirmed, in seconds since the epoch.
    pub deadline: Option<f64>,
    /// What distinguishes this switch, for who waits for the confirmation.
    pub mark: String,
    /// Edits of managed targets that were moved away.
    pub displaced: Vec<Backup>,
}

/// Performs a plan. The caller holds the switch lock and computed the plan under it.
///
/// With `confirm`, the switch is undone after that many seconds, unless it is confirmed.
///
/// # Errors
/// When a step fails: everything is as it was, or the error says what is not.
pub fn switch(
    store: &Store,
    settings: &Settings,
    plan: &Plan,
    to: To<'_>,
    confirm: Option<f64>,
) -> Result<Switched, Error> {
    let jobs = service_jobs::prepare(store, settings, plan)?;
    let done = package_calls::perform(store, settings, &plan.packages)?;
    perform_rest(store, settings, (plan, jobs), to, confirm)
        .map_err(|error| error.after_packages(&done))
}

/// Performs a plan after packages are installed.
fn perform_rest(
    store: &Store,
    settings: &Settings,
    (plan, jobs): (&Plan, Option<[Change; 2]>),
    to: To<'_>,
    confirm: Option<f64>,
) -> Result<Switched, Error> {
    let is_first = !platform::exists(&store.current());
    let mut written = Written { journal: intent(plan, confirm, is_first), notes: Vec::new() };
    let snapshot = match begin(store, settings, (plan, jobs), to, &mut written.journal) {
        Ok(snapshot) => snapshot,
        Err(error) => return Err(undo_changes(store, settings, &written, None, error)),
    };
    let directories = Directories::default().with_contents(&plan.contents);
    let mut switch = Switch { store, settings, written, directories, failed: None };
    match switch.perform() {
        Ok(deadline) => {
            let journal = &switch.written.journal;
            let id = journal.to.unwrap_or(journal.from);
            let (mark, displaced) = (journal.mark.clone(), displaced(journal));
            // From here on the new state is the truth; what follows only tidies up.
            if deadline.is_none()
                && let Err(error) =
                    finish(store, &settings.home, &switch.written, snapshot.as_ref())
            {
                let message = format!("{error}; the next apply cleans up");
                settings.events.send(Event::Warning { message });
            }
            // Its new state may be taken back: until then the service runs that will confirm it.
            if deadline.is_none() {
                service_jobs::restart_own(settings, &switch.written.journal.changes);
            }
            for message in &plan.stuck {
                settings.events.send(Event::Warning { message: message.clone() });
            }
            // What is applied anyway is not kept twice.
            let displaced = displaced
                .into_iter()
                .filter(|backup| platform::exists(&backup.path.to_path()))
                .collect();
            Ok(Switched { id, deadline, mark, displaced })
        }
        Err(error) => Err(undo_changes(store, settings, &switch.written, switch.failed, error)),
    }
}

/// Returns the edits of managed targets that a switch moves away.
fn displaced(journal: &Journal) -> Vec<Backup> {
    let changes = journal.changes.iter().filter_map(|change| match change {
        Change::Target(TargetChange {
            place,
            before: Before::Kept { kept, role: Role::Displaced, .. },
            ..
        }) => Some(Backup::new(place.clone(), kept.clone(), Role::Displaced, journal.started_at)),
        Change::Target(change) => {
            let copy = merging::of(change)?.displaced.clone()?;
            Some(Backup::new(change.place.clone(), copy, Role::Displaced, journal.started_at))
        }
        _ => None,
    });
    changes.collect()
}

fn undo_changes(
    store: &Store,
    settings: &Settings,
    written: &Written,
    failed: Option<usize>,
    cause: Error,
) -> Error {
    let failures = undo(store, settings, written, failed);
    if failures.is_empty() {
        cause
    } else {
        Error::HalfUndone { cause: cause.to_string(), failed: failures }
    }
}

/// Returns an empty journal.
fn intent(plan: &Plan, confirm: Option<f64>, is_first: bool) -> Journal {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let process = std::process::id();
    Journal {
        version: journal::VERSION,
        mark: format!("{process:x}-{:x}", moment.as_nanos()),
        from: plan.current.id,
        to: None,
        makes_snapshot: false,
        is_first,
        process,
        started_at: moment.as_secs(),
        confirm,
        changes: Vec::new(),
        leftover: Vec::new(),
    }
}

/// Writes the new snapshot, which it returns, and the journal. What is to be undone after an error
/// is in the journal.
fn begin(
    store: &Store,
    settings: &Settings,
    (plan, jobs): (&Plan, Option<[Change; 2]>),
    to: To<'_>,
    journal: &mut Journal,
) -> Result<Option<Snapshot>, Error> {
    let seen = &settings.context.seen_trees;
    let mut made = None;
    if journal.is_first {
        write::write_snapshot(
            store,
            &settings.home,
            &Snapshot::empty(),
            &Manifest::default(),
            seen,
        )?;
        platform::symlink(Path::new("snapshots/0"), &store.current())?;
    }
    write::write_fixed_links(store)?;
    match to {
        To::New { manifest, description } => {
            let id = generations::take_id(store)?;
            journal.to = Some(id);
            journal.makes_snapshot = true;
            let snapshot = Snapshot {
                version: snapshot::VERSION,
                id,
                parent: Some(plan.current.id),
                created_at: journal.started_at,
                description: description.to_owned(),
                config_path: manifest.config_path.clone(),
                root: Some(text(store.root())),
                home: Some(text(&settings.home)),
                homes: HomeAt::all(&settings.home, users(&plan.activations)),
                derivations: Arc::clone(&plan.derivations),
                activations: plan.activations.clone(),
                moved: None,
            };
            write::write_snapshot(store, &settings.home, &snapshot, manifest, seen)?;
            write::write_user_links(store, &snapshot)?;
            made = Some(snapshot);
        }
        To::Snapshot(id) => journal.to = Some(id),
        To::Same => {}
    }
    make_backup_directories(store, plan)?;
    secrets::make_directories(store, &plan.steps)?;
    let is_way = |step: &Step| step.place.as_ref().is_some_and(|place| ways::is_way(store, place));
    if plan.steps.iter().any(|step| step.change().is_some() && is_way(step)) {
        // Reads of the target follow them.
        let mode = if platform::is_system_user() { 0o755 } else { 0o700 };
        platform::create_directories_as(&store.ways(), mode)?;
    }
    (journal.changes, journal.leftover) = changes(store, plan, &journal.mark, jobs);
    platform::write_file_durably(&store.journal(), &journal::line(&journal))?;
    platform::sync_directory(&store.metadata())?;
    Ok(made)
}

/// Returns the users that actions are for, besides the applying one.
fn users(activations: &[Arc<DeclaredAction>]) -> impl Iterator<Item = &str> {
    activations.iter().filter_map(|activation| activation.user.as_deref())
}

fn make_backup_directories(store: &Store, plan: &Plan) -> Result<(), Error> {
    let moves = |step: &Step| {
        step.change().is_some_and(|change| {
            matches!(change.before, Before::Kept { .. })
                || merging::of(change).is_some_and(|edit| edit.is_drifted)
        })
    };
    if plan.steps.iter().any(moves) {
        for directory in [store.originals(), store.displaced()] {
            platform::create_directories_as(&directory, 0o700)?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> Text {
    Text(platform::bytes_of_path(path))
}

/// Returns the changes of a plan in the order in which they are made, and the directories that will
/// hold no target any more.
fn changes(
    store: &Store,
    plan: &Plan,
    mark: &str,
    jobs: Option<[Change; 2]>,
) -> (Vec<Change>, Vec<Text>) {
    let [mut stops, starts] =
        jobs.map_or([None, None], |[stops, starts]| [Some(stops), Some(starts)]);
    let directory =
        |path: &PathBuf| Change::Directory { path: text(path), mode: insisted_mode(path) };
    let mut changes: Vec<Change> = plan.restored.iter().map(directory).collect();
    let mut created = plan.created.iter().peekable();
    for step in &plan.steps {
        // After commands that run before files change.
        let action = &step.activation.action;
        if action.as_effect().is_none() && action.as_package().is_none() {
            changes.extend(stops.take());
        }
        if step.mark != Mark::Remove && step.change().is_some() {
            // Before a directory that is declared come those above it; before the rest come all.
            let is_directory =
                step.change().is_some_and(|change| matches!(change.after, After::Directory { .. }));
            while let Some(next) =
                created.next_if(|next| !is_directory || step.place.as_ref() > Some(*next))
            {
                changes.push(directory(next));
            }
        }
        match &step.work {
            Work::None | Work::Service(_) | Work::Package(_) => {}
            Work::Effect { direction, again } => changes.push(Change::Command {
                action: step.activation.action.clone(),
                undo: direction.is_undo(),
                again: *again,
                user: step.activation.user.clone(),
                positions: step.activation.positions.clone(),
            }),
            Work::Target(change) => {
                let mut change = change.clone();
                let place = change.place.to_path();
                let number = format!("{mark}-{}", changes.len());
                if let Before::Kept { kept, role, .. } = &mut change.before {
                    *kept = text(&place_for(store, &place, *role, &number));
                }
                let replaces_ours = matches!(
                    &change.before,
                    Before::Link { .. } | Before::Kept { role: Role::Ours, .. }
                );
                if let After::Merged { edit } = &mut change.after
                    && edit.is_drifted
                {
                    edit.displaced =
                        Some(text(&place_for(store, &place, Role::Displaced, &number)));
                }
                if replaces_ours
                    || matches!(
                        change.after,
                        After::File { .. } | After::Secret { .. } | After::Merged { .. }
                    )
                {
                    change.temporary =
                        Some(text(&target::beside(&place, &format!("{number}.new"))));
                }
                changes.push(Change::Target(change));
            }
        }
    }
    changes.extend(stops.into_iter().chain(starts));
    let made = plan.created.iter().chain(&plan.restored).cloned();
    let ours = plan.backups.directories.iter().map(Text::to_path).chain(made);
    // A restored file belongs to the user, even an empty directory.
    let back = changes.iter().filter_map(Change::target);
    let back: OwnPlaces = back
        .filter(|change| matches!(change.after, After::Original { .. }))
        .map(|change| change.place.to_path())
        .collect();
    let is_left = |path: &PathBuf| {
        !plan.occupied.contains(path) && !back.contains(path) && !plan.reads.needs(path)
    };
    let mut leftover: Vec<PathBuf> = ours.filter(is_left).collect();
    leftover.sort();
    leftover.dedup();
    let leftover: Vec<Text> = leftover.iter().map(|path| text(path)).collect();
    (
        closed_directories::add_openings(
            changes,
            &leftover,
            &plan.closable,
            &plan.backups.directories,
        ),
        leftover,
    )
}

struct Switch<'a> {
    store: &'a Store,
    settings: &'a Settings,
    written: Written,
    directories: Directories,
    /// The command that failed itself: it counts as not done.
    failed: Option<usize>,
}

impl Switch<'_> {
    /// Makes all changes and commits. Returns until when it can be confirmed.
    fn perform(&mut self) -> Result<Option<f64>, Error> {
        let changes = self.written.journal.changes.clone();
        let mut is_prepared = false;
        for (number, change) in changes.iter().enumerate() {
            if self.settings.interrupt.is_set() {
                return Err(Error::Interrupted);
            }
            match change {
                Change::Directory { path, mode } => {
                    target::make_directory(&self.directories, &path.to_path(), *mode)?;
                }
                Change::Mode { path, after, .. } => {
                    target::set_mode_of_directory(&self.directories, &path.to_path(), *after)?;
                }
                Change::Target(change) => {
                    // New content is on the disk before it gets its name: a power cut leaves no
                    // half file.
                    if !is_prepared && target::needs_preparation(change) {
                        self.prepare(&changes)?;
                        is_prepared = true;
                    }
                    let (store, notes) = (self.store, &mut self.written.notes);
                    let mut on_merged = |planned: &Planned| {
                        let note = Note::Merged(number, Box::new(planned.clone()));
                        platform::append_durably(&store.journal(), &journal::line(&note))?;
                        notes.push(note);
                        Ok(())
                    };
                    target::perform(&self.directories, change, &mut on_merged)?;
                }
                Change::Command { action, undo, user, positions, .. } => {
                    let direction = Direction::of_undo(*undo);
                    let ran = self.run(number, action, direction, user.as_deref());
                    ran.map_err(Error::at(positions))?;
                }
                Change::Services { phase, managers, units } => {
                    self.note(Note::Begin(number))?;
                    let (store, settings) = (self.store, self.settings);
                    service_jobs::perform(store, settings, *phase, managers, units)?;
                    self.note(Note::End(number))?;
                }
            }
        }
        self.sync(&changes)?;
        if self.settings.interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        self.commit()
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), Error> {
        let mut prepared = Vec::new();
        for change in changes {
            if let Change::Target(change) = change
                && target::needs_preparation(change)
            {
                target::prepare(&self.directories, change)?;
                prepared.push(Change::Target(change.clone()));
            }
        }
        self.sync(&prepared)
    }

    /// Waits until the changes at targets are on the disk: one call for each file system.
    fn sync(&self, changes: &[Change]) -> Result<(), Error> {
        sync_places(self.store, &self.directories, changes)
    }

    fn run(
        &mut self,
        number: usize,
        action: &Action,
        direction: Direction,
        user: Option<&str>,
    ) -> Result<(), action::Error> {
        let Some(effect) = action.as_effect() else { return Ok(()) };
        let journal = &self.written.journal;
        let id = journal.environment_of(direction);
        let interrupt = Some(&self.settings.interrupt);
        let surroundings = surroundings(self.store, self.settings, id, user, interrupt);
        self.note(Note::Begin(number))?;
        match effect.perform(direction, &surroundings) {
            Ok(()) => {
                self.note(Note::End(number))?;
                Ok(())
            }
            Err(error) => {
                if !matches!(error, action::Error::Interrupted) {
                    self.failed = Some(number);
                }
                Err(error)
            }
        }
    }

    /// Appends a note to the journal.
    fn note(&mut self, note: Note) -> Result<(), platform::Error> {
        platform::append_durably(&self.store.journal(), &journal::line(&note))?;
        self.written.notes.push(note);
        Ok(())
    }

    fn commit(&mut self) -> Result<Option<f64>, Error> {
        let Some(to) = self.written.journal.to else { return Ok(None) };
        platform::replace_symlink(Path::new(&format!("snapshots/{to}")), &self.store.current())?;
        platform::sync_directory(&self.store.metadata())?;
        let Some(seconds) = self.written.journal.confirm else { return Ok(None) };
        let deadline = platform::now() + seconds;
        platform::append_durably(&self.store.journal(), &journal::line(&Note::Deadline(deadline)))?;
        self.written.notes.push(Note::Deadline(deadline));
        Ok(Some(deadline))
    }
}
