//! What happened, item by item, in its true order.

use super::fold::Shown;
use crate::cli::out::{Look, Out};
use crate::cli::verify::gap_line;
use crate::cli::{Failure, clean, look};
use foldlog::{Gap, StatusMeaning, TimelineItem, TimelineKind, ToolCallRecord, TurnRecord};
use std::collections::HashMap;

/// How far what belongs to a turn stands in.
const INDENT: &str = "    ";

/// Which items are shown.
pub(crate) struct Filter<'a> {
    pub(crate) turn: Option<&'a str>,
    pub(crate) failed: bool,
}

/// Items that somebody should look at.
pub(crate) fn has_failed(item: &TimelineItem) -> bool {
    item.meaning().is_some_and(|meaning| meaning.is_failure() || meaning == StatusMeaning::Interrupted)
}

impl Filter<'_> {
    /// The items that pass, in order. With `failed`, the turn of what failed is shown too, so that it has a place.
    pub(crate) fn select<'i>(&self, items: &'i [TimelineItem]) -> Vec<&'i TimelineItem> {
        let of_turn = |item: &&TimelineItem| self.turn.is_none_or(|turn| item.turn_id.as_deref() == Some(turn));
        let items: Vec<&TimelineItem> = items.iter().filter(of_turn).collect();
        if !self.failed {
            return items;
        }
        let holds_failure: std::collections::HashSet<&str> =
            items.iter().filter(|item| has_failed(item)).filter_map(|item| item.turn_id.as_deref()).collect();
        let is_their_turn = |item: &TimelineItem| {
            item.kind == TimelineKind::Turn && item.turn_id.as_deref().is_some_and(|id| holds_failure.contains(id))
        };
        items.into_iter().filter(|item| has_failed(item) || is_their_turn(item)).collect()
    }
}

