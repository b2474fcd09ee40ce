//! `journal`: the intent of a switch, and how to undo it. Only the format is here.
//!
//! The first line is the whole intent, written and synced before the first side effect. Lines that
//! follow mark what a later reader could not see by looking: commands that began and ended, and
//! until when a switch waits to be confirmed.

use serde::{Deserialize, Serialize};

use syslua_services::declaration::Scope;
use syslua_services::manager::Job;

use crate::action::{Action, Direction, Planned, TargetChange};
use crate::names::SnapshotId;
use crate::value::{Positions, Text};

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// The intent of a switch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// The version of this format.
    pub version: u32,
    /// What no other switch has; part of the names that it uses beside targets.
    pub mark: String,
    /// The snapshot that was current.
    pub from: SnapshotId,
    /// The snapshot that will be; nothing for commands that only run.
    pub to: Option<SnapshotId>,
    /// Whether this switch made that snapshot: taking it back removes it.
    pub makes_snapshot: bool,
    /// Whether this is the first switch of the root: taking it back leaves no snapshot at all.
    pub is_first: bool,
    /// The process that switches.
    pub process: u32,
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// For how many seconds the switch waits to be confirmed; by default for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<f64>,
    /// What it does, in order.
    pub changes: Vec<Change>,
    /// Directories of sys.lua that contain no target any more, outermost first.
    pub leftover: Vec<Text>,
}

impl Journal {
    /// Returns the snapshot whose environment an effect has: an undone one ran with the earlier.
    pub fn environment_of(&self, direction: Direction) -> SnapshotId {
        match direction {
            Direction::Do => self.to.unwrap_or(self.from),
            Direction::Undo => self.from,
        }
    }
}

/// One thing that a switch does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A directory is created.
    Directory {
        /// Where.
        path: Text,
        /// Permission bits; by default those of a new directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// A directory with a declared mode is opened for changes in it, or closed after them.
    Mode {
        /// Where.
        path: Text,
        /// Its permission bits before.
        before: u32,
        /// Its permission bits after.
        after: u32,
    },
    /// A target changes.
    Target(TargetChange),
    /// A command runs.
    Command {
        /// The action that it belongs to.
        action: Action,
        /// Whether it is the action's undo that runs.
        undo: bool,
        /// Whether it runs because of a change: then it is undone by running again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
        /// The user that it runs as; by default the applying user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Who declared it.
        positions: Positions,
    },
    /// Managers of services do their jobs: once before anything changes, once after.
    Services {
        /// Which of the two.
        phase: Phase,
        /// The managers whose units change.
        managers: Vec<ServiceManager>,
        /// The units, in the order in which they are asked for.
        units: Vec<UnitChange>,
    },
}

/// When managers of services do their jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before anything changes: services stop.
    Stop,
    /// After everything changed: services start.
    Start,
}

/// A manager of services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceManager {
    /// Whose it is.
    pub scope: Scope,
    /// The user, if it is not the user who applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it is to run without a session from now on, and did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lingers: bool,
    /// Whether it is to run without a session no longer: no service needs that any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops_lingering: bool,
}

/// What became of a unit that ran before it was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earlier {
    /// A service takes the place of what runs.
    Ends,
    /// The service goes, and what ran runs again.
    Returns,
}

/// What a manager is asked to do with a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitChange {
    /// The number of its manager in the list.
    pub manager: usize,
    /// The unit.
    pub unit: String,
    /// The service that it belongs to.
    pub service: String,
    /// What is done with it.
    pub job: Job,
    /// Whether it ran before.
    pub was_active: bool,
    /// Whether it is what the switch itself runs in: stopping it would end the switch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_own: bool,
    /// What becomes of another unit of this name, of the distribution or of the user, that runs or
    /// ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
    /// Whether it is another's, and what it requires is gone: the switch continues without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_optional: bool,
    /// Whether it stops without units that require it: those of them that stop have jobs too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_alone: bool,
    /// Who declared it.
    pub positions: Positions,
}

impl Change {
    /// Returns the change of a target, if it is one.
    pub fn target(&self) -> Option<&TargetChange> {
        match self {
            Change::Target(change) => Some(change),
            _ => None,
        }
    }
}

/// A line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The command at this place of `changes` begins.
    Begin(usize),
    /// It ended well.
    End(usize),
    /// The merge at this place of `changes` has this result, since a program wrote in between.
    Merged(usize, Box<Planned>),
    /// The switch is committed, and reverted at this second since the epoch unless it is confirmed.
    Deadline(f64),
}

/// A text that is not a journal of a known version.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It is not valid JSON of this form.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has version {0}, which only a newer sys.lua reads")]
    Newer(u64),
}

/// A journal as it is on the disk.
#[derive(Clone, Debug)]
pub struct Written {
    /// The intent.
    pub journal: Journal,
    /// The later notes.
    pub notes: Vec<Note>,
}

impl Written {
    /// Reads a journal. A last line that is cut off was never acted upon.
    ///
    /// # Errors
    /// When the text is not a journal, or one of a newer version.
    pub fn parse(text: &[u8]) -> Result<Written, JournalError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let header: Header = serde_json::from_slice(first)?;
        if header.version > u64::from(VERSION) {
            return Err(JournalError::Newer(header.version));
        }
        let journal = serde_json::from_slice(first)?;
        let notes = lines.map_while(|line| serde_json::from_slice(line).ok()).collect();
        Ok(Written { journal, notes })
    }

    /// Returns what the merge at a place of `changes` came to, if that is not what was planned.
    pub fn merged(&self, number: usize) -> Option<&Planned> {
        self.notes.iter().rev().find_map(|note| match note {
            Note::Merged(of, planned) if *of == number => Some(&**planned),
            _ => None,
        })
    }

    /// Returns until when the switch can be confirmed, in seconds since the epoch.
    pub fn deadline(&self) -> Option<f64> {
        self.notes.iter().find_map(|note| match note {
            Note::Deadline(deadline) => Some(*deadline),
            _ => None,
        })
    }
}

/// Returns a document as a line.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{After, Before};

    fn journal() -> Journal {
        Journal {
            version: VERSION,
            mark: "1-2".into(),
            from: SnapshotId(1),
            to: Some(SnapshotId(2)),
            makes_snapshot: true,
            is_first: false,
            process: 1,
            started_at: 0,
            confirm: None,
            changes: vec![Change::Target(TargetChange {
                place: Text(b"/home/u/\xff".to_vec()),
                before: Before::Link { source: "/a".into() },
                after: After::Nothing,
                declared: None,
                temporary: None,
                private: None,
            })],
            leftover: Vec::new(),
        }
    }

    #[test]
    fn a_cut_journal_is_damaged_or_loses_its_last_note() {
        let mut text = line(&journal());
        let intent = text.len() - 1;
        text.extend(line(&Note::Begin(3)));
        text.extend(line(&Note::End(3)));
        for length in 0..=text.len() {
            match Written::parse(&text[..length]) {
                Ok(written) => {
                    assert!(length >= intent, "{length}");
                    assert_eq!(written.journal.changes, journal().changes);
                    assert!(written.notes.len() <= 2);
                }
                Err(_) => assert!(length < intent, "{length}"),
            }
        }
        assert_eq!(Written::parse(&text).unwrap().notes, [Note::Begin(3), Note::End(3)]);
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let text = br#"{"version":2}"#;
        assert!(matches!(Written::parse(text), Err(JournalError::Newer(2))));
    }
}
