//! Compactions that are killed or fail at any step, and compactions beside a writer and readers. Those that lose power
//! are in the campaign.

use crate::compaction::{recorded, session, texts, turns};
use crate::faulty::{Call, EIO, ENOSPC, Fate, Faulty};
use crate::support::{Files, ID, Lab, Reading, entries_of, segments};
use foldlog::{CompactOptions, Draft, JournalOptions, Reader, Store, TextDelta, TurnEnded, TurnStarted};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn options() -> CompactOptions {
    CompactOptions::default().segment_bytes(5_000)
}

/// What a compaction left half done reads the same, is opened again, and is completed by the next one.
fn assert_unharmed(files: &Files, original: &Lab, what: &str) {
    let lab = Lab::with(files);
    assert_eq!(session(&lab.store), session(&original.store), "{what}");
    assert_eq!(texts(&lab.store), texts(&original.store), "{what}");
    let reading = lab.read();
    assert!(reading.gaps.is_empty(), "{what}: {:?}", reading.gaps);
    reading.assert_nothing_invented(&entries_of(&original.files()), what);
    let last = *reading.seqs().last().unwrap();
    let opened = Lab::with(files);
    let journal = opened.open();
    assert!(journal.recovered().clean, "{what}: {:?}", journal.recovered());
    drop(journal);
    assert_eq!(opened.append_one(), last + 1, "{what}");
    assert!(opened.read().gaps.is_empty(), "{what}: {:?}", opened.read().gaps);
    for lab in [lab, opened] {
        let before = session(&lab.store);
        let report = lab.store.compact_with(ID, &options(), &mut |_| {}).unwrap();
        assert!(report.left_alone.is_empty(), "{what}: {report:?}");
        assert_eq!(session(&lab.store), before, "{what}");
        assert!(lab.read().gaps.is_empty(), "{what}");
        assert_nothing_left_over(&lab.files(), what);
    }
}

fn assert_nothing_left_over(files: &Files, what: &str) {
    assert!(!files.keys().any(|name| name.ends_with(".tmp")), "{what}: {:?}", files.keys());
    let mut through = 0;
    for name in segments(files) {
        let number: u64 = name[..8].parse().unwrap();
        assert!(number > through, "{what}: {name} was merged into another one");
        let header = files[&name].split(|byte| *byte == b'\n').next().unwrap();
        let header: serde_json::Value = serde_json::from_slice(header).unwrap();
        through = header["compacted"]["through"].as_u64().unwrap_or(number);
    }
}

/// Runs a compaction on a disk that fails where `rule` says, and gives what it leaves.
fn compacted_on(original: &Files, rule: impl Fn(u64) -> bool + Send + 'static, code: i32) -> (Lab, bool) {
    let lab = Lab::with(original);
    let disk = Faulty::new(lab.disk.clone());
    let mut calls = 0;
    disk.rule(move |call, _| {
        calls += u64::from(call.changes());
        if call.changes() && rule(calls) { Fate::Fails(code) } else { Fate::Done }
    });
    let store = Store::open_on(disk, "/lab").unwrap();
    let done = store.compact_with(ID, &options(), &mut |_| {}).is_ok();
    drop(store);
    (lab, done)
}

#[test]
fn a_compaction_that_dies_at_any_call_to_the_disk_harms_nothing() {
    // Goal: every state on the way reads the same. Method: from the n-th change on, every change fails; for every n.
    let original = recorded(turns(9), 1_500);
    let files = original.files();
    for call in 1.. {
        let (lab, done) = compacted_on(&files, move |calls| calls >= call, EIO);
        assert_unharmed(&lab.files(), &original, &format!("dead from call {call} on"));
        if done {
            assert!(call > 30, "only {call} calls");
            println!("{call} calls");
            return;
        }
    }
}

