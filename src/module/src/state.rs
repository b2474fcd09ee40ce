//! What the bindings remember in one Lua state: derivations by hash, their functions, the chunks of
//! configs, and the evaluation under way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::activation::{DeclaredAction, Project};
use syslua_engine::api::Entered;
use syslua_engine::context::EngineContext;
use syslua_engine::derivation::Derivation;
use syslua_engine::failure::FailureKind;
use syslua_engine::generations::Ahead;
use syslua_engine::hash::{DigestMap, DigestSet, Hash};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::{OutputName, Placeholder};
use syslua_engine::settings::System;
use syslua_engine::store::source_cache::SourceMemory;
use syslua_engine::value::Positions;
use syslua_lua_source::Chunk;

use crate::call_stack::{Base, Frames, Rules};
use crate::collection::Collection;
use crate::config_files::ConfigFiles;
use crate::error::{Answer, Error};
use crate::locks::{LockSession, PendingLock};

/// The registry entry that holds the `config` functions by hash; Rust data must not hold Lua
/// values.
const CONFIGS: &str = "syslua.configs";

/// The trees of inputs by their paths, each with its NAR hash.
pub type InputTrees = BTreeMap<PathBuf, Hash>;

/// What one Lua state knows.
#[derive(Default)]
pub struct State {
    /// What the calls of this Lua state share.
    pub context: Arc<EngineContext>,
    /// Every derivation that was declared, by hash.
    declared: DigestMap<Hash, Declared>,
    /// What placeholders stand for.
    pub owners: DigestMap<Placeholder, (Hash, OutputName)>,
    /// The texts of loaded files, by chunk name: first of files outside of evaluations, then of
    /// each evaluation, since two configs may have files of one name. One name may have several
    /// texts, of `load`.
    chunks: Vec<HashMap<String, Vec<Rc<Chunk>>>>,
    /// Whose chunks are looked at first, instead of those of the evaluation.
    other_chunks: Option<usize>,
    /// Whether a function of a build is running.
    pub is_building: bool,
    /// What the chunk names of others say.
    pub position_rules: Option<Rules>,
    /// The frames from which something was declared last.
    pub frames: Frames,
    /// Manifests that stay here; Lua has their numbers, counted from 1.
    pub manifests: Vec<Arc<Manifest>>,
    /// Environments of projects that were entered; Lua has their numbers, counted from 1.
    pub entered: Vec<Arc<Entered>>,
    /// What sources hashed to, of the root of the last evaluation.
    pub sources: SourceMemory,
    /// The snapshot in force, for the verb that follows an evaluation.
    pub ahead: Option<Ahead>,
    /// Evaluations under way, innermost last.
    pub evaluations: Vec<Evaluation>,
    /// The trees of inputs that evaluations had.
    pub input_trees: Rc<InputTrees>,
    /// What is to be written into the locks of configs, by their entry files.
    pub pending_locks: BTreeMap<PathBuf, Rc<PendingLock>>,
}

/// A derivation that was declared.
struct Declared {
    derivation: Arc<Derivation>,
    /// Whose chunks its function is in.
    chunks: usize,
}

/// What an evaluation collected until now.
#[derive(Default)]
pub struct Evaluation {
    /// The files of the config.
    pub config_files: Option<Rc<ConfigFiles>>,
    /// Where files of the config are now, by the paths that they had: a config that is restored
    /// from a copy.
    pub places: BTreeMap<PathBuf, PathBuf>,
    /// The platform it is for.
    pub system: Arc<System>,
    /// The home and the root on this machine.
    pub places_of_machine: Option<(PathBuf, PathBuf)>,
    /// The number of its set of chunks.
    pub chunks: usize,
    /// What continues the call stack, innermost last.
    pub bases: Vec<Base>,
    /// The hashes of these derivations.
    pub seen: DigestSet<Hash>,
    /// Derivations, each with its place in the order of declaration.
    pub derivations: Vec<(usize, Arc<Derivation>)>,
    /// Recorded actions, each with its place in the order of declaration.
    pub activations: Vec<(usize, Arc<DeclaredAction>)>,
    /// The positions of declarations that are handled at the end.
    pub tickets: Vec<Ticket>,
    /// Files of each block that are a path and a content.
    pub collections: Vec<Collection>,
    /// How many places in the order of declaration are taken.
    pub taken: usize,
    /// What is read besides the sources of derivations and the files of the config: links to
    /// sources, sources with the content of another one, and installed modules.
    pub also_read: Vec<PathBuf>,
    /// The lock of the config.
    pub lock: Option<LockSession>,
    /// How many trees are declared at each place of a user.
    pub trees: HashMap<(String, Vec<u8>), usize>,
    /// What actions are scoped to right now.
    pub scope: Scope,
}

/// What `user{}` and `project{}` scope actions to.
#[derive(Default)]
pub struct Scope {
    /// The name of the user and its home.
    pub user: Option<(String, PathBuf)>,
    /// The project.
    pub project: Option<Project>,
}

