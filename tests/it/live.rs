//! Reading a journal while it is being written, rolled over and reopened.

use crate::faulty::{Call, Fate, Faulty};
use foldlog::{Custom, DiskStorage, JournalOptions, Json, Store};
use std::sync::atomic::{AtomicBool, Ordering};

/// Goal: readers beside a writer at full speed never see damage, and never miss what had been written before they came.
/// Method: tiny segments, so that the directory changes while it is being listed; readers verify in a loop.
#[test]
fn readers_beside_a_writer_at_full_speed_see_no_damage() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let done = AtomicBool::new(false);
    let options = JournalOptions::default().segment_bytes(2_000);
    let journal = store.journal_with("s-1", options.clone()).unwrap();
    journal.append(Custom::new("note", Json::null())).unwrap().wait().unwrap();
    drop(journal);
    let rounds: usize = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let reader = store.reader("s-1").unwrap();
                    let (mut rounds, mut seen) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        let report = reader.verify().unwrap();
                        assert!(report.clean, "{report:?}");
                        assert!(report.entries >= seen, "{seen} entries had been seen: {report:?}");
                        seen = report.entries;
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        for opening in 0..6 {
            // Some of them write over line feeds.
            let options = options.clone().prefill([0, 700, 20_000][opening % 3]);
            let journal = store.journal_with("s-1", options).unwrap();
            for number in 0..400 {
                let ticket = journal.append(Custom::new("note", Json::new(&"x".repeat(number)).unwrap())).unwrap();
                if number % 20 == 0 {
                    ticket.wait().unwrap();
                }
            }
            journal.close().wait().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    let report = store.reader("s-1").unwrap().verify().unwrap();
    println!("{rounds} readings beside {} segments", report.segments);
    assert!(report.clean && report.entries > 2_000, "{report:?}");
}

/// Goal: a segment that grew, and was rolled over, while the directory was being listed is read to its end.
/// Method: a list in which every file is as short as it was a moment ago.
#[test]
fn lengths_in_a_list_that_is_behind_the_times_are_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let storage = Faulty::new(DiskStorage);
    let store = Store::open_on(storage.clone(), root.path()).unwrap();
    let journal = store.journal_with("s-1", JournalOptions::default().segment_bytes(2_000)).unwrap();
    for number in 0..100 {
        journal.push(Custom::new("note", Json::new(&number).unwrap())).unwrap();
    }
    journal.close().wait().unwrap();
    for most in [0, 100, 700] {
        storage.rule(move |call, _| if call == Call::List { Fate::Short(most) } else { Fate::Done });
        let report = store.reader("s-1").unwrap().verify().unwrap();
        assert!(report.clean && report.entries == 101, "{report:?}");
    }
}
