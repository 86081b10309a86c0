//! OTLP/JSON as it is written: the objects of a trace, and the names of attributes.

use super::story::Span as Time;
use crate::model::status::StatusMeaning;
use serde::Serialize;

/// Names of attributes: those of the semantic conventions for generative AI (v1.41), and our own.
pub(super) mod names {
    pub(in crate::interop::export) const SERVICE_NAME: &str = "service.name";
    pub(in crate::interop::export) const SESSION_ID: &str = "session.id";
    pub(in crate::interop::export) const ERROR_TYPE: &str = "error.type";
    pub(in crate::interop::export) const OPERATION: &str = "gen_ai.operation.name";
    pub(in crate::interop::export) const CONVERSATION_ID: &str = "gen_ai.conversation.id";
    pub(in crate::interop::export) const AGENT_NAME: &str = "gen_ai.agent.name";
    pub(in crate::interop::export) const PROVIDER: &str = "gen_ai.provider.name";
    pub(in crate::interop::export) const REQUEST_MODEL: &str = "gen_ai.request.model";
    pub(in crate::interop::export) const RESPONSE_MODEL: &str = "gen_ai.response.model";
    pub(in crate::interop::export) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub(in crate::interop::export) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub(in crate::interop::export) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub(in crate::interop::export) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    pub(in crate::interop::export) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
    pub(in crate::interop::export) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
    pub(in crate::interop::export) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    pub(in crate::interop::export) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
    pub(in crate::interop::export) const TOOL_NAME: &str = "gen_ai.tool.name";
    pub(in crate::interop::export) const TOOL_TYPE: &str = "gen_ai.tool.type";
    pub(in crate::interop::export) const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    pub(in crate::interop::export) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
    pub(in crate::interop::export) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
    pub(in crate::interop::export) const WORKSPACE_ID: &str = "foldlog.workspace.id";
    pub(in crate::interop::export) const TURN_ID: &str = "foldlog.turn.id";
    pub(in crate::interop::export) const MODEL_CALL_ID: &str = "foldlog.model_call.id";
    pub(in crate::interop::export) const SEQ: &str = "foldlog.seq";
    pub(in crate::interop::export) const STATUS: &str = "foldlog.status";
    pub(in crate::interop::export) const INCOMPLETE: &str = "foldlog.incomplete";
    pub(in crate::interop::export) const COST_USD_MICROS: &str = "foldlog.cost_usd_micros";
    pub(in crate::interop::export) const DURATION_MS: &str = "foldlog.duration_ms";
    pub(in crate::interop::export) const GAPS: &str = "foldlog.gaps";
    pub(in crate::interop::export) const GAP: &str = "foldlog.gap";
    pub(in crate::interop::export) const NOTE: &str = "foldlog.note";
    pub(in crate::interop::export) const USER_MESSAGE: &str = "foldlog.user_message";
    pub(in crate::interop::export) const APPROVAL: &str = "foldlog.approval";
    pub(in crate::interop::export) const APPROVAL_ID: &str = "foldlog.approval.id";
    pub(in crate::interop::export) const APPROVAL_OUTCOME: &str = "foldlog.approval.outcome";
    pub(in crate::interop::export) const COMPACTION: &str = "foldlog.context_compacted";
    pub(in crate::interop::export) const TRANSITION: &str = "foldlog.transition";
    pub(in crate::interop::export) const TRANSITION_FROM: &str = "foldlog.transition.from";
    pub(in crate::interop::export) const TRANSITION_TO: &str = "foldlog.transition.to";
    pub(in crate::interop::export) const TRANSITION_REASON: &str = "foldlog.transition.reason";
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TracesData {
    pub(super) resource_spans: [ResourceSpans; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    pub(super) resource: Resource,
    pub(super) scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
pub(super) struct Resource {
    pub(super) attributes: Attributes,
}

#[derive(Serialize)]
pub(super) struct ScopeSpans {
    pub(super) scope: Scope,
    pub(super) spans: Vec<Span>,
}

#[derive(Serialize)]
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) parent_span_id: String,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: String,
    pub(super) end_time_unix_nano: String,
    pub(super) attributes: Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
    pub(super) status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) time_unix_nano: String,
    pub(super) name: &'static str,
    pub(super) attributes: Attributes,
}

#[derive(Default, Serialize)]
pub(super) struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u8>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
}

/// Attributes with a value; those without one are left out.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(super) struct Attributes(pub(super) Vec<Attribute>);

#[derive(Serialize)]
pub(super) struct Attribute {
    pub(super) key: &'static str,
    pub(super) value: Value,
}

#[derive(Serialize)]
pub(super) enum Value {
    #[serde(rename = "stringValue")]
    String(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    /// 64 bits, which JSON numbers do not hold everywhere.
    #[serde(rename = "intValue")]
    Int(String),
    #[serde(rename = "doubleValue")]
    Double(f64),
    #[serde(rename = "arrayValue")]
    Array(Values),
}

#[derive(Serialize)]
pub(super) struct Values {
    pub(super) values: Vec<Value>,
}

impl Attributes {
    pub(super) fn value(mut self, key: &'static str, value: Value) -> Attributes {
        self.0.push(Attribute { key, value });
        self
    }

    pub(super) fn text(self, key: &'static str, text: Option<impl Into<String>>) -> Attributes {
        match text {
            Some(text) => self.value(key, Value::String(text.into())),
            None => self,
        }
    }

    pub(super) fn int(self, key: &'static str, number: Option<impl ToString>) -> Attributes {
        match number {
            Some(number) => self.value(key, Value::Int(number.to_string())),
            None => self,
        }
    }

    pub(super) fn double(self, key: &'static str, number: Option<f64>) -> Attributes {
        match number.filter(|number| number.is_finite()) {
            Some(number) => self.value(key, Value::Double(number)),
            None => self,
        }
    }

    /// How something stands, where that is not plain success.
    pub(super) fn status(self, status: &str, meaning: StatusMeaning, time: Time) -> Attributes {
        let with = self.text(names::STATUS, Some(status));
        match (time.finished, meaning.is_failure()) {
            (false, _) => with
                .value(names::INCOMPLETE, Value::Bool(true))
                .text(names::ERROR_TYPE, (meaning == StatusMeaning::Interrupted).then_some("incomplete")),
            (true, true) => with.text(names::ERROR_TYPE, Some(status)),
            (true, false) => with,
        }
    }
}
