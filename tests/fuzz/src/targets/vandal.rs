//! Changes to a journal's directory: files that go, come, change places, hold garbage or are of an older copy, lines
//! that come twice or in another order, and bytes that change.

use super::input::{Input, spoil};
use crate::support::{Files, Lab, reference, segment, segments, unclosed};
use foldlog::{ModelCallEnded, ModelCallStarted, TextDelta, TurnEnded, TurnStarted};
use std::sync::OnceLock;

/// Journals to spoil: one segment of a killed process, several segments, a compacted one, one with streams to compact, one
/// segment that a killed process had filled ahead.
pub fn bases() -> &'static [Files; 5] {
    static BASES: OnceLock<[Files; 5]> = OnceLock::new();
    BASES.get_or_init(|| {
        let compacted = Lab::with(&uncompacted());
        compacted.store.compact(crate::support::ID).unwrap();
        compacted.append_one();
        [unclosed(), reference(2500), compacted.files(), streamed(), filled_ahead()]
    })
}

/// What the compacted one was before.
fn uncompacted() -> Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    let make = || {
        let lab = Lab::with(&reference(1500));
        lab.append_one();
        lab.files()
    };
    FILES.get_or_init(make).clone()
}

/// Backups of the compacted one: as it was before, and one of an earlier time into which others have recorded since.
fn backups() -> &'static [Files; 2] {
    static BACKUPS: OnceLock<[Files; 2]> = OnceLock::new();
    BACKUPS.get_or_init(|| {
        let mut earlier = uncompacted();
        segments(&earlier).iter().skip(2).for_each(|name| drop(earlier.remove(name)));
        let lab = Lab::with(&earlier);
        for _ in 0..3 {
            lab.append_one();
        }
        [uncompacted(), lab.files()]
    })
}

/// Turns whose text streams in and is repeated by what ends them, in small segments.
fn streamed() -> Files {
    let lab = Lab::new();
    let options = foldlog::JournalOptions::default().segment_bytes(2500);
    let journal = lab.store.journal_with(crate::support::ID, options).unwrap();
    for turn in 0..6 {
        let id = format!("t-{turn}");
        journal.push(TurnStarted::new(&id, "go on")).unwrap();
        journal.push(ModelCallStarted::new(&id, "m")).unwrap();
        for piece in ["one ", "two ", "three"] {
            journal.push(TextDelta::new(&id, piece).model_call_id("m")).unwrap();
        }
        journal.push(ModelCallEnded::new(&id, "m").text("one two three")).unwrap();
        for piece in ["é", "\u{2028}"] {
            journal.push(TextDelta::new(&id, piece)).unwrap();
        }
        journal.push(TurnEnded::success(&id).response_content("é\u{2028}")).unwrap();
        journal.sync().unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    drop(journal);
    lab.files()
}

fn filled_ahead() -> Files {
    let lab = Lab::new();
    let journal = lab.store.journal_with(crate::support::ID, foldlog::JournalOptions::default().prefill(500)).unwrap();
    for draft in crate::support::reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    lab.files()
}

/// Does one thing to the directory.
pub fn vandalise(files: &mut Files, input: &mut Input<'_>) {
    let names = segments(files);
    let name = names.get(input.below(names.len())).cloned().unwrap_or_else(|| segment(1));
    match input.below(17) {
        0 => drop(files.remove(&name)),
        1 => {
            let copy = files.get(&name).cloned().unwrap_or_default();
            files.insert(segment(1 + input.below(9) as u64), copy);
        }
        2 => drop(files.insert(segment(1 + input.below(9) as u64), input.bytes(200).to_vec())),
        3 => drop(files.insert(format!("{:08}.{}.torn", 1, input.below(5000)), input.bytes(100).to_vec())),
        4 => drop(files.insert(format!("{name}.tmp"), input.bytes(100).to_vec())),
        5 => {
            let other = names.get(input.below(names.len())).cloned().unwrap_or_else(|| segment(1));
            let (one, two) = (files.remove(&name), files.remove(&other));
            files.extend(one.map(|bytes| (other, bytes)));
            files.extend(two.map(|bytes| (name, bytes)));
        }
        6 => {
            let foreign = input.choose(bases()).values().next().cloned().unwrap_or_default();
            move_line(&foreign, files.entry(name).or_default(), input);
        }
        7 | 8 => {
            let own = files.entry(name).or_default();
            move_line(&own.clone(), own, input);
        }
        9 => {
            let file = files.entry(name).or_default();
            let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                lines.remove(input.below(lines.len()));
            }
            *file = lines.concat();
        }
        16 => {
            let backup = input.choose(backups());
            let names = segments(backup);
            let name = names[input.below(names.len())].clone();
            files.insert(name.clone(), backup[&name].clone());
        }
        _ => spoil(files.entry(name).or_default(), input),
    }
}

/// Copies a whole line of one file to between two lines of another.
fn move_line(from: &[u8], to: &mut Vec<u8>, input: &mut Input<'_>) {
    let taken: Vec<&[u8]> = from.split_inclusive(|byte| *byte == b'\n').collect();
    let Some(line) = taken.get(input.below(taken.len())) else { return };
    let mut lines: Vec<&[u8]> = to.split_inclusive(|byte| *byte == b'\n').collect();
    lines.insert(input.below(lines.len() + 1), line);
    *to = lines.concat();
}
