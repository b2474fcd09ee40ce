//! The size of what only old snapshots keep, which `gc --keep` could free. It is an estimate that
//! is quick enough for `status`.

use std::collections::{BTreeSet, HashMap};

use super::{Engine, OldSnapshotsReport};
use crate::names::{ObjectName, SnapshotId};
use crate::platform::{self, FileKind, Step, Walk};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, read_info};
use crate::{config_copy, generations};

/// What is known of a file that several objects may share.
struct Shared {
    found: u64,
    links: u64,
    size: u64,
}

impl Engine {
    /// Returns the size of what only old snapshots keep, or `None` without old snapshots.
    /// Unreadable files count as 0.
    pub(super) fn old_snapshots(&self, current: &Snapshot) -> Option<OldSnapshotsReport> {
        let mut ids = generations::all(&self.store).ok()?;
        ids.retain(|id| *id != current.id && *id != SnapshotId(0));
        if ids.is_empty() {
            return None;
        }
        let kept: BTreeSet<&ObjectName> =
            current.derivations.values().flat_map(Outputs::values).collect();
        let mut wanted: Vec<ObjectName> = Vec::new();
        for snapshot in ids.iter().filter_map(|id| generations::read(&self.store, *id).ok()) {
            wanted.extend(snapshot.derivations.values().flat_map(Outputs::values).cloned());
        }
        let needed = self.needed(kept.iter().map(|object| (*object).clone()));
        let mut old: BTreeSet<ObjectName> = BTreeSet::new();
        while let Some(object) = wanted.pop() {
            if !kept.contains(&object) && old.insert(object.clone()) {
                wanted.extend(self.references(&object));
            }
        }
        // What the objects in force refer to stays; without references there is nothing to look up.
        let is_alone = |object: &&ObjectName| !needed.contains(*object);
        let size = self.size_of(old.iter().filter(is_alone));
        let copies =
            config_copy::unused(&self.store, &ids.iter().copied().collect()).unwrap_or_default();
        Some(OldSnapshotsReport {
            count: ids.len(),
            size: size + copies.iter().map(|dead| dead.size).sum::<u64>(),
        })
    }

    fn references(&self, object: &ObjectName) -> Vec<ObjectName> {
        let info = read_info(&self.store, object).ok().flatten();
        info.map(|info| info.references.into_iter().collect()).unwrap_or_default()
    }

    /// Returns the objects that objects refer to, directly and through others. Most files refer to
    /// none.
    fn needed(&self, objects: impl Iterator<Item = ObjectName>) -> BTreeSet<ObjectName> {
        let mut needed = BTreeSet::new();
        let mut front: Vec<ObjectName> =
            objects.filter(|object| !platform::is_file(&self.store.object(object))).collect();
        while let Some(object) = front.pop() {
            for reference in self.references(&object) {
                if needed.insert(reference.clone()) {
                    front.push(reference);
                }
            }
        }
        needed
    }

    /// Returns the bytes of objects. A file that other objects share is not theirs alone; the store
    /// may hold one more name.
    fn size_of<'a>(&self, objects: impl Iterator<Item = &'a ObjectName>) -> u64 {
        let mut files: HashMap<((u64, u64), u64), Shared> = HashMap::new();
        for object in objects {
            let path = self.store.object(object);
            let Ok((directory, name)) = platform::locate(&path) else { continue };
            let mut walk = Walk::new(directory, name);
            // What cannot be looked at does not count.
            while let Ok(Some(step)) = walk.step() {
                if let Step::Node { directory, name, kind: FileKind::File } = step
                    && let Ok(Some(node)) = directory.node(&name)
                {
                    let file = files.entry((node.id, node.size)).or_insert(Shared {
                        found: 0,
                        links: node.links,
                        size: node.size,
                    });
                    file.found += 1;
                }
            }
        }
        files.values().filter(|file| file.links <= file.found + 1).map(|file| file.size).sum()
    }
}
