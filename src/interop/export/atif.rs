//! A trajectory in the Agent Trajectory Interchange Format, v1.7: one step for each prompt, one for each time that the
//! agent spoke or acted, one for each hand-off.
//!
//! The format allows no empty trajectory, no field that it does not know and no arguments but an object: what does not fit
//! stands in `extra`.

use super::options::{ExportOptions, write_json};
use super::story::{ModelCall, Step as Told, Story, Turn, What};
use super::text;
use crate::json::{Json, Metadata};
use crate::model::event::Usage;
use crate::model::record::{ToolCallRecord, TurnRecord};
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;
use indexmap::IndexMap;
use serde::Serialize;
use std::io::{self, Write};

const SCHEMA: &str = "ATIF-v1.7";
/// What stands for a name or version that was not recorded: the format requires one.
const UNKNOWN: &str = "unknown";

/// Members of our own, in order.
type Extra = IndexMap<&'static str, Json>;

#[derive(Serialize)]
struct Trajectory<'a> {
    schema_version: &'static str,
    session_id: &'a str,
    agent: Agent<'a>,
    steps: Vec<Step<'a>>,
    final_metrics: FinalMetrics,
    extra: Extra,
}

#[derive(Serialize)]
struct Agent<'a> {
    name: &'a str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_name: Option<&'a str>,
}

#[derive(Serialize)]
struct Step<'a> {
    step_id: usize,
    timestamp: Timestamp,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_name: Option<&'a str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observation: Option<Observation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    extra: Extra,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    tool_call_id: &'a str,
    function_name: &'a str,
    arguments: Json,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    extra: Extra,
}

#[derive(Default, Serialize)]
struct Observation<'a> {
    results: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    source_call_id: &'a str,
    content: String,
}

#[derive(Serialize)]
struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    extra: Extra,
}

#[derive(Serialize)]
struct FinalMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    total_prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_cost_usd: Option<f64>,
    total_steps: usize,
}

/// Writes the trajectory.
pub(super) fn write(story: &Story, options: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut steps = Steps::default();
    for told in &story.prelude {
        steps.told(told, None);
    }
    for (turn, record) in story.turns() {
        steps.turn(turn, record);
    }
    if steps.done.is_empty() {
        steps.system(story.began, "Nothing was recorded.".to_owned(), extra("empty"));
    }
    let (usage, cost) = story.spent();
    let trajectory = Trajectory {
        schema_version: SCHEMA,
        session_id: story.record.session_id.as_str(),
        agent: Agent {
            name: story.record.agent_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(UNKNOWN),
            version: UNKNOWN,
            model_name: story.model_calls().find_map(|call| call.model.as_deref()),
        },
        final_metrics: FinalMetrics {
            total_prompt_tokens: usage.input_tokens,
            total_completion_tokens: usage.output_tokens,
            total_cached_tokens: usage.cache_read_input_tokens,
            total_cost_usd: cost.map(dollars),
            total_steps: steps.done.len(),
        },
        steps: steps.done,
        extra: of_session(story),
    };
    write_json(&trajectory, options.pretty, out)
}

fn of_session(story: &Story) -> Extra {
    let record = &story.record;
    let mut extra = Extra::new();
    put(&mut extra, "writer", concat!("foldlog/", env!("CARGO_PKG_VERSION")));
    put(&mut extra, "created_at", &record.created_at);
    if let Some(workspace) = &record.workspace_id {
        put(&mut extra, "workspace_id", workspace);
    }
    if !record.metadata.is_empty() {
        put(&mut extra, "metadata", &record.metadata);
    }
    if story.gaps > 0 {
        put(&mut extra, "gaps", story.gaps);
    }
    extra
}

/// The steps so far.
#[derive(Default)]
struct Steps<'a> {
    done: Vec<Step<'a>>,
    /// The agent's step that may still go on.
    open: Option<Step<'a>>,
    /// The model call that the open step came from.
    call_id: Option<&'a str>,
}

