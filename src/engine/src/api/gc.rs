//! `gc`: deletes store objects that nothing references. It reads no config. In doubt, it deletes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::gc_roots::{Holder, Roots};
use super::{Engine, Error, report::bytes};
use crate::config_copy;
use crate::generations;
use crate::hash::Hash;
use crate::lock::{FILE_NAME, LockDocument};
use crate::names::{ObjectName, SnapshotId};
use crate::platform;
use crate::platform::lock::{Lock, LockError, Sharing};
use crate::settings::{Event, Mode};
use crate::store::gc::sweep::{self, Dead, Forgotten, Garbage, KeptDownloads};
use crate::store::memory;
use crate::store::own::{Own, RootPlace};
use crate::store::shared::SweepNote;
use crate::{inputs, store, switch};

/// The snapshots and downloads to delete, besides unreferenced objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcOptions {
    /// The number of snapshots that stay: the current one and the newest others.
    pub keep: Option<usize>,
    /// Only older things are deleted: snapshots, the current one excepted, and downloads.
    pub older_than: Option<Duration>,
}

/// An object, and why it stays or is deleted.
#[derive(Debug, JsonSchema, Serialize)]
pub struct GcObject {
    /// Its name.
    pub object: ObjectName,
    /// Where it is.
    #[serde(serialize_with = "bytes::path")]
    pub path: PathBuf,
    /// Whether it stays.
    pub kept: bool,
    /// Bytes of a deleted object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What keeps it directly.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub held_by: BTreeSet<Holder>,
    /// The object that refers to it, when it stays only through others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_by: Option<ObjectName>,
}

/// The amount of a kind of deleted files.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct GcFiles {
    /// How many.
    pub count: usize,
    /// Bytes in all.
    pub size: u64,
}

/// What `gc` answers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct GcReport {
    /// The directory of the store and the snapshots.
    #[serde(serialize_with = "bytes::path")]
    pub root: PathBuf,
    /// Whether it was done: false with `--dry-run`.
    pub applied: bool,
    /// The objects, in the order of their names.
    pub objects: Vec<GcObject>,
    /// How many objects stay.
    pub kept: usize,
    /// How many objects are deleted.
    pub removed: usize,
    /// The numbers of the deleted snapshots.
    pub snapshots: Vec<SnapshotId>,
    /// Deleted downloads, and trees of commits and inputs.
    pub downloads: GcFiles,
    /// Deleted logs of builds.
    pub logs: GcFiles,
    /// Deleted records of derivations.
    pub derivations: GcFiles,
    /// Deleted remains of interrupted builds.
    pub leftovers: GcFiles,
    /// Deleted contents of sources, which only deleted snapshots had kept.
    pub sources: GcFiles,
    /// Bytes that are freed in total.
    pub freed: u64,
    /// The links in `gc-roots` that point to no object.
    #[serde(serialize_with = "bytes::paths")]
    pub dangling: Vec<PathBuf>,
    /// Why nothing can be deleted now: only with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
}

impl Engine {
    /// Deletes unreferenced objects and their records. [`Mode::Preview`] only reports the
    /// deletions, and takes no lock.
    ///
    /// # Errors
    /// When the directory is not a root, a file that could hold an object cannot be read, or a
    /// switch is not finished: nothing is removed. When the file system refuses: the remaining
    /// objects are intact, and the next call continues.
    pub fn gc(&self, options: GcOptions, mode: Mode) -> Result<GcReport, Error> {
        // If it is not a root, nothing in it belongs to sys.lua.
        switch::standing(&self.store)?;
        let settings = &self.settings;
        let threads = rayon::ThreadPoolBuilder::new().num_threads(settings.jobs).build();
        let threads = threads.map_err(|error| crate::realize::Error::Threads(error.to_string()))?;
        let _locks = if mode.performs() { self.locks()? } else { Vec::new() };
        let (report, unread) = threads.install(|| {
            let blocked = switch::pending(&self.store)?.map(|pending| self.unfinished(&pending));
            if mode.performs()
                && let Some(error) = blocked
            {
                return Err(error);
            }
            let own = Own::open(&self.store)?;
            let snapshots = self.dropped(options)?;
            if mode.performs()
                && let Some(own) = &own
            {
                self.bring_back_cut_off(own, &snapshots)?;
            }
            let mut roots = self.roots(&snapshots)?;
            let unread = std::mem::take(&mut roots.unread);
            let after = options.older_than.map(sweep::ago);
            let kept = KeptDownloads { after, locked: self.locked(&snapshots) };
            let mut garbage = self.garbage(own.as_ref(), &roots, &kept)?;
            garbage.sources = config_copy::unused(&self.store, &snapshots)?;
            if mode.performs()
                && let Some(own) = &own
            {
                let sweep = || self.sweep(own, &snapshots, &mut roots, &mut garbage, &kept);
                memory::keeping(&self.store, sweep).map_err(cut_off)?;
            }
            if mode.performs() {
                switch::sweep_printed(&self.store, self.snapshots()?.iter())
                    .map_err(switch::Error::from)?;
            }
            let mut report = self.gc_report(roots, snapshots, &garbage, mode);
            report.blocked = blocked.map(|error| error.to_string());
            Ok((report, unread))
        })?;
        for directory in unread {
            let message =
                format!("{} has too many entries: some were not read", directory.display());
            self.settings.events.send(Event::Warning { message });
        }
        Ok(report)
    }

