//! What the trees look like that were hashed, so that a copy need not be hashed again. Does not
//! know how a tree is looked at.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::{DigestMap, DigestSet, Hash};

/// A part of a tree, in the order of its archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A directory begins, at a path below the top; that of the top is empty.
    Begin(PathBuf),
    /// The innermost directory ends.
    End,
    /// A link and its target.
    Link(PathBuf, PathBuf),
    /// A file.
    File {
        /// Its path below the top.
        below: PathBuf,
        /// The NAR hash of the file alone.
        nar: Hash,
        /// Whether its owner may execute it.
        executable: bool,
        /// What the system said of the file, when that is a proof that it did not change since.
        facts: Vec<u64>,
    },
}

/// Everything in a tree of small files as it was hashed, so that what the store has of it need not
/// be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its parts.
    pub parts: Vec<Part>,
    /// The bytes of all files.
    pub size: u64,
    /// The root of the store that was searched for in it.
    pub root: PathBuf,
    /// Whether nothing in it names that.
    pub relocatable: bool,
    /// Paths whose names differ from that of a neighbour only in case.
    pub case_collisions: Vec<PathBuf>,
}

/// A process may evaluate again and again: what is forgotten is read once more.
const MOST_LISTINGS: usize = 16;
const MOST_NAMELESS: usize = 100_000;

/// Large files that name nothing in the store with a root, by what they looked like.
#[derive(Default)]
struct Nameless {
    root: Vec<u8>,
    looks: DigestSet<Hash>,
}

/// The trees that this process hashed.
#[derive(Default)]
pub struct SeenTrees {
    /// NAR hashes by likenesses.
    likenesses: Mutex<DigestMap<Hash, Hash>>,
    /// The large files in which nothing in a store can be named.
    nameless: Mutex<Nameless>,
    /// What is in them, by NAR hashes.
    listings: Mutex<DigestMap<Hash, Arc<Listing>>>,
}

impl SeenTrees {
    /// Notes which NAR hash a tree has that looks like this.
    pub fn note(&self, likeness: Hash, nar: Hash) {
        self.likenesses.lock().unwrap_or_else(PoisonError::into_inner).insert(likeness, nar);
    }

    /// Returns whether the likeness of a tree with a NAR hash is known.
    pub fn knows(&self, nar: Hash) -> bool {
        self.likenesses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .any(|known| *known == nar)
    }

    /// Notes that a large file that looks like this names nothing in the store with a root.
    pub fn note_nameless(&self, look: Hash, root: &[u8]) {
        let mut nameless = self.nameless.lock().unwrap_or_else(PoisonError::into_inner);
        if nameless.root != root || nameless.looks.len() >= MOST_NAMELESS {
            *nameless = Nameless { root: root.to_vec(), looks: DigestSet::default() };
        }
        nameless.looks.insert(look);
    }

    /// Returns the root of a store, if a large file that looks like this names nothing in it.
    pub fn nameless_for(&self, look: Hash) -> Option<Vec<u8>> {
        let nameless = self.nameless.lock().unwrap_or_else(PoisonError::into_inner);
        nameless.looks.contains(&look).then(|| nameless.root.clone())
    }

    /// Notes what is in the tree with a NAR hash.
    pub fn note_listing(&self, nar: Hash, listing: Listing) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if listings.len() >= MOST_LISTINGS {
            listings.clear();
        }
        listings.insert(nar, Arc::new(listing));
    }

    /// Returns what is in the tree with a NAR hash, for the store with a root.
    pub fn listing_of(&self, nar: Hash, root: &Path) -> Option<Arc<Listing>> {
        let listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.get(&nar).filter(|listing| listing.root == root).cloned()
    }

    /// Returns the NAR hash of a tree that looks like this.
    pub fn nar_of(&self, likeness: Hash) -> Option<Hash> {
        self.likenesses.lock().unwrap_or_else(PoisonError::into_inner).get(&likeness).copied()
    }
}

impl fmt::Debug for SeenTrees {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SeenTrees")
    }
}
