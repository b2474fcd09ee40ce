//! `rollback`: returns to a snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::altered::Altered;
use super::apply::{PlanOptions, Planned};
use super::report::{displaced_report, snapshot_report};
use super::{Engine, Error, RollbackReport};
use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform;
use crate::platform::lock::Sharing;
use crate::settings::{Event, Mode};
use crate::snapshot::Snapshot;
use crate::switch::{self, Desired, Extent, Mark, Plan, Secrets, To, Work};
use crate::{config_copy, generations};

/// What a way back begins from.
pub(super) struct InForce {
    pub(super) current: Snapshot,
    /// Whether it holds more than what is in force.
    pub(super) is_guess: bool,
    /// Why it is not simply the current snapshot.
    pub(super) problem: Option<String>,
}

impl Engine {
    /// Decrypts those of some secrets that have to be written. With `refresh`, commands run again.
    pub(super) fn decrypted(
        &self,
        wanted: Vec<DeclaredAction>,
        current: &Snapshot,
        refresh: bool,
    ) -> Result<Secrets, Error> {
        let home = &self.settings.home;
        let needed = switch::needed_secrets(&self.store, home, wanted, current, refresh);
        Ok(Secrets::open(&self.store, &self.settings, &needed)?)
    }

    /// Goes back to a snapshot, by default the parent of the current one. [`Mode::Preview`] only
    /// reports what it would do. An unreadable current snapshot or journal does not prevent it.
    ///
    /// # Errors
    /// When there is no such snapshot, or something fails: the system is as it was, or the error
    /// says what is not.
    pub fn rollback(&self, id: Option<SnapshotId>, mode: Mode) -> Result<RollbackReport, Error> {
        // Objects may be repaired.
        let _locks =
            if mode.performs() { self.locks_sharing(Sharing::Shared)? } else { Vec::new() };
        let is_lost = match switch::pending(&self.store) {
            // The requested snapshot can no longer be determined.
            Err(error @ switch::Error::Journal { .. }) if id.is_none() => return Err(error.into()),
            pending => matches!(pending, Err(switch::Error::Journal { .. })),
        };
        if mode.performs() && !is_lost {
            switch::recover(&self.store, &self.settings)?;
        }
        let InForce { current, is_guess, problem } = self.in_force(id, is_lost)?;
        let id = id.or(current.parent).ok_or(Error::NothingBefore)?;
        let target = self.snapshot(id)?;
        self.check_objects(&target)?;
        if let Some(message) = problem {
            self.settings.events.send(Event::Warning { message });
        }
        if mode.performs()
            && let Some(aside) = switch::set_journal_aside(&self.store)?
        {
            let message = format!(
                "the journal of an interrupted switch cannot be read: it was moved to {}",
                aside.display()
            );
            self.settings.events.send(Event::Warning { message });
        }
        let is_current = id == current.id;
        let wanted: BTreeSet<Hash> = target.derivations.keys().copied().collect();
        let known = Arc::clone(&target.derivations);
        let reads = [id, current.id]
            .into_iter()
            .flat_map(|id| config_copy::reads(&self.store, id))
            .collect();
        let mut target = target;
        target.follow_moves(self.store.root(), &self.settings.home);
        let mut desired = Desired::from_snapshot(&target, &self.settings.home, reads);
        let secrets = if mode.performs() {
            let wanted = target.activations.iter().map(|one| DeclaredAction::clone(one));
            let wanted = wanted.filter(|one| one.action.as_secret().is_some());
            self.decrypted(wanted.collect(), &current, false)?
        } else {
            Secrets::default()
        };
        secrets.complete(&self.store, &mut desired.entries, &current);
        let altered = if is_guess {
            Altered::default()
        } else {
            self.altered_with(&current, self.links_of_snapshot(&target))?
        };
        let observe = |desired, current| {
            let home = &self.settings.home;
            let mut plan = switch::plan(&self.store, home, desired, current, Extent::All)?;
            plan.contents = Arc::clone(secrets.contents());
            Ok::<_, switch::Error>(plan)
        };
        let mut plan = observe(desired.clone(), current)?;
        switch::add_packages(&self.store, &self.settings, &mut plan)?;
        if is_guess {
            // Most of what may be in force is not.
            plan.steps.retain(|step| step.mark != Mark::Remove || !matches!(step.work, Work::None));
        }
        // A command that runs at each apply does not run here.
        let leave_commands = |plan: &mut Plan| {
            plan.steps.retain(|step| {
                step.mark != Mark::Unchanged || !matches!(step.work, Work::Effect { .. })
            });
        };
        leave_commands(&mut plan);
        let planned = Planned { plan, wanted, known, is_lost, left_out: Vec::new() };
        let mut report =
            self.plan_report(&Manifest::default(), &planned, PlanOptions::default())?;
        report.changed |= !is_current;
        let applied = mode.performs() && report.changed;
        let mut displaced = Vec::new();
        if applied {
            // Drift of the current snapshot is put right without going anywhere.
            let to = if is_current { To::Same } else { To::Snapshot(id) };
            let mut plan = planned.plan;
            let mut kept = self.keep_altered(&altered, &plan.current)?;
            self.finish_repair(&altered, &mut kept)?;
            let after = switch::call_packages(&self.store, &self.settings, &plan)?;
            if let Some(packages) = after {
                // Packages bring files, which the plan must know.
                let current = plan.current;
                plan = observe(desired, current).map_err(|error| packages.outlast(error))?;
                leave_commands(&mut plan);
                plan.packages = packages;
            }
            let switched = switch::switch(&self.store, &self.settings, &plan, to, None)?;
            displaced.extend(
                kept.iter()
                    .map(|kept| &kept.backup)
                    .chain(&switched.displaced)
                    .map(displaced_report),
            );
            for object in self.record_objects(&altered, &plan.activations).unwrap_or_default() {
                let message = format!(
                    "a program changed {}: `verify --repair` restores it",
                    object.display()
                );
                self.settings.events.send(Event::Warning { message });
            }
        }
        let env_script = self.settings.root.join("env.sh");
        Ok(RollbackReport {
            plan: report,
            to: snapshot_report(&target),
            applied,
            displaced,
            env_script,
        })
    }

