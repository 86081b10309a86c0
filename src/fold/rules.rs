//! The rules that all built-in reducers share: what a start means for something already known, and how an end ends it.

use crate::id::SessionId;
use crate::record::{ToolCallStatus, TurnStatus};

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
pub(super) fn turn_start(status: &TurnStatus, implicit: bool) -> Start {
    match (status, implicit) {
        (TurnStatus::Running | TurnStatus::Interrupted, true) => Start::Adopt,
        (_, true) => Start::AdoptEnded,
        (TurnStatus::Running, false) => Start::Again,
        (TurnStatus::Interrupted, false) => Start::Resume,
        (_, false) => Start::Anew,
    }
}

/// What `tool_call_started` means for a call of this status. `implicit`: no start of it has been seen.
pub(super) fn call_start(status: &ToolCallStatus, implicit: bool) -> Start {
    match (status, implicit) {
        (ToolCallStatus::Interrupted, _) => Start::Resume,
        (ToolCallStatus::Running, true) => Start::Adopt,
        (_, true) => Start::AdoptEnded,
        (ToolCallStatus::Running, false) => Start::Again,
        (ToolCallStatus::Error | ToolCallStatus::Timeout, false) => Start::Resume,
        (_, false) => Start::Anew,
    }
}

/// Whether a turn of this status has ended. An interruption ends nothing.
pub(super) fn turn_is_over(status: &TurnStatus) -> bool {
    !matches!(status, TurnStatus::Running | TurnStatus::Interrupted)
}

/// Whether a call of this status has ended.
pub(super) fn call_is_over(status: &ToolCallStatus) -> bool {
    !matches!(status, ToolCallStatus::Running | ToolCallStatus::Interrupted)
}

/// How a turn ended: as it says, else by whether there is an error.
pub(super) fn turn_end(given: Option<TurnStatus>, has_error: bool) -> TurnStatus {
    given.unwrap_or(if has_error { TurnStatus::Error } else { TurnStatus::Success })
}

/// How a call ended: as it says, else by whether there is an error.
pub(super) fn call_end(given: Option<ToolCallStatus>, has_error: bool) -> ToolCallStatus {
    given.unwrap_or(if has_error { ToolCallStatus::Error } else { ToolCallStatus::Success })
}

/// How a model call ended: as it says, else by whether there is an error.
pub(super) fn model_call_end(given: Option<&str>, has_error: bool) -> &str {
    given.unwrap_or(if has_error { "error" } else { "success" })
}

/// The session's id where neither a header nor an event names one.
pub(super) fn unknown_session() -> SessionId {
    SessionId::new("unknown").expect("a short word is a session id")
}
