//! One-line titles for what happened: a tool call, a model call, a note.

use crate::json::Json;
use crate::model::event::ContextCompacted;
use indexmap::IndexMap;

/// The most characters of arguments in a title; what follows is cut and marked with `...`.
const MAX_ARGUMENTS: usize = 100;

/// A tool's name and its arguments on one line: `read_file path="src/lib.rs" limit=20`.
///
/// Values stand as JSON, so that a string cannot pass for a number and no control character gets through.
pub(crate) fn tool_call(tool_name: &str, arguments: Option<&Json>) -> String {
    let mut line = String::new();
    if let Some(arguments) = arguments {
        match arguments.decode::<IndexMap<String, Json>>() {
            Ok(members) => {
                for (key, value) in &members {
                    if line.len() > MAX_ARGUMENTS {
                        break;
                    }
                    line.push_str(if line.is_empty() { "" } else { " " });
                    push_line(&mut line, key);
                    line.push('=');
                    push_line(&mut line, value.as_str());
                }
            }
            Err(_) if arguments.is_null() => {}
            Err(_) => push_line(&mut line, arguments.as_str()),
        }
    }
    if let Some((end, _)) = line.char_indices().nth(MAX_ARGUMENTS) {
        line.truncate(end);
        line.push_str("...");
    }
    match (tool_name.is_empty(), line.is_empty()) {
        (_, true) => tool_name.to_owned(),
        (true, false) => line,
        (false, false) => format!("{tool_name} {line}"),
    }
}

/// Appends as much of `text` as a title can show, its control characters as spaces.
fn push_line(line: &mut String, text: &str) {
    let shown = text.chars().take(MAX_ARGUMENTS + 1);
    line.extend(shown.map(|c| if c.is_control() { ' ' } else { c }));
}

/// A hand-off: `planner -> coder: the plan is ready`.
pub(crate) fn transition(from: Option<&str>, to: &str, reason: Option<&str>) -> String {
    let mut title = match from {
        Some(from) => format!("{from} -> {to}"),
        None => format!("-> {to}"),
    };
    if let Some(reason) = reason {
        title.push_str(": ");
        title.push_str(reason);
    }
    title
}

/// A question: `command: rm -rf build`.
pub(crate) fn approval(kind: Option<&str>, message: Option<&str>) -> String {
    let parts = [kind, message].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(": ")
}

/// `context compacted from 180000 to 20000 tokens: what is left of it`
pub(crate) fn compaction(compacted: &ContextCompacted<'_>) -> String {
    let mut title = "context compacted".to_owned();
    for (word, tokens) in [("from", compacted.tokens_before), ("to", compacted.tokens_after)] {
        title.extend(tokens.map(|tokens| format!(" {word} {tokens}")));
    }
    if compacted.tokens_before.or(compacted.tokens_after).is_some() {
        title.push_str(" tokens");
    }
    if let Some(summary) = compacted.summary.as_deref().filter(|summary| !summary.is_empty()) {
        title.push_str(": ");
        title.push_str(summary);
    }
    title
}
