//! The payload of every event type: plain data, one struct a type, in the order of the table.
//!
//! `new` takes what a type requires; a method of the same name sets each optional field.

use crate::json::{Json, Metadata, Text, null_as_default, present};
use crate::model::event::Spending;
use crate::model::event::encode::{Encode, Object, serialize_member};
use crate::model::event::parts::{Attachment, OpenTurn, Parent, Usage};
use crate::model::status::{ToolCallStatus, TurnStatus};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

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
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[non_exhaustive]
        pub struct $name<'a> {
            $($(#[$req_doc])* #[serde(borrow)] pub $req: Text<'a>,)*
            $($(#[$opt_doc])* #[serde(borrow, default)] pub $opt: Option<Text<'a>>,)*
            $($(#[$attr])* pub $field: $ty,)*
        }

        impl<'a> $name<'a> {
            /// The event with every optional field at its default.
            #[allow(clippy::new_without_default, reason = "most events need something, and all are made alike")]
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

        impl Serialize for $name<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_map(None)?;
                $(serialize_member(&mut object, stringify!($req), &self.$req)?;)*
                $(serialize_member(&mut object, stringify!($opt), &self.$opt)?;)*
                $(serialize_member(&mut object, stringify!($field), &self.$field)?;)*
                object.end()
            }
        }

        impl Encode for $name<'_> {
            fn encode(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                let mut object = Object::begin(out);
                $(object.member(concat!("\"", stringify!($req), "\":"), &self.$req)?;)*
                $(object.member(concat!("\"", stringify!($opt), "\":"), &self.$opt)?;)*
                $(object.member(concat!("\"", stringify!($field), "\":"), &self.$field)?;)*
                object.end();
                Ok(())
            }
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
        #[serde(default)]
        parent: Option<Parent>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// The session ended.
    SessionEnded() [
        /// Why.
        reason
    ] {
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default)]
        parent: Option<Parent>,
        /// Files and images that came with the prompt, by reference.
        #[serde(default, deserialize_with = "null_as_default")]
        attachments: Vec<Attachment>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// Something about a turn changed.
    TurnUpdated(
        /// Which turn.
        turn_id
    ) [] {
        /// Appended to the turn's.
        #[serde(default, deserialize_with = "null_as_default")]
        audit_event_ids: Vec<String>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default)]
        status: Option<TurnStatus>,
        /// Appended to the turn's.
        #[serde(default, deserialize_with = "null_as_default")]
        audit_event_ids: Vec<String>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default)]
        usage: Option<Usage>,
        /// Cost in millionths of a US dollar.
        #[serde(default)]
        cost_usd_micros: Option<i64>,
        /// How long it took, in milliseconds.
        #[serde(default)]
        duration_ms: Option<f64>,
        /// The provider's message as it came.
        #[serde(default, deserialize_with = "present")]
        raw: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default, deserialize_with = "present")]
        arguments: Option<Json>,
        /// Where it runs.
        #[serde(default, deserialize_with = "present")]
        sandbox_context: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
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
        #[serde(default)]
        status: Option<ToolCallStatus>,
        /// What it returned; without it, the streamed output is.
        #[serde(default, deserialize_with = "present")]
        result: Option<Json>,
        /// How long it took, in milliseconds.
        #[serde(default)]
        duration_ms: Option<f64>,
        /// Merged by key; `null` removes.
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// Something that a user said while a turn was running.
    UserMessage(
        /// Which turn.
        turn_id,
        /// What was said.
        text
    ) [] {
        /// Files and images that came with it, by reference.
        #[serde(default, deserialize_with = "null_as_default")]
        attachments: Vec<Attachment>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// Somebody has to decide whether the agent may do something.
    ApprovalRequested(
        /// Which approval; its resolution names it again.
        approval_id
    ) [
        /// During which turn.
        turn_id,
        /// For which tool call of that turn.
        call_id,
        /// What kind of approval, in the asker's words.
        kind,
        /// What is asked.
        message
    ] {
        /// What can be chosen: any JSON, such as an array of strings.
        #[serde(default, deserialize_with = "present")]
        choices: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// Somebody decided.
    ApprovalResolved(
        /// Which approval.
        approval_id,
        /// `approved`, `denied`, `cancelled`, or the asker's own word.
        outcome
    ) [
        /// Who decided.
        by
    ] {
        /// What was chosen or answered: any JSON.
        #[serde(default, deserialize_with = "present")]
        value: Option<Json>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
    }

    /// The model's context was replaced by something shorter.
    ContextCompacted() [
        /// During which turn.
        turn_id,
        /// What replaced it.
        summary
    ] {
        /// How many tokens the context had.
        #[serde(default)]
        tokens_before: Option<u64>,
        /// How many tokens it has now.
        #[serde(default)]
        tokens_after: Option<u64>,
        /// Anything else.
        #[serde(default, deserialize_with = "null_as_default")]
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
        /// What the model calls of the whole journal used; absent if none has ended.
        #[serde(default)]
        spent: Option<Spending>,
    }
}

impl<'a> TurnEnded<'a> {
    /// A turn that ended well.
    pub fn success(turn_id: impl Into<Text<'a>>) -> TurnEnded<'a> {
        TurnEnded::new(turn_id).status(TurnStatus::Success)
    }
}
