//! What goes wrong in the recorders that people use today, one test a class, each named after its class.
//!
//! The shapes come from reports about real session files. Either the failure cannot happen to a journal of ours, or it
//! is found, reported, and costs nothing but the damaged bytes.

use crate::faulty::{Call, EIO, ENOSPC, Fate, Faulty};
use crate::support::{
    Files, ID, Lab, Reading, child, entries_of, lines, reference, segment, segments, seq_of, unclosed,
};
use foldlog::{
    Draft, ErrorKind, Event, Health, Item, Json, Outcome, SessionStarted, Store, TextDelta, Timestamp, ToolCallStarted,
    TurnStarted,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

/// The first segment of an unclosed journal with its lines changed, the original entries, and what is read then.
fn changed(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (Lab, BTreeMap<u64, Vec<u8>>, Reading) {
    let mut files = unclosed();
    let originals = entries_of(&files);
    let mut all: Vec<Vec<u8>> =
        lines(&files[&segment(1)]).iter().map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
    change(&mut all);
    files.insert(segment(1), all.concat());
    let lab = Lab::with(&files);
    let reading = lab.read();
    reading.assert_nothing_invented(&originals, "changed");
    (lab, originals, reading)
}

#[test]
fn f01_a_torn_last_line_costs_that_line_and_recording_goes_on() {
    // A process killed inside an append: valid lines, then a prefix of one. Also with a blank line behind the prefix.
    for tail in [&b""[..], b"\n", b"\n\n"] {
        let (lab, originals, reading) = changed(|all| {
            all.last_mut().unwrap().truncate(60);
            all.push(tail.to_vec());
        });
        let last = originals.len() as u64;
        assert_eq!(reading.seqs(), (1..last).collect::<Vec<_>>());
        assert_eq!(reading.kinds(), ["torn"]);
        let seq = lab.append_one();
        let after = lab.read();
        assert!(seq > last && after.is_clean() && after.entries.len() == originals.len() + 2, "{:?}", after.gaps);
        assert!(lab.files().keys().any(|name| name.ends_with(".torn")), "the cut bytes are kept");
    }
}

#[test]
fn f02_a_glued_record_is_salvaged() {
    // A torn prefix with the next record glued to it on one physical line; or with the same record again, whole.
    let (_, originals, reading) = changed(|all| {
        all[10].truncate(80);
    });
    assert_eq!(reading.entries.len(), originals.len() - 1);
    assert!(!reading.entries.contains_key(&10) && reading.entries.contains_key(&11));
    let (_, originals, reading) = changed(|all| {
        let whole = all[10].clone();
        all[10].truncate(80);
        all[10].extend_from_slice(&whole);
    });
    assert_eq!((reading.entries, reading.gaps.len()), (originals, 1));
}

#[test]
fn f03_a_missing_line_break_costs_nothing() {
    // `}{`: two whole records on one line.
    let (_, originals, reading) = changed(|all| assert_eq!(all[10].pop(), Some(b'\n')));
    assert_eq!(reading.entries, originals);
}

#[test]
fn f04_nul_runs_cost_only_what_they_replaced() {
    // Power loss leaves zeros: behind the end, in the middle, in the place of lines, or over a whole file.
    let (lab, originals, reading) = changed(|all| all.push(vec![0; 1728]));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["torn"]));
    lab.append_one();
    assert!(lab.read().is_clean());
    let (lab, originals, reading) = changed(|all| all[10] = vec![0; all[10].len()]);
    assert_eq!(reading.entries.len(), originals.len() - 1, "the line glued to the zeros is found");
    assert_eq!(reading.kinds(), ["corrupt"]);
    lab.append_one();
    let (_, originals, reading) = changed(|all| all[10].splice(0..0, vec![0; 700]).for_each(drop));
    assert_eq!(reading.entries, originals);
    let mut files = reference(4000);
    let originals = entries_of(&files);
    let zeroed = lines(&files[&segment(1)]).iter().filter(|(_, line)| seq_of(line).is_some()).count();
    files.get_mut(&segment(1)).unwrap().fill(0);
    let reading = Lab::with(&files).read();
    assert_eq!(reading.entries.len(), originals.len() - zeroed);
    assert!(!reading.is_clean());
}

