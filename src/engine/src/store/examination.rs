//! Looking closely at what the object memory suspects: only other bytes, names added and names
//! missing count.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::info::read_info;
use super::memory::{Finder, ObjectMemory, UNKNOWN};
use super::{Result, Store, tree, verify};
use crate::hash::{Hash, Hasher, READ_SIZE};
use crate::names::ObjectName;
use crate::nar::Writer;
use crate::platform::{self, Directory, FileKind, Step, Walk};

/// How a file in an object differs from the published one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has other bytes, or is of another kind.
    Changed,
    /// It was not there.
    Added,
    /// It is not there any more.
    Missing,
}

/// Something in an object that a program changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// Where, relative to the target of the link; empty for that itself.
    pub below: PathBuf,
    /// How.
    pub change: Difference,
    /// The file as it is now, and the NAR hash that it should have, when it was written in place:
    /// other objects may have it.
    pub shared: Option<([u64; 2], Hash)>,
}

impl Alteration {
    /// Returns whether the target of the link itself was changed, and not something below it.
    pub fn is_of_top(&self) -> bool {
        self.below.as_os_str().is_empty()
    }

    /// Returns the change of the target of a link itself.
    pub fn at_top() -> Alteration {
        Alteration { below: PathBuf::new(), change: Difference::Changed, shared: None }
    }
}

/// Looks closely at targets that are suspect. Reads only.
pub struct Examination<'a> {
    store: &'a Store,
    finder: Finder<'a>,
    /// The objects that were hashed, and whether they are whole.
    hashed: BTreeMap<ObjectName, bool>,
}

