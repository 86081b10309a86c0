//! Everything that `show` needs, from one pass over the entries.

use foldlog::{
    Entry, Event, Gap, Origin, Reducer, Seq, Session, SessionFold, SessionSummary, SummaryFold, Timeline, TimelineFold,
    TimelineKind, Timestamp, ToolCallStatus, TurnRecord,
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
}

/// How the entries end.
#[derive(Default)]
pub(crate) struct Ending {
    /// The time of the first entry that the recorder did not write itself.
    pub(crate) first_event: Option<Timestamp>,
    /// The last such entry.
    pub(crate) last_event: Option<(Seq, Timestamp)>,
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
        open.map(|turn| LeftOpen { turn_id: turn.turn_id.clone(), calls: open_calls(turn) }).collect()
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
        Shown { session, summary: self.summary.finish(), timeline: self.timeline.finish(), ending: self.ending }
    }
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
            self.silence = self.last_event.map(|(_, before)| entry.time().since(before));
            self.last_event = Some((entry.seq(), entry.time()));
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
        let (turn_id, id, what, status, message) = match event {
            Event::TurnEnded(turn) => {
                let what = format!("turn {}", turn.turn_id);
                let error = turn.error.as_deref();
                (&*turn.turn_id, None, what, turn.status.clone().unwrap_or_default().meaning(error), error)
            }
            Event::TurnRecorded(recorded) => {
                let turn = &recorded.turn;
                (&*turn.turn_id, None, format!("turn {}", turn.turn_id), turn.meaning(), turn.error.as_deref())
            }
            Event::ToolCallEnded(call) => {
                let what = format!("{} {}", call.tool_name.as_deref().unwrap_or("call"), call.call_id);
                let error = call.error.as_deref();
                let status = call.status.clone().unwrap_or_default().meaning(error);
                (&*call.turn_id, Some(&*call.call_id), what, status, error)
            }
            Event::ToolCallRecorded(recorded) => {
                let call = &recorded.call;
                let what = format!("{} {}", call.tool_name, call.call_id);
                (&*recorded.turn_id, Some(&*call.call_id), what, call.meaning(), call.error.as_deref())
            }
            Event::ModelCallEnded(call) => {
                let what = format!("model call {}", call.model_call_id);
                let error = call.error.as_deref();
                let status = ToolCallStatus::from(call.status.as_deref().unwrap_or("success")).meaning(error);
                (&*call.turn_id, Some(&*call.model_call_id), what, status, error)
            }
            _ => return,
        };
        if !status.is_failure() {
            return;
        }
        self.last_error = Some(LastError {
            seq: entry.seq(),
            time: entry.time(),
            turn_id: turn_id.to_owned(),
            id: id.map(str::to_owned),
            what,
            message: message.filter(|message| !message.is_empty()).unwrap_or(status.as_str()).to_owned(),
        });
    }
}
