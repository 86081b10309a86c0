//! A page in Markdown: prompts and answers as quotations, tool calls folded away, everything else on one line each.
//!
//! Prompts and answers keep their own Markdown. A quotation ends whatever they leave open (a fence that was cut short), and
//! no HTML of theirs stays alive. Everything else that was recorded stands in code, where nothing is obeyed.

use super::options::ExportOptions;
use super::story::{Step, Story, ToolCall, Turn, What};
use super::text::{self, Fence};
use crate::json::{Json, Metadata};
use crate::model::record::{ToolCallRecord, TurnRecord};
use crate::text::phrases::count;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes the page.
pub(super) fn write(story: &Story, _: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Session {}\n", code(story.record.session_id.as_str()))?;
    writeln!(out, "| | |\n|---|---|")?;
    for (name, value) in text::facts(story) {
        writeln!(out, "| {name} | {} |", plain(&value).replace('|', "\\|"))?;
    }
    if story.gaps > 0 {
        let what = count(story.gaps as u64, "place");
        writeln!(out, "\n> **Something is missing.** {what} in the journal could not be read; each is marked below.")?;
    }
    for step in &story.prelude {
        write_step(step, None, out)?;
    }
    for (turn, record) in story.turns() {
        write_turn(turn, record, out)?;
    }
    if !story.anomalies.is_empty() {
        writeln!(out, "\n## Odd about the order of events\n")?;
        for anomaly in &story.anomalies {
            writeln!(out, "- {}", plain(&anomaly.to_string()))?;
        }
    }
    Ok(())
}

fn write_turn(turn: &Turn, record: &TurnRecord, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "\n## Turn {} · {}", turn.number, code(&text::summary(&record.turn_id, 80)))?;
    if let Some(status) = text::status(&turn.status, turn.meaning) {
        write!(out, " · {}", plain(&status))?;
    }
    let mut facts = vec![record.started_at.clone()];
    facts.extend(record.agent_id.clone());
    facts.extend(turn.duration_ms.and_then(text::duration));
    writeln!(out, "\n\n{}", plain(&facts.join(" · ")))?;
    if !record.prompt.is_empty() {
        writeln!(out, "\n**Prompt**\n")?;
        write_quotation(&record.prompt, out)?;
    }
    for step in &turn.steps {
        write_step(step, Some(record), out)?;
    }
    if let Some(error) = &record.error {
        writeln!(out, "\n**The turn failed:**\n")?;
        write_block("", error, out)?;
    }
    write_metadata(&text::own_metadata(&record.metadata), out)?;
    if !turn.span.finished {
        writeln!(out, "\n*The turn has no end: it is {}.*", plain(&turn.status))?;
    }
    Ok(())
}

fn write_step(step: &Step, record: Option<&TurnRecord>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    match &step.what {
        What::Text(text, _) => {
            writeln!(out, "**Answer**\n")?;
            write_quotation(text, out)
        }
        What::Reasoning(text, _) => {
            writeln!(out, "<details><summary>Reasoning</summary>\n")?;
            write_block("", text, out)?;
            writeln!(out, "\n</details>")
        }
        What::ModelCall(call) => {
            let name = call.model.as_deref().unwrap_or("model");
            let facts: Vec<String> = text::model_call(call).iter().map(|fact| plain(fact)).collect();
            writeln!(out, "*Model call {}: {}*", code(&text::summary(name, 80)), facts.join(" · "))?;
            match &call.error {
                Some(error) => {
                    writeln!(out)?;
                    write_block("", error, out)
                }
                None => Ok(()),
            }
        }
        What::ToolCall(call) => write_call(call, record.and_then(|record| call.record(record)), out),
        What::Transition(transition) => {
            let from = transition.from_agent.as_deref().unwrap_or("?");
            write!(out, "*Hand-off: {} → {}", plain(from), plain(&transition.to_agent))?;
            match transition.reason.as_deref() {
                Some(reason) => writeln!(out, ": {}*", plain(&text::summary(reason, 400))),
                None => writeln!(out, "*"),
            }
        }
        What::User(message) => {
            writeln!(out, "**User**\n")?;
            write_quotation(&message.text, out)?;
            if let Some(names) = text::attachments(message) {
                writeln!(out, "\nAttachments: {}", plain(&names))?;
            }
            write_metadata(&message.metadata, out)
        }
        What::Approval(approval) => {
            writeln!(out, "*Approval: {}*", plain(&text::summary(&text::approval(approval), 400)))
        }
        What::Compaction(what) => writeln!(out, "*{}*", plain(&text::summary(what, 400))),
        What::Note(note) => writeln!(out, "*{}*", plain(&text::summary(note, 400))),
        What::Gap(gap) => writeln!(out, "> **Something is missing here:** {}", plain(&gap.to_string())),
    }
}

