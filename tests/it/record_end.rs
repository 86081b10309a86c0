//! How `foldlog record` ends: by signals, on full and failing disks, and at limits, always in bounded time.

use crate::recorder::{FOLDLOG, Recorder, note, reader, recorded};
use crate::support::has;
use rustix::process::{Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// A small disk that is nearly full; unmounted in the end.
struct SmallDisk {
    at: PathBuf,
    filler: PathBuf,
    _root: tempfile::TempDir,
}

impl SmallDisk {
    /// Needs the right to mount; `None` without it.
    fn mount() -> Option<SmallDisk> {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=400k", "tmpfs"]).arg(&at).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("skipped: cannot mount a tmpfs here");
            return None;
        }
        let filler = at.join("filler");
        std::fs::write(&filler, vec![b'x'; 300_000]).unwrap();
        Some(SmallDisk { at, filler, _root: root })
    }

    fn make_room(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn long_deltas(recorder: &mut Recorder, count: u64) {
    let text = "é".repeat(500);
    for number in 0..count {
        let data = json!({"turn_id": "t-1", "text": format!("{number} {text}")});
        assert!(recorder.event(&json!({"type": "text_delta", "data": data})));
    }
}

fn is_full(reply: &Value) -> bool {
    reply["waiting"] == "disk full"
}

fn is_over(reply: &Value) -> bool {
    reply.get("waiting").is_some_and(Value::is_null)
}

/// Goal: while it waits for space a recorder can be ended, in bounded time: what was acknowledged is there, every other line
/// is answered with an error, people are told which entries are missing, and the exit code is 7. Method: a small tmpfs that
/// stays full; the signal comes before the end of input, and after it.
#[test]
fn a_signal_ends_the_wait_for_space() {
    for (signal, input_ends) in [(Signal::TERM, false), (Signal::HUP, true)] {
        let Some(disk) = SmallDisk::mount() else { return };
        let mut recorder = Recorder::start(&disk.at, &["s", "--ack"]);
        long_deltas(&mut recorder, 200);
        recorder.wait_for("word of the full disk", is_full);
        let open = if input_ends { None } else { recorder.stdin.take() };
        drop(recorder.stdin.take());
        std::thread::sleep(Duration::from_millis(100)); // so that an end of input has been seen
        let told = Instant::now();
        kill_process(recorder.pid(), signal).unwrap();
        let (status, replies, words) = recorder.end();
        drop(open);
        assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
        assert_eq!(status.code(), Some(7), "{words}");
        let safe =
            replies.iter().filter(|reply| reply["seq"].is_u64()).filter_map(|reply| reply["line"].as_u64()).max();
        let safe = safe.unwrap();
        let refused: Vec<u64> = replies
            .iter()
            .filter(|reply| reply["error"].is_string())
            .map(|reply| reply["line"].as_u64().unwrap())
            .collect();
        assert_eq!(refused, (safe + 1..=200).collect::<Vec<u64>>(), "{words}");
        assert!(replies.iter().any(is_over), "the wait is over: {replies:?}");
        let last = safe + 1; // `session_started` is the first
        assert!(words.contains(&format!("entries {} to 201 were not recorded", last + 1)), "{words}");
        assert!(words.contains("told to end"), "{words}");
        assert_eq!(recorded(&disk.at, "s").len() as u64, last);
        disk.make_room();
        let mut recorder = Recorder::start(&disk.at, &["s", "--ack"]);
        assert_eq!(recorder.ready()["last_seq"], last);
        recorder.event(&note(1));
        assert_eq!(recorder.end().0.code(), Some(0));
    }
}

/// Goal: a client that reads that the disk is full reads later that it is not, though the input has ended meanwhile.
#[test]
fn the_end_of_a_wait_is_said_also_after_the_end_of_input() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut recorder = Recorder::start(&disk.at, &["s", "--ack"]);
    long_deltas(&mut recorder, 200);
    drop(recorder.stdin.take());
    recorder.wait_for("word of the full disk", is_full);
    disk.make_room();
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let full = replies.iter().rposition(is_full).unwrap();
    assert!(replies[full..].iter().any(is_over), "{replies:?}");
    assert_eq!(replies.iter().filter_map(|reply| reply["line"].as_u64()).max(), Some(200));
}

/// Goal: also a recorder that waits for space sees within about a second that its files are gone. Method: a small tmpfs that
/// stays full; the session's directory, its lock and its segment are moved away, the directory removed.
#[test]
fn files_that_are_gone_end_the_wait_for_space() {
    let harms: [fn(&Path); 4] = [
        |dir| fs::rename(dir, dir.with_extension("old")).unwrap(),
        |dir| fs::remove_file(dir.join("LOCK")).unwrap(),
        |dir| fs::rename(dir.join("00000001.jsonl"), dir.join("elsewhere")).unwrap(),
        |dir| fs::remove_dir_all(dir).unwrap(),
    ];
    for harm in harms {
        let Some(disk) = SmallDisk::mount() else { return };
        let mut recorder = Recorder::start(&disk.at, &["s", "--ack"]);
        long_deltas(&mut recorder, 200);
        recorder.wait_for("word of the full disk", is_full);
        harm(&disk.at.join("s"));
        let open = recorder.stdin.take();
        let begun = Instant::now();
        while recorder.child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                recorder.child.kill().unwrap();
                panic!("it waits on");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let (status, _, words) = recorder.end();
        drop(open);
        assert_eq!(status.code(), Some(7), "{words}");
        assert!(words.contains("was removed, replaced or moved away"), "{words}");
    }
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

/// Goal: where the system gives no thread, the error names what it was for. Method: `strace` refuses the first one, which is
/// asked for before anything is recorded.
#[test]
fn a_thread_that_cannot_be_started_is_named() {
    if !has("strace", "a_thread_that_cannot_be_started_is_named") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let inject = "inject=clone3,clone:error=EAGAIN:when=1";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3,clone", "-e", inject];
    let recorder = Recorder::start_under(&strace, root.path(), &["s", "--ack"]);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(7), "{words}");
    assert!(words.contains("cannot start the thread that writes the replies: "), "{words}");
}

/// Goal: a relative root below a working directory that may not be searched is an error that names the path. Method: another
/// user than the directory's owner. Needs root.
#[test]
fn a_root_that_cannot_be_reached_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() || !has("setpriv", "a_root_that_cannot_be_reached") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
    // The program stands where that user may run it.
    let programs = tempfile::tempdir().unwrap();
    fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = programs.path().join("foldlog");
    fs::copy(FOLDLOG, &program).unwrap();
    for root in ["R", "deep/er/R", "./R", "R/../S"] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["--root", root, "record", "s"]).current_dir(place.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{root}: {words}");
        assert!(words.contains(&format!("cannot create `{root}/s`: Permission denied")), "{root}: {words}");
    }
}

