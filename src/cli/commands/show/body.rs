//! What happened, item by item, in its true order.

use super::fold::{Shown, key};
use crate::cli::commands::verify::gap_line;
use crate::cli::exit::Failure;
use crate::cli::term::entry_rows::approval_symbol;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::{human, sanitize};
use foldlog::{Gap, StatusMeaning, TimelineItem, TimelineKind};
use std::collections::{HashMap, HashSet};

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
    shown: &'a Shown,
    /// The agent of each turn, where one is known.
    agents: HashMap<&'a str, &'a str>,
    /// Errors are written in full.
    in_full: bool,
    /// The turns that have been named.
    named: HashSet<&'a str>,
    /// The turn of the last item that belongs to one.
    current: Option<&'a str>,
}

impl<'a> Body<'a> {
    /// `in_full`: errors are written in full, else their last line.
    pub(crate) fn new(shown: &'a Shown, in_full: bool) -> Body<'a> {
        let turns = shown.session.record.turns.iter();
        let agents = turns.filter_map(|turn| Some((turn.turn_id.as_str(), turn.agent_id.as_deref()?)));
        Body { shown, agents: agents.collect(), in_full, named: HashSet::new(), current: None }
    }

    /// Writes one item, below the name of its turn.
    pub(crate) fn item(&mut self, item: &'a TimelineItem, out: &mut Out) -> Result<(), Failure> {
        if let Some(turn_id) = item.turn_id.as_deref() {
            if item.kind == TimelineKind::Turn {
                self.named.insert(turn_id);
                self.current = Some(turn_id);
            } else if self.current != Some(turn_id) && self.named.contains(turn_id) {
                // Agents work side by side: what follows belongs to another turn than what was last written.
                self.current = Some(turn_id);
                let line = format!("▷ turn {}{} goes on", human::summary(turn_id, 60), self.agent(turn_id));
                out.line(&out.paint(Look::Dim, &line))?;
            }
        }
        self.in_its_turn(item, out)
    }

    fn in_its_turn(&self, item: &TimelineItem, out: &mut Out) -> Result<(), Failure> {
        match item.kind {
            TimelineKind::Turn => self.turn(item, out),
            TimelineKind::Text => write_lines(&human::wrap(&item.title, INDENT, out.width()), out),
            TimelineKind::User => write_lines(&human::wrap(&item.title, "    > ", out.width()), out),
            TimelineKind::Approval => {
                let (symbol, look) = approval_symbol(item.ended_at.and(item.status.as_deref()));
                let line = self.one_line(item, symbol, look, out);
                out.line(&line)
            }
            TimelineKind::Compaction => {
                let line = self.one_line(item, "≡", Look::Plain, out);
                out.line(&line)
            }
            TimelineKind::Reasoning => {
                let line = self.one_line(item, "∴", Look::Plain, out);
                out.line(&out.paint(Look::Dim, &line))
            }
            TimelineKind::ToolCall => {
                let (symbol, look) = symbol(item.meaning(), "→");
                let line = self.one_line(item, symbol, look, out);
                out.line(&line)?;
                self.error(item, out)
            }
            TimelineKind::ModelCall => {
                let (symbol, look) = symbol(item.meaning(), "◇");
                let symbol = if look == Look::Good { "◇" } else { symbol };
                let line = self.one_line(item, symbol, if look == Look::Good { Look::Plain } else { look }, out);
                out.line(&line)?;
                self.error(item, out)
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
        let status = item.status.as_deref().unwrap_or_default();
        let (symbol, look) = symbol(item.meaning(), "▶");
        let mut line = format!(
            "{} {}",
            out.paint(look, symbol),
            out.paint(Look::Bold, &format!("turn {}", human::summary(turn_id, 60)))
        );
        line.push_str(&self.agent(turn_id));
        line.push_str(&format!(" · {}", human::time(item.time)));
        if let Some(duration) = item.duration_ms.and_then(human::millis) {
            line.push_str(&format!(" · {duration}"));
        }
        if status != "success" {
            line.push_str(&format!(" · {}", out.paint(look, &human::summary(status, 40))));
        }
        out.line("")?;
        out.line(&line)?;
        if !item.title.is_empty() {
            write_lines(&human::wrap(&item.title, "  > ", out.width()), out)?;
        }
        match self.shown.errors.get(&key(item)) {
            Some(error) => write_error(error, "  ✗ ", out),
            None => Ok(()),
        }
    }

    /// The agent of a turn, behind its id.
    fn agent(&self, turn_id: &str) -> String {
        let agent = self.agents.get(turn_id);
        agent.map(|agent| format!(" · {}", human::summary(agent, 40))).unwrap_or_default()
    }

    /// Why a call failed, under its line.
    fn error(&self, item: &TimelineItem, out: &mut Out) -> Result<(), Failure> {
        let Some(error) = self.shown.errors.get(&key(item)) else { return Ok(()) };
        let indent = format!("{INDENT}  ");
        if self.in_full {
            return write_error(error, &indent, out);
        }
        let room = out.summary_width().saturating_sub(indent.len()).max(20);
        let line = human::summary(human::last_line(error), room);
        out.line(&format!("{indent}{}", out.paint(Look::Bad, &line)))
    }

    /// An item on one line, cut to the width.
    fn one_line(&self, item: &TimelineItem, symbol: &str, look: Look, out: &Out) -> String {
        let indent = if item.turn_id.is_some() { INDENT } else { "" };
        let mut after = String::new();
        if let Some(duration) = item.duration_ms.and_then(human::millis) {
            after.push_str(&format!("  {duration}"));
        }
        match item.status.as_deref() {
            None | Some("success") => {}
            Some(status) => after.push_str(&format!("  {}", human::summary(status, 40))),
        }
        let used = human::columns(indent) + 2 + human::columns(&after);
        let title = human::summary(&item.title, out.summary_width().saturating_sub(used).max(20));
        format!("{indent}{} {title}{}", out.paint(look, symbol), out.paint(Look::Dim, &after)).trim_end().to_owned()
    }
}

fn write_lines(lines: &[String], out: &mut Out) -> Result<(), Failure> {
    lines.iter().try_for_each(|line| out.line(line))
}

/// An error in full.
fn write_error(error: &str, indent: &str, out: &mut Out) -> Result<(), Failure> {
    for line in human::wrap(error, indent, out.width()) {
        out.line(&out.paint(Look::Bad, &line))?;
    }
    Ok(())
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
        out.line(&format!("  {}", sanitize::visible(&anomaly.to_string())))?;
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
