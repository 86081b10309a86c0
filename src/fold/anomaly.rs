//! Anomalies: what was odd about the order of events. The data is in the record all the same, where it fits best.

use crate::model::seq::Seq;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of oddity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The data of an event does not fit its type; the event is not in the record.
    Undecodable,
    /// A `session_started` names another session, or none; the record keeps the journal's id.
    WrongSession,
    /// An event for a turn that is not there; a turn was made for it.
    UnknownTurn,
    /// A second start for a turn that was running; only what was missing was taken from it.
    TurnStartedTwice,
    /// A start for a turn that had ended; a new turn with the same id was made.
    TurnStartedAfterEnd,
    /// The end of a turn came before its start; both are in one turn.
    TurnEndedBeforeStart,
    /// An end for a turn that never started; a turn was made for it.
    TurnEndedWithoutStart,
    /// A second end for a turn; the later data holds.
    TurnEndedTwice,
    /// An event for a tool call that is not there; a call was made for it.
    UnknownCall,
    /// A second start for a call that was running; only what was missing was taken from it.
    CallStartedTwice,
    /// A start for a call that had ended; a new call with the same id was made.
    CallStartedAfterEnd,
    /// The end of a call came before its start; both are in one call.
    CallEndedBeforeStart,
    /// An end for a call that never started; a call was made for it.
    CallEndedWithoutStart,
    /// A second end for a call; the later data holds.
    CallEndedTwice,
    /// A rewind to a turn that is not there; nothing left the record.
    UnknownRewind,
    /// A user's message for a turn that is not there; the record has no place for it.
    UserMessageWithoutTurn,
    /// Metadata of a turn under a key that only the fold writes; the value is not in the record.
    ReservedMetadata,
}

impl AnomalyKind {
    /// What happened and what was made of it, in words that follow the name of the turn or call.
    fn words(self) -> &'static str {
        match self {
            AnomalyKind::Undecodable => "has data that does not fit its type",
            AnomalyKind::WrongSession => "names another session",
            AnomalyKind::UnknownTurn => "is not there; it was made from this event",
            AnomalyKind::TurnStartedTwice | AnomalyKind::CallStartedTwice => {
                "started twice; only what was missing was taken"
            }
            AnomalyKind::TurnStartedAfterEnd => "started again after its end; it is a new turn",
            AnomalyKind::CallStartedAfterEnd => "started again after its end; it is a new call",
            AnomalyKind::TurnEndedBeforeStart | AnomalyKind::CallEndedBeforeStart => "ended before it started",
            AnomalyKind::TurnEndedWithoutStart | AnomalyKind::CallEndedWithoutStart => "ended without a start",
            AnomalyKind::TurnEndedTwice | AnomalyKind::CallEndedTwice => "ended twice; the later end holds",
            AnomalyKind::UnknownCall => "is not there; it was made from this event",
            AnomalyKind::UnknownRewind => "is not there; nothing was rewound",
            AnomalyKind::UserMessageWithoutTurn => "is not there; what the user said is only in the log",
            AnomalyKind::ReservedMetadata => "has metadata under a key that only the fold writes; it was ignored",
        }
    }
}

/// Something odd about the order of events, beside the record and never in place of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The entry at which it showed.
    pub seq: Seq,
    /// What kind of oddity it is.
    pub kind: AnomalyKind,
    /// The turn it is about, if it is about one.
    pub turn_id: Option<String>,
    /// The tool call it is about, if it is about one.
    pub call_id: Option<String>,
    /// What happened, in words. Ids stand in it as they were recorded, control characters included.
    pub detail: String,
}

impl Anomaly {
    /// An oddity about a turn, or about one of its calls.
    pub(super) fn of_turn(seq: Seq, kind: AnomalyKind, turn_id: &str, call_id: Option<&str>) -> Anomaly {
        let words = kind.words();
        let detail = match call_id {
            Some(call_id) => format!("call `{call_id}` of turn `{turn_id}` {words}"),
            None => format!("turn `{turn_id}` {words}"),
        };
        Anomaly { seq, kind, turn_id: Some(turn_id.to_owned()), call_id: call_id.map(str::to_owned), detail }
    }

    /// An oddity about no turn.
    pub(super) fn plain(seq: Seq, kind: AnomalyKind, detail: String) -> Anomaly {
        Anomaly { seq, kind, turn_id: None, call_id: None, detail }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {}: {}", self.seq, self.detail)
    }
}
