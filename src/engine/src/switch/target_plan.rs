//! The change at one target: compares the existing file with the wanted state.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::conflicts::Declared;
use super::desired::Entry;
use super::follow::is_same_file;
use super::overlay::Overlay;
use super::ownership;
use super::step::{Mark, Step, Work};
use crate::action::{
    self, After, Before, Observed, Rights, Role, Target, TargetChange, Untouched, merging,
};
use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::platform::{self, FileKind, Seen};
use crate::value::Text;

/// The applied action at a target.
pub struct Old<'a> {
    /// The action and who declared it.
    pub activation: &'a Arc<DeclaredAction>,
    /// What the action puts there.
    pub target: &'a Target,
    /// When it was made, compared with others.
    pub order: usize,
    /// Whether a link was put above it since.
    pub is_elsewhere: bool,
}

fn text(path: &Path) -> Text {
    Text(platform::bytes_of_path(path))
}

/// Where something is moved to is known only when the switch begins.
fn kept(found: &Observed, role: Role) -> Before {
    match found.seen() {
        Some(seen) => Before::Kept { identity: seen.identity.clone(), kept: Text::default(), role },
        None => Before::Nothing,
    }
}

/// Files that are removed without a backup: those of sys.lua, and links into its own store, from
/// any earlier use of the root.
fn ours(found: &Observed) -> Before {
    match found {
        Observed::Link(source, _) => Before::Link { source: text(source) },
        other => kept(other, Role::Ours),
    }
}

fn is_directory(found: &Observed) -> Option<&Seen> {
    found.seen().filter(|seen| seen.kind == FileKind::Directory)
}

fn target_step(
    overlay: &Overlay,
    mark: Mark,
    entry: &Entry,
    place: &Path,
    before: Before,
    after: After,
) -> Step {
    if (&before, &after) == (&Before::Nothing, &After::Nothing) {
        return Step::at(mark, entry, place);
    }
    let declared = overlay.declared(&entry.activation).filter(|declared| declared != place);
    let declared = declared.map(|declared| text(&declared));
    let private = entry.activation.action.as_secret();
    let private = private.and_then(|_| private_mode(&before, place));
    let place_text = text(place);
    let change =
        TargetChange { place: place_text, before, after, declared, private, temporary: None };
    Step { work: Work::Target(change), ..Step::at(mark, entry, place) }
}

/// Returns the mode of a file with a secret, or an edit of one, that is moved away.
pub fn private_mode(before: &Before, place: &Path) -> Option<u32> {
    let Before::Kept { .. } = before else { return None };
    let seen = platform::observe(place).ok().flatten()?;
    (seen.kind == FileKind::File).then_some(seen.mode)
}

fn is_ours(
    overlay: &Overlay,
    place: &Path,
    old: &Old<'_>,
    found: &Observed,
) -> Result<bool, Error> {
    let led_there = || old.target.link_text().is_some_and(|text| overlay.led_to(found, text));
    Ok(overlay.leads_into_store(found)
        || old.target.has_written(overlay.observer(), place, found)?
        || led_there())
}

/// Returns whether the file in place of a managed one must not be moved.
pub fn is_left_alone(
    overlay: &Overlay,
    place: &Path,
    old: &Old<'_>,
    found: &Observed,
) -> Result<bool, Error> {
    // A file that belongs to the user since it was written is never removed; through a link that
    // was put above it, the path leads to foreign files; and files that the config reads stay. If a
    // parent is not a directory, nothing below it can be read.
    let is_read = || match is_directory(found) {
        Some(_) => overlay.reads.needs(place),
        None => overlay.reads.is_read(place),
    };
    let is_others = old.target.is_given() || old.is_elsewhere || is_read();
    let is_there = is_others && *found != Observed::Nothing;
    Ok(is_there && (old.target.is_given() || !is_ours(overlay, place, old, found)?))
}

