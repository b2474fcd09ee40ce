//! `native.build`: realizes one derivation now.

use mlua::prelude::*;
use syslua_engine::engine::Engine;
use syslua_engine::platform;

use crate::derive::derivation_of;
use crate::error::{Answer, lua_failure, register as register_function};
use crate::options::Options;
use crate::state;
use crate::task::LuaTasks;

fn build(lua: &Lua, wanted: &LuaValue, options: Option<&LuaTable>) -> Answer<LuaTable> {
    let options = Options::read(lua, options)?;
    let derivation = derivation_of(lua, wanted)?;
    let engine = Engine::new(options.settings.clone());
    let known = state::closure(lua, derivation.hash);
    let outputs = engine
        .build(&known, derivation.hash, &mut LuaTasks::new(lua), &mut options.on_event(lua))
        .map_err(|error| error.to_failure())?;
    let paths = lua.create_table().map_err(lua_failure)?;
    for (output, object) in &outputs {
        let path = platform::bytes_of_path(&engine.store().object(object));
        let path = lua.create_string(path).map_err(lua_failure)?;
        paths.raw_set(output.as_str(), path).map_err(lua_failure)?;
    }
    Ok(paths)
}

/// Registers `build`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "build", |lua, (wanted, options): (LuaValue, Option<LuaTable>)| {
        build(lua, &wanted, options.as_ref())
    })
}
