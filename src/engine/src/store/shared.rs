//! Equal files of objects are one inode.
//!
//! Each distinct file has a name by its content in `store/files`, beside its names in objects, by
//! which it is found. That name is not trusted: before a new object gets the file, it is compared
//! with the object memory, or byte by byte. An altered file is forgotten, so that the next equal
//! file begins a new inode. Another name changes the ctime of a file; its new metadata go into the
//! memory. When no object has a file any more, gc removes its last name.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::memory::KnownFiles;
use super::{Result, Store, tree};
use crate::hash::{Hash, READ_SIZE};
use crate::platform::lock::{Lock, LockError, Sharing};
use crate::platform::{self, Directory, Facts, FileKind, ImmutableFile, Step, Walk};

/// The files of a store that objects share.
pub struct SharedFiles<'a> {
    store: &'a Store,
    /// Where they are, once there are any.
    directory: OnceLock<Directory>,
    lifted: Lifted,
    known: OnceLock<KnownFiles>,
    /// Whether files of objects are made immutable.
    protects: bool,
}

/// A name in an open directory.
type Place<'a> = (&'a Directory, &'a OsStr);

/// Notes of files whose immutable flag was lifted for a moment, so that it is set again after a
/// kill: one file of names for each that publishes, which it has locked.
struct Lifted {
    staging: PathBuf,
    notes: Mutex<Option<Notes>>,
}

struct Notes {
    directory: Directory,
    name: OsString,
    file: File,
    count: usize,
    _lock: Lock,
}

/// How notes and their locks are called, after a hash.
const NOTES: &str = "-lifted";
const LOCK: &str = ".lock";

/// Returns the name of the lock of notes.
fn lock_of(notes: &OsStr) -> OsString {
    [notes, OsStr::new(LOCK)].into_iter().collect()
}

impl Lifted {
    fn new(store: &Store) -> Lifted {
        Lifted { staging: store.staging(), notes: Mutex::default() }
    }

    /// Notes the name of a file whose flag is about to be lifted; returns whether that could be
    /// done.
    fn note(&self, nar: &str) -> bool {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.is_none() {
            *notes = self.begin().ok().flatten();
        }
        let Some(notes) = notes.as_mut() else { return false };
        notes.count += 1;
        // For this number, checking all of them takes no longer than recording each.
        let noted = match notes.count {
            count if count > MANY => return true,
            MANY => ANY,
            _ => nar,
        };
        let is_noted = notes.file.write_all(format!("{noted}\n").as_bytes()).is_ok();
        if !is_noted {
            notes.count -= 1;
        }
        is_noted
    }

    fn begin(&self) -> Result<Option<Notes>> {
        const PRIVATE: u32 = 0o600;
        // Its keys differ from call to call, and from thread to thread.
        let number = RandomState::new().hash_one(&self.staging);
        let own = Hash::of(format!("{}-{number}", std::process::id()).as_bytes());
        let name = OsString::from(format!("{own}{NOTES}"));
        // First: if a link is in its place, nothing is written into its target.
        let directory = Directory::at(&self.staging)?;
        let lock = Lock::try_take(&self.staging.join(lock_of(&name)), Sharing::Exclusive)
            .map_err(LockError::from)?;
        let Some(lock) = lock else { return Ok(None) };
        Ok(Some(Notes {
            file: directory.create_file(&name, PRIVATE)?,
            directory,
            name,
            count: 0,
            _lock: lock,
        }))
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
            // Remaining files are read again, which changes nothing.
            let _ = notes.directory.remove(&notes.name);
            let _ = notes.directory.remove(&lock_of(&notes.name));
        }
    }
}