impl<'a> Steps<'a> {
    fn turn(&mut self, turn: &'a Turn, record: &'a TurnRecord) {
        let first = self.done.len();
        if !record.prompt.is_empty() {
            let step = new_step(turn.span.begin, "user", record.prompt.clone());
            self.push(step);
        }
        for told in &turn.steps {
            self.told(told, Some(record));
        }
        self.close();
        // Where a turn brought no step at all, its id and how it ended still have to stand somewhere.
        if self.done.len() == first {
            self.system(turn.span.begin, String::new(), extra("turn"));
        }
        let last = self.done.len() - 1;
        for (at, step) in self.done.iter_mut().enumerate().skip(first) {
            put(&mut step.extra, "turn_id", &record.turn_id);
            if let Some(agent) = &record.agent_id {
                put(&mut step.extra, "agent_id", agent);
            }
            if at == last {
                put(&mut step.extra, "turn_status", &turn.status);
                if let Some(error) = &record.error {
                    put(&mut step.extra, "turn_error", error);
                }
                let metadata = text::own_metadata(&record.metadata);
                if !metadata.is_empty() {
                    put(&mut step.extra, "turn_metadata", &*metadata);
                }
            }
        }
    }

    fn told(&mut self, told: &'a Told, record: Option<&'a TurnRecord>) {
        match &told.what {
            What::ModelCall(call) => self.model_call(told, call),
            What::Reasoning(text, id) => {
                let step = self.speaking(told, id.as_deref());
                step.reasoning_content.get_or_insert_default().push_str(text);
            }
            What::Text(text, id) => self.speaking(told, id.as_deref()).message.push_str(text),
            What::ToolCall(call) => {
                // A try that failed and was repeated has no record of its own.
                if let Some(recorded) = record.and_then(|record| call.record(record)) {
                    self.acting(told, recorded, &call.status);
                }
            }
            What::Transition(transition) => {
                let from = transition.from_agent.as_deref().unwrap_or(UNKNOWN);
                let mut extra = extra("agent_transition");
                put(&mut extra, "from_agent", &transition.from_agent);
                put(&mut extra, "to_agent", &transition.to_agent);
                put(&mut extra, "reason", &transition.reason);
                self.system(told.time, format!("{from} handed over to {}", transition.to_agent), extra);
            }
            What::Gap(gap) => {
                self.system(told.time, format!("Something is missing here: {gap}"), extra("gap"));
            }
            What::User(message) => {
                self.close();
                let mut step = new_step(told.time, "user", message.text.clone());
                if !message.attachments.is_empty() {
                    put(&mut step.extra, "attachments", &message.attachments);
                }
                if !message.metadata.is_empty() {
                    put(&mut step.extra, "metadata", &message.metadata);
                }
                self.push(step);
            }
            What::Approval(approval) => {
                let mut extra = extra("approval");
                put(&mut extra, "approval_id", &approval.id);
                put(&mut extra, "outcome", &approval.outcome);
                self.system(told.time, text::approval(approval), extra);
            }
            What::Compaction(what) => self.system(told.time, what.clone(), extra("context_compacted")),
            What::Note(_) => {}
        }
    }

    fn model_call(&mut self, told: &Told, call: &'a ModelCall) {
        self.close();
        let step = self.open.insert(new_step(told.time, "agent", String::new()));
        self.call_id = Some(&call.id);
        step.model_name = call.model.as_deref();
        step.metrics = metrics(call);
        put(&mut step.extra, "model_call_id", &call.id);
        if call.meaning != StatusMeaning::Success {
            put(&mut step.extra, "status", &call.status);
        }
        if let Some(error) = &call.error {
            put(&mut step.extra, "error", error);
        }
        if let Some(reason) = &call.finish_reason {
            put(&mut step.extra, "finish_reason", reason);
        }
        if let Some(ms) = call.duration_ms {
            put(&mut step.extra, "duration_ms", ms);
        }
    }

