//! Removing a root after everything is undone: only known names of sys.lua.
//!
//! Displaced copies stay, and so do unknown files. Every step can be repeated, and the files that
//! identify the root are removed last, so that an interrupted removal can be continued.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::backups::Backups;
use super::overlap::Reads;
use super::overlay::Overlay;
use super::{Error, Targets, printed};
use crate::action::{self, Directories, Role, target};
use crate::environment::shells;
use crate::generations;
use crate::names::SnapshotId;
use crate::platform::{self, FileKind, LinkLimits};
use crate::settings::Settings;
use crate::store::own::{self, Own, RootPlace};
use crate::store::{self, Slot, Store, gc::sweep};
use crate::value::Positions;

/// The parts of the store besides `metadata`: first everything that points to objects, so that
/// nothing finds half of one.
const IN_STORE: [(RootPlace, &str); 12] = [
    (RootPlace::Outputs, "drv-out"),
    (RootPlace::Ways, "ways"),
    (RootPlace::Derivations, "drv"),
    (RootPlace::OldBuilding, "bld"),
    (RootPlace::Work, "tmp"),
    (RootPlace::Staging, "staging"),
    (RootPlace::Objects, "obj"),
    (RootPlace::SharedFiles, "files"),
    (RootPlace::Info, "info"),
    (RootPlace::Logs, "log"),
    (RootPlace::Quarantine, "quarantine"),
    (RootPlace::Locks, "locks"),
];
/// The files beside the private files of users.
const OWN: [&str; 3] = [action::SECRET_KEY, printed::IDENTITY, printed::VALUES];
/// The files beside the snapshots, except those that identify the root.
const IN_METADATA: [&str; 6] =
    ["current", "manifest.json", "snapshots.json", "journal", "objects", "packages"];

/// What a directory that is to be removed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootState {
    /// Nothing is there.
    Nothing,
    /// It is a root, or what a removal that was cut off left of one.
    Root,
    /// It holds nothing but displaced copies.
    Kept,
}

/// Returns whether a directory is a root of sys.lua.
///
/// # Errors
/// When it is something else: then it must not be removed.
pub fn standing(store: &Store) -> Result<RootState, Error> {
    let root = store.root();
    let foreign = || Error::NotARoot { path: root.to_owned() };
    if !platform::exists(root) {
        return Ok(RootState::Nothing);
    }
    if !platform::is_directory(root) {
        return Err(foreign());
    }
    let metadata = store.metadata();
    // The first file that is made, or a snapshot, which is there even when that was lost in a power
    // cut.
    let is_marked = || {
        platform::exists(&store.origin())
            || generations::all(store).is_ok_and(|all| !all.is_empty())
    };
    if platform::is_directory(&metadata) && is_marked() {
        return Ok(RootState::Root);
    }
    let holds_only = |directory: &Path, known: &[&str]| -> Result<bool, Error> {
        let entries = match platform::list_directory(directory) {
            Err(error) if error.is_not_found() => return Ok(true),
            entries => entries?,
        };
        // What is removed last gets a temporary name.
        let is_temporary = |name: &OsStr| name.to_str().is_some_and(own::is_temporary);
        Ok(entries.iter().all(|(name, _)| {
            known.iter().any(|known| name == OsStr::new(known)) || is_temporary(name)
        }))
    };
    let top = metadata.parent().unwrap_or(root);
    let is_rest = (holds_only(root, &["store", "backups"])? || store.is_only_cache())
        && holds_only(top, &["metadata", "store.lock"])?
        && holds_only(&metadata, &["switch.lock"])?
        && holds_only(&backups(store), &["originals", "displaced", "index.json"])?;
    if !is_rest {
        return Err(foreign());
    }
    let has_copies = !platform::exists(top) && platform::exists(&backups(store));
    Ok(if has_copies { RootState::Kept } else { RootState::Root })
}

fn backups(store: &Store) -> PathBuf {
    store.root().join("backups")
}

