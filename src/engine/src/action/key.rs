//! The key of a root, under which the contents of secrets are hashed. The first switch that writes
//! a secret makes it.

use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::BuildHasher;
use std::path::Path;

use syslua_secrets::derive;
use zeroize::Zeroizing;

use super::{Directories, Observed};
use crate::hash::Hash;
use crate::platform::{self, Directory, FileKind, Result};
use crate::store::own;

/// The name of the file with the key, in the directory of all private files.
pub const KEY: &str = ".key";

/// The permission bits of it and of what is kept beside it.
const PRIVATE: u32 = 0o600;

/// The length of the key, in bytes.
const KEY_LENGTH: usize = 32;

/// The key of a root for the hashes of secrets: without it, a digest does not reveal whether a
/// guess is right.
pub struct Key(Zeroizing<[u8; KEY_LENGTH]>);

fn remove(directory: &Directory, name: &OsStr) -> Result<()> {
    match directory.remove(name) {
        Err(error) if error.is_not_found() => Ok(()),
        removed => removed,
    }
}

/// Writes a private file in one step for readers, if there is none of this name: applies decrypt
/// before they take the lock, so that two may do so at once. Returns false when there is one.
///
/// # Errors
/// When the file system refuses.
pub fn put_once(path: &Path, content: &[u8]) -> Result<bool> {
    let directory = Directory::at(path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default();
    loop {
        // A process that was killed while it wrote left a file.
        for (other, _) in directory.list()? {
            if other.to_str().is_some_and(own::is_temporary) {
                remove(&directory, &other)?;
            }
        }
        let number = RandomState::new().hash_one(path);
        let beside = OsString::from(format!(".syslua-{}-{number}.tmp", std::process::id()));
        directory.write_private(&beside, content, PRIVATE, None, None)?;
        match directory.rename_new(&beside, &directory, name) {
            Ok(()) => return Ok(true),
            Err(error) if error.is_already_there() => {
                remove(&directory, &beside)?;
                return Ok(false);
            }
            // Another process removed it as a leftover.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<key>")
    }
}

impl Key {
    /// Reads the key in the directory of all private files of a root, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Key>> {
        Key::read_file(&directory.join(KEY))
    }

    /// Reads a file with a key, if it exists. An invalid key counts as missing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_file(path: &Path) -> Result<Option<Key>> {
        match platform::read_file(path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                Ok(<[u8; KEY_LENGTH]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new).map(Key))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a new key in the directory of all private files of a root. If another process was
    /// faster, its key is the one.
    ///
    /// # Errors
    /// When it cannot be written, or the system gives no random bytes.
    pub fn make(directory: &Path) -> Result<Key> {
        let path = directory.join(KEY);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        derive::random(&mut *bytes).map_err(|problem| {
            platform::failed("make", &path)(std::io::Error::other(problem.message))
        })?;
        while !put_once(&path, &*bytes)? {
            if let Some(key) = Key::read(directory)? {
                return Ok(key);
            }
            // An invalid one.
            platform::remove_file(&path)?;
        }
        Ok(Key(bytes))
    }

    /// Returns what a content hashes to.
    pub fn digest(&self, content: &[u8]) -> Hash {
        Hash::from_bytes(*derive::hmac(&*self.0, &[content]))
    }

    /// Returns whether a file with this content was found.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_at(
        &self,
        directories: &Directories,
        place: &Path,
        found: &Observed,
        digest: Hash,
    ) -> Result<bool> {
        match found {
            Observed::Other(seen) if seen.kind == FileKind::File => {
                let (directory, name) = directories.of(place)?;
                let content = Zeroizing::new(directory.read_file(&name)?);
                Ok(self.digest(&content) == digest)
            }
            _ => Ok(false),
        }
    }
}
