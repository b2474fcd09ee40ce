//! The steps of a plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::desired::Entry;
use super::service_work::ServiceWork;
use crate::action::merging::{self, Merges};
use crate::action::{Action, Direction, TargetChange};
use crate::activation::DeclaredAction;

/// What happens to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is new.
    Add,
    /// It replaces another one of its kind, or repairs it.
    Change,
    /// It is gone.
    Remove,
    /// It is in force.
    Unchanged,
}

/// What a step does to the system.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most steps change a target")]
pub enum Work {
    /// Nothing: it is in force, or part of the environment.
    None,
    /// A target changes.
    Target(TargetChange),
    /// An effect is performed.
    Effect {
        /// Whether it is done or undone.
        direction: Direction,
        /// Whether it runs because of a change: it is undone by running it again after the change
        /// is undone.
        again: bool,
    },
    /// The manager of services is asked to do something.
    Service(ServiceWork),
    /// What becomes of a package of the system, in words.
    Package(String),
}

/// One entry of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub mark: Mark,
    /// The action: resolved as far as its content is known; the old one if it is removed.
    pub activation: Arc<DeclaredAction>,
    /// The action as people read it: content that is not built yet is `<name>`.
    pub shown: Option<Action>,
    /// Whether it names content that is not built yet.
    pub may_change: bool,
    /// What of the user's is moved to the backups, in words.
    pub replaces: Option<String>,
    /// The keys that change in a file that a program owns too.
    pub keys: Vec<syslua_merge::Change>,
    /// Where the target is.
    pub place: Option<PathBuf>,
    /// What is done.
    pub work: Work,
}

/// Returns the merges of some steps.
pub fn merges(steps: &[Step]) -> Merges {
    let of_step = |step: &Step| match (&step.work, &step.place) {
        (Work::Target(change), Some(place)) => {
            Some((place.clone(), (merging::of(change)?.clone(), step.keys.clone())))
        }
        _ => None,
    };
    steps.iter().filter_map(of_step).collect()
}

impl Step {
    /// Makes a step without a change.
    pub fn new(mark: Mark, entry: &Entry) -> Step {
        Step {
            mark,
            activation: Arc::clone(&entry.activation),
            shown: entry.shown.clone(),
            may_change: entry.may_change,
            replaces: None,
            keys: Vec::new(),
            place: None,
            work: Work::None,
        }
    }

    /// Makes a step for an unchanged target.
    pub fn at(mark: Mark, entry: &Entry, place: &Path) -> Step {
        Step { place: Some(place.to_owned()), ..Step::new(mark, entry) }
    }

    /// Returns the action as people read it.
    pub fn shown(&self) -> &Action {
        self.shown.as_ref().unwrap_or(&self.activation.action)
    }

    /// Returns whether anything happens.
    pub fn is_news(&self) -> bool {
        self.mark != Mark::Unchanged || matches!(self.work, Work::Effect { .. })
    }

    /// Returns whether a link stays as it is, but leads to something else, since one through which
    /// it leads moves.
    pub fn changes_behind(&self) -> bool {
        let leads_through = || {
            let target = self.activation.action.as_target();
            target.is_some_and(|target| target.link_text() != target.leads_to())
        };
        self.mark == Mark::Change && matches!(self.work, Work::None) && leads_through()
    }

    /// Returns the change of a target, if it is one.
    pub fn change(&self) -> Option<&TargetChange> {
        if let Work::Target(change) = &self.work { Some(change) } else { None }
    }
}
