//! `metadata/origin.json`: which directories were made for a root, so that they go with it when they are
//! empty again. Also the mark by which a directory is known as a root.
//!
//! Knows nothing of what is in the root.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Result, Store};
use crate::platform;
use crate::value::Text;

const VERSION: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Origin {
    version: u32,
    /// Outermost first; the root itself is the last, unless it was there.
    directories: Vec<Text>,
}

/// Writes down which directories were made for a root, outermost first; a record that is there stays.
///
/// # Errors
/// When it cannot be written.
pub fn write_origin(store: &Store, made: &[PathBuf]) -> Result<()> {
    if platform::exists(&store.origin()) {
        return Ok(());
    }
    let directories = made.iter().map(|path| Text(platform::bytes_of_path(path))).collect();
    let mut text = serde_json::to_vec(&Origin { version: VERSION, directories }).unwrap_or_default();
    text.push(b'\n');
    // Without a sync: all that can be lost with it are empty directories that stay.
    Ok(platform::write_file_as(&store.origin(), &text, 0o600)?)
}

/// Returns the directories above a root that were made for it, outermost first; none of a record that
/// is missing, damaged, or of another place.
pub fn made_above(store: &Store) -> Vec<PathBuf> {
    let text = platform::read_file(&store.origin()).unwrap_or_default();
    let origin: Origin = serde_json::from_slice(&text).unwrap_or_default();
    let is_above = |path: &PathBuf| store.root() != path && store.root().starts_with(path) && path != Path::new("/");
    origin.directories.iter().map(Text::to_path).filter(is_above).collect()
}
