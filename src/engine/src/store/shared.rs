//! Equal files of objects are one inode.
//!
//! Each distinct file has a name by its content in `store/files`, beside those in objects, by which it is found. That name
//! is nothing to rely on: before a new object gets the file, it is compared with the object memory, or byte by byte; one
//! that something altered is forgotten, so that the next equal file begins a new inode. Another name changes the ctime of
//! a file: what it is then goes into the memory. When no object has a file any more, gc removes its last name.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::memory::KnownFiles;
use super::{Error, Result, Store, tree};
use crate::hash::{Hash, READ_SIZE};
use crate::platform::lock::{Lock, LockError, Mode};
use crate::platform::{self, Directory, FileKind, Step, Walk};

/// The files of a store that objects share.
pub struct SharedFiles<'a> {
    store: &'a Store,
    directory: PathBuf,
    lifted: Lifted,
    known: OnceLock<KnownFiles>,
}

/// Notes of files whose immutable flag was lifted for a moment, so that it is set again after a kill: one file of names for
/// each that publishes, which it has locked.
struct Lifted {
    directory: PathBuf,
    notes: Mutex<Option<Notes>>,
}

struct Notes {
    path: PathBuf,
    file: File,
    _lock: Lock,
}

/// How notes and their locks are called, after a hash.
const NOTES: &str = "-lifted";
const LOCK: &str = ".lock";

impl Lifted {
    /// Notes the name of a file whose flag is about to be lifted; returns whether that could be done.
    fn note(&self, nar: &str) -> bool {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.is_none() {
            *notes = self.begin().ok().flatten();
        }
        notes.as_mut().is_some_and(|notes| notes.file.write_all(format!("{nar}\n").as_bytes()).is_ok())
    }

    fn begin(&self) -> Result<Option<Notes>> {
        // Its keys differ from call to call, and from thread to thread.
        let number = RandomState::new().hash_one(&self.directory);
        let own = Hash::of(format!("{}-{number}", std::process::id()).as_bytes());
        let path = self.directory.join(format!("{own}{NOTES}"));
        let lock = Lock::try_take(&path.with_extension(&LOCK[1..]), Mode::Exclusive).map_err(LockError::from)?;
        let Some(lock) = lock else { return Ok(None) };
        Ok(Some(Notes { file: platform::create_file(&path)?, path, _lock: lock }))
    }
}

impl Drop for Lifted {
    fn drop(&mut self) {
        self.end();
    }
}

impl Lifted {
    /// Removes the notes.
    fn end(&self) {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notes) = notes {
            // What stays is read once more, which changes nothing.
            let _ = platform::remove_file(&notes.path);
            let _ = platform::remove_file(&notes.path.with_extension(&LOCK[1..]));
        }
    }
}

/// Makes files immutable again whose flag was lifted by what was killed then.
///
/// # Errors
/// When the notes cannot be read or removed.
pub fn protect_lifted(store: &Store) -> Result<()> {
    if !platform::may_set_immutable() {
        return Ok(());
    }
    let entries = match platform::list_directory(&store.staging()) {
        Err(error) if error.is_not_found() => return Ok(()),
        entries => entries?,
    };
    for (name, _) in entries {
        let path = store.staging().join(&name);
        if !name.to_string_lossy().ends_with(NOTES) {
            continue;
        }
        // Whoever is alive has it locked.
        let lock = path.with_extension(&LOCK[1..]);
        let Some(_held) = Lock::try_take(&lock, Mode::Exclusive).map_err(LockError::from)? else { continue };
        for nar in platform::read_to_string(&path).unwrap_or_default().lines() {
            if nar == ANY {
                let all = platform::list_directory(&store.shared_files()).unwrap_or_default();
                all.iter().for_each(|(name, _)| protect_if_used(store, &name.to_string_lossy()));
            } else {
                protect_if_used(store, nar);
            }
        }
        platform::remove_file(&path)?;
        platform::remove_file(&lock)?;
    }
    Ok(())
}

/// Makes the file of a name immutable if an object has it.
fn protect_if_used(store: &Store, nar: &str) {
    let name = store.shared_files().join(nar);
    let is_in_use = platform::links_of(&name).is_some_and(|links| links > 1);
    if is_in_use && Hash::parse(nar).is_ok() {
        platform::set_immutable(&name, true);
    }
}

