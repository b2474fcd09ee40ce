//! Conversion of values between Lua and the engine.

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::value::Value;

use crate::config_files::ConfigFiles;
use crate::error::{Answer, Error};
use crate::values::handles::{handle_of, source_of};

/// The registry entry of the table that stands for `null`.
pub const NULL: &str = "syslua.null";

/// Below this, a float that is integral is the same number as an integer on every Lua.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Where a value is among options, for messages: `opts.server.port`.
#[derive(Clone, Copy)]
pub struct FieldPath<'a> {
    above: Option<&'a FieldPath<'a>>,
    key: Key<'a>,
}

#[derive(Clone, Copy)]
enum Key<'a> {
    Name(&'a [u8]),
    Index(i64),
}

impl<'a> FieldPath<'a> {
    /// Returns the outermost place.
    pub fn top(name: &'a str) -> FieldPath<'a> {
        FieldPath { above: None, key: Key::Name(name.as_bytes()) }
    }

    /// Returns the place of a named field in it.
    pub fn name<'b>(&'b self, key: &'b [u8]) -> FieldPath<'b> {
        FieldPath { above: Some(self), key: Key::Name(key) }
    }

    /// Returns the place of a list item in it.
    pub fn index(&self, index: i64) -> FieldPath<'_> {
        FieldPath { above: Some(self), key: Key::Index(index) }
    }

    fn render(&self) -> String {
        let above = self.above.map(FieldPath::render).unwrap_or_default();
        match self.key {
            Key::Index(index) => format!("{above}[{index}]"),
            Key::Name(name) if above.is_empty() => String::from_utf8_lossy(name).into_owned(),
            Key::Name(name) => format!("{above}.{}", String::from_utf8_lossy(name)),
        }
    }

    fn depth(&self) -> usize {
        self.above.map_or(0, |above| above.depth() + 1)
    }

    /// Returns the failure of a value that is refused there.
    pub fn refuse(&self, why: &str) -> Error {
        Error::new(FailureKind::Config, format!("`{}` {why}", self.render()))
    }
}

/// The `__name` of the metatable of secrets: `lua/syslua/secret.lua`.
pub const SECRET: &str = "syslua.Secret";
/// What is said of a secret where there can be none.
pub const SECRET_HINT: &str =
    "all users can read what is built: `secret` of file{} writes a private file";

/// Deeper tables are cycles, or would exhaust the stack.
const DEEPEST: usize = 100;

/// Returns a number as the engine hashes it: integral floats are integers.
///
/// # Errors
/// For NaN and infinities.
pub fn number(float: f64, place: &FieldPath<'_>) -> Answer<Value> {
    if !float.is_finite() {
        return Err(place.refuse(&format!("is {float}, which is not a finite number")));
    }
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "the line above checked the range")]
        return Ok(Value::Int(float as i64));
    }
    Ok(Value::Float(float))
}

/// Returns a value of a config as plain data.
///
/// # Errors
/// When it is something that data cannot be, with the path of the field.
pub fn to_value(lua: &Lua, given: &LuaValue, place: &FieldPath<'_>) -> Answer<Value> {
    match given {
        LuaValue::Nil => Ok(Value::Nil),
        LuaValue::Boolean(value) => Ok(Value::Bool(*value)),
        LuaValue::Integer(value) => Ok(Value::Int(*value)),
        LuaValue::Number(float) => number(*float, place),
        LuaValue::String(text) => Ok(Value::Bytes(text.as_bytes().to_vec())),
        LuaValue::Table(table) => table_to_value(lua, table, place),
        other => {
            Err(place
                .refuse(&format!("is a {}, which plain data cannot contain", other.type_name())))
        }
    }
}

