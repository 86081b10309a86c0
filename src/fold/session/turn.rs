//! A turn while it is folded: its record so far, its text, and its tool calls.
//!
//! Its methods apply one event each and say what was odd about it; naming the entry is up to `session`.

use crate::fold::anomaly::AnomalyKind;
use crate::fold::ledger::Ledger;
use crate::fold::rules::{self, Start};
use crate::fold::session::call::Call;
use crate::fold::session::text::TurnText;
use crate::json::{Json, Metadata, merge_metadata};
use crate::model::event::{Attachment, Parent, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, UserMessage};
use crate::model::record::{ToolCallRecord, TurnRecord, USER_MESSAGES};
use crate::model::seq::Seq;
use crate::model::status::{StatusMeaning, ToolCallStatus, TurnStatus};
use crate::model::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// A turn so far.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Its tool calls stand in `calls` until the end.
    pub(crate) record: TurnRecord,
    /// The entry it was first seen in.
    pub(crate) began: Seq,
    /// No start of it has been seen.
    pub(crate) implicit: bool,
    pub(crate) text: TurnText,
    /// What the user said while it ran.
    said: Vec<Said>,
    calls: Ledger<Call>,
    /// The calls whose status is `running`, exactly.
    running: BTreeSet<usize>,
}

impl Turn {
    /// A turn that is running and of which nothing else is known.
    pub(crate) fn new(turn_id: &str, began: Seq, time: Timestamp) -> Turn {
        let mut record = TurnRecord::new(turn_id);
        record.status = TurnStatus::Running;
        record.started_at = time.to_string();
        Turn {
            record,
            began,
            implicit: true,
            text: TurnText::default(),
            said: Vec::new(),
            calls: Ledger::default(),
            running: BTreeSet::new(),
        }
    }

    /// The turn came whole: its record stays as it is. What the user said in between is no part of that.
    pub(crate) fn replaced_by(&self, record: TurnRecord) -> Turn {
        Turn { said: self.said.clone(), ..Turn::whole(record, self.began) }
    }

    /// A turn that came whole.
    pub(crate) fn whole(mut record: TurnRecord, began: Seq) -> Turn {
        let calls = std::mem::take(&mut record.tool_calls);
        let mut turn = Turn {
            record,
            began,
            implicit: false,
            text: TurnText::default(),
            said: Vec::new(),
            calls: Ledger::default(),
            running: BTreeSet::new(),
        };
        for call in calls {
            let call_id = call.call_id.clone();
            let at = turn.calls.push(&call_id, Call::whole(call));
            turn.settle(at);
        }
        turn
    }

    /// Whether it, or one of its calls, is running.
    pub(crate) fn is_live(&self) -> bool {
        self.record.meaning() == StatusMeaning::Running || !self.running.is_empty()
    }

    /// An event of an interrupted turn shows that it runs again.
    pub(crate) fn wake(&mut self) {
        if self.record.meaning() == StatusMeaning::Interrupted {
            self.record.status = TurnStatus::Running;
        }
    }

    /// Whatever of it is running was interrupted.
    pub(crate) fn interrupt(&mut self) {
        if self.record.meaning() == StatusMeaning::Running {
            self.record.status = TurnStatus::Interrupted;
        }
        self.interrupt_calls();
    }

    /// Its start. Only what is missing is taken from it.
    pub(crate) fn start(&mut self, started: TurnStarted<'_>, time: Timestamp) {
        self.wake();
        let record = &mut self.record;
        if record.prompt.is_empty() {
            record.prompt = started.prompt.into_string();
        }
        if record.agent_id.is_none() {
            record.agent_id = started.agent_id.map(|id| id.into_string());
        }
        // The time of a stray event only stood in for that of the start.
        if self.implicit || record.started_at.is_empty() {
            record.started_at = time.to_string();
        }
        let had_parent = record.metadata.contains_key(PARENT);
        merge_metadata(&mut record.metadata, started.metadata);
        if let Some(parent) = &started.parent
            && !had_parent
        {
            set_parent(&mut record.metadata, parent);
        }
        self.implicit = false;
    }

    /// Its end. At a second end the later data holds, and what only the first one brought stays.
    pub(crate) fn end(&mut self, ended: TurnEnded<'_>, time: Timestamp) {
        self.interrupt_calls();
        let record = &mut self.record;
        record.status = TurnStatus::ended(ended.status, ended.error.as_deref());
        record.error = ended.error.map(|error| error.into_string());
        record.ended_at = Some(time.to_string());
        if let Some(content) = ended.response_content {
            record.response_content = Some(content.into_string());
        }
        record.audit_event_ids.extend(ended.audit_event_ids);
        merge_metadata(&mut record.metadata, ended.metadata);
    }

