//! Segments whose header is missing or bad: damage, and what the header would have said is counted from the last good one.

use crate::forge::{entry, header, journal, members};
use crate::support::{Files, ID, Lab, lines, segment};
use foldlog::{DiskStorage, JournalOptions, ModelCallEnded, Store, TurnStarted};
use serde_json::json;

/// A file without its first line.
fn behead(files: &mut Files, number: u64) {
    let bytes = files.get_mut(&segment(number)).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    bytes.drain(..=end);
}

#[test]
fn a_header_that_is_gone_or_bad_is_one_gap_at_the_beginning_and_costs_no_entry() {
    // Goal: format 5, `header`: a gap of 0 bytes where the line is gone, of the line where it is bad, and only of what comes
    // before the first entry where the line break is gone. Method: each in the first, a middle and the newest segment.
    let whole = journal(&[1..=2, 3..=4, 5..=6]);
    for number in 1..=3 {
        let header_len = lines(&whole[&segment(number)])[1].0;
        let gone: fn(&mut Vec<u8>, usize) = |bytes, len| drop(bytes.drain(..len));
        let bad: fn(&mut Vec<u8>, usize) = |bytes, _| bytes[20] ^= 1;
        let glued: fn(&mut Vec<u8>, usize) = |bytes, len| drop(bytes.drain(len - 1..len));
        for (change, bytes) in [(gone, 0), (bad, header_len), (glued, header_len - 1)] {
            let mut files = whole.clone();
            change(files.get_mut(&segment(number)).unwrap(), header_len);
            let reading = Lab::with(&files).read();
            assert_eq!(reading.seqs(), [1, 2, 3, 4, 5, 6], "{number}");
            let gap = reading.gaps.iter().find(|gap| gap.kind.as_str() == "header").unwrap();
            assert_eq!((gap.segment, gap.offset, gap.bytes), (number, 0, bytes as u64));
            assert_eq!((gap.first_seq, gap.acknowledged, gap.explained), (None, None, false));
        }
    }
}

#[test]
fn an_empty_file_that_nothing_was_recorded_in_has_no_header_gap() {
    let mut files = journal(&[1..=2, 3..=4]);
    files.insert(segment(3), Vec::new());
    assert!(Lab::with(&files).read().is_clean());
}

#[test]
fn what_a_header_would_have_said_is_counted_on_from_the_last_good_one() {
    // Goal: open turns, counts and the last id survive the loss of headers, for a writer too. Method: five openings, each
    // of which leaves a turn open; the headers of the newest, of the three newest and of all are gone.
    let record = || {
        let lab = Lab::new();
        for number in 1..=5 {
            let journal = lab.open();
            let draft =
                foldlog::Draft::from(TurnStarted::new(format!("t-{number}"), "go on")).id(format!("id-{number}"));
            journal.append(draft).unwrap().wait().unwrap();
            let call = ModelCallEnded::new(format!("t-{number}"), "m-1").cost_usd_micros(100);
            journal.append(call).unwrap().wait().unwrap();
            drop(journal);
        }
        lab.files()
    };
    for gone in [vec![5], vec![3, 4, 5], vec![1, 2, 3, 4, 5]] {
        let mut files = record();
        gone.iter().for_each(|number| behead(&mut files, *number));
        let lab = Lab::with(&files);
        let glance = lab.store.reader(ID).unwrap().glance().unwrap();
        assert_eq!((glance.turns, glance.open.len(), glance.damaged), (5, 5, true), "{gone:?}");
        let journal = lab.open();
        assert_eq!(journal.open_turns().len(), 5, "{gone:?}");
        assert_eq!(journal.last_id(), Some("id-5"), "{gone:?}");
        journal.append(TurnStarted::new("t-6", "more")).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        drop(journal);
        let closed = lab.read().entries.pop_last().unwrap().1;
        assert!(String::from_utf8_lossy(&closed).contains("\"turns\":6"), "{}", String::from_utf8_lossy(&closed));
        assert!(String::from_utf8_lossy(&closed).contains("\"cost_usd_micros\":500"), "{gone:?}");
    }
}

