//! Followers of a copy that somebody fills: its files come in any order, and in parts. All on a disk in memory.

use crate::cli_tail::Root;
use crate::follow::Seen;
use crate::patience::{PATIENCE, until};
use crate::support::{Files, ID, Lab, lines, segment};
use foldlog::{CompactOptions, Cursor, Follower, Item, TextDelta};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// The files of three openings, five entries and a close each.
fn three_segments() -> Files {
    let lab = Lab::new();
    for number in 0..3 {
        let journal = lab.open();
        for piece in 0..5 {
            journal.append(TextDelta::new("t-1", format!("piece {number}.{piece}"))).unwrap().wait().unwrap();
        }
        journal.close().wait().unwrap();
    }
    lab.files()
}

/// What happens to a file of the copy: it gets so much of what it has in the original.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// By a rename, so that it is another file.
    Put(u64, Part),
    /// In its place.
    Write(u64, Part),
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Half,
    /// The lines that the half has, without the half line.
    Lines,
    All,
}

impl Step {
    fn take(self, lab: &Lab, files: &Files) {
        let (Step::Put(number, part) | Step::Write(number, part)) = self;
        let all = &files[&segment(number)];
        let half = &all[..all.len() / 2];
        let bytes = match part {
            Part::Half => half,
            Part::Lines => &half[..lines(half).last().map_or(0, |(at, line)| at + line.len() + 1)],
            Part::All => all,
        };
        let path = lab.dir.join(segment(number));
        match self {
            Step::Put(..) => lab.disk.set(&path, bytes),
            Step::Write(..) => lab.disk.overwrite(&path, bytes),
        }
    }
}

/// What a consumer holds that does as the notices say.
#[derive(Debug, Default)]
struct Held {
    entries: BTreeMap<u64, Vec<u8>>,
    /// Numbers that were told as missing, by the last entry before them.
    gaps: Vec<(u64, Seen)>,
    notices: usize,
}

impl Held {
    fn take(&mut self, item: &Item<'_>) {
        let last = self.entries.last_key_value().map_or(0, |(last, _)| *last);
        match item {
            Item::Entry(entry) => {
                assert!(entry.seq().get() > last, "{} again, without a notice", entry.seq());
                self.entries.insert(entry.seq().get(), entry.line().as_bytes().to_vec());
            }
            Item::Gap(gap) if !gap.explained && gap.first_seq.is_some() => self.gaps.push((last, Seen::of(item))),
            Item::Rewound(seq) => {
                self.entries.retain(|number, _| *number <= seq.get());
                self.gaps.retain(|(behind, _)| *behind < seq.get());
                self.notices += 1;
            }
            Item::Replaced => panic!("it is the same journal"),
            _ => {}
        }
    }

    /// Takes what comes until it is what a reader finds, and nothing that is wrong is left.
    fn follow(&mut self, follower: &mut Follower, lab: &Lab, case: &str) {
        let (all, give_up) = (lab.read(), Instant::now() + PATIENCE);
        while self.entries != all.entries || !self.gaps.is_empty() {
            assert!(Instant::now() < give_up, "{case}: {:?} of {:?}, {:?}", self.entries.keys(), all.seqs(), self.gaps);
            self.follow_for(follower, Duration::from_millis(100));
        }
    }

    fn follow_for(&mut self, follower: &mut Follower, time: Duration) {
        let until = Instant::now() + time;
        while let Some(item) = follower.next_timeout(until.saturating_duration_since(Instant::now())) {
            self.take(&item.unwrap());
        }
    }
}

/// Every order of three segments, and each with a half of one of them that is completed at the end.
fn cases() -> Vec<Vec<Step>> {
    let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    let mut cases: Vec<Vec<Step>> =
        orders.iter().map(|order| order.iter().map(|number| Step::Put(*number, Part::All)).collect()).collect();
    for order in orders {
        for half in 1..=3 {
            for part in [Part::Half, Part::Lines] {
                for end in [Step::Put(half, Part::All), Step::Write(half, Part::All)] {
                    let part_of = |number: u64| if number == half { part } else { Part::All };
                    let begin = order.iter().map(|number| Step::Put(*number, part_of(*number)));
                    cases.push(begin.chain([end]).collect());
                }
            }
        }
    }
    cases
}

/// A copy whose directory is there.
fn empty_copy() -> Lab {
    let lab = Lab::new();
    lab.disk.set(&lab.dir.join("README"), b"");
    lab
}

