//! `bindings.check_package`.

use mlua::prelude::*;

use crate::register::register;

/// Registers the function.
///
/// # Errors
/// When Lua has no memory left.
pub fn register_all(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register(lua, native, "check_package", |_lua, (manager, name): (String, LuaString)| {
        let name = name.to_string_lossy();
        let manager = syslua_packages::manager::find(&manager);
        Ok(manager.and_then(|manager| manager.check(&name).err()))
    })
}