    fn garbage(
        &self,
        own: Option<&Own>,
        roots: &Roots,
        kept: &KeptDownloads,
    ) -> Result<Garbage, Error> {
        let Some(own) = own else { return Ok(Garbage::default()) };
        Ok(sweep::list_garbage(
            &self.store,
            own,
            &roots.present,
            &roots.living,
            &roots.derivations,
            kept,
        )?)
    }

    /// Returns the inputs and pins that locks name: the current lock of the applied config, the
    /// locks of trusted projects that were entered, and the locks in snapshots that stay. `None`
    /// when a lock cannot be read, since then anything may be needed.
    fn locked(&self, gone: &BTreeSet<SnapshotId>) -> Option<BTreeSet<Hash>> {
        let mut texts = Vec::new();
        for id in generations::all(&self.store).ok()?.into_iter().filter(|id| !gone.contains(id)) {
            texts.extend(config_copy::locks(&self.store, id).ok()?);
        }
        let current = generations::current(&self.store).ok()?;
        let projects = self.all_kept_projects().ok()?.into_iter();
        let of_projects = projects
            .filter(|project| project.is_in_use)
            .map(|project| project.directory.join(FILE_NAME));
        let of_config = current.config_path.as_deref().map(inputs::place_of);
        for path in of_config.into_iter().chain(of_projects) {
            match platform::read_file(&path) {
                Ok(text) => texts.push(text),
                Err(error) if error.is_not_found() => {}
                Err(_) => return None,
            }
        }
        let mut named = BTreeSet::new();
        for text in texts {
            let lock = LockDocument::parse(&text).ok()?;
            named.extend(lock.inputs.values().filter_map(|input| input.sha256));
            named.extend(lock.fetches.values().map(|pin| pin.sha256));
        }
        Some(named)
    }

    /// Restores the names of referenced objects that an interrupted sweep renamed.
    fn bring_back_cut_off(&self, own: &Own, snapshots: &BTreeSet<SnapshotId>) -> Result<(), Error> {
        let moved = sweep::moved(&self.store, own)?;
        if moved.is_empty() {
            return Ok(());
        }
        let roots = self.roots_with(snapshots, &moved)?;
        let held =
            moved.into_iter().filter(|object| roots.living.objects.contains_key(object)).collect();
        Ok(sweep::bring_back(&self.store, own, &held)?)
    }

    fn unfinished(&self, pending: &switch::Pending) -> Error {
        Error::Unfinished { path: self.store.journal(), is_confirmable: pending.is_confirmable }
    }

    /// Takes the lock of builds, alone, and then the lock of switches, if their files exist.
    pub(super) fn locks(&self) -> Result<Vec<Lock>, Error> {
        self.locks_sharing(Sharing::Exclusive)
    }

    /// The same; builds continue where the first lock is shared. None where there is no root, or
    /// none any more when these are free.
    pub(super) fn locks_sharing(&self, builds: Sharing) -> Result<Vec<Lock>, Error> {
        if !platform::exists(&self.store.metadata()) {
            return Ok(Vec::new());
        }
        self.check_outside().map_err(store::Error::from)?;
        let path = self.store.store_lock();
        let sharing = builds;
        let builds = match Lock::take_for(&self.settings, &path, sharing, "the store") {
            Err(LockError::File(error)) if self.is_gone(&error) => return Ok(Vec::new()),
            builds => builds.map_err(store::Error::from)?,
        };
        if sharing == Sharing::Exclusive {
            store::shared::protect_lifted(&self.store)?;
        }
        // In the order in which an apply takes them.
        Ok(vec![builds, self.lock()?])
    }

    /// Returns the snapshots to delete by the options, never the current one. Snapshot 0 references
    /// nothing.
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

