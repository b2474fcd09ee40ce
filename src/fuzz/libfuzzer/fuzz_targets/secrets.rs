//! What libFuzzer runs: the readers of documents of SOPS and files of age.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syslua_fuzz::secrets::target(bytes));