/// Brings back originals that no switch brought back, since their targets were lost sight of: a
/// link above one leads elsewhere now. Returns where those are that cannot come back, with their
/// targets.
///
/// # Errors
/// When the file system refuses.
pub fn restore_rest(store: &Store, settings: &Settings) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let mut backups = Backups::load(store, &settings.home);
    let targets = Targets::new(&settings.home);
    let directories = Directories::default();
    let mut stuck = Vec::new();
    for entry in &backups.entries {
        let kept = entry.path.to_path();
        if entry.role != Role::Original || !platform::exists(&kept) {
            continue;
        }
        let back = (|| -> Result<bool, Error> {
            let place = targets.place(&entry.target, &Positions::default())?;
            let Ok(missing) =
                Overlay::new(store, &settings.home, Reads::default()).missing_parents(&place)?
            else {
                return Ok(false);
            };
            for parent in missing {
                target::make_directory(&directories, &parent, None)?;
            }
            let (from, from_name) = directories.of(&kept)?;
            let (directory, name) = directories.of(&place)?;
            if directory.observe(&name)?.is_some() {
                return Ok(false);
            }
            from.rename_new(&from_name, &directory, &name)?;
            directories.forget();
            Ok(true)
        })();
        if !back.unwrap_or(false) {
            stuck.push((kept, entry.target.to_path()));
        }
    }
    backups.entries.retain(|entry| platform::exists(&entry.path.to_path()));
    backups.directories.clear();
    backups.save(store)?;
    Ok(stuck)
}

/// Removes a root in which nothing is applied. Returns unknown files, which stay. The caller holds
/// all locks; `release` releases them where a locked file cannot be removed.
///
/// # Errors
/// When a file cannot be removed, or on an interrupt: completed steps stay, and the removal can be
/// continued.
pub fn dismantle(
    store: &Store,
    settings: &Settings,
    release: impl FnOnce(),
) -> Result<Vec<PathBuf>, Error> {
    let above = store::made_above(store);
    let Some(own) = Own::open(store)? else { return Ok(Vec::new()) };
    let mut removal = Removal { settings, own, unknown: Vec::new() };
    let root = store.root();
    let top = root.join("store");
    let metadata = store.metadata();
    if platform::exists(&top) && removal.own.directory(&top)?.is_none() {
        // It is a link: its target does not belong to sys.lua.
        return Ok(vec![top]);
    }

    // Without this one, the next apply makes all directories anew.
    removal.roots(store)?;
    removal.snapshots(store)?;
    for slot in Slot::all() {
        removal.tree(&store.building(slot))?;
    }
    if platform::kind_of(store.objects())? == Some(FileKind::Directory) {
        platform::set_mode(store.objects(), 0o700)?;
    }
    for (place, name) in IN_STORE {
        removal.place(place, &top.join(name))?;
    }
    removal.packages(store)?;
    // The second name is that of earlier versions.
    for lock in ["obj.lock", "publication.lock"] {
        removal.tree(&top.join(lock))?;
    }
    removal.users(&root.join("users"))?;
    removal.secrets(&store.secrets())?;
    for shell in shells::scripts() {
        removal.tree(&root.join(shell.file()))?;
    }
    removal.place(RootPlace::Logs, &store.downloads().join(".names"))?;
    removal.place(RootPlace::Downloads, &store.downloads())?;
    removal.place(RootPlace::GitTrees, &store.git_trees())?;
    removal.place(RootPlace::InputTrees, &store.input_trees())?;
    removal.tree(&store.source_memory())?;
    // Files that shells read which `shell` starts.
    removal.tree(&root.join("cache/shell"))?;
    removal.tree(&store.kept_projects())?;
    removal.tree(&store.trust())?;
    removal.tree(&store.cache_origin())?;
    removal.directory(&root.join("cache"))?;
    removal.backups(store)?;
    for name in IN_METADATA {
        removal.tree(&metadata.join(name))?;
    }
    removal.place(RootPlace::SourceContents, &metadata.join("sources"))?;
    removal.temporary(&[root, &top, &metadata])?;
    removal.rest(root, &["store", "backups"])?;
    removal.rest(&top, &["metadata", "store.lock"])?;
    removal.rest(&metadata, &["switch.lock", "origin.json", "snapshots"])?;
    removal.tree(&store.snapshot(SnapshotId(0)))?;
    removal.directory(&store.snapshots())?;

    if cfg!(windows) {
        release();
    }
    // What waits for the locks must not create them again in half of a root.
    let is_rest = removal.unknown.iter().all(|path| !path.starts_with(&top));
    let aside = OsString::from(format!(".syslua-{}-0.tmp", std::process::id()));
    // After the rename nothing tells a root from other directories: what else was in it must not
    // come back with a power cut.
    platform::sync_file_system(root)?;
    if is_rest && removal.own.rename(&top, &aside).is_ok() {
        removal.own = Own::open(store)?.unwrap_or(removal.own);
        removal.own.remove(&root.join(&aside))?;
    }
    for path in [store.origin(), store.switch_lock(), store.store_lock()] {
        removal.own.remove(&path)?;
    }
    let is_link = platform::kind_of(root)? == Some(FileKind::Symlink);
    let gone =
        remove_if_empty(&metadata)? && remove_if_empty(&top)? && !is_link && remove_if_empty(root)?;
    if gone {
        for directory in above.iter().rev() {
            if !remove_if_empty(directory)? {
                break;
            }
        }
    }
    Ok(removal.unknown)
}

