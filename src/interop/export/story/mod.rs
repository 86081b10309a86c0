//! A session as the exports tell it: its record, and beside each turn what happened in it, in its true order.
//!
//! Everything that the record has is told once; what the record does not keep (text as it came, model calls, calls that
//! were tried again) stands between. Unfinished things are what they are.

pub(crate) mod fold;

use crate::fold::{Anomaly, Origin};
use crate::json::Metadata;
use crate::model::event::{Attachment, Usage};
use crate::model::gap::Gap;
use crate::model::record::{AgentTransitionRecord, SessionRecord, ToolCallRecord, TurnRecord};
use crate::model::seq::Seq;
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;

/// A session.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) origin: Origin,
    pub(crate) record: SessionRecord,
    pub(crate) anomalies: Vec<Anomaly>,
    /// What belongs to no turn and came before the first one.
    pub(crate) prelude: Vec<Step>,
    /// One for each turn of the record.
    pub(crate) turns: Vec<Turn>,
    /// How many turns the session has, if these are not all.
    pub(crate) out_of: Option<usize>,
    /// The first and the last entry's time.
    pub(crate) began: Timestamp,
    pub(crate) last: Timestamp,
    /// How many gaps there are that the log does not explain.
    pub(crate) gaps: usize,
}

/// A turn, beside its record.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its number in the record, from 1.
    pub(crate) number: usize,
    pub(crate) seq: Seq,
    pub(crate) span: Span,
    /// The word to show: nothing runs in a journal that nobody writes.
    pub(crate) status: String,
    pub(crate) meaning: StatusMeaning,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) steps: Vec<Step>,
}

/// From when to when something went on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) begin: Timestamp,
    /// The end, or if there is none the last time that is known.
    pub(crate) end: Timestamp,
    /// It has an end.
    pub(crate) finished: bool,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// With the model call that it came from.
    Text(String, Option<String>),
    Reasoning(String, Option<String>),
    ModelCall(Box<ModelCall>),
    ToolCall(Box<ToolCall>),
    Transition(AgentTransitionRecord),
    User(Box<UserMessage>),
    Approval(Box<Approval>),
    /// The model's context became shorter: in words.
    Compaction(String),
    Note(String),
    /// Something is missing here.
    Gap(Gap),
}

/// What the user said while a turn ran.
#[derive(Debug)]
pub(crate) struct UserMessage {
    pub(crate) text: String,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) metadata: Metadata,
}

/// Somebody had to decide.
#[derive(Debug)]
pub(crate) struct Approval {
    pub(crate) id: String,
    /// What was asked; empty if nothing was.
    pub(crate) question: String,
    /// None while nobody has decided.
    pub(crate) outcome: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ModelCall {
    pub(crate) id: String,
    pub(crate) provider: Option<String>,
    pub(crate) requested: Option<String>,
    pub(crate) answered: Option<String>,
    /// The model that answered, else the one that was asked.
    pub(crate) model: Option<String>,
    pub(crate) status: String,
    pub(crate) meaning: StatusMeaning,
    pub(crate) span: Span,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Usage,
    pub(crate) cost_usd_micros: Option<i64>,
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The tool and its arguments on one line.
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) meaning: StatusMeaning,
    pub(crate) span: Span,
    pub(crate) duration_ms: Option<f64>,
    /// Which of the turn's calls it is. None for a call that failed and was tried again: the record has the last try.
    pub(crate) at: Option<usize>,
}

impl Story {
    /// Each turn with its record.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (&Turn, &TurnRecord)> {
        self.turns.iter().zip(&self.record.turns)
    }

    /// Every step, with its turn.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Option<&Turn>, &Step)> {
        let prelude = self.prelude.iter().map(|step| (None, step));
        prelude.chain(self.turns.iter().flat_map(|turn| turn.steps.iter().map(move |step| (Some(turn), step))))
    }

    /// Every model call.
    pub(crate) fn model_calls(&self) -> impl Iterator<Item = &ModelCall> {
        self.steps().filter_map(|(_, step)| match &step.what {
            What::ModelCall(call) => Some(&**call),
            _ => None,
        })
    }

    /// What all model calls come to: tokens, and cost in millionths of a US dollar. None of what none of them says.
    pub(crate) fn spent(&self) -> (Usage, Option<i64>) {
        let add = |sum: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(more));
            }
        };
        let (mut usage, mut cost) = (Usage::default(), None);
        for call in self.model_calls() {
            add(&mut usage.input_tokens, call.usage.total_input());
            add(&mut usage.output_tokens, call.usage.output_tokens);
            add(&mut usage.cache_read_input_tokens, call.usage.cache_read_input_tokens);
            add(&mut usage.cache_write_input_tokens, call.usage.cache_write_input_tokens);
            add(&mut usage.reasoning_output_tokens, call.usage.reasoning_output_tokens);
            if let Some(more) = call.cost_usd_micros {
                cost = Some(cost.unwrap_or(0i64).saturating_add(more));
            }
        }
        (usage, cost)
    }
}

impl ToolCall {
    /// The call's record, if it is the last try.
    pub(crate) fn record<'r>(&self, turn: &'r TurnRecord) -> Option<&'r ToolCallRecord> {
        turn.tool_calls.get(self.at?)
    }
}

impl Span {
    /// What went on from `began` in this status. `last`: when its turn was last heard of.
    pub(crate) fn new(
        began: Timestamp,
        ended: Option<Timestamp>,
        duration_ms: Option<f64>,
        meaning: StatusMeaning,
        last: Timestamp,
    ) -> Span {
        let micros = duration_ms.map_or(0.0, |ms| (ms * 1000.0).max(0.0)) as i64;
        let finished = meaning.is_over();
        let (begin, end) = match ended {
            // Only its end is known, and how long it took.
            Some(end) if end <= began => (Timestamp::from_micros(end.micros().saturating_sub(micros)), end),
            Some(end) => (began, end),
            None if finished => (began, Timestamp::from_micros(began.micros().saturating_add(micros))),
            None => (began, last.max(began)),
        };
        Span { begin, end, finished }
    }

    pub(crate) fn micros(self) -> i64 {
        self.end.micros() - self.begin.micros()
    }
}
