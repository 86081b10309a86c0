//! Tests that need more than Rust: other programs, or the right to mount. They fail where that is missing, and say what to
//! install. `cargo test --features system-tests --test system` runs them; plain `cargo test` leaves them out.
//!
//! - `traced`: `foldlog` and the library under `strace`, which kills them or fails their system calls
//! - `mounted`: small disks that are full
//! - `python`: readers and clients in Python
//! - `people`: other users, and somebody at a terminal
//! - `proportion`: instructions, counted by `valgrind`: work grows with the input and not with its square

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_debug_implementations,
    unreachable_pub,
    reason = "tests stop at the first surprise, and print what they measured"
)]

#[path = "../it/appender.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod appender;
#[path = "../it/faulty.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod faulty;
#[path = "../it/many.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod many;
#[path = "../it/memory.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod memory;
#[path = "../it/pages.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod pages;
#[path = "../it/patience.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod patience;
#[path = "../it/recorder.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod recorder;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod support;

mod mounted;
mod people;
mod proportion;
mod python;
mod tools;
mod traced;
