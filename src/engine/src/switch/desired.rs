//! The wanted state: the actions of a manifest, if their content is known, or the actions of a
//! snapshot.

use std::borrow::Cow;
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::expand::{expanded, foreseen};
use super::targets::Targets;
use super::{Error, Secrets};
use crate::action::merging::Merges;
use crate::action::{self, Action, Target};
use crate::activation::DeclaredAction;
use crate::derivation::{Derivation, FileContent, FileRecipe, Recipe};
use crate::hash::{Hash, QuickMap};
use crate::manifest::Manifest;
use crate::names::Placeholder;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::value::Text;

/// A wanted action.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The action, resolved as far as its content is known.
    pub activation: Arc<DeclaredAction>,
    /// The action as people read it: content that is not built yet is `<name>`.
    pub shown: Option<Action>,
    /// Whether it names content that is not built yet.
    pub may_change: bool,
    /// The user's own file or tree that it is made of.
    made_of: Option<MadeOf>,
}

/// A file or tree of the user that an action is made of. There are thousands, and most plans ask
/// for none of them.
#[derive(Clone, Debug)]
enum MadeOf {
    /// The whole of the source of a derivation.
    Source(Arc<Derivation>),
    /// What is at a path below it.
    Below(Arc<Derivation>, PathBuf),
    /// A file or tree itself.
    Itself(PathBuf),
    /// A file of a tree itself.
    InTree(PathBuf),
}

impl Entry {
    /// Returns an entry for an applied action of a snapshot.
    pub fn applied(activation: &Arc<DeclaredAction>) -> Entry {
        Entry { activation: Arc::clone(activation), shown: None, may_change: false, made_of: None }
    }

    /// Returns the user's own file that it is made of, when it is one of a tree.
    pub fn origin(&self) -> Option<Cow<'_, Path>> {
        match self.made_of.as_ref()? {
            MadeOf::Below(derivation, below) => Some(source_of(derivation)?.join(below).into()),
            MadeOf::InTree(path) => Some(path.into()),
            MadeOf::Source(_) | MadeOf::Itself(_) => None,
        }
    }

    /// Returns the user's own file or tree that it is made of, when it is the whole of it.
    pub fn own(&self) -> Option<&Path> {
        match self.made_of.as_ref()? {
            MadeOf::Source(derivation) => source_of(derivation),
            MadeOf::Itself(path) => Some(path),
            MadeOf::Below(..) | MadeOf::InTree(_) => None,
        }
    }

    /// Returns the action as people read it.
    pub fn shown(&self) -> &Action {
        self.shown.as_ref().unwrap_or(&self.activation.action)
    }
}

/// The wanted state.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The actions, in order of declaration, each once.
    pub entries: Vec<Entry>,
    /// The objects that are known already.
    pub derivations: Arc<BTreeMap<Hash, Outputs>>,
    /// Whether these are known to be those of the current snapshot.
    pub has_applied_objects: bool,
    /// Whether these are all objects.
    pub is_complete: bool,
    /// The files and trees that the config reads.
    pub reads: Vec<PathBuf>,
    /// What programs changed where links that are in force lead, in words.
    pub altered: HashMap<Text, String>,
    /// Whether it follows from these: then none of them may change, not even by what goes from it.
    pub is_evaluated: bool,
    /// Whether nothing is asked of managers of services.
    pub leaves_services: bool,
    /// What an earlier plan merged: it is not merged again where nothing changed.
    pub merges: Merges,
}

impl Desired {
    /// Returns the applied state of a snapshot. `reads` is what its config read.
    pub fn from_snapshot(snapshot: &Snapshot, home: &Path, reads: Vec<PathBuf>) -> Desired {
        let mut entries: Vec<Entry> = snapshot.activations.iter().map(Entry::applied).collect();
        for entry in entries.iter_mut().filter(|entry| entry.activation.place.is_some()) {
            // Where that directory is gone, a link above may lead to another one.
            let place = snapshot.place_of(&entry.activation, home);
            if place != entry.activation.place {
                Arc::make_mut(&mut entry.activation).place = place;
            }
        }
        if let Some(other) = snapshot.home.as_ref().map(Text::to_path).filter(|other| other != home)
        {
            for entry in &mut entries {
                entry.shown = Some(entry.shown().in_home(&other));
                let place = snapshot.place_of(&entry.activation, home);
                Arc::make_mut(&mut entry.activation).place = place;
            }
        }
        Desired {
            is_evaluated: false,
            reads: reads.into_iter().chain(own_sources(&entries)).collect(),
            entries,
            derivations: Arc::clone(&snapshot.derivations),
            has_applied_objects: false,
            leaves_services: false,
            merges: Merges::new(),
            is_complete: true,
            altered: HashMap::new(),
        }
    }

