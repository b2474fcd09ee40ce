//! The places of everything below a root.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::session::{Gate, Session};
use super::{Error, Result};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, SnapshotId, Version};
use crate::platform::lock::{Lock, LockError, Patience, Sharing};
use crate::platform::{self, Directory, Identity};
use crate::settings::{Interrupt, Settings};

/// Directories of the store that a root has from the start, and that all users may read in root's.
const OPEN: [&str; 7] = ["obj", "info", "pkg", "drv", "drv-out", "log", "tmp"];
/// Directories of the store that appear when they are needed.
const LATER: [&str; 4] = ["files", "ways", "quarantine", "bld"];
/// Directories of a root that only its owner may look into.
const PRIVATE: [&str; 7] = [
    "cache",
    "cache/downloads",
    "backups",
    "backups/originals",
    "backups/displaced",
    "store/staging",
    "store/locks",
];
/// Directories of a root in which others may use names that they know.
const TRAVERSED: [&str; 2] = ["store/metadata/snapshots", "store/metadata/gc-roots"];
const TRAVERSED_MODE: u32 = 0o711;

/// How often a root is created again that other processes destroy, and how long to wait before.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// Returns whether an error says that a directory does not exist any more.
fn is_of_gone(error: &Error) -> bool {
    match error {
        Error::File(error) | Error::Lock(LockError::File(error)) => error.is_not_found(),
        _ => false,
    }
}

/// One of the 256 directories that builds make their outputs in: `bNN`, with the first two digits
/// of the recipe's hash. It is as long as `obj`, so that a path in it is as long as the final one.
/// The holder of its lock has it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u8);

impl Slot {
    /// Returns the slot that a recipe is built in.
    pub fn of(recipe: Hash) -> Slot {
        Slot(recipe.as_bytes()[0])
    }

    /// Returns its number.
    pub fn number(self) -> u32 {
        self.0.into()
    }

    /// Returns all of them, in the order of their names.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..=u8::MAX).map(Slot)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b{:02x}", self.0)
    }
}

/// The directories of one root. Making one touches nothing.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    store: PathBuf,
    objects: PathBuf,
    patience: Patience,
    session: Arc<Session>,
}

/// The right to change which objects there are.
#[derive(Debug)]
pub struct Publication {
    objects: Directory,
    // Given back in this order.
    _lock: Lock,
    _gate: Option<Gate>,
}

impl Drop for Publication {
    /// Closes the directory of all objects. If a killed process left it open, the next one closes
    /// it.
    fn drop(&mut self) {
        // What cannot be closed is what it was before there was this guard.
        let _ = self.objects.set_own_mode(if platform::is_system_user() { 0o555 } else { 0o500 });
    }
}

impl Store {
    /// Returns the layout below a root, which must be an absolute path.
    pub fn new(root: &Path) -> Store {
        let store = root.join("store");
        Store {
            root: root.to_owned(),
            objects: store.join("obj"),
            store,
            patience: Patience::default(),
            session: Arc::default(),
        }
    }

