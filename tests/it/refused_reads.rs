//! A disk that refuses reads for a while, just when a journal is opened for writing, or gives less than was asked for.

use crate::faulty::{Call, EIO, Fate, Faulty};
use crate::patience::{PATIENCE, delta, on_faulty};
use crate::support::{Dice, Files, ID, Lab, Reading, SUFFIX, reference, segment, segments, unclosed};
use foldlog::{Cursor, ErrorKind, Item, JournalOptions, Store, TextDelta};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A store on a disk that refuses `count` reads of segments, from the one with this number on; and what counts reads.
fn refusing(lab: &Lab, first: usize, count: usize) -> (Store, Faulty, Arc<AtomicUsize>) {
    let disk = Faulty::new(lab.disk.clone());
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    disk.rule(move |call, path| match call {
        Call::Read(..) if path.extension().is_some_and(|extension| extension == "jsonl") => {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            if number >= first && number - first < count { Fate::Fails(EIO) } else { Fate::Done }
        }
        _ => Fate::Done,
    });
    (Store::open_on(disk.clone(), "/lab").unwrap(), disk, reads)
}

/// Goal: what the disk does not give is not taken for what is not there. Such an opening cut or sealed off all that had
/// been acknowledged, or took the journal for another one, and called that clean.
/// Method: any reads of an opening are refused, some or all that follow; the opening either says so and changes nothing, or
/// costs no entry. The next one goes on.
fn refuse_any_reads(files: &Files) {
    let before = Lab::with(files).read();
    let (store, _, reads) = refusing(&Lab::with(files), 0, 0);
    drop(store.journal(ID).unwrap());
    let reads = reads.load(Ordering::Relaxed);
    let mut refused = 0;
    for first in 0..reads {
        for count in [1, 2, 3, 4, 5, 6, 7, usize::MAX] {
            let what = format!("reads {first} to {first} + {count} of {reads}");
            let lab = Lab::with(files);
            let (store, disk, _) = refusing(&lab, first, count);
            match store.journal(ID) {
                Ok(journal) => drop(journal.append(TextDelta::new("t-9", "on")).unwrap().wait().unwrap()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "{what}: {error}");
                    assert!(error.to_string().contains(".jsonl"), "{what}: it does not say where: {error}");
                    let segments_of =
                        |files: &Files| segments(files).iter().map(|s| files[s].clone()).collect::<Vec<_>>();
                    assert_eq!(segments_of(&lab.files()), segments_of(files), "{what}");
                    refused += 1;
                }
            }
            disk.heal();
            lab.append_one();
            let reading = lab.read();
            for (seq, line) in &before.entries {
                assert_eq!(reading.entries.get(seq), Some(line), "{what}: {seq} had been there");
            }
            assert!(reading.is_clean(), "{what}: {:?}", reading.gaps);
        }
    }
    assert!(refused > 0, "no opening noticed");
}

#[test]
fn an_opening_whose_reads_are_refused_loses_nothing_of_a_closed_journal() {
    refuse_any_reads(&reference(1_500));
}

#[test]
fn an_opening_whose_reads_are_refused_loses_nothing_of_a_killed_ones_torn_journal() {
    let mut files = unclosed();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(b"{\"seq\":99,\"sy");
    refuse_any_reads(&files);
}

#[test]
fn readers_go_on_where_an_opening_refuses() {
    // Goal: only whoever is to write needs every byte. Method: all reads of the newest segment fail.
    let files = reference(1_500);
    let newest = segments(&files).pop().unwrap();
    let lab = Lab::with(&files);
    let disk = Faulty::new(lab.disk.clone());
    disk.rule(move |call, path| match call {
        Call::Read(..) if path.ends_with(&newest) => Fate::Fails(EIO),
        _ => Fate::Done,
    });
    let store = Store::open_on(disk, "/lab").unwrap();
    assert_eq!(store.journal(ID).unwrap_err().kind(), ErrorKind::Io);
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(!reading.entries.is_empty() && !reading.is_clean(), "{reading:?}");
}

#[test]
fn reads_that_give_less_than_asked_for_are_gone_on_with() {
    // Goal: a short read is not the end of a file. Method: every read gives 1 to 90 bytes, to a reader, to an opening behind
    // a torn end, and to a compaction.
    let mut files = reference(1_500);
    let newest = segments(&files).pop().unwrap();
    files.get_mut(&newest).unwrap().extend_from_slice(b"{\"seq\":99,\"sy");
    let whole = Lab::with(&files);
    let lab = Lab::with(&files);
    let disk = Faulty::new(lab.disk.clone());
    let mut dice = Dice::seeded(1);
    disk.rule(move |call, _| match call {
        Call::Read(..) => Fate::Short(1 + dice.below(90)),
        _ => Fate::Done,
    });
    let store = Store::open_on(disk, "/lab").unwrap();
    let read = |store: &Store| Reading::of(&store.reader(ID).unwrap());
    let (all, short) = (whole.read(), read(&store));
    assert_eq!((&short.entries, &short.gaps), (&all.entries, &all.gaps));
    let found = |store: &Store| store.journal(ID).unwrap().recovered().clone();
    assert_eq!(format!("{:?}", found(&store)), format!("{:?}", found(&whole.store)));
    let reports = [&store, &whole.store].map(|store| store.compact(ID).unwrap().dropped);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(read(&store).entries, whole.read().entries);
}

#[test]
fn short_reads_do_not_make_a_follower_believe_that_a_file_was_replaced() {
    // Goal: a follower that compares the end of its last line with what one read gives may look again, and takes nothing
    // back. Method: reads give less than a checksum takes; a journal that grows while it is followed.
    let (disk, lab, store, journal) = on_faulty(JournalOptions::default());
    journal.append(delta(0)).unwrap().wait().unwrap();
    let poll = Duration::from_millis(1);
    let mut follower = store.reader(ID).unwrap().follow(Cursor::start()).unwrap().poll_every(poll);
    let mut dice = Dice::seeded(1);
    disk.rule(move |call, _| match call {
        Call::Read(..) => Fate::Short(1 + dice.below(SUFFIX)),
        _ => Fate::Done,
    });
    let mut given = Vec::new();
    for number in 1..20 {
        journal.append(delta(number)).unwrap().wait().unwrap();
        while given.len() <= number {
            match follower.next_timeout(PATIENCE).expect("it hangs").unwrap() {
                Item::Entry(entry) => given.push(entry.seq().get()),
                Item::CaughtUp => {}
                item => panic!("{item:?}"),
            }
        }
    }
    assert_eq!(given, lab.read().seqs());
}
