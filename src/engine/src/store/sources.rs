//! The source memory: what local files and trees hashed to, so that they need not be read again.
//!
//! A tree is known by the names, kinds, devices, inodes, sizes and times of everything in it. As in
//! git's index (its documentation "racy-git"), what changed shortly before it was hashed is not
//! trusted: a later change could have the same times.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Result, Store, tree};
use crate::encode;
use crate::hash::{Hash, Hasher, Sink};
use crate::platform::{self, FileKind};

const VERSION: u32 = 1;

/// Coarser than the clocks of all file systems we know.
const RACY: Duration = Duration::from_secs(2);

/// What sources hashed to.
#[derive(Debug, Default)]
pub struct SourceMemory {
    entries: BTreeMap<PathBuf, Entry>,
    changed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    /// The hash of everything that `stat` tells.
    fingerprint: Hash,
    /// The NAR hash.
    nar: Hash,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    entries: BTreeMap<PathBuf, Entry>,
}

impl SourceMemory {
    /// Reads the memory of a root; a missing or damaged one counts as empty.
    pub fn load(store: &Store) -> SourceMemory {
        let text = platform::read_file(&store.source_memory()).unwrap_or_default();
        let document: Option<Document> = serde_json::from_slice(&text).ok();
        let entries = document.filter(|document| document.version == VERSION).map(|document| document.entries);
        SourceMemory { entries: entries.unwrap_or_default(), changed: false }
    }

    /// Returns the NAR hash of a file or tree without what is excluded, reading it only if it changed.
    ///
    /// # Errors
    /// When something cannot be read, or is neither file, directory nor link.
    pub fn hash(&mut self, path: &Path, excluded: &BTreeSet<PathBuf>) -> Result<Hash> {
        let now = SystemTime::now();
        let mut print = Fingerprint { hasher: Hasher::default(), newest: UNIX_EPOCH, excluded };
        print.add(path, Path::new(""))?;
        let newest = print.newest;
        let fingerprint = print.hasher.finish();
        if let Some(known) = self.entries.get(path).filter(|known| known.fingerprint == fingerprint) {
            return Ok(known.nar);
        }
        let nar = tree::hash_without(path, excluded)?;
        if newest + RACY < now {
            self.entries.insert(path.to_owned(), Entry { fingerprint, nar });
            self.changed = true;
        }
        Ok(nar)
    }

    /// Writes the memory, if there is anything new in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self, store: &Store) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let document = Document { version: VERSION, entries: self.entries.clone() };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        platform::write_file_atomically(&store.source_memory(), &text)?;
        self.changed = false;
        Ok(())
    }
}

struct Fingerprint<'a> {
    hasher: Hasher,
    newest: SystemTime,
    excluded: &'a BTreeSet<PathBuf>,
}

impl Fingerprint<'_> {
    fn add(&mut self, path: &Path, relative: &Path) -> Result<()> {
        let facts = platform::facts_of(path)?;
        encode::bytes(&mut self.hasher, &platform::bytes_of_path(relative));
        for fact in facts.numbers {
            encode::number(&mut self.hasher, fact);
        }
        self.newest = self.newest.max(facts.newest);
        if facts.kind == FileKind::Directory {
            for (name, _) in platform::list_directory(path)? {
                let inner = relative.join(&name);
                if !self.excluded.contains(&inner) {
                    self.add(&path.join(&name), &inner)?;
                }
            }
            // Where a directory ends is part of what the tree is.
            self.hasher.put(b"/");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_fresh_one_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        std::fs::write(&path, "one").unwrap();
        let mut memory = SourceMemory::default();
        let first = memory.hash(&path, &BTreeSet::new()).unwrap();
        // The file was written just now: a change in the same moment would go unseen.
        assert!(memory.entries.is_empty());
        std::fs::write(&path, "two").unwrap();
        old(&path, 100);
        assert_ne!(memory.hash(&path, &BTreeSet::new()).unwrap(), first);
    }

    #[test]
    fn a_damaged_memory_counts_as_empty() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        std::fs::create_dir(directory.path().join("cache")).unwrap();
        for text in ["", "{", "[]", "{\"version\":2,\"entries\":{}}", "\0\0"] {
            std::fs::write(store.source_memory(), text).unwrap();
            assert!(SourceMemory::load(&store).entries.is_empty());
        }
    }
}
