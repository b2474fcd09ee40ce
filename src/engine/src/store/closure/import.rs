//! Reading a closure that need not be trusted. Everything is unpacked beside its place and looked
//! at first: nothing gets its name before the last byte was read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Deserialize;

use super::super::info::{self, ObjectInfo, read_info};
use super::super::publication::{
    Existing, Publisher, is_whole, normalise, numbered, protect, standing,
};
use super::super::record::write_package_link;
use super::super::self_references::Patterns;
use super::super::{Store, tree};
use super::decode::{self, Decoded};
use super::receive::{Budget, Received, receive};
use super::{Entry, Error, FORMAT, Header, LONGEST_HEADER, Result, VERSION};
use crate::names::ObjectName;
use crate::platform::lock::{Lock, Sharing};
use crate::platform::{self, Directory};
use crate::settings::{Interrupt, UnpackLimits};

/// How often names with the same nine digits are told apart: none is likely in all the world's
/// stores.
const MOST_COLLISIONS: u64 = 16;

/// What an import may do.
pub struct Limits<'a> {
    /// How large the closure may be; its ratio does not matter, since it says how large it is.
    pub unpack: &'a UnpackLimits,
    /// The platform of this machine.
    pub platform: &'a str,
    /// How long to wait for a lock.
    pub lock_timeout: Option<std::time::Duration>,
    /// Set from outside to stop.
    pub interrupt: &'a Interrupt,
}

/// The imported objects.
#[derive(Debug)]
pub struct Imported {
    /// The platform of the machine that wrote the closure.
    pub platform: String,
    /// The objects that were asked for when it was written. Each is kept alive by a link in
    /// `gc-roots`.
    pub roots: Vec<ObjectName>,
    /// What is new, with the sizes of its files in bytes.
    pub new: Vec<(ObjectName, u64)>,
    /// The existing objects.
    pub present: Vec<ObjectName>,
}

/// Reads a closure into a store. `waiting` is told the reason and the holder when the import waits.
///
/// # Errors
/// When it is not a closure, is truncated, contradicts itself or is too large, when the store
/// refuses, or on an interrupt: then nothing was imported.
pub fn import(
    store: &Store,
    source: Box<dyn Read + Send>,
    limits: &Limits<'_>,
    waiting: &mut dyn FnMut(&str, Option<u32>),
) -> Result<Imported> {
    let mut stream = decode::open(source, limits.unpack.memory, limits.interrupt)?;
    let header = read_header(&mut stream)?;
    check(&header, limits)?;
    let mut lock = |path: &Path, mode, what: &str| {
        let waiting = |pid| waiting(what, pid);
        Lock::take(path, mode, limits.lock_timeout, limits.interrupt, waiting)
            .map_err(super::super::Error::from)
    };
    // Collecting garbage waits until what is new is kept alive.
    let _store = store.create_and_lock_by(&mut |path| lock(path, Sharing::Shared, "the store"))?;
    let _import = lock(&store.closure_lock(), Sharing::Exclusive, "another import")?;
    let staging = store.staging().join("closure");
    platform::remove_tree(&staging)?;
    platform::create_directory(&staging)?;
    let imported = receive_all(store, &header, &mut stream, &staging, limits)
        .and_then(|staged| publish(store, header, staged, &staging, limits.platform));
    let removed = platform::remove_tree(&staging);
    let imported = imported?;
    removed?;
    Ok(imported)
}

fn read_header(stream: &mut Decoded) -> Result<Header> {
    #[derive(Deserialize)]
    struct Beginning {
        format: String,
        version: u64,
    }
    let mut line = Vec::new();
    stream.take(LONGEST_HEADER).read_until(b'\n', &mut line).map_err(decode::failed)?;
    if line.last() != Some(&b'\n') {
        let problem = if line.len() as u64 == LONGEST_HEADER {
            "its first line does not end"
        } else {
            "it ends in its first line"
        };
        return Err(Error::Damaged(problem.to_owned()));
    }
    let no_closure = |error: serde_json::Error| {
        Error::NoClosure(format!("its first line is another JSON: {error}"))
    };
    let beginning: Beginning = serde_json::from_slice(&line).map_err(no_closure)?;
    if beginning.format != FORMAT {
        return Err(Error::NoClosure(format!(
            "its format is `{}`",
            beginning.format.escape_debug()
        )));
    }
    if beginning.version != u64::from(VERSION) {
        return Err(Error::Newer(beginning.version));
    }
    serde_json::from_slice(&line)
        .map_err(|error| Error::Damaged(format!("its first line cannot be used: {error}")))
}

