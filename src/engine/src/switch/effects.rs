//! Effects in a plan: those to run, those to run again after a change, and those to undo.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::Targets;
use super::desired::Entry;
use super::follow::is_same_file;
use super::mentions::{Mentions, Named};
use super::step::{Mark, Step, Work};
use crate::action::{Action, After, Before, Direction, Effect};
use crate::activation::DeclaredAction;
use crate::places::PlaceMap;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::{Positions, Text};

/// What changes at targets, by their places.
#[derive(Debug, Default)]
pub struct Changed<'a> {
    /// Where something is removed.
    pub removed: BTreeSet<&'a Path>,
    /// Where something is made or replaced.
    pub made: BTreeSet<&'a Path>,
    /// The steps that remove something, and those that make or replace something.
    steps: [&'a [Step]; 2],
    /// Where links led, and lead: what is below them may change with them. Few plans ask for it.
    links: OnceCell<PlaceMap<'a, [Option<PathBuf>; 2]>>,
}

impl<'a> Changed<'a> {
    /// Collects the places of steps.
    pub fn by(removals: &'a [Step], changes: &'a [Step]) -> Changed<'a> {
        fn places(steps: &[Step]) -> BTreeSet<&Path> {
            // A link that only follows its tree leads to the same as before.
            let changed = steps.iter().filter(|step| {
                step.changes_behind() || step.change().is_some() && step.mark != Mark::Unchanged
            });
            changed.filter_map(|step| step.place.as_deref()).collect()
        }
        Changed {
            removed: places(removals),
            made: places(changes),
            steps: [removals, changes],
            links: OnceCell::new(),
        }
    }

    /// Returns where links led, and lead.
    fn links(&self) -> &PlaceMap<'a, [Option<PathBuf>; 2]> {
        self.links.get_or_init(|| Changed::links_of(self.steps))
    }

    fn links_of(steps: [&'a [Step]; 2]) -> PlaceMap<'a, [Option<PathBuf>; 2]> {
        let mut links = PlaceMap::default();
        for step in steps.into_iter().flatten() {
            let Some(place) = step.place.as_deref() else { continue };
            let ends = match step.change() {
                Some(change) => {
                    let before = match &change.before {
                        Before::Link { source } => Some(source.to_path()),
                        _ => None,
                    };
                    let after = match &change.after {
                        After::Link { source } => Some(source.to_path()),
                        _ => None,
                    };
                    [before, after]
                }
                None => {
                    let target = step.activation.action.as_target();
                    [None, target.and_then(|target| Some(target.leads_to()?.to_path()))]
                }
            };
            if ends != [None, None] {
                links.insert(place, ends);
            }
        }
        links
    }

    /// Returns whether what is at a path below a place changes with it.
    fn changes_below(&self, place: &Path, below: &Path) -> bool {
        match self.links().get(place) {
            Some([Some(before), Some(after)]) => {
                let (before, after) = (before.join(below), after.join(below));
                // What neither of them has is not of this link.
                (platform::exists(&before) || platform::exists(&after))
                    && !is_same_file(&before, &after)
            }
            Some(_) => true,
            None => false,
        }
    }
}

/// The steps of effects, by when they are performed.
#[derive(Debug, Default)]
pub struct Effects {
    /// Before files change.
    pub first: Vec<Step>,
    /// After they did.
    pub last: Vec<Step>,
}

/// Plans effects.
pub struct Planner<'a> {
    /// The store, whose objects are no targets.
    pub store: &'a Store,
    /// Where targets are.
    pub targets: &'a Targets<'a>,
    /// What changes there.
    pub changed: Changed<'a>,
}

/// Returns a key for effects that count as one: equal effects of one user.
fn key(activation: &DeclaredAction) -> Option<(Option<&str>, Vec<u8>)> {
    Some((activation.user.as_deref(), activation.action.as_effect()?.key()))
}

