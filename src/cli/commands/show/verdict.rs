//! The verdict: three lines that say how a session stands, before anything else is told.

use super::fold::{LastError, LeftOpen, Shown};
use crate::cli::exit::Failure;
use crate::cli::select::state_word;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::{human, sanitize};
use foldlog::{Anomaly, Gap, SessionId, SessionState, Timestamp, WorkspaceId};
use serde::Serialize;

/// The verdict as `--json` has it.
#[derive(Serialize)]
pub(crate) struct Verdict<'a> {
    kind: &'static str,
    session_id: &'a SessionId,
    workspace_id: Option<&'a WorkspaceId>,
    agent_id: Option<&'a str>,
    state: &'static str,
    started: String,
    last_seq: Option<u64>,
    last_activity: Option<Timestamp>,
    /// How long nothing had come before the last event.
    silence_ms: Option<u64>,
    ended: Option<&'a str>,
    closed: Option<&'a str>,
    reopened: Option<Timestamp>,
    turns: u64,
    calls: u64,
    last_error: Option<&'a LastError>,
    open: Vec<LeftOpen>,
    anomalies: &'a [Anomaly],
    gaps: &'a [Gap],
}

impl<'a> Verdict<'a> {
    pub(crate) fn new(shown: &'a Shown, gaps: &'a [Gap], live: bool) -> Verdict<'a> {
        let (record, ending) = (&shown.session.record, &shown.ending);
        Verdict {
            kind: "verdict",
            session_id: &record.session_id,
            workspace_id: record.workspace_id.as_ref(),
            agent_id: record.agent_id.as_deref(),
            state: state_word(state(shown, live)),
            started: started(shown).map_or_else(|| record.created_at.clone(), |started| started.to_string()),
            last_seq: ending.last_event.map(|(seq, _)| seq.get()),
            last_activity: ending.last_activity,
            silence_ms: ending.silence.map(|silence| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX)),
            ended: ending.ended.as_ref().map(|(reason, _)| reason.as_str()),
            closed: ending.closed.as_ref().map(|(reason, _)| reason.as_str()),
            reopened: ending.reopened,
            turns: shown.summary.totals.turns.started,
            calls: calls(shown),
            last_error: ending.last_error.as_ref(),
            open: shown.left_open(),
            anomalies: &shown.session.anomalies,
            gaps,
        }
    }
}

fn calls(shown: &Shown) -> u64 {
    shown.summary.totals.tool_calls.values().map(|calls| calls.count).sum()
}

fn state(shown: &Shown, live: bool) -> SessionState {
    let ending = &shown.ending;
    match (live, &ending.ended) {
        (true, _) => SessionState::Live,
        (false, Some(_)) => SessionState::Ended,
        (false, None) if ending.closed.is_none() || ending.reopened.is_some() => SessionState::Interrupted,
        (false, None) if !shown.left_open().is_empty() => SessionState::Interrupted,
        (false, None) => SessionState::Idle,
    }
}

/// Writes the three lines.
pub(crate) fn print(shown: &Shown, live: bool, out: &mut Out) -> Result<(), Failure> {
    out.line(&what_it_is(shown, live, out))?;
    out.line(&how_it_ended(shown, live, out))?;
    out.line(&what_is_open(shown, live, out))
}

fn what_it_is(shown: &Shown, live: bool, out: &Out) -> String {
    let record = &shown.session.record;
    let mut parts = vec![out.paint(Look::Bold, &human::summary(record.session_id.as_str(), 80))];
    let workspace = record.workspace_id.as_ref().map(|id| id.as_str());
    match (workspace, record.agent_id.as_deref()) {
        (None, None) => {}
        (workspace, agent) => {
            let whose: Vec<String> =
                [workspace, agent].into_iter().flatten().map(|id| human::summary(id, 40)).collect();
            parts.push(whose.join("/"));
        }
    }
    let started = started(shown);
    parts.push(match started {
        Some(started) => format!("started {}", human::time(started)),
        None => format!("started {}", human::summary(&record.created_at, 40)),
    });
    let last = if live { Some(Timestamp::now()) } else { shown.ending.last_activity };
    // Events that brought an older time than their session's start tell nothing about how long it took.
    if let (Some(started), Some(last)) = (started, last.filter(|last| started.is_some_and(|began| began <= *last))) {
        parts.push(format!("lasted {}", human::duration(last.since(started))));
    }
    let (turns, calls) = (shown.summary.totals.turns.started, calls(shown));
    parts.push(format!("{}, {}", human::count(turns, "turn"), human::count(calls, "call")));
    parts.join(" · ")
}

