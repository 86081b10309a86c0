//! `tail -f` of sessions that appear, of many at once, of mirrors; and where nobody reads what it says.

use crate::cli_tail::{Root, Tail, lines};
use crate::patience::{PATIENCE, delta, until};
use foldlog::{Journal, JournalOptions, TurnStarted};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Records a session of so many entries at once, and leaves it open.
fn burst(root: &Root, session: &str, entries: usize) -> Journal {
    let journal = root.store.journal(session).unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    for number in 1..entries {
        journal.push(delta(number)).unwrap();
    }
    journal.sync().unwrap().wait().unwrap();
    journal
}

/// Goal: a session that appears while `tail -f` waits is followed from its first entry, named or not.
#[test]
fn a_session_that_appears_is_followed_from_its_first_entry() {
    for args in [&["--json"][..], &["--json", "-n", "0"], &["pears/1", "--json"], &["pears/1", "--json", "-n", "2"]] {
        let root = Root::new();
        let tail = root.tail(args);
        until("it says that it waits", || tail.err().contains("waiting for "));
        let journal = burst(&root, "pears/1", 44);
        tail.wait_for("piece 43");
        journal.append(delta(99)).unwrap().wait().unwrap();
        tail.wait_for("piece 99");
        let (code, out, err) = tail.interrupt();
        assert_eq!((code, out.lines().count()), (Some(0), 45), "{args:?}: {err}");
        assert!(out.starts_with("{\"seq\":1,"), "{args:?}: {out}");
    }
    // For people too.
    let root = Root::new();
    let tail = root.tail(&[]);
    until("it says that it waits", || tail.err().contains("waiting for a session"));
    let _journal = burst(&root, "s-1", 44);
    tail.wait_for("piece 43");
    let (_, out, err) = tail.interrupt();
    assert!(out.contains("Sort the pears") && out.contains("piece 1 é"), "{out}");
    assert!(err.contains("following session \"s-1\""), "{err}");
}

/// Goal: of several that appear at once, one is followed, whole: the one that began first.
#[test]
fn of_several_that_appear_the_first_is_followed() {
    let root = Root::new();
    let apart = Root::new();
    for session in ["early", "late"] {
        drop(burst(&apart, session, 44));
    }
    // An empty directory is no session yet, and a file is none at all.
    fs::create_dir(root.dir.path().join("begun")).unwrap();
    fs::write(root.dir.path().join("note"), "").unwrap();
    let tail = root.tail(&["--json"]);
    until("it says that it waits", || tail.err().contains("waiting for a session"));
    for session in ["late", "early"] {
        fs::rename(apart.dir.path().join(session), root.dir.path().join(session)).unwrap();
    }
    tail.wait_for("piece 43");
    let (code, out, err) = tail.interrupt();
    assert_eq!(code, Some(0));
    let session = if err.contains("following session \"early\"") { "early" } else { "late" };
    let expected = lines(&root, session);
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{err}");
}

/// The files below a directory that a process has open.
fn open_below(tail: &Tail, place: &Path) -> usize {
    let place = place.canonicalize().unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", tail.child.id())).unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|path| path.starts_with(&place)).count()
}

/// The program with at most so many open files.
fn with_files(limit: usize) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_foldlog")]);
    shell
}

/// Goal: sessions in which nothing happens cost no descriptor, recorded at this moment or not.
#[test]
fn idle_sessions_have_no_file_open() {
    let root = Root::new();
    for number in 0..90 {
        burst(&root, &format!("closed-{number}"), 2).close().wait().unwrap();
    }
    let live: Vec<Journal> = (0..30).map(|number| burst(&root, &format!("live-{number}"), 2)).collect();
    let tail = root.tail_by(with_files(64), &["--all", "--json"]);
    // One of each kind goes on at once, as soon as anything is followed.
    let start = Instant::now();
    let mut rounds = 0;
    while !(tail.out().contains("\"closed-89\"") && tail.out().contains("\"live-29\"")) {
        assert!(start.elapsed() < PATIENCE, "{rounds} rounds: {}", tail.err());
        rounds += 1;
        burst(&root, "closed-89", 2).close().wait().unwrap();
        live[29].append(delta(rounds)).unwrap().wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    until("no file is open", || open_below(&tail, root.dir.path()) == 0);
    // Each of them is still followed.
    for (number, journal) in live.iter().enumerate() {
        journal.append(delta(1000 + number)).unwrap().wait().unwrap();
    }
    burst(&root, "closed-0", 2).close().wait().unwrap();
    for number in 0..30 {
        tail.wait_for(&format!("piece {} ", 1000 + number));
    }
    tail.wait_for("\"closed-0\"");
    until("no file is open again", || open_below(&tail, root.dir.path()) == 0);
    let (code, out, err) = tail.interrupt();
    assert_eq!(code, Some(0), "{err}");
    assert!(err.lines().all(|line| line.contains("too few open files")) && err.lines().count() <= 1, "{err}");
    let mut seen: Vec<(String, u64)> = Vec::new();
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        seen.push((line["session"].as_str().unwrap().to_owned(), line["entry"]["seq"].as_u64().unwrap()));
    }
    let given = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), given, "an entry came twice");
}