/// Makes files immutable again whose flag was cleared by a process that was killed.
///
/// # Errors
/// When the notes cannot be read or removed.
pub fn protect_lifted(store: &Store) -> Result<()> {
    if !platform::may_set_immutable() {
        return Ok(());
    }
    let staging = match Directory::at(&store.staging()) {
        Err(error) if error.is_not_found() => return Ok(()),
        opened => opened?,
    };
    let files = Directory::at(&store.shared_files()).ok();
    for (name, _) in staging.list()? {
        if !name.to_string_lossy().ends_with(NOTES) {
            continue;
        }
        // A live process has it locked.
        let lock = lock_of(&name);
        let held = Lock::try_take(&store.staging().join(&lock), Sharing::Exclusive)
            .map_err(LockError::from)?;
        let Some(_held) = held else { continue };
        let text = staging.read_file(&name).unwrap_or_default();
        for nar in String::from_utf8_lossy(&text).lines() {
            let Some(files) = &files else { break };
            if nar == ANY {
                let all = files.list().unwrap_or_default();
                all.iter().for_each(|(name, _)| protect_if_used(files, name));
            } else {
                protect_if_used(files, OsStr::new(nar));
            }
        }
        staging.remove(&name)?;
        staging.remove(&lock)?;
    }
    Ok(())
}

/// Makes the file of a name immutable if an object has it.
fn protect_if_used(files: &Directory, name: &OsStr) {
    let is_name = name.to_str().is_some_and(|name| Hash::parse(name).is_ok());
    if is_name && links_of(files, name).is_some_and(|links| links > 1) {
        files.set_immutable(name, true);
    }
}

/// Returns how many names a file has.
fn links_of(directory: &Directory, name: &OsStr) -> Option<u64> {
    directory.node(name).ok().flatten().map(|node| node.links)
}

/// It represents all files in the notes: a sweep removes names of any of them.
const ANY: &str = "*";

/// From this number of files on, it represents them.
const MANY: usize = 64;

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
    /// Notes that the flags of any files are about to be lifted. On a full disk there is no room
    /// for the note, and a sweep is what makes some.
    pub fn write(store: &Store) -> SweepNote {
        let lifted = Lifted::new(store);
        if platform::may_set_immutable() {
            lifted.note(ANY);
        }
        SweepNote { lifted }
    }
}

/// How often a file gets a new name before another inode begins: a thread that publishes an equal
/// file may make it immutable in between.
const LINK_TRIES: usize = 3;

