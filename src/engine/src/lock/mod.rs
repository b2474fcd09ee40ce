//! `syslua.lock`: what the inputs of a config resolved to, and what its builds fetched without a
//! hash. The format only: it touches neither network nor disk.
//!
//! It is JSON with one line per entry, in the order of the keys, so that git merges it line by
//! line. Sections that this version does not know are kept as they are.

mod entries;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::pins::Pin;

pub use entries::{InputKind, LockedFile, LockedInput, LockedRelease, LockedTool};
pub use read::LockFileError;

/// The version of the format that is written.
pub const VERSION: u64 = 1;

/// The name of the file, in the directory of the entry file.
pub const FILE_NAME: &str = "syslua.lock";

/// A lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockDocument {
    /// The inputs by their keys: the name, and of an input of an input `parent/name`.
    pub inputs: BTreeMap<String, LockedInput>,
    /// What builds fetched without a hash, by the keys of pins.
    pub fetches: BTreeMap<String, Pin>,
    /// The tools, by name and request: `node@22`.
    pub tools: BTreeMap<String, LockedTool>,
    /// The other sections, in the order of their names.
    pub others: BTreeMap<String, Json>,
}

/// Returns whether a text names an input: a word that `require` can have after `inputs.`.
pub fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}

/// Returns whether a text is a full commit.
fn is_commit(rev: &str) -> bool {
    rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}