#[test]
fn thousands_of_segments_without_a_header_are_opened_and_read() {
    // Goal: no recursion, and no file kept open for each of them. Method: more than any stack or table of descriptors here.
    let files: Files = (1..=3_000).map(|number| (segment(number), entry(number))).collect();
    let lab = Lab::with(&files);
    let seq = lab.append_one();
    assert!(seq > 3_000);
    let report = lab.store.reader(ID).unwrap().verify().unwrap();
    assert_eq!(report.entries, 3_003);
    assert_eq!(report.gaps.iter().filter(|gap| gap.kind.as_str() == "header").count(), 3_000);
}

#[test]
fn the_work_grows_with_the_files_and_not_with_their_square() {
    // Goal: reading, opening and compacting take time in proportion to the files, whatever they hold. Method: calls of the
    // storage are counted over a number of hostile files and over four times as many.
    let lonely: fn(u64) -> Vec<u8> = |number| {
        [header(2 * number, 2 * number, Some((2 * number - 1, 2 * number - 1, 400))), entry(2 * number)].concat()
    };
    let far: fn(u64) -> Vec<u8> = |number| {
        let mut members = members(number, number, Some((number.saturating_sub(2), number - 1, 400)));
        members["compacted"] = json!({"through": number, "last_seq": number, "last_bytes": 9, "entries": 3});
        [crate::forge::header_of(&members), entry(number)].concat()
    };
    let each = |step: u64, make: fn(u64) -> Vec<u8>| {
        move |count: u64| -> Files { (1..=count).map(|number| (segment(step * number), make(number))).collect() }
    };
    let spoiled = |count: u64| {
        let mut files = journal(&(1..=count).map(|number| number..=number).collect::<Vec<_>>());
        for bytes in files.values_mut() {
            let at = bytes.len() - 30;
            bytes[at] ^= 1;
        }
        files
    };
    type Make = Box<dyn Fn(u64) -> Files>;
    let shapes: [(&str, Make); 5] = [
        ("headless", Box::new(each(1, entry))),
        ("every second one is missing", Box::new(each(2, lonely))),
        ("far", Box::new(each(1, far))),
        ("garbage", Box::new(each(1, |_| b"x\ny\n".to_vec()))),
        ("a bad line in each", Box::new(spoiled)),
    ];
    for (what, make) in shapes {
        let calls = |count: u64| {
            let lab = Lab::with(&make(count));
            let mut before = lab.disk.calls();
            let mut since = || {
                let now = lab.disk.calls();
                now - std::mem::replace(&mut before, now)
            };
            lab.store.reader(ID).unwrap().verify().unwrap();
            let read = since();
            lab.append_one();
            let recorded = since();
            lab.store.compact(ID).unwrap();
            [read, recorded, since()]
        };
        // Above 100 small segments an opening merges them in the background: both counts are.
        let (small, large) = (calls(120), calls(480));
        let in_proportion = small.iter().zip(large).all(|(small, large)| large <= small * 5);
        assert!(in_proportion, "{what}: {small:?} calls became {large:?}");
    }
}

#[test]
fn a_hole_of_the_file_system_is_neither_read_nor_copied() {
    // Goal: a tail of 100 GiB that holds nothing costs nothing. Method: a sparse file; each command would take minutes.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open_on(DiskStorage, root.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default()).unwrap();
    journal.append(TurnStarted::new("t-1", "hi")).unwrap().wait().unwrap();
    drop(journal);
    let path = root.path().join(ID).join(segment(1));
    let end = std::fs::metadata(&path).unwrap().len();
    let torn = b"{\"seq\":7,\"torn";
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let hole = 100 << 30;
    std::os::unix::fs::FileExt::write_all_at(&file, torn, end + hole).unwrap();
    let reader = store.reader(ID).unwrap();
    assert_eq!(reader.glance().unwrap().last_seq.get(), 1);
    let gaps = reader.verify().unwrap().gaps;
    assert_eq!((gaps.len(), gaps[0].offset, gaps[0].bytes), (1, end, hole + torn.len() as u64));
    let journal = store.journal(ID).unwrap();
    journal.append(TurnStarted::new("t-2", "on")).unwrap().wait().unwrap();
    drop(journal);
    let kept = root.path().join(ID).join(format!("00000001.{end}.torn"));
    let stored = |path| std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512;
    assert_eq!(std::fs::metadata(&kept).unwrap().len(), hole + torn.len() as u64);
    assert!(stored(&kept) < 1 << 20, "{} bytes are stored", stored(&kept));
    assert!(store.reader(ID).unwrap().verify().unwrap().clean);
}
