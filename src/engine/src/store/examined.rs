//! What goes into the object memory of the files behind links, which are examined for that.

use std::collections::HashSet;
use std::path::Path;

use super::examination::{Examination, object_of};
use super::memory::{Entry, Finder, NewMemory, ObjectMemory};
use super::{Result, Store, tree};
use crate::hash::{Hash, QuickSet};
use crate::platform::{self, Directory, FileKind, Step, Walk};

/// Writes what is known of the targets of these links, in their order: what the memory knows and
/// does not suspect, what this process published, and what it hashes now. Returns the targets that
/// are not whole. The caller holds the switch lock.
///
/// # Errors
/// When something cannot be read, or the memory cannot be written.
pub fn record<'a>(
    store: &Store,
    memory: &ObjectMemory,
    suspects: &HashSet<&[u8]>,
    sources: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<&'a [u8]>> {
    let mut new = NewMemory::like(memory);
    let mut seen = QuickSet::default();
    let mut finder = Finder::new(memory);
    let mut examination = Examination::new(store, memory);
    let mut damaged = Vec::new();
    for source in sources.filter(|source| seen.insert(*source)) {
        let known = finder.find(source).filter(|_| !suspects.contains(source));
        let mut entries: Vec<(Vec<u8>, Entry)> = match known {
            Some(group) => memory
                .rows(group)
                .map(|row| {
                    (
                        row.path.to_vec(),
                        Entry { kind: row.kind, numbers: row.numbers, nar: row.nar },
                    )
                })
                .collect(),
            None => store.session().published_at(source),
        };
        if entries.is_empty() {
            let path = platform::path_from_bytes(source);
            let Some(object) = object_of(&path) else { continue };
            if !platform::exists(&store.object(&object))
                || examination.is_borrowed(&object, &store.object(&object))
            {
                continue;
            }
            if !examination.observe(source)?.is_empty() {
                damaged.push(source);
                continue;
            }
            entries = read_entries(store, &path)?;
        }
        new.add(store, &mut entries);
    }
    new.write(store, memory)?;
    Ok(damaged)
}

/// Returns the rows of a target that is whole, by reading it.
fn read_entries(store: &Store, source: &Path) -> Result<Vec<(Vec<u8>, Entry)>> {
    let objects = Directory::at(store.objects())?;
    let top = store.objects().join(source);
    let (directory, name) = platform::locate(&top)?;
    let mut walk = Walk::new(directory, name);
    let mut entries = Vec::new();
    let mut is_top = true;
    while let Some(step) = walk.step()? {
        let Step::Node { directory, name, kind } = step else { continue };
        let path = if std::mem::take(&mut is_top) {
            source.to_owned()
        } else {
            source.join(walk.way(&name))
        };
        let path = platform::bytes_of_path(&path);
        // Looked at first: what changes while it is read has another time.
        let mut entry = Entry::of(&objects, &path, Hash::from_bytes([0; 32]))?;
        if kind != FileKind::Directory {
            entry.nar = tree::hash(&directory.path().join(&name), store.interrupt())?.nar;
        }
        entries.push((path, entry));
    }
    Ok(entries)
}
