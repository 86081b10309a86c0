//! Rollouts of Codex: `{timestamp, type, payload}`, with what the model said and did as `response_item`, and what
//! happened around it as `event_msg`. Files of its first months hold the items alone, without an envelope.
//!
//! The same thing is often there twice, once of each kind, in either order: what comes first is taken, and the other
//! is kept as it is. Calls are taken from the items; their ends take durations and exit codes from the events before
//! them; an event for a call that no item started makes the whole call. Copied headers and histories of parent sessions,
//! and what is injected into the conversation, are kept as they are.

mod call;
mod calls;
mod copied;
mod events;
mod injected;
mod items;
mod turns;
mod usage;

use crate::interop::import::mapper::{End, Identity, Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::{Fate, Note, Out, hash, is_one_of};
use crate::json::Json;
use crate::json::members::Object;
use crate::model::event::{ModelCallEnded, ModelCallStarted, SessionUpdated, Usage};
use crate::model::time::Timestamp;
use call::{Call, call_id};
use copied::Copied;
use std::collections::{BTreeSet, HashMap, VecDeque};
use turns::{Turns, prompt_of, turn_id};
use usage::Usages;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Codex,
    name: "codex",
    is_record,
    speaks,
    identify,
    mapper: |_| Box::new(Codex::default()),
};

/// Known records that make no events.
const KEPT: &str = "\
    inter_agent_communication inter_agent_communication_metadata realtime_item retained_context session_meta \
    world_state";
/// How long the time in a file's name is, with the dash after it.
const NAME_TIME: usize = "2026-01-01T10-00-00-".len();
/// How much of what was said is remembered, to know it when it comes again.
const MOST_SAID: usize = 64;

fn is_record(_: &str, record: &Object<'_>) -> bool {
    let has_payload = record.raw("payload").is_some_and(|payload| payload.starts_with('{'));
    let is_in_envelope = has_payload && record.text("type").is_some() && record.raw("timestamp").is_some();
    is_in_envelope || is_bare_header(record) || is_bare_item(record) || record.text("record_type").is_some()
}

/// The first line of a file without envelopes.
fn is_bare_header(record: &Object<'_>) -> bool {
    let has = |key| record.raw(key).is_some();
    has("id") && has("timestamp") && has("instructions") && !has("type") && !has("payload")
}

/// An item without its envelope.
fn is_bare_item(record: &Object<'_>) -> bool {
    let has = |key| record.raw(key).is_some();
    let is_list = |key| record.raw(key).is_some_and(|raw| raw.starts_with('['));
    let is_item = match record.text("type").as_deref() {
        Some("message") => has("role") && is_list("content"),
        Some("reasoning") => is_list("summary"),
        Some("function_call" | "custom_tool_call" | "local_shell_call") => has("call_id"),
        Some("function_call_output" | "custom_tool_call_output") => has("call_id") && has("output"),
        _ => false,
    };
    is_item && !has("payload") && !has("timestamp")
}

fn speaks(record: &Object<'_>) -> bool {
    let kind = record.text("type");
    let in_envelope =
        matches!(kind.as_deref(), Some("response_item" | "event_msg" | "compacted" | "token_usage_record"));
    in_envelope || is_bare_item(record)
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("timestamp");
        // Where the header is gone, the file's name has the id: `rollout-<local time>-<id>`.
        let id = known.name.stem.strip_prefix("rollout-").and_then(|rest| rest.get(NAME_TIME..)).map(str::to_owned);
        known.name.stem = id.filter(|id| !id.is_empty()).unwrap_or(std::mem::take(&mut known.name.stem));
    }
    // Later headers are copies of the parent's.
    let is_bare = is_bare_header(record);
    if known.session_id.is_some() || !(is_bare || record.text("type").as_deref() == Some("session_meta")) {
        return;
    }
    let payload = record.object("payload");
    let Some(meta) = payload.or_else(|| is_bare.then(|| record.clone())) else { return };
    known.session_id = meta.text("id").or_else(|| meta.text("session_id")).map(|id| id.into_string());
    let parent = meta.text("parent_thread_id").or_else(|| meta.text("forked_from_id"));
    let spawned = || meta.object("source")?.object("subagent")?.object("thread_spawn");
    let by_spawn = || Some(spawned()?.text("parent_thread_id")?.into_string());
    known.parent = parent.map(|id| id.into_string()).or_else(by_spawn);
    let agent = meta.text("agent_role").or_else(|| meta.text("agent_nickname"));
    known.agent_id = agent.map(|agent| agent.into_string());
}

