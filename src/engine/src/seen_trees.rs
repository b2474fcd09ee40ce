//! What the trees look like that were hashed, so that a copy need not be hashed again. Does not
//! know how a tree is looked at.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::hash::{DigestMap, Hash};

/// The trees that this process hashed, by their likenesses.
#[derive(Default)]
pub struct SeenTrees(Mutex<DigestMap<Hash, Hash>>);

impl SeenTrees {
    /// Notes which NAR hash a tree has that looks like this.
    pub fn note(&self, likeness: Hash, nar: Hash) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(likeness, nar);
    }

    /// Returns whether the likeness of a tree with a NAR hash is known.
    pub fn knows(&self, nar: Hash) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().any(|known| *known == nar)
    }

    /// Returns the NAR hash of a tree that looks like this.
    pub fn nar_of(&self, likeness: Hash) -> Option<Hash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&likeness).copied()
    }
}

impl fmt::Debug for SeenTrees {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SeenTrees")
    }
}
