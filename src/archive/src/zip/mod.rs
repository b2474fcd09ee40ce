//! zip, by its central directory, which must account for every byte of the file.
//!
//! The records are read here and not by a library: two entries of one name, a local header that
//! contradicts the directory, or bytes that two entries share are what attackers use, and libraries
//! choose one. Format: PKWARE's APPNOTE.TXT 6.3.10, whose sections are named below.
//!
//! First the whole directory is read and checked; then threads unpack the entries.

mod bytes;
mod central;
mod entry;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use self::bytes::read_from;
use self::central::{Central, EntryKind, Record, Records};
use self::entry::Reader;
use crate::budget::Budget;
use crate::destination::{Creation, Destination, ReadAt};
use crate::names::{self, Origin};
use crate::problem::{Problem, Result};
use crate::seen_names::{NameKind, Registry};
use crate::{Archive, tar};

/// A thread takes entries up to a number or a total size.
const BATCH_ENTRIES: usize = 32;
const BATCH_BYTES: u64 = 4 << 20;
/// More threads would only wait for the disk.
const MOST_THREADS: usize = 8;

/// Unpacks an archive; `open` opens the destination.
///
/// # Errors
/// When something in it is refused, and those of the destination.
pub fn extract<S: ReadAt + ?Sized, D: Destination>(
    archive: &Archive<'_, S>,
    open: &(dyn Fn() -> Result<D> + Sync),
    budget: &mut Budget,
) -> Result<()> {
    let central = Central::find(archive.source, archive.length)?;
    let Survey { starts, has_windows, replaced } = survey(archive, &central, budget)?;
    // A large window takes memory: then one at a time.
    let threads =
        if has_windows { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let threads = threads.min(archive.threads).clamp(1, MOST_THREADS).min(starts.len() / 4 + 1);
    let work = Work {
        archive,
        open,
        central: &central,
        starts: &starts,
        replaced: &replaced,
        records: Mutex::new(central.records(archive.source)),
        has_failed: AtomicBool::new(false),
        memory: budget.memory,
    };
    // Made before there are threads, so that a destination that cannot be made is one problem.
    drop(open()?);
    std::thread::scope(|scope| {
        let run = || work.run().inspect_err(|_| work.has_failed.store(true, Ordering::Relaxed));
        let spawn = |number| {
            std::thread::Builder::new()
                .name(format!("syslua-unzip-{number}"))
                .spawn_scoped(scope, run)
                .ok()
        };
        // Fewer threads than wanted are slower, and nothing else.
        let others: Vec<_> = (1..threads).map_while(spawn).collect();
        let own = run();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Problem::Damaged("its decoder gave up".to_owned())))
        };
        let all: Vec<Result<()>> =
            std::iter::once(own).chain(others.into_iter().map(join)).collect();
        all.into_iter().collect()
    })
}

/// Returns whether bytes end as an archive does.
pub fn has_end<S: ReadAt + ?Sized>(source: &S, length: u64) -> bool {
    Central::find(source, length).is_ok()
}

/// What is known of all entries together.
struct Survey {
    /// Where they begin, in order.
    starts: Vec<u64>,
    /// Whether some need a window of zstd or xz.
    has_windows: bool,
    /// Entries that a later one of the same name replaces, by where they begin.
    replaced: HashSet<u64>,
}

