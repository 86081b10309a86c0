//! Followers behind crashes that took, or left, something in the middle. The campaign's simulated disk found these.

use crate::follow::{Seen, follow_to};
use crate::support::{ID, Lab, lines, segment, segments, unclosed};
use foldlog::{CompactOptions, Cursor, Durability, JournalOptions, TextDelta, TurnStarted};
use std::time::Duration;

fn to_the_end(lab: &Lab, from: Cursor) -> (Vec<Seen>, Cursor) {
    let mut follower = lab.store.reader(ID).unwrap().follow(from).unwrap();
    let seen = follow_to(&mut follower, |seen| *seen == Seen::WriterGone);
    (seen, follower.cursor())
}

fn given(seen: &[Seen]) -> Vec<u64> {
    seen.iter().filter_map(|seen| if let Seen::Entry(seq) = seen { Some(*seq) } else { None }).collect()
}

/// Spoils one line of the newest segment.
fn spoil(lab: &Lab, line: usize) {
    let name = segments(&lab.files()).pop().unwrap();
    let mut bytes = lab.files()[&name].clone();
    let at = lines(&bytes)[line].0;
    bytes[at + 3] = b'#';
    lab.disk.overwrite(&lab.dir.join(name), &bytes);
}

#[test]
fn a_bad_first_line_of_the_newest_segment_keeps_nothing_back() {
    // Goal: what stands behind it is given out, though nobody opens the journal again. Method: one bad byte.
    let lab = Lab::with(&unclosed());
    spoil(&lab, 1);
    assert_eq!(given(&to_the_end(&lab, Cursor::start()).0), lab.read().seqs());
}

#[test]
fn what_a_power_cut_took_from_the_middle_is_told_with_the_report_of_it() {
    // Goal: a follower that has seen more than is left goes back to before it. Method: the second line of many that were
    // not synced is lost, the others are not; then somebody records again.
    let lab = Lab::new();
    let options = JournalOptions::default().durability(Durability::Written);
    let journal = lab.store.journal_with(ID, options.sync_interval(Duration::from_secs(3600))).unwrap();
    for number in 0..5 {
        journal.append(TextDelta::new("t-1", format!("piece {number}"))).unwrap().wait().unwrap();
    }
    drop(journal);
    let (seen, cursor) = to_the_end(&lab, Cursor::start());
    let all = given(&seen);
    spoil(&lab, 2);
    lab.append_one();
    let (seen, cursor) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(1)), "{seen:?}");
    let read = lab.read().seqs();
    assert!(!read.contains(&2) && read.contains(all.last().unwrap()), "{read:?}");
    assert_eq!(given(&seen), read[1..], "what is left behind it is given out again, once");
    assert!(given(&to_the_end(&lab, cursor).0).is_empty(), "and not when it resumes behind that");
}

#[test]
fn what_a_power_cut_took_from_the_middle_is_told_though_something_newer_is_left() {
    // Goal: the same where the follower has not seen the last of what is left. Method: it has seen five lines, a power cut
    // takes four of them and leaves the sixth.
    let lab = Lab::new();
    let options = JournalOptions::default().durability(Durability::Written);
    let journal = lab.store.journal_with(ID, options.sync_interval(Duration::from_secs(3600))).unwrap();
    let append = |number: u64| {
        journal.append(TextDelta::new("t-1", format!("piece {number}"))).unwrap().wait().unwrap();
    };
    (1..=5).for_each(append);
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    follow_to(&mut follower, |seen| *seen == Seen::Entry(5));
    let cursor = follower.cursor();
    (6..=7).for_each(append);
    drop(journal);
    (2..=5).chain([7]).for_each(|line| spoil(&lab, line));
    lab.append_one();
    let (seen, _) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(1)), "{seen:?}");
    let last = seen.iter().rposition(|seen| *seen == Seen::Rewound(1)).unwrap();
    assert_eq!(given(&seen[last..]), lab.read().seqs()[1..], "{seen:?}");
}

#[test]
fn a_removed_segment_that_comes_back_is_not_where_a_follower_resumes() {
    // Goal: nothing is left out. Method: of the segments that one was put in the place of, a power cut brings one back.
    let lab = Lab::new();
    let options = JournalOptions::default().segment_bytes(600);
    let journal = lab.store.journal_with(ID, options).unwrap();
    for number in 0..12 {
        journal.append(TextDelta::new("t-1", format!("piece {number}"))).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    drop(journal);
    let files = lab.files();
    assert!(segments(&files).len() >= 4);
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(segments(&lab.files()).len(), 1);
    lab.disk.set(&lab.dir.join(segment(2)), &files[&segment(2)]);
    let all = lab.read().seqs();
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    for (at, seq) in all.iter().enumerate() {
        assert_eq!(follow_to(&mut follower, |seen| *seen == Seen::Entry(*seq)).last(), Some(&Seen::Entry(*seq)));
        let resumed = to_the_end(&lab, follower.cursor()).0;
        assert_eq!(given(&resumed), all[at + 1..], "behind {seq}");
    }
}

#[test]
fn an_opening_that_found_less_is_told_though_its_report_was_lost() {
    // Goal: a follower that resumes behind entries which a recovery cut is told so by the next header alone. Method: of
    // the last two lines a few bytes are left, somebody opens the journal, and a power cut leaves of that no more than the new header.
    let lab = Lab::with(&unclosed());
    let (seen, cursor) = to_the_end(&lab, Cursor::start());
    let newest = segments(&lab.files()).pop().unwrap();
    let (path, bytes) = (lab.dir.join(&newest), lab.files()[&newest].clone());
    let places = lines(&bytes);
    let torn_from = places[places.len() - 2].0;
    lab.disk.overwrite(&path, &[&bytes[..torn_from], &[0; 10]].concat());
    lab.append_one();
    let newest = segments(&lab.files()).pop().unwrap();
    let header_end = lines(&lab.files()[&newest])[1].0;
    lab.disk.overwrite(&lab.dir.join(&newest), &lab.files()[&newest][..header_end]);
    let left = lab.read().seqs();
    assert_eq!(left.len() + 2, given(&seen).len());
    let (seen, cursor) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(*left.last().unwrap())), "{seen:?}");
    assert!(given(&seen).is_empty(), "{seen:?}");
    lab.append_one();
    let read = lab.read().seqs();
    assert_eq!(given(&to_the_end(&lab, cursor).0), read[left.len()..], "what comes then is news");
}

