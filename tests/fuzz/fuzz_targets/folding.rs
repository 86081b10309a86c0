//! See `tests/fuzz/src/targets/folding.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::FOLDING.run)(bytes));
