//! What is running: the turns and calls that have started and not ended, counted entry by entry.
//!
//! The writer keeps one [`Activity`] a journal, writes it into every header and learns it back from the newest segment
//! alone. A turn's end ends its calls with it; an interruption ends nothing. Rewinding to a turn that is not running
//! takes every running turn along, since a turn still running then is one that came after it.

use crate::error::{Error, ErrorKind, Result};
use crate::model::entry::Entry;
use crate::model::event::{Event, Fork, OpenCall, OpenTurn, Spending, Usage};
use serde::Deserialize;
use std::collections::HashMap;

/// The most turns and calls, together, that a header lists as open.
pub(crate) const MAX_OPEN: usize = 1000;
/// The most bytes of ids and names that a header lists as open.
pub(crate) const MAX_OPEN_BYTES: usize = 1 << 20;

/// What an entry changes about what is running.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Change {
    #[default]
    Nothing,
    SessionStarted {
        session_id: String,
    },
    SessionEnded,
    TurnStarted {
        turn_id: String,
    },
    /// A turn ended, or came whole.
    TurnEnded {
        turn_id: String,
        failed: bool,
        whole: bool,
    },
    CallStarted {
        turn_id: String,
        call_id: String,
        tool_name: String,
    },
    CallEnded {
        turn_id: String,
        call_id: String,
        failed: bool,
    },
    /// A model call ended: what it used, and what it cost in millionths of a US dollar.
    ModelCallEnded(Box<(Usage, Option<i64>)>),
    Rewound {
        from_turn_id: String,
    },
}

impl Change {
    /// Refuses the start of another session: each entry belongs to its journal's own.
    pub(crate) fn check_session(&self, ours: &str) -> Result<()> {
        match self {
            Change::SessionStarted { session_id } if session_id != ours => {
                let message = format!("the event starts the session {session_id:?}, but this journal records {ours:?}");
                Err(Error::new(ErrorKind::WrongSession, message))
            }
            _ => Ok(()),
        }
    }

    /// The change of a `model_call_ended` from its data, of which most need not be decoded; nothing if it is none.
    pub(crate) fn of_model_call(data: &str) -> Change {
        #[derive(Deserialize)]
        struct Used {
            usage: Option<Usage>,
            cost_usd_micros: Option<i64>,
        }
        serde_json::from_str::<Used>(data).map_or(Change::Nothing, |used| {
            Change::ModelCallEnded(Box::new((used.usage.unwrap_or_default(), used.cost_usd_micros)))
        })
    }

    pub(crate) fn of(event: &Event<'_>) -> Change {
        match event {
            Event::SessionStarted(started) => Change::SessionStarted { session_id: started.session_id.to_string() },
            Event::SessionEnded(_) => Change::SessionEnded,
            Event::TurnStarted(turn) => Change::TurnStarted { turn_id: turn.turn_id.to_string() },
            Event::TurnEnded(turn) => Change::TurnEnded {
                turn_id: turn.turn_id.to_string(),
                failed: turn.status.clone().unwrap_or_default().meaning(turn.error.as_deref()).is_failure(),
                whole: false,
            },
            Event::TurnRecorded(recorded) => Change::TurnEnded {
                turn_id: recorded.turn.turn_id.clone(),
                failed: recorded.turn.meaning().is_failure(),
                whole: true,
            },
            Event::ToolCallStarted(call) => Change::CallStarted {
                turn_id: call.turn_id.to_string(),
                call_id: call.call_id.to_string(),
                tool_name: call.tool_name.to_string(),
            },
            Event::ToolCallEnded(call) => Change::CallEnded {
                turn_id: call.turn_id.to_string(),
                call_id: call.call_id.to_string(),
                failed: call.status.clone().unwrap_or_default().meaning(call.error.as_deref()).is_failure(),
            },
            Event::ToolCallRecorded(recorded) => Change::CallEnded {
                turn_id: recorded.turn_id.to_string(),
                call_id: recorded.call.call_id.clone(),
                failed: recorded.call.meaning().is_failure(),
            },
            Event::ModelCallEnded(call) => {
                Change::ModelCallEnded(Box::new((call.usage.unwrap_or_default(), call.cost_usd_micros)))
            }
            Event::TurnsRewound(rewound) => Change::Rewound { from_turn_id: rewound.from_turn_id.to_string() },
            _ => Change::Nothing,
        }
    }
}

