//! The tasks that answer for one session: acknowledgements in order, and how the journal's disk is.

use super::replies::Body;
use super::session::Common;
use foldlog::{Error, Found, Health, Journal, Lookup, Ticket};
use std::rc::Rc;
use tokio::sync::mpsc;

/// A line that is answered once it, and everything before it, is as durable as was asked.
pub(crate) enum Answer {
    Event { line: u64, seq: u64, ticket: Option<Ticket>, error: Option<String> },
    Lookup { line: u64, id: String, lookup: Lookup },
}

/// Answers for the lines of one session, in order.
pub(crate) async fn answer(common: Rc<Common>, id: String, mut lines: mpsc::UnboundedReceiver<Answer>) {
    let tag = common.many.then_some(id.as_str());
    while let Some(answer) = lines.recv().await {
        let (line, failed) = match answer {
            Answer::Event { line, seq, ticket, error } => {
                let safe = match ticket {
                    Some(ticket) => ticket.await.map(|_| ()),
                    None => Ok(()),
                };
                match (&safe, error) {
                    (Ok(()), None) => common.replies.ack(tag, line, seq),
                    (Ok(()), Some(error)) => common.replies.say(tag, Body::Kept { line, seq, error: &error }),
                    (Err(_), _) => {}
                }
                (line, safe.err())
            }
            Answer::Lookup { line, id, lookup } => match search(&common, lookup).await {
                Ok(found) => {
                    let (found, complete) = (found.seq.map(|seq| seq.get()), found.complete);
                    common.replies.say(tag, Body::Lookup { line, lookup: &id, found, complete });
                    continue;
                }
                Err(error) => (line, Some(error)),
            },
        };
        if let Some(error) = failed {
            common.replies.say(tag, Body::Refused { line, error: &error.to_string() });
            common.failed.notify_one();
        }
    }
}

async fn search(common: &Common, lookup: Lookup) -> Result<Found, Error> {
    // It is never closed, so there is no error.
    let _permit = common.lookups.acquire().await;
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
