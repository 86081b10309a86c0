//! Short scripts, cut after every call, with every way in which what was not synced may be left; then the recovery from
//! that is cut after every call, and the recovery from that.

use super::check::{Expected, ROOT, check};
use super::crash::{Crash, all_crashes};
use super::disk::Disk;
use super::faults::{Fault, Kind, What};
use super::knowledge::Knowledge;
use super::life::{Recording, record};
use super::script::{Life, Step};
use super::storage::Simulated;
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;
use Step::{Append, Close, Compact, Drop, Fail, Look, Open, Reopen, Sync};
use foldlog::{Durability, Store};

pub const EXHAUSTIVE: Part = Part {
    name: "exhaustive",
    unit: "crash states",
    needs_system: false,
    what: "short scripts cut after every call, with all that may be left, and their recoveries cut again, twice",
    slice: 1_500,
    full: 500_000,
    run: exhaustive,
};

/// All subsets of pending changes are tried if there are not more of them; else so many that the dice choose.
const MOST: [usize; 3] = [256, 24, 4];
/// Of the states that a first cut leaves, one in so many is recovered under a second one; of those, under a third.
const ONE_IN: usize = 24;

fn syncs_fail(what: What) -> Step {
    Fail(Fault { on: Kind::Sync, after: 1, what })
}

fn scripts() -> Vec<Vec<Step>> {
    vec![
        vec![Open, Append(1)],
        vec![Open, Append(3), Close],
        vec![Open, Append(4), Look, Append(2)],
        vec![Open, Append(2), Sync, Append(3), Drop],
        vec![Open, Append(6), Append(6), Append(6)],
        vec![Open, Append(9), Append(9), Close],
        vec![Open, Append(3), Close, Open, Append(3), Close],
        vec![Open, Append(3), Drop, Open, Append(3), Look, Append(3)],
        vec![Open, Append(2), Close, Open, Close, Open, Append(2)],
        vec![Open, Append(9), Close, Compact],
        vec![Open, Append(9), Append(9), Close, Compact],
        vec![Open, Append(9), Close, Compact, Open, Append(9), Close, Compact],
        vec![Open, Append(9), Drop, Compact, Open, Append(2)],
        vec![Open, Append(9), Close, Compact, Open, Append(3), Look, Sync],
        vec![Open, Append(3), syncs_fail(What::CleanAndKeep), Append(3), Sync, Reopen, Append(3)],
        vec![Open, Append(3), syncs_fail(What::CleanAndRevert), Append(3), Sync, Reopen, Append(3)],
        vec![Open, Append(3), syncs_fail(What::OneLate), Append(3), Sync, Append(1), Sync, Reopen, Append(3)],
        vec![Open, Append(3), syncs_fail(What::CleanAndKeep), Append(3), Sync, Drop, Open, Append(3)],
        vec![Open, Append(3), Fail(Fault { on: Kind::Write, after: 1, what: What::Short(99) }), Append(3), Sync],
        vec![Open, Append(9), Close, Fail(Fault { on: Kind::Rename, after: 0, what: What::Fails(5) }), Compact],
    ]
}

struct Search<'a> {
    scope: &'a Scope,
    storage: Simulated,
    store: Store,
    dice: Dice,
    tally: Tally,
}

fn exhaustive(scope: &Scope) -> Outcome {
    let storage = Simulated::default();
    let store = Store::open_on(storage.clone(), ROOT).unwrap();
    let dice = Dice::seeded(scope.seed);
    let mut search = Search { scope, storage, store, dice, tally: Tally::default() };
    let mut recordings = Vec::new();
    for steps in scripts() {
        for level in [Durability::Synced, Durability::Written] {
            for (segment_bytes, prefill) in [(700, 0), (1 << 20, 0), (1 << 20, 900)] {
                let life = Life { level, segment_bytes, prefill, steps: steps.clone(), seed: 0 };
                recordings.push((search.live(&life, &Disk::default(), &Knowledge::default()), life));
            }
        }
    }
    let most_calls = recordings.iter().map(|(recording, _)| recording.snapshots.len()).max().unwrap();
    for calls in 0..most_calls {
        for (recording, life) in recordings.iter().filter(|(recording, _)| calls < recording.snapshots.len()) {
            search.cut(recording, calls, true, &life.to_string(), 0);
        }
    }
    search.tally.note = format!("{} scripts, each cut after every call, and again in the recovery", recordings.len());
    Outcome::Held(search.tally)
}

impl Search<'_> {
    fn live(&mut self, life: &Life, disk: &Disk, known: &Knowledge) -> Recording {
        let recording = record(&self.storage, &self.store, disk, known, life);
        let recording = recording.unwrap_or_else(|what| panic!("{life}: {what}"));
        self.tally.acknowledged += recording.acknowledged as u64;
        recording
    }

    /// Looks at everything that a cut after so many calls may leave.
    fn cut(&mut self, recording: &Recording, calls: usize, was_quiet: bool, told: &str, depth: usize) {
        let snapshot = &recording.snapshots[calls];
        for crash in all_crashes(snapshot, MOST[depth], &mut self.dice) {
            if !self.scope.goes_on(self.tally.done) {
                return;
            }
            let after = crash.happen(snapshot);
            let mut known = recording.known_after(calls);
            if crash.is_power_cut() {
                known.written.clear();
            }
            let told = format!("{told}\ncut after call {calls}: {crash}");
            let recovery = recording.opened.as_ref().filter(|(opened, _)| was_quiet && calls <= *opened);
            let expected = Expected {
                recovery: recovery.map(|(_, recovery)| recovery),
                follower_comes_late: self.dice.below(2) == 0,
                closes: self.dice.below(2) == 0,
            };
            let checked = check(&self.storage, &self.store, &after, known.clone(), &expected);
            checked.unwrap_or_else(|what| panic!("{told}\n{what}"));
            self.tally.done += 1;
            if depth + 1 < MOST.len() && self.dice.below(ONE_IN) == 0 {
                self.cut_the_recovery(&after, &known, &crash, &told, depth + 1);
            }
        }
    }

    fn cut_the_recovery(&mut self, disk: &Disk, known: &Knowledge, crash: &Crash, told: &str, depth: usize) {
        let (level, prefill) = (Durability::Synced, [0, 900][depth % 2]);
        let life = Life { level, segment_bytes: 700, prefill, steps: vec![Open, Append(1), Close], seed: 0 };
        let recording = self.live(&life, disk, known);
        for calls in 0..recording.snapshots.len() {
            self.cut(&recording, calls, crash.is_power_cut(), told, depth);
        }
    }
}
