//! What the pages for people share: durations, sizes, and recorded text made visible.

use super::story::{Approval, ModelCall, Story, UserMessage};
use crate::json::{Json, Metadata};
use crate::model::event::Usage;
use crate::model::record::USER_MESSAGES;
use crate::model::status::StatusMeaning;
use crate::text::money::dollars;
use crate::text::reveal::reveal;
use std::borrow::Cow;

/// The most bytes of JSON that are indented.
const MOST_INDENTED: usize = 256 << 10;

/// `312 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `4 d 3 h`; nothing if it is no duration.
pub(super) fn duration(ms: f64) -> Option<String> {
    if !ms.is_finite() || ms < 0.0 {
        return None;
    }
    let seconds = (ms / 1000.0) as u64;
    Some(match seconds {
        0 => format!("{} ms", ms.round()),
        1..60 => format!("{:.1} s", (ms / 100.0).floor() / 10.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    })
}

/// How a call ended, as one character.
pub(super) fn sign(meaning: StatusMeaning) -> &'static str {
    match meaning {
        StatusMeaning::Success => "✓",
        StatusMeaning::Unknown => "?",
        meaning if meaning.is_failure() => "✗",
        _ => "⊘",
    }
}

/// The status in words; none where all is well. A word that nobody knows gets a question mark.
pub(super) fn status(status: &str, meaning: StatusMeaning) -> Option<String> {
    match meaning {
        StatusMeaning::Success => None,
        StatusMeaning::Unknown => Some(format!("{status}?")),
        _ => Some(status.to_owned()),
    }
}

