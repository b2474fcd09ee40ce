//! What is to be in force: the actions of a manifest, as far as their content is known, or those of
//! a snapshot.

use std::cell::LazyCell;
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Error;
use crate::action::{self, Action};
use crate::activation::Activation;
use crate::derivation::Derivation;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::{OutputName, Placeholder};
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::Text;

/// An action that is to be in force.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The action, resolved as far as its content is known.
    pub activation: Arc<Activation>,
    /// The action as people read it: content that is not built yet is `<name>`.
    pub shown: Option<Action>,
    /// Whether it names content that is not built yet.
    pub may_change: bool,
}

impl Entry {
    /// Returns an entry for what a snapshot has in force.
    pub fn applied(activation: &Arc<Activation>) -> Entry {
        Entry { activation: Arc::clone(activation), shown: None, may_change: false }
    }

    /// Returns the action as people read it.
    pub fn shown(&self) -> &Action {
        self.shown.as_ref().unwrap_or(&self.activation.action)
    }
}

/// What is to be in force.
#[derive(Debug)]
pub struct Desired {
    /// The actions, in order of declaration, each once.
    pub entries: Vec<Entry>,
    /// The objects that are known already.
    pub derivations: Arc<BTreeMap<Hash, Outputs>>,
    /// Whether these are known to be those of the current snapshot.
    pub has_applied_objects: bool,
    /// Whether these are all objects.
    pub is_complete: bool,
}

impl Desired {
    /// Returns what a snapshot had in force.
    pub fn from_snapshot(snapshot: &Snapshot) -> Desired {
        Desired {
            entries: snapshot.activations.iter().map(Entry::applied).collect(),
            derivations: Arc::clone(&snapshot.derivations),
            has_applied_objects: false,
            is_complete: true,
        }
    }

    /// Returns what a manifest declares. `wanted` are the derivations that it realizes, `realized` those
    /// that are; what `current` installed need not be hashed again.
    ///
    /// # Errors
    /// When an action names a derivation that is not in the manifest, or installs what is no file.
    pub fn from_manifest(
        store: &Store,
        manifest: &Manifest,
        wanted: &BTreeSet<Hash>,
        realized: &Arc<BTreeMap<Hash, Outputs>>,
        current: &Snapshot,
    ) -> Result<Desired, Error> {
        let mut entries = resolve(store, manifest, realized, current)?;
        add_digests(store, &mut entries, current)?;
        let is_all = realized.len() == wanted.len() && realized.keys().eq(wanted);
        let derivations: Arc<BTreeMap<Hash, Outputs>> = if is_all {
            Arc::clone(realized)
        } else {
            let of_wanted = realized.iter().filter(|(hash, _)| wanted.contains(hash));
            Arc::new(of_wanted.map(|(hash, outputs)| (*hash, outputs.clone())).collect())
        };
        let is_complete = derivations.len() == wanted.len();
        Ok(Desired { entries, is_complete, derivations, has_applied_objects: false })
    }

    /// Returns the actions that will be recorded.
    pub fn activations(&self) -> Vec<Arc<Activation>> {
        self.entries.iter().map(|entry| Arc::clone(&entry.activation)).collect()
    }
}

/// Replaces placeholders by paths where the content is there; equal actions collapse.
fn resolve(
    store: &Store,
    manifest: &Manifest,
    realized: &BTreeMap<Hash, Outputs>,
    current: &Snapshot,
) -> Result<Vec<Entry>, Error> {
    let owners: HashMap<Placeholder, (Hash, &OutputName)> = manifest.owners();
    let objects = [platform::bytes_of_path(store.objects()).as_slice(), b"/"].concat();
    let path = |placeholder: Placeholder| {
        let (hash, output) = owners.get(&placeholder)?;
        let object = realized.get(hash)?.get(*output)?;
        Some([objects.as_slice(), object.as_str().as_bytes()].concat())
    };
    let by_hash = LazyCell::new(|| -> HashMap<Hash, &Derivation> {
        manifest.derivations.iter().map(|derivation| (derivation.hash, derivation.as_ref())).collect()
    });
    let title = |placeholder: Placeholder| {
        let (hash, _) = owners.get(&placeholder)?;
        let derivation = by_hash.get(hash)?;
        path(placeholder).or_else(|| Some(format!("<{}>", derivation.title()).into_bytes()))
    };
    // Targets, of which there are thousands, by where they are; everything else by all that it says.
    let mut targets: HashMap<&[u8], usize> = HashMap::with_capacity(manifest.activations.len());
    let mut others = HashSet::new();
    let mut entries: Vec<Entry> = Vec::with_capacity(manifest.activations.len());
    for declared in &manifest.activations {
        let unknown = |placeholder| Error::Placeholder { placeholder, positions: declared.positions.clone() };
        let (action, shown) = match declared.action.resolve(&path) {
            Ok(action) => (action, None),
            Err(_) => (declared.action.clone(), Some(declared.action.resolve(&title).map_err(unknown)?)),
        };
        let activation = declared.with_action(action);
        let is_new = match declared.action.target() {
            Some(target) => match targets.entry(&target.0) {
                MapEntry::Vacant(place) => {
                    place.insert(entries.len());
                    true
                }
                MapEntry::Occupied(first) if entries[*first.get()].activation.action == activation.action => false,
                MapEntry::Occupied(_) => others.insert(key(&activation)),
            },
            None => others.insert(key(&activation)),
        };
        if is_new {
            // Nearly all of them are in force already: none is kept twice.
            let applied = current.activations.get(entries.len()).filter(|applied| ***applied == activation);
            let activation = applied.map_or_else(|| Arc::new(activation), Arc::clone);
            entries.push(Entry { activation, may_change: shown.is_some(), shown });
        }
    }
    Ok(entries)
}

/// Returns what is equal for actions that collapse.
fn key(activation: &Activation) -> Vec<u8> {
    match activation.action.as_effect() {
        Some(effect) => [activation.user.as_deref().unwrap_or_default().as_bytes(), b"\0", &effect.key()].concat(),
        None => activation.key().into_bytes(),
    }
}

fn add_digests(store: &Store, entries: &mut [Entry], current: &Snapshot) -> Result<(), Error> {
    let mut known: Option<HashMap<&Text, Hash>> = None;
    for entry in entries.iter_mut().filter(|entry| !entry.may_change) {
        let Some((source, _)) = entry.activation.action.as_target().and_then(|target| target.digest()) else {
            continue;
        };
        let path = source.to_path();
        let known = known.get_or_insert_with(|| digests(current));
        // Only what lies in the store cannot have changed.
        let digest = match known.get(source).filter(|_| path.starts_with(store.objects())) {
            Some(digest) => *digest,
            None => action::digest_of(&path, store.interrupt()).map_err(Error::at(&entry.activation.positions))?,
        };
        if let Some(target) = Arc::make_mut(&mut entry.activation).action.as_target_mut() {
            target.set_digest(digest);
        }
    }
    Ok(())
}

fn digests(snapshot: &Snapshot) -> HashMap<&Text, Hash> {
    let digests = snapshot.activations.iter().filter_map(|activation| activation.action.as_target()?.digest());
    digests.filter_map(|(source, digest)| Some((source, digest?))).collect()
}
