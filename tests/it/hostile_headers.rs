//! Headers that lie under a right checksum: no number in one sends a reader round in circles, or hides what follows.

use crate::forge::{entry, header_of, journal, members, rehead};
use crate::support::{Files, ID, Lab, segment};
use foldlog::{CompactOptions, Cursor, ErrorKind, Item, Seq};
use serde_json::{Value, json};

const LIMIT: u64 = (1 << 53) - 1;

/// Reads to the end in every way there is, and compacts; that it ends is the point.
fn ends_everywhere(files: &Files) -> Vec<u64> {
    let lab = Lab::with(files);
    let seqs = lab.read().seqs();
    let reader = lab.store.reader(ID).unwrap();
    reader.glance().unwrap();
    for cursor in [Cursor::from_seq(Seq::new(2)), Cursor::last(1), Cursor::end()] {
        let mut items = reader.items_from(&cursor).unwrap();
        while items.next().unwrap().is_some() {}
    }
    let mut follower = lab.store.follow(ID, Cursor::start()).unwrap();
    let mut followed = Vec::new();
    while let Some(item) = follower.next_timeout(std::time::Duration::from_secs(20)) {
        match item.unwrap() {
            Item::Entry(entry) => followed.push(entry.seq().get()),
            Item::CaughtUp => break,
            _ => {}
        }
    }
    assert_eq!(followed, seqs, "a follower sees the same");
    let _ = lab.store.compact_with(ID, &CompactOptions::default(), &mut |_| {});
    seqs
}

