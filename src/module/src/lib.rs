//! border
use mlua::prelude::*;
#[mlua::lua_module]
fn syslua(lua: &Lua) -> LuaResult<LuaTable> {
    let t = lua.create_table()?;
    t.set("version", env!("CARGO_PKG_VERSION"))?;
    Ok(t)
}
