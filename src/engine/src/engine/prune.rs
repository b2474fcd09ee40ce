//! Which pins of a lock no build of a config uses any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Error};
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::pins::{Pin, PinChange};
use crate::store::recorded_outputs;

impl Engine {
    /// Returns what is left of the pins of a lock when this platform is taken from those that no
    /// record of the derivations of a manifest names; one without platforms goes.
    ///
    /// # Errors
    /// When a record cannot be read, or one of the derivations was never built here with these
    /// pins, so that nobody knows what it uses.
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
            let results = recorded_outputs(self.store(), derivation.hash)
                .map_err(|error| Error::from(error).to_failure())?;
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
                    "{title} was never built on this machine with the pins of syslua.lock: \
                     which of them it uses is not known"
                );
                return Err(Failure::new("lock", message)
                    .with_hint("apply the config, and prune then")
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
}
