//! What may not hold up `foldlog record`: searches for look-ups, replies that nobody reads, sessions that cannot be opened.

use crate::recorder::{FOLDLOG, Recorder, note, recorded};
use crate::support::has;
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

/// Goal: a search that takes long holds up no acknowledgement, and neither a signal nor the end of input waits for it: its
/// look-up is answered with an error. Method: `strace` delays every read of the segment.
#[test]
fn the_end_does_not_wait_for_a_search() {
    if !has("strace", "the_end_does_not_wait_for_a_search") {
        return;
    }
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP)] {
        let root = tempfile::tempdir().unwrap();
        let segment = root.path().join("s/00000001.jsonl").display().to_string();
        let delay = "inject=pread64:delay_enter=10000000";
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", &segment, "-e", "trace=pread64", "-e", delay];
        let mut recorder = Recorder::start_under(&strace, root.path(), &["s", "--ack"]);
        recorder.event(&note(1));
        recorder.event(&json!({"lookup": "n-1"}));
        recorder.event(&note(2));
        let start = Instant::now();
        recorder.ack(3);
        let open = signal.and_then(|signal| {
            let strace = recorder.child.id();
            let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).unwrap();
            let recording = children.split_whitespace().next().unwrap().parse().unwrap();
            kill_process(Pid::from_raw(recording).unwrap(), signal).unwrap();
            recorder.stdin.take()
        });
        let (status, replies, words) = recorder.end();
        drop(open);
        // `strace` itself stays until the read that it delays is due; a whole search has two of them, or more.
        assert!(start.elapsed() < Duration::from_secs(18), "{signal:?}: {:?}", start.elapsed());
        assert_eq!(status.code(), Some(0), "{words}");
        let answer = replies.iter().find(|reply| reply["line"] == 2).unwrap();
        assert!(answer["error"].as_str().unwrap().contains("before this id was searched for"), "{answer}");
        assert_eq!(recorded(root.path(), "s").len(), 4);
    }
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

/// Goal: a session that cannot be opened is the fault of no line: its lines count as not recorded, the exit code is that of
/// recording this session alone, and `--strict` stops. Method: a session that another recorder holds, a directory that cannot
/// be made, and a file in the place of one.
#[test]
fn a_session_that_cannot_be_opened_decides_the_exit_code() {
    if !has("strace", "a_session_that_cannot_be_opened") {
        return;
    }
    for (id, code) in [("held", 5), ("denied", 7), ("file", 2)] {
        for strict in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let mut holder = Recorder::start(root.path(), &["held", "--ack"]);
            holder.event(&note(1));
            holder.ack(1);
            std::fs::write(root.path().join("file"), "").unwrap();
            let deny = "inject=mkdir,mkdirat:error=EPERM:when=1";
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=mkdir,mkdirat", "-e", deny];
            let wrapper = if id == "denied" { &strace[..] } else { &[] };
            let mut recorder = Recorder::start_under(wrapper, root.path(), &[id, "--ack"]);
            recorder.event(&note(1));
            assert_eq!(recorder.end().0.code(), Some(code), "{id} alone");

            let arguments: &[&str] =
                if strict { &["--sessions", "--ack", "--strict"] } else { &["--sessions", "--ack"] };
            let mut recorder = Recorder::start_under(wrapper, root.path(), arguments);
            for session in [id, "other"] {
                let mut event = note(1);
                event["session"] = json!(session);
                recorder.event(&event);
            }
            let (status, replies, words) = recorder.end();
            assert_eq!(status.code(), Some(code), "{id}: {words}");
            assert!(words.contains("1 line could not be recorded") && !words.contains("not an event"), "{words}");
            assert!(replies.iter().any(|reply| reply["line"] == 1 && reply["error"].is_string()), "{replies:?}");
            assert_eq!(replies.iter().any(|reply| reply["session"] == "other"), !strict, "{replies:?}");
            assert_eq!(holder.end().0.code(), Some(0));
        }
    }
}
