//! Disks that fail and disks that are full: every waiter is answered, nothing acknowledged is lost, holes are explained.

use crate::faulty::{Call, EFBIG, EIO, ENOSPC, Fate, Faulty};
use crate::patience::{Gate, PATIENCE, delta, in_time, on_faulty, until};
use crate::support::{Dice, ID, Lab, entries_of, reference_events, segments};
use foldlog::{
    Durability, Error, ErrorKind, GapKind, Health, Journal, JournalOptions, OnFull, Outcome, Seq, Store, TextDelta,
    Ticket,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The events that a run was told are safe, and what became of the others.
#[derive(Debug, Default)]
struct Told {
    acknowledged: BTreeMap<u64, String>,
    unknown: u64,
    refused: u64,
}

impl Told {
    fn note(&mut self, text: &str, answer: Result<Seq, Error>) {
        match answer {
            Ok(seq) => assert_eq!(self.acknowledged.insert(seq.get(), text.to_owned()), None, "{seq} was given twice"),
            Err(error) if error.outcome() == Outcome::Unknown => self.unknown += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn append(&mut self, journal: &Journal, text: &str) {
        let answer = journal.append(TextDelta::new("t", text)).map_err(Error::from);
        let answer = answer.and_then(|ticket| in_time(text, move || ticket.wait()));
        self.note(text, answer);
    }

    /// Everything acknowledged is there, as it was, and the log explains what is not.
    fn assert_kept_by(&self, lab: &Lab, what: &str) {
        let reading = lab.read();
        for (seq, text) in &self.acknowledged {
            let line = reading.entries.get(seq).unwrap_or_else(|| panic!("{what}: acknowledged {seq} is missing"));
            assert!(String::from_utf8_lossy(line).contains(&format!("\"{text}\"")), "{what}: {seq} is another event");
        }
        assert!(reading.is_clean(), "{what}: {:?}", reading.gaps);
        assert_eq!(reading.entries, entries_of(&lab.files()), "{what}");
    }
}

/// How events are promised, and how far segments are filled ahead.
const WAYS: [(Durability, u64); 4] =
    [(Durability::Synced, 0), (Durability::Written, 0), (Durability::Synced, 300), (Durability::Written, 300)];

/// Appends eight events one by one in small segments while the n-th call fails by `fate`, reopens, appends more, closes.
/// `false` once there is no n-th call.
fn fail_nth(number: i64, fate: Fate, (durability, prefill): (Durability, u64)) -> bool {
    let what = format!("call {number}: {fate:?} at {durability:?}, {prefill} prefilled");
    let options = JournalOptions::default().segment_bytes(900).prefill(prefill).durability(durability);
    let (disk, lab, store, journal) = on_faulty(options.clone());
    let (left, hit) = (AtomicI64::new(number), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&hit);
    disk.rule(move |call, path| {
        let counts = call.changes() && !path.ends_with("LOCK");
        if counts && left.fetch_sub(1, Ordering::SeqCst) == 0 {
            seen.store(1, Ordering::SeqCst);
            return fate;
        }
        Fate::Done
    });
    let mut told = Told::default();
    for number in 0..8 {
        told.append(&journal, &format!("event {number}"));
    }
    let failed = matches!(journal.health(), Health::Failed(_));
    if failed {
        let before = told.acknowledged.len();
        told.append(&journal, "too late");
        assert_eq!(told.acknowledged.len(), before, "{what}: acknowledged after a failure");
        assert_eq!(journal.append(delta(0)).unwrap_err().kind(), ErrorKind::Io, "{what}");
        assert!(journal.sync().is_err(), "{what}");
    }
    // One failure only, but it may come as late as this.
    until("recording again", || {
        let _ = journal.reopen();
        told.append(&journal, "after");
        told.acknowledged.values().any(|text| text == "after")
    });
    let closing = journal.close();
    let closed = in_time("closing", move || closing.wait());
    drop(journal);
    told.assert_kept_by(&lab, &what);
    disk.heal();
    let again = store.journal_with(ID, options).unwrap();
    assert!(again.recovered().clean || closed.is_err(), "{what}");
    drop(again);
    lab.append_one();
    told.assert_kept_by(&lab, &what);
    hit.load(Ordering::SeqCst) == 1
}

#[test]
fn an_error_at_any_call_loses_nothing_acknowledged_and_reopening_goes_on() {
    // Goal: writes, syncs, creations and syncs of directories may each fail once, at any point, roll-overs included.
    // Method: fail the n-th of them, for every n, with EIO.
    for way in WAYS {
        let calls = (0..).take_while(|number| fail_nth(*number, Fate::Fails(EIO), way)).count();
        assert!(calls >= 20, "only {calls} calls were seen");
    }
}

#[test]
fn a_full_disk_at_any_call_loses_nothing_acknowledged_and_recording_goes_on() {
    // Goal: the same for ENOSPC, which from a sync or a directory is an error like any other.
    for way in WAYS {
        let calls = (0..).take_while(|number| fail_nth(*number, Fate::Fails(ENOSPC), way)).count();
        assert!(calls >= 20, "only {calls} calls were seen");
    }
}

#[test]
fn short_writes_are_finished() {
    // Goal: a write that takes only some of the bytes is no error. Method: seven bytes at a time, then each n-th once.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().segment_bytes(900));
    disk.rule(|call, _| if matches!(call, Call::Write(..)) { Fate::Short(7) } else { Fate::Done });
    for draft in reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    assert!(lab.read().gaps.is_empty());
    assert_eq!(lab.read().entries.len(), reference_events().len() + 1);
    for way in [WAYS[0], WAYS[2]] {
        let calls = (0..).take_while(|number| fail_nth(*number, Fate::Short(1), way)).count();
        assert!(calls >= 20, "only {calls} calls were seen");
    }
}

#[test]
fn every_waiter_is_answered_within_a_second_of_a_failure() {
    // Goal: nobody hangs, nobody is told "safe" afterwards. Method: 32 waiters queue behind a held sync, which then
    // fails; so for a write.
    for failing in [Call::Sync, Call::Write(0, 0)] {
        let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
        let first = journal.append(delta(0)).unwrap().wait().unwrap();
        let gate = Gate::shut();
        let at_gate = gate.clone();
        disk.rule(move |call, _| {
            if std::mem::discriminant(&call) == std::mem::discriminant(&failing) {
                at_gate.pass();
                return Fate::Fails(EIO);
            }
            Fate::Done
        });
        let (sender, receiver) = mpsc::channel();
        for number in 0..32 {
            let (ticket, sender) = (journal.append(delta(number)).unwrap(), sender.clone());
            std::thread::spawn(move || sender.send(ticket.wait()));
        }
        let closing = journal.close();
        let failed_at = Instant::now();
        gate.open();
        for _ in 0..32 {
            let error = receiver.recv_timeout(PATIENCE).unwrap().unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Io, Outcome::Unknown));
        }
        assert!(in_time("closing", move || closing.wait()).is_err());
        println!("{failing:?}: 32 waiters and a close answered in {:?}", failed_at.elapsed());
        assert!(failed_at.elapsed() < Duration::from_secs(1));
        assert_eq!(journal.synced(), first, "nothing was acknowledged afterwards");
        disk.heal();
        drop(journal);
        let next = lab.open();
        assert!(next.recovered().last_seq >= first);
    }
}

#[test]
fn a_failure_inside_a_batch_that_rolls_over_answers_everybody() {
    // Goal: a roll-over syncs what is before it; if something behind it fails, those before are safe and are told so,
    // the others fail, and nobody hangs. Method: one batch over several segments; fail the n-th call in it, for every n.
    for fate in [Fate::Fails(EIO), Fate::Fails(ENOSPC)] {
        let mut calls = 0;
        loop {
            let what = format!("call {calls} {fate:?}");
            let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().segment_bytes(900));
            let gate = Gate::shut();
            let (at_gate, left, hit) = (gate.clone(), AtomicI64::new(calls), Arc::new(AtomicU64::new(0)));
            let seen = Arc::clone(&hit);
            disk.rule(move |call, path| {
                at_gate.pass();
                if call.changes() && !path.ends_with("LOCK") && left.fetch_sub(1, Ordering::SeqCst) == 0 {
                    seen.store(1, Ordering::SeqCst);
                    return fate;
                }
                Fate::Done
            });
            let tickets: Vec<_> = (0..16)
                .map(|number| {
                    (format!("event {number}"), journal.append(TextDelta::new("t", format!("event {number}"))))
                })
                .collect();
            gate.open();
            let mut told = Told::default();
            for (text, ticket) in tickets {
                let answer = ticket.map_err(Error::from).and_then(|ticket| in_time(&what, move || ticket.wait()));
                told.note(&text, answer);
            }
            drop(journal);
            lab.append_one();
            told.assert_kept_by(&lab, &what);
            if hit.load(Ordering::SeqCst) == 0 {
                break;
            }
            calls += 1;
        }
        assert!(calls >= 10, "only {calls} calls were seen");
    }
}

