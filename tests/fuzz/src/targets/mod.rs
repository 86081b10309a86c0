//! Fuzz targets: each takes any bytes, makes of them what a hostile or unlucky disk, pipe or file could hold, and panics if
//! a promise breaks. The campaign calls them with some hundreds of inputs in every test run, cargo-fuzz with millions: see
//! `docs/RELIABILITY.md`.
//!
//! They use the public API alone, and of the program the two files that read `record`'s input.

mod compacting;
mod examining;
mod folding;
mod following;
mod importing;
mod input;
mod lines;
mod recording;
mod recovering;
mod vandal;

/// Something to be fuzzed.
pub struct Target {
    pub name: &'static str,
    /// Panics if a promise does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with, made by code.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const LINES: Target = Target { name: "lines", run: lines::run, seeds: lines::seeds };
pub const RECOVERING: Target = Target { name: "recovering", run: recovering::run, seeds: recovering::seeds };
pub const FOLDING: Target = Target { name: "folding", run: folding::run, seeds: folding::seeds };
pub const RECORDING: Target = Target { name: "recording", run: recording::run, seeds: recording::seeds };
pub const FOLLOWING: Target = Target { name: "following", run: following::run, seeds: following::seeds };
pub const IMPORTING: Target = Target { name: "importing", run: importing::run, seeds: importing::seeds };
pub const EXAMINING: Target = Target { name: "examining", run: examining::run, seeds: examining::seeds };
pub const COMPACTING: Target = Target { name: "compacting", run: compacting::run, seeds: compacting::seeds };
