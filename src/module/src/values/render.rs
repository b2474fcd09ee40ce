//! Data of a config as text in formats that other programs read. Knows no config and no file.

use std::fmt::Write;

use mlua::prelude::*;
use serde_json::{Map, Value as Json};
use syslua_engine::failure::FailureKind;
use syslua_engine::value::Value;
use syslua_merge::{Format, Problem, special_float};

use crate::error::{Answer, Error, OrFail};
use crate::register::register_pure as register_function;
use crate::values::convert::{FieldPath, NULL, to_value};

// Builds may use them too: they only know what they are given.

/// Returns data as JSON for other programs: keys sorted, without escapes for sys.lua's own formats.
fn plain_json(value: &Value, place: &FieldPath<'_>) -> Answer<Json> {
    let utf8 = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| place.refuse("is not UTF-8, which these strings must be"))
    };
    Ok(match value {
        Value::Bytes(bytes) => Json::String(utf8(bytes)?),
        Value::List(list) => {
            let items = (1..).zip(list).map(|(index, item)| plain_json(item, &place.index(index)));
            Json::Array(items.collect::<Answer<_>>()?)
        }
        Value::Map(map) => {
            let entries =
                map.iter().map(|(key, item)| Ok((utf8(key)?, plain_json(item, &place.name(key))?)));
            Json::Object(entries.collect::<Answer<Map<_, _>>>()?)
        }
        Value::Derivation(_) | Value::Source(_) => {
            return Err(place.refuse("is a handle: write its path instead, such as .out"));
        }
        other => other.to_json(),
    })
}

/// Returns a report as JSON: bytes that are no UTF-8 are `{"$bytes": BASE64}`.
fn report_json(lua: &Lua, value: &LuaValue) -> Answer<Json> {
    fn whole(value: &Value) -> Json {
        match value {
            Value::List(list) => list.iter().map(whole).collect(),
            Value::Map(map) => map
                .iter()
                .map(|(key, item)| (String::from_utf8_lossy(key).into_owned(), whole(item)))
                .collect(),
            other => other.to_json(),
        }
    }
    Ok(whole(&to_value(lua, value, &FieldPath::top("value"))?))
}

fn to_json(lua: &Lua, value: &LuaValue) -> Answer<Json> {
    named_json(lua, value, "value")
}

fn named_json(lua: &Lua, value: &LuaValue, name: &str) -> Answer<Json> {
    let place = FieldPath::top(name);
    plain_json(&to_value(lua, value, &place)?, &place)
}

/// Returns the line and column, in characters, behind some bytes.
fn place_of(before: &[u8]) -> String {
    let before = String::from_utf8_lossy(before);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    format!("{line}:{}", before[start..].chars().count() + 1)
}

/// Returns the value that a text stands for. `name` is the file that it is from, if it is known.
fn parse(lua: &Lua, text: &[u8], format: &str, name: Option<&str>) -> Answer<LuaValue> {
    let refuse = |place: String, message: String| {
        let place = match name {
            Some(name) => format!("{name}:{place}"),
            None => place,
        };
        Error::new(FailureKind::Config, format!("{place}: this is not {format}: {message}"))
    };
    let text = std::str::from_utf8(text).map_err(|error| {
        let place = place_of(&text[..error.valid_up_to()]);
        refuse(place, "the text is not UTF-8".to_owned())
    })?;
    let json: Json = if format == "JSON" {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            // Its columns are bytes, and 0 at the end of a line.
            let start: usize =
                text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let at = start + error.column().saturating_sub(1);
            let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
            refuse(place_of(before), message[..end].to_owned())
        })?
    } else {
        let kind = Format::parse(&format.to_lowercase())
            .ok_or_else(|| Error::new(FailureKind::Internal, "there is no such format"))?;
        syslua_merge::read(text, kind).map_err(|problem| match problem {
            Problem::Syntax { line, column, message } => {
                refuse(format!("{line}:{column}"), message)
            }
            other => Error::new(FailureKind::Config, other.to_string()),
        })?
    };
    Ok(to_lua(lua, &json, format != "JSON")?)
}

