//! A driver of `foldlog record`, and what it has recorded.

use foldlog::{Reader, Store};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const FOLDLOG: &str = env!("CARGO_BIN_EXE_foldlog");

/// A recorder at work, with its replies gathered by a thread.
pub struct Recorder {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub replies: Arc<Mutex<Vec<Value>>>,
    reading: JoinHandle<()>,
}

impl Recorder {
    pub fn start(root: &Path, arguments: &[&str]) -> Recorder {
        Recorder::start_under(&[], root, arguments)
    }

    /// Starts it under another program, such as a shell.
    pub fn start_under(wrapper: &[&str], root: &Path, arguments: &[&str]) -> Recorder {
        Recorder::start_from(Stdio::piped(), wrapper, root, arguments)
    }

    /// Starts it with another standard input than our pipe.
    pub fn start_from(stdin: Stdio, wrapper: &[&str], root: &Path, arguments: &[&str]) -> Recorder {
        let mut words = wrapper.iter().copied().chain([FOLDLOG]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("--root").arg(root).arg("record").args(arguments);
        // A process group of its own, as a shell gives every job.
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let replies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (gathered, stdout) = (Arc::clone(&replies), child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(reply) => gathered.lock().unwrap().push(reply),
                    Err(_) => return, // cut short by a kill
                }
            }
        });
        let stdin = child.stdin.take();
        Recorder { child, stdin, replies, reading }
    }

    pub fn send(&mut self, line: &[u8]) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).is_ok()
    }

    pub fn event(&mut self, event: &Value) -> bool {
        self.send(event.to_string().as_bytes())
    }

    /// Waits for a reply; every test that waits ends within a minute.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            if let Some(reply) = self.replies.lock().unwrap().iter().find(|reply| wanted(reply)) {
                return reply.clone();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no {what} among {:?}", self.replies.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn ready(&self) -> Value {
        self.wait_for("ready line", |reply| reply["ready"] == true)
    }

    pub fn ack(&self, line: u64) -> Value {
        self.wait_for("acknowledgement", |reply| reply["seq"].is_u64() && reply["line"].as_u64() >= Some(line))
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends the input and waits: how it ended, what it replied and what it said.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>, String) {
        drop(self.stdin.take());
        let output = self.child.wait_with_output().unwrap();
        self.reading.join().unwrap();
        let replies = std::mem::take(&mut *self.replies.lock().unwrap());
        (output.status, replies, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

pub fn note(number: u64) -> Value {
    json!({"type": "custom", "id": format!("n-{number}"), "data": {"name": "note", "value": number}})
}

pub fn turn_started(turn_id: &str) -> Value {
    json!({"type": "turn_started", "data": {"turn_id": turn_id, "prompt": "Fix the build"}})
}

pub fn reader(root: &Path, id: &str) -> Reader {
    Store::open(root).unwrap().reader(id).unwrap()
}

/// Type and data of every entry, and the checks that everything else rests on.
pub fn recorded(root: &Path, id: &str) -> Vec<(String, Value)> {
    let reader = reader(root, id);
    assert!(reader.verify().unwrap().clean, "{:?}", reader.verify());
    let mut items = reader.items().unwrap();
    let mut entries = Vec::new();
    while let Some(item) = items.next().unwrap() {
        if let foldlog::Item::Entry(entry) = item {
            entries.push((entry.type_name().to_owned(), serde_json::from_str(entry.data()).unwrap_or_default()));
        }
    }
    entries
}
