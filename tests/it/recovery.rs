//! What damage does to a journal, and what opening it for writing makes of that: every truncation, every flipped bit,
//! and the shapes that crashes, editors and copies leave.

use crate::faulty::{Call, EIO, ENOSPC, Fate, Faulty};
use crate::support::{
    Files, ID, Lab, Reading, entries_of, lines, reference, reference_events, seal, segment, segments, seq_of, unclosed,
};
use foldlog::{ErrorKind, GapKind, JournalOptions, MAX_LINE, Store, TextDelta, TurnStarted};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

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
        lab.append_one();
        let new = lab.files().remove(&segment(2)).unwrap();
        let first = lines(&new).iter().find_map(|(_, line)| seq_of(line)).unwrap();
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

/// The reference journal in one segment, closed, with something done to its lines (line breaks excluded; the header is
/// the first), and what a reader makes of it.
fn damaged(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (Lab, Lines, Reading) {
    let mut files = reference(1 << 20);
    let originals = entries_of(&files);
    let mut all: Vec<Vec<u8>> = lines(&files[&segment(1)]).into_iter().map(|(_, line)| line.to_vec()).collect();
    change(&mut all);
    let bytes: Vec<u8> = all.into_iter().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    files.insert(segment(1), bytes);
    let lab = Lab::with(&files);
    let reading = lab.read();
    reading.assert_nothing_invented(&originals, "damaged");
    (lab, originals, reading)
}

#[test]
fn recovery_done_twice_changes_nothing_the_second_time() {
    // Goal: opening without appending settles the tail once and writes nothing more. Method: compare the files.
    let mut files = unclosed();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(b"{\"seq\":35,\"synced\":3");
    let lab = Lab::with(&files);
    let files = || lab.files().into_iter().filter(|(name, _)| name != "LOCK").collect::<Files>();
    drop(lab.open());
    let once = files();
    let first = lab.open().recovered().clone();
    assert_eq!(files(), once);
    assert_eq!(lab.open().recovered(), &first);
    assert!(once.keys().any(|name| name.ends_with(".torn")), "{:?}", once.keys());
    let seq = lab.append_one();
    let reading = lab.read();
    assert!(reading.is_clean() && reading.entries.contains_key(&seq), "{:?}", reading.gaps);
}

#[test]
fn recovery_killed_at_any_step_ends_the_same() {
    // Goal: whatever a kill leaves half done, the next opening finishes. Method: let the n-th change of the disk and all
    // after it fail, for every n, then recover with a sound disk; three such kills in a row for each.
    let mut files = unclosed();
    let torn = b"{\"seq\":35,\"synced\":34,\"time\":\"20";
    files.get_mut(&segment(1)).unwrap().extend_from_slice(torn);
    let (mut steps, mut reached_the_end) = (0, false);
    while !reached_the_end {
        let lab = Lab::with(&files);
        let originals = entries_of(&files);
        for _ in 0..3 {
            let disk = Faulty::new(lab.disk.clone());
            let store = Store::open_on(disk.clone(), "/lab").unwrap();
            let mut left = steps;
            disk.rule(move |call, path| {
                if !call.changes() || path.ends_with("LOCK") {
                    return Fate::Done;
                }
                left -= 1;
                if left < 0 { Fate::Fails(EIO) } else { Fate::Done }
            });
            let appended = store.journal(ID).map(|journal| {
                let ticket = journal.append(TextDelta::new("t-9", "x")).map(|ticket| ticket.wait());
                matches!(ticket, Ok(Ok(_)))
            });
            reached_the_end = matches!(appended, Ok(true));
        }
        let seq = lab.append_one();
        let reading = lab.read();
        assert!(reading.is_clean(), "killed after {steps} steps: {:?}", reading.gaps);
        assert!(originals.iter().all(|(seq, line)| reading.entries.get(seq) == Some(line)), "after {steps} steps");
        assert!(reading.entries.contains_key(&seq));
        let kept = lab.files().into_iter().find(|(name, _)| name.ends_with(".torn"));
        assert_eq!(kept.map(|(_, bytes)| bytes), Some(torn.to_vec()), "after {steps} steps");
        steps += 1;
    }
    assert!(steps > 8, "only {steps} steps were seen");
}

#[test]
fn a_torn_end_that_cannot_be_copied_is_not_cut() {
    // Goal: no byte is cut without its copy. Method: no room for the copy; the next header then ends the segment.
    let mut files = unclosed();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(b"{\"seq\":35,\"sy");
    let lab = Lab::with(&files);
    let disk = Faulty::new(lab.disk.clone());
    disk.rule(|call, path| match call {
        Call::Write(..) if path.to_string_lossy().ends_with(".part") => Fate::Fails(ENOSPC),
        _ => Fate::Done,
    });
    let journal = Store::open_on(disk, "/lab").unwrap().journal(ID).unwrap();
    journal.append(TextDelta::new("t-9", "x")).unwrap().wait().unwrap();
    drop(journal);
    assert_eq!(lab.files()[&segment(1)], files[&segment(1)]);
    let reading = lab.read();
    assert!(reading.is_clean(), "{:?}", reading.gaps);
    assert_eq!(reading.gaps[0].kind, GapKind::BehindSeal);
}

#[test]
fn a_sealed_segment_cut_at_any_byte_is_reported_as_lost() {
    // Goal: what a seal promises and the file does not hold is told exactly. Method: every length of the first segment.
    let files = reference(4000);
    let originals = entries_of(&files);
    let whole = files[&segment(1)].clone();
    let lab = Lab::with(&files);
    for len in 0..whole.len() {
        lab.disk.set(&lab.dir.join(segment(1)), &whole[..len]);
        let reading = lab.read();
        reading.assert_nothing_invented(&originals, "cut");
        let kept = lines(&whole[..len]).iter().filter(|(_, line)| seq_of(line).is_some()).count();
        let missing: Vec<u64> = lines(&whole).iter().filter_map(|(_, line)| seq_of(line)).skip(kept).collect();
        assert_eq!(lost(&originals, &reading), missing, "cut to {len}");
        let gap = reading.gaps.iter().find(|gap| gap.kind == GapKind::Lost);
        let gap = gap.unwrap_or_else(|| panic!("cut to {len}: {:?}", reading.gaps));
        let told = (gap.segment, gap.first_seq.map(|seq| seq.get()), gap.last_seq.map(|seq| seq.get()), gap.explained);
        assert_eq!(told, (1, missing.first().copied(), missing.last().copied(), false), "cut to {len}");
        assert_eq!((gap.acknowledged, gap.offset + gap.bytes), (Some(true), whole.len() as u64), "cut to {len}");
    }
}

#[test]
fn a_vanished_segment_is_reported_as_lost() {
    // Goal: the segment after it, and the newest header, tell that it is gone. Method: remove each but the last.
    let files = reference(2500);
    let originals = entries_of(&files);
    let all = segments(&files);
    for (at, name) in all.iter().enumerate().take(all.len() - 1) {
        let mut fewer = files.clone();
        let missing: Vec<u64> =
            lines(&fewer.remove(name).unwrap()).iter().filter_map(|(_, line)| seq_of(line)).collect();
        let lab = Lab::with(&fewer);
        let reading = lab.read();
        assert_eq!(lost(&originals, &reading), missing, "{name}");
        let [gap] = reading.gaps.as_slice() else { panic!("{name}: {:?}", reading.gaps) };
        assert_eq!((gap.kind, gap.segment, gap.acknowledged), (GapKind::Lost, at as u64 + 1, Some(true)), "{name}");
        assert_eq!(gap.first_seq.map(|seq| seq.get()), missing.first().copied(), "{name}");
        assert_eq!(gap.last_seq.map(|seq| seq.get()), missing.last().copied(), "{name}");
        lab.append_one();
    }
}

#[test]
fn two_vanished_segments_in_a_row_are_one_loss() {
    // Goal: nothing between the good neighbours goes untold. Method: remove two that touch.
    let files = reference(1500);
    let originals = entries_of(&files);
    assert!(segments(&files).len() >= 4, "{:?}", segments(&files));
    let mut fewer = files.clone();
    fewer.remove(&segment(2));
    fewer.remove(&segment(3));
    let reading = Lab::with(&fewer).read();
    let gone = lost(&originals, &reading);
    let covers = |seq: u64| {
        reading.gaps.iter().any(|gap| {
            gap.kind == GapKind::Lost
                && gap.first_seq.is_some_and(|first| first.get() <= seq)
                && gap.last_seq.is_some_and(|last| last.get() >= seq)
        })
    };
    assert!(!gone.is_empty() && gone.iter().all(|seq| covers(*seq)), "{gone:?} {:?}", reading.gaps);
}

#[test]
fn bytes_behind_a_seal_are_reported_and_never_read() {
    // Goal: a writer that was shut out cannot add to a sealed segment. Method: whole good lines behind the seal.
    let mut files = reference(4000);
    let originals = entries_of(&files);
    let (last, body) =
        (originals.len() as u64, "\"time\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"a.b\",\"data\":{}");
    for seq in [last + 1, 3] {
        let line = seal(&format!("{{\"seq\":{seq},\"synced\":0,{body}"));
        files.get_mut(&segment(1)).unwrap().extend_from_slice(&line);
    }
    let reading = Lab::with(&files).read();
    assert_eq!(reading.entries, originals);
    assert_eq!(reading.kinds(), ["behind_seal"]);
    assert!(!reading.is_clean());
}

#[test]
fn nul_runs_are_damage_wherever_they_stand() {
    // Goal: NULs at the tail, between lines and before a line cost nothing; inside a line they cost that line.
    let nuls = vec![0u8; 5000];
    let mut files = unclosed();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(&nuls);
    let (originals, lab) = (entries_of(&files), Lab::with(&files));
    let reading = lab.read();
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["torn"]));
    let seq = lab.append_one();
    assert!(seq >= originals.len() as u64 + 5000 / 96, "{seq}");
    assert!(lab.read().is_clean());

    let (_, originals, reading) = damaged(|all| all.insert(10, nuls.clone()));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]), "a line of NULs");

    let (_, originals, reading) = damaged(|all| all[10] = [nuls.clone(), all[10].clone()].concat());
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]), "NULs before a line");

    let (_, originals, reading) = damaged(|all| all[10].extend_from_slice(&nuls));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]), "NULs behind a line");

    let (_, originals, reading) = damaged(|all| all[10][30..60].fill(0));
    assert_eq!((lost(&originals, &reading), reading.kinds()), (vec![10], vec!["corrupt"]), "NULs inside a line");
    assert_eq!(reading.gaps[0].acknowledged, Some(true));
}

