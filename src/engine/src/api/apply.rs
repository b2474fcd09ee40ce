//! `apply` and the plan of an apply.
//!
//! It is over 600 lines, because both come to one plan, step by step.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::altered::Altered;
use super::pins::with_pins;
use super::prospect::Prospect;
use super::report::{
    action_report, derivation_report, displaced_report, package_reports, snapshot_report,
};
use super::text_diff::TextDiff;
use super::{ApplyReport, ConfirmReport, DerivationReport, Engine, Error, PlanReport};
use crate::action;
use crate::action::merging::Merges;
use crate::generations;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform;
use crate::platform::lock::{Lock, LockError, Sharing};
use crate::realize::{self, Recorder, Tasks};
use crate::settings::Sandbox;
use crate::snapshot::Snapshot;
use crate::store::{self, Outputs, Present, get_outputs};
use crate::switch::{self, Desired, Extent, Mark, Plan, Secrets, Step, Switched, To};

/// From this number of derivations on, it is worth looking for their objects while the plan is
/// prepared.
const MANY: usize = 2000;

/// How many roots in a row an apply loses to processes that destroy them.
const MOST_ROOTS: usize = 10;

/// How often to look whether a switch was confirmed.
const WATCH: Duration = Duration::from_millis(50);

/// What a plan is asked to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// How the content of files changes.
    pub diff: bool,
    /// Only changes, and not what stays.
    pub brief: bool,
    /// Also the secrets whose commands would run again, since these may print something else.
    pub refresh_secrets: bool,
}

impl PlanOptions {
    fn extent(self) -> Extent {
        if self.brief && !self.refresh_secrets { Extent::News } else { Extent::All }
    }
}

/// What an apply is asked to do besides.
#[derive(Clone, Debug, Default)]
pub struct ApplyOptions {
    /// Whether only what happened is told, and not what stayed as it is.
    pub brief: bool,
    /// A line for people, which the snapshot keeps.
    pub description: String,
    /// Seconds after which the switch is undone, unless it is confirmed.
    pub confirm: Option<f64>,
    /// Whether the commands of secrets run again.
    pub refresh_secrets: bool,
}

/// A plan and its inputs.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) wanted: BTreeSet<Hash>,
    pub(super) known: Arc<BTreeMap<Hash, Outputs>>,
    /// Whether there is a journal that cannot be read.
    pub(super) is_lost: bool,
    /// Services that are left as they are.
    pub(super) left_out: Vec<String>,
}

impl Planned {
    /// Frees it on another thread: of thousands of files that takes a while.
    fn drop_aside(self) {
        rayon::spawn(move || drop(self));
    }
}

impl Engine {
    /// Plans what leads from a snapshot to a manifest. `realized` is what became of it, where that
    /// is known, and what an earlier plan merged.
    pub(super) fn planned(
        &self,
        manifest: &Manifest,
        wanted: BTreeSet<Hash>,
        realized: Option<(Arc<BTreeMap<Hash, Outputs>>, Merges)>,
        current: Snapshot,
        altered: &Altered,
        told: (Extent, &Secrets),
    ) -> Result<Planned, Error> {
        let mut planned =
            self.planned_targets(manifest, wanted, realized, current, altered, told)?;
        switch::add_packages(&self.store, &self.settings, &mut planned.plan)?;
        Ok(planned)
    }

