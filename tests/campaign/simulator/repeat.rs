//! The same seed, twice: the same calls on the storage with the same results. Without that, no failure could be repeated.

use super::check::ROOT;
use super::disk::Disk;
use super::knowledge::Knowledge;
use super::life::record;
use super::run::has_too_many_files;
use super::script::History;
use super::storage::Simulated;
use crate::part::{Outcome, Part, Scope, Tally};
use foldlog::Store;

pub const SAME_SEED: Part = Part {
    name: "same-seed",
    unit: "histories",
    needs_system: false,
    what: "the same seed makes the same calls twice",
    slice: 60,
    full: 2_000,
    run: same_seed,
};

fn same_seed(scope: &Scope) -> Outcome {
    let mut tally = Tally::default();
    let mut calls = 0;
    while scope.goes_on(tally.done) {
        let seed = scope.seed * 1_000_003 + tally.done;
        let (first, second) = (trace(seed), trace(seed));
        let differs = first.iter().zip(&second).position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!("history {seed}: call {at} is {} and then {}", first[at], second[at]);
        }
        assert_eq!(first.len(), second.len(), "history {seed}: so many calls");
        calls += first.len();
        tally.done += 1;
    }
    tally.note = format!("{calls} calls, each time the same, with the same results");
    Outcome::Held(tally)
}

/// Every call that changes something, of lives that each end with a kill.
fn trace(seed: u64) -> Vec<String> {
    let storage = Simulated::default();
    let store = Store::open_on(storage.clone(), ROOT).unwrap();
    let (mut disk, mut known, mut calls) = (Disk::default(), Knowledge::default(), Vec::new());
    for life in &History::random(seed, false).lives {
        storage.keep_trace();
        let recording = record(&storage, &store, &disk, &known, life).unwrap();
        calls.extend(storage.take_trace());
        known = recording.known_after(usize::MAX);
        disk = recording.snapshots.last().unwrap().clone();
        if has_too_many_files(&disk) {
            break;
        }
    }
    calls
}