impl Planner<'_> {
    /// Returns the steps of all effects.
    pub fn plan(&self, current: &Snapshot, entries: &[Entry]) -> Effects {
        let mut effects = Effects::default();
        self.add_gone(current, entries, &mut effects);
        self.add_wanted(current, entries, &mut effects);
        effects
    }

    /// Adds the undoing of removed effects, in reverse order.
    fn add_gone(&self, current: &Snapshot, entries: &[Entry], effects: &mut Effects) {
        let kept: BTreeSet<_> = entries.iter().filter_map(|entry| key(&entry.activation)).collect();
        for activation in current.activations.iter().rev() {
            let (Some(key), Some(effect)) = (key(activation), activation.action.as_effect()) else {
                continue;
            };
            if kept.contains(&key) {
                continue;
            }
            let mut step = Step::new(Mark::Remove, &Entry::applied(activation));
            let mut is_last = effect.is_before();
            if effect.has_undo() {
                step.work = Work::Effect { direction: Direction::Undo, again: false };
            } else if effect.is_only_on_change()
                && self.touches(effect.on_change(), &activation.positions, &self.changed.removed)
            {
                // Who was told of what its target holds is told that it is gone.
                step.work = Work::Effect { direction: Direction::Do, again: true };
                is_last = !effect.is_before();
            }
            if is_last { &mut effects.last } else { &mut effects.first }.push(step);
        }
    }

    /// Adds the declared effects in their order.
    fn add_wanted(&self, current: &Snapshot, entries: &[Entry], effects: &mut Effects) {
        let present = current
            .activations
            .iter()
            .filter_map(|activation| Some((key(activation)?, &activation.action)));
        let present: HashMap<_, &Action> = present.collect();
        for entry in entries {
            let activation = &entry.activation;
            let (Some(key), Some(effect)) = (key(activation), activation.action.as_effect()) else {
                continue;
            };
            let old = present.get(&key);
            let old_effect = old.and_then(|old| old.as_effect());
            let again = self.has_changed(effect, old_effect, &activation.positions);
            let (mark, is_done) = match old {
                Some(_) if again => (Mark::Change, true),
                Some(old) if **old == activation.action => (Mark::Unchanged, effect.is_always()),
                // It was done already; only what is recorded of it changes.
                Some(_) => (Mark::Change, effect.is_always()),
                None => (Mark::Add, again || !effect.is_only_on_change()),
            };
            let mut step = Step::new(mark, entry);
            if is_done {
                step.work = Work::Effect {
                    direction: Direction::Do,
                    again: again && (old.is_some() || effect.is_only_on_change()),
                };
            }
            if effect.is_before() { &mut effects.first } else { &mut effects.last }.push(step);
        }
    }

    /// Returns whether something changed that an effect is about.
    fn has_changed(&self, effect: &Effect, old: Option<&Effect>, positions: &Positions) -> bool {
        if effect.on_change().is_empty() {
            return false;
        }
        if self.has_touched(effect.on_change(), positions) {
            return true;
        }
        let contents = |effect: &Effect| -> BTreeSet<Text> {
            effect.on_change().iter().filter(|about| !self.is_target(about)).cloned().collect()
        };
        let Some(old) = old else { return false };
        let (old, new) = (contents(old), contents(effect));
        // A list that only grew or shrank says nothing of what is in it.
        old.difference(&new).next().is_some() && new.difference(&old).next().is_some()
    }

    /// Returns whether something changes at one of some targets, or below one.
    pub(super) fn has_touched(&self, about: &[Text], positions: &Positions) -> bool {
        self.touches(about, positions, &self.changed.made)
            || self.touches(about, positions, &self.changed.removed)
    }

    /// Returns whether a text names a target, and no object or source.
    pub(super) fn is_target(&self, about: &Text) -> bool {
        let path = about.to_path();
        let is_place = path.is_absolute() || about.0.starts_with(b"~");
        is_place
            && !path.starts_with(self.store.objects())
            && !crate::names::Placeholder::may_be_in(&about.0)
    }

    /// Returns the first place that changes and that a text names, as it is read by programs.
    pub(super) fn named_change(&self, text: &Text, positions: &Positions) -> Option<Text> {
        let Changed { removed, made, .. } = &self.changed;
        if removed.is_empty() && made.is_empty() {
            return None;
        }
        let mentions = Mentions::of(text, self.targets.home());
        let of_places = made.iter().chain(removed).find(|place| match mentions.find(place) {
            Some(Named::Whole) => true,
            Some(Named::Below(path)) => self.changed.changes_below(place, &path),
            None => false,
        });
        if let Some(place) = of_places {
            return Some(Text(platform::bytes_of_path(place)));
        }
        // A path may lead through links.
        let paths = mentions.paths();
        paths.into_iter().find(|path| self.has_touched(std::slice::from_ref(path), positions))
    }

    /// Returns whether any of the targets is one of the places, is above one, or is below a place
    /// that leads elsewhere.
    fn touches(&self, about: &[Text], positions: &Positions, places: &BTreeSet<&Path>) -> bool {
        if places.is_empty() {
            return false;
        }
        about.iter().filter(|about| self.is_target(about)).any(|about| {
            let place: PathBuf =
                self.targets.place(about, positions).unwrap_or_else(|_| about.to_path());
            let above = place.ancestors().skip(1).find(|above| places.contains(above));
            let is_below = above.is_some_and(|above| {
                let below = place.strip_prefix(above).unwrap_or(&place);
                self.changed.changes_below(above, below)
            });
            is_below
                || places
                    .range(place.as_path()..)
                    .next()
                    .is_some_and(|changed| changed.starts_with(&place))
        })
    }
}
