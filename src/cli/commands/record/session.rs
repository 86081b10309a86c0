//! One session being recorded from a pipe: its journal, and the tasks that answer for it.

use super::answers::{Answer, LookUp, WAITING_LINES, answer, watch_health};
use super::hints::{Hint, hints};
use super::parse::{self, Envelope, Parsed};
use super::replies::{Body, Ready};
use crate::cli::commands::record::common::Common;
use crate::cli::term::human;
use foldlog::{Draft, Error, ErrorKind, Journal, SessionStarted, Store, Ticket};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A session being recorded.
pub(crate) struct Session {
    common: Rc<Common>,
    journal: Journal,
    /// Whether `session_started` must still be written before anything else.
    needs_start: bool,
    answers: Option<mpsc::Sender<Answer>>,
    answering: Option<JoinHandle<()>>,
    watching: JoinHandle<()>,
    pub(crate) recorded: u64,
    pub(crate) unparsed: u64,
}

/// What became of a line.
pub(crate) enum Taken {
    Recorded,
    /// Not an event: kept, or answered with an error.
    Bad,
    /// With `--strict`: not an event, and so the end.
    Refused(String),
}

impl Session {
    /// Opens the journal and says that it is ready, unless it was before and has only been idle.
    pub(crate) fn open(common: &Rc<Common>, store: &Store, id: &str, is_first: bool) -> Result<Session, Error> {
        let journal = store.journal_with(id, common.options.clone())?;
        let watching = tokio::task::spawn_local(watch_health(Rc::clone(common), journal.clone()));
        let mut session = Session {
            common: Rc::clone(common),
            needs_start: journal.is_new(),
            journal,
            answers: None,
            answering: None,
            watching,
            recorded: 0,
            unparsed: 0,
        };
        session.say_what_was_found(is_first);
        if is_first {
            session.say_ready();
        }
        if common.replies.wanted() {
            let (sender, receiver) = mpsc::channel(WAITING_LINES);
            session.answers = Some(sender);
            session.answering = Some(tokio::task::spawn_local(answer(Rc::clone(common), id.to_owned(), receiver)));
        }
        Ok(session)
    }

    fn say_ready(&self) {
        let journal = &self.journal;
        let ready = Ready {
            v: 1,
            ready: true,
            session_id: journal.session_id().as_str(),
            last_seq: journal.recovered().last_seq,
            last_id: journal.last_id(),
            epoch: journal.epoch(),
            epoch_id: journal.epoch_id(),
            open: journal.open_turns(),
        };
        self.common.replies.say(self.tag(), Body::Ready(ready));
    }

    fn tag(&self) -> Option<&str> {
        self.common.many.then(|| self.journal.session_id().as_str())
    }

    fn say_what_was_found(&self, is_first: bool) {
        let (words, id) = (&self.common.words, self.journal.session_id());
        for caveat in self.journal.caveats() {
            words.say_once(caveat.to_string());
        }
        let found = self.journal.recovered();
        for cut in &found.cuts {
            words.say_found(format!(
                "session {id}: the last run was cut short; an incomplete end of {} at byte {} of segment {:08} was cut off and kept",
                human::count(cut.bytes, "byte"), cut.offset, cut.segment
            ));
        }
        for gap in &found.gaps {
            words.say_found(format!("session {id}: {gap}; see `foldlog verify`"));
        }
        if !self.journal.is_new() && !found.clean {
            words.say_found(format!(
                "session {id}: the last run did not close it; going on behind seq {}",
                found.last_seq
            ));
        }
        for turn in self.journal.open_turns().iter().filter(|_| is_first) {
            words.say_found(format!("session {id}: left open: {turn}"));
        }
    }

