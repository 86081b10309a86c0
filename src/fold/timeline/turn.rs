//! A turn while the timeline is folded: which items are its own, and which of them are running.
//!
//! How a turn or call stands is written in its item and nowhere else.

use crate::fold::ledger::Ledger;
use crate::fold::timeline::item::{
    Call, INTERRUPTED, Items, ModelCall, RUNNING, TimelineItem, TimelineKind, millis, set_status, status,
};
use crate::model::entry::Entry;
use crate::model::record::TurnRecord;
use crate::model::status::{StatusMeaning, TurnStatus};
use crate::model::time::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// A turn so far. Numbers of items are positions in the timeline, which only grows.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    turn_id: String,
    pub(crate) item: usize,
    /// No start of it has been seen.
    pub(crate) implicit: bool,
    pub(crate) calls: Ledger<Call>,
    pub(crate) model_calls: HashMap<String, ModelCall>,
    /// The items of calls and model calls whose status is `running`, exactly.
    running: BTreeSet<usize>,
    /// The text that may still go on.
    run: Option<Run>,
    /// Its text, by the model calls that said it.
    parts: Vec<Part>,
}

/// The items of the text that one model call said, or that came between model calls.
///
/// Parts are in the order in which their model calls began, as in the record. The order of the items would not do: a
/// compaction moves a streamed text to the end of its model call, which changes the order of texts that were streamed
/// side by side.
#[derive(Clone, Debug, Default)]
struct Part {
    of_model_call: bool,
    items: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Run {
    kind: TimelineKind,
    model_call_id: Option<String>,
    item: usize,
    interruptions: u64,
}

impl Turn {
    /// A running turn whose item has just been made.
    pub(crate) fn new(turn_id: &str, item: usize) -> Turn {
        Turn {
            turn_id: turn_id.to_owned(),
            item,
            implicit: true,
            calls: Ledger::default(),
            model_calls: HashMap::new(),
            running: BTreeSet::new(),
            run: None,
            parts: Vec::new(),
        }
    }

    pub(crate) fn status(&self, items: &Items) -> StatusMeaning {
        TurnStatus::from(status(items, self.item)).meaning(None)
    }

    /// Whether it, or something in it, is running.
    pub(crate) fn is_live(&self, items: &Items) -> bool {
        status(items, self.item) == RUNNING || !self.running.is_empty()
    }

    /// An event of an interrupted turn shows that it runs again.
    pub(crate) fn wake(&mut self, items: &mut Items) {
        if status(items, self.item) == INTERRUPTED {
            set_status(items, self.item, RUNNING);
        }
    }

    /// Whatever of it is running was interrupted.
    pub(crate) fn interrupt(&mut self, items: &mut Items) {
        if status(items, self.item) == RUNNING {
            set_status(items, self.item, INTERRUPTED);
        }
        self.interrupt_calls(items);
    }

    /// No text goes on from here.
    pub(crate) fn end_run(&mut self) {
        self.run = None;
    }

    pub(crate) fn start(&mut self, items: &mut Items, prompt: String) {
        self.wake(items);
        if items[self.item].title.is_empty() {
            items[self.item].title = prompt;
        }
        self.implicit = false;
    }

    pub(crate) fn end(&mut self, items: &mut Items, time: Timestamp, status: &str) {
        self.interrupt_calls(items);
        self.end_run();
        let item = &mut items[self.item];
        item.ended_at = Some(time);
        item.duration_ms = (!self.implicit).then(|| millis(item.time, time));
        item.status = Some(status.to_owned());
    }

    /// An answer that came with the turn's end: an item of its own, unless the text already ends with it.
    pub(crate) fn response(&mut self, items: &mut Items, entry: &Entry<'_>, response: Option<&str>) {
        let response = response.unwrap_or_default();
        if !self.text_ends_with(items, response) {
            self.push_text(items, entry, TimelineKind::Text, None, response);
        }
        self.end_run();
    }

