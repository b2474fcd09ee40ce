//! What a build left becomes objects.
//!
//! An output was built at `bNN/TEMPORARY`, a path as long as the final one. It is moved to a place
//! where no build can write. Its content hash, with its own name zeroed, gives the final name; then
//! its own names are rewritten, its modes and times normalised, and one rename makes it appear,
//! whole.

mod file;
mod names;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::info::{self, ObjectInfo, read_info};
use super::publication::{Existing, Publisher, make_accessible, normalise, numbered, standing};
use super::tree::{self, Digest};
use super::{Error, Outputs, Result, Slot, Store};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, OutputName, Version};
use crate::platform::jail::Level;
use crate::platform::{self, Directory, FileKind};
use crate::value::Text;

pub use file::{File, import_files};
pub(crate) use names::add_own_name;
pub use names::patterns_of;
use names::{
    Fixed, paths_of, patterns, refers, refuse_building, refuse_placeholders, rewrite_names,
};
pub use source::{SourceTree, import_source};

/// A finished build, before publication.
pub struct Build<'a> {
    /// The derivation's hash.
    pub deriver: Hash,
    /// The derivation's name.
    pub name: &'a Name,
    /// The derivation's version.
    pub version: Option<&'a Version>,
    /// The outputs and the names they were built under in the slot.
    pub outputs: &'a BTreeMap<OutputName, ObjectName>,
    /// The objects that the build could refer to.
    pub dependencies: &'a BTreeSet<ObjectName>,
    /// Is told of each object that is new.
    pub published: &'a (dyn Fn(&ObjectName, &ObjectInfo) + Sync),
    /// The NAR hash that the only output must have, when one is declared.
    pub expected: Option<Hash>,
    /// How far its programs were confined.
    pub sandbox: Level,
}

impl Build<'_> {
    fn slot(&self) -> Slot {
        Slot::of(self.deriver)
    }

    /// Returns where the build made an output.
    fn built(&self, store: &Store, output: &OutputName) -> PathBuf {
        let name = self.outputs.get(output).map(ObjectName::as_str).unwrap_or_default();
        store.building(self.slot()).join(name)
    }

    /// Returns the name of an output while it is prepared. The holder of the derivation's lock has
    /// it alone.
    fn staged_name(&self, output: &OutputName) -> OsString {
        format!("{}-{output}", self.deriver).into()
    }

    /// Returns where that is.
    fn staged(&self, store: &Store, output: &OutputName) -> PathBuf {
        store.staging().join(self.staged_name(output))
    }
}

/// Publishes all outputs of a build; returns the objects they became. `check` runs beside the
/// hashing, and its failure prevents publication. The caller holds the locks of the derivation and
/// of its slot.
///
/// # Errors
/// When the check fails, an output is missing or cannot be an object, or the file system refuses.
/// What the build made and was not published is gone then, or still in the slot.
pub fn import(
    store: &Store,
    build: &Build<'_>,
    check: impl FnOnce() -> Result<()> + Send,
) -> Result<Outputs> {
    import_copies(store, build, &BTreeMap::new(), check)
}

/// The same where outputs are known that were hashed and searched while they were copied, and that
/// nothing changed since: these are not read again.
///
/// # Errors
/// As [`import`].
pub fn import_copies(
    store: &Store,
    build: &Build<'_>,
    copies: &BTreeMap<OutputName, Digest>,
    check: impl FnOnce() -> Result<()> + Send,
) -> Result<Outputs> {
    let imported = stage(store, build).and_then(|()| publish_staged(store, build, copies, check));
    if imported.is_err() {
        for output in build.outputs.keys() {
            // The failure itself says more than a leftover, which the next build removes.
            let _ = platform::remove_tree(&build.staged(store, output));
        }
    }
    // Files are named as the build knows them.
    imported.map_err(|error| {
        error.map_paths(|path| {
            let place = |output| {
                let inner = path.strip_prefix(build.staged(store, output)).ok()?;
                let built = build.built(store, output);
                // Joining nothing would add a slash.
                Some(if inner.as_os_str().is_empty() { built } else { built.join(inner) })
            };
            build.outputs.keys().find_map(place)
        })
    })
}