#[test]
fn f05_no_reader_can_split_a_line_at_a_unicode_separator() {
    // U+2028, U+2029 and U+0085 are escaped when written; we split on 0x0A only when others wrote them.
    let lab = Lab::new();
    let text = "a\u{2028}b\u{2029}c\u{85}d\u{b}\u{c}\r\ne";
    lab.open().push(Draft::from(TextDelta::new("t", text)).id("\u{2028}")).unwrap();
    let bytes = lab.files().remove(&segment(1)).unwrap();
    let stored = std::str::from_utf8(&bytes).unwrap();
    assert!(!stored.contains(['\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}', '\r']));
    assert_eq!(stored.lines().count(), 2);
}

#[test]
fn f06_a_lone_surrogate_is_kept_as_it_came() {
    // Tool output cut inside an emoji: `\ud83d` without its pair. In raw JSON it is kept; as our own text it is refused.
    let lab = Lab::new();
    let journal = lab.open();
    let raw = Json::parse("{\"out\":\"cut \\ud83d\"}").unwrap();
    journal.push(ToolCallStarted::new("t", "c", "bash").arguments(raw.clone())).unwrap();
    journal.push(Draft::from_json("acme.x", "{\"s\":\"\\udc00\"}").unwrap()).unwrap();
    let refused = Draft::from_json("text_delta", "{\"turn_id\":\"t\",\"text\":\"\\ud83d\"}").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    drop(journal);
    let reader = lab.store.reader(ID).unwrap();
    let mut items = reader.items().unwrap();
    let Some(Item::Entry(entry)) = items.next().unwrap() else { panic!("no entry") };
    let Event::ToolCallStarted(call) = entry.event().unwrap() else { panic!("{entry:?}") };
    assert_eq!(call.arguments, Some(raw));
}

#[test]
fn f07_other_encoding_faults_cost_only_their_line() {
    // A byte order mark at the start, bytes that are not UTF-8, a multi-byte character across a read boundary.
    let (_, originals, reading) = changed(|all| all[0].splice(0..0, *b"\xef\xbb\xbf").for_each(drop));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["header"]));
    let (_, originals, reading) = changed(|all| all.insert(10, b"caf\xe9\n".to_vec()));
    assert_eq!((&reading.entries, reading.kinds()), (&originals, vec!["foreign"]));
    let lab = Lab::new();
    let journal = lab.open();
    let text = "é🦀日".repeat(100_000);
    for _ in 0..3 {
        journal.push(TextDelta::new("t", &text)).unwrap();
    }
    drop(journal);
    assert_eq!((lab.read().entries.len(), lab.read().gaps.len()), (3, 0));
}

#[test]
fn f08_deep_nesting_is_refused_before_it_is_written() {
    // 31,000 levels abort native parsers: 120 are the most that are taken, and as many can be read again.
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    for levels in [121, 5_000, 31_000, 1_000_000] {
        assert!(Draft::from_json("acme.x", &nested(levels)).is_err(), "{levels}");
    }
    let lab = Lab::new();
    let journal = lab.open();
    journal.append(Draft::from_json("acme.x", &nested(119)).unwrap()).unwrap().wait().unwrap();
    drop(journal);
    let reader = lab.store.reader(ID).unwrap();
    let mut items = reader.items().unwrap();
    let Some(Item::Entry(entry)) = items.next().unwrap() else { panic!("no entry") };
    assert!(entry.event().is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(entry.line()).is_ok(), "others can read it too");
}