fn write_call(call: &ToolCall, recorded: Option<&ToolCallRecord>, out: &mut dyn Write) -> io::Result<()> {
    let sign = text::sign(call.meaning);
    let title = text::summary(&call.title, 120);
    let mut facts: Vec<String> = call.duration_ms.and_then(text::duration).into_iter().collect();
    facts.extend(text::status(&call.status, call.meaning));
    let facts: String = facts.iter().map(|fact| format!(" · {}", html(fact))).collect();
    writeln!(out, "<details><summary>{sign} <code>{}</code>{facts}</summary>", html(&title))?;
    match recorded {
        Some(recorded) => {
            if recorded.arguments.as_str() != "{}" {
                write_json("Arguments", &recorded.arguments, out)?;
            }
            if !recorded.result.is_null() {
                write_json("Result", &recorded.result, out)?;
            }
            if let Some(error) = &recorded.error {
                writeln!(out, "\nError:\n")?;
                write_block("", error, out)?;
            }
            write_metadata(&recorded.metadata, out)?;
        }
        None => writeln!(out, "\nIt was tried again; the session's record has the last try.")?,
    }
    writeln!(out, "\n</details>")
}

fn write_json(title: &str, json: &Json, out: &mut dyn Write) -> io::Result<()> {
    let (text, is_json) = text::readable(json);
    writeln!(out, "\n{title}:\n")?;
    write_block(if is_json { "json" } else { "" }, &text, out)
}

fn write_metadata(metadata: &Metadata, out: &mut dyn Write) -> io::Result<()> {
    match metadata.is_empty() {
        true => Ok(()),
        false => writeln!(out, "\nMetadata: {}", code(&text::metadata(metadata))),
    }
}

/// Text in a fence that nothing in it can end.
fn write_block(language: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = text::visible(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(out, "{fence}{language}\n{}\n{fence}", text.strip_suffix('\n').unwrap_or(&text))
}

/// Text with its own Markdown, in a quotation of its own and without live HTML.
fn write_quotation(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = text::visible(text);
    let mut reading = Reading { fence: None, trusts_fences: true, trusts_spans: true };
    for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
        let line = reading.line(line);
        writeln!(out, ">{}{line}", if line.is_empty() { "" } else { " " })?;
    }
    Ok(())
}

/// What is known of Markdown that is read line by line. Where it is code for certain, a `<` stays; everywhere else it is
/// taken for the beginning of HTML. A sign too many in odd code does no harm; a tag would.
struct Reading {
    fence: Option<Fence>,
    /// No fence has been seen that may begin or end elsewhere than at first sight, as those in lists do.
    trusts_fences: bool,
    /// No backticks are open since an earlier line of this paragraph.
    trusts_spans: bool,
}

impl Reading {
    fn line<'l>(&mut self, line: &'l str) -> Cow<'l, str> {
        if let Some(fence) = &self.fence {
            if fence.is_closed_by(line) {
                self.fence = None;
            }
            return Cow::Borrowed(line);
        }
        if line.trim().is_empty() {
            self.trusts_spans = true;
        }
        if self.trusts_fences {
            self.fence = Fence::opened_by(line);
            if self.fence.is_some() {
                return without_html(line, &mut false);
            }
            self.trusts_fences = !line.contains("```") && !line.contains("~~~");
        }
        // In a table a bar ends a cell, and with it whatever code stands there.
        match line.contains('|') {
            true => {
                self.trusts_spans &= !line.contains('`');
                without_html(line, &mut false)
            }
            false => without_html(line, &mut self.trusts_spans),
        }
    }
}

/// A line of Markdown in which no HTML begins. While `spans` holds, code between backticks stays as it is; it ends with
/// backticks that nothing closes on this line.
fn without_html<'l>(line: &'l str, spans: &mut bool) -> Cow<'l, str> {
    if !line.contains(['<', '`']) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 8);
    let mut rest = line;
    while let Some(at) = rest.find(['<', '`', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'<' => {
                out.push_str("&lt;");
                rest = &rest[1..];
                continue;
            }
            b'`' => {
                let ticks = rest.len() - rest.trim_start_matches('`').len();
                let closed = span_end(rest, ticks);
                *spans &= closed.is_some();
                closed.filter(|_| *spans).unwrap_or(ticks)
            }
            // A backslash and the sign that it takes the meaning of, a `<` as well. Within code it takes none.
            _ if *spans => 1 + usize::from(rest.as_bytes().get(1).is_some_and(u8::is_ascii_punctuation)),
            _ => 1,
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where the code ends that so many backticks begin; none if no other so many follow.
fn span_end(text: &str, ticks: usize) -> Option<usize> {
    let mut at = ticks;
    while let Some(next) = text[at..].find('`') {
        let start = at + next;
        let length = text[start..].len() - text[start..].trim_start_matches('`').len();
        at = start + length;
        if length == ticks {
            return Some(at);
        }
    }
    None
}

/// A word or two as code.
fn code(text: &str) -> String {
    let text = text::visible(text).replace(['\n', '\t'], " ");
    if text.trim().is_empty() {
        return "—".to_owned();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// Text that means nothing but itself, on one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text::visible(text).chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '&' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Text inside one of our own tags, where line breaks would end it.
fn html(text: &str) -> String {
    let text = text::visible(text).replace(['\n', '\t'], " ");
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "&#96;")
        .replace('*', "&#42;")
        .replace('_', "&#95;")
}
