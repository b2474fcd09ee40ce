//! The scheduler: which derivation is next, which task continues. It knows no Lua: tasks are a
//! trait.
//!
//! Tasks run on the calling thread, operations and publication on the pool. A derivation that was
//! built before is found by its recipe hash; else its dependencies are realized and it is looked up
//! by its resolved hash; only then is it built.
//!
//! It is over 600 lines, because all decisions on what runs next are together here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use petgraph::graph::{DiGraph, NodeIndex};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::build::{Shared, pins_of_dependencies};
use super::fixed_output::get_declared;
use super::pinning::{agrees, complete, for_users};
use super::pool::{Message, Pool, Turns};
use super::recorder::{self, Recorder, Unrecorded};
use super::substitute::{borrow, lender};
use super::{Build, Error, Step, Task, Tasks, busy, file, list};
use crate::derivation::{Derivation, Recipe};
use crate::failure::{Failure, FailureKind, Mismatch};
use crate::hash::Hash;
use crate::names::OutputName;
use crate::operation::{Error as OperationError, Response};
use crate::platform::jail::Level;
use crate::platform::lock::{Lock, LockError, Sharing, holder};
use crate::settings::{Event, Sandbox, Settings};
use crate::store::import::{File, import_files};
use crate::store::shared::protect_lifted;
use crate::store::{
    self, Outputs, Slot, Store, get_outputs, has_objects, recorded_outputs, write_derivation,
    write_outputs,
};

/// How long to sleep at most before looking at locks and interruption again.
const TICK: Duration = Duration::from_millis(20);

/// After this number of builds, or this time after the first of them, results are synced and
/// recorded.
const BATCH: usize = 256;
/// The most results that wait for the recorder: each holds a descriptor.
const MOST_UNRECORDED: usize = BATCH + BATCH / 2;
const BATCH_TIME: Duration = Duration::from_secs(2);

/// What became of the wanted derivations.
#[derive(Debug, Default)]
pub struct Realization {
    /// The objects of every derivation that was looked at, by hash.
    pub outputs: BTreeMap<Hash, Outputs>,
    /// The derivations that were built, in the order in which they were finished.
    pub built: Vec<Hash>,
}

/// Realizes derivations and whatever they need.
///
/// `derivations` are all that are known, each after its dependencies; `wanted` those to realize.
/// `known` are objects that the caller knows to be there.
///
/// # Errors
/// The first failure, after the builds that ran beside it have ended. A content that differs from
/// its declaration stops only its users: all such contents are reported together.
pub fn realize(
    store: &Store,
    settings: &Settings,
    derivations: &[Arc<Derivation>],
    wanted: &BTreeSet<Hash>,
    known: BTreeMap<Hash, Outputs>,
    tasks: &mut dyn Tasks,
) -> Result<Realization, Error> {
    let (done, mut recorder) = realize_ahead(store, settings, derivations, wanted, known, tasks)?;
    recorder.finish()?;
    Ok(done)
}

