//! What is to be in force: the actions of a manifest, as far as their content is known, or those of
//! a snapshot.

use std::cell::LazyCell;
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::Error;
use crate::activation::{Action, Activation};
use crate::derivation::Derivation;
use crate::hash::{self, Hash};
use crate::manifest::Manifest;
use crate::names::{OutputName, Placeholder};
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::{Positions, Text};

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
    // Links, of which there are thousands, by their targets; everything else by all that it says.
    let mut links: HashMap<&[u8], usize> = HashMap::with_capacity(manifest.activations.len());
    let mut others = HashSet::new();
    let mut entries: Vec<Entry> = Vec::with_capacity(manifest.activations.len());
    for declared in &manifest.activations {
        let unknown = |placeholder| Error::Placeholder { placeholder, positions: declared.positions.clone() };
        let (action, shown) = match declared.action.resolve(&path) {
            Ok(action) => (action, None),
            Err(_) => (declared.action.clone(), Some(declared.action.resolve(&title).map_err(unknown)?)),
        };
        let activation = declared.with_action(action);
        let is_new = match &declared.action {
            Action::Symlink { target, .. } => match links.entry(&target.0) {
                MapEntry::Vacant(place) => {
                    place.insert(entries.len());
                    true
                }
                MapEntry::Occupied(first) if entries[*first.get()].activation.action == activation.action => false,
                MapEntry::Occupied(_) => others.insert(key(&activation)),
            },
            _ => others.insert(key(&activation)),
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

/// Returns what is equal for actions that collapse: of commands, what they are and where they run.
pub fn key(activation: &Activation) -> Vec<u8> {
    match &activation.action {
        // The most frequent kind, without the detour over JSON.
        Action::Symlink { source, target, mutable } => {
            [b"L".as_slice(), &[u8::from(*mutable)], &source.0, b"\0", &target.0].concat()
        }
        Action::Run { command, cwd, env, shell, .. } => {
            serde_json::to_vec(&(&activation.user, command, cwd, env, shell)).unwrap_or_default()
        }
        _ => activation.key().into_bytes(),
    }
}

fn add_digests(store: &Store, entries: &mut [Entry], current: &Snapshot) -> Result<(), Error> {
    let mut known: Option<HashMap<&Text, Hash>> = None;
    for entry in entries.iter_mut().filter(|entry| !entry.may_change) {
        if !matches!(entry.activation.action, Action::Install { .. }) {
            continue;
        }
        let activation = Arc::make_mut(&mut entry.activation);
        let Action::Install { source, digest, .. } = &mut activation.action else { continue };
        let known = known.get_or_insert_with(|| installed(current));
        let path = source.to_path();
        // Only what lies in the store cannot have changed.
        let in_store = path.starts_with(store.objects());
        *digest = match known.get(source).filter(|_| in_store) {
            Some(digest) => Some(*digest),
            None => Some(hash_of(&path, &activation.positions)?),
        };
    }
    Ok(())
}

fn installed(snapshot: &Snapshot) -> HashMap<&Text, Hash> {
    snapshot
        .activations
        .iter()
        .filter_map(|activation| match &activation.action {
            Action::Install { source, digest: Some(digest), .. } => Some((source, *digest)),
            _ => None,
        })
        .collect()
}

fn hash_of(path: &Path, positions: &Positions) -> Result<Hash, Error> {
    // A link in an object leads to the file that is meant.
    let is_file = std::fs::metadata(path).map(|data| data.is_file());
    if !is_file.as_ref().copied().unwrap_or(false) {
        let found = match platform::kind_of(path) {
            Ok(None) => "nothing is there",
            Ok(Some(FileKind::Directory)) => "it is a directory",
            _ => "it is no regular file",
        };
        return Err(Error::NoFile { path: path.to_owned(), found, positions: positions.clone() });
    }
    let (digest, _) = hash::of_file(path).map_err(platform::failed("read", path))?;
    Ok(digest)
}
