//! Numbers that come again or late, damage at the borders of segments, and data that is no JSON: what a second reader needs
//! to be told.

use crate::forge::{entry, entry_with, header_of, journal, members, rehead};
use crate::support::{Files, ID, Lab, Reading, foldlog, lines, segment};
use foldlog::{AnomalyKind, Gap};
use serde_json::{Value, json};

/// The first and the last of some numbers.
type Range = Option<(u64, u64)>;

/// What is told of a gap, in short.
type Told<'a> = (u64, &'a str, u64, Range);

fn told(gap: &Gap) -> Told<'_> {
    let numbers = gap.first_seq.zip(gap.last_seq).map(|(first, last)| (first.get(), last.get()));
    (gap.segment, gap.kind.as_str(), gap.bytes, numbers)
}

fn gaps(reading: &Reading) -> Vec<Told<'_>> {
    reading.gaps.iter().map(told).collect()
}

/// Where the line of an entry is in a file.
fn place_of(files: &Files, number: u64, line: usize) -> std::ops::Range<usize> {
    let bytes = &files[&segment(number)];
    let (start, line) = lines(bytes)[line];
    start..start + line.len() + 1
}

/// Spoils some lines of a file, counted from the header.
fn spoil(files: &mut Files, number: u64, spoiled: std::ops::RangeInclusive<usize>) {
    for line in spoiled {
        let at = place_of(files, number, line).start + 40;
        files.get_mut(&segment(number)).unwrap()[at] ^= 1;
    }
}

#[test]
fn numbers_again_in_a_later_segment_are_one_duplicate_a_run_without_comparison() {
    // Goal: across segments nothing is compared. Method: the end of the first segment is copied, byte for byte, to the
    // beginning of the second; two more copies follow an entry, and one of other bytes.
    let mut files = journal(&[1..=4, 5..=8]);
    let copies = [entry(3), entry(4)].concat();
    let len = copies.len() as u64;
    let bytes = files.get_mut(&segment(2)).unwrap();
    let lines: Vec<Vec<u8>> = lines(bytes).iter().map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
    let other = entry_with(2, 0, "c.d", "{}");
    *bytes = [&lines[0][..], &copies, &lines[1], &copies, &other, &lines[2], &lines[3], &lines[4], &copies].concat();
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 3, 4, 5, 6, 7, 8]);
    let run = len + other.len() as u64;
    assert_eq!(gaps(&reading), [(2, "duplicate", len, None), (2, "duplicate", run, None), (2, "duplicate", len, None)]);
}

#[test]
fn within_a_segment_a_copy_is_silent_and_other_bytes_are_a_duplicate() {
    let mut files = journal(&[1..=3]);
    let conflict = [entry_with(1, 0, "c.d", "{}"), entry_with(2, 0, "c.d", "{}")].concat();
    let tail = [&entry(2)[..], &conflict, &entry(3), &entry(4)].concat();
    files.get_mut(&segment(1)).unwrap().extend(tail);
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 3, 4]);
    assert_eq!(gaps(&reading), [(1, "duplicate", conflict.len() as u64, None)]);
}

#[test]
fn a_number_that_comes_late_is_a_duplicate_though_it_was_never_delivered() {
    let mut files = journal(&[1..=2, 6..=7]);
    files.get_mut(&segment(1)).unwrap().extend([entry(5), entry(3), entry(4)].concat());
    let bytes = files[&segment(1)].len();
    rehead(&mut files, 2, |header| header["prev"] = json!({"segment": 1, "last_seq": 5, "bytes": bytes}));
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 5, 6, 7]);
    let late = (entry(3).len() + entry(4).len()) as u64;
    assert_eq!(gaps(&reading), [(1, "missing", 0, Some((3, 4))), (1, "duplicate", late, None)]);
}

#[test]
fn a_duplicate_at_the_end_of_a_short_segment_stays_one() {
    let mut files = journal(&[1..=3, 4..=5]);
    files.get_mut(&segment(1)).unwrap().extend(entry_with(1, 0, "c.d", "{}"));
    let bytes = files[&segment(1)].len() as u64;
    rehead(&mut files, 2, |header| header["prev"] = json!({"segment": 1, "last_seq": 3, "bytes": bytes + 50}));
    let reading = Lab::with(&files).read();
    let again = entry_with(1, 0, "c.d", "{}").len() as u64;
    assert_eq!(gaps(&reading), [(1, "duplicate", again, None), (1, "lost", 50, None)]);
}

#[test]
fn bad_bytes_on_both_sides_of_a_border_are_two_gaps() {
    // Goal: each gap has its own bytes; the missing numbers up to the seal belong to the first. Without a seal all of them
    // do. Method: the last two lines of one segment and the first of the next are spoiled; then its header is, too.
    let mut files = journal(&[1..=4, 5..=8]);
    spoil(&mut files, 1, 3..=4);
    spoil(&mut files, 2, 1..=1);
    let first = (entry(3).len() + entry(4).len()) as u64;
    let second = entry(5).len() as u64;
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 6, 7, 8]);
    assert_eq!(gaps(&reading), [(1, "hole", first, Some((3, 4))), (2, "hole", second, Some((5, 5)))]);

    let header = place_of(&files, 2, 0);
    files.get_mut(&segment(2)).unwrap()[header.start + 40] ^= 1;
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1, 2, 6, 7, 8]);
    let expected =
        [(1, "hole", first, Some((3, 5))), (2, "header", header.len() as u64, None), (2, "foreign", second, None)];
    assert_eq!(gaps(&reading), expected);
}

