//! Processes killed at any system call, and at any moment: what they were told is safe is there, and the next one goes on.

use super::child::{ID, Role, acknowledgement, is_ours};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::{Dice, Reading, has};
use foldlog::{Durability, Event, Item, JournalOptions, Store, TextDelta, TurnEnded, TurnStarted};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

pub const CALLS: Part = Part {
    name: "kills-at-calls",
    unit: "kills",
    what: "a process is killed right before the n-th call of each kind, while it records, recovers or compacts",
    slice: 10,
    full: u64::MAX,
    run: at_calls,
};

pub const RANDOM: Part = Part {
    name: "kills-at-random",
    unit: "kills",
    what: "a process that records from 1 to 8 threads is killed at any moment",
    slice: 16,
    full: 10_000,
    run: at_random,
};

/// The calls that have to do with files.
const WATCHED: [&str; 14] = [
    "openat",
    "close",
    "read",
    "pread64",
    "write",
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

/// What the process that is killed is about, and what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Record,
    Recover,
    Compact,
}

impl Script {
    pub(super) const ALL: [Script; 3] = [Script::Record, Script::Recover, Script::Compact];

    pub(super) fn role(self) -> Role {
        if self == Script::Compact { Role::Compact } else { Role::Record }
    }

    /// What is there before it.
    pub(super) fn prepare(self, root: &Path) {
        if self == Script::Record {
            return;
        }
        let store = Store::open(root).unwrap();
        let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(1_200)).unwrap();
        for turn in 0..3 {
            let id = format!("t-{turn}");
            journal.append(TurnStarted::new(&id, "Go on")).unwrap().wait().unwrap();
            for piece in 0..4 {
                journal.append(TextDelta::new(&id, format!("0-0-{piece} "))).unwrap().wait().unwrap();
            }
            let answer: String = (0..4).map(|piece| format!("0-0-{piece} ")).collect();
            journal.append(TurnEnded::success(&id).response_content(answer)).unwrap().wait().unwrap();
        }
        if self == Script::Compact {
            journal.close().wait().unwrap();
            return;
        }
        drop(journal);
        let mut newest: Vec<_> = std::fs::read_dir(root.join(ID)).unwrap().map(|file| file.unwrap().path()).collect();
        newest.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        let newest = newest.into_iter().max().unwrap();
        let torn = b"{\"seq\":19,\"synced\":18,\"time\":\"2026-";
        std::fs::OpenOptions::new().append(true).open(newest).unwrap().write_all(torn).unwrap();
    }
}

fn at_calls(scope: &Scope) -> Outcome {
    if !has("strace", "kills-at-calls") || !traces() {
        return Outcome::Skipped("there is no strace, or it may not trace".to_owned());
    }
    let mut plan = Vec::new();
    for script in Script::ALL {
        for (call, most) in counted(script, &WATCHED, |_| Vec::new()) {
            plan.extend((1..=most).map(|number| (script, call.clone(), number)));
        }
    }
    let all = plan.len();
    if !scope.goes_on(all as u64 - 1) {
        let mut dice = Dice::seeded(scope.seed);
        plan.sort_by_cached_key(|_| dice.below(1 << 30));
    }
    let mut tally = Tally::default();
    for (script, call, number) in plan {
        if !scope.goes_on(tally.done) {
            break;
        }
        tally.acknowledged += killed_at(script, &call, number);
        tally.done += 1;
    }
    tally.note = format!("of {all} calls that three scripts make");
    Outcome::Held(tally)
}

pub(super) fn traces() -> bool {
    let output = std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    output.is_ok_and(|status| status.success())
}

/// How often each of these calls is made at most by one thread, as `strace` counts them with these arguments.
pub(super) fn counted(script: Script, calls: &[&str], arguments: fn(&Path) -> Vec<String>) -> Vec<(String, usize)> {
    let root = tempfile::tempdir().unwrap();
    script.prepare(root.path());
    let log = root.path().join("trace");
    let log_text = log.to_str().unwrap();
    let watched = format!("trace={}", calls.join(","));
    let more = arguments(root.path());
    let mut all = vec!["-o", log_text, "-e", &watched];
    all.extend(more.iter().map(String::as_str));
    let status = script.role().traced(&all, root.path(), 1).status().unwrap();
    assert!(status.success(), "{script:?} does not end well");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((call, _)) = call.trim_start().split_once('(') else { continue };
        if calls.contains(&call) {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    most.into_iter().collect()
}

/// Kills it there, looks at what is left, and goes on. Returns how many events had been acknowledged.
fn killed_at(script: Script, call: &str, number: usize) -> u64 {
    let what = format!("{script:?}, killed at {call} {number}");
    let root = tempfile::tempdir().unwrap();
    script.prepare(root.path());
    let before = Store::open(root.path()).unwrap().reader(ID).ok().map(|reader| reader.fold().unwrap());
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let trace = format!("trace={call}");
    let arguments = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
    let output = script.role().traced(&arguments, root.path(), 1).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let promised: BTreeMap<u64, String> = said.lines().filter_map(acknowledgement).collect();
    let store = Store::open(root.path()).unwrap();
    if script == Script::Compact {
        assert_eq!(store.reader(ID).unwrap().fold().ok(), before, "{what}: the session is another one");
        store.compact(ID).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(store.reader(ID).unwrap().fold().ok(), before, "{what}: compacted, the session is another one");
        assert!(store.reader(ID).unwrap().verify().unwrap().clean, "{what}");
        return 0;
    }
    check(&store, &promised, 1, &what);
    goes_on(&store, &promised, &what);
    promised.len() as u64
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
