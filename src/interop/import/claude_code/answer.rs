//! `assistant` lines: messages of the model, with the tools that it calls.

use super::ClaudeCode;
use super::lane::Message;
use super::user::Beginning;
use crate::interop::import::{Fate, Note, Out};
use crate::json::members::Object;
use crate::model::event::{
    AgentTransition, ModelCallEnded, ModelCallStarted, ReasoningDelta, TextDelta, ToolCallStarted, TurnEnded, Usage,
    UserMessage,
};
use crate::model::status::TurnStatus;

impl ClaudeCode {
    pub(super) fn assistant(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let lane = self.lane_of(line);
        let message = line.object("message").unwrap_or_default();
        let named = message.text("id").or_else(|| line.text("uuid")).map(|id| id.into_string());
        let id = named.unwrap_or_else(|| format!("line-{}", out.offset()));
        let same = self.lane(&lane).goes_on(&id, out);
        let turn = self.turn_of_answer(&lane, line, same, out);
        let model = message.text("model");
        if !same {
            self.note_absorbed(&turn, out);
            let mut started = ModelCallStarted::new(turn.as_str(), id.as_str()).provider("anthropic");
            started.model.clone_from(&model);
            let since = self.lane(&lane).since;
            out.push_at(since, started);
        }
        let (failed, before) = (line.is_true("isApiErrorMessage"), out.drafts.len());
        let mut unknown = None;
        let (mut error, mut spoke, mut called) = (String::new(), false, false);
        for (at, raw) in message.array("content").unwrap_or_default().into_iter().enumerate() {
            let Some(block) = Object::parse(raw) else { continue };
            match block.text("type").as_deref() {
                Some("text") if failed => error.push_str(&block.text("text").unwrap_or_default()),
                Some("text") => {
                    let said = block.text("text").unwrap_or_default();
                    spoke |= !said.trim().is_empty();
                    out.push(TextDelta::new(turn.as_str(), said).model_call_id(id.as_str()));
                }
                Some("thinking") => {
                    let thought = block.text("thinking").unwrap_or_default();
                    out.push(ReasoningDelta::new(turn.as_str(), thought).model_call_id(id.as_str()));
                }
                Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
                    called = true;
                    self.tool_use(&lane, &turn, &block, &format!("{id}.{at}"), out);
                }
                kind => unknown = Some(format!("assistant.content.{}", kind.unwrap_or("none"))),
            }
        }
        let error = failed.then_some(error.as_str());
        let ended = end_of(line, &message, &turn, &id, error);
        let mut held = Vec::new();
        if let Some(earlier) = self.lane(&lane).message.take() {
            (spoke, called, held) = (spoke || earlier.spoke, called || earlier.called, earlier.held);
        }
        if same && out.drafts.len() == before {
            held.push(out.hold());
        }
        let turn_ended = end_of_turn(line, &message, &turn, called, error);
        let message = Message { id, ended, turn_ended, time: out.time(), spoke, called, told: false, held };
        self.lanes.set_message(&lane, message);
        unknown.map_or(Fate::Mapped, Fate::Partly)
    }

    /// The turn that an answer belongs to. What answers no prompt that we know of is a turn all the same.
    fn turn_of_answer(&mut self, lane: &str, line: &Object<'_>, same: bool, out: &mut Out) -> String {
        if lane.is_empty() && !same {
            self.answer_pending(out);
        }
        if self.lane(lane).turn.is_none() {
            out.note(Note::TurnWithoutPrompt);
            let uuid = line.text("uuid").map(|id| id.into_string());
            self.start_turn(lane, Beginning { uuid, ..Beginning::default() }, out);
        }
        self.lane(lane).turn.clone().unwrap_or_default()
    }

    /// What the user said during the turn and only the queue tells of.
    fn note_absorbed(&mut self, turn: &str, out: &mut Out) {
        for (text, time) in self.queue.absorbed() {
            out.note(Note::UserMessage);
            out.push_at(time, UserMessage::new(turn, text));
        }
    }

    fn tool_use(&mut self, lane: &str, turn: &str, block: &Object<'_>, made_up: &str, out: &mut Out) {
        let call_id = match block.text("id") {
            Some(id) => id.into_string(),
            None => {
                self.lane(lane).nameless.push_back(made_up.to_owned());
                made_up.to_owned()
            }
        };
        let name = block.text("name").unwrap_or_default();
        out.push(ToolCallStarted::new(turn, call_id.as_str(), name.as_str()).arguments(block.json("input")));
        if matches!(&*name, "Task" | "Agent") {
            let input = block.object("input").unwrap_or_default();
            let mut handed_over = AgentTransition::new(input.text("subagent_type").unwrap_or(name));
            handed_over.reason = input.text("description");
            out.push(handed_over.turn_id(turn));
            self.delegated.begin(&call_id, &input.text("prompt").unwrap_or_default());
        }
        self.calls.insert(call_id, (turn.to_owned(), out.time()));
    }
}

/// The end of a message, by its latest line.
fn end_of(
    line: &Object<'_>,
    message: &Object<'_>,
    turn: &str,
    id: &str,
    error: Option<&str>,
) -> ModelCallEnded<'static> {
    let mut ended = ModelCallEnded::new(turn.to_owned(), id.to_owned());
    ended.model = message.text("model").map(|model| model.into_owned());
    ended.finish_reason = message.text("stop_reason").map(|reason| reason.into_owned());
    ended.error = error.map(|error| error.to_owned().into());
    ended.cost_usd_micros = line.f64("costUSD").map(|usd| (usd * 1e6).round() as i64);
    ended.duration_ms = line.f64("durationMs");
    ended.usage = message.object("usage").map(|usage| usage_of(&usage));
    for key in ["requestId", "uuid"] {
        ended.metadata.extend(line.json(key).map(|value| (key.to_owned(), value)));
    }
    ended
}

/// Here input tokens are those that were neither read from the cache nor written into it: the log counts all of them.
fn usage_of(usage: &Object<'_>) -> Usage {
    let (read, written) = (usage.u64("cache_read_input_tokens"), usage.u64("cache_creation_input_tokens"));
    let parts = [usage.u64("input_tokens"), read, written];
    let input = parts.iter().flatten().copied().reduce(u64::saturating_add);
    Usage {
        input_tokens: input,
        output_tokens: usage.u64("output_tokens"),
        cache_read_input_tokens: read,
        cache_write_input_tokens: written,
        reasoning_output_tokens: usage.object("output_tokens_details").and_then(|d| d.u64("thinking_tokens")),
    }
}

/// The end of the turn, if a message is the last of it.
fn end_of_turn(
    line: &Object<'_>,
    message: &Object<'_>,
    turn: &str,
    called: bool,
    error: Option<&str>,
) -> Option<TurnEnded<'static>> {
    let ended = TurnEnded::new(turn.to_owned());
    if let Some(error) = error {
        return Some(ended.status(TurnStatus::Error).error(error.to_owned()));
    }
    if line.is_true("isAbortedMidStream") {
        return Some(ended.status(TurnStatus::Cancelled));
    }
    match message.text("stop_reason").as_deref() {
        Some("end_turn" | "stop_sequence" | "max_tokens") if !called => Some(ended.status(TurnStatus::Success)),
        Some("refusal") if !called => Some(ended.status(TurnStatus::Error).error("the model refused")),
        _ => None,
    }
}
