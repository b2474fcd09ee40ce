//! Reads the text of a lock, and says what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::entries::{LockedInput, LockedTool, is_printable};
use super::{LockDocument, VERSION, is_commit, is_name};
use crate::failure::{Explain, FailureKind};
use crate::pins::{Pin, parts_of};

/// A text that is not a lock of a known version.
#[derive(Debug, thiserror::Error)]
pub enum LockFileError {
    /// A merge of git is not finished.
    #[error("line {line} is a conflict marker of git")]
    Conflict {
        /// The line of the first marker, counted from 1.
        line: usize,
    },
    /// It is not valid JSON of this form.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has version {0}, which a newer sys.lua wrote")]
    Newer(u64),
    /// A pin is not in canonical form.
    #[error("the pin `{}` {problem}", short(key))]
    Pin {
        /// Its key.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
    /// A tool has an unknown form.
    #[error("the tool `{key}` {problem}")]
    Tool {
        /// Its key.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
    /// An entry is not in canonical form.
    #[error("the input `{}` {problem}", short(key))]
    Input {
        /// The key of the entry.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
}

impl Explain for LockFileError {
    fn kind(&self) -> FailureKind {
        FailureKind::Lock
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            LockFileError::Conflict { .. } => {
                "keep the lines of both sides, with a comma after each but the last; \
                 or take one side (`git checkout --theirs syslua.lock`) and apply: \
                 what is missing is locked again"
            }
            LockFileError::Newer(_) => {
                "update sys.lua, or take the file back that the older version wrote"
            }
            LockFileError::Damaged(_)
            | LockFileError::Input { .. }
            | LockFileError::Pin { .. }
            | LockFileError::Tool { .. } => {
                "take the file back from version control; or remove it, and the next apply locks \
                 what the inputs are then"
            }
        };
        Some(text.to_owned())
    }
}

/// The whole file as it is read.
#[derive(Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    inputs: Unique<LockedInput>,
    #[serde(default)]
    fetches: Unique<Pin>,
    #[serde(default)]
    tools: Unique<LockedTool>,
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

/// A map in which no key occurs twice: a merge by hand may leave two entries of one name.
struct Unique<T>(BTreeMap<String, T>);

impl<T> Default for Unique<T> {
    fn default() -> Unique<T> {
        Unique(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique<T>, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Unique<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<T>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let entry = map.next_value()?;
                    if all.contains_key(&key) {
                        return Err(A::Error::custom(format!("`{}` occurs twice", short(&key))));
                    }
                    all.insert(key, entry);
                }
                Ok(Unique(all))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// Returns the line of the first marker that a merge of git leaves, counted from 1.
fn find_marker(text: &[u8]) -> Option<usize> {
    let markers = [b"<<<<<<<".as_slice(), b"|||||||", b"=======", b">>>>>>>"];
    let is_marker = |line: &[u8]| markers.iter().any(|marker| line.starts_with(marker));
    text.split(|byte| *byte == b'\n').position(is_marker).map(|index| index + 1)
}

/// Returns the beginning of a key, for a message.
fn short(key: &str) -> String {
    const LENGTH: usize = 200;
    match key.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.to_owned(),
    }
}

impl LockDocument {
    /// Reads a lock.
    ///
    /// # Errors
    /// When the text is not a lock, or one of a newer version.
    pub fn parse(text: &[u8]) -> Result<LockDocument, LockFileError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        if let Some(line) = find_marker(text) {
            return Err(LockFileError::Conflict { line });
        }
        let file: Result<File, _> = serde_json::from_slice(text);
        // What a newer one says otherwise cannot be read: its version can.
        let version = match &file {
            Ok(file) => Some(file.version),
            Err(_) => serde_json::from_slice::<Header>(text).ok().map(|header| header.version),
        };
        if let Some(version) = version.filter(|version| *version > VERSION) {
            return Err(LockFileError::Newer(version));
        }
        let file = file?;
        for (key, input) in &file.inputs.0 {
            let invalid = |problem| LockFileError::Input { key: key.clone(), problem };
            if !key.split('/').all(is_name) {
                return Err(invalid("has a key that no input can have"));
            }
            input.check().map_err(invalid)?;
        }
        for (key, pin) in &file.fetches.0 {
            let invalid = |problem| LockFileError::Pin { key: key.clone(), problem };
            if key.is_empty() || key.chars().any(char::is_control) {
                return Err(invalid("has a key that no pin can have"));
            }
            if parts_of(key).is_some() && !pin.rev.as_deref().is_some_and(is_commit) {
                return Err(invalid("has no `rev` of 40 hexadecimal digits"));
            }
        }
        for (key, tool) in &file.tools.0 {
            let invalid = |problem| LockFileError::Tool { key: key.clone(), problem };
            if !key.contains('@') || !is_printable(key) {
                return Err(invalid("has a key that no tool can have"));
            }
            tool.check().map_err(invalid)?;
        }
        Ok(LockDocument {
            inputs: file.inputs.0,
            fetches: file.fetches.0,
            tools: file.tools.0,
            others: file.others,
        })
    }
}
