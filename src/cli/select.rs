//! Which session a SESSION stands for: an id, the beginning of one, a path, or nothing for the newest.

use super::exit::{Exit, Failure, words};
use foldlog::{ErrorKind, Glance, Reader, SessionId, SessionState, Store, Timestamp};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

/// How many sessions are listed when the beginning of an id could be any of them.
const MAX_LISTED: usize = 10;

/// The session that a command reads: by its id, by its path, or by the beginning of its id, in this order.
pub(crate) fn reader(store: &Store, session: Option<&OsStr>) -> Result<Reader, Failure> {
    let Some(session) = session else { return newest(store, &mut HashSet::new()) };
    // What is not UTF-8 is no id, and may be the path of a directory.
    let Some(session) = session.to_str() else { return Ok(Reader::open(session)?) };
    let by_id = match store.reader(session) {
        Err(error) if error.kind() == ErrorKind::NotFound || may_be_path(session) => error,
        found => return Ok(found?),
    };
    if !may_be_path(session) {
        return by_prefix(store, session, by_id.into());
    }
    match Reader::open(session) {
        // A path may be too long for an id, and an id may have a `/` in it.
        Err(error) if error.kind() == ErrorKind::NotFound => match is_id(session) {
            true => by_prefix(store, session, neither(store, session)),
            false => Err(error.into()),
        },
        found => Ok(found?),
    }
}

/// The store and the id of a session that is named in full: an id that is there, else a path that is there, else what it
/// may be: an id, or a path.
pub(crate) fn in_full(store: foldlog::Result<Store>, session: &str) -> Result<(Store, SessionId), Failure> {
    if !may_be_path(session) {
        return Ok((store?, SessionId::new(session)?));
    }
    let path = Path::new(session);
    if let Ok(id) = SessionId::new(session) {
        let is_there = store.as_ref().is_ok_and(|store| store.path_of(&id).symlink_metadata().is_ok());
        if is_there || (is_id(session) && path.symlink_metadata().is_err()) {
            return Ok((store?, id));
        }
    }
    let id = path.file_name().and_then(|name| name.to_str()).and_then(SessionId::from_directory_name);
    let (Some(id), Some(root)) = (id, path.parent()) else {
        return Err(Failure::usage(format!(
            "`{session}` is not the id of a session, nor can it be a session's directory"
        )));
    };
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    Ok((Store::open(root)?, id))
}

/// Whether it may be the path of a session's directory.
pub(crate) fn may_be_path(session: &str) -> bool {
    session.contains(std::path::is_separator)
}

/// Whether it may be an id. What begins as paths do is none, unless there is a session of that id.
pub(crate) fn is_id(session: &str) -> bool {
    !["/", "./", "../"].iter().any(|start| session.starts_with(start)) && SessionId::new(session).is_ok()
}

fn neither(store: &Store, session: &str) -> Failure {
    let root = store.root().display();
    let words = format!("there is no session {session:?} in `{root}`, nor is `{session}` a session's directory");
    Failure::Words(Exit::NoSession, words)
}

fn by_prefix(store: &Store, prefix: &str, not_found: Failure) -> Result<Reader, Failure> {
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
        None => Err(not_found),
    }
}

/// The session that was touched last. `passed_over` are those of which it was said that they cannot be read.
pub(crate) fn newest(store: &Store, passed_over: &mut HashSet<SessionId>) -> Result<Reader, Failure> {
    best(store, passed_over, &|found, best| touched(best) < touched(found))
}

/// The session that began first.
pub(crate) fn first(store: &Store, passed_over: &mut HashSet<SessionId>) -> Result<Reader, Failure> {
    best(store, passed_over, &|found, best| found.started < best.started)
}

/// The session that is better than every other one.
fn best(
    store: &Store,
    passed_over: &mut HashSet<SessionId>,
    is_better: &dyn Fn(&Glance, &Glance) -> bool,
) -> Result<Reader, Failure> {
    let mut best: Option<(Glance, Reader)> = None;
    for id in store.session_ids()? {
        let glance = store.reader(id.clone()).and_then(|reader| Ok((reader.glance()?, reader)));
        match glance {
            Ok((glance, reader)) => {
                if best.as_ref().is_none_or(|(best, _)| is_better(&glance, best)) {
                    best = Some((glance, reader));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if passed_over.insert(id.clone()) => {
                words(&format!("session {:?} is passed over: {error}", id.as_str()));
            }
            Err(_) => {}
        }
    }
    let none = || {
        let words = format!("there is no session in `{}`: record one, or name another --root", store.root().display());
        Failure::Words(Exit::NoSession, words)
    };
    best.map(|(_, reader)| reader).ok_or_else(none)
}

/// When a session was last touched: the newest one has the largest. Those of unknown age are the oldest.
pub(crate) fn touched(glance: &Glance) -> (Option<Timestamp>, Timestamp) {
    (glance.last_touched, glance.last_activity)
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
