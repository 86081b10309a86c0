//! The tasks that answer for one session: acknowledgements in order, look-ups in order, and how the journal's disk is.

use super::common::Common;
use super::replies::Body;
use foldlog::{Error, Found, Health, Journal, Lookup, Ticket};
use std::rc::Rc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// How many lines of a session wait to be answered, at most: beyond that the pipe fills, and its writer waits.
pub(crate) const WAITING_LINES: usize = 65_536;

/// A line that is answered once it, and everything before it, is as durable as was asked.
pub(crate) enum Answer {
    Event { line: u64, seq: u64, ticket: Option<Ticket>, error: Option<String> },
    Lookup(Box<LookUp>),
}

/// A look-up. The lines after it do not wait for its search.
pub(crate) struct LookUp {
    pub(crate) line: u64,
    pub(crate) id: String,
    pub(crate) lookup: Lookup,
    /// One of the places for look-ups that wait; `None` once the end waits no longer.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Answers for the lines of one session.
pub(crate) async fn answer(common: Rc<Common>, id: String, lines: mpsc::Receiver<Answer>) {
    let tag = common.many.then_some(id.as_str());
    // Bounded by the permits that the look-ups hold.
    let (sender, lookups) = mpsc::unbounded_channel();
    tokio::join!(answer_events(&common, tag, lines, sender), answer_lookups(&common, tag, lookups));
}

async fn answer_events(
    common: &Common,
    tag: Option<&str>,
    mut lines: mpsc::Receiver<Answer>,
    lookups: mpsc::UnboundedSender<Box<LookUp>>,
) {
    while let Some(answer) = lines.recv().await {
        let (line, seq, ticket, error) = match answer {
            Answer::Event { line, seq, ticket, error } => (line, seq, ticket, error),
            Answer::Lookup(lookup) => {
                let _ = lookups.send(lookup);
                continue;
            }
        };
        let safe = match ticket {
            Some(ticket) => ticket.await.map(|_| ()),
            None => Ok(()),
        };
        match (safe, error) {
            (Ok(()), None) => common.replies.ack(tag, line, seq),
            (Ok(()), Some(error)) => common.replies.say(tag, Body::Kept { line, seq, error: &error }),
            (Err(failed), _) => {
                common.replies.say(tag, Body::Refused { line, error: &failed.to_string() });
                common.failed.notify_one();
            }
        }
    }
}

/// A look-up that fails ends no recording: if the journal has failed, its health says so.
async fn answer_lookups(common: &Common, tag: Option<&str>, mut lookups: mpsc::UnboundedReceiver<Box<LookUp>>) {
    while let Some(waiting) = lookups.recv().await {
        let LookUp { line, id, lookup, permit } = *waiting;
        let found = tokio::select! {
            biased;
            () = common.patience.ended() => Err("the recording ended before this id was searched for".to_owned()),
            found = search(common, lookup) => found.map_err(|error| error.to_string()),
        };
        let body = match &found {
            Ok(found) => {
                let (found, complete) = (found.seq.map(|seq| seq.get()), found.complete);
                Body::Lookup { line, lookup: &id, found, complete }
            }
            Err(error) => Body::Refused { line, error },
        };
        common.replies.say(tag, body);
        drop(permit);
    }
}

async fn search(common: &Common, lookup: Lookup) -> Result<Found, Error> {
    // It is never closed, so there is no error.
    let _permit = common.searches.acquire().await;
    lookup.await
}

/// Says when the disk is full and when that is over, until the journal is closed, has failed, or may wait no longer.
pub(crate) async fn watch_health(common: Rc<Common>, journal: Journal) {
    let id = journal.session_id().to_string();
    let tag = common.many.then_some(id.as_str());
    let mut waiting = false;
    loop {
        let change = journal.health_change();
        let health = journal.health();
        if matches!(health, Health::StorageFull) && !waiting {
            waiting = true;
            common.space.begin_waiting();
            common.words.say(format!("session {id}: the disk is full; waiting for space, nothing is lost"));
            common.replies.say(tag, Body::Waiting { waiting: Some("disk full") });
        }
        if matches!(health, Health::Good) && waiting {
            common.words.say(format!("session {id}: there is space again; recording continues"));
        }
        if matches!(health, Health::Failed(_)) {
            common.failed.notify_one();
        }
        let over = matches!(health, Health::Failed(_) | Health::Closed);
        // However the wait ends, a client that was told of it is told of its end.
        if waiting && (over || matches!(health, Health::Good)) {
            waiting = false;
            end_waiting(&common, tag);
        }
        if over {
            return;
        }
        tokio::select! {
            biased;
            _ = change => {}
            () = common.space.given_up() => break,
        }
    }
    if waiting {
        end_waiting(&common, tag);
    }
}

fn end_waiting(common: &Common, tag: Option<&str>) {
    common.space.end_waiting();
    common.replies.say(tag, Body::Waiting { waiting: None });
}