/// What happens to the keys of a file that a program owns too.
fn merged(
    overlay: &Overlay,
    (mark, entry, place): (Mark, &Entry, &Path),
    old: Option<&Old<'_>>,
    new: Option<&Target>,
) -> Result<Step, Error> {
    let positions = &entry.activation.positions;
    let found = overlay.observe(place)?;
    let from = old.and_then(|old| old.target.merge());
    let to = new.and_then(|target| target.merge());
    if let (Observed::Link(target, _), Some(_)) = (&found, to) {
        let leads_to = merging::leads_to(place, target);
        let (target, positions) = (place.to_owned(), positions.clone());
        return Err(Error::MergedLink { target, leads_to, positions });
    }
    // A directory of sys.lua that goes with what was in it.
    let going = is_directory(&found).filter(|_| to.is_some() && overlay.will_be_empty(place));
    match merging::obstacle(&found).filter(|_| going.is_none()) {
        None => {}
        Some(_) if to.is_none() => return Ok(Step::at(mark, entry, place)),
        Some(found) => {
            let problem = format!("it is {found}, and keys are set in files only");
            let (target, positions) = (place.to_owned(), positions.clone());
            return Err(Error::Parent { target, problem, positions });
        }
    }
    let record = overlay.backups().record_of(place);
    let bytes = match &found {
        Observed::Other(_) if going.is_none() => {
            merging::read(&overlay.directories, &overlay.standing(place))?
        }
        _ => None,
    };
    let untouched = match (&found, &bytes) {
        (Observed::Other(seen), Some(bytes)) if record.is_empty() => {
            let modified = seen.identity.content.map(|(_, seconds, nanos)| (seconds, nanos));
            modified.map(|modified| Untouched { hash: Hash::of(bytes), modified })
        }
        _ => overlay.backups().untouched(place).cloned(),
    };
    let earlier = (&record, untouched.as_ref());
    let (file, known) = ((place, bytes.as_deref()), overlay.merges.get(place));
    let (edit, keys) =
        merging::edit(file, (from, to), earlier, known).map_err(Error::at(positions))?;
    let Some(edit) = edit else {
        let is_same = old.is_some_and(|old| new.is_some_and(|new| new.continues(old.target)));
        let mark = if is_same { Mark::Unchanged } else { mark };
        return Ok(Step::at(mark, entry, place));
    };
    // As people read what is not built yet.
    let shown = entry.shown.as_ref().and_then(|action| action.as_target()?.merge());
    let keys = match shown {
        Some(shown) => {
            let shown = merging::edit(file, (from, Some(shown)), earlier, None);
            shown.map_or(keys, |(_, keys)| keys)
        }
        None => keys,
    };
    let is_drifted = edit.is_drifted;
    let change = TargetChange {
        place: text(place),
        before: if going.is_some() { kept(&found, Role::Ours) } else { Before::Nothing },
        after: After::Merged { edit: Box::new(edit) },
        declared: None,
        temporary: None,
        private: None,
    };
    let mut step = Step { work: Work::Target(change), keys, ..Step::at(mark, entry, place) };
    if is_drifted {
        step.replaces = Some("changed keys (the whole file is copied)".to_owned());
    }
    Ok(step)
}

