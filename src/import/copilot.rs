//! Event logs of the Copilot command line: `{type, data, id, timestamp, parentId}`.
//!
//! A turn goes from a user's message to the next; what the log calls a turn is a call of the model. A sub-agent's events
//! name the tool call that it is, and become a turn of their own whose parent is that call.

use crate::event::{
    AgentTransition, Attachment, ModelCallEnded, ModelCallStarted, Parent, ReasoningDelta, SessionEnded,
    SessionUpdated, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, TurnsRewound, Usage,
};
use crate::import::{Fate, Identity, Mapper, Out, Row, SourceFormat, arguments, is_one_of, millis_between};
use crate::mend::Object;
use crate::status::{ToolCallStatus, TurnStatus};
use crate::time::Timestamp;
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Copilot,
    name: "copilot",
    is_record,
    speaks,
    identify,
    mapper: |_| Box::new(Copilot::default()),
};

/// Known events that are no events of ours, by how their names begin.
const KEPT: &[&str] = &["assistant.turn_", "hook.", "session.", "system.", "subagent.", "tool.", "user.", "abort"];
/// Known events that are kept although most of their kind are mapped.
const KNOWN: &str = "\
    abort assistant.turn_end assistant.turn_start hook.end hook.start session.auto_mode_resolved \
    session.binary_asset session.compaction_complete session.compaction_start session.error session.handoff \
    session.info session.model_change session.mode_changed session.plan_changed session.resume \
    session.snapshot_rewind session.truncation session.usage_checkpoint session.warning \
    session.workspace_file_changed subagent.deselected subagent.selected system.message system.notification \
    tool.user_requested";

fn is_record(_: &str, record: &Object<'_>) -> bool {
    let data = record.raw("data").is_some_and(|data| data.starts_with('{'));
    let kind = record.text("type");
    data && kind.is_some_and(|kind| kind.starts_with("assistant.") || KEPT.iter().any(|lead| kind.starts_with(lead)))
}

fn speaks(record: &Object<'_>) -> bool {
    record.text("type").is_some_and(|kind| kind == "user.message" || kind.starts_with("assistant."))
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("timestamp");
    }
    if known.session_id.is_none() && record.text("type").as_deref() == Some("session.start") {
        let data = record.object("data").unwrap_or_default();
        known.session_id = data.text("sessionId").map(|id| id.into_string());
    }
}

#[derive(Default)]
struct Copilot {
    turn: Option<String>,
    /// When the model was called last.
    since: Option<Timestamp>,
    /// The model has answered without asking for a tool: its turn ends when the model's does.
    answered: bool,
    /// Calls that have started and not ended.
    calls: HashMap<String, (String, Option<Timestamp>)>,
    /// Turns of sub-agents, by the call that each is.
    agents: HashMap<String, String>,
}

impl Mapper for Copilot {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        let (kind, data) = (line.text("type").unwrap_or_default(), line.object("data").unwrap_or_default());
        out.set_time(line.time("timestamp"));
        let id = line.text("id").map_or_else(|| format!("line-{}", out.offset()), |id| id.into_string());
        let fate = match &*kind {
            "session.start" => Some(session_start(&data, out)),
            "session.shutdown" => Some(self.shutdown(&data, out)),
            "user.message" => Some(self.user_message(id, &data, out)),
            "assistant.message" => Some(self.message(id, &data, out)),
            "assistant.reasoning" => self.reasoning(&data, out),
            "assistant.turn_start" => {
                self.since = out.time();
                None
            }
            "assistant.turn_end" => self.answer_ends(out),
            "tool.execution_start" => Some(self.start_call(id, &data, out)),
            "tool.execution_complete" => Some(self.end_call(id, &data, out)),
            "subagent.started" => Some(self.start_agent(id, &data, out)),
            "subagent.completed" | "subagent.failed" => self.end_agent(&kind, &data, out),
            "abort" => self.abort(&data, out),
            "session.snapshot_rewind" => self.rewind(&data, out),
            _ => None,
        };
        fate.unwrap_or_else(|| match is_one_of(KNOWN, &kind) {
            true => Fate::Kept(kind.into_string().into()),
            false => Fate::Unknown(kind.into_string()),
        })
    }
}

