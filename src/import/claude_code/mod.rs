//! Transcripts of Claude Code: one line a message, an attachment or a note.
//!
//! Conversation lines form a chain by `parentUuid`; file order is followed instead, which loses nothing when the chain
//! is broken. One message of the model may be spread over several lines that repeat its id and its usage: it ends with
//! the last of them. A sub-agent's lines are a lane of their own, whose turns name the main turn as their parent.

mod lane;

use crate::event::{
    AgentTransition, Attachment, ModelCallEnded, ModelCallStarted, Parent, ReasoningDelta, SessionUpdated, TextDelta,
    ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, Usage,
};
use crate::import::{End, Fate, Held, Identity, Mapper, Note, Out, Row, SourceFormat, is_one_of, millis_between};
use crate::json::{Json, Metadata};
use crate::mend::{Object, array, words};
use crate::status::{ToolCallStatus, TurnStatus};
use crate::time::Timestamp;
use lane::{Lane, Message};
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::ClaudeCode,
    name: "claude-code",
    is_record,
    speaks,
    identify,
    mapper: |source| {
        Box::new(ClaudeCode { is_sub_agent: source.agent_id.is_some().then_some(true), ..ClaudeCode::default() })
    },
};

/// Known records that are no events of ours.
const KEPT: &str = "\
    attachment atis-latch bridge-session file-history-snapshot frame-link last-prompt mode permission-mode \
    pr-link progress queue-operation relocated result started system worktree-state";
/// How an interruption by the user is written into the conversation.
const INTERRUPTED: &str = "[Request interrupted by user";
/// How a tool that the user did not allow answers.
const REJECTED: &str = "The user doesn't want to proceed with this tool use";

fn is_record(_: &str, record: &Object<'_>) -> bool {
    let named = record.raw("type").is_some_and(|kind| kind.starts_with('"'));
    let of_claude = ["sessionId", "leafUuid", "parentUuid", "messageId", "isSidechain"];
    named && record.raw("payload").is_none() && of_claude.iter().any(|key| record.raw(key).is_some())
}

/// Others write `user` and `assistant` records too, with the text elsewhere: Qwen Code in `message.parts`, Grok in
/// `content`, Droid under other types. iFlow's have the same shape, but its sessions are called `session-`.
fn speaks(record: &Object<'_>) -> bool {
    let said = matches!(record.text("type").as_deref(), Some("user" | "assistant"));
    let message = record.object("message").filter(|message| message.raw("parts").is_none());
    let content = message.and_then(|message| message.raw("content"));
    let chained = ["sessionId", "parentUuid", "isSidechain", "uuid"].iter().any(|key| record.raw(key).is_some());
    let of_iflow = || record.text("sessionId").is_some_and(|id| id.starts_with("session-"));
    said && chained && content.is_some_and(|content| content.starts_with(['"', '['])) && !of_iflow()
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("timestamp");
    }
    let Some(session) = record.text("sessionId").filter(|_| known.session_id.is_none()) else { return };
    // Older files of sub-agents say only by their name whose they are.
    let by_name = || Some(known.name.stem.strip_prefix("agent-")?.to_owned().into());
    let agent = record.is_true("isSidechain").then(|| record.text("agentId").or_else(by_name)).flatten();
    known.session_id = Some(match &agent {
        // A sub-agent's own file: its lines bear the session id of the one that started it, or one of their own.
        Some(agent) if !session.contains(agent.as_str()) => {
            known.parent = Some(session.to_string());
            format!("{session}.agent-{agent}")
        }
        _ => session.into_string(),
    });
    known.agent_id = agent.map(|agent| agent.into_string());
}

#[derive(Default)]
struct ClaudeCode {
    /// The main conversation, and one for each sub-agent whose lines stand in the same file.
    lanes: HashMap<String, Lane>,
    /// Calls that have started and not ended: their turn and when they started.
    calls: HashMap<String, (String, Option<Timestamp>)>,
    /// The whole file is a sub-agent's; decided by its first conversation line.
    is_sub_agent: Option<bool>,
    workspace: Option<String>,
}

