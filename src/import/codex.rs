//! Rollouts of Codex: `{timestamp, type, payload}`, with what the model said and did as `response_item`, and what
//! happened around it as `event_msg`.
//!
//! The same thing often stands there twice, once of each kind. Calls and text are taken from the response items; their
//! ends take durations and exit codes from the events before them; an event for a call that no item started makes the
//! whole call. Copied headers of parent sessions, and what is injected into the conversation, are kept as they are.

use crate::event::{
    AgentTransition, Attachment, ModelCallEnded, ModelCallStarted, ReasoningDelta, SessionUpdated, TextDelta,
    ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, TurnsRewound, Usage,
};
use crate::import::{Fate, Identity, Mapper, Out, Row, SourceFormat, arguments, is_one_of, millis_between};
use crate::json::{Json, Text};
use crate::mend::{Object, text, words};
use crate::status::{ToolCallStatus, TurnStatus};
use crate::time::Timestamp;
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Codex,
    name: "codex",
    is_record,
    speaks: |record| record.text("type").is_some_and(|kind| is_one_of("response_item event_msg compacted", &kind)),
    identify,
    mapper: |_| Box::new(Codex::default()),
};

/// Known kinds of events that are no events of ours, or say again what an item says.
const KEPT_EVENTS: &str = "\
    agent_message agent_reasoning agent_reasoning_raw_content background_event collab_agent_interaction_end \
    collab_close_end collab_resume_end collab_waiting_end context_compacted dynamic_tool_call_request \
    entered_review_mode error exited_review_mode guardian_assessment image_generation_end item_completed \
    item_started plan_update stream_error sub_agent_activity thread_goal_updated thread_name_updated \
    thread_settings_applied token_count undo_completed user_message view_image_tool_call warning";
/// Known records that are no events of ours.
const KEPT: &str = "\
    compacted inter_agent_communication inter_agent_communication_metadata session_meta world_state";

fn is_record(_: &str, record: &Object<'_>) -> bool {
    record.object("payload").is_some() && record.text("type").is_some() && record.raw("timestamp").is_some()
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("timestamp");
    }
    // Later headers are copies of the parent's.
    if known.session_id.is_some() || record.text("type").as_deref() != Some("session_meta") {
        return;
    }
    let Some(meta) = record.object("payload") else { return };
    known.session_id = meta.text("id").or_else(|| meta.text("session_id")).map(|id| id.into_string());
    let parent = meta.text("parent_thread_id").or_else(|| meta.text("forked_from_id"));
    let spawned = || meta.object("source")?.object("subagent")?.object("thread_spawn");
    let by_spawn = || Some(spawned()?.text("parent_thread_id")?.into_string());
    known.parent = parent.map(|id| id.into_string()).or_else(by_spawn);
    known.agent_id = meta.text("agent_role").or_else(|| meta.text("agent_nickname")).map(|agent| agent.into_string());
}

#[derive(Default)]
struct Codex {
    has_meta: bool,
    turn: Option<String>,
    /// A turn that has begun and whose prompt is still to come.
    begun: Option<(String, Option<Timestamp>)>,
    /// A prompt whose turn is still to begin.
    prompt: Option<(String, Vec<Attachment>, Option<Timestamp>)>,
    /// The turns so far, for rolling back.
    turns: Vec<String>,
    model: Option<String>,
    /// When the model was last given something to answer: no line says when it was called.
    since: Option<Timestamp>,
    /// The model call that is running, or has just ended without its usage.
    model_call: Option<ModelCall>,
    last_total: Option<String>,
    calls: HashMap<String, Call>,
}

#[derive(Clone)]
struct ModelCall {
    turn: String,
    id: String,
}

/// A call that has started and not ended, with what events said about its end.
struct Call {
    turn: String,
    time: Option<Timestamp>,
    is_over: bool,
    duration_ms: Option<f64>,
    failure: Option<String>,
}

