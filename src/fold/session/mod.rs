//! The fold from a session's entries to its record, and the oddities beside it.
//!
//! Owns what is the session's own (id, times, metadata, transitions, which turns there are) and names the entry of an
//! anomaly; what an event does to one turn is in `turn`, to one call in `call`.

mod call;
mod text;
mod turn;

use crate::error::Result;
use crate::fold::anomaly::{Anomaly, AnomalyKind};
use crate::fold::ledger::Ledger;
use crate::fold::rules::{self, Start};
use crate::fold::{Origin, Reducer};
use crate::json::{Metadata, Text, merge_metadata};
use crate::model::entry::Entry;
use crate::model::event::{AgentTransition, Event, SessionStarted, TurnEnded, TurnStarted, UserMessage};
use crate::model::id::{SessionId, WorkspaceId};
use crate::model::record::{AgentTransitionRecord, SessionRecord, TurnRecord, USER_MESSAGES};
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use turn::{Turn, set_parent};

/// What the entries of a session fold into.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Session {
    /// The session's record.
    pub record: SessionRecord,
    /// What was odd about the order of the events, in the order of the entries.
    pub anomalies: Vec<Anomaly>,
}

/// Folds entries into a [`Session`].
///
/// An entry whose number is not above the last one's is ignored, so that seeing an entry twice changes nothing. Clone
/// the fold to finish it and go on.
#[derive(Clone, Debug, Default)]
pub struct SessionFold {
    last_seq: Seq,
    origin: Option<Origin>,
    /// From the first `session_started` that names one.
    session_id: Option<SessionId>,
    workspace_id: Option<WorkspaceId>,
    agent_id: Option<String>,
    created_at: Option<String>,
    updated_at: Option<Timestamp>,
    metadata: Metadata,
    turns: Ledger<Turn>,
    /// The turns that are running or have a running call, exactly: an interruption need not look at the others.
    live: BTreeSet<usize>,
    /// Each with the entry that brought it.
    transitions: Vec<(Seq, AgentTransitionRecord)>,
    /// The turns that any of them ever named: rewinding to others leaves them all.
    transited: HashSet<Arc<str>>,
    anomalies: Vec<Anomaly>,
}

impl SessionFold {
    /// A fold that has seen nothing.
    pub fn new() -> SessionFold {
        SessionFold::default()
    }

    /// The number of the last entry it has seen; [`Seq::ZERO`] before the first.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The next entry, whose event somebody has decoded already.
    pub(crate) fn step(&mut self, entry: &Entry<'_>, event: Result<Event<'_>>) {
        if entry.seq() <= self.last_seq {
            return;
        }
        self.last_seq = entry.seq();
        if !entry.is_recorders_own() {
            self.updated_at = Some(entry.time());
        }
        match event {
            Ok(event) => self.apply(entry, event),
            Err(error) => {
                self.anomalies.push(Anomaly::plain(entry.seq(), AnomalyKind::Undecodable, error.to_string()));
            }
        }
    }

    /// All that a turn has said so far, its answer included: the record has only one of both.
    pub(crate) fn text_and_answer(&self, turn_id: &str) -> Option<String> {
        self.turns.find(turn_id).map(|at| self.turns[at].text_and_answer())
    }

    /// Whether a turn's end has brought an answer.
    pub(crate) fn is_answered(&self, turn_id: &str) -> bool {
        self.turns.find(turn_id).is_some_and(|at| self.turns[at].record.response_content.is_some())
    }

