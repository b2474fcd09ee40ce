//! Looking at objects again: whether they are still what their records say.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::info::{ObjectInfo, read_info};
use super::record::all_outputs;
use super::{Error, Result, Store, tree};
use crate::names::ObjectName;
use crate::platform::lock::LockError;
use crate::platform::{self, Directory, FileKind, Step, Walk};
use crate::settings::Interrupt;

/// Something wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The object.
    pub object: ObjectName,
    /// What is wrong, in words.
    pub problem: String,
}

/// What a look at all objects found.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many objects were looked at.
    pub checked: usize,
    /// What is wrong, in the order of names.
    pub damaged: Vec<Damage>,
}

/// Hashes every object again, on all threads of the current pool. `named` are objects that must be
/// there.
///
/// # Errors
/// When the directory of objects cannot be listed, or on an interrupt.
pub fn verify(
    store: &Store,
    named: &BTreeSet<ObjectName>,
    interrupt: &Interrupt,
) -> Result<Findings> {
    let objects = names_in(store.objects(), "")?;
    let mut damaged: Vec<Damage> = objects
        .clone()
        .into_par_iter()
        .filter(|_| !interrupt.is_set())
        .filter_map(|object| {
            observe(store, &object).err().map(|problem| Damage { object, problem })
        })
        .collect();
    if interrupt.is_set() {
        return Err(LockError::Interrupted.into());
    }
    // A record of an object that nothing names is what an interrupted build left.
    let expected: BTreeSet<ObjectName> =
        all_outputs(store)?.into_iter().chain(named.iter().cloned()).collect();
    // A repair beside this may have set a damaged object aside since: it is named once.
    let found: BTreeSet<ObjectName> = damaged.iter().map(|one| one.object.clone()).collect();
    let missing = expected
        .difference(&found)
        .filter(|object| !platform::exists(&store.object(object)))
        .cloned();
    damaged.extend(missing.map(|object| Damage { object, problem: "it is missing".to_owned() }));
    damaged.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(Findings { checked: objects.len(), damaged })
}

/// Omits what is not damage any more: without a lock, a gc may have removed an object during the
/// check, or a build may have added one.
///
/// # Errors
/// When the records cannot be listed.
pub fn observe_again(
    store: &Store,
    named: &BTreeSet<ObjectName>,
    findings: &mut Findings,
) -> Result<()> {
    let recorded = all_outputs(store)?;
    findings.damaged.retain(|damage| {
        let object = &damage.object;
        if platform::exists(&store.object(object)) {
            observe(store, object).is_err()
        } else {
            recorded.contains(object) || named.contains(object)
        }
    });
    Ok(())
}

/// Returns the objects of a directory whose entries are object names and a suffix.
fn names_in(directory: &Path, suffix: &str) -> Result<Vec<ObjectName>> {
    let entries = match platform::list_directory(directory) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let name =
        |name: std::ffi::OsString| ObjectName::parse(name.to_str()?.strip_suffix(suffix)?).ok();
    Ok(entries.into_iter().filter_map(|(entry, _)| name(entry)).collect())
}

