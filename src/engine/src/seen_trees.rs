//! What the trees look like that were hashed, so that a copy need not be hashed again. Does not
//! know how a tree is looked at.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::{DigestMap, Hash};

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
    /// Whether nothing in it names the place of the store.
    pub relocatable: bool,
    /// Paths whose names differ from that of a neighbour only in case.
    pub case_collisions: Vec<PathBuf>,
}

/// A process may evaluate again and again: what is forgotten is read once more.
const MOST_LISTINGS: usize = 16;

/// The trees that this process hashed.
#[derive(Default)]
pub struct SeenTrees {
    /// NAR hashes by likenesses.
    likenesses: Mutex<DigestMap<Hash, Hash>>,
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

    /// Notes what is in the tree with a NAR hash.
    pub fn note_listing(&self, nar: Hash, listing: Listing) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if listings.len() >= MOST_LISTINGS {
            listings.clear();
        }
        listings.insert(nar, Arc::new(listing));
    }

    /// Returns what is in the tree with a NAR hash.
    pub fn listing_of(&self, nar: Hash) -> Option<Arc<Listing>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&nar).cloned()
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