#[test]
fn glued_lines_are_salvaged() {
    // Goal: a missing line break, or a torn line with whole ones behind it, costs nothing that is whole.
    let (_, originals, reading) = damaged(|all| {
        let next = all.remove(11);
        all[10].extend_from_slice(&next);
    });
    assert_eq!(reading.entries, originals, "two whole lines without a line break");

    let (lab, originals, reading) = damaged(|all| {
        let next = all.remove(11);
        all[10].truncate(70);
        all[10].extend_from_slice(&next);
    });
    assert_eq!(lost(&originals, &reading), [10], "a torn line, then the next");
    assert_eq!((reading.kinds(), reading.gaps[0].bytes), (vec!["corrupt"], 70));
    lab.append_one();
    assert_eq!(lost(&originals, &lab.read()), [10]);

    let (_, originals, reading) = damaged(|all| {
        let whole = all[10].clone();
        all[10].truncate(70);
        all[10].extend_from_slice(&whole);
    });
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]), "a torn line, then itself");

    let (_, originals, reading) = damaged(|all| {
        let five: Vec<u8> = all.drain(11..16).flatten().collect();
        all[10].extend_from_slice(&five);
    });
    assert_eq!(reading.entries, originals, "six lines in one");
}

#[test]
fn a_line_without_its_line_break_at_the_very_end_is_no_line() {
    // Goal: what follows the last line break is never salvaged, even if it is whole. Method: cut that one byte.
    let mut files = unclosed();
    let originals = entries_of(&files);
    let bytes = files.get_mut(&segment(1)).unwrap();
    assert_eq!(bytes.pop(), Some(b'\n'));
    let lab = Lab::with(&files);
    let last = originals.len() as u64;
    assert_eq!(lost(&originals, &lab.read()), [last]);
    assert!(lab.append_one() > last);
    assert!(lab.read().is_clean());
}

