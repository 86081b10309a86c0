//! Segments that are filled ahead with line feeds: while they are written, when they end, and what crashes leave of them.

use crate::faulty::{Call, ENOSPC, Fate, Faulty};
use crate::follow::{Seen, follow_to};
use crate::memory::Memory;
use crate::support::{ID, Lab, Reading, lines, reference_events, segment, segments};
use foldlog::{Cursor, Durability, GapKind, Item, Journal, JournalOptions, Store, TextDelta};
use std::time::Duration;

const AHEAD: u64 = 5_000;

fn options() -> JournalOptions {
    JournalOptions::default().prefill(AHEAD)
}

fn append(journal: &Journal, text: &str) -> u64 {
    journal.append(TextDelta::new("t-1", text)).unwrap().wait().unwrap().get()
}

/// The newest segment's bytes up to the end of its last line, and how many line feeds follow.
fn parted(lab: &Lab) -> (Vec<u8>, usize) {
    let files = lab.files();
    let bytes = &files[segments(&files).last().unwrap()];
    let end = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 2);
    (bytes[..end].to_vec(), bytes.len() - end)
}

/// A journal of the reference events as a killed process leaves it, filled ahead.
fn killed() -> Lab {
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, options()).unwrap();
    for draft in reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    Lab::with(&lab.files())
}

#[test]
fn lines_are_written_over_line_feeds_and_what_is_left_of_those_goes_with_the_close() {
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, options()).unwrap();
    append(&journal, "one");
    let (one, ahead) = parted(&lab);
    assert_eq!(ahead as u64, AHEAD);
    append(&journal, "two");
    let (two, left) = parted(&lab);
    assert_eq!(two.len() + left, one.len() + ahead, "the file has not grown");
    assert_eq!(lab.read().seqs(), [1, 2]);
    assert!(lab.read().gaps.is_empty());
    append(&journal, &"x".repeat(2 * AHEAD as usize));
    assert_eq!(parted(&lab).1 as u64, AHEAD, "a line that is longer begins anew");
    journal.close().wait().unwrap();
    assert_eq!(parted(&lab).1, 0);
    assert_eq!(lab.read().seqs(), [1, 2, 3, 4]);
}

#[test]
fn it_goes_as_well_when_the_last_handle_does_and_when_a_segment_is_full() {
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, options().segment_bytes(2_000)).unwrap();
    while segments(&lab.files()).len() < 3 {
        append(&journal, "many of them");
        let (lines, left) = parted(&lab);
        assert!(lines.len() + left <= 2_000, "never more than a segment may have");
    }
    for full in segments(&lab.files()).iter().rev().skip(1) {
        assert!(!lab.files()[full].ends_with(b"\n\n"), "{full}");
    }
    drop(journal);
    assert_eq!(parted(&lab).1, 0);
    assert!(lab.read().gaps.is_empty());
}

#[test]
fn after_a_kill_it_is_no_gap_and_the_next_opening_cuts_it_off() {
    let lab = killed();
    let before = lab.read();
    assert!(before.gaps.is_empty(), "{:?}", before.gaps);
    assert!(lab.store.reader(ID).unwrap().verify().unwrap().clean);
    let (whole, left) = parted(&lab);
    assert!(left > 0);
    let journal = lab.open();
    let recovery = journal.recovered().clone();
    assert!(!recovery.clean && recovery.cuts.is_empty() && recovery.holes.is_empty(), "{recovery:?}");
    assert_eq!(lab.files()[&segment(1)], whole);
    journal.close().wait().unwrap();
    drop(journal);
    let after = lab.read();
    assert!(after.is_clean() && after.seqs().starts_with(&before.seqs()), "{:?}", after.gaps);
}

#[test]
fn a_line_torn_anywhere_over_line_feeds_is_half_a_line() {
    // Goal: a line that was being written when the power went is no entry, no damage while somebody may still be writing
    // it, and cut by the next opening. Method: of the last line, any prefix is there, and line feeds are where the rest was.
    let lab = killed();
    let path = lab.dir.join(segment(1));
    let whole = lab.files()[&segment(1)].clone();
    let all = lab.read().seqs();
    let (start, last) = *lines(&whole).iter().rfind(|(_, line)| !line.is_empty()).unwrap();
    for kept in 0..=last.len() {
        let mut torn = whole.clone();
        torn[start + kept..start + last.len()].fill(b'\n');
        lab.disk.overwrite(&path, &torn);
        let reading = lab.read();
        if kept == last.len() {
            assert_eq!(reading.seqs(), all, "all of it is there");
            continue;
        }
        assert_eq!(reading.seqs(), all[..all.len() - 1], "{kept} bytes");
        let gaps: Vec<_> = reading.gaps.iter().map(|gap| (gap.kind, gap.offset, gap.bytes)).collect();
        let expected = [(GapKind::Torn, start as u64, kept as u64)];
        assert_eq!(gaps, expected[usize::from(kept == 0)..]);
        let seq = lab.append_one();
        assert!(seq > all.len() as u64 - 1 + u64::from(kept > 0));
        let files = lab.files();
        let torn_file = files.get(&format!("00000001.{start}.torn"));
        assert_eq!(torn_file.map(|bytes| &bytes[..]), (kept > 0).then(|| &last[..kept]), "{kept} bytes");
        assert_eq!(files[&segment(1)], whole[..start]);
        assert!(lab.read().is_clean(), "{kept} bytes: {:?}", lab.read().gaps);
        let original = [(segment(1), whole.clone())].into();
        lab.put(&original);
    }
}

