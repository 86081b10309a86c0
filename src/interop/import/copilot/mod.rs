//! Event logs of the Copilot command line: `{type, data, id, timestamp, parentId}`.
//!
//! A turn goes from a user's message to the next; what the log calls a turn is a call of the model. A sub-agent's events
//! name the tool call that it is, or themselves in their envelope, and become a turn of their own whose parent is that
//! call: a sub-agent in the background goes on beside its parent's turn, and after it.

mod calls;
mod usage;

use crate::interop::import::conclude::Concluded;
use crate::interop::import::mapper::{End, Identity, Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::turn_list::TurnList;
use crate::interop::import::{Fate, Note, Out, arguments, is_one_of, millis_between};
use crate::json::Text;
use crate::json::members::Object;
use crate::model::event::{
    AgentTransition, Attachment, ModelCallEnded, ModelCallStarted, Parent, ReasoningDelta, SessionEnded,
    SessionUpdated, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, TurnsRewound, Usage, UserMessage,
};
use crate::model::status::{ToolCallStatus, TurnStatus};
use crate::model::time::Timestamp;
use calls::Calls;
use std::collections::HashMap;
use usage::Usages;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Copilot,
    name: "copilot",
    is_record,
    speaks,
    identify,
    mapper: |_| Box::new(Copilot::default()),
};

/// Known events that make no events, by how their names begin.
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
    /// The turns so far, for going back.
    turns: TurnList,
    /// When the model was called last.
    since: Option<Timestamp>,
    /// The model has answered without asking for a tool: its turn ends when the model's does.
    answered: bool,
    concluded: Concluded,
    calls: Calls,
    /// Turns of sub-agents, by the call that each is, or by its own id.
    agents: HashMap<String, String>,
    /// The model that is used, for messages that do not name theirs.
    model: Option<String>,
    usages: Usages,
}

