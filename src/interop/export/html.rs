//! A page in HTML, in one file: prompts, answers, tool calls folded away, and when what went on.
//!
//! Nothing in it runs and nothing is fetched: there is no script, its policy forbids both, and recorded text goes through
//! [`escaped`] wherever it stands. Tags are written in this file and nowhere else.

use super::options::ExportOptions;
use super::story::{Span, Step, Story, ToolCall, Turn, What};
use super::text::{self, Fence};
use crate::json::{Json, Metadata};
use crate::model::record::TurnRecord;
use crate::model::status::StatusMeaning;
use crate::text::phrases::count;
use std::io::{self, Write};

const STYLE: &str = include_str!("html.css");
/// Forbids everything but the styles of the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// So many rows of a timeline are shown at once.
const MANY_ROWS: usize = 30;

/// Writes the page.
pub(super) fn write(story: &Story, _: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    let id = escaped(story.record.session_id.as_str());
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"referrer\" content=\"no-referrer\">\n<title>Session {id}</title>")?;
    writeln!(out, "<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Session <code>{id}</code></h1>\n<dl>")?;
    for (name, value) in text::facts(story) {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value))?;
    }
    writeln!(out, "</dl>")?;
    if story.gaps > 0 {
        let what = count(story.gaps as u64, "place");
        writeln!(
            out,
            "<p class=\"missing\"><b>Something is missing.</b> {what} in the journal could not be read; each is marked below.</p>"
        )?;
    }
    write_contents(story, out)?;
    for step in &story.prelude {
        write_step(step, None, out)?;
    }
    for (turn, record) in story.turns() {
        write_turn(turn, record, out)?;
    }
    if !story.anomalies.is_empty() {
        writeln!(out, "<section class=\"turn\">\n<h2>Odd about the order of events</h2>\n<ul>")?;
        for anomaly in &story.anomalies {
            writeln!(out, "<li>{}</li>", escaped(&anomaly.to_string()))?;
        }
        writeln!(out, "</ul>\n</section>")?;
    }
    writeln!(out, "</body>\n</html>")
}

/// The turns, each with the beginning of its prompt.
fn write_contents(story: &Story, out: &mut dyn Write) -> io::Result<()> {
    if story.turns.len() < 2 {
        return Ok(());
    }
    writeln!(out, "<details open>\n<summary>Turns</summary>\n<ol class=\"turns\">")?;
    for (turn, record) in story.turns() {
        let mut facts: Vec<String> = turn.duration_ms.and_then(text::duration).into_iter().collect();
        if !record.tool_calls.is_empty() {
            facts.push(count(record.tool_calls.len() as u64, "call"));
        }
        let failed = record.tool_calls.iter().filter(|call| call.meaning().is_failure()).count();
        if failed > 0 {
            facts.push(format!("{failed} failed"));
        }
        let prompt = escaped(&text::summary(&record.prompt, 140));
        let (number, facts) = (turn.number, facts.join(" · "));
        let status = status_word(&turn.status, turn.meaning);
        writeln!(out, "<li><a href=\"#turn-{number}\">{number}. {prompt}</a> <small>{facts}</small>{status}</li>")?;
    }
    writeln!(out, "</ol>\n</details>")
}

fn write_turn(turn: &Turn, record: &TurnRecord, out: &mut dyn Write) -> io::Result<()> {
    let number = turn.number;
    let mut facts = vec![record.turn_id.clone(), record.started_at.clone()];
    facts.extend(record.agent_id.clone());
    facts.extend(turn.duration_ms.and_then(text::duration));
    let (facts, status) = (escaped(&facts.join(" · ")), status_word(&turn.status, turn.meaning));
    writeln!(out, "<section class=\"turn\" id=\"turn-{number}\">")?;
    writeln!(out, "<h2>Turn {number} <small>{facts}</small>{status}</h2>")?;
    if !record.prompt.is_empty() {
        writeln!(out, "<div class=\"said prompt\" dir=\"auto\">{}</div>", escaped(&record.prompt))?;
    }
    write_times(turn, out)?;
    for step in &turn.steps {
        write_step(step, Some((turn, record)), out)?;
    }
    if let Some(error) = &record.error {
        writeln!(out, "<p class=\"bad\">The turn failed:</p>\n<pre dir=\"auto\">{}</pre>", escaped(error))?;
    }
    write_metadata(&text::own_metadata(&record.metadata), out)?;
    if !turn.span.finished {
        writeln!(out, "<p class=\"warn\">The turn has no end: it is {}.</p>", escaped(&turn.status))?;
    }
    writeln!(out, "</section>")
}

