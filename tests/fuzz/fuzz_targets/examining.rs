//! See `tests/fuzz/src/targets/examining.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::EXAMINING.run)(bytes));
