//! The members of events that the summary counts: the rest of an event is skipped and not decoded.

use crate::json::{Text, fast_path};
use crate::model::event::Usage;
use crate::model::status::{StatusMeaning, ToolCallStatus, TurnStatus};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident { $($text:ident,)* } [$($optional:ident),*] { $($field:ident: $ty:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(crate) struct $name<'a> {
            $(#[serde(borrow)] pub(crate) $text: Text<'a>,)*
            $(#[serde(borrow)] pub(crate) $optional: Option<Text<'a>>,)*
            $(pub(crate) $field: Option<$ty>,)*
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
    /// Of `turn_started` and `turn_updated`.
    TurnMetadataPart { turn_id, } [] { metadata: MetadataPart, }
    /// Of `agent_transition`, `approval_requested` and `context_compacted`.
    TransitionPart { } [turn_id] {}
    /// Of `turns_rewound`.
    RewindPart { from_turn_id, } [] {}
    /// Of `turn_ended`.
    TurnEndPart { turn_id, } [error] { status: TurnStatus, metadata: MetadataPart, }
    /// Of `tool_call_output`.
    OutputPart { turn_id, call_id, } [] {}
    /// Of `text_delta`.
    DecodedDelta { turn_id, text, } [model_call_id] {}
    /// Of `model_call_started`.
    ModelCallStartPart { turn_id, model_call_id, } [model] {}
    /// Of `model_call_ended`.
    ModelCallEndPart { turn_id, model_call_id, } [model, status, text, error] {
        usage: Usage,
        cost_usd_micros: i64,
        duration_ms: f64,
    }
    /// Of `tool_call_started`.
    CallStartPart { turn_id, call_id, tool_name, } [] {}
    /// Of `tool_call_ended` and `tool_call_recorded`.
    TurnCallEndPart { turn_id, call_id, } [tool_name, error] {
        status: ToolCallStatus,
        duration_ms: f64,
    }
    /// Of a call, without its turn.
    CallEndPart { call_id, } [tool_name, error] { status: ToolCallStatus, duration_ms: f64, }
}

/// Of `turn_recorded`.
#[derive(Deserialize)]
pub(crate) struct WholeTurnPart<'a> {
    #[serde(borrow)]
    pub(crate) turn_id: Text<'a>,
    pub(crate) status: Option<TurnStatus>,
    #[serde(borrow)]
    pub(crate) error: Option<Text<'a>>,
    pub(crate) metadata: Option<MetadataPart>,
    #[serde(borrow, default)]
    pub(crate) tool_calls: Vec<CallEndPart<'a>>,
}

/// Of a turn's metadata.
#[derive(Deserialize)]
pub(crate) struct MetadataPart {
    #[serde(default, rename = "foldlog.user_messages", deserialize_with = "is_there")]
    pub(crate) has_reserved: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Of `text_delta`.
pub(crate) struct DeltaPart<'a> {
    pub(crate) turn_id: Text<'a>,
    pub(crate) text_bytes: usize,
    pub(crate) model_call_id: Option<Text<'a>>,
}

impl<'a> DeltaPart<'a> {
    pub(crate) fn decode(data: &'a str) -> serde_json::Result<DeltaPart<'a>> {
        DeltaPart::of_plain(data).map_or_else(|| serde_json::from_str(data).map(DeltaPart::of_decoded), Ok)
    }

    fn of_plain(data: &'a str) -> Option<DeltaPart<'a>> {
        let [turn_id, text, call] = fast_path::members(data, ["turn_id", "text", "model_call_id"])?;
        let model_call_id = match call {
            Some(id) => Some(id.verbatim()?.into()),
            None => None,
        };
        Some(DeltaPart { turn_id: turn_id?.verbatim()?.into(), text_bytes: text?.len?, model_call_id })
    }

    fn of_decoded(decoded: DecodedDelta<'a>) -> DeltaPart<'a> {
        DeltaPart { turn_id: decoded.turn_id, text_bytes: decoded.text.len(), model_call_id: decoded.model_call_id }
    }
}

impl<'a> TurnPart<'a> {
    pub(crate) fn decode(data: &'a str) -> serde_json::Result<TurnPart<'a>> {
        let plain = fast_path::members(data, ["turn_id"]).and_then(|[turn_id]| turn_id?.verbatim());
        plain.map_or_else(|| serde_json::from_str(data), |turn_id| Ok(TurnPart { turn_id: turn_id.into() }))
    }
}

impl<'a> OutputPart<'a> {
    pub(crate) fn decode(data: &'a str) -> serde_json::Result<OutputPart<'a>> {
        OutputPart::of_plain(data).map_or_else(|| serde_json::from_str(data), Ok)
    }

    fn of_plain(data: &'a str) -> Option<OutputPart<'a>> {
        let [turn_id, call_id] = fast_path::members(data, ["turn_id", "call_id"])?;
        Some(OutputPart { turn_id: turn_id?.verbatim()?.into(), call_id: call_id?.verbatim()?.into() })
    }
}

impl<'a> TurnCallEndPart<'a> {
    pub(crate) fn decode(data: &'a str) -> serde_json::Result<TurnCallEndPart<'a>> {
        TurnCallEndPart::of_plain(data).map_or_else(|| serde_json::from_str(data), Ok)
    }

    fn of_plain(data: &'a str) -> Option<TurnCallEndPart<'a>> {
        let names = ["turn_id", "call_id", "tool_name", "status", "error", "duration_ms"];
        let [turn_id, call_id, None, status, None, duration_ms] = fast_path::members(data, names)? else { return None };
        Some(TurnCallEndPart {
            turn_id: turn_id?.verbatim()?.into(),
            call_id: call_id?.verbatim()?.into(),
            tool_name: None,
            status: fast_path::optional(status)?,
            error: None,
            duration_ms: fast_path::optional(duration_ms)?,
        })
    }

    /// The turn's id, and the rest.
    pub(crate) fn split(self) -> (Text<'a>, CallEndPart<'a>) {
        let TurnCallEndPart { turn_id, call_id, tool_name, status, error, duration_ms } = self;
        (turn_id, CallEndPart { call_id, tool_name, status, error, duration_ms })
    }
}

impl CallEndPart<'_> {
    pub(crate) fn meaning(&self) -> StatusMeaning {
        self.status.clone().unwrap_or_default().meaning(self.error.as_deref())
    }
}
