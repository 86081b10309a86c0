//! See `tests/fuzz/src/targets/recovering.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::RECOVERING.run)(bytes));