/// The same, without waiting until the results are on the disk and recorded: before anything
/// depends on that, the caller calls [`Recorder::finish`].
///
/// # Errors
/// As [`realize`].
pub fn realize_ahead(
    store: &Store,
    settings: &Settings,
    derivations: &[Arc<Derivation>],
    wanted: &BTreeSet<Hash>,
    known: BTreeMap<Hash, Outputs>,
    tasks: &mut dyn Tasks,
) -> Result<(Realization, Recorder), Error> {
    // What is only known to be there may have been built in any way.
    let known = if settings.sandbox == Sandbox::Require { BTreeMap::new() } else { known };
    let root = store.root_identity();
    let mut done = Realization { outputs: known, built: Vec::new() };
    let mut lacking = BTreeSet::new();
    let mut graph = missing(store, settings, derivations, wanted, &mut done, &mut lacking)?;
    if graph.node_count() == 0 {
        note_use(settings, &done);
        return Ok((done, Recorder::default()));
    }
    let shared = store.create_and_lock(settings)?;
    if store.was_replaced(root.as_ref()) {
        // It was destroyed in the meantime, with everything that was found in it.
        drop(shared);
        return realize_ahead(store, settings, derivations, wanted, BTreeMap::new(), tasks);
    }
    // What another machine or an older lock built may be what the pins say, once they are there.
    while !lacking.is_empty() {
        let keys = std::mem::take(&mut lacking).into_iter().collect();
        complete(settings, store, keys);
        if settings.interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        graph = missing(store, settings, derivations, wanted, &mut done, &mut lacking)?;
    }
    protect_lifted(store)?;
    let pool = Pool::new(settings.jobs).map_err(|error| Error::Threads(error.to_string()))?;
    let job_settings = settings.with_events(pool.events());
    let mut scheduler = Scheduler {
        store: store.clone(),
        lender: lender(settings),
        settings,
        missing_dependencies: graph
            .node_indices()
            .map(|node| graph.neighbors(node).count())
            .collect(),
        graph,
        pool,
        job_settings,
        shared: Shared { slots: Some(Arc::default()), ..Shared::default() },
        ready: VecDeque::new(),
        locked_out: Vec::new(),
        behind: Vec::new(),
        pinning: BTreeSet::new(),
        waiting_since: BTreeMap::new(),
        running: BTreeMap::new(),
        unrecorded: Vec::new(),
        recorder: Recorder::default(),
        failure: None,
        mismatches: Vec::new(),
        done,
    };
    scheduler.run(tasks);
    scheduler.record_beside();
    if let Some(slots) = &scheduler.shared.slots {
        slots.clear(store);
    }
    match together(scheduler.failure, scheduler.mismatches) {
        // The recorder finishes when it is dropped.
        Some(failure) => Err(failure),
        None => {
            note_use(settings, &scheduler.done);
            Ok((scheduler.done, scheduler.recorder))
        }
    }
}

/// Notes which pins results depend on that were found, not built.
fn note_use(settings: &Settings, done: &Realization) {
    let keys = done.outputs.values().flat_map(|outputs| outputs.pins().keys());
    settings.pins.note_use(keys, &settings.system.platform);
}

/// Returns the error of a run: the first failure, and all contents that differ from their
/// declarations.
fn together(failure: Option<Error>, mut builds: Vec<(String, Failure)>) -> Option<Error> {
    match failure {
        None if builds.len() <= 1 => {
            let (derivation, failure) = builds.pop()?;
            return Some(Error::Build { derivation, failure });
        }
        // It says more, or was asked for.
        Some(failure) if builds.is_empty() || !matches!(failure, Error::Build { .. }) => {
            return Some(failure);
        }
        _ => {}
    }
    let mut mismatches: Vec<Mismatch> =
        builds.into_iter().flat_map(|(_, failure)| failure.mismatches).collect();
    mismatches
        .sort_by_cached_key(|mismatch| (place(mismatch.position.as_deref()), mismatch.url.clone()));
    mismatches.dedup();
    match failure {
        Some(Error::Build { derivation, mut failure }) => {
            failure.message = format!("{}\nbesides, {}", failure.message, list(&mismatches));
            failure.mismatches = mismatches;
            Some(Error::Build { derivation, failure })
        }
        _ => Some(Error::Mismatches { mismatches }),
    }
}

/// Returns the file and line of a position.
fn place(position: Option<&str>) -> (String, u64) {
    let position = position.unwrap_or_default();
    let (file, line) = position.rsplit_once(':').unwrap_or((position, ""));
    (file.to_owned(), line.parse().unwrap_or(0))
}

fn started_event(derivation: &Derivation) -> Event {
    Event::BuildStarted {
        name: derivation.spec.name.to_string(),
        version: derivation.spec.version.as_ref().map(ToString::to_string),
        hash: derivation.hash.to_hex(),
        file: matches!(derivation.spec.recipe, Recipe::File(_)),
    }
}

