//! Session directories that somebody made to keep a reader busy: the work may grow with the files, not faster.
//!
//! What is counted are calls of the storage, not seconds: the count is the same on every machine, and says at once which
//! shape of files is to blame.

use crate::forge::{entry, header_of, members};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::{Dice, Files, ID, Lab, segment};
use foldlog::{Cursor, ErrorKind, Item, JournalOptions, Seq, TurnStarted};
use serde_json::{Value, json};
use std::time::Duration;

pub const HOSTILE: Part = Part {
    name: "hostile-files",
    unit: "shapes",
    needs_system: false,
    what: "random patterns of lying headers, copies, holes and garbage: four times the files, at most five times the calls",
    slice: 12,
    full: 3_000,
    run: hostile,
};

/// The highest number that a header or an entry may have.
const LIMIT: u64 = (1 << 53) - 1;
/// Files of the smaller directory. Above 100 small segments a writer merges them in the background: both sizes are.
const FEW: u64 = 120;
const TIMES: u64 = 4;
/// Calls that every operation may need, whatever the directory holds.
const FIXED: u64 = 60;
/// How many calls each operation may need for each file where nothing is wrong: one that reads a file once more needs more.
const EACH: [u64; 7] = [9, 8, 11, 8, 12, 26, 1];
/// What chance seldom makes: nothing wrong at all, no good header at all, every second file missing.
const FIRST: [Shape; 3] = [
    Shape { step: 1, header: GOOD, body: WHOLE },
    Shape { step: 1, header: 0, body: WHOLE },
    Shape { step: 2, header: 4, body: WHOLE },
];
const GOOD: usize = 10;
const WHOLE: usize = 7;

fn hostile(scope: &Scope) -> Outcome {
    let mut tally = Tally::default();
    while scope.goes_on(tally.done) {
        let seed = scope.seed * 1_000_003 + tally.done;
        let pattern = Pattern::number(tally.done, seed);
        let (few, many) = (calls(&pattern.files(FEW), seed), calls(&pattern.files(FEW * TIMES), seed));
        for (((operation, few), (_, many)), each) in few.iter().zip(&many).zip(EACH) {
            let bound = few * (TIMES + 1) + FIXED;
            assert!(many <= &bound, "seed {seed}: {operation}: {few} calls became {many}: {pattern:?}");
            let bound = each * FEW + FIXED;
            assert!(!pattern.is_good() || few <= &bound, "{operation}: {few} calls for {FEW} good files, not {bound}");
        }
        tally.acknowledged += 2;
        tally.done += 1;
    }
    Outcome::Held(tally)
}

/// Makes of file `number` of a directory, of which the entries go on at `seq`, what stands in it.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// File numbers up to this one's from the file before.
    step: u64,
    header: usize,
    body: usize,
}

/// A few shapes, again and again.
#[derive(Debug)]
struct Pattern(Vec<Shape>);

impl Pattern {
    fn number(number: u64, seed: u64) -> Pattern {
        match FIRST.get(number as usize) {
            Some(shape) => Pattern(vec![*shape]),
            None => Pattern::random(&mut Dice::seeded(seed)),
        }
    }

    /// Whether nothing is wrong with it.
    fn is_good(&self) -> bool {
        self.0.iter().all(|shape| (shape.step, shape.header, shape.body) == (1, GOOD, WHOLE))
    }

    fn random(dice: &mut Dice) -> Pattern {
        let mut shape = || Shape { step: [1, 1, 1, 2, 9][dice.below(5)], header: dice.below(11), body: dice.below(8) };
        let shapes = [shape(), shape(), shape(), shape()];
        Pattern(shapes[..=dice.below(4)].to_vec())
    }

    fn files(&self, count: u64) -> Files {
        let mut files = Files::new();
        let (mut number, mut seq, mut before) = (0, 1, (0, 0));
        for at in 0..count {
            let shape = self.0[at as usize % self.0.len()];
            number += shape.step;
            let bytes = [header(shape.header, number, seq, before), body(shape.body, seq)].concat();
            before = (number, bytes.len() as u64);
            seq += 3;
            files.insert(segment(number), bytes);
        }
        files
    }
}

