//! Which session a SESSION stands for: an id, the beginning of one, a path, or nothing for the newest.

use super::{Exit, Failure, words};
use foldlog::{ErrorKind, Glance, Reader, SessionId, SessionState, Store};

/// How many sessions are listed when the beginning of an id could be any of them.
const MAX_LISTED: usize = 10;

/// The session that a command reads.
pub(crate) fn reader(store: &Store, session: Option<&str>) -> Result<Reader, Failure> {
    match session {
        None => newest(store),
        Some(path) if path.contains(std::path::is_separator) => Ok(Reader::open(path)?),
        Some(id) => match store.reader(id) {
            Err(error) if error.kind() == ErrorKind::NotFound => by_prefix(store, id, error),
            found => Ok(found?),
        },
    }
}

fn by_prefix(store: &Store, prefix: &str, not_found: foldlog::Error) -> Result<Reader, Failure> {
    let ids = store.session_ids()?.into_iter().filter(|id| id.as_str().starts_with(prefix));
    // A directory without a segment holds no session yet, and stands in nobody's way.
    let mut found: Vec<(SessionId, foldlog::Result<Reader>)> = ids
        .map(|id| (id.clone(), store.reader(id)))
        .filter(|(_, reader)| !matches!(reader, Err(error) if error.kind() == ErrorKind::NotFound))
        .collect();
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().take(MAX_LISTED).map(|(id, _)| format!("{:?}", id.as_str())).collect();
        let more = if found.len() > MAX_LISTED { ", ..." } else { "" };
        let words = format!(
            "{prefix:?} could be any of {} sessions: {}{more}; give more of the id",
            found.len(),
            ids.join(", ")
        );
        return Err(Failure::usage(words));
    }
    match found.pop() {
        Some((_, reader)) => Ok(reader?),
        None => Err(not_found.into()),
    }
}

fn newest(store: &Store) -> Result<Reader, Failure> {
    let mut newest: Option<(Glance, Reader)> = None;
    for id in store.session_ids()? {
        let glance = store.reader(id.clone()).and_then(|reader| Ok((reader.glance()?, reader)));
        match glance {
            Ok((glance, reader)) => {
                if newest.as_ref().is_none_or(|(best, _)| best.last_activity < glance.last_activity) {
                    newest = Some((glance, reader));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => words(&format!("session {:?} is passed over: {error}", id.as_str())),
        }
    }
    let none = || {
        let words = format!("there is no session in `{}`: record one, or name another --root", store.root().display());
        Failure::Words(Exit::NoSession, words)
    };
    newest.map(|(_, reader)| reader).ok_or_else(none)
}

/// How a session stands, in one word.
pub(crate) fn state_word(state: SessionState) -> &'static str {
    match state {
        SessionState::Live => "live",
        SessionState::Ended => "ended",
        SessionState::Interrupted => "interrupted",
        SessionState::Idle => "idle",
        _ => "unknown",
    }
}