#[test]
fn f09_a_payload_that_cannot_be_decoded_still_has_its_number() {
    // A valid record that the reader cannot decode must not free its number for another. Here: a known type with a
    // payload of a later version, at the very end; and floats, also under `arbitrary_precision`, with which `.ci/run` repeats these tests.
    let mut files = unclosed();
    let last = entries_of(&files).len() as u64;
    let body = format!(
        "{{\"seq\":{},\"synced\":{last},\"time\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"turn_ended\",\"data\":{{\"turn\":12.5}}",
        last + 1
    );
    files.get_mut(&segment(1)).unwrap().extend_from_slice(&crate::support::seal(&body));
    let lab = Lab::with(&files);
    let reading = lab.read();
    assert!(reading.gaps.is_empty() && reading.entries.contains_key(&(last + 1)));
    let journal = lab.open();
    assert_eq!(journal.recovered().last_seq.get(), last + 1);
    assert!(journal.push(TextDelta::new("t", "x")).unwrap().get() > last + 1);
    let usage =
        Draft::from_json("model_call_ended", "{\"turn_id\":\"t\",\"model_call_id\":\"m\",\"duration_ms\":12.5}");
    let Event::ModelCallEnded(ended) = usage.as_ref().unwrap().event().unwrap() else { panic!("{usage:?}") };
    assert_eq!(ended.duration_ms, Some(12.5));
}

#[test]
fn f10_empty_and_copied_files_do_no_harm() {
    // Zero-byte segments, and copies with a suffix in their names.
    let mut files = reference(4000);
    let originals = entries_of(&files);
    let newest = segments(&files).len() as u64;
    files.insert(segment(newest + 1), Vec::new());
    files.insert("00000001 (1).jsonl".to_owned(), Vec::new());
    files.insert("00000001.jsonl~".to_owned(), b"x".to_vec());
    let lab = Lab::with(&files);
    assert_eq!((lab.read().entries, lab.read().gaps.len()), (originals, 0));
    lab.append_one();
    assert!(lab.read().is_clean() && lab.files().contains_key(&segment(newest + 2)));
    let empty = Lab::with(&Files::from([(segment(1), Vec::new())]));
    assert!(empty.read().entries.is_empty());
    empty.append_one();
    assert!(empty.read().is_clean());
}

#[test]
fn f11_what_follows_a_bad_line_is_read_and_the_bad_line_is_told() {
    // Each line of a segment in turn is bad: all others are read, and what is told of the session's end is what is read.
    let files = unclosed();
    let (all, name) = (entries_of(&files), segment(1));
    for (at, line) in lines(&files[&name]).into_iter().filter(|(_, line)| seq_of(line).is_some()) {
        let mut files = files.clone();
        files.get_mut(&name).unwrap()[at + line.len() / 2] ^= 1;
        let (bad, lab) = (seq_of(line).unwrap(), Lab::with(&files));
        let reading = lab.read();
        let others: Vec<u64> = all.keys().copied().filter(|seq| *seq != bad).collect();
        assert_eq!((reading.seqs(), reading.gaps.len()), (others, 1), "{:?}", reading.gaps);
        let told = lab.store.reader(ID).unwrap().glance().unwrap().last_seq.get();
        assert_eq!(Some(told), reading.seqs().last().copied());
    }
}

#[test]
fn f12_damage_never_refuses_the_session() {
    // Every line but one spoiled: that one is still read, and recording still goes on.
    let (lab, _, reading) = changed(|all| {
        for (at, line) in all.iter_mut().enumerate().filter(|(at, _)| *at != 20) {
            line[at % 20 + 8] ^= 0x55;
        }
    });
    assert_eq!(reading.seqs(), [20]);
    let seq = lab.append_one();
    assert!(lab.read().entries.contains_key(&seq));
}

