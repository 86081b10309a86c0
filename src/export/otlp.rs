//! OpenTelemetry traces as OTLP/JSON: one trace a session; spans for the session, its turns, model calls and tool calls.
//!
//! The names of attributes are in [`names`] and nowhere else. Trace and span ids come from the journal's id and the numbers
//! of the entries, so that exporting again gives the same spans. Content only where it is asked for.

use super::story::{ModelCall, Span as Time, Story, ToolCall, Turn, What};
use super::{ExportOptions, write_json};
use crate::json::Json;
use crate::record::TurnRecord;
use crate::seq::Seq;
use crate::status::StatusMeaning;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};

/// Names of attributes: those of the semantic conventions for generative AI (v1.41), and our own.
mod names {
    pub(super) const SERVICE_NAME: &str = "service.name";
    pub(super) const SESSION_ID: &str = "session.id";
    pub(super) const ERROR_TYPE: &str = "error.type";
    pub(super) const OPERATION: &str = "gen_ai.operation.name";
    pub(super) const CONVERSATION_ID: &str = "gen_ai.conversation.id";
    pub(super) const AGENT_NAME: &str = "gen_ai.agent.name";
    pub(super) const PROVIDER: &str = "gen_ai.provider.name";
    pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
    pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
    pub(super) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub(super) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    pub(super) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
    pub(super) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
    pub(super) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    pub(super) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
    pub(super) const TOOL_NAME: &str = "gen_ai.tool.name";
    pub(super) const TOOL_TYPE: &str = "gen_ai.tool.type";
    pub(super) const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    pub(super) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
    pub(super) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
    pub(super) const WORKSPACE_ID: &str = "foldlog.workspace.id";
    pub(super) const TURN_ID: &str = "foldlog.turn.id";
    pub(super) const MODEL_CALL_ID: &str = "foldlog.model_call.id";
    pub(super) const SEQ: &str = "foldlog.seq";
    pub(super) const STATUS: &str = "foldlog.status";
    pub(super) const INCOMPLETE: &str = "foldlog.incomplete";
    pub(super) const COST_USD_MICROS: &str = "foldlog.cost_usd_micros";
    pub(super) const DURATION_MS: &str = "foldlog.duration_ms";
    pub(super) const GAPS: &str = "foldlog.gaps";
    pub(super) const GAP: &str = "foldlog.gap";
    pub(super) const NOTE: &str = "foldlog.note";
    pub(super) const TRANSITION: &str = "foldlog.transition";
    pub(super) const TRANSITION_FROM: &str = "foldlog.transition.from";
    pub(super) const TRANSITION_TO: &str = "foldlog.transition.to";
    pub(super) const TRANSITION_REASON: &str = "foldlog.transition.reason";
}

