//! Look-ups of events by the ids that their callers gave them.

use crate::faulty::{Call, EIO, Fate};
use crate::patience::{in_time, on_faulty};
use foldlog::{Draft, Durability, ErrorKind, Journal, JournalOptions, LOOKUP_BYTES, Outcome, Store, TextDelta, Ticket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn named(id: &str) -> Draft {
    Draft::from(TextDelta::new("t-1", format!("the text of {id}"))).id(id)
}

fn append(journal: &Journal, id: &str) -> Ticket {
    journal.append(named(id)).unwrap()
}

/// What is found: its number, and whether all was searched.
fn look_up(journal: &Journal, id: &str) -> (Option<u64>, bool) {
    let lookup = journal.lookup(id).unwrap();
    let found = in_time("the look-up", move || lookup.wait()).unwrap();
    (found.seq.map(|seq| seq.get()), found.complete)
}

#[test]
fn an_event_is_found_by_its_id_also_in_earlier_segments_and_runs() {
    // Goal: what was appended before is found, the newest of several, and what was not is not. Method: two runs of several
    // segments, ids with quotes and of other scripts.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let options = JournalOptions::default().segment_bytes(600);
    let odd = "a \"quoted\" \u{85} 東";
    let open = || store.journal_with("s", options.clone()).unwrap();
    let journal = open();
    assert_eq!(look_up(&journal, "step-1"), (None, true), "nothing yet");
    let first = append(&journal, "step-1").seq().get();
    for number in 2..20 {
        drop(append(&journal, &format!("step-{number}")));
    }
    let odd_one = append(&journal, odd).seq().get();
    journal.push(named("pushed")).unwrap();
    let pushed = journal.last_seq().get();
    assert_eq!(look_up(&journal, "pushed"), (Some(pushed), true), "nobody waited for it, but for the look-up");
    assert_eq!(look_up(&journal, odd), (Some(odd_one), true));
    let held = journal.lookup("step-1").unwrap();
    drop(journal);
    let journal = open(); // a look-up that is not over keeps nobody out
    assert_eq!(held.wait().unwrap().seq.map(|seq| seq.get()), Some(first));
    assert_eq!(look_up(&journal, "step-1"), (Some(first), true));
    assert_eq!(look_up(&journal, "step"), (None, true), "an id is never completed");
    let again = append(&journal, "step-1").seq().get();
    assert_eq!(look_up(&journal, "step-1"), (Some(again), true), "the newest");
    let before = journal.lookup("later").unwrap();
    append(&journal, "later").wait().unwrap();
    assert_eq!(before.wait().unwrap().seq, None, "only what was appended before");
    assert_eq!(journal.lookup(&"x".repeat(129)).unwrap_err().kind(), ErrorKind::InvalidInput);
    journal.close().wait().unwrap();
    assert_eq!(look_up(&journal, odd), (Some(odd_one), true), "closing ends no look-up");
}

#[test]
fn what_is_found_is_as_durable_as_was_asked() {
    // Goal: no answer before everything that was appended is on disk, or written if that is what was asked. Method: a sync
    // that does not come back.
    for durability in [Durability::Synced, Durability::Written] {
        let (disk, _lab, _store, journal) = on_faulty(JournalOptions::default().durability(durability));
        append(&journal, "before").wait().unwrap();
        disk.rule(|call, _| if call == Call::Sync { Fate::Waits } else { Fate::Done });
        journal.push(named("x")).unwrap();
        let lookup = journal.lookup("x").unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(lookup.wait()));
        if durability == Durability::Synced {
            assert!(receiver.recv_timeout(Duration::from_millis(300)).is_err(), "answered before it was on disk");
            disk.gate().open();
        }
        let found = receiver.recv_timeout(Duration::from_secs(30)).expect("an answer").unwrap();
        assert_eq!(found.seq, Some(journal.last_seq()));
        disk.gate().open();
    }
}

#[test]
fn an_unknown_outcome_is_looked_up_and_nothing_is_doubled() {
    // Goal: the third outcome has an end: after `reopen` a look-up says whether the event is there. Method: a write that
    // fails, with its line on disk or not, and the rule of the README followed to the letter.
    for landed in [false, true] {
        let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
        append(&journal, "first").wait().unwrap();
        disk.rule(move |call, _| match call {
            Call::Write(..) if !landed => Fate::Fails(EIO),
            Call::Sync if landed => Fate::Fails(EIO),
            _ => Fate::Done,
        });
        let error = append(&journal, "second").wait().unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(journal.lookup("second").is_err(), "nothing is claimed after a failure");
        disk.heal();
        journal.reopen().unwrap();
        let (seq, complete) = look_up(&journal, "second");
        assert!(complete || seq.is_some());
        if seq.is_none() {
            append(&journal, "second").wait().unwrap();
        }
        journal.close().wait().unwrap();
        let lines = lab.read().entries;
        let lines = lines.values().filter(|line| String::from_utf8_lossy(line).contains("the text of second")).count();
        assert_eq!(lines, 1, "landed: {landed}, found: {seq:?}");
    }
}

