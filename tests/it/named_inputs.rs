//! What `import` and `doctor` are given by name: files that are named like segments and are none, pipes, devices; and a root
//! that nobody named.

use crate::import::Root;
use crate::not_files::fifo;
use crate::support::Ran;
use foldlog::{Store, TurnStarted};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A prompt in the shape of Claude Code.
fn prompt(session: &str, text: &str) -> Vec<u8> {
    let line = json!({"type": "user", "sessionId": session, "uuid": format!("u-{text}"), "parentUuid": null,
        "timestamp": "2026-04-01T08:00:00.000Z", "message": {"role": "user", "content": text}});
    format!("{line}\n").into_bytes()
}

/// Goal: only the segments of one journal are one input. Method: beside them in one directory files of another program with
/// such names, a segment of another session, and one of their own without its header.
#[test]
fn files_that_are_only_named_like_segments_stay_apart() {
    let root = Root::new();
    let segment = |session: &str, prompt: &str| {
        let lab = Root::new();
        let journal = lab.store.journal(session).unwrap();
        journal.append(TurnStarted::new("t-1", prompt)).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        fs::read(lab.store.root().join(session).join("00000001.jsonl")).unwrap()
    };
    let mine = segment("f-1", "Mine");
    let header = mine.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    root.file("00000001.jsonl", &mine);
    root.file("00000002.jsonl", &mine[header..]);
    root.file("00000003.jsonl", &segment("f-2", "Another's"));
    root.file("20260401.jsonl", &prompt("s-1", "One"));
    root.file("20260402.jsonl", &prompt("s-2", "Two"));
    let ran = root.import(&[], &[&root.dir.path().join("logs")]);
    assert_eq!((ran.code, ran.json.len()), (Some(0), 4), "{}", ran.words);
    for (session, prompt) in [("f-1", "Mine"), ("f-2", "Another's"), ("s-1", "One"), ("s-2", "Two")] {
        let record = root.fold(session);
        assert_eq!((record.turns.len(), &*record.turns[0].prompt), (1, prompt), "{session}");
    }
    let again = root.import(&[], &[&root.dir.path().join("logs")]);
    assert!(again.json.iter().all(|report| report["events"] == 0), "{:?}", again.json);
}

/// What a command says of a path, and what it ends with. One that does not end is killed.
fn ran(root: &Root, command: &[&str], path: &Path, stdin: Option<&[u8]>) -> Ran {
    let mut program = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    program.arg("--root").arg(root.store.root()).args(command).arg(path);
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let given = stdin.unwrap_or_default().to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&given));
    let pid = Pid::from_child(&child);
    let (ended, wait) = mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        if wait.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            kill_process(pid, Signal::KILL).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    let _ = (watcher.join(), writer.join());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn named_pipes_and_devices_are_refused() {
    let root = Root::new();
    let pipe = root.dir.path().join("pipe.jsonl");
    fifo(&pipe);
    let import = ["import", "--format", "claude-code"];
    for path in [&*pipe, Path::new("/dev/zero"), Path::new("/dev/null")] {
        let reading = [(&["replay"][..], 7), (&["stats", "--prices"][..], 7), (&["doctor"][..], 7)];
        for (command, code) in [(&["import"][..], 1), (&import[..], 1)].into_iter().chain(reading) {
            let ran = ran(&root, command, path, None);
            assert_eq!(ran.code, Some(code), "{command:?} {}: {}", path.display(), ran.err);
            assert!(ran.err.contains("it is no file"), "{}", ran.err);
        }
    }
}

/// Goal: what the shell gives for `<(zcat log.gz)` is read whole, though files are read more than once. Method: such a pipe
/// with more in it than is looked at to tell what it is.
#[test]
fn a_pipe_of_the_shell_is_read_whole() {
    let root = Root::new();
    let lines: Vec<u8> = (0..5_000).flat_map(|number| prompt("s-1", &format!("{number:0>200}"))).collect();
    let examined = ran(&root, &["doctor"], Path::new("/dev/stdin"), Some(&lines));
    assert_eq!(examined.code, Some(0), "{}{}", examined.out, examined.err);
    assert!(examined.out.contains("5000 good records") || examined.out.contains("5,000"), "{}", examined.out);
    let imported = ran(&root, &["import", "--json"], Path::new("/dev/stdin"), Some(&lines));
    let report: serde_json::Value = serde_json::from_str(&imported.out).unwrap();
    assert_eq!((imported.code, &report["mapped"]), (Some(0), &5_000.into()), "{}", imported.err);
    assert_eq!(root.fold("s-1").turns.len(), 5_000);
}

