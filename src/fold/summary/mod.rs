//! The summary of a session: its totals, and how it stands. No bodies.

mod calls;
mod count;
pub(crate) mod fold;
pub(crate) mod histogram;
mod parts;
pub(crate) mod totals;

use crate::model::id::{SessionId, WorkspaceId};
use crate::model::seq::Seq;
use serde::{Deserialize, Serialize};
use totals::Totals;

/// A session in numbers. Everything that happened counts, also what was rewound later.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Which session.
    pub session_id: SessionId,
    /// Where it belongs.
    pub workspace_id: Option<WorkspaceId>,
    /// Who runs it.
    pub agent_id: Option<String>,
    /// The number of the first entry; 0 if there is none.
    pub first_seq: Seq,
    /// The number of the last entry; 0 if there is none.
    pub last_seq: Seq,
    /// The last entry is `journal_closed`.
    pub closed: bool,
    /// The last event is `session_ended`.
    pub ended: bool,
    /// What can be added up over many sessions.
    pub totals: Totals,
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
        let turns = &self.totals.turns;
        let open = turns.running + turns.interrupted;
        match (live, self.ended) {
            (true, _) => SessionState::Live,
            (false, true) => SessionState::Ended,
            (false, false) if open > 0 || !self.closed => SessionState::Interrupted,
            (false, false) => SessionState::Idle,
        }
    }
}
