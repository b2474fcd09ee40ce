//! What libFuzzer runs: the reader of NAR archives.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::nar::target(bytes));