impl Mapper for Codex {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        let (kind, payload) = (line.text("type").unwrap_or_default(), line.object("payload").unwrap_or_default());
        out.set_time(line.time("timestamp"));
        let inner = payload.text("type").unwrap_or_default();
        match &*kind {
            "session_meta" if !std::mem::replace(&mut self.has_meta, true) => self.meta(&payload, out),
            "turn_context" => {
                self.model = payload.text("model").map(|model| model.into_string()).or(self.model.take());
                Fate::Kept("turn_context".into())
            }
            "response_item" => self.item(&inner, &payload, out),
            "event_msg" => self.event(&inner, &payload, out),
            kind if is_one_of(KEPT, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(kind.to_owned()),
        }
    }
}

impl Codex {
    fn meta(&mut self, meta: &Object<'_>, out: &mut Out) -> Fate {
        let mut updated = SessionUpdated::new();
        updated.workspace_id = meta.text("cwd");
        for (key, value) in meta.members() {
            // Instructions and tools are the program's, and large: they stay in the raw record.
            if matches!(key, "cli_version" | "originator" | "source" | "model_provider" | "git" | "agent_nickname") {
                updated.metadata.extend(Json::parse(value).ok().map(|value| (key.to_owned(), value)));
            }
        }
        out.push(updated);
        Fate::Kept("session_meta".into())
    }

    /// The turn that runs, begun now if it has to be.
    fn turn(&mut self, out: &mut Out) -> String {
        if let Some(turn) = &self.turn
            && self.begun.is_none()
            && self.prompt.is_none()
        {
            return turn.clone();
        }
        let (prompt, attachments, asked) = self.prompt.take().unwrap_or_default();
        let (id, began) = match self.begun.take() {
            Some(begun) => begun,
            None => (format!("turn-{}", out.offset()), asked),
        };
        let started = TurnStarted::new(id.as_str(), prompt).attachments(attachments);
        out.push_at(began, started);
        self.turns.push(id.clone());
        self.turn = Some(id.clone());
        self.since = asked.or(began).or(out.time());
        id
    }

    /// The turn that an item names, if it is one that we know and not the one that runs.
    fn named_turn(&self, item: &Object<'_>) -> Option<String> {
        let named = |key: &str| Some(item.object(key)?.text("turn_id")?.into_string());
        let named = named("internal_chat_message_metadata_passthrough").or_else(|| named("metadata"))?;
        let is_other = self.turn.as_ref() != Some(&named) && self.begun.as_ref().is_none_or(|(id, _)| *id != named);
        (is_other && self.turns.contains(&named)).then_some(named)
    }

    /// The model call that an item belongs to, begun now if it has to be.
    fn model_call(&mut self, item: &Object<'_>, out: &mut Out) -> ModelCall {
        let turn = match self.named_turn(item) {
            Some(turn) => turn,
            None => self.turn(out),
        };
        if let Some(call) = self.model_call.as_ref().filter(|call| call.turn == turn) {
            return call.clone();
        }
        self.end_model_call(None, out);
        let call = ModelCall { turn, id: format!("model-{}", out.offset()) };
        let mut started = ModelCallStarted::new(call.turn.as_str(), call.id.as_str());
        started.model = self.model.as_deref().map(Into::into);
        out.push_at(self.since, started);
        self.model_call = Some(call.clone());
        call
    }

    fn end_model_call(&mut self, usage: Option<Usage>, out: &mut Out) {
        let Some(call) = self.model_call.take() else { return };
        let mut ended = ModelCallEnded::new(call.turn, call.id).usage(usage);
        ended.model = self.model.as_deref().map(Into::into);
        out.push(ended);
    }