/// Removes a directory that is empty; returns whether it is gone.
fn remove_if_empty(directory: &Path) -> Result<bool, Error> {
    match platform::list_directory(directory) {
        Ok(entries) if entries.is_empty() => {}
        Ok(_) => return Ok(false),
        Err(error) if error.is_not_found() => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    match platform::remove_directory(directory) {
        // A file system is mounted there: its administrator unmounts it.
        Err(error) if error.is_busy() => Ok(false),
        removed => Ok(removed.map(|()| true)?),
    }
}

struct Removal<'a> {
    settings: &'a Settings,
    /// Nothing is removed but by this: never through a link.
    own: Own,
    unknown: Vec<PathBuf>,
}

impl Removal<'_> {
    fn check(&self) -> Result<(), Error> {
        if self.settings.interrupt.is_set() {
            Err(Error::CutOff { root: self.settings.root.clone() })
        } else {
            Ok(())
        }
    }

    fn tree(&self, path: &Path) -> Result<(), Error> {
        self.check()?;
        Ok(self.own.remove(path)?)
    }

    /// Removes a directory if it is empty; notes what is in it otherwise.
    fn directory(&mut self, path: &Path) -> Result<(), Error> {
        let listed = self.own.list(path)?;
        if listed.is_empty() {
            self.own.remove_if_empty(path)?;
        }
        self.unknown.extend(listed.into_iter().map(|(name, _)| path.join(name)));
        Ok(())
    }

    /// Removes the files of sys.lua in a directory, and then the directory.
    fn place(&mut self, place: RootPlace, path: &Path) -> Result<(), Error> {
        for name in self.own.list_ours(place, path)? {
            let inner = path.join(name);
            platform::set_immutable(&inner, false);
            self.tree(&inner)?;
        }
        self.directory(path)
    }

    /// The links that keep objects alive, and the directories for those of users.
    fn roots(&mut self, store: &Store) -> Result<(), Error> {
        const ALL: LinkLimits = LinkLimits { names: 1_000_000, depth: 64, bytes: 16 << 20 };
        if self.own.directory(&store.gc_roots())?.is_none() {
            return Ok(());
        }
        let users = store.all_user_roots();
        let mut directories: BTreeSet<PathBuf> = BTreeSet::from([users.clone()]);
        directories.extend(self.own.list(&users)?.into_iter().map(|(name, _)| users.join(name)));
        for (link, _) in platform::links_below(&store.gc_roots(), ALL)?.links {
            self.tree(&link)?;
            let above = link.ancestors().skip(1).take_while(|above| *above != store.gc_roots());
            directories.extend(above.map(Path::to_owned));
        }
        // Those in others first.
        for directory in directories.iter().rev() {
            self.own.remove_if_empty(directory)?;
        }
        self.directory(&store.gc_roots())
    }

    /// The links for people: `pkg/NAME/VERSION/PLATFORM`.
    fn packages(&mut self, store: &Store) -> Result<(), Error> {
        for link in sweep::package_links(store, &self.own)? {
            self.tree(&link)?;
            for above in link.ancestors().skip(1).take_while(|above| *above != store.packages()) {
                if !self.own.remove_if_empty(above)? {
                    break;
                }
            }
        }
        self.directory(&store.packages())
    }

    /// The snapshots, the empty one last: it is the one in force.
    fn snapshots(&self, store: &Store) -> Result<(), Error> {
        let snapshots = store.snapshots();
        for name in self.own.list_ours(RootPlace::Snapshots, &snapshots)? {
            if name != OsStr::new(&SnapshotId(0).to_string()) {
                self.tree(&snapshots.join(name))?;
            }
        }
        Ok(())
    }

    /// Directories that belong to users, who may have put something into them.
    fn users(&mut self, path: &Path) -> Result<(), Error> {
        if platform::kind_of(path)? != Some(FileKind::Directory) {
            return Ok(());
        }
        for (user, kind) in platform::list_directory(path)? {
            let own = path.join(user);
            if kind != FileKind::Directory {
                self.unknown.push(own);
                continue;
            }
            // Its entries are names only: nothing below them is followed.
            for (name, kind) in platform::list_directory(&own)? {
                let entry = own.join(&name);
                let is_known = shells::scripts().any(|shell| name == OsStr::new(shell.file()));
                if kind != FileKind::Directory && is_known {
                    self.check()?;
                    platform::remove_file(&entry)?;
                } else {
                    self.unknown.push(entry);
                }
            }
            remove_if_empty(&own)?;
        }
        remove_if_empty(path)?;
        Ok(())
    }

    /// The directories of private files, which went with their links, and the key.
    fn secrets(&mut self, path: &Path) -> Result<(), Error> {
        if platform::kind_of(path)? != Some(FileKind::Directory) {
            return Ok(());
        }
        for (name, kind) in platform::list_directory(path)? {
            let inner = path.join(&name);
            if OWN.iter().any(|own| name == OsStr::new(own)) {
                self.tree(&inner)?;
            } else if kind != FileKind::Directory || !remove_if_empty(&inner)? {
                self.unknown.push(inner);
            }
        }
        remove_if_empty(path)?;
        Ok(())
    }

    /// Kept files of the user stay, and their index too.
    fn backups(&mut self, store: &Store) -> Result<(), Error> {
        let directory = backups(store);
        if platform::kind_of(&directory)? != Some(FileKind::Directory) {
            return Ok(());
        }
        self.temporary(&[&directory])?;
        let is_empty = remove_if_empty(&store.originals())? & remove_if_empty(&store.displaced())?;
        self.rest(&directory, &["originals", "displaced", "index.json"])?;
        if is_empty {
            self.tree(&store.backups_index())?;
            remove_if_empty(&directory)?;
        }
        Ok(())
    }

    /// Removes what a write that was cut off left.
    fn temporary(&self, directories: &[&Path]) -> Result<(), Error> {
        for directory in directories {
            if platform::kind_of(directory)? != Some(FileKind::Directory) {
                continue;
            }
            for (name, _) in platform::list_directory(directory)? {
                if name.to_str().is_some_and(own::is_temporary) {
                    self.tree(&directory.join(name))?;
                }
            }
        }
        Ok(())
    }

    /// Notes what else is in a directory.
    fn rest(&mut self, directory: &Path, known: &[&str]) -> Result<(), Error> {
        if !platform::is_directory(directory) {
            return Ok(());
        }
        for (name, _) in platform::list_directory(directory)? {
            let path = directory.join(&name);
            let is_known = known.iter().any(|known| name == OsStr::new(known));
            let is_noted = self.unknown.iter().any(|unknown| unknown.starts_with(&path));
            if !is_known && !is_noted {
                self.unknown.push(path);
            }
        }
        Ok(())
    }
}
