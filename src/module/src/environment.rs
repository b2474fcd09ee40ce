//! What the Lua side reads of environments: which variables are lists, which shells there are.

use mlua::prelude::*;
use syslua_engine::environment::{lists, literal_reference, shells};

use crate::error::{lua_failure, register as register_function};

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    // The variables that are lists: `name`, `separator` on Unix, `default`.
    register_function(lua, native, "lists", |lua, ()| {
        let to_table = |list: &lists::List| {
            let table = lua.create_table()?;
            table.raw_set("name", list.name)?;
            table.raw_set("separator", list.separator)?;
            table.raw_set("default", list.default)?;
            Ok(table)
        };
        let tables: LuaResult<Vec<_>> = lists::LISTS.iter().map(to_table).collect();
        tables.and_then(|tables| lua.create_sequence_from(tables)).map_err(lua_failure)
    })?;
    // The names of the shells, in their order.
    register_function(lua, native, "shells", |lua, ()| {
        lua.create_sequence_from(shells::SHELLS.iter().map(|shell| shell.name())).map_err(lua_failure)
    })?;
    // The name of the variable that a literal value looks as if it referred to, or nil.
    register_function(lua, native, "literal_reference", |_, text: LuaString| Ok(literal_reference(&text.as_bytes())))
}
