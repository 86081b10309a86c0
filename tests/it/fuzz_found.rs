//! What the fuzz targets found: one test for each, named after it.

use crate::forge::{entry, header};
use crate::support::{Files, ID, Lab, entries_of, lines, reference, seal, segment, segments, seq_of, unclosed};
use crate::transcripts::{examine, repair};
use foldlog::{CompactOptions, Cursor, GapKind, Item, JournalOptions, TurnStarted};
use std::time::Duration;

/// One line behind a good header, and what a reader makes of it.
fn read_behind_a_header(body: &str) -> crate::support::Reading {
    let header = lines(&reference(1 << 20)[&segment(1)])[0].1.to_vec();
    Lab::with(&Files::from([(segment(1), [&header, &b"\n"[..], &seal(body)].concat())])).read()
}

#[test]
fn a_line_whose_id_is_longer_than_the_format_allows_is_no_entry() {
    // Goal: readers agree on what is an entry. The decoder took ids of any length; a reader made from the format's page
    // would have counted a gap.
    let with_id = |length: usize| {
        let id = "i".repeat(length);
        format!(r#"{{"seq":1,"synced":0,"time":"2026-11-22T18:45:00.123456Z","type":"a","id":"{id}","data":{{}}"#)
    };
    assert_eq!(read_behind_a_header(&with_id(128)).seqs(), [1]);
    let refused = read_behind_a_header(&with_id(129));
    assert!(refused.entries.is_empty());
    assert_eq!(refused.gaps[0].kind, GapKind::Torn);
}

#[test]
fn a_line_with_a_space_before_the_value_of_an_unknown_member_is_no_entry() {
    // Goal and history: the same.
    let with = |space: &str| {
        format!(r#"{{"seq":1,"synced":0,"time":"2026-11-22T18:45:00.123456Z","type":"a","x":{space}[1, 2],"data":{{}}"#)
    };
    assert_eq!(read_behind_a_header(&with("")).seqs(), [1]);
    assert!(read_behind_a_header(&with(" ")).entries.is_empty());
}

#[test]
fn a_line_from_further_on_in_a_segment_that_is_over_hides_nothing_behind_it() {
    // Goal: a line in the wrong place costs nothing. Taken for an entry, it made duplicates of all entries up to its number,
    // also of those that were recorded afterwards. Method: a line of the second segment in the first one, whole, or whole
    // inside a bad line.
    let files = reference(2500);
    let (first, last) = (&files[&segment(1)], &files[&segment(2)]);
    let moved = lines(last).pop().unwrap().1.to_vec();
    for line in [[&moved[..], b"\n"].concat(), [b"x", &moved[..], b"\n"].concat()] {
        let at = lines(first)[3].0;
        let mut spoilt = files.clone();
        // No longer than it was: the seal names its bytes.
        let rest = &first[at..first.len() - line.len()];
        spoilt.insert(segment(1), [&first[..at], &line, rest].concat());
        let lab = Lab::with(&spoilt);
        let (seq, reading) = (lab.append_one(), lab.read());
        assert!(reading.entries.contains_key(&seq), "{:?}", reading.gaps);
        let behind = seq_of(lines(last)[1].1).unwrap();
        let all = entries_of(&files);
        assert!(all.range(behind..).all(|(seq, line)| reading.entries.get(seq) == Some(line)), "{:?}", reading.gaps);
        assert!(reading.kinds().contains(&"foreign"), "{:?}", reading.gaps);
    }
}

#[test]
fn a_number_again_behind_a_bad_line_at_the_end_is_told_to_a_follower_once() {
    // Goal: a follower of files that stay as they are comes to rest. It read the bad line again at every look, and with it
    // the line behind, which was a gap each time.
    let mut files = unclosed();
    let again = r#"{"seq":3,"synced":0,"time":"2026-11-22T18:45:00.123456Z","type":"a","data":{}"#;
    files.get_mut(&segment(1)).unwrap().extend([b"bad\n", &seal(again)[..]].concat());
    let lab = Lab::with(&files);
    let poll = Duration::from_millis(1);
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap().poll_every(poll);
    let mut gaps = Vec::new();
    while let Some(item) = follower.next_timeout(100 * poll) {
        if let Item::Gap(gap) = item.unwrap() {
            assert!(!gaps.contains(&gap), "told again: {gap:?}");
            gaps.push(gap);
        }
    }
    assert!(gaps.iter().any(|gap| gap.kind == GapKind::Duplicate), "{gaps:?}");
}

#[test]
fn no_line_of_a_repaired_copy_ends_in_cr_lf() {
    // Goal: the doctor finds nothing wrong with the bytes of its own copy. It took one CR of several from a line, and put
    // a line break behind one that ended the file.
    for (file, copy) in [
        (&b"{\"a\":1}\r\r\n"[..], &b"{\"a\":1}\n"[..]),
        (b"{\"a\":1}\r", b"{\"a\":1}\n"),
        (b"{\"a\":1}\r\n\r\r\n\r", b"{\"a\":1}\n\n\n"),
    ] {
        let repaired = repair(file, None);
        assert_eq!(repaired.escape_ascii().to_string(), copy.escape_ascii().to_string());
        assert!(!examine(file, None).is_empty() && examine(&repaired, None).is_empty());
    }
}

#[test]
fn such_a_line_hides_nothing_either_where_the_next_segment_is_lost() {
    // Goal and history: the same; the header that tells is the one behind the lost segment.
    let mut files = reference(2500);
    let moved = lines(&files[&segment(3)]).pop().unwrap().1.to_vec();
    files.remove(&segment(2));
    files.get_mut(&segment(1)).unwrap().extend([&moved[..], b"\n"].concat());
    let behind = entries_of(&Files::from([(segment(3), files[&segment(3)].clone())]));
    let reading = Lab::with(&files).read();
    assert!(behind.iter().all(|(seq, line)| reading.entries.get(seq) == Some(line)), "{:?}", reading.gaps);
}

#[test]
fn a_file_that_passed_for_never_created_is_damage_once_a_header_reaches_it() {
    // Goal: what `FORMAT.md` says of such a file. The fuzz target took it for noise that a recovery had made. Method: one
    // without a good line, before a segment whose own header is bad; then another segment behind them.
    let mut files = reference(2500);
    files.insert(segment(1), b"stray".to_vec());
    files.remove(&segment(2));
    files.get_mut(&segment(3)).unwrap()[5] ^= 1;
    let lab = Lab::with(&files);
    let of_the_file = || lab.read().gaps.into_iter().filter(|gap| gap.segment == 1).map(|gap| (gap.kind, gap.bytes));
    assert_eq!(of_the_file().count(), 0, "it may be what a crash left");
    lab.append_one();
    assert_eq!(of_the_file().collect::<Vec<_>>(), [(GapKind::Header, 5)], "the header in segment 4 says it was one");
}

#[test]
fn lines_of_a_later_segment_in_a_compacted_one_are_not_believed_once_its_own_are_gone() {
    // Goal: what could be read before an opening can be read after it. A reader took the next header's word for what a
    // compacted segment holds, and not that one's own. Method: the lines of the next segment stand before the last line of
    // a compacted one, and the next segment's header is bad; then somebody records.
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(900)).unwrap();
    for number in 0..15 {
        journal.append(TurnStarted::new(format!("t-{number}"), "go on")).unwrap().wait().unwrap();
    }
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    drop(journal);
    let mut files = lab.files();
    let [first, newest] = &segments(&files)[..] else { panic!("{:?}", segments(&files)) };
    let later = files[newest].clone();
    let (own, moved) = (lines(&files[first]).pop().unwrap().0, lines(&later)[1].0..later.len());
    files.get_mut(first).unwrap().splice(own..own, later[moved].iter().copied());
    files.get_mut(newest).unwrap()[5] ^= 1;
    lab.put(&files);
    let before = lab.read().entries;
    lab.append_one();
    let after = lab.read().entries;
    assert!(before.iter().all(|(seq, line)| after.get(seq) == Some(line)), "{:?} {:?}", before.keys(), after.keys());
}

#[test]
fn a_recovery_does_not_cut_a_line_that_only_the_header_calls_old() {
    // Goal: what could be read before an opening can be read after it. Method: the segments before are gone; behind a bad
    // line stands one with a number that the header counts among those.
    let lines = [header(8, 37, Some((7, 36, 675))), b"bad\n".to_vec(), entry(34)].concat();
    let lab = Lab::with(&Files::from([(segment(8), lines)]));
    assert_eq!(lab.read().seqs(), [34]);
    let seq = lab.append_one();
    assert!(seq > 37);
    assert_eq!(lab.read().seqs()[0], 34);
}
