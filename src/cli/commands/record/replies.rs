//! Replies on standard output: written by a thread of their own, so that recording does not wait for their reader.
//!
//! Acknowledgements coalesce while they wait: the last one of a session says it all. Everything else is kept, so the input
//! is read no further while too much of it waits.

use crate::cli::exit::{Exit, words as say};
use crate::cli::thread;
use foldlog::{OpenTurn, Seq};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the end waits for a client that does not read its replies.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many bytes of replies wait, at most, before the input is read further.
const WAITING_BYTES: usize = 4 << 20;

/// Where replies go.
#[derive(Clone)]
pub(crate) struct Replies {
    /// `None` without `--ack`: nothing is said.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Notified when replies were written.
    written: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Reply>,
    /// How many replies have been taken out so far.
    taken: u64,
    /// Where the acknowledgement of each session waits, counted from the first reply ever.
    acks: HashMap<Option<String>, u64>,
    /// How many bytes the replies have that are kept: those that wait, and those that are being written.
    kept: usize,
    writing: bool,
    /// Nobody listens any more.
    broken: bool,
    /// Not because nobody wants to: the operating system has refused.
    failed: bool,
}

enum Reply {
    Ack { session: Option<String>, line: u64, seq: u64 },
    Text(String),
}

/// A reply as it is written: only the members that it has, in this order.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(flatten)]
    body: Body<'a>,
}

/// What a reply says. The order of the members is the order on the wire.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Body<'a> {
    Ready(Ready<'a>),
    Safe { line: u64, seq: u64 },
    Kept { line: u64, seq: u64, error: &'a str },
    Refused { line: u64, error: &'a str },
    Waiting { waiting: Option<&'a str> },
    Warning { line: u64, warning: &'a str },
    Lookup { line: u64, lookup: &'a str, found: Option<u64>, complete: bool },
}

/// The first reply for a session.
#[derive(Serialize)]
pub(crate) struct Ready<'a> {
    pub(crate) v: u64,
    pub(crate) ready: bool,
    pub(crate) session_id: &'a str,
    pub(crate) last_seq: Seq,
    pub(crate) last_id: Option<&'a str>,
    pub(crate) epoch: u64,
    pub(crate) epoch_id: &'a str,
    pub(crate) open: &'a [OpenTurn],
}

impl Replies {
    pub(crate) fn none() -> Replies {
        Replies { shared: None }
    }

    /// Starts the thread that speaks.
    pub(crate) fn start() -> io::Result<Replies> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), written: Notify::new() });
        let speaker = Arc::clone(&shared);
        // Not through the standard library's handle: its lock, held while nobody reads, would hold up our exit.
        let stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        thread::start("replies", "writes the replies", move || speaker.speak(&stdout))?;
        Ok(Replies { shared: Some(shared) })
    }

    /// Whether anybody asked for replies.
    pub(crate) fn wanted(&self) -> bool {
        self.shared.is_some()
    }

    /// Every line of the session up to `line` is as safe as was asked.
    pub(crate) fn ack(&self, session: Option<&str>, line: u64, seq: u64) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        if state.broken {
            return;
        }
        let session = session.map(str::to_owned);
        let (taken, reply) = (state.taken, Reply::Ack { session: session.clone(), line, seq });
        let known = state.acks.get(&session).and_then(|at| usize::try_from(at.checked_sub(taken)?).ok());
        match known.and_then(|at| state.waiting.get_mut(at)) {
            Some(waiting) => *waiting = reply,
            None => {
                let at = taken + state.waiting.len() as u64;
                state.acks.insert(session, at);
                state.waiting.push_back(reply);
            }
        }
        drop(state);
        shared.changed.notify_all();
    }

    /// A reply that is never left out; goes out behind the session's acknowledgements so far.
    pub(crate) fn say(&self, session: Option<&str>, body: Body<'_>) {
        let Some(shared) = &self.shared else { return };
        let text = write(session, body);
        let mut state = shared.lock();
        state.acks.remove(&session.map(str::to_owned));
        if !state.broken {
            state.kept += text.len();
            state.waiting.push_back(Reply::Text(text));
        }
        drop(state);
        shared.changed.notify_all();
    }

    /// Resolves once there is room for the replies to another line. For one caller at a time.
    pub(crate) async fn room(&self) {
        let Some(shared) = &self.shared else { return };
        while !shared.has_room() {
            shared.written.notified().await;
        }
    }

    /// Waits until everything is said, or nobody listens. The exit code says whether replies could not be written.
    pub(crate) fn finish(&self) -> Exit {
        let Some(shared) = &self.shared else { return Exit::Fine };
        let mut state = shared.lock();
        while !state.broken && (state.writing || !state.waiting.is_empty()) {
            let before = state.taken;
            let waited = shared.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && state.taken == before {
                break;
            }
        }
        if state.failed { Exit::Io } else { Exit::Fine }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        let state = self.lock();
        state.broken || state.kept < WAITING_BYTES
    }

    fn speak(&self, stdout: &File) {
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let replies = std::mem::take(&mut state.waiting);
            state.taken += replies.len() as u64;
            state.acks.clear();
            state.writing = true;
            let writing = state.kept;
            drop(state);
            let said = say_all(stdout, replies);
            // A client that has gone wants no more, and is nobody's fault.
            let failed = said.as_ref().err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
            if let Some(error) = failed {
                say(&format!("cannot write replies to stdout: {error}; recording goes on without them"));
            }
            let failed = failed.is_some();
            state = self.lock();
            state.writing = false;
            state.kept -= writing;
            if said.is_err() {
                // The recording goes on: it must not depend on who listens.
                (state.broken, state.failed) = (true, failed);
                state.waiting = VecDeque::new();
            }
            self.changed.notify_all();
            self.written.notify_one();
            if state.broken {
                return;
            }
        }
    }
}

fn say_all(mut stdout: &File, replies: VecDeque<Reply>) -> io::Result<()> {
    let mut text = String::new();
    for reply in replies {
        match reply {
            Reply::Ack { session, line, seq } => {
                text.push_str(&write(session.as_deref(), Body::Safe { line, seq }));
            }
            Reply::Text(reply) => text.push_str(&reply),
        }
        text.push('\n');
    }
    stdout.write_all(text.as_bytes())
}

fn write(session: Option<&str>, body: Body<'_>) -> String {
    serde_json::to_string(&Message { session, body }).expect("a reply holds only strings and numbers")
}
