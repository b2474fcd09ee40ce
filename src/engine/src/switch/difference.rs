//! What happens at one target: what stands there, compared with what should.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::conflicts::Declared;
use super::desired::Entry;
use super::neighbours;
use super::scene::Scene;
use super::step::{Mark, Step, Work};
use crate::action::{self, After, Before, Found, Role, Target, TargetChange};
use crate::activation::Activation;
use crate::platform::{self, FileKind};
use crate::store::Store;
use crate::value::Text;

/// What is in force at a target.
pub struct Old<'a> {
    /// The action and who declared it.
    pub activation: &'a Arc<Activation>,
    /// What the action puts there.
    pub target: &'a Target,
    /// When it was made, compared with others.
    pub order: usize,
}

fn text(path: &Path) -> Text {
    Text(platform::bytes_of_path(path))
}

/// Where something is moved to is known only when the switch begins.
fn kept(found: &Found, role: Role) -> Before {
    match found.seen() {
        Some(seen) => Before::Kept { identity: seen.identity.clone(), kept: Text::default(), role },
        None => Before::Nothing,
    }
}

/// What goes without a trace: ours, and links into our own store, whichever life of the root they are from.
fn ours(found: &Found) -> Before {
    match found {
        Found::Link(source, _) => Before::Link { source: text(source) },
        other => kept(other, Role::Ours),
    }
}

fn leads_into_store(store: &Store, found: &Found) -> bool {
    matches!(found, Found::Link(target, _) if target.starts_with(store.objects()))
}

fn target_step(mark: Mark, entry: &Entry, place: &Path, before: Before, after: After) -> Step {
    let change = TargetChange { place: text(place), before, after, temporary: None };
    Step { work: Work::Target(change), ..Step::at(mark, entry, place) }
}

/// What happens where nothing of ours is to stand any more.
pub fn removal(
    store: &Store,
    scene: &Scene,
    place: &Path,
    old: &Old<'_>,
    original: Option<&Path>,
) -> Result<Step, Error> {
    let entry = Entry::applied(old.activation);
    let found = action::look(&scene.directories, place)?;
    let after = match original {
        Some(original) => match platform::look(original)? {
            Some(seen) => After::Original { identity: seen.identity, kept: text(original) },
            None => After::Nothing,
        },
        None => After::Nothing,
    };
    // Of what belongs to the user since it was written, only what is as we wrote it is ours.
    let is_ours = leads_into_store(store, &found) || old.target.has_written(scene.looking(), place, &found)?;
    if found == Found::Nothing || is_ours {
        let before = ours(&found);
        if before == Before::Nothing && after == After::Nothing {
            return Ok(Step::at(Mark::Remove, &entry, place));
        }
        return Ok(target_step(Mark::Remove, &entry, place, before, after));
    }
    let mut step = target_step(Mark::Remove, &entry, place, kept(&found, Role::Displaced), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

/// What happens at a target that is to hold something, and of which one look did not tell that it does.
pub fn wanted(store: &Store, scene: &Scene, declared: &Declared<'_>, old: Option<&Old<'_>>) -> Result<Step, Error> {
    let Declared { place, entry, target } = declared;
    let found = scene.look(place)?;
    let Some(old) = old else {
        return added(store, scene, declared, &found);
    };
    if target.holds(scene.looking(), place, &found)? {
        let mark = if target.continues(old.target) { Mark::Unchanged } else { Mark::Change };
        return Ok(Step::at(mark, entry, place));
    }
    let after = after(store, declared)?;
    let is_ours = leads_into_store(store, &found) || old.target.has_written(scene.looking(), place, &found)?;
    if found == Found::Nothing || is_ours {
        return Ok(target_step(Mark::Change, entry, place, ours(&found), after));
    }
    let mut step = target_step(Mark::Change, entry, place, kept(&found, Role::Displaced), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

fn added(store: &Store, scene: &Scene, declared: &Declared<'_>, found: &Found) -> Result<Step, Error> {
    let Declared { place, entry, .. } = declared;
    let after = after(store, declared)?;
    if *found == Found::Nothing || leads_into_store(store, found) {
        return Ok(target_step(Mark::Add, entry, place, ours(found), after));
    }
    if let Some(root) = neighbours::manager(store, &scene.directories, place, found) {
        return Err(Error::OtherRoot { target: place.clone(), root, positions: entry.activation.positions.clone() });
    }
    if matches!(found, Found::Other(seen) if seen.kind == FileKind::Directory) && scene.will_be_empty(place) {
        return Ok(target_step(Mark::Add, entry, place, kept(found, Role::Ours), after));
    }
    // An original that is left from before is older than this one.
    let has_original = super::backups::original_of(store, place).is_some();
    let role = if has_original { Role::Displaced } else { Role::Original };
    let mut step = target_step(Mark::Add, entry, place, kept(found, role), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

fn after(store: &Store, declared: &Declared<'_>) -> Result<After, Error> {
    let mark = Text(neighbours::mark(store, &declared.place));
    declared.target.after(mark).map_err(Error::at(&declared.entry.activation.positions))
}
