//! `foldlog record`: events from standard input into one session's journal, or many.

mod input;
mod parse;
mod replies;
mod session;
mod words;

use crate::cli::{Exit, Failure, Outcome, help, words as say};
use clap::{Args, ValueEnum};
use foldlog::{Durability, JournalOptions, MAX_LINE, OnFull, SessionId, Store};
use input::{Chunk, End, Line, Lines};
use parse::Envelope;
use replies::{Body, Replies};
use session::{Common, Session, Taken};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::rc::Rc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use words::Words;

/// What SIGXFSZ is on Linux: sent when a file would grow over the process's limit. Caught, so that the write fails.
const SIGXFSZ: i32 = 25;

/// Record events from standard input, one JSON object a line: {"type":..,"data":{..},"time"?:..,"id"?:..}
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// The session to record into: its id, or the path of its directory
    #[arg(required_unless_present = "sessions")]
    session: Option<String>,
    /// Record many sessions: every line of input, and every reply, carries "session"
    #[arg(long, conflicts_with = "session")]
    sessions: bool,
    /// The workspace of a session that is new
    #[arg(long, value_name = "W")]
    workspace: Option<String>,
    /// The agent of a session that is new
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// What a reply means: the event is on disk, or handed to the operating system
    #[arg(long, value_enum, default_value_t = Level::Synced)]
    durability: Level,
    /// Speak on standard output: a ready line, then a reply for the lines that are safe
    #[arg(long)]
    ack: bool,
    /// Stop at the first line that is not an event of a known type
    #[arg(long)]
    strict: bool,
    /// How large a segment may grow, in bytes
    #[arg(long, value_name = "N", default_value_t = 64 << 20)]
    segment_bytes: u64,
    /// Fill a segment ahead with so many line feeds, which makes waiting for the disk shorter: 1048576 is a good size
    #[arg(long, value_name = "N", default_value_t = 0)]
    prefill: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Synced,
    Written,
}

