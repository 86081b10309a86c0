//! Disks that fail, fill up or become read-only under a journal, for real.

use super::ledger::Ledger;
use super::mount::{Kind, Mounted, workshop};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;
use foldlog::{ErrorKind, GapKind, Health, Item, Journal, JournalOptions, OnFull, Store};
use std::path::Path;
use std::time::{Duration, Instant};

pub const FAILING_SYNC: Part = Part {
    name: "failing-sync",
    unit: "disks",
    needs_system: true,
    what: "an fdatasync fails for real and later ones succeed, on a disk whose own disk is full",
    slice: 1,
    full: 100,
    run: failing_sync,
};

pub const FULL_DISK: Part = Part {
    name: "full-disk",
    unit: "full disks",
    needs_system: true,
    what: "the disk is full at every page of a script, then has space again",
    slice: 8,
    full: 1_000,
    run: full_disk,
};

pub const ABORTED: Part = Part {
    name: "aborted-file-system",
    unit: "aborts",
    needs_system: true,
    what: "the file system becomes read-only under a writer, and comes back",
    slice: 2,
    full: 200,
    run: aborted,
};

/// More than enough for a ticket to be answered after a failure.
const SOON: Duration = Duration::from_secs(20);

/// Goal: the first sync that fails is the last thing the journal believes of its file: everybody is told, nothing is
/// acknowledged until it is reopened, and what a lying disk lost all the same is reported. Method: ext4 without a journal
/// in an image on a file system that is too small for it.
fn failing_sync(scope: &Scope) -> Outcome {
    if let Some(why) = Kind::Tmpfs.missing().or_else(|| Kind::Ext4Plain.missing()) {
        return Outcome::Missing(why);
    }
    let (mut tally, mut betrayed) = (Tally::default(), 0);
    let mut dice = Dice::seeded(scope.seed);
    while scope.goes_on(tally.done) {
        let what = format!("seed {}, disk {}", scope.seed, tally.done);
        let dir = workshop();
        let small = Mounted::new(Kind::Tmpfs, dir.path(), (14 + dice.below(6) as u64) << 20).unwrap();
        let disk = Mounted::new(Kind::Ext4Plain, &small.place, 256 << 20).unwrap();
        let store = Store::open(disk.place.join("store")).unwrap();
        let journal = store.journal("s").unwrap();
        let ledger = Ledger::default();
        let (promised, error) = append_until_failure(&journal, &ledger, 20_000 + dice.below(60_000));
        assert_eq!(error, ErrorKind::Io, "{what}");
        assert!(matches!(journal.health(), Health::Failed(_)), "{what}: {:?}", journal.health());
        for _ in 0..20 {
            // The kernel says that all is well again.
            let refused = ledger.append(&journal, 100);
            assert!(refused.is_none(), "{what}: it took an event after a failed sync");
        }
        assert!(journal.sync().is_err(), "{what}: it synced after a failed sync");
        small.remount("size=128m").unwrap();
        journal.reopen().unwrap_or_else(|error| panic!("{what}: {error}"));
        let (ticket, text) = ledger.append(&journal, 100).expect("it goes on");
        let seq = ticket.wait().unwrap_or_else(|error| panic!("{what}: {error}"));
        ledger.promise("s", seq, text);
        journal.close().wait().unwrap();
        drop(journal);
        disk.restart();
        betrayed += unreported_or_lost(&ledger, &Store::open(disk.place.join("store")).unwrap(), &what);
        tally.acknowledged += promised;
        tally.done += 1;
    }
    tally.note = format!("{betrayed} events were lost by disks whose sync had succeeded, each reported");
    Outcome::Held(tally)
}

/// Returns how many were acknowledged, and what ended it.
fn append_until_failure(journal: &Journal, ledger: &Ledger, length: usize) -> (u64, ErrorKind) {
    for promised in 0.. {
        let start = Instant::now();
        let Some((ticket, text)) = ledger.append(journal, length) else {
            unreachable!("it fails while somebody waits")
        };
        match ticket.wait() {
            Ok(seq) => ledger.promise("s", seq, text),
            Err(error) => {
                assert!(start.elapsed() < SOON, "it took {:?} to tell", start.elapsed());
                return (promised, error.kind());
            }
        }
    }
    unreachable!("a disk is finite")
}

/// What was acknowledged and is not there: no recorder can help that, but it must be in a gap's range.
fn unreported_or_lost(ledger: &Ledger, store: &Store, what: &str) -> u64 {
    let (mut gaps, mut found) = (Vec::new(), Vec::new());
    let reader = store.reader("s").unwrap();
    let mut items = reader.items().unwrap();
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Entry(entry) => found.push(entry.seq().get()),
            Item::Gap(gap) => gaps.push(gap),
            _ => {}
        }
    }
    let lost: Vec<u64> = ledger.promised("s").into_iter().filter(|seq| !found.contains(seq)).collect();
    for seq in &lost {
        let covers = |gap: &foldlog::Gap| {
            gap.kind == GapKind::Torn
                || gap.first_seq.is_some_and(|first| first.get() <= *seq)
                    && gap.last_seq.is_some_and(|l| l.get() >= *seq)
        };
        assert!(gaps.iter().any(covers), "{what}: {seq} is missing in silence: {gaps:?}");
    }
    lost.len() as u64
}

