//! The fuzz targets as cargo-fuzz sees them.

#![allow(dead_code, clippy::unwrap_used, missing_debug_implementations, reason = "they are tests")]

#[path = "../../it/memory.rs"]
mod memory;
#[path = "../../it/support.rs"]
mod support;
mod targets;
#[path = "../../it/transcripts.rs"]
mod transcripts;

pub use targets::*;

/// All of them.
pub const TARGETS: [Target; 8] = [LINES, RECOVERING, FOLDING, RECORDING, FOLLOWING, IMPORTING, EXAMINING, COMPACTING];
