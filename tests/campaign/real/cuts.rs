//! Power cuts: real journals on real file systems, whose power goes while they are written, opened, rolled over and
//! compacted.

use super::ledger::{Ledger, Seen};
use super::mount::{Kind, Mounted, workshop};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;
use foldlog::{CompactOptions, Durability, Journal, JournalOptions, Store, TextDelta};
use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub const EXT4: Part = Part {
    name: "power-cuts-ext4",
    unit: "power cuts",
    needs_system: true,
    what: "the power of an ext4 file system goes while 1 to 8 threads record on it",
    slice: 12,
    full: 5_000,
    run: |scope| cuts(scope, Kind::Ext4),
};

pub const XFS: Part = Part {
    name: "power-cuts-xfs",
    unit: "power cuts",
    needs_system: true,
    what: "the power of an XFS file system goes while 1 to 8 threads record on it",
    slice: 8,
    full: 5_000,
    run: |scope| cuts(scope, Kind::Xfs),
};

/// So many cuts a file system lives through.
const LIVES: u64 = 40;

fn cuts(scope: &Scope, kind: Kind) -> Outcome {
    if let Some(why) = kind.missing() {
        return Outcome::Missing(why);
    }
    let mut dice = Dice::seeded(scope.seed);
    let (mut tally, mut total) = (Tally::default(), Seen::default());
    while scope.goes_on(tally.done) {
        let dir = workshop();
        let disk = Mounted::new(kind, dir.path(), 320 << 20).unwrap();
        let (ledger, mut last) = (Ledger::default(), Seen::default());
        for life in 0..LIVES {
            if !scope.goes_on(tally.done) {
                break;
            }
            let what = format!("seed {}, cut {}, life {life} of its disk", scope.seed, tally.done);
            live_until_cut(&disk, &ledger, &mut dice);
            disk.restart();
            ledger.begin();
            let store = Store::open(disk.place.join("store")).unwrap();
            let seen = ledger.check(&store, &what);
            // Most of the time recovery comes with the next life, and may be cut too.
            if dice.below(4) == 0 {
                ledger.check_reopened(&store, &what);
            }
            (total.torn, total.nuls) = (total.torn + seen.torn, total.nuls + seen.nuls);
            last = seen;
            tally.done += 1;
        }
        let store = Store::open(disk.place.join("store")).unwrap();
        ledger.check_reopened(&store, &format!("seed {}, after cut {}", scope.seed, tally.done));
        total.promised += last.promised;
    }
    tally.acknowledged = total.promised;
    tally.note = format!("{} torn ends found, {} of them with NULs", total.torn, total.nuls);
    Outcome::Held(tally)
}

/// Records with some threads, perhaps beside others that sync and compact, and cuts the power.
fn live_until_cut(disk: &Mounted, ledger: &Ledger, dice: &mut Dice) {
    let store = Store::open(disk.place.join("store")).unwrap();
    let (over, common) = (AtomicBool::new(false), OnceLock::new());
    let writers = [1, 1, 2, 4, 8][dice.below(5)];
    let shared = dice.below(3) == 0;
    let level = [Durability::Synced, Durability::Written][dice.below(2)];
    let options = JournalOptions::default()
        .segment_bytes([2_000, 16_000, 1 << 20][dice.below(3)])
        .prefill([0, 0, 3_000, 1 << 20][dice.below(4)])
        .durability(level)
        .sync_interval(Duration::from_millis([5, 3_600_000][dice.below(2)]));
    let (noise, compacts, pause) = (dice.below(2) == 0, dice.below(3) == 0, dice.below(9_000) as u64);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, options, common, over) = (&store, &options, &common, &over);
            scope.spawn(move || {
                let open = |session: &str| store.journal_with(session, options.clone()).ok();
                let journal = match shared {
                    true => common.get_or_init(|| open("w-shared")).clone(),
                    false => open(&format!("w-{writer}")),
                };
                if let Some(journal) = journal {
                    record(&journal, level, ledger, over);
                }
            });
        }
        if noise {
            let path = disk.place.join("another");
            let over = &over;
            scope.spawn(move || sync_another_file(&path, over));
        }
        if compacts {
            let (store, over) = (store.clone(), &over);
            scope.spawn(move || {
                let options = CompactOptions::default().segment_bytes(60_000);
                for writer in (0..8).cycle().take_while(|_| !over.load(Ordering::SeqCst)) {
                    let _ = store.compact_with(format!("w-{writer}"), &options, &mut |_| {});
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        std::thread::sleep(Duration::from_micros(pause));
        ledger.end();
        disk.cut_power();
        over.store(true, Ordering::SeqCst);
    });
}

/// Appends until nothing works any more. Every third event is awaited, the others are pushed behind it.
fn record(journal: &Journal, level: Durability, ledger: &Ledger, over: &AtomicBool) {
    let (synced, session) = (level == Durability::Synced, journal.session_id().as_str());
    for number in 0_usize.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let length = if number.is_multiple_of(11) { 3_000 } else { number * 37 % 400 };
        if !number.is_multiple_of(3) {
            let text = ledger.submit(session, length);
            let _ = journal.push(TextDelta::new("t", text));
            continue;
        }
        let Some((ticket, text)) = ledger.append(journal, length) else { break };
        // What was only written is as good as synced once a sync behind it has succeeded.
        let all = || synced || number.is_multiple_of(2) && journal.sync().and_then(foldlog::Ticket::wait).is_ok();
        match ticket.wait() {
            Ok(seq) if all() => ledger.promise(session, seq, text),
            Ok(_) => {}
            Err(_) => break,
        }
    }
}

/// Makes the file system write down lengths of files whose bytes are not on disk yet.
fn sync_another_file(path: &std::path::Path, over: &AtomicBool) {
    let Ok(mut file) = File::create(path) else { return };
    while !over.load(Ordering::SeqCst) {
        if file.write_all(b"noise\n").and_then(|()| file.sync_all()).is_err() {
            return;
        }
    }
}