#[test]
fn a_sync_that_fails_once_and_then_succeeds_is_never_trusted_again() {
    // Goal: after a failed sync the kernel may say "done" for bytes that are gone. Method: fail one; the file must not
    // be synced by the writer again, and the next opening rereads.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
    journal.append(delta(0)).unwrap().wait().unwrap();
    let (failed, after) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (rule_failed, rule_after) = (Arc::clone(&failed), Arc::clone(&after));
    disk.rule(move |call, _| {
        if call == Call::Sync && rule_failed.fetch_add(1, Ordering::SeqCst) == 0 {
            return Fate::Fails(EIO);
        }
        rule_after.fetch_add(u64::from(call.changes()), Ordering::SeqCst);
        Fate::Done
    });
    assert!(journal.append(delta(1)).unwrap().wait().is_err());
    let calls = after.load(Ordering::SeqCst);
    for number in 0..5 {
        assert_eq!(journal.append(delta(number)).unwrap_err().kind(), ErrorKind::Io);
    }
    assert_eq!(after.load(Ordering::SeqCst), calls, "the disk was touched after the failure");
    journal.reopen().unwrap();
    let seq = journal.append(delta(2)).unwrap().wait().unwrap();
    assert!(seq > Seq::new(2), "the number of the event of unknown fate is not given again");
    assert_eq!(segments(&lab.files()).len(), 2, "a new segment, not the one whose sync failed");
}