    /// Computes a plan without the packages of the system.
    fn planned_targets(
        &self,
        manifest: &Manifest,
        wanted: BTreeSet<Hash>,
        realized: Option<(Arc<BTreeMap<Hash, Outputs>>, Merges)>,
        current: Snapshot,
        altered: &Altered,
        (extent, secrets): (Extent, &Secrets),
    ) -> Result<Planned, Error> {
        let desired_of = |known| {
            Desired::from_manifest(&self.store, manifest, &wanted, known, &current, secrets)
        };
        let of_applied = || desired_of(&current.derivations);
        // Most of what is wanted is applied: then it takes no looking for what became of it.
        let (is_applied, applied) = match &realized {
            None if !self.is_recorded(&current, &wanted) => (false, None),
            None if wanted.len() < MANY => (self.has_objects(&current), None),
            None => rayon::join(|| self.has_objects(&current), || Some(of_applied())),
            Some(_) => (false, None),
        };
        let (realized, merges) = realized.unzip();
        let known = match realized {
            Some(realized) => realized,
            None if is_applied => Arc::clone(&current.derivations),
            None => Arc::new(self.known_outputs(&wanted, &current)?),
        };
        let (home, root) = (&self.settings.home, self.store.root());
        if extent == Extent::Foresight
            && known.len() < wanted.len()
            && altered.is_empty()
            && switch::needs_only_builds(manifest, home, root, &current)
        {
            let plan = Plan::bare(current, Arc::clone(&known), true);
            return Ok(Planned { plan, wanted, known, is_lost: false, left_out: Vec::new() });
        }
        let mut desired = match applied.filter(|_| is_applied) {
            Some(desired) => desired?,
            None => desired_of(&known)?,
        };
        desired.has_applied_objects = is_applied;
        desired.merges = merges.unwrap_or_default();
        desired.altered = altered.in_words(self);
        let leaves = self.settings.leaves_services;
        let mut left_out = if leaves { desired.leave_out_services(&current) } else { Vec::new() };
        let plan = switch::plan(&self.store, &self.settings.home, desired, current, extent)?;
        left_out.extend_from_slice(&plan.left_out);
        left_out.sort();
        left_out.dedup();
        Ok(Planned { plan, wanted, known, is_lost: false, left_out })
    }

    /// Computes what an apply would do. Touches nothing.
    ///
    /// # Errors
    /// When the manifest contradicts itself or the system.
    pub fn plan(&self, manifest: &Manifest, options: PlanOptions) -> Result<PlanReport, Error> {
        realize::check_revs(&self.settings.without_events(), &self.store)
            .map_err(Error::WrongRev)?;
        self.read_consistently(|| {
            let current = self.current()?;
            let altered = self.altered(&current)?;
            let mut planned = self.planned(
                manifest,
                manifest.wanted(),
                None,
                current,
                &altered,
                (options.extent(), &Secrets::default()),
            )?;
            if options.refresh_secrets {
                switch::expect_other_secrets(&mut planned.plan);
            }
            self.plan_report(manifest, &planned, options)
        })
    }

    /// Builds what an apply would build, then computes what else it would do.
    ///
    /// # Errors
    /// When something cannot be built, or the manifest contradicts itself or the system.
    pub fn plan_built(
        &self,
        manifest: &Manifest,
        options: PlanOptions,
        tasks: &mut dyn Tasks,
    ) -> Result<PlanReport, Error> {
        self.check_revs()?;
        let wanted = manifest.wanted();
        let known = BTreeMap::new();
        let altered = self.altered(&generations::current(&self.store)?)?;
        // It builds what is missing, and repairs nothing.
        self.store.session().set_damaged(BTreeSet::new());
        let realized = realize::realize(
            &self.store,
            &self.settings,
            &manifest.derivations,
            &wanted,
            known,
            tasks,
        )?;
        // What cannot be remembered is only suspect.
        let _ = store::memory::take_over_stamps(&self.store);
        let outputs = Arc::new(realized.outputs);
        self.read_consistently(|| {
            let current = generations::current(&self.store)?;
            let outputs = Some((Arc::clone(&outputs), Merges::new()));
            let planned = self.planned(
                manifest,
                wanted.clone(),
                outputs,
                current,
                &altered,
                (options.extent(), &Secrets::default()),
            )?;
            self.plan_report(manifest, &planned, options)
        })
    }

    /// Makes the system match a manifest.
    ///
    /// # Errors
    /// When something fails: the system is as it was, or the error says what is not.
    pub fn apply(
        &self,
        manifest: &Manifest,
        options: &ApplyOptions,
        tasks: &mut dyn Tasks,
    ) -> Result<ApplyReport, Error> {
        for _ in 0..MOST_ROOTS {
            match self.apply_in_one_root(manifest, options, tasks) {
                Err(Error::Switch(switch::Error::Gone { .. })) => {}
                applied => return applied,
            }
        }
        self.apply_in_one_root(manifest, options, tasks)
    }

