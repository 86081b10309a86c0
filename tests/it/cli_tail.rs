//! `foldlog tail -f`, as people and programs use it.

use crate::patience::{PATIENCE, delta, until};
use crate::support::add;
use foldlog::{Journal, JournalOptions, SessionEnded, Store, ToolCallStarted, TurnEnded, TurnStarted};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A root, and programs that follow what is in it.
pub struct Root {
    pub dir: tempfile::TempDir,
    pub store: Store,
}

/// A `tail -f` at work.
pub struct Tail {
    pub child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    reading: Vec<JoinHandle<()>>,
}

impl Root {
    pub fn new() -> Root {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Root { dir, store }
    }

    fn run_verify(&self, session: &str) -> Option<i32> {
        crate::support::foldlog(self.dir.path(), &["verify", session]).code
    }

    pub fn tail(&self, args: &[&str]) -> Tail {
        self.tail_by(Command::new(env!("CARGO_BIN_EXE_foldlog")), args)
    }

    /// The same with a command that ends in the program.
    pub fn tail_by(&self, mut command: Command, args: &[&str]) -> Tail {
        command.arg("--root").arg(self.dir.path()).args(["tail", "-f"]).args(args);
        command.env("TZ", "UTC").env_remove("COLUMNS").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err): (Arc<Mutex<String>>, Arc<Mutex<String>>) = Default::default();
        let reading = vec![
            gather(child.stdout.take().unwrap(), Arc::clone(&out)),
            gather(child.stderr.take().unwrap(), Arc::clone(&err)),
        ];
        Tail { child, out, err, reading }
    }
}

fn gather(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read) = from.read(&mut bytes)
            && read > 0
        {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    })
}

impl Tail {
    pub fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    pub fn wait_for(&self, text: &str) {
        let start = std::time::Instant::now();
        while !self.out().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in {:?}, {:?}", self.out(), self.err());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Ends by itself; its exit code and all it said.
    pub fn ends(mut self) -> (Option<i32>, String, String) {
        self.end()
    }

    fn end(&mut self) -> (Option<i32>, String, String) {
        until("tail has ended", || self.child.try_wait().unwrap().is_some());
        let code = self.child.wait().unwrap().code();
        self.reading.drain(..).for_each(|reading| reading.join().unwrap());
        (code, self.out(), self.err())
    }

    pub fn interrupt(mut self) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.end()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill(); // a test that has seen enough, or failed
        let _ = self.child.wait();
    }
}

pub fn turn(journal: &Journal, turn_id: &str) {
    journal.push(TurnStarted::new(turn_id, "Fix the build")).unwrap();
    for number in 0..3 {
        journal.push(delta(number)).unwrap();
    }
    journal.append(TurnEnded::success(turn_id)).unwrap().wait().unwrap();
}

/// The lines of a session's segments, headers left out.
pub fn lines(root: &Root, session: &str) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(root.dir.path().join(session)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().filter(|line| line.starts_with("{\"seq\":")).map(str::to_owned).collect()
}

#[test]
fn it_waits_for_the_session_says_so_and_prints_its_lines_own_bytes() {
    let root = Root::new();
    let tail = root.tail(&["s-1", "--json", "--until-ended"]);
    until("it says that it waits", || tail.err().contains("waiting for session \"s-1\""));
    let options = JournalOptions::default().segment_bytes(700);
    let journal = root.store.journal_with("s-1", options).unwrap();
    turn(&journal, "t-1");
    tail.wait_for("turn_ended"); // at once, not when it ends
    journal.push(SessionEnded::new()).unwrap();
    journal.close().wait().unwrap();
    let (code, out, _) = tail.ends();
    assert_eq!(code, Some(0));
    let all = lines(&root, "s-1");
    let printed: Vec<&str> = out.lines().collect();
    assert!(all.len() > 6 && printed.len() >= all.len() - 1, "{printed:?}"); // `journal_closed` may come too late
    assert_eq!(printed, all[..printed.len()]);
}

