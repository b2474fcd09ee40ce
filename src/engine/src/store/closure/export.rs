//! Writing a closure: which objects belong to it, and their archives one after the other.
//!
//! An object is hashed and searched while it is written. So a damaged object, or one with the path
//! of a store, is only found at its end: the output until then reads as a truncated closure.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::super::info::{ObjectInfo, read_info};
use super::super::verify::content_path;
use super::super::{Store, tree};
use super::{Entry, Error, FORMAT, Header, Result, VERSION};
use crate::hash::Sink;
use crate::names::ObjectName;
use crate::platform;
use crate::settings::Interrupt;

/// How hard zstd tries: as little as it can, at which programs become two fifths of their size.
/// Level 3 takes half as long again for a third.
const LEVEL: i32 = 1;

/// More threads than this only wait for the hash.
const MOST_THREADS: usize = 4;

/// Bytes that are compressed at a time, and how many such pieces may wait.
const PIECE: usize = 256 * 1024;
const WAITING: usize = 8;

/// The interval between checks for an interrupt.
const TICK: Duration = Duration::from_millis(100);

/// The objects of a closure, in order.
pub struct Export {
    header: Header,
    paths: Vec<PathBuf>,
}

/// The written objects.
#[derive(Debug)]
pub struct Exported {
    /// The objects that were asked for.
    pub roots: Vec<ObjectName>,
    /// All objects with the sizes of their files in bytes, each after those it refers to.
    pub objects: Vec<(ObjectName, u64)>,
    /// The length of the closure in bytes.
    pub length: u64,
}

/// Collects what some objects refer to, directly or through others. `system` is the store that
/// objects may be borrowed from. Reads records only, so an object that cannot be moved is found
/// before anything is written.
///
/// # Errors
/// When one is missing, has no good record or names the place of its store.
pub fn collect(
    store: &Store,
    system: Option<&Store>,
    roots: &[ObjectName],
    platform_name: &str,
) -> Result<Export> {
    let mut collection =
        Collection { store, system, seen: BTreeSet::new(), objects: Vec::new(), paths: Vec::new() };
    for root in roots {
        collection.add(root)?;
    }
    let unique: BTreeSet<&ObjectName> = roots.iter().collect();
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        platform: platform_name.to_owned(),
        roots: unique.into_iter().cloned().collect(),
        objects: collection.objects,
    };
    Ok(Export { header, paths: collection.paths })
}

struct Collection<'a> {
    store: &'a Store,
    system: Option<&'a Store>,
    seen: BTreeSet<ObjectName>,
    objects: Vec<Entry>,
    paths: Vec<PathBuf>,
}

impl Collection<'_> {
    /// Adds an object after everything that it refers to. Without recursion: chains of references
    /// may be long.
    fn add(&mut self, root: &ObjectName) -> Result<()> {
        let mut open: Vec<(ObjectName, ObjectInfo, PathBuf, usize)> = Vec::new();
        if self.seen.insert(root.clone()) {
            open.push(self.observe(root, None)?);
        }
        while let Some((object, info, _, next)) = open.last_mut() {
            let Some(reference) = info.references.get(*next).cloned() else {
                if let Some((object, info, path, _)) = open.pop() {
                    self.objects.push(Entry { object, info });
                    self.paths.push(path);
                }
                continue;
            };
            *next += 1;
            if self.seen.insert(reference.clone()) {
                let object = object.clone();
                open.push(self.observe(&reference, Some(&object))?);
            }
        }
        Ok(())
    }

    fn observe(
        &self,
        object: &ObjectName,
        needed_by: Option<&ObjectName>,
    ) -> Result<(ObjectName, ObjectInfo, PathBuf, usize)> {
        // Below what is borrowed, only the system's store knows more.
        let found = [Some(self.store), self.system].into_iter().flatten().find_map(|store| {
            let info = read_info(store, object).transpose()?;
            Some(info.and_then(|info| Ok((content_path(store, object, Some(&info))?, info))))
        });
        let missing = || Error::Missing { object: object.clone(), needed_by: needed_by.cloned() };
        let (path, mut info) = found.transpose()?.ok_or_else(missing)?;
        if !platform::exists(&path) {
            return Err(missing());
        }
        if !info.relocatable {
            return Err(self.fixed(object, needed_by, &path, &info)?);
        }
        // A link is how it is used here.
        info.borrowed = false;
        Ok((object.clone(), info, path, 0))
    }

    /// Finds out what in an object names a place.
    fn fixed(
        &self,
        object: &ObjectName,
        needed_by: Option<&ObjectName>,
        path: &std::path::Path,
        info: &ObjectInfo,
    ) -> Result<Error> {
        let places = places(self.store, self.system, &info.references);
        let patterns: Vec<_> = places.iter().map(|(place, _)| (place.clone(), None)).collect();
        let digest = tree::hash_replacing(path, &patterns, self.store.interrupt())?;
        let named = digest.found.into_iter().zip(places).find(|(files, _)| !files.is_empty());
        let (files, (_, place)) =
            named.unwrap_or_else(|| (Vec::new(), (Vec::new(), "the root of its store".to_owned())));
        Ok(Error::Fixed {
            object: object.clone(),
            needed_by: needed_by.cloned(),
            files: relative(&files, path),
            place,
        })
    }
}

