//! See `tests/fuzz/src/targets/recording.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (foldlog_fuzz::RECORDING.run)(bytes));