/// Stands in the notes for all files: a sweep takes names from any of them.
const ANY: &str = "*";

/// The note of a sweep. As long as it is there, the next command looks at all files.
pub struct SweepNote {
    lifted: Lifted,
}

impl Drop for SweepNote {
    fn drop(&mut self) {
        self.lifted.end();
    }
}

impl SweepNote {
    /// Notes that the flags of any files are about to be lifted. On a full disk there is no room for the note, and a sweep
    /// is what makes some.
    pub fn write(store: &Store) -> SweepNote {
        let lifted = Lifted { directory: store.staging(), notes: Mutex::default() };
        if platform::may_set_immutable() {
            lifted.note(ANY);
        }
        SweepNote { lifted }
    }
}

impl SharedFiles<'_> {
    /// Returns those of a store.
    pub fn new(store: &Store) -> SharedFiles<'_> {
        let lifted = Lifted { directory: store.staging(), notes: Mutex::default() };
        SharedFiles { store, directory: store.shared_files(), lifted, known: OnceLock::new() }
    }

    /// Returns whether the file of a name looks as it did when it was known to be whole. Then it need not be read.
    fn is_known(&self, name: &Path, nar: Hash) -> bool {
        let known = self.known.get_or_init(|| KnownFiles::load(self.store));
        platform::facts_of(name).is_ok_and(|facts| known.has(self.store, &facts, nar))
    }

    /// Returns the name of the file with a NAR hash, which tells content and mode.
    fn name(&self, nar: Hash) -> PathBuf {
        self.directory.join(nar.to_hex())
    }

    /// Gives a file that has the mode and time of objects the inode of an equal one. Where there is none, it is the one for
    /// those to come. The directory of the file can be written. A file system without such links leaves it as it is.
    ///
    /// # Errors
    /// When the file system refuses for another reason.
    pub fn share(&self, nar: Hash, file: &Path) -> Result<()> {
        let name = self.name(nar);
        for _ in 0..2 {
            match platform::hard_link(file, &name) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_not_found() => {
                    // The bytes of every object are below it.
                    platform::create_directories_as(&self.directory, 0o700)?;
                    continue;
                }
                Err(error) if !error.is_already_there() => return Ok(()),
                Err(_) => {}
            }
            if is_same_inode(&name, file) {
                return Ok(());
            }
            let beside = temporary(file);
            if (self.is_known(&name, nar) || is_equal(&name, file)) && self.link(&name, &beside) {
                return Ok(platform::rename(&beside, file)?);
            }
            self.forget(&name)?;
        }
        Ok(())
    }

    /// Makes a file with this content and mode, which has this NAR hash: a name of the equal one, where there is one.
    ///
    /// # Errors
    /// When something stands at the path, or the file system refuses.
    pub fn write(&self, nar: Hash, content: &[u8], mode: u32, path: &Path) -> Result<()> {
        let name = self.name(nar);
        let is_large = content.len() > READ_SIZE;
        let held = if is_large && self.is_known(&name, nar) {
            open(&name).map_or(Held::Other, |(file, _)| Held::Same(file))
        } else {
            holds(&name, content, mode)
        };
        match held {
            Held::Same(file) if self.link_open(&name, path, &file) => return Ok(()),
            // It was altered, or has as many names as the file system lets it have.
            Held::Same(_) | Held::Other => self.forget(&name)?,
            Held::Nothing => {}
        }
        platform::write_object_file(path, content, mode)?;
        self.share(nar, path)
    }

    /// Gives the file of a name another one; returns whether it has it.
    fn link(&self, name: &Path, path: &Path) -> bool {
        open(name).is_some_and(|(file, _)| self.link_open(name, path, &file))
    }

    /// Does the same for a file that is open.
    fn link_open(&self, name: &Path, path: &Path, file: &File) -> bool {
        // An immutable file can have no more names.
        let is_immutable = platform::is_file_immutable(file);
        if is_immutable {
            let nar = name.file_name().unwrap_or_default().to_string_lossy();
            if !self.lifted.note(&nar) {
                return false;
            }
            platform::set_file_mutable(file);
        }
        let linked = platform::hard_link(name, path).is_ok();
        if is_immutable {
            platform::set_file_immutable(file);
        }
        // It was compared just before, and has another ctime now.
        if let Some(facts) = platform::facts_of(path).ok().filter(|facts| linked && facts.has_old_time) {
            self.store.session().note_stamp(facts.numbers);
        }
        linked
    }

    /// Takes its name from a file: the next equal one begins a new inode.
    fn forget(&self, name: &Path) -> Result<()> {
        match take_name(name) {
            // Another thread publishes an equal file, and was faster.
            Err(Error::File(error)) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// Returns the names of files that no object has.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn unused(&self) -> Result<Vec<PathBuf>> {
        let entries = match platform::list_directory(&self.directory) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.into_iter().map(|(name, _)| self.directory.join(name));
        let is_alone = |path: &PathBuf| platform::links_of(path).is_some_and(|links| links <= 1);
        Ok(paths.filter(is_alone).collect())
    }
}

