//! Paths and other bytes in reports: text if they are UTF-8, otherwise the bytes, which are a
//! string in Lua too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::platform::bytes_of_path;
use crate::value::Text;

struct BytesText<'a>(&'a [u8]);

impl Serialize for BytesText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.0),
        }
    }
}

pub fn text<S: Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    BytesText(&text.0).serialize(serializer)
}

pub fn optional_text<S: Serializer>(text: &Option<Text>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_ref().map(|text| BytesText(&text.0)).serialize(serializer)
}

pub fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    BytesText(&bytes_of_path(path)).serialize(serializer)
}

pub fn optional_path<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes = path.as_deref().map(bytes_of_path);
    bytes.as_deref().map(BytesText).serialize(serializer)
}

pub fn paths<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(paths.len()))?;
    for path in paths {
        list.serialize_element(&BytesText(&bytes_of_path(path)))?;
    }
    list.end()
}

pub fn named_paths<S: Serializer>(
    paths: &BTreeMap<String, PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(paths.len()))?;
    for (name, path) in paths {
        map.serialize_entry(name, &BytesText(&bytes_of_path(path)))?;
    }
    map.end()
}