impl Mapper for ClaudeCode {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        let kind = line.text("type").unwrap_or_default();
        out.set_time(line.time("timestamp"));
        self.note_workspace(&line, out);
        match &*kind {
            "user" => self.user(&line, out),
            "assistant" => self.assistant(&line, out),
            "summary" => title(&line, "summary", out),
            "custom-title" => title(&line, "customTitle", out),
            "ai-title" => title(&line, "aiTitle", out),
            "agent-name" => match line.text("agentName") {
                Some(name) => {
                    out.push(SessionUpdated::new().agent_id(name));
                    Fate::Mapped
                }
                None => Fate::Kept("agent-name".into()),
            },
            "system" => {
                let subtype = line.text("subtype").unwrap_or_default();
                if subtype == "turn_duration" || subtype == "stop_hook_summary" {
                    self.end_messages(out);
                }
                Fate::Kept(format!("system.{subtype}").into())
            }
            kind if is_one_of(KEPT, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(kind.to_owned()),
        }
    }

    fn settle(&mut self, end: End, again: bool, out: &mut Out) {
        for lane in self.sorted_lanes() {
            match (end, &mut lane.message) {
                (End::Pause, Some(message)) => message.tell(again, out),
                (End::Pause, None) => {}
                (End::File, _) => lane.conclude(out),
            }
        }
    }

    fn go_on(&mut self, out: &mut Out) {
        self.sorted_lanes().for_each(|lane| lane.go_on(out));
    }
}