    fn apply(&mut self, entry: &Entry<'_>, mut event: Event<'_>) {
        self.check_metadata(entry, &mut event);
        match event {
            Event::SessionStarted(started) => self.session_started(entry, started),
            Event::SessionUpdated(updated) => {
                self.merge(updated.workspace_id, updated.agent_id, updated.metadata);
            }
            Event::SessionEnded(ended) => {
                self.merge(None, None, ended.metadata);
                self.interrupt();
            }
            Event::AgentTransition(transition) => self.transition(entry, transition),
            Event::TurnsRewound(rewound) => self.rewind(entry, &rewound.from_turn_id),
            Event::UserMessage(message) => self.user_message(entry, message),
            // No member of the record; but they show that their turn goes on.
            Event::ApprovalRequested(asked) => self.wake(asked.turn_id.as_deref()),
            Event::ContextCompacted(compacted) => self.wake(compacted.turn_id.as_deref()),
            Event::ApprovalResolved(_) => {}
            Event::JournalRecovered(_) | Event::JournalClosed(_) => self.interrupt(),
            Event::Custom(_) | Event::Unparsed(_) | Event::EventsLost(_) | Event::Unknown(_) => {}
            Event::TurnStarted(started) => self.turn_started(entry, started),
            Event::TurnEnded(ended) => self.turn_ended(entry, ended),
            Event::TurnRecorded(recorded) => self.turn_recorded(entry, recorded.turn),
            within_a_turn => self.within_turn(entry, within_a_turn),
        }
    }

    /// Takes out of a turn's metadata what only the fold writes there.
    fn check_metadata(&mut self, entry: &Entry<'_>, event: &mut Event<'_>) {
        let (turn_id, metadata) = match event {
            Event::TurnStarted(event) => (event.turn_id.as_str(), &mut event.metadata),
            Event::TurnUpdated(event) => (event.turn_id.as_str(), &mut event.metadata),
            Event::TurnEnded(event) => (event.turn_id.as_str(), &mut event.metadata),
            Event::TurnRecorded(event) => (event.turn.turn_id.as_str(), &mut event.turn.metadata),
            _ => return,
        };
        if metadata.shift_remove(USER_MESSAGES).is_some() {
            self.odd(entry, AnomalyKind::ReservedMetadata, turn_id, None);
        }
    }

    fn user_message(&mut self, entry: &Entry<'_>, message: UserMessage<'_>) {
        let Some(at) = self.turns.find(&message.turn_id) else {
            self.odd(entry, AnomalyKind::UserMessageWithoutTurn, &message.turn_id, None);
            return;
        };
        self.turns[at].wake();
        self.turns[at].user_said(message, entry.seq(), entry.time());
        self.settle(at);
    }

    /// Something happened during a turn, if that is there.
    fn wake(&mut self, turn_id: Option<&str>) {
        if let Some(at) = turn_id.and_then(|turn_id| self.turns.find(turn_id)) {
            self.turns[at].wake();
            self.settle(at);
        }
    }

    /// Events that belong to a turn and neither start nor end it.
    fn within_turn(&mut self, entry: &Entry<'_>, event: Event<'_>) {
        let (turn_id, call_id) = match &event {
            Event::TurnUpdated(event) => (&event.turn_id, None),
            Event::TextDelta(event) => (&event.turn_id, None),
            Event::ReasoningDelta(event) => (&event.turn_id, None),
            Event::ModelCallStarted(event) => (&event.turn_id, None),
            Event::ModelCallEnded(event) => (&event.turn_id, None),
            Event::ToolCallStarted(event) => (&event.turn_id, Some(event.call_id.to_string())),
            Event::ToolCallOutput(event) => (&event.turn_id, Some(event.call_id.to_string())),
            Event::ToolCallEnded(event) => (&event.turn_id, Some(event.call_id.to_string())),
            Event::ToolCallRecorded(event) => (&event.turn_id, None),
            _ => return,
        };
        let at = self.turn_at(entry, turn_id);
        let turn = &mut self.turns[at];
        turn.wake();
        let odd = match event {
            Event::TurnUpdated(updated) => {
                turn.record.audit_event_ids.extend(updated.audit_event_ids);
                merge_metadata(&mut turn.record.metadata, updated.metadata);
                None
            }
            Event::TextDelta(delta) => {
                turn.text.delta(delta.model_call_id.as_deref(), &delta.text);
                None
            }
            Event::ModelCallStarted(started) => {
                turn.text.model_call_started(&started.model_call_id);
                None
            }
            Event::ModelCallEnded(ended) => {
                turn.text.model_call_ended(&ended);
                None
            }
            Event::ToolCallStarted(started) => turn.start_call(started),
            Event::ToolCallOutput(output) => turn.call_output(&output.call_id, &output.text),
            Event::ToolCallEnded(ended) => turn.end_call(ended),
            Event::ToolCallRecorded(recorded) => {
                turn.record_call(recorded.call);
                None
            }
            _ => None,
        };
        if let Some(kind) = odd {
            let turn_id = turn.record.turn_id.clone();
            self.odd(entry, kind, &turn_id, call_id.as_deref());
        }
        self.settle(at);
    }

