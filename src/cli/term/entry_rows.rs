//! Entries for people, one line each: time, number, symbol, what, how long. What streamed in piece by piece is
//! joined into flowing text.

use super::out::{Look, Out};
use super::{human, sanitize};
use crate::cli::exit::Failure;
use foldlog::{Entry, Event, StatusMeaning, Timestamp, ToolCallStatus};
use std::collections::HashMap;
use std::time::Duration;

/// How many columns the time, the number and the symbol take.
const PREFIX: usize = 37;
/// How many columns the name of a session takes at most, where there are several.
const NAME_MOST: usize = 24;

/// Writes entries, one after the other.
#[derive(Default)]
pub(crate) struct Rows {
    /// Entries are of several sessions: each names its own, in so many columns.
    names: Option<usize>,
    /// The stream whose text is on the current line.
    flow: Option<Flow>,
    /// Line breaks of that text that nothing has followed yet: output mostly ends with one.
    breaks: usize,
    /// When turns and calls began whose ends may come.
    began: HashMap<(String, String, String), Began>,
}

/// A turn or call that is running.
struct Began {
    at: Timestamp,
    /// What was called; nothing for a turn.
    tool_name: String,
}

/// Text that streams in: what it is, of which session and turn, and of which call.
#[derive(Clone, PartialEq)]
struct Flow {
    symbol: &'static str,
    session: String,
    turn_id: String,
    of: String,
}

/// What an entry comes to on one line.
struct Row {
    symbol: &'static str,
    look: Look,
    what: String,
    duration_ms: Option<f64>,
}

impl Rows {
    /// Rows of several sessions.
    pub(crate) fn of_sessions() -> Rows {
        Rows { names: Some(0), ..Rows::default() }
    }

    /// Writes an entry of a session.
    pub(crate) fn entry(&mut self, session: &str, entry: &Entry<'_>, out: &mut Out) -> Result<(), Failure> {
        if let Some(columns) = &mut self.names {
            *columns = (*columns).max(human::columns(session)).min(NAME_MOST);
        }
        let event = match entry.event() {
            Ok(event) => event,
            Err(error) => {
                let row = Row { symbol: "?", look: Look::Warn, what: error.to_string(), duration_ms: None };
                return self.row(session, entry, row, out);
            }
        };
        let flow = |symbol, turn_id: &str, of: Option<&str>| Flow {
            symbol,
            session: session.to_owned(),
            turn_id: turn_id.to_owned(),
            of: of.unwrap_or_default().to_owned(),
        };
        match &event {
            Event::TextDelta(delta) => {
                let flow = flow("¶", &delta.turn_id, delta.model_call_id.as_deref());
                self.flowing(entry, flow, &delta.text, out)
            }
            Event::ReasoningDelta(delta) => {
                let flow = flow("∴", &delta.turn_id, delta.model_call_id.as_deref());
                self.flowing(entry, flow, &delta.text, out)
            }
            Event::ToolCallOutput(output) => {
                let flow = flow("»", &output.turn_id, Some(&output.call_id));
                self.flowing(entry, flow, &output.text, out)
            }
            _ => {
                let row = self.describe(session, entry, &event);
                self.row(session, entry, row, out)
            }
        }
    }

    /// Ends the line that text is flowing on, if there is one.
    pub(crate) fn end(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.breaks = 0;
        match self.flow.take() {
            Some(_) => out.text("\n"),
            None => Ok(()),
        }
    }

    /// What stands before every row: when, which session, which number.
    fn prefix(&self, session: &str, entry: &Entry<'_>, out: &Out) -> String {
        let time = human::time_ms(entry.time());
        let name = self.names.map(|columns| {
            let name = human::summary(session, columns);
            format!(" {name}{}", " ".repeat(columns.saturating_sub(human::columns(&name))))
        });
        out.paint(Look::Dim, &format!("{time}{} {:>9}", name.unwrap_or_default(), entry.seq().get()))
    }

    fn indent(&self) -> usize {
        PREFIX + self.names.map_or(0, |columns| columns + 1)
    }

    fn flowing(&mut self, entry: &Entry<'_>, flow: Flow, text: &str, out: &mut Out) -> Result<(), Failure> {
        if self.flow.as_ref() != Some(&flow) {
            self.end(out)?;
            out.text(&format!("{} {} ", self.prefix(&flow.session, entry, out), flow.symbol))?;
            self.flow = Some(flow);
        }
        let indent = " ".repeat(self.indent());
        for (at, line) in text.split('\n').enumerate() {
            self.breaks += usize::from(at > 0);
            let line = line.strip_suffix('\r').unwrap_or(line).replace('\t', "    ");
            if line.is_empty() {
                continue;
            }
            for left in (0..std::mem::take(&mut self.breaks)).rev() {
                out.text("\n")?;
                out.text(if left == 0 { &indent } else { "" })?;
            }
            out.text(&sanitize::visible(&line))?;
        }
        Ok(())
    }