#[test]
fn f14_the_first_line_is_not_special() {
    // A torn or missing header costs no entry: the session is known by its directory, the entries stand for themselves.
    for spoil in [0, 1, 2] {
        let (lab, originals, reading) = changed(|all| match spoil {
            0 => drop(all.remove(0)),
            1 => all[0].truncate(40),
            _ => all[0][5] ^= 1,
        });
        assert_eq!(reading.entries, originals, "with a missing, a torn or a flipped header");
        assert_eq!(lab.store.reader(ID).unwrap().session_id().as_str(), ID);
        assert_eq!(lab.store.session_ids().unwrap().len(), 1);
        lab.append_one();
        assert!(lab.read().entries.len() > originals.len());
    }
}

#[test]
fn f16_calls_without_an_end_are_named_and_left_as_they_are() {
    // Orphan calls are derived when somebody looks; the log is not rewritten for them.
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(TurnStarted::new("t", "p")).unwrap();
    for call in ["c-1", "c-2", "c-3"] {
        journal.push(ToolCallStarted::new("t", call, "bash")).unwrap();
    }
    journal.push(foldlog::ToolCallEnded::new("t", "c-2")).unwrap();
    drop(journal);
    let before = lab.files()[&segment(1)].clone();
    let journal = lab.open();
    let open: Vec<&str> = journal.open_turns()[0].calls.iter().map(|call| call.call_id.as_str()).collect();
    assert_eq!(open, ["c-1", "c-3"]);
    assert_eq!(lab.files()[&segment(1)], before);
}

#[test]
fn f17_later_versions_and_unknown_types_are_read_and_kept() {
    // An unknown type, an unknown field of a known type, an unknown member of the envelope: read, and byte for byte the
    // same afterwards. A later major version is never written to.
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(Draft::from_json("from_the_future", "{\"x\":1}").unwrap()).unwrap();
    journal.push(Draft::from_json("turn_started", "{\"turn_id\":\"t\",\"colour\":\"red\"}").unwrap()).unwrap();
    drop(journal);
    let mut files = lab.files();
    let body = "{\"seq\":3,\"synced\":0,\"time\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"text_delta\",\"span\":{\"data\":1},\"data\":{\"turn_id\":\"t\",\"text\":\"x\"}";
    files.get_mut(&segment(1)).unwrap().extend_from_slice(&crate::support::seal(body));
    lab.put(&files);
    let reading = lab.read();
    assert_eq!((reading.seqs(), reading.gaps.len()), (vec![1, 2, 3], 0));
    lab.append_one();
    assert_eq!(lab.files()[&segment(1)], files[&segment(1)]);
    let header = String::from_utf8(lines(&files[&segment(1)])[0].1.to_vec()).unwrap();
    let later = header[..header.len() - 18].replacen("\"foldlog\":1", "\"foldlog\":2", 1);
    let rest = files[&segment(1)][header.len() + 1..].to_vec();
    let later = Files::from([(segment(1), [crate::support::seal(&later), rest].concat())]);
    let lab = Lab::with(&later);
    assert_eq!(lab.read().seqs(), [1, 2, 3]);
    assert_eq!(lab.store.journal(ID).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(lab.files()[&segment(1)], later[&segment(1)]);
}

#[test]
fn f19_two_processes_cannot_append_to_one_session() {
    // The second writer is told who the first one is; the kernel's lock cannot be talked into anything else.
    let root = tempfile::tempdir().unwrap();
    let mut first = child("one_writer::child_that_holds_a_journal", root.path()).spawn().unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("held")));
    let error = Store::open(root.path()).unwrap().journal(ID).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(&first.id().to_string()), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn f20_entries_of_another_session_do_not_get_in() {
    // Right session, wrong file: the start of another session is refused, another journal's segment is never read.
    let lab = Lab::new();
    lab.append_one();
    let refused = lab.open().append(SessionStarted::new("another")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongSession);
    let before = lab.read().entries;
    let other = Lab::new();
    let journal = other.store.journal("another").unwrap();
    journal.push(TextDelta::new("t", "x")).unwrap();
    drop(journal);
    let theirs = other.disk.files(&other.dir.with_file_name("another")).remove(&segment(1)).unwrap();
    let mut files = lab.files();
    files.insert(segment(9), theirs);
    lab.put(&files);
    assert_eq!((lab.read().entries, lab.read().kinds()), (before, vec!["foreign"]));
}