    /// Takes one line of input. `envelope` is what was read of it, or why nothing could be.
    pub(crate) async fn take(
        &mut self,
        number: u64,
        line: &[u8],
        envelope: Result<Envelope<'_>, String>,
    ) -> Result<Taken, Error> {
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(why) => return self.keep(number, line, why).await,
        };
        let hints = hints(&envelope, self.common.many);
        let why = match envelope.parse(self.journal.session_id().as_str()) {
            Parsed::Skipped => {
                let seq = self.journal.last_seq().get();
                self.answer(Answer::Event { line: number, seq, ticket: None, error: None }).await;
                return Ok(Taken::Recorded);
            }
            Parsed::Lookup(id) => return self.look_up(number, id).await,
            Parsed::BadLookup(why) if self.common.strict => return Ok(Taken::Refused(why)),
            Parsed::BadLookup(why) => {
                self.refuse(number, &why);
                return Ok(Taken::Bad);
            }
            Parsed::Bad(why) => match hints.iter().find_map(Hint::of_a_member) {
                Some(hint) => format!("{why}; {hint}"),
                None => why,
            },
            Parsed::Event(draft) => {
                if let Some(hint) = hints.first().filter(|_| self.common.strict) {
                    return Ok(Taken::Refused(hint.refusal()));
                }
                self.warn(number, &hints);
                self.start_unless(draft.type_name() == "session_started").await?;
                match self.append(draft).await {
                    Ok(ticket) => {
                        self.recorded += 1;
                        let (seq, ticket) = (ticket.seq().get(), Some(ticket));
                        self.answer(Answer::Event { line: number, seq, ticket, error: None }).await;
                        return Ok(Taken::Recorded);
                    }
                    Err(error) if parse::is_about_the_event(&error) => error.to_string(),
                    Err(error) => return Err(error),
                }
            }
        };
        self.keep(number, line, why).await
    }

    /// Begins a look-up. Waits for a place where too many wait for their answer.
    async fn look_up(&mut self, number: u64, id: String) -> Result<Taken, Error> {
        if !self.common.replies.wanted() {
            self.refuse(number, "`lookup` is answered on standard output: start the recorder with --ack");
            return Ok(Taken::Bad);
        }
        let lookup = self.journal.lookup(&id)?;
        let place = self.common.room(Arc::clone(&self.common.lookups).acquire_owned()).await;
        let permit = place.and_then(Result::ok);
        self.answer(Answer::Lookup(Box::new(LookUp { line: number, id, lookup, permit }))).await;
        Ok(Taken::Recorded)
    }

    /// Says what a line that is recorded may have been meant to say.
    fn warn(&self, number: u64, hints: &[Hint]) {
        let (words, session_id) = (&self.common.words, self.journal.session_id().as_str());
        for hint in hints {
            let warning = hint.warning();
            words.say_once(format!("line {number}: {warning}"));
            let is_new = !hint.is_said_once() || words.is_new(session_id, &warning);
            if is_new && words.may_warn() {
                self.common.replies.say(self.tag(), Body::Warning { line: number, warning: &warning });
            }
        }
    }

    /// Keeps a line that is not an event.
    async fn keep(&mut self, number: u64, line: &[u8], why: String) -> Result<Taken, Error> {
        if self.common.strict {
            return Ok(Taken::Refused(why));
        }
        self.start_unless(false).await?;
        self.unparsed += 1;
        match self.append(parse::keep(line, &why)).await {
            Ok(ticket) => {
                self.common.words.say_limited(format!("line {number}: {why}; kept as `unparsed`"));
                let (seq, ticket) = (ticket.seq().get(), Some(ticket));
                self.answer(Answer::Event { line: number, seq, ticket, error: Some(why) }).await;
            }
            Err(error) if parse::is_about_the_event(&error) => {
                self.refuse(number, &format!("{why}; and it is too large to be kept"));
            }
            Err(error) => return Err(error),
        }
        Ok(Taken::Bad)
    }

    /// A line that cannot even be kept.
    pub(crate) fn refuse(&mut self, number: u64, why: &str) {
        self.unparsed += 1;
        self.common.words.say_limited(format!("line {number}: {why}; not recorded"));
        self.common.replies.say(self.tag(), Body::Refused { line: number, error: why });
    }

    async fn start_unless(&mut self, the_input_brings_it: bool) -> Result<(), Error> {
        if std::mem::take(&mut self.needs_start) && !the_input_brings_it {
            let id = self.journal.session_id().to_string();
            let mut started = SessionStarted::new(&id);
            started.workspace_id = self.common.workspace.as_deref().map(Into::into);
            started.agent_id = self.common.agent.as_deref().map(Into::into);
            let draft = Draft::from(started);
            drop(self.append(draft).await?); // whoever waits for a later event waits for this one too
        }
        Ok(())
    }

    /// Appends, waiting for room where there is none: the pipe then fills, and its writer waits with us.
    async fn append(&self, draft: Draft) -> Result<Ticket, Error> {
        let mut draft = draft;
        loop {
            match self.journal.append(draft) {
                Ok(ticket) => return Ok(ticket),
                Err(refused) if refused.kind() == ErrorKind::Backlog => {
                    draft = refused.into_draft();
                    self.journal.ready().await?;
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    async fn answer(&self, answer: Answer) {
        if let Some(answers) = &self.answers {
            let _ = answers.send(answer).await;
        }
    }

    /// Makes everything durable, closes the journal and says what is still to be said. Where a full disk may be waited for
    /// no longer, it keeps what fits.
    pub(crate) async fn close(self, reason: &str) -> Result<(u64, u64), Error> {
        let Session { common, journal, answers, answering, watching, recorded, unparsed, .. } = self;
        drop(answers);
        let mut closing = journal.close_because(reason);
        let mut closed = tokio::select! {
            biased;
            closed = &mut closing => Some(closed),
            () = common.space.given_up() => None,
        };
        let _ = watching.await;
        drop(journal); // the last handle: it does not wait for space
        if closed.is_none() {
            closed = Some(closing.await);
        }
        if let Some(answering) = answering {
            let _ = answering.await;
        }
        closed.unwrap_or(Ok(())).map(|()| (recorded, unparsed))
    }
}