    /// Returns what a manifest declares. `wanted` are the derivations that it realizes, `realized`
    /// those that are; what `current` installed need not be hashed again, and what `secrets` does
    /// not know may be known from there.
    ///
    /// # Errors
    /// When an action names a derivation that is not in the manifest, or installs a path that is
    /// not a file.
    pub fn from_manifest(
        store: &Store,
        manifest: &Manifest,
        wanted: &BTreeSet<Hash>,
        realized: &Arc<BTreeMap<Hash, Outputs>>,
        current: &Snapshot,
        secrets: &Secrets,
    ) -> Result<Desired, Error> {
        let mut entries = resolve(store, manifest, realized, current)?;
        secrets.complete(store, &mut entries, current);
        add_digests(store, &mut entries, current)?;
        let is_all = realized.len() == wanted.len() && realized.keys().eq(wanted);
        let derivations: Arc<BTreeMap<Hash, Outputs>> = if is_all {
            Arc::clone(realized)
        } else {
            let of_wanted = realized.iter().filter(|(hash, _)| wanted.contains(hash));
            Arc::new(of_wanted.map(|(hash, outputs)| (*hash, outputs.clone())).collect())
        };
        let is_complete = derivations.len() == wanted.len();
        let reads = reads_of(manifest).into_iter().chain(own_sources(&entries)).collect();
        Ok(Desired {
            entries,
            is_complete,
            derivations,
            has_applied_objects: false,
            leaves_services: false,
            merges: Merges::new(),
            reads,
            altered: HashMap::new(),
            is_evaluated: true,
        })
    }

    /// Keeps what is in force only since targets below it need it, as long as there are some.
    pub fn keep_implied(&mut self, targets: &Targets<'_>, current: &Snapshot) {
        let mut kept = Vec::new();
        for activation in current.activations.iter().filter(|activation| is_implied(activation)) {
            let Some(above) = targets.place_as_is(activation) else { continue };
            let place = |entry: &Entry| targets.place_as_is(&entry.activation);
            let mut places = self.entries.iter().filter_map(place);
            let mut is_known = false;
            let is_needed = places.any(|place| {
                is_known |= place == above;
                place.starts_with(&above)
            });
            if is_needed && !is_known {
                kept.push(Entry::applied(activation));
            }
        }
        if !kept.is_empty() {
            self.entries.splice(0..0, kept);
        }
    }

    /// Returns whether something is in force only since targets below it need it.
    pub fn has_implied(current: &Snapshot) -> bool {
        current.activations.iter().any(|activation| is_implied(activation))
    }

    /// Returns the actions that will be recorded.
    pub fn activations(&self) -> Vec<Arc<DeclaredAction>> {
        self.entries.iter().map(|entry| Arc::clone(&entry.activation)).collect()
    }
}

/// The lock and the answers, beside the entry file.
const BESIDE_ENTRY: [&str; 2] = ["syslua.lock", "syslua.local.json"];

/// Returns the files and trees that a config reads.
fn reads_of(manifest: &Manifest) -> Vec<PathBuf> {
    let mut reads: Vec<PathBuf> = manifest.files.iter().map(|(name, _)| name.to_path()).collect();
    reads.extend_from_slice(&manifest.also_read);
    if let Some(entry) = &manifest.config_path {
        reads.extend(BESIDE_ENTRY.iter().map(|name| entry.with_file_name(name)));
        reads.push(entry.clone());
    }
    let sources =
        manifest.derivations.iter().flat_map(|derivation| derivation.spec.recipe.sources());
    reads.extend(sources.map(|source| source.path.clone()));
    reads
}

/// Returns the user's own files that links lead to.
fn own_sources(entries: &[Entry]) -> Vec<PathBuf> {
    let targets = entries.iter().filter_map(|entry| entry.activation.action.as_target());
    let own = targets.filter(|target| target.properties().mutable);
    own.filter_map(|target| Some(target.tree().or(target.leads_to())?.to_path())).collect()
}

/// Returns the user's own file or tree that a derivation is a copy of.
fn source_of(derivation: &Derivation) -> Option<&Path> {
    match &derivation.spec.recipe {
        Recipe::File(FileRecipe { content: FileContent::Source(source), executable: false }) => {
            Some(&source.path)
        }
        _ => None,
    }
}

/// Returns the user's own file or tree that a link leads to or to a copy of.
fn made_of<'a>(
    target: &Target,
    owner: impl Fn(Placeholder) -> Option<&'a Arc<Derivation>>,
) -> Option<MadeOf> {
    let source = target.source()?;
    if target.tree().is_some() {
        return Some(MadeOf::InTree(source.to_path()));
    }
    let Some((start, placeholder)) = Placeholder::find(&source.0) else {
        return target.properties().mutable.then(|| MadeOf::Itself(source.to_path()));
    };
    let derivation = owner(placeholder).filter(|derivation| source_of(derivation).is_some())?;
    let derivation = Arc::clone(derivation);
    match &source.0[start + Placeholder::LENGTH..] {
        [] => Some(MadeOf::Source(derivation)),
        [b'/', below @ ..] => Some(MadeOf::Below(derivation, platform::path_from_bytes(below))),
        _ => None,
    }
}