/// A change of a header that breaks one of its invariants.
type Break = (&'static str, fn(&mut Value));

const BREAKS: &[Break] = &[
    ("prev names its own segment", |h| h["prev"]["segment"] = h["segment"].clone()),
    ("prev names a later segment", |h| h["prev"]["segment"] = json!(3)),
    ("prev ends behind the first number", |h| h["prev"]["last_seq"] = h["first_seq"].clone()),
    ("through is below the segment", |h| {
        h["compacted"] = json!({"through": 1, "last_seq": 4, "last_bytes": 9, "entries": 2});
    }),
    ("compacted ends before the first number", |h| {
        h["compacted"] = json!({"through": 2, "last_seq": 2, "last_bytes": 9, "entries": 2});
    }),
    ("the epoch is a later segment", |h| h["epoch"] = json!(3)),
    ("no prev", |h| drop(h.as_object_mut().unwrap().remove("prev"))),
    ("no session", |h| h["session_id"] = json!("")),
    ("first_seq is too high", |h| h["first_seq"] = json!(LIMIT + 1)),
    ("first_seq is the highest number there is", |h| h["first_seq"] = json!(u64::MAX)),
    ("prev.last_seq is too high", |h| h["prev"]["last_seq"] = json!(u64::MAX)),
    ("prev.bytes is too high", |h| h["prev"]["bytes"] = json!(LIMIT + 1)),
    ("through is too high", |h| {
        h["compacted"] = json!({"through": u64::MAX, "last_seq": 4, "last_bytes": 9, "entries": 2});
    }),
    ("turns are too many", |h| h["turns"] = json!(LIMIT + 1)),
    ("a turn's number is too high", |h| h["open"] = json!([{"turn_id": "t", "seq": LIMIT + 1, "calls": []}])),
];

#[test]
fn a_header_that_contradicts_itself_is_a_bad_header_and_hides_nothing() {
    // Goal: each invariant is checked when a header is decoded; whatever the header says, reading ends, the damage is told
    // and every entry is given. Method: each invariant broken alone in the middle one of three segments.
    let whole = journal(&[1..=2, 3..=4, 5..=6]);
    assert_eq!(ends_everywhere(&whole), [1, 2, 3, 4, 5, 6]);
    assert!(Lab::with(&whole).read().is_clean());
    for (what, change) in BREAKS {
        let mut files = whole.clone();
        rehead(&mut files, 2, change);
        // The seal counts bytes: it is made right, so that nothing but the header is wrong.
        let bytes = files[&segment(2)].len();
        rehead(&mut files, 3, |header| header["prev"]["bytes"] = json!(bytes));
        assert_eq!(ends_everywhere(&files), [1, 2, 3, 4, 5, 6], "{what}");
        let reading = Lab::with(&files).read();
        assert!(!reading.is_clean(), "{what}: the header is damage");
        let lab = Lab::with(&files);
        let seq = lab.append_one();
        assert!(seq > 6 && lab.read().seqs().ends_with(&[seq, seq + 1]), "{what}: {seq} is not readable");
    }
}

#[test]
fn a_number_that_is_no_contradiction_and_still_a_lie_hides_nothing_that_follows() {
    // Goal: what a header claims of numbers never decides whether an entry is delivered. Method: numbers as high as they
    // may be, or wrong by one, in a header whose other numbers go along with it.
    let lies: &[Break] = &[
        ("the numbers begin at the end", |h| {
            h["first_seq"] = json!(LIMIT);
            h["prev"]["last_seq"] = json!(LIMIT - 1);
        }),
        ("the numbers begin later", |h| {
            h["first_seq"] = json!(4);
            h["prev"]["last_seq"] = json!(3);
        }),
        ("the segment before is far away", |h| h["prev"] = json!({"segment": 0, "last_seq": 2, "bytes": 1})),
        ("the segment before is too short", |h| h["prev"]["bytes"] = json!(LIMIT)),
        ("the segment before ends in a line", |h| h["prev"]["bytes"] = json!(h["prev"]["bytes"].as_u64().unwrap() - 5)),
    ];
    for (what, lie) in lies {
        let mut files = journal(&[1..=2, 3..=4, 5..=6]);
        rehead(&mut files, 2, lie);
        let bytes = files[&segment(2)].len();
        rehead(&mut files, 3, |header| header["prev"]["bytes"] = json!(bytes));
        assert_eq!(ends_everywhere(&files), [1, 2, 3, 4, 5, 6], "{what}");
    }
}

#[test]
fn one_foreign_segment_at_either_end_hides_nothing() {
    // Goal: which journal is ours does not hang on one header. Method: a segment of another journal, also one that claims to
    // be merged, before and after three of ours; and copies of our own under another number.
    let whole = journal(&[1..=2, 3..=4, 5..=6]);
    let moved: Files = (1..=3)
        .map(|number| {
            (segment(number + 1), {
                let mut files = whole.clone();
                rehead(&mut files, number, |header| {
                    header["segment"] = json!(number + 1);
                    header["epoch"] = json!(number + 1);
                    if number > 1 {
                        header["prev"]["segment"] = json!(number);
                    }
                });
                files.remove(&segment(number)).unwrap()
            })
        })
        .collect();
    for through in [None, Some(0), Some(2)] {
        let foreign = |number: u64| {
            let mut members = members(number, 1, None);
            members["journal"] = json!("ffffffffffffffffffffffffffffffff");
            if let Some(more) = through {
                members["compacted"] = json!({"through": number + more, "last_seq": 9, "last_bytes": 9, "entries": 1});
            }
            [header_of(&members), entry(9)].concat()
        };
        for (number, files) in [(1, &moved), (4, &whole)] {
            let mut files = files.clone();
            files.insert(segment(number), foreign(number));
            assert_eq!(ends_everywhere(&files), [1, 2, 3, 4, 5, 6], "{number} {through:?}");
            let gaps = Lab::with(&files).read().gaps;
            let foreign = gaps.iter().filter(|gap| gap.kind.as_str() == "foreign" && gap.segment == number);
            assert_eq!(foreign.count(), 1, "{number} {through:?}: {gaps:?}");
        }
    }
}

#[test]
fn a_merged_segment_under_the_name_of_a_later_one_is_one_gap() {
    // Goal: a `compacted` is believed only in its own file. Method: the merged segment copied over each later one.
    let mut files = journal(&[1..=2, 3..=4, 5..=6]);
    let merged = [&files[&segment(1)][..], &entry(3), &entry(4)].concat();
    let last_bytes = files.remove(&segment(2)).unwrap().len();
    files.insert(segment(1), merged);
    rehead(&mut files, 1, |header| {
        header["compacted"] = json!({"through": 2, "last_seq": 4, "last_bytes": last_bytes, "entries": 4});
    });
    assert!(Lab::with(&files).read().is_clean());
    for number in [2, 3, 4, 7] {
        let mut copied = files.clone();
        copied.insert(segment(number), files[&segment(1)].clone());
        let kept = if number == 3 { vec![1, 2, 3, 4] } else { vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(ends_everywhere(&copied), kept, "{number}");
    }
}

/// Goal: what is acknowledged can be read, whatever numbers a file in the middle bears. The next number was taken from the
/// newest segments alone, below one that readers had given before. Method: files in the middle that no header limits.
#[test]
fn writing_goes_on_above_a_number_in_the_middle_that_no_header_limits() {
    let stranger = [entry(1000), entry(5)].concat();
    // Without a header, and passed over by the header behind it.
    let mut headless = journal(&[1..=3, 4..=6, 7..=9]);
    headless.insert(segment(4), headless[&segment(3)].clone());
    rehead(&mut headless, 4, |h| (h["segment"], h["epoch"]) = (json!(4), json!(4)));
    headless.insert(segment(3), stranger.clone());
    // Under a good header of its own, which the header behind it passes over too.
    let mut headed = headless.clone();
    headed.insert(segment(3), [header_of(&members(3, 7, Some((2, 6, 1)))), stranger].concat());
    // Limited, but by a number that is not believed later.
    let mut limited = journal(&[1..=3, 4..=6, 7..=9, 10..=12]);
    let second = limited.get_mut(&segment(2)).unwrap();
    second.extend(entry(900));
    let len = second.len();
    rehead(&mut limited, 3, |h| {
        h["prev"] = json!({"segment": 2, "last_seq": 2000, "bytes": len});
        h["first_seq"] = json!(2001);
    });
    for (files, given) in [(headless, 1000), (headed, 1000), (limited, 900)] {
        let lab = Lab::with(&files);
        assert!(lab.read().entries.contains_key(&given));
        let seq = lab.append_one();
        assert!(seq > given && lab.read().entries.contains_key(&seq), "{seq}: {:?}", lab.read());
        // What is there now is all that it takes: nothing is read above it again.
        assert!(lab.append_one() < seq + 10);
    }
}

#[test]
fn an_opening_refuses_where_a_file_in_the_middle_bears_the_last_number() {
    let mut files = journal(&[1..=3, 4..=6, 7..=9]);
    files.insert(segment(4), files[&segment(3)].clone());
    rehead(&mut files, 4, |h| (h["segment"], h["epoch"]) = (json!(4), json!(4)));
    files.insert(segment(3), entry(LIMIT));
    let lab = Lab::with(&files);
    let refused = lab.store.journal(ID).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted, "{refused}");
}