    /// The turn came whole. What was seen of it before stays; what is new is added.
    pub(crate) fn recorded(&mut self, items: &mut Items, entry: &Entry<'_>, record: TurnRecord) {
        self.implicit = false;
        self.interrupt_calls(items);
        for call in &record.tool_calls {
            self.call_recorded(items, entry, call, None);
        }
        let item = &mut items[self.item];
        let (began, ended) = (
            Timestamp::parse_rfc3339(&record.started_at),
            record.ended_at.as_deref().and_then(Timestamp::parse_rfc3339),
        );
        item.duration_ms = began.zip(ended).map(|(began, ended)| millis(began, ended));
        item.ended_at = ended;
        item.status = Some(record.status.shown(record.error.as_deref()).to_owned());
        item.title = record.prompt;
        self.response(items, entry, record.response_content.as_deref());
    }

    /// A piece of text or reasoning: it goes on with the last one, if nothing of this turn came between.
    pub(crate) fn delta(
        &mut self,
        items: &mut Items,
        entry: &Entry<'_>,
        kind: TimelineKind,
        model_call_id: Option<&str>,
        text: &str,
        interruptions: u64,
    ) {
        if let Some(id) = model_call_id {
            self.model_call_streams(items, entry, id, kind, text);
        }
        let goes_on = |run: &&Run| {
            run.kind == kind && run.model_call_id.as_deref() == model_call_id && run.interruptions == interruptions
        };
        if let Some(run) = self.run.as_ref().filter(goes_on) {
            items[run.item].title.push_str(text);
            items[run.item].ended_at = Some(entry.time());
            return;
        }
        if let Some(item) = self.push_text(items, entry, kind, model_call_id, text) {
            items[item].ended_at = Some(entry.time());
            self.run = Some(Run { kind, model_call_id: model_call_id.map(str::to_owned), item, interruptions });
        }
    }

    /// Adds an item for a text, if there is any.
    pub(crate) fn push_text(
        &mut self,
        items: &mut Items,
        entry: &Entry<'_>,
        kind: TimelineKind,
        id: Option<&str>,
        text: &str,
    ) -> Option<usize> {
        if text.is_empty() {
            return None;
        }
        let item = self.push(items, entry, kind, id, text.to_owned());
        if kind == TimelineKind::Text {
            let part = self.part(id);
            self.parts[part].items.push(item);
        }
        Some(item)
    }

    /// Adds an item of this turn.
    pub(crate) fn push(
        &mut self,
        items: &mut Items,
        entry: &Entry<'_>,
        kind: TimelineKind,
        id: Option<&str>,
        title: String,
    ) -> usize {
        self.end_run();
        let mut item = TimelineItem::new(entry, kind, title);
        item.turn_id = Some(self.turn_id.clone());
        item.id = id.map(str::to_owned);
        items.push(item);
        items.len() - 1
    }

    /// A new part for a model call that begins.
    pub(crate) fn begin_part(&mut self) -> usize {
        self.parts.push(Part { of_model_call: true, items: Vec::new() });
        self.parts.len() - 1
    }

    /// The part that a text belongs to.
    fn part(&mut self, model_call_id: Option<&str>) -> usize {
        let of_call = model_call_id.and_then(|id| self.model_calls.get(id)).map(|call| call.part);
        let last_loose = self.parts.len().checked_sub(1).filter(|last| !self.parts[*last].of_model_call);
        of_call.or(last_loose).unwrap_or_else(|| {
            self.parts.push(Part::default());
            self.parts.len() - 1
        })
    }

    /// Whether the turn's text, over all its items, ends with `rest`.
    fn text_ends_with(&self, items: &Items, mut rest: &str) -> bool {
        for item in self.parts.iter().rev().flat_map(|part| part.items.iter().rev()) {
            let text = items[*item].title.as_str();
            if text.ends_with(rest) {
                return true;
            }
            match rest.strip_suffix(text) {
                Some(before) => rest = before,
                None => return false,
            }
        }
        rest.is_empty()
    }

    fn interrupt_calls(&mut self, items: &mut Items) {
        for item in std::mem::take(&mut self.running) {
            set_status(items, item, INTERRUPTED);
        }
    }

    /// Sets the status of a call or model call and keeps `running` true.
    pub(crate) fn set_running(&mut self, items: &mut Items, item: usize, status: &str) {
        set_status(items, item, status);
        if status == RUNNING {
            self.running.insert(item);
        } else {
            self.running.remove(&item);
        }
    }
}
