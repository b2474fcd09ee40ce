//! `syslua.lock` on the disk: read at the start of an evaluation, written when the builds are over.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Failure, FailureKind, chain};
use crate::lock::{FILE_NAME, LockDocument, LockFileError, LockedInput, LockedTool};
use crate::pins::PinChange;
use crate::platform::lock::{Lock, LockError, Patience};
use crate::platform::{self, Actor, Directory};

/// The largest file that is read: 10 000 entries take about 4 MiB.
const LARGEST: u64 = 64 << 20;

/// How long to wait for other processes that write the same file: each needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

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
    const HINT: &str = "syslua.lock is a small regular file: move away what is there, and apply; \
                        or take the file back from version control";
    match platform::read_regular(path, LARGEST) {
        Ok(Some(text)) => Ok(Some(text)),
        Ok(None) => {
            let message = format!("cannot read {}: it is larger than 64 MiB", path.display());
            Err(Failure::new(FailureKind::Lock, message).with_hint(HINT))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => {
            let failure = Failure::new(FailureKind::Lock, chain(&error));
            let is_other = platform::followed(path)
                .is_ok_and(|found| found.is_some_and(|found| !found.is_file()));
            Err(if is_other {
                failure.with_hint(HINT)
            } else {
                failure.with_hint("check the owner and mode of the file and its directories")
            })
        }
    }
}

/// Keeps other processes from writing the locks of a directory, as long as it is held.
fn lock_directory(directory: &Path) -> Result<Option<Lock>, Failure> {
    let patience = Patience { timeout: Some(PATIENCE), ..Patience::default() };
    Lock::take_directory(directory, &patience).map_err(|error| match error {
        LockError::Busy { pid, .. } => Failure::new(
            FailureKind::Locked,
            format!(
                "cannot write {}: {} writes there for more than {} s",
                directory.join(FILE_NAME).display(),
                platform::lock::by_whom(pid),
                PATIENCE.as_secs()
            ),
        )
        .with_hint("wait until it ends, or end it, and do it again"),
        other => Failure::new(FailureKind::Lock, other.to_string()),
    })
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
        Failure {
            message: format!("cannot read {}: {error}", path.display()),
            position: Some(format!("{FILE_NAME}:{line}")),
            ..Failure::of(FailureKind::Lock, &error)
        }
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

    /// Returns where the file is, all links followed.
    fn place(&self) -> Result<PathBuf, Failure> {
        platform::destination_of(&self.path).map_err(|error| {
            Failure::new(
                FailureKind::Lock,
                format!("cannot write {}: {}", self.path.display(), chain(&error)),
            )
            .with_hint("make the directory that the link leads to, or remove the link")
        })
    }

    /// Finds out whether the file could be written, before anything depends on that.
    ///
    /// # Errors
    /// When it could not.
    pub fn check_writable(&self) -> Result<(), Failure> {
        let place = self.place()?;
        let (directory, _) = open_directory(&place).map_err(|error| self.unwritable(&error))?;
        directory.check_writable().map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &platform::Error) -> Failure {
        Failure::new(
            FailureKind::Lock,
            format!("cannot write {}: {}", self.path.display(), chain(error)),
        )
        .with_hint(
            "the resolved versions are not locked: make the directory writable, \
                 and try again",
        )
    }

    /// Writes changes: all of the file or nothing of it, as the owner of its directory. What
    /// another process changed in it since it was read stays.
    ///
    /// # Errors
    /// When it cannot be written; the old file stays.
    pub fn write(&self, changes: Changes<'_>) -> Result<Written, Failure> {
        if changes.is_empty() {
            return Ok(Written::default());
        }
        let place = self.place()?;
        // From the reading to the writing no other process writes it.
        let _held = lock_directory(place.parent().unwrap_or(Path::new("/")))?;
        let now = read_text(&place)?;
        let lock =
            if now == self.text { self.lock.clone() } else { parse(&place, now.as_deref())? };
        let (lock, refused) = with_changes(&lock, changes);
        let text = lock.to_text();
        if now.as_ref() != Some(&text) {
            write_as_owner(&place, &text).map_err(|error| self.unwritable(&error))?;
        }
        Ok(Written { refused, before: now, after: Some(text) })
    }

    /// Takes back what was written, unless another process wrote the file since then. Returns
    /// whether it did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn restore(&self, written: &Written) -> Result<bool, Failure> {
        let place = self.place()?;
        let _held = lock_directory(place.parent().unwrap_or(Path::new("/")))?;
        if read_text(&place)? != written.after {
            return Ok(false);
        }
        let restored = match &written.before {
            Some(text) => write_as_owner(&place, text),
            None => open_directory(&place).and_then(|(directory, name)| directory.remove(&name)),
        };
        restored.map_err(|error| self.unwritable(&error))?;
        Ok(true)
    }
}

