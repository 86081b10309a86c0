//! The timeline: what happened, item by item, in the order in which it began.
//!
//! Owns the items and everything that belongs to no turn; what happens within a turn is in `turn`. Unlike the
//! record it keeps what was rewound, since it happened.

mod approvals;
mod calls;
pub(crate) mod item;
pub(crate) mod title;
mod turn;

use crate::fold::Reducer;
use crate::fold::ledger::Ledger;
use crate::fold::rules::{self, Start};
use crate::fold::timeline::item::{Timeline, TimelineItem, TimelineKind};
use crate::model::entry::Entry;
use crate::model::event::{Event, JournalRecovered, TurnEnded, TurnStarted, UserMessage};
use crate::model::record::TurnRecord;
use crate::model::seq::Seq;
use crate::model::status::TurnStatus;
use crate::model::time::Timestamp;
use crate::text::phrases::{count, with_reason};
use std::collections::{BTreeSet, HashMap};
use turn::Turn;

/// Folds entries into a [`Timeline`].
///
/// An entry whose number is not above the last one's is ignored, so that seeing an entry twice changes nothing. What
/// is interrupted, resumed and adopted follows the rules of the record; the retry of a call is an item of its own.
#[derive(Clone, Debug, Default)]
pub struct TimelineFold {
    last_seq: Seq,
    pub(super) items: Vec<TimelineItem>,
    turns: Ledger<Turn>,
    /// The turns that are running, or in which something is, exactly.
    live: BTreeSet<usize>,
    /// How often everything was interrupted so far: no text goes on across an interruption.
    interruptions: u64,
    /// The item of each approval, by its id.
    pub(super) approvals: HashMap<String, usize>,
}

impl TimelineFold {
    /// A fold that has seen nothing.
    pub fn new() -> TimelineFold {
        TimelineFold::default()
    }

    fn apply(&mut self, entry: &Entry<'_>, event: Event<'_>) {
        match event {
            Event::SessionStarted(_) => self.note(entry, "session started".to_owned()),
            Event::SessionUpdated(_) => self.note(entry, "session updated".to_owned()),
            Event::SessionEnded(ended) => {
                self.note(entry, with_reason("session ended", ended.reason.as_deref()));
                self.interrupt();
            }
            Event::JournalRecovered(recovered) => {
                self.note(entry, recovery(&recovered));
                self.interrupt();
            }
            Event::JournalClosed(closed) => {
                let reason = Some(closed.reason.as_str()).filter(|reason| *reason != "closed");
                self.note(entry, with_reason("journal closed", reason));
                self.interrupt();
            }
            Event::EventsLost(lost) => {
                let what = format!("{} lost", count(lost.count, "event"));
                self.note(entry, with_reason(&what, Some(&lost.reason)));
            }
            Event::TurnsRewound(rewound) => self.rewind(entry, &rewound.from_turn_id),
            Event::Custom(custom) => self.note(entry, custom.name.into_string()),
            Event::Unparsed(unparsed) => self.note(entry, with_reason("unparsed input", Some(&unparsed.error))),
            Event::Unknown(unknown) => self.note(entry, unknown.type_name.into_string()),
            Event::AgentTransition(transition) => {
                let (from, reason) = (transition.from_agent.as_deref(), transition.reason.as_deref());
                let title = title::transition(from, &transition.to_agent, reason);
                let mut item = TimelineItem::new(entry, TimelineKind::Transition, title);
                let own_time = transition.timestamp.as_deref().and_then(Timestamp::parse_rfc3339);
                item.time = own_time.unwrap_or(item.time);
                self.beside(item, transition.turn_id.as_deref());
            }
            Event::UserMessage(message) => self.user_message(entry, message),
            Event::ApprovalRequested(asked) => self.approval_requested(entry, &asked),
            Event::ApprovalResolved(resolved) => self.approval_resolved(entry, &resolved),
            Event::ContextCompacted(compacted) => {
                let item = TimelineItem::new(entry, TimelineKind::Compaction, title::compaction(&compacted));
                self.beside(item, compacted.turn_id.as_deref());
            }
            Event::TurnStarted(started) => self.turn_started(entry, started),
            Event::TurnEnded(ended) => self.turn_ended(entry, ended),
            Event::TurnRecorded(recorded) => self.turn_recorded(entry, recorded.turn),
            within_a_turn => self.within_turn(entry, within_a_turn),
        }
    }

    /// Events that belong to a turn and neither start nor end it.
    fn within_turn(&mut self, entry: &Entry<'_>, event: Event<'_>) {
        let turn_id = match &event {
            Event::TurnUpdated(event) => &event.turn_id,
            Event::TextDelta(event) => &event.turn_id,
            Event::ReasoningDelta(event) => &event.turn_id,
            Event::ModelCallStarted(event) => &event.turn_id,
            Event::ModelCallEnded(event) => &event.turn_id,
            Event::ToolCallStarted(event) => &event.turn_id,
            Event::ToolCallOutput(event) => &event.turn_id,
            Event::ToolCallEnded(event) => &event.turn_id,
            Event::ToolCallRecorded(event) => &event.turn_id,
            _ => return,
        };
        let at = match self.turns.find(turn_id) {
            Some(at) => at,
            None => self.new_turn(entry, turn_id),
        };
        let interruptions = self.interruptions;
        self.within(at, |turn, items| {
            turn.wake(items);
            match event {
                Event::TextDelta(delta) => {
                    let call = delta.model_call_id.as_deref();
                    turn.delta(items, entry, TimelineKind::Text, call, &delta.text, interruptions);
                }
                Event::ReasoningDelta(delta) => {
                    let call = delta.model_call_id.as_deref();
                    turn.delta(items, entry, TimelineKind::Reasoning, call, &delta.text, interruptions);
                }
                Event::ModelCallStarted(started) => turn.model_call_started(items, entry, &started),
                Event::ModelCallEnded(ended) => turn.model_call_ended(items, entry, &ended),
                Event::ToolCallStarted(started) => turn.call_started(items, entry, &started),
                Event::ToolCallOutput(output) => turn.call_output(items, entry, &output.call_id),
                Event::ToolCallEnded(ended) => turn.call_ended(items, entry, ended),
                Event::ToolCallRecorded(recorded) => {
                    turn.call_recorded(items, entry, &recorded.call, Some(entry.time()));
                }
                _ => {}
            }
        });
    }

