//! What libFuzzer runs: the reader of locks.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::lock::target(bytes));
