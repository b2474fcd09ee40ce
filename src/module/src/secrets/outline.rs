//! What documents hold, for evaluation: keys and types, which are in clear. Nothing is decrypted.

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_secrets::{
    Document, Format, KeyPath, Plain, Problem, Step, Type, Value, age_file, file,
};

use super::shared::{path_of, to_lua};
use crate::error::{Answer, Error};

/// Keys and types of a document, without decrypting.
pub(super) fn outline(lua: &Lua, path: &LuaString) -> Answer<LuaValue> {
    let document = file::document(&path_of(path))?;
    Ok(to_lua(lua, &document.outline())?)
}

/// What a document holds for a config: its tables, with the result of `leaf(key, digest)` in the
/// place of each value. Each map and list goes through `map(table, key, is_list)`. Null is `nil`.
pub(super) fn document(
    lua: &Lua,
    kind: &str,
    name: &LuaString,
    content: &LuaString,
    leaf: &LuaFunction,
    map: &LuaFunction,
) -> Answer<LuaValue> {
    let (path, content) = (path_of(name), content.as_bytes());
    let in_file = |problem: Problem| {
        let mut error = Error::from(problem.in_file(&path));
        error.kind = FailureKind::Config;
        error
    };
    let is_age = age_file::is_age_file(&content);
    if kind == "age" {
        age_file::check(&content).map_err(in_file)?;
        let sealed = Hash::of(&content).to_hex();
        return Ok(leaf.call(("", sealed, "str"))?);
    } else if is_age {
        return Err(in_file(
            Problem::new("it is an age file, which has no keys").with_hint("load it with age.load"),
        ));
    }
    let format = Format::of(&path);
    let document = Document::parse(format, &content).map_err(in_file)?;
    let mut place = Vec::new();
    let make = Outline { lua, document: &document, leaf, map };
    if format == Format::Binary {
        place.push(Step::Key("data".to_owned()));
        return Ok(make.leaf(&KeyPath::new(place), "str").map_err(in_file)??);
    }
    Ok(make.value(&document.outline(), &mut place).map_err(in_file)??)
}

/// Makes values of Lua of what a document holds.
struct Outline<'a> {
    lua: &'a Lua,
    document: &'a Document,
    leaf: &'a LuaFunction,
    map: &'a LuaFunction,
}

impl Outline<'_> {
    fn leaf(&self, path: &KeyPath, kind: &str) -> syslua_secrets::Result<LuaResult<LuaValue>> {
        let sealed = Hash::from_bytes(self.document.sealed(path)?).to_hex();
        Ok(self.leaf.call((path.to_string(), sealed, kind)))
    }

    fn value(
        &self,
        outline: &Plain,
        place: &mut Vec<Step>,
    ) -> syslua_secrets::Result<LuaResult<LuaValue>> {
        let inner = |step: Step, outline: &Plain, place: &mut Vec<Step>| {
            place.push(step);
            let value = self.value(outline, place);
            place.pop();
            value
        };
        let table = match self.lua.create_table() {
            Ok(table) => table,
            Err(error) => return Ok(Err(error)),
        };
        match outline {
            Plain::Value(Value::Str(kind)) if kind == Type::Null.name() => Ok(Ok(LuaNil)),
            Plain::Value(Value::Str(kind)) => self.leaf(&KeyPath::new(place.clone()), kind),
            Plain::Value(_) => Ok(Ok(LuaNil)),
            Plain::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let value = inner(Step::Index(index), item, place)?;
                    if let Err(error) = value.and_then(|value| table.raw_set(index + 1, value)) {
                        return Ok(Err(error));
                    }
                }
                let place = KeyPath::new(place.clone()).to_string();
                Ok(self.map.call((table, place, true)))
            }
            Plain::Map(entries) => {
                for (key, item) in entries {
                    let value = inner(Step::Key(key.clone()), item, place)?;
                    if let Err(error) = value.and_then(|value| table.raw_set(key.as_str(), value)) {
                        return Ok(Err(error));
                    }
                }
                let place = KeyPath::new(place.clone()).to_string();
                Ok(self.map.call((table, place, false)))
            }
        }
    }
}
