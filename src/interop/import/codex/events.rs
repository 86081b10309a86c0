//! The events of a rollout: what happened around the conversation.

use super::Codex;
use super::turns::Prompt;
use crate::interop::import::codex::turns::{prompt_of, turn_id};
use crate::interop::import::{Fate, Out, is_one_of};
use crate::json::Text;
use crate::json::members::{Object, words};
use crate::model::event::{AgentTransition, ContextCompacted, TurnEnded, TurnsRewound};
use crate::model::status::TurnStatus;

/// Known kinds of events that make no events, or say again what an item says.
const KEPT: &str = "\
    background_event collab_agent_interaction_end collab_close_end collab_resume_end collab_waiting_end \
    context_compacted dynamic_tool_call_request entered_review_mode error exited_review_mode guardian_assessment \
    image_generation_end item_started plan_update stream_error sub_agent_activity thread_goal_updated \
    thread_name_updated undo_completed view_image_tool_call warning";

impl Codex {
    pub(super) fn event(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        match kind {
            "user_message" => self.user_message(prompt_of(event, out), kind, out),
            "agent_message" => self.agent_message(event, out),
            "agent_reasoning" | "agent_reasoning_raw_content" => self.agent_reasoning(kind, event, out),
            "task_started" | "turn_started" => {
                self.end_running(out);
                self.turns.announced(turn_id(event, out), out);
                self.turns.hold(out);
                Fate::Mapped
            }
            "task_complete" | "turn_complete" | "turn_aborted" => self.end_turn(kind, event, out),
            "token_count" => {
                let usage = self.usages.count(event);
                self.used(usage, out).unwrap_or_else(|| Fate::Kept("token_count".into()))
            }
            "exec_command_end"
            | "mcp_tool_call_end"
            | "patch_apply_end"
            | "web_search_end"
            | "dynamic_tool_call_response" => self.event_of_call(kind, event, out),
            "item_completed" => self.item_completed(event, out),
            "thread_settings_applied" => {
                self.context(&event.object("thread_settings").unwrap_or_default());
                Fate::Kept(kind.to_owned().into())
            }
            "collab_agent_spawn_end" => {
                let names = ["new_agent_role", "new_agent_nickname", "new_thread_id"];
                let name = names.into_iter().find_map(|key| event.text(key));
                let mut handed_over = AgentTransition::new(name.unwrap_or_default());
                handed_over.reason = event.text("prompt");
                handed_over.turn_id = self.turns.running.as_ref().map(|turn| turn.id.clone().into());
                out.push(handed_over);
                Fate::Kept(kind.to_owned().into())
            }
            "thread_rolled_back" => self.roll_back(event, out),
            kind if is_one_of(KEPT, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(format!("event_msg.{kind}")),
        }
    }

    /// A prompt, or what the user says while a turn is at work.
    fn user_message(&mut self, prompt: Prompt, kind: &str, out: &mut Out) -> Fate {
        if !self.turns.said(prompt) {
            return Fate::Kept(kind.to_owned().into());
        }
        if kind == "user_message" {
            self.turns.hold(out);
        }
        if !self.turns.is_announced() {
            self.end_running(out);
        }
        if self.turns.is_complete() {
            self.turn(out);
        }
        Fate::Mapped
    }

    /// Paginated histories name the user's messages in this way alone.
    fn item_completed(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let item = event.object("item").unwrap_or_default();
        if item.text("type").as_deref() == Some("UserMessage") {
            let text = words(item.raw("content").unwrap_or("null"));
            self.user_message(Prompt { text, ..prompt_of(&item, out) }, "item_completed", out);
        }
        Fate::Kept("item_completed".into())
    }

    fn end_turn(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        let given = event.text("turn_id").map(Text::into_string);
        let running = match self.turns.has_any() {
            true => self.turn(out),
            false => given.clone().unwrap_or_else(|| format!("turn-{}", out.offset())),
        };
        if kind != "turn_aborted" {
            self.end_model_call(None, out); // of one that was stopped, the usage may still come
        }
        let turn = given.filter(|given| self.turns.ids.place_of(given).is_some()).unwrap_or(running);
        self.end_calls(&turn, out);
        self.turns.running.take_if(|running| running.id == turn);
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
        Fate::Mapped
    }

    /// The conversation so far was replaced by a summary, which is kept too, with what replaced it.
    pub(super) fn compacted(&mut self, record: &Object<'_>, out: &mut Out) -> Fate {
        self.after_call(out);
        let mut compacted = ContextCompacted::new();
        compacted.turn_id = self.turns.running.as_ref().map(|turn| turn.id.clone().into());
        compacted.summary = record.text("message").filter(|summary| !summary.is_empty());
        out.push(compacted);
        Fate::Kept("compacted".into())
    }

    fn roll_back(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let count = event.u64("num_turns").unwrap_or(0) as usize;
        let gone = self.turns.ids.take_last(count);
        let Some(first) = gone.first() else { return Fate::Kept("thread_rolled_back".into()) };
        self.end_model_call(None, out);
        out.push(TurnsRewound::new(first.as_str()));
        self.turns.running = None;
        Fate::Mapped
    }
}