    fn sweep(
        &self,
        own: &Own,
        snapshots: &BTreeSet<SnapshotId>,
        roots: &mut Roots,
        garbage: &mut Garbage,
        kept: &KeptDownloads,
    ) -> Result<(), Error> {
        let (store, interrupt) = (&self.store, &self.settings.interrupt);
        let _open =
            if platform::exists(store.objects()) { Some(store.lock_publication()?) } else { None };
        let _note = SweepNote::write(store);
        // First what frees space without a write.
        sweep::clear(store, own, garbage, interrupt)?;
        for name in own.list_ours(RootPlace::Snapshots, &store.snapshots())? {
            // What switches and earlier calls left when they were cut off.
            if name.as_encoded_bytes().starts_with(b".") {
                own.remove(&store.snapshots().join(name))?;
            }
        }
        let mut gone = Vec::new();
        if !snapshots.is_empty() {
            self.remember_numbers(snapshots)?;
            for id in snapshots {
                let name = format!(".{id}.gone");
                own.rename(&store.snapshot(*id), name.as_ref())?;
                gone.push(store.snapshots().join(name));
            }
            platform::sync_directory(&store.snapshots())?;
        }
        let forgotten = sweep::retire(store, own, garbage, interrupt)?;
        self.bring_back_rooted(own, snapshots, roots, garbage, &forgotten, kept)?;
        for kept in self.all_kept_projects()?.into_iter().filter(|kept| !kept.is_in_use) {
            own.remove(&kept.place)?;
        }
        for path in &gone {
            own.remove(path)?;
        }
        sweep::erase(store, own, garbage, interrupt)?;
        if !snapshots.is_empty() {
            generations::write_index(store, None)?;
        }
        Ok(())
    }

    /// Restores the names of objects that users rooted after the roots were read.
    fn bring_back_rooted(
        &self,
        own: &Own,
        snapshots: &BTreeSet<SnapshotId>,
        roots: &mut Roots,
        garbage: &mut Garbage,
        forgotten: &[Forgotten],
        kept: &KeptDownloads,
    ) -> Result<(), Error> {
        let moved: BTreeSet<ObjectName> =
            garbage.objects.iter().map(|(object, _)| object.clone()).collect();
        // Only in a store that users borrow from.
        if moved.is_empty() || !platform::exists(&self.store.all_user_roots()) {
            return Ok(());
        }
        let now = self.roots_with(snapshots, &moved);
        let back: BTreeSet<ObjectName> = match &now {
            Ok(now) => {
                moved.into_iter().filter(|object| now.living.objects.contains_key(object)).collect()
            }
            // The held objects are unknown.
            Err(_) => moved,
        };
        if !back.is_empty() {
            sweep::bring_back(&self.store, own, &back)?;
            sweep::remember(&self.store, own, forgotten)?;
        }
        let now = now?;
        if !back.is_empty() {
            *roots = now;
            let known = std::mem::replace(garbage, self.garbage(Some(own), roots, kept)?);
            garbage.objects =
                known.objects.into_iter().filter(|(object, _)| !back.contains(object)).collect();
            // These are told of, though they are gone.
            (garbage.downloads, garbage.leftovers, garbage.sources) =
                (known.downloads, known.leftovers, known.sources);
        }
        Ok(())
    }

    /// Makes sure that the greatest number is not used again. A failed write on a full disk is
    /// harmless while a snapshot with a greater number stays.
    fn remember_numbers(&self, snapshots: &BTreeSet<SnapshotId>) -> Result<(), Error> {
        let written = generations::write_index(&self.store, None);
        let stays = generations::all(&self.store)?.into_iter().rfind(|id| !snapshots.contains(id));
        if written.is_err() && stays > snapshots.last().copied() { Ok(()) } else { Ok(written?) }
    }

    fn gc_report(
        &self,
        mut roots: Roots,
        snapshots: BTreeSet<SnapshotId>,
        garbage: &Garbage,
        mode: Mode,
    ) -> GcReport {
        let sizes: BTreeMap<&ObjectName, u64> =
            garbage.objects.iter().map(|(object, size)| (object, *size)).collect();
        let object = |object: ObjectName| GcObject {
            path: self.store.object(&object),
            kept: roots.living.objects.contains_key(&object),
            size: sizes.get(&object).copied(),
            held_by: roots.held.remove(&object).unwrap_or_default(),
            referred_by: roots.living.objects.get(&object).cloned().flatten(),
            object,
        };
        let objects: Vec<GcObject> =
            std::mem::take(&mut roots.present).into_iter().map(object).collect();
        let files = |dead: &[Dead]| GcFiles {
            count: dead.len(),
            size: dead.iter().map(|dead| dead.size).sum(),
        };
        let (downloads, logs) = (files(&garbage.downloads), files(&garbage.logs));
        let (derivations, leftovers) = (files(&garbage.derivations), files(&garbage.leftovers));
        let sources = files(&garbage.sources);
        let removed = garbage.objects.len();
        GcReport {
            root: self.settings.root.clone(),
            applied: mode.performs(),
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

/// Files deleted until then are gone.
fn cut_off(error: Error) -> Error {
    match error {
        Error::Store(store::Error::Lock(LockError::Interrupted)) => Error::Unswept,
        error => error,
    }
}
