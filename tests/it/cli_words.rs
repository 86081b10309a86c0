//! What the commands print: times with their zone, counts in singular and plural, paths that are not UTF-8.

use crate::support::{Ran, foldlog};
use base64::Engine;
use foldlog::{AgentTransition, Draft, SessionStarted, Store, Timestamp, TurnEnded, TurnStarted};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Goal: one rule for the times of all outputs: UTC, with a `Z`, whatever the zone of the machine is.
#[test]
fn times_are_in_utc_and_say_so() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("s-1").unwrap();
    let time = Timestamp::parse_rfc3339("2026-03-01T10:20:30.456Z").unwrap();
    journal.push(Draft::from(TurnStarted::new("t-1", "Sort")).time(time)).unwrap();
    journal.push(Draft::from(TurnEnded::success("t-1")).time(time)).unwrap();
    journal.close().wait().unwrap();
    let run = |zone: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        Ran::of(command.env("TZ", zone).arg("--root").arg(root.path()).args(args).stdin(Stdio::null()))
    };
    for (args, expected) in [
        (&["ls"][..], "2026-03-01 10:20:30Z"),
        (&["show"], "started 2026-03-01 10:20:30Z"),
        (&["tail"], "2026-03-01 10:20:30.456Z"),
        (&["stats"], "2026-03-01 10:20:30Z to 2026-03-01 10:20:30Z"),
        (&["ls", "--json"], "\"started\":\"2026-03-01T10:20:30.456000Z\""),
    ] {
        let there = run("Asia/Tokyo", args);
        assert!(there.out.contains(expected), "{args:?}: {}", there.out);
        assert_eq!(there.out, run("UTC", args).out, "{args:?}");
    }
    let pruned = run("Asia/Tokyo", &["prune", "--older-than", "0s", "--dry-run"]);
    assert!(pruned.out.contains("Z  "), "{}", pruned.out);
    // What was printed can be given back.
    let ran = run("UTC", &["tail", "--since", "2026-03-01 10:20:30.456Z", "--json"]);
    assert_eq!(ran.json()[0]["seq"], 1, "{}", ran.err);
}

/// Goal: a session begins at the same time in every list, also if it is named after its first turn.
#[test]
fn ls_and_show_agree_on_when_a_session_began() {
    let at = |second: u32| Timestamp::parse_rfc3339(&format!("2026-03-01T10:20:{second:02}Z")).unwrap();
    for (stated, began) in [(None, 10), (Some(at(5)), 5), (Some(at(50)), 10)] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let journal = store.journal("s-1").unwrap();
        journal.push(Draft::from(TurnStarted::new("t-1", "Sort")).time(at(10))).unwrap();
        let mut started = SessionStarted::new("s-1");
        started.created_at = stated.map(|stated| stated.to_string().into());
        journal.push(Draft::from(started).time(at(20))).unwrap();
        journal.push(Draft::from(TurnEnded::success("t-1")).time(at(30))).unwrap();
        journal.close().wait().unwrap();
        let of = |args: &[&str]| foldlog(root.path(), args).json()[0]["started"].clone();
        assert_eq!(of(&["ls", "--json"]), at(began).to_string(), "{stated:?}");
        assert_eq!(of(&["show", "--json"]), at(began).to_string(), "{stated:?}");
        let printed = at(began).to_string()[..19].replace('T', " ");
        for args in [&["ls"][..], &["show"]] {
            let ran = foldlog(root.path(), args);
            assert!(ran.out.contains(&format!("{printed}Z")), "{args:?}: {}", ran.out);
        }
    }
}

#[test]
fn what_was_asked_for_and_is_not_there_is_named() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    journal.push(SessionStarted::new("s-1").workspace_id("orchard")).unwrap();
    journal.close().wait().unwrap();
    assert_eq!(foldlog(root.path(), &["ls", "--workspace", "orchard"]).err, "");
    for (args, words) in [
        (&["ls", "--workspace", "wrong"][..], "no session of workspace \"wrong\" in"),
        (&["ls", "--workspace", "wrong", "--state", "live"], "of workspace \"wrong\" that is live"),
        (&["ls", "--json", "--since", "2199-01-01T00:00:00Z"], "touched since 2199-01-01 00:00:00Z"),
    ] {
        let ran = foldlog(root.path(), args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{args:?}");
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    }
    let ran = foldlog(root.path(), &["prune", "--older-than", "0s", "--workspace", "wrong", "--yes"]);
    assert!(ran.err.contains("no session of workspace \"wrong\" is that old"), "{}", ran.err);
}

