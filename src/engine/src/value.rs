//! Plain data that crosses the bindings between Lua and the engine, and how it reads as JSON.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use litemap::LiteMap;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

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

    /// Returns what follows a leading `~` or `$HOME`, when that is a whole component.
    pub fn below_home(&self) -> Option<&[u8]> {
        let prefixes = [b"~".as_slice(), b"$HOME".as_slice()].into_iter();
        let mut rests = prefixes.filter_map(|prefix| self.0.strip_prefix(prefix));
        rests.find(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Replaces a leading `~/` or `$HOME/`, or either alone, by the home directory.
    #[must_use]
    pub fn expand_home(&self, home: &Path) -> Text {
        match self.below_home() {
            Some(rest) => Text([crate::platform::bytes_of_path(home).as_slice(), rest].concat()),
            None => self.clone(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

crate::hash::string_schema!(Text);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(&self.0).serialize(serializer)
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
            return Err(custom("a table without $bytes is not a text".to_owned()));
        };
        if key != "$bytes" || map.next_key::<String>()?.is_some() {
            return Err(custom("a table with other fields than $bytes is not a text".to_owned()));
        }
        BASE64
            .decode(bytes.as_bytes())
            .map(Text)
            .map_err(|error| custom(format!("$bytes is not base64: {error}")))
    }
}

/// Writes a path that may be absent as JSON, as [`Text`] does.
///
/// # Errors
/// Those of the serializer.
pub fn path_to_json<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_deref().map(|path| Text(crate::platform::bytes_of_path(path))).serialize(serializer)
}

/// Reads what [`path_to_json`] wrote.
///
/// # Errors
/// When it is neither a text nor null.
pub fn path_from_json<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.to_path()))
}

/// A local file or tree that a config declares as input of a build, known by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is on this machine. No part of any hash except for its extension.
    pub path: PathBuf,
    /// The SHA-256 of its NAR, without what is excluded.
    pub nar: Hash,
    /// Paths below it that a filter left out, relative to it.
    pub excluded: BTreeSet<PathBuf>,
}

impl Source {
    /// Returns what a build calls it by: digits of its content and, since compilers and others look
    /// at it, its extension. Nothing else of its path is seen by a build, or part of a hash.
    pub fn name(&self) -> String {
        format!("source-{}{}", &self.nar.to_hex()[..SHORT_HASH], self.extension())
    }

    /// Returns the extension with its dot, or nothing.
    pub fn extension(&self) -> String {
        let extension =
            self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_plain =
            extension.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_".contains(&byte));
        if extension.is_empty() || !is_plain { String::new() } else { format!(".{extension}") }
    }
}

/// The chain of lines that declared something, innermost first, such as `modules/git.lua:4`.
pub type Positions = Arc<[String]>;

/// Named values, in the order of their names. No tree: thousands of files have one name each.
pub type Fields = LiteMap<Vec<u8>, Value>;

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
/// The first eight kinds, [`Value::Derivation`] and [`Value::Source`] are what `opts` may hold; the
/// others occur only among the captures of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number that is not an integer, never NaN or infinite in `opts`.
    Float(f64),
    /// A string: any bytes.
    Bytes(Vec<u8>),
    /// A string with paths of trees of inputs in it: strings, and a source for each of these trees.
    Joined(Vec<Value>),
    /// A table with the keys 1 to n.
    List(Vec<Value>),
    /// A table with strings as keys.
    Map(Fields),
    /// A handle of the derivation with this hash.
    Derivation(Hash),
    /// A local file or tree. Boxed, since it is the largest kind by far.
    Source(Box<Source>),
    /// A captured table of any shape: its entries in canonical order and its metatable.
    Table(Vec<(Value, Value)>, Option<Box<Value>>),
    /// A captured function written in Lua.
    Function(Box<Function>),
    /// A function of the interpreter or of sys.lua, by its canonical name.
    Known(String),
    /// A captured table or function that occurred before: its number in order of first visit.
    Again(u64),
}

/// Bytes as they are in JSON: a string, or `{"$bytes": BASE64}`.
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_map([("$bytes", BASE64.encode(self.0))]),
        }
    }
}

/// Captured variables as they are in JSON: a list of names and values.
pub struct Captures<'a>(pub &'a [(Vec<u8>, Value)]);

impl Serialize for Captures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| (Bytes(name), value)))
    }
}

/// Returns a key of the user as a key of JSON: a leading `$` is doubled.
fn key_to_json(key: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(key);
    if text.starts_with('$') { format!("${text}").into() } else { text }
}