/// Refuses a header that contradicts itself.
fn check(header: &Header, limits: &Limits<'_>) -> Result<()> {
    let mut known = BTreeSet::new();
    let mut total = 0u64;
    for Entry { object, info } in &header.objects {
        let wrong = |problem: String| Err(Error::DamagedEntry { object: object.clone(), problem });
        if info.version != info::VERSION {
            return wrong(format!("the record has the unknown version {}", info.version));
        }
        let is_named_so = |counter| {
            let hash = numbered(info.content, counter);
            ObjectName::new(&info.name, info.derivation_version.as_ref(), &info.output, hash)
                == *object
        };
        if !(0..MOST_COLLISIONS).any(is_named_so) {
            return wrong(format!(
                "the name does not follow from name, version, output and hash {}",
                info.content
            ));
        }
        if !known.insert(object) {
            return wrong("the object occurs twice".to_owned());
        }
        if let Some(later) = info.references.iter().find(|reference| !known.contains(reference)) {
            return wrong(format!("the reference {later} does not come before it"));
        }
        total = total.saturating_add(info.size);
    }
    if header.objects.is_empty() {
        return Err(Error::Damaged("it has no objects".to_owned()));
    }
    if header.roots.is_empty() {
        return Err(Error::Damaged("it has no roots".to_owned()));
    }
    if let Some(unknown) = header.roots.iter().find(|root| !known.contains(root)) {
        return Err(Error::Damaged(format!("its root {unknown} is not in it")));
    }
    for (what, limit, value, most) in [
        ("bytes", "bytes", total, limits.unpack.bytes),
        ("objects", "entries", header.objects.len() as u64, limits.unpack.entries),
    ] {
        if value > most {
            return Err(Error::Limit {
                what: format!("the closure has {value} {what}"),
                limit,
                value: most,
            });
        }
    }
    Ok(())
}

/// Unpacks and checks all objects; returns the records of those that the store lacks.
fn receive_all(
    store: &Store,
    header: &Header,
    stream: &mut Decoded,
    staging: &Path,
    limits: &Limits<'_>,
) -> Result<BTreeMap<ObjectName, ObjectInfo>> {
    let present = present(store, header, limits)?;
    let needed = header.objects.iter().filter(|entry| !present.contains(&entry.object));
    let needed = needed.map(|entry| entry.info.size).fold(0, u64::saturating_add);
    if let Some(free) = platform::free_space(staging).filter(|free| *free < needed) {
        return Err(Error::NoSpace { needed, free, path: staging.to_owned() });
    }
    let mut patterns = vec![(platform::bytes_of_path(store.root()), None)];
    patterns.extend(
        header.objects.iter().map(|entry| (entry.object.as_str().as_bytes().to_vec(), None)),
    );
    let names = Patterns::new(&patterns).map_err(|error| Error::Damaged(error.to_string()))?;
    let directory = Arc::new(Directory::at(staging)?);
    let mut budget = Budget { limits: limits.unpack, entries: 0 };
    let mut staged = BTreeMap::new();
    let mut earlier = BTreeSet::new();
    for Entry { object, info } in &header.objects {
        earlier.insert(object);
        let place = (!present.contains(object)).then_some(&directory);
        let received = receive(stream, object, info.size, place, &names, &mut budget)?;
        let found =
            received.found.iter().filter_map(|number| header.objects.get(number.checked_sub(1)?));
        let references: BTreeSet<&ObjectName> = found.map(|entry| &entry.object).collect();
        compare(object, info, &received, &references, &earlier)?;
        if place.is_none() {
            continue;
        }
        let path = staging.join(object.as_str());
        check_content(object, info, &references, &path, limits.interrupt)?;
        normalise(&directory, object.as_str().as_ref(), limits.interrupt)?;
        let new = ObjectInfo {
            references: references.into_iter().cloned().collect(),
            relocatable: !received.found.contains(&0),
            case_collisions: received.case_collisions,
            borrowed: false,
            ..info.clone()
        };
        staged.insert(object.clone(), new);
    }
    match stream.fill_buf() {
        Ok([]) => Ok(staged),
        Ok(_) => Err(Error::Damaged("something follows its last object".to_owned())),
        Err(error) => Err(decode::failed(error)),
    }
}

