//! See `tests/fuzz/src/targets/compacting.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::COMPACTING.run)(bytes));