/// Moves what the build made to where no build can write.
fn stage(store: &Store, build: &Build<'_>) -> Result<()> {
    let staging = Directory::at(&store.staging())?;
    let slot = Directory::at(&store.building(build.slot()));
    let staging = Arc::new(staging);
    for (output, name) in build.outputs {
        let missing = || Error::MissingOutput {
            output: output.to_string(),
            path: build.built(store, output),
        };
        let name = OsStr::new(name.as_str());
        let slot = match &slot {
            Ok(slot) => slot,
            Err(_) => return Err(missing()),
        };
        let Some(node) = slot.node(name)? else { return Err(missing()) };
        if node.kind == FileKind::Directory {
            // A directory can be moved only with the right to write in it.
            platform::open_up(slot, name, 0o700)?;
        }
        let staged = build.staged_name(output);
        // Left by a process that was killed while it published it.
        platform::remove_in(&staging, &staged)?;
        slot.rename_new(name, &staging, &staged)?;
        make_accessible(&staging, &staged)?;
    }
    Ok(())
}

fn publish_staged(
    store: &Store,
    build: &Build<'_>,
    copies: &BTreeMap<OutputName, Digest>,
    check: impl FnOnce() -> Result<()> + Send,
) -> Result<Outputs> {
    let staging = Directory::at(&store.staging())?;
    let hash = |output: &OutputName| {
        if let Some(digest) = copies.get(output) {
            let node = staging.node(&build.staged_name(output))?;
            let names_own = build.outputs.keys().any(|other| refers(digest, build, other));
            if !names_own && node.is_some_and(|node| node.id == digest.id) {
                return Ok(digest.clone());
            }
        }
        tree::hash_replacing(
            &build.staged(store, output),
            &patterns(store, build, output, &Outputs::default()),
            store.interrupt(),
        )
    };
    let hash_all = || {
        build
            .outputs
            .keys()
            .collect::<Vec<_>>()
            .par_iter()
            .map(|output| hash(output))
            .collect::<Result<Vec<Digest>>>()
    };
    // A small output is published outside of the pool: to spread it there would cost more than to
    // hash it.
    let is_spread = rayon::current_thread_index().is_some();
    let (checked, hashed) =
        if is_spread { rayon::join(check, hash_all) } else { (check(), hash_all()) };
    let mut digests: BTreeMap<&OutputName, Digest> = build.outputs.keys().zip(hashed?).collect();
    checked?;
    // Before anything is published: a failed build leaves no object.
    for digest in digests.values() {
        refuse_placeholders(&digest.found[Fixed::Placeholder.place(build)])?;
        refuse_building(build, &digest.found[Fixed::Slot.place(build)])?;
    }
    let mut finished = Outputs::default();
    for output in reference_order(build, &digests)? {
        let mut digest = digests.remove(output).ok_or_else(|| unknown_output(output))?;
        let siblings: Vec<_> = build.outputs.keys().filter(|other| *other != output).collect();
        if siblings.iter().any(|sibling| refers(&digest, build, sibling)) {
            // The names of its siblings are known by now and belong to its content.
            digest = tree::hash_replacing(
                &build.staged(store, output),
                &patterns(store, build, output, &finished),
                store.interrupt(),
            )?;
        }
        let object = publish(store, build, output, &digest, &finished)?;
        finished.insert(output.clone(), object);
    }
    Ok(finished)
}

fn unknown_output(output: &OutputName) -> Error {
    Error::MissingOutput { output: output.to_string(), path: PathBuf::new() }
}

/// Returns the outputs so that each comes after those it refers to.
fn reference_order<'a>(
    build: &'a Build<'_>,
    digests: &BTreeMap<&'a OutputName, Digest>,
) -> Result<Vec<&'a OutputName>> {
    let mut order: Vec<&OutputName> = Vec::new();
    let mut rest: Vec<&OutputName> = build.outputs.keys().collect();
    while !rest.is_empty() {
        let free = |output: &&&OutputName| {
            rest.iter().all(|other| other == *output || !refers(&digests[**output], build, other))
        };
        match rest.iter().find(free).copied() {
            Some(output) => {
                rest.retain(|other| *other != output);
                order.push(output);
            }
            None => return Err(cycle(build, digests, &rest)),
        }
    }
    Ok(order)
}