fn session_start(data: &Object<'_>, out: &mut Out) -> Fate {
    let context = data.object("context").unwrap_or_default();
    let mut updated = SessionUpdated::new();
    updated.workspace_id = context.text("cwd");
    for key in ["producer", "copilotVersion", "selectedModel"] {
        updated.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
    }
    updated.metadata.extend(data.json("context").map(|context| ("context".to_owned(), context)));
    out.push(updated);
    Fate::Mapped
}

impl Copilot {
    /// The turn that an event belongs to.
    fn turn_of(&mut self, data: &Object<'_>, out: &mut Out) -> String {
        let agent = data.text("parentToolCallId").and_then(|call| self.agents.get(call.as_str()).cloned());
        if let Some(turn) = agent.or_else(|| self.turn.clone()) {
            return turn;
        }
        // What answers no message that we know of: a turn all the same.
        let turn = format!("turn-{}", out.offset());
        out.push(TurnStarted::new(turn.as_str(), ""));
        self.turn = Some(turn.clone());
        turn
    }

    fn end_turn(&mut self, out: &mut Out) {
        self.answered = false;
        if let Some(turn) = self.turn.take() {
            out.push(TurnEnded::success(turn));
        }
    }

    /// The end of a turn that only the next record shows.
    fn imply_end(&mut self, out: &mut Out) {
        self.answered = false;
        if let Some(turn) = self.turn.take() {
            out.imply_end(TurnEnded::success(turn));
        }
    }

    fn user_message(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        self.imply_end(out);
        let attached = data.array("attachments").unwrap_or_default();
        let attachments = attached.iter().filter_map(|raw| {
            let one = Object::parse(raw)?;
            let name = one.text("displayName").or_else(|| one.text("type")).map(|name| name.into_string());
            Some(Attachment { name, uri: one.text("path").map(|path| path.into_string()), ..Attachment::default() })
        });
        let mut started = TurnStarted::new(id.as_str(), data.text("content").unwrap_or_default());
        started.attachments = attachments.collect();
        let differs = data.raw("transformedContent") != data.raw("content");
        let transformed = data.json("transformedContent").filter(|_| differs);
        started.metadata.extend(transformed.map(|text| ("transformed_content".to_owned(), text)));
        out.push(started);
        self.turn = Some(id);
        Fate::Mapped
    }

