//! Declared keys of a file, and a change of them: data, as manifests, snapshots and the journal
//! have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value as Json};
use syslua_merge::{Declaration, Format, Key, Record, Want};

use crate::hash::Hash;
use crate::value::Text;

/// A declared key: one of `value`, `absent`, `before` and `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredKey {
    /// The keys that lead to it; none for lines and blocks.
    pub path: Vec<String>,
    /// What it is set to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub value: Option<DeclaredValue>,
    /// Whether it is taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// Items that its list begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<DeclaredValue>>,
    /// Items that its list ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<DeclaredValue>>,
}

/// A declared value. Its texts may hold placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DeclaredValue {
    /// Null.
    Null(()),
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<DeclaredValue>),
    /// A table.
    Map(BTreeMap<String, DeclaredValue>),
}

/// Null is a value.
fn some<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<DeclaredValue>, D::Error> {
    DeclaredValue::deserialize(deserializer).map(Some)
}

impl DeclaredValue {
    fn to_json(&self) -> Json {
        match self {
            DeclaredValue::Null(()) => Json::Null,
            DeclaredValue::Bool(value) => Json::Bool(*value),
            DeclaredValue::Number(number) => Json::Number(number.clone()),
            DeclaredValue::Text(text) => Json::String(text.display()),
            DeclaredValue::List(items) => items.iter().map(DeclaredValue::to_json).collect(),
            DeclaredValue::Map(map) => {
                map.iter().map(|(key, item)| (key.clone(), item.to_json())).collect()
            }
        }
    }

    /// Adds the texts in it.
    pub fn texts<'a>(&'a self, texts: &mut Vec<&'a Text>) {
        match self {
            DeclaredValue::Text(text) => texts.push(text),
            DeclaredValue::List(items) => items.iter().for_each(|item| item.texts(texts)),
            DeclaredValue::Map(map) => map.values().for_each(|item| item.texts(texts)),
            _ => {}
        }
    }

    /// Adds the texts in it, to be changed.
    pub fn texts_mut<'a>(&'a mut self, texts: &mut Vec<&'a mut Text>) {
        match self {
            DeclaredValue::Text(text) => texts.push(text),
            DeclaredValue::List(items) => items.iter_mut().for_each(|item| item.texts_mut(texts)),
            DeclaredValue::Map(map) => map.values_mut().for_each(|item| item.texts_mut(texts)),
            _ => {}
        }
    }
}

impl DeclaredKey {
    fn to_key(&self) -> Key {
        let all = |items: &[DeclaredValue]| items.iter().map(DeclaredValue::to_json).collect();
        let want = match self {
            DeclaredKey { before: Some(items), .. } => Want::Before(all(items)),
            DeclaredKey { after: Some(items), .. } => Want::After(all(items)),
            DeclaredKey { value: Some(value), .. } => Want::Value(value.to_json()),
            _ => Want::Absent,
        };
        Key { path: self.path.clone(), want }
    }

    /// Returns its values and items.
    pub fn values(&self) -> impl Iterator<Item = &DeclaredValue> {
        self.value.iter().chain(self.before.iter().flatten()).chain(self.after.iter().flatten())
    }
}

/// Returns the declaration of a document.
pub fn declaration(format: Format, comment: Option<&str>, keys: &[DeclaredKey]) -> Declaration {
    Declaration {
        format,
        comment: comment.unwrap_or("#").to_owned(),
        keys: keys.iter().map(DeclaredKey::to_key).collect(),
    }
}

/// A change of keys in a file, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// How the file is written.
    pub format: Format,
    /// What a comment begins with, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<(Option<String>, Option<String>)>,
    /// The keys that were declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<DeclaredKey>,
    /// The keys that are to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<DeclaredKey>,
    /// The known earlier values of the keys.
    pub record: Record,
    /// The expected result, unless a program writes in between.
    pub planned: Planned,
    /// The file before sys.lua set the first key, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untouched: Option<Untouched>,
    /// The SHA-256 of the file as it was read; nothing, when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Hash>,
    /// Whether the whole file is kept as a displaced copy, since declared keys were changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_drifted: bool,
    /// Where that copy is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displaced: Option<Text>,
    /// The planned bytes, until the process ends.
    #[serde(skip)]
    pub ready: Ready,
}

/// The bytes that a merge came to, so that it is not done twice. A journal has
/// none: they say nothing that the rest of an edit does not.
#[derive(Clone, Default)]
pub struct Ready(pub Option<Arc<Vec<u8>>>);

impl PartialEq for Ready {
    fn eq(&self, _: &Ready) -> bool {
        true
    }
}

impl Eq for Ready {}

impl std::fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = self.0.as_ref().map(|bytes| bytes.len());
        formatter.debug_tuple("Ready").field(&length).finish()
    }
}

/// A file before keys were set in it: once it has the same bytes again, its time comes back too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untouched {
    /// The SHA-256 of its bytes.
    pub hash: Hash,
    /// The time of the last change of its content, in seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The SHA-256 of the file; nothing, when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Hash>,
    /// The known earlier values of the keys from then on.
    pub record: Record,
}

impl Edit {
    /// Returns the wanted value.
    pub fn wanted(&self) -> Declaration {
        let comment = self.comments.as_ref().and_then(|(_, after)| after.as_deref());
        declaration(self.format, comment, &self.to)
    }

    /// Returns what was declared until now.
    pub fn earlier(&self) -> Declaration {
        let comment = self.comments.as_ref().and_then(|(before, _)| before.as_deref());
        declaration(self.format, comment, &self.from)
    }

    /// Returns whether another edit is of the same file, with the same declarations and the same
    /// record, so that both come to the same.
    pub fn is_of(&self, other: &Edit) -> bool {
        self.before == other.before
            && self.format == other.format
            && self.comments == other.comments
            && self.from == other.from
            && self.to == other.to
            && self.record == other.record
            && self.untouched == other.untouched
    }

    /// Returns whether the bytes of the file stay.
    pub fn is_quiet(&self) -> bool {
        self.before == self.planned.after
    }
}
