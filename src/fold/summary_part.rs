//! The members of events that the summary counts: the rest of an event is skipped and not decoded.

use crate::event::Usage;
use crate::json::Text;
use crate::record::{ToolCallStatus, TurnStatus};
use serde::Deserialize;
use serde::de::IgnoredAny;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident { $($text:ident,)* } [$($optional:ident),*] { $($field:ident: $ty:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow)] pub(super) $text: Text<'a>,)*
            $(#[serde(borrow)] pub(super) $optional: Option<Text<'a>>,)*
            $(pub(super) $field: Option<$ty>,)*
        }
    )+};
}

parts! {
    /// Of `session_started`.
    SessionIdPart { session_id, } [] {}
    /// Of `session_started` and `session_updated`.
    SessionPart { } [workspace_id, agent_id] {}
    /// Of every event of a turn that only shows that the turn goes on.
    TurnPart { turn_id, } [] {}
    /// Of `agent_transition`.
    TransitionPart { } [turn_id] {}
    /// Of `turns_rewound`.
    RewindPart { from_turn_id, } [] {}
    /// Of `turn_ended`.
    TurnEndPart { turn_id, } [] { status: TurnStatus, error: IgnoredAny, }
    /// Of `tool_call_output`.
    OutputPart { turn_id, call_id, } [] {}
    /// Of `text_delta`.
    DeltaPart { turn_id, text, } [model_call_id] {}
    /// Of `model_call_started`.
    ModelCallStartPart { turn_id, model_call_id, } [model] {}
    /// Of `model_call_ended`.
    ModelCallEndPart { turn_id, model_call_id, } [model, status, text] {
        error: IgnoredAny,
        usage: Usage,
        cost_usd_micros: i64,
        duration_ms: f64,
    }
    /// Of `tool_call_started`.
    CallStartPart { turn_id, call_id, tool_name, } [] {}
    /// Of `tool_call_ended`, of `tool_call_recorded` beside the turn's id, and of a call in a whole turn.
    CallEndPart { call_id, } [tool_name] { status: ToolCallStatus, error: IgnoredAny, duration_ms: f64, }
}

/// Of `turn_recorded`.
#[derive(Deserialize)]
pub(super) struct WholeTurnPart<'a> {
    #[serde(borrow)]
    pub(super) turn_id: Text<'a>,
    pub(super) status: Option<TurnStatus>,
    pub(super) error: Option<IgnoredAny>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Vec<CallEndPart<'a>>,
}
