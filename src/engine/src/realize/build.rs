//! One build: its directories, what it may read, and what placeholders mean to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Error, Slots, busy};
use crate::derivation::{Derivation, FileContent, FileRecipe, Recipe};
use crate::hash::Hash;
use crate::names::{ObjectName, OutputName, Placeholder};
use crate::operation::{self, BuildSandbox, Request, Response, Sandboxes, Workspace};
use crate::pins::PinnedHashes;
use crate::platform;
use crate::platform::jail::Level;
use crate::platform::lock::{Lock, Patience};
use crate::settings::{Event, Settings};
use crate::store::import::{SourceTree, import_copies, import_source};
use crate::store::verify::content_path;
use crate::store::{self, ObjectInfo, Outputs, Slot, Store, read_info, recorded_outputs, tree};
use crate::value::Source;

/// What a build makes is its own until it is published.
const PRIVATE: u32 = 0o700;

/// What the builds of one call share.
#[derive(Clone, Default)]
pub struct Shared {
    /// What confines their programs.
    pub sandboxes: Arc<Sandboxes>,
    /// The directories that they leave to one another; none where each removes its own.
    pub slots: Option<Arc<Slots>>,
}

/// A build under way.
pub struct Build {
    /// What is built.
    pub derivation: Arc<Derivation>,
    /// The paths of the outputs of its dependencies.
    pub dependencies: BTreeMap<Hash, BTreeMap<OutputName, PathBuf>>,
    /// Where it works.
    pub workspace: Workspace,
    paths: HashMap<Placeholder, Vec<u8>>,
    names: BTreeMap<OutputName, ObjectName>,
    objects: BTreeSet<ObjectName>,
    system: Option<Store>,
    slot: Slot,
    slots: Option<Arc<Slots>>,
    /// The weakest level of its dependencies.
    inputs: Level,
    /// The pins that all it is built from used.
    input_pins: PinnedHashes,
}

