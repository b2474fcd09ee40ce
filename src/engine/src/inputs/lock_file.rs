//! `syslua.lock` on the disk: read at the start of an evaluation, written when the builds are over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, chain};
use crate::lock::{FILE_NAME, LockDocument, LockFileError, LockedInput, LockedTool};
use crate::pins::PinChange;
use crate::platform::{self, Actor, Directory};

/// What happens to an entry of a lock.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its key.
    pub key: String,
    /// What the lock had.
    pub old: Option<LockedInput>,
    /// What it gets.
    pub new: Option<LockedInput>,
}

/// What happens to a tool of a lock.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolChange {
    /// Its key, `node@22`.
    pub key: String,
    /// What the lock had.
    pub old: Option<LockedTool>,
    /// What it gets.
    pub new: Option<LockedTool>,
}

/// What happens to a lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes<'a> {
    /// Its inputs.
    pub inputs: &'a [Change],
    /// Its pins.
    pub pins: &'a [PinChange],
    /// Its tools.
    pub tools: &'a [ToolChange],
}

impl Changes<'_> {
    /// Returns whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.pins.is_empty() && self.tools.is_empty()
    }
}

/// A lock, and where it is.
#[derive(Clone, Debug)]
pub struct LockFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text, or `None` if there is no file.
    pub text: Option<Vec<u8>>,
    /// What it says.
    pub lock: LockDocument,
}

/// Reads the text of a lock, or `None` if there is no file.
fn read_text(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match platform::read_file(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(Failure::new("lock", chain(&error))),
    }
}

fn parse(path: &Path, text: Option<&[u8]>) -> Result<LockDocument, Failure> {
    let Some(text) = text else { return Ok(LockDocument::default()) };
    LockDocument::parse(text).map_err(|error| {
        let line = match &error {
            LockFileError::Conflict { line } => *line,
            LockFileError::Damaged(error) => error.line().max(1),
            LockFileError::Newer(_) => 1,
            LockFileError::Input { key, .. }
            | LockFileError::Pin { key, .. }
            | LockFileError::Tool { key, .. } => line_of(text, key),
        };
        Failure::new("lock", format!("cannot read {}: {error}", path.display()))
            .with_hint(error.hint())
            .at(Some(format!("{FILE_NAME}:{line}")))
    })
}

/// Returns the line of an entry, counted from 1.
fn line_of(text: &[u8], key: &str) -> usize {
    let wanted = serde_json::to_vec(key).unwrap_or_default();
    memchr::memmem::find(text, &wanted)
        .map_or(1, |place| text[..place].iter().filter(|byte| **byte == b'\n').count() + 1)
}

/// Returns where the lock of a config is: beside its entry file, all links followed.
pub fn place_of(entry: &Path) -> PathBuf {
    let entry = platform::canonical(entry);
    entry.parent().unwrap_or(Path::new("/")).join(FILE_NAME)
}

impl LockFile {
    /// Reads a lock; where there is no file, nothing is locked. `path` is where it is written to,
    /// and `place` where it is read.
    ///
    /// # Errors
    /// When it cannot be read, or is not a lock.
    pub fn read(path: &Path, place: &Path) -> Result<LockFile, Failure> {
        let text = read_text(place)?;
        let lock = parse(path, text.as_deref())?;
        Ok(LockFile { path: path.to_owned(), text, lock })
    }

    /// Returns what has to happen for the lock to have these inputs and no others.
    pub fn changes(&self, inputs: &BTreeMap<String, LockedInput>) -> Vec<Change> {
        let keys: BTreeSet<&String> = self.lock.inputs.keys().chain(inputs.keys()).collect();
        let change = |key: &&String| Change {
            key: (*key).clone(),
            old: self.lock.inputs.get(*key).cloned(),
            new: inputs.get(*key).cloned(),
        };
        keys.iter().map(change).filter(|change| change.old != change.new).collect()
    }

    /// Returns the text that the file has after some changes, or `None` if it stays absent.
    pub fn text_after(&self, changes: Changes<'_>) -> Option<Vec<u8>> {
        if changes.is_empty() {
            self.text.clone()
        } else {
            Some(with_changes(&self.lock, changes).0.to_text())
        }
    }

    /// Returns what has to happen for the lock to have these tools too.
    pub fn tool_changes(&self, tools: &BTreeMap<String, LockedTool>) -> Vec<ToolChange> {
        let change = |(key, tool): (&String, &LockedTool)| ToolChange {
            key: key.clone(),
            old: self.lock.tools.get(key).cloned(),
            new: Some(tool.clone()),
        };
        tools.iter().map(change).filter(|change| change.old != change.new).collect()
    }