impl Scope {
    /// Returns an action in this scope.
    ///
    /// # Errors
    /// When the scope takes no such action.
    pub fn take(&self, mut activation: DeclaredAction) -> Answer<Arc<DeclaredAction>> {
        if let Some(project) = &self.project
            && activation.action.as_environment().is_none()
        {
            let message = format!(
                "project{{}} scopes only an environment, but `{}` declares more",
                project.name
            );
            return Err(Error::new(FailureKind::Config, message).with_hint(
                "env{}, ctx.add_to_path and ctx.source_in_shell work there; \
                 declare the rest outside",
            ));
        }
        if let Some((_, home)) = &self.user {
            // Who applies has another home.
            activation.action.change_starts(|text| text.expand_home(home));
        }
        activation.user = self.user.as_ref().map(|(name, _)| name.clone());
        activation.project.clone_from(&self.project);
        Ok(Arc::new(activation))
    }
}

/// The place of a declaration that is acted upon at the end.
#[derive(Clone)]
pub struct Ticket {
    /// Who declared it.
    pub positions: Positions,
    /// Its place in the order of declaration.
    pub order: usize,
}

impl Evaluation {
    /// Takes the next place in the order of declaration.
    pub fn take_place(&mut self) -> usize {
        self.taken += 1;
        self.taken
    }

    /// Records an action in the scope that is set: at the end, or at a place in the order of
    /// declaration.
    ///
    /// # Errors
    /// When the scope takes no such action.
    pub fn record(&mut self, activation: DeclaredAction, order: Option<usize>) -> Answer<()> {
        let activation = self.scope.take(activation)?;
        let order = order.unwrap_or_else(|| self.take_place());
        self.activations.push((order, activation));
        Ok(())
    }

    /// Counts a tree at a place of the user that declarations are scoped to; returns the user's
    /// name and the number.
    pub fn count_tree(&mut self, target: &[u8]) -> (String, usize) {
        let user = self.scope.user.as_ref();
        let user = user.map_or_else(String::new, |(name, _)| name.clone());
        let count = self.trees.entry((user.clone(), target.to_vec())).or_default();
        *count += 1;
        (user, *count)
    }

    /// Returns the ticket of a number.
    pub fn ticket(&self, number: usize) -> Option<&Ticket> {
        self.tickets.get(number.wrapping_sub(1))
    }

    /// Adds a ticket; returns its number, counted from 1.
    pub fn add_ticket(&mut self, positions: Positions) -> usize {
        // Neighbours in a loop are declared by the same lines.
        let is_same = |last: &&Ticket| {
            Arc::ptr_eq(&last.positions, &positions) || last.positions == positions
        };
        let known = self.tickets.last().filter(is_same);
        let positions = known.map_or(positions, |last| Arc::clone(&last.positions));
        let order = self.take_place();
        self.tickets.push(Ticket { positions, order });
        self.tickets.len()
    }
}

impl State {
    /// Returns the derivation of a hash, if it was declared.
    pub fn derivation(&self, hash: &Hash) -> Option<&Arc<Derivation>> {
        self.declared.get(hash).map(|declared| &declared.derivation)
    }

    /// Remembers a derivation as part of the evaluation: as the last one, or at a place in the
    /// order of declaration.
    pub fn declare(&mut self, derivation: Arc<Derivation>, order: Option<usize>) {
        for (output, placeholder) in derivation.outputs() {
            self.owners.insert(placeholder, (derivation.hash, output.clone()));
        }
        let declared =
            Declared { derivation: Arc::clone(&derivation), chunks: self.active_chunks() };
        self.declared.insert(derivation.hash, declared);
        let Some(evaluation) = self.evaluations.last_mut() else { return };
        if evaluation.seen.insert(derivation.hash) {
            let order = order.unwrap_or_else(|| evaluation.take_place());
            evaluation.derivations.push((order, derivation));
        } else {
            // Equal contents are one derivation, and only the first names its source.
            evaluation
                .also_read
                .extend(derivation.spec.recipe.sources().iter().map(|source| source.path.clone()));
        }
    }

    /// Reserves memory for this number of derivations with one output each.
    pub fn reserve(&mut self, count: usize) {
        self.declared.reserve(count);
        self.owners.reserve(count);
        if let Some(evaluation) = self.evaluations.last_mut() {
            evaluation.seen.reserve(count);
            evaluation.derivations.reserve(count);
            evaluation.activations.reserve(count);
        }
    }

    /// Returns the files of the config that is evaluated.
    pub fn config_files(&self) -> Option<Rc<ConfigFiles>> {
        self.evaluations.last()?.config_files.clone()
    }

    /// Returns the number of the chunks that are looked at first: 0 outside of evaluations.
    fn active_chunks(&self) -> usize {
        let of_evaluation = || self.evaluations.last().map(|evaluation| evaluation.chunks);
        self.other_chunks.or_else(of_evaluation).unwrap_or_default()
    }

    /// Returns the texts of a chunk, as the active evaluation loaded them, or of a file outside.
    pub fn chunks(&self, name: &str) -> Vec<Rc<Chunk>> {
        let sets = [self.active_chunks(), 0];
        sets.iter().find_map(|set| self.chunks.get(*set)?.get(name).cloned()).unwrap_or_default()
    }