/// Gives every object that has one of these damaged files the whole file of the same name in its place. `damaged` has the
/// NAR hashes that they should have.
///
/// # Errors
/// When the file system refuses.
pub fn replace_damaged(store: &Store, damaged: &HashMap<[u64; 2], Hash>) -> Result<()> {
    let identity = |path: &Path| platform::facts_of(path).ok().map(|facts| [facts.numbers[0], facts.numbers[1]]);
    let shared = SharedFiles::new(store);
    let mut whole = HashMap::new();
    for (id, nar) in damaged {
        let name = shared.name(*nar);
        // It is no whole one when nothing built it again.
        if identity(&name).is_some_and(|new| new != *id) && tree::hash(&name, store.interrupt())?.nar == *nar {
            whole.insert((id[0], id[1]), name);
        }
    }
    if whole.is_empty() {
        return Ok(());
    }
    let _open = store.lock_publication()?;
    let mut walk = Walk::new(Arc::new(Directory::at(&store.root().join("store"))?), OsStr::new("obj"));
    while let Some(step) = walk.step()? {
        let Step::Node { directory, name, kind: FileKind::File } = step else { continue };
        let Some(file) = directory.node(&name)?.and_then(|node| whole.get(&node.id)) else { continue };
        let place = directory.path().join(&name);
        let is_top = directory.path() == store.objects();
        let mode = directory.node(OsStr::new("."))?.map_or(0o555, |node| node.mode);
        let opened = (!is_top).then(|| platform::lift_immutable(&directory.path()));
        if !is_top {
            directory.set_own_mode(0o755)?;
        }
        let lifted = platform::lift_immutable(&place);
        let beside = temporary(&place);
        let replaced = shared.link(file, &beside).then(|| platform::rename(&beside, &place));
        lifted.iter().for_each(platform::set_file_immutable);
        if !is_top {
            directory.set_own_mode(mode)?;
            platform::set_old_time(&directory.path())?;
        }
        opened.flatten().iter().for_each(platform::set_file_immutable);
        replaced.transpose()?;
    }
    Ok(())
}

/// Takes the names at a path from files that have others, and leaves these as they were. The directories above can be
/// written, and are not immutable.
///
/// # Errors
/// When the file system refuses.
pub fn take_names(path: &Path) -> Result<()> {
    // Elsewhere a name is taken from a file as it is.
    if !platform::may_set_immutable() {
        return Ok(());
    }
    let (directory, name) = platform::locate(path)?;
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step()? {
        if let Step::Node { directory, name, kind: FileKind::File } = step
            && directory.node(&name)?.is_some_and(|node| node.links > 1)
        {
            platform::remove_in(&directory, &name)?;
        }
    }
    Ok(())
}

/// Removes one name of a file; its others, if it has any, are immutable again after that.
fn take_name(path: &Path) -> Result<()> {
    let file = platform::lift_immutable(path);
    let removed = platform::remove_file(path);
    if let Some(file) = file {
        platform::set_file_immutable(&file);
    }
    Ok(removed?)
}

fn temporary(file: &Path) -> PathBuf {
    // Its keys differ from call to call, and from thread to thread.
    let number = RandomState::new().hash_one(file);
    file.with_file_name(format!(".syslua-shared-{}-{number}", std::process::id()))
}

