//! What damage does to a journal, and what opening it for writing makes of that: every truncation, every flipped bit,
//! and the shapes that crashes, editors and copies leave.

use crate::support::{Files, Lab, Reading, entries_of, lines, reference, seal, segment, segments, seq_of, unclosed};
use foldlog::{GapKind, TextDelta};
use std::collections::BTreeMap;

type Lines = BTreeMap<u64, Vec<u8>>;

/// The numbers of `originals` that a reading does not have.
fn lost(originals: &Lines, reading: &Reading) -> Vec<u64> {
    originals.keys().filter(|seq| !reading.entries.contains_key(seq)).copied().collect()
}

/// After damage: opening for writing works, what could be read still can, appending goes on under a new number, and
/// what the crash took is explained.
fn assert_recovers(lab: &Lab, before: &Reading, highest_ever: u64, what: &str) {
    let explained_before = before.gaps.iter().filter(|gap| gap.kind != GapKind::Torn).all(|gap| gap.explained);
    let seq = lab.append_one();
    assert!(seq > before.seqs().last().copied().unwrap_or(0), "{what}: number {seq} was used before");
    let after = lab.read();
    for (seq, line) in &before.entries {
        assert_eq!(after.entries.get(seq), Some(line), "{what}: entry {seq} was readable before recovery");
    }
    assert!(after.entries.contains_key(&seq), "{what}: the new entry {seq} cannot be read");
    if explained_before {
        assert!(after.is_clean(), "{what}: {:?}", after.gaps);
    }
    assert!(seq <= highest_ever + 2000, "{what}: the numbers jumped to {seq}");
}

#[test]
fn every_truncation_of_the_newest_segment_leaves_an_exact_prefix_and_recovers() {
    // Goal: a crash that cuts the file anywhere loses the lines behind the cut and nothing else. Method: every length.
    let files = unclosed();
    truncate_newest_everywhere(&files);
}

#[test]
fn every_truncation_of_the_newest_of_several_segments_leaves_an_exact_prefix_and_recovers() {
    // Goal: the same where older segments stand before the cut, down to a new segment whose header is torn.
    let files = reference(2500);
    assert!(segments(&files).len() >= 3, "{:?}", segments(&files));
    truncate_newest_everywhere(&files);
}

fn truncate_newest_everywhere(files: &Files) {
    let originals = entries_of(files);
    let newest = segments(files).pop().unwrap();
    let whole = files[&newest].clone();
    let older: usize = originals.len() - lines(&whole).iter().filter(|(_, line)| seq_of(line).is_some()).count();
    let lab = Lab::with(files);
    for len in 0..whole.len() {
        let what = format!("cut to {len} of {} bytes", whole.len());
        let mut cut = files.clone();
        cut.insert(newest.clone(), whole[..len].to_vec());
        lab.put(&cut);

        let reading = lab.read();
        let kept = lines(&whole[..len]).iter().filter(|(_, line)| seq_of(line).is_some()).count() + older;
        let prefix: Lines = originals.iter().take(kept).map(|(seq, line)| (*seq, line.clone())).collect();
        assert_eq!(reading.entries, prefix, "{what}");
        let good_end = lines(&whole[..len]).last().map_or(0, |(at, line)| at + line.len() + 1);
        let header_is_whole = good_end > 0;
        match reading.gaps.as_slice() {
            [] => assert!(good_end == len || !header_is_whole, "{what}: the half line is not reported"),
            [gap] => assert_eq!((gap.kind, gap.offset as usize), (GapKind::Torn, good_end), "{what}"),
            gaps => panic!("{what}: {gaps:?}"),
        }

        assert_recovers(&lab, &reading, *originals.last_key_value().unwrap().0, &what);
        let after = lab.files();
        let torn: Vec<_> = after.iter().filter(|(name, _)| name.ends_with(".torn")).collect();
        if header_is_whole && good_end < len {
            let name = format!("{}.{good_end}.torn", &newest[..8]);
            assert_eq!(torn, [(&name, &whole[good_end..len].to_vec())], "{what}");
            assert_eq!(after[&newest], whole[..good_end], "{what}");
        } else {
            assert!(torn.is_empty(), "{what}: {torn:?}");
            assert_eq!(after[&newest], whole[..len], "{what}");
        }
    }
}

#[test]
fn numbers_that_torn_bytes_may_have_borne_are_never_given_again() {
    // Goal: at every truncation inside a line, the next number is above that of every line that was cut. Method: the
    // first new number is compared with those of the original lines that had at least begun.
    let files = unclosed();
    let whole = files[&segment(1)].clone();
    let lab = Lab::with(&files);
    for len in 0..whole.len() {
        lab.put(&Files::from([(segment(1), whole[..len].to_vec())]));
        let begun = lines(&whole).iter().filter(|(at, _)| *at < len).filter_map(|(_, line)| seq_of(line)).max();
        let journal = lab.open();
        let first = journal.push(TextDelta::new("t", "x")).unwrap().get();
        drop(journal);
        assert!(first > begun.unwrap_or(0), "cut to {len}: {first} was given again, {begun:?} had begun");
    }
}

#[test]
fn every_flipped_bit_is_found_and_costs_at_most_the_lines_it_touched() {
    // Goal: no single bit of any segment can change unseen, and none costs more than its line (two for a line break).
    // Method: flip each, read, compare with the original lines byte for byte.
    let files = reference(4000);
    let originals = entries_of(&files);
    let lab = Lab::with(&files);
    assert!(lab.read().is_clean() && lab.read().entries == originals);
    for name in segments(&files) {
        let whole = files[&name].clone();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let what = format!("{name}: bit {bit} of byte {at} ({:?})", char::from(whole[at]));
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                lab.disk.set(&lab.dir.join(&name), &flipped);
                let reading = lab.read();
                reading.assert_nothing_invented(&originals, &what);
                assert!(!reading.is_clean(), "{what}: not found: {:?}", reading.gaps);
                let lost = lost(&originals, &reading);
                let allowed = if whole[at] == b'\n' { 2 } else { 1 };
                assert!(lost.len() <= allowed, "{what}: lost {lost:?}");
                let told = lost.iter().all(|seq| {
                    let covers = |gap: &&foldlog::Gap| {
                        gap.kind == GapKind::Torn
                            || gap.first_seq.is_some_and(|first| first.get() <= *seq)
                                && gap.last_seq.is_some_and(|last| last.get() >= *seq)
                    };
                    reading.gaps.iter().find(covers).is_some()
                });
                assert!(told, "{what}: lost {lost:?}, reported {:?}", reading.gaps);
            }
        }
        lab.disk.set(&lab.dir.join(&name), &whole);
    }
}

#[test]
fn recording_goes_on_after_a_flip_of_any_byte() {
    // Goal: damage never keeps anybody from recording, costs nothing more at recovery, and stays reported. Method: one
    // flip a byte, then a whole cycle of opening, appending, closing and reading.
    let files = reference(4000);
    let originals = entries_of(&files);
    let lab = Lab::with(&files);
    for name in segments(&files) {
        for at in 0..files[&name].len() {
            let what = format!("{name}: byte {at}");
            let mut damaged = files.clone();
            damaged.get_mut(&name).unwrap()[at] ^= 1 << (at % 8);
            lab.put(&damaged);
            let before = lab.read();
            assert_recovers(&lab, &before, *originals.last_key_value().unwrap().0, &what);
        }
    }
}
