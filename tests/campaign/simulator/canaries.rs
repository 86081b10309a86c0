//! Canaries: a storage that leaves out one step of foldlog's. The campaign must fail with each of them, and soon: else it
//! would not notice if foldlog itself left that step out.

use super::faults::Lie;
use super::run::run;
use super::script::History;
use crate::part::{Outcome, Part, Scope, Tally};

pub const CANARIES: Part = Part {
    name: "canaries",
    unit: "canaries",
    needs_system: false,
    what: "a step that keeps data safe is left out, and the simulated histories must break",
    slice: u64::MAX,
    full: u64::MAX,
    run: canaries,
};

struct Canary {
    name: &'static str,
    lie: Lie,
    /// Whether its histories need calls that fail.
    faults: bool,
    /// Within how many histories it must be noticed.
    within: u64,
}

const fn canary(name: &'static str, lie: Lie, within: u64) -> Canary {
    Canary { name, lie, faults: false, within }
}

const ALL: &[Canary] = &[
    canary("no sync of segments", Lie::SkipsSync(".jsonl"), 20),
    canary("every second sync of segments", Lie::SkipsEverySecondSync, 20),
    canary("acknowledged before the sync", Lie::SyncsLate, 20),
    canary("no sync of directories", Lie::SkipsSyncDir, 20),
    canary("every second sync of directories", Lie::SkipsEverySecondSyncDir, 40),
    canary("no sync of what compaction writes", Lie::SkipsSync(".tmp"), 100),
    canary("removed before the rename", Lie::RemovesBeforeRenaming, 100),
    canary("cut before the copy", Lie::CutsBeforeCopying, 200),
    canary("checksums not looked at", Lie::RepairsChecksums, 300),
    Canary { name: "sync errors swallowed", lie: Lie::HidesSyncErrors, faults: true, within: 100 },
];

/// How many crashes of each life are looked at.
const STATES: u64 = 12;

fn canaries(scope: &Scope) -> Outcome {
    let mut tally = Tally::default();
    let mut notes = Vec::new();
    for canary in ALL.iter().take_while(|_| scope.goes_on(0)) {
        let breaks = |number: &u64| {
            let history = History::random(scope.seed * 1_000_003 + number, canary.faults);
            run(&history, STATES, Some(canary.lie)).err()
        };
        let found = (0..canary.within).find_map(|number| Some((number + 1, breaks(&number)?)));
        let Some((histories, _)) = found else {
            panic!("{}: nothing broke in {} histories: the campaign is blind to it", canary.name, canary.within);
        };
        notes.push(format!("{} {histories}", canary.name));
        tally.done += 1;
    }
    tally.note = format!("noticed in history number: {}", notes.join(", "));
    Outcome::Held(tally)
}
