//! See `tests/fuzz/src/targets/importing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::IMPORTING.run)(bytes));