#[test]
fn a_compaction_that_fails_once_harms_nothing() {
    // Goal: an error, or a full disk, at any one call leaves the journal as it was or further on. Method: each call.
    let original = recorded(turns(9), 1_500);
    let files = original.files();
    for call in 1..60 {
        let (lab, _) = compacted_on(&files, move |calls| calls == call, if call % 2 == 0 { EIO } else { ENOSPC });
        assert_unharmed(&lab.files(), &original, &format!("call {call} fails"));
    }
}

#[test]
fn a_compaction_that_reads_back_something_else_is_given_up() {
    // Goal: what does not read back is never renamed into place. Method: a disk that cuts one large write short.
    let original = recorded(turns(9), 1_500);
    let lab = Lab::with(&original.files());
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    disk.rule(|call, path| {
        let is_new = path.to_string_lossy().ends_with(".tmp");
        match call {
            Call::Sync if is_new => Fate::Done,
            Call::Read(..) if is_new => Fate::Fails(EIO),
            _ => Fate::Done,
        }
    });
    let report = store.compact_with(ID, &options(), &mut |_| {}).unwrap();
    assert!(!report.left_alone.is_empty() && report.before == report.after, "{report:?}");
    assert_eq!(segments(&lab.files()), segments(&original.files()));
    disk.heal();
    assert_unharmed(&lab.files(), &original, "unreadable");
}

/// Compacts a journal of 600 kB beside its writer or without one: how often the new segments are synced.
fn syncs_of_new_segments(with_writer: bool) -> u64 {
    let long = "x".repeat(300_000);
    let turn = |id: &str| -> [Draft; 3] {
        let end = TurnEnded::new(id).response_content("words");
        [TurnStarted::new(id, &long).into(), TextDelta::new(id, "words").into(), end.into()]
    };
    let lab = recorded([turn("turn-1"), turn("turn-2")].concat(), 64 << 20);
    let writer = with_writer.then(|| lab.open());
    // Its first event begins another segment, so that the first one may be compacted.
    if let Some(writer) = &writer {
        writer.append(TurnStarted::new("turn-3", "go on")).unwrap().wait().unwrap();
    }
    let disk = Faulty::new(lab.disk.clone());
    let syncs = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&syncs);
    disk.rule(move |call, path| {
        let is_new = path.to_string_lossy().ends_with(".tmp");
        counter.fetch_add(u64::from(is_new && call == Call::Sync), Ordering::SeqCst);
        Fate::Done
    });
    let store = Store::open_on(disk, "/lab").unwrap();
    let report = store.compact_with(ID, &options(), &mut |_| {}).unwrap();
    assert_eq!(report.dropped.values().map(|dropped| dropped.lines).sum::<u64>(), 2, "{report:?}");
    drop(writer);
    syncs.load(Ordering::SeqCst)
}

#[test]
fn a_compaction_goes_in_small_steps_only_beside_a_writer() {
    // Goal: whoever records does not wait for much, and nobody pays for it who does not record.
    assert_eq!(syncs_of_new_segments(false), 1);
    let beside_a_writer = syncs_of_new_segments(true);
    assert!(beside_a_writer > 600_000 / (128 << 10), "only {beside_a_writer} syncs");
}

fn foldlog(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    command.arg("--root").arg(root).args(arguments).output().unwrap()
}

