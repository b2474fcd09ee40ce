//! Changing keys in a file while the program that owns it may write.
//!
//! The new file is exchanged with the existing one, in one system call. The file that comes out is
//! compared with the bytes that were read: if the program wrote in between, its file is merged
//! again. It stays beside the target until the commit is over, so that it can be restored.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use syslua_merge::{Declaration, Record};

use super::change::{After, TargetChange, Undone};
use super::declared_keys::{Edit, Planned, Ready, Untouched};
use super::merge::Merge;
pub use super::merge::read;
use super::{Directories, Error, Observed, observe};
use crate::hash::Hash;
use crate::platform::{self, Directory, FileKind, Like, Result, Seen};
use crate::value::Text;

/// The permission bits of a file that is made: the program may keep anything in it.
const PRIVATE: u32 = 0o600;

/// The number of merges before a program that keeps writing ends the switch.
const TRIES: usize = 20;

/// Changes that an earlier plan came to, with those of each key, by the places of the files.
pub type Merges = HashMap<PathBuf, (Edit, Vec<syslua_merge::Change>)>;

fn merged(
    place: &Path,
    bytes: Option<&[u8]>,
    declared: &Declaration,
    record: &Record,
) -> std::result::Result<syslua_merge::Merged, Error> {
    syslua_merge::merge(bytes, declared, record)
        .map_err(|problem| Error::Unmergeable { path: place.to_owned(), problem })
}

/// Returns the change that sets keys of the file at a place, with the changes of each key, or
/// `None` if all keys are right. `bytes` are what the file has, if there will be one; `from` is the
/// earlier declaration; `untouched` is the file before the first key was set. `known` is what it
/// was for an earlier plan: if everything is as it was then, so is the change.
///
/// # Errors
/// When the file is not of its format, or has no place for a value.
pub fn edit(
    (place, bytes): (&Path, Option<&[u8]>),
    (from, to): (Option<&Merge>, Option<&Merge>),
    (record, untouched): (&Record, Option<&Untouched>),
    known: Option<&(Edit, Vec<syslua_merge::Change>)>,
) -> std::result::Result<(Option<Edit>, Vec<syslua_merge::Change>), Error> {
    let Some(format) = to.or(from).map(|merge| merge.format) else {
        return Ok((None, Vec::new()));
    };
    let keys = |merge: Option<&Merge>| merge.map(|merge| merge.keys.clone()).unwrap_or_default();
    let comment = |merge: Option<&Merge>| merge.and_then(|merge| merge.comment.clone());
    let comments = (comment(from), comment(to));
    let mut edit = Edit {
        format,
        comments: Some(comments).filter(|(before, after)| before.is_some() || after.is_some()),
        from: keys(from),
        to: keys(to),
        record: record.clone(),
        planned: Planned { after: None, record: Record::default() },
        untouched: untouched.cloned(),
        before: bytes.map(Hash::of),
        is_drifted: false,
        displaced: None,
        ready: Ready::default(),
    };
    if let Some((known, changes)) = known.filter(|(known, _)| known.is_of(&edit)) {
        return Ok((Some(Edit { displaced: None, ..known.clone() }), changes.clone()));
    }
    let merged = merged(place, bytes, &edit.wanted(), record)?;
    edit.planned = Planned { after: merged.bytes.as_deref().map(Hash::of), record: merged.record };
    edit.ready = Ready(merged.bytes.map(Arc::new));
    edit.is_drifted = merged.is_drifted && to.is_some() && bytes.is_some();
    let is_news = !edit.is_quiet() || edit.planned.record != *record;
    Ok((is_news.then_some(edit), merged.changes))
}

/// The place of a new file before the exchange, and of the earlier file after it.
struct Beside {
    directory: Rc<Directory>,
    name: OsString,
    temporary: OsString,
}

fn beside(directories: &Directories, change: &TargetChange) -> Result<Beside> {
    let (directory, name) = directories.of(&change.place.to_path())?;
    let temporary = change.temporary.as_ref().map(Text::to_path).unwrap_or_default();
    let temporary = temporary.file_name().unwrap_or_default().to_owned();
    Ok(Beside { directory, name, temporary })
}

impl Beside {
    fn seen(&self) -> Result<Option<Seen>> {
        self.directory.observe(&self.name)
    }

    fn has(&self, name: &OsStr) -> bool {
        self.directory.has(name)
    }

