//! Tool calls and model calls in the timeline.

use crate::fold::rules::{self, Start};
use crate::fold::timeline::item::{Call, INTERRUPTED, Items, ModelCall, RUNNING, TimelineKind, millis, status};
use crate::fold::timeline::title;
use crate::fold::timeline::turn::Turn;
use crate::model::entry::Entry;
use crate::model::event::{ModelCallEnded, ModelCallStarted, ToolCallEnded, ToolCallStarted};
use crate::model::record::ToolCallRecord;
use crate::model::status::ToolCallStatus;
use crate::model::time::Timestamp;

impl Turn {
    pub(crate) fn model_call_started(&mut self, items: &mut Items, entry: &Entry<'_>, started: &ModelCallStarted<'_>) {
        let id = &*started.model_call_id;
        let known = self.model_calls.get(id).copied();
        if known.and_then(|call| call.item).is_some_and(|item| status(items, item) == RUNNING) {
            return;
        }
        let title = started.model.as_deref().or(started.provider.as_deref()).unwrap_or_default().to_owned();
        let item = self.push(items, entry, TimelineKind::ModelCall, Some(id), title);
        self.set_running(items, item, RUNNING);
        // A start after an end is another call; a start after its own deltas only comes late.
        let late = known.filter(|call| call.item.is_none());
        let call = late.unwrap_or_else(|| ModelCall::new(self.begin_part()));
        self.model_calls.insert(id.to_owned(), ModelCall { item: Some(item), implicit: false, ..call });
    }

    pub(crate) fn model_call_ended(&mut self, items: &mut Items, entry: &Entry<'_>, ended: &ModelCallEnded<'_>) {
        let id = &*ended.model_call_id;
        let mut call = self.model_call(id);
        let item = match call.item {
            Some(item) => item,
            None => {
                call.implicit = true;
                self.push(items, entry, TimelineKind::ModelCall, Some(id), String::new())
            }
        };
        call.item = Some(item);
        if let Some(model) = &ended.model {
            items[item].title = model.to_string();
        }
        items[item].ended_at = Some(entry.time());
        let from_times = (!call.implicit).then(|| millis(items[item].time, entry.time()));
        items[item].duration_ms = ended.duration_ms.or(from_times);
        let status = rules::model_call_end(ended.status.as_deref(), ended.error.as_deref());
        self.set_running(items, item, status.shown(ended.error.as_deref()));
        if let Some(reasoning) = ended.reasoning.as_deref().filter(|_| !call.has_reasoning) {
            self.push_text(items, entry, TimelineKind::Reasoning, Some(id), reasoning);
            call.has_reasoning = true;
        }
        if let Some(text) = ended.text.as_deref().filter(|_| !call.has_text) {
            self.push_text(items, entry, TimelineKind::Text, Some(id), text);
            call.has_text = true;
        }
        self.model_calls.insert(id.to_owned(), call);
    }

    pub(crate) fn call_started(&mut self, items: &mut Items, entry: &Entry<'_>, started: &ToolCallStarted<'_>) {
        let known = self.calls.find(&started.call_id).map(|at| {
            let call = self.calls[at];
            (at, rules::call_start(ToolCallStatus::from(status(items, call.item)).meaning(None), call.implicit))
        });
        let title = title::tool_call(&started.tool_name, started.arguments.as_ref());
        match known {
            Some((at, Start::Adopt | Start::AdoptEnded | Start::Again)) => {
                self.calls[at].implicit = false;
                let item = &mut items[self.calls[at].item];
                // All that a call without a start can have is the name of its tool.
                if title.starts_with(&item.title) {
                    item.title = title;
                    item.tool_name = Some(started.tool_name.to_string());
                }
            }
            // A retry replaces what the record has of the call; in the timeline it is something that happened.
            None | Some((_, Start::Resume | Start::Anew)) => {
                let call = self.push_call(items, entry, &started.call_id, title, false);
                items[call.item].tool_name = Some(started.tool_name.to_string());
            }
        }
    }

    pub(crate) fn call_output(&mut self, items: &mut Items, entry: &Entry<'_>, call_id: &str) {
        let item = match self.calls.find(call_id) {
            Some(at) => self.calls[at].item,
            None => self.push_call(items, entry, call_id, String::new(), true).item,
        };
        if status(items, item) == INTERRUPTED {
            self.set_running(items, item, RUNNING);
        }
        items[item].heard = Some(entry.time());
    }

    pub(crate) fn call_ended(&mut self, items: &mut Items, entry: &Entry<'_>, ended: ToolCallEnded<'_>) {
        let call = match self.calls.find(&ended.call_id) {
            Some(at) => self.calls[at],
            None => self.push_call(items, entry, &ended.call_id, String::new(), true),
        };
        let item = &mut items[call.item];
        if let Some(name) = ended.tool_name
            && item.title.is_empty()
        {
            item.title = name.to_string();
            item.tool_name = Some(name.into_string());
        }
        item.ended_at = Some(entry.time());
        let from_times = (!call.implicit).then(|| millis(item.time, entry.time()));
        item.duration_ms = ended.duration_ms.or(from_times);
        let status = ended.status.unwrap_or_default();
        self.set_running(items, call.item, status.shown(ended.error.as_deref()));
    }

    /// The call came whole; `ended_at` if it is known when.
    pub(crate) fn call_recorded(
        &mut self,
        items: &mut Items,
        entry: &Entry<'_>,
        record: &ToolCallRecord,
        ended_at: Option<Timestamp>,
    ) {
        let call = match self.calls.find(&record.call_id) {
            Some(at) => {
                self.calls[at].implicit = false;
                self.calls[at]
            }
            None => self.push_call(items, entry, &record.call_id, String::new(), false),
        };
        let item = &mut items[call.item];
        item.title = title::tool_call(&record.tool_name, Some(&record.arguments));
        item.tool_name = Some(record.tool_name.clone());
        item.duration_ms = record.duration_ms;
        if record.meaning().is_over() {
            item.ended_at = item.ended_at.or(ended_at);
        }
        self.set_running(items, call.item, record.status.shown(record.error.as_deref()));
    }

    /// A model call, which begins here if it is not known.
    fn model_call(&mut self, id: &str) -> ModelCall {
        if let Some(call) = self.model_calls.get(id) {
            return *call;
        }
        let call = ModelCall::new(self.begin_part());
        self.model_calls.insert(id.to_owned(), call);
        call
    }

    /// A model call's text or reasoning streams in; an empty piece brings none, but shows that the call goes on.
    pub(crate) fn model_call_streams(
        &mut self,
        items: &mut Items,
        entry: &Entry<'_>,
        id: &str,
        kind: TimelineKind,
        text: &str,
    ) {
        let mut call = self.model_call(id);
        match kind {
            TimelineKind::Reasoning => call.has_reasoning |= !text.is_empty(),
            _ => call.has_text |= !text.is_empty(),
        }
        if let Some(known) = self.model_calls.get_mut(id) {
            *known = call;
        }
        if let Some(item) = call.item {
            items[item].heard = Some(entry.time());
            if status(items, item) == INTERRUPTED {
                self.set_running(items, item, RUNNING);
            }
        }
    }

    fn push_call(&mut self, items: &mut Items, entry: &Entry<'_>, id: &str, title: String, implicit: bool) -> Call {
        let item = self.push(items, entry, TimelineKind::ToolCall, Some(id), title);
        self.set_running(items, item, RUNNING);
        let call = Call { item, implicit };
        self.calls.push(id, call);
        call
    }
}
