//! Which text a function was made from: Lua knows only the name of its chunk, and names may be
//! taken twice.
//!
//! It asks Lua for the code of functions and texts, and compares these as `bytecode` says. It does
//! not know what texts mean.

use std::rc::Rc;

use mlua::prelude::*;
use syslua_lua_source::Chunk;
use syslua_lua_source::bytecode::{self, Dialect};

/// The Lua that this is built for.
const BUILT_FOR: Dialect = if cfg!(feature = "lua51") {
    Dialect::Lua51
} else if cfg!(feature = "lua52") {
    Dialect::Lua52
} else if cfg!(feature = "lua53") {
    Dialect::Lua53
} else {
    Dialect::Lua54
};

/// Returns the text that a function is part of, if one is. A name with one text is believed on
/// `LuaJIT`, which changes functions while they run.
pub fn find(
    lua: &Lua,
    function: &LuaFunction,
    source: &str,
    lines: (usize, usize),
    chunks: Vec<Rc<Chunk>>,
) -> Option<Rc<Chunk>> {
    let is_jit = cfg!(feature = "lua51")
        && lua.globals().raw_get::<LuaValue>("jit").is_ok_and(|jit| !jit.is_nil());
    if is_jit && chunks.len() == 1 {
        return chunks.into_iter().next();
    }
    let dump = function.dump(false);
    let dialect = if is_jit { Dialect::LuaJit } else { BUILT_FOR };
    let code = bytecode::code(&dump, source, dialect)?;
    // Most functions are made many times, and found where they were before.
    let is_in = |chunk: &&Rc<Chunk>| {
        let whole = whole(lua, chunk, source);
        chunk.is_where_it_was(lines, |place| {
            whole.get(place..).is_some_and(|rest| rest.starts_with(code))
        }) || memchr::memmem::find(whole, code)
            .inspect(|place| chunk.note_place(lines, *place))
            .is_some()
    };
    let exact = chunks.iter().find(is_in);
    if exact.is_some() || !is_jit {
        return exact.cloned();
    }
    let changes = changes_by_running(lua).ok()?;
    let likeness = |chunk: Rc<Chunk>| {
        Some((bytecode::changed_bytes(whole(lua, &chunk, source), code, &changes)?, chunk))
    };
    // A byte of a text may look like an instruction that was changed, but only in a text with more
    // of them.
    chunks.into_iter().filter_map(likeness).min_by_key(|(count, _)| *count).map(|(_, chunk)| chunk)
}

/// Returns the instructions that `LuaJIT` puts in place of others in a loop over `pairs` which
/// turns out not to be Lua's: before and after, found by running such a loop.
fn changes_by_running(lua: &Lua) -> LuaResult<Vec<(u8, u8)>> {
    let compile = |text: &str| lua.load(text).set_name("=[syslua]").into_function();
    let function = compile("local pairs = ... for _ in pairs() do end")?;
    let before = function.dump(false);
    let other_pairs = compile("return function() end")?;
    function.call::<()>(other_pairs)?;
    let after = function.dump(false);
    Ok(before.into_iter().zip(after).filter(|(before, after)| before != after).collect())
}

/// Returns the code that Lua compiles from a text; nothing if it no longer compiles.
fn whole<'a>(lua: &Lua, chunk: &'a Chunk, source: &str) -> &'a [u8] {
    chunk.code(|text| compile(lua, text, source)).unwrap_or_default()
}

fn compile(lua: &Lua, text: &[u8], source: &str) -> LuaResult<Vec<u8>> {
    Ok(lua
        .load(bytecode::compiled_part(text))
        .set_name(source)
        .set_mode(mlua::chunk::ChunkMode::Text)
        .into_function()?
        .dump(false))
}