/// `SpanKind`
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
/// `StatusCode`
const ERROR: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TracesData {
    resource_spans: [ResourceSpans; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: Attributes,
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent_span_id: String,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    time_unix_nano: String,
    name: &'static str,
    attributes: Attributes,
}

#[derive(Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// Attributes with a value; those without one are left out.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Attributes(Vec<Attribute>);

#[derive(Serialize)]
struct Attribute {
    key: &'static str,
    value: Value,
}

#[derive(Serialize)]
enum Value {
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
struct Values {
    values: Vec<Value>,
}

impl Attributes {
    fn value(mut self, key: &'static str, value: Value) -> Attributes {
        self.0.push(Attribute { key, value });
        self
    }

    fn text(self, key: &'static str, text: Option<impl Into<String>>) -> Attributes {
        match text {
            Some(text) => self.value(key, Value::String(text.into())),
            None => self,
        }
    }

    fn int(self, key: &'static str, number: Option<impl ToString>) -> Attributes {
        match number {
            Some(number) => self.value(key, Value::Int(number.to_string())),
            None => self,
        }
    }

    fn double(self, key: &'static str, number: Option<f64>) -> Attributes {
        match number.filter(|number| number.is_finite()) {
            Some(number) => self.value(key, Value::Double(number)),
            None => self,
        }
    }

    /// How something stands, where that is not plain success.
    fn status(self, status: &str, meaning: StatusMeaning, time: Time) -> Attributes {
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

/// Writes the trace.
pub(super) fn write(story: &Story, options: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut trace = Trace::new(story, options.content);
    trace.session();
    for (turn, record) in story.turns() {
        trace.turn(turn, record);
    }
    let scope = Scope { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
    let service = story.record.agent_id.as_deref().unwrap_or(env!("CARGO_PKG_NAME"));
    let resource = Resource { attributes: Attributes::default().text(names::SERVICE_NAME, Some(service)) };
    let spans = ResourceSpans { resource, scope_spans: [ScopeSpans { scope, spans: trace.spans }] };
    write_json(&TracesData { resource_spans: [spans] }, options.pretty, out)
}

/// The spans so far.
struct Trace<'s> {
    story: &'s Story,
    content: bool,
    trace_id: String,
    spans: Vec<Span>,
    /// How many spans began in an entry.
    in_entry: HashMap<Seq, u64>,
}

impl<'s> Trace<'s> {
    fn new(story: &'s Story, content: bool) -> Trace<'s> {
        let is_id = |id: &&String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let trace_id = match story.origin.journal.as_ref().filter(is_id) {
            Some(journal) => journal.to_ascii_lowercase(),
            None => {
                let id = story.record.session_id.as_str();
                format!("{:016x}{:016x}", mix(id.as_bytes(), 1), mix(id.as_bytes(), 2))
            }
        };
        Trace { story, content, trace_id, spans: Vec::new(), in_entry: HashMap::new() }
    }

    fn session(&mut self) {
        let story = self.story;
        let record = &story.record;
        let attributes = self
            .of_session()
            .text(names::AGENT_NAME, record.agent_id.as_deref())
            .text(names::WORKSPACE_ID, record.workspace_id.as_ref().map(|id| id.as_str()))
            .int(names::GAPS, Some(story.gaps).filter(|gaps| *gaps > 0));
        let time = Time { begin: story.began, end: story.last, finished: true };
        let events = events(&story.prelude);
        self.span(Seq::ZERO, "", "session".to_owned(), INTERNAL, time, attributes, events, Status::default());
    }

    fn turn(&mut self, turn: &Turn, record: &TurnRecord) {
        let parent = self.spans.first().map(|session| session.span_id.clone()).unwrap_or_default();
        let agent = record.agent_id.as_deref().or(self.story.record.agent_id.as_deref());
        let content = self.content;
        let prompt = (content && !record.prompt.is_empty()).then(|| message("user", &record.prompt));
        let answer = record.response_content.as_ref().filter(|_| content).map(|text| message("assistant", text));
        let attributes = self
            .of_session()
            .text(names::OPERATION, Some("invoke_agent"))
            .text(names::AGENT_NAME, agent)
            .text(names::TURN_ID, Some(&record.turn_id))
            .int(names::SEQ, Some(turn.seq))
            .status(&turn.status, turn.meaning, turn.span)
            .text(names::INPUT_MESSAGES, prompt)
            .text(names::OUTPUT_MESSAGES, answer);
        let name = titled("invoke_agent", agent);
        let status = status(turn.meaning, record.error.as_deref());
        let span = self.span(turn.seq, &parent, name, INTERNAL, turn.span, attributes, events(&turn.steps), status);
        for step in &turn.steps {
            match &step.what {
                What::ModelCall(call) => self.model_call(step.seq, &span, call, turn),
                What::ToolCall(call) => self.tool_call(step.seq, &span, call, record),
                _ => {}
            }
        }
    }

    fn model_call(&mut self, seq: Seq, parent: &str, call: &ModelCall, turn: &Turn) {
        let usage = &call.usage;
        let text = self.content.then(|| said(call, turn)).filter(|text| !text.is_empty());
        let reason = call.finish_reason.clone();
        let mut attributes = self
            .of_session()
            .text(names::OPERATION, Some("chat"))
            .text(names::PROVIDER, call.provider.as_deref())
            .text(names::REQUEST_MODEL, call.requested.as_deref())
            .text(names::RESPONSE_MODEL, call.answered.as_deref())
            .int(names::INPUT_TOKENS, usage.input_tokens)
            .int(names::OUTPUT_TOKENS, usage.output_tokens)
            .int(names::CACHE_READ_TOKENS, usage.cache_read_input_tokens)
            .int(names::CACHE_WRITE_TOKENS, usage.cache_write_input_tokens)
            .int(names::REASONING_TOKENS, usage.reasoning_output_tokens)
            .int(names::COST_USD_MICROS, call.cost_usd_micros)
            .double(names::DURATION_MS, call.duration_ms)
            .text(names::MODEL_CALL_ID, Some(&call.id))
            .int(names::SEQ, Some(seq))
            .status(&call.status, call.meaning, call.span)
            .text(names::OUTPUT_MESSAGES, text.map(|text| message("assistant", &text)));
        if let Some(reason) = reason {
            let values = Values { values: vec![Value::String(reason)] };
            attributes = attributes.value(names::FINISH_REASONS, Value::Array(values));
        }
        let name = titled("chat", call.requested.as_deref().or(call.model.as_deref()));
        let status = status(call.meaning, call.error.as_deref());
        self.span(seq, parent, name, CLIENT, call.span, attributes, Vec::new(), status);
    }

    fn tool_call(&mut self, seq: Seq, parent: &str, call: &ToolCall, record: &TurnRecord) {
        let recorded = call.record(record);
        let shown = recorded.filter(|_| self.content);
        let attributes = self
            .of_session()
            .text(names::OPERATION, Some("execute_tool"))
            .text(names::TOOL_NAME, Some(&call.name))
            .text(names::TOOL_TYPE, Some("function"))
            .text(names::TOOL_CALL_ID, Some(&call.id))
            .double(names::DURATION_MS, call.duration_ms)
            .int(names::SEQ, Some(seq))
            .status(&call.status, call.meaning, call.span)
            .text(names::TOOL_ARGUMENTS, shown.map(|call| call.arguments.as_str()))
            .text(names::TOOL_RESULT, shown.map(|call| call.result.as_str()));
        let name = titled("execute_tool", Some(call.name.as_str()).filter(|name| !name.is_empty()));
        let status = status(call.meaning, recorded.and_then(|call| call.error.as_deref()));
        self.span(seq, parent, name, INTERNAL, call.span, attributes, Vec::new(), status);
    }

    fn of_session(&self) -> Attributes {
        let id = self.story.record.session_id.as_str();
        Attributes::default().text(names::CONVERSATION_ID, Some(id)).text(names::SESSION_ID, Some(id))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a span has that many parts, and this is the one place that makes one"
    )]
    fn span(
        &mut self,
        seq: Seq,
        parent: &str,
        name: String,
        kind: u8,
        time: Time,
        attributes: Attributes,
        events: Vec<Event>,
        status: Status,
    ) -> String {
        let nth = self.in_entry.entry(seq).or_default();
        let key = [seq.get().to_le_bytes(), nth.to_le_bytes()].concat();
        *nth += 1;
        let span_id = format!("{:016x}", mix(&[self.trace_id.as_bytes(), &key].concat(), 3));
        self.spans.push(Span {
            trace_id: self.trace_id.clone(),
            span_id: span_id.clone(),
            parent_span_id: parent.to_owned(),
            name,
            kind,
            start_time_unix_nano: nanos(time.begin.micros()),
            end_time_unix_nano: nanos(time.end.micros()),
            attributes,
            events,
            status,
        });
        span_id
    }
}

/// What happened at a moment: hand-offs, notes, and places where something is missing.
fn events(steps: &[super::story::Step]) -> Vec<Event> {
    let event = |step: &super::story::Step| {
        let (name, attributes) = match &step.what {
            What::Transition(transition) => {
                let attributes = Attributes::default()
                    .text(names::TRANSITION_FROM, transition.from_agent.as_deref())
                    .text(names::TRANSITION_TO, Some(&transition.to_agent))
                    .text(names::TRANSITION_REASON, transition.reason.as_deref());
                (names::TRANSITION, attributes)
            }
            What::Note(note) => (names::NOTE, Attributes::default().text(names::NOTE, Some(note))),
            What::Gap(gap) => (names::GAP, Attributes::default().text(names::GAP, Some(gap.to_string()))),
            _ => return None,
        };
        Some(Event { time_unix_nano: nanos(step.time.micros()), name, attributes })
    };
    steps.iter().filter_map(event).collect()
}

/// The text that came of a model call.
fn said(call: &ModelCall, turn: &Turn) -> String {
    let its = turn.steps.iter().filter_map(|step| match &step.what {
        What::Text(text, Some(id)) if *id == call.id => Some(text.as_str()),
        _ => None,
    });
    its.collect()
}

fn status(meaning: StatusMeaning, error: Option<&str>) -> Status {
    let message = error.unwrap_or(meaning.as_str());
    match meaning.is_failure() || meaning == StatusMeaning::Interrupted {
        true => Status { code: Some(ERROR), message: message.to_owned() },
        false => Status::default(),
    }
}

/// `chat claude`, or the operation alone.
fn titled(operation: &str, what: Option<&str>) -> String {
    match what {
        Some(what) => format!("{operation} {what}"),
        None => operation.to_owned(),
    }
}

/// One message in the form of the conventions, as JSON in a string.
fn message(role: &str, text: &str) -> String {
    let (role, text) = (Json::string(role), Json::string(text));
    format!(r#"[{{"role":{},"parts":[{{"type":"text","content":{}}}]}}]"#, role.as_str(), text.as_str())
}

/// Nanoseconds since 1970; a time before that is taken for none.
fn nanos(micros: i64) -> String {
    (i128::from(micros.max(0)) * 1000).to_string()
}

/// 64 bits that look random, never zero: FNV-1a with a finish that spreads every bit.
fn mix(bytes: &[u8], salt: u64) -> u64 {
    let mut hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325 ^ salt, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    for multiplier in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
        hash = (hash ^ (hash >> 30)).wrapping_mul(multiplier);
    }
    (hash ^ (hash >> 31)).max(1)
}
