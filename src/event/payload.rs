//! The payload of every event type: plain data, one struct a type, in the order of the table.
//!
//! `new` takes what a type requires; a method of the same name sets each optional field.

use crate::error::{Error, ErrorKind, Result};
use crate::event::is_type_name;
use crate::json::{Json, Metadata, Text, null_as_default, present};
use crate::record::{ToolCallRecord, ToolCallStatus, TurnRecord, TurnStatus};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares payload structs: required texts in parentheses, optional texts in brackets, then fields with a type and serde
/// attributes of their own.
macro_rules! payloads {
    ($(
        $(#[$doc:meta])*
        $name:ident($($(#[$req_doc:meta])* $req:ident),*) [$($(#[$opt_doc:meta])* $opt:ident),*] {
            $($(#[$attr:meta])* $field:ident: $ty:ty,)*
        }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct $name<'a> {
            $($(#[$req_doc])* #[serde(borrow)] pub $req: Text<'a>,)*
            $($(#[$opt_doc])* #[serde(borrow, default, skip_serializing_if = "Option::is_none")] pub $opt: Option<Text<'a>>,)*
            $($(#[$attr])* pub $field: $ty,)*
        }

        impl<'a> $name<'a> {
            /// The event with every optional field at its default.
            pub fn new($($req: impl Into<Text<'a>>),*) -> Self {
                $name { $($req: $req.into(),)* $($opt: None,)* $($field: Default::default(),)* }
            }

            $(
                #[doc = concat!("Sets `", stringify!($opt), "`.")]
                pub fn $opt(mut self, value: impl Into<Text<'a>>) -> Self {
                    self.$opt = Some(value.into());
                    self
                }
            )*

            $(
                #[doc = concat!("Sets `", stringify!($field), "`.")]
                pub fn $field(mut self, value: impl Into<$ty>) -> Self {
                    self.$field = value.into();
                    self
                }
            )*
        }
    )+};
}

payloads! {
    /// The session began. A second one merges into the first.
    SessionStarted(
        /// The journal's own session id.
        session_id
    ) [
        /// Where the session belongs.
        workspace_id,
        /// Who runs it.
        agent_id,
        /// When it began, if that is not the entry's time (ISO 8601).
        created_at
    ] {
        /// What it was started by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// Something about the session changed.
    SessionUpdated() [
        /// Where the session belongs.
        workspace_id,
        /// Who runs it.
        agent_id
    ] {
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// The session ended.
    SessionEnded() [
        /// Why.
        reason
    ] {
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A turn began.
    TurnStarted(
        /// Which turn.
        turn_id,
        /// What was asked; empty if nothing was.
        #[serde(default, deserialize_with = "null_as_default")]
        prompt
    ) [
        /// Who works on it.
        agent_id
    ] {
        /// What it was started by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// Files and images that came with the prompt, by reference.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// Something about a turn changed.
    TurnUpdated(
        /// Which turn.
        turn_id
    ) [] {
        /// Appended to the turn's.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
        audit_event_ids: Vec<String>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A turn ended.
    TurnEnded(
        /// Which turn.
        turn_id
    ) [
        /// The answer; without it, the turn's text is.
        response_content,
        /// What went wrong.
        error
    ] {
        /// How; without it, `error` if there is an error, else `success`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<TurnStatus>,
        /// Appended to the turn's.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
        audit_event_ids: Vec<String>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A piece of the answer, as it streamed in.
    TextDelta(
        /// Which turn.
        turn_id,
        /// The piece.
        text
    ) [
        /// Which model call.
        model_call_id
    ] {}

    /// A piece of the model's reasoning, as it streamed in.
    ReasoningDelta(
        /// Which turn.
        turn_id,
        /// The piece.
        text
    ) [
        /// Which model call.
        model_call_id
    ] {}

    /// A model was called.
    ModelCallStarted(
        /// Which turn.
        turn_id,
        /// Which model call.
        model_call_id
    ) [
        /// The model.
        model,
        /// Who serves it.
        provider
    ] {
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A model call ended.
    ModelCallEnded(
        /// Which turn.
        turn_id,
        /// Which model call.
        model_call_id
    ) [
        /// How; without it, `error` if there is an error, else `success`.
        status,
        /// All of its text.
        text,
        /// All of its reasoning.
        reasoning,
        /// The model that answered.
        model,
        /// Why it stopped.
        finish_reason,
        /// What went wrong.
        error
    ] {
        /// Tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Cost in millionths of a US dollar.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd_micros: Option<i64>,
        /// How long it took, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<f64>,
        /// The provider's message as it came.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        raw: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A tool is about to act. Await its ticket before it does.
    ToolCallStarted(
        /// Which turn.
        turn_id,
        /// Which call; known within its turn.
        call_id,
        /// Which tool.
        tool_name
    ) [] {
        /// What it is called with.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        arguments: Option<Json>,
        /// Where it runs.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        sandbox_context: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// A piece of a tool's output, as it streamed in.
    ToolCallOutput(
        /// Which turn.
        turn_id,
        /// Which call.
        call_id,
        /// The piece.
        text
    ) [] {}

    /// A tool call ended.
    ToolCallEnded(
        /// Which turn.
        turn_id,
        /// Which call.
        call_id
    ) [
        /// Which tool, if its start was not recorded.
        tool_name,
        /// What went wrong.
        error
    ] {
        /// How; without it, `error` if there is an error, else `success`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ToolCallStatus>,
        /// What it returned; without it, the streamed output is.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        result: Option<Json>,
        /// How long it took, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<f64>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    }

    /// One agent handed over to another.
    AgentTransition(
        /// Who took over.
        to_agent
    ) [
        /// Who handed over.
        from_agent,
        /// Why.
        reason,
        /// During which turn.
        turn_id,
        /// When, if that is not the entry's time (ISO 8601).
        timestamp
    ] {}

    /// The session went back: this turn and all after it leave the record. The log keeps them.
    TurnsRewound(
        /// The first turn to leave.
        from_turn_id
    ) [] {}

    /// Input that was not an event, kept so that nothing is lost.
    Unparsed(
        /// Why it was not an event.
        error
    ) [
        /// The input.
        text,
        /// The input where it is not UTF-8.
        text_base64
    ] {}

    /// Appends that were refused while the disk was full; explains exactly the hole before it.
    EventsLost(
        /// Why.
        reason
    ) [] {
        /// The first number of the hole.
        first_seq: u64,
        /// The last number of the hole.
        last_seq: u64,
        /// How many events were refused.
        count: u64,
    }

    /// The last entry of a clean close.
    JournalClosed(
        /// `closed`, `eof` or `signal`.
        reason
    ) [] {
        /// What was still running.
        #[serde(default)]
        open: Vec<OpenTurn>,
        /// How many turns have started in the whole journal.
        #[serde(default)]
        turns: u64,
        /// How many turns and tool calls have ended in an error or a time-out in the whole journal.
        #[serde(default)]
        errors: u64,
    }
}

impl<'a> TurnEnded<'a> {
    /// A turn that ended well.
    pub fn success(turn_id: impl Into<Text<'a>>) -> TurnEnded<'a> {
        TurnEnded::new(turn_id).status(TurnStatus::Success)
    }
}

/// A whole tool call at once, replacing what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCallRecorded<'a> {
    /// Which turn.
    pub turn_id: Text<'a>,
    /// The call.
    pub call: ToolCallRecord,
}

/// [`ToolCallRecorded`] as it is written: flat. Spelled out, because serde's `flatten` rejects raw values.
#[derive(Serialize, Deserialize)]
struct FlatToolCall<'a> {
    #[serde(borrow)]
    turn_id: Text<'a>,
    call_id: String,
    tool_name: String,
    #[serde(default = "Json::empty_object")]
    arguments: Json,
    #[serde(default = "Json::null")]
    result: Json,
    #[serde(default)]
    status: Option<ToolCallStatus>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    duration_ms: Option<f64>,
    #[serde(default = "Json::null")]
    sandbox_context: Json,
    #[serde(default)]
    metadata: Metadata,
}

impl Serialize for ToolCallRecorded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.call.clone();
        let flat = FlatToolCall {
            turn_id: self.turn_id.clone(),
            call_id: call.call_id,
            tool_name: call.tool_name,
            arguments: call.arguments,
            result: call.result,
            status: Some(call.status),
            error: call.error,
            duration_ms: call.duration_ms,
            sandbox_context: call.sandbox_context,
            metadata: call.metadata,
        };
        flat.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCallRecorded<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ToolCallRecorded<'a>, D::Error> {
        let flat = FlatToolCall::deserialize(deserializer)?;
        let status = flat.status.unwrap_or(match flat.error {
            Some(_) => ToolCallStatus::Error,
            None => ToolCallStatus::Success,
        });
        Ok(ToolCallRecorded {
            turn_id: flat.turn_id,
            call: ToolCallRecord {
                call_id: flat.call_id,
                tool_name: flat.tool_name,
                arguments: flat.arguments,
                result: flat.result,
                status,
                error: flat.error,
                duration_ms: flat.duration_ms,
                sandbox_context: flat.sandbox_context,
                metadata: flat.metadata,
            },
        })
    }
}

/// A whole turn at once, replacing what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TurnRecorded {
    /// The turn.
    pub turn: TurnRecord,
}

impl TurnRecorded {
    /// A whole turn.
    pub fn new(turn: TurnRecord) -> TurnRecorded {
        TurnRecorded { turn }
    }
}

impl<'de> Deserialize<'de> for TurnRecorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TurnRecorded, D::Error> {
        #[derive(Deserialize)]
        struct Status {
            status: Option<TurnStatus>,
        }
        let raw = Json::deserialize(deserializer)?;
        let mut turn: TurnRecord = raw.decode().map_err(serde::de::Error::custom)?;
        // In an event, unlike in a record, an error without a status is a status.
        if turn.error.is_some() && raw.decode::<Status>().is_ok_and(|given| given.status.is_none()) {
            turn.status = TurnStatus::Error;
        }
        Ok(TurnRecorded { turn })
    }
}

/// The caller's own event with any JSON in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Custom<'a> {
    /// What it is.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Any JSON.
    #[serde(default = "Json::null")]
    pub value: Json,
}

impl<'a> Custom<'a> {
    /// An event of the caller's own.
    pub fn new(name: impl Into<Text<'a>>, value: Json) -> Custom<'a> {
        Custom { name: name.into(), value }
    }
}

/// The first entry after an opening that found an unclean end: what was cut, skipped and left running.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalRecovered {
    /// The epoch that begins here.
    pub epoch: u64,
    /// The last good number before it.
    pub after: u64,
    /// What was cut, or sealed off, at the ends of segments.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// Numbers that are in no line.
    #[serde(default)]
    pub holes: Vec<Hole>,
    /// What was running.
    #[serde(default)]
    pub open: Vec<OpenTurn>,
}

/// Bytes that recovery cut from the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The segment.
    pub segment: u64,
    /// Where the cut begins.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// Sequence numbers that no line bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first of them.
    pub first_seq: u64,
    /// The last of them.
    pub last_seq: u64,
}

/// A turn that has started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTurn {
    /// Which turn.
    pub turn_id: String,
    /// The number of the entry that started it.
    pub seq: u64,
    /// Its calls that have started and not ended.
    #[serde(default)]
    pub calls: Vec<OpenCall>,
}

/// A tool call that has started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Which call.
    pub call_id: String,
    /// Which tool.
    pub tool_name: String,
    /// The number of the entry that started it.
    pub seq: u64,
}

impl std::fmt::Display for OpenTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "turn {} (seq {})", self.turn_id, self.seq)?;
        for (at, call) in self.calls.iter().enumerate() {
            let lead = if at == 0 { ", running" } else { "," };
            write!(f, "{lead} {} {} (seq {})", call.tool_name, call.call_id, call.seq)?;
        }
        Ok(())
    }
}

/// What a session or a turn was started by: the parent of a sub-agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The parent's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The parent's turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// The parent's tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// Something that came with a prompt, by reference: never its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How large it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Tokens of a model call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens that went in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens that came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// Tokens written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_input_tokens: Option<u64>,
    /// Tokens of reasoning, a part of those that came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_output_tokens: Option<u64>,
}

/// An event of a type that this version does not know: the user's own, or a newer version's.
///
/// A type with a dot in it (`acme.map_shown`) stays the user's own for ever.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unknown<'a> {
    /// Its type.
    pub type_name: Text<'a>,
    /// Its data, as it came.
    pub data: Json,
}

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
            let message = format!("the data of a `{type_name}` event must be a JSON object");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Unknown { type_name, data })
    }
}
