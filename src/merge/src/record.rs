//! The state of a document before keys were set: as data, so that it can be kept and restored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The earlier state of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whether there was no file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// Whether a byte is a letter in its texts: the document was not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) raw: bool,
    /// The whole text, when it had no value at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
    /// The keys, in the order in which they were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<Kept>,
    /// The tables above them that were changed themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
}

impl Record {
    /// Returns whether there is nothing to revert.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.made
    }

    pub(crate) fn key(&self, path: &[String]) -> Option<&Kept> {
        self.keys.iter().find(|kept| kept.path == path)
    }

    pub(crate) fn table(&mut self, path: &[String]) -> &mut Table {
        let number = self.tables.iter().position(|table| table.path == path);
        let number = number.unwrap_or_else(|| {
            self.tables.push(Table { path: path.to_vec(), before: None, inside: None });
            self.tables.len() - 1
        });
        &mut self.tables[number]
    }
}

/// A key that was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// What it was set to; nothing, when it was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    pub set: Option<Value>,
    /// The earlier state.
    pub before: Before,
    /// The items that were added to a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Vec<Value>>,
}

/// A table that was made or filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// The earlier text in its place, when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// The earlier text between its braces, when it was empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
}

/// The earlier state of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Before {
    /// A value with this text.
    Value(String),
    /// Nothing: this was written before the key and after the value.
    Nothing {
        /// Before the key.
        lead: String,
        /// After the value.
        tail: String,
    },
    /// Entries that were taken out, in that order.
    Entries(Vec<Removed>),
}

/// An entry that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// The text that was taken out.
    pub text: String,
    /// The key of the entry before it, and how many entries with that key come before that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<(String, usize)>,
    /// The text between that entry, or the beginning of the table, and the text.
    pub between: String,
    /// Where in that there was a comma, which was taken out too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comma: Option<usize>,
    /// The line before it, in formats of lines, and how many equal ones come before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<(String, usize)>,
    /// Whether its table was then empty and got braces, so that it stays a table.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub braced: bool,
}

/// A value that may be null is not absent.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(value: &Option<Value>, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(from).map(Some)
    }
}
