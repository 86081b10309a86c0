//! Every command where very few files may be open: an error, and no panic. And what many open turns cost.

use crate::forge::{entry_with, header_of, members};
use crate::support::Ran;
use foldlog::{Store, TurnEnded, TurnStarted};
use std::fs;
use std::process::{Command, Stdio};

/// Goal: a limit on open files that is far too low is an error of any command, or no hindrance.
#[test]
fn a_very_low_limit_on_open_files_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    journal.push(TurnEnded::success("t-1")).unwrap();
    journal.close().wait().unwrap();
    let input = root.path().join("input");
    fs::write(&input, "{\"type\":\"custom\",\"data\":{\"name\":\"n\"}}\n").unwrap();
    let (program, segment) = (env!("CARGO_BIN_EXE_foldlog"), root.path().join("s-1/00000001.jsonl"));
    let segment = segment.display();
    let commands = [
        "record s-2".to_owned(),
        "record --sessions --ack".to_owned(),
        "show s-1".to_owned(),
        "fold".to_owned(),
        "tail s-1".to_owned(),
        "tail -f s-1 --until-ended".to_owned(),
        "ls".to_owned(),
        "verify s-1".to_owned(),
        "export s-1 --format html".to_owned(),
        "replay s-1 --speed 0".to_owned(),
        format!("import {segment} --dry-run"),
        format!("doctor {segment}"),
        "stats --all".to_owned(),
        "rm s-1 --dry-run".to_owned(),
        "prune --older-than 1d --dry-run".to_owned(),
        "compact s-1 --dry-run".to_owned(),
    ];
    for limit in [4, 6, 9, 14, 24] {
        for command in &commands {
            let script = format!("ulimit -n {limit}; exec {program} --root {} {command}", root.path().display());
            let mut shell = Command::new("sh");
            let ran = Ran::of(shell.args(["-c", &script]).stdin(Stdio::from(fs::File::open(&input).unwrap())));
            if ran.err.contains("shared librar") {
                continue; // the system's loader has come no further
            }
            let known = [0, 1, 2, 3, 4, 5, 7].map(Some);
            assert!(known.contains(&ran.code), "{limit}, {command}: {:?} {}", ran.code, ran.err);
            assert!(!ran.err.contains("panicked"), "{limit}, {command}: {}", ran.err);
            assert!(ran.code == Some(0) || !ran.err.is_empty(), "{limit}, {command}: it says nothing");
        }
    }
}

/// Goal: `show` takes time in proportion to what it shows. Method: more open turns, calls and approvals than can be compared
/// with each other in the processor time that is allowed.
#[test]
fn many_open_turns_cost_no_more_than_they_are_many() {
    const TURNS: u64 = 100_000;
    let root = tempfile::tempdir().unwrap();
    let journal = |session: &str, event: &dyn Fn(u64) -> (&'static str, String)| {
        let mut header = members(1, 1, None);
        header["session_id"] = session.into();
        let mut bytes = header_of(&header);
        for seq in 1..=TURNS {
            let (type_name, data) = event(seq);
            bytes.extend(entry_with(seq, 0, type_name, &data));
        }
        fs::create_dir(root.path().join(session)).unwrap();
        fs::write(root.path().join(session).join("00000001.jsonl"), bytes).unwrap();
    };
    journal("turns", &|seq| ("turn_started", format!("{{\"turn_id\":\"t{seq}\"}}")));
    journal("calls", &|seq| {
        ("tool_call_started", format!("{{\"turn_id\":\"t\",\"call_id\":\"c{seq}\",\"tool_name\":\"x\"}}"))
    });
    journal("approvals", &|seq| match seq % 2 {
        0 => ("approval_requested", format!("{{\"turn_id\":\"t{seq}\",\"approval_id\":\"a{seq}\"}}")),
        _ => ("turn_started", format!("{{\"turn_id\":\"t{}\"}}", seq + 1)),
    });
    journal("models", &|seq| ("model_call_started", format!("{{\"turn_id\":\"t\",\"model_call_id\":\"m{seq}\"}}")));
    let program = env!("CARGO_BIN_EXE_foldlog");
    for command in [
        "show turns",
        "show turns --failed",
        "show turns --json",
        "show calls",
        "show approvals",
        "export calls --format html",
        "export models --format html",
    ] {
        let script = format!("ulimit -t 30; exec {program} --root {} {command} >/dev/null", root.path().display());
        let ran = Ran::of(Command::new("sh").args(["-c", &script]).stdin(Stdio::null()));
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.err);
    }
}