#[test]
fn copies_of_a_line_are_dropped_and_conflicts_reported() {
    // Goal: a number is given once. A copy is no loss; other bytes under the same number are a finding.
    let (_, originals, reading) = damaged(|all| all.insert(11, all[10].clone()));
    assert_eq!((&reading.entries, reading.gaps.len()), (&originals, 0), "a copy right behind");

    let (_, originals, reading) = damaged(|all| all.insert(30, all[10].clone()));
    assert_eq!((&reading.entries, reading.gaps.len()), (&originals, 0), "a copy much later");

    let other = "{\"seq\":10,\"synced\":0,\"time\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"a.b\",\"data\":{}";
    let other = seal(other);
    let (_, originals, reading) = damaged(|all| all.insert(12, other[..other.len() - 1].to_vec()));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["duplicate"]));
    assert!(!reading.is_clean());
}

#[test]
fn swapped_lines_are_reported_and_never_given_late() {
    // Goal: the order of numbers holds for whoever reads. Method: swap two lines.
    let (_, originals, reading) = damaged(|all| all.swap(10, 11));
    assert_eq!(lost(&originals, &reading), [10]);
    assert_eq!(reading.kinds(), ["missing", "duplicate"]);
}

#[test]
fn a_removed_line_is_missed() {
    // Goal: numbers without bytes are a gap of their own, known to have been durable by the lines after it.
    let (_, originals, reading) = damaged(|all| drop(all.remove(10)));
    assert_eq!((lost(&originals, &reading), reading.kinds()), (vec![10], vec!["missing"]));
    assert_eq!(reading.gaps[0].acknowledged, Some(true));
}

