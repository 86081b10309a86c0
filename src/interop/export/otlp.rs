//! OpenTelemetry traces as OTLP/JSON: one trace a session; spans for the session, its turns, model calls and tool calls.
//!
//! The names of attributes are in `otlp_wire` and nowhere else. Trace and span ids come from the journal's id and the numbers
//! of the entries, so that exporting again gives the same spans. Content only where it is asked for.

use super::options::{ExportOptions, write_json};
use super::otlp_wire::{
    Attributes, Event, Resource, ResourceSpans, Scope, ScopeSpans, Span, Status, TracesData, Value, Values, names,
};
use super::story::{ModelCall, Span as Time, Story, ToolCall, Turn, What};
use crate::json::Json;
use crate::model::record::TurnRecord;
use crate::model::seq::Seq;
use crate::model::status::StatusMeaning;
use std::collections::HashMap;
use std::io::{self, Write};

/// `SpanKind`
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
/// `StatusCode`
const ERROR: u8 = 2;

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
        let events = events(&story.prelude, self.content);
        self.span(Seq::ZERO, "", "session".to_owned(), INTERNAL, time, attributes, events, Status::default());
    }

    fn turn(&mut self, turn: &Turn, record: &TurnRecord) {
        let parent = self.spans.first().map(|session| session.span_id.clone()).unwrap_or_default();
        let agent = record.agent_id.as_deref().or(self.story.record.agent_id.as_deref());
        let content = self.content;
        let asked = Some(record.prompt.as_str()).filter(|prompt| !prompt.is_empty());
        let said = turn.steps.iter().filter_map(|step| match &step.what {
            What::User(message) => Some(message.text.as_str()),
            _ => None,
        });
        let input: Vec<&str> = asked.into_iter().chain(said).collect();
        let input = (content && !input.is_empty()).then(|| messages("user", &input));
        let answer = record.response_content.as_ref().filter(|_| content).map(|text| messages("assistant", &[text]));
        let attributes = self
            .of_session()
            .text(names::OPERATION, Some("invoke_agent"))
            .text(names::AGENT_NAME, agent)
            .text(names::TURN_ID, Some(&record.turn_id))
            .int(names::SEQ, Some(turn.seq))
            .status(&turn.status, turn.meaning, turn.span)
            .text(names::INPUT_MESSAGES, input)
            .text(names::OUTPUT_MESSAGES, answer);
        let name = titled("invoke_agent", agent);
        let status = status(turn.meaning, record.error.as_deref());
        let events = events(&turn.steps, content);
        let span = self.span(turn.seq, &parent, name, INTERNAL, turn.span, attributes, events, status);
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
            .int(names::INPUT_TOKENS, usage.total_input())
            .int(names::OUTPUT_TOKENS, usage.output_tokens)
            .int(names::CACHE_READ_TOKENS, usage.cache_read_input_tokens)
            .int(names::CACHE_WRITE_TOKENS, usage.cache_write_input_tokens)
            .int(names::REASONING_TOKENS, usage.reasoning_output_tokens)
            .int(names::COST_USD_MICROS, call.cost_usd_micros)
            .double(names::DURATION_MS, call.duration_ms)
            .text(names::MODEL_CALL_ID, Some(&call.id))
            .int(names::SEQ, Some(seq))
            .status(&call.status, call.meaning, call.span)
            .text(names::OUTPUT_MESSAGES, text.map(|text| messages("assistant", &[&text])));
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
fn events(steps: &[super::story::Step], content: bool) -> Vec<Event> {
    let event = |step: &super::story::Step| {
        let (name, attributes) = match &step.what {
            What::Transition(transition) => {
                let attributes = Attributes::default()
                    .text(names::TRANSITION_FROM, transition.from_agent.as_deref())
                    .text(names::TRANSITION_TO, Some(&transition.to_agent))
                    .text(names::TRANSITION_REASON, transition.reason.as_deref());
                (names::TRANSITION, attributes)
            }
            What::User(_) => (names::USER_MESSAGE, Attributes::default().int(names::SEQ, Some(step.seq))),
            What::Approval(approval) => {
                let question = Some(approval.question.as_str()).filter(|question| content && !question.is_empty());
                let attributes = Attributes::default()
                    .text(names::APPROVAL_ID, Some(approval.id.as_str()))
                    .text(names::APPROVAL, question)
                    .text(names::APPROVAL_OUTCOME, approval.outcome.as_deref());
                (names::APPROVAL, attributes)
            }
            What::Compaction(what) => {
                (names::COMPACTION, Attributes::default().text(names::COMPACTION, content.then_some(what)))
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

/// Messages of one role in the form of the conventions, as JSON in a string.
fn messages(role: &str, texts: &[&str]) -> String {
    let role = Json::string(role);
    let message = |text: &&str| {
        let text = Json::string(text);
        format!(r#"{{"role":{},"parts":[{{"type":"text","content":{}}}]}}"#, role.as_str(), text.as_str())
    };
    format!("[{}]", texts.iter().map(message).collect::<Vec<_>>().join(","))
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
