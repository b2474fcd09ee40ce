//! `metadata/origin.json`: which directories were created for a root, so that they are removed with
//! it when they are empty. It also identifies a directory as a root.
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
    /// Their inodes, which identify them after a move; older versions did not record them.
    #[serde(default)]
    inodes: Vec<u64>,
}

/// Writes down which directories were made for a root, outermost first; a record that is there
/// stays.
///
/// # Errors
/// When it cannot be written.
pub fn write_origin(store: &Store, made: &[PathBuf]) -> Result<()> {
    if platform::exists(&store.origin()) {
        return Ok(());
    }
    write(&store.origin(), made)
}

/// Records which directories were created for a root that so far has only a cache.
///
/// # Errors
/// When it cannot be written.
pub fn write_cache_origin(store: &Store, made: &[PathBuf]) -> Result<()> {
    write(&store.cache_origin(), made)
}

/// Returns the directories that were made for a root when only its cache was made.
pub fn made_for_cache(store: &Store) -> Vec<PathBuf> {
    read(&store.cache_origin()).directories.iter().map(Text::to_path).collect()
}

fn read(path: &Path) -> Origin {
    let text = platform::read_file(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn write(path: &Path, made: &[PathBuf]) -> Result<()> {
    let directories = made.iter().map(|path| Text(platform::bytes_of_path(path))).collect();
    let inodes = made.iter().map(|path| inode_of(path).unwrap_or_default()).collect();
    let mut text =
        serde_json::to_vec(&Origin { version: VERSION, directories, inodes }).unwrap_or_default();
    text.push(b'\n');
    // Without a sync: all that can be lost with it are empty directories that stay.
    Ok(platform::write_file_as(path, &text, 0o600)?)
}

/// Returns the directories above a root that were made for it, outermost first; none of a record
/// that is missing, damaged, or of another place. Those that were moved with the root are known by
/// their inodes.
pub fn made_above(store: &Store) -> Vec<PathBuf> {
    let place =
        if platform::exists(&store.origin()) { store.origin() } else { store.cache_origin() };
    let origin = read(&place);
    let mut above: Vec<&Path> =
        store.root().ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    above.reverse();
    let recorded: Vec<PathBuf> = origin.directories.iter().map(Text::to_path).collect();
    let is_moved_one = |path: &Path| {
        let mut known = recorded.iter().zip(&origin.inodes);
        known.any(|(old, inode)| {
            old.file_name() == path.file_name() && inode_of(path) == Some(*inode)
        })
    };
    let is_made = |path: &&Path| recorded.iter().any(|old| old == path) || is_moved_one(path);
    above.into_iter().filter(is_made).map(Path::to_owned).collect()
}

fn inode_of(path: &Path) -> Option<u64> {
    Some(platform::observe(path).ok()??.identity.inode)
}
