//! `destroy`: restores the state before the first apply, then removes the root. It reads no config.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::Planned;
use super::report::displaced_report;
use super::{DestroyReport, Engine, Error, PlanOptions};
use crate::action::Role;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform;
use crate::platform::lock::Lock;
use crate::settings::Mode;
use crate::snapshot::Snapshot;
use crate::switch::{self, Backup, Backups, Desired, RootState, To};
use crate::switch::{Extent, Mark, Plan};
use crate::value::Text;
use crate::{config_copy, generations};

impl Engine {
    /// Goes back to before the first apply and removes the root, except for displaced copies and
    /// unknown files. [`Mode::Preview`] only reports what it would do.
    ///
    /// # Errors
    /// When the root is not one of sys.lua, or an operation fails: the system is unchanged, or the
    /// error says what changed. Call it again to continue.
    pub fn destroy(&self, mode: Mode) -> Result<DestroyReport, Error> {
        let is_full = |result: &Result<DestroyReport, Error>| {
            mode.performs() && result.as_ref().is_err_and(|error| platform::lacks_space(error))
        };
        let mut result = self.undo_and_remove(mode);
        if is_full(&result) && self.store.make_room() {
            result = self.undo_and_remove(mode);
        }
        if is_full(&result)
            && generations::current_id(&self.store).is_ok_and(|id| id == SnapshotId(0))
        {
            let cause = result.err().map(|error| error.to_string()).unwrap_or_default();
            return Err(switch::Error::NoRoom { root: self.settings.root.clone(), cause }.into());
        }
        result
    }

    fn undo_and_remove(&self, mode: Mode) -> Result<DestroyReport, Error> {
        // Nothing is created in what is not a root, not even a lock.
        switch::standing(&self.store)?;
        let locks = if mode.performs() { self.locks()? } else { Vec::new() };
        // Another process may have destroyed it in the meantime.
        let standing = switch::standing(&self.store)?;
        if mode.performs() && !locks.is_empty() {
            switch::recover(&self.store, &self.settings)?;
        }
        let current = generations::current(&self.store)?;
        let is_begun = current.id != SnapshotId(0);
        let desired = Desired::from_snapshot(
            &Snapshot::empty(),
            &self.settings.home,
            config_copy::reads(&self.store, current.id),
        );
        let altered = self.altered(&current)?;
        let mut plan =
            switch::plan(&self.store, &self.settings.home, desired, current, Extent::All)?;
        switch::add_packages(&self.store, &self.settings, &mut plan)?;
        let planned = Planned {
            plan,
            wanted: BTreeSet::new(),
            known: Arc::default(),
            is_lost: false,
            left_out: Vec::new(),
        };
        let mut report = DestroyReport {
            plan: self.plan_report(&Manifest::default(), &planned, PlanOptions::default())?,
            applied: false,
            exists: standing != RootState::Nothing,
            removed: standing == RootState::Nothing,
            displaced: Vec::new(),
            stuck: Vec::new(),
            unknown: Vec::new(),
        };
        report.plan.changed |= standing == RootState::Root;
        if mode.performs() && standing != RootState::Nothing {
            self.keep_altered(&altered, &planned.plan.current)?;
            self.perform_destroy(&planned.plan, is_begun, locks, &mut report)?;
        } else {
            let kept = Backups::load(&self.store, &self.settings.home).displaced(&self.store);
            report.displaced = kept.iter().map(displaced_report).collect();
        }
        Ok(report)
    }

    fn perform_destroy(
        &self,
        plan: &Plan,
        is_begun: bool,
        locks: Vec<Lock>,
        report: &mut DestroyReport,
    ) -> Result<(), Error> {
        let (store, settings) = (&self.store, &self.settings);
        if is_begun || plan.steps.iter().any(|step| step.mark != Mark::Unchanged) {
            let to = To::Snapshot(SnapshotId(0));
            switch::switch(store, settings, plan, to, None)?;
            // What could not be tidied up is tried once more; as long as that fails, nothing is
            // removed.
            switch::recover(store, settings)?;
        }
        let stuck = switch::restore_rest(store, settings)?;
        let displaced = Backups::load(store, &settings.home).displaced(store);
        report.unknown = switch::dismantle(store, settings, || drop(locks))?;
        report.displaced = displaced.iter().map(displaced_report).collect();
        report.stuck = stuck
            .iter()
            .map(|(path, target)| {
                let text = |path| Text(platform::bytes_of_path(path));
                let backup = Backup::new(text(target), text(path), Role::Original, 0);
                displaced_report(&backup)
            })
            .collect();
        report.removed = !platform::exists(store.root());
        report.applied = true;
        Ok(())
    }
}
