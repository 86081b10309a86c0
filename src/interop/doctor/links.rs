//! How records refer to each other: what the chain needs to know, read out of each format's records.

use crate::format::line::{self, Decoded};
use crate::interop::import::source::SourceFormat;
use crate::json::members::Object;
use crate::model::time::Timestamp;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An id, as a number: a large file has millions of them.
pub(super) type Key = u64;

/// What a record says about itself and others.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) id: Option<Key>,
    /// Its kind cannot do without an id.
    pub(super) needs_id: bool,
    pub(super) parent: Option<Key>,
    pub(super) session: Option<Key>,
    pub(super) time: Option<Timestamp>,
    pub(super) calls: Vec<Key>,
    pub(super) results: Vec<Key>,
    pub(super) number: Option<u64>,
    /// Numbers missing before it are accounted for by itself.
    pub(super) explains_gap: bool,
    /// Numbers missing in the file were dropped on purpose.
    pub(super) is_compacted: bool,
    pub(super) turn_started: Option<Key>,
    pub(super) turn_ended: Option<Key>,
    /// Somebody asked for something: what was open before was left open.
    pub(super) goes_on: bool,
    /// The record that begins such a file.
    pub(super) is_header: bool,
    pub(super) is_newer: bool,
    /// Its own checksum says that it is not what was written.
    pub(super) is_false: bool,
}

/// The key under which a record names its parent.
pub(super) fn parent_key(format: SourceFormat) -> Option<&'static str> {
    match format {
        SourceFormat::ClaudeCode => Some("parentUuid"),
        SourceFormat::Copilot => Some("parentId"),
        _ => None,
    }
}

/// Whether files of this format begin with a record of their own.
pub(super) fn has_header(format: SourceFormat) -> bool {
    matches!(format, SourceFormat::Codex | SourceFormat::Copilot | SourceFormat::Gemini | SourceFormat::Foldlog)
}

/// Whether an id stands for one record alone.
pub(super) fn has_unique_ids(format: SourceFormat) -> bool {
    matches!(format, SourceFormat::ClaudeCode | SourceFormat::Copilot)
}

pub(super) fn of(format: SourceFormat, text: &str, record: &Object<'_>) -> Links {
    match format {
        SourceFormat::ClaudeCode => claude_code(record),
        SourceFormat::Codex => codex(record),
        SourceFormat::Copilot => copilot(record),
        SourceFormat::Gemini => gemini(record),
        SourceFormat::Foldlog => foldlog(text, record),
        SourceFormat::Calute => Links::default(),
    }
}

/// The id that a member holds. One with a blank in it was put there by somebody who redacted the file, and says nothing.
fn key(record: &Object<'_>, name: &str) -> Option<Key> {
    let id = record.text(name).filter(|id| !id.is_empty() && !id.contains(' '))?;
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    Some(hasher.finish())
}

fn claude_code(record: &Object<'_>) -> Links {
    let kind = record.text("type").unwrap_or_default();
    let speaks = matches!(&*kind, "user" | "assistant");
    let mut links = Links {
        id: key(record, "uuid"),
        needs_id: (speaks || kind == "system") && record.raw("uuid").is_none(),
        parent: key(record, "parentUuid"),
        time: record.time("timestamp"),
        ..Links::default()
    };
    links.session = links.id.and_then(|_| key(record, "sessionId"));
    let message = if speaks { record.object("message").unwrap_or_default() } else { Object::default() };
    for block in message.array("content").unwrap_or_default().into_iter().filter_map(Object::parse) {
        match block.text("type").as_deref() {
            Some("tool_use") => links.calls.extend(key(&block, "id")),
            Some("tool_result") => links.results.extend(key(&block, "tool_use_id")),
            _ => {}
        }
    }
    let is_aside = record.is_true("isMeta") || record.is_true("isSidechain");
    links.goes_on = kind == "user" && !is_aside && links.results.is_empty();
    links
}

fn codex(record: &Object<'_>) -> Links {
    let mut links = Links { number: record.u64("ordinal"), time: record.time("timestamp"), ..Links::default() };
    let payload = record.object("payload").unwrap_or_default();
    let inner = payload.text("type").unwrap_or_default();
    match record.text("type").as_deref() {
        Some("session_meta") => links.is_header = true,
        // The first versions wrote no envelope.
        None => links.is_header = record.raw("id").is_some() && record.raw("instructions").is_some(),
        Some("response_item") => match &*inner {
            "function_call" | "custom_tool_call" | "local_shell_call" => links.calls.extend(key(&payload, "call_id")),
            "function_call_output" | "custom_tool_call_output" => links.results.extend(key(&payload, "call_id")),
            _ => {}
        },
        Some("event_msg") => match &*inner {
            "task_started" | "turn_started" => {
                links.turn_started = key(&payload, "turn_id");
                links.goes_on = true;
            }
            "task_complete" | "turn_complete" | "turn_aborted" => links.turn_ended = key(&payload, "turn_id"),
            _ => {}
        },
        _ => {}
    }
    links
}

fn copilot(record: &Object<'_>) -> Links {
    let data = record.object("data").unwrap_or_default();
    let mut links = Links {
        id: key(record, "id"),
        needs_id: record.raw("id").is_none(),
        parent: key(record, "parentId"),
        time: record.time("timestamp"),
        ..Links::default()
    };
    match record.text("type").as_deref() {
        Some("session.start") => {
            links.is_header = true;
            links.is_newer = data.u64("version").is_some_and(|version| version > 1);
        }
        Some("tool.execution_start") => links.calls.extend(key(&data, "toolCallId")),
        Some("tool.execution_complete") => links.results.extend(key(&data, "toolCallId")),
        Some("user.message") => links.goes_on = true,
        _ => {}
    }
    links
}

fn gemini(record: &Object<'_>) -> Links {
    let is_header = record.raw("projectHash").is_some();
    let is_patch = record.raw("$set").is_some() || record.raw("$rewindTo").is_some();
    let needs_id = !is_header && !is_patch && record.raw("id").is_none();
    Links { is_header, needs_id, time: record.time("timestamp"), ..Links::default() }
}

fn foldlog(text: &str, record: &Object<'_>) -> Links {
    match line::decode(text.as_bytes()) {
        Decoded::Entry(entry) => {
            let explains_gap = matches!(entry.type_name(), "journal_recovered" | "events_lost");
            Links { number: Some(entry.seq().get()), explains_gap, ..Links::default() }
        }
        Decoded::Header(_) => {
            let is_newer = record.u64("foldlog").is_some_and(|version| version > 1);
            let is_compacted = record.raw("compacted").is_some();
            Links { is_header: true, is_newer, is_compacted, session: key(record, "session_id"), ..Links::default() }
        }
        Decoded::Foreign | Decoded::Bad => Links { is_false: true, ..Links::default() },
    }
}
