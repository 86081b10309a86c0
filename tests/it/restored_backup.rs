//! An older copy put back over a compacted session, or beside it: what counts is the same for readers, recovery and
//! compaction.

use crate::forge::{entry, journal, rehead};
use crate::support::{Files, ID, Lab, Reading, segment, segments};
use foldlog::{CompactOptions, ErrorKind, JournalOptions, TextDelta, TurnStarted};
use serde_json::json;

const LIMIT: u64 = (1 << 53) - 1;

/// A session of several segments, and the same after it went on and was compacted.
fn before_and_after() -> (Files, Files) {
    let lab = Lab::new();
    let record = |from: u64| {
        let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(900)).unwrap();
        for number in from..from + 12 {
            journal.append(TurnStarted::new(format!("t-{number}"), "go on")).unwrap().wait().unwrap();
        }
        journal.close().wait().unwrap();
    };
    record(0);
    let before = lab.files();
    record(20);
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    (before, lab.files())
}

#[test]
fn what_is_recorded_into_a_backup_with_stale_segments_is_readable_and_stays() {
    // Goal: a stale file that a compacted segment has replaced is never the end of the journal. Method: a backup that deletes
    // nothing, taken before and after a compaction, is recorded into, and compacted again.
    let (before, after) = before_and_after();
    let mut backup = before.clone();
    backup.extend(after.clone());
    assert!(segments(&backup).len() > segments(&after).len());
    let lab = Lab::with(&backup);
    let whole = Lab::with(&after).read();
    assert!(whole.is_clean() && lab.read().is_clean());
    assert_eq!(lab.read().entries, whole.entries);
    let seq = lab.append_one();
    assert!(seq > *whole.entries.last_key_value().unwrap().0);
    let recorded = lab.read();
    assert!(recorded.is_clean() && recorded.entries.contains_key(&seq), "{:?}", recorded.gaps);
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(lab.read().entries, recorded.entries);
    let stale = |name: &&String| before.contains_key(*name) && !after.contains_key(*name) && name.ends_with(".jsonl");
    assert_eq!(lab.files().keys().filter(stale).count(), 0, "what was replaced is removed");
}

#[test]
fn an_empty_file_under_a_replaced_number_is_no_damage() {
    // Goal: what holds nothing hides nothing. Method: of each segment that was replaced, a power cut brings back the name and
    // no byte. The campaign's simulated disk found this.
    let (before, after) = before_and_after();
    for name in segments(&before).iter().filter(|name| !after.contains_key(*name)) {
        let mut files = after.clone();
        files.insert(name.clone(), Vec::new());
        let lab = Lab::with(&files);
        assert!(lab.read().is_clean(), "{name}: {:?}", lab.read().gaps);
        lab.append_one();
        lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
        assert!(lab.read().is_clean() && !lab.files().contains_key(name), "{name}: {:?}", lab.read().gaps);
    }
}

#[test]
fn a_segment_of_another_opening_under_a_replaced_number_is_damage_and_never_removed() {
    // Goal: only what a compacted segment holds is passed over. Method: an older copy is recorded into, and the files of that
    // are put beside the compacted segment; or a stale one that bears a number it does not hold.
    let (before, after) = before_and_after();
    let lab = Lab::with(&before);
    lab.append_one();
    let name = segments(&lab.files()).pop().unwrap();
    let other = lab.files()[&name].clone();
    assert!(!after.contains_key(&name), "{name}");
    let (stale, bytes) = before.iter().filter(|(name, _)| name.ends_with(".jsonl")).nth(1).unwrap();
    let longer = [&bytes[..], &entry(5_000)].concat();
    for (name, bytes) in [(&name, other), (stale, longer)] {
        let mut files = after.clone();
        files.insert(name.clone(), bytes.clone());
        let lab = Lab::with(&files);
        let check = |reading: &Reading| {
            let number: u64 = name[..8].parse().unwrap();
            let gap = reading.gaps.iter().find(|gap| gap.segment == number).unwrap();
            assert_eq!((gap.kind.as_str(), gap.bytes, gap.explained), ("foreign", bytes.len() as u64, false));
        };
        check(&lab.read());
        let seq = lab.append_one();
        lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
        check(&lab.read());
        assert!(lab.read().entries.contains_key(&seq));
        assert_eq!(lab.files()[name], bytes, "it stays");
    }
}

#[test]
fn nothing_is_removed_for_a_compacted_segment_that_does_not_read_back() {
    let (before, after) = before_and_after();
    let mut backup = before.clone();
    backup.extend(after.clone());
    let first = segments(&after).remove(0);
    let bytes = backup.get_mut(&first).unwrap();
    let last = bytes.len() - 30;
    bytes[last] ^= 1;
    let lab = Lab::with(&backup);
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    for name in segments(&backup) {
        assert!(lab.files().contains_key(&name), "{name} is gone");
    }
}

#[test]
fn an_opening_and_an_append_refuse_where_no_number_is_left() {
    // Goal: nothing is acknowledged under a number that no reader accepts. Method: journals whose last entry, next number,
    // file number or `through` is at the limit, or one before it.
    let at = |last: u64| {
        let mut files = journal(&[1..=2]);
        files.get_mut(&segment(1)).unwrap().extend(entry(last));
        files
    };
    let promised = |first: u64| {
        let mut files = journal(&[1..=2, 3..=3]);
        let bytes = files.get_mut(&segment(2)).unwrap();
        bytes.truncate(bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1);
        rehead(&mut files, 2, |header| header["first_seq"] = json!(first));
        files
    };
    let through = |through: u64| {
        let mut files = journal(&[1..=2]);
        rehead(&mut files, 1, |header| {
            header["compacted"] = json!({"through": through, "last_seq": 2, "last_bytes": 9, "entries": 2});
        });
        files
    };
    let named = |number: u64| {
        let mut files = journal(&[1..=2]);
        files.insert(segment(number), Vec::new());
        files
    };
    for files in [at(LIMIT), through(LIMIT), named(LIMIT)] {
        let lab = Lab::with(&files);
        let error = lab.store.journal(ID).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
        assert_eq!(lab.files().keys().filter(|name| name.ends_with(".jsonl")).count(), files.len());
    }
    for files in
        [at(LIMIT - 2), at(LIMIT - 1), promised(LIMIT), promised(LIMIT - 1), through(LIMIT - 1), named(LIMIT - 1)]
    {
        let lab = Lab::with(&files);
        let journal = lab.open();
        let mut acknowledged = Vec::new();
        for _ in 0..3 {
            match journal.append(TextDelta::new("t", "x")) {
                Ok(ticket) => acknowledged.push(ticket.wait().unwrap().get()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}"),
            }
        }
        journal.close().wait().unwrap();
        drop(journal);
        let reading = lab.read();
        assert!(acknowledged.iter().all(|seq| reading.entries.contains_key(seq)), "{acknowledged:?}");
    }
}
