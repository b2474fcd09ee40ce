//! What the terminal is like.

use std::io::IsTerminal;

use mlua::prelude::*;

/// Registers `is_terminal`, which takes 1 for standard output and 2 for standard error.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    let is_terminal = lua.create_function(|_, stream: i64| {
        Ok(match stream {
            0 => std::io::stdin().is_terminal(),
            1 => std::io::stdout().is_terminal(),
            2 => std::io::stderr().is_terminal(),
            _ => false,
        })
    })?;
    native.set("is_terminal", is_terminal)
}
