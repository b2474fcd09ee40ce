//! `history`: the list of snapshots, and the difference between two of them.

use std::collections::BTreeMap;

use super::compare::{compare_actions, compare_derivations};
use super::report::{action_report, snapshot_report};
use super::{
    ActionReport, ChangeReport, ChangesReport, Engine, Error, HistoryEntry, HistoryReport,
    SnapshotDiffReport, SnapshotReport,
};
use crate::action::{Description, Direction};
use crate::generations;
use crate::names::SnapshotId;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::switch::Mark;
use crate::value::Text;

impl Engine {
    /// Lists the snapshots, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn history(&self) -> Result<HistoryReport, Error> {
        let current = generations::current_id(&self.store)?;
        let mut snapshots = Vec::new();
        let mut read: BTreeMap<SnapshotId, Snapshot> = BTreeMap::new();
        for id in generations::all(&self.store)? {
            let entry = match generations::read(&self.store, id) {
                Ok(snapshot) => HistoryEntry {
                    changes: snapshot
                        .parent
                        .and_then(|parent| read.get(&parent))
                        .map(|parent| self.changes(parent, &snapshot)),
                    parent: snapshot.parent,
                    current: id == current,
                    targets: snapshot
                        .activations
                        .iter()
                        .filter(|entry| entry.action.target().is_some())
                        .count(),
                    actions: snapshot.activations.len(),
                    derivations: snapshot.derivations.len(),
                    problem: None,
                    snapshot: {
                        let report = snapshot_report(&snapshot);
                        read.insert(id, snapshot);
                        report
                    },
                },
                // gc removed it in the meantime.
                Err(_) if id != SnapshotId(0) && !platform::exists(&self.store.snapshot(id)) => {
                    continue;
                }
                Err(error) => HistoryEntry {
                    snapshot: SnapshotReport {
                        id,
                        created_at: 0,
                        config_path: None,
                        description: String::new(),
                    },
                    parent: None,
                    current: id == current,
                    targets: 0,
                    actions: 0,
                    derivations: 0,
                    problem: Some(error.to_string()),
                    changes: None,
                },
            };
            snapshots.push(entry);
        }
        Ok(HistoryReport { root: self.settings.root.clone(), snapshots, pending: self.pending()? })
    }

    /// Summarizes the changes of a snapshot.
    fn changes(&self, parent: &Snapshot, snapshot: &Snapshot) -> ChangesReport {
        let differences = compare_actions(&self.store, parent, snapshot);
        let count =
            |mark| differences.iter().filter(|difference| difference.mark() == mark).count();
        // Of many targets, the directories say more than the first names.
        let is_many = differences.len() > ChangesReport::MANY;
        let mut first: Vec<ChangeReport> = Vec::with_capacity(ChangesReport::SHOWN);
        for difference in &differences {
            let Description { target, name, detail } =
                difference.step().shown().describe(Direction::Do);
            let above = |target: Text| match target
                .0
                .iter()
                .rposition(|byte| *byte == b'/')
                .filter(|_| is_many)
            {
                Some(slash) => Text(target.0[..=slash].to_vec()),
                None => target,
            };
            let what =
                target.map(above).or(name.map(|name| name.as_str().into())).unwrap_or(detail);
            let mark = difference.mark();
            match first.iter_mut().find(|known| known.what == what) {
                // In a directory, other things happened too.
                Some(known) if is_many && known.mark != mark => known.mark = Mark::Change,
                Some(known) if known.mark == mark => {}
                _ => first.push(ChangeReport { mark, what }),
            }
            if first.len() == ChangesReport::SHOWN {
                break;
            }
        }
        ChangesReport {
            added: count(Mark::Add),
            changed: count(Mark::Change),
            removed: count(Mark::Remove),
            first,
        }
    }

    /// Returns the differences of two snapshots, and with `with_text` the diffs of text files. The
    /// second is by default the current snapshot, the first its parent.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read.
    pub fn diff_snapshots(
        &self,
        first: Option<SnapshotId>,
        second: Option<SnapshotId>,
        with_text: bool,
    ) -> Result<SnapshotDiffReport, Error> {
        let second = match second {
            Some(id) => self.snapshot(id)?,
            None => generations::current(&self.store)?,
        };
        let first = self.snapshot(first.or(second.parent).ok_or(Error::NothingBefore)?)?;
        Ok(SnapshotDiffReport {
            root: self.settings.root.clone(),
            derivations: compare_derivations(&self.store, &first, &second),
            actions: compare_actions(&self.store, &first, &second)
                .iter()
                .map(|difference| {
                    let diff = if with_text { difference.text() } else { None };
                    ActionReport { diff, ..action_report(&difference.step()) }
                })
                .collect(),
            from: snapshot_report(&first),
            to: snapshot_report(&second),
        })
    }
}
