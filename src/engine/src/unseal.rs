//! Decrypting values of documents of SOPS and files of age. It does not know where documents are
//! from, nor what becomes of values.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use syslua_secrets::identity::Identities;
use syslua_secrets::{Document, Format, KeyPath, Opened, Plain, Problem, Value, age_file};
use zeroize::Zeroizing;

/// The documents that were opened, by names that the caller gives. They are wiped when this is
/// dropped.
#[derive(Default)]
pub struct Documents {
    identities: Identities,
    opened: HashMap<Vec<u8>, Whole>,
}

/// A document that was decrypted.
enum Whole {
    Values(Box<Opened>),
    Content(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for Documents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} documents>", self.opened.len())
    }
}

impl Documents {
    /// Returns none yet, to be opened with some identities.
    pub fn new(identities: Identities) -> Documents {
        Documents { identities, opened: HashMap::new() }
    }

    /// Returns the value at a key; without one, the content of a file of age. `read` gives the
    /// encrypted text when the document of that name was not opened yet; its format is that of
    /// the file `origin`.
    ///
    /// # Errors
    /// When the document cannot be read or decrypted, was altered, or has no single value there.
    pub fn value(
        &mut self,
        name: &[u8],
        origin: &Path,
        key: &str,
        read: impl FnOnce() -> Result<Vec<u8>, Problem>,
    ) -> Result<Value, Problem> {
        if !self.opened.contains_key(name) {
            let whole = self.open(origin, &read()?)?;
            self.opened.insert(name.to_vec(), whole);
        }
        match self.opened.get(name) {
            Some(Whole::Values(opened)) => match opened.get(&KeyPath::parse(key)?)? {
                Plain::Value(found) => Ok(found),
                _ => Err(Problem::new("it is not a single value")),
            },
            Some(Whole::Content(content)) => Ok(Value::Bytes(content.to_vec())),
            None => Err(Problem::new("it was not opened")),
        }
    }

    fn open(&self, origin: &Path, content: &[u8]) -> Result<Whole, Problem> {
        if age_file::is_age_file(content) {
            return Ok(Whole::Content(age_file::decrypt(content, &self.identities)?));
        }
        let opened = Document::parse(Format::of(origin), content)?.open(&self.identities)?;
        Ok(Whole::Values(Box::new(opened)))
    }
}
