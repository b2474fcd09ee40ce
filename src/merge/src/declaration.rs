//! What is declared of a document: its format and keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// JSON with comments and commas at the end of lists.
    Jsonc,
    /// TOML 1.1.
    Toml,
    /// YAML 1.2, one document.
    Yaml,
    /// Sections in brackets, keys and values with `=` or `:` between them.
    Ini,
    /// Lines that are there once each.
    Lines,
    /// Lines between two marked ones.
    Block,
}

impl Format {
    /// Returns the format of a name.
    pub fn parse(name: &str) -> Option<Format> {
        serde_json::from_value(Value::String(name.to_owned())).ok()
    }
}

/// What is declared of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// How it is written.
    pub format: Format,
    /// What a comment begins with, for the two lines around a block.
    pub comment: String,
    /// The keys. Of lines and blocks there is one, with an empty path.
    pub keys: Vec<Key>,
}

/// A declared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// Its wanted value.
    pub want: Want,
}

/// What a key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This value.
    Value(Value),
    /// No key at all.
    Absent,
    /// A list that begins with these items.
    Before(Vec<Value>),
    /// A list that ends with these items.
    After(Vec<Value>),
}

impl Want {
    /// Returns the items that are to be in a list, and whether they come first.
    pub(crate) fn items(&self) -> Option<(&[Value], bool)> {
        match self {
            Want::Before(items) => Some((items, true)),
            Want::After(items) => Some((items, false)),
            _ => None,
        }
    }
}

/// Returns a path of keys as people write it: dots between the keys, quotes around those that need
/// them.
pub fn shown(path: &[String]) -> String {
    let key = |key: &String| {
        let is_plain = !key.is_empty()
            && key.chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter));
        if is_plain { key.clone() } else { serde_json::Value::from(key.as_str()).to_string() }
    };
    path.iter().map(key).collect::<Vec<_>>().join(".")
}