/// Returns the objects that the store has, whole. Other content under one of the names is an error.
fn present<'a>(
    store: &Store,
    header: &'a Header,
    limits: &Limits<'_>,
) -> Result<BTreeSet<&'a ObjectName>> {
    let observe = |entry: &'a Entry| {
        if limits.interrupt.is_set() {
            return Some(Err(Error::Interrupted));
        }
        let Entry { object, info } = entry;
        // A damaged record is as good as none.
        let known = read_info(store, object).ok().flatten()?;
        if !platform::exists(&store.object(object)) {
            return None;
        }
        if known.content != info.content {
            return Some(Err(Error::Taken(object.clone())));
        }
        is_whole(store, object).then_some(Ok(object))
    };
    header.objects.par_iter().filter_map(observe).collect()
}

/// Compares an archive with what the header says of it.
fn compare(
    object: &ObjectName,
    info: &ObjectInfo,
    received: &Received,
    references: &BTreeSet<&ObjectName>,
    earlier: &BTreeSet<&ObjectName>,
) -> Result<()> {
    let wrong = |problem: String| Err(Error::DamagedEntry { object: object.clone(), problem });
    if received.nar != info.nar {
        return wrong(format!(
            "the content hashes to {}, and should to {}",
            received.nar, info.nar
        ));
    }
    if received.size != info.size {
        return wrong(format!(
            "the files have {} bytes, and should have {}",
            received.size, info.size
        ));
    }
    if let Some(unnamed) = info.references.iter().find(|reference| !references.contains(reference))
    {
        return wrong(format!("no file names {unnamed}, to which it should refer"));
    }
    if let Some(later) = references.iter().find(|reference| !earlier.contains(*reference)) {
        return wrong(format!("a file names {later}, which comes after it"));
    }
    Ok(())
}

/// Checks the hash that names an object: that of its content with its own name read as zeros.
fn check_content(
    object: &ObjectName,
    info: &ObjectInfo,
    references: &BTreeSet<&ObjectName>,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<()> {
    let content = if references.contains(object) {
        let name = object.as_str().as_bytes().to_vec();
        let zeros = vec![0; name.len()];
        let mut patterns = vec![
            ([b"obj/".as_slice(), &name].concat(), Some([b"obj/".as_slice(), &zeros].concat())),
            (name, Some(zeros)),
        ];
        let others = references.iter().filter(|reference| **reference != object);
        patterns.extend(others.map(|reference| (reference.as_str().as_bytes().to_vec(), None)));
        tree::hash_replacing(path, &patterns, interrupt)?.nar
    } else {
        info.nar
    };
    if content == info.content {
        return Ok(());
    }
    let problem = format!(
        "the content without its own name hashes to {content}, and should to {}",
        info.content
    );
    Err(Error::DamagedEntry { object: object.clone(), problem })
}

/// Gives what is new its name, each object after those it refers to, and keeps the roots alive.
fn publish(
    store: &Store,
    header: Header,
    mut staged: BTreeMap<ObjectName, ObjectInfo>,
    staging: &Path,
    platform_name: &str,
) -> Result<Imported> {
    let mut imported = Imported {
        platform: header.platform,
        roots: header.roots,
        new: Vec::new(),
        present: Vec::new(),
    };
    let lock = store.lock_publication()?;
    let publisher = Publisher::from(store, Arc::new(Directory::at(staging)?))?;
    let mut standings = BTreeMap::new();
    for (object, info) in &staged {
        // Another process may have built it.
        match standing(store, object, info.content)? {
            Existing::Other => return Err(Error::Taken(object.clone())),
            other => standings.insert(object.clone(), other),
        };
    }
    for Entry { object, .. } in header.objects {
        match (standings.remove(&object), staged.remove(&object)) {
            (Some(Existing::Nothing), Some(info)) => {
                publisher.put(object.as_str().as_ref(), &object, &info, None)?;
                if info.output.is_main()
                    && imported.platform == platform_name
                    && let Some(version) = &info.derivation_version
                {
                    write_package_link(store, &info.name, version, platform_name, &object)?;
                }
                imported.new.push((object, info.size));
            }
            _ => imported.present.push(object),
        }
    }
    drop(lock);
    protect(store, imported.new.iter().map(|(object, _)| object))?;
    for root in &imported.roots {
        let link = store.import_root(root);
        let target = store.object(root);
        if !platform::read_link(&link).is_ok_and(|present| present == target) {
            platform::replace_symlink(&target, &link)?;
        }
    }
    Ok(imported)
}
