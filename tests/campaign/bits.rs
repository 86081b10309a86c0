//! Every bit and every length of the files of a session: rot and cuts are found, and cost no more than they touch.
//!
//! The session is one that has lived: a process that died in the middle of a line, a recovery, several segments, some of
//! them compacted.

use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::{Dice, Files, ID, Lab, Reading, entries_of, lines, reference_events, segments, seq_of};
use foldlog::{Custom, Durability, GapKind, JournalOptions, Json, TextDelta, TurnEnded, TurnStarted};
use std::collections::BTreeMap;

pub const FLIPS: Part = Part {
    name: "flipped-bits",
    unit: "bits",
    needs_system: false,
    what: "one bit of one file of a session directory is wrong",
    slice: 1_500,
    full: u64::MAX,
    run: flips,
};

pub const TRUNCATIONS: Part = Part {
    name: "truncations",
    unit: "lengths",
    needs_system: false,
    what: "one file of a session directory ends too early",
    slice: 600,
    full: u64::MAX,
    run: truncations,
};

/// Some 64 KiB: what is left of two processes, the first of which was killed inside a write.
fn lived() -> Files {
    let lab = Lab::new();
    let options = || JournalOptions::default().segment_bytes(12_000).durability(Durability::Written);
    let journal = lab.store.journal_with(ID, options()).unwrap();
    for draft in reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    drop(journal);
    let newest = segments(&lab.files()).pop().unwrap();
    lab.disk.append(&lab.dir.join(newest), b"{\"seq\":55,\"synced\":3,\"time\":\"2026-01-02T03:04");

    let journal = lab.store.journal_with(ID, options()).unwrap();
    for turn in 0..12 {
        let id = format!("u-{turn}");
        journal.append(TurnStarted::new(&id, "go on")).unwrap().wait().unwrap();
        let pieces: Vec<String> = (0..12).map(|piece| format!("piece {piece} of turn {turn}, 大きさ; ")).collect();
        for piece in &pieces {
            journal.append(TextDelta::new(&id, piece)).unwrap().wait().unwrap();
        }
        journal.append(Custom::new("large", Json::string(&"é\"\\".repeat(40 * turn)))).unwrap().wait().unwrap();
        journal.append(TurnEnded::success(&id).response_content(pieces.concat())).unwrap().wait().unwrap();
        if turn == 5 {
            journal.sync().unwrap().wait().unwrap();
        }
    }
    journal.close().wait().unwrap();
    drop(journal);
    lab.store.compact(ID).unwrap();
    for turn in 0..6 {
        let journal = lab.store.journal_with(ID, options()).unwrap();
        for draft in reference_events().into_iter().skip(turn * 2) {
            journal.append(draft).unwrap().wait().unwrap();
        }
        journal.close().wait().unwrap();
    }
    // The last one is still at work, and writes over line feeds.
    let journal = lab.store.journal_with(ID, options().prefill(300)).unwrap();
    journal.append(TurnStarted::new("the last", "go on")).unwrap().wait().unwrap();
    lab.files()
}

/// What a reader must find in the whole session, with the library's word and without it.
fn whole_session() -> (Files, BTreeMap<u64, Vec<u8>>, Lab) {
    let files = lived();
    let originals = entries_of(&files);
    let lab = Lab::with(&files);
    let reading = lab.read();
    assert!(reading.is_clean() && reading.entries == originals, "{:?}", reading.gaps);
    assert!(segments(&files).len() >= 3 && files.keys().any(|name| name.ends_with(".torn")), "{:?}", files.keys());
    (files, originals, lab)
}

/// Every number that is missing is in a gap's range, or was torn off the end.
fn assert_told(originals: &BTreeMap<u64, Vec<u8>>, reading: &Reading, what: &str) -> usize {
    reading.assert_nothing_invented(originals, what);
    let lost: Vec<u64> = originals.keys().filter(|seq| !reading.entries.contains_key(seq)).copied().collect();
    for seq in &lost {
        let told = reading.gaps.iter().any(|gap| {
            let within =
                |first: foldlog::Seq| first.get() <= *seq && gap.last_seq.is_some_and(|last| last.get() >= *seq);
            !gap.explained && (gap.kind == GapKind::Torn || gap.first_seq.is_some_and(within))
        });
        assert!(told, "{what}: {seq} is lost, and the report is {:?}", reading.gaps);
    }
    lost.len()
}

