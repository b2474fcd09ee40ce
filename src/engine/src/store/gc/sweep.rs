//! Removing what is not alive: objects, their records, what builds left, downloads.
//!
//! What is alive it is told. The caller holds the store lock alone. A kill at any step leaves every
//! object that has its name whole: records of outputs go first, then objects lose their names, that
//! is synced, and only then are bytes removed. What is left is removed by the next sweep.
//!
//! Users who borrow objects take no lock: they root an object, then look whether it is there. So
//! between the names and the bytes the caller looks at the roots again, and what was rooted by then
//! gets its name back.
//!
//! Only names of sys.lua are removed, and nothing through a link: see [`crate::store::own`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::mark::Living;
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform::lock::LockError;
use crate::platform::{self, FileKind};
use crate::settings::Interrupt;
use crate::store::outputs::Results;
use crate::store::own::{GONE, Own, RootPlace, is_ours};
use crate::store::shared;
use crate::store::{Result, Slot, Store, read_info, verify};

/// A path to delete, and its bytes.
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
    /// Records of outputs that name a deleted object.
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
    /// Downloads, and trees of commits and inputs.
    pub downloads: Vec<Dead>,
    /// Contents of sources of configs, which the caller finds.
    pub sources: Vec<Dead>,
}

/// What is kept of that which was fetched.
#[derive(Debug, Default)]
pub struct KeptDownloads {
    /// Downloads later than this.
    pub after: Option<SystemTime>,
    /// What a lock names: inputs, and what it pins, which may not be had again. All that is there
    /// where a lock cannot be read.
    pub locked: Option<BTreeSet<Hash>>,
}

/// Finds what is not alive. `derivations` are those of snapshots.
///
/// # Errors
/// When a directory of the store cannot be listed.
pub fn list_garbage(
    store: &Store,
    own: &Own,
    present: &BTreeSet<ObjectName>,
    living: &Living,
    derivations: &BTreeSet<Hash>,
    kept_downloads: &KeptDownloads,
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
        _ => own.size_of(&store.object(object)),
    };
    let objects = dead.par_iter().map(|object| ((*object).clone(), size(object))).collect();
    let (kept, outputs) = sort_outputs(store, own, is_alive)?;
    let is_needed = |hash: &Hash| {
        kept.contains(hash) || derivations.contains(hash) || living.derivers.contains(hash)
    };
    let ours = |place, directory: PathBuf| -> Result<Vec<(OsString, PathBuf)>> {
        let names = own.list_ours(place, &directory)?;
        Ok(names.into_iter().map(|name| (name.clone(), directory.join(name))).collect())
    };
    let is_dead_record = |name: &OsString| {
        let object =
            name.to_str().and_then(|name| ObjectName::of_file(name.strip_suffix(".json")?));
        object.is_none_or(|object| !is_alive(&object))
    };
    let records = ours(RootPlace::Info, store.info_directory())?.into_iter();
    let records = records.filter(|(name, _)| is_dead_record(name)).map(|(_, path)| path).collect();
    let unneeded = |place, directory: PathBuf, suffix: &str| -> Result<Vec<Dead>> {
        let mut found = Vec::new();
        for (name, path) in ours(place, directory)? {
            let hash = name.to_str().and_then(|name| Hash::parse(name.strip_suffix(suffix)?).ok());
            if !hash.is_some_and(|hash| is_needed(&hash)) {
                found.push(dead_at(own, path));
            }
        }
        Ok(found)
    };
    let mut leftovers: Vec<PathBuf> =
        moved(store, own)?.iter().map(|object| gone(store, object)).collect();
    for (place, directory) in [
        (RootPlace::Work, store.work_directories()),
        (RootPlace::Staging, store.staging()),
        (RootPlace::OldBuilding, store.old_building()),
    ] {
        leftovers.extend(ours(place, directory)?.into_iter().map(|(_, path)| path));
    }
    // All that is in one was made by a build.
    let slots = Slot::all().map(|slot| store.building(slot));
    leftovers.extend(slots.filter(|path| own.directory(path).is_ok_and(|found| found.is_some())));
    leftovers.extend(unused_files(store, own)?);
    let mut downloads = Vec::new();
    let names = store.downloads().join(".names");
    for (place, directory) in [
        (RootPlace::Downloads, store.downloads()),
        // Other names of downloads, by their hashes.
        (RootPlace::Logs, names.clone()),
        (RootPlace::GitTrees, store.git_trees()),
        (RootPlace::InputTrees, store.input_trees()),
    ] {
        let Some(open) = own.directory(&directory)? else { continue };
        for (name, path) in ours(place, directory)? {
            if is_locked(&name, kept_downloads) {
                continue;
            }
            let changed = open.facts_of(&name).map(|facts| facts.modified).ok();
            if kept_downloads
                .after
                .is_none_or(|limit| changed.is_some_and(|changed| changed < limit))
            {
                downloads.push(dead_at(own, path));
            }
        }
    }
    Ok(Garbage {
        objects,
        outputs,
        records,
        derivations: unneeded(RootPlace::Derivations, store.derivations(), ".drv")?,
        logs: unneeded(RootPlace::Logs, store.logs(), "")?,
        links: dead_links(store, own, is_alive)?,
        leftovers: leftovers.into_iter().map(|path| dead_at(own, path)).collect(),
        downloads,
        sources: Vec::new(),
    })
}

