//! The rules that all built-in reducers share: what a start means for something already known, and how an end ends it.

use crate::model::id::SessionId;
use crate::model::status::{StatusMeaning, ToolCallStatus};

/// What a start means for a turn or call whose id is already known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It was known only from stray events: this is its start, come late.
    Adopt,
    /// The same, and its end had come before.
    AdoptEnded,
    /// It is running: two starts.
    Again,
    /// It goes on: an interrupted turn, or the retry of an interrupted or failed call.
    Resume,
    /// It had ended: the same id again, for something new.
    Anew,
}

/// What `turn_started` means for a turn of this status. `implicit`: no start of it has been seen.
pub(super) fn turn_start(status: StatusMeaning, implicit: bool) -> Start {
    match (status, implicit) {
        (StatusMeaning::Running | StatusMeaning::Interrupted, true) => Start::Adopt,
        (_, true) => Start::AdoptEnded,
        (StatusMeaning::Running, false) => Start::Again,
        (StatusMeaning::Interrupted, false) => Start::Resume,
        (_, false) => Start::Anew,
    }
}

/// What `tool_call_started` means for a call of this status. `implicit`: no start of it has been seen.
pub(super) fn call_start(status: StatusMeaning, implicit: bool) -> Start {
    match (status, implicit) {
        (StatusMeaning::Interrupted, _) => Start::Resume,
        (StatusMeaning::Running, true) => Start::Adopt,
        (_, true) => Start::AdoptEnded,
        (StatusMeaning::Running, false) => Start::Again,
        (StatusMeaning::Error | StatusMeaning::Timeout, false) => Start::Resume,
        (_, false) => Start::Anew,
    }
}

/// How a model call ended: as it says, else by whether there is an error.
pub(super) fn model_call_end(given: Option<&str>, error: Option<&str>) -> ToolCallStatus {
    ToolCallStatus::ended(given.map(ToolCallStatus::from), error)
}

/// The session's id where neither a header nor an event names one.
pub(super) fn unknown_session() -> SessionId {
    SessionId::new("unknown").expect("a short word is a session id")
}