    /// Writes a file beside the place, with the rights of the existing one, and waits
    /// until it is on the disk. With the bytes of the untouched file it has its time too.
    fn write(&self, name: &OsStr, bytes: &[u8], untouched: Option<&Untouched>) -> Result<()> {
        if self.has(name) {
            self.directory.remove(name)?;
        }
        let rights = self.seen()?.filter(|seen| seen.kind == FileKind::File);
        let like = Like {
            attributes: &self.name,
            rights: rights.as_ref(),
            mode: PRIVATE,
            modified: untouched
                .filter(|file| file.hash == Hash::of(bytes))
                .map(|file| file.modified),
        };
        self.directory.write_copy(name, bytes, &like)
    }
}

/// What is noted in the journal before a file gets its place that is not the planned one.
pub type OnMerged<'a> = &'a mut dyn FnMut(&Planned) -> std::result::Result<(), platform::Error>;

/// Writes the displaced copy. The new file itself follows when it gets its place: until then the
/// program may write.
///
/// # Errors
/// When the file system refuses.
pub fn prepare(
    directories: &Directories,
    change: &TargetChange,
    edit: &Edit,
) -> std::result::Result<(), Error> {
    let Some(copy) = &edit.displaced else { return Ok(()) };
    let place = change.place.to_path();
    let Some(bytes) = read(directories, &place)? else { return Ok(()) };
    let (directory, name) = directories.of(&copy.to_path())?;
    if directory.has(&name) {
        directory.remove(&name)?;
    }
    let like = Like { attributes: &name, rights: None, mode: PRIVATE, modified: None };
    Ok(directory.write_copy(&name, &bytes, &like)?)
}

/// Makes the change.
///
/// # Errors
/// When the file system refuses, or a program keeps writing.
pub fn perform(
    directories: &Directories,
    change: &TargetChange,
    edit: &Edit,
    note: OnMerged<'_>,
) -> std::result::Result<(), Error> {
    put(
        directories,
        change,
        (&edit.wanted(), &edit.record),
        edit.untouched.as_ref(),
        Some(edit),
        note,
    )
}

/// Returns the planned bytes, if the file did not change since they were planned.
fn as_planned(edit: &Edit, base: Option<&[u8]>) -> Option<(Option<Arc<Vec<u8>>>, Planned)> {
    let is_known = edit.ready.0.is_some() && base.map(Hash::of) == edit.before;
    is_known.then(|| (edit.ready.0.clone(), edit.planned.clone()))
}

/// Merges into the file at the place until no write came in between.
fn put(
    directories: &Directories,
    change: &TargetChange,
    (declared, record): (&Declaration, &Record),
    untouched: Option<&Untouched>,
    edit: Option<&Edit>,
    note: OnMerged<'_>,
) -> std::result::Result<(), Error> {
    let place = change.place.to_path();
    let beside = beside(directories, change)?;
    let second = {
        let mut name = beside.temporary.clone();
        name.push("2");
        name
    };
    let mut record = record.clone();
    let mut base = read(directories, &place)?;
    // The last merged bytes, once the program wrote over the first ones.
    let mut ours: Option<Arc<Vec<u8>>> = None;
    for _ in 0..TRIES {
        let planned = edit.and_then(|edit| as_planned(edit, base.as_deref()));
        let (merged, now) = match planned.filter(|_| ours.is_none()) {
            Some(planned) => planned,
            None => {
                let merged = merged(&place, base.as_deref(), declared, &record)?;
                let (bytes, record) = (merged.bytes.map(Arc::new), merged.record);
                let after = bytes.as_deref().map(|bytes| Hash::of(bytes));
                (bytes, Planned { after, record })
            }
        };
        if edit.is_none_or(|edit| edit.planned != now) {
            note(&now)?;
        }
        if ours.is_none() && merged.as_deref() == base.as_ref() {
            return Ok(());
        }
        let temporary = if ours.is_some() { &second } else { &beside.temporary };
        let stood = match (&merged, base.is_some() || ours.is_some()) {
            (Some(bytes), true) => {
                beside.write(temporary, bytes, untouched)?;
                match beside.directory.exchange(temporary, &beside.name) {
                    // It was removed in between.
                    Err(error) if error.is_not_found() => {
                        base = None;
                        continue;
                    }
                    result => result?,
                }
                Some(beside.directory.read_file(temporary)?)
            }
            (Some(bytes), false) => {
                beside.write(temporary, bytes, untouched)?;
                match beside.directory.rename_new(temporary, &beside.directory, &beside.name) {
                    Err(error) if error.is_already_there() => {
                        base = read(directories, &place)?;
                        continue;
                    }
                    result => result?,
                }
                None
            }
            (None, true) => {
                if beside.has(temporary) {
                    beside.directory.remove(temporary)?;
                }
                match beside.directory.rename_new(&beside.name, &beside.directory, temporary) {
                    Err(error) if error.is_not_found() => None,
                    result => {
                        result?;
                        Some(beside.directory.read_file(temporary)?)
                    }
                }
            }
            (None, false) => return Ok(()),
        };
        let expected = ours.as_deref().or(base.as_ref());
        if stood.as_ref() == expected || stood.is_none() {
            if ours.is_some() && beside.has(&second) {
                beside.directory.remove(&second)?;
            }
            return Ok(());
        }
        // The program wrote in between: its file is the earlier file from here on.
        if ours.is_some() {
            beside.directory.rename_over(&second, &beside.directory, &beside.temporary)?;
            record = now.record;
        }
        ours = merged;
        base = stood;
        if ours.is_none() {
            // The file had only declared keys, and has others now.
            beside.directory.rename_new(&beside.temporary, &beside.directory, &beside.name)?;
            base = read(directories, &place)?;
        }
    }
    Err(Error::Changed(place))
}