/// `12,345`
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1,200 tokens in (800 cached), 90 out`; nothing if nothing is known.
pub(super) fn tokens(usage: &Usage) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(tokens) = usage.total_input() {
        let cached = usage.cache_read_input_tokens.filter(|cached| *cached > 0);
        let cached = cached.map(|cached| format!(" ({} cached)", number(cached))).unwrap_or_default();
        parts.push(format!("{} tokens in{cached}", number(tokens)));
    }
    if let Some(tokens) = usage.output_tokens {
        parts.push(format!("{} out", number(tokens)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What is known of a model call, on one line.
pub(super) fn model_call(call: &ModelCall) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(call.duration_ms.and_then(duration));
    facts.extend(tokens(&call.usage));
    facts.extend(call.cost_usd_micros.map(dollars));
    facts.extend(call.finish_reason.as_ref().filter(|reason| *reason != "stop").cloned());
    facts.extend(status(&call.status, call.meaning));
    facts
}

/// The facts about a session that stand at the top of a page: name and value.
pub(super) fn facts(story: &Story) -> Vec<(&'static str, String)> {
    let record = &story.record;
    let mut facts = Vec::new();
    facts.extend(record.workspace_id.as_ref().map(|id| ("workspace", id.as_str().to_owned())));
    facts.extend(record.agent_id.clone().map(|id| ("agent", id)));
    facts.push(("began", record.created_at.clone()));
    facts.push(("last change", record.updated_at.clone()));
    facts.push(("turns", turns(story)));
    let calls = record.turns.iter().map(|turn| turn.tool_calls.len() as u64).sum();
    facts.push(("tool calls", number(calls)));
    let mut models: Vec<&str> = story.model_calls().filter_map(|call| call.model.as_deref()).collect();
    models.sort_unstable();
    models.dedup();
    if !models.is_empty() {
        facts.push(("models", models.join(", ")));
    }
    let (usage, spent) = story.spent();
    facts.extend(tokens(&usage).map(|tokens| ("tokens", tokens)));
    facts.extend(spent.map(|micros| ("cost", dollars(micros))));
    if !record.metadata.is_empty() {
        facts.push(("metadata", summary(&metadata(&record.metadata), 400)));
    }
    facts
}

/// `55`, or `10 to 12 of 55`
fn turns(story: &Story) -> String {
    match (story.out_of, story.turns.as_slice()) {
        (Some(count), [one]) => format!("{} of {count}", one.number),
        (Some(count), [first, .., last]) => format!("{} to {} of {count}", first.number, last.number),
        _ => number(story.turns.len() as u64),
    }
}

/// What there is to say about an approval: the question and the outcome.
pub(super) fn approval(approval: &Approval) -> String {
    let question = if approval.question.is_empty() { &approval.id } else { &approval.question };
    format!("{question}: {}", approval.outcome.as_deref().unwrap_or("pending"))
}

/// The names of what came with the words of a user; none if nothing did.
pub(super) fn attachments(message: &UserMessage) -> Option<String> {
    let name = |one: &crate::model::event::Attachment| {
        let name = one.name.as_deref().or(one.uri.as_deref()).or(one.media_type.as_deref()).unwrap_or("unnamed");
        match one.bytes {
            Some(bytes) => format!("{name} ({} bytes)", number(bytes)),
            None => name.to_owned(),
        }
    };
    let names: Vec<String> = message.attachments.iter().map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A turn's metadata without what is written elsewhere: the words of the user have a place of their own.
pub(super) fn own_metadata(metadata: &Metadata) -> Cow<'_, Metadata> {
    match metadata.contains_key(USER_MESSAGES) {
        true => Cow::Owned(metadata.iter().filter(|(key, _)| *key != USER_MESSAGES).map(owned).collect()),
        false => Cow::Borrowed(metadata),
    }
}

fn owned((key, value): (&String, &Json)) -> (String, Json) {
    (key.clone(), value.clone())
}

/// Metadata as one JSON object.
pub(super) fn metadata(metadata: &Metadata) -> String {
    serde_json::to_string(metadata).unwrap_or_default()
}

/// Recorded text as a page can show it: line breaks and tabs stay, what is hidden or would be obeyed is shown by a sign or
/// an escape instead.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let show = |c: char, out: &mut String| match c {
        '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
        '\u{7f}' => out.push('\u{2421}'),
        c => out.extend(c.escape_unicode()),
    };
    match text.contains("\r\n") {
        true => Cow::Owned(reveal(&text.replace("\r\n", "\n"), show).into_owned()),
        false => reveal(text, show),
    }
}

/// The beginning of a text on one line, with an ellipsis where it was cut.
pub(super) fn summary(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length == most {
                out.push('…');
                return visible(&out).into_owned();
            }
            out.push(c);
            length += 1;
        }
    }
    visible(&out).into_owned()
}

/// JSON to be read: a string as its text, an object or array indented, anything else as it is. Tokens stay as they are.
pub(super) fn readable(json: &Json) -> (Cow<'_, str>, bool) {
    match json.to_text() {
        Some(text) => (Cow::Owned(text), false),
        // Deep nesting makes indented JSON many times as long: what is large anyhow is not made larger.
        None if json.as_str().len() > MOST_INDENTED => (Cow::Borrowed(json.as_str()), true),
        None => (Cow::Owned(indent(json.as_str())), true),
    }
}

/// Indents JSON without touching a token: white space is put between them.
fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let (mut in_string, mut escaped) = (false, false);
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        if in_string {
            out.push(c);
            in_string = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            ' ' | '\n' | '\t' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while characters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                out.push(c);
                in_string = true;
            }
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A fence of code that begins at a line's first column, where nothing but its own end or the quotation's ends it. Others
/// end in more ways and are not taken for code: in them a sign too many may show.
#[derive(Debug)]
pub(super) struct Fence {
    sign: char,
    length: usize,
}

impl Fence {
    pub(super) fn opened_by(line: &str) -> Option<Fence> {
        let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = line.len() - line.trim_start_matches(sign).len();
        let is_fence = length >= 3 && (sign == '~' || !line[length..].contains('`'));
        is_fence.then_some(Fence { sign, length })
    }

    pub(super) fn is_closed_by(&self, line: &str) -> bool {
        let inner = line.trim_start_matches(' ');
        let signs = inner.trim_end_matches([' ', '\t']);
        line.len() - inner.len() <= 3 && signs.len() >= self.length && signs.chars().all(|c| c == self.sign)
    }
}