/// Returns an object and everything that refers to it, directly or through others.
///
/// # Errors
/// When the records cannot be listed.
pub fn referrers(store: &Store, object: &ObjectName) -> Result<BTreeSet<ObjectName>> {
    let mut infos = Vec::new();
    for name in names_in(&store.info_directory(), ".json")? {
        // A damaged record tells nothing.
        if let Ok(Some(info)) = read_info(store, &name) {
            infos.push((name, info.references));
        }
    }
    let mut found = BTreeSet::from([object.clone()]);
    loop {
        let before = found.len();
        for (name, references) in &infos {
            if references.iter().any(|reference| found.contains(reference)) {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return Ok(found);
        }
    }
}

/// Compares an object with its record; says what is wrong.
///
/// # Errors
/// The problem, in words.
pub fn observe(store: &Store, object: &ObjectName) -> std::result::Result<(), String> {
    let info = match read_info(store, object) {
        Ok(Some(info)) => info,
        Ok(None) => return Err("it has no record".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let path = content_path(store, object, Some(&info)).map_err(|error| error.to_string())?;
    let objects = path.parent().unwrap_or(store.objects());
    let owner = platform::observe(objects).map_err(|error| error.to_string())?;
    let owner = owner.ok_or_else(|| format!("{} is missing", objects.display()))?.owner;
    if let Some(problem) = wrong_rights(&path, owner).map_err(|error| error.to_string())? {
        return Err(problem);
    }
    match tree::hash(&path, store.interrupt()) {
        Ok(digest) if digest.nar == info.nar => Ok(()),
        Ok(digest) => {
            Err(format!("its content hashes to {}, and its record says {}", digest.nar, info.nar))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Returns whether an object that is there has the bytes that its record tells of, whatever its
/// modes.
///
/// # Errors
/// When it cannot be read, or on an interrupt.
pub fn has_bytes(store: &Store, object: &ObjectName) -> Result<bool> {
    let Ok(Some(info)) = read_info(store, object) else { return Ok(false) };
    match tree::hash(&content_path(store, object, Some(&info))?, store.interrupt()) {
        Ok(digest) => Ok(digest.nar == info.nar),
        // A socket or a pipe that something put there.
        Err(Error::Unstorable { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns where the bytes of an object are: in its own place, or in that of the system's store.
///
/// # Errors
/// When it should be a link there and is none.
pub fn content_path(
    store: &Store,
    object: &ObjectName,
    info: Option<&ObjectInfo>,
) -> platform::Result<PathBuf> {
    let path = store.object(object);
    if info.is_some_and(|info| info.borrowed) { platform::read_link(&path) } else { Ok(path) }
}

/// Says what is wrong with the first path whose mode or owner is not that of an object, which
/// belongs to `owner`.
fn wrong_rights(path: &Path, owner: u32) -> platform::Result<Option<String>> {
    let (directory, name) = platform::locate(path)?;
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step()? {
        let Step::Node { directory, name, .. } = step else { continue };
        let Some(node) = directory.node(&name)? else { continue };
        let problem = if node.owner != owner {
            "belongs to another user"
        } else if node.kind != FileKind::Symlink && !platform::is_object_mode(&node) {
            "is not read-only"
        } else {
            continue;
        };
        return Ok(Some(format!("{} {problem}", directory.path().join(&name).display())));
    }
    Ok(None)
}

/// Moves a damaged object out of the way; returns where it is now, or `None` when it is missing.
///
/// # Errors
/// When the file system refuses.
pub fn quarantine(store: &Store, object: &ObjectName) -> Result<Option<PathBuf>> {
    let objects = match Directory::at(store.objects()) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => Arc::new(opened?),
    };
    let name = OsStr::new(object.as_str());
    let Some(node) = objects.node(name)? else { return Ok(None) };
    platform::create_directories_as(&store.quarantine(), 0o700)?;
    let quarantine = Directory::at(&store.quarantine())?;
    let place = (0u32..)
        .map(|number| OsString::from(format!("{object}.{number}")))
        .find(|place| !quarantine.has(place))
        .ok_or_else(|| Error::Unstorable {
            path: store.object(object),
            what: "damaged too often",
        })?;
    // Files in it that are whole may be those of other objects too, and stay as they are.
    platform::lift_immutable_tree(&objects, name);
    drop(objects.lift_immutable(name));
    if node.kind == FileKind::Directory {
        // A user cannot move a directory that is read-only.
        objects.directory(name)?.set_own_mode(0o755)?;
    }
    objects.rename_over(name, &quarantine, &place)?;
    Ok(Some(store.quarantine().join(place)))
}

/// Returns where damaged versions of an object are.
///
/// # Errors
/// When the directory cannot be listed.
pub fn quarantined(store: &Store, object: &ObjectName) -> Result<Vec<PathBuf>> {
    let entries = match platform::list_directory(&store.quarantine()) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        entries => entries?,
    };
    let is_of = |name: &OsString| {
        let number =
            name.to_str().and_then(|name| name.strip_prefix(object.as_str())?.strip_prefix('.'));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    Ok(entries
        .into_iter()
        .filter(|(name, _)| is_of(name))
        .map(|(name, _)| store.quarantine().join(name))
        .collect())
}
