//! `bindings.render_service`, `given_unit`, `declare_text` and `services`.

use mlua::prelude::*;
use serde::de::DeserializeOwned;
use syslua_engine::derivation::{FileContent, FileRecipe};
use syslua_engine::failure::FailureKind;
use syslua_engine::names::OutputName;
use syslua_engine::platform;
use syslua_engine::store::Access;
use syslua_engine::value::{Positions, Value};
use syslua_services::declaration::{Declaration, Scope};
use syslua_services::problem::Refusal;
use syslua_services::render::{self, Manager, Unit};

use crate::apply::report;
use crate::derive::{declare, system};
use crate::error::{Answer, Error};
use crate::options::Options;
use crate::recipes::spec;
use crate::register::{register as register_function, register_verb};
use crate::state::{self, State};
use crate::values::convert::{FieldPath, check_paths, to_value};

/// Returns a refusal as a table: which field, what is wrong with it, and what to do.
fn refusal(lua: &Lua, refusal: &Refusal) -> Answer<LuaTable> {
    let table = lua.create_table()?;
    let set = |key: &str, value: Option<&str>| table.raw_set(key, value);
    set("field", Some(&refusal.field))?;
    set("why", Some(&refusal.why))?;
    set("hint", refusal.hint.as_deref())?;
    Ok(table)
}

/// Returns units, or a refusal of them.
fn answer(lua: &Lua, units: Result<Vec<Unit>, Refusal>) -> Answer<LuaValue> {
    match units {
        Ok(units) => report(lua, &units),
        Err(refused) => refusal(lua, &refused).map(LuaValue::Table),
    }
}

fn read<T: DeserializeOwned>(lua: &Lua, table: &LuaTable) -> Answer<Result<T, Refusal>> {
    let value = to_value(lua, &LuaValue::Table(table.clone()), &FieldPath::top("service"))?;
    let json = value.to_json();
    Ok(serde_json::from_value(json).map_err(|_| {
        // The Lua side checked the types: what is left are texts that are no UTF-8.
        Refusal::new("service", "has a text that is not UTF-8, or a value of the wrong type")
    }))
}

/// Declares a directory with one file, which nothing is linked to yet; returns the path that the
/// file will have. Its name stays what it is, and has no digits of a hash.
///
/// # Errors
/// When no evaluation is under way, or the text names a path of the config's.
fn declare_text(lua: &Lua, name: &[u8], text: &[u8], positions: Positions) -> Answer<Vec<u8>> {
    let value = Value::Bytes(text.to_vec());
    if let Some(files) = state::read(lua, State::config_files) {
        check_paths(&value, &files, &FieldPath::top("unit"))?;
    }
    let file = String::from_utf8_lossy(name).into_owned();
    let content = FileContent::Named(file.clone(), text.to_vec());
    let spec = spec(name, FileRecipe { content, executable: false }, &system(lua))?;
    let derivation = declare(lua, spec, None, positions, None)?;
    Ok(format!("{}/{file}", derivation.placeholder(&OutputName::main())).into_bytes())
}

fn services(lua: &Lua, options: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, options)?;
    let services = options.engine(Access::Look)?.services();
    report(lua, &services?)
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "render_service", |lua, (table, os): (LuaTable, String)| {
        let declared: Result<Declaration, Refusal> = read(lua, &table)?;
        answer(lua, declared.and_then(|one| render::render(&one, Manager::of(&os))))
    })?;
    register_function(
        lua,
        native,
        "given_unit",
        |lua, (name, scope, text): (LuaString, String, Option<LuaString>)| {
            let scope = if scope == "system" { Scope::System } else { Scope::User };
            let utf8 = |text: &LuaString, field: &str| -> Result<String, Refusal> {
                String::from_utf8(text.as_bytes().to_vec())
                    .map_err(|_| Refusal::new(field, "is not UTF-8"))
            };
            let unit = utf8(&name, "name").and_then(|name| {
                let text = text.map(|text| utf8(&text, "unit")).transpose()?;
                render::given(&name, scope, text.as_deref())
            });
            answer(lua, unit.map(|unit| vec![unit]))
        },
    )?;
    register_function(
        lua,
        native,
        "declare_text",
        |lua, (name, text, positions): (LuaString, LuaString, Vec<String>)| {
            let path = declare_text(lua, &name.as_bytes(), &text.as_bytes(), positions.into())?;
            Ok(lua.create_string(path)?)
        },
    )?;
    register_function(lua, native, "user_number", |_, name: String| {
        let account = platform::Account::of(Some(&name));
        let unknown =
            |error| Error::new(FailureKind::Usage, format!("the user {name} is unknown: {error}"));
        Ok(account.map_err(unknown)?.number)
    })?;
    register_verb(lua, native, "services", |lua, options: Option<LuaTable>| {
        services(lua, options.as_ref())
    })
}