#[test]
fn a_storage_that_panics_leaves_nobody_waiting() {
    // Goal: a bug below the writer is an error for whoever waits. Method: panic inside a sync.
    let (disk, _lab, _store, journal) = on_faulty(JournalOptions::default());
    disk.rule(|call, _| if call == Call::Sync { panic!("this panic is part of a test") } else { Fate::Done });
    let ticket = journal.append(delta(0)).unwrap();
    assert!(in_time("the ticket", move || ticket.wait()).is_err());
    assert!(matches!(journal.health(), Health::Failed(_)));
}

/// A disk with so many bytes left for segments.
fn with_room(disk: &Faulty, bytes: i64) -> Arc<AtomicI64> {
    let room = Arc::new(AtomicI64::new(bytes));
    let left = Arc::clone(&room);
    disk.rule(move |call, path| {
        let Call::Write(len, _) = call else { return Fate::Done };
        if path.ends_with("LOCK") {
            return Fate::Done;
        }
        let len = len as i64;
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some((left - len).max(0))).unwrap();
        match before {
            0 => Fate::Fails(ENOSPC),
            some if some < len => Fate::Short(some as usize),
            _ => Fate::Done,
        }
    });
    room
}

/// Fills the disk after `bytes`, gives room again, and goes on. Returns what was told.
fn through_a_full_disk(bytes: i64, on_full: OnFull, begin_unclean: bool) -> Told {
    let what = format!("{on_full:?}, full after {bytes} bytes, unclean start: {begin_unclean}");
    let options = JournalOptions::default().on_full(on_full).segment_bytes(1200);
    let lab = Lab::new();
    let mut told = Told::default();
    if begin_unclean {
        told.append(&lab.open(), "before");
    }
    let disk = Faulty::new(lab.disk.clone());
    let room = with_room(&disk, bytes);
    let journal = Store::open_on(disk, "/lab").unwrap().journal_with(ID, options).unwrap();
    let tickets: Vec<_> = (0..10)
        .map(|number| {
            let text = format!("event {number}");
            let ticket = journal.append(TextDelta::new("t", &text)).map_err(Error::from);
            if number % 4 == 3 {
                // Not all in one batch.
                let _ = journal.sync().map(|ticket| ticket.seq());
                std::thread::yield_now();
            }
            (text, ticket)
        })
        .collect();
    let full = || matches!(journal.health(), Health::StorageFull);
    until("full, or all written", || full() || journal.synced() == journal.last_seq());
    let meanwhile = lab.store.reader(ID).and_then(|reader| reader.verify());
    assert!(meanwhile.as_ref().map_or(true, |report| report.clean), "{what}: only whole lines stay: {meanwhile:?}");
    // Space comes back in bits that hold a part of a line only.
    for _ in 0..3 {
        room.fetch_add(130, Ordering::SeqCst);
    }
    room.fetch_add(1 << 20, Ordering::SeqCst);
    for (text, ticket) in tickets {
        let answer = ticket.and_then(|ticket| in_time(&what, move || ticket.wait()));
        told.note(&text, answer);
    }
    until("healthy again", || matches!(journal.health(), Health::Good));
    told.append(&journal, "after");
    assert!(told.acknowledged.values().any(|text| text == "after"), "{what}: {told:?}");
    in_time("closing", {
        let closing = journal.close();
        move || closing.wait()
    })
    .unwrap();
    drop(journal);
    told.assert_kept_by(&lab, &what);
    told
}

