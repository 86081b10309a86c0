//! `user` lines, and messages out of the queue: prompts, the results of tools, interruptions, and what the program writes
//! in the user's place.

use super::chain::Link;
use super::content::{self, Said};
use super::{ClaudeCode, Pending};
use crate::interop::import::{Fate, Note, Out, millis_between};
use crate::json::Json;
use crate::json::members::{Object, array, words};
use crate::model::event::{
    AgentTransition, Attachment, Parent, ToolCallEnded, TurnEnded, TurnStarted, TurnsRewound, UserMessage,
};
use crate::model::status::{ToolCallStatus, TurnStatus};
use crate::model::time::Timestamp;

/// How an interruption by the user is written into the conversation.
const INTERRUPTED: &str = "[Request interrupted by user";
/// How a tool that the user did not allow answers.
const REJECTED: &str = "The user doesn't want to proceed with this tool use";

/// How a turn begins.
#[derive(Default)]
pub(super) struct Beginning {
    pub(super) uuid: Option<String>,
    /// The line that the prompt comes after.
    pub(super) link: Link,
    pub(super) time: Option<Timestamp>,
    pub(super) prompt: String,
    pub(super) attachments: Vec<Attachment>,
    /// What it was that began it, if that was no prompt.
    pub(super) origin: Option<String>,
}

impl Beginning {
    fn of(line: &Object<'_>, prompt: String, attachments: Vec<Attachment>) -> Beginning {
        let uuid = line.text("uuid").map(|id| id.into_string());
        Beginning { uuid, link: Link::of(line), prompt, attachments, ..Beginning::default() }
    }
}

