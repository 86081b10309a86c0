//! What `ls`, `rm` and `prune` list: under names that every command takes, with one age, and nothing without a word.

use crate::support::{Ran, foldlog, seal};
use foldlog::{Draft, JournalOptions, Store, Timestamp, TurnEnded, TurnStarted};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

const DAY: i64 = 24 * 3600 * 1_000_000;

fn record(root: &Path, id: &str) {
    let journal = Store::open(root).unwrap().journal(id).unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    journal.push(TurnEnded::success("t-1")).unwrap();
    journal.close().wait().unwrap();
}

/// The first words of the rows.
fn names(ran: &Ran) -> Vec<String> {
    ran.out.lines().skip(1).map(|line| line.split("  ").next().unwrap().to_owned()).collect()
}

/// Goal: a directory that was moved is listed under a name that opens it, and with where it is.
#[test]
fn a_directory_that_was_renamed_is_listed_under_a_name_that_opens_it() {
    let root = tempfile::tempdir().unwrap();
    record(root.path(), "real");
    fs::rename(root.path().join("real"), root.path().join("moved")).unwrap();
    record(root.path(), "real");
    let run = |args: &[&str]| foldlog(root.path(), args);
    let mut listed = names(&run(&["ls"]));
    listed.sort();
    assert_eq!(listed, ["moved (recorded as real)", "real"]);
    let lines = run(&["ls", "--json"]).json();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(line["session_id"], "real");
        for command in ["show", "fold", "tail", "verify", "stats"] {
            let ran = run(&[command, line["path"].as_str().unwrap()]);
            assert_eq!(ran.code, Some(0), "{command} {}: {}", line["path"], ran.err);
        }
    }
    for command in ["show", "fold", "tail", "verify", "stats"] {
        assert_eq!(run(&[command, "moved"]).code, Some(0), "{command}");
    }
}

/// Goal: a session that no id can name is not passed over in silence.
#[test]
fn sessions_in_directories_that_no_id_has_are_named() {
    let root = tempfile::tempdir().unwrap();
    for (id, name) in [("a", &b"\xff\xfe"[..]), ("b", b"Copy of b")] {
        record(root.path(), id);
        fs::rename(root.path().join(id), root.path().join(OsStr::from_bytes(name))).unwrap();
    }
    record(root.path(), "c");
    fs::create_dir(root.path().join("holiday photos")).unwrap();
    for args in [&["ls"][..], &["ls", "--json"], &["prune", "--older-than", "0s", "--dry-run"]] {
        let ran = foldlog(root.path(), args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("\u{fffd}\u{fffd}") && ran.err.contains("Copy of b"), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("holiday"), "{args:?}: {}", ran.err);
    }
    // Both can be opened by their paths.
    for name in [&b"\xff\xfe"[..], b"Copy of b"] {
        let path = root.path().join(OsStr::from_bytes(name));
        for command in ["verify", "show", "fold", "stats"] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_foldlog"));
            let ran = Ran::of(program.arg("--root").arg(root.path()).arg(command).arg(&path).stdin(Stdio::null()));
            assert_eq!(ran.code, Some(0), "{command} {path:?}: {}", ran.err);
        }
    }
}

/// Goal: no two ids look the same in a list.
#[test]
fn ids_that_differ_look_different() {
    let root = tempfile::tempdir().unwrap();
    let ids = ["a\nb", "a\\nb", "a b", "a  b", " a b", "a b ", "a\tb", "\"a\\nb\"", "a\u{200b}b", "a\\u{200b}b"];
    for id in ids {
        record(root.path(), id);
    }
    for args in [&["ls"][..], &["prune", "--older-than", "0s", "--dry-run"]] {
        let ran = foldlog(root.path(), args);
        let rows: Vec<String> =
            ran.out.lines().skip(1).map(|line| line.split("idle").next().unwrap().to_owned()).collect();
        let mut different: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ids.len(), "{args:?}: {}", ran.out);
        for plain in ["a b", "a\\nb", "a\\u{200b}b"] {
            assert!(different.contains(&plain), "{plain:?} is shown as it is: {different:?}");
        }
    }
}