fn relative(files: &[PathBuf], top: &std::path::Path) -> Vec<PathBuf> {
    files.iter().map(|file| file.strip_prefix(top).unwrap_or(file).to_owned()).collect()
}

/// What an object must not name to be used elsewhere, and what that is: this root, also by its path
/// without links, the system's, and a path of any store to what the object refers to.
fn places(
    store: &Store,
    system: Option<&Store>,
    references: &[ObjectName],
) -> Vec<(Vec<u8>, String)> {
    let mut places: Vec<(Vec<u8>, String)> = Vec::new();
    for root in [store.root().to_owned(), platform::canonical(store.root())] {
        let path = platform::bytes_of_path(&root);
        if !places.iter().any(|(known, _)| *known == path) {
            places.push((path, format!("the root {}", root.display())));
        }
    }
    if let Some(system) = system.filter(|system| system.root() != store.root()) {
        // Its root alone is a short name, which any text may have.
        places.push((
            platform::bytes_of_path(system.objects()),
            format!("the root {}", system.root().display()),
        ));
    }
    let absolute = |object: &ObjectName| format!("/store/obj/{object}").into_bytes();
    places.extend(
        references.iter().map(|object| (absolute(object), format!("an absolute path of {object}"))),
    );
    places
}

/// Writes a closure.
///
/// # Errors
/// When an object is damaged or contains the path of a store, the writer fails, or on an interrupt.
/// The output until then is not a closure.
pub fn export(
    store: &Store,
    system: Option<&Store>,
    closure: Export,
    writer: impl Write,
    jobs: usize,
    interrupt: &Interrupt,
) -> Result<Exported> {
    let mut encoder = zstd::stream::write::Encoder::new(Counted { writer, length: 0 }, LEVEL)
        .map_err(Error::Write)?;
    encoder.include_checksum(true).map_err(Error::Write)?;
    let threads = u32::try_from(jobs.min(MOST_THREADS)).unwrap_or_default();
    encoder.multithread(threads).map_err(Error::Write)?;
    let mut text =
        serde_json::to_vec(&closure.header).map_err(|error| Error::Write(error.into()))?;
    text.push(b'\n');
    encoder.write_all(&text).map_err(Error::Write)?;
    let closed = AtomicBool::new(false);
    let (sender, receiver) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let (objects, paths, closed) = (&closure.header.objects, &closure.paths, &closed);
        // Reading and hashing run beside compression, which stays here: the writer may be of this
        // thread only.
        let walk = scope.spawn(move || {
            let mut pipe = Pipe { sender, piece: Vec::with_capacity(PIECE), closed };
            let written = objects
                .iter()
                .zip(paths)
                .try_for_each(|(entry, path)| write_object(store, system, entry, path, &mut pipe));
            pipe.flush();
            written
        });
        let written = compress(&receiver, &mut encoder, interrupt);
        closed.store(true, Ordering::Relaxed);
        drop(receiver);
        let walked = walk.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(walked)
    })?;
    let mut counted = encoder.finish().map_err(Error::Write)?;
    counted.writer.flush().map_err(Error::Write)?;
    let objects =
        closure.header.objects.into_iter().map(|entry| (entry.object, entry.info.size)).collect();
    Ok(Exported { roots: closure.header.roots, objects, length: counted.length })
}

fn compress(
    receiver: &Receiver<Vec<u8>>,
    encoder: &mut impl Write,
    interrupt: &Interrupt,
) -> Result<()> {
    loop {
        if interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        match receiver.recv_timeout(TICK) {
            Ok(piece) => encoder.write_all(&piece).map_err(Error::Write)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn write_object(
    store: &Store,
    system: Option<&Store>,
    Entry { object, info }: &Entry,
    path: &std::path::Path,
    pipe: &mut Pipe<'_>,
) -> Result<()> {
    let places = places(store, system, &info.references);
    let names = info.references.iter().map(|name| name.as_str().as_bytes().to_vec());
    let patterns: Vec<_> =
        places.iter().map(|(place, _)| place.clone()).chain(names).map(|one| (one, None)).collect();
    let digest = tree::archive(path, &patterns, pipe, store.interrupt())?;
    if digest.nar != info.nar {
        let problem =
            format!("its content hashes to {}, and its record says {}", digest.nar, info.nar);
        return Err(Error::DamagedObject { object: object.clone(), problem });
    }
    let named = digest.found.iter().zip(&places).find(|(files, _)| !files.is_empty());
    if let Some((files, (_, place))) = named {
        return Err(Error::Fixed {
            object: object.clone(),
            needed_by: None,
            files: relative(files, path),
            place: place.clone(),
        });
    }
    let unnamed = digest.found[places.len()..]
        .iter()
        .zip(&info.references)
        .find(|(files, _)| files.is_empty());
    if let Some((_, reference)) = unnamed {
        let problem =
            format!("its record says that it refers to {reference}, and no file of it does");
        return Err(Error::DamagedObject { object: object.clone(), problem });
    }
    Ok(())
}

/// Takes an archive in pieces to another thread.
struct Pipe<'a> {
    sender: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    closed: &'a AtomicBool,
}

impl Pipe<'_> {
    fn flush(&mut self) {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if !piece.is_empty() && self.sender.send(piece).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }
}

impl Sink for Pipe<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush();
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Counts what is written.
struct Counted<W: Write> {
    writer: W,
    length: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}
