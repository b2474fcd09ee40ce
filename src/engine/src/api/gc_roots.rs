//! What keeps which object: snapshots, links in `gc-roots`, the journal and running processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Engine, Error, report::bytes};
use crate::generations;
use crate::hash::Hash;
use crate::names::{ObjectName, SnapshotId};
use crate::platform::{self, FileKind, LinkLimits};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::store::gc::mark::{self, Damaged, Living, mentioned};
use crate::{store, switch};

/// How much is read of what a user put into a directory of the system's root.
const USER_LIMITS: LinkLimits = LinkLimits { names: 100_000, depth: 8, bytes: 16 << 20 };
/// How many links of a user that lead nowhere are named.
const MOST_DANGLING: usize = 100;

/// A thing that keeps an object directly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Holder {
    /// A snapshot: its actions name the object, or its config declares it.
    Snapshot {
        /// Its number.
        id: SnapshotId,
        /// Whether it is applied.
        current: bool,
    },
    /// A link in `gc-roots`.
    GcRoot {
        /// The link.
        #[serde(serialize_with = "bytes::path")]
        path: PathBuf,
    },
    /// The journal of a switch that is not over.
    Journal {
        /// Its file.
        #[serde(serialize_with = "bytes::path")]
        path: PathBuf,
    },
    /// A directory with an entry file, whose environment names the object.
    Project {
        /// The directory.
        #[serde(serialize_with = "bytes::path")]
        path: PathBuf,
    },
    /// A process that runs, by its program, libraries, directories, open files, variables or
    /// arguments.
    Process {
        /// Its number.
        pid: u32,
        /// The name of its program.
        program: String,
    },
}

/// Which objects are alive, and why.
#[derive(Debug, Default)]
pub struct Roots {
    /// All objects that are there.
    pub present: BTreeSet<ObjectName>,
    /// The objects that are kept directly.
    pub held: BTreeMap<ObjectName, BTreeSet<Holder>>,
    /// Those, and all that they refer to.
    pub living: Living,
    /// Derivations of snapshots.
    pub derivations: BTreeSet<Hash>,
    /// Links in `gc-roots` that lead to no object.
    pub dangling: Vec<PathBuf>,
    /// Directories of users in `gc-roots` that hold more than is read.
    pub unread: Vec<PathBuf>,
}

impl Engine {
    /// Finds which objects are alive and what holds each, as if the snapshots in `without` were
    /// gone.
    ///
    /// # Errors
    /// When something cannot be read that could hold an object.
    pub fn roots(&self, without: &BTreeSet<SnapshotId>) -> Result<Roots, Error> {
        self.roots_with(without, &BTreeSet::new())
    }

    /// Finds the same as if the objects in `moved` had their names.
    pub(super) fn roots_with(
        &self,
        without: &BTreeSet<SnapshotId>,
        moved: &BTreeSet<ObjectName>,
    ) -> Result<Roots, Error> {
        // Read before the objects are listed: later objects are not garbage for a check without
        // lock.
        let mut snapshots = self.snapshots()?;
        snapshots.retain(|snapshot| !without.contains(&snapshot.id));
        // A journal that cannot be read may name anything.
        switch::pending(&self.store)?;
        self.roots_of(&snapshots, moved, Damaged::Refuse)
    }

    /// Finds the same, as far as it can be read. That is for looking only: nothing may be removed
    /// by it.
    ///
    /// # Errors
    /// When the snapshots, the objects, the links or the processes cannot be listed.
    pub fn readable_roots(&self) -> Result<Roots, Error> {
        let ids = generations::all(&self.store)?;
        // `history` reports an unreadable snapshot.
        let snapshots: Vec<_> =
            ids.into_iter().filter_map(|id| generations::read(&self.store, id).ok()).collect();
        self.roots_of(&snapshots, &BTreeSet::new(), Damaged::Read)
    }