/// What is running, and how much has run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    /// Turns started so far, whole ones included.
    pub(crate) turns: u64,
    /// Turns and calls that ended in an error or a time-out.
    pub(crate) errors: u64,
    /// The last `id` that a caller gave.
    pub(crate) last_id: Option<String>,
    /// What model calls have used.
    pub(crate) spent: Spending,
    /// Where the journal was forked from; the same in all its headers.
    pub(crate) fork: Option<Fork>,
    open: HashMap<String, Running>,
}

#[derive(Clone, Debug, Default)]
struct Running {
    seq: u64,
    /// Call id to tool name and number.
    calls: HashMap<String, (String, u64)>,
}

impl Activity {
    /// What a header or `journal_closed` says.
    pub(crate) fn restore(turns: u64, errors: u64, open: &[OpenTurn], last_id: Option<String>) -> Activity {
        let running = |turn: &OpenTurn| Running {
            seq: turn.seq,
            calls: turn.calls.iter().map(|c| (c.call_id.clone(), (c.tool_name.clone(), c.seq))).collect(),
        };
        let open = open.iter().map(|turn| (turn.turn_id.clone(), running(turn))).collect();
        Activity { turns, errors, last_id, open, ..Activity::default() }
    }

    /// Counts the entry `seq`.
    pub(crate) fn apply(&mut self, seq: u64, change: Change) {
        match change {
            Change::Nothing | Change::SessionStarted { .. } => {}
            Change::SessionEnded => self.open.clear(),
            Change::TurnStarted { turn_id } => {
                self.turns += 1;
                self.open.entry(turn_id).or_insert_with(|| Running { seq, calls: HashMap::new() });
            }
            Change::TurnEnded { turn_id, failed, whole } => {
                self.turns += u64::from(whole);
                self.errors += u64::from(failed);
                self.open.remove(&turn_id);
            }
            Change::CallStarted { turn_id, call_id, tool_name } => {
                if let Some(turn) = self.open.get_mut(&turn_id) {
                    turn.calls.entry(call_id).or_insert((tool_name, seq));
                }
            }
            Change::CallEnded { turn_id, call_id, failed } => {
                self.errors += u64::from(failed);
                if let Some(turn) = self.open.get_mut(&turn_id) {
                    turn.calls.remove(&call_id);
                }
            }
            Change::ModelCallEnded(call) => self.spent.add(&call.0, call.1),
            Change::Rewound { from_turn_id } => match self.open.get(&from_turn_id).map(|turn| turn.seq) {
                Some(from) => self.open.retain(|_, turn| turn.seq < from),
                None => self.open.clear(),
            },
        }
    }

    /// What is running, in the order in which it started, and whether the limits cut the list short.
    pub(crate) fn open(&self) -> (Vec<OpenTurn>, bool) {
        let mut turns: Vec<(&String, &Running)> = self.open.iter().collect();
        turns.sort_by_key(|(_, turn)| turn.seq);
        let (mut items, mut bytes) = (0, 0);
        let mut fits = |size: usize| {
            items += 1;
            bytes += size;
            items <= MAX_OPEN && bytes <= MAX_OPEN_BYTES
        };
        let mut open = Vec::new();
        for (turn_id, turn) in turns {
            if !fits(turn_id.len()) {
                return (open, true);
            }
            open.push(OpenTurn { turn_id: turn_id.clone(), seq: turn.seq, calls: Vec::new() });
            let mut calls: Vec<_> = turn.calls.iter().collect();
            calls.sort_by_key(|(_, (_, seq))| *seq);
            for (call_id, (tool_name, seq)) in calls {
                if !fits(call_id.len() + tool_name.len()) {
                    return (open, true);
                }
                let call = OpenCall { call_id: call_id.clone(), tool_name: tool_name.clone(), seq: *seq };
                if let Some(turn) = open.last_mut() {
                    turn.calls.push(call);
                }
            }
        }
        (open, false)
    }
}

/// Counts an entry; tells whether it closes the journal.
pub(crate) fn count(entry: &Entry<'_>, activity: &mut Activity) -> bool {
    if let Some(id) = entry.id() {
        activity.last_id = Some(id.to_owned());
    }
    // Only these change what headers say; the rest need not be decoded.
    let matters = ["turn_", "turns_", "tool_call_", "session_"].iter().any(|p| entry.type_name().starts_with(p));
    if entry.type_name() == "model_call_ended" {
        activity.apply(entry.seq().get(), Change::of_model_call(entry.data()));
    } else if matters
        && entry.type_name() != "tool_call_output"
        && let Ok(event) = entry.event()
    {
        activity.apply(entry.seq().get(), Change::of(&event));
    }
    entry.type_name() == "journal_closed"
}
