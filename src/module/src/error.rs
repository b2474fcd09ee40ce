//! Conversion of failures to Lua: `false` and a table, which the Lua side raises.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::prelude::*;
use syslua_engine::failure::{Failure, Mismatch};

use crate::{signals, state};

/// What a native function answers.
pub type Answer<T> = Result<T, Failure>;

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
        function(lua, A::from_lua_multi(arguments, lua).map_err(lua_failure)?)
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
            return Err(Failure::new(
                "build",
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
                Err(Failure::new("internal", format!("a bug in sys.lua: {text}"))
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
            return Err(Failure::new(
                "config",
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

/// Returns a failure as a table.
pub fn to_table(lua: &Lua, failure: &Failure) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.set("kind", failure.kind.as_str())?;
    table.set("message", failure.message.as_str())?;
    table.set("position", failure.position.as_deref())?;
    table.set("hint", failure.hint.as_deref())?;
    table.set("details", failure.details.as_deref())?;
    if !failure.mismatches.is_empty() {
        let mismatches = failure.mismatches.iter().map(|mismatch| {
            let entry = lua.create_table()?;
            entry.set("position", mismatch.position.as_deref())?;
            entry.set("url", mismatch.url.as_str())?;
            entry.set("expected", mismatch.expected.as_str())?;
            entry.set("found", mismatch.found.as_str())?;
            Ok(entry)
        });
        table.set("mismatches", mismatches.collect::<LuaResult<Vec<_>>>()?)?;
    }
    Ok(table)
}

/// Returns a table that the Lua side made as a failure; anything else is shown as it is.
pub fn from_lua(value: &LuaValue) -> Failure {
    let LuaValue::Table(table) = value else {
        return Failure::new(
            "config",
            value.to_string().unwrap_or_else(|_| "an error without text".to_owned()),
        );
    };
    let text = |key: &str| table.raw_get::<Option<String>>(key).ok().flatten();
    Failure {
        kind: text("kind").unwrap_or_else(|| "config".to_owned()),
        message: text("message").unwrap_or_else(|| "an error without text".to_owned()),
        position: text("position"),
        hint: text("hint"),
        details: text("details"),
        mismatches: mismatches_from(table),
    }
}

fn mismatches_from(table: &LuaTable) -> Vec<Mismatch> {
    let entries =
        table.raw_get::<Option<Vec<LuaTable>>>("mismatches").ok().flatten().unwrap_or_default();
    let read = |entry: &LuaTable| {
        let text = |key: &str| entry.raw_get::<Option<String>>(key).ok().flatten();
        Some(Mismatch {
            position: text("position"),
            url: text("url")?,
            expected: text("expected")?,
            found: text("found")?,
        })
    };
    entries.iter().filter_map(read).collect()
}

/// Returns an error of Lua itself, such as a lack of memory, as a failure.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub fn lua_failure(error: LuaError) -> Failure {
    Failure::new("config", error.to_string())
}
