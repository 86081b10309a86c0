//! See `tests/fuzz/src/targets/lines.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::LINES.run)(bytes));