    /// Returns the same, with a limit on the time to wait for others.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Store {
        Store { patience, ..self }
    }

    /// Returns the same, for work that this stops.
    #[must_use]
    pub fn stopped_by(self, interrupt: &Interrupt) -> Store {
        let patience = Patience { interrupt: interrupt.clone(), ..self.patience };
        Store { patience, ..self }
    }

    /// Returns what stops the work on it.
    pub fn interrupt(&self) -> &Interrupt {
        &self.patience.interrupt
    }

    /// Returns what this process has learned about its objects.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes the lock under which objects get their names and lose them, and opens the directory of
    /// all objects. Both end with what is returned: in between, no program that saves by a rename
    /// replaces an object.
    ///
    /// # Errors
    /// When the lock file cannot be used, on a timeout, or on an interrupt.
    pub fn lock_publication(&self) -> Result<Publication> {
        let (gate, patience) = self.session.enter(&self.patience);
        let lock = Lock::take_briefly(&self.publication_lock(), &patience)?;
        // If a link is in its place, the target of the link does not change.
        let objects = Directory::at(&self.objects)?;
        objects.set_own_mode(if platform::is_system_user() { 0o755 } else { 0o700 })?;
        Ok(Publication { objects, _lock: lock, _gate: gate })
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of all objects.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// Returns where an object is.
    pub fn object(&self, name: &ObjectName) -> PathBuf {
        self.objects.join(name.as_str())
    }

    /// Returns where an object's record is.
    pub fn info(&self, name: &ObjectName) -> PathBuf {
        self.store.join("info").join(format!("{name}.json"))
    }

    /// Returns the directory of all objects' records.
    pub fn info_directory(&self) -> PathBuf {
        self.store.join("info")
    }

    /// Returns the directory of all derivations' descriptions.
    pub fn derivations(&self) -> PathBuf {
        self.store.join("drv")
    }

    /// Returns where damaged objects go that could not be restored.
    pub fn quarantine(&self) -> PathBuf {
        self.store.join("quarantine")
    }

    /// Returns where a derivation's description is.
    pub fn derivation(&self, hash: Hash) -> PathBuf {
        self.store.join("drv").join(format!("{hash}.drv"))
    }

    /// Returns where the outputs of a recipe or resolved hash are recorded.
    pub fn outputs(&self, hash: Hash) -> PathBuf {
        self.all_outputs().join(hash.to_hex())
    }

    /// Returns the directory of all records of outputs.
    pub fn all_outputs(&self) -> PathBuf {
        self.store.join("drv-out")
    }

    /// Returns where a build's log is.
    pub fn log(&self, hash: Hash) -> PathBuf {
        self.store.join("log").join(hash.to_hex())
    }

    /// Returns the directory in which the build that holds a slot makes its outputs.
    pub fn building(&self, slot: Slot) -> PathBuf {
        self.store.join(slot.to_string())
    }

    /// Returns where all builds made their outputs before there were slots. Only leftovers are
    /// there.
    pub fn old_building(&self) -> PathBuf {
        self.store.join("bld")
    }

    /// Returns the directory that the build which holds a slot works in. Not in that of the
    /// outputs, where only outputs belong.
    pub fn build_directory(&self, slot: Slot) -> PathBuf {
        self.store.join("tmp").join(&slot.to_string()[1..])
    }

    /// Returns the directory of the links through which links in homes lead to files of trees.
    pub fn ways(&self) -> PathBuf {
        self.store.join("ways")
    }

    /// Returns the directory of private files with secrets that links in homes lead to.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// Returns the directory in which sys.lua prepares objects. Builds may not write here.
    pub fn staging(&self) -> PathBuf {
        self.store.join("staging")
    }

    /// Returns the directory in which each distinct file of objects has a name by its content.
    pub fn shared_files(&self) -> PathBuf {
        self.store.join("files")
    }

    /// Returns the lock that a build holds from its first operation until its outputs are
    /// published. It is not in the slot, where the build could remove it.
    pub fn slot_lock(&self, slot: Slot) -> PathBuf {
        self.locks().join(slot.to_string())
    }

    /// Returns where is noted what the programs of the build in a slot are known by.
    pub fn slot_mark(&self, slot: Slot) -> PathBuf {
        self.locks().join(format!("{slot}.mark"))
    }

    /// Returns the lock that the processes of the build in a slot hold, where they have a jail:
    /// longer than the process that builds, should that be killed.
    pub fn slot_jail(&self, slot: Slot) -> PathBuf {
        self.locks().join(format!("{slot}.jail"))
    }

    /// Returns the lock that the import of a closure holds.
    pub fn closure_lock(&self) -> PathBuf {
        self.locks().join("closure")
    }

    fn locks(&self) -> PathBuf {
        self.store.join("locks")
    }

    /// Returns the file that one build of a derivation holds locked: its description, so that no
    /// file is made and removed for each build. Where a locked file cannot be read, one beside it.
    pub fn build_lock(&self, hash: Hash) -> PathBuf {
        let extension = if cfg!(windows) { "lock" } else { "drv" };
        self.derivation(hash).with_extension(extension)
    }

    fn publication_lock(&self) -> PathBuf {
        self.store.join("obj.lock")
    }

    /// Returns the lock that builds share and that collecting garbage takes alone.
    pub fn store_lock(&self) -> PathBuf {
        self.store.join("store.lock")
    }

    /// Returns the lock that a switch takes.
    pub fn switch_lock(&self) -> PathBuf {
        self.metadata().join("switch.lock")
    }

    /// Returns the link for people to a package's object.
    pub fn package(&self, name: &Name, version: &Version, platform: &str) -> PathBuf {
        self.store.join("pkg").join(name.as_str()).join(version.as_str()).join(platform)
    }

    /// Returns the directory of snapshots and their files.
    pub fn metadata(&self) -> PathBuf {
        self.store.join("metadata")
    }

    /// Returns the link that says which snapshot is applied.
    pub fn current(&self) -> PathBuf {
        self.metadata().join("current")
    }

    /// Returns the directory of all snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.metadata().join("snapshots")
    }

    /// Returns the directory of a snapshot.
    pub fn snapshot(&self, id: SnapshotId) -> PathBuf {
        self.snapshots().join(id.to_string())
    }

    /// Returns the journal of the switch that is under way, or was cut off.
    pub fn journal(&self) -> PathBuf {
        self.metadata().join("journal")
    }

    /// Returns the index of the snapshots, which also remembers the greatest number that was ever
    /// used.
    pub fn snapshots_index(&self) -> PathBuf {
        self.metadata().join("snapshots.json")
    }

    /// Returns the directory of the originals of targets.
    pub fn originals(&self) -> PathBuf {
        self.root.join("backups/originals")
    }

    /// Returns the directory of edits of managed targets.
    pub fn displaced(&self) -> PathBuf {
        self.root.join("backups/displaced")
    }

    /// Returns the file that says which backup belongs to which target.
    pub fn backups_index(&self) -> PathBuf {
        self.root.join("backups/index.json")
    }

    /// Returns the directory of downloads, by hash.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("cache/downloads")
    }

    /// Returns the directory of trees of commits, by hash.
    pub fn git_trees(&self) -> PathBuf {
        self.root.join("cache/git")
    }

    /// Returns the directory of the trees of inputs, by their hashes.
    pub fn input_trees(&self) -> PathBuf {
        self.root.join("cache/inputs")
    }

    /// Returns the directory of the environments of directories that were entered.
    pub fn kept_projects(&self) -> PathBuf {
        self.root.join("cache/projects")
    }

    /// Returns the directory that says which directories may have their own entry file evaluated.
    /// Only its owner reads it.
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust")
    }

    /// Returns the directory of all builds' logs.
    pub fn logs(&self) -> PathBuf {
        self.store.join("log")
    }

    /// Returns the directory of the directories that builds work in.
    pub fn work_directories(&self) -> PathBuf {
        self.store.join("tmp")
    }

    /// Returns the directory of links for people.
    pub fn packages(&self) -> PathBuf {
        self.store.join("pkg")
    }

    /// Returns the directory of links that keep objects alive.
    pub fn gc_roots(&self) -> PathBuf {
        self.metadata().join("gc-roots")
    }

    /// Returns the file that says which directories were made for the root.
    pub fn origin(&self) -> PathBuf {
        self.metadata().join("origin.json")
    }

    /// Returns the file that says so while there is nothing of the root but its cache.
    pub fn cache_origin(&self) -> PathBuf {
        self.root.join("cache/origin.json")
    }

    /// Returns the directory of the directories in which users keep objects of this store alive.
    pub fn all_user_roots(&self) -> PathBuf {
        self.gc_roots().join("users")
    }

    /// Returns the directory in which a user keeps objects of this store alive; root makes it.
    pub fn user_roots(&self, user: u32) -> PathBuf {
        self.all_user_roots().join(user.to_string())
    }

    /// Returns the link that keeps an imported object alive.
    pub fn import_root(&self, object: &ObjectName) -> PathBuf {
        self.metadata().join("gc-roots").join(format!("import-{object}"))
    }

    /// Returns the file of the source memory.
    pub fn source_memory(&self) -> PathBuf {
        self.root.join("cache/sources")
    }

    /// Returns the file of the object memory.
    pub fn object_memory(&self) -> PathBuf {
        self.metadata().join("objects")
    }

    /// Returns the directories of a root, those that may be missing included. In them sys.lua
    /// makes, renames and removes files.
    pub fn own_directories(&self) -> Vec<PathBuf> {
        let in_store = OPEN.iter().chain(&LATER).map(|name| self.store.join(name));
        let in_root = PRIVATE.iter().chain(&TRAVERSED).map(|name| self.root.join(name));
        let others = [
            self.metadata().join("sources"),
            self.root.clone(),
            self.store.clone(),
            self.metadata(),
            self.secrets(),
            self.trust(),
            self.git_trees(),
            self.input_trees(),
        ];
        others.into_iter().chain(in_store).chain(in_root).collect()
    }

    /// Creates the directories that are missing, with their modes.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn create(&self) -> Result<()> {
        if self.is_created() { Ok(()) } else { self.create_all() }
    }

    fn create_all(&self) -> Result<()> {
        // Those above are in a directory of the user.
        let mut made =
            self.root.parent().map_or(Ok(Vec::new()), platform::create_user_directories)?;
        let is_only_cache = self.is_only_cache();
        if is_only_cache {
            // The plan that made the cache wrote down what it made above.
            made.splice(0..0, super::root_marker::made_for_cache(self));
            made.push(self.root.clone());
        }
        made.extend(platform::create_directories(&self.root)?);
        platform::create_directories(&self.store)?;
        platform::create_directories_as(&self.metadata(), TRAVERSED_MODE)?;
        super::root_marker::write_origin(self, &made)?;
        if is_only_cache && platform::exists(&self.cache_origin()) {
            platform::remove_file(&self.cache_origin())?;
        }
        for (path, mode) in self.directories() {
            platform::create_directories_as(&path, mode)?;
        }
        Ok(())
    }

    /// Returns the directories of a root with their modes, in the order in which they are made.
    fn directories(&self) -> impl Iterator<Item = (PathBuf, u32)> {
        // All users can read root's store; a user's store is private. Whatever the umask is.
        let open = if platform::is_system_user() { 0o755 } else { 0o700 };
        let opened = OPEN.iter().map(move |name| (self.store.join(name), open));
        let private = PRIVATE.iter().map(|name| (self.root.join(name), 0o700));
        let traversed = TRAVERSED.iter().map(|name| (self.root.join(name), TRAVERSED_MODE));
        opened.chain(traversed).chain(private)
    }

    /// Returns whether all directories exist.
    fn is_created(&self) -> bool {
        // The last to be made: when they are there, all are. Roots of older versions lack the
        // second.
        platform::exists(&self.gc_roots()) && platform::exists(&self.locks())
    }

    /// Creates all directories, and takes the store lock together with others that share it. The
    /// root may be destroyed while this waits: then it is created again.
    ///
    /// # Errors
    /// When one cannot be created, or the lock cannot be taken.
    pub fn create_and_lock(&self, settings: &Settings) -> Result<Lock> {
        self.create_and_lock_by(&mut |path| {
            Ok(Lock::take_for(settings, path, Sharing::Shared, "the store")?)
        })
    }

    /// The same, where the caller takes the lock at a path.
    ///
    /// # Errors
    /// When a directory cannot be created, or the lock cannot be taken.
    pub fn create_and_lock_by(&self, lock: &mut dyn FnMut(&Path) -> Result<Lock>) -> Result<Lock> {
        let mut take = || {
            // A root that is being destroyed has this file until it is gone.
            if !platform::exists(&self.store_lock()) {
                self.create()?;
            }
            let lock = lock(&self.store_lock())?;
            // A process without the lock may have made the last directories while `destroy` removed
            // the others.
            let is_whole = platform::exists(&self.origin())
                && self.directories().all(|(path, _)| platform::exists(&path));
            if !is_whole {
                self.create_all()?;
            }
            Ok(lock)
        };
        for _ in 0..TRIES {
            match take() {
                Err(error) if is_of_gone(&error) && !self.is_created() => {}
                taken => return taken,
            }
            std::thread::sleep(PAUSE);
        }
        take()
    }

    /// Returns what differs when a root is destroyed and created again.
    pub fn root_identity(&self) -> Option<Identity> {
        platform::observe(&self.origin()).ok().flatten().map(|seen| seen.identity)
    }

    /// Returns whether a root that existed earlier was destroyed, and another one created.
    pub fn was_replaced(&self, earlier: Option<&Identity>) -> bool {
        earlier.is_some() && self.root_identity().as_ref() != earlier
    }

    /// Returns whether a process removes or removed a root that existed earlier.
    pub fn is_lost(&self, earlier: Option<&Identity>) -> bool {
        // What `destroy` removes first.
        self.was_replaced(earlier) || earlier.is_some() && !platform::exists(&self.gc_roots())
    }

    /// Removes what nothing depends on, and returns whether there was any: memories of what files
    /// look like, and what programs of builds printed.
    pub fn make_room(&self) -> bool {
        let logs = platform::list_directory(&self.logs()).unwrap_or_default();
        let logs = logs.into_iter().map(|(name, _)| self.logs().join(name));
        let memories = [self.object_memory(), self.source_memory()];
        memories.into_iter().chain(logs).filter(|path| platform::remove_file(path).is_ok()).count()
            > 0
    }

    /// Creates the directory of the trees of inputs, and nothing of a root that is not there yet.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn create_cache(&self) -> Result<()> {
        let made = self.root.parent().map_or(Ok(Vec::new()), platform::create_user_directories)?;
        platform::create_directories(&self.root)?;
        platform::create_directories_as(&self.root.join("cache"), 0o700)?;
        if !made.is_empty() {
            super::root_marker::write_cache_origin(self, &made)?;
        }
        platform::create_directories(&self.input_trees())?;
        Ok(())
    }

    /// Returns whether there is nothing of a root but its cache, which a plan made.
    pub fn is_only_cache(&self) -> bool {
        let names = platform::list_directory(&self.root).unwrap_or_default();
        matches!(names.as_slice(), [(name, _)] if name == "cache")
    }
}