/// Describes a cycle among outputs that refer to each other.
fn cycle(
    build: &Build<'_>,
    digests: &BTreeMap<&OutputName, Digest>,
    rest: &[&OutputName],
) -> Error {
    let next = |output: &OutputName| {
        rest.iter()
            .find(|other| **other != output && refers(&digests[output], build, other))
            .copied()
            .unwrap_or(rest[0])
    };
    // After as many steps as there are outputs, the walk is on a cycle.
    let first = rest.iter().fold(rest[0], |output, _| next(output));
    let second = next(first);
    let file = |from: &OutputName, to: &OutputName| {
        paths_of(&digests[from], build, to).next().cloned().unwrap_or_default()
    };
    Error::Cycle {
        first: first.to_string(),
        second: second.to_string(),
        first_file: file(first, second),
        second_file: file(second, next(second)),
    }
}

fn publish(
    store: &Store,
    build: &Build<'_>,
    output: &OutputName,
    digest: &Digest,
    finished: &Outputs,
) -> Result<ObjectName> {
    let publisher = Publisher::new(store)?;
    let staging = &publisher.staging;
    let name = build.staged_name(output);
    let names_itself_or_siblings = build.outputs.keys().any(|other| refers(digest, build, other));
    if !names_itself_or_siblings {
        // Outputs without names to rewrite are finished before the wait.
        normalise(staging, &name, store.interrupt())?;
    }
    let _lock = store.lock_publication()?;
    for counter in 0u64.. {
        let object =
            ObjectName::new(build.name, build.version, output, numbered(digest.nar, counter));
        match standing(store, &object, digest.nar)? {
            Existing::Nothing => {}
            Existing::Same => {
                let known = read_info(store, &object)?.map_or(digest.nar, |info| info.nar);
                check_expected(build, known)?;
                platform::remove_in(staging, &name)?;
                return Ok(object);
            }
            Existing::Other => continue,
        }
        let mut as_it_is = None;
        if names_itself_or_siblings {
            as_it_is = rewrite_names(store, staging, build, output, digest, finished, &object)?;
            normalise(staging, &name, store.interrupt())?;
        }
        let read = as_it_is.as_ref().unwrap_or(digest);
        let nar = read.nar;
        check_expected(build, nar)?;
        let references = build.dependencies.iter().zip(&digest.found[Fixed::End.place(build)..]);
        let siblings = finished.iter().filter(|(sibling, _)| refers(digest, build, sibling));
        let own = refers(digest, build, output).then(|| object.clone());
        let references: BTreeSet<ObjectName> = references
            .filter(|(_, found)| !found.is_empty())
            .map(|(name, _)| name.clone())
            .chain(siblings.map(|(_, object)| object.clone()))
            .chain(own)
            .collect();
        let info = ObjectInfo {
            version: info::VERSION,
            name: build.name.clone(),
            derivation_version: build.version.cloned(),
            output: output.clone(),
            content: digest.nar,
            nar,
            size: digest.size,
            deriver: build.deriver,
            references: references.into_iter().collect(),
            relocatable: digest.found[Fixed::Root.place(build)].is_empty(),
            case_collisions: digest
                .case_collisions
                .iter()
                .map(|path| Text(platform::bytes_of_path(path)))
                .collect(),
            borrowed: false,
            sandbox: build.sandbox,
        };
        (build.published)(&object, &info);
        publisher.put(&name, &object, &info, Some(read.id))?;
        return Ok(object);
    }
    Err(unknown_output(output))
}

/// Refuses an output whose declared hash is another one.
fn check_expected(build: &Build<'_>, built: Hash) -> Result<()> {
    match build.expected {
        Some(declared) if declared != built => Err(Error::WrongOutput { declared, built }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
