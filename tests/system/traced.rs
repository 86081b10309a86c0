//! `foldlog` and the library under `strace`: killed at any system call, and told that it has failed.

use crate::appender::{acknowledgement, assert_kept};
use crate::faulty::EIO;
use crate::recorder::{FOLDLOG, Recorder, note, recorded};
use crate::support::{ID, child_arguments, reference_events};
use crate::tools::need_strace;
use foldlog::{JournalOptions, Session, Store};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_kill_at_any_system_call_loses_nothing_acknowledged() {
    need_strace();
    // Goal: the process may die right before any write, sync or truncation. Method: strace kills it at the n-th of each.
    for call in ["pwrite64", "fdatasync", "fsync"] {
        for number in [1, 2, 3, 5, 8, 13, 40] {
            let root = tempfile::tempdir().unwrap();
            let output = traced(call, &format!("signal=KILL:when={number}"), root.path());
            let acknowledged = output.lines().filter_map(acknowledgement).collect();
            assert_kept(root.path(), &acknowledged, number);
        }
    }
}

#[test]
fn a_real_error_of_a_system_call_ends_the_run_and_loses_nothing_acknowledged() {
    need_strace();
    // Goal: what the wrapped storage shows holds for the real one. Method: strace makes the n-th call fail with EIO; the
    // child says so and ends by itself.
    for call in ["pwrite64", "fdatasync"] {
        for number in [3, 4, 9, 20] {
            let root = tempfile::tempdir().unwrap();
            let output = traced(call, &format!("error=EIO:when={number}"), root.path());
            let last = output.lines().rfind(|line| line.starts_with("ack") || line.starts_with("error"));
            assert!(last.is_some_and(|line| line.starts_with("error")), "{call} {number}: acknowledged after it");
            assert!(output.contains(&format!("os error {EIO}")), "{call} {number}: {output}");
            assert_kept(root.path(), &output.lines().filter_map(acknowledgement).collect(), number);
        }
    }
}

/// Runs the appending child under strace with one injected fault, to its end. What it printed.
fn traced(call: &str, fault: &str, place: &Path) -> String {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:{fault}")]).arg(std::env::current_exe().unwrap());
    child_arguments(&mut command, "appender::child_that_appends", place);
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

/// All that a fold keeps.
fn fold(store: &Store) -> Session {
    store.reader(ID).unwrap().session().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_kill_at_any_system_call_of_a_compaction_harms_nothing() {
    need_strace();
    // Goal: the real program on a real disk may die before any call. Method: strace kills it at the n-th of each.
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let store = Store::open(&whole).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(1_500)).unwrap();
    for event in (0..4).flat_map(|_| reference_events()) {
        journal.push(event).unwrap();
    }
    journal.close().wait().unwrap();
    let (before, mut kills) = (fold(&store), 0);
    for call in ["pwrite64", "write", "fdatasync", "fsync", "rename", "unlink", "openat"] {
        for number in 1.. {
            let root = place.path().join(format!("{call}-{number}"));
            copy(&whole.join(ID), &root.join(ID));
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            command.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
            command.arg(env!("CARGO_BIN_EXE_foldlog")).arg("--root").arg(&root).args(["compact", ID]);
            let survived = command.output().unwrap().status.success();
            let store = Store::open(&root).unwrap();
            let what = format!("killed at {call} {number}");
            assert_eq!(fold(&store), before, "{what}");
            let journal = store.journal(ID).unwrap();
            assert!(journal.recovered().clean, "{what}: {:?}", journal.recovered());
            drop(journal);
            store.compact(ID).unwrap();
            assert_eq!(fold(&store), before, "{what}");
            let names = std::fs::read_dir(root.join(ID)).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            assert_eq!(names, ["00000001.jsonl", "COMPACT.LOCK", "LOCK"], "{what}");
            std::fs::remove_dir_all(&root).unwrap();
            if survived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 20, "{kills} kills");
    println!("killed {kills} times");
}

/// Goal: a search that takes long holds up no acknowledgement, and neither a signal nor the end of input waits for it: its
/// look-up is answered with an error. Method: `strace` delays every read of the segment.
#[test]
fn the_end_does_not_wait_for_a_search() {
    need_strace();
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

/// Goal: a session that cannot be opened is the fault of no line: its lines count as not recorded, the exit code is that of
/// recording this session alone, and `--strict` stops. Method: a session that another recorder holds, a directory that cannot
/// be made, and a file in the place of one.
#[test]
fn a_session_that_cannot_be_opened_decides_the_exit_code() {
    need_strace();
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

/// Goal: where the system gives no thread, the error names what it was for. Method: `strace` refuses the first one, which is
/// asked for before anything is recorded.
#[test]
fn a_thread_that_cannot_be_started_is_named() {
    need_strace();
    let root = tempfile::tempdir().unwrap();
    let inject = "inject=clone3,clone:error=EAGAIN:when=1";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3,clone", "-e", inject];
    let recorder = Recorder::start_under(&strace, root.path(), &["s", "--ack"]);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(7), "{words}");
    assert!(words.contains("cannot start the thread that writes the replies: "), "{words}");
}

/// Goal: whatever `statx` answers, making a root ends with an error that names it. Method: `strace` makes every call fail but
/// the first, from which the standard library takes that there is such a call.
#[test]
fn a_root_that_cannot_be_looked_at_is_an_error_that_names_it() {
    need_strace();
    for error in ["EACCES", "EIO", "ENOENT", "ELOOP"] {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=statx", "-e"]);
        command.arg(format!("inject=statx:error={error}:when=2+")).args([FOLDLOG, "--root", "R", "record", "s"]);
        let output = command.current_dir(place.path()).stdin(Stdio::null()).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        // Where nothing is there, it goes on to what it cannot open then.
        assert!(output.status.code() == Some(7) || (error == "ENOENT" && output.status.code().is_some()), "{output:?}");
        assert!(words.contains("`R/s"), "{error}: {words}");
    }
}

/// Goal: an error of the disk ends the recording: everybody is answered, nothing is acknowledged behind it, exit code 7,
/// and the next recorder goes on.
/// Method: `strace` makes one `pwrite64` or `fdatasync` fail.
#[test]
fn an_error_of_the_disk_ends_the_recording_and_the_next_one_goes_on() {
    need_strace();
    for fault in ["pwrite64:error=EIO:when=5", "fdatasync:error=EIO:when=5", "fdatasync:error=ENOSPC:when=4"] {
        let root = tempfile::tempdir().unwrap();
        let inject = format!("inject={fault}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync", "-e", &inject];
        let mut recorder = Recorder::start_under(&strace, root.path(), &["s", "--ack"]);
        for number in 1..=50 {
            if !recorder.event(&note(number)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let (status, replies, words) = recorder.end();
        assert_eq!(status.code(), Some(7), "{fault}: {words}");
        let failed = replies.iter().position(|reply| reply["error"].is_string()).unwrap();
        let behind = replies[failed..].iter().filter(|reply| reply["seq"].is_u64()).count();
        assert_eq!(behind, 0, "{fault}: acknowledged behind the failure: {replies:?}");
        let safe = replies.iter().filter_map(|reply| reply["seq"].as_u64()).max().unwrap();

        let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
        assert!(recorder.ready()["last_seq"].as_u64().unwrap() >= safe, "{fault}");
        recorder.event(&note(99));
        assert_eq!(recorder.end().0.code(), Some(0), "{fault}");
        assert!(recorded(root.path(), "s").iter().any(|(_, data)| data["value"] == 99));
    }
}
