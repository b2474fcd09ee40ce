//! Plain data that crosses the border between Lua and the engine, and how it reads as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use data_encoding::BASE64;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::hash::Hash;
use crate::names::SHORT_HASH;

/// Bytes that are text for people: UTF-8 almost always, but nothing is lost when they are not.
///
/// In JSON they are a string, or `{"$bytes": BASE64}` when they are not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// Returns the text for a message; bytes that are not UTF-8 are replaced.
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Returns the text as a path.
    pub fn to_path(&self) -> PathBuf {
        crate::platform::path_from_bytes(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => bytes_to_json(&self.0).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Takes a text as it comes, without keeping it in between: snapshots have many.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string, or bytes as {\"$bytes\": BASE64}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.as_bytes().to_vec()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(text.into_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let custom = |problem: String| <A::Error as serde::de::Error>::custom(problem);
        let Some((key, bytes)) = map.next_entry::<String, String>()? else {
            return Err(custom("a table without $bytes is no text".to_owned()));
        };
        if key != "$bytes" || map.next_key::<String>()?.is_some() {
            return Err(custom("a table with other fields than $bytes is no text".to_owned()));
        }
        BASE64.decode(bytes.as_bytes()).map(Text).map_err(|error| custom(format!("$bytes is no base64: {error}")))
    }
}

/// Writes a path that may be absent as JSON, as [`Text`] does.
///
/// # Errors
/// Those of the serializer.
pub fn path_to_json<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(|path| Text(crate::platform::bytes_of_path(path))).serialize(serializer)
}

/// Reads what [`path_to_json`] wrote.
///
/// # Errors
/// When it is neither a text nor null.
pub fn path_from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.to_path()))
}

/// A local file or tree that a config declares as input of a build, known by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is on this machine. No part of any hash but for its extension.
    pub path: PathBuf,
    /// The SHA-256 of its NAR, without what is excluded.
    pub nar: Hash,
    /// Paths below it that a filter left out, relative to it.
    pub excluded: BTreeSet<PathBuf>,
}

impl Source {
    /// Returns what a build calls it by: digits of its content and, since compilers and others look at it,
    /// its extension. Nothing else of its path is seen by a build, or part of a hash.
    pub fn name(&self) -> String {
        format!("source-{}{}", &self.nar.to_hex()[..SHORT_HASH], self.extension())
    }

    /// Returns the extension with its dot, or nothing.
    pub fn extension(&self) -> String {
        let extension = self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_plain = extension.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_".contains(&byte));
        if extension.is_empty() || !is_plain { String::new() } else { format!(".{extension}") }
    }
}

/// A function of Lua that a build depends on: its text and what it captures.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The source text, from `function` to `end`.
    pub text: Vec<u8>,
    /// The captured variables by name, and compile-time constants.
    pub captures: Vec<(Vec<u8>, Value)>,
}

/// A value of a config.
///
/// The first seven kinds, [`Value::Derivation`] and [`Value::Source`] are what `opts` may hold; the
/// others occur only among the captures of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number that is no integer, never NaN or infinite in `opts`.
    Float(f64),
    /// A string: any bytes.
    Bytes(Vec<u8>),
    /// A table with the keys 1 to n.
    List(Vec<Value>),
    /// A table with strings as keys.
    Map(BTreeMap<Vec<u8>, Value>),
    /// A handle of the derivation with this hash.
    Derivation(Hash),
    /// A local file or tree.
    Source(Source),
    /// A captured table of any shape: its entries in canonical order and its metatable.
    Table(Vec<(Value, Value)>, Option<Box<Value>>),
    /// A captured function written in Lua.
    Function(Box<Function>),
    /// A function of the interpreter or of sys.lua, by its canonical name.
    Known(String),
    /// A captured table or function that occurred before: its number in order of first visit.
    Again(u64),
}

/// Returns bytes as JSON: a string, or `{"$bytes": BASE64}`.
pub fn bytes_to_json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => Json::from(text),
        Err(_) => json!({ "$bytes": BASE64.encode(bytes) }),
    }
}

/// Returns a key of the user as a key of JSON: one that begins with `$` gets a second one.
pub fn key_to_json(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    if text.starts_with('$') { format!("${text}") } else { text.into_owned() }
}

impl Value {
    /// Returns the value as JSON, with `$`-keys for what JSON cannot say.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Nil => Json::Null,
            Value::Bool(value) => Json::from(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) if value.is_finite() => Json::from(*value),
            Value::Float(value) => json!({ "$float": value.to_string() }),
            Value::Bytes(bytes) => bytes_to_json(bytes),
            Value::List(list) => list.iter().map(Value::to_json).collect(),
            Value::Map(map) => {
                // A key that is not UTF-8 would be confused with another one as a key of JSON.
                if map.keys().all(|key| std::str::from_utf8(key).is_ok()) {
                    let entries = map.iter().map(|(key, value)| (key_to_json(key), value.to_json()));
                    Json::Object(entries.collect())
                } else {
                    let entries = map.iter().map(|(k, v)| json!([bytes_to_json(k), v.to_json()]));
                    json!({ "$map": entries.collect::<Vec<_>>() })
                }
            }
            Value::Derivation(hash) => json!({ "$derivation": hash }),
            Value::Source(source) if source.extension().is_empty() => json!({ "$source": source.nar }),
            Value::Source(source) => json!({ "$source": source.nar, "extension": source.extension() }),
            Value::Table(entries, metatable) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| json!([key.to_json(), value.to_json()])).collect();
                let mut object = Map::from_iter([("$table".to_owned(), Json::from(entries))]);
                if let Some(metatable) = metatable {
                    object.insert("$metatable".to_owned(), metatable.to_json());
                }
                Json::Object(object)
            }
            Value::Function(function) => {
                json!({ "$function": bytes_to_json(&function.text), "$captures": captures_to_json(&function.captures) })
            }
            Value::Known(name) => json!({ "$known": name }),
            Value::Again(number) => json!({ "$again": number }),
        }
    }

    /// Calls `visit` for every value inside, itself first.
    pub fn walk(&self, visit: &mut impl FnMut(&Value)) {
        visit(self);
        match self {
            Value::List(list) => list.iter().for_each(|value| value.walk(visit)),
            Value::Map(map) => map.values().for_each(|value| value.walk(visit)),
            Value::Table(entries, metatable) => {
                for (key, value) in entries {
                    key.walk(visit);
                    value.walk(visit);
                }
                if let Some(metatable) = metatable {
                    metatable.walk(visit);
                }
            }
            Value::Function(function) => {
                function.captures.iter().for_each(|(_, value)| value.walk(visit));
            }
            _ => {}
        }
    }
}

/// Returns captured variables as JSON: a list of names and values.
pub fn captures_to_json(captures: &[(Vec<u8>, Value)]) -> Json {
    captures.iter().map(|(name, value)| json!([bytes_to_json(name), value.to_json()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_json() {
        for bytes in [b"plain".to_vec(), vec![0xff, 0], "ä".as_bytes().to_vec()] {
            let text = Text(bytes);
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
        }
    }

    #[test]
    fn keys_of_the_user_cannot_pose_as_ours() {
        let map = Value::Map(BTreeMap::from([(b"$bytes".to_vec(), Value::Bytes(b"x".to_vec()))]));
        assert_eq!(map.to_json(), json!({ "$$bytes": "x" }));
    }
}
