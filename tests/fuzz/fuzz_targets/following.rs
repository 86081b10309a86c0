//! See `tests/fuzz/src/targets/following.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::FOLLOWING.run)(bytes));