impl ClaudeCode {
    pub(super) fn user(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let lane = self.lane_of(line);
        if lane.is_empty() {
            // Sub-agents have answered by the time that the main conversation goes on.
            self.lanes.end_messages(out);
        }
        let message = line.object("message").unwrap_or_default();
        let raw = message.raw("content").unwrap_or("null");
        let elements = array(raw).unwrap_or_default();
        let blocks: Vec<Object<'_>> = elements.iter().filter_map(|block| Object::parse(block)).collect();
        let is_result = |block: &&Object<'_>| block.text("type").is_some_and(|kind| kind == "tool_result");
        for block in blocks.iter().filter(is_result) {
            self.tool_result(&lane, line, block, out);
        }
        let has_results = blocks.iter().any(|block| is_result(&block));
        let (prompt, injected) = content::prompt_of(raw, &blocks);
        let attachments: Vec<Attachment> = blocks.iter().filter_map(content::attachment).collect();
        let known = |block: &Object<'_>| {
            block.text("type").is_some_and(|kind| matches!(&*kind, "text" | "image" | "document" | "tool_result"))
        };
        let whole = |what: &str| match !injected && blocks.iter().all(known) {
            true => Fate::Mapped,
            false => Fate::Partly(what.to_owned()),
        };
        if prompt.starts_with(INTERRUPTED) {
            return self.interrupted(&lane, &prompt, out);
        }
        if has_results {
            return match prompt.is_empty() && attachments.is_empty() {
                true => whole("user.content beside a tool's result"),
                false => self.user_message(&lane, prompt, attachments, out),
            };
        }
        if let Some(fate) = self.in_the_users_place(&lane, line, &prompt, out) {
            return fate;
        }
        match prompt.is_empty() && attachments.is_empty() {
            true if injected => Fate::Kept("user.injected".into()),
            true => Fate::Unknown("user.content".into()),
            false => {
                self.queue.take(&prompt);
                self.start_turn(&lane, Beginning::of(line, prompt, attachments), out);
                whole("user.content")
            }
        }
    }

    /// A line that the program wrote in the user's place: no prompt, though the model may answer it.
    fn in_the_users_place(&mut self, lane: &str, line: &Object<'_>, text: &str, out: &mut Out) -> Option<Fate> {
        let origin = line.object("origin").and_then(|origin| Some(origin.text("kind")?.into_string()));
        let origin = origin.filter(|kind| kind != "human");
        let said = Said::of(text);
        if line.is_true("isCompactSummary") || said == Said::Summary {
            return Some(self.summary(text, out));
        }
        let (kind, command) = match said {
            Said::Output => {
                out.note(Note::CommandOutput);
                // What a command of the program's own printed: the model was not asked.
                self.pending.take_if(|_| text.starts_with("<local-command-"));
                return Some(Fate::Kept("user.command_output".into()));
            }
            Said::Command(command) => ("user.command", Some(command)),
            Said::Notice => ("user.notice", None),
            _ if line.is_true("isMeta") => ("user.meta", None),
            _ if origin.is_some() => ("user.notice", None),
            Said::Prompt | Said::Summary => return None,
        };
        let is_asked = self.pending.as_ref().is_some_and(|pending| pending.command.is_some());
        if lane.is_empty() && (command.is_some() || !is_asked) {
            let origin = origin.unwrap_or_else(|| kind.trim_start_matches("user.").to_owned());
            let uuid = line.text("uuid").map(|id| id.into_string());
            self.pending = Some(Pending { uuid, link: Link::of(line), time: out.time(), command, origin });
        }
        Some(Fate::Kept(kind.into()))
    }

    /// Begins a turn for what the model is about to answer, if no prompt has begun one.
    pub(super) fn answer_pending(&mut self, out: &mut Out) {
        let Some(pending) = self.pending.take() else { return };
        let runs = self.lane("").turn.is_some();
        if runs && pending.command.is_none() {
            return;
        }
        let Pending { uuid, link, time, command, origin } = pending;
        let prompt = command.unwrap_or_default();
        let began = Beginning { uuid, link, time, prompt, origin: Some(origin), ..Beginning::default() };
        self.start_turn("", began, out);
    }

    pub(super) fn start_turn(&mut self, lane: &str, began: Beginning, out: &mut Out) {
        let turn_id = began.uuid.unwrap_or_else(|| format!("line-{}", out.offset()));
        let main = self.lane("").turn.clone();
        self.lane(lane).end_turn(out);
        let mut started = TurnStarted::new(turn_id.as_str(), began.prompt.as_str()).attachments(began.attachments);
        if let Some(origin) = began.origin {
            started.metadata.insert("origin".to_owned(), Json::string(&origin));
        }
        if lane.is_empty() {
            self.pending = None;
            if let Some(first) = self.chain.begin(&turn_id, &began.link) {
                out.push(TurnsRewound::new(first));
            }
        } else {
            started.agent_id = Some(lane.to_owned().into());
            let call_id = self.delegated.take(&began.prompt, lane);
            self.lane(lane).works_for.clone_from(&call_id);
            if call_id.is_none() {
                let mut handed_over = AgentTransition::new(lane.to_owned());
                handed_over.turn_id = main.clone().map(Into::into);
                out.push(handed_over);
            }
            let is_known = main.is_some() || call_id.is_some();
            started.parent = is_known.then_some(Parent { session_id: None, turn_id: main, call_id });
        }
        out.push_at(began.time, started);
        self.lane(lane).begin(turn_id, out);
    }

    /// What the user said while a turn was running; without one it begins a turn.
    fn user_message(&mut self, lane: &str, text: String, attachments: Vec<Attachment>, out: &mut Out) -> Fate {
        let Some(turn) = self.lane(lane).turn.clone() else {
            return Fate::Partly("user.content beside a tool's result".into());
        };
        self.queue.take(&text);
        out.note(Note::UserMessage);
        out.push(UserMessage::new(turn, text).attachments(attachments));
        Fate::Mapped
    }

    /// A line that came with a message: one out of the queue is the user's.
    pub(super) fn attachment(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let attached = line.object("attachment").unwrap_or_default();
        if attached.text("type").as_deref() != Some("queued_command") {
            return Fate::Kept("attachment".into());
        }
        let origin = attached.object("origin").and_then(|origin| Some(origin.text("kind")?.into_string()));
        let raw = attached.raw("prompt").unwrap_or("null");
        let elements = array(raw).unwrap_or_default();
        let blocks: Vec<Object<'_>> = elements.iter().filter_map(|block| Object::parse(block)).collect();
        let (text, _) = content::prompt_of(raw, &blocks);
        let attachments: Vec<Attachment> = blocks.iter().filter_map(content::attachment).collect();
        let of_program = attached.text("commandMode").is_some_and(|mode| mode == "task-notification")
            || origin.is_some_and(|kind| kind != "human")
            || Said::of(&text) == Said::Notice;
        if of_program || (text.is_empty() && attachments.is_empty()) {
            return Fate::Kept("attachment.queued_command".into());
        }
        let lane = self.lane_of(line);
        self.lane(&lane).end_message(out);
        if self.lane(&lane).turn.is_some() {
            return self.user_message(&lane, text, attachments, out);
        }
        self.queue.take(&text);
        self.start_turn(&lane, Beginning::of(line, text, attachments), out);
        Fate::Mapped
    }

    fn interrupted(&mut self, lane: &str, why: &str, out: &mut Out) -> Fate {
        let here = self.lane(lane);
        if let Some(message) = &mut here.message {
            message.turn_ended = None;
        }
        here.end_message(out);
        let Some(turn) = here.turn.take() else { return Fate::Kept("user.interrupted".into()) };
        // An error would make a failure of it.
        let mut ended = TurnEnded::new(turn).status(TurnStatus::Cancelled);
        ended.metadata.insert("reason".to_owned(), Json::string(why.trim_matches(['[', ']'])));
        out.push(ended);
        Fate::Mapped
    }

    fn tool_result(&mut self, lane: &str, line: &Object<'_>, block: &Object<'_>, out: &mut Out) {
        let given = block.text("tool_use_id").or_else(|| line.text("sourceToolUseID")).map(|id| id.into_string());
        let known = given.clone().filter(|id| self.calls.contains_key(id));
        let here = self.lane(lane);
        here.end_message(out);
        let call_id = known.or_else(|| here.nameless.pop_front()).or(given);
        let call_id = call_id.unwrap_or_else(|| format!("line-{}", out.offset()));
        here.since = out.time();
        let running = here.turn.clone();
        let started = self.calls.remove(&call_id);
        if started.is_none() {
            out.note(Note::ResultWithoutCall);
        }
        let beside = line.object("toolUseResult").unwrap_or_default();
        self.end_delegated(&call_id, &beside, out);
        let turn = started.as_ref().map(|(turn, _)| turn.clone()).or(running);
        let turn = turn.unwrap_or_else(|| format!("line-{}", out.offset()));
        let raw = block.raw("content").unwrap_or("null");
        let told = words(raw);
        let failed = block.is_true("is_error");
        let duration = beside.f64("durationMs").or_else(|| beside.f64("totalDurationMs"));
        let duration = duration.or_else(|| millis_between(started.and_then(|(_, time)| time), out.time()));
        let result = content::result_of(raw).unwrap_or_else(Json::null);
        let mut ended = ToolCallEnded::new(turn, call_id).result(Some(result)).duration_ms(duration);
        if line.raw("toolDenialKind").is_some() || (failed && told.starts_with(REJECTED)) {
            ended = ended.status(ToolCallStatus::Skipped); // the result says why; an error would make a failure of it
        } else if failed || beside.is_true("interrupted") {
            let why = if told.is_empty() { "interrupted" } else { &*told };
            ended = ended.status(ToolCallStatus::Error).error(why.to_owned());
        }
        if let Some(beside) = line.raw("toolUseResult").and_then(content::without_data) {
            ended.metadata.insert("tool_use_result".into(), beside);
        }
        out.push(ended);
    }

    /// The result of a call that a sub-agent worked for: its conversation has ended, unless it goes on in the background.
    fn end_delegated(&mut self, call_id: &str, beside: &Object<'_>, out: &mut Out) {
        let in_background = beside.is_true("isAsync") || beside.text("status").as_deref() == Some("async_launched");
        if in_background {
            return;
        }
        for name in self.delegated.end(call_id) {
            let lane = self.lane(&name);
            // It may work for another call by now.
            if lane.works_for.as_deref() == Some(call_id) {
                lane.end_turn(out);
            }
        }
    }
}