#[test]
fn lines_typed_by_a_user_are_foreign_and_harm_nothing() {
    // Goal: text, JSON of another kind and blank lines between ours are reported and skipped.
    for typed in ["hello", "{\"type\":\"turn_started\"}", "", "{\"seq\":11}", "[]", "\u{feff}"] {
        let (lab, originals, reading) = damaged(|all| all.insert(11, typed.into()));
        assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]), "{typed:?}");
        lab.append_one();
    }
    // A good checksum on what is not our envelope is foreign too.
    let sealed = seal("{\"type\":\"a.b\",\"seq\":11");
    let (_, originals, reading) = damaged(|all| all.insert(11, sealed[..sealed.len() - 1].to_vec()));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]));
}

#[test]
fn a_segment_copied_from_another_journal_hides_nothing_of_ours() {
    // Goal: a stranger's file is reported whole and never read, whatever its number. Method: copy one in as an older, a
    // newer and a misnamed segment.
    let ours = reference(4000);
    let originals = entries_of(&ours);
    let stranger = |segment_bytes: u64| {
        let lab = Lab::new();
        let journal = lab.store.journal_with("s-2", JournalOptions::default().segment_bytes(segment_bytes)).unwrap();
        for draft in reference_events() {
            journal.push(draft).unwrap();
        }
        journal.close().wait().unwrap();
        lab.disk.files(&lab.dir.with_file_name("s-2"))
    };
    let theirs = stranger(300);
    let newest = segments(&ours).len() as u64;
    for (number, from) in [(newest + 1, newest + 1), (newest + 5, 1), (newest + 1, 1), (newest + 9, newest + 9)] {
        let mut files = ours.clone();
        files.insert(segment(number), theirs[&segment(from)].clone());
        let lab = Lab::with(&files);
        let reading = lab.read();
        let what = format!("their segment {from} as our {number}");
        assert_eq!(reading.entries, originals, "{what}: {:?}", reading.gaps);
        assert_eq!(reading.kinds(), ["foreign"], "{what}");
        let seq = lab.append_one();
        let after = lab.read();
        assert!(after.entries.contains_key(&seq) && after.entries.len() > originals.len(), "{what}: {:?}", after.gaps);
        assert_eq!(after.kinds(), ["foreign"], "{what}");
    }
}

#[test]
fn empty_and_header_less_newest_files_were_never_created() {
    // Goal: what a crash leaves before a header is on disk is no gap, stays where it is, and its number is not reused.
    for left in [&b""[..], b"{\"foldlog\":1,\"jour", &[0; 300]] {
        let mut files = unclosed();
        let originals = entries_of(&files);
        files.insert(segment(2), left.to_vec());
        let lab = Lab::with(&files);
        let reading = lab.read();
        assert_eq!((&reading.entries, reading.gaps.len()), (&originals, 0));
        let seq = lab.append_one();
        let after = lab.files();
        assert_eq!(after[&segment(2)], left);
        assert!(after.contains_key(&segment(3)));
        let reading = lab.read();
        assert!(reading.is_clean() && reading.entries.contains_key(&seq), "{:?}", reading.gaps);
    }
}