/// Records events of `event_age` days ago in a segment that was created `opened` days ago.
fn epoch(root: &Path, id: &str, event_age: i64, opened: i64) {
    let store = Store::open(root).unwrap();
    let at = |days: i64| Timestamp::from_micros(Timestamp::now().micros() - days * DAY);
    let journal = store.journal_with(id, JournalOptions::default()).unwrap();
    for draft in [Draft::from(TurnStarted::new("t-1", "")), TurnEnded::success("t-1").into()] {
        journal.push(draft.time(at(event_age))).unwrap();
    }
    drop(journal);
    let file = store.path_of(&foldlog::SessionId::new(id).unwrap()).join("00000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let created = head.find("\"created\":\"").unwrap() + 11;
    let head = format!("{}{}{}", &head[..created], at(opened), &head[created + Timestamp::LEN..head.len() - 18]);
    fs::write(&file, [seal(&head), rest.as_bytes().to_vec()].concat()).unwrap();
}

/// Goal: one age for `ls`, its order, `--since`, `prune` and `rm`.
#[test]
fn every_list_goes_by_the_same_age() {
    let root = tempfile::tempdir().unwrap();
    epoch(root.path(), "imported", 700, 1); // old events, recorded yesterday
    epoch(root.path(), "steady", 5, 5);
    epoch(root.path(), "old", 60, 90);
    let run = |args: &[&str]| foldlog(root.path(), args).json();
    let ids = |lines: &[serde_json::Value]| -> Vec<String> {
        lines.iter().map(|line| line["session_id"].as_str().unwrap().to_owned()).collect()
    };
    let listed = run(&["ls", "--json"]);
    assert_eq!(ids(&listed), ["imported", "steady", "old"]);
    assert_eq!(ids(&run(&["ls", "--since", "30d", "--json"])), ["imported", "steady"]);
    assert_eq!(ids(&run(&["prune", "--older-than", "30d", "--dry-run", "--json"])), ["old"]);
    for line in &listed {
        let id = line["session_id"].as_str().unwrap();
        let removed = run(&["rm", id, "--dry-run", "--json"]);
        assert_eq!(line["last_activity"], removed[0]["last_activity"], "{id}");
    }
    let table = foldlog(root.path(), &["ls"]).out;
    for (row, line) in table.lines().skip(1).zip(&listed) {
        let day = &line["last_activity"].as_str().unwrap()[..10];
        assert!(row.contains(day), "{row} is of {day}");
    }
}

/// Goal: a dry run refuses what would be refused, and words lead somewhere.
#[test]
fn what_is_no_session_is_refused_before_it_is_listed() {
    let root = tempfile::tempdir().unwrap();
    record(root.path(), "real");
    fs::write(root.path().join("plain"), "precious").unwrap();
    std::os::unix::fs::symlink(root.path().join("real"), root.path().join("link")).unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    for name in ["plain", "link"] {
        for mode in ["--dry-run", "--yes"] {
            let ran = foldlog(root.path(), &["rm", name, mode]);
            assert_eq!(ran.code, Some(2), "{name} {mode}: {}", ran.err);
            assert!(
                ran.err.contains("is not a directory") && ran.out.is_empty(),
                "{name} {mode}: {} {}",
                ran.out,
                ran.err
            );
        }
        assert!(root.path().join(name).symlink_metadata().is_ok());
    }
    let ran = foldlog(root.path(), &["rm", "empty", "--yes"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(!ran.err.contains("give the whole of \"empty\"") && ran.err.contains("holds no segment"), "{}", ran.err);
    assert_eq!(names(&foldlog(root.path(), &["ls"])), ["real"]);
}
