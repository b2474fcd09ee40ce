//! The verbs: each a few lines over the floors below.

mod inspect;
mod report;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::symlink::{self, Found};
use crate::activation::{Action, Activation};
use crate::derivation::Derivation;
use crate::failure::{Failure, chain};
use crate::generations;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::operation;
use crate::platform;
use crate::platform::lock::{Lock, LockError, Mode};
use crate::realize::{self, Realization, Tasks};
use crate::settings::{Event, Settings};
use crate::snapshot::Snapshot;
use crate::store::{self, Outputs, Store, read_outputs};
use crate::switch::{self, Targets, plan::Plan};

pub use report::*;
use report::{action_report, derivation_report, snapshot_report};
pub use verify::Rebuild;

/// What went wrong in a verb.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Realizing failed.
    #[error(transparent)]
    Realize(#[from] realize::Error),
    /// The switch was refused or undone.
    #[error(transparent)]
    Switch(#[from] switch::Error),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Generations(#[from] generations::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No derivation has such a hash.
    #[error("no derivation of this store has a hash that begins with {prefix}")]
    NoDerivation {
        /// What was given.
        prefix: String,
    },
    /// Several derivations do.
    #[error("{count} derivations of this store have a hash that begins with {prefix}")]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// How many.
        count: usize,
    },
}

impl Error {
    /// Returns the failure as the user reads it.
    pub fn to_failure(&self) -> Failure {
        match self {
            Error::Realize(realize::Error::Build { derivation, failure }) => {
                let mut failure = failure.clone();
                failure.message = format!("cannot build {derivation}: {}", failure.message);
                failure
            }
            Error::Realize(realize::Error::Interrupted)
            | Error::Store(store::Error::Lock(LockError::Interrupted))
            | Error::Realize(realize::Error::Store(store::Error::Lock(LockError::Interrupted)))
            | Error::Switch(switch::Error::Lock(LockError::Interrupted)) => {
                Failure::new("interrupted", "interrupted: nothing was changed")
            }
            Error::Realize(realize::Error::Busy { .. }) | Error::Store(store::Error::Lock(LockError::Busy { .. })) => {
                Failure::new("locked", chain(self)).with_hint(WAIT_LONGER)
            }
            Error::Realize(realize::Error::Store(store::Error::Lock(LockError::Busy { .. }))) => {
                Failure::new("locked", chain(self)).with_hint(WAIT_LONGER)
            }
            Error::Switch(error) => {
                let mut failure = Failure::new("switch", chain(error)).at(error.positions().first().cloned());
                failure.hint = error.hint();
                failure
            }
            Error::NoDerivation { .. } | Error::Ambiguous { .. } => {
                Failure::new("usage", self.to_string()).with_hint("`list` and the names in store/drv/ tell the hashes")
            }
            other => Failure::new("engine", chain(other)),
        }
    }
}

const WAIT_LONGER: &str = "wait until it is done, or give it more time with --lock-timeout";

/// Returns the failure of an operation as the user reads it.
pub fn operation_failure(error: &operation::Error) -> Failure {
    let kind = if matches!(error, operation::Error::Interrupted) { "interrupted" } else { "build" };
    let mut failure = Failure::new(kind, chain(error));
    failure.hint = error.hint();
    if let operation::Error::Failed { output, .. } = error {
        failure.details = Some(output.clone()).filter(|output| !output.is_empty());
    }
    failure
}

/// The engine on one root.
pub struct Engine {
    settings: Settings,
    store: Store,
}

