//! Work in proportion to the input, counted in instructions: they are the same on every run, and time is not. What looks at
//! everything again for each of its parts takes no noticeable time at a size that a test can afford, and many minutes at the
//! size of a long session.

use crate::many;
use crate::recorder::FOLDLOG;
use crate::tools::need;
use foldlog::{Journal, Store};
use std::path::Path;
use std::process::Command;

const FEW: usize = 2_500;
const TIMES: usize = 4;

/// The instructions of a run of the program.
fn instructions(root: &Path, arguments: &[&str]) -> u64 {
    need("valgrind", "valgrind");
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", FOLDLOG, "--root"]);
    let output = command.arg(root).args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}");
    let line = words.lines().find(|line| line.contains("I ") && line.contains("refs:")).expect("valgrind counts");
    line.rsplit(':').next().unwrap().replace([',', ' '], "").parse().unwrap()
}

/// Four times the input may take four times the instructions and a little more, for the trees that things are found in.
fn assert_in_proportion(what: &str, few: u64, many: u64) {
    println!("{what}: {few} instructions, of {TIMES} times the input {many}");
    assert!(many * 20 <= few * TIMES as u64 * 21, "{what}: {few} instructions became {many}");
}

fn journal(root: &Path, record: impl Fn(&Journal)) {
    let journal = Store::open(root).unwrap().journal("s-1").unwrap();
    record(&journal);
    journal.close().wait().unwrap();
}

#[test]
fn a_turn_with_many_open_calls_is_exported_in_proportion() {
    let count = |calls: usize, format: &str| {
        let root = tempfile::tempdir().unwrap();
        journal(root.path(), |journal| {
            many::open_calls(journal, calls);
        });
        instructions(root.path(), &["export", "--format", format, "s-1"])
    };
    for format in ["chrome", "markdown", "html", "otlp"] {
        assert_in_proportion(format, count(FEW, format), count(FEW * TIMES, format));
    }
}

/// The first turn is named again and again, and one that never came.
#[test]
fn many_turns_are_exported_and_chosen_from_in_proportion() {
    let count = |turns: usize, arguments: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        journal(root.path(), |journal| {
            many::turns(journal, turns);
        });
        instructions(root.path(), &[&["export", "s-1"], arguments].concat())
    };
    for arguments in [&["--format", "markdown"][..], &["--format", "jsonl", "--turns", "1"]] {
        assert_in_proportion(&arguments.join(" "), count(FEW, arguments), count(FEW * TIMES, arguments));
    }
}

/// A turn in which many sub-agents work at the same time, without names.
#[test]
fn many_sub_agents_at_the_same_time_are_imported_in_proportion() {
    let count = |agents: usize| {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log.jsonl");
        std::fs::write(&path, many::sub_agents(agents)).unwrap();
        instructions(&root.path().join("root"), &["import", path.to_str().unwrap()])
    };
    assert_in_proportion("import", count(FEW), count(FEW * TIMES));
}
