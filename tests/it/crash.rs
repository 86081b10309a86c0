//! Processes killed under load: nothing acknowledged is missing, and the next opening goes on.

use crate::faulty::EIO;
use crate::support::{Dice, ID, Reading, child, child_arguments, child_place, entries_of, has, seq_of};
use foldlog::{Durability, Journal, JournalOptions, Reader, Store, TextDelta, ToolCallStarted, TurnStarted};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

/// Which level the child promises.
const LEVEL: &str = "FOLDLOG_TEST_LEVEL";

fn options(durability: Durability) -> JournalOptions {
    JournalOptions::default().durability(durability).segment_bytes(20_000)
}

/// Appends under load until it is killed, printing each number once it is as safe as was asked, with the text.
#[test]
fn child_that_appends() {
    let Some(place) = child_place() else { return };
    let durability = match std::env::var(LEVEL).as_deref() {
        Ok("written") => Durability::Written,
        _ => Durability::Synced,
    };
    let journal = Store::open(place).unwrap().journal_with(ID, options(durability)).unwrap();
    let run = std::process::id();
    std::thread::spawn(|| {
        // Whatever becomes of the parent, and whatever hangs here, this process ends.
        std::thread::sleep(Duration::from_secs(60));
        std::process::exit(9);
    });
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let journal = journal.clone();
            scope.spawn(move || append_for_ever(&journal, &format!("{run}-{thread}")));
        }
    });
}

fn append_for_ever(journal: &Journal, name: &str) {
    for number in 0.. {
        let text = format!("{name}-{number} é {}", "x".repeat(number % 700));
        if number % 5 == 0 {
            let _ = journal.push(TextDelta::new("t", "nobody waits for this"));
        }
        match journal.append(TextDelta::new("t", &text)).map_err(Into::into).and_then(|ticket| ticket.wait()) {
            // One write a line: a killed process leaves whole lines in the pipe.
            Ok(seq) => std::io::stdout().write_all(format!("\nack {seq} {text}\n").as_bytes()).unwrap(),
            Err(error) => {
                println!("\nerror {error}");
                return;
            }
        }
    }
}

/// What a child said: its acknowledgements, each line as it comes.
fn listen(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok());
    });
    receiver
}

fn acknowledgement(line: &str) -> Option<(u64, String)> {
    let (seq, text) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((seq.parse().ok()?, text.to_owned()))
}

/// Kills a child after a random number of acknowledgements, then looks; again and again over the same journal.
fn rounds_of_killing(level: &str, rounds: usize) {
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice::new("kill -9");
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..rounds {
        let mut child = child("crash::child_that_appends", root.path()).env(LEVEL, level).spawn().unwrap();
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

/// Everything acknowledged so far is there; one more opening, in this process, explains the rest.
fn assert_kept(root: &Path, acknowledged: &BTreeMap<u64, String>, round: usize) {
    let store = Store::open(root).unwrap();
    let journal = store.journal_with(ID, options(Durability::Synced)).unwrap();
    let highest = acknowledged.last_key_value().map_or(0, |(seq, _)| *seq);
    assert!(journal.recovered().last_seq.get() >= highest, "round {round}");
    let seq = journal.append(TextDelta::new("t", "between two runs")).unwrap().wait().unwrap();
    assert!(seq.get() > highest, "round {round}: {seq} was acknowledged before");
    if round.is_multiple_of(2) {
        journal.close().wait().unwrap();
    }
    drop(journal);
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.is_clean(), "round {round}: {:?}", reading.gaps);
    for (seq, text) in acknowledged {
        let line = reading.entries.get(seq).unwrap_or_else(|| panic!("round {round}: acknowledged {seq} is missing"));
        let line = String::from_utf8_lossy(line);
        assert!(line.contains(&format!("\"{text}\"")), "round {round}: {seq} is another event: {line}");
    }
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
fn a_kill_at_any_system_call_loses_nothing_acknowledged() {
    // Goal: the process may die right before any write, sync or truncation. Method: strace kills it at the n-th of each.
    if !can_trace("a kill at any system call") {
        return;
    }
    for call in ["pwrite64", "fdatasync", "fsync"] {
        for number in [1, 2, 3, 5, 8, 13, 40] {
            let root = tempfile::tempdir().unwrap();
            let output = traced(call, &format!("signal=KILL:when={number}"), root.path());
            let acknowledged = output.lines().filter_map(acknowledgement).collect();
            assert_kept(root.path(), &acknowledged, number);
        }
    }
}

#[test]
fn a_real_error_of_a_system_call_ends_the_run_and_loses_nothing_acknowledged() {
    // Goal: what the wrapped storage shows holds for the real one. Method: strace makes the n-th call fail with EIO; the
    // child says so and ends by itself.
    if !can_trace("real errors of system calls") {
        return;
    }
    for call in ["pwrite64", "fdatasync"] {
        for number in [3, 4, 9, 20] {
            let root = tempfile::tempdir().unwrap();
            let output = traced(call, &format!("error=EIO:when={number}"), root.path());
            let last = output.lines().rfind(|line| line.starts_with("ack") || line.starts_with("error"));
            assert!(last.is_some_and(|line| line.starts_with("error")), "{call} {number}: acknowledged after it");
            assert!(output.contains(&format!("os error {EIO}")), "{call} {number}: {output}");
            assert_kept(root.path(), &output.lines().filter_map(acknowledgement).collect(), number);
        }
    }
}

pub fn can_trace(test: &str) -> bool {
    if !has("strace", test) {
        return false;
    }
    let allowed = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !allowed {
        println!("skipped: {test}: strace may not trace here");
    }
    allowed
}

/// Runs the appending child under strace with one injected fault, to its end. What it printed.
fn traced(call: &str, fault: &str, place: &Path) -> String {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:{fault}")]).arg(std::env::current_exe().unwrap());
    child_arguments(&mut command, "crash::child_that_appends", place);
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
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
