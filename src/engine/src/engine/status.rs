//! What is applied, compared with what is there. Takes no lock, and shows one state or the other
//! while somebody switches.

use std::collections::BTreeSet;

use super::report::{displaced_report, snapshot_report};
use super::{Engine, Error, PendingReport, StatusReport, TargetReport};
use crate::action::{self, Directories, Found};
use crate::activation::{Action, Activation};
use crate::generations;
use crate::journal::Change;
use crate::platform::lock::{Lock, Mode};
use crate::snapshot::Snapshot;
use crate::switch::{self, Backups, Pending, Targets, holds};

/// How often to look again when somebody switched meanwhile.
const TRIES: usize = 5;

impl Engine {
    /// Compares what is applied with what is there.
    ///
    /// # Errors
    /// When the snapshot or a target cannot be read.
    pub fn status(&self) -> Result<StatusReport, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let before = switch::pending(&self.store)?;
            let current = generations::current(&self.store)?;
            let mut targets = self.targets(&current)?;
            let after = switch::pending(&self.store)?;
            let mark = |pending: &Option<Pending>| pending.as_ref().map(|pending| pending.mark.clone());
            let is_quiet = mark(&before) == mark(&after) && generations::current_id(&self.store)? == current.id;
            if !is_quiet && tries < TRIES {
                continue;
            }
            if let Some(pending) = after.as_ref().filter(|pending| !pending.is_committed) {
                leave_out(&mut targets, pending);
            }
            let drift =
                |(_, target): &&(std::path::PathBuf, TargetReport)| !["ok", "switching"].contains(&target.state);
            let displaced = Backups::load(&self.store).displaced(&self.store);
            return Ok(StatusReport {
                root: self.settings.root.clone(),
                derivations: current.derivations.len(),
                drift: targets.iter().filter(drift).count(),
                snapshot: snapshot_report(&current),
                targets: targets.into_iter().map(|(_, target)| target).collect(),
                displaced: displaced.iter().map(displaced_report).collect(),
                pending: after.map(|pending| self.pending_report(&pending)),
            });
        }
    }

    fn targets(&self, current: &Snapshot) -> Result<Vec<(std::path::PathBuf, TargetReport)>, Error> {
        let places = Targets::new(&self.settings.home);
        let directories = Directories::default();
        let mut targets = Vec::new();
        for Activation { action, positions, .. } in &current.activations {
            let (Action::Symlink { source, target, .. } | Action::Install { source, target, .. }) = action else {
                continue;
            };
            let place = places.place(target, positions)?;
            let found = action::look(&directories, &place).map_err(switch::Error::from)?;
            let is_link = matches!(action, Action::Symlink { .. });
            let state = match &found {
                Found::Nothing => "missing",
                found if holds(&directories, &place, found, action)? => "ok",
                Found::Link(..) if is_link => "changed",
                Found::Other(seen) if !is_link && seen.kind == crate::platform::FileKind::File => "changed",
                _ => "replaced",
            };
            let report = TargetReport {
                kind: action.kind(),
                target: target.display(),
                state,
                detail: source.display(),
                positions: positions.clone(),
            };
            targets.push((place, report));
        }
        Ok(targets)
    }

    /// Returns the switch that is not over, if there is one.
    pub(super) fn pending(&self) -> Result<Option<PendingReport>, Error> {
        Ok(switch::pending(&self.store)?.map(|pending| self.pending_report(&pending)))
    }

    fn pending_report(&self, pending: &Pending) -> PendingReport {
        let state = if pending.is_confirmable {
            "unconfirmed"
        } else if matches!(Lock::try_take(&self.store.switch_lock(), Mode::Shared), Ok(None)) {
            "running"
        } else {
            "interrupted"
        };
        PendingReport {
            state,
            from: pending.from,
            to: pending.to,
            started_at: pending.started_at,
            process: pending.process,
            deadline: pending.deadline.filter(|_| pending.is_confirmable),
        }
    }
}

/// Marks what a switch is busy with: it is neither as before nor drift.
fn leave_out(targets: &mut [(std::path::PathBuf, TargetReport)], pending: &Pending) {
    let places: BTreeSet<_> = pending
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Target(change) => Some(change.place.to_path()),
            _ => None,
        })
        .collect();
    for (place, target) in targets {
        if target.state != "ok" && places.contains(place) {
            target.state = "switching";
        }
    }
}
