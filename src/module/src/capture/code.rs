//! Which text a function was made from: Lua knows only the name of its chunk, and names may be
//! taken twice.
//!
//! What Lua makes of a function is part of what it makes of the whole text. It does not know what
//! texts mean.

use std::rc::Rc;

use mlua::prelude::*;

use crate::lua_source::Chunk;

/// The bytes before the outermost function in what `string.dump` makes. The sources are `ldump.c`
/// and `lundump.h` of each version: marks, the version, the sizes of numbers, from 5.3 on a number
/// of each kind, and how many variables are captured.
const HEADER: usize = if cfg!(feature = "lua51") {
    12
} else if cfg!(feature = "lua52") {
    18
} else if cfg!(feature = "lua53") {
    34
} else {
    32
};

/// The same for `LuaJIT`: three marks, the version and one byte of flags. The source is
/// `lj_bcwrite.c`.
const JIT_HEADER: usize = 5;

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
    let code = without_name(&dump, source, is_jit)?;
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
        Some((changed_bytes(whole(lua, &chunk, source), code, &changes)?, chunk))
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

/// Returns how many bytes of a function's code are changed from what they are in the code of the
/// whole text, if it is there.
fn changed_bytes(whole: &[u8], code: &[u8], changes: &[(u8, u8)]) -> Option<usize> {
    let count = |place: &[u8]| {
        let mut count = 0;
        for pair in place.iter().copied().zip(code.iter().copied()) {
            if pair.0 != pair.1 {
                if !changes.contains(&pair) {
                    return None;
                }
                count += 1;
            }
        }
        Some(count)
    };
    whole.windows(code.len().max(1)).filter_map(count).min()
}

/// Returns the code that Lua compiles from a text; nothing if it no longer compiles.
fn whole<'a>(lua: &Lua, chunk: &'a Chunk, source: &str) -> &'a [u8] {
    chunk.code(|text| compile(lua, text, source)).unwrap_or_default()
}

fn compile(lua: &Lua, text: &[u8], source: &str) -> LuaResult<Vec<u8>> {
    // As `loadfile` does it; the numbers of lines stay.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = if text.starts_with(b"#") {
        &text[text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len())..]
    } else {
        text
    };
    Ok(lua
        .load(text)
        .set_name(source)
        .set_mode(mlua::chunk::ChunkMode::Text)
        .into_function()?
        .dump(false))
}

/// Leaves the header and the name of the chunk out, which inner functions of a text do not repeat.
fn without_name<'a>(dump: &'a [u8], source: &str, is_jit: bool) -> Option<&'a [u8]> {
    if is_jit {
        let rest =
            dump.get(JIT_HEADER + seven_bits(source.len())..)?.strip_prefix(source.as_bytes())?;
        // A zero ends the list of functions.
        return rest.split_last().map(|(_, functions)| functions);
    }
    let rest = dump.get(HEADER..)?;
    if cfg!(feature = "lua52") {
        // The name is among the names for debugging, which each function has.
        return Some(rest);
    }
    // Lengths count a zero that ends the text; only Lua 5.1 writes that zero.
    let length = source.len() + 1;
    let size = if cfg!(feature = "lua51") {
        size_of::<usize>()
    } else if cfg!(feature = "lua53") {
        if length < 0xff { 1 } else { 1 + size_of::<usize>() }
    } else {
        seven_bits(length)
    };
    let code = rest.get(size..)?.strip_prefix(source.as_bytes())?;
    if cfg!(feature = "lua51") { code.strip_prefix(b"\0") } else { Some(code) }
}

/// Returns how many bytes a number takes with seven bits in each.
const fn seven_bits(number: usize) -> usize {
    let bits = (usize::BITS - number.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}
