//! Takes the input, line by line, into the sessions that it names.

use super::common::Common;
use super::input::{Chunk, END_PATIENCE, End, Line, Lines};
use super::parse::Envelope;
use super::replies::Body;
use super::session::Taken;
use super::sessions::Sessions;
use crate::cli::exit::{Exit, Failure, Outcome, words as say};
use crate::cli::term::human;
use foldlog::{ErrorKind, MAX_LINE, SessionId, Store};
use std::path::PathBuf;
use std::rc::Rc;
use tokio::sync::mpsc;

/// What has been recorded, and what went wrong on the way.
pub(crate) struct Recorder {
    common: Rc<Common>,
    /// The one session, unless there are many.
    only: Option<String>,
    /// Its directory, if it is not in the root.
    elsewhere: Option<PathBuf>,
    sessions: Sessions,
    /// The line that is being taken, or was taken last.
    line: u64,
    /// The last line that was taken to its end.
    taken: u64,
    /// Lines that are no events.
    bad_lines: u64,
    /// Lines that could not be recorded, whatever they are.
    lost_lines: u64,
    failure: Option<Failure>,
    refused: Option<String>,
}

impl Recorder {
    pub(crate) fn new(common: Rc<Common>, store: Store, only: Option<String>, elsewhere: Option<PathBuf>) -> Recorder {
        Recorder {
            sessions: Sessions::new(Rc::clone(&common), store),
            common,
            only,
            elsewhere,
            line: 0,
            taken: 0,
            bad_lines: 0,
            lost_lines: 0,
            failure: None,
            refused: None,
        }
    }

    /// Opens a session before its first line of input.
    pub(crate) async fn open(&mut self, id: &str) -> Result<(), foldlog::Error> {
        self.sessions.of_line(id, 0).await.map(drop)
    }

    /// Takes all input: to its end, until a signal has drained it, or until nothing more can be recorded.
    pub(crate) async fn read(&mut self, mut chunks: mpsc::Receiver<Chunk>) -> End {
        let common = Rc::clone(&self.common);
        let mut lines = Lines::new(MAX_LINE);
        loop {
            let chunk = tokio::select! {
                biased;
                () = common.space.given_up() => return End::NoSpace,
                () = common.failed.notified(), if !common.many => return End::Failed,
                chunk = chunks.recv() => chunk,
            };
            let end = match chunk {
                Some(Chunk::Bytes(bytes)) => {
                    // A full disk may hold us here for long.
                    let goes_on = tokio::select! {
                        biased;
                        goes_on = self.take_all(&bytes, &mut lines) => goes_on,
                        () = common.space.given_up() => return End::NoSpace,
                    };
                    if goes_on { None } else { Some(End::Failed) }
                }
                Some(Chunk::End(end)) => {
                    if let Some(line) = lines.last() {
                        tokio::select! {
                            biased;
                            _ = self.take(line) => {}
                            () = common.space.given_up() => return End::NoSpace,
                        }
                    }
                    Some(end)
                }
                Some(Chunk::Failed(error)) => {
                    self.fail(Failure::io(error));
                    Some(End::Failed)
                }
                None => Some(End::Failed),
            };
            if let Some(end) = end {
                return end;
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
        self.common.room(self.common.replies.room()).await;
        self.line += 1;
        let goes_on = self.take_into_session(line).await;
        self.taken = self.line;
        goes_on
    }

    async fn take_into_session(&mut self, line: Line<'_>) -> bool {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong(length) => {
                let why = format!("the line has {length} bytes, at most {MAX_LINE} are allowed");
                return self.refuse(None, &why);
            }
        };
        let envelope = Envelope::read(bytes);
        let Some(id) = self.only.clone().or_else(|| named_session(&envelope)) else {
            let why = envelope.err().unwrap_or_else(|| "no `session`: every line must carry one".to_owned());
            return self.refuse(None, &why);
        };
        let session = match self.sessions.of_line(&id, self.line).await {
            Ok(session) => session,
            Err(error) if SessionId::new(&*id).is_err() => return self.refuse(Some(&id), &error.to_string()),
            Err(error) => return self.lose(&id, error),
        };
        match session.take(self.line, bytes, envelope).await {
            Ok(Taken::Recorded | Taken::Bad) => true,
            Ok(Taken::Refused(why)) => {
                self.common
                    .replies
                    .say(self.common.many.then_some(&id), Body::Refused { line: self.line, error: &why });
                self.stop_at(&why);
                false
            }
            Err(error) if self.common.many => self.lose(&id, error),
            Err(error) => {
                self.fail(Failure::from(error));
                false
            }
        }
    }

