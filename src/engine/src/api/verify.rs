//! `verify` and its repair: nothing is deleted that could not be restored first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::report::{DamageReport, VerifyReport};
use super::{Engine, Error};
use crate::config_copy::{self, Restored};
use crate::generations;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::{ObjectName, SnapshotId};
use crate::platform;
use crate::platform::lock::{Lock, Sharing};
use crate::realize::{self, Tasks};
use crate::store::{self, Store, memory, recorded_outputs, repair, verify as objects};

/// What a repair may use to build objects again.
pub struct Rebuild<'a> {
    /// What the config declares, as far as it could be evaluated.
    pub manifest: Option<&'a Manifest>,
    /// Runs the builds.
    pub tasks: &'a mut dyn Tasks,
}

impl Engine {
    /// Restores the copy of a snapshot's config for evaluation, or returns `None` if there is no
    /// copy.
    ///
    /// # Errors
    /// When the snapshot cannot be read, or the copy cannot be written below the store.
    pub fn restore_config(&self, id: SnapshotId) -> Result<Option<Restored>, Error> {
        let Some(path) = self.snapshot(id)?.config_path else { return Ok(None) };
        Ok(config_copy::restore(&self.store, id, &path, &self.restored_config(id))?)
    }

    /// Removes what [`Engine::restore_config`] restored.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_restored_config(&self, id: SnapshotId) -> Result<(), Error> {
        Ok(platform::remove_tree(&self.restored_config(id)).map_err(store::Error::from)?)
    }

    /// Where gc finds what a process that was killed left.
    fn restored_config(&self, id: SnapshotId) -> PathBuf {
        self.store.work_directories().join(format!("config-{id}-{}", std::process::id()))
    }

    /// Hashes every object again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        self.in_one_root(|| self.verify_objects())
    }

    fn verify_objects(&self) -> Result<VerifyReport, Error> {
        let root = self.store.root_identity();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.settings.jobs).build();
        let pool = pool.map_err(|error| realize::Error::Threads(error.to_string()))?;
        let named = self.named_by_snapshots()?;
        let mut findings =
            pool.install(|| objects::verify(&self.store, &named, &self.settings.interrupt))?;
        if !findings.damaged.is_empty() {
            let named = self.named_by_snapshots()?;
            objects::observe_again(&self.store, &named, &mut findings)?;
        }
        // What another process removes with the root is not damaged.
        if !findings.damaged.is_empty() && self.store.is_lost(root.as_ref()) {
            return Err(self.lost_root());
        }
        let mut damaged = Vec::new();
        for damage in findings.damaged {
            let needed_by = objects::referrers(&self.store, &damage.object)?;
            damaged.push(DamageReport {
                targets: self.targets_of(&needed_by)?,
                snapshots: self.snapshots_of(&needed_by)?,
                object: damage.object,
                problem: damage.problem,
                state: "found",
                quarantine: None,
                reason: None,
            });
        }
        Ok(VerifyReport {
            root: self.settings.root.clone(),
            checked: findings.checked,
            broken: damaged.len(),
            damaged,
        })
    }

    /// Hashes every object and restores damaged ones from the substitute store or by building them
    /// again. Objects that cannot be restored go to `quarantine/`.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn repair(&self, mut rebuild: Rebuild<'_>) -> Result<VerifyReport, Error> {
        self.in_one_root(|| self.repair_objects(&mut rebuild))
    }

    fn repair_objects(&self, rebuild: &mut Rebuild<'_>) -> Result<VerifyReport, Error> {
        let mut report = self.verify_objects()?;
        if report.damaged.is_empty() {
            return Ok(report);
        }
        let altered = {
            let _lock = self.lock()?;
            let mut current = generations::current(&self.store)?;
            current.follow_moves(self.store.root(), &self.settings.home);
            let altered = self.altered(&current)?;
            self.keep_altered(&altered, &current)?;
            altered
        };
        // All of them first: a build must not read a damaged object.
        for damage in &mut report.damaged {
            damage.quarantine = self.set_aside(&damage.object)?;
        }
        self.store.session().set_damaged(BTreeSet::new());
        for damage in &mut report.damaged {
            // The build of an earlier one may have brought this one back.
            let restored = objects::observe(&self.store, &damage.object).is_ok()
                || self.substitute(&damage.object)?
                || self.build_again(damage, rebuild)?;
            if restored && let Some(quarantine) = damage.quarantine.take() {
                let remove = || platform::remove_tree(&quarantine);
                memory::keeping(&self.store, remove).map_err(store::Error::from)?;
            }
            // An object whose check did not finish is not known to be intact.
            self.settings
                .interrupt
                .check()
                .map_err(platform::failed("verify", self.store.objects()))?;
            damage.state = if restored { "restored" } else { "quarantined" };
        }
        report.broken = report.damaged.iter().filter(|damage| damage.state != "restored").count();
        let _lock = self.lock()?;
        let mut current = generations::current(&self.store)?;
        current.follow_moves(self.store.root(), &self.settings.home);
        // What cannot be remembered is only suspect.
        let _ = self.record_objects(&altered, &current.activations);
        Ok(report)
    }

    fn set_aside(&self, object: &ObjectName) -> Result<Option<std::path::PathBuf>, Error> {
        self.check_outside().map_err(store::Error::from)?;
        let path = self.store.store_lock();
        let lock = Lock::take_for(&self.settings, &path, Sharing::Exclusive, "the store");
        let _lock = lock.map_err(store::Error::from)?;
        let _open = self.store.lock_publication()?;
        Ok(objects::quarantine(&self.store, object)?)
    }

    fn substitute(&self, object: &ObjectName) -> Result<bool, Error> {
        match &self.settings.substitute {
            Some(root) if *root != self.settings.root => Ok(repair::substitute(
                &self.store,
                &Store::new(root).stopped_by(&self.settings.interrupt),
                object,
            )?),
            _ => Ok(false),
        }
    }

    fn build_again(
        &self,
        damage: &mut DamageReport,
        rebuild: &mut Rebuild<'_>,
    ) -> Result<bool, Error> {
        let Some(manifest) = rebuild.manifest else {
            damage.reason = Some("no config was evaluated that could build it again".to_owned());
            return Ok(false);
        };
        let mut wanted = None;
        for derivation in &manifest.derivations {
            if self.makes(derivation.hash, &damage.object)? {
                wanted = Some(derivation.hash);
                break;
            }
        }
        let Some(wanted) = wanted else {
            damage.reason = Some("no derivation of the config builds it".to_owned());
            return Ok(false);
        };
        let wanted = BTreeSet::from([wanted]);
        let built = realize::realize(
            &self.store,
            &self.settings,
            &manifest.derivations,
            &wanted,
            BTreeMap::new(),
            rebuild.tasks,
        );
        damage.reason = match built {
            Err(error) => Some(Error::from(error).to_failure().message),
            Ok(_) if objects::observe(&self.store, &damage.object).is_ok() => None,
            Ok(_) => Some("building it again gave different content".to_owned()),
        };
        Ok(damage.reason.is_none())
    }

    /// Returns whether a derivation makes an object.
    pub(super) fn makes(&self, derivation: Hash, object: &ObjectName) -> store::Result<bool> {
        // With other pins than those of this config's lock, it makes something else.
        let results = recorded_outputs(&self.store, derivation)?;
        let mut counting = results.iter().filter(|outputs| {
            outputs.pins().is_empty() || self.settings.pins.agree(outputs.pins())
        });
        Ok(counting.any(|outputs| outputs.values().any(|made| made == object)))
    }

    fn named_by_snapshots(&self) -> Result<BTreeSet<ObjectName>, Error> {
        let mut named = BTreeSet::new();
        for id in generations::all(&self.store)? {
            // Commands that need an unreadable snapshot name it.
            if let Ok(snapshot) = generations::read(&self.store, id) {
                named.extend(
                    snapshot.derivations.values().flat_map(|outputs| outputs.values().cloned()),
                );
            }
        }
        Ok(named)
    }

    /// Returns the targets of the current snapshot that lead to one of these objects.
    fn targets_of(&self, objects: &BTreeSet<ObjectName>) -> Result<Vec<String>, Error> {
        let paths: Vec<_> = objects.iter().map(|object| self.store.object(object)).collect();
        let current = generations::current(&self.store)?;
        let mut targets = Vec::new();
        for activation in &current.activations {
            let Some(target) = activation.action.as_target() else { continue };
            if target
                .leads_to()
                .is_some_and(|source| paths.iter().any(|path| source.to_path().starts_with(path)))
            {
                targets.push(target.target().display());
            }
        }
        Ok(targets)
    }

    fn snapshots_of(&self, objects: &BTreeSet<ObjectName>) -> Result<Vec<SnapshotId>, Error> {
        let mut snapshots = Vec::new();
        for id in generations::all(&self.store)? {
            let Ok(snapshot) = generations::read(&self.store, id) else { continue };
            if snapshot
                .derivations
                .values()
                .any(|outputs| outputs.values().any(|named| objects.contains(named)))
            {
                snapshots.push(id);
            }
        }
        Ok(snapshots)
    }
}
