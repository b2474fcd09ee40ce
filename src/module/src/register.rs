//! Registers the functions that Lua calls: what each may be used in, and how it is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;

use crate::console::signals;
use crate::error::{Answer, Error, to_table};
use crate::state;

/// Registers a function under a name. It answers `true, result` or `false, failure`; a panic in it
/// becomes a failure too. While a build runs it is refused.
pub fn register<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_plain(lua, native, name, move |lua, arguments: LuaMultiValue| {
        function(lua, A::from_lua_multi(arguments, lua)?)
    })
}

/// Does the same for what is called by the thousand: its arguments are read straight off the stack,
/// and wrong ones are an error of Lua.
pub fn register_plain<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_pure(lua, native, name, move |lua, arguments: A| {
        if state::read(lua, |state| state.is_building) {
            return Err(Error::new(
                FailureKind::Build,
                format!("`{name}` of sys.lua cannot be used while a build runs"),
            )
            .with_hint("do it outside of `config`, which may use ctx and syslua.lib"));
        }
        function(lua, arguments)
    })
}

/// Registers a function that builds may use too.
pub fn register_pure<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    let function = lua.create_function(move |lua, arguments: A| {
        let answer =
            catch_unwind(AssertUnwindSafe(|| function(lua, arguments))).unwrap_or_else(|panic| {
                let text = syslua_engine::realize::panic_text(panic.as_ref());
                Err(Error::new(FailureKind::Internal, format!("a bug in sys.lua: {text}"))
                    .with_hint("please report it"))
            });
        Ok(match answer {
            Ok(result) => (true, result.into_lua(lua)?),
            Err(failure) => (false, to_table(lua, &failure)?.into_lua(lua)?),
        })
    })?;
    native.set(name, function)
}

/// Registers a function that neither builds nor evaluations may use: evaluating has no side effect.
pub fn register_outside<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register(lua, native, name, move |lua, arguments: A| {
        if state::read(lua, |state| !state.evaluations.is_empty()) {
            return Err(Error::new(
                FailureKind::Config,
                format!("`{name}` of sys.lua cannot be used while a config is evaluated"),
            )
            .with_hint("a config only declares: call it in a script, after syslua.evaluate"));
        }
        function(lua, arguments)
    })
}

/// Registers a function that works for a while, stops when a signal asks it to, and belongs to
/// evaluations.
pub fn register_working<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register(lua, native, name, move |lua, arguments: A| {
        signals::while_working(|| function(lua, arguments))
    })
}

/// Registers a verb: a function that works for a while, and stops when a signal asks it to.
/// Evaluations cannot use it.
pub fn register_verb<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_outside(lua, native, name, move |lua, arguments: A| {
        signals::while_working(|| function(lua, arguments))
    })
}