#[test]
fn a_look_up_ends_where_its_limit_is_and_says_so() {
    // Goal: bounded work, and no claim about what was not searched. Method: more than the limit, in one segment and in many.
    for segment_bytes in [1 << 30, 8 << 20] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let journal = store.journal_with("s", JournalOptions::default().segment_bytes(segment_bytes)).unwrap();
        let large = "x".repeat(1 << 20);
        append(&journal, "oldest").wait().unwrap();
        for number in 0..=LOOKUP_BYTES >> 20 {
            if number == 20 {
                append(&journal, "newer").wait().unwrap();
            }
            append(&journal, "filler").wait().unwrap();
            journal.append(TextDelta::new("t-1", &large)).unwrap().wait().unwrap();
        }
        assert_eq!(look_up(&journal, "oldest"), (None, false));
        let (newer, complete) = look_up(&journal, "newer");
        assert!(newer.is_some() && !complete);
        assert_eq!(look_up(&journal, "filler").0, Some(journal.last_seq().get() - 1), "the newest of many");
    }
}

#[test]
fn room_that_was_filled_ahead_is_not_searched_and_damage_is_no_proof() {
    // Goal: `complete` says what was searched. Method: a segment prefilled to the limit; a byte flipped in a line.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with("s", JournalOptions::default().prefill(LOOKUP_BYTES)).unwrap();
    append(&journal, "a").wait().unwrap();
    append(&journal, "b").wait().unwrap();
    let segment = root.path().join("s/00000001.jsonl");
    assert!(std::fs::metadata(&segment).unwrap().len() > LOOKUP_BYTES / 2, "it was filled ahead");
    assert_eq!(look_up(&journal, "b"), (Some(2), true));
    assert_eq!(look_up(&journal, "c"), (None, true));
    journal.close().wait().unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replace("the text of a", "the text of A")).unwrap();
    let journal = store.journal("s").unwrap();
    assert_eq!(look_up(&journal, "b"), (Some(2), false));
    assert_eq!(look_up(&journal, "a"), (None, false), "it may be the one that is damaged");
}

#[test]
fn look_ups_that_wait_share_one_search() {
    // Goal: a client that looks all its steps up reads the journal once or twice, and each look-up sees what was appended
    // before it and nothing more. Method: the disk's reads are counted; some look-ups are dropped.
    let (disk, _lab, _store, journal) = on_faulty(JournalOptions::default().segment_bytes(2_000));
    for number in 0..50 {
        append(&journal, &format!("step-{number}")).wait().unwrap();
    }
    let reads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reads);
    disk.rule(move |call, _| {
        counted.fetch_add(u64::from(matches!(call, Call::Read(..))), Ordering::SeqCst);
        Fate::Done
    });
    assert_eq!(look_up(&journal, "step-7").0, Some(8));
    let one = reads.swap(0, Ordering::SeqCst);
    assert!(one > 0);
    let before = journal.lookup("again").unwrap();
    let first = append(&journal, "again").wait().unwrap();
    let between = journal.lookup("again").unwrap();
    let second = append(&journal, "again").wait().unwrap();
    let after = journal.lookup("again").unwrap();
    let steps: Vec<_> = (0..300).map(|number| journal.lookup(&format!("step-{number}")).unwrap()).collect();
    drop(journal.lookup("step-1").unwrap());
    let found = in_time("the look-ups", move || {
        let again = [after, before, between].map(|lookup| lookup.wait().unwrap().seq);
        (again, steps.into_iter().map(|lookup| lookup.wait().unwrap()).collect::<Vec<_>>())
    });
    assert_eq!(found.0, [Some(second), None, Some(first)]);
    for (number, found) in (0..).zip(&found.1) {
        assert_eq!((found.seq.map(|seq| seq.get()), found.complete), ((number < 50).then_some(number + 1), true));
    }
    let all = reads.load(Ordering::SeqCst);
    assert!(all <= 3 * one, "{all} reads for 303 look-ups, {one} for one");
}