/// Makes a value of data; `has_floats` says that it may have floats that JSON does not have.
fn to_lua(lua: &Lua, json: &Json, has_floats: bool) -> LuaResult<LuaValue> {
    Ok(match json {
        Json::Null => LuaValue::Table(lua.named_registry_value(NULL)?),
        Json::Bool(value) => LuaValue::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into_lua(lua)?,
            None => LuaValue::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => LuaValue::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(to_lua(lua, item, has_floats)?)?;
            }
            table.set_metatable(Some(lua.array_metatable()))?;
            LuaValue::Table(table)
        }
        Json::Object(map) => {
            if let Some(number) = special_float(map).filter(|_| has_floats) {
                return Ok(LuaValue::Number(number));
            }
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), to_lua(lua, item, has_floats)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Refuses `null`, which TOML and INI do not have, by its path.
fn refuse_null(json: &Json, place: &FieldPath<'_>, format: &str) -> Answer<()> {
    match json {
        Json::Null => Err(place.refuse(&format!("is null, which {format} cannot express"))),
        Json::Array(items) => (1..)
            .zip(items)
            .try_for_each(|(index, item)| refuse_null(item, &place.index(index), format)),
        Json::Object(map) => map
            .iter()
            .try_for_each(|(key, item)| refuse_null(item, &place.name(key.as_bytes()), format)),
        _ => Ok(()),
    }
}

/// Returns JSON that has to be a table with names.
fn to_table(lua: &Lua, value: &LuaValue, format: &str) -> Answer<Map<String, Json>> {
    let json = to_json(lua, value)?;
    refuse_null(&json, &FieldPath::top("value"), format)?;
    match json {
        Json::Object(map) => Ok(map),
        _ => Err(Error::new(
            FailureKind::Config,
            format!("a {format} document is a table with string keys: this is another value"),
        )),
    }
}

fn to_toml(lua: &Lua, value: &LuaValue, pretty: bool) -> Answer<String> {
    let map = to_table(lua, value, "TOML")?;
    let text = if pretty { toml::to_string_pretty(&map) } else { toml::to_string(&map) };
    text.or_fail_with(FailureKind::Config, "this cannot be written as TOML")
}

fn to_yaml(lua: &Lua, value: &LuaValue) -> Answer<String> {
    let json = to_json(lua, value)?;
    // Long lines stay one line: a folded one reads the same to a parser only.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(&json, options)
        .or_fail_with(FailureKind::Config, "this cannot be written as YAML")
}

/// How INI is laid out.
struct Ini<'a> {
    indent: &'a str,
    separator: &'a str,
    text: String,
}

impl Ini<'_> {
    fn entry(&mut self, key: &str, value: &Json, place: &FieldPath<'_>) -> Answer<()> {
        let shown = match value {
            Json::String(text) => text.clone(),
            Json::Array(items) => {
                return (1..).zip(items).try_for_each(|(index, item)| {
                    if item.is_array() {
                        return Err(place
                            .index(index)
                            .refuse("is a list in a list, which INI cannot express"));
                    }
                    self.entry(key, item, &place.index(index))
                });
            }
            Json::Object(_) => {
                return Err(place.refuse("is a table in a section, which INI cannot express"));
            }
            other => other.to_string(),
        };
        if key.contains(['\n', '\r', '=']) || key.is_empty() || shown.contains(['\n', '\r']) {
            return Err(place.refuse(
                "has a line break, an empty name or a = in its name, which INI cannot express",
            ));
        }
        let _ = writeln!(self.text, "{}{key}{}{shown}", self.indent, self.separator);
        Ok(())
    }
}

fn to_ini(lua: &Lua, value: &LuaValue, indent: &str, separator: &str) -> Answer<String> {
    let map = to_table(lua, value, "INI")?;
    let top = FieldPath::top("value");
    let (sections, plain): (Vec<_>, Vec<_>) = map.iter().partition(|(_, value)| value.is_object());
    let mut ini = Ini { indent: "", separator, text: String::new() };
    for (key, value) in plain {
        ini.entry(key, value, &top.name(key.as_bytes()))?;
    }
    ini.indent = indent;
    for (name, section) in sections {
        let place = top.name(name.as_bytes());
        if name.contains(['\n', '\r', ']']) {
            return Err(
                place.refuse("has a line break or a ] in its name, which INI cannot express")
            );
        }
        if !ini.text.is_empty() {
            ini.text.push('\n');
        }
        let _ = writeln!(ini.text, "[{name}]");
        for (key, value) in section.as_object().into_iter().flatten() {
            ini.entry(key, value, &place.name(key.as_bytes()))?;
        }
    }
    Ok(ini.text)
}

/// Registers the conversions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    let null = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.set("__tostring", lua.create_function(|_, _: LuaValue| Ok("null"))?)?;
    null.set_metatable(Some(metatable))?;
    lua.set_named_registry_value(NULL, &null)?;
    native.set("null", null)?;
    native.set("array_metatable", lua.array_metatable())?;
    type Arguments = (LuaValue, Option<bool>, Option<String>);
    register_function(lua, native, "to_json", |lua, (value, pretty, name): Arguments| {
        let json = named_json(lua, &value, name.as_deref().unwrap_or("value"))?;
        let text = if pretty == Some(true) {
            serde_json::to_string_pretty(&json)
        } else {
            serde_json::to_string(&json)
        };
        text.or_fail(FailureKind::Config)
    })?;
    register_function(lua, native, "report_json", |lua, value: LuaValue| {
        serde_json::to_string(&report_json(lua, &value)?).or_fail(FailureKind::Engine)
    })?;
    register_function(
        lua,
        native,
        "parse",
        |lua, (text, format, name): (LuaString, String, Option<LuaString>)| {
            let name = name.map(|name| name.to_string_lossy());
            parse(lua, &text.as_bytes(), &format, name.as_deref())
        },
    )?;
    register_function(lua, native, "to_toml", |lua, (value, pretty): (LuaValue, Option<bool>)| {
        to_toml(lua, &value, pretty == Some(true))
    })?;
    register_function(lua, native, "to_yaml", |lua, value: LuaValue| to_yaml(lua, &value))?;
    register_function(
        lua,
        native,
        "to_ini",
        |lua, (value, indent, separator): (LuaValue, String, String)| {
            to_ini(lua, &value, &indent, &separator)
        },
    )
}
