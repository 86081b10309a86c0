//! The fold from a session's entries to its summary. Decodes only the members it counts.
//!
//! It keeps an id and a status for each turn, and for each call of a turn until that turn has ended.

use crate::entry::Entry;
use crate::fold::ledger::Ledger;
use crate::fold::rules::{self, Start};
use crate::fold::summary::{ModelCallStats, SessionSummary, ToolCallStats, TurnStats, TypeStats};
use crate::fold::summary_calls::{Call, ModelCall};
use crate::fold::summary_part::{
    RewindPart, SessionIdPart, SessionPart, TransitionPart, TurnEndPart, TurnPart, WholeTurnPart,
};
use crate::fold::{Origin, Reducer};
use crate::id::{SessionId, WorkspaceId};
use crate::record::{ToolCallStatus, TurnStatus};
use crate::seq::Seq;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Folds entries into a [`SessionSummary`].
///
/// An entry whose number is not above the last one's is ignored, so that seeing an entry twice changes nothing.
#[derive(Clone, Debug, Default)]
pub struct SummaryFold {
    origin: Option<SessionId>,
    session_id: Option<SessionId>,
    workspace_id: Option<WorkspaceId>,
    agent_id: Option<String>,
    entries: u64,
    events: u64,
    first_seq: Seq,
    last_seq: Seq,
    first_activity: Option<Timestamp>,
    last_activity: Option<Timestamp>,
    turns: Ledger<Turn>,
    /// The turns that left by a rewind.
    gone: TurnStats,
    pub(super) tool_calls: BTreeMap<String, ToolCallStats>,
    pub(super) model_calls: BTreeMap<String, ModelCallStats>,
    pub(super) text_bytes: u64,
    unparsed: u64,
    undecodable: u64,
    types: BTreeMap<String, TypeStats>,
    recoveries: u64,
    /// How often everything was interrupted: what was seen last at a lower number and runs was interrupted.
    pub(super) interruptions: u64,
    closed: bool,
    ended: bool,
}

/// A turn, as far as it is counted.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    status: TurnStatus,
    implicit: bool,
    /// `interruptions` when its last event came.
    seen: u64,
    pub(super) calls: HashMap<String, Call>,
    pub(super) model_calls: HashMap<String, ModelCall>,
}

impl SummaryFold {
    /// A fold that has seen nothing.
    pub fn new() -> SummaryFold {
        SummaryFold::default()
    }