/// A header, none, or a lie. `before` is the number and the length of the file before.
fn header(which: usize, number: u64, seq: u64, before: (u64, u64)) -> Vec<u8> {
    let prev = (before.0 > 0).then_some((before.0, seq - 1, before.1));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut members = members(number, seq, prev);
        change(&mut members);
        header_of(&members)
    };
    let compacted = |through: u64, last_seq: u64| {
        move |members: &mut Value| {
            members["compacted"] = json!({"through": through, "last_seq": last_seq, "last_bytes": 9, "entries": 3});
        }
    };
    match which {
        0 => Vec::new(),
        1 => b"{\"foldlog\":1,\"cut\n".to_vec(),
        2 => with(&|members| members["journal"] = json!("ffffffffffffffffffffffffffffffff")),
        3 => with(&|members| members["prev"] = json!({"segment": number, "last_seq": seq, "bytes": 1})),
        4 => with(&|members| {
            let far = number.saturating_sub(2);
            members["prev"] = json!({"segment": far, "last_seq": seq.saturating_sub(1), "bytes": 400});
        }),
        5 => with(&compacted(number, seq + 2)),
        6 => with(&compacted(number + 2, seq + 8)),
        7 => with(&compacted(LIMIT, LIMIT)),
        8 => with(&|members| members["first_seq"] = json!(LIMIT - number)),
        9 => with(&|members| members["epoch"] = json!(1)),
        _ => with(&|_| {}),
    }
}

/// The lines after a header.
fn body(which: usize, seq: u64) -> Vec<u8> {
    let lines: Vec<u8> = (seq..seq + 3).flat_map(entry).collect();
    match which {
        0 => Vec::new(),
        1 => b"x\ny\n\n".to_vec(),
        2 => vec![0; 700],
        3 => [lines.clone(), lines].concat(),
        4 => entry(seq),
        5 => {
            let mut lines = lines;
            let at = lines.len() / 2;
            lines[at] ^= 1;
            lines
        }
        6 => [entry(LIMIT - seq), lines].concat(),
        _ => lines,
    }
}

/// How many calls each operation makes, one after the other, on a directory of these files.
fn calls(files: &Files, seed: u64) -> Vec<(&'static str, u64)> {
    let lab = Lab::with(files);
    let reader = || lab.store.reader(ID).unwrap();
    let from = |cursor: Cursor| {
        let reader = reader();
        let mut items = reader.items_from(&cursor).unwrap();
        while items.next().unwrap().is_some() {}
    };
    let follow = || {
        let mut follower = lab.store.follow(ID, Cursor::start()).unwrap();
        while let Some(item) = follower.next_timeout(Duration::from_secs(60)) {
            if matches!(item.unwrap(), Item::CaughtUp) {
                return;
            }
        }
        panic!("a follower never caught up");
    };
    // A session whose numbers are used up refuses; what it acknowledges can be read.
    let record = || {
        let Ok(journal) = lab.store.journal_with(ID, JournalOptions::default()) else { return };
        let ticket = match journal.append(TurnStarted::new("t-1", "go on")) {
            Err(refused) if refused.kind() == ErrorKind::Exhausted => return,
            taken => taken.unwrap(),
        };
        let seq = ticket.wait().unwrap();
        drop(journal);
        assert!(lab.read().seqs().contains(&seq.get()), "seed {seed}: {seq} is acknowledged and not there");
    };
    let operations: [(&str, &dyn Fn()); 7] = [
        ("verify", &|| drop(reader().verify().unwrap())),
        ("overview", &|| drop(reader().glance().unwrap())),
        ("read from the middle", &|| from(Cursor::from_seq(Seq::new(FEW)))),
        ("read the end", &|| from(Cursor::last(2))),
        ("follow", &follow),
        ("record", &record),
        ("compact", &|| drop(lab.store.compact(ID))),
    ];
    let count = |(name, operation): (&'static str, &dyn Fn())| {
        let before = lab.disk.calls();
        operation();
        (name, lab.disk.calls() - before)
    };
    operations.map(count).to_vec()
}