/// Runs the command.
pub(crate) fn run(args: RecordArgs, store: Result<Store, foldlog::Error>) -> Outcome {
    if std::io::stdin().is_terminal() {
        say("record reads events from standard input: pipe them in, as in `my-agent | foldlog record my-session`");
        return Ok(help("record"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io)?;
    tokio::task::LocalSet::new().block_on(&runtime, record(args, store))
}

/// What has been recorded, and what went wrong on the way.
struct Recorder {
    common: Rc<Common>,
    store: Store,
    /// The one session, unless there are many.
    only: Option<String>,
    sessions: HashMap<String, Session>,
    line: u64,
    bad_lines: u64,
    failure: Option<Failure>,
    refused: Option<String>,
}

async fn record(args: RecordArgs, store: Result<Store, foldlog::Error>) -> Outcome {
    let (store, only) = match &args.session {
        Some(name) if name.contains('/') => {
            let (store, id) = by_path(Path::new(name))?;
            (store, Some(id))
        }
        name => (store?, name.clone()),
    };
    let durability = match args.durability {
        Level::Synced => Durability::Synced,
        Level::Written => Durability::Written,
    };
    let options = JournalOptions::default().segment_bytes(args.segment_bytes).prefill(args.prefill);
    let options = options.on_full(OnFull::Wait).durability(durability);
    if args.sessions {
        allow_many_files();
    }
    let common = Rc::new(Common {
        options,
        workspace: args.workspace,
        agent: args.agent,
        strict: args.strict,
        many: args.sessions,
        replies: if args.ack { Replies::start().map_err(Failure::io)? } else { Replies::none() },
        words: Rc::new(Words::default()),
        failed: Rc::new(Notify::new()),
    });
    let mut recorder =
        Recorder { common, store, only, sessions: HashMap::new(), line: 0, bad_lines: 0, failure: None, refused: None };
    let terminate = catch_signals().map_err(Failure::io)?;
    if let Some(id) = recorder.only.clone() {
        recorder.open(&id)?;
    }
    let end = recorder.read(terminate).await?;
    recorder.finish(end).await
}

/// Catches what must not end us, and gives what tells us to end. To be called before anybody hears that we are ready.
fn catch_signals() -> std::io::Result<Signal> {
    // Once caught, a signal stays caught: the streams themselves are not needed.
    // The whole process group gets an interrupt from the keyboard, and the last events are still to come.
    drop(signal(SignalKind::interrupt())?);
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    signal(SignalKind::terminate())
}

/// The store and the id of a session whose directory is given.
pub(crate) fn by_path(path: &Path) -> Result<(Store, String), Failure> {
    let id = path.file_name().and_then(|name| name.to_str()).and_then(SessionId::from_directory_name);
    let (Some(id), Some(root)) = (id, path.parent()) else {
        return Err(Failure::usage(format!("`{}` cannot be the directory of a session", path.display())));
    };
    Ok((Store::open(root)?, id.to_string()))
}

/// Every session takes two files.
pub(crate) fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it is not granted, sessions beyond the limit are answered with an error.
    let _ = setrlimit(Resource::Nofile, limit);
}

impl Recorder {
    fn open(&mut self, id: &str) -> Result<(), foldlog::Error> {
        let session = Session::open(&self.common, &self.store, id)?;
        self.sessions.insert(id.to_owned(), session);
        Ok(())
    }

    /// Takes all input: to its end, until SIGTERM has drained it, or until nothing more can be recorded.
    async fn read(&mut self, mut terminate: Signal) -> Result<End, Failure> {
        let (mut chunks, tell) = input::start().map_err(Failure::io)?;
        let mut tell = Some(tell);
        let failed = Rc::clone(&self.common.failed);
        let mut lines = Lines::new(MAX_LINE);
        loop {
            let chunk = tokio::select! {
                biased;
                _ = terminate.recv(), if tell.is_some() => {
                    tell = None; // dropping it tells the reading thread
                    continue;
                }
                () = failed.notified(), if !self.common.many => return Ok(End::Eof),
                chunk = chunks.recv() => chunk,
            };
            match chunk {
                Some(Chunk::Bytes(bytes)) => {
                    let taking = self.take_all(&bytes, &mut lines);
                    tokio::pin!(taking);
                    loop {
                        // A full disk may hold us here for long: the signal to end must still get through.
                        tokio::select! {
                            biased;
                            goes_on = &mut taking => match goes_on {
                                true => break,
                                false => return Ok(End::Eof),
                            },
                            _ = terminate.recv(), if tell.is_some() => tell = None,
                        }
                    }
                }
                Some(Chunk::End(end)) => {
                    if let Some(line) = lines.last() {
                        self.take(line).await;
                    }
                    return Ok(end);
                }
                Some(Chunk::Failed(error)) => {
                    self.fail(Failure::io(error));
                    return Ok(End::Eof);
                }
                None => return Ok(End::Eof),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes the lines that end within a chunk; `false` if that was the last.
    async fn take_all(&mut self, mut chunk: &[u8], lines: &mut Lines) -> bool {
        while let Some(line) = lines.next(&mut chunk) {
            if !self.take(line).await {
                return false;
            }
        }
        true
    }

    /// Takes one line; `false` if nothing more can be recorded.
    async fn take(&mut self, line: Line<'_>) -> bool {
        self.line += 1;
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong(length) => {
                let why = format!("the line has {length} bytes, at most {MAX_LINE} are allowed");
                return self.refuse(&why);
            }
        };
        let envelope = Envelope::read(bytes);
        let Some(id) = self.only.clone().or_else(|| named_session(&envelope)) else {
            let why = envelope.err().unwrap_or_else(|| "no `session`: every line must carry one".to_owned());
            return self.refuse(&why);
        };
        if !self.sessions.contains_key(&id)
            && let Err(error) = self.open(&id)
        {
            return self.refuse_for(&id, &error.to_string());
        }
        let Some(session) = self.sessions.get_mut(&id) else { return true };
        match session.take(self.line, bytes, envelope).await {
            Ok(Taken::Recorded | Taken::Bad) => true,
            Ok(Taken::Refused(why)) => {
                self.common
                    .replies
                    .say(self.common.many.then_some(&id), Body::Refused { line: self.line, error: &why });
                self.refused = Some(format!("line {}: {why}; stopped, since --strict was given", self.line));
                false
            }
            Err(error) if self.common.many => {
                let why = error.to_string();
                self.fail(Failure::from(error));
                self.refuse_for(&id, &why)
            }
            Err(error) => {
                self.fail(Failure::from(error));
                false
            }
        }
    }

    /// A line that goes into no session.
    fn refuse(&mut self, why: &str) -> bool {
        self.bad_lines += 1;
        if self.common.strict {
            self.refused = Some(format!("line {}: {why}; stopped, since --strict was given", self.line));
        } else {
            self.common.words.say_limited(format!("line {}: {why}; not recorded", self.line));
        }
        self.common.replies.say(None, Body::Refused { line: self.line, error: why });
        !self.common.strict
    }

    fn refuse_for(&mut self, id: &str, why: &str) -> bool {
        self.bad_lines += 1;
        self.common.words.say_limited(format!("line {}: {why}; not recorded", self.line));
        self.common.replies.say(Some(id), Body::Refused { line: self.line, error: why });
        true
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Makes everything safe, closes all sessions and tells how it went.
    async fn finish(mut self, end: End) -> Outcome {
        let reason = match (end, &self.refused) {
            (_, Some(_)) => "closed",
            (End::Eof, None) => "eof",
            (End::Signal, None) => "signal",
        };
        let (mut recorded, count) = (0, self.sessions.len());
        let mut bad_lines = self.bad_lines;
        // All at once, so that their syncs run beside each other.
        let sessions = std::mem::take(&mut self.sessions);
        let closing: Vec<_> =
            sessions.into_values().map(|session| tokio::task::spawn_local(session.close(reason))).collect();
        for closed in closing {
            match closed.await.map_err(|_| Failure::usage("a session's task has panicked")) {
                Ok(Ok((events, unparsed))) => {
                    recorded += events;
                    bad_lines += unparsed;
                }
                Ok(Err(error)) => self.fail(Failure::from(error)),
                Err(failure) => self.fail(failure),
            }
        }
        self.common.replies.finish();
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if let Some(refused) = self.refused {
            say(&refused);
            return Ok(Exit::No);
        }
        let sessions = match &self.only {
            Some(id) => format!("in session {id}"),
            None => format!("in {count} sessions"),
        };
        let not_understood = match bad_lines {
            0 => String::new(),
            count => format!("; {count} lines were not events"),
        };
        say(&format!("recorded {recorded} events {sessions}, all synced{not_understood}"));
        Ok(if bad_lines > 0 { Exit::No } else { Exit::Fine })
    }
}

fn named_session(envelope: &Result<Envelope<'_>, String>) -> Option<String> {
    envelope.as_ref().ok()?.session.as_deref().map(str::to_owned)
}
