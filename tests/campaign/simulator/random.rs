//! Random histories on the simulated disk, by seed.

use super::run::run;
use super::script::History;
use super::shrink::tell;
use crate::part::{Outcome, Part, Scope, Tally};

/// How many crashes of each life are looked at.
const STATES: u64 = 12;

pub const SIMULATED: Part = Part {
    name: "simulated",
    unit: "crash states",
    needs_system: false,
    what: "a process dies or the power goes, and of what was not synced anything may be left",
    slice: 2_000,
    full: 1_000_000,
    run: simulated,
};

pub const SYNC_FAILURES: Part = Part {
    name: "sync-failures",
    unit: "crash states",
    needs_system: false,
    what: "the same, and calls fail: syncs as three file systems fail them, short writes, full disks, names",
    slice: 1_000,
    full: 200_000,
    run: sync_failures,
};

fn simulated(scope: &Scope) -> Outcome {
    histories(scope, false)
}

fn sync_failures(scope: &Scope) -> Outcome {
    histories(scope, true)
}

fn histories(scope: &Scope, faults: bool) -> Outcome {
    let mut tally = Tally::default();
    let mut histories = 0;
    while scope.goes_on(tally.done) {
        let seed = scope.seed * 1_000_003 + histories;
        let history = History::random(seed, faults);
        match run(&history, STATES, None) {
            Ok(done) => {
                tally.done += done.states;
                tally.acknowledged += done.acknowledged;
            }
            Err(broken) => panic!("{}", tell(&history, &broken, seed, None)),
        }
        histories += 1;
    }
    tally.note = format!("of {histories} histories of up to 12 lives; each recovered twice, written to and followed");
    Outcome::Held(tally)
}