/// Returns whether a name is that of something that a lock names.
fn is_locked(name: &OsString, kept: &KeptDownloads) -> bool {
    // Where a tree came from is needed as long as the tree.
    let name = name.to_str().map(|name| name.strip_suffix(".from").unwrap_or(name));
    let hash = name.and_then(|name| Hash::parse(name).ok());
    hash.is_some_and(|hash| kept.locked.as_ref().is_none_or(|locked| locked.contains(&hash)))
}

/// Returns the objects that lost their names and were not removed, since a sweep was cut off.
///
/// # Errors
/// When the directory of objects cannot be listed.
pub fn moved(store: &Store, own: &Own) -> Result<BTreeSet<ObjectName>> {
    let names = own.list_ours(RootPlace::Objects, store.objects())?;
    let object = |name: &OsString| ObjectName::of_file(name.to_str()?.strip_prefix(GONE)?);
    Ok(names.iter().filter_map(object).collect())
}

/// Gives objects their names back, those of them that are whole.
///
/// # Errors
/// When the file system refuses.
pub fn bring_back(store: &Store, own: &Own, objects: &BTreeSet<ObjectName>) -> Result<()> {
    for object in objects {
        if own.kind(&store.object(object))?.is_some() {
            continue;
        }
        own.rename(&gone(store, object), object.as_str().as_ref())?;
        // A sweep may have begun to remove it.
        if verify::observe(store, object).is_err() {
            own.rename(&store.object(object), format!("{GONE}{object}").as_ref())?;
        } else if own.kind(&store.object(object))? != Some(FileKind::Symlink)
            && let Some((directory, name)) = own.locate(&store.object(object))?
        {
            platform::set_immutable_in(&directory, name, true);
        }
    }
    Ok(())
}