#[test]
fn compaction_beside_a_writer_and_readers() {
    // Goal: nobody notices. Method: one journal, written, read and compacted at the same time for two seconds.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(8_000)).unwrap();
    let (done, compactions) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut events = turns(4_000).into_iter();
    let mut appended: Vec<_> = events.next().into_iter().collect();
    journal.append(appended[0].clone()).unwrap().wait().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let options = CompactOptions::default().segment_bytes(100_000);
                let report = store.compact_with(ID, &options, &mut |_| {}).unwrap();
                assert!(!report.met_damage(), "{report:?}");
                compactions.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let reader = Reader::open(root.path().join(ID)).unwrap();
                    let report = reader.verify().unwrap();
                    assert!(report.clean, "{report:?}");
                    assert!(!reader.glance().unwrap().damaged);
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            let Some(event) = events.next() else { break };
            let ticket = journal.append(event.clone()).unwrap();
            appended.push(event);
            if appended.len().is_multiple_of(7) {
                ticket.wait().unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    journal.close().wait().unwrap();
    let plain = recorded(appended, 64 << 20);
    let calls =
        |store: &Store| session(store).record.turns.into_iter().map(|turn| (turn.response_content, turn.tool_calls));
    let same =
        calls(&store).map(|(text, calls)| (text, calls.len())).eq(calls(&plain.store).map(|(t, c)| (t, c.len())));
    assert!(same, "the session differs from one that nobody compacted");
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.gaps.is_empty(), "{:?}", reading.gaps);
    println!("{} entries left, {} compactions", reading.entries.len(), compactions.load(Ordering::SeqCst));
    assert!(compactions.load(Ordering::SeqCst) > 1);
}

#[test]
fn the_command_says_what_it_did() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(3_000)).unwrap();
    turns(20).into_iter().for_each(|event| assert!(journal.push(event).is_ok()));
    journal.close().wait().unwrap();
    let before = session(&store);
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let dry = foldlog(root.path(), &["compact", ID, "--dry-run"]);
    assert!(text(&dry).contains("would be compacted") && dry.status.code() == Some(0), "{}", text(&dry));
    let json = foldlog(root.path(), &["compact", ID, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(text(&json).starts_with("{\"v\":1,\"session_id\":\"s-1\",\"dry_run\":false,\"before\":{\"segments\":"));
    assert!(report["dropped"]["text_delta"]["lines"].as_u64().unwrap() > 20);
    assert_eq!(session(&store), before);
    let again = foldlog(root.path(), &["compact", root.path().join(ID).to_str().unwrap()]);
    assert!(text(&again).contains("nothing to do"), "{}", text(&again));
    let code = |arguments: &[&str]| foldlog(root.path(), arguments).status.code();
    assert_eq!(code(&["compact", "s"]), Some(4), "an abbreviation is no session");
    assert_eq!(code(&["compact", "nobody"]), Some(4));
    assert_eq!(code(&["compact"]), Some(2));
    let lock = std::fs::File::open(root.path().join(ID).join("COMPACT.LOCK")).unwrap();
    lock.lock().unwrap();
    assert_eq!(code(&["compact", ID]), Some(5));
    drop(lock);
    let path = root.path().join(ID).join("00000001.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let damaged = foldlog(root.path(), &["compact", ID]);
    assert!(text(&damaged).contains("damaged at byte") && damaged.status.code() == Some(3), "{}", text(&damaged));
}

#[test]
fn a_first_header_that_is_written_while_a_compaction_looks_is_no_damage() {
    // Goal: a compaction beside a session's very beginning says nothing wrong of it. Method: the header appears before
    // each of its looks at the disk.
    let whole = Lab::new();
    drop(whole.open());
    whole.append_one();
    let mut files = whole.files();
    let name = segments(&files).remove(0);
    let bytes = files.insert(name.clone(), Vec::new()).unwrap();
    for moment in 0..12 {
        let lab = Lab::with(&files);
        let disk = Faulty::new(lab.disk.clone());
        let store = Store::open_on(disk.clone(), "/lab").unwrap();
        let (memory, path, bytes, mut looks) = (lab.disk.clone(), lab.dir.join(&name), bytes.clone(), 0);
        disk.rule(move |call, _| {
            if matches!(call, Call::List | Call::Read(..)) {
                if looks == moment {
                    memory.overwrite(&path, &bytes);
                }
                looks += 1;
            }
            Fate::Done
        });
        let dry_run = CompactOptions::default().dry_run(true);
        let report = store.compact_with(ID, &dry_run, &mut |_| {}).unwrap();
        let damaged = report.left_alone.iter().filter(|left| left.damaged);
        assert_eq!(damaged.count(), 0, "look {moment}: {report:?}");
    }
}
