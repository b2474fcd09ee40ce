//! Objects of a snapshot that programs altered, and that only a build brings back: they are built
//! before a rollback. It does not know where the recipes come from.

use std::collections::{BTreeMap, BTreeSet};

use super::altered::Altered;
use super::report::{DisplacedReport, displaced_report};
use super::{Engine, Error};
use crate::generations;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform::lock::Sharing;
use crate::realize::{self, Tasks};
use crate::settings::Event;
use crate::snapshot::Snapshot;

impl Engine {
    /// Returns the snapshot that a rollback to `id` returns to, by default the parent of the
    /// current one, if links of it lead to altered objects that only a build brings back.
    ///
    /// # Errors
    /// When a file cannot be read, or on an interrupt.
    pub fn needs_builds(&self, id: Option<SnapshotId>) -> Result<Option<SnapshotId>, Error> {
        // A rollback from an unreadable snapshot tells what is wrong.
        let Ok(current) = generations::current(&self.store) else { return Ok(None) };
        let Some(id) = id.or(current.parent) else { return Ok(None) };
        let Ok(target) = self.snapshot(id) else { return Ok(None) };
        let altered = self.altered_for(current, target)?.1;
        let needs = altered.objects().iter().any(|object| !self.is_of_own_content(object));
        Ok(needs.then_some(id))
    }

    /// Builds the altered objects of a snapshot again, as far as the manifest has their recipes.
    /// Returns the copies of what programs wrote into them. An object that cannot be built stays as
    /// it is, after a warning.
    ///
    /// # Errors
    /// When a file cannot be read or written, or on an interrupt.
    pub fn build_altered(
        &self,
        id: SnapshotId,
        manifest: &Manifest,
        tasks: &mut dyn Tasks,
    ) -> Result<Vec<DisplacedReport>, Error> {
        let target = self.snapshot(id)?;
        let (current, altered) = self.altered_for(generations::current(&self.store)?, target)?;
        let mut kept = {
            let _lock = self.lock()?;
            self.keep_altered(&altered, &current)?
        };
        let objects = altered.objects();
        let mut wanted: BTreeSet<Hash> = BTreeSet::new();
        for derivation in &manifest.derivations {
            for object in &objects {
                if self.makes(derivation.hash, object)? {
                    wanted.insert(derivation.hash);
                }
            }
        }
        let (store, settings) = (&self.store, &self.settings);
        let known = BTreeMap::new();
        let derivations = &manifest.derivations;
        let built = realize::realize(store, settings, derivations, &wanted, known, tasks);
        settings
            .interrupt
            .check()
            .map_err(crate::platform::failed("build again", store.objects()))?;
        if let Err(error) = built {
            let message = Error::from(error).to_failure().message;
            settings.events.send(Event::Warning { message });
        }
        let _locks = self.locks_sharing(Sharing::Shared)?;
        self.finish_repair(&altered, &mut kept)?;
        Ok(kept.iter().map(|kept| displaced_report(&kept.backup)).collect())
    }

    fn altered_for(
        &self,
        mut current: Snapshot,
        mut target: Snapshot,
    ) -> Result<(Snapshot, Altered), Error> {
        for snapshot in [&mut current, &mut target] {
            snapshot.follow_moves(self.store.root(), &self.settings.home);
        }
        let altered = self.altered_with(&current, self.links_of_snapshot(&target))?;
        Ok((current, altered))
    }
}
