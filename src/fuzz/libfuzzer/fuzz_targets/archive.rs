//! What libFuzzer runs: the reader of archives of every format.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::archive::target(bytes));