/// The change at a target that is no longer declared.
pub fn removal(
    overlay: &Overlay,
    place: &Path,
    old: &Old<'_>,
    original: Option<&Path>,
) -> Result<Step, Error> {
    let entry = Entry::applied(old.activation);
    if old.target.merge().is_some() {
        return merged(overlay, (Mark::Remove, &entry, place), Some(old), None);
    }
    let found = action::observe(&overlay.directories, place)?;
    let after = match original.map(platform::observe).transpose()?.flatten().zip(original) {
        Some((seen, original)) => After::Original { identity: seen.identity, kept: text(original) },
        None => After::Nothing,
    };
    let step = |before, after| target_step(overlay, Mark::Remove, &entry, place, before, after);
    if old.target.keeps_below() {
        return Ok(directory_removal(overlay, place, old, &found, after, step));
    }
    if is_left_alone(overlay, place, old, &found)? {
        return Ok(Step::at(Mark::Remove, &entry, place));
    }
    if found == Observed::Nothing || is_ours(overlay, place, old, &found)? {
        return Ok(step(ours(&found), after));
    }
    let mut step = step(kept(&found, Role::Displaced), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

/// The change of a directory that is no longer declared: an empty one of sys.lua is removed after
/// the commit.
fn directory_removal(
    overlay: &Overlay,
    place: &Path,
    old: &Old<'_>,
    found: &Observed,
    after: After,
    step: impl Fn(Before, After) -> Step,
) -> Step {
    let has_original = after != After::Nothing;
    match is_directory(found) {
        Some(_) if has_original && overlay.will_be_empty(place) => {
            step(kept(found, Role::Ours), after)
        }
        Some(_) if has_original => {
            let mut step = step(kept(found, Role::Displaced), after);
            step.replaces = Some(found.in_words());
            step
        }
        Some(seen) => match overlay.backups().rights_of(place) {
            // What the user gave it since then stays.
            Some(rights) if old.target.rights(overlay.observer(), seen).is_empty() => {
                let Rights { mode, owner, group } = rights;
                let changed = |old: u32, now: u32| (old != now).then_some(old);
                let (owner, group) = (changed(owner, seen.owner), changed(group, seen.group));
                step(
                    in_place(overlay, place, seen),
                    After::Directory { mode: Some(mode), owner, group },
                )
            }
            _ => step(Before::Nothing, After::Nothing),
        },
        None if *found == Observed::Nothing => step(Before::Nothing, after),
        None if has_original => {
            let mut step = step(kept(found, Role::Displaced), after);
            step.replaces = Some(found.in_words());
            step
        }
        None => step(Before::Nothing, After::Nothing),
    }
}

fn in_place(overlay: &Overlay, place: &Path, seen: &Seen) -> Before {
    Before::Directory {
        rights: Rights { mode: seen.mode, owner: seen.owner, group: seen.group },
        original: overlay.backups().rights_of(place),
    }
}

/// Returns whether a link leads to the same file as the one in force, in another object.
fn follows(overlay: &Overlay, declared: &Declared<'_>, old: &Old<'_>) -> bool {
    let (Some(new), Some(old)) = (declared.target.leads_to(), old.target.leads_to()) else {
        return false;
    };
    // What is not built yet will be a copy of a file that is there.
    let local = declared.entry.may_change.then(|| declared.entry.origin()).flatten();
    let known = |path: &Text| {
        let inner = path.0.strip_prefix(overlay.objects.as_slice())?.strip_prefix(b"/")?;
        overlay.store.session().nar_of(inner)
    };
    // It tells bytes and whether a file can be run.
    if local.is_none()
        && let (Some(old), Some(new)) = (known(old), known(new))
    {
        return old == new;
    }
    let is_local = local.is_some();
    let (new, old) = (local.map_or_else(|| new.to_path(), Cow::into_owned), old.to_path());
    let objects = overlay.store.objects();
    old.starts_with(objects) && (is_local || new.starts_with(objects)) && is_same_file(&old, &new)
}

/// The report for a target that is right. The destination of a link through another one changes
/// with that one.
pub fn standing_mark(
    overlay: &Overlay,
    declared: &Declared<'_>,
    old: &Old<'_>,
    compares: bool,
) -> Mark {
    let is_same =
        declared.target.continues(old.target) || compares && follows(overlay, declared, old);
    if is_same { Mark::Unchanged } else { Mark::Change }
}

/// The change at a target whose quick check failed. With `compares`, a link to the same file in
/// another object is not reported.
pub fn wanted(
    overlay: &Overlay,
    declared: &Declared<'_>,
    old: Option<&Old<'_>>,
    compares: bool,
) -> Result<Step, Error> {
    let Declared { place, entry, target } = declared;
    let mark = if old.is_some() { Mark::Change } else { Mark::Add };
    if target.is_pending() {
        return Ok(Step::at(mark, entry, place));
    }
    let was_merged = old.is_some_and(|old| old.target.merge().is_some());
    if target.merge().is_some() && (old.is_none() || was_merged) {
        return merged(overlay, (mark, entry, place), old, Some(target));
    }
    if target.merge().is_some() || was_merged {
        let (whole, keys) = ("a file of sys.lua as a whole", "a file with some keys of sys.lua");
        let (until_now, now) = if was_merged { (keys, whole) } else { (whole, keys) };
        let positions = entry.activation.positions.clone();
        return Err(Error::OtherOwner { target: place.clone(), until_now, now, positions });
    }
    let standing = overlay.standing(place);
    // Most links of a changed tree say the same as before: one call of the system tells.
    if let Some(old) = old
        && target.link_text().is_some_and(|text| old.target.link_text() == Some(text))
        && standing == *place
        && target.is_in_place(overlay.observer(), place)?
    {
        return Ok(Step::at(standing_mark(overlay, declared, old, compares), entry, place));
    }
    let found = overlay.observe(place)?;
    let was_secret = old.is_some_and(|old| old.target.as_secret().is_some());
    let step = |before, after| {
        let mut step = target_step(overlay, mark, entry, place, before, after);
        if was_secret && let Work::Target(change) = &mut step.work {
            change.private = private_mode(&change.before, place);
        }
        step
    };
    let is_old_link = overlay.leads_into_store(&found);
    let holds = target.has_result(overlay.observer(), &standing, &found)?;
    // An action that only writes to free places leaves an existing file alone, unless that belongs
    // to sys.lua and is removed.
    let is_taken = target.is_given()
        && found != Observed::Nothing
        && !is_old_link
        && !(is_directory(&found).is_some() && overlay.will_be_empty(place));
    let back = old.and_then(|old| rights_back(overlay, declared, old, &found));
    if let Some(old) = old
        && (holds || is_taken)
        && back.is_none()
    {
        return Ok(Step::at(standing_mark(overlay, declared, old, compares), entry, place));
    }
    let after = match (after(overlay, declared)?, &back) {
        (After::Directory { mode, owner, group }, Some(back)) => After::Directory {
            mode: mode.or(back.mode),
            owner: owner.or(back.owner),
            group: group.or(back.group),
        },
        (after, _) => after,
    };
    if is_taken || (target.keeps_below() && holds && back.is_none()) {
        return Ok(Step::at(mark, entry, place));
    }
    if let (true, Some(seen)) = (target.keeps_below(), is_directory(&found)) {
        return Ok(step(in_place(overlay, place, seen), after));
    }
    let is_ours = is_old_link
        || match old {
            // A file that belongs to the user since it was written is not managed, even if it is
            // unchanged.
            Some(old) => !old.target.is_given() && is_ours(overlay, &standing, old, &found)?,
            None => false,
        };
    if found == Observed::Nothing || is_ours {
        let step = step(ours(&found), after);
        // A link that is not as it was applied is restored, and that is reported.
        let follows = match old {
            Some(old)
                if compares && found != Observed::Nothing && follows(overlay, declared, old) =>
            {
                old.target.has_result(overlay.observer(), &standing, &found)?
            }
            _ => false,
        };
        return Ok(if follows { Step { mark: Mark::Unchanged, ..step } } else { step });
    }
    if old.is_none()
        && let Some(root) = ownership::manager(overlay.store, &overlay.directories, place, &found)
    {
        return Err(Error::OtherRoot {
            target: place.clone(),
            root,
            positions: entry.activation.positions.clone(),
        });
    }
    if is_directory(&found).is_some() && overlay.will_be_empty(place) {
        return Ok(step(kept(&found, Role::Ours), after));
    }
    // An original that is left from before is older than this one. A directory that was there
    // before is one, and what is the user's since it was written.
    let is_first = old.is_none_or(|old| {
        old.target.is_given() || old.target.keeps_below() && !overlay.is_made(place)
    });
    let has_original = overlay.original_of(place, &entry.activation).is_some();
    let role = if is_first && !has_original { Role::Original } else { Role::Displaced };
    let mut step = step(kept(&found, role), after);
    step.replaces = Some(found.in_words());
    Ok(step)
}

/// The rights of a directory that come back.
struct RightsBack {
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
}

/// Returns which rights come back of a directory that stays declared, but not with these, if the
/// user did not change them since.
fn rights_back(
    overlay: &Overlay,
    declared: &Declared<'_>,
    old: &Old<'_>,
    found: &Observed,
) -> Option<RightsBack> {
    let seen = is_directory(found)?;
    if !declared.target.keeps_below() || !old.target.keeps_below() {
        return None;
    }
    let (was, now) = (old.target.properties(), declared.target.properties());
    let went = [
        was.mode.is_some() && now.mode.is_none(),
        was.owner.is_some() && now.owner.is_none(),
        was.group.is_some() && now.group.is_none(),
    ];
    if went == [false; 3] || !old.target.rights(overlay.observer(), seen).is_empty() {
        return None;
    }
    let rights = overlay.backups().rights_of(&declared.place)?;
    let back = |went: bool, before: u32, now: u32| (went && before != now).then_some(before);
    let back = RightsBack {
        mode: back(went[0], rights.mode, seen.mode),
        owner: back(went[1], rights.owner, seen.owner),
        group: back(went[2], rights.group, seen.group),
    };
    (back.mode.is_some() || back.owner.is_some() || back.group.is_some()).then_some(back)
}

fn after(overlay: &Overlay, declared: &Declared<'_>) -> Result<After, Error> {
    let mark = || Text(ownership::mark(overlay.store, &declared.place));
    declared.target.after(&mark).map_err(Error::at(&declared.entry.activation.positions))
}