    fn row(&mut self, session: &str, entry: &Entry<'_>, row: Row, out: &mut Out) -> Result<(), Failure> {
        self.end(out)?;
        let duration = row.duration_ms.and_then(human::millis).map(|duration| format!("  {duration}"));
        let duration = duration.unwrap_or_default();
        let room = out.summary_width().saturating_sub(self.indent() + human::columns(&duration)).max(20);
        let line = format!(
            "{} {} {}{}",
            self.prefix(session, entry, out),
            out.paint(row.look, row.symbol),
            human::summary(&row.what, room),
            out.paint(Look::Dim, &duration)
        );
        out.line(line.trim_end())
    }

    fn describe(&mut self, session: &str, entry: &Entry<'_>, event: &Event<'_>) -> Row {
        let key = |turn_id: &str, call_id: &str| (session.to_owned(), turn_id.to_owned(), call_id.to_owned());
        let (symbol, look, what) = match event {
            Event::TurnStarted(turn) => {
                self.began.insert(key(&turn.turn_id, ""), Began { at: entry.time(), tool_name: String::new() });
                ("▶", Look::Bold, said(&format!("turn {}", turn.turn_id), Some(&turn.prompt)))
            }
            Event::TurnEnded(turn) => {
                let (symbol, look) = symbol(turn.status.clone().unwrap_or_default().meaning(turn.error.as_deref()));
                let detail = turn.error.as_deref().or(turn.response_content.as_deref());
                let what = said(&format!("turn {} ended", turn.turn_id), detail);
                let began = self.began.remove(&key(&turn.turn_id, ""));
                let duration_ms = began.map(|began| millis(entry.time().since(began.at)));
                return Row { symbol, look, what, duration_ms };
            }
            Event::ToolCallStarted(call) => {
                let began = Began { at: entry.time(), tool_name: call.tool_name.to_string() };
                self.began.insert(key(&call.turn_id, &call.call_id), began);
                let arguments = call.arguments.as_ref().map_or("", |arguments| arguments.as_str());
                ("→", Look::Plain, format!("{} {arguments}", call.tool_name))
            }
            Event::ToolCallEnded(call) => {
                let (symbol, look) = symbol(call.status.clone().unwrap_or_default().meaning(call.error.as_deref()));
                let began = self.began.remove(&key(&call.turn_id, &call.call_id));
                let started = began.as_ref().map(|began| began.tool_name.as_str());
                let name = call.tool_name.as_deref().or(started).unwrap_or(&call.call_id);
                let result = call.result.as_ref().map(|result| result.to_text().unwrap_or(result.as_str().to_owned()));
                let what = said(&format!("{name} ended"), call.error.as_deref().or(result.as_deref()));
                let duration_ms = began.map(|began| millis(entry.time().since(began.at)));
                return Row { symbol, look, what, duration_ms: call.duration_ms.or(duration_ms) };
            }
            Event::ToolCallRecorded(recorded) => {
                let call = &recorded.call;
                let (symbol, look) = symbol(call.meaning());
                let what = said(&format!("{} {}", call.tool_name, call.arguments.as_str()), call.error.as_deref());
                return Row { symbol, look, what, duration_ms: call.duration_ms };
            }
            Event::ModelCallEnded(call) => {
                let status = ToolCallStatus::from(call.status.as_deref().unwrap_or("success"));
                let (symbol, look) = match status.meaning(call.error.as_deref()) {
                    StatusMeaning::Success => ("◆", Look::Plain),
                    meaning => symbol(meaning),
                };
                let model = call.model.as_deref().unwrap_or(&call.model_call_id);
                let what = said(&format!("{model} ended"), call.error.as_deref().or(call.text.as_deref()));
                return Row { symbol, look, what, duration_ms: call.duration_ms };
            }
            other => describe_plain(entry, other),
        };
        Row { symbol, look, what, duration_ms: None }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Events that take no time.
fn describe_plain(entry: &Entry<'_>, event: &Event<'_>) -> (&'static str, Look, String) {
    match event {
        Event::SessionStarted(started) => {
            let mut what = format!("session {} started", started.session_id);
            for (name, value) in [("workspace", &started.workspace_id), ("agent", &started.agent_id)] {
                if let Some(value) = value {
                    what.push_str(&format!(", {name} {value}"));
                }
            }
            ("●", Look::Bold, what)
        }
        Event::SessionUpdated(_) => ("·", Look::Plain, "session updated".to_owned()),
        Event::SessionEnded(ended) => {
            ("■", Look::Bold, said("session ended", ended.reason.as_deref().and_then(|given| reason(given, "ended"))))
        }
        Event::TurnUpdated(turn) => ("·", Look::Plain, format!("turn {} updated", turn.turn_id)),
        Event::TurnRecorded(recorded) => {
            let (symbol, look) = symbol(recorded.turn.meaning());
            (symbol, look, said(&format!("turn {}", recorded.turn.turn_id), Some(&recorded.turn.prompt)))
        }
        Event::ModelCallStarted(call) => {
            ("◇", Look::Plain, call.model.as_deref().unwrap_or(&call.model_call_id).to_owned())
        }
        Event::AgentTransition(transition) => {
            let from = transition.from_agent.as_deref().unwrap_or("?");
            ("⇄", Look::Plain, said(&format!("{from} to {}", transition.to_agent), transition.reason.as_deref()))
        }
        Event::UserMessage(message) => (">", Look::Bold, said("user", Some(&message.text))),
        Event::ApprovalRequested(asked) => {
            let (symbol, look) = approval_symbol(None);
            let question = asked.message.as_deref().or(asked.kind.as_deref());
            (symbol, look, said(&format!("approval {} requested", asked.approval_id), question))
        }
        Event::ApprovalResolved(resolved) => {
            let (symbol, look) = approval_symbol(Some(&resolved.outcome));
            let by = resolved.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
            (symbol, look, format!("approval {}: {}{by}", resolved.approval_id, resolved.outcome))
        }
        Event::ContextCompacted(compacted) => {
            let tokens = match (compacted.tokens_before, compacted.tokens_after) {
                (Some(before), Some(after)) => format!(" from {before} to {after} tokens"),
                _ => String::new(),
            };
            ("≡", Look::Plain, said(&format!("context compacted{tokens}"), compacted.summary.as_deref()))
        }
        Event::TurnsRewound(rewound) => ("↶", Look::Warn, format!("rewound to before turn {}", rewound.from_turn_id)),
        Event::Custom(custom) => ("·", Look::Plain, format!("{} {}", custom.name, custom.value.as_str())),
        Event::Unparsed(unparsed) => {
            let input = unparsed.text.as_deref().or(unparsed.text_base64.as_deref()).unwrap_or_default();
            ("?", Look::Warn, format!("unparsed, {}: {input}", unparsed.error))
        }
        Event::JournalRecovered(recovered) => {
            let what = format!("journal recovered after seq {}, {} left open", recovered.after, recovered.open.len());
            ("#", Look::Warn, what)
        }
        Event::EventsLost(lost) => {
            let what = format!("{} lost", human::count(lost.count, "event"));
            ("#", Look::Bad, said(&what, Some(&lost.reason)))
        }
        Event::JournalClosed(closed) => ("#", Look::Dim, said("journal closed", reason(&closed.reason, "closed"))),
        _ => ("·", Look::Plain, format!("{} {}", entry.type_name(), entry.data())),
    }
}

fn said(what: &str, detail: Option<&str>) -> String {
    match detail {
        Some(detail) if !detail.is_empty() => format!("{what}: {detail}"),
        _ => what.to_owned(),
    }
}

/// Why something ended, unless that only repeats the word for it.
fn reason<'a>(reason: &'a str, word: &str) -> Option<&'a str> {
    Some(reason).filter(|reason| *reason != word)
}

/// How an approval stands: pending, given, denied, or decided in another word.
pub(crate) fn approval_symbol(outcome: Option<&str>) -> (&'static str, Look) {
    match outcome {
        None => ("☐", Look::Warn),
        Some("denied" | "cancelled") => ("☒", Look::Warn),
        Some("approved") => ("☑", Look::Good),
        Some(_) => ("☑", Look::Plain),
    }
}

/// How a turn or call ended.
fn symbol(meaning: StatusMeaning) -> (&'static str, Look) {
    match meaning {
        StatusMeaning::Error | StatusMeaning::Timeout => ("✗", Look::Bad),
        StatusMeaning::Success => ("✓", Look::Good),
        StatusMeaning::Unknown => ("?", Look::Warn),
        _ => ("⊘", Look::Warn),
    }
}