    fn item(&mut self, kind: &str, item: &Object<'_>, out: &mut Out) -> Fate {
        match kind {
            "message" if item.text("role").as_deref() == Some("assistant") => {
                let said = words(item.raw("content").unwrap_or("null"));
                let call = self.model_call(item, out);
                out.push(TextDelta::new(call.turn, said).model_call_id(call.id));
                Fate::Mapped
            }
            // What the user said stands in an event; this also holds what was injected.
            "message" => Fate::Kept("message".into()),
            "reasoning" => {
                let call = self.model_call(item, out);
                let thoughts = ["summary", "content"].into_iter().filter_map(|key| item.raw(key).map(words));
                let Some(thought) = { thoughts }.find(|thought| !thought.is_empty()) else {
                    return Fate::Kept("reasoning".into());
                };
                out.push(ReasoningDelta::new(call.turn, thought).model_call_id(call.id));
                Fate::Mapped
            }
            "function_call" | "custom_tool_call" | "local_shell_call" | "tool_search_call" => {
                self.start_call(kind, item, out);
                Fate::Mapped
            }
            "function_call_output" | "custom_tool_call_output" | "tool_search_output" => {
                self.end_call(item, out);
                Fate::Mapped
            }
            "web_search_call" | "image_generation_call" => {
                let id = call_id(item, out);
                let turn = self.model_call(item, out).turn;
                let name = kind.trim_end_matches("_call");
                out.push(ToolCallStarted::new(turn.as_str(), id.as_str(), name).arguments(item.json("action")));
                out.push(ToolCallEnded::new(turn, id).result(item.json("result")));
                Fate::Mapped
            }
            "agent_message" | "ghost_snapshot" | "compaction" => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(format!("response_item.{kind}")),
        }
    }

    fn start_call(&mut self, kind: &str, item: &Object<'_>, out: &mut Out) {
        let turn = self.model_call(item, out).turn;
        let call_id = call_id(item, out);
        let name =
            item.text("name").map_or_else(|| kind.trim_end_matches("_call").to_owned(), |name| name.into_string());
        let mut started = ToolCallStarted::new(turn.as_str(), call_id.as_str(), name);
        let raw = ["arguments", "input", "action"].into_iter().find_map(|key| item.some(key));
        started.arguments = arguments(raw, &mut started.metadata);
        started.metadata.extend(item.json("namespace").map(|namespace| ("namespace".to_owned(), namespace)));
        out.push(started);
        self.calls.insert(call_id, Call { turn, time: out.time(), is_over: false, duration_ms: None, failure: None });
    }

    fn end_call(&mut self, item: &Object<'_>, out: &mut Out) {
        let call_id = call_id(item, out);
        let output = item.raw("output").or_else(|| item.raw("tools")).unwrap_or("null");
        let known = self.calls.remove(&call_id);
        let turn = match &known {
            Some(call) => call.turn.clone(),
            None => self.turn(out),
        };
        let (failure, duration_ms) = read_output(output);
        self.since = out.time();
        let known_duration = known.as_ref().and_then(|call| call.duration_ms).or(duration_ms);
        let since_start = || millis_between(known.as_ref().and_then(|call| call.time), out.time());
        let mut ended = ToolCallEnded::new(turn, call_id).duration_ms(known_duration.or_else(since_start));
        ended.result = Json::parse(output).ok();
        if let Some(why) = known.and_then(|call| call.failure).or(failure) {
            ended = ended.status(ToolCallStatus::Error).error(why);
        }
        out.push(ended);
    }

