//! Removing what is not alive: objects, their records, what builds left, downloads.
//!
//! What is alive it is told. The caller holds the store lock alone. A kill at any step leaves every object that has its
//! name whole: records of outputs go first, then objects lose their names, that is synced, and only then are bytes
//! removed. What is left is removed by the next sweep.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::living::Living;
use super::shared::{self, SharedFiles};
use super::{Outputs, Result, Slot, Store, read_info};
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform::lock::LockError;
use crate::platform::{self, FileKind, Step, Walk};
use crate::settings::Interrupt;

/// How an object is called that has lost its name: in the same directory, since a read-only one cannot be moved.
const GONE: &str = ".gone-";

/// A path that goes, and the bytes that it holds.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The path.
    pub path: PathBuf,
    /// Bytes of the files in it.
    pub size: u64,
}

/// What is not alive.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Objects, with their sizes in bytes.
    pub objects: Vec<(ObjectName, u64)>,
    /// Records of outputs that name an object that goes.
    pub outputs: Vec<PathBuf>,
    /// Records of objects that are not there, or go.
    pub records: Vec<PathBuf>,
    /// Descriptions of derivations.
    pub derivations: Vec<Dead>,
    /// Logs of builds.
    pub logs: Vec<Dead>,
    /// Links for people.
    pub links: Vec<PathBuf>,
    /// What builds, and earlier sweeps, left when they were cut off.
    pub leftovers: Vec<Dead>,
    /// Downloads and trees of commits.
    pub downloads: Vec<Dead>,
    /// Contents of sources of configs, which the caller finds.
    pub sources: Vec<Dead>,
}

/// Finds what is not alive. `derivations` are those of snapshots; `downloads_before` spares what was fetched later.
///
/// # Errors
/// When a directory of the store cannot be listed.
pub fn find(
    store: &Store,
    present: &BTreeSet<ObjectName>,
    living: &Living,
    derivations: &BTreeSet<Hash>,
    downloads_before: Option<SystemTime>,
) -> Result<Garbage> {
    let is_alive = |object: &ObjectName| living.objects.contains_key(object);
    let dead: Vec<&ObjectName> = present.iter().filter(|object| !is_alive(object)).collect();
    let size = |object: &ObjectName| match read_info(store, object) {
        // A borrowed one is only a link here.
        Ok(Some(info)) => {
            if info.borrowed {
                0
            } else {
                info.size
            }
        }
        _ => size_of(&store.object(object)),
    };
    let objects = dead.par_iter().map(|object| ((*object).clone(), size(object))).collect();
    let (kept, outputs) = sort_outputs(store, is_alive)?;
    let is_needed = |hash: &Hash| kept.contains(hash) || derivations.contains(hash) || living.derivers.contains(hash);
    let records = entries(&store.info_directory())?.into_iter().filter(|name| {
        let object = name.to_str().and_then(|name| ObjectName::parse(name.strip_suffix(".json")?).ok());
        object.is_none_or(|object| !is_alive(&object))
    });
    let records = records.map(|name| store.info_directory().join(name)).collect();
    let unneeded = |directory: &Path, suffix: &str| -> Result<Vec<Dead>> {
        let mut found = Vec::new();
        for name in entries(directory)? {
            let hash = name.to_str().and_then(|name| Hash::parse(name.strip_suffix(suffix)?).ok());
            if !hash.is_some_and(|hash| is_needed(&hash)) {
                found.push(dead_at(directory.join(name)));
            }
        }
        Ok(found)
    };
    let mut leftovers = Vec::new();
    let objects_of_before =
        entries(store.objects())?.into_iter().filter(|name| name.to_string_lossy().starts_with(GONE));
    leftovers.extend(objects_of_before.map(|name| dead_at(store.objects().join(name))));
    for directory in [store.work_directories(), store.staging()] {
        leftovers.extend(entries(&directory)?.into_iter().map(|name| dead_at(directory.join(name))));
    }
    let built = Slot::all().map(|slot| store.building(slot)).chain([store.old_building()]);
    leftovers.extend(built.filter(|path| platform::exists(path)).map(dead_at));
    leftovers.extend(SharedFiles::new(store).unused()?.into_iter().map(dead_at));
    let mut downloads = Vec::new();
    for directory in [store.downloads(), store.git_trees()] {
        for name in entries(&directory)? {
            let path = directory.join(name);
            let changed = fs::symlink_metadata(&path).and_then(|data| data.modified()).ok();
            if downloads_before.is_none_or(|limit| changed.is_some_and(|changed| changed < limit)) {
                downloads.push(dead_at(path));
            }
        }
    }
    Ok(Garbage {
        objects,
        outputs,
        records,
        derivations: unneeded(&store.derivations(), ".drv")?,
        logs: unneeded(&store.logs(), "")?,
        links: dead_links(store, is_alive)?,
        leftovers,
        downloads,
        sources: Vec::new(),
    })
}

