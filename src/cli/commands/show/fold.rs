//! Everything that `show` needs, from one pass over the entries.

use foldlog::{
    Entry, Event, Gap, Origin, Reducer, Seq, Session, SessionFold, SessionSummary, StatusMeaning, SummaryFold,
    Timeline, TimelineFold, TimelineItem, TimelineKind, Timestamp, ToolCallStatus, TurnRecord,
};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// A session, as it is shown.
pub(crate) struct Shown {
    pub(crate) session: Session,
    pub(crate) summary: SessionSummary,
    pub(crate) timeline: Timeline,
    pub(crate) ending: Ending,
    /// Why each item failed, by the item.
    pub(crate) errors: HashMap<ItemKey, String>,
}

/// What tells an item of the timeline from the others.
pub(crate) type ItemKey = (Seq, TimelineKind, Option<String>);

pub(crate) fn key(item: &TimelineItem) -> ItemKey {
    (item.seq, item.kind, item.id.clone())
}

/// How the entries end.
#[derive(Default)]
pub(crate) struct Ending {
    /// The time of the first entry that the recorder did not write itself.
    pub(crate) first_event: Option<Timestamp>,
    /// The last such entry.
    pub(crate) last_event: Option<(Seq, Timestamp)>,
    /// The latest time of any such entry: the end of a message may be recorded after later entries.
    pub(crate) last_activity: Option<Timestamp>,
    /// The last event came with a time of its own: the recorder's clock says nothing about the run.
    pub(crate) has_own_time: bool,
    /// How long nothing had come before it.
    pub(crate) silence: Option<Duration>,
    /// The recording was taken up again after an unclean end at this time, and no event has come since.
    pub(crate) reopened: Option<Timestamp>,
    /// Why the journal was closed, and when, if that is the last entry.
    pub(crate) closed: Option<(String, Timestamp)>,
    /// Why the session ended, and when, if that is the last event.
    pub(crate) ended: Option<(String, Timestamp)>,
    /// The last end of the session, if it went on or not.
    ended_at: Seq,
    pub(crate) last_error: Option<LastError>,
    /// Everything that went wrong, in order.
    failures: Vec<Failure>,
}

/// An end that went wrong.
struct Failure {
    seq: Seq,
    kind: TimelineKind,
    turn_id: String,
    id: Option<String>,
    message: String,
}

/// The last thing that went wrong.
#[derive(Serialize)]
pub(crate) struct LastError {
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
    pub(crate) turn_id: String,
    /// The tool call or model call, if it was one.
    pub(crate) id: Option<String>,
    /// What it went wrong in, in words.
    pub(crate) what: String,
    pub(crate) message: String,
}

/// A turn that has started and not ended, with its calls.
#[derive(Serialize)]
pub(crate) struct LeftOpen {
    pub(crate) turn_id: String,
    pub(crate) calls: Vec<LeftOpenCall>,
    /// The approvals that nobody has given or denied.
    pub(crate) approvals: Vec<LeftOpenApproval>,
}

/// An approval that was asked for and not resolved.
#[derive(Serialize)]
pub(crate) struct LeftOpenApproval {
    pub(crate) approval_id: String,
    /// What was asked.
    pub(crate) title: String,
}

/// A tool call that has started and not ended.
#[derive(Serialize)]
pub(crate) struct LeftOpenCall {
    pub(crate) call_id: String,
    pub(crate) tool_name: String,
}

impl Shown {
    /// What was left open. The end of a session closes what was running, an interruption does not.
    pub(crate) fn left_open(&self) -> Vec<LeftOpen> {
        let items = self.timeline.items.iter().filter(|item| item.kind == TimelineKind::Turn);
        // The entry in which each turn began; the last one of its id.
        let began: HashMap<&str, Seq> = items.filter_map(|item| Some((item.turn_id.as_deref()?, item.seq))).collect();
        let open = self.session.record.turns.iter().filter(|turn| {
            !turn.meaning().is_over() && began.get(turn.turn_id.as_str()).is_none_or(|seq| *seq > self.ending.ended_at)
        });
        let mut approvals = self.open_approvals(&began);
        let open = open.map(|turn| LeftOpen {
            turn_id: turn.turn_id.clone(),
            calls: open_calls(turn),
            approvals: approvals.remove(turn.turn_id.as_str()).unwrap_or_default(),
        });
        open.collect()
    }