    fn apply(&mut self, entry: &Entry<'_>) -> serde_json::Result<()> {
        let (data, time) = (entry.data(), entry.time());
        match entry.type_name() {
            "session_started" => {
                let part: SessionIdPart<'_> = serde_json::from_str(data)?;
                self.session(serde_json::from_str(data)?);
                if self.session_id.is_none() {
                    self.session_id = SessionId::new(part.session_id.into_string()).ok();
                }
            }
            "session_updated" => self.session(serde_json::from_str(data)?),
            "session_ended" | "journal_closed" => self.interruptions += 1,
            "journal_recovered" => {
                self.recoveries += 1;
                self.interruptions += 1;
            }
            "unparsed" => self.unparsed += 1,
            "turn_started" => self.turn_started(&serde_json::from_str(data)?),
            "turn_updated" | "reasoning_delta" | "tool_call_output" => {
                let part: TurnPart<'_> = serde_json::from_str(data)?;
                self.turn(&part.turn_id);
            }
            "turn_ended" => self.turn_ended(serde_json::from_str(data)?),
            "turn_recorded" => self.turn_recorded(serde_json::from_str(data)?),
            "turns_rewound" => {
                let part: RewindPart<'_> = serde_json::from_str(data)?;
                self.rewind(&part.from_turn_id);
            }
            "text_delta" => self.delta(&serde_json::from_str(data)?),
            "model_call_started" => self.model_call_started(&serde_json::from_str(data)?, time),
            "model_call_ended" => self.model_call_ended(&serde_json::from_str(data)?, time),
            "tool_call_started" => self.call_started(serde_json::from_str(data)?, time),
            "tool_call_ended" => {
                let turn: TurnPart<'_> = serde_json::from_str(data)?;
                self.call_ended(&turn.turn_id, serde_json::from_str(data)?, time);
            }
            "tool_call_recorded" => {
                let turn: TurnPart<'_> = serde_json::from_str(data)?;
                self.call_recorded(&turn.turn_id, serde_json::from_str(data)?);
            }
            "agent_transition" => {
                let part: TransitionPart<'_> = serde_json::from_str(data)?;
                if let Some(turn_id) = part.turn_id.as_deref().filter(|id| self.turns.find(id).is_some()) {
                    self.turn(turn_id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn session(&mut self, part: SessionPart<'_>) {
        if let Some(id) = part.workspace_id {
            self.workspace_id = Some(WorkspaceId::new(id.into_string()));
        }
        if let Some(id) = part.agent_id {
            self.agent_id = Some(id.into_string());
        }
    }

    /// The turn of this id, which has an event; it is made if it is not there.
    pub(super) fn turn(&mut self, turn_id: &str) -> &mut Turn {
        let at = self.turns.find(turn_id).unwrap_or_else(|| self.turns.push(turn_id, Turn::new()));
        let turn = &mut self.turns[at];
        turn.seen = self.interruptions;
        if turn.status == TurnStatus::Interrupted {
            turn.status = TurnStatus::Running;
        }
        turn
    }

    fn turn_started(&mut self, part: &TurnPart<'_>) {
        let over = self.turns.find(&part.turn_id).is_some_and(|at| {
            let turn = &self.turns[at];
            rules::turn_start(&turn.status, turn.implicit) == Start::Anew
        });
        if over {
            self.turns.push(&part.turn_id, Turn::new());
        }
        self.turn(&part.turn_id).implicit = false;
    }

    fn turn_ended(&mut self, part: TurnEndPart<'_>) {
        let turn = self.turn(&part.turn_id);
        turn.status = rules::turn_end(part.status, part.error.is_some());
        // What goes on after its turn must be known when it ends; the rest will not come again.
        turn.calls.retain(|_, call| !rules::call_is_over(&call.status));
        turn.calls.values_mut().for_each(|call| call.status = ToolCallStatus::Interrupted);
        turn.model_calls.retain(|_, call| call.model.is_some() && !call.ended);
        turn.calls.shrink_to_fit();
        turn.model_calls.shrink_to_fit();
    }

    fn turn_recorded(&mut self, part: WholeTurnPart<'_>) {
        for call in part.tool_calls {
            self.call_recorded(&part.turn_id, call);
        }
        let turn = self.turn(&part.turn_id);
        turn.status = rules::turn_end(part.status, part.error.is_some());
        turn.implicit = false;
    }

    fn rewind(&mut self, from_turn_id: &str) {
        let Some(from) = self.turns.find(from_turn_id) else { return };
        for (_, turn) in self.turns.cut(from) {
            self.gone.rewound += 1;
            count_turn(&mut self.gone, &turn);
        }
    }
}

impl Turn {
    fn new() -> Turn {
        Turn {
            status: TurnStatus::Running,
            implicit: true,
            seen: 0,
            calls: HashMap::new(),
            model_calls: HashMap::new(),
        }
    }
}

impl Reducer for SummaryFold {
    type Output = SessionSummary;

    fn begin(&mut self, origin: &Origin) {
        self.origin = Some(origin.session_id.clone());
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.seq() <= self.last_seq {
            return;
        }
        if self.entries == 0 {
            self.first_seq = entry.seq();
        }
        self.last_seq = entry.seq();
        self.entries += 1;
        self.closed = entry.type_name() == "journal_closed";
        if !entry.is_recorders_own() {
            self.events += 1;
            self.ended = entry.type_name() == "session_ended";
            self.first_activity.get_or_insert(entry.time());
            self.last_activity = Some(entry.time());
        }
        if !self.types.contains_key(entry.type_name()) {
            self.types.insert(entry.type_name().to_owned(), TypeStats::default());
        }
        if let Some(stats) = self.types.get_mut(entry.type_name()) {
            stats.count += 1;
            stats.bytes += entry.line().len() as u64 + 1;
        }
        if self.apply(entry).is_err() {
            self.undecodable += 1;
        }
    }

    fn finish(self) -> SessionSummary {
        let mut turns = self.gone;
        for turn in self.turns.values() {
            count_turn(&mut turns, turn);
            if !rules::turn_is_over(&turn.status) {
                let interrupted = turn.status == TurnStatus::Interrupted || turn.seen < self.interruptions;
                turns.interrupted += u64::from(interrupted);
                turns.running += u64::from(!interrupted);
            }
        }
        SessionSummary {
            session_id: self.origin.or(self.session_id).unwrap_or_else(rules::unknown_session),
            workspace_id: self.workspace_id,
            agent_id: self.agent_id,
            entries: self.entries,
            events: self.events,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            first_activity: self.first_activity,
            last_activity: self.last_activity,
            turns,
            tool_calls: self.tool_calls,
            model_calls: self.model_calls,
            text_bytes: self.text_bytes,
            unparsed: self.unparsed,
            undecodable: self.undecodable,
            types: self.types,
            recoveries: self.recoveries,
            closed: self.closed,
            ended: self.ended,
        }
    }
}

/// Counts that a turn started, and how it ended if it did.
fn count_turn(stats: &mut TurnStats, turn: &Turn) {
    stats.started += u64::from(!turn.implicit);
    stats.ended += u64::from(rules::turn_is_over(&turn.status));
    stats.failed += u64::from(turn.status == TurnStatus::Error);
    stats.cancelled += u64::from(turn.status == TurnStatus::Cancelled);
}