/// Returns the time that is `age` ago.
pub fn ago(age: Duration) -> SystemTime {
    SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Removes what nothing names any more, which frees space: leftovers and downloads.
///
/// # Errors
/// When a file cannot be removed, or on an interrupt.
pub fn clear(store: &Store, own: &Own, garbage: &Garbage, interrupt: &Interrupt) -> Result<()> {
    let all: Vec<&Dead> = garbage.leftovers.iter().chain(&garbage.downloads).collect();
    all.par_iter().try_for_each(|dead| remove(own, &dead.path, interrupt))?;
    for directory in [store.downloads().join(".names"), store.old_building()] {
        own.remove_if_empty(&directory)?;
    }
    Ok(())
}

/// A record of outputs that was removed.
#[derive(Debug)]
pub struct Forgotten {
    path: PathBuf,
    text: Vec<u8>,
}

/// Takes the names of dead objects away, and the records of outputs that name them, which it
/// returns.
///
/// # Errors
/// When the file system refuses, or on an interrupt.
pub fn retire(
    store: &Store,
    own: &Own,
    garbage: &Garbage,
    interrupt: &Interrupt,
) -> Result<Vec<Forgotten>> {
    let forget = |path: &PathBuf| -> Result<Forgotten> {
        let text = own.locate(path)?.and_then(|(directory, name)| directory.read_file(name).ok());
        let text = text.unwrap_or_default();
        remove(own, path, interrupt)?;
        Ok(Forgotten { path: path.clone(), text })
    };
    let forgotten = garbage.outputs.par_iter().map(forget).collect::<Result<_>>()?;
    garbage.objects.par_iter().try_for_each(|(object, _)| -> Result<()> {
        stop_if(interrupt)?;
        own.retire(&store.object(object), format!("{GONE}{object}").as_ref())
    })?;
    if let Some(objects) = own.directory(store.objects())?.filter(|_| !garbage.objects.is_empty()) {
        // What a record names is whole even after a power cut.
        objects.sync_file_system()?;
    }
    Ok(forgotten)
}

/// Writes again the records whose objects all exist.
///
/// # Errors
/// When one cannot be written.
pub fn remember(store: &Store, own: &Own, forgotten: &[Forgotten]) -> Result<()> {
    const FILE: u32 = 0o644;
    let is_there =
        |object: &ObjectName| own.kind(&store.object(object)).is_ok_and(|kind| kind.is_some());
    for Forgotten { path, text } in forgotten {
        let results = Results::parse(text).unwrap_or_default().0;
        if results.iter().any(|outputs| outputs.values().all(is_there))
            && let Some((directory, name)) = own.locate(path)?
        {
            directory.overwrite(name, text, FILE)?;
        }
    }
    Ok(())
}

/// Deletes the bytes of retired objects, and their records.
///
/// # Errors
/// When the file system refuses, or on an interrupt.
pub fn erase(store: &Store, own: &Own, garbage: &Garbage, interrupt: &Interrupt) -> Result<()> {
    garbage
        .objects
        .par_iter()
        .try_for_each(|(object, _)| remove(own, &gone(store, object), interrupt))?;
    let about = garbage
        .derivations
        .iter()
        .chain(&garbage.logs)
        .chain(&garbage.sources)
        .map(|dead| &dead.path);
    let files: Vec<&PathBuf> = garbage.records.iter().chain(about).collect();
    files.par_iter().try_for_each(|path| remove(own, path, interrupt))?;
    // What the objects that went alone had.
    let unused = unused_files(store, own)?;
    unused.par_iter().try_for_each(|path| remove(own, path, interrupt))?;
    for link in &garbage.links {
        remove(own, link, interrupt)?;
        // The directories of a version and of a name, when it was the last in them.
        for above in link.ancestors().skip(1).take_while(|above| *above != store.packages()) {
            if !own.remove_if_empty(above)? {
                break;
            }
        }
    }
    Ok(())
}

fn gone(store: &Store, object: &ObjectName) -> PathBuf {
    store.objects().join(format!("{GONE}{object}"))
}

fn stop_if(interrupt: &Interrupt) -> Result<()> {
    if interrupt.is_set() { Err(LockError::Interrupted.into()) } else { Ok(()) }
}

fn remove(own: &Own, path: &Path, interrupt: &Interrupt) -> Result<()> {
    stop_if(interrupt)?;
    own.remove(path)
}

fn dead_at(own: &Own, path: PathBuf) -> Dead {
    Dead { size: own.size_of(&path), path }
}

/// Returns the shared files that no object has.
fn unused_files(store: &Store, own: &Own) -> Result<Vec<PathBuf>> {
    let directory = store.shared_files();
    let Some(files) = own.directory(&directory)? else { return Ok(Vec::new()) };
    let names =
        shared::unused(&files)?.into_iter().filter(|name| is_ours(RootPlace::SharedFiles, name));
    Ok(names.map(|name| directory.join(name)).collect())
}

/// Returns the hashes whose outputs are all alive, and the files of the others.
fn sort_outputs(
    store: &Store,
    own: &Own,
    is_alive: impl Fn(&ObjectName) -> bool + Sync,
) -> Result<(BTreeSet<Hash>, Vec<PathBuf>)> {
    let directory = store.all_outputs();
    let names = own.list_ours(RootPlace::Outputs, &directory)?;
    let open = own.directory(&directory)?;
    let observe = |name: &OsString| {
        let path = directory.join(name);
        let hash = name.to_str().and_then(|name| Hash::parse(name).ok());
        let text = open.as_ref().and_then(|open| open.read_file(name).ok());
        let results = text.and_then(|text| Results::parse(&text)).unwrap_or_default().0;
        let is_kept = results.iter().any(|outputs| outputs.values().all(&is_alive));
        (path, hash.filter(|_| is_kept))
    };
    let looked: Vec<(PathBuf, Option<Hash>)> = names.par_iter().map(observe).collect();
    let kept = looked.iter().filter_map(|(_, hash)| *hash).collect();
    Ok((
        kept,
        looked.into_iter().filter(|(_, hash)| hash.is_none()).map(|(path, _)| path).collect(),
    ))
}

/// Returns the links for people that lead to no object.
fn dead_links(
    store: &Store,
    own: &Own,
    is_alive: impl Fn(&ObjectName) -> bool,
) -> Result<Vec<PathBuf>> {
    let mut links = package_links(store, own)?;
    links.retain(|link| {
        let target = own
            .locate(link)
            .ok()
            .flatten()
            .and_then(|(above, name)| above.read_link(name).ok().flatten());
        target.and_then(|target| object_of_link(&target)).is_some_and(|object| !is_alive(&object))
    });
    Ok(links)
}

/// Returns the links for people, `pkg/NAME/VERSION/PLATFORM`, that point to an allowed place.
///
/// # Errors
/// When a directory cannot be listed, or a link cannot be read.
pub fn package_links(store: &Store, own: &Own) -> Result<Vec<PathBuf>> {
    let directories = |above: &Path| -> Result<Vec<PathBuf>> {
        let entries = own.list(above)?.into_iter().filter(|(_, kind)| *kind == FileKind::Directory);
        Ok(entries.map(|(name, _)| above.join(name)).collect())
    };
    let mut found = Vec::new();
    for name in directories(&store.packages())? {
        for version in directories(&name)? {
            let Some(open) = own.directory(&version)? else { continue };
            for (platform, kind) in open.list()? {
                let target =
                    if kind == FileKind::Symlink { open.read_link(&platform)? } else { None };
                if target.is_some_and(|target| object_of_link(&target).is_some()) {
                    found.push(version.join(platform));
                }
            }
        }
    }
    Ok(found)
}

/// Returns the object that a link for people points to, if sys.lua made it.
fn object_of_link(target: &Path) -> Option<ObjectName> {
    let name = target.strip_prefix("../../../obj").ok()?;
    ObjectName::of_file(name.to_str()?)
}