    /// The same, if no other process destroys the root before anything is built.
    fn apply_in_one_root(
        &self,
        manifest: &Manifest,
        options: &ApplyOptions,
        tasks: &mut dyn Tasks,
    ) -> Result<ApplyReport, Error> {
        let root = self.store.root_identity();
        self.recover()?;
        self.check_revs()?;
        let told = PlanOptions { brief: options.brief, ..PlanOptions::default() };
        // Contradictions are found before anything is built.
        let extent = if told.brief { Extent::Foresight } else { Extent::All };
        let observe = || {
            let link = self.current_link();
            let current = self.current()?;
            let altered = self.altered(&current)?;
            let plan = |current, altered: &Altered| {
                let told = (extent, &Secrets::default());
                self.planned(manifest, manifest.wanted(), None, current, altered, told)
            };
            let planned = plan(current, &altered)?;
            // Objects of earlier snapshots may be altered too.
            let ahead = if planned.plan.changes {
                self.links_of_manifest(manifest, &planned.known, &planned.plan.current)
            } else {
                Vec::new()
            };
            if ahead.is_empty() {
                return Ok((planned, altered, link));
            }
            let altered = self.altered_with(&planned.plan.current, ahead)?;
            if altered.is_empty() {
                return Ok((planned, altered, link));
            }
            Ok((plan(planned.plan.current, &altered)?, altered, link))
        };
        let (planned, altered, link) = match self.read_consistently(observe) {
            // Another process works there: the state after it counts.
            Err(_) if platform::exists(&self.store.journal()) => {
                self.recover()?;
                observe()?
            }
            planned => planned?,
        };
        // While this link exists no switch happened: each switch makes another.
        let is_current = || link.is_some() && self.current_link() == link;
        let refreshes = options.refresh_secrets && switch::has_commands(manifest);
        if !planned.plan.changes && !planned.plan.always && !refreshes {
            let report = self.plan_report(manifest, &planned, told)?;
            if altered.has_suspects() {
                let _lock = self.lock()?;
                self.record_objects(&altered, &planned.plan.activations)?;
            }
            planned.drop_aside();
            return Ok(self.apply_report(report, Vec::new(), None));
        }
        // Until the commit, only this process knows the new objects.
        let settings = &self.settings;
        let _store_lock = self.store.create_and_lock(settings)?;
        if self.store.was_replaced(root.as_ref()) {
            return Err(self.lost_root());
        }
        switch::check_reachable(&self.settings, &planned.plan)?;
        let Planned { plan: foreseen, wanted, known, .. } = planned;
        let mut kept = if altered.is_empty() {
            Vec::new()
        } else {
            let _lock = self.lock()?;
            self.keep_altered(&altered, &foreseen.current)?
        };
        let (outputs, built, mut recorder) = if foreseen.changes {
            // Under the lock, objects of the current snapshot do not go: these are still there.
            let is_there = |(hash, outputs): &(&Hash, &Outputs)| {
                foreseen.current.derivations.get(*hash) == Some(*outputs)
            };
            let is_current = is_current();
            let there = known.iter().filter(|known| is_current && is_there(known));
            let there = there.map(|(hash, outputs)| (*hash, outputs.clone())).collect();
            let derivations = &manifest.derivations;
            let (realization, recorder) =
                realize::realize_ahead(&self.store, settings, derivations, &wanted, there, tasks)?;
            (Arc::new(realization.outputs), realization.built, recorder)
        } else {
            (Arc::clone(&known), Vec::new(), Recorder::default())
        };
        // The copy in the snapshot tells what was built.
        let pinned = with_pins(manifest, &self.settings);
        // What the builds pinned is locked before anything depends on it.
        tasks.built().map_err(Error::NotLocked)?;
        // Nothing is touched when a secret cannot be decrypted.
        let secrets = if foreseen.changes || refreshes {
            let declared = switch::declared_secrets(&self.store, manifest, &outputs);
            self.decrypted(declared, &foreseen.current, options.refresh_secrets)?
        } else {
            Secrets::default()
        };
        let _lock = self.lock()?;
        if !altered.is_empty() {
            recorder.finish()?;
        }
        self.finish_repair(&altered, &mut kept)?;
        switch::recover(&self.store, settings)?;
        let merges = switch::merges(&foreseen.steps);
        // Another process may have switched in the meantime: only results under the lock count.
        let current =
            if is_current() { foreseen.current } else { generations::current(&self.store)? };
        let under_lock = self.planned(
            manifest,
            wanted,
            Some((Arc::clone(&outputs), merges)),
            current,
            &altered,
            (told.extent(), &secrets),
        )?;
        // The plan only looks: what it took, the disk had.
        recorder.finish()?;
        let mut known = Planned { known, ..under_lock };
        known.plan.contents = Arc::clone(secrets.contents());
        if let Some(activation) = switch::unknown_secret(&known.plan.activations) {
            let changed = action::Error::NotDecrypted;
            return Err(switch::Error::at(&activation.positions)(changed).into());
        }
        let (evaluated, manifest) = (manifest, pinned.as_ref().unwrap_or(manifest));
        let mut report = self.plan_report(manifest, &known, told)?;
        let built = self.built_report(manifest, &outputs, &built);
        let plan = &known.plan;
        let to = if plan.changes {
            To::New { manifest, description: &options.description }
        } else if plan.always {
            To::Same
        } else {
            report.changed = !built.is_empty();
            return Ok(self.apply_report(report, built, None));
        };
        let is_new = plan.changes;
        let confirm = options.confirm.filter(|_| is_new);
        // Packages bring files, which the plan must know.
        let after = switch::call_packages(&self.store, settings, plan)?;
        let again = after.map(|packages| {
            let outlast = |error| match error {
                Error::Switch(error) => Error::Switch(packages.outlast(error)),
                other => other,
            };
            // What a merge edits may be what a package brought.
            let outputs = Some((outputs, Merges::default()));
            let wanted = known.wanted.clone();
            let told = (told.extent(), &secrets);
            let current = generations::current(&self.store)?;
            let again = self.planned_targets(evaluated, wanted, outputs, current, &altered, told);
            let mut again = again.map_err(outlast)?.plan;
            again.contents = Arc::clone(secrets.contents());
            again.packages = packages;
            Ok::<_, Error>(again)
        });
        let again = again.transpose()?;
        let plan = again.as_ref().unwrap_or(plan);
        let switched = switch::switch(&self.store, settings, plan, to, confirm)?;
        report.changed |= !built.is_empty();
        let mut report = self.apply_report(report, built, is_new.then_some(&switched));
        report.displaced.extend(kept.iter().map(|kept| displaced_report(&kept.backup)));
        // What cannot be remembered is only suspect.
        let _ = self.record_objects(&altered, &plan.activations);
        // Commands ran, though nothing differs.
        report.applied = true;
        Ok(report)
    }

