//! Reading a journal while it is being written, rolled over and reopened.

use foldlog::{Custom, JournalOptions, Json, Store};
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
        for _ in 0..5 {
            let journal = store.journal_with("s-1", options.clone()).unwrap();
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
