//! The fuzz targets, with inputs that chance makes of their seeds. cargo-fuzz, which looks where an input gets to, finds
//! more: see `docs/RELIABILITY.md`.

use crate::fuzz_targets::{self as targets, Target};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A part for one target.
const fn part(name: &'static str, what: &'static str, slice: u64, run: fn(&Scope) -> Outcome) -> Part {
    Part { name, unit: "inputs", needs_system: false, what, slice, full: 100 * slice, run }
}

pub const LINES: Part = part("fuzz-lines", "any bytes as lines, also with checksums that hold", 2_000, |scope| {
    fuzz(&targets::LINES, scope)
});
pub const RECOVERY: Part =
    part("fuzz-recovery", "a vandal in a journal's directory", 1_000, |scope| fuzz(&targets::RECOVERING, scope));
pub const FOLD: Part = part("fuzz-fold", "any events in any order", 60, |scope| fuzz(&targets::FOLDING, scope));
pub const RECORD: Part =
    part("fuzz-record", "any bytes into `record`", 1_000, |scope| fuzz(&targets::RECORDING, scope));
pub const FOLLOW: Part =
    part("fuzz-follow", "a vandal beside a follower", 40, |scope| fuzz(&targets::FOLLOWING, scope));
pub const IMPORT: Part =
    part("fuzz-import", "any bytes as another recorder's log", 150, |scope| fuzz(&targets::IMPORTING, scope));
pub const DOCTOR: Part = part("fuzz-doctor", "the same for the doctor", 150, |scope| fuzz(&targets::EXAMINING, scope));
pub const COMPACT: Part =
    part("fuzz-compact", "a compaction where a vandal was", 150, |scope| fuzz(&targets::COMPACTING, scope));

/// The seeds as they are, as far as the count reaches, then what chance makes of them.
fn fuzz(target: &Target, scope: &Scope) -> Outcome {
    let mut dice = Dice::seeded(scope.seed);
    let seeds = (target.seeds)();
    let mut tally = Tally::default();
    while scope.goes_on(tally.done) {
        let input = seeds.get(tally.done as usize).cloned().unwrap_or_else(|| mutant(&seeds, &mut dice));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
            let path = std::env::temp_dir().join(format!("foldlog-fuzz-{}-{}-{}", target.name, scope.seed, tally.done));
            std::fs::write(&path, &input).unwrap();
            println!("input {} is in {}: give it to `cargo fuzz run`", tally.done, path.display());
            resume_unwind(panic);
        }
        tally.done += 1;
    }
    tally.note = format!("of them {} seeds", seeds.len().min(tally.done as usize));
    Outcome::Held(tally)
}

/// A seed after some changes, some of which bring pieces of another one.
fn mutant(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, (0..dice.below(20)).map(|_| dice.below(256) as u8).collect::<Vec<u8>>())),
            2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = dice.below(256) as u8),
            3 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            4 => drop(bytes.drain(at..(at + dice.below(40)).min(bytes.len()))),
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len());
                bytes.splice(at..at, other[from..(from + dice.below(300)).min(other.len())].iter().copied());
            }
        }
    }
    bytes
}