impl Build {
    /// Makes room for a build: leftovers of an earlier one go. The caller holds the locks of the
    /// derivation and of its slot.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn prepare(
        store: &Store,
        derivation: Arc<Derivation>,
        realized: &BTreeMap<Hash, Outputs>,
        settings: &Settings,
        shared: &Shared,
    ) -> Result<Build, Error> {
        let names = derivation.temporary_names();
        let slot = Slot::of(derivation.hash);
        let building = store.building(slot);
        let outputs = names
            .iter()
            .map(|(output, name)| (output.clone(), building.join(name.as_str())))
            .collect();
        let mut dependencies: BTreeMap<Hash, BTreeMap<OutputName, PathBuf>> = BTreeMap::new();
        for hash in &derivation.dependencies {
            let places = dependencies.entry(*hash).or_default();
            for (output, object) in realized.get(hash).into_iter().flatten() {
                let place = content_path(store, object, read_info(store, object)?.as_ref());
                places.insert(output.clone(), place.map_err(store::Error::from)?);
            }
        }
        let mut inputs = Level::Namespaces;
        for hash in &derivation.dependencies {
            let level = match realized.get(hash).map(Outputs::level) {
                // It is known from a snapshot, which does not tell.
                None | Some(Level::Unknown) => {
                    let known = recorded_outputs(store, *hash)?.into_iter();
                    let of_it = known.filter(|known| realized.get(hash) == Some(known));
                    of_it.map(|known| known.level()).min().unwrap_or(Level::Unknown)
                }
                Some(level) => level,
            };
            inputs = inputs.min(level);
        }
        let input_pins = pins_of_dependencies(&derivation, realized);
        let objects = derivation
            .dependencies
            .iter()
            .filter_map(|hash| realized.get(hash))
            .flat_map(Outputs::values);
        // All outputs of a captured handle can be asked for, not only those that a string names.
        let all = dependencies
            .iter()
            .flat_map(|(hash, outputs)| outputs.iter().map(move |output| (*hash, output)));
        let paths = all.map(|(hash, (output, path))| {
            (Placeholder::new(hash, output), platform::bytes_of_path(path))
        });
        let paths = paths.collect();
        // Objects that are borrowed from there.
        let system = settings.substitute.as_deref().map(Store::new);
        let objects: BTreeSet<ObjectName> = objects.cloned().collect();
        let search = search(store, &derivation, &names, &objects, system.as_ref());
        let sees = sees(store, &objects, system.as_ref());
        let build = Build {
            dependencies,
            paths,
            workspace: Workspace {
                directory: store.build_directory(slot),
                building,
                outputs,
                objects: [Some(store), system.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|store| store.objects().to_owned())
                    .collect(),
                sees,
                sources: derivation.spec.recipe.sources().into_iter().cloned().collect(),
                downloads: store.downloads(),
                log: store.log(derivation.hash),
                mark: store.slot_mark(slot),
                jail: store.slot_jail(slot),
                settings: settings.clone(),
                network: derivation.spec.output_hash.is_some(),
                fetched: Mutex::default(),
                pins: Mutex::default(),
                origins: Mutex::default(),
                refusal: Mutex::default(),
                copied_sources: Mutex::default(),
                is_check: false,
                given: Mutex::default(),
                search: Some(search),
                copies: Mutex::default(),
                sandbox: BuildSandbox::new(&shared.sandboxes, settings, slot.number())?,
            },
            names,
            system,
            slot,
            slots: shared.slots.clone(),
            inputs,
            input_pins,
            objects,
            derivation,
        };
        let is_left = shared.slots.as_ref().is_some_and(|slots| slots.take(slot, build.places()));
        if !is_left && build.places().into_iter().any(platform::exists) {
            // The last holder of the slot was killed; its programs would continue to write into
            // this build. A jail ends on its own.
            let patience =
                Patience { timeout: settings.lock_timeout, interrupt: settings.interrupt.clone() };
            Lock::take_briefly(&build.workspace.jail, &patience)
                .map_err(|error| busy(&build.derivation, error))?;
            if let Ok(mark) = platform::read_to_string(&build.workspace.mark) {
                platform::process::end_marked(mark.trim());
            }
            build.remove().map_err(store::Error::from)?;
        }
        if is_left {
            for place in build.places().into_iter().filter(|place| platform::exists(place)) {
                build.workspace.give(place).map_err(store::Error::from)?;
            }
        } else {
            // A new one, to which nothing that was left running has a right.
            platform::create_directory_as(&build.workspace.building, PRIVATE)
                .map_err(store::Error::from)?;
            if let Some(slots) = &shared.slots {
                slots.note_new(&build.workspace.building);
            }
            build.workspace.give(&build.workspace.building).map_err(store::Error::from)?;
        }
        if platform::exists(&build.workspace.log) {
            platform::remove_file(&build.workspace.log).map_err(store::Error::from)?;
        }
        Ok(build)
    }

    /// Performs an operation here and now.
    ///
    /// # Errors
    /// When it fails.
    pub fn perform(&self, request: Request) -> operation::Result<Response> {
        operation::perform(&self.workspace, request)
    }

    /// Makes ready what an operation needs, before its turn.
    pub fn make_ready(&self, request: &Request) {
        operation::prepare(&self.workspace, request);
    }

    /// Replaces the placeholders in a text by the paths of the dependencies.
    ///
    /// # Errors
    /// A placeholder that this build does not depend on.
    pub fn resolve(&self, text: &[u8]) -> Result<Vec<u8>, Placeholder> {
        Placeholder::resolve(text, |placeholder| self.paths.get(&placeholder).cloned())
    }

    /// Returns the path of an output of a dependency, in bytes.
    pub fn output_path(&self, dependency: Hash, output: &OutputName) -> Option<Vec<u8>> {
        let path = self.dependencies.get(&dependency)?.get(output)?;
        Some(platform::bytes_of_path(path))
    }

    /// Publishes what the build made and removes its directory.
    ///
    /// # Errors
    /// When an output is missing or cannot be stored.
    pub fn finish(&self, store: &Store) -> store::Result<Outputs> {
        self.workspace.sandbox.end();
        // Nothing may change what is hashed.
        self.workspace
            .sandbox
            .end_user()
            .map_err(platform::failed("end the processes of", &self.workspace.directory))?;
        let derivation = &self.derivation;
        // The copy must equal the hashed source, or the object would stand for another content.
        let check_sources = || {
            // A copied source was hashed on the way, and nothing else of it was read.
            self.workspace
                .sources
                .par_iter()
                .filter(|source| self.workspace.is_looked_at(source))
                .try_for_each(|source| {
                    if tree::hash_without(&source.path, &source.excluded, store.interrupt())?
                        == source.nar
                    {
                        Ok(())
                    } else {
                        Err(store::Error::SourceChanged { path: source.path.clone() })
                    }
                })
        };
        let warn_of_collisions = |object: &ObjectName, info: &ObjectInfo| {
            if let Some(path) = info.case_collisions.first() {
                let message = format!(
                    "{object} has names that differ in case only, such as {}: it cannot be copied \
                     to every file system",
                    path.display()
                );
                self.workspace.settings.events.send(Event::Warning { message });
            }
        };
        if let Some(source) = self.plain_source() {
            let tree = SourceTree {
                deriver: derivation.hash,
                name: &derivation.spec.name,
                source,
                sandbox: self.workspace.sandbox.level(),
            };
            let (object, new) =
                import_source(store, &tree, &self.workspace.settings.context.seen_trees)?;
            if let Some(info) = new {
                warn_of_collisions(&object, &info);
            }
            self.discard()?;
            return Ok(self.pinned(Outputs::from_iter([(OutputName::main(), object)])));
        }
        let outputs = import_copies(
            store,
            &store::import::Build {
                deriver: derivation.hash,
                name: &derivation.spec.name,
                version: derivation.spec.version.as_ref(),
                outputs: &self.names,
                dependencies: &closure(store, &self.objects, self.system.as_ref())?,
                published: &warn_of_collisions,
                expected: derivation.spec.output_hash,
                sandbox: self.workspace.sandbox.level(),
            },
            &self.workspace.take_copies(),
            check_sources,
        )?;
        self.discard()?;
        Ok(self.pinned(outputs))
    }

    /// Returns the local file or tree that the output is a copy of, if the derivation is only that.
    pub fn plain_source(&self) -> Option<&Source> {
        match &self.derivation.spec.recipe {
            Recipe::File(FileRecipe {
                content: FileContent::Source(source),
                executable: false,
            }) => Some(source),
            _ => None,
        }
    }

    /// Returns whether it made one small file, which is not hashed in parallel.
    pub fn is_small(&self) -> bool {
        const SMALL: u64 = 1 << 20;
        let mut outputs = self.workspace.outputs.values();
        let is_file = |path: &PathBuf| {
            let found = platform::metadata_of(path).ok().flatten();
            found.is_some_and(|found| found.is_file() && found.len() <= SMALL)
        };
        self.plain_source().is_none() && outputs.len() == 1 && outputs.all(is_file)
    }

    /// Returns what it became with its level and the pins that it depends on.
    fn pinned(&self, outputs: Outputs) -> Outputs {
        let own = self.workspace.pins();
        let mut all = self.input_pins.clone();
        all.extend(own.iter().map(|(key, sha256)| (key.clone(), *sha256)));
        outputs.with_level(self.level()).with_pins(Some(own), all)
    }

    /// Returns how far the programs were confined that built it, and what it was built from.
    fn level(&self) -> Level {
        self.workspace.sandbox.level().min(self.inputs)
    }

    /// Removes everything but the log.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn discard(&self) -> platform::Result<()> {
        self.workspace.sandbox.end();
        let removed = if self.leave() { Ok(()) } else { self.remove() };
        self.workspace.sandbox.give_user_back();
        removed
    }

    /// Leaves its directories to the next build of its slot, where nothing of this one can write in
    /// them any more.
    fn leave(&self) -> bool {
        self.slots.as_ref().is_some_and(|slots| {
            self.workspace.sandbox.level() == Level::Namespaces
                && slots.leave(self.slot, self.places())
        })
    }

    /// Returns its directories: that of the outputs, and its own.
    fn places(&self) -> [&Path; 2] {
        [&self.workspace.building, &self.workspace.directory]
    }

    fn remove(&self) -> platform::Result<()> {
        // Most leave them empty.
        for path in self.places() {
            platform::remove_directory(path).or_else(|_| platform::remove_tree(path))?;
        }
        Ok(())
    }
}