    /// The open approvals of each turn, from one pass: both turns and approvals may be many.
    fn open_approvals(&self, began: &HashMap<&str, Seq>) -> HashMap<&str, Vec<LeftOpenApproval>> {
        let mut open: HashMap<&str, Vec<LeftOpenApproval>> = HashMap::new();
        let pending =
            self.timeline.items.iter().filter(|item| item.kind == TimelineKind::Approval && item.ended_at.is_none());
        for item in pending {
            let Some(turn_id) = item.turn_id.as_deref() else { continue };
            if began.get(turn_id).is_none_or(|began| item.seq > *began) {
                let approval_id = item.id.clone().unwrap_or_default();
                open.entry(turn_id).or_default().push(LeftOpenApproval { approval_id, title: item.title.clone() });
            }
        }
        open
    }
}

fn open_calls(turn: &TurnRecord) -> Vec<LeftOpenCall> {
    let open = turn.tool_calls.iter().filter(|call| !call.meaning().is_over());
    open.map(|call| LeftOpenCall { call_id: call.call_id.clone(), tool_name: call.tool_name.clone() }).collect()
}

/// Folds entries into what is [`Shown`].
#[derive(Default)]
pub(crate) struct ShowFold {
    session: SessionFold,
    summary: SummaryFold,
    timeline: TimelineFold,
    ending: Ending,
}

impl Reducer for ShowFold {
    type Output = Shown;

    fn begin(&mut self, origin: &Origin) {
        self.session.begin(origin);
        self.summary.begin(origin);
        self.timeline.begin(origin);
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.session.entry(entry);
        self.summary.entry(entry);
        self.timeline.entry(entry);
        self.ending.entry(entry);
    }

    fn gap(&mut self, gap: &Gap) {
        self.session.gap(gap);
        self.summary.gap(gap);
        self.timeline.gap(gap);
    }

    fn finish(mut self) -> Shown {
        let session = self.session.finish();
        if let Some(error) = &mut self.ending.last_error {
            error.name_tool(&session);
        }
        let timeline = self.timeline.finish();
        let errors = errors_of(&timeline.items, std::mem::take(&mut self.ending.failures));
        Shown { session, summary: self.summary.finish(), timeline, ending: self.ending, errors }
    }
}

/// Why each item failed: the newest of its kind, turn and id that had begun by then. A retry is an item of its own.
fn errors_of(items: &[TimelineItem], failures: Vec<Failure>) -> HashMap<ItemKey, String> {
    let mut named: HashMap<(TimelineKind, &str, Option<&str>), Vec<&TimelineItem>> = HashMap::new();
    for item in items {
        let turn_id = item.turn_id.as_deref().unwrap_or_default();
        named.entry((item.kind, turn_id, item.id.as_deref())).or_default().push(item);
    }
    let mut errors = HashMap::new();
    for failure in failures {
        let its = named.get(&(failure.kind, failure.turn_id.as_str(), failure.id.as_deref()));
        let begun = its.and_then(|its| its[..its.partition_point(|item| item.seq <= failure.seq)].last());
        if let Some(item) = begun {
            errors.insert(key(item), failure.message);
        }
    }
    errors
}

impl LastError {
    /// The end of a call need not name its tool; its start did.
    fn name_tool(&mut self, session: &Session) {
        let turns = session.record.turns.iter().filter(|turn| turn.turn_id == self.turn_id);
        let mut calls = turns.flat_map(|turn| &turn.tool_calls);
        if let Some(call) = calls.find(|call| Some(&call.call_id) == self.id.as_ref()) {
            self.what = format!("{} {}", call.tool_name, call.call_id);
        }
    }
}

