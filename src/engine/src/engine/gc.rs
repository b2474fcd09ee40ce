//! `gc`: removes what nothing holds. It reads no config, and fails closed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::roots::{Holder, Roots};
use super::{Engine, Error, plain};
use crate::config_copy;
use crate::generations;
use crate::names::{ObjectName, SnapshotId};
use crate::platform;
use crate::platform::lock::{Lock, LockError, Mode};
use crate::settings::Event;
use crate::store::sweep::{self, Dead, Garbage};
use crate::{store, switch};

/// Which snapshots and downloads go besides the objects that nothing holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcOptions {
    /// Of the snapshots only so many stay: the current one and the newest others.
    pub keep: Option<usize>,
    /// Only what is older than this goes: snapshots, the current one excepted, and downloads.
    pub older_than: Option<Duration>,
}

/// An object, and why it stays or goes.
#[derive(Debug, Serialize)]
pub struct GcObject {
    /// The object.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "plain::path")]
    pub path: PathBuf,
    /// Whether it stays.
    pub kept: bool,
    /// Bytes of what goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What holds it by itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub held_by: BTreeSet<Holder>,
    /// The object that refers to it and through which it stays, when nothing holds it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_by: Option<ObjectName>,
}

/// How much there is of something that goes.
#[derive(Debug, Default, Serialize)]
pub struct GcFiles {
    /// How many.
    pub count: usize,
    /// Bytes in all.
    pub size: u64,
}

/// What `gc` answers.
#[derive(Debug, Serialize)]
pub struct GcReport {
    /// The root.
    #[serde(serialize_with = "plain::path")]
    pub root: PathBuf,
    /// Whether it was done.
    pub applied: bool,
    /// All objects, in the order of their names.
    pub objects: Vec<GcObject>,
    /// How many objects stay.
    pub kept: usize,
    /// How many objects go.
    pub removed: usize,
    /// The snapshots that go.
    pub snapshots: Vec<SnapshotId>,
    /// Downloads and trees of commits that go.
    pub downloads: GcFiles,
    /// Logs of builds that go.
    pub logs: GcFiles,
    /// Descriptions of derivations that go.
    pub derivations: GcFiles,
    /// What cut off builds left.
    pub leftovers: GcFiles,
    /// Contents of sources, which only snapshots that go had kept.
    pub sources: GcFiles,
    /// Bytes that are freed in all.
    pub freed: u64,
    /// Links in `gc-roots` that hold nothing, since they lead to no object.
    #[serde(serialize_with = "plain::paths")]
    pub dangling: Vec<PathBuf>,
    /// Why nothing can be removed now: a switch that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
}

impl Engine {
    /// Removes the objects that nothing holds, and what belongs to them. Without `perform` it only says what
    /// it would do, and takes no lock.
    ///
    /// # Errors
    /// When the directory is not a root; when something that could hold an object cannot be read, or a switch is not over: nothing is removed. When the
    /// file system refuses: what is not removed is whole, and the next call goes on.
    pub fn gc(&self, options: GcOptions, perform: bool, on_event: &mut dyn FnMut(Event)) -> Result<GcReport, Error> {
        // Of what is no root nothing is ours.
        switch::standing(&self.store)?;
        let settings = &self.settings;
        let threads = rayon::ThreadPoolBuilder::new().num_threads(settings.jobs).build();
        let threads = threads.map_err(|error| crate::realize::Error::Threads(error.to_string()))?;
        let _locks = if perform { self.locks(on_event)? } else { Vec::new() };
        threads.install(|| {
            let blocked = switch::pending(&self.store)?.map(|pending| self.unfinished(&pending));
            if perform && let Some(error) = blocked {
                return Err(error);
            }
            let snapshots = self.dropped(options)?;
            let roots = self.roots(&snapshots)?;
            let before = options.older_than.map(sweep::ago);
            let mut garbage = sweep::find(&self.store, &roots.present, &roots.living, &roots.derivations, before)?;
            garbage.sources = config_copy::unused(&self.store, &snapshots)?;
            if perform {
                self.sweep(&snapshots, &garbage).map_err(cut_off)?;
            }
            let mut report = self.gc_report(roots, snapshots, &garbage, perform);
            report.blocked = blocked.map(|error| error.to_string());
            Ok(report)
        })
    }

    fn unfinished(&self, pending: &switch::Pending) -> Error {
        Error::Unfinished { path: self.store.journal(), is_confirmable: pending.is_confirmable }
    }

    /// Takes the lock of builds, then that of switches, as far as there is something to lock.
    pub(super) fn locks(&self, on_event: &mut dyn FnMut(Event)) -> Result<Vec<Lock>, Error> {
        if !platform::exists(&self.store.metadata()) {
            return Ok(Vec::new());
        }
        let settings = &self.settings;
        let waiting = |pid| on_event(Event::Waiting { lock: "the store".to_owned(), pid });
        let path = self.store.store_lock();
        let builds = Lock::take(&path, Mode::Exclusive, settings.lock_timeout, &settings.interrupt, waiting);
        // In the order in which an apply takes them.
        Ok(vec![builds.map_err(store::Error::from)?, self.lock(on_event)?])
    }

