//! Which text a function was made from: Lua knows only the name of its chunk, and names may be taken twice.
//!
//! What Lua makes of a function is part of what it makes of the whole text. It does not know what texts mean.

use std::rc::Rc;

use mlua::prelude::*;

use crate::lua_source::Chunk;

/// The bytes before the functions in what `string.dump` makes, where the name of the chunk comes after them: Lua 5.2 has it
/// among the names for debugging. The source is `ldump.c` and `lundump.h` of that version.
#[cfg(feature = "lua52")]
const HEADER: usize = 18;

/// Returns the text that a function is part of, if one is. A name with one text is believed on `LuaJIT`, which changes
/// functions while they run.
pub fn find(lua: &Lua, function: &LuaFunction, source: &str, chunks: Vec<Rc<Chunk>>) -> Option<Rc<Chunk>> {
    let changes_code =
        cfg!(feature = "lua51") && lua.globals().raw_get::<LuaValue>("jit").is_ok_and(|jit| !jit.is_nil());
    if changes_code && chunks.len() == 1 {
        return chunks.into_iter().next();
    }
    let dump = function.dump(false);
    let code = without_name(&dump, source, changes_code)?;
    let finder = memchr::memmem::Finder::new(code);
    let is_in =
        |chunk: &Rc<Chunk>| chunk.code(|text| compile(lua, text, source)).is_ok_and(|all| finder.find(all).is_some());
    chunks.into_iter().find(is_in)
}

fn compile(lua: &Lua, text: &[u8], source: &str) -> LuaResult<Vec<u8>> {
    // As `loadfile` does it; the numbers of lines stay.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = if text.starts_with(b"#") {
        &text[text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len())..]
    } else {
        text
    };
    Ok(lua.load(text).set_name(source).set_mode(mlua::chunk::ChunkMode::Text).into_function()?.dump(false))
}

/// Leaves the header and the name of the chunk out, which inner functions of a text do not repeat.
#[cfg(not(feature = "lua52"))]
fn without_name<'a>(dump: &'a [u8], source: &str, is_jit: bool) -> Option<&'a [u8]> {
    let begin = memchr::memmem::find(dump, source.as_bytes())? + source.len();
    let rest = &dump[begin..];
    if is_jit {
        // A zero ends the list of functions.
        return rest.split_last().map(|(_, functions)| functions);
    }
    // Lua 5.1 ends texts with a zero.
    if cfg!(feature = "lua51") { rest.split_first().map(|(_, code)| code) } else { Some(rest) }
}

#[cfg(feature = "lua52")]
fn without_name<'a>(dump: &'a [u8], _source: &str, _is_jit: bool) -> Option<&'a [u8]> {
    dump.get(HEADER..)
}