/// Goal: what is read only once is taken from a pipe of the shell as well.
#[test]
fn events_and_prices_are_read_from_a_pipe_of_the_shell() {
    let root = Root::new();
    let replayed = ran(&root, &["replay", "--speed", "0"], Path::new("/dev/stdin"), Some(b"{\"type\":\"a\"}\n"));
    assert_eq!((replayed.code, &*replayed.out), (Some(0), "{\"type\":\"a\"}\n"), "{}", replayed.err);
    let journal = root.store.journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Hi")).unwrap();
    journal.close().wait().unwrap();
    let prices = br#"{"usd_per_million_tokens": {"m": {"input": 1}}}"#;
    let counted = ran(&root, &["stats", "--prices"], Path::new("/dev/stdin"), Some(prices));
    assert_eq!(counted.code, Some(0), "{}", counted.err);
}

/// Goal: a line of a file that is longer than a line may be is told with its place, its length and the limit, and the others
/// are read.
#[test]
fn a_line_that_is_too_long_is_told_with_the_limit() {
    let root = Root::new();
    let log = root.dir.path().join("long.jsonl");
    let long = vec![b'x'; foldlog::MAX_LINE + 1];
    fs::write(&log, [&prompt("s-1", "One")[..], &long, b"\n", &prompt("s-1", "Two")].concat()).unwrap();
    let begins = prompt("s-1", "One").len();
    let replayed = ran(&root, &["replay", "--speed", "0"], &log, None);
    let told = format!(
        "line 2, byte {begins}: left out: it has {} bytes, at most {} are allowed",
        long.len() + 1,
        long.len() - 1
    );
    assert_eq!((replayed.code, replayed.out.lines().count()), (Some(3), 2));
    assert!(replayed.err.contains(&told), "{}", replayed.err);
    let imported = ran(&root, &["import"], &log, None);
    let told = format!("line 2, byte {begins}: longer than {} bytes, the most that a line may have", foldlog::MAX_LINE);
    assert_eq!(imported.code, Some(3), "{}", imported.err);
    assert!(imported.err.contains(&told) && imported.out.contains("1 damaged"), "{}{}", imported.out, imported.err);
}

/// Goal: a mirror that has nothing to follow ends, and says so. Method: names that are refused, one of them beside a document,
/// which is imported once.
#[test]
fn following_nothing_ends() {
    let root = Root::new();
    let follow = ["import", "--follow"];
    let pipe = root.dir.path().join("pipe.jsonl");
    fifo(&pipe);
    for path in [&*pipe, Path::new("/dev/null"), &root.dir.path().join("missing.jsonl")] {
        let ran = ran(&root, &follow, path, None);
        assert_eq!(ran.code, Some(1), "{}: {}", path.display(), ran.err);
        assert!(ran.err.contains("nothing that was named can be followed"), "{}", ran.err);
    }
    let document = root.dir.path().join("chat.json");
    let chat = json!({"sessionId": "g-1", "projectHash": "p", "startTime": "2026-04-01T08:00:00.000Z", "messages": [
        {"id": "m-1", "timestamp": "2026-04-01T08:00:00.000Z", "type": "user", "content": "Hi"}]});
    fs::write(&document, serde_json::to_string_pretty(&chat).unwrap()).unwrap();
    let ran = ran(&root, &follow, &document, None);
    assert!(ran.err.contains("nothing is left that can be followed"), "{}{}", ran.out, ran.err);
    assert_eq!((ran.code, root.fold("g-1").turns.len()), (Some(0), 1), "{}", ran.err);
}

/// Goal: nothing is recorded below the directory that a command happens to be started in.
#[test]
fn a_relative_home_is_no_place_for_sessions() {
    let here = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.env_clear().envs(variables.iter().copied()).current_dir(here.path()).arg("ls").stdin(Stdio::null());
        Ran::of(&mut command)
    };
    for variables in [&[("HOME", "home")][..], &[("XDG_STATE_HOME", "state"), ("HOME", "")]] {
        let ran = run(variables);
        assert!(ran.code != Some(0) && ran.err.contains("to an absolute path"), "{:?} {}", ran.code, ran.err);
    }
    // A relative one does not count: the next is taken.
    let journal = Store::open(here.path().join(".local/state/foldlog")).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Hi")).unwrap();
    journal.close().wait().unwrap();
    let ran = run(&[("XDG_STATE_HOME", "state"), ("HOME", here.path().to_str().unwrap())]);
    assert!(ran.out.contains("s-1"), "{}{}", ran.out, ran.err);
    assert!(!here.path().join("state").exists() && !here.path().join("home").exists());
}
