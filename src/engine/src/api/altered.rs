//! Objects in force that programs changed: found by the object memory, kept as displaced copies,
//! and repaired by an apply.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Engine, Error};
use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::{ObjectName, Placeholder};
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::examination::{Alteration, Difference, Examination, object_of, restore_modes};
use crate::store::memory::{self, Looked};
use crate::store::{self, Outputs, examined, publication, shared, verify};
use crate::switch::{self, Backup, Backups, Targets};
use crate::value::{Positions, Text};

/// More names than these are not worth a line.
const MOST_NAMES: usize = 3;

/// A link into the store that will be in force.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Where it will lead, relative to the directory of all objects.
    source: Vec<u8>,
    /// Where it will be.
    place: Text,
    positions: Positions,
}

/// What programs changed in the objects that links of a snapshot lead to.
#[derive(Debug, Default)]
pub(super) struct Altered {
    looked: Arc<Looked>,
    /// The links that will be in force too.
    ahead: Vec<Ahead>,
    /// The changes at those with other bytes.
    by_source: BTreeMap<Vec<u8>, Vec<Alteration>>,
}

impl Altered {
    /// Returns whether no object has other bytes.
    pub(super) fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// Returns whether anything does not look as it did.
    pub(super) fn has_suspects(&self) -> bool {
        !self.looked.suspects.is_empty()
    }

    /// Returns the changes behind a link, in words.
    pub(super) fn at(&self, engine: &Engine, activation: &DeclaredAction) -> Option<&[Alteration]> {
        self.by_source.get(source_of(&engine.objects_prefix(), activation)?).map(Vec::as_slice)
    }

    /// Returns the objects that have other bytes.
    pub(super) fn objects(&self) -> BTreeSet<ObjectName> {
        self.by_source
            .keys()
            .filter_map(|source| object_of(&platform::path_from_bytes(source)))
            .collect()
    }

    /// Returns the files that other objects may have too: those that were written in place.
    fn shared(&self) -> HashMap<[u64; 2], Hash> {
        self.by_source.values().flatten().filter_map(|alteration| alteration.shared).collect()
    }

    /// Returns the changes at the targets of links, in words.
    pub(super) fn in_words(&self, engine: &Engine) -> HashMap<Text, String> {
        let of = |(source, found): (&Vec<u8>, &Vec<Alteration>)| {
            (Text([engine.objects_prefix().as_slice(), source].concat()), in_words(found))
        };
        self.by_source.iter().map(of).collect()
    }
}

/// A displaced copy of what a program changed in an object.
#[derive(Debug)]
pub(super) struct Kept {
    /// The copy.
    pub(super) backup: Backup,
    /// The target that it is a copy of.
    file: PathBuf,
}

/// Describes the changes.
pub(super) fn in_words(found: &[Alteration]) -> String {
    let word = |alteration: &Alteration| match alteration.change {
        Difference::Changed => "changed",
        Difference::Added => "added",
        Difference::Missing => "missing",
    };
    let named = found.iter().filter(|alteration| !alteration.is_of_top());
    let names: Vec<String> = named
        .map(|alteration| format!("{} {}", alteration.below.display(), word(alteration)))
        .collect();
    match names.len() {
        0 => "a file in the store that a program changed".to_owned(),
        count if count > MOST_NAMES => {
            format!("{} and {} more", names[..MOST_NAMES].join(", "), count - MOST_NAMES)
        }
        _ => names.join(", "),
    }
}

impl Engine {
    /// Returns the bytes that the paths of all objects begin with.
    fn objects_prefix(&self) -> Vec<u8> {
        [platform::bytes_of_path(self.store.objects()).as_slice(), b"/"].concat()
    }

    /// Finds applied objects that programs changed. They count as missing until they are built
    /// again.
    ///
    /// # Errors
    /// When a file cannot be read, or on an interrupt.
    pub(super) fn altered(&self, current: &Snapshot) -> Result<Altered, Error> {
        self.altered_with(current, Vec::new())
    }

    /// The same, and those that will be in force: programs may have changed these when they were.
    ///
    /// # Errors
    /// As [`Engine::altered`].
    pub(super) fn altered_with(
        &self,
        current: &Snapshot,
        ahead: Vec<Ahead>,
    ) -> Result<Altered, Error> {
        let prefix = self.objects_prefix();
        let applied = sources(&prefix, &current.activations);
        let all = applied.chain(ahead.iter().map(|link| link.source.as_slice()));
        let looked = Arc::new(Looked::load(&self.store, all));
        let mut by_source = BTreeMap::new();
        let mut examination = Examination::new(&self.store, &looked.memory);
        for source in &looked.suspects {
            let found = match examination.observe(source) {
                // The right to read it was removed: it is not as it was published.
                Err(store::Error::File(error)) if error.is_denied() => vec![Alteration::at_top()],
                found => found?,
            };
            if !found.is_empty() {
                by_source.insert(source.clone(), found);
            }
        }
        let altered = Altered { looked, ahead, by_source };
        self.store.session().set_damaged(altered.objects());
        self.store.session().set_looked(Arc::clone(&altered.looked));
        Ok(altered)
    }