/// Goal: whatever `statx` answers, making a root ends with an error that names it. Method: `strace` makes every call fail but
/// the first, from which the standard library takes that there is such a call.
#[test]
fn a_root_that_cannot_be_looked_at_is_an_error_that_names_it() {
    if !has("strace", "a_root_that_cannot_be_looked_at_is_an_error_that_names_it") {
        return;
    }
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

/// Goal: a full disk is said at once, everything waits, nothing is lost, and recording goes on by itself.
/// Method: a small tmpfs with a file in it that is removed later. Needs root.
#[test]
fn a_full_disk_is_waited_for() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut recorder = Recorder::start(&disk.at, &["s", "--ack"]);
    long_deltas(&mut recorder, 200);
    recorder.wait_for("word of the full disk", is_full);
    let while_full = reader(&disk.at, "s").verify().unwrap();
    assert!(while_full.clean && while_full.entries > 0, "reading goes on: {while_full:?}");
    disk.make_room();
    recorder.wait_for("word of space", is_over);
    recorder.ack(200);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert!(words.contains("the disk is full; waiting"), "{words}");
    assert_eq!(recorded(&disk.at, "s").len(), 202, "session_started, 200 deltas, journal_closed");
}

/// Goal: an error of the disk ends the recording: everybody is answered, nothing is acknowledged behind it, exit code 7,
/// and the next recorder goes on.
/// Method: `strace` makes one `pwrite64` or `fdatasync` fail.
#[test]
fn an_error_of_the_disk_ends_the_recording_and_the_next_one_goes_on() {
    if !has("strace", "an_error_of_the_disk_ends_the_recording") {
        return;
    }
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