/// Written straight into a text, without a tree in between: manifests hold thousands.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(value) => serializer.collect_map([("$float", value.to_string())]),
            Value::Bytes(bytes) => Bytes(bytes).serialize(serializer),
            Value::Joined(parts) => serializer.collect_map([("$joined", parts)]),
            Value::List(list) => serializer.collect_seq(list),
            // A key that is not UTF-8 would be confused with another one as a key of JSON.
            Value::Map(map) if map.keys().all(|key| std::str::from_utf8(key).is_ok()) => {
                serializer.collect_map(map.iter().map(|(key, value)| (key_to_json(key), value)))
            }
            Value::Map(map) => {
                let entries: Vec<_> = map.iter().map(|(key, value)| (Bytes(key), value)).collect();
                serializer.collect_map([("$map", entries)])
            }
            Value::Derivation(hash) => serializer.collect_map([("$derivation", hash)]),
            Value::Source(source) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("$source", &source.nar)?;
                let extension = source.extension();
                if !extension.is_empty() {
                    map.serialize_entry("extension", &extension)?;
                }
                map.end()
            }
            Value::Table(entries, metatable) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("$table", entries)?;
                if let Some(metatable) = metatable {
                    map.serialize_entry("$metatable", metatable)?;
                }
                map.end()
            }
            Value::Function(function) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("$function", &Bytes(&function.text))?;
                map.serialize_entry("$captures", &Captures(&function.captures))?;
                map.end()
            }
            Value::Known(name) => serializer.collect_map([("$known", name)]),
            Value::Again(number) => serializer.collect_map([("$again", number)]),
        }
    }
}

impl Value {
    /// Returns the value as JSON, with `$`-keys for what JSON cannot say.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Adds the local files and trees inside to a list.
    pub fn add_sources<'a>(&'a self, sources: &mut Vec<&'a Source>) {
        match self {
            Value::Source(source) => sources.push(source),
            Value::List(list) | Value::Joined(list) => {
                list.iter().for_each(|value| value.add_sources(sources));
            }
            Value::Map(map) => map.values().for_each(|value| value.add_sources(sources)),
            Value::Table(entries, metatable) => {
                entries
                    .iter()
                    .flat_map(|(key, value)| [key, value])
                    .for_each(|value| value.add_sources(sources));
                metatable.iter().for_each(|value| value.add_sources(sources));
            }
            Value::Function(function) => {
                function.captures.iter().for_each(|(_, value)| value.add_sources(sources));
            }
            _ => {}
        }
    }

    /// Calls `visit` for every value inside, itself first.
    pub fn walk(&self, visit: &mut impl FnMut(&Value)) {
        visit(self);
        match self {
            Value::List(list) | Value::Joined(list) => {
                list.iter().for_each(|value| value.walk(visit));
            }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let map =
            Value::Map(Fields::from_iter([(b"$bytes".to_vec(), Value::Bytes(b"x".to_vec()))]));
        assert_eq!(map.to_json(), json!({ "$$bytes": "x" }));
    }
    #[test]
    fn what_json_cannot_say_has_keys_of_ours() {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let source = |path: &str| Source {
            path: path.into(),
            nar: Hash::of(b""),
            excluded: BTreeSet::new(),
        };
        let hash = Hash::of(b"").to_hex();
        let function = Function {
            text: b"function() end".to_vec(),
            captures: vec![(b"x".to_vec(), Value::Nil)],
        };
        let expected = [
            (Value::Nil, json!(null)),
            (Value::Int(-3), json!(-3)),
            (Value::Float(0.5), json!(0.5)),
            (Value::Float(f64::INFINITY), json!({ "$float": "inf" })),
            (bytes(b"\xff"), json!({ "$bytes": "/w==" })),
            (Value::List(vec![Value::Bool(true)]), json!([true])),
            (
                Value::Joined(vec![Value::Source(Box::new(source("/a"))), bytes(b"/b")]),
                json!({ "$joined": [{ "$source": hash }, "/b"] }),
            ),
            (
                Value::Map(Fields::from_iter([(b"\xff".to_vec(), Value::Int(1))])),
                json!({ "$map": [[{ "$bytes": "/w==" }, 1]] }),
            ),
            (Value::Derivation(Hash::of(b"")), json!({ "$derivation": hash })),
            (Value::Source(Box::new(source("/a"))), json!({ "$source": hash })),
            (
                Value::Source(Box::new(source("/a.c"))),
                json!({ "$source": hash, "extension": ".c" }),
            ),
            (
                Value::Table(vec![(Value::Int(1), bytes(b"a"))], Some(Box::new(Value::Again(2)))),
                json!({ "$table": [[1, "a"]], "$metatable": { "$again": 2 } }),
            ),
            (
                Value::Function(Box::new(function)),
                json!({ "$function": "function() end", "$captures": [["x", null]] }),
            ),
            (Value::Known("print".into()), json!({ "$known": "print" })),
        ];
        for (value, json) in expected {
            assert_eq!(serde_json::to_string(&value).unwrap(), json.to_string());
            assert_eq!(value.to_json(), json);
        }
    }
}
