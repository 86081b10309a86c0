//! All integration tests, one binary. They use the library as anybody else would: through its public API.
//!
//! - `format`: the bytes of a journal, read by code that shares nothing with the library
//! - `recovery`: every truncation, every flipped bit, and the shapes that real damage takes
//! - `quotation`: a journal that records the reading of another one
//! - `crash`: processes killed under load
//! - `writer`: group commit, back-pressure, one writer, disks that fail or are full
//! - `properties`: arbitrary bytes and arbitrary events
//! - `field_failures`: one test for each class of failure seen in other recorders
//!
//! `memory`, `faulty` and `support` hold no tests: a disk in memory, a storage that fails on demand, shared helpers.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_debug_implementations,
    unreachable_pub,
    reason = "tests stop at the first surprise, and print what they measured or skipped"
)]

mod crash;
mod faulty;
mod format;
mod memory;
mod properties;
mod quotation;
mod recovery;
mod smoke;
mod support;
mod writer;