impl Mapper for Copilot {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        let (kind, data) = (line.text("type").unwrap_or_default(), line.object("data").unwrap_or_default());
        out.set_time(line.time("timestamp"));
        let id = line.text("id").map_or_else(|| format!("line-{}", out.offset()), Text::into_string);
        let agent = data.text("parentToolCallId").or_else(|| line.text("agentId")).map(Text::into_string);
        let fate = match &*kind {
            "session.start" => Some(self.session_start(&data, out)),
            "session.resume" => self.resume(&data, out),
            "session.shutdown" => Some(self.shutdown(&id, &data, out)),
            "session.model_change" => {
                self.model = data.text("newModel").map(Text::into_string).or(self.model.take());
                None
            }
            // What a sub-agent is told is in the call that it is.
            "user.message" if agent.is_none() => Some(self.user_message(id, &data, out)),
            "assistant.message" => Some(self.message(id, agent.as_deref(), &data, out)),
            "assistant.reasoning" => self.reasoning(agent.as_deref(), &data, out),
            "assistant.turn_start" => {
                self.since = out.time();
                None
            }
            "assistant.turn_end" if agent.is_none() => self.answer_ends(out),
            "tool.execution_start" => Some(self.start_call(id, agent.as_deref(), &data, out)),
            "tool.execution_complete" => Some(self.end_call(id, agent.as_deref(), &data, out)),
            "subagent.started" => Some(self.start_agent(id, agent.as_deref(), &data, out)),
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

    fn settle(&mut self, end: End, _again: bool, out: &mut Out) {
        if let Some(turn) = self.turn.as_ref().filter(|_| end == End::File && self.answered) {
            self.concluded.conclude(turn, out);
        }
    }

    fn go_on(&mut self, out: &mut Out) {
        self.concluded.go_on(out);
    }
}

impl Copilot {
    fn session_start(&mut self, data: &Object<'_>, out: &mut Out) -> Fate {
        self.run_begins(out);
        self.model = data.text("selectedModel").map(Text::into_string);
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

    fn resume(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        self.run_begins(out);
        self.model = data.text("selectedModel").map(Text::into_string).or(self.model.take());
        None
    }

    /// What ran in the program's run before was interrupted.
    fn run_begins(&mut self, out: &mut Out) {
        self.usages.resume();
        self.calls = Calls::default();
        self.imply_end(if self.answered { TurnStatus::Success } else { TurnStatus::Interrupted }, out);
    }

    /// The turn that an event belongs to: that of the sub-agent that it names, or the user's.
    fn turn_of(&mut self, agent: Option<&str>, out: &mut Out) -> String {
        if let Some(agent) = agent {
            return match self.agents.get(agent) {
                Some(turn) => turn.clone(),
                None => {
                    let parent = self.turn.as_ref().or(self.turns.last()).cloned();
                    self.agent_turn(agent, agent, parent, None, out)
                }
            };
        }
        if let Some(turn) = self.turn.clone() {
            return turn;
        }
        // What answers no message that we know of: a turn all the same.
        out.note(Note::TurnWithoutPrompt);
        let turn = format!("turn-{}", out.offset());
        out.push(TurnStarted::new(&*turn, ""));
        self.begin_turn(turn.clone());
        turn
    }

    fn begin_turn(&mut self, turn: String) {
        self.turns.push(turn.clone());
        self.turn = Some(turn);
    }

    /// Begins the turn of a sub-agent.
    fn agent_turn(
        &mut self,
        agent: &str,
        name: &str,
        parent: Option<String>,
        call: Option<String>,
        out: &mut Out,
    ) -> String {
        let turn = format!("agent-{agent}");
        let mut started = TurnStarted::new(&*turn, "").agent_id(name);
        let is_known = parent.is_some() || call.is_some();
        started.parent = is_known.then_some(Parent { session_id: None, turn_id: parent, call_id: call });
        out.push(started);
        self.agents.insert(agent.to_owned(), turn.clone());
        turn
    }

    fn end_turn(&mut self, out: &mut Out) {
        self.answered = false;
        if let Some(turn) = self.turn.take() {
            out.push(TurnEnded::success(turn));
        }
    }

    /// The end of a turn that only the next record shows.
    fn imply_end(&mut self, status: TurnStatus, out: &mut Out) {
        self.answered = false;
        if let Some(turn) = self.turn.take() {
            out.imply_end(TurnEnded::new(turn).status(status));
        }
    }

    fn user_message(&mut self, id: String, data: &Object<'_>, out: &mut Out) -> Fate {
        let attached = data.array("attachments").unwrap_or_default();
        let attachments = attached.iter().filter_map(|raw| {
            let one = Object::parse(raw)?;
            let name = one.text("displayName").or_else(|| one.text("type")).map(Text::into_string);
            Some(Attachment { name, uri: one.text("path").map(Text::into_string), ..Attachment::default() })
        });
        let content = data.text("content").unwrap_or_default();
        if let Some(turn) = self.turn.as_ref().filter(|turn| self.calls.run_in(turn)) {
            out.note(Note::UserMessage);
            out.push(UserMessage::new(&**turn, content).attachments(attachments.collect::<Vec<_>>()));
            return Fate::Mapped;
        }
        self.imply_end(TurnStatus::Success, out);
        let mut started = TurnStarted::new(&*id, content);
        started.attachments = attachments.collect();
        let differs = data.raw("transformedContent") != data.raw("content");
        let transformed = data.json("transformedContent").filter(|_| differs);
        started.metadata.extend(transformed.map(|text| ("transformed_content".to_owned(), text)));
        out.push(started);
        self.begin_turn(id);
        Fate::Mapped
    }

    fn message(&mut self, id: String, agent: Option<&str>, data: &Object<'_>, out: &mut Out) -> Fate {
        let turn = self.turn_of(agent, out);
        let call = data.text("messageId").map_or(id, Text::into_string);
        let model = data.text("model").or_else(|| self.model.clone().map(Into::into));
        let mut started = ModelCallStarted::new(&*turn, &*call);
        started.model.clone_from(&model);
        out.push_at(self.since.take(), started);
        let mut ended = ModelCallEnded::new(turn, call);
        ended.text = data.text("content").filter(|said| !said.is_empty());
        ended.reasoning = data.text("reasoningText");
        let count = data.u64("outputTokens");
        self.usages.said(model.as_deref().unwrap_or_default(), count.unwrap_or(0));
        ended.usage = count.map(|count| Usage { output_tokens: Some(count), ..Usage::default() });
        ended.model = model;
        let asked = data.array("toolRequests").unwrap_or_default();
        if !asked.is_empty() {
            ended.metadata.extend(data.json("toolRequests").map(|asked| ("tool_requests".to_owned(), asked)));
        }
        for key in ["requestId", "apiCallId", "turnId"] {
            ended.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(ended);
        if agent.is_none() {
            self.answered = asked.is_empty();
        }
        Fate::Mapped
    }

    fn reasoning(&mut self, agent: Option<&str>, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let thought = data.text("content")?;
        let turn = self.turn_of(agent, out);
        out.push(ReasoningDelta::new(turn, thought));
        Some(Fate::Mapped)
    }

    fn answer_ends(&mut self, out: &mut Out) -> Option<Fate> {
        if self.answered {
            self.end_turn(out);
        }
        None
    }

    fn start_call(&mut self, id: String, agent: Option<&str>, data: &Object<'_>, out: &mut Out) -> Fate {
        let turn = self.turn_of(agent, out);
        self.answered &= agent.is_some();
        let call = data.text("toolCallId").map_or(id, Text::into_string);
        let mut started = ToolCallStarted::new(&*turn, &*call, data.text("toolName").unwrap_or_default());
        started.arguments = arguments(data.some("arguments"), &mut started.metadata);
        started.metadata.extend(data.json("mcpServerName").map(|server| ("mcp_server".to_owned(), server)));
        out.push(started);
        self.calls.begin(call, turn, out.time());
        Fate::Mapped
    }

    fn end_call(&mut self, id: String, agent: Option<&str>, data: &Object<'_>, out: &mut Out) -> Fate {
        let call = data.text("toolCallId").map_or(id, Text::into_string);
        let (turn, began) = match self.calls.end(&call) {
            Some(known) => known,
            None => {
                out.note(Note::ResultWithoutCall);
                (self.turn_of(agent, out), None)
            }
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
            let why = error_of(data).or_else(|| result.text("content")).or_else(|| data.text("result"));
            ended = ended.status(ToolCallStatus::Error).error(why.unwrap_or_else(|| "failed".into()));
            let error = data.object("error").unwrap_or_default();
            ended.metadata.extend(error.json("code").map(|code| ("error_code".to_owned(), code)));
        }
        self.since = out.time();
        ended.metadata.extend(data.json("toolTelemetry").map(|telemetry| ("telemetry".to_owned(), telemetry)));
        out.push(ended);
        Fate::Mapped
    }

    fn start_agent(&mut self, id: String, agent: Option<&str>, data: &Object<'_>, out: &mut Out) -> Fate {
        let call = data.text("toolCallId").map_or(id, Text::into_string);
        let name = data.text("agentName").unwrap_or_else(|| "subagent".into());
        // The envelope names the sub-agent that begins, or the one that starts it.
        let starts_it = agent.filter(|agent| self.agents.contains_key(*agent) && **agent != call);
        let parent = self.turn_of(starts_it, out);
        let mut handed_over = AgentTransition::new(&*name).turn_id(&*parent);
        handed_over.reason = data.text("agentDescription");
        out.push(handed_over);
        let turn = self.agent_turn(&call, &name, Some(parent), Some(call.clone()), out);
        if let Some(own) = agent.filter(|_| starts_it.is_none()) {
            self.agents.insert(own.to_owned(), turn);
        }
        Fate::Mapped
    }

    fn end_agent(&mut self, kind: &str, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        // What it still says belongs to its turn.
        let turn = self.agents.get(&*data.text("toolCallId")?)?;
        let mut ended = TurnEnded::new(&**turn);
        if kind == "subagent.failed" {
            ended = ended.status(TurnStatus::Error).error(error_of(data).unwrap_or_else(|| "failed".into()));
        }
        for key in ["durationMs", "totalTokens", "totalToolCalls", "model"] {
            ended.metadata.extend(data.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(ended);
        Some(Fate::Mapped)
    }

    fn abort(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let turn = self.turn.take()?;
        self.calls.stop(&turn);
        let mut ended = TurnEnded::new(turn).status(TurnStatus::Cancelled);
        // No error: that would make a failure of it.
        ended.metadata.extend(data.json("reason").map(|reason| ("reason".to_owned(), reason)));
        out.push(ended);
        self.answered = false;
        Some(Fate::Mapped)
    }

    fn shutdown(&mut self, id: &str, data: &Object<'_>, out: &mut Out) -> Fate {
        self.used(id, data, out);
        if self.answered {
            self.imply_end(TurnStatus::Success, out);
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

    /// What went into the models, and came out of them beside the messages: a call of each, in the last turn.
    fn used(&mut self, id: &str, data: &Object<'_>, out: &mut Out) {
        let metrics = data.object("modelMetrics").unwrap_or_default();
        for (model, metrics) in metrics.members() {
            let metrics = Object::parse(metrics).unwrap_or_default();
            let Some(usage) = self.usages.shutdown(model, &metrics) else { continue };
            let turn = match self.turns.last() {
                Some(last) => last.clone(),
                None => self.turn_of(None, out),
            };
            let mut ended = ModelCallEnded::new(turn, format!("{id}.{model}")).usage(usage).model(model);
            ended.metadata.extend(metrics.json("requests").map(|requests| ("requests".to_owned(), requests)));
            out.push(ended);
        }
    }

    /// Going back to a user's message is going back to its turn; to anything else it is kept as it is.
    fn rewind(&mut self, data: &Object<'_>, out: &mut Out) -> Option<Fate> {
        let event = data.text("upToEventId")?;
        let at = self.turns.place_of(&event)?;
        out.push(TurnsRewound::new(event));
        self.turns.take_from(at);
        self.turn = None;
        self.answered = false;
        Some(Fate::Mapped)
    }
}

/// What went wrong, in the words of a record: some have an object, some the words alone.
fn error_of<'a>(data: &Object<'a>) -> Option<Text<'a>> {
    data.text("error").or_else(|| data.object("error")?.text("message"))
}
