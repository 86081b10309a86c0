//! Arbitrary bytes, and arbitrary damage to good ones: reading never panics, never invents, never says "clean" wrongly.

use crate::support::{Files, Lab, Reading, entries_of, holds, reference, segment, segments, unclosed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn journal() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| reference(4000))
}

/// Whatever is read must verify by our own check and stand in the input, byte for byte.
fn assert_honest(reading: &Reading, files: &Files) -> Result<(), TestCaseError> {
    for line in reading.entries.values() {
        prop_assert!(holds(line));
        let found = files.values().any(|bytes| memchr::memmem::find(bytes, line).is_some());
        prop_assert!(found, "not in the input: {}", String::from_utf8_lossy(line));
    }
    Ok(())
}

/// Bytes as damage leaves them: pieces of good lines, NULs, line breaks, starts of entries, anything.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = entries_of(journal()).into_values().collect();
    let header = crate::support::lines(&journal()[&segment(1)])[0].1.to_vec();
    let line = prop::sample::select(lines);
    let piece = prop_oneof![
        4 => line.clone(),
        2 => (line, any::<prop::sample::Index>()).prop_map(|(line, at)| line[..at.index(line.len())].to_vec()),
        4 => Just(b"\n".to_vec()),
        1 => Just(header),
        1 => Just(b"{\"seq\":".to_vec()),
        1 => Just(b"{\"foldlog\":1".to_vec()),
        1 => (1usize..300).prop_map(|count| vec![0; count]),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Bytes that print as text, so that a failing case can be read.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A way to spoil a file.
#[derive(Clone, Debug)]
enum Spoil {
    Overwrite(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    CopyWithin(usize, usize, usize),
}

impl Spoil {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len().max(1);
        match self {
            Spoil::Overwrite(at, new) => {
                for (offset, byte) in new.iter().enumerate() {
                    if let Some(old) = bytes.get_mut(at % len + offset) {
                        *old = *byte;
                    }
                }
            }
            Spoil::Insert(at, new) => drop(bytes.splice(at % len..at % len, new.iter().copied())),
            Spoil::Remove(at, count) => drop(bytes.drain(at % len..(at % len + count).min(len))),
            Spoil::CopyWithin(from, count, to) => {
                let piece = bytes[from % len..(from % len + count).min(len)].to_vec();
                bytes.splice(to % len..to % len, piece);
            }
        }
    }
}

/// A segment's number and bytes.
fn file() -> impl Strategy<Value = (u64, Bytes)> {
    let bytes = prop_oneof![3 => pieces(), 1 => prop::collection::vec(any::<u8>(), 0..2000)];
    (1u64..5, bytes.prop_map(Bytes))
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let garbage = || prop::collection::vec(prop_oneof![Just(0u8), Just(b'\n'), any::<u8>()], 1..60);
    prop_oneof![
        (any::<usize>(), garbage()).prop_map(|(at, new)| Spoil::Overwrite(at, new)),
        (any::<usize>(), garbage()).prop_map(|(at, new)| Spoil::Insert(at, new)),
        (any::<usize>(), 1usize..800).prop_map(|(at, count)| Spoil::Remove(at, count)),
        (any::<usize>(), 1usize..800, any::<usize>()).prop_map(|(at, count, to)| Spoil::CopyWithin(at, count, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_without_panic_or_invention(
        segments in prop::collection::vec(file(), 1..4)
    ) {
        // Goal: whatever lies in the directory, reading ends and gives only what verifies. Then recording goes on.
        let files: Files = segments.into_iter().map(|(number, bytes)| (segment(number), bytes.0)).collect();
        let lab = Lab::with(&files);
        let before = lab.read();
        assert_honest(&before, &files)?;
        let Ok(journal) = lab.store.journal(crate::support::ID) else { return Ok(()) };
        let seq = journal.append(foldlog::TextDelta::new("t", "on")).unwrap().wait().unwrap().get();
        drop(journal);
        let after = lab.read();
        prop_assert!(after.entries.contains_key(&seq), "the new entry {seq} cannot be read: {:?}", after.gaps);
        for (seq, line) in &before.entries {
            prop_assert_eq!(after.entries.get(seq), Some(line), "entry {} was readable before recovery", seq);
        }
    }

    #[test]
    fn spoiled_journals_lose_only_what_was_spoiled_and_say_so(
        file in any::<prop::sample::Index>(), spoils in prop::collection::vec(spoil(), 1..4)
    ) {
        // Goal: nothing that stands whole in order is lost, nothing is invented, every loss is in a gap. Method: random
        // edits of a good journal.
        let mut files = journal().clone();
        let originals = entries_of(&files);
        let names = segments(&files);
        let name = &names[file.index(names.len())];
        spoils.iter().for_each(|spoil| spoil.apply(files.get_mut(name).unwrap()));
        let reading = Lab::with(&files).read();
        assert_honest(&reading, &files)?;
        reading.assert_nothing_invented(&originals, "spoiled");
        let lost: BTreeMap<_, _> = originals.iter().filter(|(seq, _)| !reading.entries.contains_key(seq)).collect();
        let newest = names.last() == Some(name);
        for seq in lost.keys() {
            let told = reading.gaps.iter().any(|gap| {
                let (first, last) = (gap.first_seq.map(|seq| seq.get()), gap.last_seq.map(|seq| seq.get()));
                first.is_some_and(|first| first <= **seq) && last.is_some_and(|last| **seq <= last)
            });
            // Only what the very end of the newest segment held can vanish without a number to tell by.
            let behind_all = reading.seqs().last().is_none_or(|last| last < *seq);
            prop_assert!(told || newest && behind_all, "entry {seq} is lost without a word: {:?}", reading.gaps);
        }
    }

    #[test]
    fn a_spoiled_tail_recovers_and_explains_itself(at in any::<prop::sample::Index>(), garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        // Goal: any garbage in the place of the newest segment's end is settled by one opening. Method: cut and append.
        let mut files = unclosed();
        let bytes = files.get_mut(&segment(1)).unwrap();
        bytes.truncate(at.index(bytes.len()));
        bytes.extend_from_slice(&garbage);
        let lab = Lab::with(&files);
        let before = lab.read();
        let seq = lab.append_one();
        let after = lab.read();
        prop_assert!(after.entries.contains_key(&seq));
        for (seq, line) in &before.entries {
            prop_assert_eq!(after.entries.get(seq), Some(line));
        }
        let had_header = before.gaps.iter().all(|gap| gap.kind == foldlog::GapKind::Torn) && !before.entries.is_empty();
        prop_assert!(after.is_clean() || !had_header, "{:?}", after.gaps);
    }
}