#[test]
fn it_ends_with_the_session_by_the_way_that_ended() {
    for (how, code) in [("ended", 0), ("closed", 0), ("died", 1)] {
        let root = Root::new();
        let journal = root.store.journal("s-1").unwrap();
        turn(&journal, "t-1");
        let tail = root.tail(&["s-1", "--until-ended"]);
        tail.wait_for("ended");
        match how {
            "ended" => {
                // The journal stays open: the session has ended all the same.
                journal.append(SessionEnded::new()).unwrap().wait().unwrap();
                let (ended, out, _) = tail.ends();
                assert!(ended == Some(code) && out.contains("session ended"), "{ended:?}: {out}");
            }
            "closed" => {
                journal.close().wait().unwrap();
                assert_eq!(tail.ends().0, Some(code));
            }
            _ => {
                journal.append(ToolCallStarted::new("t-1", "c-1", "bash")).unwrap().wait().unwrap();
                drop(journal);
                let (ended, _, err) = tail.ends();
                assert!(ended == Some(code) && err.contains("was interrupted"), "{ended:?}: {err}");
            }
        }
    }
}

#[test]
fn it_begins_where_it_is_asked_to_and_goes_on_with_what_is_asked_for() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    (1..=5).for_each(|number| turn(&journal, &format!("t-{number}"))); // 25 entries
    let tails = [
        (vec![], 10),
        (vec!["-n", "3"], 3),
        (vec!["-n", "0"], 0),
        (vec!["--from", "24"], 2),
        (vec!["--since", "1h"], 25),
        (vec!["--since", "1h", "-n", "2"], 2),
        (vec!["--type", "turn_*"], 10),
        (vec!["--type", "turn_started", "--type", "turn_ended", "-n", "1"], 1),
        (vec!["--turn", "t-5"], 2), // the pieces of text are of another one
    ]
    .map(|(args, before)| (root.tail(&[&["s-1", "--json"], &args[..]].concat()), args, before));
    for (tail, args, before) in &tails {
        if *before > 0 {
            until(&format!("{args:?} printed what was there"), || tail.out().lines().count() >= *before);
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(300)); // those that print nothing have begun
    turn(&journal, "t-5");
    for (tail, args, before) in tails {
        let typed = args.iter().any(|arg| arg.starts_with("turn_"));
        let after = if typed || args.contains(&"--turn") { 2 } else { 5 };
        until(&format!("{args:?} printed what came"), || tail.out().lines().count() >= before + after);
        let (code, out, _) = tail.interrupt();
        assert_eq!((code, out.lines().count()), (Some(0), before + after), "{args:?}: {out}");
    }
}

#[test]
fn gaps_go_to_stderr_and_make_the_exit_code_3() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    turn(&journal, "t-1");
    let tail = root.tail(&["s-1", "--json"]);
    tail.wait_for("turn_ended");
    let path = root.dir.path().join("s-1/00000001.jsonl");
    let damaged = fs::read_to_string(&path).unwrap();
    turn(&journal, "t-2");
    drop(journal);
    let more = fs::read_to_string(&path).unwrap()[damaged.len()..].replacen("piece 1", "peace 1", 1);
    tail.wait_for("\"seq\":10");
    let before = tail.out();
    drop(tail);
    // The same, with a line that was damaged before anybody saw it.
    fs::write(&path, &damaged).unwrap();
    let tail = root.tail(&["s-1", "--json"]);
    tail.wait_for("turn_ended");
    add(&path, more.as_bytes());
    tail.wait_for("\"seq\":10");
    let (code, out, err) = tail.interrupt();
    assert_eq!(code, Some(3));
    assert!(err.contains("damage in session \"s-1\"") && err.contains("seq 8 is missing"), "{err}");
    assert_eq!(out.lines().count(), before.lines().count() - 1);
}