impl ClaudeCode {
    fn sorted_lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        let mut lanes: Vec<(&String, &mut Lane)> = self.lanes.iter_mut().collect();
        lanes.sort_by(|a, b| a.0.cmp(b.0));
        lanes.into_iter().map(|(_, lane)| lane)
    }

    /// No more of any message comes.
    fn end_messages(&mut self, out: &mut Out) {
        self.sorted_lanes().for_each(|lane| lane.end_message(out));
    }

    fn note_workspace(&mut self, line: &Object<'_>, out: &mut Out) {
        let Some(cwd) = line.text("cwd").filter(|_| self.workspace.is_none()) else { return };
        let mut metadata = Metadata::new();
        for key in ["version", "gitBranch", "entrypoint"] {
            metadata.extend(line.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(SessionUpdated::new().workspace_id(cwd.as_str()).metadata(metadata));
        self.workspace = Some(cwd.into_string());
    }

    /// Which conversation a line belongs to: empty for the main one.
    fn lane_of(&mut self, line: &Object<'_>) -> String {
        let side = line.is_true("isSidechain");
        let agent = line.text("agentId").map(|agent| agent.into_string());
        let whole_file = *self.is_sub_agent.get_or_insert(side && agent.is_some());
        match side && !whole_file {
            true => agent.unwrap_or_else(|| "sidechain".to_owned()),
            false => String::new(),
        }
    }

    fn user(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let lane = self.lane_of(line);
        if lane.is_empty() {
            // Sub-agents have answered by the time that the main conversation goes on.
            self.end_messages(out);
        }
        let message = line.object("message").unwrap_or_default();
        let content = message.raw("content").unwrap_or("null");
        let blocks: Vec<Object<'_>> =
            array(content).unwrap_or_default().iter().filter_map(|b| Object::parse(b)).collect();
        let is_result = |block: &Object<'_>| block.text("type").is_some_and(|kind| kind == "tool_result");
        if blocks.iter().any(is_result) {
            for block in blocks.iter().filter(|block| is_result(block)) {
                self.tool_result(&lane, line, block, out);
            }
            return match blocks.iter().all(is_result) {
                true => Fate::Mapped,
                false => Fate::Partly("user.content beside a tool's result".into()),
            };
        }
        if line.is_true("isMeta") {
            return Fate::Kept("user.meta".into());
        }
        if line.is_true("isCompactSummary") {
            return Fate::Kept("user.compact_summary".into());
        }
        let prompt = words(content);
        if prompt.starts_with(INTERRUPTED) {
            return self.interrupted(&lane, &prompt, out);
        }
        let attachments: Vec<Attachment> = blocks.iter().filter_map(attachment).collect();
        if prompt.is_empty() && attachments.is_empty() {
            return Fate::Unknown("user.content".into());
        }
        self.start_turn(&lane, line, &prompt, attachments, out);
        let plain =
            |block: &Object<'_>| block.text("type").is_some_and(|kind| matches!(&*kind, "text" | "image" | "document"));
        match blocks.iter().all(plain) {
            true => Fate::Mapped,
            false => Fate::Partly("user.content".into()),
        }
    }

    fn start_turn(&mut self, lane: &str, line: &Object<'_>, prompt: &str, attachments: Vec<Attachment>, out: &mut Out) {
        let turn_id = line.text("uuid").map_or_else(|| format!("line-{}", out.offset()), |id| id.into_string());
        let main = self.lanes.entry(String::new()).or_default();
        let parent = (main.turn.clone(), main.delegated.clone());
        let here = self.lanes.entry(lane.to_owned()).or_default();
        here.end_message(out);
        if let Some(before) = here.turn.take() {
            // The next prompt is how it shows that the one before was answered.
            out.imply_end(TurnEnded::success(before));
        }
        let mut started = TurnStarted::new(turn_id.as_str(), prompt).attachments(attachments);
        if !lane.is_empty() {
            started.agent_id = Some(lane.to_owned().into());
            let (turn_id, call_id) = parent;
            if call_id.is_none() {
                let mut handed_over = AgentTransition::new(lane);
                handed_over.turn_id = turn_id.clone().map(Into::into);
                out.push(handed_over);
            }
            let is_known = turn_id.is_some() || call_id.is_some();
            started.parent = is_known.then_some(Parent { session_id: None, turn_id, call_id });
        }
        out.push(started);
        here.turn = Some(turn_id);
        here.since = out.time();
    }

    fn interrupted(&mut self, lane: &str, why: &str, out: &mut Out) -> Fate {
        let here = self.lanes.entry(lane.to_owned()).or_default();
        if let Some(message) = &mut here.message {
            message.turn_ended = None;
        }
        here.end_message(out);
        let Some(turn) = here.turn.take() else { return Fate::Kept("user.interrupted".into()) };
        // No error: that would make a failure of it.
        let reason = ("reason".to_owned(), Json::string(why.trim_matches(['[', ']'])));
        out.push(TurnEnded::new(turn).status(TurnStatus::Cancelled).metadata([reason]));
        Fate::Mapped
    }

    fn tool_result(&mut self, lane: &str, line: &Object<'_>, block: &Object<'_>, out: &mut Out) {
        let given = block.text("tool_use_id").or_else(|| line.text("sourceToolUseID")).map(|id| id.into_string());
        let here = self.lanes.entry(lane.to_owned()).or_default();
        here.end_message(out);
        let known = given.clone().filter(|id| self.calls.contains_key(id));
        let call_id = known.or_else(|| here.nameless.pop_front()).or(given);
        let call_id = call_id.unwrap_or_else(|| format!("line-{}", out.offset()));
        here.since = out.time();
        if here.delegated.as_ref() == Some(&call_id) {
            here.delegated = None;
        }
        let started = self.calls.remove(&call_id);
        let turn = started.as_ref().map(|(turn, _)| turn.clone()).or_else(|| here.turn.clone());
        let turn = turn.unwrap_or_else(|| format!("line-{}", out.offset()));
        let result = block.json("content").unwrap_or_else(Json::null);
        let beside = line.object("toolUseResult").unwrap_or_default();
        let told = words(result.as_str());
        let failed = block.is_true("is_error");
        let duration = beside.f64("durationMs").or_else(|| beside.f64("totalDurationMs"));
        let duration = duration.or_else(|| millis_between(started.and_then(|(_, time)| time), out.time()));
        let mut ended = ToolCallEnded::new(turn, call_id).result(Some(result)).duration_ms(duration);
        if line.raw("toolDenialKind").is_some() || (failed && told.starts_with(REJECTED)) {
            ended = ended.status(ToolCallStatus::Skipped);
        } else if failed || beside.is_true("interrupted") {
            let why = if told.is_empty() { "interrupted" } else { &*told };
            ended = ended.status(ToolCallStatus::Error).error(why.to_owned());
        }
        if let Some(beside) = line.json("toolUseResult") {
            ended.metadata.insert("tool_use_result".into(), beside);
        }
        out.push(ended);
    }

    fn assistant(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let lane = self.lane_of(line);
        let message = line.object("message").unwrap_or_default();
        let named = message.text("id").or_else(|| line.text("uuid")).map(|id| id.into_string());
        let id = named.unwrap_or_else(|| format!("line-{}", out.offset()));
        let same = self.lanes.entry(lane.clone()).or_default().goes_on(&id, out);
        if self.lanes.entry(lane.clone()).or_default().turn.is_none() {
            // What answers no prompt that we know of: a turn all the same.
            out.note(Note::TurnWithoutPrompt);
            self.start_turn(&lane, line, "", Vec::new(), out);
        }
        let turn = self.lanes.get(&lane).and_then(|here| here.turn.clone()).unwrap_or_default();
        let model = message.text("model");
        if !same {
            let mut started = ModelCallStarted::new(turn.as_str(), id.as_str()).provider("anthropic");
            started.model.clone_from(&model);
            let since = self.lanes.get(&lane).and_then(|here| here.since);
            out.push_at(since, started);
        }
        let (failed, before) = (line.is_true("isApiErrorMessage"), out.drafts.len());
        let mut unknown = None;
        let (mut spoke, mut called) = (String::new(), false);
        for (at, raw) in message.array("content").unwrap_or_default().into_iter().enumerate() {
            let Some(block) = Object::parse(raw) else { continue };
            match block.text("type").as_deref() {
                Some("text") if failed => spoke.push_str(&block.text("text").unwrap_or_default()),
                Some("text") => {
                    let said = block.text("text").unwrap_or_default();
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
        let ended = end_of(line, &message, &turn, &id, failed.then_some(spoke.as_str()));
        let turn_ended = end_of_turn(line, &message, &turn, called, failed.then_some(spoke.as_str()));
        let here = self.lanes.entry(lane).or_default();
        let mut held: Vec<Held> = here.message.take().map(|message| message.held).unwrap_or_default();
        if same && out.drafts.len() == before {
            held.push(out.hold());
        }
        let answers = !called && !failed && message.array("content").is_some_and(|content| !content.is_empty());
        here.message = Some(Message { id, ended, turn_ended, time: out.time(), answers, told: false, held });
        unknown.map_or(Fate::Mapped, Fate::Partly)
    }

    fn tool_use(&mut self, lane: &str, turn: &str, block: &Object<'_>, made_up: &str, out: &mut Out) {
        let here = self.lanes.entry(lane.to_owned()).or_default();
        let call_id = match block.text("id") {
            Some(id) => id.into_string(),
            None => {
                here.nameless.push_back(made_up.to_owned());
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
            here.delegated = Some(call_id.clone());
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
    ended.usage = message.object("usage").map(|usage| Usage {
        input_tokens: usage.u64("input_tokens"),
        output_tokens: usage.u64("output_tokens"),
        cache_read_input_tokens: usage.u64("cache_read_input_tokens"),
        cache_write_input_tokens: usage.u64("cache_creation_input_tokens"),
        reasoning_output_tokens: usage.object("output_tokens_details").and_then(|d| d.u64("thinking_tokens")),
    });
    for key in ["requestId", "uuid"] {
        ended.metadata.extend(line.json(key).map(|value| (key.to_owned(), value)));
    }
    ended
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

fn title(line: &Object<'_>, key: &str, out: &mut Out) -> Fate {
    let Some(title) = line.json(key) else { return Fate::Unknown(format!("title without {key}")) };
    let metadata = Metadata::from_iter([(if key == "summary" { key } else { "title" }.to_owned(), title)]);
    out.push(SessionUpdated::new().metadata(metadata));
    Fate::Mapped
}

/// An image or a document that came with a prompt, by reference.
fn attachment(block: &Object<'_>) -> Option<Attachment> {
    let kind = block.text("type").filter(|kind| matches!(&**kind, "image" | "document"))?;
    let source = block.object("source").unwrap_or_default();
    Some(Attachment {
        name: block.text("title").or(Some(kind)).map(|name| name.into_string()),
        media_type: source.text("media_type").map(|media| media.into_string()),
        uri: source.text("url").map(|url| url.into_string()),
        bytes: source.text("data").map(|data| data.len() as u64 / 4 * 3),
        ..Attachment::default()
    })
}
