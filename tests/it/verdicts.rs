//! Which gap damage is where several rules meet: what proves that numbers had been on disk, seals that end inside a header,
//! streams that a compaction dropped, and what only a recovery may leave behind.

use crate::forge::{entry, entry_with, header, header_of, journal, members, rehead};
use crate::support::{Files, Lab, Reading, seal, segment};
use serde_json::json;

/// What is told of a gap: its segment, offset, bytes and kind, its numbers, and whether the log explains it.
type Told = (u64, u64, u64, &'static str, Option<(u64, u64)>, bool);

fn gaps(reading: &Reading) -> Vec<Told> {
    let told = reading.gaps.iter().map(|gap| {
        let numbers = gap.first_seq.zip(gap.last_seq).map(|(first, last)| (first.get(), last.get()));
        (gap.segment, gap.offset, gap.bytes, gap.kind.as_str(), numbers, gap.explained)
    });
    told.collect()
}

fn len(lines: &[Vec<u8>]) -> u64 {
    lines.concat().len() as u64
}

/// The report of a recovery, as the entry `seq`.
fn report(seq: u64, after: u64, holes: &str, cuts: &str) -> Vec<u8> {
    let data = format!(r#"{{"epoch":2,"after":{after},"cuts":{cuts},"holes":{holes},"open":[]}}"#);
    entry_with(seq, 0, "journal_recovered", &data)
}

#[test]
fn only_entries_that_are_delivered_prove_that_a_number_had_been_on_disk() {
    // Goal: a line above the seal's last number is no entry and proves nothing; one behind the seal's bytes that belongs to the
    // segment all the same proves as much as any. Method: 3 is spoiled; who says that it had been synced is 9, above the
    // seal, or 5, behind its bytes.
    let mut bad = entry(3);
    bad[40] ^= 1;
    let first = header(1, 1, None);
    let at = len(&[first.clone(), entry(1), entry(2)]);
    let begin = [first, entry(1), entry(2), bad.clone(), entry(4)].concat();
    for (last, claim, bytes, kind) in [
        (4, entry_with(9, 8, "a.b", "{}"), begin.len() as u64 + 1000, "hole"),
        (5, entry_with(5, 4, "a.b", "{}"), begin.len() as u64, "corrupt"),
    ] {
        let bytes = if kind == "hole" { (begin.len() + claim.len()) as u64 } else { bytes };
        let mut files = journal(&[1..=4, 20..=21]);
        files.insert(segment(1), [&begin[..], &claim].concat());
        rehead(&mut files, 2, |header| header["prev"] = json!({"segment": 1, "last_seq": last, "bytes": bytes}));
        let reading = Lab::with(&files).read();
        let spoiled = gaps(&reading)[0];
        assert_eq!(spoiled, (1, at, bad.len() as u64, kind, Some((3, 3)), false), "{kind}");
    }
}

#[test]
fn a_seal_that_ends_inside_a_header_ends_behind_it() {
    for (numbers, bytes) in [(1..=2, 10), (1..=2, 0)] {
        let mut files = journal(&[numbers, 3..=4]);
        rehead(&mut files, 2, |header| header["prev"]["bytes"] = json!(bytes));
        let reading = Lab::with(&files).read();
        assert_eq!((reading.seqs(), gaps(&reading)), (vec![1, 2, 3, 4], vec![]), "{bytes}");
    }
    // Where no line belongs to it, all behind the header stands behind the seal.
    let mut files = journal(&[1..=2, 3..=4]);
    rehead(&mut files, 2, |header| header["prev"] = json!({"segment": 1, "last_seq": 0, "bytes": 10}));
    let reading = Lab::with(&files).read();
    let behind = header(1, 1, None).len() as u64;
    assert_eq!(reading.seqs(), [3, 4]);
    assert!(gaps(&reading).contains(&(1, behind, len(&[entry(1), entry(2)]), "behind_seal", None, false)));
}

#[test]
fn what_a_compaction_dropped_is_not_missing_between_lines_that_were_joined() {
    let mut compacted = members(1, 1, None);
    compacted["compacted"] = json!({"through": 1, "last_seq": 9, "last_bytes": 500, "entries": 3});
    let mut joined = [entry(5), entry(9)].concat();
    joined.remove(entry(5).len() - 1);
    let files = Files::from([(segment(1), [header_of(&compacted), entry(1), joined].concat())]);
    let reading = Lab::with(&files).read();
    assert_eq!((reading.seqs(), gaps(&reading)), (vec![1, 5, 9], vec![]));
}

#[test]
fn only_the_rest_of_a_line_that_bore_an_entry_is_left_by_a_recovery() {
    // Goal: a whole bad line before the seal is damage, though the next report skips numbers. Method: 2, glued to half a line,
    // as a recovery leaves it; or 2 and a bad line of its own.
    let mut glued = entry(2);
    glued.pop();
    let half = b"{\"seq\":3\n";
    for (rest, kind, explained) in [(half.to_vec(), "torn", true), ([b"\n", &half[..]].concat(), "foreign", false)] {
        let begin = [&header(1, 1, None)[..], &entry(1), &glued].concat();
        let end = begin.len() as u64 + rest.len() as u64;
        let next = [header(2, 5, Some((1, 2, end))), report(5, 2, r#"[{"first_seq":3,"last_seq":4}]"#, "[]")].concat();
        let files = Files::from([(segment(1), [&begin[..], &rest].concat()), (segment(2), next)]);
        let reading = Lab::with(&files).read();
        assert_eq!(reading.seqs(), [1, 2, 5]);
        let len = half.len() as u64;
        assert_eq!(gaps(&reading)[0], (1, end - len, len, kind, None, explained));
    }
}

#[test]
fn bad_lines_that_are_read_after_all_take_no_missing_numbers_to_themselves() {
    // Goal: what is missing at a border without a seal belongs to bad bytes that end the first file, if any are left of them.
    // Method: the last two lines of the first file are joined, and the next header is gone.
    let mut files = journal(&[1..=4, 7..=8]);
    let first = files.get_mut(&segment(1)).unwrap();
    let joint = first.len() - entry(4).len() - 1;
    first.remove(joint);
    let second = [entry(7), entry(8)].concat();
    files.insert(segment(2), second);
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 3, 4, 7, 8]);
    let expected = [(2, 0, 0, "header", None, false), (2, 0, 0, "missing", Some((5, 6)), false)];
    assert_eq!(gaps(&reading), expected);
}

#[test]
fn a_file_of_another_journal_does_not_explain_itself() {
    let mut files = journal(&[1..=2, 3..=3, 4..=5]);
    let other = report(3, 2, "[]", r#"[{"segment":2,"offset":0,"bytes":100000}]"#);
    let mut foreign = members(2, 3, None);
    foreign["journal"] = json!("f".repeat(32));
    files.insert(segment(2), [header_of(&foreign), other].concat());
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 4, 5]);
    assert!(gaps(&reading).iter().any(|gap| gap.0 == 2 && gap.3 == "foreign" && !gap.5), "{:?}", reading.gaps);
}

#[test]
fn what_the_next_header_names_as_sealed_had_been_on_disk_whatever_stands_between() {
    // Goal: numbers that a header's `prev` names were acknowledged, also if a later segment was read in the place of the missing
    // one. Method: segment 2 with 3 and 4 is gone; behind it stand a segment with a header alone that names segment 1, or one
    // in a newer version's form.
    let mut files = journal(&[1..=2, 3..=4, 5..=6, 7..=8]);
    let header_only = header(3, 3, Some((1, 2, files[&segment(1)].len() as u64)));
    files.insert(segment(3), header_only);
    let second = files.remove(&segment(2)).unwrap();
    rehead(&mut files, 4, |header| header["prev"] = json!({"segment": 2, "last_seq": 4, "bytes": second.len()}));
    let acknowledged = |files: &Files| {
        let reading = Lab::with(files).read();
        assert_eq!(reading.seqs(), [1, 2, 7, 8]);
        let found = reading.gaps.iter().find(|gap| gap.first_seq.is_some()).expect("a gap");
        (found.kind.as_str(), found.first_seq.map(|first| first.get()), found.acknowledged)
    };
    assert_eq!(acknowledged(&files), ("missing", Some(3), Some(true)));
    files.remove(&segment(3));
    files.insert(format!("{}.zst", segment(3)), b"?".to_vec());
    assert_eq!(acknowledged(&files), ("missing", Some(3), Some(true)));
}

#[test]
fn refused_events_explain_their_hole_also_where_their_line_is_read_out_of_a_bad_one() {
    let lost = entry_with(5, 0, "events_lost", r#"{"first_seq":3,"last_seq":4,"count":2,"reason":"disk full"}"#);
    let begin = [header(1, 1, None), entry(1), entry(2)].concat();
    for junk in ["", "x"] {
        let files = Files::from([(segment(1), [&begin[..], junk.as_bytes(), &lost, &entry(6)].concat())]);
        let reading = Lab::with(&files).read();
        let (kind, bytes) = if junk.is_empty() { ("missing", 0) } else { ("hole", 1) };
        assert_eq!(reading.seqs(), [1, 2, 5, 6]);
        assert_eq!(gaps(&reading), [(1, begin.len() as u64, bytes, kind, Some((3, 4)), true)], "{junk:?}");
    }
}

#[test]
fn a_leftover_in_a_newer_form_does_not_shorten_what_a_compacted_segment_covers() {
    // Goal: segment 4, which the compacted one stands for, is not told as lost. Method: the next header names it with a number
    // more, while one of the replaced files stands there in a newer version's form.
    let mut compacted = members(1, 1, None);
    compacted["compacted"] = json!({"through": 4, "last_seq": 4, "last_bytes": 300, "entries": 4});
    let lines = [header_of(&compacted), entry(1), entry(2), entry(3), entry(4)].concat();
    let next = [header(5, 6, Some((4, 5, 300))), entry(6)].concat();
    let mut files = Files::from([(segment(1), lines), (segment(5), next)]);
    let told = |files: &Files| gaps(&Lab::with(files).read());
    let numbers = told(&files);
    assert_eq!((numbers.len(), numbers[0].3, numbers[0].4), (1, "missing", Some((5, 5))));
    files.insert(format!("{}.zst", segment(2)), b"?".to_vec());
    let (newer, others): (Vec<Told>, Vec<Told>) = told(&files).into_iter().partition(|gap| gap.3 == "unsupported");
    assert_eq!((newer, others), (vec![(2, 0, 0, "unsupported", None, true)], numbers));
}

#[test]
fn a_time_with_an_escape_in_it_is_no_time() {
    let line = |observed: &str| {
        seal(&format!(
            r#"{{"seq":1,"synced":0,"time":"2026-11-22T18:45:00.000000Z","type":"a.b","observed":"{observed}","data":{{}}"#
        ))
    };
    for (observed, seqs) in [("2026-11-22T18:45:00.000000Z", vec![1]), (r"2026-11-22\u005418:45:00.000000Z", vec![])] {
        let files = Files::from([(segment(1), [header(1, 1, None), line(observed)].concat())]);
        assert_eq!(Lab::with(&files).read().seqs(), seqs, "{observed}");
    }
}