/// Returns the time that is `age` ago.
pub fn ago(age: Duration) -> SystemTime {
    SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Removes what nothing names any more, which frees space: leftovers and downloads.
///
/// # Errors
/// When something cannot be removed, or somebody asked to stop.
pub fn clear(garbage: &Garbage, interrupt: &Interrupt) -> Result<()> {
    let all: Vec<&Dead> = garbage.leftovers.iter().chain(&garbage.downloads).collect();
    all.par_iter().try_for_each(|dead| remove(&dead.path, interrupt))
}

/// Takes the names of dead objects away, and the records of outputs that name them.
///
/// # Errors
/// When the file system refuses, or somebody asked to stop.
pub fn retire(store: &Store, garbage: &Garbage, interrupt: &Interrupt) -> Result<()> {
    garbage.outputs.par_iter().try_for_each(|path| remove(path, interrupt))?;
    garbage.objects.par_iter().try_for_each(|(object, _)| -> Result<()> {
        stop_if(interrupt)?;
        let path = store.object(object);
        lift(&path)?;
        // A single file that has other names stays immutable under these.
        let file = platform::lift_immutable(&path);
        let renamed = platform::rename(&path, &gone(store, object));
        file.iter().for_each(platform::set_file_immutable);
        Ok(renamed?)
    })?;
    if !garbage.objects.is_empty() {
        // What a record names is whole even after a power cut.
        platform::sync_file_system(store.objects())?;
    }
    Ok(())
}

/// Removes the bytes of what was retired, and all that told of it.
///
/// # Errors
/// When the file system refuses, or somebody asked to stop.
pub fn erase(store: &Store, garbage: &Garbage, interrupt: &Interrupt) -> Result<()> {
    garbage.objects.par_iter().try_for_each(|(object, _)| remove(&gone(store, object), interrupt))?;
    let told = garbage.records.iter().chain(&garbage.links);
    let about = garbage.derivations.iter().chain(&garbage.logs).chain(&garbage.sources).map(|dead| &dead.path);
    let files: Vec<&PathBuf> = told.chain(about).collect();
    files.par_iter().try_for_each(|path| remove(path, interrupt))?;
    // What the objects that went alone had.
    SharedFiles::new(store).unused()?.par_iter().try_for_each(|path| remove(path, interrupt))?;
    remove_empty(&store.packages())
}

fn gone(store: &Store, object: &ObjectName) -> PathBuf {
    store.objects().join(format!("{GONE}{object}"))
}

fn stop_if(interrupt: &Interrupt) -> Result<()> {
    if interrupt.is_set() { Err(LockError::Interrupted.into()) } else { Ok(()) }
}

fn lift(path: &Path) -> Result<()> {
    // Behind a link is what belongs to another store; other names of a file are those of objects that stay.
    if platform::kind_of(path)? != Some(FileKind::Symlink) {
        platform::lift_immutable_tree(path);
    }
    Ok(())
}

fn remove(path: &Path, interrupt: &Interrupt) -> Result<()> {
    stop_if(interrupt)?;
    lift(path)?;
    shared::take_names(path)?;
    Ok(platform::remove_tree(path)?)
}

/// Returns the names in a directory; of one that is not there, none.
fn entries(directory: &Path) -> Result<Vec<OsString>> {
    match platform::list_directory(directory) {
        Ok(entries) => Ok(entries.into_iter().map(|(name, _)| name).collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn dead_at(path: PathBuf) -> Dead {
    Dead { size: size_of(&path), path }
}

/// Returns the bytes of the files at a path, as far as it can be looked at.
fn size_of(path: &Path) -> u64 {
    let Ok((directory, name)) = platform::locate(path) else { return 0 };
    let mut walk = Walk::new(directory, name);
    let mut size = 0u64;
    while let Ok(Some(step)) = walk.step() {
        if let Step::Node { directory, name, kind: FileKind::File } = step {
            let node = directory.node(&name).ok().flatten();
            size = size.saturating_add(node.map_or(0, |node| node.size));
        }
    }
    size
}

/// Returns the hashes whose outputs are all alive, and the files of the others.
fn sort_outputs(
    store: &Store,
    is_alive: impl Fn(&ObjectName) -> bool + Sync,
) -> Result<(BTreeSet<Hash>, Vec<PathBuf>)> {
    let directory = store.all_outputs();
    let names = entries(&directory)?;
    let look = |name: &OsString| {
        let path = directory.join(name);
        let hash = name.to_str().and_then(|name| Hash::parse(name).ok());
        let outputs = platform::read_file(&path).ok().and_then(|text| serde_json::from_slice::<Outputs>(&text).ok());
        let is_kept = outputs.is_some_and(|outputs| outputs.values().all(&is_alive));
        (path, hash.filter(|_| is_kept))
    };
    let looked: Vec<(PathBuf, Option<Hash>)> = names.par_iter().map(look).collect();
    let kept = looked.iter().filter_map(|(_, hash)| *hash).collect();
    Ok((kept, looked.into_iter().filter(|(_, hash)| hash.is_none()).map(|(path, _)| path).collect()))
}

fn dead_links(store: &Store, is_alive: impl Fn(&ObjectName) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![store.packages()];
    while let Some(directory) = pending.pop() {
        for (name, kind) in match platform::list_directory(&directory) {
            Err(error) if error.is_not_found() => Vec::new(),
            entries => entries?,
        } {
            let path = directory.join(name);
            match kind {
                FileKind::Directory => pending.push(path),
                FileKind::Symlink => {
                    let target = platform::read_link(&path)?;
                    let object = target.file_name().and_then(|name| ObjectName::parse(name.to_str()?).ok());
                    if !object.is_some_and(|object| is_alive(&object)) {
                        found.push(path);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Removes the directories below one that hold nothing.
fn remove_empty(directory: &Path) -> Result<()> {
    for name in entries(directory)? {
        let path = directory.join(name);
        if platform::kind_of(&path)? == Some(FileKind::Directory) {
            remove_empty(&path)?;
            if entries(&path)?.is_empty() {
                platform::remove_directory(&path)?;
            }
        }
    }
    Ok(())
}