#[derive(Default)]
struct Codex {
    has_meta: bool,
    copied: Copied,
    turns: Turns,
    /// What was said in the running turn, as one kind of record has it: a hash, and whether that was an item.
    said: VecDeque<(u64, bool)>,
    model: Option<String>,
    /// When the model was last given something to answer: no line says when it was called.
    since: Option<Timestamp>,
    model_call: Option<ModelCall>,
    usages: Usages,
    calls: HashMap<String, Call>,
    /// The ids of those of which an event said that they ended, by their turn.
    over: HashMap<String, BTreeSet<String>>,
}

/// The last call of the model.
#[derive(Clone)]
struct ModelCall {
    turn: String,
    id: String,
    /// Its usage has come, and with it its end.
    ended: bool,
    /// Its usage came before what it said: what follows is still its own.
    goes_on: bool,
    /// Nothing else has come of it.
    bare: bool,
    /// The time of the last that came of it.
    time: Option<Timestamp>,
}

impl Mapper for Codex {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        out.set_time(line.time("timestamp"));
        let (kind, payload) = match line.object("payload") {
            Some(payload) => (line.text("type").unwrap_or_default(), payload),
            None if is_bare_header(&line) => ("session_meta".into(), line.clone()),
            None if is_bare_item(&line) => ("response_item".into(), line.clone()),
            None if line.raw("record_type").is_some() => return Fate::Kept("state".into()),
            None => (line.text("type").unwrap_or_default(), Object::default()),
        };
        if &*kind == "session_meta" {
            return self.meta(&payload, out);
        }
        let inner = payload.text("type").unwrap_or_default();
        if self.copied.is_copy(&line, out.time()) {
            return self.copy(&kind, &inner, &payload, out);
        }
        match &*kind {
            "turn_context" => self.context(&payload),
            "response_item" => self.item(&inner, &payload, out),
            "event_msg" => self.event(&inner, &payload, out),
            "token_usage_record" => {
                let usage = self.usages.record(&payload);
                self.used(usage, out).unwrap_or_else(|| Fate::Kept("token_usage_record".into()))
            }
            "compacted" => self.compacted(&payload, out),
            kind if is_one_of(KEPT, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(kind.to_owned()),
        }
    }

    fn settle(&mut self, end: End, again: bool, out: &mut Out) {
        match end {
            End::Pause => self.turns.pause(again, out),
            End::File => {
                let turn = self.turns.running.as_ref().map(|turn| &*turn.id);
                let works = self.calls.values().any(|call| call.runs_in(turn));
                self.turns.conclude(works, out);
            }
        }
    }

    fn go_on(&mut self, out: &mut Out) {
        self.turns.take_back(out);
    }
}