    fn event(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        match kind {
            "user_message" => self.user_message(event.text("message").unwrap_or_default().into_string(), event, out),
            "task_started" | "turn_started" => {
                self.end_model_call(None, out);
                let id = event.text("turn_id").map(|id| id.into_string());
                self.begun = Some((id.unwrap_or_else(|| format!("turn-{}", out.offset())), out.time()));
                Fate::Mapped
            }
            "task_complete" | "turn_complete" | "turn_aborted" => self.end_turn(kind, event, out),
            "token_count" => self.tokens(event, out),
            "exec_command_end"
            | "mcp_tool_call_end"
            | "patch_apply_end"
            | "web_search_end"
            | "dynamic_tool_call_response" => self.event_of_call(kind, event, out),
            "item_completed" => self.item_completed(event, out),
            "collab_agent_spawn_end" => {
                let names = ["new_agent_role", "new_agent_nickname", "new_thread_id"];
                let name = names.into_iter().find_map(|key| event.text(key));
                let mut handed_over = AgentTransition::new(name.unwrap_or_default());
                handed_over.reason = event.text("prompt");
                handed_over.turn_id = self.turn.as_deref().map(Into::into);
                out.push(handed_over);
                Fate::Kept(kind.to_owned().into())
            }
            "thread_rolled_back" => self.roll_back(event, out),
            kind if is_one_of(KEPT_EVENTS, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(format!("event_msg.{kind}")),
        }
    }

    /// A prompt. One that comes while its turn is at work steers that turn and begins none.
    fn user_message(&mut self, prompt: String, event: &Object<'_>, out: &mut Out) -> Fate {
        if (self.turn.is_some() && self.begun.is_none()) || self.prompt.is_some() {
            return Fate::Kept("user_message".into());
        }
        let paths = event.array("local_images").unwrap_or_default().into_iter().map(text);
        let inline = event.array("images").unwrap_or_default().into_iter().map(|_| None);
        let attachment = |uri: Option<Text<'_>>| Attachment {
            name: Some("image".into()),
            uri: uri.map(|uri| uri.into_string()),
            ..Attachment::default()
        };
        let attachments = paths.chain(inline).map(attachment).collect();
        self.prompt = Some((prompt, attachments, out.time()));
        if self.begun.is_some() {
            self.turn(out);
        }
        Fate::Mapped
    }

    /// Calls of which an event said that they ended, and whose output never came.
    fn end_calls(&mut self, turn: &str, out: &mut Out) {
        let over = |call: &Call| call.is_over && call.turn == turn;
        let mut ended: Vec<(String, Call)> = self.calls.extract_if(|_, call| over(call)).collect();
        ended.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, call) in ended {
            let mut ended = ToolCallEnded::new(turn, id).duration_ms(call.duration_ms);
            ended.error = call.failure.map(Into::into);
            out.push(ended);
        }
    }

    fn end_turn(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        let given = event.text("turn_id").map(|id| id.into_string());
        let running = match self.turn.is_some() || self.begun.is_some() || self.prompt.is_some() {
            true => self.turn(out),
            false => given.clone().unwrap_or_else(|| format!("turn-{}", out.offset())),
        };
        if kind != "turn_aborted" {
            self.end_model_call(None, out); // of one that was stopped, the usage may still come
        }
        let turn = given.filter(|given| self.turns.contains(given)).unwrap_or(running);
        self.end_calls(&turn, out);
        let mut ended = TurnEnded::new(turn);
        ended.response_content = event.text("last_agent_message");
        for key in ["duration_ms", "reason"] {
            ended.metadata.extend(event.json(key).map(|value| (key.to_owned(), value)));
        }
        if kind == "turn_aborted" {
            ended = ended.status(TurnStatus::Cancelled);
        } else if let Some(error) = event.some("error") {
            let words = Object::parse(error).and_then(|error| Some(error.text("message")?.into_string()));
            ended = ended.status(TurnStatus::Error).error(words.unwrap_or_else(|| error.to_owned()));
        }
        out.push(ended);
        self.turn = None;
        Fate::Mapped
    }

    /// Usage comes behind what the model said. The same totals again mean that there was no new call.
    fn tokens(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let Some(info) = event.object("info") else { return Fate::Kept("token_count".into()) };
        let total = info.raw("total_token_usage").map(str::to_owned);
        let is_new = total.is_some() && total != self.last_total;
        self.last_total = total;
        let (Some(last), true, true) = (info.object("last_token_usage"), is_new, self.model_call.is_some()) else {
            return Fate::Kept("token_count".into());
        };
        let usage = Usage {
            input_tokens: last.u64("input_tokens"),
            output_tokens: last.u64("output_tokens"),
            cache_read_input_tokens: last.u64("cached_input_tokens"),
            cache_write_input_tokens: last.u64("cache_write_input_tokens"),
            reasoning_output_tokens: last.u64("reasoning_output_tokens"),
        };
        self.end_model_call(Some(usage), out);
        Fate::Mapped
    }

    fn event_of_call(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        let call_id = call_id(event, out);
        let duration = event
            .object("duration")
            .map(|duration| duration.f64("secs").unwrap_or(0.0) * 1000.0 + duration.f64("nanos").unwrap_or(0.0) / 1e6);
        let failure = failure_of(event);
        if let Some(call) = self.calls.get_mut(&call_id) {
            (call.is_over, call.duration_ms, call.failure) = (true, duration, failure);
            return Fate::Kept(kind.to_owned().into());
        }
        let turn = self.turn(out);
        let invocation = event.object("invocation").unwrap_or_default();
        let name = invocation.text("tool").or_else(|| event.text("tool"));
        let name = name.map_or_else(|| kind.trim_end_matches("_end").to_owned(), |name| name.into_string());
        let arguments = invocation.json("arguments").or_else(|| first_of(event, "arguments command changes action"));
        out.push(ToolCallStarted::new(turn.as_str(), call_id.as_str(), name).arguments(arguments));
        let mut ended = ToolCallEnded::new(turn, call_id).duration_ms(duration);
        ended.result = first_of(event, "result aggregated_output stdout results content_items");
        if let Some(why) = failure {
            ended = ended.status(ToolCallStatus::Error).error(why);
        }
        out.push(ended);
        Fate::Mapped
    }

    /// Paginated histories name the user's messages in this way alone.
    fn item_completed(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let item = event.object("item").unwrap_or_default();
        if item.text("type").as_deref() == Some("UserMessage") {
            self.user_message(words(item.raw("content").unwrap_or("null")), &item, out);
        }
        Fate::Kept("item_completed".into())
    }

    fn roll_back(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let count = event.u64("num_turns").unwrap_or(0) as usize;
        let Some(first) = self.turns.len().checked_sub(count).filter(|_| count > 0) else {
            return Fate::Kept("thread_rolled_back".into());
        };
        out.push(TurnsRewound::new(self.turns[first].as_str()));
        self.turns.truncate(first);
        self.turn = None;
        Fate::Mapped
    }
}