/// Locks a derivation that is a small file, describes it, and returns the file. Nothing if another
/// process builds it or has built it, or in any unusual case.
fn prepare_file<'a>(
    store: &Store,
    derivation: &'a Derivation,
    level: Level,
) -> Option<(Lock, File<'a>)> {
    let lock =
        Lock::try_take(&store.build_lock(derivation.hash), Sharing::Exclusive).ok().flatten()?;
    if get_outputs(store, derivation.hash, |outputs| outputs.pins().is_empty()).ok()?.is_some() {
        return None;
    }
    let file = file::small(store, derivation, level)?;
    write_derivation(store, derivation.hash, &derivation.description()).ok()?;
    Some((lock, file))
}

type Graph = DiGraph<Arc<Derivation>, ()>;

/// Returns the derivations that have no known result, with an edge from each to what it needs.
/// Returns whether a result may be taken: its pins are those of the lock, and where level
/// `namespaces` is required, it was built so, or its content is declared.
fn is_enough(settings: &Settings, derivation: &Derivation, outputs: &Outputs) -> bool {
    agrees(settings, Some(derivation), outputs) && is_confined(settings, derivation, outputs)
}

fn is_confined(settings: &Settings, derivation: &Derivation, outputs: &Outputs) -> bool {
    settings.sandbox != Sandbox::Require
        || outputs.level() == Level::Namespaces
        || derivation.spec.output_hash.is_some()
}

/// Returns the pins that the lock lacks for a result of a record to count.
fn lacking_pins(
    settings: &Settings,
    store: &Store,
    derivation: &Derivation,
    results: &[Outputs],
) -> Vec<String> {
    let fits = |outputs: &&Outputs| {
        !outputs.pins().is_empty()
            && is_confined(settings, derivation, outputs)
            && has_objects(store, outputs)
    };
    results.iter().filter(fits).flat_map(|outputs| settings.pins.lacking(outputs.pins())).collect()
}

fn missing(
    store: &Store,
    settings: &Settings,
    derivations: &[Arc<Derivation>],
    wanted: &BTreeSet<Hash>,
    done: &mut Realization,
    lacking: &mut BTreeSet<String>,
) -> Result<Graph, Error> {
    let by_hash: BTreeMap<Hash, &Arc<Derivation>> =
        derivations.iter().map(|derivation| (derivation.hash, derivation)).collect();
    let mut graph = Graph::new();
    let mut nodes: BTreeMap<Hash, NodeIndex> = BTreeMap::new();
    let mut pending: Vec<(Hash, Option<NodeIndex>)> =
        wanted.iter().map(|hash| (*hash, None)).collect();
    while let Some((hash, user)) = pending.pop() {
        if done.outputs.contains_key(&hash) {
            continue;
        }
        let node = match nodes.get(&hash) {
            Some(node) => *node,
            None => {
                let derivation = by_hash.get(&hash);
                let is_enough = |outputs: &&Outputs| {
                    derivation.map_or_else(
                        || agrees(settings, None, outputs),
                        |derivation| is_enough(settings, derivation, outputs),
                    ) && has_objects(store, outputs)
                };
                let results = recorded_outputs(store, hash)?;
                if let Some(outputs) = results.iter().find(is_enough).cloned() {
                    let outputs = for_users(derivation.map(|derivation| &***derivation), outputs);
                    // Its content was declared, whatever its origin.
                    let is_declared =
                        derivation.is_some_and(|derivation| derivation.spec.output_hash.is_some());
                    let outputs =
                        if is_declared { outputs.with_level(Level::Namespaces) } else { outputs };
                    done.outputs.insert(hash, outputs);
                    continue;
                }
                let derivation = derivation.ok_or(Error::Unknown(hash))?;
                lacking.extend(lacking_pins(settings, store, derivation, &results));
                let node = graph.add_node(Arc::clone(derivation));
                nodes.insert(hash, node);
                pending.extend(
                    derivation.dependencies.iter().map(|dependency| (*dependency, Some(node))),
                );
                node
            }
        };
        if let Some(user) = user {
            graph.update_edge(user, node, ());
        }
    }
    Ok(graph)
}

