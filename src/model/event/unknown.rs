//! Which words of an event this version does not know.

use super::Event;
use crate::model::record::ToolCallRecord;
use crate::model::status::{ToolCallStatus, UnknownStatus};

impl Event<'_> {
    /// The statuses in this event that this version does not know and that no error explains. None in a good event.
    ///
    /// ```
    /// use foldlog::Event;
    /// let event = Event::decode("turn_ended", r#"{"turn_id":"t-1","status":"sucess"}"#)?;
    /// let unknown = &event.unknown_statuses()[0];
    /// assert_eq!(unknown.to_string(), "unknown status `sucess` of a turn: did you mean `success`?");
    /// # Ok::<(), foldlog::Error>(())
    /// ```
    pub fn unknown_statuses(&self) -> Vec<UnknownStatus> {
        let of_call = |call: &ToolCallRecord| UnknownStatus::of_call("tool call", &call.status, call.error.as_deref());
        match self {
            Event::TurnEnded(turn) => {
                let status = turn.status.as_ref();
                status.and_then(|status| UnknownStatus::of_turn(status, turn.error.as_deref())).into_iter().collect()
            }
            Event::TurnRecorded(recorded) => {
                let turn = &recorded.turn;
                let own = UnknownStatus::of_turn(&turn.status, turn.error.as_deref());
                own.into_iter().chain(turn.tool_calls.iter().filter_map(of_call)).collect()
            }
            Event::ToolCallEnded(call) => {
                let (status, error) = (call.status.as_ref(), call.error.as_deref());
                status.and_then(|status| UnknownStatus::of_call("tool call", status, error)).into_iter().collect()
            }
            Event::ToolCallRecorded(recorded) => of_call(&recorded.call).into_iter().collect(),
            Event::ModelCallEnded(call) => {
                let status = call.status.as_deref().map(ToolCallStatus::from);
                let unknown = status.and_then(|s| UnknownStatus::of_call("model call", &s, call.error.as_deref()));
                unknown.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