    fn roots_of(
        &self,
        snapshots: &[Snapshot],
        moved: &BTreeSet<ObjectName>,
        damaged: Damaged,
    ) -> Result<Roots, Error> {
        let current = generations::current_id(&self.store)?;
        let mut roots = Roots { present: mark::present(&self.store)?, ..Roots::default() };
        roots.present.extend(moved.iter().cloned());
        for snapshot in snapshots {
            let holder = Holder::Snapshot { id: snapshot.id, current: snapshot.id == current };
            for (hash, outputs) in snapshot.derivations.iter() {
                roots.derivations.insert(*hash);
                // A missing object is held too: its record helps to restore it.
                outputs.values().for_each(|object| roots.add(object.clone(), &holder));
            }
            for text in snapshot.activations.iter().flat_map(|activation| activation.action.texts())
            {
                roots.add_mentioned(&text.0, &holder);
            }
        }
        let path = self.store.journal();
        match platform::read_file(&path) {
            Err(error) if error.is_not_found() => {}
            text => {
                roots.add_mentioned(&text?, &Holder::Journal { path });
            }
        }
        roots.add_links(&self.store)?;
        for kept in self.all_kept_projects()?.into_iter().filter(|kept| kept.is_in_use) {
            let holder = Holder::Project { path: kept.directory };
            kept.objects.into_iter().for_each(|object| roots.add(object, &holder));
        }
        platform::each_process(|process| {
            let holder = Holder::Process { pid: process.pid, program: process.program };
            for text in &process.texts {
                roots.add_mentioned(text, &holder);
            }
        })?;
        roots.living =
            mark::closure(&self.store, &roots.present, roots.held.keys().cloned(), damaged)?;
        Ok(roots)
    }

    /// Returns all snapshots. Each must be readable.
    pub(super) fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        let ids = generations::all(&self.store)?;
        let current = generations::current_id(&self.store)?;
        let missing = Some(current).filter(|id| *id != SnapshotId(0) && !ids.contains(id));
        // In a check without a lock, a snapshot that gc removed is not an error.
        let is_gone = |id: SnapshotId| id != current && !platform::exists(&self.store.snapshot(id));
        let read = |id| match generations::read(&self.store, id) {
            Err(_) if is_gone(id) => None,
            read => Some(read.map_err(Error::from)),
        };
        ids.into_iter().chain(missing).filter_map(read).collect()
    }
}

impl Roots {
    fn add(&mut self, object: ObjectName, holder: &Holder) {
        self.held.entry(object).or_default().insert(holder.clone());
    }

    /// Returns whether the text names an object.
    fn add_mentioned(&mut self, text: &[u8], holder: &Holder) -> bool {
        let found = mentioned(text, &self.present);
        let is_any = !found.is_empty();
        found.into_iter().for_each(|object| self.add(object, holder));
        is_any
    }

    /// Reads the links of sys.lua, which may lead through others, and those of users.
    fn add_links(&mut self, store: &Store) -> Result<(), Error> {
        let users = store.all_user_roots();
        let mut pending = vec![store.gc_roots()];
        while let Some(directory) = pending.pop() {
            let entries = match platform::list_directory(&directory) {
                Err(error) if error.is_not_found() => continue,
                entries => entries.map_err(store::Error::from)?,
            };
            for (name, kind) in entries {
                let path = directory.join(name);
                match kind {
                    FileKind::Directory if directory == users => self.add_links_of_user(&path)?,
                    FileKind::Directory => pending.push(path),
                    FileKind::Symlink => self.add_link(path)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn add_link(&mut self, path: PathBuf) -> Result<(), Error> {
        let target = match platform::read_link(&path) {
            Err(error) if error.is_not_found() => return Ok(()),
            target => target?,
        };
        let holder = Holder::GcRoot { path: path.clone() };
        let direct = self.add_mentioned(&platform::bytes_of_path(&target), &holder);
        let through =
            self.add_mentioned(&platform::bytes_of_path(&platform::canonical(&path)), &holder);
        if !direct && !through {
            self.dangling.push(path);
        }
        Ok(())
    }

    /// Takes the links that a user put there. They name objects by their text: what they lead to is
    /// the user's.
    fn add_links_of_user(&mut self, directory: &Path) -> Result<(), Error> {
        let found = platform::links_below(directory, USER_LIMITS)?;
        let mut dangling = Vec::new();
        for (path, target) in found.links {
            if !self.add_mentioned(&target, &Holder::GcRoot { path: path.clone() }) {
                dangling.push(path);
            }
        }
        dangling.truncate(MOST_DANGLING);
        self.dangling.extend(dangling);
        if found.has_more {
            self.unread.push(directory.to_owned());
        }
        Ok(())
    }
}