    /// Copies what programs wrote into objects to the displaced copies of their targets. Calling it
    /// again changes nothing. The caller holds the switch lock.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub(super) fn keep_altered(
        &self,
        altered: &Altered,
        current: &Snapshot,
    ) -> Result<Vec<Kept>, Error> {
        if altered.is_empty() {
            return Ok(Vec::new());
        }
        let (home, prefix) = (&self.settings.home, self.objects_prefix());
        let places = Targets::new(home);
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        let applied = current.activations.iter().filter_map(|activation| {
            let source = source_of(&prefix, activation)?;
            let found = altered.by_source.get(source)?;
            let recorded = current.place_of(activation, home).unwrap_or_default();
            Some((source, found, recorded, &activation.positions))
        });
        let ahead = altered.ahead.iter().filter_map(|link| {
            let found = altered.by_source.get(&link.source)?;
            Some((link.source.as_slice(), found, link.place.clone(), &link.positions))
        });
        for (source, found, recorded, positions) in applied.chain(ahead) {
            let place = places.place(&recorded, positions)?;
            let source = self.store.objects().join(platform::path_from_bytes(source));
            for alteration in found {
                // A link that follows another one leads to the same file.
                let file = platform::join(&source, &alteration.below);
                if seen.insert(file.clone()) {
                    let backup = self.keep(&file, &platform::join(&place, &alteration.below))?;
                    kept.extend(backup.map(|backup| Kept { backup, file }));
                }
            }
        }
        Ok(kept)
    }

    /// Copies a path to the displaced copies, or `None` if a copy of the target has the same
    /// content.
    fn keep(&self, from: &Path, target: &Path) -> Result<Option<Backup>, Error> {
        if platform::kind_of(from)?.is_none_or(|kind| kind == FileKind::Special) {
            return Ok(None);
        }
        let (store, home) = (&self.store, &self.settings.home);
        let known = Backups::load(store, home).displaced(store);
        let target_text = Text(platform::bytes_of_path(target));
        let mut copies = known.iter().filter(|backup| backup.target == target_text);
        if copies.any(|backup| switch::is_same_file(&backup.path.to_path(), from)) {
            return Ok(None);
        }
        platform::create_directories_as(&store.displaced(), 0o700)?;
        let copy = switch::place_of_copy(store, target);
        if let Err(error) = platform::copy_tree(from, &copy, store.interrupt()) {
            if !error.is_denied() {
                return Err(error.into());
            }
            // A program took the right to read it.
            let (directory, name) = platform::locate(from)?;
            publication::make_accessible(&directory, name)?;
            platform::remove_tree(&copy)?;
            platform::copy_tree(from, &copy, store.interrupt())?;
        }
        switch::note_copy(store, home, target, &copy)?;
        let displaced = Backups::load(store, home).displaced(store);
        let copy = Text(platform::bytes_of_path(&copy));
        Ok(displaced.into_iter().find(|backup| backup.path == copy))
    }

    /// Returns the links of a manifest that will lead into objects that no applied derivation made.
    /// `known` are the objects of its derivations, as far as they exist.
    pub(super) fn links_of_manifest(
        &self,
        manifest: &Manifest,
        known: &BTreeMap<Hash, Outputs>,
        current: &Snapshot,
    ) -> Vec<Ahead> {
        let applied = &current.derivations;
        let is_new = |(hash, outputs): &(&Hash, &Outputs)| applied.get(hash) != Some(*outputs);
        let fresh: HashMap<&Hash, &Outputs> = known.iter().filter(is_new).collect();
        if fresh.is_empty() {
            return Vec::new();
        }
        let (owners, home) = (manifest.owners(), &self.settings.home);
        let path_of = |placeholder| {
            let (derivation, output) = owners.get(&placeholder)?;
            let object = fresh.get(&derivation.hash)?.get(output)?;
            Some(platform::bytes_of_path(&self.store.object(object)))
        };
        let prefix = self.objects_prefix();
        let link = |activation: &DeclaredAction| {
            let target = activation.action.as_target()?;
            let leads_to = Placeholder::resolve(&target.leads_to()?.0, path_of).ok()?;
            Some(Ahead {
                source: leads_to.strip_prefix(prefix.as_slice())?.to_vec(),
                place: target.target().expand_home(home),
                positions: activation.positions.clone(),
            })
        };
        manifest.actions().filter_map(link).collect()
    }

    /// Returns the links of a snapshot.
    pub(super) fn links_of_snapshot(&self, snapshot: &Snapshot) -> Vec<Ahead> {
        let (home, prefix) = (&self.settings.home, self.objects_prefix());
        let link = |activation: &Arc<DeclaredAction>| {
            Some(Ahead {
                source: source_of(&prefix, activation)?.to_vec(),
                place: snapshot.place_of(activation, home)?,
                positions: activation.positions.clone(),
            })
        };
        snapshot.activations.iter().filter_map(link).collect()
    }

    /// Returns whether an object has its bytes, after it was repaired where that was possible.
    fn is_repaired(&self, object: &ObjectName) -> Result<bool, Error> {
        let has_bytes = platform::exists(&self.store.object(object))
            && match verify::has_bytes(&self.store, object) {
                // The right to read it was removed.
                Err(store::Error::File(error)) if error.is_denied() => false,
                has_bytes => has_bytes?,
            };
        Ok(has_bytes || self.repair_from_own(object)?)
    }

    /// After damaged objects of the config were built again: repairs others from what the root has,
    /// gives other objects the new files too, removes the damaged ones, and copies that hold
    /// nothing else. The caller holds the store lock and the switch lock.
    ///
    /// # Errors
    /// When the file system refuses, or on an interrupt.
    pub(super) fn finish_repair(
        &self,
        altered: &Altered,
        kept: &mut Vec<Kept>,
    ) -> Result<(), Error> {
        if altered.is_empty() {
            return Ok(());
        }
        let store = &self.store;
        store.session().set_damaged(BTreeSet::new());
        let mut repaired = BTreeSet::new();
        for object in altered.objects() {
            if self.is_repaired(&object)? {
                for damaged in verify::quarantined(store, &object)? {
                    memory::keeping(store, || platform::remove_tree(&damaged))
                        .map_err(store::Error::from)?;
                }
                repaired.insert(object);
            }
        }
        if !repaired.is_empty() {
            shared::replace_damaged(store, &altered.shared())?;
        }
        // Without the memory, more was kept than was changed.
        let mut failure = None;
        kept.retain(|Kept { backup, file }| {
            let copy = backup.path.to_path();
            // In an object that is still damaged, it is the change itself.
            let inner = file.strip_prefix(store.objects()).ok().and_then(object_of);
            let is_whole = inner.is_some_and(|object| repaired.contains(&object));
            let is_same = is_whole && switch::is_same_file(&copy, file);
            if is_same {
                failure = failure.take().or(platform::remove_file(&copy).err());
            }
            !is_same
        });
        failure.map_or(Ok(()), |error| Err(store::Error::from(error).into()))
    }

    /// Writes the object memory for what is in force now; gives back modes and times to what only
    /// lost these. Returns the targets of links that have other bytes. The caller holds the switch
    /// lock.
    ///
    /// # Errors
    /// When a file cannot be read, or on an interrupt.
    pub(super) fn record_objects(
        &self,
        altered: &Altered,
        activations: &[Arc<DeclaredAction>],
    ) -> Result<Vec<PathBuf>, Error> {
        let store = &self.store;
        let looked = &altered.looked;
        let suspects: HashSet<&[u8]> = looked.suspects.iter().map(Vec::as_slice).collect();
        let unharmed = suspects.iter().filter(|source| !altered.by_source.contains_key(**source));
        let objects: BTreeSet<ObjectName> =
            unharmed.filter_map(|source| object_of(&platform::path_from_bytes(source))).collect();
        if !objects.is_empty() {
            let _open = store.lock_publication()?;
            for object in objects.iter().filter(|object| platform::exists(&store.object(object))) {
                if verify::has_bytes(store, object)? {
                    restore_modes(store, object)?;
                }
            }
        }
        let prefix = self.objects_prefix();
        let damaged =
            examined::record(store, &looked.memory, &suspects, sources(&prefix, activations))?;
        Ok(damaged
            .iter()
            .map(|source| store.objects().join(platform::path_from_bytes(source)))
            .collect())
    }
}

/// Returns where links lead in the store, relative to the directory of all objects.
fn sources<'a>(
    prefix: &[u8],
    activations: &'a [Arc<DeclaredAction>],
) -> impl Iterator<Item = &'a [u8]> {
    activations.iter().filter_map(move |activation| source_of(prefix, activation))
}

fn source_of<'a>(prefix: &[u8], activation: &'a DeclaredAction) -> Option<&'a [u8]> {
    let source = activation.action.as_target()?.leads_to()?;
    source.0.strip_prefix(prefix)
}