impl SharedFiles<'_> {
    /// Returns those of a store.
    pub fn new(store: &Store) -> SharedFiles<'_> {
        SharedFiles {
            store,
            directory: OnceLock::new(),
            lifted: Lifted::new(store),
            known: OnceLock::new(),
            protects: platform::may_set_immutable(),
        }
    }

    /// Opens the directory that they are in, if it is there.
    fn open_names(&self) -> Result<Option<&Directory>> {
        if self.directory.get().is_none() {
            match Directory::at(&self.store.shared_files()) {
                Err(error) if error.is_not_found() => return Ok(None),
                opened => drop(self.directory.set(opened?)),
            }
        }
        Ok(self.directory.get())
    }

    /// Opens the directory that they are in, which is made if it is not there.
    fn open_directory(&self) -> Result<&Directory> {
        // The bytes of every object are below it.
        const PRIVATE: u32 = 0o700;
        if let Some(directory) = self.open_names()? {
            return Ok(directory);
        }
        let path = self.store.shared_files();
        let (above, name) = platform::locate(&path)?;
        match above.make_with_rights(name, Some(PRIVATE)) {
            Err(error) if !error.is_already_there() => return Err(error.into()),
            _ => {}
        }
        let opened = above.directory(name)?;
        Ok(self.directory.get_or_init(|| opened))
    }

    /// Returns whether the file of a name looks as it did when it was known to be whole. Then it
    /// need not be read.
    fn is_known(&self, own: Place<'_>, nar: Hash) -> bool {
        self.known_facts(own, nar).is_some()
    }

    /// Returns what the file of a name looks like, if it does so as when it was known to be whole.
    fn known_facts(&self, (files, name): Place<'_>, nar: Hash) -> Option<Facts> {
        if self.known().is_empty() {
            return None;
        }
        files.facts_of(name).ok().filter(|facts| self.known().has(self.store, facts, nar))
    }

    fn known(&self) -> &KnownFiles {
        self.known.get_or_init(|| KnownFiles::load(self.store))
    }

    /// Gives a file that has the mode and time of objects the inode of an equal one. Where there is
    /// none, it is the one for those to come. The directory of the file can be written. A file
    /// system without such links leaves it as it is.
    ///
    /// # Errors
    /// When the file system refuses for another reason.
    pub fn share(&self, nar: Hash, directory: &Directory, file: &OsStr) -> Result<()> {
        // It tells content and mode.
        let name = OsString::from(nar.to_hex());
        let own = (self.open_directory()?, name.as_os_str());
        for _ in 0..2 {
            match directory.hard_link(file, own.0, own.1) {
                Ok(()) => return Ok(()),
                Err(error) if !error.is_already_there() => return Ok(()),
                Err(_) => {}
            }
            if is_same_inode(own, (directory, file)) {
                return Ok(());
            }
            let beside = temporary(file);
            if (self.is_known(own, nar) || is_equal(own, (directory, file)))
                && self.link_over(own, directory, &beside, file)
            {
                return Ok(());
            }
            forget(own)?;
        }
        Ok(())
    }

    /// Makes a file with this content and mode, which has this NAR hash: a name of the equal one,
    /// where there is one. Returns what it looks like then.
    ///
    /// # Errors
    /// When the name exists, or the file system refuses.
    pub fn write(
        &self,
        nar: Hash,
        content: &[u8],
        mode: u32,
        directory: &Directory,
        file: &OsStr,
    ) -> Result<Facts> {
        if let Some(facts) = self.link_known(nar, directory, file) {
            return Ok(facts);
        }
        let name = OsString::from(nar.to_hex());
        if let Some(files) = self.open_names()? {
            let own = (files, name.as_os_str());
            match compare(own, content, mode) {
                Held::Same(open) => {
                    if let Some(facts) = self.link_open(own, (directory, file), (&open, None), None)
                    {
                        return Ok(self.note(facts));
                    }
                    // It has as many names as the file system lets it have.
                    forget(own)?;
                }
                // It was altered.
                Held::Other => forget(own)?,
                Held::Nothing => {}
            }
        }
        directory.write_object_file(file, content, mode)?;
        self.share(nar, directory, file)?;
        Ok(directory.facts_of(file)?)
    }

    /// Gives a name to the file with this NAR hash, if it is there and looks as it did when it was
    /// known to be whole. Returns what it looks like then.
    pub fn link_known(&self, nar: Hash, directory: &Directory, file: &OsStr) -> Option<Facts> {
        if self.known().is_empty() {
            return None;
        }
        let name = OsString::from(nar.to_hex());
        let own = (self.open_names().ok()??, name.as_os_str());
        if !self.protects {
            return self.known_facts(own, nar).and_then(|_| self.link(own, (directory, file)));
        }
        // To lift a flag it has to be open, and then each look is a shorter call.
        let open = own.0.open_any(own.1).ok()?;
        let Some(immutable) = platform::immutable_file(&open) else {
            let facts = platform::facts_of_file(&open).ok()?;
            let is_known = self.known().has(self.store, &facts, nar);
            return is_known
                .then(|| self.link_open(own, (directory, file), (&open, None), None))
                .flatten()
                .map(|facts| self.note(facts));
        };
        // Nothing could change it: which file it is can be told as well after it has the name, by
        // the look that is noted.
        let facts = self.link_open(own, (directory, file), (&open, Some(immutable)), None)?;
        if self.known().has(self.store, &facts, nar) {
            return Some(self.note(facts));
        }
        // It is the caller's only for this moment.
        let _ = directory.remove_own(file);
        None
    }

    /// Gives a file that is not immutable and was just compared a new name; returns what it looks
    /// like since, or `None` where the file system refuses.
    fn link(&self, (files, name): Place<'_>, (directory, new): Place<'_>) -> Option<Facts> {
        files.hard_link(name, directory, new).ok()?;
        Some(self.note(directory.facts_of(new).ok()?))
    }

    /// Notes what a file looks like that was compared just before, and got a name since.
    fn note(&self, facts: Facts) -> Facts {
        if facts.has_old_time {
            self.store.session().note_stamp(facts.numbers);
        }
        facts
    }

    /// Gives the file of a name another one, in the place of what has it; returns whether it has
    /// it. `beside` is a name for a moment.
    fn link_over(
        &self,
        own: Place<'_>,
        directory: &Directory,
        beside: &OsStr,
        over: &OsStr,
    ) -> bool {
        let linked = open(own).and_then(|(file, _)| {
            self.link_open(own, (directory, beside), (&file, None), Some(over))
        });
        linked.map(|facts| self.note(facts)).is_some()
    }

    /// Gives a file that is open, and may be known to be immutable, a new name, which is nothing's,
    /// and then the place of another one. Returns what it looks like since, or `None` if it has no
    /// other name than before.
    fn link_open<'f>(
        &self,
        (files, name): Place<'_>,
        new: Place<'_>,
        (file, mut known): (&'f File, Option<ImmutableFile<'f>>),
        over: Option<&OsStr>,
    ) -> Option<Facts> {
        let (directory, new) = new;
        let (mut immutable, mut linked) = (None, false);
        for _ in 0..LINK_TRIES {
            // An immutable file can have no more names, and none of its names can be changed.
            let found = || self.protects.then(|| platform::immutable_file(file)).flatten();
            if let Some(file) = known.take().or_else(found) {
                if !self.lifted.note(&name.to_string_lossy()) {
                    return None;
                }
                file.lift();
                immutable = Some(file);
            }
            linked = files.hard_link(name, directory, new).is_ok();
            if linked {
                break;
            }
        }
        if let Some(over) = over.filter(|_| linked) {
            linked = directory.rename_over(new, directory, over).is_ok();
            if !linked {
                // It is the caller's only for this moment.
                let _ = directory.remove(new);
            }
        }
        if let Some(file) = &immutable {
            file.protect();
        }
        // It has another ctime now.
        let facts = linked.then(|| platform::facts_of_file(file).ok()).flatten()?;
        Some(Facts { is_immutable: immutable.is_some(), ..facts })
    }
}

