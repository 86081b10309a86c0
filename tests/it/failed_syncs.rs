//! What a failed sync leaves: lines in the page cache that no disk has. Recovery acts on what the disk has, and no number
//! that a reader may have seen is given again. The campaign's simulated disk found these.

use crate::faulty::{Call, EIO, ENOSPC, Fate};
use crate::patience::{delta, in_time, on_faulty, until};
use crate::support::{ID, Lab, lines, segment, segments, unclosed};
use foldlog::{Cursor, Durability, Follower, Health, Item, JournalOptions, OnFull, TurnStarted};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Writes that are not synced for as long as a test lasts.
fn unsynced() -> JournalOptions {
    JournalOptions::default().durability(Durability::Written).sync_interval(Duration::from_secs(24 * 3600))
}

#[test]
fn a_number_behind_refused_events_is_not_given_again_though_no_disk_has_its_line() {
    // Goal: a number that a reader has read names that entry for ever. The length of what is cut does not tell it, since
    // refused events leave steps. Method: a full disk refuses many events; what comes behind them is never synced.
    let (disk, lab, store, journal) = on_faulty(unsynced().on_full(OnFull::Fail));
    journal.append(delta(0)).unwrap().wait().unwrap();
    disk.rule(|call, _| if matches!(call, Call::Write(..)) { Fate::Waits } else { Fate::Done });
    let tickets: Vec<_> = (1..200).map(|number| journal.append(delta(number)).unwrap()).collect();
    let is_full = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&is_full);
    disk.rule(move |call, _| match call {
        Call::Write(..) if still.load(Ordering::SeqCst) => Fate::Fails(ENOSPC),
        _ => Fate::Done,
    });
    disk.gate().open();
    let refused = tickets.into_iter().filter_map(|ticket| in_time("a ticket", move || ticket.wait()).err()).count();
    assert!(refused > 100, "{refused}");
    is_full.store(false, Ordering::SeqCst);
    until("healthy again", || matches!(journal.health(), Health::Good));
    let seen = journal.append(delta(200)).unwrap().wait().unwrap();
    assert!(lab.read().entries.contains_key(&seen.get()));
    drop((journal, store));

    let path = lab.dir.join(segment(1));
    let second = lines(&lab.disk.get(&path))[2].0;
    lab.disk.keep_from_disk(&path, second);
    let next = lab.append_one();
    assert!(next > seen.get(), "{next} was given again, {seen} had been read");
    assert!(lab.read().is_clean(), "{:?}", lab.read().gaps);
}

#[test]
fn two_recoveries_of_a_report_that_no_disk_has_find_the_same() {
    // Goal: recovery is idempotent. It judged the first entry of the newest segment by the page cache. Method: what was
    // written first behind a recovery, its report, is in the cache alone.
    let lab = Lab::with(&unclosed());
    let first = lab.dir.join(segment(1));
    let bytes = lab.disk.get(&first);
    lab.disk.overwrite(&first, &bytes[..bytes.len() - 30]);
    let journal = lab.store.journal_with(ID, unsynced()).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    drop(journal);
    let second = lab.dir.join(segment(2));
    let header_end = lines(&lab.disk.get(&second))[1].0;
    lab.disk.keep_from_disk(&second, header_end);
    let recover = || lab.store.journal_with(ID, unsynced()).unwrap().recovered().clone();
    let found = recover();
    assert!(!found.clean && !found.holes.is_empty(), "{found:?}");
    assert_eq!(recover(), found);
    lab.append_one();
    assert!(lab.read().is_clean(), "{:?}", lab.read().gaps);
}

#[test]
fn a_report_of_nothing_but_numbers_given_in_vain_takes_nothing_back() {
    // Goal: whoever follows a journal is told to forget what lies behind `after` of a report. Reopening behind a journal
    // that had been closed reported `after` 0, so that followers forgot everything. Method: a closed journal, opened again
    // on a disk that writes nothing, and reopened once it does.
    let (disk, lab, store, journal) = on_faulty(JournalOptions::default());
    journal.append(TurnStarted::new("t-1", "one")).unwrap().wait().unwrap();
    journal.append(delta(1)).unwrap().wait().unwrap();
    let follower = store.follow(ID, Cursor::start()).unwrap();
    let (seen, cursor) = entries_and_cursor(follower);
    assert_eq!(seen, [1, 2]);
    journal.close().wait().unwrap();
    drop(journal);

    let journal = store.journal_with(ID, JournalOptions::default()).unwrap();
    disk.rule(|call, _| if matches!(call, Call::Write(..)) { Fate::Fails(EIO) } else { Fate::Done });
    journal.append(delta(2)).unwrap().wait().unwrap_err();
    disk.heal();
    journal.reopen().unwrap();
    let seq = journal.append(delta(3)).unwrap().wait().unwrap();
    assert_eq!(seq.get(), 6, "4 was given in vain, 5 is the report of that");

    let reading = lab.read();
    let report: serde_json::Value = serde_json::from_slice(&reading.entries[&5]).unwrap();
    assert_eq!(report["type"], "journal_recovered");
    assert_eq!(report["data"]["after"], 3, "{report}");
    assert_eq!(report["data"]["open"][0]["turn_id"], "t-1", "{report}");
    assert!(reading.gaps.iter().all(|gap| gap.explained), "{:?}", reading.gaps);
    let (seen, _) = entries_and_cursor(store.follow(ID, cursor).unwrap());
    assert_eq!(seen, [3, 5, 6]);
}

/// What a follower gives until it has caught up; it must not take anything back.
fn entries_and_cursor(mut follower: Follower) -> (Vec<u64>, Cursor) {
    let mut seen = Vec::new();
    loop {
        match follower.next_timeout(Duration::from_secs(60)).expect("a follower never caught up").unwrap() {
            Item::Entry(entry) => seen.push(entry.seq().get()),
            Item::CaughtUp => return (seen, follower.cursor()),
            Item::Gap(_) | Item::WriterGone => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn numbers_that_torn_bytes_bore_and_numbers_that_were_never_written_are_one_hole() {
    // Goal: a reader finds the hole that covers its gap. Reopening told of two, one beside the other. Method: a batch of
    // many events is written in part, the disk fails, and the journal is reopened.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
    journal.append(delta(0)).unwrap().wait().unwrap();
    disk.rule(|call, _| if matches!(call, Call::Write(..)) { Fate::Waits } else { Fate::Done });
    let tickets: Vec<_> = (1..40).map(|number| journal.append(delta(number)).unwrap()).collect();
    let mut is_begun = false;
    disk.rule(move |call, _| match call {
        Call::Write(..) if !std::mem::replace(&mut is_begun, true) => Fate::Short(20),
        Call::Write(..) => Fate::Fails(EIO),
        _ => Fate::Done,
    });
    disk.gate().open();
    tickets.into_iter().for_each(|ticket| drop(in_time("a ticket", move || ticket.wait())));
    disk.heal();
    journal.reopen().unwrap();
    journal.append(delta(40)).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    assert_eq!(segments(&lab.files()).len(), 2);
    let gaps = lab.read().gaps;
    assert!(gaps.iter().any(|gap| gap.first_seq.is_some()) && gaps.iter().all(|gap| gap.explained), "{gaps:?}");
}
