//! Tests of the folds: text in, text out. Everything that touches the API is in this file.
//!
//! An input is one event a line, `type {data}`; its line number is its sequence number, and it happens that many
//! seconds after midnight.

mod laws;
mod oddities;
mod session;
mod summary;
mod timeline;

use super::{Origin, Reducer, Session, SessionFold, SessionSummary, SummaryFold, TimelineFold};
use crate::format::line::{Decoded, Tail, decode};
use crate::model::id::SessionId;
use crate::model::time::Timestamp;
use serde_json::Value;
use std::fmt::Write;

/// 2026-01-01T00:00:00Z
const MIDNIGHT: i64 = 1_767_225_600_000_000;

/// A type and its data.
type Input = (String, String);

fn inputs(text: &str) -> Vec<Input> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(' ').unwrap_or((line, "{}"))).map(|(t, d)| (t.into(), d.into())).collect()
}

/// The lines of a journal with these events, without line breaks.
fn lines(inputs: &[Input]) -> Vec<Vec<u8>> {
    let line = |(at, (type_name, data)): (usize, &Input)| {
        let seq = at as u64 + 1;
        let mut line = Vec::new();
        let tail = Tail::new(type_name, None, None, data.as_bytes());
        tail.write_line(&mut line, seq, 0, &Timestamp::from_micros(MIDNIGHT + seq as i64 * 1_000_000).to_bytes());
        line.pop();
        line
    };
    inputs.iter().enumerate().map(line).collect()
}

/// Shows one line to a reducer.
fn feed(reducer: &mut impl Reducer, line: &[u8]) {
    match decode(line) {
        Decoded::Entry(entry) => reducer.entry(&entry),
        other => panic!("not an entry: {other:?}"),
    }
}

fn origin() -> Origin {
    let session_id = SessionId::new("s").expect("an id");
    Origin { session_id, journal: None, created: Timestamp::from_micros(MIDNIGHT) }
}

fn fold<R: Reducer + Default>(inputs: &[Input]) -> R::Output {
    let mut reducer = R::default();
    reducer.begin(&origin());
    lines(inputs).iter().for_each(|line| feed(&mut reducer, line));
    reducer.finish()
}

fn session(text: &str) -> Session {
    fold::<SessionFold>(&inputs(text))
}

/// The record as a reader of its JSON sees it.
fn record(text: &str) -> Value {
    serde_json::to_value(session(text).record).expect("a record is JSON")
}

fn summary(text: &str) -> SessionSummary {
    fold::<SummaryFold>(&inputs(text))
}

/// Folds `input` into a session and compares its turns, transitions and anomalies with `expected`.
#[track_caller]
fn check(input: &str, expected: &str) {
    same(&print_session(&session(input)), expected);
}

/// Folds `input` into a timeline and compares its items with `expected`.
#[track_caller]
fn check_timeline(input: &str, expected: &str) {
    let mut out = String::new();
    for item in fold::<TimelineFold>(&inputs(input)).items {
        let kind = serde_json::to_string(&item.kind).expect("a kind");
        let _ = write!(out, "{} {} {}", item.seq, kind.trim_matches('"'), item.title);
        item.status.iter().for_each(|status| out.push_str(&format!(" [{status}]")));
        item.duration_ms.iter().for_each(|ms| out.push_str(&format!(" {ms} ms")));
        out.push('\n');
    }
    same(&out, expected);
}

#[track_caller]
fn same(found: &str, expected: &str) {
    let trimmed = |text: &str| text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(found), trimmed(expected));
}

/// `turn ID STATUS "PROMPT" -> RESPONSE`, `call ID TOOL STATUS ARGUMENTS -> RESULT`, `transition TO`, `! SEQ KIND`.
fn print_session(session: &Session) -> String {
    let mut out = String::new();
    for turn in &session.record.turns {
        let (prompt, response) = (&turn.prompt, &turn.response_content);
        let response = serde_json::to_string(response).expect("text");
        let _ = writeln!(out, "turn {} {} {prompt:?} -> {response}", turn.turn_id, turn.status);
        for call in &turn.tool_calls {
            let (arguments, result) = (&call.arguments, &call.result);
            let name = if call.tool_name.is_empty() { "?" } else { &call.tool_name };
            let _ = writeln!(out, "call {} {name} {} {arguments:?} -> {result:?}", call.call_id, call.status);
        }
    }
    for transition in &session.record.agent_transitions {
        let _ = writeln!(out, "transition {}", transition.to_agent);
    }
    for anomaly in &session.anomalies {
        let kind = serde_json::to_string(&anomaly.kind).expect("a kind");
        let _ = writeln!(out, "! {} {}", anomaly.seq, kind.trim_matches('"'));
    }
    out
}