fn is_same_inode(first: &Path, second: &Path) -> bool {
    let facts = |path: &Path| platform::look(path).ok().flatten();
    match (facts(first), facts(second)) {
        (Some(first), Some(second)) => first.identity == second.identity,
        _ => false,
    }
}

/// Opens a file of an object; nothing when it is none, or altered as far as modes and times tell.
fn open(path: &Path) -> Option<(File, Metadata)> {
    let (file, _) = platform::open_node(path).ok()?;
    let metadata = file.metadata().ok()?;
    (platform::has_object_mode(&metadata) && platform::has_old_time(&metadata)).then_some((file, metadata))
}

/// Returns whether two files have the same bytes and mode.
fn is_equal(first: &Path, second: &Path) -> bool {
    let (Some((mut first, a)), Some((mut second, b))) = (open(first), open(second)) else { return false };
    a.len() == b.len()
        && platform::mode_of(&a) == platform::mode_of(&b)
        && has_same_bytes(&mut first, &mut second).unwrap_or(false)
}

fn has_same_bytes(first: &mut File, second: &mut File) -> io::Result<bool> {
    let (mut a, mut b) = (vec![0; READ_SIZE], vec![0; READ_SIZE]);
    loop {
        let read = first.read(&mut a)?;
        if read == 0 {
            return Ok(second.read(&mut b)? == 0);
        }
        match second.read_exact(&mut b[..read]) {
            Ok(()) if a[..read] == b[..read] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// What the file of a name holds.
enum Held {
    /// The content and mode that were asked for. It is open.
    Same(File),
    /// Something else, or it was altered.
    Other,
    /// There is none.
    Nothing,
}

/// Returns whether the file of a name has this content and mode.
fn holds(name: &Path, content: &[u8], mode: u32) -> Held {
    let Some((file, metadata)) = open(name) else {
        return if platform::exists(name) { Held::Other } else { Held::Nothing };
    };
    if metadata.len() != content.len() as u64 || platform::mode_of(&metadata) != mode {
        return Held::Other;
    }
    let mut bytes = Vec::with_capacity(content.len() + 1);
    let read = (&file).take(content.len() as u64 + 1).read_to_end(&mut bytes);
    if read.is_ok() && bytes == content { Held::Same(file) } else { Held::Other }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_flag_that_was_lifted_is_set_again_after_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(&directory.path().join("root"));
        store.create().unwrap();
        let (nar, object) = (Hash::of(b"nar"), store.staging().join("object"));
        let shared = SharedFiles::new(&store);
        shared.write(nar, b"text", 0o444, &object).unwrap();
        assert!(shared.lifted.note(&nar.to_hex()));
        let is_immutable = || platform::is_immutable(&object);
        platform::set_immutable(&object, true);
        let is_possible = is_immutable();
        platform::set_immutable(&object, false);
        // As long as it is alive, its notes are its own.
        protect_lifted(&store).unwrap();
        assert!(!is_immutable());
        // A kill takes its lock and nothing else.
        let notes = shared.lifted.notes.lock().unwrap().take().unwrap();
        drop(notes);
        protect_lifted(&store).unwrap();
        assert_eq!(is_immutable(), is_possible);
        if platform::may_set_immutable() {
            assert_eq!(fs::read_dir(store.staging()).unwrap().count(), 1);
        }
        platform::set_immutable(store.root(), false);
    }

    #[test]
    fn a_flag_that_a_sweep_lifted_is_set_again_after_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(&directory.path().join("root"));
        store.create().unwrap();
        let object = store.staging().join("object");
        SharedFiles::new(&store).write(Hash::of(b"nar"), b"text", 0o444, &object).unwrap();
        platform::set_immutable(&object, true);
        let is_possible = platform::is_immutable(&object);
        platform::set_immutable(&object, false);
        let note = SweepNote::write(&store);
        // A kill takes its lock and nothing else.
        drop(note.lifted.notes.lock().unwrap().take());
        protect_lifted(&store).unwrap();
        assert_eq!(platform::is_immutable(&object), is_possible);
        if platform::may_set_immutable() {
            assert_eq!(fs::read_dir(store.staging()).unwrap().count(), 1);
        }
        platform::set_immutable(store.root(), false);
    }
}
