//! What happens at one target: what stands there, compared with what should.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::backups::Backups;
use super::desired::Entry;
use super::drift::{self, Accounts, Drift};
use super::neighbours;
use super::plan::{Effect, Mark, Step};
use super::scene::Scene;
use crate::action::{self, Directories, Found};
use crate::activation::{Action, Activation};
use crate::journal::{After, Before, Role, TargetChange};
use crate::platform::{self, FileKind};
use crate::store::Store;
use crate::value::Text;

/// What is in force at a target.
pub struct Old<'a> {
    /// The action.
    pub activation: &'a Arc<Activation>,
    /// When it was made, compared with others.
    pub order: usize,
}

/// Permission bits of a file unless they are given, and of one that can be run.
const PLAIN: u32 = 0o644;
const EXECUTABLE: u32 = 0o755;

/// Returns whether what stands at a target is what an action puts there.
///
/// # Errors
/// When it cannot be read.
pub fn holds(directories: &Directories, place: &Path, found: &Found, action: &Action) -> Result<bool, Error> {
    // What is of another mode is not read.
    if let (Action::Install { mutable: false, .. }, Found::Other(seen)) = (action, found)
        && !drift::rights(&Accounts::default(), seen, action).is_empty()
    {
        return Ok(false);
    }
    match drift::drift(directories, &Accounts::default(), place, found, action) {
        // What may not be read is moved away unread.
        Err(Error::File(error)) if error.is_denied() => Ok(false),
        found => Ok(found? == Drift::None),
    }
}

/// Returns whether what stands at a target has the content that was written.
fn has_content(directories: &Directories, place: &Path, found: &Found, action: &Action) -> Result<bool, Error> {
    match (action, found) {
        (Action::Symlink { source, .. }, Found::Link(target, _)) => Ok(*target == source.to_path()),
        (Action::Install { digest: Some(digest), .. }, Found::Other(seen)) if seen.kind == FileKind::File => {
            let (directory, name) = directories.of(place)?;
            Ok(directory.has_content(&name, *digest)?)
        }
        _ => Ok(false),
    }
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
    Step { place: Some(place.to_owned()), effect: Effect::Target(change), ..Step::new(mark, entry) }
}