/// Replaces placeholders by paths where the content is there; equal actions collapse.
fn resolve(
    store: &Store,
    manifest: &Manifest,
    realized: &BTreeMap<Hash, Outputs>,
    current: &Snapshot,
) -> Result<Vec<Entry>, Error> {
    let owners = manifest.owners();
    let objects = [platform::bytes_of_path(store.objects()).as_slice(), b"/"].concat();
    let ways = platform::bytes_of_path(&store.ways());
    let complete = |action: &mut Action| {
        if let Some(target) = action.as_target_mut() {
            target.complete(&objects[..objects.len() - 1], &ways);
        }
    };
    let path = |placeholder: Placeholder| {
        let (derivation, output) = owners.get(&placeholder)?;
        let object = realized.get(&derivation.hash)?.get(*output)?;
        Some([objects.as_slice(), object.as_str().as_bytes()].concat())
    };
    let title = |placeholder: Placeholder| {
        let (derivation, _) = owners.get(&placeholder)?;
        path(placeholder).or_else(|| Some(format!("<{}>", derivation.title()).into_bytes()))
    };
    let owner = |placeholder: Placeholder| owners.get(&placeholder).map(|(owner, _)| *owner);
    // What is there only since others need it comes first.
    let implied = current.activations.iter().filter(|applied| is_implied(applied)).count();
    // Targets, which are thousands, by their place; everything else by its whole content.
    let mut targets: QuickMap<&[u8], usize> = QuickMap::with_capacity_and_hasher(
        manifest.activations.len(),
        BuildHasherDefault::default(),
    );
    let mut others = HashMap::new();
    let mut entries: Vec<Entry> = Vec::with_capacity(manifest.activations.len());
    let mut straight = None;
    let own_tree = |action: &Action| {
        let Some(Target::File(file)) = action.as_target() else { return None };
        let (start, placeholder) = Placeholder::find(&file.source.0)?;
        let is_whole = start + Placeholder::LENGTH == file.source.0.len();
        match &owners.get(&placeholder)?.0.spec.recipe {
            Recipe::File(FileRecipe { content: FileContent::Source(source), .. }) if is_whole => {
                Some(source)
            }
            _ => None,
        }
    };
    for declared in &manifest.activations {
        // Nearly all of them are in force already: none is made twice.
        let applied = current
            .activations
            .get(implied + entries.len())
            .filter(|applied| applied.is_of(declared, &path));
        if let Some(applied) = applied
            && let Some(target) = declared.action.as_target()
            && let MapEntry::Vacant(place) = targets.entry(&target.target().0)
        {
            place.insert(entries.len());
            entries.push(Entry { made_of: made_of(target, owner), ..Entry::applied(applied) });
            continue;
        }
        let unknown =
            |placeholder| Error::Placeholder { placeholder, positions: declared.positions.clone() };
        let (mut action, shown) = match declared.action.resolve(&path) {
            Ok(action) => (action, None),
            Err(_) => {
                (declared.action.clone(), Some(declared.action.resolve(&title).map_err(unknown)?))
            }
        };
        if shown.is_some()
            && let Some(source) = own_tree(&action)
            && let actions = foreseen(&action, source)?
            && !actions.is_empty()
        {
            for (mut action, origin) in actions {
                let shown = action.resolve(&title).map_err(unknown)?;
                if let (Some(target), Some(path)) = (action.as_target_mut(), &origin) {
                    let (digest, can_run) =
                        digest_at(path, store).map_err(Error::at(&declared.positions))?;
                    target.set_digest(digest, can_run);
                }
                entries.push(Entry {
                    activation: Arc::new(declared.with_action(action)),
                    may_change: true,
                    shown: Some(shown),
                    // No links are unfolded for copies.
                    made_of: None,
                });
            }
            continue;
        }
        if shown.is_none()
            && let Some(mut actions) = expanded(&action)?
        {
            actions.iter_mut().for_each(complete);
            let each = actions.into_iter().map(|action| Arc::new(declared.with_action(action)));
            entries.extend(each.map(|activation| Entry::applied(&activation)));
            continue;
        }
        complete(&mut action);
        keep_straight(&mut action, &mut straight, current);
        let activation = declared.with_action(action);
        let is_new = match declared.action.target() {
            Some(target) => match targets.entry(&target.0) {
                MapEntry::Vacant(place) => {
                    place.insert(entries.len());
                    true
                }
                MapEntry::Occupied(first)
                    if entries[*first.get()].activation.action == activation.action =>
                {
                    false
                }
                MapEntry::Occupied(_) => is_first(&mut others, &activation, &mut entries),
            },
            None => is_first(&mut others, &activation, &mut entries),
        };
        if is_new {
            // Nearly all of them are in force already: none is kept twice.
            let applied = current
                .activations
                .get(implied + entries.len())
                .filter(|applied| ***applied == activation);
            let activation = applied.map_or_else(|| Arc::new(activation), Arc::clone);
            let made_of = declared.action.as_target().and_then(|target| made_of(target, owner));
            entries.push(Entry { activation, may_change: shown.is_some(), shown, made_of });
        }
    }
    Ok(entries)
}