/// The first of these members that is there.
fn first_of(record: &Object<'_>, names: &str) -> Option<Json> {
    names.split(' ').find_map(|name| record.json(name))
}

fn call_id(item: &Object<'_>, out: &Out) -> String {
    let id = item.text("call_id").or_else(|| item.text("id"));
    id.map_or_else(|| format!("call-{}", out.offset()), |id| id.into_string())
}

/// What went wrong with a call, as its event has it.
fn failure_of(event: &Object<'_>) -> Option<String> {
    if let Some(code) = event.some("exit_code").filter(|code| *code != "0") {
        return Some(format!("exit code {code}"));
    }
    if let Some(error) = event.object("result").and_then(|result| result.text("Err").map(|error| error.into_string())) {
        return Some(error);
    }
    (event.raw("success") == Some("false")).then(|| {
        let words = event.text("error").or_else(|| event.text("stderr")).filter(|words| !words.is_empty());
        words.map_or_else(|| "failed".to_owned(), |words| words.into_string())
    })
}

/// What an output says about itself, what went wrong and how long it took: older ones as JSON in a string, newer ones in
/// their first lines.
fn read_output(output: &str) -> (Option<String>, Option<f64>) {
    let Some(told) = text(output) else {
        let failed = Object::parse(output).is_some_and(|output| output.raw("success") == Some("false"));
        return (failed.then(|| "failed".to_owned()), None);
    };
    let (mut code, mut seconds): (Option<i64>, Option<f64>) = (None, None);
    if let Some(metadata) = Object::parse(&told).and_then(|inner| inner.object("metadata")) {
        code = metadata.raw("exit_code").and_then(|code| code.parse().ok());
        seconds = metadata.f64("duration_seconds");
    }
    for line in told.lines().take(6) {
        for lead in ["Exit code: ", "Process exited with code "] {
            code = line.strip_prefix(lead).and_then(|code| code.trim().parse().ok()).or(code);
        }
        let took = line.strip_prefix("Wall time: ").and_then(|took| took.split(' ').next()?.parse().ok());
        seconds = took.or(seconds);
    }
    let failure = code.filter(|code| *code != 0).map(|code| format!("exit code {code}"));
    (failure, seconds.map(|seconds| seconds * 1000.0))
}