#[test]
fn the_number_of_a_segment_of_which_only_a_cut_is_left_is_not_given_again() {
    // Goal: the kept bytes of a cut are never taken for those of another segment, at whose end they happen to begin: that
    // would count them as bytes that nobody has verified. Method: only a `.torn` file is left; a journal is closed over it.
    let first = {
        let lab = Lab::new();
        lab.append_one();
        lab.files()[&segment(1)].len()
    };
    for offset in first - 2..=first + 2 {
        let lab = Lab::with(&Files::from([(format!("00000001.{offset}.torn"), b"kept".to_vec())]));
        lab.append_one();
        assert_eq!(segments(&lab.files()), [segment(2)]);
        assert!(lab.open().recovered().clean, "{offset}");
        assert!(lab.read().is_clean(), "{:?}", lab.read().gaps);
    }
}

#[test]
fn a_first_segment_of_which_nothing_is_left_is_not_passed_over() {
    // Goal: a file that held lines cannot have been a crash before its header. Method: every line spoiled, as by a tool
    // that rewrites line ends, or by zeros over the whole file.
    let files = reference(1 << 20);
    let crlf = String::from_utf8(files[&segment(1)].clone()).unwrap().replace('\n', "\r\n").into_bytes();
    for bytes in [crlf, vec![0; 10 << 20]] {
        let lab = Lab::with(&Files::from([(segment(1), bytes)]));
        let reading = lab.read();
        assert!(reading.entries.is_empty());
        assert!(!reading.is_clean(), "nothing was read, and nothing is reported");
        let seq = lab.append_one();
        let reading = lab.read();
        assert!(reading.entries.contains_key(&seq) && !reading.is_clean(), "{:?}", reading.gaps);
    }
}

#[test]
fn one_line_with_a_carriage_return_is_a_bad_line_and_no_more() {
    // Goal: readers split on 0x0A only; an edited line end is damage to its line. Method: one CR.
    let (_, originals, reading) = damaged(|all| all[10].push(b'\r'));
    assert_eq!((lost(&originals, &reading), reading.kinds()), (vec![10], vec!["corrupt"]));
}