/// Reads the whole directory and checks what it says.
fn survey<S: ReadAt + ?Sized>(
    archive: &Archive<'_, S>,
    central: &Central,
    budget: &mut Budget,
) -> Result<Survey> {
    let options = archive.options;
    let mut registry = Registry::new(options.limits.entries, options.allow_case_collisions);
    let mut starts = Vec::new();
    let mut has_windows = false;
    let mut twice: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut records = central.records(archive.source);
    while let Some(record) = records.next()? {
        if archive.interrupt.load(Ordering::Relaxed) {
            return Err(Problem::Interrupted);
        }
        if starts.len() as u64 >= options.limits.entries {
            let what = "it has more entries".to_owned();
            return Err(Problem::Limit { what, limit: "entries", value: options.limits.entries });
        }
        starts.push(record.offset);
        has_windows |= record.has_window();
        let kind = record.check()?;
        let name = names::parse(&record.name, Origin::Zip, options.strip, &options.limits)?;
        if kind == EntryKind::File {
            tar::refuse_setuid(&record.name, record.mode().unwrap_or(0), options.allow_setuid)?;
        }
        budget.spend(record.size)?;
        if !name.is_stripped {
            let kind = match kind {
                EntryKind::Directory => NameKind::Directory,
                EntryKind::File => NameKind::File,
                EntryKind::Symlink => NameKind::Symlink,
            };
            if registry.add(&name.parts, kind)? == Creation::Replace {
                twice.insert(name.parts.join(&b'/'), record.offset);
            }
        }
    }
    if registry.is_empty() {
        return Err(if starts.is_empty() {
            Problem::Empty
        } else {
            Problem::Stripped(options.strip)
        });
    }
    starts.sort_unstable();
    if starts.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Problem::Damaged("two of its entries share their bytes".to_owned()));
    }
    if starts.first() != Some(&0) {
        // The data before it may be anything but the beginning of an archive.
        let mut magic = [0; 4];
        read_from(archive.source, &mut magic, 0)?;
        if magic == *b"PK\x03\x04" || magic == *b"PK\x05\x06" {
            return Err(Problem::Damaged("bytes before its first entry belong to none".to_owned()));
        }
    }
    let replaced = list_replaced(archive, central, &twice)?;
    Ok(Survey { starts, has_windows, replaced })
}

/// Finds the entries before the last of their name. `twice` has where the last of each name begins.
fn list_replaced<S: ReadAt + ?Sized>(
    archive: &Archive<'_, S>,
    central: &Central,
    twice: &HashMap<Vec<u8>, u64>,
) -> Result<HashSet<u64>> {
    let mut replaced = HashSet::new();
    if twice.is_empty() {
        return Ok(replaced);
    }
    let mut records = central.records(archive.source);
    while let Some(record) = records.next()? {
        let name = names::parse(
            &record.name,
            Origin::Zip,
            archive.options.strip,
            &archive.options.limits,
        )?;
        if twice.get(&name.parts.join(&b'/')).is_some_and(|last| *last != record.offset)
            && !name.is_stripped
        {
            replaced.insert(record.offset);
        }
    }
    Ok(replaced)
}

/// What the threads share.
struct Work<'a, S: ReadAt + ?Sized, D> {
    archive: &'a Archive<'a, S>,
    open: &'a (dyn Fn() -> Result<D> + Sync),
    central: &'a Central,
    starts: &'a [u64],
    replaced: &'a HashSet<u64>,
    records: Mutex<Records<'a, S>>,
    has_failed: AtomicBool,
    memory: u64,
}

impl<S: ReadAt + ?Sized, D: Destination> Work<'_, S, D> {
    fn run(&self) -> Result<()> {
        let mut reader = Reader::new(self.archive, (self.open)()?, self.memory);
        loop {
            let batch = self.take_batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            for record in &batch {
                if self.archive.interrupt.load(Ordering::Relaxed) {
                    return Err(Problem::Interrupted);
                }
                if self.has_failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                // Every byte between two beginnings belongs to the entry that begins there.
                let next = self.starts.partition_point(|start| *start <= record.offset);
                let end = self.starts.get(next).copied().unwrap_or(self.central.start);
                reader.extract(record, end, self.replaced.contains(&record.offset))?;
            }
        }
    }

    fn take_batch(&self) -> Result<Vec<Record>> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
            let Some(record) = records.next()? else { break };
            bytes += record.size;
            batch.push(record);
        }
        Ok(batch)
    }
}
