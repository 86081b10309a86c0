//! A whole history: each life is recorded once, then ended in many ways; one of them is what the next life begins with.

use super::check::{Expected, ROOT, check};
use super::crash::Crash;
use super::disk::{Disk, name_of};
use super::faults::Lie;
use super::knowledge::Knowledge;
use super::life::record;
use super::script::History;
use super::storage::Simulated;
use crate::support::Dice;
use foldlog::Store;

/// More files than this, and a journal begins to merge them by itself, when it likes.
const MOST_FILES: usize = 30;

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    pub states: u64,
    pub acknowledged: u64,
}

/// Why it did not hold.
#[derive(Debug)]
pub struct Broken {
    /// In which life, after which call.
    pub at: (usize, usize),
    pub crash: Option<Crash>,
    pub what: String,
    pub states: u64,
}

/// Lives a history, and looks at `states` crashes of each life.
pub fn run(history: &History, states: u64, lie: Option<Lie>) -> Result<Done, Broken> {
    let storage = Simulated::default();
    if let Some(lie) = lie {
        storage.tell_lies(lie);
    }
    let store = Store::open_on(storage.clone(), ROOT).unwrap();
    let (mut disk, mut known, mut done) = (Disk::default(), Knowledge::default(), Done::default());
    for (number, life) in history.lives.iter().enumerate() {
        let broken = |calls, crash, what, done: &Done| Broken { at: (number, calls), crash, what, states: done.states };
        let recording = record(&storage, &store, &disk, &known, life).map_err(|what| broken(0, None, what, &done))?;
        done.acknowledged += recording.acknowledged as u64;
        let mut dice = Dice::seeded(life.seed);
        let was_quiet = disk.pending.is_empty();
        for _ in 0..states {
            let calls = dice.below(recording.snapshots.len());
            let snapshot = &recording.snapshots[calls];
            let crash = Crash::any(snapshot, &mut dice);
            let after = crash.happen(snapshot);
            let mut at_crash = recording.known_after(calls);
            if crash.is_power_cut() {
                at_crash.written.clear();
            }
            let killed_on_its_way = recording.opened.as_ref().filter(|(opened, _)| was_quiet && calls <= *opened);
            let expected = Expected {
                recovery: killed_on_its_way.map(|(_, recovery)| recovery),
                follower_comes_late: dice.below(2) == 0,
                closes: dice.below(4) == 0,
            };
            done.states += 1;
            check(&storage, &store, &after, at_crash.clone(), &expected)
                .map_err(|what| broken(calls, Some(crash), what, &done))?;
            (disk, known) = (after, at_crash);
        }
        if has_too_many_files(&disk) {
            break;
        }
    }
    Ok(done)
}

/// Whether the next life may end in a merge that nobody asked for.
pub fn has_too_many_files(disk: &Disk) -> bool {
    disk.names.keys().filter(|path| name_of(path).ends_with(".jsonl")).count() > MOST_FILES
}
