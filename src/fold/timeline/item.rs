//! The items of a timeline, and what is known of a call while it is folded.

use crate::model::entry::Entry;
use crate::model::seq::Seq;
use crate::model::status::{StatusMeaning, ToolCallStatus, TurnStatus};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// All items of the timeline.
pub(crate) type Items = Vec<TimelineItem>;

/// As in [`TurnStatus`] and [`ToolCallStatus`].
pub(crate) const RUNNING: &str = "running";

pub(crate) const INTERRUPTED: &str = "interrupted";

pub(crate) fn status(items: &Items, item: usize) -> &str {
    items[item].status.as_deref().unwrap_or_default()
}

pub(crate) fn set_status(items: &mut Items, item: usize, status: &str) {
    items[item].status = Some(status.to_owned());
}

pub(crate) fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_secs_f64() * 1000.0
}

/// What happened in a session, in sequence order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The items, by the entry in which each began.
    pub items: Vec<TimelineItem>,
}

/// What kind of item it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineKind {
    /// A turn; its title is the prompt.
    Turn,
    /// Text of the answer; its title is the whole text.
    Text,
    /// Reasoning of the model; its title is all of it.
    Reasoning,
    /// A model call; its title is the model.
    ModelCall,
    /// A tool call; its title is the tool and its arguments on one line.
    ToolCall,
    /// A hand-off between agents.
    Transition,
    /// What a user said while the turn ran; its title is all of it.
    User,
    /// Somebody had to decide; its title is the question. Its `status` is `pending`, then the outcome.
    Approval,
    /// The model's context became shorter.
    Compaction,
    /// Anything else: the session's own events, the recorder's, the user's.
    Note,
}

/// Something that happened.
///
/// Texts stand in it as they were recorded, control characters included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineItem {
    /// The entry in which it began.
    pub seq: Seq,
    /// When it began.
    pub time: Timestamp,
    /// When it ended, or when the last piece of a text came; absent if it has not ended or took no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it is.
    pub kind: TimelineKind,
    /// During which turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// The id of a tool call, model call or approval; on a text, that of the model call it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool, on a tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// What to show: see [`TimelineKind`].
    pub title: String,
    /// How a turn, tool call or model call stands: the word of its [`StatusMeaning`], or the one that came where this
    /// version does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How long it took, in milliseconds: as its end says, else from the entries' times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// When it was last heard of after its start, before its end: an interruption ended it then.
    #[serde(skip)]
    pub(crate) heard: Option<Timestamp>,
}

impl TimelineItem {
    /// What `status` means, on a turn, tool call or model call.
    pub fn meaning(&self) -> Option<StatusMeaning> {
        let status = self.status.as_deref()?;
        match self.kind {
            TimelineKind::Turn => Some(TurnStatus::from(status).meaning(None)),
            TimelineKind::ToolCall | TimelineKind::ModelCall => Some(ToolCallStatus::from(status).meaning(None)),
            _ => None,
        }
    }

    pub(crate) fn new(entry: &Entry<'_>, kind: TimelineKind, title: String) -> TimelineItem {
        TimelineItem {
            seq: entry.seq(),
            time: entry.time(),
            ended_at: None,
            kind,
            turn_id: None,
            id: None,
            tool_name: None,
            title,
            status: None,
            duration_ms: None,
            heard: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) item: usize,
    /// No start of it has been seen.
    pub(crate) implicit: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelCall {
    /// Which part of the turn's text is its own.
    pub(crate) part: usize,
    /// None while only its deltas have been seen.
    pub(crate) item: Option<usize>,
    /// No start of it has been seen.
    pub(crate) implicit: bool,
    pub(crate) has_text: bool,
    pub(crate) has_reasoning: bool,
}

impl ModelCall {
    /// One of which no start has been seen.
    pub(super) fn new(part: usize) -> ModelCall {
        ModelCall { part, item: None, implicit: false, has_text: false, has_reasoning: false }
    }
}
