//! Handles: the tables that stand for derivations and sources in Lua.

use mlua::prelude::*;
use syslua_engine::derivation::Derivation;
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::names::Version;
use syslua_engine::platform::{self};
use syslua_engine::value::Source;

use crate::error::{Answer, Error};
use crate::state;

/// The registry entry with the fields of handles and sources, by the handle: only the module can
/// add to it, so no other value can imitate a handle. Handles are empty tables that
/// `lua/syslua/handle.lua` gives a metatable; not userdata, because LuaJIT 2.1.0-beta3 crashes when
/// it collects userdata of mlua (it reads the upper half of a C function's 32-bit result as part of
/// it).
pub const FIELDS: &str = "syslua.handles";

/// The registry entries of the metatables: of handles, sources, the outputs of a handle, and of
/// dependencies as a build sees them.
const KINDS: [(&str, &str); 4] =
    [("derivation", HANDLE), ("source", SOURCE), ("outputs", OUTPUTS), ("dependency", DEPENDENCY)];

const HANDLE: &str = "syslua.handle";

pub const SOURCE: &str = "syslua.source";

const OUTPUTS: &str = "syslua.outputs";

/// See [`KINDS`].
pub const DEPENDENCY: &str = "syslua.dependency";

/// Returns what a handle or source shows.
///
/// # Errors
/// When it was changed; the error names it.
pub fn fields_of(
    lua: &Lua,
    table: &LuaTable,
    kind: &str,
    name: &dyn Fn() -> String,
) -> Answer<Option<LuaTable>> {
    // A handle that lost its metatable shows nothing: it is an empty table.
    let Some(metatable) = table.metatable() else { return Ok(None) };
    let find = || -> LuaResult<Option<(LuaTable, bool)>> {
        let handles: Option<LuaTable> = lua.named_registry_value(FIELDS)?;
        let Some(handles) = handles else { return Ok(None) };
        let Some(fields) = handles.raw_get::<Option<LuaTable>>(table)? else { return Ok(None) };
        if fields.raw_get::<String>("kind")? != kind {
            return Ok(None);
        }
        let own: LuaTable = lua.named_registry_value(kind)?;
        Ok(Some((fields, own == metatable && table.pairs::<LuaValue, LuaValue>().next().is_none())))
    };
    match find()? {
        Some((fields, true)) => Ok(Some(fields)),
        Some((_, false)) => Err(Error::new(
            FailureKind::Config,
            format!("`{}` is a handle that was changed", name()),
        )
        .with_hint("handles are read-only: keep your values in your own variable or table")),
        None => Ok(None),
    }
}

/// Returns the hash of the derivation that a table is the handle of, if it is one. `name` is for
/// messages.
///
/// # Errors
/// When the handle was changed.
pub fn handle_of(lua: &Lua, table: &LuaTable, name: &dyn Fn() -> String) -> Answer<Option<Hash>> {
    let Some(fields) = fields_of(lua, table, HANDLE, name)? else { return Ok(None) };
    let hash: LuaString = fields.raw_get("hash")?;
    let Ok(hash) = Hash::parse(&hash.to_string_lossy()) else { return Ok(None) };
    if let Some(derivation) = state::read(lua, |state| state.derivation(&hash).cloned())
        && !has_own_outputs(lua, &fields, &derivation)?
    {
        return Err(Error::new(
            FailureKind::Config,
            format!("`{}.outputs` is part of a handle, and was changed", name()),
        )
        .with_hint("handles are read-only: copy the paths into your own table"));
    }
    Ok(Some(hash))
}

pub fn has_own_outputs(lua: &Lua, fields: &LuaTable, derivation: &Derivation) -> LuaResult<bool> {
    let outputs: LuaTable = fields.raw_get("outputs")?;
    let metatable: LuaTable = lua.named_registry_value(OUTPUTS)?;
    if outputs.metatable().is_none_or(|own| own != metatable) {
        return Ok(false);
    }
    let mut count = 0;
    for (index, output) in (1..).zip(&derivation.spec.outputs) {
        count += 2;
        let placeholder = derivation.placeholder(output).to_string();
        let path: LuaValue = outputs.raw_get(output.as_str())?;
        let name: LuaValue = outputs.raw_get(index)?;
        let is = |value: &LuaValue, text: &str| {
            value.as_string().is_some_and(|value| *value.as_bytes() == *text.as_bytes())
        };
        if !is(&path, &placeholder) || !is(&name, output.as_str()) {
            return Ok(false);
        }
    }
    Ok(outputs.pairs::<LuaValue, LuaValue>().count() == count)
}

/// Returns the source that a table stands for, if it does. `name` is for messages.
///
/// # Errors
/// When the handle was changed.
pub fn source_of(lua: &Lua, table: &LuaTable, name: &dyn Fn() -> String) -> Answer<Option<Source>> {
    let Some(fields) = fields_of(lua, table, SOURCE, name)? else { return Ok(None) };
    let read = || -> LuaResult<Option<Source>> {
        let Ok(nar) = Hash::parse(&fields.raw_get::<String>("sha256")?) else { return Ok(None) };
        let path: LuaString = fields.raw_get("path")?;
        let excluded: Option<Vec<LuaString>> = fields.raw_get("excluded")?;
        let excluded = excluded.into_iter().flatten();
        let excluded = excluded.map(|inner| platform::path_from_bytes(&inner.as_bytes())).collect();
        Ok(Some(Source { path: platform::path_from_bytes(&path.as_bytes()), nar, excluded }))
    };
    Ok(read()?)
}

/// Makes an empty table of a kind that shows these fields.
pub fn new_handle(lua: &Lua, kind: &str, fields: &LuaTable) -> LuaResult<LuaTable> {
    fields.raw_set("kind", kind)?;
    let table = lua.create_table()?;
    table.set_metatable(Some(lua.named_registry_value(kind)?))?;
    lua.named_registry_value::<LuaTable>(FIELDS)?.raw_set(&table, fields)?;
    Ok(table)
}

pub fn handle(lua: &Lua, derivation: &Derivation) -> LuaResult<LuaTable> {
    let spec = &derivation.spec;
    let outputs = lua.create_table_with_capacity(1, 1)?;
    let fields = lua.create_table_with_capacity(0, 6)?;
    for output in &spec.outputs {
        let placeholder = derivation.placeholder(output).to_string();
        outputs.raw_push(output.as_str())?;
        outputs.raw_set(output.as_str(), placeholder.as_str())?;
        // The first output is used if none is called `out`.
        if output.is_main() || !fields.contains_key("out")? {
            fields.raw_set("out", placeholder)?;
        }
    }
    outputs.set_metatable(Some(lua.named_registry_value(OUTPUTS)?))?;
    fields.raw_set("name", spec.name.as_str())?;
    fields.raw_set("version", spec.version.as_ref().map(Version::as_str))?;
    fields.raw_set("hash", derivation.hash.to_hex())?;
    fields.raw_set("outputs", outputs)?;
    new_handle(lua, HANDLE, &fields)
}

/// Takes the metatables of handles, and the table with what they show, from the Lua side.
pub fn set_kinds(lua: &Lua, fields: &LuaTable, metatables: &LuaTable) -> LuaResult<bool> {
    // Once: handles that were made are of these.
    if lua.named_registry_value::<Option<LuaTable>>(FIELDS)?.is_some() {
        return Ok(false);
    }
    for (name, entry) in KINDS {
        lua.set_named_registry_value(entry, metatables.raw_get::<LuaTable>(name)?)?;
    }
    lua.set_named_registry_value(FIELDS, fields)?;
    Ok(true)
}