#[test]
fn a_disk_full_at_any_byte_loses_nothing_when_told_to_wait() {
    // Goal: every event is kept, in order, under its number, and written when there is room. Method: many sizes.
    for unclean in [false, true] {
        for bytes in (0..2600).step_by(97) {
            let told = through_a_full_disk(bytes, OnFull::Wait, unclean);
            let lost = (told.refused, told.unknown);
            assert_eq!((lost, told.acknowledged.len()), ((0, 0), 11 + usize::from(unclean)), "{bytes}: {told:?}");
        }
    }
}

#[test]
fn a_disk_full_at_any_byte_refuses_and_explains_when_told_to_fail() {
    // Goal: what was written whole stays and is safe, the rest is refused, the hole is explained. Method: many sizes.
    let mut refused = 0;
    for unclean in [false, true] {
        for bytes in (0..2600).step_by(97) {
            let told = through_a_full_disk(bytes, OnFull::Fail, unclean);
            assert_eq!(told.unknown, 0, "{bytes}: {told:?}");
            refused += told.refused;
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn space_that_comes_back_in_crumbs_never_breaks_the_numbers() {
    // Goal: the explanation itself, and the report of a recovery, may be refused as often as it likes. Method: random
    // crumbs, with events between them, on a journal that was left unclean.
    let mut dice = Dice::new("crumbs");
    for round in 0..8 {
        let lab = Lab::new();
        let mut told = Told::default();
        told.append(&lab.open(), "before");
        let disk = Faulty::new(lab.disk.clone());
        let room = with_room(&disk, dice.below(900) as i64);
        let options = JournalOptions::default().segment_bytes(2000);
        let journal = Store::open_on(disk, "/lab").unwrap().journal_with(ID, options).unwrap();
        for number in 0..6 {
            told.append(&journal, &format!("event {number}"));
            let seen = room.swap(dice.below(500) as i64, Ordering::SeqCst);
            // The writer tries again by itself: wait until it has used what it got.
            until("the crumb was used", || {
                room.load(Ordering::SeqCst) != seen
                    || room.load(Ordering::SeqCst) == 0
                    || matches!(journal.health(), Health::Good)
            });
        }
        room.store(1 << 20, Ordering::SeqCst);
        until("healthy again", || matches!(journal.health(), Health::Good));
        told.append(&journal, "after");
        in_time("closing", {
            let closing = journal.close();
            move || closing.wait()
        })
        .unwrap();
        told.assert_kept_by(&lab, &format!("round {round}"));
    }
}

#[test]
fn room_for_the_report_of_a_recovery_but_not_for_what_follows_it_breaks_no_numbers() {
    // Goal: the first two entries after a full disk, on a journal left unclean, may be written apart. Method: first no
    // room, then every amount of it around their size, then enough.
    std::thread::scope(|scope| {
        for bytes in (300..1300).step_by(11) {
            scope.spawn(move || {
                let lab = Lab::new();
                let mut told = Told::default();
                told.append(&lab.open(), "before");
                let disk = Faulty::new(lab.disk.clone());
                let room = with_room(&disk, 0);
                let journal = Store::open_on(disk, "/lab").unwrap().journal(ID).unwrap();
                told.append(&journal, "refused");
                room.store(bytes, Ordering::SeqCst);
                let good = || matches!(journal.health(), Health::Good);
                until("the room was used", || room.load(Ordering::SeqCst) == 0 || good());
                told.append(&journal, "perhaps");
                room.store(1 << 20, Ordering::SeqCst);
                until("healthy again", good);
                told.append(&journal, "after");
                let closing = journal.close();
                in_time("closing", move || closing.wait()).unwrap();
                told.assert_kept_by(&lab, &format!("{bytes} bytes"));
                assert!(told.acknowledged.values().any(|text| text == "after"));
            });
        }
    });
}

#[test]
fn the_hole_of_a_full_disk_is_explained_exactly() {
    // Goal: `events_lost` names the numbers and counts the events, and stands right behind the hole. Method: no room for
    // a while.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
    journal.append(delta(0)).unwrap().wait().unwrap();
    let room = with_room(&disk, 0);
    let error = journal.append(delta(1)).unwrap().wait().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::StorageFull, Outcome::Refused));
    assert!(matches!(journal.health(), Health::StorageFull));
    for number in 2..5 {
        assert_eq!(journal.append(delta(number)).unwrap_err().kind(), ErrorKind::StorageFull);
    }
    assert_eq!(lab.read().seqs(), [1], "reading goes on");
    room.store(1 << 20, Ordering::SeqCst);
    until("healthy again", || matches!(journal.health(), Health::Good));
    let seq = journal.append(delta(5)).unwrap().wait().unwrap();
    let reading = lab.read();
    assert_eq!((seq.get(), reading.seqs()), (4, vec![1, 3, 4]));
    let [gap] = reading.gaps.as_slice() else { panic!("{:?}", reading.gaps) };
    assert_eq!((gap.kind, gap.first_seq, gap.last_seq), (GapKind::Missing, Some(Seq::new(2)), Some(Seq::new(2))));
    assert!(gap.explained);
    let lost = String::from_utf8_lossy(&reading.entries[&3]).into_owned();
    assert!(lost.contains("\"first_seq\":2,\"last_seq\":2,\"count\":4"), "{lost}");
}

#[test]
fn a_limit_on_the_size_of_a_file_is_an_error_and_no_full_disk() {
    // Goal: a file that may not grow any more is named as that, at once, also by a journal that waits for space; half a line
    // does not stay. Method: a write that is cut short after some bytes and then refused.
    for on_full in [OnFull::Wait, OnFull::Fail] {
        let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().on_full(on_full));
        journal.append(delta(0)).unwrap().wait().unwrap();
        let mut writes = 0;
        disk.rule(move |call, _| match call {
            Call::Write(..) => {
                writes += 1;
                if writes == 1 { Fate::Short(40) } else { Fate::Fails(EFBIG) }
            }
            _ => Fate::Done,
        });
        let ticket = journal.append(delta(1)).unwrap();
        let error = in_time("the error", move || ticket.wait()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("LimitFSIZE") && !error.to_string().contains("full"), "{error}");
        assert!(matches!(journal.health(), Health::Failed(_)));
        let reading = lab.read();
        assert!(reading.gaps.is_empty() && reading.seqs() == [1], "{:?}", reading.gaps);
        disk.heal();
        journal.reopen().unwrap();
        journal.append(delta(2)).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
    }
}

#[test]
fn the_last_handle_does_not_wait_for_space_and_says_what_is_missing() {
    // Goal: a full disk cannot hold up the end of a program that lets its journal go: what fits is kept, the tickets of the
    // rest say that it is not in the log, and which entries these are. Method: no room behind the second event, also where a
    // close has begun.
    for closing in [false, true] {
        let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().on_full(OnFull::Wait));
        journal.append(delta(0)).unwrap().wait().unwrap();
        let room = with_room(&disk, 0);
        let tickets: Vec<Ticket> = (1..4).map(|number| journal.append(delta(number)).unwrap()).collect();
        until("full", || matches!(journal.health(), Health::StorageFull));
        let closed = closing.then(|| journal.close());
        in_time("the drop", move || drop(journal));
        for ticket in tickets {
            let error = in_time("a ticket", move || ticket.wait()).unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::StorageFull, Outcome::Refused));
            assert!(error.to_string().contains("2 to 4"), "{error}");
        }
        assert!(closed.is_none_or(|closed| closed.wait().is_err()));
        room.store(1 << 20, Ordering::SeqCst);
        assert_eq!(lab.read().seqs(), [1]);
        assert!(lab.read().gaps.is_empty());
    }
}