/// When each call of a turn went on, drawn to scale.
fn write_times(turn: &Turn, out: &mut dyn Write) -> io::Result<()> {
    let row = |step: &Step| match &step.what {
        What::ModelCall(call) => {
            let class = if call.meaning == StatusMeaning::Success { "model" } else { class_of(call.meaning) };
            let name = call.model.clone().unwrap_or_else(|| "model".to_owned());
            Some((step.seq, name, call.span, class, call.duration_ms))
        }
        What::ToolCall(call) => {
            Some((step.seq, call.name.clone(), call.span, class_of(call.meaning), call.duration_ms))
        }
        _ => None,
    };
    let rows: Vec<_> = turn.steps.iter().filter_map(row).collect();
    if rows.len() < 2 {
        return Ok(());
    }
    let begin = rows.iter().map(|row| row.2.begin).chain([turn.span.begin]).min().unwrap_or(turn.span.begin);
    let end = rows.iter().map(|row| row.2.end).chain([turn.span.end]).max().unwrap_or(turn.span.end);
    let open = if rows.len() <= MANY_ROWS { " open" } else { "" };
    let whole = Span { begin, end, finished: true };
    writeln!(out, "<details{open}>\n<summary>When</summary>\n<div class=\"times\">")?;
    for (seq, name, span, class, duration) in rows {
        let at = |micros: i64| micros as f64 * 1000.0 / whole.micros().max(1) as f64;
        let x = at(span.begin.micros() - begin.micros()).min(996.0);
        let width = at(span.micros()).clamp(4.0, 1000.0 - x);
        let took =
            duration.and_then(text::duration).unwrap_or_else(|| if span.finished { "" } else { "no end" }.to_owned());
        writeln!(
            out,
            "<a class=\"row\" href=\"#e{seq}\"><span>{}</span><svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"{class}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"10\"/></svg><span class=\"dim\">{}</span></a>",
            escaped(&text::summary(&name, 40)),
            escaped(&took)
        )?;
    }
    writeln!(out, "</div>\n</details>")
}

fn write_step(step: &Step, of: Option<(&Turn, &TurnRecord)>, out: &mut dyn Write) -> io::Result<()> {
    match &step.what {
        What::Text(text, _) => write_said(text, out),
        What::Reasoning(text, _) => {
            writeln!(out, "<details>\n<summary class=\"dim\">Reasoning</summary>")?;
            write_said(text, out)?;
            writeln!(out, "</details>")
        }
        What::ModelCall(call) => {
            let name = call.model.as_deref().unwrap_or("model");
            let facts = escaped(&text::model_call(call).join(" · "));
            let class = if call.meaning.is_failure() { "step bad" } else { "step dim" };
            writeln!(out, "<div class=\"{class}\" id=\"e{}\">◇ {} · {facts}</div>", step.seq, escaped(name))?;
            match &call.error {
                Some(error) => writeln!(out, "<pre class=\"bad\" dir=\"auto\">{}</pre>", escaped(error)),
                None => Ok(()),
            }
        }
        What::ToolCall(call) => write_call(step, call, of.map(|(_, record)| record), out),
        What::Transition(transition) => {
            let from = transition.from_agent.as_deref().unwrap_or("?");
            let reason = transition.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let words = format!("⇄ {from} → {}{reason}", transition.to_agent);
            writeln!(out, "<div class=\"step\">{}</div>", escaped(&words))
        }
        What::User(message) => {
            writeln!(out, "<div class=\"said prompt\" dir=\"auto\">{}</div>", escaped(&message.text))?;
            if let Some(names) = text::attachments(message) {
                writeln!(out, "<div class=\"step dim\">Attachments: {}</div>", escaped(&names))?;
            }
            write_metadata(&message.metadata, out)
        }
        What::Approval(approval) => {
            let what = text::summary(&text::approval(approval), 400);
            writeln!(out, "<div class=\"step\">Approval: {}</div>", escaped(&what))
        }
        What::Compaction(what) => {
            writeln!(out, "<div class=\"step dim\">≡ {}</div>", escaped(&text::summary(what, 400)))
        }
        What::Note(note) => writeln!(out, "<div class=\"step dim\">· {}</div>", escaped(&text::summary(note, 400))),
        What::Gap(gap) => {
            let what = escaped(&gap.to_string());
            writeln!(out, "<p class=\"missing\"><b>Something is missing here:</b> {what}</p>")
        }
    }
}