/// Goal: a full disk refuses or delays and loses nothing, and recording goes on by itself when there is space again.
/// Method: ballast that leaves so many pages, in a file system in memory, which fills up in the middle of a line.
fn full_disk(scope: &Scope) -> Outcome {
    const PAGE: usize = 4096;
    if let Some(why) = Kind::Tmpfs.missing() {
        return Outcome::Missing(why);
    }
    let dir = workshop();
    let disk = Mounted::new(Kind::Tmpfs, dir.path(), 1 << 20).unwrap();
    let (mut tally, mut met) = (Tally::default(), 0);
    let mut dice = Dice::seeded(scope.seed);
    while scope.goes_on(tally.done) {
        let on_full = [OnFull::Wait, OnFull::Fail][tally.done as usize % 2];
        let pages = 3 + (tally.done as usize / 2) % 30;
        let what = format!("seed {}, disk {}: {on_full:?}, {pages} pages free", scope.seed, tally.done);
        let root = disk.place.join(format!("store-{}", tally.done));
        let (store, ledger) = (Store::open(&root).unwrap(), Ledger::default());
        let ballast = disk.place.join("ballast");
        let options = JournalOptions::default().on_full(on_full).segment_bytes(6_000 + dice.below(30_000) as u64);
        let options = options.prefill([0, 9_000][dice.below(2)]);
        let journal = store.journal_with("s", options).unwrap();
        fill(&ballast, pages * PAGE);
        let mut waiting = Vec::new();
        for _ in 0..60 {
            waiting.extend(ledger.append(&journal, dice.below(3_000)));
            if matches!(journal.health(), Health::StorageFull) {
                break;
            }
            if let Some((ticket, _)) = waiting.last()
                && dice.below(2) == 0
            {
                wait_or_full(&journal, ticket.seq());
            }
        }
        met += u64::from(matches!(journal.health(), Health::StorageFull));
        std::fs::remove_file(&ballast).unwrap();
        let (mut kept, mut refused) = (0, 0);
        for (ticket, text) in waiting {
            match ticket.wait() {
                Ok(seq) => {
                    ledger.promise("s", seq, text);
                    kept += 1;
                }
                Err(error) => {
                    assert_eq!((error.kind(), on_full), (ErrorKind::StorageFull, OnFull::Fail), "{what}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(on_full == OnFull::Fail || refused == 0, "{what}: {refused} refused");
        let (ticket, text) = goes_on(&journal, &ledger, &what);
        ledger.promise("s", ticket, text);
        journal.close().wait().unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(journal);
        ledger.check(&store, &what);
        let report = store.reader("s").unwrap().verify().unwrap();
        assert!(report.clean, "{what}: {report:#?}");
        std::fs::remove_dir_all(&root).unwrap();
        tally.acknowledged += kept + 1;
        tally.done += 1;
    }
    tally.note = format!("{met} of them were full while events waited");
    Outcome::Held(tally)
}

/// Leaves so many bytes.
fn fill(ballast: &Path, free: usize) {
    let space = rustix::fs::statvfs(ballast.parent().unwrap()).unwrap();
    let bytes = (space.f_bavail * space.f_frsize).saturating_sub(free as u64);
    std::fs::write(ballast, vec![b'x'; bytes as usize]).unwrap();
}

fn wait_or_full(journal: &Journal, seq: foldlog::Seq) {
    let end = Instant::now() + SOON;
    while journal.synced() < seq && matches!(journal.health(), Health::Good) {
        assert!(Instant::now() < end, "neither synced nor full");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// One more event, which may be refused until the writer has seen that there is space.
fn goes_on(journal: &Journal, ledger: &Ledger, what: &str) -> (foldlog::Seq, String) {
    let end = Instant::now() + SOON;
    loop {
        if let Some((ticket, text)) = ledger.append(journal, 50)
            && let Ok(seq) = ticket.wait()
        {
            return (seq, text);
        }
        assert!(Instant::now() < end, "{what}: it does not go on: {:?}", journal.health());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Goal: a file system that goes read-only under a writer is a failure like any other. Method: ext4 is told to abort.
fn aborted(scope: &Scope) -> Outcome {
    if let Some(why) = Kind::Ext4.missing() {
        return Outcome::Missing(why);
    }
    let (mut tally, mut dice) = (Tally::default(), Dice::seeded(scope.seed));
    let dir = workshop();
    let disk = Mounted::new(Kind::Ext4, dir.path(), 64 << 20).unwrap();
    let ledger = Ledger::default();
    while scope.goes_on(tally.done) {
        let what = format!("seed {}, abort {}", scope.seed, tally.done);
        let store = Store::open(disk.place.join("store")).unwrap();
        let journal = store.journal("s").unwrap();
        let mut acknowledged = 0;
        for _ in 0..dice.below(30) {
            let (ticket, text) = ledger.append(&journal, dice.below(2_000)).expect("a journal takes events");
            ledger.promise("s", ticket.wait().unwrap(), text);
            acknowledged += 1;
        }
        disk.remount("abort").unwrap();
        let (_, error) = append_until_failure(&journal, &ledger, 100);
        assert_eq!(error, ErrorKind::Io, "{what}");
        assert!(
            journal.reopen().is_err() || ledger.append(&journal, 10).is_none_or(|(ticket, _)| ticket.wait().is_err())
        );
        ledger.check(&store, &what); // readers go on
        drop((journal, store));
        disk.restart();
        let store = Store::open(disk.place.join("store")).unwrap();
        ledger.check(&store, &what);
        ledger.check_reopened(&store, &what);
        tally.acknowledged += acknowledged;
        tally.done += 1;
    }
    Outcome::Held(tally)
}
