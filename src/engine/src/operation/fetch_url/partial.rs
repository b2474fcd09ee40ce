//! An incomplete download: its file, its hash so far, and the request that continues it. Survives
//! the process, by hash; its user holds the lock of that hash.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use syslua_fetch::download::Target;

use crate::hash::{Hash, Hasher, READ_SIZE, Sink};
use crate::platform;

/// What must be equal for bytes of two answers to fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    url: String,
    /// A strong `ETag`, or a `Last-Modified` (RFC 9110, section 13.1.5).
    validator: String,
}

/// The beginning of a file.
pub struct Partial {
    path: PathBuf,
    record: PathBuf,
    url: String,
    file: Option<std::fs::File>,
    hasher: Hasher,
    /// Bytes until now.
    pub length: u64,
    validator: Option<String>,
    /// Whether some of the bytes came by an earlier answer.
    pub is_resumed: bool,
}

impl Partial {
    /// Opens what an earlier try left beside `place`, or begins.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(place: &Path, url: &str) -> platform::Result<Partial> {
        let mut partial = Partial {
            path: place.with_extension("part"),
            record: place.with_extension("part.json"),
            url: url.to_owned(),
            file: None,
            hasher: Hasher::default(),
            length: 0,
            validator: None,
            is_resumed: false,
        };
        if !partial.recover() {
            partial.remove()?;
        }
        Ok(partial)
    }

    fn recover(&mut self) -> bool {
        let Ok(text) = platform::read_file(&self.record) else { return false };
        let Ok(origin) = serde_json::from_slice::<Origin>(&text) else { return false };
        if origin.url != self.url || !super::is_file(&self.path) {
            return false;
        }
        let Ok((mut old, _)) = platform::open_node(&self.path) else { return false };
        let mut buffer = vec![0; READ_SIZE];
        loop {
            match old.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    self.hasher.put(&buffer[..read]);
                    self.length += read as u64;
                }
                Err(_) => return false,
            }
        }
        let Ok(file) = platform::append_file(&self.path) else { return false };
        self.file = Some(file);
        self.validator = Some(origin.validator);
        self.is_resumed = self.length > 0;
        self.is_resumed
    }

    /// Begins anew, for an answer with this validator.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin_anew(&mut self, validator: Option<&str>) -> platform::Result<()> {
        self.remove()?;
        self.file = Some(platform::create_file(&self.path)?);
        if let Some(validator) = validator {
            let origin = Origin { url: self.url.clone(), validator: validator.to_owned() };
            let text = serde_json::to_vec(&origin).unwrap_or_default();
            platform::write_file_atomically(&self.record, &text)?;
            self.validator = Some(validator.to_owned());
        }
        Ok(())
    }

    /// Returns the hash of everything until now.
    pub fn hash(&self) -> Hash {
        self.hasher.clone().finish()
    }

    /// Makes it the file itself.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn publish(mut self, place: &Path) -> platform::Result<()> {
        self.file = None;
        platform::set_mode(&self.path, 0o444)?;
        platform::remove_tree(place)?;
        platform::rename(&self.path, place)?;
        self.remove()
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&mut self) -> platform::Result<()> {
        self.file = None;
        self.hasher = Hasher::default();
        self.length = 0;
        self.validator = None;
        self.is_resumed = false;
        platform::remove_tree(&self.path)?;
        platform::remove_tree(&self.record)
    }

    /// Ends a try: a part that cannot be resumed is deleted.
    pub fn leave(mut self) {
        if Target::validator(&self).is_none() {
            // What cannot be removed is replaced by the next try.
            let _ = self.remove();
        }
    }
}

impl Target for Partial {
    type Error = platform::Error;

    fn length(&self) -> u64 {
        self.length
    }

    fn validator(&self) -> Option<String> {
        self.validator.clone().filter(|_| self.length > 0)
    }

    fn begin(&mut self, validator: Option<&str>) -> platform::Result<()> {
        self.begin_anew(validator)
    }

    fn resume(&mut self) {
        self.is_resumed = true;
    }

    fn put(&mut self, bytes: &[u8]) -> platform::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(platform::failed("write", &self.path))?;
            self.hasher.put(bytes);
            self.length += bytes.len() as u64;
        }
        Ok(())
    }

    fn clear(&mut self) -> platform::Result<()> {
        self.remove()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_found_again_for_the_same_address_only() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("file");
        let mut partial = Partial::open(&place, "http://one").unwrap();
        partial.begin(Some("\"v1\"")).unwrap();
        partial.put(b"abc").unwrap();
        partial.leave();
        let partial = Partial::open(&place, "http://one").unwrap();
        assert_eq!(
            (partial.length, partial.validator(), partial.hash()),
            (3, Some("\"v1\"".to_owned()), Hash::of(b"abc"))
        );
        drop(partial);
        assert_eq!(Partial::open(&place, "http://two").unwrap().length, 0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_record_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("file");
        let mut partial = Partial::open(&place, "http://one").unwrap();
        partial.begin(Some("v")).unwrap();
        partial.put(b"abc").unwrap();
        partial.leave();
        std::fs::write(place.with_extension("part.json"), "{").unwrap();
        assert_eq!(Partial::open(&place, "http://one").unwrap().length, 0);
    }

    #[test]
    fn without_validator_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("file");
        let mut partial = Partial::open(&place, "http://one").unwrap();
        partial.begin(None).unwrap();
        partial.put(b"abc").unwrap();
        partial.leave();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