fn table_to_value(lua: &Lua, table: &LuaTable, place: &FieldPath<'_>) -> Answer<Value> {
    if place.depth() > DEEPEST {
        return Err(place.refuse("is nested too deeply, or contains itself"));
    }
    let name = || place.render();
    if let Some(hash) = handle_of(lua, table, &name)? {
        return Ok(Value::Derivation(hash));
    }
    if let Some(source) = source_of(lua, table, &name)? {
        return Ok(Value::Source(Box::new(source)));
    }
    if let Some(metatable) = table.metatable() {
        if lua.named_registry_value::<LuaTable>(NULL).is_ok_and(|null| null == *table) {
            return Ok(Value::Nil);
        }
        // What only helpers understand would become a table like any other.
        let kind = metatable.raw_get::<Option<String>>("__name").ok().flatten();
        match kind.as_deref() {
            Some("syslua.Priority") => {
                return Err(place.refuse(
                    "is a value of lib.mk...(), which only env{}, file{} and modules accept",
                ));
            }
            Some(SECRET) => {
                return Err(place
                    .refuse("is a secret, which plain data cannot contain")
                    .with_hint(SECRET_HINT));
            }
            Some("syslua.Reference") => {
                return Err(place.refuse("is a value of lib.ref(), which only env{} accepts"));
            }
            _ => {}
        }
    }
    let length = table.raw_len();
    let mut list = Vec::new();
    let mut map = Vec::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair?;
        let key = match key {
            LuaValue::Number(float) => number(float, place).map(|value| match value {
                Value::Int(index) => LuaValue::Integer(index),
                _ => LuaValue::Number(float),
            })?,
            other => other,
        };
        match key {
            LuaValue::String(key) => {
                let key = key.as_bytes().to_vec();
                let value = to_value(lua, &value, &place.name(&key))?;
                map.push((key, value));
            }
            LuaValue::Integer(index)
                if usize::try_from(index).is_ok_and(|index| (1..=length).contains(&index)) =>
            {
                list.push((index, to_value(lua, &value, &place.index(index))?));
            }
            LuaValue::Integer(index) => {
                return Err(place.refuse(&format!("is a list with gaps: it has the index {index}")));
            }
            other => return Err(place.refuse(&format!("has a {} as a key", other.type_name()))),
        }
        if !list.is_empty() && !map.is_empty() {
            return Err(place.refuse("mixes list items and named fields"));
        }
    }
    if list.is_empty() {
        let is_array =
            table.metatable().is_some_and(|metatable| metatable == lua.array_metatable());
        return Ok(if is_array && map.is_empty() {
            Value::List(Vec::new())
        } else {
            Value::Map(map.into_iter().collect())
        });
    }
    if list.len() != length {
        return Err(place.refuse("is a list with gaps"));
    }
    list.sort_by_key(|(index, _)| *index);
    Ok(Value::List(list.into_iter().map(|(_, value)| value).collect()))
}

/// Refuses paths of files of the config among options.
///
/// # Errors
/// When there is one, with the path of the field.
pub fn check_paths(value: &Value, files: &ConfigFiles, place: &FieldPath<'_>) -> Answer<()> {
    let check = |text: &[u8], place: &FieldPath<'_>| {
        if !files.has(text) {
            return Ok(());
        }
        Err(place
            .refuse(&format!(
                "is a path below the config's directory: {}",
                String::from_utf8_lossy(text)
            ))
            .with_hint(
                "use source(), which is known by its content and is the same on every machine",
            ))
    };
    match value {
        Value::Bytes(text) => check(text, place),
        Value::List(list) => (1..)
            .zip(list)
            .try_for_each(|(index, item)| check_paths(item, files, &place.index(index))),
        Value::Map(map) => map.iter().try_for_each(|(key, item)| {
            check(key, place)?;
            check_paths(item, files, &place.name(key))
        }),
        _ => Ok(()),
    }
}

/// Returns plain data as a value of Lua. `special` makes derivations and sources, and `text`
/// strings.
///
/// # Errors
/// What the two functions answer, or a lack of memory.
pub fn from_value(
    lua: &Lua,
    value: &Value,
    text: &dyn Fn(&[u8]) -> Answer<Vec<u8>>,
    special: &dyn Fn(&Value) -> Answer<LuaValue>,
) -> Answer<LuaValue> {
    let string = |bytes: &[u8]| -> Answer<LuaString> { Ok(lua.create_string(text(bytes)?)?) };
    Ok(match value {
        Value::Nil => LuaNil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Int(value) => value.into_lua(lua)?,
        Value::Float(value) => LuaValue::Number(*value),
        Value::Bytes(bytes) => LuaValue::String(string(bytes)?),
        Value::List(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for item in list {
                table.raw_push(from_value(lua, item, text, special)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Map(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(string(key)?, from_value(lua, item, text, special)?)?;
            }
            LuaValue::Table(table)
        }
        other => special(other)?,
    })
}
