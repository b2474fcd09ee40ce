//! The key of a root, under which the contents of secrets are hashed. The first switch that writes
//! a secret makes it.

use std::fmt;
use std::path::Path;

use syslua_secrets::derive;
use zeroize::Zeroizing;

use super::{Directories, Found};
use crate::hash::Hash;
use crate::platform::{self, FileKind, Result};
use crate::store::own;

/// The name of the file with the key, in the directory of all private files.
pub const KEY: &str = ".key";

/// The length of the key, in bytes.
const KEY_LENGTH: usize = 32;

/// The key of a root for the hashes of secrets: without it, a digest does not reveal whether a
/// guess is right.
pub struct Key(Zeroizing<[u8; KEY_LENGTH]>);

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

    /// Makes a new key in the directory of all private files of a root.
    ///
    /// # Errors
    /// When it cannot be written, or the system gives no random bytes.
    pub fn make(directory: &Path) -> Result<Key> {
        let path = directory.join(KEY);
        // A process that was killed while it made one left a file.
        for (name, _) in platform::list_directory(directory)? {
            if name.to_str().is_some_and(own::is_temporary) {
                platform::remove_file(&directory.join(name))?;
            }
        }
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        derive::random(&mut *bytes).map_err(|problem| {
            platform::failed("make", &path)(std::io::Error::other(problem.message))
        })?;
        platform::write_private_file_atomically(&path, &*bytes)?;
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
        found: &Found,
        digest: Hash,
    ) -> Result<bool> {
        match found {
            Found::Other(seen) if seen.kind == FileKind::File => {
                let (directory, name) = directories.of(place)?;
                let content = Zeroizing::new(directory.read_file(&name)?);
                Ok(self.digest(&content) == digest)
            }
            _ => Ok(false),
        }
    }
}