    /// Brings a switch that was cut off to its end or back to its beginning, as every verb that
    /// switches does first.
    ///
    /// # Errors
    /// When it waits to be confirmed, or something cannot be put back.
    pub fn recover(&self) -> Result<(), Error> {
        if platform::exists(&self.store.journal()) {
            let _lock = match self.lock() {
                // So it was undone.
                Err(Error::Switch(switch::Error::Gone { .. })) => return Ok(()),
                lock => lock?,
            };
            switch::recover(&self.store, &self.settings)?;
        }
        Ok(())
    }

    /// Keeps the switch that waits to be confirmed.
    ///
    /// # Errors
    /// When none does.
    pub fn confirm(&self) -> Result<ConfirmReport, Error> {
        if !platform::exists(&self.store.journal()) {
            return Err(switch::Error::NothingToConfirm.into());
        }
        let _lock = self.lock()?;
        let id = switch::confirm(&self.store, &self.settings)?;
        Ok(ConfirmReport {
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&self.snapshot(id)?),
        })
    }

    /// Undoes the switch of this mark, if it still waits for confirmation. Returns whether it did.
    ///
    /// # Errors
    /// When something cannot be put back.
    pub fn revert(&self, mark: &str) -> Result<bool, Error> {
        let _lock = self.lock()?;
        Ok(switch::revert(&self.store, &self.settings, mark)?)
    }

    /// Waits until the switch of this mark is confirmed, or undoes it at its deadline. The time is
    /// measured by a monotonic clock.
    ///
    /// # Errors
    /// When something cannot be put back.
    pub fn watch(&self, mark: &str) -> Result<bool, Error> {
        let begin = Instant::now();
        let mut limit = None;
        loop {
            // What cannot be read now may be readable later.
            if let Ok(pending) = switch::pending(&self.store) {
                let Some(pending) = pending.filter(|pending| pending.mark == mark) else {
                    return Ok(false);
                };
                if limit.is_none() {
                    limit = pending
                        .deadline
                        .map(|deadline| begin.elapsed().as_secs_f64() + deadline - platform::now());
                }
            }
            if limit.is_some_and(|limit| begin.elapsed().as_secs_f64() >= limit) {
                return self.revert(mark);
            }
            std::thread::sleep(WATCH);
        }
    }

    /// Checks that this does not run inside of a command of a switch of the same root, which waits
    /// for it.
    ///
    /// # Errors
    /// When it does.
    pub(super) fn check_outside(&self) -> Result<(), LockError> {
        if !platform::has_switch_tag(&self.store.journal()) {
            return Ok(());
        }
        let path = self.store.switch_lock();
        let pid = switch::pending(&self.store).ok().flatten().map_or(0, |pending| pending.process);
        Err(LockError::Inside { path, pid })
    }

    pub(super) fn lock(&self) -> Result<Lock, Error> {
        self.check_outside().map_err(switch::Error::from)?;
        let path = self.store.switch_lock();
        match Lock::take_for(&self.settings, &path, Sharing::Exclusive, "another apply") {
            Err(LockError::File(error)) if self.is_gone(&error) => Err(self.lost_root()),
            lock => Ok(lock.map_err(switch::Error::from)?),
        }
    }

    /// Returns whether an error is that there is no root any more.
    pub(super) fn is_gone(&self, error: &platform::Error) -> bool {
        error.is_not_found() && !platform::exists(&self.store.metadata())
    }

    /// Does what needs one root from its beginning to its end. Where it fails because another
    /// process destroys the root, the error says so.
    pub(super) fn in_one_root<T>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let root = self.store.root_identity();
        work().map_err(|error| {
            let is_lost = self.store.is_lost(root.as_ref()) && !self.settings.interrupt.is_set();
            if is_lost { self.lost_root() } else { error }
        })
    }

    pub(super) fn lost_root(&self) -> Error {
        switch::Error::Gone { root: self.settings.root.clone() }.into()
    }

    pub(super) fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, Error> {
        if id != SnapshotId(0) && !platform::exists(&self.store.snapshot(id)) {
            return Err(Error::NoSnapshot(id));
        }
        Ok(generations::read(&self.store, id)?)
    }

    /// Returns whether exactly these derivations are applied.
    fn is_recorded(&self, current: &Snapshot, wanted: &BTreeSet<Hash>) -> bool {
        // What is applied does not tell how it was built.
        self.settings.sandbox != Sandbox::Require
            && current.derivations.keys().eq(wanted)
            && current.derivations.values().all(|outputs| self.has_pins_of(outputs))
    }

    /// Returns whether all objects are there that are applied.
    fn has_objects(&self, current: &Snapshot) -> bool {
        let present = Present::observe(&self.store, current.derivations.len());
        current.derivations.values().all(|outputs| present.has_all(outputs))
    }

    pub(super) fn plan_report(
        &self,
        manifest: &Manifest,
        planned: &Planned,
        options: PlanOptions,
    ) -> Result<PlanReport, Error> {
        let Planned { plan, wanted, known, is_lost, left_out } = planned;
        let missing: BTreeSet<Hash> =
            wanted.iter().filter(|hash| !known.contains_key(hash)).copied().collect();
        let to_realize = if missing.is_empty() {
            missing
        } else {
            self.with_missing_dependencies(manifest, missing)
        };
        let derivations =
            manifest.derivations.iter().filter(|derivation| to_realize.contains(&derivation.hash));
        // No reader wants a list of a thousand applied actions. Ways and secrets are listed only
        // when they have to be repaired.
        let is_own = |step: &Step| {
            let place = step
                .place
                .as_ref()
                .filter(|_| step.mark == Mark::Unchanged && step.change().is_some());
            place.is_some_and(|place| {
                switch::is_way(&self.store, place) || switch::is_private_file(&self.store, place)
            })
        };
        let told =
            plan.steps.iter().filter(|step| (!options.brief || step.is_news()) && !is_own(step));
        let private_files = self.store.secrets();
        let prospect =
            LazyCell::new(|| Prospect::new(manifest, &self.settings.interrupt, &private_files));
        let report = |step: &Step| {
            let mut report = action_report(step);
            self.note_login(plan, step, &mut report);
            self.note_dependents(plan, step, &mut report);
            self.note_drop_ins(plan, step, &mut report);
            if let Some(replaces) = report.replaces.as_mut()
                && prospect.is_same_content(step)
            {
                replaces.push_str(" (same content)");
            }
            if options.diff {
                match prospect.text_difference(step) {
                    TextDiff::Changed(diff) => report.diff = Some(diff),
                    TextDiff::NeedsBuild => report.needs_build = true,
                    TextDiff::None => {}
                }
            }
            report
        };
        let actions = told.map(report).collect();
        Ok(PlanReport {
            changed: plan.changes,
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&plan.current),
            realize: derivations
                .map(|derivation| derivation_report(derivation, BTreeMap::new()))
                .collect(),
            actions,
            environment_changed: plan.environment_changes,
            packages: package_reports(&plan.packages),
            services_left_out: left_out.clone(),
            pending: if *is_lost { None } else { self.pending()? },
        })
    }

    /// Adds the dependencies that have to be built too.
    fn with_missing_dependencies(
        &self,
        manifest: &Manifest,
        mut missing: BTreeSet<Hash>,
    ) -> BTreeSet<Hash> {
        // Dependencies come before their users: from the end, each user is seen before what it
        // needs.
        for derivation in manifest.derivations.iter().rev() {
            if missing.contains(&derivation.hash) {
                for dependency in &derivation.dependencies {
                    let is_wanted = |outputs: &Outputs| self.has_pins_of(outputs);
                    if !matches!(get_outputs(&self.store, *dependency, is_wanted), Ok(Some(_))) {
                        missing.insert(*dependency);
                    }
                }
            }
        }
        missing
    }

    fn built_report(
        &self,
        manifest: &Manifest,
        outputs: &BTreeMap<Hash, Outputs>,
        built: &[Hash],
    ) -> Vec<DerivationReport> {
        let built: HashSet<&Hash> = built.iter().collect();
        let built =
            manifest.derivations.iter().filter(|derivation| built.contains(&derivation.hash));
        built
            .map(|derivation| {
                let outputs = outputs.get(&derivation.hash).into_iter().flatten();
                let paths =
                    outputs.map(|(output, object)| (output.to_string(), self.store.object(object)));
                derivation_report(derivation, paths.collect())
            })
            .collect()
    }

    fn apply_report(
        &self,
        plan: PlanReport,
        built: Vec<DerivationReport>,
        switched: Option<&Switched>,
    ) -> ApplyReport {
        let deadline = switched.and_then(|switched| switched.deadline);
        ApplyReport {
            applied: plan.changed,
            plan,
            built,
            new_snapshot: switched.map(|switched| switched.id),
            env_script: self.settings.root.join("env.sh"),
            deadline,
            displaced: switched
                .iter()
                .flat_map(|switched| &switched.displaced)
                .map(displaced_report)
                .collect(),
            confirmation: switched
                .filter(|_| deadline.is_some())
                .map(|switched| switched.mark.clone()),
        }
    }
}