impl<'a> Examination<'a> {
    /// Begins.
    pub fn new(store: &'a Store, memory: &'a ObjectMemory) -> Examination<'a> {
        Examination { store, finder: Finder::new(memory), hashed: BTreeMap::new() }
    }

    /// Returns what programs changed at a target and below it; nothing when it has the bytes that
    /// were published. What is not there at all is for others to tell.
    ///
    /// # Errors
    /// When a file cannot be read, or on an interrupt.
    pub fn observe(&mut self, source: &[u8]) -> Result<Vec<Alteration>> {
        let path = platform::path_from_bytes(source);
        let Some(object) = object_of(&path) else { return Ok(Vec::new()) };
        let top = self.store.object(&object);
        if !platform::exists(&top) || self.is_borrowed(&object, &top) {
            return Ok(Vec::new());
        }
        let found = match self.finder.find(source) {
            Some(group) => self.compare(group, &path)?,
            None if self.is_whole(&object)? => Vec::new(),
            None => self.guess(&path)?,
        };
        // The memory may be of another object with the name, or damaged: the record of the object
        // decides.
        if !found.is_empty() && self.is_whole(&object)? {
            return Ok(Vec::new());
        }
        Ok(found)
    }

    /// Returns whether an object is a link into the system's store, where only root changes
    /// anything.
    pub(super) fn is_borrowed(&self, object: &ObjectName, top: &Path) -> bool {
        matches!(platform::kind_of(top), Ok(Some(FileKind::Symlink)))
            && read_info(self.store, object).ok().flatten().is_some_and(|info| info.borrowed)
    }

    /// Returns whether an object has the bytes that were published, whatever its modes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_whole(&mut self, object: &ObjectName) -> Result<bool> {
        if let Some(known) = self.hashed.get(object) {
            return Ok(*known);
        }
        let is_whole = verify::has_bytes(self.store, object)?;
        self.hashed.insert(object.clone(), is_whole);
        Ok(is_whole)
    }

    /// Compares what is there with the rows of a target.
    fn compare(&self, group: (usize, usize), source: &Path) -> Result<Vec<Alteration>> {
        let (store, memory) = (self.store, self.finder.memory);
        let objects = Directory::at(store.objects())?;
        let known: HashSet<&[u8]> = memory.rows(group).map(|row| row.path).collect();
        let mut found = Vec::new();
        for row in memory.rows(group) {
            store.interrupt().check().map_err(platform::failed("read", source))?;
            let path = platform::path_from_bytes(row.path);
            let facts = match objects.facts_of(path.as_os_str()) {
                Ok(facts) => facts,
                Err(error) if error.is_not_found() => {
                    found.push(alteration(&path, source, Difference::Missing));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if facts.kind != row.kind {
                found.push(alteration(&path, source, Difference::Changed));
            } else if row.kind == FileKind::Directory && !row.is_plainly_whole(&objects) {
                for (name, _) in platform::list_directory(&store.objects().join(&path))? {
                    let inner = path.join(name);
                    if !known.contains(platform::bytes_of_path(&inner).as_slice()) {
                        found.push(alteration(&inner, source, Difference::Added));
                    }
                }
            } else if row.kind != FileKind::Directory && !row.is_plainly_whole(&objects) {
                let place = store.objects().join(&path);
                let nar = match row.kind {
                    // As it is now: a file that can be run is another content.
                    FileKind::File => hash_of(&place, facts.is_executable(), store)?,
                    _ => tree::hash(&place, store.interrupt())?.nar,
                };
                if nar != row.nar {
                    let id = [facts.numbers[0], facts.numbers[1]];
                    let is_same = row.kind == FileKind::File
                        && (row.numbers == UNKNOWN || row.numbers[..2] == id);
                    let shared = is_same.then_some((id, row.nar));
                    found.push(Alteration {
                        shared,
                        ..alteration(&path, source, Difference::Changed)
                    });
                }
            }
        }
        Ok(found)
    }

    /// Finds out without the memory what was changed in a damaged object: every file that is not
    /// one of those that are shared by their content.
    fn guess(&self, source: &Path) -> Result<Vec<Alteration>> {
        let store = self.store;
        let place = store.objects().join(source);
        if !platform::exists(&place) {
            return Ok(vec![alteration(source, source, Difference::Missing)]);
        }
        let mut found = Vec::new();
        let (directory, name) = platform::locate(&place)?;
        let mut walk = Walk::new(directory, name);
        let mut is_top = true;
        while let Some(step) = walk.step()? {
            let Step::Node { directory, name, kind } = step else { continue };
            let below = if std::mem::take(&mut is_top) { PathBuf::new() } else { walk.way(&name) };
            let is_changed = match kind {
                FileKind::Directory => false,
                // It may be in the place of a file.
                FileKind::Symlink => below.as_os_str().is_empty(),
                FileKind::File => {
                    let path = directory.path().join(&name);
                    let shared = store
                        .shared_files()
                        .join(tree::hash(&path, store.interrupt())?.nar.to_hex());
                    let id = platform::facts_of(&shared)
                        .ok()
                        .map(|facts| (facts.numbers[0], facts.numbers[1]));
                    id.is_none() || directory.node(&name)?.map(|node| node.id) != id
                }
                FileKind::Special => true,
            };
            if is_changed {
                found.push(Alteration { below, change: Difference::Changed, shared: None });
            }
        }
        // A name was added or taken: nothing else tells which.
        if found.is_empty() && source.components().count() == 1 {
            found.push(alteration(source, source, Difference::Changed));
        }
        Ok(found)
    }
}

fn alteration(path: &Path, source: &Path, change: Difference) -> Alteration {
    Alteration { below: path.strip_prefix(source).unwrap_or(path).to_owned(), change, shared: None }
}

/// Returns the object that a path relative to the directory of all objects leads into.
pub fn object_of(path: &Path) -> Option<ObjectName> {
    ObjectName::parse(path.components().next()?.as_os_str().to_str()?).ok()
}

/// Returns the NAR hash of a file, as if it could be run or not.
fn hash_of(path: &Path, is_executable: bool, store: &Store) -> Result<Hash> {
    let failed = |cause| platform::failed("read", path)(cause);
    let mut file: File = platform::open_regular(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut hasher = Hasher::default();
    let mut archive = Writer::new(&mut hasher);
    archive.begin_file(is_executable, length);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        store.interrupt().check().map_err(failed)?;
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        archive.content(&buffer[..read]);
    }
    archive.end_file(length);
    Ok(hasher.finish())
}

/// Gives back to everything in an object that has its bytes the modes and the time that it had.
///
/// # Errors
/// When the file system refuses.
pub fn restore_modes(store: &Store, object: &ObjectName) -> Result<()> {
    let top = store.object(object);
    let (directory, name) = platform::locate(&top)?;
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { kind: FileKind::Directory, .. } => {}
            Step::Node { directory, name, .. } => {
                restore(
                    &directory,
                    &name,
                    |is_executable| if is_executable { 0o555 } else { 0o444 },
                )?;
            }
            Step::Left { directory, name, .. } => restore(&directory, &name, |_| 0o555)?,
        }
    }
    Ok(())
}

fn restore(directory: &Directory, name: &OsStr, mode: impl Fn(bool) -> u32) -> Result<()> {
    let facts = directory.facts_of(name)?;
    let Some(node) = directory.node(name)? else { return Ok(()) };
    let is_right = node.kind == FileKind::Symlink || node.mode == mode(node.is_executable());
    if !facts.is_immutable && (!is_right || !facts.has_old_time) {
        directory.normalise(name, |node| mode(node.is_executable()))?;
    }
    Ok(())
}