/// What the agent said. What it fenced as code is set as code.
fn write_said(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut fence: Option<Fence> = None;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim_end().split('\n') {
        let (is_code, after) = match fence {
            Some(fence) if fence.is_closed_by(line) => (true, None),
            Some(fence) => (true, Some(fence)),
            None => (false, Fence::opened_by(line)),
        };
        match is_code == after.is_some() {
            true => lines.push(line),
            false => write_part(&std::mem::take(&mut lines), is_code, out)?,
        }
        fence = after;
    }
    write_part(&lines, fence.is_some(), out)
}

fn write_part(lines: &[&str], is_code: bool, out: &mut dyn Write) -> io::Result<()> {
    let text = lines.join("\n");
    match (text.trim().is_empty(), is_code) {
        (true, _) => Ok(()),
        (false, true) => writeln!(out, "<pre dir=\"auto\">{}</pre>", escaped(&text)),
        (false, false) => writeln!(out, "<div class=\"said\" dir=\"auto\">{}</div>", escaped(text.trim_matches('\n'))),
    }
}

fn write_call(step: &Step, call: &ToolCall, record: Option<&TurnRecord>, out: &mut dyn Write) -> io::Result<()> {
    let sign = text::sign(call.meaning);
    let class = if call.meaning == StatusMeaning::Success { "good" } else { class_of(call.meaning) };
    let open = if call.meaning.is_failure() { " open" } else { "" };
    let arguments = call.title.strip_prefix(&call.name).unwrap_or(&call.title);
    let took = call.duration_ms.and_then(text::duration).unwrap_or_default();
    writeln!(
        out,
        "<details id=\"e{}\"{open}>\n<summary><span class=\"{class}\">{sign}</span> <b>{}</b> <code>{}</code> <small>{took}</small>{}</summary>",
        step.seq,
        escaped(&text::summary(&call.name, 60)),
        escaped(&text::summary(arguments, 160)),
        status_word(&call.status, call.meaning)
    )?;
    match record.and_then(|record| call.record(record)) {
        Some(recorded) => {
            if let Some(error) = &recorded.error {
                writeln!(
                    out,
                    "<p class=\"label\">Error</p>\n<pre class=\"bad\" dir=\"auto\">{}</pre>",
                    escaped(error)
                )?;
            }
            if recorded.arguments.as_str() != "{}" {
                write_json("Arguments", &recorded.arguments, out)?;
            }
            if !recorded.result.is_null() {
                write_json("Result", &recorded.result, out)?;
            }
            write_metadata(&recorded.metadata, out)?;
        }
        None => writeln!(out, "<p class=\"dim\">It was tried again; the session's record has the last try.</p>")?,
    }
    writeln!(out, "</details>")
}

fn write_json(title: &str, json: &Json, out: &mut dyn Write) -> io::Result<()> {
    let (text, _) = text::readable(json);
    writeln!(out, "<p class=\"label\">{title}</p>\n<pre dir=\"auto\">{}</pre>", escaped(&text))
}

fn write_metadata(metadata: &Metadata, out: &mut dyn Write) -> io::Result<()> {
    match metadata.is_empty() {
        true => Ok(()),
        false => writeln!(out, "<p class=\"label\">Metadata: <code>{}</code></p>", escaped(&text::metadata(metadata))),
    }
}

/// How something stands, where it did not simply succeed.
fn status_word(status: &str, meaning: StatusMeaning) -> String {
    match text::status(status, meaning) {
        None => String::new(),
        Some(status) => format!(" <small class=\"{}\">{}</small>", class_of(meaning), escaped(&status)),
    }
}

fn class_of(meaning: StatusMeaning) -> &'static str {
    match meaning {
        StatusMeaning::Success => "call",
        meaning if meaning.is_failure() => "bad",
        _ => "warn",
    }
}

/// Recorded text between tags or in an attribute.
fn escaped(text: &str) -> String {
    let text = text::visible(text);
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
