//! Every command where very few files may be open: an error, and no panic.

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
