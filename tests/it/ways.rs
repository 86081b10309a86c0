//! Every way of reading a journal finds the same: item by item, at one go, and by several threads.

use crate::support::{Dice, Files, ID, Lab, Reading, crc32, lines, segments};
use foldlog::{
    Entry, JournalOptions, Reader, Reducer, Seq, Session, TextDelta, ToolCallEnded, ToolCallStarted, TurnEnded,
};
use foldlog::{Json, TurnStarted};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Large enough for several threads, in several segments.
fn journal() -> Files {
    let lab = Lab::new();
    let options = JournalOptions::default().segment_bytes(3 << 19);
    let journal = lab.store.journal_with(ID, options).unwrap();
    let mut dice = Dice::seeded(11);
    for turn in 0..100 {
        let id = format!("t-{turn}");
        journal.push(TurnStarted::new(&id, "Prüfe \"die\" Größe")).unwrap();
        for call in 0..4 {
            let (call, output) = (format!("c-{call}"), "é\n🦀 x".repeat(1 + dice.below(2000)));
            journal.push(TextDelta::new(&id, "a\u{2028}b → c\\d")).unwrap();
            journal.push(ToolCallStarted::new(&id, &call, "bash")).unwrap();
            journal.push(ToolCallEnded::new(&id, &call).result(Json::string(&output))).unwrap();
        }
        journal.append(TurnEnded::success(&id)).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    drop(journal);
    lab.files()
}

/// Spoils one line or the bytes around it.
fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let places: Vec<(usize, usize)> = lines(bytes).iter().map(|(at, line)| (*at, line.len())).collect();
    let Some((at, len)) = places.get(dice.below(places.len())).copied() else { return };
    let line = bytes[at..at + len].to_vec();
    match dice.below(7) {
        0 => bytes[at + dice.below(len)] ^= 1 << dice.below(8),
        1 => drop(bytes.drain(at..at + len + 1)),
        2 => bytes[at..at + len].fill(0),
        3 => drop(bytes.remove(at + len)), // glued to the next one
        4 => drop(bytes.splice(at..at, [&line[..], b"\n"].concat())),
        5 => bytes.truncate(at + dice.below(len)),
        _ => {
            // A checksum that holds, over bytes that are no text.
            let body = [&line[..len - 20], b"\xFF\"}"].concat();
            let sealed = format!(",\"crc\":\"{:08x}\"}}", crc32(&body[..body.len() - 1])).into_bytes();
            bytes.splice(at..at + len, [&body[..body.len() - 1], &sealed].concat());
        }
    }
}

/// Keeps all lines that a fold is given.
#[derive(Default)]
struct Lines(Vec<Vec<u8>>);

impl Reducer for Lines {
    type Output = Vec<Vec<u8>>;

    fn entry(&mut self, entry: &Entry<'_>) {
        self.0.push(entry.line().as_bytes().to_vec());
    }

    fn finish(self) -> Vec<Vec<u8>> {
        self.0
    }
}

fn json(session: &Session) -> String {
    serde_json::to_string(session).unwrap()
}

fn compare(reader: &Reader, upto: Seq, what: &str) {
    let items = Reading::of(reader);
    let (lines, gaps) = reader.reduce(Lines::default()).unwrap();
    assert_eq!(gaps, items.gaps, "{what}");
    assert!(lines.iter().eq(items.entries.values()), "{what}: other entries");
    let (session, _) = reader.reduce(foldlog::SessionFold::default()).unwrap();
    let (until, _) = reader.reduce_to(upto, foldlog::SessionFold::default()).unwrap();
    let report = reader.verify().unwrap();
    assert_eq!((report.gaps.as_slice(), report.entries), (items.gaps.as_slice(), lines.len() as u64), "{what}");
    for threads in [2, 3] {
        let reader = reader.clone().threads(threads);
        assert_eq!(json(&reader.session().unwrap()), json(&session), "{what}: {threads} threads");
        assert_eq!(reader.fold_to(upto).unwrap(), until.record, "{what}: {threads} threads to {upto}");
        assert_eq!(reader.verify().unwrap(), report, "{what}: {threads} threads");
    }
}

#[test]
fn every_way_of_reading_finds_the_same_whatever_was_spoiled() {
    let files = journal();
    let names = segments(&files);
    assert!(names.len() > 2 && files[&names[0]].len() > 1 << 20, "too small for several threads");
    let mut dice = Dice::new("every_way_of_reading");
    for case in 0..5 {
        let mut spoiled = files.clone();
        for _ in 0..3 * case {
            let name = &names[dice.below(names.len())];
            spoil(spoiled.get_mut(name).unwrap(), &mut dice);
        }
        if case == 4 {
            spoiled.remove(&names[1]);
        }
        let lab = Lab::with(&spoiled);
        let upto = Seq::new(dice.below(1400) as u64);
        compare(&lab.store.reader(ID).unwrap(), upto, &format!("case {case}"));
    }
}

#[test]
fn a_panic_in_any_thread_is_a_panic_of_the_caller() {
    // Goal: no thread waits for one that is gone. Method: whatever thread gives the entry panics.
    let lab = Lab::with(&journal());
    let reader = lab.store.reader(ID).unwrap().threads(3);
    for at in [1, 400, 1200] {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            reader.verify_with(&mut |entries| assert!(entries != at, "on purpose")).map(drop)
        }));
        assert!(panicked.is_err());
    }
    assert!(reader.verify().unwrap().clean);
}
