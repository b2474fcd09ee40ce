//! What libFuzzer runs: the reader of the format of closures.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::closure::target(bytes));