impl Ending {
    fn entry(&mut self, entry: &Entry<'_>) {
        self.closed = None;
        if !entry.is_recorders_own() {
            self.first_event.get_or_insert(entry.time());
            self.has_own_time = entry.observed().is_some();
            self.silence = self.last_event.map(|(_, before)| entry.time().since(before));
            self.last_event = Some((entry.seq(), entry.time()));
            self.last_activity = self.last_activity.max(Some(entry.time()));
            self.reopened = None;
            self.ended = None;
        }
        // What streams in says nothing about the end, and there is much of it.
        if matches!(entry.type_name(), "text_delta" | "reasoning_delta" | "tool_call_output") {
            return;
        }
        match entry.event() {
            Ok(Event::JournalRecovered(_)) => self.reopened = Some(entry.time()),
            Ok(Event::JournalClosed(closed)) => self.closed = Some((closed.reason.into_string(), entry.time())),
            Ok(Event::SessionEnded(ended)) => {
                self.ended_at = entry.seq();
                self.ended = Some((ended.reason.unwrap_or_default().into_string(), entry.time()));
            }
            Ok(event) => self.error(entry, &event),
            Err(_) => {}
        }
    }

    /// Keeps what went wrong, if something did.
    fn error(&mut self, entry: &Entry<'_>, event: &Event<'_>) {
        let (kind, turn_id, id, what, status, message) = match event {
            Event::TurnEnded(turn) => {
                let error = turn.error.as_deref();
                let status = turn.status.clone().unwrap_or_default().meaning(error);
                (TimelineKind::Turn, &*turn.turn_id, None, format!("turn {}", turn.turn_id), status, error)
            }
            Event::TurnRecorded(recorded) => {
                let turn = &recorded.turn;
                for call in &turn.tool_calls {
                    let what = format!("{} {}", call.tool_name, call.call_id);
                    let id = Some(&*call.call_id);
                    let error = call.error.as_deref();
                    self.failed(entry, TimelineKind::ToolCall, &turn.turn_id, id, what, call.meaning(), error);
                }
                let what = format!("turn {}", turn.turn_id);
                (TimelineKind::Turn, &*turn.turn_id, None, what, turn.meaning(), turn.error.as_deref())
            }
            Event::ToolCallEnded(call) => {
                let what = format!("{} {}", call.tool_name.as_deref().unwrap_or("call"), call.call_id);
                let error = call.error.as_deref();
                let status = call.status.clone().unwrap_or_default().meaning(error);
                (TimelineKind::ToolCall, &*call.turn_id, Some(&*call.call_id), what, status, error)
            }
            Event::ToolCallRecorded(recorded) => {
                let call = &recorded.call;
                let what = format!("{} {}", call.tool_name, call.call_id);
                let (turn_id, id) = (&*recorded.turn_id, Some(&*call.call_id));
                (TimelineKind::ToolCall, turn_id, id, what, call.meaning(), call.error.as_deref())
            }
            Event::ModelCallEnded(call) => {
                let what = format!("model call {}", call.model_call_id);
                let error = call.error.as_deref();
                let status = ToolCallStatus::from(call.status.as_deref().unwrap_or("success")).meaning(error);
                (TimelineKind::ModelCall, &*call.turn_id, Some(&*call.model_call_id), what, status, error)
            }
            _ => return,
        };
        self.failed(entry, kind, turn_id, id, what, status, message);
    }

    #[allow(clippy::too_many_arguments, reason = "an end is told by that many things, and this is where they meet")]
    fn failed(
        &mut self,
        entry: &Entry<'_>,
        kind: TimelineKind,
        turn_id: &str,
        id: Option<&str>,
        what: String,
        status: StatusMeaning,
        message: Option<&str>,
    ) {
        if !status.is_failure() {
            return;
        }
        let (turn_id, id) = (turn_id.to_owned(), id.map(str::to_owned));
        let message = message.filter(|message| !message.is_empty());
        if let Some(message) = message {
            let (turn_id, id) = (turn_id.clone(), id.clone());
            self.failures.push(Failure { seq: entry.seq(), kind, turn_id, id, message: message.to_owned() });
        }
        let message = message.unwrap_or(status.as_str()).to_owned();
        self.last_error = Some(LastError { seq: entry.seq(), time: entry.time(), turn_id, id, what, message });
    }
}
