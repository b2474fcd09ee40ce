//! Pins of a lock: which results they select, which of them a snapshot keeps, and which of them no
//! build of a config uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Engine, Error};
use crate::derivation::{Derivation, Recipe};
use crate::failure::{Failure, FailureKind};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::pins::{Pin, PinChange};
use crate::platform;
use crate::platform::jail::Level;
use crate::settings::{Sandbox, Settings};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Present, get_outputs, recorded_outputs};
use crate::value::Text;
use crate::{inputs, realize};

/// Returns a manifest whose copy of the lock has the pins that were added after its evaluation, or
/// `None` if there are none.
pub(super) fn with_pins(manifest: &Manifest, settings: &Settings) -> Option<Manifest> {
    let changes = settings.pins.changes();
    let entry = manifest.config_path.as_ref().filter(|_| !changes.is_empty())?;
    let place = Text(platform::bytes_of_path(&inputs::place_of(entry)));
    let mut manifest = manifest.clone();
    let old = manifest.files.iter().position(|(path, _)| *path == place);
    let text = old.map(|index| manifest.files.remove(index).1);
    let text = inputs::text_with_pins(text.as_deref(), &changes)?;
    manifest.files.push((place, text));
    manifest.files.sort();
    Some(manifest)
}

/// The pins that a lock lacks, as far as the records of this machine tell.
#[derive(Debug, Default)]
pub struct MissingPins {
    /// The pins that records name and the lock lacks. Of a commit only its hash is known.
    pub changes: Vec<PinChange>,
    /// The derivations that were never built here with the pins of the lock: theirs are unknown.
    pub unknown: Vec<Arc<Derivation>>,
}

impl Engine {
    /// Makes sure that the pins of the lock name the commits that their trees came from.
    pub(super) fn check_revs(&self) -> Result<(), Error> {
        realize::check_revs(&self.settings, &self.store).map_err(Error::WrongRev)
    }

    /// Returns whether the pins of a result equal the pins of the lock.
    pub(super) fn has_pins_of(&self, outputs: &Outputs) -> bool {
        realize::agrees(&self.settings, None, outputs)
    }

    /// Returns the existing results of a manifest: from the current snapshot, which is one file,
    /// and otherwise from the store.
    pub(super) fn known_outputs(
        &self,
        wanted: &BTreeSet<Hash>,
        current: &Snapshot,
    ) -> Result<BTreeMap<Hash, Outputs>, Error> {
        let mut known = BTreeMap::new();
        let present = Present::observe(&self.store, wanted.len());
        for hash in wanted {
            let recorded = current.derivations.get(hash);
            let recorded = recorded
                .filter(|outputs| present.has_all(outputs) && self.has_pins_of(outputs))
                .cloned();
            let outputs = match recorded {
                // Only the store tells how something was built.
                _ if self.settings.sandbox == Sandbox::Require => {
                    get_outputs(&self.store, *hash, |outputs| {
                        outputs.level() == Level::Namespaces && self.has_pins_of(outputs)
                    })?
                }
                Some(outputs) => Some(outputs),
                None => get_outputs(&self.store, *hash, |outputs| self.has_pins_of(outputs))?,
            };
            known.extend(outputs.map(|outputs| (*hash, outputs)));
        }
        Ok(known)
    }

    /// Returns what is left of the pins of a lock when this platform is taken from those that no
    /// record of the derivations of a manifest names; one without platforms goes.
    ///
    /// # Errors
    /// When a record cannot be read, or one of the derivations was never built here with these
    /// pins, so that its pins are not known.
    pub fn prune_pins(
        &self,
        manifest: &Manifest,
        locked: &BTreeMap<String, Pin>,
    ) -> Result<Vec<PinChange>, Failure> {
        let mut used: BTreeSet<String> = BTreeSet::new();
        let wanted = manifest.wanted();
        for derivation in &manifest.derivations {
            // Users of what declares its output do not name what that was made of.
            let is_declared = derivation.spec.output_hash.is_some();
            if !is_declared && !wanted.contains(&derivation.hash) {
                continue;
            }
            let results = recorded_outputs(self.store(), derivation.hash).map_err(Error::from)?;
            let mut is_known = false;
            for outputs in results {
                if is_declared || self.settings.pins.agree(outputs.pins()) {
                    is_known = true;
                    used.extend(outputs.pins().keys().cloned());
                }
            }
            if !is_known && wanted.contains(&derivation.hash) {
                let title = derivation.title();
                let message = format!(
                    "{title} was never built on this machine with the pins of syslua.lock, \
                     so its pins are unknown"
                );
                return Err(Failure::new(FailureKind::Lock, message)
                    .with_hint("apply the config first, then prune")
                    .at(derivation.positions.first().cloned()));
            }
        }
        let platform = &self.settings.system.platform;
        let mut changes = Vec::new();
        for (key, pin) in locked.iter().filter(|(key, _)| !used.contains(*key)) {
            let mut left = pin.clone();
            let is_changed = left.platforms.remove(platform);
            let new = (!left.platforms.is_empty()).then_some(left);
            if is_changed || new.is_none() {
                changes.push(PinChange { key: key.clone(), old: Some(pin.clone()), new });
            }
        }
        Ok(changes)
    }

    /// Returns the pins that a manifest needs and a lock lacks: those that records of its
    /// derivations name, where all their other pins are those of the lock.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn missing_pins(&self, manifest: &Manifest) -> Result<MissingPins, Failure> {
        let by_hash: BTreeMap<Hash, &Arc<Derivation>> =
            manifest.derivations.iter().map(|derivation| (derivation.hash, derivation)).collect();
        let mut pending: Vec<Hash> = manifest.wanted().into_iter().collect();
        let mut seen: BTreeSet<Hash> = pending.iter().copied().collect();
        let mut missing: BTreeMap<String, Hash> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        while let Some(hash) = pending.pop() {
            let Some(derivation) = by_hash.get(&hash) else { continue };
            let results = recorded_outputs(self.store(), hash).map_err(Error::from)?;
            // What has to be in its output was declared, whatever it was made of.
            let is_declared = derivation.spec.output_hash.is_some();
            let counts =
                |outputs: &Outputs| is_declared || self.settings.pins.agree(outputs.pins());
            if results.iter().any(counts) {
                continue;
            }
            let newest = results.iter().rev();
            let lacking = newest.filter_map(|outputs| self.settings.pins.missing(outputs.pins()));
            if let Some(lacking) = lacking.into_iter().next() {
                missing.extend(lacking.into_iter().map(|(key, hash)| (key.clone(), hash)));
                continue;
            }
            // A build of the engine's own fetches nothing.
            if matches!(derivation.spec.recipe, Recipe::Function { .. }) {
                unknown.insert(hash);
            }
            pending.extend(derivation.dependencies.iter().filter(|hash| seen.insert(**hash)));
        }
        let platform = &self.settings.system.platform;
        let change = |(key, sha256): (String, Hash)| {
            let new = Pin {
                rev: None,
                sha256,
                last_modified: None,
                mirrors: Vec::new(),
                platforms: [platform.clone()].into(),
                others: BTreeMap::new(),
            };
            PinChange { key, old: None, new: Some(new) }
        };
        let is_unknown = |derivation: &&Arc<Derivation>| unknown.contains(&derivation.hash);
        Ok(MissingPins {
            changes: missing.into_iter().map(change).collect(),
            unknown: manifest.derivations.iter().filter(is_unknown).cloned().collect(),
        })
    }
}
