//! Followers and compaction: what was dropped is not missed, and nothing else is.

use crate::compaction_laws::random_journal;
use crate::follow::{Seen, follow_to};
use crate::support::{Dice, ID, Lab, entries_of, segments};
use foldlog::{CompactOptions, Cursor, Item, JournalOptions, Store, TextDelta, TurnEnded, TurnStarted};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Goal: a cursor resumes exactly, also when the segment that it pointed into has been compacted in between. Method: from
/// every entry of random histories with crashes in them, through the cursor's stored form, whatever compaction made of
/// the files. `FOLDLOG_FOLLOW_HISTORIES` sets how many.
#[test]
fn every_cursor_resumes_exactly_behind_a_compaction() {
    let mut dice = Dice::new("cursors and compaction");
    let histories = std::env::var("FOLDLOG_FOLLOW_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(25);
    let (mut cursors, mut dropped) = (0, 0);
    for _ in 0..histories {
        let lab = random_journal(&mut dice);
        let before = entries_of(&lab.files());
        let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
        let mut stored = vec![(0, serde_json::to_string(&follower.cursor()).unwrap())];
        loop {
            let item = follower.next_timeout(Duration::from_secs(20)).unwrap().unwrap();
            match Seen::of(&item) {
                Seen::Entry(seq) => stored.push((seq, serde_json::to_string(&follower.cursor()).unwrap())),
                Seen::WriterGone => break,
                _ => {}
            }
        }
        let options = CompactOptions::default().segment_bytes([1_000, 10_000, 1 << 20][dice.below(3)]);
        lab.store.compact_with(ID, &options, &mut |_| {}).unwrap();
        let after = entries_of(&lab.files());
        dropped += before.len() - after.len();
        for (seq, cursor) in stored {
            let cursor: Cursor = serde_json::from_str(&cursor).unwrap();
            let mut resumed = lab.store.reader(ID).unwrap().follow(cursor).unwrap();
            let seen = follow_to(&mut resumed, |seen| *seen == Seen::WriterGone);
            assert!(!seen.iter().any(|seen| matches!(seen, Seen::Rewound(_) | Seen::Replaced)), "{seq}: {seen:?}");
            let given = seen.iter().filter_map(|seen| if let Seen::Entry(seq) = seen { Some(*seq) } else { None });
            assert!(given.eq(after.range(seq + 1..).map(|(seq, _)| *seq)), "behind {seq}: {seen:?}");
            cursors += 1;
        }
    }
    println!("{cursors} cursors in {histories} histories, {dropped} lines dropped under them");
    assert!(dropped > 0);
}

/// Goal: followers beside a compaction that never stops are given everything that it leaves, once and in order.
/// `FOLDLOG_FOLLOW_SECONDS` sets for how long.
#[test]
fn followers_beside_a_writer_and_a_compaction_that_never_stops() {
    let seconds = std::env::var("FOLDLOG_FOLLOW_SECONDS").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let options = JournalOptions::default().segment_bytes(4_000);
    let (done, compactions) = (AtomicBool::new(false), AtomicU64::new(0));
    let given = std::thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|number| {
                let store = &store;
                scope.spawn(move || {
                    let mut follower = store.follow(ID, Cursor::start()).unwrap();
                    let mut given = Vec::new();
                    loop {
                        match follower.next_timeout(Duration::from_secs(60)).expect("it hangs").unwrap() {
                            Item::Entry(entry) => {
                                given.push(entry.seq().get());
                                if entry.data().contains("the end") {
                                    return given;
                                }
                            }
                            Item::Gap(gap) => assert!(gap.explained, "follower {number}: {gap}"),
                            item @ (Item::Rewound(_) | Item::Replaced) => panic!("follower {number}: {item:?}"),
                            _ => {}
                        }
                        match number {
                            // One that lags behind, over segments that are merged before it comes to them.
                            1 if given.len().is_multiple_of(20) => std::thread::sleep(Duration::from_millis(5)),
                            // One that resumes again and again.
                            2 if given.len() % 300 == 299 => follower = store.follow(ID, follower.cursor()).unwrap(),
                            _ => {}
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let options = CompactOptions::default().segment_bytes(60_000);
                if let Ok(report) = store.compact_with(ID, &options, &mut |_| {}) {
                    assert!(!report.met_damage(), "{report:?}");
                    compactions.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut turn = 0;
        while Instant::now() < until {
            // Opened again and again, without a clean close: epochs are merged too.
            let journal = store.journal_with(ID, options.clone()).unwrap();
            for _ in 0..40 {
                turn += 1;
                let id = format!("t-{turn}");
                journal.push(TurnStarted::new(&id, "go on")).unwrap();
                for piece in 0..10 {
                    journal.push(TextDelta::new(&id, format!("{piece} "))).unwrap();
                }
                let text: String = (0..10).map(|piece| format!("{piece} ")).collect();
                journal.append(TurnEnded::success(&id).response_content(text)).unwrap().wait().unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
        let journal = store.journal(ID).unwrap();
        journal.append(TurnStarted::new("the end", "")).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        followers.into_iter().map(|follower| follower.join().unwrap()).collect::<Vec<_>>()
    });
    let reader = store.reader(ID).unwrap();
    let (mut items, mut left) = (reader.items().unwrap(), BTreeSet::new());
    while let Some(item) = items.next().unwrap() {
        if let Item::Entry(entry) = item {
            left.insert(entry.seq().get());
        }
    }
    for (number, given) in given.iter().enumerate() {
        assert!(given.is_sorted_by(|a, b| a < b), "follower {number} was given something twice or out of order");
        let given: BTreeSet<u64> = given.iter().copied().collect();
        let missed: Vec<&u64> =
            left.range(..given.last().unwrap()).filter(|seq| !given.contains(seq)).take(5).collect();
        assert!(missed.is_empty(), "follower {number} of {} entries has missed {missed:?}", left.len());
    }
    let lengths: Vec<usize> = given.iter().map(Vec::len).collect();
    println!(
        "{} entries are left; given {lengths:?} beside {} compactions",
        left.len(),
        compactions.load(Ordering::SeqCst)
    );
    assert!(lengths.iter().any(|given| *given > left.len()), "nothing was dropped under them");
}

/// Goal: what was recorded and merged into a segment that a follower had read to its end, both before it looked again, is
/// given out all the same. Method: a compacted journal read to its end; more recorded and compacted; read on.
#[test]
fn what_is_merged_into_a_segment_that_was_read_already_is_not_missed() {
    let lab = Lab::new();
    let record = |from: u64| {
        for number in from..from + 4 {
            let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(1_000)).unwrap();
            journal.append(TextDelta::new("t", format!("{number}"))).unwrap().wait().unwrap();
            journal.close().wait().unwrap();
        }
        lab.store.compact(ID).unwrap();
        assert_eq!(segments(&lab.files()), ["00000001.jsonl"], "all is merged");
        *entries_of(&lab.files()).last_key_value().unwrap().0
    };
    let mut last = record(0);
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    let mut given = 0;
    for round in 1..4 {
        while given < last {
            let item = follower.next_timeout(Duration::from_secs(20)).expect("it hangs").unwrap();
            if let Item::Entry(entry) = item {
                assert_eq!(entry.seq().get(), given + 1);
                given += 1;
            }
        }
        last = record(round * 4);
    }
}
