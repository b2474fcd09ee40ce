//! `info/<object>.json`: what is known of an object.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Result, Store};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, OutputName, Version};
use crate::platform::{self, jail::Level};
use crate::value::Text;

/// The record of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// The version of this format.
    pub version: u32,
    /// The name of the derivation that first made it.
    pub name: Name,
    /// The version of that derivation.
    #[serde(rename = "drv_version", default, skip_serializing_if = "Option::is_none")]
    pub derivation_version: Option<Version>,
    /// Which of its outputs it is.
    pub output: OutputName,
    /// The SHA-256 of the NAR with the object's own name zeroed: what the object is named by.
    pub content: Hash,
    /// The SHA-256 of the NAR as it is: what `nix-hash --type sha256` prints.
    pub nar: Hash,
    /// The length of the NAR's file contents in bytes.
    pub size: u64,
    /// The derivation that first made it.
    pub deriver: Hash,
    /// The names of other objects found in its bytes.
    pub references: Vec<ObjectName>,
    /// Whether its bytes do not name the place of the store.
    pub relocatable: bool,
    /// Paths in it that collide with a neighbour where the file system does not tell case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub case_collisions: Vec<Text>,
    /// Whether it is only a link here, to the object of the system's store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub borrowed: bool,
    /// How far the programs that built it were confined.
    #[serde(default)]
    pub sandbox: Level,
}

/// The version of the record format that is written.
pub const VERSION: u32 = 1;

/// Writes the record of an object.
///
/// # Errors
/// When it cannot be written.
pub fn write_info(store: &Store, name: &ObjectName, info: &ObjectInfo) -> Result<()> {
    let mut text = serde_json::to_string_pretty(info).unwrap_or_default();
    text.push('\n');
    Ok(platform::write_record(&store.info(name), text.as_bytes())?)
}

/// Returns the record of an object, or `None` when there is none.
///
/// # Errors
/// When it cannot be read or is damaged.
pub fn read_info(store: &Store, name: &ObjectName) -> Result<Option<ObjectInfo>> {
    let path = store.info(name);
    let text = match platform::read_file(&path) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let info: ObjectInfo = serde_json::from_slice(&text)
        .map_err(|error| Error::Damaged { path: path.clone(), problem: error.to_string() })?;
    if info.version == VERSION {
        Ok(Some(info))
    } else {
        Err(Error::Damaged {
            path,
            problem: format!("it has the unknown version {}", info.version),
        })
    }
}

impl Store {
    /// Returns the directory of all objects of the store that an object is borrowed from, or
    /// `None` if it is this store's own.
    pub fn lender_of(&self, object: &ObjectName) -> Option<PathBuf> {
        let is_borrowed = read_info(self, object).ok().flatten()?.borrowed;
        let target = platform::read_link(&self.object(object)).ok().filter(|_| is_borrowed)?;
        target.parent().map(Path::to_owned)
    }
}