    /// Returns the applied state, as far as it can be known. `wanted` is the destination of a
    /// rollback, `is_lost` whether a switch was interrupted at an unknown step.
    fn in_force(&self, wanted: Option<SnapshotId>, is_lost: bool) -> Result<InForce, Error> {
        let problem = match generations::current(&self.store) {
            Ok(current) if !is_lost => {
                return Ok(InForce { current, is_guess: false, problem: None });
            }
            Ok(_) => None,
            Err(error) => {
                Some(format!("{error}: its declarations are reconstructed, which may miss some"))
            }
        };
        let (id, everything) = match generations::current_id(&self.store) {
            Ok(id) => (id, is_lost),
            // Some other one, so that going to the wanted one is a change.
            Err(generations::Error::Current(_)) => {
                let mut all = generations::all(&self.store)?.into_iter();
                (all.rfind(|id| Some(*id) != wanted).unwrap_or_default(), true)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(InForce {
            current: switch::rebuilt(&self.store, id, everything),
            is_guess: true,
            problem,
        })
    }

    /// Checks that every object is there that the actions of a snapshot name.
    fn check_objects(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let prefix = [platform::bytes_of_path(self.store.objects()).as_slice(), b"/"].concat();
        for text in snapshot.activations.iter().flat_map(|activation| activation.action.texts()) {
            for start in memchr::memmem::find_iter(&text.0, &prefix) {
                let rest = &text.0[start + prefix.len()..];
                let length = rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte));
                let object =
                    self.store.objects().join(platform::path_from_bytes(&rest[..length.count()]));
                if !platform::exists(&object) {
                    return Err(switch::Error::MissingObject { id: snapshot.id, object }.into());
                }
            }
        }
        Ok(())
    }
}