/// When it began: a session may be named after its first turns, so that its first event counts too.
fn started(shown: &Shown) -> Option<Timestamp> {
    // Without any header that can be read, the record's start is 1970: unknown.
    let created = Timestamp::parse_rfc3339(&shown.session.record.created_at).filter(|created| created.micros() != 0);
    created.into_iter().chain(shown.ending.first_event).min()
}

fn how_it_ended(shown: &Shown, live: bool, out: &Out) -> String {
    let ending = &shown.ending;
    // A reason that only repeats the word says nothing.
    let because = |word: &str, reason: &str| match reason {
        reason if reason.is_empty() || reason == word => String::new(),
        reason => format!(" ({})", human::summary(reason, 60)),
    };
    let state = state(shown, live);
    let (symbol, look, words) = match (state, &ending.ended, &ending.closed) {
        (SessionState::Live, _, _) => ("●", Look::Good, still_recorded(shown)),
        (_, Some((reason, time)), _) => {
            ("✓", Look::Good, format!("ended{} at {}", because("ended", reason), human::time(*time)))
        }
        (_, None, Some((reason, time))) if ending.reopened.is_none() => {
            // The recorder's clock says when an import closed it, and nothing about the run.
            let closed = match ending.last_activity.filter(|_| ending.has_own_time) {
                Some(last) => format!("closed{}; last event at {}", because("closed", reason), human::time(last)),
                None => format!("closed{} at {}", because("closed", reason), human::time(*time)),
            };
            match state {
                SessionState::Interrupted => ("⊘", Look::Warn, format!("interrupted: {closed} with work left open")),
                _ => ("✓", Look::Good, closed),
            }
        }
        _ => ("✗", Look::Bad, died(shown)),
    };
    let mut line = format!("{} {words}", out.paint(look, symbol));
    if let Some(error) = &ending.last_error {
        let place = format!("; last error at seq {} in {}: ", error.seq, human::summary(&error.what, 60));
        let used = human::columns(&words) + 2 + human::columns(&place);
        line.push_str(&place);
        line.push_str(&out.paint(
            Look::Bad,
            &human::summary(human::last_line(&error.message), out.summary_width().saturating_sub(used).max(40)),
        ));
    }
    line
}

fn still_recorded(shown: &Shown) -> String {
    match shown.ending.last_event {
        Some((seq, time)) => {
            let ago = human::duration(Timestamp::now().since(time));
            format!("still being recorded; last entry seq {seq} at {}, {ago} ago", human::time(time))
        }
        None => "still being recorded; no entry yet".to_owned(),
    }
}

/// A run that did not come to an end: when it was last heard of, and how long it had been silent before.
fn died(shown: &Shown) -> String {
    let ending = &shown.ending;
    let Some((seq, time)) = ending.last_event else {
        return "interrupted, no clean end; there is no entry".to_owned();
    };
    let mut words = format!("interrupted, no clean end; last entry seq {seq} at {}", human::time(time));
    if let Some(silence) = ending.silence {
        words.push_str(&format!(", {} of silence before it", human::duration(silence)));
    }
    match ending.reopened {
        Some(reopened) => words
            .push_str(&format!(", nothing after it until reopened {} later", human::duration(reopened.since(time)))),
        None => words.push_str(&format!(", nothing in the {} since", human::duration(Timestamp::now().since(time)))),
    }
    words
}

fn what_is_open(shown: &Shown, live: bool, out: &Out) -> String {
    let open = shown.left_open();
    if open.is_empty() {
        return if live { "nothing running".to_owned() } else { "nothing left open".to_owned() };
    }
    let turns: Vec<String> = open.iter().map(open_turn).collect();
    let words = format!("{}: {}", if live { "running" } else { "left open" }, turns.join("; "));
    out.paint(if live { Look::Plain } else { Look::Warn }, &sanitize::visible(&words))
}

fn open_turn(turn: &LeftOpen) -> String {
    let mut words = format!("turn {}", turn.turn_id);
    let calls: Vec<String> = turn.calls.iter().map(|call| format!("{} {}", call.tool_name, call.call_id)).collect();
    if !calls.is_empty() {
        words.push_str(&format!(" with {}", calls.join(", ")));
    }
    let approvals = turn.approvals.iter().map(|approval| match approval.title.is_empty() {
        true => approval.approval_id.clone(),
        false => format!("{} ({})", approval.approval_id, human::summary(&approval.title, 60)),
    });
    let approvals: Vec<String> = approvals.collect();
    if !approvals.is_empty() {
        words.push_str(&format!(", waiting for approval {}", approvals.join(", ")));
    }
    words
}