    /// A line that goes into no session, because it is no event for one.
    fn refuse(&mut self, id: Option<&str>, why: &str) -> bool {
        self.bad_lines += 1;
        if self.common.strict {
            self.stop_at(why);
        } else {
            self.common.words.say_limited(format!("line {}: {why}; not recorded", self.line));
        }
        self.common.replies.say(id, Body::Refused { line: self.line, error: why });
        !self.common.strict
    }

    /// This line is the end, by `--strict`.
    fn stop_at(&mut self, why: &str) {
        let line = self.line;
        self.refused = Some(format!("line {line}: {why}; not recorded, and stopped, since --strict was given"));
    }

    /// A line that cannot be recorded, for a reason that is not the line's: its session fails, the others go on, unless
    /// everything has to be right.
    fn lose(&mut self, id: &str, error: foldlog::Error) -> bool {
        let why = error.to_string();
        self.lost_lines += 1;
        self.common.words.say_limited(format!("line {}: {why}; not recorded", self.line));
        self.common.replies.say(Some(id), Body::Refused { line: self.line, error: &why });
        self.fail(Failure::from(error));
        !self.common.strict
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Makes everything durable, closes all sessions and says how it went.
    pub(crate) async fn finish(mut self, end: End) -> Outcome {
        self.common.patience.begin();
        let reason = match (end, &self.refused) {
            (_, Some(_)) => "closed",
            (End::Eof | End::Failed, None) => "eof",
            (End::Signal | End::Cut | End::NoSpace, None) => "signal",
        };
        let mut recorded = 0;
        let mut left_out = end == End::NoSpace;
        for (id, closed) in self.sessions.close(reason).await {
            match closed {
                Ok((events, unparsed)) => {
                    recorded += events;
                    self.bad_lines += unparsed;
                }
                Err(Failure::Library(error)) if error.kind() == ErrorKind::StorageFull => {
                    left_out = true;
                    self.common.words.say_limited(format!("session {id}: {error}"));
                }
                Err(failure) => self.fail(failure),
            }
        }
        let replied = self.common.replies.finish();
        if left_out {
            return Err(Failure::Words(Exit::Io, self.not_recorded(end)));
        }
        if let Some(failure) = self.failure.take() {
            if self.common.many {
                self.say_what_was_recorded(recorded);
            }
            return Err(failure);
        }
        if let Some(refused) = self.refused {
            say(&refused);
            return Ok(Exit::No.max(replied));
        }
        if end == End::Cut {
            say(&format!("told to end while input kept coming: nothing after line {} was read", self.taken));
        }
        self.say_what_was_recorded(recorded);
        Ok(replied.max(if self.bad_lines > 0 { Exit::No } else { Exit::Fine }))
    }

    fn say_what_was_recorded(&self, events: u64) {
        let sessions = match (&self.only, &self.elsewhere) {
            (Some(id), None) => format!("in session {id}"),
            (Some(id), Some(path)) => format!("in session {id}, outside the root, in `{}`", path.display()),
            (None, _) => format!("in {}", human::count(self.sessions.count(), "session")),
        };
        let not_understood = match self.bad_lines {
            0 => String::new(),
            1 => "; 1 line was not an event".to_owned(),
            count => format!("; {count} lines were not events"),
        };
        let lost = match self.lost_lines {
            0 => String::new(),
            1 => "; 1 line could not be recorded".to_owned(),
            count => format!("; {count} lines could not be recorded"),
        };
        let events = human::count(events, "event");
        say(&format!("recorded {events} {sessions}, all synced{not_understood}{lost}"));
    }

    /// Why a recording ended that still waited for space.
    fn not_recorded(&self, end: End) -> String {
        let why = format!("told to end, and {} s later the disk was still full", END_PATIENCE.as_secs());
        match end {
            End::NoSpace => format!("{why}: nothing after line {} of the input was recorded", self.taken),
            _ => format!("{why}: not everything was recorded"),
        }
    }
}

fn named_session(envelope: &Result<Envelope<'_>, String>) -> Option<String> {
    envelope.as_ref().ok()?.session().map(str::to_owned)
}
