//! The table of event types, and the [`Event`] made from it. To add a type: its struct in `payload`, its row here.

use crate::error::{Error, ErrorKind, Result};
use crate::json::{Json, Text};
use crate::model::event::custom::{Custom, Unknown, is_type_name};
use crate::model::event::declared;
use crate::model::event::encode::Encode;
use crate::model::event::parts::JournalRecovered;
use crate::model::event::payload::*;
use crate::model::event::recorded::{ToolCallRecorded, TurnRecorded};
use crate::model::record::AgentTransitionRecord;
use std::borrow::Cow;

impl<'a> Unknown<'a> {
    /// An event of the user's own type, with an object as its data.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the type has other than 1 to 64 of `[A-Za-z0-9_.:/-]`, is one of foldlog's, or
    /// `data` is not an object.
    pub fn new(type_name: impl Into<Text<'a>>, data: Json) -> Result<Unknown<'a>> {
        let type_name = type_name.into();
        if !is_type_name(&type_name) {
            let message = format!("`{type_name}` is no event type: use 1 to 64 of A-Z a-z 0-9 _ . : / -");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if super::EVENT_TYPES.contains(&type_name.as_str()) {
            let message = format!("`{type_name}` is one of foldlog's own event types: use its struct");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if !data.as_str().starts_with('{') {
            let message = format!("the data of `{type_name}` events must be a JSON object");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Unknown { type_name, data })
    }
}

macro_rules! events {
    ($($name:literal => $variant:ident $(<$life:lifetime>)?,)+) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Event<'a> {
            $(#[doc = concat!("`", $name, "`")] $variant($variant $(<$life>)?),)+
            /// Any other type: the user's own, or a newer version's.
            Unknown(Unknown<'a>),
        }

        /// Every type this version knows, in the order of the table.
        pub const EVENT_TYPES: &[&str] = &[$($name),+];

        impl<'a> Event<'a> {
            /// The event's type as it is written.
            pub fn type_name(&self) -> &str {
                match self {
                    $(Event::$variant(_) => $name,)+
                    Event::Unknown(unknown) => &unknown.type_name,
                }
            }

            /// The same, to keep: without a copy for every type that this version knows.
            pub(crate) fn static_type_name(&self) -> Cow<'static, str> {
                match self {
                    $(Event::$variant(_) => Cow::Borrowed($name),)+
                    Event::Unknown(unknown) => Cow::Owned(unknown.type_name.to_string()),
                }
            }

            /// Decodes `data`, which must be a JSON object, as an event of the type `type_name`.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidInput`] if the type is known and the payload is not one of that type.
            pub fn decode(type_name: &'a str, data: &'a str) -> Result<Event<'a>> {
                if type_name == "tool_call_ended"
                    && let Some(ended) = ToolCallEnded::of_plain(data)
                {
                    return Ok(Event::ToolCallEnded(ended));
                }
                let decoded = match type_name {
                    $($name => serde_json::from_str(data).map(Event::$variant),)+
                    _ => Json::parse(data).map(|data| {
                        Event::Unknown(Unknown { type_name: type_name.into(), data })
                    }),
                };
                decoded.map_err(|error| {
                    Error::new(ErrorKind::InvalidInput, format!("invalid `{type_name}` event: {}", in_data(&error)))
                })
            }

            /// The members that the struct of a type declares, or the one in its member `within`.
            pub(crate) fn declared_members(type_name: &str, within: Option<&'static str>) -> &'static [&'static str] {
                match type_name {
                    $($name => declared::names::<$variant $(<$life>)?>(within),)+
                    _ => &[],
                }
            }

            /// Writes `data` as JSON to the end of `out`, fit to stand in a line.
            pub(crate) fn encode_data(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                match self {
                    $(Event::$variant(payload) => payload.encode(out),)+
                    Event::Unknown(unknown) => unknown.data.encode(out),
                }
            }
        }

        $(impl<'a> From<$variant $(<$life>)?> for Event<'a> {
            fn from(payload: $variant $(<$life>)?) -> Event<'a> {
                Event::$variant(payload)
            }
        })+
    };
}

events! {
    "session_started" => SessionStarted<'a>,
    "session_updated" => SessionUpdated<'a>,
    "session_ended" => SessionEnded<'a>,
    "turn_started" => TurnStarted<'a>,
    "turn_updated" => TurnUpdated<'a>,
    "turn_ended" => TurnEnded<'a>,
    "text_delta" => TextDelta<'a>,
    "reasoning_delta" => ReasoningDelta<'a>,
    "model_call_started" => ModelCallStarted<'a>,
    "model_call_ended" => ModelCallEnded<'a>,
    "tool_call_started" => ToolCallStarted<'a>,
    "tool_call_output" => ToolCallOutput<'a>,
    "tool_call_ended" => ToolCallEnded<'a>,
    "tool_call_recorded" => ToolCallRecorded<'a>,
    "turn_recorded" => TurnRecorded,
    "user_message" => UserMessage<'a>,
    "approval_requested" => ApprovalRequested<'a>,
    "approval_resolved" => ApprovalResolved<'a>,
    "context_compacted" => ContextCompacted<'a>,
    "agent_transition" => AgentTransition<'a>,
    "turns_rewound" => TurnsRewound<'a>,
    "custom" => Custom<'a>,
    "unparsed" => Unparsed<'a>,
    "journal_recovered" => JournalRecovered,
    "events_lost" => EventsLost<'a>,
    "journal_closed" => JournalClosed<'a>,
}

impl<'a> From<Unknown<'a>> for Event<'a> {
    fn from(unknown: Unknown<'a>) -> Event<'a> {
        Event::Unknown(unknown)
    }
}

impl From<AgentTransitionRecord> for Event<'_> {
    fn from(record: AgentTransitionRecord) -> Self {
        let mut event = AgentTransition::new(record.to_agent);
        event.from_agent = record.from_agent.map(Text::from);
        event.reason = record.reason.map(Text::from);
        event.turn_id = Some(record.turn_id).filter(|id| !id.is_empty()).map(Text::from);
        event.timestamp = Some(record.timestamp).filter(|time| !time.is_empty()).map(Text::from);
        Event::AgentTransition(event)
    }
}

impl Event<'_> {
    /// Whether the recorder itself writes events of this type, and nobody else may.
    pub fn is_recorders_own(type_name: &str) -> bool {
        type_name.starts_with("journal_") || type_name == "events_lost"
    }
}

/// serde_json's message, with its position named as one inside `data`.
pub(crate) fn in_data(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => format!("{} (byte {} of its data)", &text[..at], error.column()),
        None => text,
    }
}