    /// The user said something.
    pub(crate) fn user_said(&mut self, message: UserMessage<'_>, seq: Seq, time: Timestamp) {
        self.said.push(Said {
            seq,
            time,
            text: message.text.into_string(),
            attachments: message.attachments,
            metadata: message.metadata,
        });
    }

    /// The start of a call.
    pub(crate) fn start_call(&mut self, started: ToolCallStarted<'_>) -> Option<AnomalyKind> {
        let start = self.calls.find(&started.call_id).map(|at| {
            let call = &self.calls[at];
            (at, rules::call_start(call.record.meaning(), call.implicit))
        });
        let (at, odd) = match start {
            None => (self.new_call(&started.call_id), None),
            Some((_, Start::Anew)) => (self.new_call(&started.call_id), Some(AnomalyKind::CallStartedAfterEnd)),
            Some((at, Start::Again)) => (at, Some(AnomalyKind::CallStartedTwice)),
            Some((at, Start::AdoptEnded)) => (at, Some(AnomalyKind::CallEndedBeforeStart)),
            Some((at, Start::Adopt | Start::Resume)) => (at, None),
        };
        let retry = matches!(start, Some((_, Start::Resume)));
        self.calls[at].start(started, retry);
        self.settle(at);
        odd
    }

    /// Output of a call.
    pub(crate) fn call_output(&mut self, call_id: &str, text: &str) -> Option<AnomalyKind> {
        let (at, odd) = match self.calls.find(call_id) {
            Some(at) => (at, None),
            None => (self.new_call(call_id), Some(AnomalyKind::UnknownCall)),
        };
        self.calls[at].output(text);
        self.settle(at);
        odd
    }

    /// The end of a call.
    pub(crate) fn end_call(&mut self, ended: ToolCallEnded<'_>) -> Option<AnomalyKind> {
        let (at, odd) = match self.calls.find(&ended.call_id) {
            Some(at) if self.calls[at].record.meaning().is_over() => (at, Some(AnomalyKind::CallEndedTwice)),
            Some(at) => (at, None),
            None => (self.new_call(&ended.call_id), Some(AnomalyKind::CallEndedWithoutStart)),
        };
        self.calls[at].end(ended);
        self.settle(at);
        odd
    }

    /// A call that came whole.
    pub(crate) fn record_call(&mut self, record: ToolCallRecord) {
        let call_id = record.call_id.clone();
        let call = Call::whole(record);
        let at = match self.calls.find(&call_id) {
            Some(at) => {
                self.calls[at] = call;
                at
            }
            None => self.calls.push(&call_id, call),
        };
        self.settle(at);
    }

    /// What it comes to.
    pub(crate) fn finish(self) -> TurnRecord {
        let mut record = self.record;
        record.tool_calls = self.calls.into_values().map(Call::finish).collect();
        if record.response_content.is_none() {
            record.response_content = self.text.finish();
        }
        if !self.said.is_empty()
            && let Ok(said) = Json::new(&self.said)
        {
            record.metadata.insert(USER_MESSAGES.to_owned(), said);
        }
        record
    }

    /// All that it said: its text, and behind that the answer its end brought, unless the text ends with that.
    pub(crate) fn text_and_answer(&self) -> String {
        let mut text = self.text.clone().finish().unwrap_or_default();
        match &self.record.response_content {
            Some(answer) if !text.ends_with(answer.as_str()) => text.push_str(answer),
            _ => {}
        }
        text
    }

    fn new_call(&mut self, call_id: &str) -> usize {
        self.calls.push(call_id, Call::new(call_id))
    }

    fn interrupt_calls(&mut self) {
        for at in std::mem::take(&mut self.running) {
            self.calls[at].record.status = ToolCallStatus::Interrupted;
        }
    }

    /// Keeps `running` true after a call changed.
    fn settle(&mut self, at: usize) {
        if self.calls[at].record.meaning() == StatusMeaning::Running {
            self.running.insert(at);
        } else {
            self.running.remove(&at);
        }
    }
}

/// What a user said while a turn ran, as the turn's metadata has it.
#[derive(Clone, Debug, Serialize)]
struct Said {
    seq: Seq,
    time: Timestamp,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

/// The key under which a parent stands in the metadata.
const PARENT: &str = "parent";

/// Writes what a session or turn was started by into its metadata.
pub(crate) fn set_parent(metadata: &mut Metadata, parent: &Parent) {
    if let Ok(parent) = Json::new(parent) {
        metadata.insert(PARENT.to_owned(), parent);
    }
}
