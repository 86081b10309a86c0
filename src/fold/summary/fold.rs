//! The fold from a session's entries to its summary. Decodes only the members it counts.
//!
//! It keeps an id and a status for each turn, and for each call of a turn until that turn has ended; of a call that is
//! over by then it keeps a hash of the id and how it ended, so that an event that comes late is still known for one.

use crate::fold::anomaly::AnomalyKind;
use crate::fold::ledger::Ledger;
use crate::fold::prices::Prices;
use crate::fold::rules::{self, Start};
use crate::fold::summary::SessionSummary;
use crate::fold::summary::calls::Calls;
use crate::fold::summary::parts::{
    DeltaPart, MetadataPart, OutputPart, RewindPart, SessionIdPart, SessionPart, TransitionPart, TurnCallEndPart,
    TurnEndPart, TurnMetadataPart, TurnPart, WholeTurnPart,
};
use crate::fold::summary::totals::{Day, DayStats, Totals, TurnStats};
use crate::fold::{Origin, Reducer};
use crate::model::entry::Entry;
use crate::model::gap::Gap;
use crate::model::id::{SessionId, WorkspaceId};
use crate::model::seq::Seq;
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;
use std::sync::Arc;

/// Folds entries into a [`SessionSummary`].
///
/// An entry whose number is not above the last one's is ignored, so that seeing an entry twice changes nothing.
#[derive(Clone, Debug, Default)]
pub struct SummaryFold {
    origin: Option<SessionId>,
    session_id: Option<SessionId>,
    workspace_id: Option<WorkspaceId>,
    agent_id: Option<String>,
    first_seq: Seq,
    last_seq: Seq,
    /// The latest time of an event so far.
    latest: Option<Timestamp>,
    turns: Ledger<Turn>,
    /// How many of them are running.
    running: u64,
    pub(crate) totals: Totals,
    /// How often everything was interrupted: what was seen last at a lower number and runs was interrupted.
    pub(crate) interruptions: u64,
    closed: bool,
    ended: bool,
    /// For model calls whose cost is not in the log.
    pub(crate) prices: Option<Arc<Prices>>,
    /// How many of the next events another session has too, where they are counted.
    elsewhere: u64,
}

/// A turn, as far as it is counted.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    status: StatusMeaning,
    implicit: bool,
    /// `interruptions` when its last event came.
    seen: u64,
    /// It is counted in another session.
    elsewhere: bool,
    pub(crate) calls: Calls,
}

impl SummaryFold {
    /// A fold that has seen nothing.
    pub fn new() -> SummaryFold {
        SummaryFold::default()
    }

    /// Computes the costs that the log does not have from a table of prices.
    pub fn prices(mut self, prices: Arc<Prices>) -> SummaryFold {
        self.prices = Some(prices);
        self
    }

    /// Leaves the first `events` out of all sums: another session begins with them too and counts them.
    pub fn counted_elsewhere(mut self, events: u64) -> SummaryFold {
        self.elsewhere = events;
        self
    }

    /// What came so far is counted in another session.
    fn leave_out(&mut self) {
        self.totals = Totals::default();
        for turn in self.turns.values_mut() {
            turn.elsewhere = true;
            turn.calls.leave_out();
        }
    }

