//! The items of a rollout: what went to the model and what came from it.

use super::turns::Prompt;
use super::{Codex, injected};
use crate::interop::import::{Fate, Out};
use crate::json::Text;
use crate::json::members::{Object, array, text};
use crate::model::event::{ReasoningDelta, TextDelta};

impl Codex {
    pub(super) fn item(&mut self, kind: &str, item: &Object<'_>, out: &mut Out) -> Fate {
        // Some writers leave out what kind of item a message is.
        let kind = if kind.is_empty() && item.raw("role").is_some() { "message" } else { kind };
        match kind {
            "message" => match item.text("role").as_deref() {
                Some("assistant") => self.assistant(item, out),
                Some("user") => {
                    self.user_item(item, out);
                    Fate::Kept("message".into())
                }
                _ => Fate::Kept("message".into()),
            },
            "reasoning" => self.reasoning(item, out),
            "function_call" | "custom_tool_call" | "local_shell_call" | "tool_search_call" => {
                self.start_call(kind, item, out);
                Fate::Mapped
            }
            "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" | "tool_search_output" => {
                self.end_call(item, out)
            }
            "web_search_call" | "image_generation_call" => {
                self.whole_call(kind, item, out);
                Fate::Mapped
            }
            "agent_message" | "configuration_update" | "ghost_snapshot" | "compaction" | "context_compaction" => {
                Fate::Kept(kind.to_owned().into())
            }
            kind => Fate::Unknown(format!("response_item.{kind}")),
        }
    }

    /// What may be a prompt: an event says so, or the model's answer without one.
    pub(super) fn user_item(&mut self, item: &Object<'_>, out: &Out) {
        if let Some((text, attachments)) = injected::prompt_of(item) {
            self.turns.message(Prompt { text, attachments, time: out.time(), offset: out.offset() });
        }
    }

    fn assistant(&mut self, item: &Object<'_>, out: &mut Out) -> Fate {
        let parts = texts(item.raw("content").unwrap_or("null"));
        self.turn(out);
        let (count, mut new) = (parts.len(), parts);
        new.retain(|part| self.is_new(part, true));
        self.turns.worked(true);
        if new.is_empty() && count > 0 {
            return Fate::Kept("message".into());
        }
        let call = self.model_call(item, out);
        out.push(TextDelta::new(call.turn, new.join("\n")).model_call_id(call.id));
        self.turns.worked(true);
        Fate::Mapped
    }

    /// An answer that is in an event, before its item or without one.
    pub(super) fn agent_message(&mut self, event: &Object<'_>, out: &mut Out) -> Fate {
        let said = event.text("message").unwrap_or_default();
        self.turn(out);
        if said.is_empty() || !self.is_new(&said, false) {
            return Fate::Kept("agent_message".into());
        }
        let call = self.model_call(event, out);
        out.push(TextDelta::new(call.turn, said).model_call_id(call.id));
        self.turns.worked(true);
        Fate::Mapped
    }

    fn reasoning(&mut self, item: &Object<'_>, out: &mut Out) -> Fate {
        let parts = ["summary", "content"].into_iter().filter_map(|key| item.raw(key).map(texts));
        let mut thoughts = { parts }.find(|parts| !parts.is_empty()).unwrap_or_default();
        self.turn(out);
        thoughts.retain(|thought| self.is_new(thought, true));
        let call = self.model_call(item, out);
        if thoughts.is_empty() {
            return Fate::Kept("reasoning".into());
        }
        out.push(ReasoningDelta::new(call.turn, thoughts.join("\n")).model_call_id(call.id));
        Fate::Mapped
    }

    /// Thoughts that are in an event, before their item or without one.
    pub(super) fn agent_reasoning(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        let thought = event.text("text").unwrap_or_default();
        self.turn(out);
        if thought.is_empty() || !self.is_new(&thought, false) {
            return Fate::Kept(kind.to_owned().into());
        }
        let call = self.model_call(event, out);
        out.push(ReasoningDelta::new(call.turn, thought).model_call_id(call.id));
        Fate::Mapped
    }
}

/// The texts of a content's parts that are not empty.
fn texts(content: &str) -> Vec<String> {
    let whole = text(content).map(|words| vec![words]);
    let parts = || array(content).unwrap_or_default().into_iter().filter_map(|part| Object::parse(part)?.text("text"));
    let texts = whole.unwrap_or_else(|| parts().collect());
    texts.into_iter().map(Text::into_string).filter(|text| !text.is_empty()).collect()
}