impl Codex {
    fn meta(&mut self, meta: &Object<'_>, out: &mut Out) -> Fate {
        if std::mem::replace(&mut self.has_meta, true) {
            self.copied.other_header(out.time());
            return Fate::Kept("session_meta".into());
        }
        self.copied.header(meta, out.time());
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

    fn context(&mut self, context: &Object<'_>) -> Fate {
        self.model = context.text("model").map(|model| model.into_string()).or(self.model.take());
        Fate::Kept("turn_context".into())
    }

    /// A record of the parent's history. Only what may already be the beginning of own work is remembered of it.
    fn copy(&mut self, kind: &str, inner: &str, payload: &Object<'_>, out: &mut Out) -> Fate {
        match (kind, inner) {
            ("turn_context", _) => _ = self.context(payload),
            ("event_msg", "task_started" | "turn_started") => {
                self.turns.forget();
                self.turns.announced(turn_id(payload, out), out);
            }
            ("event_msg", "user_message") => _ = self.turns.said(prompt_of(payload, out)),
            ("event_msg", "token_count") => self.usages.skip(payload),
            ("response_item", "message") if payload.text("role").as_deref() == Some("user") => {
                self.user_item(payload, out);
            }
            ("event_msg", "task_complete" | "turn_complete" | "turn_aborted" | "agent_message") => self.turns.forget(),
            ("response_item", "message") if payload.text("role").as_deref() != Some("assistant") => {}
            ("response_item", output) if output.ends_with("_output") => {}
            ("response_item", _) => {
                self.turns.forget();
                self.copied.call(call_id(payload, out));
            }
            _ => {}
        }
        Fate::Kept("copied".into())
    }

    /// The turn that runs, begun now if it has to be.
    fn turn(&mut self, out: &mut Out) -> String {
        if let Some(before) = self.turns.go_on(out) {
            if before.is_some() {
                self.end_model_call(None, out);
            }
            self.said.clear();
            self.since = self.turns.running.as_ref().and_then(|turn| turn.since);
        }
        self.turns.running.as_ref().map(|turn| turn.id.clone()).unwrap_or_default()
    }

    /// Another turn begins: the running one is over, though nothing says so.
    fn end_running(&mut self, out: &mut Out) {
        self.end_model_call(None, out);
        self.turns.imply_end(out);
    }

    /// The turn that an item names, if it is one that we know and not the one that runs.
    fn named_turn(&self, item: &Object<'_>) -> Option<String> {
        let named = |key: &str| Some(item.object(key)?.text("turn_id")?.into_string());
        let named = named("internal_chat_message_metadata_passthrough").or_else(|| named("metadata"))?;
        self.turns.is_earlier(&named).then_some(named)
    }

    /// The model call that an item belongs to, begun now if it has to be.
    fn model_call(&mut self, item: &Object<'_>, out: &mut Out) -> ModelCall {
        let turn = match self.named_turn(item) {
            Some(turn) => turn,
            None => self.turn(out),
        };
        self.turns.worked(false);
        let is_its = |call: &&mut ModelCall| call.turn == turn && (!call.ended || call.goes_on);
        if let Some(call) = self.model_call.as_mut().filter(is_its) {
            (call.bare, call.time) = (false, out.time());
            return call.clone();
        }
        self.end_model_call(None, out);
        self.start_model_call(turn, out)
    }

    fn start_model_call(&mut self, turn: String, out: &mut Out) -> ModelCall {
        let id = format!("model-{}", out.offset());
        let call = ModelCall { turn, id, ended: false, goes_on: false, bare: false, time: out.time() };
        let mut started = ModelCallStarted::new(&*call.turn, &*call.id);
        started.model = self.model.as_deref().map(Into::into);
        out.push_at(self.since, started);
        self.model_call = Some(call.clone());
        call
    }

    /// The end of the model call, if it has not ended: with its usage, or when the last came of it.
    fn end_model_call(&mut self, usage: Option<Usage>, out: &mut Out) {
        let Some(call) = self.model_call.take() else { return };
        if call.bare {
            out.note(Note::UsageWithoutCall);
        }
        if call.ended {
            return;
        }
        let time = if usage.is_some() { out.time() } else { call.time };
        let mut ended = ModelCallEnded::new(call.turn, call.id).usage(usage);
        ended.model = self.model.as_deref().map(Into::into);
        out.push_at(time, ended);
    }

    /// What a call used. Without a call that runs it is that of one whose words come later, or never.
    fn used(&mut self, usage: Option<Usage>, out: &mut Out) -> Option<Fate> {
        let usage = usage?;
        let running = self.model_call.clone().filter(|call| !call.ended);
        let (call, bare) = match running {
            Some(call) => (call, false),
            None if usage.input_tokens.unwrap_or(0).max(usage.output_tokens.unwrap_or(0)) == 0 => return None,
            None => {
                self.end_model_call(None, out);
                let turn = match self.turns.ids.last().filter(|_| !self.turns.has_any()) {
                    Some(last) => last.clone(),
                    None => self.turn(out),
                };
                self.turns.worked(false);
                (self.start_model_call(turn, out), true)
            }
        };
        self.end_model_call(Some(usage), out);
        self.model_call = Some(ModelCall { ended: true, goes_on: bare, bare, ..call });
        Some(Fate::Mapped)
    }

    /// What follows is another call's, if the last one has ended.
    fn after_call(&mut self, out: &mut Out) {
        if self.model_call.as_ref().is_some_and(|call| call.ended) {
            self.end_model_call(None, out);
        }
    }

    /// Whether words are new, and not what the other kind of record has said.
    fn is_new(&mut self, said: &str, is_item: bool) -> bool {
        let hash = hash(said.trim());
        if let Some(at) = self.said.iter().position(|known| *known == (hash, !is_item)) {
            self.said.remove(at);
            // Its usage had come before: what follows is still of the same call.
            if let Some(call) = self.model_call.as_mut().filter(|call| is_item && call.ended) {
                call.goes_on = true;
            }
            return false;
        }
        if self.said.len() >= MOST_SAID {
            self.said.pop_front();
        }
        self.said.push_back((hash, is_item));
        true
    }
}