    fn session_started(&mut self, entry: &Entry<'_>, started: SessionStarted<'_>) {
        let given = SessionId::new(started.session_id.as_str()).ok();
        if self.session_id.is_none() {
            self.session_id.clone_from(&given);
        }
        if given.as_ref() != self.known_id() || given.is_none() {
            let detail = format!("`session_started` names the session `{}`", started.session_id);
            self.anomalies.push(Anomaly::plain(entry.seq(), AnomalyKind::WrongSession, detail));
        }
        if self.created_at.is_none() {
            self.created_at = Some(match started.created_at {
                Some(time) => time.into_string(),
                None => entry.time().to_string(),
            });
        }
        self.merge(started.workspace_id, started.agent_id, started.metadata);
        if let Some(parent) = &started.parent {
            set_parent(&mut self.metadata, parent);
        }
    }

    fn merge(&mut self, workspace_id: Option<Text<'_>>, agent_id: Option<Text<'_>>, metadata: Metadata) {
        if let Some(id) = workspace_id {
            self.workspace_id = Some(WorkspaceId::new(id.into_string()));
        }
        if let Some(id) = agent_id {
            self.agent_id = Some(id.into_string());
        }
        merge_metadata(&mut self.metadata, metadata);
    }

    /// The journal's header decides; without one, the first `session_started` does.
    fn known_id(&self) -> Option<&SessionId> {
        self.origin.as_ref().map(|origin| &origin.session_id).or(self.session_id.as_ref())
    }

    fn turn_started(&mut self, entry: &Entry<'_>, started: TurnStarted<'_>) {
        let turn_id = started.turn_id.to_string();
        let start = self.turns.find(&turn_id).map(|at| {
            let turn = &self.turns[at];
            (at, rules::turn_start(turn.record.meaning(), turn.implicit))
        });
        let (at, odd) = match start {
            None => (self.new_turn(entry, &turn_id), None),
            Some((_, Start::Anew)) => (self.new_turn(entry, &turn_id), Some(AnomalyKind::TurnStartedAfterEnd)),
            Some((at, Start::Again)) => (at, Some(AnomalyKind::TurnStartedTwice)),
            Some((at, Start::AdoptEnded)) => (at, Some(AnomalyKind::TurnEndedBeforeStart)),
            Some((at, Start::Adopt | Start::Resume)) => (at, None),
        };
        if let Some(kind) = odd {
            self.odd(entry, kind, &turn_id, None);
        }
        self.turns[at].start(started, entry.time());
        self.settle(at);
    }

    fn turn_ended(&mut self, entry: &Entry<'_>, ended: TurnEnded<'_>) {
        let (at, odd) = match self.turns.find(&ended.turn_id) {
            Some(at) if self.turns[at].record.meaning().is_over() => (at, Some(AnomalyKind::TurnEndedTwice)),
            Some(at) => (at, None),
            None => (self.new_turn(entry, &ended.turn_id), Some(AnomalyKind::TurnEndedWithoutStart)),
        };
        if let Some(kind) = odd {
            self.odd(entry, kind, &ended.turn_id, None);
        }
        self.turns[at].end(ended, entry.time());
        self.settle(at);
    }

