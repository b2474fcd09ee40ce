//! What is recorded of derivations: their description, their outputs, the link for people.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use super::outputs::Results;
use super::{Error, Outputs, Result, Store};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, Version};
use crate::platform;

/// The number of results that are kept for one recipe, the newest ones: each has other pins.
const MOST_RESULTS: usize = 32;

/// Returns what a recipe or resolved hash became, if a result of its record is wanted and all of
/// its objects are there.
///
/// A damaged record counts as none: the build that follows writes it anew.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn get_outputs(
    store: &Store,
    hash: Hash,
    is_wanted: impl Fn(&Outputs) -> bool,
) -> Result<Option<Outputs>> {
    let results = recorded_outputs(store, hash)?;
    Ok(results.into_iter().find(|outputs| is_wanted(outputs) && has_objects(store, outputs)))
}

/// Returns whether all objects of a result are there.
pub fn has_objects(store: &Store, outputs: &Outputs) -> bool {
    outputs.values().all(|object| {
        platform::exists(&store.object(object)) && !store.session().is_damaged(object)
    })
}

/// Returns what a recipe or resolved hash became, each time with other pins, whether or not the
/// objects are still there.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn recorded_outputs(store: &Store, hash: Hash) -> Result<Vec<Outputs>> {
    let text = match platform::read_file(&store.outputs(hash)) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(Results::parse(&text).unwrap_or_default().0)
}

/// Returns every object that some derivation is recorded to have become.
///
/// # Errors
/// When the records cannot be listed or read.
pub fn all_outputs(store: &Store) -> Result<BTreeSet<ObjectName>> {
    let entries = match platform::list_directory(&store.all_outputs()) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let mut objects = BTreeSet::new();
    for hash in entries.iter().filter_map(|(name, _)| Hash::parse(name.to_str()?).ok()) {
        let results = recorded_outputs(store, hash)?;
        objects.extend(results.into_iter().flatten().map(|(_, object)| object));
    }
    Ok(objects)
}

/// Returns the hashes of the derivations whose hash begins with `prefix`, in order.
///
/// # Errors
/// When the directory cannot be listed.
pub fn list_derivations(store: &Store, prefix: &str) -> Result<Vec<Hash>> {
    let entries = match platform::list_directory(&store.derivations()) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let names = entries.iter().filter_map(|(name, _)| name.to_str()?.strip_suffix(".drv"));
    Ok(names
        .filter(|name| name.starts_with(prefix))
        .filter_map(|name| Hash::parse(name).ok())
        .collect())
}

/// Records the result of a recipe or resolved hash. Results with other pins stay; a result without
/// pins is always valid, and is the only one.
///
/// # Errors
/// When the record cannot be written.
pub fn write_outputs(store: &Store, hash: Hash, outputs: &Outputs) -> Result<()> {
    let mut results = vec![outputs.clone()];
    if !outputs.pins().is_empty() {
        let others = recorded_outputs(store, hash)?;
        results.extend(others.into_iter().filter(|other| other.pins() != outputs.pins()));
        results.truncate(MOST_RESULTS);
    }
    Ok(platform::write_record(&store.outputs(hash), &Results(results).to_text())?)
}

/// Writes the description of a derivation, unless it exists. In place, because builds lock the
/// file, which only its owner may do; every writer writes the same.
///
/// # Errors
/// When it cannot be written.
pub fn write_derivation(store: &Store, hash: Hash, description: &impl Serialize) -> Result<()> {
    let path = store.derivation(hash);
    let text = to_text(description);
    let is_whole = platform::metadata_of(&path)
        .is_ok_and(|found| found.is_some_and(|found| found.len() == text.len() as u64));
    if is_whole { Ok(()) } else { Ok(platform::write_file_as(&path, &text, 0o600)?) }
}

/// Returns the description of a derivation.
///
/// # Errors
/// When it is missing or damaged.
pub fn read_derivation(store: &Store, hash: Hash) -> Result<Json> {
    let path = store.derivation(hash);
    let text = platform::read_file(&path)?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::Damaged { path, problem: error.to_string() })
}

/// Makes `pkg/<name>/<version>/<platform>` point to an object.
///
/// # Errors
/// When the link cannot be written.
pub fn write_package_link(
    store: &Store,
    name: &Name,
    version: &Version,
    platform_name: &str,
    object: &ObjectName,
) -> Result<()> {
    let link = store.package(name, version, platform_name);
    let target = Path::new("../../../obj").join(object.as_str());
    if platform::read_link(&link).is_ok_and(|present| present == target) {
        return Ok(());
    }
    if let Some(parent) = link.parent() {
        platform::create_directories(parent)?;
    }
    Ok(platform::replace_symlink(&target, &link)?)
}

fn to_text(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}