#[test]
fn merging_segments_hides_no_cut_from_a_follower_that_was_away() {
    // Goal: what a recovery found less of is told, though the segment that says so has been merged into the one before it.
    // Method: of what a follower has seen much is cut, somebody records on, a compaction merges it all, and somebody
    // records once more, still under numbers that the follower has seen.
    let lab = Lab::new();
    let journal = lab.open();
    for number in 0..12 {
        journal.append(TurnStarted::new(format!("t-{number}"), "go on")).unwrap().wait().unwrap();
    }
    drop(journal);
    let (seen, cursor) = to_the_end(&lab, Cursor::start());
    assert_eq!(given(&seen), (1..=12).collect::<Vec<_>>());
    let path = lab.dir.join(segment(1));
    let bytes = lab.disk.get(&path);
    lab.disk.overwrite(&path, &bytes[..lines(&bytes)[5].0]);
    lab.append_one();
    lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(segments(&lab.files()).len(), 1);
    assert!(lab.append_one() <= 12, "only their openings tell the entries with a number apart");
    let (seen, cursor) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(4)), "{seen:?}");
    assert_eq!(given(&seen), lab.read().seqs()[4..], "{seen:?}");
    assert!(given(&to_the_end(&lab, cursor).0).is_empty());
}

#[test]
fn numbers_that_come_again_behind_a_segment_that_a_power_cut_emptied_are_told() {
    // Goal: a follower that has seen entries of which nothing is left goes back before it is given others under their
    // numbers. Method: the second opening's segment is empty, as if no sync of it had been done; a third one records.
    let lab = Lab::new();
    lab.append_one();
    let files = lab.files();
    let journal = lab.open();
    for number in 0..5 {
        journal.append(TextDelta::new("t-1", format!("piece {number}"))).unwrap().wait().unwrap();
    }
    drop(journal);
    let (seen, cursor) = to_the_end(&lab, Cursor::start());
    assert_eq!(given(&seen), [1, 2, 3, 4, 5, 6, 7]);
    for looks_between in [false, true] {
        let mut cursor = cursor.clone();
        lab.put(&files);
        lab.disk.set(&lab.dir.join(segment(2)), b"");
        let mut told = false;
        if looks_between {
            let (seen, behind) = to_the_end(&lab, cursor);
            told = seen.contains(&Seen::Rewound(2));
            assert!(told, "{seen:?}");
            cursor = behind;
        }
        lab.append_one();
        let (seen, _) = to_the_end(&lab, cursor);
        assert!(told || seen.contains(&Seen::Rewound(2)), "{looks_between}: {seen:?}");
        assert_eq!(given(&seen), lab.read().seqs()[2..], "{looks_between}: {seen:?}");
    }
}

#[test]
fn bytes_that_only_a_new_header_shuts_out_are_told_before_anything_is_recorded() {
    // Goal: a follower hears of what is gone from a header alone, once nobody is there to write more. Method: an opening
    // finds the last line bad, cannot cut it, and ends with no more than its header.
    let lab = Lab::with(&unclosed());
    let (seen, cursor) = to_the_end(&lab, Cursor::start());
    let whole = lab.files();
    let last = lines(&whole[&segment(1)]).pop().unwrap();
    let mut torn = whole[&segment(1)].clone();
    torn[last.0 + 5..].fill(0);
    lab.disk.overwrite(&lab.dir.join(segment(1)), &torn);
    lab.append_one();
    let second = lab.files()[&segment(2)].clone();
    lab.put(&whole);
    lab.disk.set(&lab.dir.join(segment(2)), &second[..lines(&second)[1].0]);
    let all = given(&seen);
    assert_eq!(lab.read().seqs(), all[..all.len() - 1]);
    let (seen, _) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(all[all.len() - 2])), "{seen:?}");
}

#[test]
fn numbers_that_come_again_are_told_though_what_bears_them_has_been_merged() {
    // Goal: the same. Method: two more openings record behind the empty segment, and theirs become one.
    let lab = Lab::new();
    let journal = lab.open();
    journal.append(TextDelta::new("t-1", "x".repeat(5_000))).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    drop(journal);
    let files = lab.files();
    let journal = lab.open();
    for number in 0..5 {
        journal.append(TextDelta::new("t-1", format!("piece {number}"))).unwrap().wait().unwrap();
    }
    drop(journal);
    let (_, cursor) = to_the_end(&lab, Cursor::start());
    lab.put(&files);
    lab.disk.set(&lab.dir.join(segment(2)), b"");
    lab.append_one();
    lab.append_one();
    lab.store.compact_with(ID, &CompactOptions::default().segment_bytes(4_000), &mut |_| {}).unwrap();
    assert!(!lab.files().contains_key(&segment(4)), "merged");
    assert!(lab.files()[&segment(1)] == files[&segment(1)], "and not with the first");
    let (seen, _) = to_the_end(&lab, cursor);
    assert!(seen.contains(&Seen::Rewound(2)), "{seen:?}");
    assert_eq!(given(&seen), lab.read().seqs()[2..], "{seen:?}");
}
