//! Processes killed under load: nothing acknowledged is missing, and the next opening goes on.

use crate::appender::{LEVEL, acknowledgement, assert_kept};
use crate::support::{Dice, ID, Reading, child, child_place, entries_of, seq_of};
use foldlog::{Reader, Store, TextDelta, ToolCallStarted, TurnStarted};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc;

/// What a child said: its acknowledgements, each line as it comes.
fn listen(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok());
    });
    receiver
}

/// Kills a child after a random number of acknowledgements, then looks; again and again over the same journal.
fn rounds_of_killing(level: &str, rounds: usize) {
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice::new("kill -9");
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..rounds {
        let mut child = child("appender::child_that_appends", root.path()).env(LEVEL, level).spawn().unwrap();
        let said = listen(&mut child);
        let enough = dice.below(120);
        let mut heard = 0;
        while heard < enough {
            let line = said.recv().expect("the child ended by itself");
            assert!(!line.starts_with("error"), "{line}");
            heard += usize::from(acknowledgement(&line).map(|(seq, text)| acknowledged.insert(seq, text)).is_some());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was in the pipe had been acknowledged too.
        for (seq, text) in said.iter().filter_map(|line| acknowledgement(&line)) {
            acknowledged.insert(seq, text);
        }
        assert_kept(root.path(), &acknowledged, round);
    }
    let reading = Reading::of(&Reader::open(root.path().join(ID)).unwrap());
    let entries = reading.entries.len();
    println!("{rounds} rounds at {level}: {} acknowledged, {entries} entries, none missing", acknowledged.len());
}

#[test]
fn nothing_synced_is_missing_after_forty_kills_under_load() {
    // Goal: a ticket at the level `Synced` is a fact. Method: six threads, 40 rounds of kill -9, one journal.
    rounds_of_killing("synced", 40);
}

#[test]
fn nothing_written_is_missing_after_forty_kills_under_load() {
    // Goal: a ticket at the level `Written` survives the death of the process. Method: the same.
    rounds_of_killing("written", 40);
}

/// Starts a turn with two calls and dies.
#[test]
fn child_that_dies_in_a_turn() {
    let Some(place) = child_place() else { return };
    let journal = Store::open(place).unwrap().journal(ID).unwrap();
    journal.append(TurnStarted::new("t-1", "Fix the build")).unwrap().wait().unwrap();
    journal.push(ToolCallStarted::new("t-1", "c-1", "bash")).unwrap();
    journal.append(ToolCallStarted::new("t-1", "c-2", "read")).unwrap().wait().unwrap();
    std::process::abort();
}

#[test]
fn a_runtime_that_dies_in_a_turn_is_told_what_it_left_open() {
    // Goal: the next opening names the turn and its calls. Method: a child that aborts.
    let root = tempfile::tempdir().unwrap();
    let status = child("crash::child_that_dies_in_a_turn", root.path()).status().unwrap();
    assert!(!status.success());
    let journal = Store::open(root.path()).unwrap().journal(ID).unwrap();
    let told: Vec<String> = journal.open_turns().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["turn t-1 (seq 1), running bash c-1 (seq 2), read c-2 (seq 3)"]);
    assert!(!journal.recovered().clean);
}

#[test]
fn a_journal_reopened_many_times_in_one_process_keeps_its_numbers() {
    // Goal: epochs follow each other without a hole or a repeated number. Method: 30 openings, dropped or closed.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for round in 0..30 {
        let journal = store.journal(ID).unwrap();
        assert_eq!(journal.epoch(), round + 1);
        journal.append(TextDelta::new("t", format!("{round}"))).unwrap().wait().unwrap();
        if round % 3 == 0 {
            journal.close().wait().unwrap();
        }
    }
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.gaps.is_empty(), "{:?}", reading.gaps);
    let seqs = reading.seqs();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let files = std::fs::read_dir(root.path().join(ID)).unwrap().map(|entry| entry.unwrap());
    let files = files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()));
    let ours = entries_of(&files.collect());
    assert_eq!(ours, reading.entries);
    assert!(ours.values().all(|line| seq_of(line).is_some()));
}
