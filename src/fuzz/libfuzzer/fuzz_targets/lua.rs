//! What libFuzzer runs: the lexer of Lua.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::lua::target(bytes));
