//! Processes killed at any system call, and at any moment: what they were told is safe is there, and the next one goes on.

use super::child::{ID, Role, acknowledgement, is_ours};
use super::scripts::{Call, Script, traces};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::{Dice, Reading};
use foldlog::{Durability, Event, Item, Store, TextDelta};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

pub const CALLS: Part = Part {
    name: "kills-at-calls",
    unit: "kills",
    needs_system: true,
    what: "a process is killed right before the n-th call of each kind on a file, while it records, is fed by a pipe, recovers or compacts",
    slice: 10,
    full: u64::MAX,
    run: at_calls,
};

pub const RANDOM: Part = Part {
    name: "kills-at-random",
    unit: "kills",
    needs_system: false,
    what: "a process that records from 1 to 8 threads is killed at any moment",
    slice: 16,
    full: 10_000,
    run: at_random,
};

/// The calls that have to do with files.
const WATCHED: [&str; 12] = [
    "openat",
    "close",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "rename",
    "unlink",
    "mkdir",
    "flock",
    "getdents64",
];

fn at_calls(scope: &Scope) -> Outcome {
    if !traces() {
        return Outcome::Missing("there is no strace, or it may not trace".to_owned());
    }
    let mut plan: Vec<(Script, Call)> =
        Script::ALL.iter().flat_map(|script| script.calls(&WATCHED).into_iter().map(|call| (*script, call))).collect();
    let all = plan.len();
    if !scope.goes_on(all as u64 - 1) {
        let mut dice = Dice::seeded(scope.seed);
        plan.sort_by_cached_key(|_| dice.below(1 << 30));
    }
    let (mut tally, mut over) = (Tally::default(), 0);
    for (script, call) in plan {
        if !scope.goes_on(tally.done) {
            break;
        }
        let what = format!("{script:?}, killed at {call}");
        let root = tempfile::tempdir().unwrap();
        let before = script.prepare(root.path());
        let fault = format!("signal=KILL:when={}", call.number);
        let (said, status) = script.injected(&call, &fault, root.path(), &what);
        // Threads share the work as it comes: in another run each may make fewer calls of a kind.
        over += u64::from(status.success());
        tally.acknowledged += script.look(root.path(), &before, &said, &what);
        tally.done += 1;
    }
    tally.done -= over;
    tally.note = format!("at {all} calls of four scripts; {over} more had ended before");
    Outcome::Held(tally)
}

/// Everything promised is there, nothing that nobody said is, and numbers rise.
pub(super) fn check(store: &Store, promised: &BTreeMap<u64, String>, runs: u64, what: &str) {
    let Ok(reader) = store.reader(ID) else {
        assert!(promised.is_empty(), "{what}: nothing is left");
        return;
    };
    let mut found = BTreeMap::new();
    let (mut items, mut last) = (reader.items().unwrap(), 0);
    while let Some(item) = items.next().unwrap() {
        let Item::Entry(entry) = item else { continue };
        assert!(entry.seq().get() > last, "{what}: {} comes after {last}", entry.seq());
        last = entry.seq().get();
        if let Ok(Event::TextDelta(delta)) = entry.event()
            && delta.turn_id == "t"
        {
            assert!(is_ours(&delta.text, runs), "{what}: {last} was never submitted: {}", delta.text);
            found.insert(last, delta.text.to_string());
        }
    }
    for (seq, text) in promised {
        assert_eq!(found.get(seq), Some(text), "{what}: {seq} had been acknowledged");
    }
}

/// The next opening explains what is missing, and gives no number again.
pub(super) fn goes_on(store: &Store, promised: &BTreeMap<u64, String>, what: &str) {
    let journal = store.journal(ID).unwrap_or_else(|error| panic!("{what}: {error}"));
    let seq = journal.append(TextDelta::new("afterwards", "")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    let highest = promised.last_key_value().map_or(0, |(seq, _)| *seq);
    assert!(seq.get() > highest, "{what}: {seq} was given before");
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.is_clean(), "{what}: {:?}", reading.gaps);
    assert!(promised.keys().all(|seq| reading.entries.contains_key(seq)), "{what}: recovery lost something");
}

/// A journal that is killed again and again, and then a new one. Two at a time, on stores of their own.
fn at_random(scope: &Scope) -> Outcome {
    const LIVES: u64 = 40;
    let mut dice = Dice::seeded(scope.seed);
    let mut tally = Tally::default();
    while scope.goes_on(tally.done) {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut promised = [BTreeMap::new(), BTreeMap::new()];
        for life in 1..=LIVES {
            if !scope.goes_on(tally.done) {
                break;
            }
            let what = format!("seed {}, kill {}, life {life}", scope.seed, tally.done);
            let mut children: Vec<Child> = roots
                .iter()
                .map(|root| {
                    let level = [Durability::Synced, Durability::Written][dice.below(2)];
                    let role = Role::Flood { threads: [1, 2, 4, 8][dice.below(4)], level };
                    role.command(root.path(), life).spawn().unwrap()
                })
                .collect();
            let heard: Vec<_> = children.iter_mut().map(listen).collect();
            for child in &mut children {
                std::thread::sleep(Duration::from_micros(dice.below(25_000) as u64));
                child.kill().unwrap();
            }
            for ((mut child, heard), (root, promised)) in
                children.into_iter().zip(heard).zip(roots.iter().zip(&mut promised))
            {
                child.wait().unwrap();
                promised.extend(heard.join().unwrap());
                let store = Store::open(root.path()).unwrap();
                check(&store, promised, life, &what);
                if dice.below(8) == 0 {
                    goes_on(&store, promised, &what);
                }
                tally.done += 1;
            }
        }
        for (root, promised) in roots.iter().zip(&promised) {
            goes_on(&Store::open(root.path()).unwrap(), promised, &format!("after kill {}", tally.done));
            tally.acknowledged += promised.len() as u64;
        }
    }
    Outcome::Held(tally)
}

/// Reads what a child says, to its end.
fn listen(child: &mut Child) -> std::thread::JoinHandle<BTreeMap<u64, String>> {
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).filter_map(|line| acknowledgement(&line)).collect())
}
