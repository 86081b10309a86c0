//! Recovery: whatever lies in a journal's directory, reading it ends and invents nothing, what still stands there is given
//! out or reported, opening it for writing keeps everything that could be read, keeps what it cuts, and is done after one
//! time.

use super::input::Input;
use super::vandal::{bases, vandalise};
use crate::support::{Files, ID, Lab, Reading, entries_of, holds, lines, segments};
use foldlog::{ErrorKind, Gap, TextDelta};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let base = &bases()[input.below(bases().len())];
    let mut files = base.clone();
    for _ in 0..1 + input.below(6) {
        vandalise(&mut files, &mut input);
    }
    let lab = Lab::with(&files);
    let Ok(reader) = lab.store.reader(ID) else { return record_on(&lab, &Reading::default()) };
    let before = Reading::of(&reader);
    assert_honest(&before, &files);
    assert_told(base, &files, &before);
    let report = reader.verify().unwrap();
    assert_eq!((report.entries, &report.gaps), (before.entries.len() as u64, &before.gaps));
    assert_eq!(report.clean, before.is_clean());
    record_on(&lab, &before);
}

/// Opens it for writing, looks at what that has done, and appends.
fn record_on(lab: &Lab, before: &Reading) {
    let files = without_lock(lab);
    let journal = match lab.store.journal(ID) {
        Ok(journal) => journal,
        Err(error) => {
            // A directory of another session, or of a later version: only a header with a good checksum can say so.
            assert!(matches!(error.kind(), ErrorKind::WrongSession | ErrorKind::Unsupported), "{error}");
            assert_eq!(without_lock(lab), files, "a refused opening has changed something");
            return;
        }
    };
    drop(journal);
    let recovered = without_lock(lab);
    assert_only_copied_bytes_were_cut(&files, &recovered);
    drop(lab.store.journal(ID).unwrap());
    assert_eq!(without_lock(lab), recovered, "a second recovery has changed something");

    let journal = lab.store.journal(ID).unwrap();
    let seq = journal.append(TextDelta::new("t", "on")).unwrap().wait().unwrap().get();
    assert!(before.entries.last_key_value().is_none_or(|(last, _)| *last < seq), "{seq} had been given before");
    journal.close().wait().unwrap();
    drop(journal);
    let after = lab.read();
    assert!(after.entries.contains_key(&seq), "what was appended cannot be read: {:?}", after.gaps);
    for (seq, line) in &before.entries {
        assert_eq!(after.entries.get(seq), Some(line), "entry {seq} could be read before recovery");
    }
    let unexplained = |reading: &Reading| reading.gaps.iter().filter(|gap| !gap.explained).count();
    let most = unexplained(before) + 1 + never_created(&files);
    assert!(unexplained(&after) <= most, "{:?} was {:?}", after.gaps, before.gaps);
    let again = lab.store.journal(ID).unwrap();
    assert!(again.recovered().clean, "a journal that was closed is not clean: {:?}", again.recovered());
}

/// How many segments may have passed for never created. A header that follows and reaches them says that they were.
fn never_created(files: &Files) -> usize {
    let good = |bytes: &[u8]| lines(bytes).iter().any(|(_, line)| holds(line));
    segments(files).iter().filter(|name| !good(&files[*name])).count()
}

/// The lock's file says since when it is held.
fn without_lock(lab: &Lab) -> Files {
    let mut files = lab.files();
    files.remove("LOCK");
    files
}

/// Whatever is read verifies by our own check and stands in the files, byte for byte.
fn assert_honest(reading: &Reading, files: &Files) {
    let whole = entries_of(files);
    for (seq, line) in &reading.entries {
        assert!(holds(line));
        let stands = |bytes: &Vec<u8>| memchr::memmem::find(bytes, line).is_some();
        assert!(whole.get(seq) == Some(line) || files.values().any(stands), "{}", line.escape_ascii());
    }
}

/// What was recorded and is not given out is within a gap that the log does not explain, or behind the last entry: an end
/// that was cut off at a line's end leaves no trace. In a compacted segment numbers are missing on purpose, so that one gap
/// says that it is damaged, and not all that it has lost; a header from elsewhere may say that a segment is such a one.
fn assert_told(base: &Files, files: &Files, reading: &Reading) {
    let compacted =
        base.values().chain(files.values()).any(|bytes| memchr::memmem::find(bytes, b"\"compacted\":{").is_some());
    let last = reading.entries.last_key_value().map_or(0, |(last, _)| *last);
    for seq in entries_of(base).into_keys().filter(|seq| *seq < last && !reading.entries.contains_key(seq)) {
        let covers = |gap: &Gap| {
            let (first, last) = (gap.first_seq, gap.last_seq);
            let within = first.is_none_or(|first| first.get() <= seq) && last.is_none_or(|last| last.get() >= seq);
            !gap.explained && (within || compacted)
        };
        assert!(reading.gaps.iter().any(covers), "{seq} is missing, and nothing says so: {:?}", reading.gaps);
    }
}

/// No file is gone or other than it was, but for ends that were cut and are kept; of line feeds at the very end, which may
/// have been room for lines, none need be.
fn assert_only_copied_bytes_were_cut(before: &Files, after: &Files) {
    for (name, old) in before {
        let new = after.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        if new == old {
            continue;
        }
        assert!(old.starts_with(new), "{name} was changed otherwise than at its end");
        let torn = format!("{}.{}.torn", name.trim_end_matches(".jsonl"), new.len());
        let kept = after.get(&torn).map_or(&[][..], Vec::as_slice);
        let not_kept = old[new.len()..].strip_prefix(kept).unwrap_or_else(|| panic!("{torn} is something else"));
        assert!(not_kept.iter().all(|byte| *byte == b'\n'), "{torn}: {} was not kept", not_kept.escape_ascii());
    }
}

/// One way of changing at a time, at several places, in each of the journals.
pub fn seeds() -> Vec<Vec<u8>> {
    let one = |base: u8, what: u8| {
        vec![base, 1, what, base, 3 * what, what.wrapping_mul(21), what, 5, 9, 200, 13, 10, 0, 255, 1, 2, 3, 4, 5, 6]
    };
    (0..bases().len() as u8).flat_map(|base| (0..17).map(move |what| one(base, what))).collect()
}