/// What became of a lock when it was written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The keys of pins that another process had pinned otherwise in the meantime: they stay.
    pub refused: Vec<String>,
    /// The text before; nothing where there was no file, or nothing to write.
    pub before: Option<Vec<u8>>,
    /// The text after; nothing where there was nothing to write.
    pub after: Option<Vec<u8>>,
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

/// Opens the directory of a file that may be another user's: with that user's rights. Returns the
/// name of the file in it too.
fn open_directory(path: &Path) -> platform::Result<(Directory, OsString)> {
    let (parent, name) =
        (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
    let owner = platform::owner_of(parent)?.filter(|owner| Some(*owner) != platform::own_number());
    let actor = owner.filter(|_| platform::is_system_user()).map(Actor::of);
    Ok((Directory::follow(parent)?.with_actor(actor), name.to_owned()))
}

/// Writes a file of a directory, by a descriptor of the directory.
fn write_as_owner(path: &Path, text: &[u8]) -> platform::Result<()> {
    const MODE: u32 = 0o644;
    let mode =
        platform::metadata_of(path)?.map_or(MODE, |metadata| platform::mode_of(&metadata) & 0o777);
    let (directory, name) = open_directory(path)?;
    let temporary = OsString::from(format!(".{FILE_NAME}.{}.new", std::process::id()));
    let write = || -> platform::Result<()> {
        let mut file = directory.create_file(&temporary, mode)?;
        file.write_all(text)
            .and_then(|()| file.sync_all())
            .map_err(platform::failed("write", path))?;
        directory.rename_over(&temporary, &directory, &name)
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
    use crate::lock::InputKind;

    fn path(url: &str) -> LockedInput {
        LockedInput {
            kind: InputKind::Path,
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

    fn pin(key: &str) -> PinChange {
        let pin = crate::pins::Pin {
            rev: None,
            sha256: crate::hash::Hash::of(key.as_bytes()),
            last_modified: None,
            mirrors: Vec::new(),
            platforms: BTreeSet::from(["x86_64-linux".to_owned()]),
            others: BTreeMap::new(),
        };
        PinChange { key: key.to_owned(), old: None, new: Some(pin) }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_lost_when_many_write_at_the_same_time() {
        for links in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut place = directory.path().join(FILE_NAME);
            if links {
                // Each way to the file is the same file.
                std::fs::create_dir(directory.path().join("real")).unwrap();
                std::os::unix::fs::symlink("real/syslua.lock", &place).unwrap();
            }
            let keys: Vec<String> = (0..16).map(|at| format!("https://host/{at}")).collect();
            let start = std::sync::Barrier::new(keys.len());
            std::thread::scope(|scope| {
                for key in &keys {
                    let (start, place) = (&start, &place);
                    scope.spawn(move || {
                        let file = LockFile::read(place, place).unwrap();
                        start.wait();
                        let pins = [pin(key)];
                        let changes = Changes { pins: &pins, ..Changes::default() };
                        assert!(file.write(changes).unwrap().refused.is_empty());
                    });
                }
            });
            let end = LockFile::read(&place, &place).unwrap();
            assert_eq!(end.lock.fetches.len(), keys.len());
            if links {
                assert!(place.symlink_metadata().unwrap().is_symlink());
                place = directory.path().join("real/syslua.lock");
            }
            let mode = platform::mode_of(&place.symlink_metadata().unwrap());
            assert_eq!(mode & 0o111, 0, "{mode:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_small_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(FILE_NAME);
        let refused = |what: &str| {
            let failure = LockFile::read(&place, &place).expect_err(what);
            assert!(failure.hint.is_some(), "{what}: {}", failure.message);
            let empty = LockFile { path: place.clone(), text: None, lock: LockDocument::default() };
            let pins = [pin("https://host/x")];
            empty.write(Changes { pins: &pins, ..Changes::default() }).expect_err(what);
        };
        crate::platform::hostile::make_pipe(&place);
        refused("a pipe");
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &place).unwrap();
        refused("a device");
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(FILE_NAME, &place).unwrap();
        refused("a link to itself");
        std::fs::remove_file(&place).unwrap();
        std::fs::File::create(&place).unwrap().set_len(LARGEST + 1).unwrap();
        refused("a huge file");
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        refused("a directory");
    }

    #[test]
    fn what_was_written_is_taken_back_unless_another_process_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(FILE_NAME);
        let read = || LockFile::read(&place, &place).unwrap();
        let before = read();
        let pins = [pin("https://host/x")];
        let changes = Changes { pins: &pins, ..Changes::default() };
        let written = before.write(changes).unwrap();
        let other = [pin("https://host/other")];
        let later = read().write(Changes { pins: &other, ..Changes::default() }).unwrap();
        assert!(!before.restore(&written).unwrap());
        assert!(before.restore(&later).unwrap());
        assert!(before.restore(&written).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