    fn message(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        let turn = self.turn_of(data, out);
        let call = data.text("messageId").map_or(id, |id| id.into_string());
        let mut started = ModelCallStarted::new(turn.as_str(), call.as_str());
        started.model = data.text("model");
        out.push_at(self.since.take(), started);
        let mut ended = ModelCallEnded::new(turn, call);
        ended.model = data.text("model");
        ended.text = data.text("content").filter(|said| !said.is_empty());
        ended.reasoning = data.text("reasoningText");
        ended.usage = data.u64("outputTokens").map(|count| Usage { output_tokens: Some(count), ..Usage::default() });
        let asked = data.array("toolRequests").unwrap_or_default();
        if !asked.is_empty() {
            ended.metadata.extend(data.json("toolRequests").map(|asked| ("tool_requests".to_owned(), asked)));
        }
        for key in ["requestId", "apiCallId", "turnId"] {
            ended.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(ended);
        if data.some("parentToolCallId").is_none() {
            self.answered = asked.is_empty();
        }
        Fate::Mapped
    }

    fn reasoning(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let thought = data.text("content")?;
        let turn = self.turn_of(data, out);
        out.push(ReasoningDelta::new(turn, thought));
        Some(Fate::Mapped)
    }

    fn answer_ends(&mut self, out: &mut Out) -> Option<Fate> {
        if self.answered {
            self.end_turn(out);
        }
        None
    }

    fn start_call(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        let turn = self.turn_of(data, out);
        let call = data.text("toolCallId").map_or(id, |id| id.into_string());
        let mut started = ToolCallStarted::new(turn.as_str(), call.as_str(), data.text("toolName").unwrap_or_default());
        started.arguments = arguments(data.some("arguments"), &mut started.metadata);
        started.metadata.extend(data.json("mcpServerName").map(|server| ("mcp_server".to_owned(), server)));
        out.push(started);
        self.calls.insert(call, (turn, out.time()));
        Fate::Mapped
    }

    fn end_call(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        let call = data.text("toolCallId").map_or(id, |id| id.into_string());
        let (turn, began) = match self.calls.remove(&call) {
            Some(known) => known,
            None => (self.turn_of(data, out), None),
        };
        let telemetry = data.object("toolTelemetry").unwrap_or_default();
        let measured = telemetry.object("metrics").and_then(|metrics| metrics.f64("durationMs"));
        let mut ended = ToolCallEnded::new(turn, call);
        ended.duration_ms = measured.or_else(|| millis_between(began, out.time()));
        let result = data.object("result").unwrap_or_default();
        // The long form only where it says more.
        ended.result = match result.some("detailedContent").filter(|long| Some(*long) != result.raw("content")) {
            Some(_) => data.json("result"),
            None => result.json("content").or_else(|| data.json("result")),
        };
        if data.raw("success") == Some("false") {
            let error = data.object("error").unwrap_or_default();
            let why = error.text("message").or_else(|| result.text("content"));
            ended = ended.status(ToolCallStatus::Error).error(why.unwrap_or_else(|| "failed".into()));
            ended.metadata.extend(error.json("code").map(|code| ("error_code".to_owned(), code)));
        }
        self.since = out.time();
        ended.metadata.extend(data.json("toolTelemetry").map(|telemetry| ("telemetry".to_owned(), telemetry)));
        out.push(ended);
        Fate::Mapped
    }

    fn start_agent(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        let call = data.text("toolCallId").map_or(id, |id| id.into_string());
        let name = data.text("agentName").unwrap_or_else(|| "subagent".into());
        let parent = self.turn_of(data, out);
        let mut handed_over = AgentTransition::new(name.as_str()).turn_id(parent.as_str());
        handed_over.reason = data.text("agentDescription");
        out.push(handed_over);
        let turn = format!("agent-{call}");
        let mut started = TurnStarted::new(turn.as_str(), "").agent_id(name);
        started.parent = Some(Parent { session_id: None, turn_id: Some(parent), call_id: Some(call.clone()) });
        out.push(started);
        self.agents.insert(call, turn);
        Fate::Mapped
    }

    fn end_agent(&mut self, kind: &str, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let turn = self.agents.remove(data.text("toolCallId")?.as_str())?;
        let mut ended = TurnEnded::new(turn);
        if kind == "subagent.failed" {
            let why = data.text("error").unwrap_or_else(|| "failed".into());
            ended = ended.status(TurnStatus::Error).error(why);
        }
        for key in ["durationMs", "totalTokens", "totalToolCalls", "model"] {
            ended.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(ended);
        Some(Fate::Mapped)
    }

    fn abort(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let turn = self.turn.take()?;
        let mut ended = TurnEnded::new(turn).status(TurnStatus::Cancelled);
        // No error: that would make a failure of it.
        ended.metadata.extend(data.json("reason").map(|reason| ("reason".to_owned(), reason)));
        out.push(ended);
        self.answered = false;
        Some(Fate::Mapped)
    }

    fn shutdown(&mut self, data: &Object<'_>, out: &mut Out) -> Fate {
        if self.answered {
            self.imply_end(out);
        }
        let mut ended = SessionEnded::new();
        ended.reason = data.text("shutdownType");
        for key in ["modelMetrics", "codeChanges", "tokenDetails", "totalPremiumRequests", "totalApiDurationMs"] {
            ended.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(ended);
        self.turn = None;
        Fate::Mapped
    }

    /// Going back to a user's message is going back to its turn; to anything else it is kept as it is.
    fn rewind(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let event = data.text("upToEventId")?;
        if self.turn.as_deref() != Some(&*event) {
            return None;
        }
        out.push(TurnsRewound::new(event));
        self.turn = None;
        Some(Fate::Mapped)
    }
}
