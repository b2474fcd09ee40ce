//! The contents of secrets that a switch writes.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::hash::Hash;

/// The contents of secrets, by what they hash to. They are wiped when this is dropped.
#[derive(Default)]
pub struct Contents(HashMap<Hash, Zeroizing<Vec<u8>>>);

impl fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} secrets>", self.0.len())
    }
}

impl Contents {
    /// Adds one.
    pub fn add(&mut self, digest: Hash, content: Zeroizing<Vec<u8>>) {
        self.0.insert(digest, content);
    }

    /// Returns the content of a digest.
    pub fn get(&self, digest: Hash) -> Option<&[u8]> {
        self.0.get(&digest).map(|content| content.as_slice())
    }
}