/// Goal: one thing is singular, and no reason repeats the word before it.
#[test]
fn counts_and_reasons_read_well() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let pipe = |input: &str| {
        let path = root.path().join("input");
        fs::write(&path, input).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(root.path().join("recorded")).args(["record", "s-1"]);
        Ran::of(command.stdin(fs::File::open(&path).unwrap()))
    };
    let one = pipe("no event\n");
    assert!(one.err.contains("recorded 0 events in session s-1, all synced; 1 line was not an event"), "{}", one.err);
    let two = pipe("no event\n{\"type\":\"custom\",\"data\":{\"name\":\"n\"}}\nnor this\n");
    assert!(two.err.contains("recorded 1 event in session s-1, all synced; 2 lines were not events"), "{}", two.err);

    let journal = store.journal("s-1").unwrap();
    journal.end_session("ended").unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    for args in [&["show", "s-1"][..], &["tail", "s-1"], &["export", "s-1", "--format", "markdown"]] {
        let ran = foldlog(root.path(), args);
        for twice in ["closed (closed)", "closed: closed", "ended (ended)", "ended: ended"] {
            assert!(!ran.out.contains(twice), "{args:?}: {}", ran.out);
        }
    }
    assert!(foldlog(root.path(), &["stats", "s-1"]).out.contains("2 entries, "));
    let bad = AgentTransition::new("writer");
    let error = foldlog::Event::decode("agent_transition", "{}").unwrap_err();
    assert!(error.to_string().starts_with("invalid `agent_transition` event: "), "{error}: {bad:?}");
}

/// Goal: an entry whose checksum does not hold is no good record.
#[test]
fn the_doctor_counts_no_line_with_a_bad_checksum_as_good() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    journal.push(TurnEnded::success("t-1")).unwrap();
    journal.close().wait().unwrap();
    let path = root.path().join("s-1/00000001.jsonl");
    let examine = |args: &[&str]| foldlog(root.path(), &[&["doctor", path.to_str().unwrap()][..], args].concat());
    let sound = examine(&["--json"]).json().pop().unwrap();
    assert_eq!((&sound["lines"], &sound["records"]), (&4.into(), &4.into()));
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("pears", "bears", 1)).unwrap();
    let spoiled = examine(&["--json"]).json().pop().unwrap();
    assert_eq!((&spoiled["lines"], &spoiled["records"], &spoiled["damage"]), (&4.into(), &3.into(), &1.into()));
    let ran = examine(&[]);
    assert!(ran.out.contains("4 lines, 3 good records; found: 1 bad_checksum"), "{}", ran.out);
}

/// Goal: a path in JSON is the path, also where its bytes are no text.
#[test]
fn a_path_that_is_not_utf_8_is_given_as_bytes_too() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join(OsStr::from_bytes(b"pears-\xff"));
    let journal = Store::open(&root).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Sort")).unwrap();
    journal.close().wait().unwrap();
    let path_of = |line: &serde_json::Value, name: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(line[name].as_str().unwrap()).unwrap();
        PathBuf::from(OsStr::from_bytes(&bytes))
    };
    let file = root.join("s-1/00000001.jsonl");
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    let ran = Ran::of(doctor.args(["doctor", "--json"]).arg(&file));
    assert_eq!(path_of(&ran.json()[0], "file_base64"), file);
    let mut import = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    let ran = Ran::of(import.arg("--root").arg(place.path().join("other")).args(["import", "--json"]).arg(&file));
    assert_eq!(path_of(&ran.json()[0], "file_base64"), file, "{}", ran.err);
    let ran = foldlog(&root, &["rm", "s-1", "--yes", "--json"]);
    let path = path_of(&ran.json()[0], "path_base64");
    assert!(path.join("00000001.jsonl").exists(), "{}", ran.out);
    // Where the path is text, that is all there is.
    let plain = place.path().join("plain");
    let journal = Store::open(&plain).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Sort")).unwrap();
    journal.close().wait().unwrap();
    let line = foldlog(&plain, &["rm", "s-1", "--yes", "--json"]).json().remove(0);
    assert!(line.get("path_base64").is_none() && PathBuf::from(line["path"].as_str().unwrap()).exists(), "{line}");
}

/// Goal: what took days is told in days by every view.
#[test]
fn long_durations_are_days_in_every_view() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    let at = |hours: i64| Timestamp::from_micros(hours * 3600 * 1_000_000);
    journal.push(foldlog::Draft::from(TurnStarted::new("t-1", "")).time(at(500_000))).unwrap();
    journal.push(foldlog::Draft::from(TurnEnded::success("t-1")).time(at(507_985))).unwrap();
    journal.close().wait().unwrap();
    for args in
        [&["show", "s-1"][..], &["export", "s-1", "--format", "markdown"], &["export", "s-1", "--format", "html"]]
    {
        let ran = foldlog(root.path(), args);
        assert!(ran.out.replace(' ', "").contains("332d17h"), "{args:?}: {}", ran.out);
    }
}