#[test]
fn what_was_prefilled_is_compacted_like_all_else() {
    // Goal: a compaction takes a prefilled segment for one of ours, and leaves none. Method: one that a kill left, and one
    // behind it that was closed.
    let lab = killed();
    lab.append_one();
    let before = lab.store.get(ID).unwrap();
    let report = lab.store.compact(ID).unwrap();
    assert!(report.left_alone.is_empty() && report.after.segments < report.before.segments, "{report:?}");
    assert!(lab.files().values().all(|bytes| !bytes.windows(11).any(|at| at == b"\"prefilled\"")));
    assert!(lab.read().is_clean());
    assert_eq!(lab.store.get(ID).unwrap(), before);
}

#[test]
fn an_entry_before_nuls_is_found_by_every_opening_if_the_first_one_found_it() {
    // Goal: what one recovery keeps the next one keeps. Method: of the bytes behind the last entry, its line feed among
    // them, some are NULs, then line feeds, then bytes of no line: all behind the NULs' line feed is cut.
    let lab = killed();
    let path = lab.dir.join(segment(1));
    let mut bytes = lab.files()[&segment(1)].clone();
    let all = lab.read().seqs();
    let (end, left) = parted(&lab);
    let nuls = end.len() - 1..end.len() + 500;
    bytes[nuls.clone()].fill(0);
    bytes[nuls.end + left / 2..].fill(b'?');
    lab.disk.overwrite(&path, &bytes);
    let first = lab.open().recovered().clone();
    assert_eq!(first.last_seq.get(), *all.last().unwrap());
    assert_eq!(lab.files()[&segment(1)].len(), nuls.end + 1);
    let second = lab.open().recovered().clone();
    assert_eq!(first, second);
    lab.append_one();
    let reading = lab.read();
    assert!(reading.seqs().starts_with(&all) && reading.is_clean(), "{:?}", reading.gaps);
}

#[test]
fn what_did_not_reach_the_disk_before_what_did_is_a_hole() {
    // Goal: empty lines before something good are bytes that are missing. Method: lines in the middle are line feeds.
    let lab = killed();
    let path = lab.dir.join(segment(1));
    let mut bytes = lab.files()[&segment(1)].clone();
    let all = lab.read().seqs();
    let places: Vec<(usize, usize)> = lines(&bytes).iter().map(|(at, line)| (*at, line.len())).collect();
    let (from, to) = (places[10].0, places[12].0 + 20);
    bytes[from..to].fill(b'\n');
    lab.disk.overwrite(&path, &bytes);
    let reading = lab.read();
    assert_eq!(reading.gaps.len(), 1, "{:?}", reading.gaps);
    let (first, last) = (reading.gaps[0].first_seq.unwrap().get(), reading.gaps[0].last_seq.unwrap().get());
    assert_eq!((first, last), (10, 12));
    assert_eq!(reading.seqs().len(), all.len() - 3);
    lab.append_one();
    let kept = lab.read();
    assert!(kept.seqs().starts_with(&reading.seqs()), "what stands behind the hole is not cut");
}

#[test]
fn no_room_for_line_feeds_is_no_error() {
    let disk = Faulty::new(Memory::default());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    let journal = store.journal_with(ID, options()).unwrap();
    disk.rule(|call, _| match call {
        Call::Write(len, _) if len as u64 == AHEAD => Fate::Fails(ENOSPC),
        _ => Fate::Done,
    });
    for number in 1..=5 {
        assert_eq!(append(&journal, "it is recorded all the same"), number);
    }
    journal.close().wait().unwrap();
    assert!(Reading::of(&store.reader(ID).unwrap()).gaps.is_empty());
}

#[test]
fn followers_in_this_process_and_elsewhere_see_each_entry_once_and_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let journal = store.journal_with(ID, options().segment_bytes(20_000).durability(Durability::Written)).unwrap();
    append(&journal, "the first");
    let last = 2_000;
    std::thread::scope(|scope| {
        let follow = || {
            // A store of its own hears of the writer by the files alone.
            let store = Store::open(dir.path()).unwrap();
            let mut follower = store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
            let mut seqs = Vec::new();
            while seqs.last() != Some(&last) {
                match follower.next_timeout(Duration::from_secs(60)).unwrap().unwrap() {
                    Item::Entry(entry) => seqs.push(entry.seq().get()),
                    Item::Gap(gap) => panic!("{gap:?}"),
                    _ => {}
                }
            }
            assert_eq!(seqs, (1..=last).collect::<Vec<u64>>());
        };
        scope.spawn(follow);
        scope.spawn(follow);
        scope.spawn(|| {
            let mut follower = store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
            let seen = follow_to(&mut follower, |seen| *seen == Seen::Entry(last));
            assert!(!seen.iter().any(|seen| matches!(seen, Seen::Gap(..))), "{seen:?}");
        });
        for number in 2..=last {
            append(&journal, &"é".repeat(number as usize % 300));
        }
    });
}