    /// Returns whether the active evaluation loaded a chunk of this name.
    pub fn is_evaluated(&self, name: &str) -> bool {
        let active = self.active_chunks();
        active > 0 && self.chunks.get(active).is_some_and(|chunks| chunks.contains_key(name))
    }

    /// Remembers the text of a chunk; set 0 is that of files outside of evaluations.
    pub fn add_chunk(&mut self, set: usize, name: String, chunk: Rc<Chunk>) {
        if self.chunks.len() <= set {
            self.chunks.resize_with(set + 1, HashMap::new);
        }
        let chunks = self.chunks[set].entry(name).or_default();
        if chunks.iter().all(|known| known.whole() != chunk.whole()) {
            chunks.push(chunk);
        }
    }

    /// Remembers the text of a file that the evaluation under way loaded.
    pub fn add_evaluated_chunk(&mut self, name: String, chunk: Rc<Chunk>) {
        self.add_chunk(self.active_chunks(), name, chunk);
    }

    /// Begins an evaluation, with chunks of its own.
    pub fn begin(&mut self, mut evaluation: Evaluation) {
        evaluation.chunks = self.chunks.len().max(1);
        self.chunks.resize_with(evaluation.chunks + 1, HashMap::new);
        self.evaluations.push(evaluation);
    }

    /// Ends the innermost evaluation.
    pub fn end(&mut self) -> Option<Evaluation> {
        self.evaluations.pop()
    }
}

/// Calls `run` while the chunks of the evaluation that declared a derivation are the active ones.
pub fn with_chunks_of<R>(lua: &Lua, hash: Hash, run: impl FnOnce() -> R) -> R {
    let before = change(lua, |state| {
        let of = state.declared.get(&hash).map_or(0, |declared| declared.chunks);
        state.other_chunks.replace(of)
    });
    let result = run();
    change(lua, |state| state.other_chunks = before.flatten());
    result
}

/// Puts an empty state into a Lua state. Most calls work on `root`.
pub fn install(lua: &Lua, root: Option<PathBuf>) -> LuaResult<()> {
    let context: Arc<EngineContext> = Arc::default();
    let sources = SourceMemory::default().telling(&context.seen_trees).searching_for(root);
    lua.set_app_data(State { context, sources, ..State::default() });
    lua.set_named_registry_value(CONFIGS, lua.create_table()?)
}

/// Calls `read` with the state.
pub fn read<R>(lua: &Lua, read: impl FnOnce(&State) -> R) -> R {
    if let Some(state) = lua.app_data_ref::<State>() {
        return read(&state);
    }
    read(&State::default())
}

/// Returns where a file of the config is: at its path, unless the config is restored from a copy.
pub fn locate(lua: &Lua, path: PathBuf) -> PathBuf {
    read(lua, |state| {
        let places = state
            .evaluations
            .last()
            .map(|evaluation| &evaluation.places)
            .filter(|places| !places.is_empty());
        let find = |places: &BTreeMap<PathBuf, PathBuf>| {
            path.ancestors().find_map(|above| {
                let inner = path.strip_prefix(above).ok()?;
                let place = places.get(above)?;
                Some(if inner == Path::new("") { place.clone() } else { place.join(inner) })
            })
        };
        places.and_then(find)
    })
    .unwrap_or(path)
}

/// Calls `change` with the state; `None` when the state is in use further up, which is a bug.
pub fn change<R>(lua: &Lua, change: impl FnOnce(&mut State) -> R) -> Option<R> {
    lua.app_data_mut::<State>().map(|mut state| change(&mut state))
}

/// Remembers a derivation, and its function when it has one: as the last one, or at a place in the
/// order of declaration.
pub fn add(
    lua: &Lua,
    derivation: &Arc<Derivation>,
    config: Option<&LuaFunction>,
    order: Option<usize>,
) -> LuaResult<()> {
    change(lua, |state| state.declare(Arc::clone(derivation), order));
    let Some(config) = config else { return Ok(()) };
    lua.named_registry_value::<LuaTable>(CONFIGS)?.raw_set(derivation.hash.to_hex(), config)
}

/// Returns the function of a derivation.
pub fn config(lua: &Lua, hash: Hash) -> LuaResult<Option<LuaFunction>> {
    lua.named_registry_value::<LuaTable>(CONFIGS)?.raw_get(hash.to_hex())
}

/// Returns derivations and everything they need, each after its dependencies.
pub fn closure(lua: &Lua, hashes: impl IntoIterator<Item = Hash>) -> Vec<Arc<Derivation>> {
    read(lua, |state| {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        // Twice on the stack: first to push what it needs, then to be put in order.
        let mut pending: Vec<(Hash, bool)> = hashes.into_iter().map(|hash| (hash, false)).collect();
        while let Some((hash, ready)) = pending.pop() {
            let Some(derivation) = state.derivation(&hash) else { continue };
            if ready {
                order.push(Arc::clone(derivation));
            } else if seen.insert(hash) {
                pending.push((hash, true));
                pending
                    .extend(derivation.dependencies.iter().map(|dependency| (*dependency, false)));
            }
        }
        order
    })
}
