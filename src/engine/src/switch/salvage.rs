//! The applied state when its snapshot cannot be read, as complete as possible. A rollback to a
//! readable snapshot needs it.
//!
//! A snapshot's directory also contains the evaluated manifest, from which its actions can be
//! derived again. If that is lost too, or the progress of a switch is unknown, every target of
//! every snapshot may be managed: the plan checks each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::action;
use crate::activation::DeclaredAction;
use crate::config_copy;
use crate::generations;
use crate::hash::Hash;
use crate::lock::LockDocument;
use crate::manifest;
use crate::names::{OutputName, Placeholder, SnapshotId};
use crate::pins::{Pins, Rule};
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::{Store, recorded_outputs};

/// `manifest.json`, as far as it is needed.
#[derive(Deserialize)]
struct Kept {
    derivations: Vec<KeptDerivation>,
    activations: Vec<DeclaredAction>,
}

#[derive(Deserialize)]
struct KeptDerivation {
    hash: Hash,
    outputs: Vec<OutputName>,
}

/// Returns the likely applied state of a snapshot number. With `everything`, the state includes the
/// declarations of all snapshots.
pub fn rebuilt(store: &Store, id: SnapshotId, everything: bool) -> Snapshot {
    let known = generations::read(store, id).ok().or_else(|| from_manifest(store, id));
    let everything = everything || known.is_none();
    let mut snapshot = known.unwrap_or_else(Snapshot::empty);
    (snapshot.id, snapshot.parent) =
        (id, snapshot.parent.or_else(|| generations::parent_of(store, id)));
    if everything {
        let others =
            generations::all(store).unwrap_or_default().into_iter().filter(|other| *other != id);
        let others = others.filter_map(|other| {
            generations::read(store, other).ok().or_else(|| from_manifest(store, other))
        });
        // Of commands and variables, looking at them does not tell whether they are in force.
        let targets = others
            .flat_map(|other| other.activations)
            .filter(|activation| activation.action.target().is_some());
        // What counts at a target is the last one.
        snapshot.activations = targets.chain(snapshot.activations).collect();
    }
    snapshot
}

/// Returns the pins of the locks that a snapshot keeps, as far as they can be read.
fn pins_of(store: &Store, id: SnapshotId) -> Pins {
    let texts = config_copy::locks(store, id).unwrap_or_default();
    let locks = texts.iter().filter_map(|text| LockDocument::parse(text).ok());
    Pins::new(Rule::Kept, locks.flat_map(|lock| lock.fetches).collect())
}

/// Computes a snapshot from the evaluated manifest; `None` when that cannot be read either.
fn from_manifest(store: &Store, id: SnapshotId) -> Option<Snapshot> {
    #[derive(Deserialize)]
    struct Header {
        version: u64,
    }
    let text = platform::read_file(&store.snapshot(id).join("manifest.json")).ok()?;
    let header: Header = serde_json::from_slice(&text).ok()?;
    if header.version != u64::from(manifest::VERSION) {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    let pins = pins_of(store, id);
    let mut snapshot = Snapshot { id, ..Snapshot::empty() };
    let mut derivations = BTreeMap::new();
    let mut owners: HashMap<Placeholder, (Hash, &OutputName)> = HashMap::new();
    for derivation in &kept.derivations {
        let placeholder =
            |output| (Placeholder::new(derivation.hash, output), (derivation.hash, output));
        owners.extend(derivation.outputs.iter().map(placeholder));
        // Of several, the one with the pins of the lock of that time.
        let recorded = recorded_outputs(store, derivation.hash).unwrap_or_default();
        let of_lock = recorded.iter().position(|outputs| pins.agree(outputs.pins()));
        let outputs = recorded.into_iter().nth(of_lock.unwrap_or(0));
        derivations.extend(outputs.map(|outputs| (derivation.hash, outputs)));
    }
    snapshot.derivations = Arc::new(derivations);
    let path = |placeholder: Placeholder| {
        let (hash, output) = owners.get(&placeholder)?;
        let object = snapshot.derivations.get(hash)?.get(*output)?;
        Some(platform::bytes_of_path(&store.object(object)))
    };
    let [objects, ways] = [store.objects(), &store.ways()].map(platform::bytes_of_path);
    for activation in &kept.activations {
        // An object whose content is unknown is found through its target, if sys.lua made that.
        let mut action =
            activation.action.resolve(&path).unwrap_or_else(|_| activation.action.clone());
        if let Some(target) = action.as_target_mut() {
            target.complete(&objects, &ways);
            if let Some((source, None)) = target.digest()
                && let Ok(digest) = action::digest_of(&source.to_path(), store)
            {
                let can_run = action::is_executable(&source.to_path()) == Some(true);
                target.set_digest(digest, can_run);
            }
        }
        snapshot.activations.push(Arc::new(activation.with_action(action)));
    }
    Some(snapshot)
}