/// Goal: the exit code says what is true at the end. Method: half a line that nobody is writing is told as a gap; then the rest
/// of it comes, or a recovery explains it, or nothing becomes of it.
#[test]
fn half_a_line_that_came_to_be_none_is_no_damage_at_the_end() {
    for all in [true, false] {
        for becomes in ["whole", "explained", "nothing", "bad"] {
            let root = Root::new();
            let journal = root.store.journal("s-1").unwrap();
            turn(&journal, "t-1");
            drop(journal);
            let path = root.dir.path().join("s-1/00000001.jsonl");
            let whole = fs::read(&path).unwrap();
            let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
            let half = last + 20;
            fs::write(&path, &whole[..half]).unwrap();
            let args = if all { &["--all", "-n", "1", "--json"][..] } else { &["s-1", "--json"] };
            let tail = root.tail(args);
            until("the half line is told", || tail.err().contains("torn in segment"));
            match becomes {
                "whole" => {
                    add(&path, &whole[half..]);
                    tail.wait_for("turn_ended");
                }
                "explained" => {
                    turn(&root.store.journal("s-1").unwrap(), "t-2");
                    tail.wait_for("journal_recovered");
                    tail.wait_for("turn_ended");
                }
                "bad" => {
                    add(&path, &[b"\n", &whole[last..]].concat());
                    tail.wait_for("turn_ended");
                }
                _ => {}
            }
            let is_damaged = root.run_verify("s-1") != Some(0);
            let (code, _, err) = tail.interrupt();
            assert_eq!(is_damaged, matches!(becomes, "nothing" | "bad"), "{becomes}");
            assert_eq!(code, Some(if is_damaged { 3 } else { 0 }), "{becomes} {all}: {err}");
        }
    }
}

#[test]
fn text_flows_and_rows_are_aligned() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    turn(&journal, "t-1");
    let tail = root.tail(&["s-1"]);
    tail.wait_for("ended");
    // What flows is handed on before its line ends.
    journal.append(delta(7)).unwrap().wait().unwrap();
    tail.wait_for("piece 7 é");
    assert!(!tail.out().ends_with('\n'), "{:?}", tail.out());
    let (code, out, _) = tail.interrupt();
    assert_eq!(code, Some(0));
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows.len(), 4, "three pieces are one line of text: {out}");
    assert!(rows[1].ends_with("¶ piece 0 épiece 1 épiece 2 é"), "{out}");
    let symbols = rows.iter().map(|row| row.chars().position(|c| "▶¶✓".contains(c)));
    assert!(symbols.clone().all(|at| at == Some(35)), "{:?}: {out}", symbols.collect::<Vec<_>>());
    assert!(out.ends_with('\n'));
}

#[test]
fn all_sessions_are_followed_and_each_row_names_its_own() {
    let root = Root::new();
    turn(&root.store.journal("s-0").unwrap(), "t-0");
    let people = root.tail(&["--all"]);
    let json = root.tail(&["--all", "--json"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    for session in ["s-1", "s-2"] {
        turn(&root.store.journal(session).unwrap(), "t-1");
        json.wait_for(&format!("{{\"v\":1,\"session\":\"{session}\",\"entry\":{}}}\n", lines(&root, session)[4]));
    }
    people.wait_for("s-2");
    until("all rows", || people.out().matches("ended").count() == 2);
    let (code, out, _) = json.interrupt();
    assert_eq!((code, out.lines().count()), (Some(0), 10), "{out}");
    assert!(!people.out().contains("s-0") && people.out().contains("s-1"), "{}", people.out());
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly_even_while_nothing_comes() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    turn(&journal, "t-1");
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_foldlog");
    let script = format!("{program} --root {} tail -f s-1 | head -1", root.dir.path().display());
    let mut child = command.args(["-c", &script]).stdout(Stdio::null()).spawn().unwrap();
    until("the pipe has ended", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let root = Root::new();
    for args in [&["--all", "s-1"][..], &["s-1", "--poll", "0ms"], &["s-1", "--from", "1", "--since", "5m"]] {
        assert_eq!(root.tail(args).ends().0, Some(2), "{args:?}");
    }
    // A path is no name for a session that is still to come.
    assert_eq!(root.tail(&["/nowhere/s-1"]).ends().0, Some(4));
}