#[test]
fn bytes_that_the_disk_refuses_are_a_gap_and_not_the_end() {
    // Goal: an unreadable sector costs the lines in it. Method: reads of one sector in the middle fail.
    let lab = Lab::new();
    let journal = lab.open();
    for number in 0..100 {
        let text = format!("{number} {}", "x".repeat(200));
        journal.append(TextDelta::new("t-1", text)).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    let originals = entries_of(&lab.files());
    let disk = Faulty::new(lab.disk.clone());
    disk.rule(|call, path| match call {
        Call::Read(len, at) if path.ends_with("00000001.jsonl") && at < 12288 && at + len as u64 > 8192 => {
            Fate::Fails(EIO)
        }
        _ => Fate::Done,
    });
    let store = Store::open_on(disk, "/lab").unwrap();
    let reading = Reading::of(&store.reader(ID).unwrap());
    reading.assert_nothing_invented(&originals, "a bad sector");
    let lost = lost(&originals, &reading);
    let hit: Vec<u64> = lines(&lab.files()[&segment(1)])
        .iter()
        .filter(|(at, line)| *at < 12288 && at + line.len() >= 8192)
        .filter_map(|(_, line)| seq_of(line))
        .collect();
    assert_eq!(lost, hit);
    assert_eq!(reading.kinds(), ["corrupt"]);
    // Recovery reads the same file and must not stop at it either.
    let journal = store.journal(ID).unwrap();
    journal.append(TextDelta::new("t-2", "on")).unwrap().wait().unwrap();
}

#[test]
fn an_endless_line_is_passed_in_bounded_memory() {
    // Goal: a line longer than any may be is skipped piece by piece, and what follows is read. Method: a sparse run of
    // NULs in the middle of a file on a real disk.
    let root = tempfile::tempdir().unwrap();
    let files = unclosed();
    let originals = entries_of(&files);
    let dir = root.path().join(ID);
    std::fs::create_dir(&dir).unwrap();
    let whole = &files[&segment(1)];
    let half = lines(whole)[20].0;
    let endless = 2 * MAX_LINE as u64 + 12345;
    let file = std::fs::File::create(dir.join(segment(1))).unwrap();
    file.write_all_at(&whole[..half], 0).unwrap();
    file.write_all_at(&whole[half..], half as u64 + endless).unwrap();
    let reader = Store::open(root.path()).unwrap().reader(ID).unwrap();
    let reading = Reading::of(&reader);
    assert_eq!(reading.entries, originals);
    assert_eq!((reading.kinds(), reading.gaps[0].bytes), (vec!["foreign"], endless));
}

#[test]
fn an_endless_line_at_the_end_is_a_torn_tail() {
    // Goal: the same at the very end, without a line break. Method: NULs behind the last line, longer than any line.
    let root = tempfile::tempdir().unwrap();
    let files = unclosed();
    let dir = root.path().join(ID);
    std::fs::create_dir(&dir).unwrap();
    let whole = &files[&segment(1)];
    let file = std::fs::File::create(dir.join(segment(1))).unwrap();
    file.write_all_at(whole, 0).unwrap();
    file.set_len(whole.len() as u64 + MAX_LINE as u64 + 99).unwrap();
    let reading = Reading::of(&Store::open(root.path()).unwrap().reader(ID).unwrap());
    assert_eq!((&reading.entries, reading.kinds()), (&entries_of(&files), vec!["torn"]));
    assert_eq!(reading.gaps[0].bytes, MAX_LINE as u64 + 99);
}

#[test]
fn a_newer_format_is_read_and_never_written() {
    // Goal: a version or feature we do not know is named; what can be read is; recording refuses. Method: another
    // header over the same lines.
    for (from, to) in [("{\"foldlog\":1,", "{\"foldlog\":2,"), ("\"needs\":[]", "\"needs\":[\"x-ray\"]")] {
        let (lab, originals, reading) = damaged(|all| {
            let header = String::from_utf8(all[0][..all[0].len() - 18].to_vec()).unwrap().replace(from, to);
            all[0] = seal(&header);
            all[0].pop();
        });
        assert_eq!(reading.entries, originals);
        assert!(lab.store.reader(ID).unwrap().unsupported().is_some());
        let before = lab.files();
        assert_eq!(lab.store.journal(ID).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(segments(&lab.files()), segments(&before));
    }
}

#[test]
fn an_entry_salvaged_from_the_last_line_survives_recovery() {
    // Goal: recovery must not cut the line break that such an entry needs to be found again. Method: a whole entry with
    // the start of another glued to it, then a line break, at the very end of the newest segment.
    let mut files = unclosed();
    let originals = entries_of(&files);
    let bytes = files.get_mut(&segment(1)).unwrap();
    bytes.pop();
    bytes.extend_from_slice(b"{\"seq\":35,\"synced\":34,\n");
    for more in [&b""[..], b"{\"seq\":36,\"sy"] {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap().extend_from_slice(more);
        let lab = Lab::with(&files);
        assert_eq!(lab.read().entries, originals);
        let seq = lab.append_one();
        let reading = lab.read();
        assert!(originals.iter().all(|(seq, line)| reading.entries.get(seq) == Some(line)));
        assert!(seq > 35 && reading.entries.contains_key(&seq), "{seq}");
        // What stands on its line behind it may have borne a number: the log accounts for it.
        assert!(reading.gaps.iter().all(|gap| gap.explained), "{:?}", reading.gaps);
    }
}

#[test]
fn a_session_began_with_its_first_segment_also_behind_a_file_that_was_never_created() {
    // Goal: `created_at` does not move with every opening. Method: a crash has left an empty first file.
    let lab = Lab::new();
    lab.disk.set(&lab.dir.join(segment(1)), b"");
    lab.append_one();
    let began = lab.store.get(ID).unwrap().created_at;
    lab.append_one();
    assert_eq!(lab.store.get(ID).unwrap().created_at, began);
}

#[test]
fn a_spoiled_header_that_named_much_was_no_more_than_a_header() {
    // Goal: a crash that leaves garbage where the next segment's header was to be leaves no damage, however much is open
    // and so named in it. Method: many turns with long names; garbage as long as the header.
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(12_000)).unwrap();
    for number in 0.. {
        let id = format!("{number:04}-{}", "a turn with a long name ".repeat(8));
        journal.append(TurnStarted::new(id, "go on")).unwrap().wait().unwrap();
        if segments(&lab.files()).len() > 1 {
            break;
        }
    }
    drop(journal);
    let path = lab.dir.join(segment(2));
    let bytes = lab.disk.get(&path);
    let header_end = lines(&bytes)[1].0;
    assert!(header_end > 5000, "{header_end}");
    lab.disk.overwrite(&path, &vec![b'#'; header_end]);
    let recovered = lab.open().recovered().clone();
    assert_eq!((recovered.cuts.len(), recovered.gaps.len()), (1, 0), "{recovered:?}");
    let before = lab.read();
    lab.append_one();
    let after = lab.read();
    assert!(before.is_clean() && after.is_clean(), "{:?} {:?}", before.gaps, after.gaps);
}