    /// The step that the agent speaks in. Who speaks after acting begins another one.
    fn speaking(&mut self, told: &Told, call_id: Option<&'a str>) -> &mut Step<'a> {
        let goes_on = |open: &Step<'_>| open.tool_calls.is_empty() || (call_id.is_some() && call_id == self.call_id);
        if !self.open.as_ref().is_some_and(goes_on) {
            self.close();
        }
        self.agent(told)
    }

    fn acting(&mut self, told: &Told, call: &'a ToolCallRecord, status: &str) {
        let step = self.agent(told);
        let (arguments, mut extra) = arguments(call);
        put(&mut extra, "status", status);
        if let Some(error) = &call.error {
            put(&mut extra, "error", error);
        }
        if let Some(ms) = call.duration_ms {
            put(&mut extra, "duration_ms", ms);
        }
        if !call.sandbox_context.is_null() {
            put(&mut extra, "sandbox_context", &call.sandbox_context);
        }
        if !call.metadata.is_empty() {
            put(&mut extra, "metadata", &call.metadata);
        }
        step.tool_calls.push(ToolCall {
            tool_call_id: &call.call_id,
            function_name: &call.tool_name,
            arguments,
            extra,
        });
        let content = match (call.result.is_null(), &call.error) {
            (true, None) => return,
            (true, Some(error)) => error.clone(),
            (false, _) => call.result.to_text().unwrap_or_else(|| call.result.as_str().to_owned()),
        };
        let observation = step.observation.get_or_insert_default();
        observation.results.push(Outcome { source_call_id: &call.call_id, content });
    }

    fn agent(&mut self, told: &Told) -> &mut Step<'a> {
        self.open.get_or_insert_with(|| new_step(told.time, "agent", String::new()))
    }

    fn system(&mut self, time: Timestamp, message: String, extra: Extra) {
        self.close();
        let mut step = new_step(time, "system", message);
        step.extra = extra;
        self.push(step);
    }

    fn close(&mut self) {
        self.call_id = None;
        if let Some(step) = self.open.take() {
            self.push(step);
        }
    }

    fn push(&mut self, mut step: Step<'a>) {
        step.step_id = self.done.len() + 1;
        self.done.push(step);
    }
}

fn new_step<'a>(timestamp: Timestamp, source: &'static str, message: String) -> Step<'a> {
    Step {
        step_id: 0,
        timestamp,
        source,
        model_name: None,
        message,
        reasoning_content: None,
        tool_calls: Vec::new(),
        observation: None,
        metrics: None,
        extra: Extra::new(),
    }
}

/// The arguments as an object, and what they were if they were none.
fn arguments(call: &ToolCallRecord) -> (Json, Extra) {
    let mut extra = Extra::new();
    let json = &call.arguments;
    let kind = match json.as_str().bytes().next() {
        Some(b'{') => return (json.clone(), extra),
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    };
    put(&mut extra, "original_type", kind);
    let wrapped = Metadata::from([("value".to_owned(), json.clone())]);
    (Json::new(&wrapped).unwrap_or_else(|_| Json::empty_object()), extra)
}

fn metrics(call: &ModelCall) -> Option<Metrics> {
    let usage = call.usage;
    if usage == Usage::default() && call.cost_usd_micros.is_none() {
        return None;
    }
    let mut extra = Extra::new();
    if let Some(tokens) = usage.cache_write_input_tokens {
        put(&mut extra, "cache_write_tokens", tokens);
    }
    if let Some(tokens) = usage.reasoning_output_tokens {
        put(&mut extra, "reasoning_tokens", tokens);
    }
    Some(Metrics {
        prompt_tokens: usage.total_input(),
        completion_tokens: usage.output_tokens,
        cached_tokens: usage.cache_read_input_tokens,
        cost_usd: call.cost_usd_micros.map(dollars),
        extra,
    })
}

fn dollars(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// `extra` of a step that only says what happened.
fn extra(event: &str) -> Extra {
    let mut extra = Extra::new();
    put(&mut extra, "event", event);
    extra
}

fn put(extra: &mut Extra, name: &'static str, value: impl Serialize) {
    if let Ok(value) = Json::new(&value) {
        extra.insert(name, value);
    }
}