#[test]
fn a_compacted_segment_beside_a_differing_seal() {
    // Goal: the lower of the two numbers limits its lines; what the seal says beyond its own is missing in the next segment.
    // Method: a compacted segment that holds 1 to 4, before a header whose `prev` names more, or less.
    let compacted = |sealed: u64, first: u64| {
        let mut files = journal(&[1..=4, first..=first + 1]);
        let bytes = files[&segment(1)].len();
        rehead(&mut files, 1, |header| {
            header["compacted"] = json!({"through": 1, "last_seq": 4, "last_bytes": bytes, "entries": 4});
        });
        rehead(&mut files, 2, |header| header["prev"] = json!({"segment": 1, "last_seq": sealed, "bytes": bytes}));
        files
    };
    let reading = Lab::with(&compacted(4, 5)).read();
    assert!(reading.gaps.is_empty() && reading.seqs() == [1, 2, 3, 4, 5, 6]);
    let reading = Lab::with(&compacted(6, 7)).read();
    assert_eq!(reading.seqs(), [1, 2, 3, 4, 7, 8]);
    assert_eq!(gaps(&reading), [(2, "missing", 0, Some((5, 6)))]);
    let reading = Lab::with(&compacted(3, 5)).read();
    assert_eq!(reading.seqs(), [1, 2, 3, 5, 6]);
    assert_eq!(gaps(&reading), [(1, "corrupt", entry(4).len() as u64, Some((4, 4)))]);
}

/// A session with an entry of each of these types and data behind its first.
fn session_with(data: &[(&str, &str)]) -> Files {
    let lines = (2..).zip(data).map(|(seq, (type_name, data))| entry_with(seq, 0, type_name, data));
    let lines: Vec<u8> =
        std::iter::once(entry(1)).chain(lines).chain([entry(2 + data.len() as u64)]).flatten().collect();
    Files::from([(segment(1), [header_of(&members(1, 1, None)), lines].concat())])
}

const NOT_JSON: [(&str, &str); 7] = [
    ("a.b", "{\"a\":}"),
    ("custom", "{\"name\":\"n\",\"value\":tru}"),
    ("turn_started", "{\"turn_id\":\"t\"}{}"),
    ("tool_call_ended", "{\"turn_id\":\"t\",\"call_id\":\"c\",\"result\":\"a\tb\"}"),
    ("a.b", "{{{{}}}}"),
    ("a.b", "{\"a\":01}"),
    ("a.b", "{} {}"),
];

#[test]
fn data_that_is_no_json_is_an_entry_and_an_anomaly_and_verify_counts_it() {
    // Goal: an entry is judged by its envelope and its checksum alone. Method: entries with a right checksum and data that no
    // parser takes, alone and by several threads.
    let lab = Lab::with(&session_with(&NOT_JSON));
    let reading = lab.read();
    let last = 2 + NOT_JSON.len() as u64;
    assert_eq!(reading.seqs(), (1..=last).collect::<Vec<_>>());
    assert!(reading.gaps.is_empty());
    let reader = lab.store.reader(ID).unwrap();
    for reader in [reader.clone(), reader.threads(3)] {
        let report = reader.verify().unwrap();
        assert_eq!((report.clean, report.entries, report.not_json), (true, last, NOT_JSON.len() as u64));
        let anomalies = reader.session().unwrap().anomalies;
        let seqs: Vec<u64> = anomalies.iter().map(|anomaly| anomaly.seq.get()).collect();
        assert_eq!(seqs, (2..last).collect::<Vec<_>>());
        assert!(anomalies.iter().all(|anomaly| anomaly.kind == AnomalyKind::Undecodable));
    }
}

#[test]
fn data_that_is_no_json_is_never_printed_as_a_line_of_json() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join(segment(1));
    std::fs::write(&path, &session_with(&NOT_JSON)[&segment(1)]).unwrap();
    let all_parse =
        |out: &str| out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    for args in [&["tail", ID, "--json", "--from", "1"][..], &["replay", ID, "--speed", "0"]] {
        let ran = foldlog(root.path(), args);
        let seqs: Vec<u64> = all_parse(&ran.out).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [1, 2 + NOT_JSON.len() as u64], "{args:?}");
        assert_eq!(ran.code, Some(3), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("not_json, the data of seq 3 is no JSON"), "{args:?}: {}", ran.err);
    }
    let ran = foldlog(root.path(), &["export", ID, "--format", "jsonl"]);
    let lines = all_parse(&ran.out);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(lines.len(), 2 + NOT_JSON.len());
    let told = &lines[1]["data"];
    assert_eq!((&told["name"], &told["value"]["kind"]), (&json!("foldlog.gap"), &json!("not_json")));
    assert_eq!((&told["value"]["first_seq"], &told["value"]["last_seq"]), (&json!(2), &json!(2)));
    let ran = foldlog(root.path(), &["verify", ID]);
    assert!(ran.code == Some(0) && ran.out.contains("7 entries have data that is no JSON"), "{}", ran.out);
    assert_eq!(foldlog(root.path(), &["verify", ID, "--json"]).json()[0]["not_json"], 7);
}