    fn apply(&mut self, entry: &Entry<'_>) -> serde_json::Result<()> {
        let (data, time) = (entry.data(), entry.time());
        match entry.type_name() {
            "session_started" => {
                let part: SessionIdPart<'_> = serde_json::from_str(data)?;
                self.session(serde_json::from_str(data)?);
                self.session_started(part.session_id.into_string());
            }
            "session_updated" => self.session(serde_json::from_str(data)?),
            "session_ended" | "journal_closed" => self.interrupt(),
            "journal_recovered" => {
                self.totals.recoveries += 1;
                self.interrupt();
            }
            "unparsed" => self.totals.unparsed += 1,
            "turn_started" => self.turn_started(&serde_json::from_str(data)?, time),
            "reasoning_delta" => {
                self.turn(&TurnPart::decode(data)?.turn_id);
            }
            "turn_updated" => {
                let part: TurnMetadataPart<'_> = serde_json::from_str(data)?;
                self.check_metadata(part.metadata.as_ref());
                self.turn(&part.turn_id);
            }
            "user_message" => self.user_message(&TurnPart::decode(data)?),
            "turn_ended" => self.turn_ended(&serde_json::from_str(data)?),
            "turn_recorded" => self.turn_recorded(serde_json::from_str(data)?, time),
            "turns_rewound" => {
                let part: RewindPart<'_> = serde_json::from_str(data)?;
                self.rewind(&part.from_turn_id);
            }
            "text_delta" => self.delta(&DeltaPart::decode(data)?),
            "model_call_started" => self.model_call_started(&serde_json::from_str(data)?, time),
            "model_call_ended" => self.model_call_ended(&serde_json::from_str(data)?, time),
            "tool_call_started" => self.call_started(serde_json::from_str(data)?, time),
            "tool_call_output" => self.call_output(&OutputPart::decode(data)?),
            "tool_call_ended" => {
                let (turn_id, part) = TurnCallEndPart::decode(data)?.split();
                self.call_ended(&turn_id, part, time);
            }
            "tool_call_recorded" => {
                let (turn_id, part) = TurnCallEndPart::decode(data)?.split();
                self.turn(&turn_id);
                self.call_recorded(&turn_id, part, time);
            }
            "agent_transition" | "approval_requested" | "context_compacted" => {
                let part: TransitionPart<'_> = serde_json::from_str(data)?;
                self.wake_known(part.turn_id.as_deref());
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

    fn session_started(&mut self, session_id: String) {
        let given = SessionId::new(session_id).ok();
        if self.session_id.is_none() {
            self.session_id.clone_from(&given);
        }
        if given.is_none() || given.as_ref() != self.origin.as_ref().or(self.session_id.as_ref()) {
            self.odd(AnomalyKind::WrongSession);
        }
    }

    pub(crate) fn odd(&mut self, kind: AnomalyKind) {
        *self.totals.anomalies.entry(kind).or_default() += 1;
    }

    pub(crate) fn day(&mut self, time: Timestamp) -> &mut DayStats {
        self.totals.days.entry(Day::of(time)).or_default()
    }

    fn interrupt(&mut self) {
        self.interruptions += 1;
        self.running = 0;
    }

    /// The turn of this id, which has an event; it is made if it is not there, which is odd.
    pub(crate) fn turn(&mut self, turn_id: &str) -> &mut Turn {
        let at = self.turns.find(turn_id).unwrap_or_else(|| {
            self.odd(AnomalyKind::UnknownTurn);
            self.add(turn_id)
        });
        self.wake(at)
    }

    /// Something happened during a turn. `false` if that is not there.
    fn wake_known(&mut self, turn_id: Option<&str>) -> bool {
        let known = turn_id.and_then(|turn_id| self.turns.find(turn_id));
        known.is_some_and(|at| {
            self.wake(at);
            true
        })
    }

    fn user_message(&mut self, part: &TurnPart<'_>) {
        if !self.wake_known(Some(&part.turn_id)) {
            self.odd(AnomalyKind::UserMessageWithoutTurn);
        }
    }

    fn check_metadata(&mut self, metadata: Option<&MetadataPart>) {
        if metadata.is_some_and(|metadata| metadata.has_reserved) {
            self.odd(AnomalyKind::ReservedMetadata);
        }
    }

    fn add(&mut self, turn_id: &str) -> usize {
        self.running += 1;
        let (seen, calls) = (self.interruptions, Calls::default());
        let turn = Turn { status: StatusMeaning::Running, implicit: true, seen, elsewhere: false, calls };
        self.turns.push(turn_id, turn)
    }

    /// The turn at this position, which has an event: one that was interrupted runs again.
    fn wake(&mut self, at: usize) -> &mut Turn {
        let status = match self.turns[at].status {
            StatusMeaning::Interrupted => StatusMeaning::Running,
            status => status,
        };
        self.set(at, status);
        &mut self.turns[at]
    }

    fn set(&mut self, at: usize, status: StatusMeaning) {
        let turn = &mut self.turns[at];
        let ran = turn.runs(self.interruptions);
        turn.status = status;
        turn.seen = self.interruptions;
        self.running = self.running + u64::from(turn.runs(self.interruptions)) - u64::from(ran);
    }

    fn turn_started(&mut self, part: &TurnMetadataPart<'_>, time: Timestamp) {
        self.check_metadata(part.metadata.as_ref());
        let start = self.turns.find(&part.turn_id).map(|at| {
            let turn = &self.turns[at];
            // An interruption shows in the record at once, here when the turn is looked at.
            let interrupted = turn.status == StatusMeaning::Running && turn.seen < self.interruptions;
            let status = if interrupted { StatusMeaning::Interrupted } else { turn.status };
            (at, rules::turn_start(status, turn.implicit))
        });
        let (at, odd) = match start {
            None => (self.add(&part.turn_id), None),
            Some((_, Start::Anew)) => (self.add(&part.turn_id), Some(AnomalyKind::TurnStartedAfterEnd)),
            Some((at, Start::Again)) => (at, Some(AnomalyKind::TurnStartedTwice)),
            Some((at, Start::AdoptEnded)) => (at, Some(AnomalyKind::TurnEndedBeforeStart)),
            Some((at, Start::Adopt | Start::Resume)) => (at, None),
        };
        odd.into_iter().for_each(|kind| self.odd(kind));
        let turn = self.wake(at);
        let first = std::mem::replace(&mut turn.implicit, false);
        self.day(time).turns += u64::from(first);
    }

    fn turn_ended(&mut self, part: &TurnEndPart<'_>) {
        self.check_metadata(part.metadata.as_ref());
        let at = match self.turns.find(&part.turn_id) {
            Some(at) => {
                if self.turns[at].status.is_over() {
                    self.odd(AnomalyKind::TurnEndedTwice);
                }
                at
            }
            None => {
                self.odd(AnomalyKind::TurnEndedWithoutStart);
                self.add(&part.turn_id)
            }
        };
        self.set(at, part.status.clone().unwrap_or_default().meaning(part.error.as_deref()));
        self.turns[at].calls.end_turn();
    }

    fn turn_recorded(&mut self, part: WholeTurnPart<'_>, time: Timestamp) {
        self.check_metadata(part.metadata.as_ref());
        let at = self.turns.find(&part.turn_id).unwrap_or_else(|| self.add(&part.turn_id));
        let known: Vec<String> = part.tool_calls.iter().map(|call| call.call_id.to_string()).collect();
        for call in part.tool_calls {
            self.call_recorded(&part.turn_id, call, time);
        }
        // Only what stands in the record is known of it from now on.
        let dropped = self.turns[at].calls.keep(&known);
        self.count_interrupted(dropped);
        self.set(at, part.status.unwrap_or_default().meaning(part.error.as_deref()));
        let first = std::mem::replace(&mut self.turns[at].implicit, false);
        self.day(time).turns += u64::from(first);
    }

    fn rewind(&mut self, from_turn_id: &str) {
        let Some(from) = self.turns.find(from_turn_id) else {
            self.odd(AnomalyKind::UnknownRewind);
            return;
        };
        for (_, mut turn) in self.turns.cut(from) {
            self.running -= u64::from(turn.runs(self.interruptions));
            self.totals.turns.rewound += u64::from(!turn.elsewhere);
            count_turn(&mut self.totals.turns, &turn);
            // Nothing of it can go on.
            let open = turn.calls.keep(&[]);
            self.count_interrupted(open);
        }
    }

    fn count_interrupted(&mut self, tool_names: Vec<String>) {
        for name in tool_names {
            self.totals.tool_calls.entry(name).or_default().interrupted += 1;
        }
    }

    /// Counts what holds for every entry, whatever its type.
    fn count(&mut self, entry: &Entry<'_>) {
        self.totals.entries += 1;
        self.closed = entry.type_name() == "journal_closed";
        let types = &mut self.totals.types;
        if !types.contains_key(entry.type_name()) {
            types.insert(entry.type_name().to_owned(), Default::default());
        }
        if let Some(stats) = types.get_mut(entry.type_name()) {
            stats.count += 1;
            stats.bytes += entry.line().len() as u64 + 1;
        }
        if entry.is_recorders_own() {
            return;
        }
        let time = entry.time();
        self.totals.events += 1;
        self.day(time).events += 1;
        self.ended = entry.type_name() == "session_ended";
        self.totals.active_at(time);
        // What only comes beside a run may come long after its turn has fallen silent.
        if matches!(entry.type_name(), "custom" | "unparsed" | "session_updated") {
            return;
        }
        // Where times go back nothing is counted until they pass the latest again: no moment counts twice, so that a
        // session was active for no longer than it lasted.
        if let Some(latest) = self.latest.filter(|_| self.running > 0) {
            let micros = u64::try_from(time.since(latest).as_micros()).unwrap_or(u64::MAX);
            self.totals.active_micros = self.totals.active_micros.saturating_add(micros);
        }
        self.latest = self.latest.max(Some(time));
    }
}

impl Turn {
    fn runs(&self, interruptions: u64) -> bool {
        self.status == StatusMeaning::Running && self.seen == interruptions
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
        if self.last_seq == Seq::default() {
            self.first_seq = entry.seq();
        }
        self.last_seq = entry.seq();
        self.count(entry);
        if self.apply(entry).is_err() {
            self.totals.undecodable += 1;
            self.odd(AnomalyKind::Undecodable);
        }
        if self.elsewhere > 0 && !entry.is_recorders_own() {
            self.elsewhere -= 1;
            if self.elsewhere == 0 {
                self.leave_out();
            }
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let gaps = &mut self.totals.gaps;
        match gap.explained {
            true => gaps.explained += 1,
            false => {
                gaps.damaged += 1;
                gaps.damaged_bytes = gaps.damaged_bytes.saturating_add(gap.bytes);
            }
        }
    }

    fn finish(self) -> SessionSummary {
        let mut totals = self.totals;
        totals.sessions = 1;
        for turn in self.turns.values() {
            count_turn(&mut totals.turns, turn);
            if !turn.elsewhere && !turn.status.is_over() {
                let interrupted = turn.status == StatusMeaning::Interrupted || turn.seen < self.interruptions;
                totals.turns.interrupted += u64::from(interrupted);
                totals.turns.running += u64::from(!interrupted);
            }
            turn.calls.count_open(self.interruptions, &mut totals.tool_calls);
        }
        SessionSummary {
            session_id: self.origin.or(self.session_id).unwrap_or_else(rules::unknown_session),
            workspace_id: self.workspace_id,
            agent_id: self.agent_id,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            closed: self.closed,
            ended: self.ended,
            totals,
        }
    }
}

/// Counts that a turn started, and how it ended if it did.
fn count_turn(stats: &mut TurnStats, turn: &Turn) {
    if turn.elsewhere {
        return;
    }
    stats.started += u64::from(!turn.implicit);
    stats.ended += u64::from(turn.status.is_over());
    stats.succeeded += u64::from(turn.status == StatusMeaning::Success);
    stats.failed += u64::from(turn.status.is_failure());
    stats.cancelled += u64::from(turn.status == StatusMeaning::Cancelled);
    stats.unknown_status += u64::from(turn.status == StatusMeaning::Unknown);
}
