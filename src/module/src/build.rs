//! `bindings.build`: realizes derivations now.

use std::collections::BTreeSet;

use mlua::prelude::*;
use syslua_engine::api::Engine;
use syslua_engine::platform;
use syslua_engine::store::{Access, Outputs};

use crate::derive::derivation_of;
use crate::error::Answer;
use crate::options::Options;
use crate::register::register_verb;
use crate::task::LuaTasks;
use crate::{pins, state};

/// Realizes derivations side by side; returns the paths of their outputs by name, in the same
/// order.
fn build(lua: &Lua, wanted: &[LuaValue], options: Option<&LuaTable>) -> Answer<Vec<LuaTable>> {
    let (mut options, table) = (Options::read(lua, options)?, options);
    options.settings.pins = pins::pins_of_options(lua, table)?;
    let wanted = wanted
        .iter()
        .map(|value| Ok(derivation_of(lua, value)?.hash))
        .collect::<Answer<Vec<_>>>()?;
    let engine = options.engine(Access::Work)?;
    let known = state::closure(lua, wanted.iter().copied());
    let all: BTreeSet<_> = wanted.iter().copied().collect();
    let realized = engine.build(&known, &all, &mut LuaTasks::new(lua))?;
    let paths =
        wanted.iter().map(|hash| paths(lua, &engine, realized.get(hash))).collect::<LuaResult<_>>();
    Ok(paths?)
}

fn paths(lua: &Lua, engine: &Engine, outputs: Option<&Outputs>) -> LuaResult<LuaTable> {
    let paths = lua.create_table()?;
    for (output, object) in outputs.into_iter().flatten() {
        let path = platform::bytes_of_path(&engine.store().object(object));
        paths.raw_set(output.as_str(), lua.create_string(path)?)?;
    }
    Ok(paths)
}

/// Registers `build`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_verb(
        lua,
        native,
        "build",
        |lua, (wanted, options): (Vec<LuaValue>, Option<LuaTable>)| {
            build(lua, &wanted, options.as_ref())
        },
    )
}