    /// Returns the snapshots that the options let go. Never the current one; snapshot 0 holds nothing.
    fn dropped(&self, options: GcOptions) -> Result<BTreeSet<SnapshotId>, Error> {
        if options.keep.is_none() && options.older_than.is_none() {
            return Ok(BTreeSet::new());
        }
        let current = generations::current_id(&self.store)?;
        let mut others = self.snapshots()?;
        others.retain(|snapshot| snapshot.id != current && snapshot.id != SnapshotId(0));
        others.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.id));
        // The current one is one of those that stay.
        let spared = options.keep.map_or(0, |keep| keep.saturating_sub(1));
        let limit = options.older_than.map(|age| platform::now() - age.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "seconds until the year 9999 are exact")]
        let is_old = |created_at: u64| limit.is_none_or(|limit| (created_at as f64) < limit);
        let dropped = others.iter().skip(spared).filter(|snapshot| is_old(snapshot.created_at));
        Ok(dropped.map(|snapshot| snapshot.id).collect())
    }

    fn sweep(&self, snapshots: &BTreeSet<SnapshotId>, garbage: &Garbage) -> Result<(), Error> {
        let (store, interrupt) = (&self.store, &self.settings.interrupt);
        // First what frees space without a write.
        sweep::clear(garbage, interrupt)?;
        let left = self.left_snapshots()?;
        for path in &left {
            platform::remove_tree(path)?;
        }
        let mut gone = Vec::new();
        if !snapshots.is_empty() {
            self.remember_numbers(snapshots)?;
            for id in snapshots {
                let path = store.snapshots().join(format!(".{id}.gone"));
                platform::rename(&store.snapshot(*id), &path)?;
                gone.push(path);
            }
            platform::sync_directory(&store.snapshots())?;
        }
        sweep::retire(store, garbage, interrupt)?;
        for path in &gone {
            platform::remove_tree(path)?;
        }
        sweep::erase(store, garbage, interrupt)?;
        if !snapshots.is_empty() {
            generations::write_index(store, None)?;
        }
        Ok(())
    }

    /// Makes sure that the greatest number is not used again. On a full disk nothing can be written, which does no harm as
    /// long as a snapshot with a greater number stays.
    fn remember_numbers(&self, snapshots: &BTreeSet<SnapshotId>) -> Result<(), Error> {
        let written = generations::write_index(&self.store, None);
        let stays = generations::all(&self.store)?.into_iter().rfind(|id| !snapshots.contains(id));
        if written.is_err() && stays > snapshots.last().copied() { Ok(()) } else { Ok(written?) }
    }

    /// Returns what switches and earlier calls left among the snapshots when they were cut off.
    fn left_snapshots(&self) -> Result<Vec<PathBuf>, Error> {
        let directory = self.store.snapshots();
        let entries = match platform::list_directory(&directory) {
            Err(error) if error.is_not_found() => Vec::new(),
            entries => entries?,
        };
        let is_left = |name: &str| name.starts_with('.') && (name.ends_with(".gone") || name.ends_with(".new"));
        let names = entries.into_iter().filter(|(name, _)| name.to_str().is_some_and(is_left));
        Ok(names.map(|(name, _)| directory.join(name)).collect())
    }

    fn gc_report(
        &self,
        mut roots: Roots,
        snapshots: BTreeSet<SnapshotId>,
        garbage: &Garbage,
        applied: bool,
    ) -> GcReport {
        let sizes: BTreeMap<&ObjectName, u64> = garbage.objects.iter().map(|(object, size)| (object, *size)).collect();
        let object = |object: ObjectName| GcObject {
            path: self.store.object(&object),
            kept: roots.living.objects.contains_key(&object),
            size: sizes.get(&object).copied(),
            held_by: roots.held.remove(&object).unwrap_or_default(),
            referred_by: roots.living.objects.get(&object).cloned().flatten(),
            object,
        };
        let objects: Vec<GcObject> = std::mem::take(&mut roots.present).into_iter().map(object).collect();
        let files = |dead: &[Dead]| GcFiles { count: dead.len(), size: dead.iter().map(|dead| dead.size).sum() };
        let (downloads, logs) = (files(&garbage.downloads), files(&garbage.logs));
        let (derivations, leftovers) = (files(&garbage.derivations), files(&garbage.leftovers));
        let sources = files(&garbage.sources);
        let removed = garbage.objects.len();
        GcReport {
            root: self.settings.root.clone(),
            applied,
            kept: objects.len() - removed,
            removed,
            snapshots: snapshots.into_iter().collect(),
            freed: sizes.values().sum::<u64>()
                + downloads.size
                + logs.size
                + derivations.size
                + leftovers.size
                + sources.size,
            downloads,
            logs,
            derivations,
            leftovers,
            sources,
            objects,
            dangling: roots.dangling,
            blocked: None,
        }
    }
}

/// What was removed by then is gone.
fn cut_off(error: Error) -> Error {
    match error {
        Error::Store(store::Error::Lock(LockError::Interrupted)) => Error::Unswept,
        error => error,
    }
}
