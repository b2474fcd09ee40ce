//! Texts of Lua, which need not be valid: tokens, functions, and the code in dumps.

use syslua_lua_source::bytecode::{self, Dialect};
use syslua_lua_source::lexer::tokens;
use syslua_lua_source::{Chunk, Meaning, scopes};

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    let (mut end, mut line) = (0, 1);
    for token in tokens(bytes) {
        assert!(token.begin >= end && !token.text.is_empty(), "tokens are in order");
        assert_eq!(&bytes[token.begin..token.end()], token.text);
        assert!(token.line >= line);
        (end, line) = (token.end(), token.line);
    }
    let chunk = Chunk::new(bytes.to_vec());
    for place in 0..scopes::list_functions(bytes).len() {
        let text = chunk.text(place);
        assert_eq!(&bytes[chunk.begin(place)..][..text.len()], text);
        assert!(text.starts_with(b"function"), "a function begins with its keyword");
        for meaning in chunk.names(place).values() {
            if let Meaning::Constant { declarations } = meaning {
                for (begin, end) in declarations {
                    assert!(chunk.declaration(*begin, *end).len() <= bytes.len());
                }
            }
        }
    }
    let part = bytecode::compiled_part(bytes);
    assert!(bytes.ends_with(part));
    for dialect in [Dialect::Lua51, Dialect::Lua52, Dialect::Lua53, Dialect::Lua54, Dialect::LuaJit]
    {
        if let Some(code) = bytecode::code(bytes, "@a.lua", dialect) {
            assert!(code.len() <= bytes.len());
        }
    }
}