/// Returns the pins that all dependencies of a derivation depend on.
pub fn pins_of_dependencies(
    derivation: &Derivation,
    realized: &BTreeMap<Hash, Outputs>,
) -> PinnedHashes {
    let mut pins = PinnedHashes::new();
    for outputs in derivation.dependencies.iter().filter_map(|hash| realized.get(hash)) {
        pins.extend(outputs.pins().iter().map(|(key, sha256)| (key.clone(), *sha256)));
    }
    pins
}

/// What a build could have seen: its dependencies and what they refer to.
fn closure(
    store: &Store,
    objects: &BTreeSet<ObjectName>,
    system: Option<&Store>,
) -> store::Result<BTreeSet<ObjectName>> {
    let mut closure = BTreeSet::new();
    let mut pending: Vec<ObjectName> = objects.iter().cloned().collect();
    while let Some(object) = pending.pop() {
        let info = match read_info(store, &object)? {
            Some(info) => Some(info),
            // Below what is borrowed, the system's store knows more.
            None => system.and_then(|system| read_info(system, &object).ok().flatten()),
        };
        if let Some(info) = info {
            pending.extend(
                info.references.into_iter().filter(|reference| !closure.contains(reference)),
            );
        }
        closure.insert(object);
    }
    Ok(closure)
}

/// Returns what tells which objects operations may read. It is found out when the first of them
/// asks: most read none.
fn sees(store: &Store, objects: &BTreeSet<ObjectName>, system: Option<&Store>) -> operation::Sees {
    let (store, objects, system) = (store.clone(), objects.clone(), system.cloned());
    let seen = OnceLock::new();
    Box::new(move |object| {
        // Its direct dependencies can be read even if a record is damaged.
        let closure =
            || closure(&store, &objects, system.as_ref()).unwrap_or_else(|_| objects.clone());
        objects.contains(object) || seen.get_or_init(closure).contains(object)
    })
}

/// Returns what tells an operation that makes an output what to search for in it, as publication
/// does.
fn search(
    store: &Store,
    derivation: &Arc<Derivation>,
    names: &BTreeMap<OutputName, ObjectName>,
    objects: &BTreeSet<ObjectName>,
    system: Option<&Store>,
) -> operation::Search {
    let (store, derivation, names) = (store.clone(), Arc::clone(derivation), names.clone());
    let (objects, system) = (objects.clone(), system.cloned());
    Box::new(move |output| {
        // What fails here fails once more when the output is published, and then says why.
        let dependencies = closure(&store, &objects, system.as_ref()).ok()?;
        Some(store::import::patterns_of(&store, derivation.hash, &names, &dependencies, output))
    })
}