#[test]
fn f21_no_lock_outlives_its_holder() {
    // A killed writer blocks nobody, whatever its lock file says; a left-over lock file of a pid in use neither.
    let root = tempfile::tempdir().unwrap();
    let mut first = child("one_writer::child_that_holds_a_journal", root.path()).spawn().unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("held")));
    first.kill().unwrap();
    first.wait().unwrap();
    let lock = root.path().join(ID).join("LOCK");
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&first.id().to_string()));
    std::fs::write(&lock, format!("pid {} on here", std::process::id())).unwrap();
    let store = Store::open(root.path()).unwrap();
    assert!(!store.reader(ID).unwrap().is_live().unwrap());
    assert!(store.journal(ID).is_ok());
}

#[test]
fn f22_the_tail_is_not_lost_at_exit() {
    // A handle that is dropped writes what is queued; after one I/O error, recording can go on in the same process.
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    let journal = store.journal(ID).unwrap();
    for number in 0..1000 {
        journal.push(TextDelta::new("t", format!("{number}"))).unwrap();
    }
    drop(journal);
    assert_eq!(lab.read().entries.len(), 1000);
    let journal = store.journal(ID).unwrap();
    disk.rule(|call, _| if call == Call::Sync { Fate::Fails(EIO) } else { Fate::Done });
    let lost = journal.append(TextDelta::new("t", "x")).unwrap().wait().unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown);
    disk.heal();
    journal.reopen().unwrap();
    journal.append(TextDelta::new("t", "again")).unwrap().wait().unwrap();
}

#[test]
fn f23_recording_is_never_silently_off() {
    // Whoever appends to a journal that does not record any more is told so, each time, and so is who asks.
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let journal = Store::open_on(disk.clone(), "/lab").unwrap().journal(ID).unwrap();
    disk.rule(|call, _| if matches!(call, Call::Write(..)) { Fate::Fails(EIO) } else { Fate::Done });
    assert!(journal.append(TextDelta::new("t", "x")).unwrap().wait().is_err());
    for _ in 0..3 {
        assert_eq!(journal.push(TextDelta::new("t", "x")).unwrap_err().kind(), ErrorKind::Io);
    }
    assert!(matches!(journal.health(), Health::Failed(_)));
    assert!(journal.close().wait().is_err());
}

#[test]
fn f24_a_full_disk_is_told_at_once_and_leaves_no_torn_line() {
    // What was acknowledged stays, nothing is admitted that is not on disk, and whole lines are all that is written.
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let journal = Store::open_on(disk.clone(), "/lab").unwrap().journal(ID).unwrap();
    journal.append(TextDelta::new("t", "before")).unwrap().wait().unwrap();
    let mut first = true;
    disk.rule(move |call, _| match call {
        Call::Write(..) if std::mem::take(&mut first) => Fate::Short(50),
        Call::Write(..) => Fate::Fails(ENOSPC),
        _ => Fate::Done,
    });
    let error = journal.append(TextDelta::new("t", "no room")).unwrap().wait().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::StorageFull, Outcome::Refused));
    assert!(matches!(journal.health(), Health::StorageFull));
    let bytes = lab.files().remove(&segment(1)).unwrap();
    assert_eq!((bytes.last(), lines(&bytes).len()), (Some(&b'\n'), 2));
}