/// Undoes the change, whatever its progress. `last` is the last record of its progress.
///
/// # Errors
/// When the file system refuses; it can be tried again.
pub fn undo(
    directories: &Directories,
    change: &TargetChange,
    edit: &Edit,
    last: Option<&Planned>,
) -> std::result::Result<Undone, Error> {
    let place = change.place.to_path();
    let found = observe(directories, &place)?;
    let left_alone =
        || Undone::LeftAlone { place: place.clone(), found: found.in_words(), kept: None };
    let is_file = match &found {
        Observed::Nothing => false,
        Observed::Other(seen) if seen.kind == FileKind::File => true,
        _ => return Ok(left_alone()),
    };
    let beside = match beside(directories, change) {
        Err(error) if error.is_not_found() => return Ok(Undone::Done),
        beside => beside?,
    };
    let mut second = beside.temporary.clone();
    second.push("2");
    let last = last.unwrap_or(&edit.planned);
    let bytes = if is_file { Some(beside.directory.read_file(&beside.name)?) } else { None };
    let hash = bytes.as_deref().map(Hash::of);
    let kept = if beside.has(&beside.temporary) {
        Some(beside.directory.read_file(&beside.temporary)?)
    } else {
        None
    };
    let was_there = kept.as_deref().map(Hash::of) == edit.before && edit.before.is_some();
    if hash == edit.before {
        // It did not come so far, or it is back.
    } else if hash == last.after && hash == edit.planned.after && was_there {
        if is_file {
            beside.directory.exchange(&beside.temporary, &beside.name)?;
        } else {
            beside.directory.rename_new(&beside.temporary, &beside.directory, &beside.name)?;
        }
    } else {
        let earlier = (&edit.earlier(), &last.record);
        let untouched = edit.untouched.as_ref();
        let taken = put(directories, change, earlier, untouched, None, &mut |_| Ok(()));
        match taken {
            // A file that the program broke is left alone.
            Err(Error::Unmergeable { .. }) => return Ok(left_alone()),
            taken => taken?,
        }
    }
    for name in [&beside.temporary, &second] {
        if beside.has(name) {
            beside.directory.remove(name)?;
        }
    }
    if let Some(copy) = &edit.displaced {
        let (directory, name) = directories.of(&copy.to_path())?;
        if directory.has(&name) {
            directory.remove(&name)?;
        }
    }
    Ok(Undone::Done)
}

/// After the commit: removes the earlier file, which is at the temporary name or at the one after.
///
/// # Errors
/// When the file system refuses; it can be tried again.
pub fn settle(directories: &Directories, temporary: &Path) -> std::result::Result<(), Error> {
    let (directory, name) = match directories.of(temporary) {
        Err(error) if error.is_not_found() => return Ok(()),
        found => found?,
    };
    let mut second = name.clone();
    second.push("2");
    for name in [&name, &second] {
        if directory.has(name) {
            directory.remove(name)?;
        }
    }
    Ok(())
}

/// Returns the change of keys that a change of a target is, if it is one.
pub fn of(change: &TargetChange) -> Option<&Edit> {
    match &change.after {
        After::Merged { edit } => Some(edit),
        _ => None,
    }
}

/// Returns what prevents a merge at a place, in words.
///
/// # Errors
/// When the system does not tell.
pub fn obstacle(found: &Observed) -> Option<String> {
    match found {
        Observed::Nothing => None,
        Observed::Other(seen) if seen.kind == FileKind::File => None,
        other => Some(other.in_words()),
    }
}

/// Returns the whole path that a link at a place leads to, for messages.
pub fn leads_to(place: &Path, target: &Path) -> PathBuf {
    let whole = place.parent().map_or_else(|| target.to_owned(), |parent| parent.join(target));
    if platform::exists(&whole) { platform::canonical(&whole) } else { whole }
}