/// What a job on the pool gives back.
enum Outcome {
    /// What a record needs to count was fetched, as far as it can be.
    Pinned,
    Operation(Result<Response, OperationError>),
    Import(store::Result<Outputs>),
}

struct Running {
    task: Option<Box<dyn Task>>,
    build: Arc<Build>,
    locks: Locks,
    begin: Instant,
}

/// The locks of a build. A build with a slot waits for nothing, so two processes never wait for
/// each other.
struct Locks {
    /// Until it is recorded.
    derivation: Lock,
    /// Until it is published.
    _slot: Lock,
}

struct Scheduler<'a> {
    store: Store,
    lender: Option<Store>,
    settings: &'a Settings,
    graph: Graph,
    pool: Pool<Outcome>,
    /// The settings of jobs, whose events come through the pool.
    job_settings: Settings,
    shared: Shared,
    missing_dependencies: Vec<usize>,
    ready: VecDeque<NodeIndex>,
    locked_out: Vec<(NodeIndex, Instant)>,
    /// Those whose slot another build of this process has.
    behind: Vec<NodeIndex>,
    /// Those that wait for pins of a record.
    pinning: BTreeSet<usize>,
    waiting_since: BTreeMap<NodeIndex, Instant>,
    running: BTreeMap<usize, Running>,
    unrecorded: Vec<Unrecorded>,
    recorder: Recorder,
    failure: Option<Error>,
    /// The builds that got another content than they declare.
    mismatches: Vec<(String, Failure)>,
    done: Realization,
}