/// What happens where nothing of ours is to stand any more.
pub fn removal(
    store: &Store,
    directories: &Directories,
    place: &Path,
    old: &Old<'_>,
    original: Option<&Path>,
) -> Result<Step, Error> {
    let entry = Entry::applied(old.activation);
    let found = action::look(directories, place)?;
    let after = match original {
        Some(original) => match platform::look(original)? {
            Some(seen) => After::Original { identity: seen.identity, kept: text(original) },
            None => After::Nothing,
        },
        None => After::Nothing,
    };
    let action = &old.activation.action;
    // Of what belongs to the user since it was written, only what is as we wrote it is ours.
    let is_ours = leads_into_store(store, &found) || has_content(directories, place, &found, action)?;
    if found == Found::Nothing || is_ours {
        let before = ours(&found);
        if before == Before::Nothing && after == After::Nothing {
            return Ok(Step { place: Some(place.to_owned()), ..Step::new(Mark::Remove, &entry) });
        }
        return Ok(target_step(Mark::Remove, &entry, place, before, after));
    }
    let mut step = target_step(Mark::Remove, &entry, place, kept(&found, Role::Displaced), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

/// Returns whether what is in force already stands at a target, as far as one look tells.
///
/// # Errors
/// When it cannot be looked at.
pub fn stands(scene: &Scene, place: &Path, action: &Action, old: &Old<'_>) -> Result<bool, Error> {
    match action {
        Action::Symlink { source, .. } if old.activation.action == *action => {
            Ok(action::is_link_to(&scene.directories, place, &source.0)?)
        }
        _ => Ok(false),
    }
}

/// What happens at a target that is to hold something, and of which one look did not tell that it does.
pub fn wanted(
    store: &Store,
    scene: &Scene,
    place: &Path,
    entry: &Entry,
    old: Option<&Old<'_>>,
    backups: &mut Option<Backups>,
) -> Result<Step, Error> {
    let action = &entry.activation.action;
    let unchanged = |mark| Step { place: Some(place.to_owned()), ..Step::new(mark, entry) };
    let directories = &scene.directories;
    let found = scene.look(place)?;
    let Some(old) = old else {
        return added(store, scene, place, entry, &found, backups);
    };
    if holds(directories, place, &found, action)? {
        let is_same = is_unchanged(&old.activation.action, action);
        return Ok(unchanged(if is_same { Mark::Unchanged } else { Mark::Change }));
    }
    let after = after(store, place, entry)?;
    let is_ours = leads_into_store(store, &found) || has_content(directories, place, &found, &old.activation.action)?;
    if found == Found::Nothing || is_ours {
        return Ok(target_step(Mark::Change, entry, place, ours(&found), after));
    }
    let mut step = target_step(Mark::Change, entry, place, kept(&found, Role::Displaced), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

/// Whether an action that is in force already says the same. What belongs to the user since it was
/// written is not written again, whatever its first content would be now.
fn is_unchanged(old: &Action, new: &Action) -> bool {
    match (old, new) {
        (Action::Install { mutable: true, .. }, Action::Install { mutable: true, .. }) => true,
        // The same content from another object is the same file.
        (
            Action::Install { digest: a, mode: a_mode, owner: a_owner, group: a_group, .. },
            Action::Install { digest: b, mode: b_mode, owner: b_owner, group: b_group, .. },
        ) => a == b && a_mode == b_mode && a_owner == b_owner && a_group == b_group,
        (old, new) => old == new,
    }
}

fn added(
    store: &Store,
    scene: &Scene,
    place: &Path,
    entry: &Entry,
    found: &Found,
    backups: &mut Option<Backups>,
) -> Result<Step, Error> {
    let after = after(store, place, entry)?;
    if *found == Found::Nothing || leads_into_store(store, found) {
        return Ok(target_step(Mark::Add, entry, place, ours(found), after));
    }
    if let Some(root) = neighbours::manager(store, &scene.directories, place, found) {
        return Err(Error::OtherRoot { target: place.to_owned(), root, positions: entry.activation.positions.clone() });
    }
    if matches!(found, Found::Other(seen) if seen.kind == FileKind::Directory)
        && scene.will_be_empty(place, backups.get_or_insert_with(|| Backups::load(store)))
    {
        return Ok(target_step(Mark::Add, entry, place, kept(found, Role::Ours), after));
    }
    // An original that is left from before is older than this one.
    let has_original = super::backups::original_of(store, place).is_some();
    let role = if has_original { Role::Displaced } else { Role::Original };
    let mut step = target_step(Mark::Add, entry, place, kept(found, role), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

fn after(store: &Store, place: &Path, entry: &Entry) -> Result<After, Error> {
    let positions = || entry.activation.positions.clone();
    match &entry.activation.action {
        Action::Symlink { source, .. } => Ok(After::Link { source: source.clone() }),
        Action::Install { source, mode, owner, group, digest, .. } => {
            let unusable = |what: &'static str, given: &str| Error::Unusable {
                what,
                given: given.to_owned(),
                positions: positions(),
            };
            let mode = match mode {
                Some(mode) => u32::from_str_radix(mode, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777)
                    .ok_or_else(|| unusable("mode", mode))?,
                None => default_mode(&source.to_path()),
            };
            let owner = owner
                .as_ref()
                .map(|name| platform::user_named(name).ok_or_else(|| unusable("owner", name)))
                .transpose()?;
            let group = group
                .as_ref()
                .map(|name| platform::group_number(name).ok_or_else(|| unusable("group", name)))
                .transpose()?;
            if let Some(owner) = owner.filter(|owner| ![0, *owner].contains(&platform::user_number())) {
                return Err(Error::NotRoot { owner: owner.to_string(), positions: positions() });
            }
            // Without content there is no digest yet: then this is a plan, and nothing is written.
            let digest = digest.unwrap_or_else(|| crate::hash::Hash::of(b""));
            let mark = Some(Text(neighbours::mark(store, place)));
            Ok(After::File { source: source.clone(), digest, mode, owner, group, mark })
        }
        _ => Ok(After::Nothing),
    }
}

fn default_mode(source: &Path) -> u32 {
    let executable = std::fs::metadata(source).is_ok_and(|data| platform::mode_of(&data) & 0o111 != 0);
    if executable { EXECUTABLE } else { PLAIN }
}
