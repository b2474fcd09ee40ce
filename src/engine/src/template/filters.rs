//! Filters that write a value in the syntax of another language: `sh`, `json`, `toml`, `lua`.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::text::escaped_byte;
use crate::names::Placeholder;

/// Deeper values are refused.
const DEEPEST: usize = 100;

/// Adds the filters to an environment.
pub fn register(environment: &mut Environment<'_>) {
    environment.add_filter("sh", sh);
    environment.add_filter("json", json);
    environment.add_filter("toml", toml);
    environment.add_filter("lua", lua);
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// An undefined value is named as such, whatever the filter.
fn check_defined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(()) }
}

/// Returns one word for a shell as POSIX describes it.
fn quote_word(word: &str) -> Result<String, Error> {
    if word.contains('\0') {
        return Err(refuse("sh: a word of a shell cannot hold a NUL byte"));
    }
    // The path of an output is known later, and may hold what needs quotes.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    let is_plain =
        !word.is_empty() && word.bytes().all(is_plain) && !word.contains(Placeholder::PREFIX);
    Ok(if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) })
}

/// `sh`: a string or a number as one word of a shell, and a list as several.
fn sh(value: &Value) -> Result<String, Error> {
    check_defined(value)?;
    let scalar = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(value.is_true().to_string()),
        ValueKind::String | ValueKind::Number => Some(value.to_string()),
        _ => None,
    };
    if let Some(word) = scalar(value) {
        return quote_word(&word);
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let words = value.try_iter()?.map(|item| match scalar(&item) {
                Some(word) => quote_word(&word),
                None => Err(refuse(format!(
                    "sh: a {} in a list cannot be a word of a shell",
                    item.kind()
                ))),
            });
            Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        kind => Err(refuse(format!("sh: a {kind} cannot be a word of a shell"))),
    }
}

/// Refuses strings with bytes that are not UTF-8, which most formats cannot hold.
fn check_text(filter: &str, text: &str) -> Result<(), Error> {
    if text.chars().any(|character| escaped_byte(character).is_some()) {
        return Err(refuse(format!("{filter}: the value is not UTF-8")));
    }
    Ok(())
}

/// `json`: any value. `indent = N` gives each item its own line.
#[expect(clippy::needless_pass_by_value, reason = "the renderer gives it by value")]
fn json(value: &Value, options: Kwargs) -> Result<String, Error> {
    check_defined(value)?;
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let text = match indent {
        None => serde_json::to_string(value).map_err(|error| refuse(format!("json: {error}")))?,
        Some(width) => {
            use serde::Serialize;
            let indent = vec![b' '; width.min(16)];
            let mut bytes = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(&indent);
            let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
            value.serialize(&mut serializer).map_err(|error| refuse(format!("json: {error}")))?;
            String::from_utf8(bytes).map_err(|error| refuse(format!("json: {error}")))?
        }
    };
    check_text("json", &text)?;
    Ok(text)
}

/// `toml`: what may follow `NAME =` in TOML, on one line.
fn toml(value: &Value) -> Result<String, Error> {
    check_defined(value)?;
    let mut text = String::new();
    ::serde::Serialize::serialize(value, ::toml::ser::ValueSerializer::new(&mut text))
        .map_err(|error| refuse(format!("toml: {error}")))?;
    check_text("toml", &text)?;
    Ok(text)
}

/// `lua`: an expression of Lua, on one line.
fn lua(value: &Value) -> Result<String, Error> {
    check_defined(value)?;
    let mut text = String::new();
    add_lua(&mut text, value, 0)?;
    Ok(text)
}

fn add_lua(text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(refuse("lua: the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::None => text.push_str("nil"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => text.push_str(&value.to_string()),
        ValueKind::String => add_lua_string(text, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut separator = "{ ";
            for item in value.try_iter()? {
                text.push_str(separator);
                separator = ", ";
                add_lua(text, &item, depth + 1)?;
            }
            text.push_str(if separator == "{ " { "{}" } else { " }" });
        }
        ValueKind::Map => {
            let mut separator = "{ ";
            for key in value.try_iter()? {
                text.push_str(separator);
                separator = ", ";
                let item = value.get_item(&key)?;
                let name = key.as_str().unwrap_or_default();
                if is_lua_name(name) {
                    text.push_str(name);
                } else {
                    text.push('[');
                    add_lua(text, &key, depth + 1)?;
                    text.push(']');
                }
                text.push_str(" = ");
                add_lua(text, &item, depth + 1)?;
            }
            text.push_str(if separator == "{ " { "{}" } else { " }" });
        }
        kind => return Err(refuse(format!("lua: a {kind} cannot be written in Lua"))),
    }
    Ok(())
}

/// The reserved words of Lua 5.1 to 5.5.
const RESERVED: [&str; 23] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "global", "goto",
    "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

fn is_lua_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&name)
}

/// Adds a string in quotes. All that is not a plain character is written as the numbers of its
/// bytes, always with three digits, which every Lua reads.
fn add_lua_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ => {
                let byte = escaped_byte(character)
                    .or_else(|| u8::try_from(character).ok().filter(u8::is_ascii_control));
                match byte {
                    Some(byte) => {
                        // Writing to a string never fails.
                        let _ = write!(text, "\\{byte:03}");
                    }
                    None => text.push(character),
                }
            }
        }
    }
    text.push('"');
}