fn flips(scope: &Scope) -> Outcome {
    let (files, originals, lab) = whole_session();
    let all: Vec<(&String, usize)> =
        files.iter().flat_map(|(name, bytes)| (0..bytes.len() * 8).map(move |bit| (name, bit))).collect();
    let mut tally = Tally::default();
    let mut most = 0;
    for (name, bit) in chosen(scope, &all) {
        if !scope.goes_on(tally.done) {
            break;
        }
        let (at, whole) = (bit / 8, &files[name]);
        let what = format!("{name}: bit {} of byte {at} ({:?})", bit % 8, char::from(whole[at]));
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (bit % 8);
        lab.disk.set(&lab.dir.join(name), &flipped);
        let reading = lab.read();
        let lost = assert_told(&originals, &reading, &what);
        if name.ends_with(".jsonl") {
            assert!(!reading.is_clean(), "{what}: not found: {:?}", reading.gaps);
            let allowed = if whole[at] == b'\n' { 2 } else { 1 };
            assert!(lost <= allowed, "{what}: lost {lost} lines");
        } else {
            assert!(lost == 0 && reading.is_clean(), "{what}: this file holds no entries");
        }
        lab.disk.set(&lab.dir.join(name), whole);
        most = most.max(lost);
        tally.done += 1;
    }
    tally.note = format!("of {} in {} files; all found; at most {most} lines lost by one", all.len(), files.len());
    Outcome::Held(tally)
}

fn truncations(scope: &Scope) -> Outcome {
    let (files, originals, lab) = whole_session();
    let newest = segments(&files).pop().unwrap();
    let all: Vec<(&String, usize)> =
        files.iter().flat_map(|(name, bytes)| (0..bytes.len()).map(move |len| (name, len))).collect();
    let highest = *originals.last_key_value().unwrap().0;
    let mut tally = Tally::default();
    for (name, len) in chosen(scope, &all) {
        if !scope.goes_on(tally.done) {
            break;
        }
        let what = format!("{name} cut to {len} bytes");
        let mut cut = files.clone();
        cut.insert(name.clone(), files[name][..len].to_vec());
        lab.put(&cut);
        let before = lab.read();
        let kept = lines(&files[name][..len]).iter().filter(|(_, line)| seq_of(line).is_some()).count();
        let expected = lines(&files[name]).iter().filter(|(_, line)| seq_of(line).is_some()).count() - kept;
        before.assert_nothing_invented(&originals, &what);
        assert_eq!(originals.len() - before.entries.len(), expected, "{what}: lost more than the cut took");
        if *name != newest {
            // Other segments say what this one held, so that every missing number is told.
            assert_told(&originals, &before, &what);
            assert!(before.is_clean() == (expected == 0 && !name.ends_with(".jsonl")), "{what}: {:?}", before.gaps);
        }
        // Recording goes on, loses nothing more, and gives no number twice.
        let seq = lab.append_one();
        assert!(*name == newest || seq > highest, "{what}: {seq} was given before");
        let after = lab.read();
        for (seq, line) in &before.entries {
            assert_eq!(after.entries.get(seq), Some(line), "{what}: recovery lost {seq}");
        }
        tally.done += 1;
    }
    tally.note = format!("of {} in {} files; each then opened and written to", all.len(), files.len());
    Outcome::Held(tally)
}

/// All of them in order, or as many as the scope has, spread by its dice.
fn chosen<'a, T: Copy>(scope: &Scope, all: &'a [T]) -> Box<dyn Iterator<Item = T> + 'a> {
    if scope.goes_on(all.len() as u64 - 1) {
        return Box::new(all.iter().copied());
    }
    let mut dice = Dice::seeded(scope.seed);
    Box::new(std::iter::repeat_with(move || all[dice.below(all.len())]))
}