    fn turn_started(&mut self, entry: &Entry<'_>, started: TurnStarted<'_>) {
        let start = self.turns.find(&started.turn_id).map(|at| {
            let turn = &self.turns[at];
            (at, rules::turn_start(turn.status(&self.items), turn.implicit))
        });
        let at = match start {
            None | Some((_, Start::Anew)) => self.new_turn(entry, &started.turn_id),
            Some((at, _)) => at,
        };
        self.within(at, |turn, items| turn.start(items, started.prompt.into_string()));
    }

    fn turn_ended(&mut self, entry: &Entry<'_>, ended: TurnEnded<'_>) {
        let at = match self.turns.find(&ended.turn_id) {
            Some(at) => at,
            None => self.new_turn(entry, &ended.turn_id),
        };
        let status = ended.status.unwrap_or_default();
        self.within(at, |turn, items| {
            turn.end(items, entry.time(), status.shown(ended.error.as_deref()));
            turn.response(items, entry, ended.response_content.as_deref());
        });
    }

    fn turn_recorded(&mut self, entry: &Entry<'_>, record: TurnRecord) {
        let at = match self.turns.find(&record.turn_id) {
            Some(at) => at,
            None => {
                let at = self.new_turn(entry, &record.turn_id);
                let own_time = Timestamp::parse_rfc3339(&record.started_at);
                let item = &mut self.items[self.turns[at].item];
                item.time = own_time.unwrap_or(item.time);
                at
            }
        };
        self.within(at, |turn, items| turn.recorded(items, entry, record));
    }

    fn user_message(&mut self, entry: &Entry<'_>, message: UserMessage<'_>) {
        match self.turns.find(&message.turn_id) {
            Some(at) => self.within(at, |turn, items| {
                turn.wake(items);
                turn.push(items, entry, TimelineKind::User, None, message.text.into_string());
            }),
            None => {
                let title = format!("user message for turn {}, which is not there: {}", message.turn_id, message.text);
                self.note(entry, title);
            }
        }
    }

    /// Adds an item that belongs to the session and happened during a turn, if it did. Returns where it is.
    pub(super) fn beside(&mut self, mut item: TimelineItem, turn_id: Option<&str>) -> usize {
        self.wake(turn_id);
        item.turn_id = turn_id.map(str::to_owned);
        self.items.push(item);
        self.items.len() - 1
    }

    /// Something happened during a turn, if that is there.
    pub(super) fn wake(&mut self, turn_id: Option<&str>) {
        if let Some(at) = turn_id.and_then(|turn_id| self.turns.find(turn_id)) {
            self.within(at, |turn, items| turn.wake(items));
            self.turns[at].end_run();
        }
    }

    fn rewind(&mut self, entry: &Entry<'_>, from_turn_id: &str) {
        self.note(entry, format!("rewound to before turn {from_turn_id}"));
        if let Some(from) = self.turns.find(from_turn_id) {
            self.live.split_off(&from);
            for (_, mut turn) in self.turns.cut(from) {
                turn.interrupt(&mut self.items);
            }
        }
    }

    fn new_turn(&mut self, entry: &Entry<'_>, turn_id: &str) -> usize {
        let mut item = TimelineItem::new(entry, TimelineKind::Turn, String::new());
        item.turn_id = Some(turn_id.to_owned());
        item.status = Some(TurnStatus::Running.as_str().to_owned());
        self.items.push(item);
        self.turns.push(turn_id, Turn::new(turn_id, self.items.len() - 1))
    }

    /// Changes a turn and keeps `live` true.
    fn within(&mut self, at: usize, change: impl FnOnce(&mut Turn, &mut Vec<TimelineItem>)) {
        change(&mut self.turns[at], &mut self.items);
        if self.turns[at].is_live(&self.items) {
            self.live.insert(at);
        } else {
            self.live.remove(&at);
        }
    }

    fn interrupt(&mut self) {
        self.interruptions += 1;
        for at in std::mem::take(&mut self.live) {
            self.turns[at].interrupt(&mut self.items);
        }
    }

    fn note(&mut self, entry: &Entry<'_>, title: String) {
        self.items.push(TimelineItem::new(entry, TimelineKind::Note, title));
    }
}

impl Reducer for TimelineFold {
    type Output = Timeline;

    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.seq() <= self.last_seq {
            return;
        }
        self.last_seq = entry.seq();
        match entry.event() {
            Ok(event) => self.apply(entry, event),
            Err(error) => self.note(entry, error.to_string()),
        }
    }

    fn finish(self) -> Timeline {
        Timeline { items: self.items }
    }
}

fn recovery(recovered: &JournalRecovered) -> String {
    let mut words = format!("journal recovered after seq {}", recovered.after);
    for (number, what) in [(recovered.cuts.len(), "cut"), (recovered.holes.len(), "hole")] {
        if number > 0 {
            words.push_str(", ");
            words.push_str(&count(number as u64, what));
        }
    }
    words
}
