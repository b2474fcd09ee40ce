//! Positions in the user's files: lines of the call stack whose files are not sys.lua's own. No
//! other room has rules for frames; `lua/syslua/util/position.lua` calls this.

use mlua::lua_State;
use mlua::prelude::*;

use crate::call_stack::{Base, Frames, Rules, SHIPPED, innermost};
use crate::error::Answer;
use crate::register::register_pure;
use crate::state::{self, State};

/// Calls a function with the raw state, the rules, and what continues the call stack.
fn observe<T>(
    lua: &Lua,
    observe: impl FnOnce(*mut lua_State, &mut Frames, &Rules, Option<&Base>) -> T,
) -> Answer<Option<T>> {
    let found = state::change(lua, |state| -> LuaResult<Option<T>> {
        let State { evaluations, position_rules: Some(rules), frames, .. } = state else {
            return Ok(None);
        };
        let base = evaluations.last().and_then(|evaluation| evaluation.bases.last());
        let mut found = None;
        // SAFETY: nothing is put on the stack.
        unsafe {
            lua.exec_raw::<()>((), |state| found = Some(observe(state, frames, rules, base)))?;
        }
        Ok(found)
    });
    Ok(found.transpose()?.flatten())
}

/// Adds what continues the call stack, as long as the evaluation is not over.
fn add_base(lua: &Lua, chain: Vec<String>, is_fallback: bool) {
    state::change(lua, |state| {
        if let Some(evaluation) = state.evaluations.last_mut() {
            evaluation.bases.push(Base { chain: chain.into(), is_fallback });
        }
    });
}

/// Registers the functions that find positions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    native.set("shipped", SHIPPED)?;
    register_pure(lua, native, "set_own_directory", |lua, own: String| {
        state::change(lua, |state| state.position_rules = Some(Rules::new(own)));
        Ok(true)
    })?;
    register_pure(lua, native, "position", |lua, ()| {
        // SAFETY: the state is that of the thread that called this.
        let found = observe(lua, |state, _, rules, base| unsafe { innermost(state, rules, base) })?;
        Ok(found.flatten())
    })?;
    register_pure(lua, native, "positions", |lua, ()| {
        // SAFETY: the state is that of the thread that called this.
        let chain =
            observe(lua, |state, frames, rules, base| unsafe { frames.chain(state, rules, base) })?;
        Ok(chain.map(|chain| chain.to_vec()).unwrap_or_default())
    })?;
    register_pure(lua, native, "continue_positions", |lua, chain: Vec<String>| {
        add_base(lua, chain, false);
        Ok(true)
    })?;
    register_pure(lua, native, "end_positions", |lua, ()| {
        state::change(lua, |state| state.evaluations.last_mut()?.bases.pop());
        Ok(true)
    })?;
    register_pure(lua, native, "set_fallback_position", |lua, line: String| {
        add_base(lua, vec![line], true);
        Ok(true)
    })?;
    register_pure(lua, native, "position_of", |_, function: LuaFunction| {
        let info = function.info();
        let source = info.source.unwrap_or_default();
        let line = info.line_defined.unwrap_or_default();
        Ok(format!("{}:{line}", source.strip_prefix(['@', '=']).unwrap_or(&source)))
    })
}
