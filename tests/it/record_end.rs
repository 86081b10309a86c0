//! How `foldlog record` ends: by signals, on full and failing disks, and at limits, always in bounded time.

use crate::recorder::{FOLDLOG, Recorder, note, recorded};
use rustix::process::{Signal, kill_process, kill_process_group};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

/// Goal: an interrupt from the keyboard hits the whole process group; the events still to come are recorded.
#[test]
fn an_interrupt_of_the_process_group_loses_no_event() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    recorder.event(&note(1));
    recorder.ack(1);
    kill_process_group(recorder.pid(), Signal::INT).unwrap();
    recorder.event(&note(2));
    recorder.ack(2);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert_eq!(recorded(root.path(), "s").last().unwrap().1["reason"], "eof");
}

/// Goal: signals that end a program, such as SIGHUP from a terminal that is closed, drain what is in the pipe and close.
#[test]
fn signals_that_end_it_drain_the_pipe_and_close() {
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::XCPU] {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
        recorder.ready();
        for number in 1..=100 {
            recorder.event(&note(number));
        }
        kill_process(recorder.pid(), signal).unwrap();
        // The pipe stays open on our side: the recorder must not wait for its end.
        let open = recorder.stdin.take();
        let (status, replies, words) = recorder.end();
        drop(open);
        assert_eq!(status.code(), Some(0), "{words}");
        assert_eq!(replies.last().unwrap()["line"], 100, "every line that was in the pipe is acknowledged");
        let entries = recorded(root.path(), "s");
        assert_eq!((entries.len(), &entries[101].1["reason"]), (102, &json!("signal")));
    }
}

/// Goal: `nohup` works: a recorder that was started with SIGHUP ignored goes on.
#[test]
fn a_hang_up_that_was_ignored_at_the_start_stays_ignored() {
    let root = tempfile::tempdir().unwrap();
    let deaf = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let mut recorder = Recorder::start_under(&deaf, root.path(), &["s", "--ack"]);
    recorder.ready();
    kill_process(recorder.pid(), Signal::HUP).unwrap();
    recorder.event(&note(1));
    recorder.ack(1);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert_eq!(recorded(root.path(), "s").last().unwrap().1["reason"], "eof");
}

/// Goal: an input without end does not keep a recorder that was told to end. Method: a file that can always be read.
#[test]
fn input_that_never_stops_is_left_after_a_while() {
    let root = tempfile::tempdir().unwrap();
    let endless = Stdio::from(File::open("/dev/zero").unwrap());
    let recorder = Recorder::start_from(endless, &[], root.path(), &["s", "--ack"]);
    recorder.ready();
    kill_process(recorder.pid(), Signal::TERM).unwrap();
    let (status, _, words) = recorder.end();
    assert!(status.code().is_some() && words.contains("told to end while input kept coming"), "{words}");
}

/// Goal: replies that cannot be written are said once, and by the exit code; everything is recorded. A client that has gone is
/// no failure. Method: a full device, and a pipe that nobody reads.
#[test]
fn replies_that_cannot_be_written_are_said_and_recording_goes_on() {
    let (gone, closed) = std::io::pipe().unwrap();
    drop(gone);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for (stdout, code) in [(Stdio::from(full), 7), (Stdio::from(closed), 0)] {
        let root = tempfile::tempdir().unwrap();
        let mut command = Command::new(FOLDLOG);
        command.arg("--root").arg(root.path()).args(["record", "s", "--ack"]);
        let mut child = command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for number in 0..20 {
            writeln!(stdin, "{}", note(number)).unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert_eq!(words.matches("cannot write replies to stdout").count(), usize::from(code == 7), "{words}");
        assert!(words.contains("recorded 20 events in session s, all synced"), "{words}");
        assert_eq!(recorded(root.path(), "s").len(), 22);
    }
}

/// Goal: a limit on the size of files is no full disk: it ends the recording at once, and says so. Method: `ulimit -f`.
#[test]
fn a_limit_on_the_size_of_files_ends_the_recording_at_once() {
    let root = tempfile::tempdir().unwrap();
    let limited = ["sh", "-c", "ulimit -f 32; exec \"$@\"", "sh"];
    let mut recorder = Recorder::start_under(&limited, root.path(), &["s", "--ack"]);
    recorder.event(&note(0));
    recorder.ack(1);
    for number in 1..2_000 {
        if !recorder.event(&note(number)) {
            break;
        }
    }
    // The input stays open: nothing waits for its end.
    let open = recorder.stdin.take();
    let (status, replies, words) = recorder.end();
    drop(open);
    assert_eq!(status.code(), Some(7), "{words}");
    assert!(words.contains("LimitFSIZE") && !words.contains("full"), "{words}");
    assert!(!replies.iter().any(|reply| reply.get("waiting").is_some()), "{replies:?}");
    let safe = replies.iter().filter_map(|reply| reply["seq"].as_u64()).max().unwrap();
    assert!(recorded(root.path(), "s").len() as u64 >= safe, "what was acknowledged is there");
}