/// Takes its name from a file: the next equal one begins a new inode.
fn forget(own: Place<'_>) -> Result<()> {
    match take_name(own) {
        // Another thread publishes an equal file, and was faster.
        Err(error) if error.is_not_found() => Ok(()),
        result => Ok(result?),
    }
}

/// Returns the names of files that no object has, in the directory of shared files.
///
/// # Errors
/// When the directory cannot be listed.
pub fn unused(files: &Directory) -> Result<Vec<OsString>> {
    let names = files.list()?.into_iter().map(|(name, _)| name);
    Ok(names.filter(|name| links_of(files, name).is_some_and(|links| links <= 1)).collect())
}

/// Gives every object that has one of these damaged files the whole file of the same name in its
/// place. `damaged` has the NAR hashes that they should have.
///
/// # Errors
/// When the file system refuses.
pub fn replace_damaged(store: &Store, damaged: &HashMap<[u64; 2], Hash>) -> Result<()> {
    let shared = SharedFiles::new(store);
    let Some(files) = shared.open_names()? else { return Ok(()) };
    let files = Arc::new(Directory::at(&files.path())?);
    let identity =
        |name: &OsStr| files.facts_of(name).ok().map(|facts| [facts.numbers[0], facts.numbers[1]]);
    let mut whole = HashMap::new();
    for (id, nar) in damaged {
        let name = OsString::from(nar.to_hex());
        // It is not intact if nothing built it again.
        if identity(&name).is_some_and(|new| new != *id)
            && tree::hash_in(&files, &name, &[], store.interrupt())?.nar == *nar
        {
            whole.insert((id[0], id[1]), name);
        }
    }
    if whole.is_empty() {
        return Ok(());
    }
    let _open = store.lock_publication()?;
    let mut walk =
        Walk::new(Arc::new(Directory::at(&store.root().join("store"))?), OsStr::new("obj"));
    while let Some(step) = walk.step()? {
        let Step::Node { directory, name, kind: FileKind::File } = step else { continue };
        let Some(file) = directory.node(&name)?.and_then(|node| whole.get(&node.id)) else {
            continue;
        };
        let is_top = directory.path() == store.objects();
        let itself = OsStr::new(".");
        let mode = directory.node(itself)?.map_or(0o555, |node| node.mode);
        let opened = if is_top { None } else { directory.lift_immutable(itself) };
        if !is_top {
            directory.set_own_mode(0o755)?;
        }
        let lifted = directory.lift_immutable(&name);
        let beside = temporary(&name);
        // Where that fails, it stays damaged, which the next look tells.
        shared.link_over((&files, file), &directory, &beside, &name);
        lifted.iter().for_each(platform::set_file_immutable);
        if !is_top {
            directory.normalise(itself, |_| mode)?;
        }
        opened.iter().for_each(platform::set_file_immutable);
    }
    Ok(())
}

