//! What all functions of documents need.

use std::path::PathBuf;

use mlua::prelude::*;
use syslua_engine::platform;
use syslua_secrets::recipient::Recipient;
use syslua_secrets::{Plain, Problem, Value};

use crate::error::Answer;

pub fn path_of(path: &LuaString) -> PathBuf {
    platform::path_from_bytes(&path.as_bytes())
}

/// The recipients of `SOPS_AGE_RECIPIENTS`, which sops encrypts new documents to.
pub fn recipients_of_environment() -> Answer<Vec<Recipient>> {
    let text = std::env::var("SOPS_AGE_RECIPIENTS").unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(parts.map(Recipient::parse).collect::<Result<_, Problem>>()?)
}

/// The file of creation rules that `SOPS_CONFIG` names, as sops takes it.
pub fn rules_file() -> Option<PathBuf> {
    std::env::var_os("SOPS_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Returns data as Lua has it: no null, and times as text.
pub fn to_lua(lua: &Lua, plain: &Plain) -> LuaResult<LuaValue> {
    match plain {
        Plain::Value(value) => match value {
            Value::Null => Ok(LuaNil),
            Value::Bool(truth) => Ok(LuaValue::Boolean(*truth)),
            Value::Int(number) => number.into_lua(lua),
            Value::Float(number) => number.into_lua(lua),
            other => lua.create_string(&*other.to_content()).map(LuaValue::String),
        },
        Plain::List(items) => {
            let table = lua.create_table()?;
            for item in items {
                table.raw_push(to_lua(lua, item)?)?;
            }
            Ok(LuaValue::Table(table))
        }
        Plain::Map(entries) => {
            let table = lua.create_table()?;
            for (key, value) in entries {
                table.raw_set(key.as_str(), to_lua(lua, value)?)?;
            }
            Ok(LuaValue::Table(table))
        }
    }
}