/// Writes items for people.
pub(crate) struct Body<'a> {
    turns: HashMap<&'a str, &'a TurnRecord>,
    calls: HashMap<(&'a str, &'a str), &'a ToolCallRecord>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(shown: &'a Shown) -> Body<'a> {
        let turns = &shown.session.record.turns;
        let calls = turns.iter().flat_map(|turn| turn.tool_calls.iter().map(move |call| (turn, call)));
        Body {
            turns: turns.iter().map(|turn| (turn.turn_id.as_str(), turn)).collect(),
            calls: calls.map(|(turn, call)| ((turn.turn_id.as_str(), call.call_id.as_str()), call)).collect(),
        }
    }

    /// Writes one item.
    pub(crate) fn item(&self, item: &TimelineItem, out: &mut Out) -> Result<(), Failure> {
        match item.kind {
            TimelineKind::Turn => self.turn(item, out),
            TimelineKind::Text => {
                for line in look::wrap(&item.title, INDENT, out.width()) {
                    out.line(&line)?;
                }
                Ok(())
            }
            TimelineKind::Reasoning => {
                let line = self.one_line(item, "∴", Look::Plain, out);
                out.line(&out.paint(Look::Dim, &line))
            }
            TimelineKind::ToolCall => {
                let (symbol, look) = symbol(item.meaning(), "→");
                let line = self.one_line(item, symbol, look, out);
                out.line(&line)?;
                self.call_error(item, out)
            }
            TimelineKind::ModelCall => {
                let (symbol, look) = symbol(item.meaning(), "◇");
                let symbol = if look == Look::Good { "◇" } else { symbol };
                let line = self.one_line(item, symbol, if look == Look::Good { Look::Plain } else { look }, out);
                out.line(&line)
            }
            TimelineKind::Transition => {
                let line = self.one_line(item, "⇄", Look::Plain, out);
                out.line(&line)
            }
            _ => {
                let line = self.one_line(item, "·", Look::Dim, out);
                out.line(&line)
            }
        }
    }

    fn turn(&self, item: &TimelineItem, out: &mut Out) -> Result<(), Failure> {
        let turn_id = item.turn_id.as_deref().unwrap_or_default();
        let record = self.turns.get(turn_id);
        let status = item.status.as_deref().unwrap_or_default();
        let (symbol, look) = symbol(item.meaning(), "▶");
        let mut line = format!(
            "{} {}",
            out.paint(look, symbol),
            out.paint(Look::Bold, &format!("turn {}", look::summary(turn_id, 60)))
        );
        if let Some(agent) = record.and_then(|record| record.agent_id.as_deref()) {
            line.push_str(&format!(" · {}", look::summary(agent, 40)));
        }
        line.push_str(&format!(" · {}", look::time(item.time)));
        if let Some(duration) = item.duration_ms.and_then(look::millis) {
            line.push_str(&format!(" · {duration}"));
        }
        if status != "success" {
            line.push_str(&format!(" · {}", out.paint(look, &look::summary(status, 40))));
        }
        out.line("")?;
        out.line(&line)?;
        for line in look::wrap(&item.title, "  > ", out.width()) {
            out.line(&line)?;
        }
        if let Some(error) = record.and_then(|record| record.error.as_deref()) {
            for line in look::wrap(error, "  ✗ ", out.width()) {
                out.line(&out.paint(Look::Bad, &line))?;
            }
        }
        Ok(())
    }

    /// Why a call failed, under its line.
    fn call_error(&self, item: &TimelineItem, out: &mut Out) -> Result<(), Failure> {
        let (Some(turn_id), Some(id)) = (item.turn_id.as_deref(), item.id.as_deref()) else { return Ok(()) };
        let Some(call) = self.calls.get(&(turn_id, id)).filter(|_| has_failed(item)) else { return Ok(()) };
        // A retry is an item of its own, and the record keeps only what came of the last.
        if item.meaning() != Some(call.meaning()) {
            return Ok(());
        }
        let indent = format!("{INDENT}  ");
        let room = out.summary_width().saturating_sub(indent.len()).max(20);
        match &call.error {
            Some(error) => out.line(&format!("{indent}{}", out.paint(Look::Bad, &look::summary(error, room)))),
            None => Ok(()),
        }
    }

    /// An item on one line, cut to the width.
    fn one_line(&self, item: &TimelineItem, symbol: &str, look: Look, out: &Out) -> String {
        let indent = if item.turn_id.is_some() { INDENT } else { "" };
        let mut after = String::new();
        if let Some(duration) = item.duration_ms.and_then(look::millis) {
            after.push_str(&format!("  {duration}"));
        }
        match item.status.as_deref() {
            None | Some("success") => {}
            Some(status) => after.push_str(&format!("  {}", look::summary(status, 40))),
        }
        let used = look::columns(indent) + 2 + look::columns(&after);
        let title = look::summary(&item.title, out.summary_width().saturating_sub(used).max(20));
        format!("{indent}{} {title}{}", out.paint(look, symbol), out.paint(Look::Dim, &after)).trim_end().to_owned()
    }
}

fn symbol(meaning: Option<StatusMeaning>, running: &'static str) -> (&'static str, Look) {
    match meaning {
        Some(StatusMeaning::Success) => ("✓", Look::Good),
        Some(StatusMeaning::Error | StatusMeaning::Timeout) => ("✗", Look::Bad),
        Some(StatusMeaning::Interrupted | StatusMeaning::Cancelled | StatusMeaning::Skipped) => ("⊘", Look::Warn),
        Some(StatusMeaning::Unknown) => ("?", Look::Warn),
        _ => (running, Look::Plain),
    }
}

/// What was odd, and what could not be read.
pub(crate) fn foot(shown: &Shown, gaps: &[Gap], out: &mut Out) -> Result<(), Failure> {
    let anomalies = &shown.session.anomalies;
    if !anomalies.is_empty() {
        out.line("")?;
        out.line(&out.paint(Look::Bold, "odd about the order of events:"))?;
    }
    for anomaly in anomalies {
        out.line(&format!("  {}", clean::visible(&anomaly.to_string())))?;
    }
    if !gaps.is_empty() {
        out.line("")?;
        out.line(&out.paint(Look::Bold, "not readable:"))?;
    }
    for gap in gaps {
        out.line(&format!("  {}", gap_line(gap, out)))?;
    }
    Ok(())
}