    /// Writes changes: all of the file or nothing of it, as the owner of its directory. What
    /// another process changed in it since it was read stays; the keys of pins that it pinned
    /// otherwise are returned.
    ///
    /// # Errors
    /// When it cannot be written; the old file stays.
    pub fn write(&self, changes: Changes<'_>) -> Result<Vec<String>, Failure> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let place = platform::end_of(&self.path).unwrap_or_else(|_| self.path.clone());
        let now = read_text(&place)?;
        let lock =
            if now == self.text { self.lock.clone() } else { parse(&place, now.as_deref())? };
        let (lock, refused) = with_changes(&lock, changes);
        let text = lock.to_text();
        if now.as_ref() == Some(&text) {
            return Ok(refused);
        }
        write_as_owner(&place, &text).map_err(|error| {
            Failure::new("lock", format!("cannot write {}: {}", self.path.display(), chain(&error)))
                .with_hint(
                    "the resolved versions are not locked: make the directory writable, \
                     and try again",
                )
        })?;
        Ok(refused)
    }
}

/// Returns the text of a lock with pins added, or `None` if it is not a lock.
pub fn text_with_pins(text: Option<&[u8]>, pins: &[PinChange]) -> Option<Vec<u8>> {
    let lock = match text {
        Some(text) => LockDocument::parse(text).ok()?,
        None => LockDocument::default(),
    };
    Some(with_changes(&lock, Changes { pins, ..Changes::default() }).0.to_text())
}

/// Returns a lock with changes made, and the keys of pins that it has otherwise.
fn with_changes(lock: &LockDocument, changes: Changes<'_>) -> (LockDocument, Vec<String>) {
    let mut lock = lock.clone();
    let refused: Vec<String> = changes
        .pins
        .iter()
        .filter(|change| !change.make(&mut lock.fetches))
        .map(|change| change.key.clone())
        .collect();
    for change in changes.tools {
        match &change.new {
            Some(tool) => lock.tools.insert(change.key.clone(), tool.clone()),
            None => lock.tools.remove(&change.key),
        };
    }
    for change in changes.inputs {
        match &change.new {
            Some(entry) => lock.inputs.insert(change.key.clone(), entry.clone()),
            None => lock.inputs.remove(&change.key),
        };
    }
    (lock, refused)
}

/// Writes a file of a directory that may be another user's: with that user's rights, by a
/// descriptor of the directory.
fn write_as_owner(path: &Path, text: &[u8]) -> platform::Result<()> {
    const MODE: u32 = 0o644;
    let (parent, name) =
        (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
    let owner = platform::owner_of(parent)?.filter(|owner| Some(*owner) != platform::own_number());
    let actor = owner.filter(|_| platform::is_system_user()).map(Actor::of);
    let mode =
        platform::metadata_of(path)?.map_or(MODE, |metadata| platform::mode_of(&metadata) & 0o777);
    let directory = Directory::follow(parent)?.with_actor(actor);
    let temporary = std::ffi::OsString::from(format!(".{FILE_NAME}.{}.new", std::process::id()));
    let write = || -> platform::Result<()> {
        let mut file = directory.create_file(&temporary, mode)?;
        file.write_all(text)
            .and_then(|()| file.sync_all())
            .map_err(platform::failed("write", path))?;
        directory.rename_over(&temporary, &directory, name)
    };
    match write() {
        Err(error) if error.is_already_there() => {
            // A process with the same number was killed while it wrote.
            directory.remove(&temporary)?;
            write()
        }
        Err(error) => {
            let _ = directory.remove(&temporary);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Kind;

    fn path(url: &str) -> LockedInput {
        LockedInput {
            kind: Kind::Path,
            url: url.to_owned(),
            reference: None,
            rev: None,
            strip: None,
            sha256: None,
            last_modified: None,
            others: BTreeMap::new(),
        }
    }

    #[test]
    fn changes_are_written_beside_what_another_process_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(FILE_NAME);
        let first = LockFile::read(&place, &place).unwrap();
        assert_eq!(first.text, None);
        let inputs =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), path(name))).collect();
        first
            .write(Changes { inputs: &first.changes(&inputs(&["a", "b"])), ..Changes::default() })
            .unwrap();
        let second = LockFile::read(&place, &place).unwrap();
        assert!(second.changes(&inputs(&["a", "b"])).is_empty());
        // Both began with the same file.
        let third = LockFile::read(&place, &place).unwrap();
        second
            .write(Changes {
                inputs: &second.changes(&inputs(&["a", "b", "c"])),
                ..Changes::default()
            })
            .unwrap();
        third
            .write(Changes { inputs: &third.changes(&inputs(&["b"])), ..Changes::default() })
            .unwrap();
        let end = LockFile::read(&place, &place).unwrap();
        assert_eq!(end.lock.inputs.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
