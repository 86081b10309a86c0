//! What may not hold up `foldlog record`: searches for look-ups, replies that nobody reads, sessions that cannot be opened.

use crate::recorder::{FOLDLOG, Recorder, note};
use foldlog::{JournalOptions, LOOKUP_BYTES, Store, TextDelta};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Goal: a client that resumes by looking up its steps in a large journal is answered by a search or two, and what it
/// records meanwhile is acknowledged meanwhile. Method: a journal that is longer than a search, and 300 look-ups.
#[test]
fn look_ups_in_a_large_journal_hold_up_no_acknowledgement() {
    const LOOKUPS: u64 = 300;
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal_with("s", JournalOptions::default()).unwrap();
    let large = "x".repeat(1 << 20);
    for _ in 0..=LOOKUP_BYTES >> 20 {
        journal.append(TextDelta::new("t-1", &large)).unwrap().wait().unwrap();
    }
    drop(journal);
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    for number in 1..=LOOKUPS {
        recorder.event(&json!({"lookup": format!("n-{number}")}));
    }
    recorder.event(&note(7));
    recorder.ack(LOOKUPS + 1);
    let last = recorder.wait_for("the last look-up", |reply| reply["line"] == LOOKUPS);
    assert_eq!(last, json!({"line": LOOKUPS, "lookup": "n-300", "found": null, "complete": false}));
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let lines = replies.iter().filter(|reply| reply.get("lookup").is_some()).map(|reply| reply["line"].as_u64());
    assert!(lines.eq((1..=LOOKUPS).map(Some)), "each is answered, in order");
    let at = |wanted: &dyn Fn(&Value) -> bool| replies.iter().position(wanted);
    assert!(at(&|reply| reply["seq"].is_u64()) < at(&|reply| reply["line"] == LOOKUPS), "{replies:?}");
}

/// Starts a recorder whose replies nobody reads, and writes lines that cannot be kept until it takes no more: how many.
fn fill(root: &Path) -> (Child, u64) {
    let mut command = Command::new(FOLDLOG);
    command.arg("--root").arg(root).args(["record", "s", "--ack"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    fcntl_setfl(&*stdin, OFlags::NONBLOCK).unwrap();
    let line = format!("{}\n", json!({"lookup": "x".repeat(500)})).into_bytes();
    let (mut lines, mut written, mut taken) = (0, 0, Instant::now());
    while taken.elapsed() < Duration::from_secs(3) {
        match stdin.write(&line[written..]) {
            Ok(count) => {
                (written, taken) = (written + count, Instant::now());
                lines += u64::from(written == line.len());
                written %= line.len();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
        assert!(lines < 200_000, "it keeps replies without a limit");
    }
    (child, lines)
}

/// Goal: replies that nobody reads take a limited amount of memory: the input waits. A signal and the end of input end the
/// recording all the same; a client that reads after all gets every reply. Method: lines that are answered with errors.
#[test]
fn replies_that_nobody_reads_hold_up_the_input_and_not_the_end() {
    for signal in [None, Some(Signal::TERM)] {
        let root = tempfile::tempdir().unwrap();
        let (mut child, _) = fill(root.path());
        let start = Instant::now();
        let open = child.stdin.take();
        let open = signal.and_then(|signal| {
            kill_process(Pid::from_child(&child), signal).unwrap();
            open
        });
        assert_eq!(child.wait().unwrap().code(), Some(1));
        drop(open);
        assert!(start.elapsed() < Duration::from_secs(30), "{signal:?}: {:?}", start.elapsed());
    }
    let root = tempfile::tempdir().unwrap();
    let (mut child, lines) = fill(root.path());
    drop(child.stdin.take());
    let replies = BufReader::new(child.stdout.take().unwrap()).lines();
    let errors = replies.map_while(Result::ok).filter(|reply| reply.contains("\"error\"")).count() as u64;
    assert!((lines..=lines + 1).contains(&errors), "{errors} replies to {lines} lines and perhaps a part of one");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
