//! The turns of a session and nothing of what is in them: which there are in its record, and where each began.
//!
//! Follows the rules of the record, so that the nth turn here is the nth turn there.

use crate::fold::Reducer;
use crate::fold::ledger::Ledger;
use crate::fold::rules::{self, Start};
use crate::model::entry::Entry;
use crate::model::event::Event;
use crate::model::seq::Seq;
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;

/// A turn of the record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutlineTurn {
    pub(crate) turn_id: String,
    /// The entry it was first seen in.
    pub(crate) began: Seq,
    /// When it was last heard of.
    pub(crate) last: Timestamp,
    status: StatusMeaning,
    /// No start of it has been seen.
    implicit: bool,
}

/// Folds entries into the turns of the record, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutlineFold {
    last_seq: Seq,
    turns: Ledger<OutlineTurn>,
}

impl OutlineFold {
    /// The number of the last entry it has seen.
    pub(crate) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    fn apply(&mut self, entry: &Entry<'_>, event: &Event<'_>) {
        if let Event::TurnsRewound(rewound) = event {
            if let Some(from) = self.turns.find(&rewound.from_turn_id) {
                self.turns.cut(from);
            }
            return;
        }
        let Some(turn_id) = turn_of(event) else { return };
        let found = self.turns.find(turn_id);
        let at = match (found, event) {
            (
                None,
                Event::AgentTransition(_)
                | Event::UserMessage(_)
                | Event::ApprovalRequested(_)
                | Event::ContextCompacted(_),
            ) => return,
            (None, _) => self.begin(turn_id, entry),
            (Some(at), Event::TurnStarted(_)) => {
                let turn = &self.turns[at];
                match rules::turn_start(turn.status, turn.implicit) {
                    Start::Anew => self.begin(turn_id, entry),
                    _ => at,
                }
            }
            (Some(at), _) => at,
        };
        let turn = &mut self.turns[at];
        turn.last = turn.last.max(entry.time());
        match event {
            Event::TurnStarted(_) => turn.implicit = false,
            Event::TurnEnded(ended) => {
                turn.status = ended.status.clone().unwrap_or_default().meaning(ended.error.as_deref());
            }
            Event::TurnRecorded(recorded) => {
                (turn.status, turn.implicit) = (recorded.turn.meaning(), false);
            }
            _ => {}
        }
    }

    fn begin(&mut self, turn_id: &str, entry: &Entry<'_>) -> usize {
        let turn = OutlineTurn {
            turn_id: turn_id.to_owned(),
            began: entry.seq(),
            last: entry.time(),
            status: StatusMeaning::Running,
            implicit: true,
        };
        self.turns.push(turn_id, turn)
    }
}

impl Reducer for OutlineFold {
    type Output = Vec<OutlineTurn>;

    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.seq() <= self.last_seq {
            return;
        }
        self.last_seq = entry.seq();
        if let Ok(event) = entry.event() {
            self.apply(entry, &event);
        }
    }

    fn finish(self) -> Vec<OutlineTurn> {
        self.turns.into_values().collect()
    }
}

/// The turn that an event is about.
fn turn_of<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    Some(match event {
        Event::TurnStarted(event) => &event.turn_id,
        Event::TurnUpdated(event) => &event.turn_id,
        Event::TurnEnded(event) => &event.turn_id,
        Event::TextDelta(event) => &event.turn_id,
        Event::ReasoningDelta(event) => &event.turn_id,
        Event::ModelCallStarted(event) => &event.turn_id,
        Event::ModelCallEnded(event) => &event.turn_id,
        Event::ToolCallStarted(event) => &event.turn_id,
        Event::ToolCallOutput(event) => &event.turn_id,
        Event::ToolCallEnded(event) => &event.turn_id,
        Event::ToolCallRecorded(event) => &event.turn_id,
        Event::TurnRecorded(event) => &event.turn.turn_id,
        Event::UserMessage(event) => &event.turn_id,
        Event::AgentTransition(event) => event.turn_id.as_deref()?,
        Event::ApprovalRequested(event) => event.turn_id.as_deref()?,
        Event::ContextCompacted(event) => event.turn_id.as_deref()?,
        _ => return None,
    })
}