/// Has a link say where it leads if the one in force does, which an older version made: it stays
/// until its tree changes. `straight` are those in force, by their targets.
fn keep_straight<'a>(
    action: &mut Action,
    straight: &mut Option<HashMap<&'a [u8], &'a Text>>,
    current: &'a Snapshot,
) {
    let Some(target) =
        action.as_target_mut().filter(|target| target.link_text() != target.leads_to())
    else {
        return;
    };
    let is_straight = |activation: &'a Arc<DeclaredAction>| {
        let target = activation
            .action
            .as_target()
            .filter(|target| target.link_text() == target.leads_to())?;
        Some((target.target().0.as_slice(), target.leads_to()?))
    };
    let straight = straight
        .get_or_insert_with(|| current.activations.iter().filter_map(is_straight).collect());
    if straight.get(target.target().0.as_slice()).copied() == target.leads_to() {
        target.lead_straight();
    }
}

/// Returns whether something is applied only because targets below it need it.
fn is_implied(activation: &DeclaredAction) -> bool {
    activation.action.as_target().is_some_and(|target| target.is_implied())
}

/// Returns whether an action is the first of those that collapse. What an effect says besides, its
/// first one takes over.
fn is_first(
    others: &mut HashMap<Vec<u8>, usize>,
    activation: &DeclaredAction,
    entries: &mut [Entry],
) -> bool {
    match others.entry(key(activation)) {
        MapEntry::Vacant(place) => {
            place.insert(entries.len());
            true
        }
        MapEntry::Occupied(first) => {
            if let (Some(effect), Some(entry)) =
                (activation.action.as_effect(), entries.get_mut(*first.get()))
            {
                let mut merged = entry.activation.action.clone();
                if let Some(kept) = merged.as_effect_mut() {
                    kept.absorb(&**effect);
                }
                if merged != entry.activation.action {
                    entry.activation = Arc::new(entry.activation.with_action(merged));
                }
            }
            false
        }
    }
}

/// Returns a key that is equal for actions that collapse into one.
fn key(activation: &DeclaredAction) -> Vec<u8> {
    match activation.action.as_effect() {
        Some(effect) => {
            [activation.user.as_deref().unwrap_or_default().as_bytes(), b"\0", &effect.key()]
                .concat()
        }
        None => activation.key().into_bytes(),
    }
}

fn add_digests(store: &Store, entries: &mut [Entry], current: &Snapshot) -> Result<(), Error> {
    let mut known: Option<HashMap<&Text, (Hash, bool)>> = None;
    for entry in entries.iter_mut().filter(|entry| !entry.may_change) {
        let Some((source, _)) =
            entry.activation.action.as_target().and_then(|target| target.digest())
        else {
            continue;
        };
        let path = source.to_path();
        let known = known.get_or_insert_with(|| digests(current));
        // Only files in the store cannot have changed.
        let (digest, can_run) =
            match known.get(source).filter(|_| path.starts_with(store.objects())) {
                Some(known) => *known,
                None => digest_at(&path, store).map_err(Error::at(&entry.activation.positions))?,
            };
        if let Some(target) = Arc::make_mut(&mut entry.activation).action.as_target_mut() {
            target.set_digest(digest, can_run);
        }
    }
    Ok(())
}

/// Returns the digest of a file, and whether it can be run.
fn digest_at(path: &Path, store: &Store) -> std::result::Result<(Hash, bool), action::Error> {
    let digest = action::digest_of(path, store)?;
    Ok((digest, action::is_executable(path) == Some(true)))
}

/// Returns what a snapshot records of the content of its files, by their sources.
fn digests(snapshot: &Snapshot) -> HashMap<&Text, (Hash, bool)> {
    let targets =
        snapshot.activations.iter().filter_map(|activation| activation.action.as_target());
    let recorded = targets.filter_map(|target| {
        let (source, digest) = target.digest()?;
        Some((source, (digest?, target.is_executable()?)))
    });
    recorded.collect()
}