/// Takes the names in a tree from files that have others, and leaves these as they were. The
/// directories above can be written, and are not immutable.
///
/// # Errors
/// When the file system refuses.
pub fn take_names(directory: &Arc<Directory>, name: &OsStr) -> Result<()> {
    // Elsewhere a name is taken from a file as it is.
    if !platform::may_set_immutable() {
        return Ok(());
    }
    let mut walk = Walk::new(Arc::clone(directory), name);
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
fn take_name((directory, name): Place<'_>) -> platform::Result<()> {
    let file = directory.lift_immutable(name);
    let removed = directory.remove(name);
    if let Some(file) = file {
        platform::set_file_immutable(&file);
    }
    removed
}

fn temporary(file: &OsStr) -> OsString {
    // Its keys differ from call to call, and from thread to thread.
    let number = RandomState::new().hash_one(file);
    format!(".syslua-shared-{}-{number}", std::process::id()).into()
}

fn is_same_inode(first: Place<'_>, second: Place<'_>) -> bool {
    let id = |(directory, name): Place<'_>| directory.node(name).ok().flatten().map(|node| node.id);
    id(first).is_some() && id(first) == id(second)
}

/// Opens a file of an object; `None` when it is not a file, or looks altered by mode or time.
fn open((directory, name): Place<'_>) -> Option<(File, Metadata)> {
    let (file, _) = directory.open_node(name).ok()?;
    let metadata = file.metadata().ok()?;
    (platform::has_object_mode(&metadata) && platform::has_old_time(&metadata))
        .then_some((file, metadata))
}

/// Returns whether two files have the same bytes and mode.
fn is_equal(first: Place<'_>, second: Place<'_>) -> bool {
    let (Some((mut first, a)), Some((mut second, b))) = (open(first), open(second)) else {
        return false;
    };
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
fn compare(own: Place<'_>, content: &[u8], mode: u32) -> Held {
    let Some((file, metadata)) = open(own) else {
        return if own.0.has(own.1) { Held::Other } else { Held::Nothing };
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
        let staging = Directory::at(&store.staging()).unwrap();
        shared.write(nar, b"text", 0o444, &staging, "object".as_ref()).unwrap();
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
        let staging = Directory::at(&store.staging()).unwrap();
        SharedFiles::new(&store)
            .write(Hash::of(b"nar"), b"text", 0o444, &staging, "object".as_ref())
            .unwrap();
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