/// Goal: more sessions that record at once than files may be open: said once, and none of them is missed.
#[test]
fn beyond_the_limit_on_open_files_sessions_are_read_in_turn() {
    let root = Root::new();
    let journals: Vec<Journal> = (0..40).map(|number| burst(&root, &format!("s-{number}"), 2)).collect();
    let tail = root.tail_by(with_files(36), &["--all", "--json", "-n", "1"]);
    for number in 0..40 {
        tail.wait_for(&format!("\"s-{number}\""));
    }
    for round in 0..3 {
        for (number, journal) in journals.iter().enumerate() {
            journal.append(delta(1000 + 100 * round + number)).unwrap().wait().unwrap();
        }
    }
    for piece in (0..3).flat_map(|round| (0..40).map(move |number| 1000 + 100 * round + number)) {
        tail.wait_for(&format!("piece {piece} "));
    }
    let (code, out, err) = tail.interrupt();
    assert!(matches!(code, Some(0 | 1)), "{err}");
    assert!(err.matches("too few open files").count() <= 1, "{err}");
    for piece in (0..3).flat_map(|round| (0..40).map(move |number| 1000 + 100 * round + number)) {
        assert_eq!(out.matches(&format!("piece {piece} ")).count(), 1);
    }
}

/// Goal: a session that cannot be read is named once, and keeps no other from being followed or listed.
#[test]
fn one_session_that_cannot_be_read_ends_nothing() {
    let root = Root::new();
    burst(&root, "mine", 2).close().wait().unwrap();
    burst(&root, "theirs", 2).close().wait().unwrap();
    let closed = root.dir.path().join("theirs");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // For the superuser no directory is closed: then the program runs as somebody else, for whom it is.
    let program = root.dir.path().join("program");
    let command = || {
        if !geteuid().is_root() {
            return Command::new(env!("CARGO_BIN_EXE_foldlog"));
        }
        let mut command = Command::new(&program);
        command.uid(65534).gid(65534);
        command
    };
    if geteuid().is_root() {
        fs::copy(env!("CARGO_BIN_EXE_foldlog"), &program).unwrap();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        [root.dir.path(), &root.dir.path().join("mine"), &program].into_iter().for_each(|path| open(path, 0o755));
        for file in fs::read_dir(root.dir.path().join("mine")).unwrap() {
            open(&file.unwrap().path(), 0o644);
        }
    }
    let tail = root.tail_by(command(), &["--all", "--json", "-n", "9", "--poll", "50ms"]);
    tail.wait_for("\"seq\":2");
    until("it is named", || tail.err().contains("theirs"));
    std::thread::sleep(Duration::from_millis(600));
    let (code, out, err) = tail.interrupt();
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(out.contains("\"mine\"") && !out.contains("\"theirs\""), "{out}");
    for args in [&["ls"][..], &["stats", "--all"], &["prune", "--older-than", "0s", "--dry-run"]] {
        let output = command().arg("--root").arg(root.dir.path()).args(args).stdin(Stdio::null()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert_eq!(err.matches("cannot be read").count(), 1, "{args:?}: {err}");
        assert!(err.contains("theirs") && !output.stdout.is_empty(), "{args:?}: {err}");
    }
    // Readable again, it is followed from where it was to be.
    let tail = root.tail_by(command(), &["--all", "--json", "-n", "9", "--poll", "50ms"]);
    until("it is named", || tail.err().contains("theirs"));
    if geteuid().is_root() {
        for file in fs::read_dir(&closed).unwrap() {
            fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    tail.wait_for("\"theirs\"");
}

/// How a file of a mirror gets its first bytes up to an end.
type Way<'a> = &'a dyn Fn(&Path, &[u8], usize);

/// Adds what a session holds to its mirror piece by piece, as a copy that follows it does.
fn mirror(root: &Root, piece: usize, tail: &Tail, place: Way<'_>) -> usize {
    let (from, to) = (root.dir.path().join("s-1"), root.dir.path().join("mirror"));
    let mut names: Vec<_> = fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().ends_with(".jsonl"));
    names.sort();
    let mut pieces = 0;
    for name in names {
        let bytes = fs::read(from.join(&name)).unwrap();
        let mut end = 0;
        while end < bytes.len() {
            end = (end + piece).min(bytes.len());
            end += bytes[end..].iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1); // a copy of whole lines
            place(&to.join(&name), &bytes, end);
            pieces += 1;
            let printed = tail.out().len();
            let start = Instant::now();
            while tail.out().len() == printed && start.elapsed() < Duration::from_millis(40) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    pieces
}

/// Goal: where nobody holds the lock, that is said once, however often something is added; and files that are replaced by
/// longer ones are no damage.
#[test]
fn a_mirror_is_followed_without_a_word_for_each_addition() {
    let added = |path: &Path, bytes: &[u8], end: usize| {
        let len = fs::metadata(path).map_or(0, |metadata| metadata.len() as usize);
        crate::support::add_or_create(path, &bytes[len.min(end)..end]);
    };
    let replaced = |path: &Path, bytes: &[u8], end: usize| {
        let new = path.with_extension("part");
        fs::write(&new, &bytes[..end]).unwrap();
        fs::rename(&new, path).unwrap();
    };
    let ways: [Way<'_>; 2] = [&added, &replaced];
    for (way, place) in ways.into_iter().enumerate() {
        let root = Root::new();
        let options = JournalOptions::default().segment_bytes(3000);
        let journal = root.store.journal_with("s-1", options).unwrap();
        for number in 0..60 {
            journal.append(delta(number)).unwrap().wait().unwrap();
        }
        drop(journal);
        fs::create_dir(root.dir.path().join("mirror")).unwrap();
        let tail = root.tail(&["mirror", "--json", "--from", "1"]);
        let pieces = mirror(&root, 150, &tail, place);
        tail.wait_for("piece 59");
        until("it says that nobody records", || tail.err().contains("nobody is recording"));
        let (code, out, err) = tail.interrupt();
        assert_eq!(out.lines().collect::<Vec<_>>(), lines(&root, "s-1"), "{way}: {err}");
        assert!(pieces > 20 && err.matches("nobody is recording").count() == 1, "{way}: {err}");
        assert_eq!((code, err.matches("damage").count()), (Some(0), 0), "{way}: {err}");
    }
}

/// Goal: entries come though nobody reads the messages.
#[test]
fn messages_that_nobody_reads_hold_no_entry_up() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    for number in 0..3000 {
        journal.push(delta(number)).unwrap();
    }
    journal.sync().unwrap().wait().unwrap();
    drop(journal);
    let path = root.dir.path().join("s-1/00000001.jsonl");
    // Every second line is damaged: more messages than a pipe holds.
    let text = fs::read_to_string(&path).unwrap();
    let spoiled = text.lines().enumerate().map(|(at, line)| match at > 0 && at % 2 == 0 {
        true => line.replacen("piece", "peace", 1) + "\n",
        false => line.to_owned() + "\n",
    });
    fs::write(&path, spoiled.collect::<String>()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    command.arg("--root").arg(root.dir.path()).args(["tail", "-f", "s-1", "--json", "--from", "1"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let read = crate::patience::in_time("every good entry", move || {
        let mut read = 0;
        let mut line = String::new();
        while read < 1500 && out.read_line(&mut line).unwrap() > 0 {
            read += 1;
        }
        (read, out)
    });
    assert_eq!(read.0, 1500);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

/// Goal: it ends when it is told to, also while something holds it up. Method: nobody reads what it prints.
#[test]
fn a_signal_ends_it_while_it_works() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    for number in 0..5000 {
        journal.push(delta(number)).unwrap();
    }
    journal.sync().unwrap().wait().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(root.dir.path()).args(["tail", "-f", "s-1", "--json", "--from", "1"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400));
        assert!(child.try_wait().unwrap().is_none(), "it is still at it");
        kill_process(Pid::from_child(&child), signal).unwrap();
        until("it ends", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// Goal: a root that is not there yet is no system that does not notify.
#[test]
fn a_root_that_is_not_there_yet_is_waited_for_without_false_words() {
    let root = Root::new();
    let place = root.dir.path().to_owned();
    fs::remove_dir(&place).unwrap();
    let tail = root.tail(&["--all"]);
    std::thread::sleep(Duration::from_millis(500));
    let journal = burst(&root, "s-1", 3);
    tail.wait_for("piece 2");
    journal.append(delta(99)).unwrap().wait().unwrap();
    tail.wait_for("piece 99");
    let (code, _, err) = tail.interrupt();
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("does not notify"), "{err}");
}
