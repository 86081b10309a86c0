//! The summary of a session: counts, durations, tokens and cost, and how it stands. No bodies.

use crate::id::{SessionId, WorkspaceId};
use crate::seq::Seq;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A session in numbers. Everything that happened counts, also what was rewound later.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Which session.
    pub session_id: SessionId,
    /// Where it belongs.
    pub workspace_id: Option<WorkspaceId>,
    /// Who runs it.
    pub agent_id: Option<String>,
    /// Entries, the recorder's own included.
    pub entries: u64,
    /// Events of the session: entries without the recorder's own.
    pub events: u64,
    /// The number of the first entry; 0 if there is none.
    pub first_seq: Seq,
    /// The number of the last entry; 0 if there is none.
    pub last_seq: Seq,
    /// The time of the first event.
    pub first_activity: Option<Timestamp>,
    /// The time of the last event.
    pub last_activity: Option<Timestamp>,
    /// The turns.
    pub turns: TurnStats,
    /// The tool calls, by the tool's name; an empty name where it is not known.
    pub tool_calls: BTreeMap<String, ToolCallStats>,
    /// The model calls, by model; an empty name where it is not known.
    pub model_calls: BTreeMap<String, ModelCallStats>,
    /// Bytes of answer text: what streamed in, and what came only with the end of its model call.
    pub text_bytes: u64,
    /// Lines of input that were no events.
    pub unparsed: u64,
    /// Events whose data does not fit their type.
    pub undecodable: u64,
    /// All entries by type.
    pub types: BTreeMap<String, TypeStats>,
    /// How often the journal was opened after an unclean end.
    pub recoveries: u64,
    /// The last entry is `journal_closed`.
    pub closed: bool,
    /// The last event is `session_ended`.
    pub ended: bool,
}

/// Turns, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnStats {
    /// Turns that started, or came whole.
    pub started: u64,
    /// Turns that ended, however they did.
    pub ended: u64,
    /// Those that ended in an error.
    pub failed: u64,
    /// Those that somebody stopped.
    pub cancelled: u64,
    /// Turns that are running.
    pub running: u64,
    /// Turns that were interrupted and have not gone on.
    pub interrupted: u64,
    /// Turns that left the record by a rewind, whether or not they had ended.
    pub rewound: u64,
}

/// The calls of one tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ToolCallStats {
    /// How often it was called, retries included.
    pub count: u64,
    /// How many of the calls ended in an error or a time-out.
    pub errors: u64,
    /// How long the calls took together, in milliseconds.
    pub total_ms: f64,
    /// How long each call took whose duration is known, in milliseconds, in the order of their ends. Kept one by one
    /// for exact percentiles: eight bytes a call, where its entries have hundreds. Not serialised.
    #[serde(skip)]
    pub durations_ms: Vec<f64>,
}

/// The calls of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelCallStats {
    /// How often it was called.
    pub count: u64,
    /// How many of the calls ended in an error.
    pub errors: u64,
    /// Tokens that went in.
    pub input_tokens: u64,
    /// Tokens that came out.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_input_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_write_input_tokens: u64,
    /// Tokens of reasoning, a part of those that came out.
    pub reasoning_output_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_usd_micros: i64,
    /// How long the calls took together, in milliseconds.
    pub total_ms: f64,
    /// How long each call took whose duration is known, in milliseconds, in the order of their ends. Not serialised.
    #[serde(skip)]
    pub durations_ms: Vec<f64>,
}

/// The entries of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeStats {
    /// How many there are.
    pub count: u64,
    /// Bytes of their lines, line breaks included.
    pub bytes: u64,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionState {
    /// Somebody is writing it.
    Live,
    /// It has ended.
    Ended,
    /// Its recording ended uncleanly, or something was left open.
    Interrupted,
    /// Nothing is open, and it may go on.
    Idle,
}

impl SessionSummary {
    /// How the session stands. `live`: whether a writer holds its journal, which no entry can say.
    pub fn state(&self, live: bool) -> SessionState {
        let open = self.turns.running + self.turns.interrupted;
        match (live, self.ended) {
            (true, _) => SessionState::Live,
            (false, true) => SessionState::Ended,
            (false, false) if open > 0 || !self.closed => SessionState::Interrupted,
            (false, false) => SessionState::Idle,
        }
    }
}