    fn turn_recorded(&mut self, entry: &Entry<'_>, record: TurnRecord) {
        let turn_id = record.turn_id.clone();
        let at = match self.turns.find(&turn_id) {
            Some(at) => {
                self.turns[at] = self.turns[at].replaced_by(record);
                at
            }
            None => self.turns.push(&turn_id, Turn::whole(record, entry.seq())),
        };
        self.settle(at);
    }

    /// A transition belongs to the session: one during a turn that is not there makes none, since a turn that is
    /// recorded whole comes after the transitions during it.
    fn transition(&mut self, entry: &Entry<'_>, transition: AgentTransition<'_>) {
        self.wake(transition.turn_id.as_deref());
        let record = transition.into_record(entry.time());
        if !self.transited.contains(record.turn_id.as_str()) {
            self.transited.insert(record.turn_id.as_str().into());
        }
        self.transitions.push((entry.seq(), record));
    }

    fn rewind(&mut self, entry: &Entry<'_>, from_turn_id: &str) {
        let Some(from) = self.turns.find(from_turn_id) else {
            self.odd(entry, AnomalyKind::UnknownRewind, from_turn_id, None);
            return;
        };
        self.live.split_off(&from);
        // Where an id leaves more than once, the first that leaves counts: `cut` gives it last.
        let gone: HashMap<Arc<str>, Seq> =
            self.turns.cut(from).into_iter().map(|(turn_id, turn)| (turn_id, turn.began)).collect();
        if !gone.keys().any(|turn_id| self.transited.contains(turn_id)) {
            return;
        }
        let turns = &self.turns;
        self.transitions.retain(|(seq, transition)| match gone.get(transition.turn_id.as_str()) {
            // "During no turn" is written as an empty id.
            Some(_) if transition.turn_id.is_empty() => true,
            // An older turn of the same id stays, and with it the transitions during it.
            Some(began) => seq < began && turns.find(&transition.turn_id).is_some(),
            None => true,
        });
    }

    fn interrupt(&mut self) {
        for at in std::mem::take(&mut self.live) {
            self.turns[at].interrupt();
        }
    }

    /// The turn of this id; one is made if it is not there.
    fn turn_at(&mut self, entry: &Entry<'_>, turn_id: &str) -> usize {
        match self.turns.find(turn_id) {
            Some(at) => at,
            None => {
                self.odd(entry, AnomalyKind::UnknownTurn, turn_id, None);
                self.new_turn(entry, turn_id)
            }
        }
    }

    fn new_turn(&mut self, entry: &Entry<'_>, turn_id: &str) -> usize {
        self.turns.push(turn_id, Turn::new(turn_id, entry.seq(), entry.time()))
    }

    /// Keeps `live` true after a turn changed.
    fn settle(&mut self, at: usize) {
        if self.turns[at].is_live() {
            self.live.insert(at);
        } else {
            self.live.remove(&at);
        }
    }

    fn odd(&mut self, entry: &Entry<'_>, kind: AnomalyKind, turn_id: &str, call_id: Option<&str>) {
        self.anomalies.push(Anomaly::of_turn(entry.seq(), kind, turn_id, call_id));
    }
}

impl Reducer for SessionFold {
    type Output = Session;

    fn begin(&mut self, origin: &Origin) {
        self.origin = Some(origin.clone());
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.seq() > self.last_seq {
            self.step(entry, entry.event());
        }
    }

    fn finish(self) -> Session {
        let session_id = self.known_id().cloned().unwrap_or_else(rules::unknown_session);
        let created_at = match (self.created_at, &self.origin) {
            (Some(time), _) => time,
            (None, Some(origin)) => origin.created.to_string(),
            (None, None) => String::new(),
        };
        let record = SessionRecord {
            session_id,
            workspace_id: self.workspace_id,
            updated_at: self.updated_at.map_or_else(|| created_at.clone(), |time| time.to_string()),
            created_at,
            agent_id: self.agent_id,
            turns: self.turns.into_values().map(Turn::finish).collect(),
            agent_transitions: self.transitions.into_iter().map(|(_, transition)| transition).collect(),
            metadata: self.metadata,
        };
        Session { record, anomalies: self.anomalies }
    }
}