impl Scheduler<'_> {
    fn run(&mut self, tasks: &mut dyn Tasks) {
        let leaves =
            self.graph.node_indices().filter(|node| self.missing_dependencies[node.index()] == 0);
        self.ready = leaves.collect();
        self.run_files();
        // Enough to keep every thread busy; more would only hold memory and open directories.
        let most = self.settings.jobs * 2 + 2;
        loop {
            self.retry_locked();
            while self.failure.is_none() && self.running.len() < most {
                let Some(node) = self.ready.pop_front() else { break };
                if let Err(error) = self.begin(node, tasks) {
                    self.fail(error);
                }
            }
            self.record_some();
            let nothing_left =
                self.ready.is_empty() && self.locked_out.is_empty() && self.behind.is_empty();
            let is_idle = self.running.is_empty() && self.pinning.is_empty();
            if is_idle && (self.failure.is_some() || nothing_left) {
                return;
            }
            if self.settings.interrupt.is_set() {
                self.fail(Error::Interrupted);
            }
            match self.pool.receive(TICK) {
                Some(Message::Event(event)) => self.settings.events.send(event),
                Some(Message::Done(number, outcome)) => {
                    self.completed(number, outcome, tasks);
                }
                Some(Message::Panicked(number, text)) => {
                    let failure = Failure::new(
                        FailureKind::Internal,
                        format!("an operation panicked: {text}"),
                    );
                    if self.pinning.remove(&number) {
                        let derivation = self.derivation(NodeIndex::new(number)).title();
                        self.fail(Error::Build { derivation, failure });
                    } else {
                        self.abandon(number, failure);
                    }
                }
                None => self.settings.events.send(Event::Tick),
            }
        }
    }

    /// Builds what are small files, side by side. What turns out to be more stays in line.
    fn run_files(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        let (files, others): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|node| file::may_be_small(&self.graph[*node]));
        self.ready = others.into();
        for nodes in files.chunks(BATCH) {
            if self.settings.interrupt.is_set() {
                self.fail(Error::Interrupted);
            }
            if self.failure.is_some() {
                return;
            }
            let derivations: Vec<_> = nodes.iter().map(|node| self.derivation(*node)).collect();
            self.build_files(nodes, &derivations);
            self.record_beside();
        }
    }

    fn build_files(&mut self, nodes: &[NodeIndex], derivations: &[Arc<Derivation>]) {
        let since = Instant::now();
        // No program takes part.
        let level = Level::Namespaces;
        let store = &self.store;
        let prepared: Vec<_> = self.pool.spread(|| {
            derivations
                .par_iter()
                .map(|derivation| prepare_file(store, derivation, level))
                .collect()
        });
        let (locks, files): (Vec<_>, Vec<_>) = prepared.into_iter().map(Option::unzip).unzip();
        let started = derivations.iter().zip(&files).filter(|(_, file)| file.is_some());
        started.for_each(|(derivation, _)| self.settings.events.send(started_event(derivation)));
        // What fails is tried again as everything else is built, and then says why.
        let published = self
            .pool
            .spread(|| import_files(store, &files))
            .unwrap_or_else(|_| vec![None; files.len()]);
        drop(files);
        for (((node, derivation), lock), object) in
            nodes.iter().zip(derivations).zip(locks).zip(published)
        {
            let (Some(lock), Some(object)) = (lock, object) else {
                self.ready.push_back(*node);
                continue;
            };
            // No program takes part.
            let outputs =
                Outputs::from_iter([(OutputName::main(), object)]).with_level(Level::Namespaces);
            self.finished(node.index(), Arc::clone(derivation), outputs, lock, since);
        }
    }

    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn derivation(&self, node: NodeIndex) -> Arc<Derivation> {
        Arc::clone(&self.graph[node])
    }

    /// Puts derivations that another process builds in line again.
    fn retry_locked(&mut self) {
        let now = Instant::now();
        let (retry, wait) = self.locked_out.drain(..).partition(|(_, at)| *at <= now);
        self.locked_out = wait;
        let retry: Vec<(NodeIndex, Instant)> = retry;
        self.ready.extend(retry.into_iter().map(|(node, _)| node));
    }

    fn begin(&mut self, node: NodeIndex, tasks: &mut dyn Tasks) -> Result<(), Error> {
        let derivation = self.derivation(node);
        if let Some(outputs) = self.get_resolved(&derivation)? {
            self.realized(node, outputs);
            return Ok(());
        }
        if let Some(outputs) = self.borrow(&derivation)? {
            self.realized(node, outputs);
            return Ok(());
        }
        if self.wait_for_pins(node, &derivation)? {
            return Ok(());
        }
        if let Some(outputs) = get_declared(&self.store, &derivation) {
            write_derivation(&self.store, derivation.hash, &derivation.description())?;
            self.record(&derivation, &outputs)?;
            self.realized(node, outputs);
            return Ok(());
        }
        if self
            .running
            .values()
            .any(|running| Slot::of(running.build.derivation.hash) == Slot::of(derivation.hash))
        {
            self.behind.push(node);
            return Ok(());
        }
        let take = |path: &Path| {
            Lock::try_take(path, Sharing::Exclusive)
                .map_err(|error| store::Error::from(LockError::from(error)))
        };
        let path = self.store.build_lock(derivation.hash);
        let Some(lock) = take(&path)? else {
            return self.wait_for_lock(node, &derivation, &path);
        };
        let path = self.store.slot_lock(Slot::of(derivation.hash));
        let Some(slot) = take(&path)? else {
            return self.wait_for_lock(node, &derivation, &path);
        };
        let locks = Locks { derivation: lock, _slot: slot };
        self.waiting_since.remove(&node);
        // Another process may have finished it between the check and the lock.
        let is_enough = |outputs: &Outputs| is_enough(self.settings, &derivation, outputs);
        let known = match get_outputs(&self.store, derivation.hash, is_enough)? {
            Some(outputs) => Some(for_users(Some(&derivation), outputs)),
            None => self.get_resolved(&derivation)?,
        };
        if let Some(outputs) = known {
            self.realized(node, outputs);
            return Ok(());
        }
        write_derivation(&self.store, derivation.hash, &derivation.description())?;
        self.settings.events.send(started_event(&derivation));
        self.start(node.index(), derivation, locks, false, tasks)
    }

    /// Puts a derivation that another process builds aside for a moment.
    fn wait_for_lock(
        &mut self,
        node: NodeIndex,
        derivation: &Derivation,
        path: &Path,
    ) -> Result<(), Error> {
        let now = Instant::now();
        let since = *self.waiting_since.entry(node).or_insert_with(|| {
            self.settings
                .events
                .send(Event::Waiting { lock: derivation.title(), pid: holder(path) });
            now
        });
        if self.settings.lock_timeout.is_some_and(|timeout| now - since >= timeout) {
            return Err(busy(
                derivation,
                LockError::Busy { path: path.to_owned(), pid: holder(path) },
            ));
        }
        self.locked_out.push((node, now + TICK));
        Ok(())
    }

    fn start(
        &mut self,
        number: usize,
        derivation: Arc<Derivation>,
        locks: Locks,
        in_place: bool,
        tasks: &mut dyn Tasks,
    ) -> Result<(), Error> {
        let build = Build::prepare(
            &self.store,
            derivation,
            &self.done.outputs,
            &self.job_settings,
            &self.shared,
        )?;
        let build = Arc::new(build);
        let task = file::begin(&build, in_place, tasks);
        let mut running = Running { task: None, build, locks, begin: Instant::now() };
        match task {
            Ok(task) => {
                running.task = Some(task);
                self.running.insert(number, running);
            }
            Err(failure) => {
                self.running.insert(number, running);
                self.abandon(number, failure);
                return Ok(());
            }
        }
        self.resume(number, None, tasks);
        Ok(())
    }

    /// Looks for the result of a recipe with equal inputs; records the hit under this recipe too.
    fn get_resolved(&self, derivation: &Derivation) -> Result<Option<Outputs>, Error> {
        if derivation.dependencies.is_empty() {
            return Ok(None);
        }
        let resolved = derivation.resolved_hash(&self.done.outputs);
        let is_enough = |outputs: &Outputs| is_enough(self.settings, derivation, outputs);
        let Some(outputs) = get_outputs(&self.store, resolved, is_enough)? else {
            return Ok(None);
        };
        let outputs = self.with_all_pins(derivation, outputs);
        write_derivation(&self.store, derivation.hash, &derivation.description())?;
        write_outputs(&self.store, derivation.hash, &outputs)?;
        Ok(Some(for_users(Some(derivation), outputs)))
    }

    /// Returns what the record of a resolved hash says, with the pins of all that it is built from.
    fn with_all_pins(&self, derivation: &Derivation, outputs: Outputs) -> Outputs {
        let own = outputs.pins().clone();
        let mut all = pins_of_dependencies(derivation, &self.done.outputs);
        all.extend(own.iter().map(|(key, sha256)| (key.clone(), *sha256)));
        outputs.with_pins(Some(own), all)
    }

    /// Begins to fetch the pins that the record of the resolved hash needs to count, where the lock
    /// lacks them; returns whether it did.
    fn wait_for_pins(&mut self, node: NodeIndex, derivation: &Derivation) -> Result<bool, Error> {
        if derivation.dependencies.is_empty() {
            return Ok(false);
        }
        let resolved = derivation.resolved_hash(&self.done.outputs);
        let results = recorded_outputs(&self.store, resolved)?;
        let lacking = lacking_pins(self.settings, &self.store, derivation, &results);
        if lacking.is_empty() {
            return Ok(false);
        }
        self.pinning.insert(node.index());
        let (settings, store) = (self.job_settings.clone(), self.store.clone());
        self.pool.run(node.index(), move || {
            complete(&settings, &store, lacking);
            Outcome::Pinned
        });
        Ok(true)
    }

    /// Looks for the result in the system's store, and records it in this one.
    fn borrow(&self, derivation: &Derivation) -> Result<Option<Outputs>, Error> {
        // A file is made in no time, and then it is one's own.
        let Some(lender) = &self.lender else { return Ok(None) };
        if matches!(derivation.spec.recipe, Recipe::File(_)) {
            return Ok(None);
        }
        let resolved = derivation.resolved_hash(&self.done.outputs);
        let is_enough = |outputs: &Outputs| is_enough(self.settings, derivation, outputs);
        let borrowed = |hash: Hash| borrow(&self.store, lender, derivation, &[hash], &is_enough);
        let outputs = match borrowed(derivation.hash)? {
            Some(outputs) => Some(outputs),
            None => borrowed(resolved)?.map(|outputs| self.with_all_pins(derivation, outputs)),
        };
        if let Some(outputs) = &outputs {
            write_derivation(&self.store, derivation.hash, &derivation.description())?;
            self.record(derivation, outputs)?;
        }
        Ok(outputs.map(|outputs| for_users(Some(derivation), outputs)))
    }

    fn resume(
        &mut self,
        number: usize,
        answer: Option<Result<Response, OperationError>>,
        tasks: &mut dyn Tasks,
    ) {
        let Some(running) = self.running.get_mut(&number) else { return };
        let Some(task) = &mut running.task else { return };
        let build = Arc::clone(&running.build);
        match task.resume(answer) {
            Step::Request(request) => {
                // The next jails are made while programs run in others.
                let job = move |turns: &Turns| {
                    build.make_ready(&request);
                    let _turn = turns.take();
                    Outcome::Operation(build.perform(request))
                };
                self.pool.run_in_line(self.settings.jobs, number, job);
            }
            Step::Finished => {
                if let Some(failure) = build.workspace.refusal() {
                    self.abandon(number, failure);
                    return;
                }
                // The task's variables are not needed while its outputs are hashed.
                running.task = None;
                let (store, is_small) = (self.store.clone(), build.is_small());
                let finish = move || Outcome::Import(build.finish(&store));
                if is_small {
                    self.pool.run_small(self.settings.jobs, number, finish);
                } else {
                    self.pool.run(number, finish);
                }
            }
            Step::Restart => {
                if let Some(running) = self.running.remove(&number) {
                    let derivation = Arc::clone(&running.build.derivation);
                    // Its jail goes too: the next attempt has one of its own.
                    let discarded =
                        running.build.discard().map_err(|error| store::Error::from(error).into());
                    let again = discarded
                        .and_then(|()| self.start(number, derivation, running.locks, true, tasks));
                    again.unwrap_or_else(|error| self.fail(error));
                }
            }
            Step::Failed(failure) => self.abandon(number, failure),
        }
    }

    fn completed(&mut self, number: usize, outcome: Outcome, tasks: &mut dyn Tasks) {
        match outcome {
            Outcome::Pinned => {
                self.pinning.remove(&number);
                self.ready.push_back(NodeIndex::new(number));
            }
            // What depends on a failed one will not be built, but siblings run to their end.
            Outcome::Operation(_) if self.settings.interrupt.is_set() => {
                self.abandon(number, Failure::new(FailureKind::Interrupted, "interrupted"));
            }
            Outcome::Operation(answer) => self.resume(number, Some(answer), tasks),
            Outcome::Import(Ok(outputs)) => self.imported(number, outputs),
            Outcome::Import(Err(error)) => {
                let mut failure = Failure::of(FailureKind::Build, &error);
                if let (store::Error::WrongOutput { declared, built }, Some(running)) =
                    (&error, self.running.get(&number))
                {
                    let url = running.build.derivation.title();
                    let (expected, found) = (declared.to_hex(), built.to_hex());
                    failure.mismatches.push(Mismatch { position: None, url, expected, found });
                }
                self.abandon(number, failure);
            }
        }
    }

    /// Removes a build from the running ones; builds that wait for its slot are queued again.
    fn end(&mut self, number: usize) -> Option<Running> {
        let running = self.running.remove(&number)?;
        self.ready.extend(self.behind.drain(..));
        Some(running)
    }

    fn imported(&mut self, number: usize, outputs: Outputs) {
        let Some(running) = self.end(number) else { return };
        let derivation = Arc::clone(&running.build.derivation);
        self.finished(number, derivation, outputs, running.locks.derivation, running.begin);
    }

    /// Notes what a build became; `begin` is when it began.
    fn finished(
        &mut self,
        number: usize,
        derivation: Arc<Derivation>,
        outputs: Outputs,
        lock: Lock,
        begin: Instant,
    ) {
        self.settings.events.send(Event::BuildFinished {
            name: derivation.spec.name.to_string(),
            version: derivation.spec.version.as_ref().map(ToString::to_string),
            hash: derivation.hash.to_hex(),
            seconds: begin.elapsed().as_secs_f64(),
            file: matches!(derivation.spec.recipe, Recipe::File(_)),
        });
        self.done.built.push(derivation.hash);
        let resolved = self.resolved(&derivation);
        self.unrecorded.push(Unrecorded {
            derivation,
            resolved,
            outputs: outputs.clone(),
            since: Instant::now(),
            _lock: lock,
        });
        let outputs = for_users(Some(&self.derivation(NodeIndex::new(number))), outputs);
        self.realized(NodeIndex::new(number), outputs);
    }

    /// Begins to record results, unless the recorder is busy and they can wait.
    fn record_some(&mut self) {
        let first = self.unrecorded.first();
        let is_due = self.unrecorded.len() >= BATCH
            || first.is_some_and(|first| first.since.elapsed() >= BATCH_TIME);
        if is_due && (!self.recorder.is_busy() || self.unrecorded.len() >= MOST_UNRECORDED) {
            self.record_beside();
        }
    }

    /// Begins to record results, as soon as the recorder is ready.
    fn record_beside(&mut self) {
        let builds = std::mem::take(&mut self.unrecorded);
        let begun =
            if builds.is_empty() { Ok(()) } else { self.recorder.begin(&self.store, builds) };
        begun.unwrap_or_else(|error| self.fail(error.into()));
    }

    /// Records results that were found without a build.
    fn record(&self, derivation: &Derivation, outputs: &Outputs) -> store::Result<()> {
        recorder::record(&self.store, derivation, self.resolved(derivation), outputs)
    }

    fn resolved(&self, derivation: &Derivation) -> Option<Hash> {
        (!derivation.dependencies.is_empty()).then(|| derivation.resolved_hash(&self.done.outputs))
    }

    fn realized(&mut self, node: NodeIndex, outputs: Outputs) {
        self.done.outputs.insert(self.graph[node].hash, outputs);
        let users: Vec<_> =
            self.graph.neighbors_directed(node, petgraph::Direction::Incoming).collect();
        for user in users {
            let missing = &mut self.missing_dependencies[user.index()];
            *missing -= 1;
            if *missing == 0 {
                self.ready.push_back(user);
            }
        }
    }

    /// Ends a failed build: its directories go, its log stays.
    fn abandon(&mut self, number: usize, mut failure: Failure) {
        let Some(running) = self.end(number) else { return };
        let derivation = &running.build.derivation;
        failure.position = failure.position.or_else(|| derivation.positions.first().cloned());
        self.settings.events.send(Event::BuildFailed {
            name: derivation.spec.name.to_string(),
            version: derivation.spec.version.as_ref().map(ToString::to_string),
            hash: derivation.hash.to_hex(),
        });
        // The failure itself says more than a leftover, which the next build removes.
        let _ = running.build.discard();
        let title = derivation.title();
        for mismatch in &mut failure.mismatches {
            mismatch.position = mismatch.position.take().or_else(|| failure.position.clone());
        }
        if self.settings.interrupt.is_set() {
            // A build that was ended did not fail.
            self.fail(Error::Interrupted);
        } else if failure.mismatches.is_empty() {
            self.fail(Error::Build { derivation: title, failure });
        } else {
            // The next one may be wrong too, and should not need another run.
            self.mismatches.push((title, failure));
        }
    }
}
