//! What libFuzzer runs: the reader of addresses.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::url::target(bytes));
