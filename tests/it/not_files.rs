//! Segments that are no plain files, and those that only a newer version reads: gaps, each in its place, and never opened.

use crate::forge::{journal, rehead};
use crate::support::{Files, ID, Reading, segment};
use foldlog::{CompactOptions, Gap, Item, Store, TextDelta};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Makes a named pipe.
pub fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A session on the disk.
struct Place {
    root: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn with(files: &Files) -> Place {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        std::fs::create_dir(root.path().join(ID)).unwrap();
        let place = Place { root, store };
        for (name, bytes) in files {
            std::fs::write(place.dir().join(name), bytes).unwrap();
        }
        place
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join(ID)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir().join(segment(number))
    }

    /// Reads it, by the reader and by a follower: both find the same.
    fn read(&self) -> Reading {
        let reader = self.store.reader(ID).unwrap();
        let reading = Reading::of(&reader);
        assert_eq!(reader.verify().unwrap().gaps, reading.gaps);
        assert_eq!(reader.glance().unwrap().damaged, !reading.is_clean());
        let mut follower = self.store.follow(ID, foldlog::Cursor::start()).unwrap();
        let (mut seqs, mut gaps) = (Vec::new(), Vec::new());
        while let Some(item) = follower.next_timeout(std::time::Duration::from_secs(20)) {
            match item.unwrap() {
                Item::Entry(entry) => seqs.push(entry.seq().get()),
                Item::Gap(gap) => gaps.push(gap),
                Item::CaughtUp => break,
                _ => {}
            }
        }
        assert_eq!((seqs, gaps), (reading.seqs(), reading.gaps.clone()));
        reading
    }

    fn append_one(&self) -> u64 {
        let journal = self.store.journal(ID).unwrap();
        let seq = journal.append(TextDelta::new("t", "x")).unwrap().wait().unwrap().get();
        journal.close().wait().unwrap();
        seq
    }
}

/// The first and the last of some numbers.
type Range = Option<(u64, u64)>;

/// What is told of a gap, in short.
type Told<'a> = (u64, &'a str, u64, Range, Option<bool>, bool);

/// The numbers of the compressed segments, the entries that are left, and the gaps.
type Case<'a> = (&'a [u64], &'a [u64], &'a [(u64, Range)]);

fn told(gap: &Gap) -> Told<'_> {
    let numbers = gap.first_seq.zip(gap.last_seq).map(|(first, last)| (first.get(), last.get()));
    (gap.segment, gap.kind.as_str(), gap.bytes, numbers, gap.acknowledged, gap.explained)
}

/// Puts something that is no plain file at a path.
type Put = (&'static str, fn(&Path));

const PUTS: [Put; 5] = [
    ("a link", |path| symlink("elsewhere", path).unwrap()),
    ("a link to nothing", |path| symlink("nowhere", path).unwrap()),
    ("a device", |path| symlink("/dev/zero", path).unwrap()),
    ("a directory", |path| std::fs::create_dir(path).unwrap()),
    ("a FIFO", fifo),
];

#[test]
fn a_segment_that_is_no_plain_file_is_one_foreign_gap_and_the_rest_is_read() {
    // Goal: one such segment costs its own entries and nothing else, whatever it is and wherever it stands. Method: each kind
    // of file in the place of the first, a middle and the last segment; read, compacted, recorded into, and read again.
    for (what, put) in PUTS {
        for number in 1..=4 {
            let place = Place::with(&journal(&[1..=2, 3..=4, 5..=6, 7..=8]));
            let whole = std::fs::read(place.path(number)).unwrap();
            std::fs::rename(place.path(number), place.dir().join("elsewhere")).unwrap();
            put(&place.path(number));
            let missing = 2 * number - 1..=2 * number;
            let expected: Vec<u64> = (1..=8).filter(|seq| !missing.contains(seq)).collect();
            let check = |reading: &Reading| {
                let gaps: Vec<_> = reading.gaps.iter().map(told).collect();
                let foreign = (number, "foreign", 0, None, None, false);
                let lost = (number, "lost", whole.len() as u64, Some((2 * number - 1, 2 * number)), Some(true), false);
                let is_last = number == 4;
                assert_eq!(gaps[..], [foreign, lost][..if is_last { 1 } else { 2 }], "{what} {number}");
            };
            let reading = place.read();
            assert_eq!(reading.seqs(), expected, "{what} {number}");
            check(&reading);
            place.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
            assert_eq!(place.read().entries, reading.entries, "{what} {number}");
            place.append_one();
            assert!(place.path(5).is_file(), "{what} {number}: its number counts as given");
            let after = place.read();
            check(&after);
            assert!(after.entries.len() > expected.len());
            assert!(!std::fs::symlink_metadata(place.path(number)).unwrap().is_file(), "it stays");
            assert_eq!(std::fs::read(place.dir().join("elsewhere")).unwrap(), whole, "nothing is written through it");
        }
    }
}

#[test]
fn a_link_under_a_number_that_a_compacted_segment_replaces_is_a_gap() {
    let mut files = journal(&[1..=4, 5..=6]);
    let bytes = files[&segment(1)].len();
    let second = files.remove(&segment(2)).unwrap();
    rehead(&mut files, 1, |header| {
        header["compacted"] = json!({"through": 3, "last_seq": 4, "last_bytes": bytes, "entries": 4});
    });
    files.insert(segment(4), second);
    rehead(&mut files, 4, |header| {
        header["segment"] = json!(4);
        header["prev"] = json!({"segment": 3, "last_seq": 4, "bytes": bytes});
    });
    let place = Place::with(&files);
    assert!(place.read().is_clean());
    symlink("nowhere", place.path(2)).unwrap();
    let reading = place.read();
    assert_eq!(reading.seqs(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(reading.gaps.iter().map(told).collect::<Vec<_>>(), [(2, "foreign", 0, None, None, false)]);
    place.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    assert!(std::fs::symlink_metadata(place.path(2)).is_ok(), "it stays");
}

#[test]
fn a_segment_in_a_newer_versions_form_is_a_gap_and_no_damage() {
    // Goal: what only a newer version reads is told, with its numbers where they are known, and is no damage. Method: one
    // segment, two neighbours, and the newest, compressed.
    let cases: [Case<'_>; 4] = [
        (&[1], &[3, 4, 5, 6, 7, 8], &[(1, Some((1, 2)))]),
        (&[2], &[1, 2, 5, 6, 7, 8], &[(2, Some((3, 4)))]),
        (&[2, 3], &[1, 2, 7, 8], &[(2, None), (3, Some((3, 6)))]),
        (&[4], &[1, 2, 3, 4, 5, 6], &[(4, None)]),
    ];
    for (compressed, seqs, gaps) in cases {
        let place = Place::with(&journal(&[1..=2, 3..=4, 5..=6, 7..=8]));
        for number in compressed {
            std::fs::rename(place.path(*number), place.dir().join(format!("{}.zst", segment(*number)))).unwrap();
        }
        let reading = place.read();
        assert_eq!(reading.seqs(), seqs);
        let expected: Vec<_> = gaps.iter().map(|(number, m)| (*number, "unsupported", 0, *m, None, true)).collect();
        assert_eq!(reading.gaps.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(place.store.reader(ID).unwrap().verify().unwrap().clean);
        assert!(place.store.journal(ID).is_err() && place.store.compact(ID).is_err(), "writers refuse");
    }
    // Beside the segment itself it says nothing.
    let place = Place::with(&journal(&[1..=2, 3..=4]));
    std::fs::write(place.dir().join("00000001.jsonl.zst"), b"").unwrap();
    assert!(place.read().gaps.is_empty());
}