#[test]
fn a_live_follower_delivers_what_comes_late() {
    // Goal: whatever the order in which files come, all is delivered and no loss is left that is none. Method: each order,
    // with time enough between the steps for a follower to be at the end, and with none.
    let files = three_segments();
    let run = |steps: Vec<Step>, pause: u64| {
        let lab = empty_copy();
        let mut follower = lab.store.follow(ID, Cursor::start()).unwrap().poll_every(Duration::from_millis(50));
        let mut held = Held::default();
        for step in &steps {
            step.take(&lab, &files);
            held.follow_for(&mut follower, Duration::from_millis(pause));
        }
        assert!(lab.read().is_clean());
        held.follow(&mut follower, &lab, &format!("{steps:?}, {pause} ms"));
        held.notices
    };
    let notices: usize = thread::scope(|scope| {
        let cases = cases().into_iter().flat_map(|steps| [0, 2_500].map(|pause| (steps.clone(), pause)));
        let runs: Vec<_> = cases.map(|(steps, pause)| scope.spawn(move || run(steps, pause))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert!(notices > 0);
}

#[test]
fn a_stored_cursor_does_not_skip_what_comes_late() {
    // Goal: the same for a reader that resumes from what it has stored. Method: it follows to the end after each step.
    let files = three_segments();
    for steps in cases() {
        let (lab, mut held, mut stored) = (empty_copy(), Held::default(), String::new());
        for step in &steps {
            step.take(&lab, &files);
            let cursor = if stored.is_empty() { Cursor::start() } else { serde_json::from_str(&stored).unwrap() };
            let mut follower = lab.store.follow(ID, cursor).unwrap();
            loop {
                let item = follower.next_timeout(PATIENCE).unwrap().unwrap();
                if matches!(item, Item::WriterGone) {
                    break;
                }
                held.take(&item);
            }
            stored = serde_json::to_string(&follower.cursor()).unwrap();
        }
        assert_eq!(held.entries, lab.read().entries, "{steps:?}");
        assert!(held.gaps.is_empty(), "{steps:?}: {:?}", held.gaps);
        assert!(!stored.contains("lacking"), "{steps:?}: {stored}");
    }
}

#[test]
fn numbers_that_stay_missing_are_told_once() {
    // Goal: a loss that is one costs no repetition, however often the reader resumes. Method: a segment never comes.
    let mut files = three_segments();
    files.remove(&segment(2));
    let lab = Lab::with(&files);
    let (mut held, mut cursor) = (Held::default(), Cursor::start());
    for _ in 0..3 {
        let mut follower = lab.store.follow(ID, cursor).unwrap().poll_every(Duration::from_millis(50));
        held.follow_for(&mut follower, Duration::from_millis(2_500));
        cursor = serde_json::from_str(&serde_json::to_string(&follower.cursor()).unwrap()).unwrap();
    }
    assert_eq!((held.notices, held.gaps.len(), held.entries.len()), (0, 1, lab.read().entries.len()), "{held:?}");
    assert!(serde_json::to_string(&cursor).unwrap().contains(r#""lacking":[[7,12]]"#), "{cursor:?}");
}

#[test]
fn a_merged_segment_that_comes_late_is_delivered() {
    // Goal: the same where what was missing comes in another form. Method: the newest segment, then what the first two were
    // merged into.
    let files = three_segments();
    let original = Lab::with(&files);
    original.store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap();
    assert!(!original.files().contains_key(&segment(2)));
    let lab = empty_copy();
    let mut follower = lab.store.follow(ID, Cursor::start()).unwrap().poll_every(Duration::from_millis(50));
    let mut held = Held::default();
    lab.disk.set(&lab.dir.join(segment(3)), &files[&segment(3)]);
    held.follow_for(&mut follower, Duration::from_millis(500));
    assert_eq!(held.gaps.len(), 1);
    lab.disk.set(&lab.dir.join(segment(1)), &original.files()[&segment(1)]);
    held.follow(&mut follower, &lab, "merged");
}

#[test]
fn tail_ends_well_once_what_was_missing_has_come() {
    // Goal: the exit code says how it stands at the end. Method: a copy is filled in the wrong order under `tail -f`.
    let files = three_segments();
    for late in [true, false] {
        let root = Root::new();
        let dir = root.dir.path().join(ID);
        std::fs::create_dir_all(&dir).unwrap();
        let put = |number: u64| {
            std::fs::write(dir.join(".part"), &files[&segment(number)]).unwrap();
            std::fs::rename(dir.join(".part"), dir.join(segment(number))).unwrap();
        };
        put(2);
        let tail = root.tail(&[ID, "--from", "1", "--json"]);
        tail.wait_for("piece 1.4");
        until("the gap is named", || tail.err().contains("had been acknowledged"));
        if late {
            put(1);
            tail.wait_for("piece 0.0");
            until("all is printed", || tail.out().matches("piece 1.4").count() == 2);
        }
        let (code, _, err) = tail.interrupt();
        assert_eq!(code, Some(if late { 0 } else { 3 }), "{err}");
        assert_eq!(err.contains("given out behind seq 0"), late, "{err}");
    }
}

/// Goal: a cursor says the same once it was stored and read back. It named missing numbers behind the last delivered, which
/// reading it back forgot. Method: the end of the first file has not come yet, nor has an entry of the second.
#[test]
fn a_cursor_names_no_missing_numbers_behind_the_last_delivered() {
    let files = three_segments();
    let lab = Lab::new();
    let first = &files[&segment(1)];
    let (whole, second) = (lines(first).len() - 2, lines(&files[&segment(2)])[1].0);
    let part = &first[..lines(first)[whole].0];
    lab.put(&Files::from([(segment(1), part.to_vec()), (segment(2), files[&segment(2)][..second].to_vec())]));
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    let mut gaps = 0;
    loop {
        match follower.next_timeout(PATIENCE).unwrap().unwrap() {
            Item::Gap(gap) => gaps += usize::from(gap.last_seq.is_some()),
            Item::CaughtUp => break,
            _ => {}
        }
    }
    assert_eq!(gaps, 1);
    let cursor = follower.cursor();
    let stored = serde_json::to_string(&cursor).unwrap();
    assert_eq!(serde_json::from_str::<Cursor>(&stored).unwrap(), cursor, "{stored}");
}