#[test]
fn f29_clocks_may_do_what_they_like() {
    // Equal times, times that go back, the year 7026: order is by number.
    let lab = Lab::new();
    let journal = lab.open();
    for time in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "7026-01-01T00:00:00Z"] {
        let time = Timestamp::parse_rfc3339(time).unwrap();
        journal.push(Draft::from(TextDelta::new("t", "x")).time(time)).unwrap();
    }
    journal.push(TextDelta::new("t", "now")).unwrap();
    drop(journal);
    assert_eq!((lab.read().seqs(), lab.read().gaps.len()), (vec![1, 2, 3, 4, 5], 0));
}

#[test]
fn f32_reading_takes_no_more_memory_than_a_line() {
    // A large history is read as a stream: the items borrow one buffer. Measured in a child, whose memory is its own.
    let place = tempfile::tempdir().unwrap();
    let output = child("field_failures::child_that_reads_a_large_journal", place.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let grown = text.lines().find_map(|line| line.split("grown_kib=").nth(1)).unwrap_or_else(|| panic!("{text}"));
    println!("reading 48 MiB took {grown} KiB more than before");
    assert!(grown.trim().parse::<u64>().unwrap() < 16 << 10, "{grown}");
}

#[test]
fn child_that_reads_a_large_journal() {
    let Some(place) = crate::support::child_place() else { return };
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let store = Store::open(place).unwrap();
    let journal = store.journal_with(ID, foldlog::JournalOptions::default().queue_bytes(1 << 20)).unwrap();
    let text = "x".repeat(48 << 10);
    for _ in 0..1024 {
        while journal.push(TextDelta::new("t", &text)).is_err() {
            journal.ready().wait().unwrap();
        }
    }
    journal.close().wait().unwrap();
    let before = peak();
    let report = store.reader(ID).unwrap().verify().unwrap();
    assert!(report.clean && report.entries == 1025);
    println!("grown_kib={}", peak() - before);
}

#[test]
fn f34_every_session_is_listed_from_what_is_there() {
    // No index that could drift: ids come from the directories, lossless, whatever is in them.
    let lab = Lab::new();
    let ids = ["a/b", "a-b", "a_b", "Ä", "plain", ".x"];
    for id in ids {
        lab.store.journal(id).unwrap().append(TextDelta::new("t", "x")).unwrap().wait().unwrap();
    }
    lab.disk.set(&lab.dir.with_file_name("broken").join(segment(1)), b"garbage\nmore garbage\n");
    lab.disk.set(&lab.dir.with_file_name("not a session").join("x"), b"");
    let mut listed: Vec<String> = lab.store.session_ids().unwrap().iter().map(ToString::to_string).collect();
    let mut wanted: Vec<&str> = ids.into_iter().chain(["broken"]).collect();
    listed.sort();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    assert!(!lab.store.reader("broken").unwrap().verify().unwrap().clean);
}

#[test]
fn f37_nobody_else_can_read_the_log() {
    // 0600 and 0700, from the first byte on.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("runs")).unwrap();
    store.journal(ID).unwrap().append(TextDelta::new("t", "secret")).unwrap().wait().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = store.root().join(ID);
    assert_eq!((mode(store.root()), mode(&dir)), (0o700, 0o700));
    for file in std::fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn f39_nothing_goes_unless_it_was_named_and_what_goes_can_be_had_back() {
    // An idle session that is still held stays; what is thrown away is whole; an abbreviation names nothing.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("session-1").unwrap();
    journal.append(TextDelta::new("t", "x")).unwrap().wait().unwrap();
    assert_eq!(store.trash("session-1").unwrap_err().kind(), ErrorKind::Locked);
    drop(journal);
    assert_eq!(store.trash("session").unwrap_err().kind(), ErrorKind::NotFound);
    let record = store.get("session-1").unwrap();
    let place = store.trash("session-1").unwrap();
    assert!(store.session_ids().unwrap().is_empty());
    std::fs::rename(place, root.path().join("session-1")).unwrap();
    assert_eq!(store.get("session-1").unwrap(), record);
}