impl Engine {
    /// Makes an engine; touches nothing.
    pub fn new(settings: Settings) -> Engine {
        Engine { store: Store::new(&settings.root), settings }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Realizes derivations, and returns the objects of all that were looked at; `derivations` are all that
    /// are known, each after its dependencies.
    ///
    /// # Errors
    /// When one or something it needs cannot be built.
    pub fn build(
        &self,
        derivations: &[Arc<Derivation>],
        wanted: &BTreeSet<Hash>,
        tasks: &mut dyn Tasks,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Hash, Outputs>, Error> {
        Ok(realize::realize(&self.store, &self.settings, derivations, wanted, tasks, on_event)?.outputs)
    }

    /// Computes what an apply would do. Touches nothing.
    ///
    /// # Errors
    /// When the manifest contradicts itself or the system.
    pub fn plan(&self, manifest: &Manifest) -> Result<PlanReport, Error> {
        let current = generations::current(&self.store)?;
        let known = self.known_outputs(manifest, &current)?;
        let plan = switch::plan::plan(&self.store, &self.settings.home, manifest, current, &known)?;
        Ok(self.plan_report(manifest, &plan, &known))
    }

    /// Makes the system match a manifest.
    ///
    /// # Errors
    /// When something fails: the system is as it was, or the error says what is not.
    pub fn apply(
        &self,
        manifest: &Manifest,
        description: &str,
        tasks: &mut dyn Tasks,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<ApplyReport, Error> {
        let home = &self.settings.home;
        let current = generations::current(&self.store)?;
        let known = self.known_outputs(manifest, &current)?;
        // Contradictions are found before anything is built.
        let plan = switch::plan::plan(&self.store, home, manifest, current, &known)?;
        if !plan.changes {
            return Ok(self.apply_report(self.plan_report(manifest, &plan, &known), Vec::new(), None));
        }
        let wanted = manifest.wanted();
        let realization =
            realize::realize(&self.store, &self.settings, &manifest.derivations, &wanted, tasks, on_event)?;
        self.store.create()?;
        let waiting = |pid| on_event(Event::Waiting { lock: "another apply".to_owned(), pid });
        let settings = &self.settings;
        let lock_path = self.store.switch_lock();
        let _lock = Lock::take(&lock_path, Mode::Exclusive, settings.lock_timeout, &settings.interrupt, waiting)
            .map_err(switch::Error::from)?;
        // Somebody may have switched meanwhile: only what is computed under the lock counts.
        let current = generations::current(&self.store)?;
        let plan = switch::plan::plan(&self.store, home, manifest, current, &realization.outputs)?;
        let mut report = self.plan_report(manifest, &plan, &known);
        let built = self.built_report(manifest, &realization);
        if !plan.changes {
            report.changed = !built.is_empty();
            return Ok(self.apply_report(report, built, None));
        }
        let switched = switch::switch(&self.store, home, manifest, &plan, description)?;
        Ok(self.apply_report(report, built, Some(switched.id)))
    }

    /// Compares what is applied with what is there.
    ///
    /// # Errors
    /// When the snapshot or a target cannot be read.
    pub fn status(&self) -> Result<StatusReport, Error> {
        let current = generations::current(&self.store)?;
        let places = Targets::new(&self.settings.home);
        let mut targets = Vec::new();
        for Activation { action, positions, .. } in &current.activations {
            let Action::Symlink { source, target, .. } = action else { continue };
            let found = symlink::look(&places.place(target, positions)?).map_err(switch::Error::from)?;
            let state = match found {
                Found::Link(link) if link == source.to_path() => "ok",
                Found::Link(_) => "changed",
                Found::Other(_) => "replaced",
                Found::Nothing => "missing",
            };
            targets.push(TargetReport {
                kind: action.kind(),
                target: target.display(),
                state,
                detail: source.display(),
                positions: positions.clone(),
            });
        }
        Ok(StatusReport {
            root: self.settings.root.clone(),
            derivations: current.derivations.len(),
            drift: targets.iter().filter(|target| target.state != "ok").count(),
            snapshot: snapshot_report(&current),
            targets,
        })
    }

    /// Returns what is realized of a manifest already: from the current snapshot, which is one file,
    /// and from the store for the rest.
    fn known_outputs(&self, manifest: &Manifest, current: &Snapshot) -> Result<BTreeMap<Hash, Outputs>, Error> {
        let mut known = BTreeMap::new();
        let is_there = |outputs: &Outputs| outputs.values().all(|object| platform::exists(&self.store.object(object)));
        for hash in manifest.wanted() {
            let recorded = current.derivations.get(&hash).filter(|outputs| is_there(outputs)).cloned();
            let outputs = match recorded {
                Some(outputs) => Some(outputs),
                None => read_outputs(&self.store, hash)?,
            };
            known.extend(outputs.map(|outputs| (hash, outputs)));
        }
        Ok(known)
    }

    fn plan_report(&self, manifest: &Manifest, plan: &Plan, known: &BTreeMap<Hash, Outputs>) -> PlanReport {
        let missing = |hash: &Hash| manifest.wanted().contains(hash) && !known.contains_key(hash);
        let missing: BTreeSet<Hash> = if known.len() == manifest.wanted().len() {
            BTreeSet::new()
        } else {
            manifest.derivations.iter().map(|derivation| derivation.hash).filter(missing).collect()
        };
        let to_realize = self.with_missing_dependencies(manifest, missing);
        let derivations = manifest.derivations.iter().filter(|derivation| to_realize.contains(&derivation.hash));
        PlanReport {
            changed: plan.changes,
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&plan.current),
            realize: derivations.map(|derivation| derivation_report(derivation, BTreeMap::new())).collect(),
            actions: plan.steps.iter().map(action_report).collect(),
            environment_changed: plan.environment_changes,
        }
    }

    /// Adds the dependencies that have to be built too.
    fn with_missing_dependencies(&self, manifest: &Manifest, mut missing: BTreeSet<Hash>) -> BTreeSet<Hash> {
        // Dependencies come before their users: from the end, each user is seen before what it needs.
        for derivation in manifest.derivations.iter().rev() {
            if missing.contains(&derivation.hash) {
                for dependency in &derivation.dependencies {
                    if !matches!(read_outputs(&self.store, *dependency), Ok(Some(_))) {
                        missing.insert(*dependency);
                    }
                }
            }
        }
        missing
    }

    fn built_report(&self, manifest: &Manifest, realization: &Realization) -> Vec<DerivationReport> {
        let built = manifest.derivations.iter().filter(|derivation| realization.built.contains(&derivation.hash));
        built
            .map(|derivation| {
                let outputs = realization.outputs.get(&derivation.hash).into_iter().flatten();
                let paths = outputs.map(|(output, object)| (output.to_string(), self.store.object(object)));
                derivation_report(derivation, paths.collect())
            })
            .collect()
    }

    fn apply_report(
        &self,
        plan: PlanReport,
        built: Vec<DerivationReport>,
        new_snapshot: Option<SnapshotId>,
    ) -> ApplyReport {
        let env_script = self.settings.root.join("env.sh");
        ApplyReport { applied: plan.changed, plan, built, new_snapshot, env_script }
    }
}
