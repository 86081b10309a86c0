//! Session records as JSON documents: the data model that sessions fold into, so nothing has to be translated.
//!
//! A document is rewritten whole whenever its session goes on. What is new is found by comparing it with the session's
//! record as it stands: a turn that is the same brings no event.

mod said;

use crate::format::draft::Draft;
use crate::interop::import::mapper::{Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::{Fate, Out};
use crate::json::members::{Object, array};
use crate::json::{Json, Metadata};
use crate::model::event::{Custom, Event, SessionStarted, SessionUpdated, UserMessage};
use crate::model::id::SessionId;
use crate::model::record::{AgentTransitionRecord, SessionRecord, USER_MESSAGES};
use crate::model::time::Timestamp;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) const ROW: Row = Row {
    format: SourceFormat::Calute,
    name: "calute",
    is_record: |_, record| record.raw("session_id").is_some() && record.raw("turns").is_some(),
    speaks: |_| true,
    identify: |record, known| {
        known.session_id = known.session_id.take().or(record.text("session_id").map(|id| id.into_string()));
    },
    mapper: |_| Box::new(Documents),
};

/// Documents are read by [`CaluteDocuments`]; whoever reads them as lines keeps them as they are.
struct Documents;

impl Mapper for Documents {
    fn record(&mut self, _: &str, _: &mut Out) -> Fate {
        Fate::Kept("session".into())
    }
}

const SESSION_KEYS: &[&str] =
    &["session_id", "workspace_id", "created_at", "updated_at", "agent_id", "turns", "agent_transitions", "metadata"];
const TURN_KEYS: &[&str] = &[
    "turn_id",
    "agent_id",
    "prompt",
    "response_content",
    "tool_calls",
    "started_at",
    "ended_at",
    "status",
    "error",
    "audit_event_ids",
    "metadata",
];
const CALL_KEYS: &[&str] =
    &["call_id", "tool_name", "arguments", "result", "status", "error", "duration_ms", "sandbox_context", "metadata"];
const TRANSITION_KEYS: &[&str] = &["from_agent", "to_agent", "reason", "turn_id", "timestamp"];

/// Whether a file begins like a document that is spread over many lines.
pub(super) fn looks_like_a_document(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    head.trim_ascii_start().starts_with(b"{") && has(b"\"session_id\"") && has(b"\"turns\"")
}

/// The documents of a file: one, or one a line.
///
/// ```
/// use foldlog::CaluteDocuments;
/// let file = br#"{"session_id": "s-1", "turns": [{"turn_id": "t-1", "prompt": "Hello"}]}"#;
/// let document = CaluteDocuments::of(file).next().expect("one document").expect("a whole one");
/// assert_eq!(document.record().turns[0].prompt, "Hello");
/// assert_eq!(document.drafts(None)?.len(), 3); // session_started, what it was imported from, turn_recorded
/// # Ok::<(), foldlog::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CaluteDocuments<'a> {
    file: &'a [u8],
    at: usize,
}

/// A session record as a document has it.
#[derive(Clone, Debug)]
pub struct CaluteDocument {
    record: SessionRecord,
    /// The turns and transitions as they were written.
    turns: Vec<String>,
    transitions: Vec<String>,
    /// What no field of a session's record holds.
    beside: Metadata,
    unknown: BTreeMap<String, u64>,
}

/// A document that could not be read whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokenDocument {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// What is wrong with it.
    pub why: String,
    /// The document as far as it could be read: its session and its whole turns.
    pub saved: Option<Box<CaluteDocument>>,
}

impl<'a> CaluteDocuments<'a> {
    /// The documents in these bytes.
    pub fn of(file: &'a [u8]) -> CaluteDocuments<'a> {
        CaluteDocuments { at: if file.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }, file }
    }

    /// Where the next document begins, in bytes.
    pub fn position(&self) -> u64 {
        self.at as u64
    }
}

impl Iterator for CaluteDocuments<'_> {
    type Item = Result<CaluteDocument, BrokenDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
        self.at += self.file[self.at..].iter().take_while(|byte| blank(byte)).count();
        let rest = &self.file[self.at..];
        if rest.is_empty() {
            return None;
        }
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let first = values.next();
        let offset = self.at as u64;
        let (len, why) = match first {
            Some(Ok(document)) => match CaluteDocument::read(document.get()) {
                Ok(read) => {
                    self.at += values.byte_offset();
                    return Some(Ok(read));
                }
                Err(why) => (values.byte_offset(), why),
            },
            Some(Err(error)) => (next_document(rest), error.to_string()),
            None => (rest.len(), "empty".to_owned()),
        };
        self.at += len;
        let saved = CaluteDocument::salvage(&rest[..len]).map(Box::new);
        Some(Err(BrokenDocument { offset, bytes: len as u64, why, saved }))
    }
}

/// Where the next document can begin: a nested object never stands at the beginning of a line.
fn next_document(rest: &[u8]) -> usize {
    memchr::memmem::find(rest, b"\n{").map_or(rest.len(), |at| at + 1)
}

impl CaluteDocument {
    fn read(text: &str) -> Result<CaluteDocument, String> {
        let text = compact(text);
        let record: SessionRecord = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let document = Object::parse(&text).ok_or("not an object")?;
        let elements = |key: &str| document.array(key).unwrap_or_default().into_iter().map(str::to_owned).collect();
        let mut read = CaluteDocument {
            record,
            turns: elements("turns"),
            transitions: elements("agent_transitions"),
            beside: Metadata::new(),
            unknown: BTreeMap::new(),
        };
        for (key, value) in document.members().filter(|(key, _)| !SESSION_KEYS.contains(key)) {
            read.beside.extend(Json::parse(value).ok().map(|value| (key.to_owned(), value)));
        }
        read.name_unknown(&document);
        Ok(read)
    }

    /// What can be had of a document that was cut short or is wrong somewhere: each turn that is whole.
    fn salvage(bytes: &[u8]) -> Option<CaluteDocument> {
        let text = String::from_utf8_lossy(bytes);
        let at = text.find("\"session_id\"")? + "\"session_id\"".len();
        let id = text[at..].trim_start().strip_prefix(':')?.trim_start();
        let mut ids = serde_json::Deserializer::from_str(id).into_iter::<String>();
        let session_id = SessionId::new(ids.next()?.ok()?).ok()?;
        let mut saved = CaluteDocument {
            record: SessionRecord::new(session_id),
            turns: Vec::new(),
            transitions: Vec::new(),
            beside: Metadata::new(),
            unknown: BTreeMap::new(),
        };
        let mut rest = &text[text.find("\"turns\"")?..];
        rest = &rest[rest.find('[')? + 1..];
        loop {
            rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            let Some(Ok(value)) = values.next() else { return Some(saved) };
            let turn = compact(value.get());
            rest = &rest[values.byte_offset()..];
            if let Ok(read) = serde_json::from_str(&turn) {
                saved.record.turns.push(read);
                saved.turns.push(turn);
            }
        }
    }

    fn name_unknown(&mut self, document: &Object<'_>) {
        let mut name = |record: &Object<'_>, known: &[&str], what: &str| {
            for (key, _) in record.members().filter(|(key, _)| !known.contains(key)) {
                *self.unknown.entry(format!("{what}.{key}")).or_default() += 1;
            }
        };
        name(document, SESSION_KEYS, "session");
        for turn in document.array("turns").unwrap_or_default().into_iter().filter_map(Object::parse) {
            name(&turn, TURN_KEYS, "turn");
            let calls = turn.raw("tool_calls").and_then(array).unwrap_or_default();
            calls.into_iter().filter_map(Object::parse).for_each(|call| name(&call, CALL_KEYS, "tool_call"));
        }
        let transitions = document.array("agent_transitions").unwrap_or_default();
        transitions.into_iter().filter_map(Object::parse).for_each(|one| name(&one, TRANSITION_KEYS, "transition"));
    }

    /// The record.
    pub fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// The keys that no record has, by name: they stay in the log.
    pub fn unknown(&self) -> &BTreeMap<String, u64> {
        &self.unknown
    }

    /// The events that lead from the session's record as it stands to this one; from nothing, if there is none.
    ///
    /// # Errors
    /// If a turn cannot be recorded: nested too deep, or too large.
    pub fn drafts(&self, known: Option<&SessionRecord>) -> crate::error::Result<Vec<Draft>> {
        let mut drafts = Vec::new();
        let record = &self.record;
        match known {
            None => {
                let mut started = SessionStarted::new(record.session_id.as_str()).metadata(record.metadata.clone());
                started.workspace_id = record.workspace_id.as_ref().map(|id| id.as_str().into());
                started.agent_id = record.agent_id.as_deref().map(Into::into);
                started.created_at = Some(record.created_at.as_str().into());
                drafts.push(at(started.into(), &record.created_at));
                drafts.push(at(crate::interop::import::mark::mark(SourceFormat::Calute, ""), &record.created_at));
                if !self.beside.is_empty() {
                    let beside = Json::new(&self.beside).unwrap_or_else(|_| Json::null());
                    drafts.push(at(Custom::new("calute.session", beside).into(), &record.created_at));
                }
            }
            Some(known) => drafts.extend(self.session_changes(known)),
        }
        self.turn_drafts(known, &mut drafts)?;
        let old: HashSet<_> = known.into_iter().flat_map(|known| &known.agent_transitions).collect();
        for (raw, transition) in self.transitions.iter().zip(&record.agent_transitions) {
            if !old.contains(transition) {
                drafts.push(at(
                    Draft::from_json("agent_transition", &complete_transition(raw, transition))?,
                    &transition.timestamp,
                ));
            }
        }
        let newer = known.is_none_or(|known| parse_time(&known.updated_at) != parse_time(&record.updated_at));
        if let Some(updated) = parse_time(&record.updated_at).filter(|_| newer || !drafts.is_empty()) {
            // The last event's time is when the session changed last.
            drafts.push(Draft::from(SessionUpdated::new()).time(updated));
        }
        Ok(drafts)
    }

    fn turn_drafts(&self, known: Option<&SessionRecord>, drafts: &mut Vec<Draft>) -> crate::error::Result<()> {
        let (mut seen, mut old_turns) = (HashSet::new(), HashMap::new());
        for old in known.into_iter().flat_map(|known| &known.turns) {
            old_turns.entry(old.turn_id.as_str()).or_insert(old);
        }
        for (raw, turn) in self.turns.iter().zip(&self.record.turns) {
            let time = turn.ended_at.as_deref().unwrap_or(&turn.started_at);
            if !seen.insert(turn.turn_id.as_str()) {
                // A second turn of the same id would replace the first.
                let raw = Json::parse(raw).unwrap_or_else(|_| Json::null());
                drafts.push(at(Custom::new("calute.turn_again", raw).into(), time));
                continue;
            }
            let said = said::in_turn(turn);
            let raw = if said.is_empty() { Cow::Borrowed(raw.as_str()) } else { Cow::Owned(said::left_out(raw)) };
            let draft = Draft::from_json("turn_recorded", &with_status(&raw))?;
            let old = old_turns.get(turn.turn_id.as_str()).copied();
            let same = match (draft.event(), old) {
                (Ok(Event::TurnRecorded(recorded)), Some(old)) => {
                    let mut old = old.clone();
                    old.metadata.shift_remove(USER_MESSAGES);
                    recorded.turn == old
                }
                _ => false,
            };
            if !same {
                drafts.push(at(draft, time));
            }
            for said in said::new_ones(said, old) {
                let message = UserMessage::new(&turn.turn_id, said.text).attachments(said.attachments);
                drafts.push(at(message.metadata(said.metadata).into(), &said.time));
            }
        }
        Ok(())
    }

    fn session_changes(&self, known: &SessionRecord) -> Option<Draft> {
        let mut patch = Metadata::new();
        for (key, value) in &self.record.metadata {
            if known.metadata.get(key) != Some(value) {
                patch.insert(key.clone(), value.clone());
            }
        }
        let gone = known.metadata.keys().filter(|key| !self.record.metadata.contains_key(*key));
        patch.extend(gone.map(|key| (key.clone(), Json::null())));
        let mut updated = SessionUpdated::new().metadata(patch);
        updated.workspace_id = (self.record.workspace_id != known.workspace_id)
            .then(|| self.record.workspace_id.as_ref().map(|id| id.as_str().into()))
            .flatten();
        updated.agent_id =
            (self.record.agent_id != known.agent_id).then(|| self.record.agent_id.as_deref().map(Into::into)).flatten();
        let changes = updated.workspace_id.is_some() || updated.agent_id.is_some() || !updated.metadata.is_empty();
        changes.then(|| at(updated.into(), &self.record.updated_at))
    }
}

fn at(draft: Draft, time: &str) -> Draft {
    match parse_time(time) {
        Some(time) => draft.time(time),
        None => draft,
    }
}

/// An ISO 8601 time; one that names no zone is taken for UTC.
fn parse_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1))))
}

/// A turn with its status spelled out: in an event, unlike in a record, an error without a status is one.
fn with_status(raw: &str) -> String {
    let missing = Object::parse(raw).is_some_and(|turn| turn.raw("status").is_none());
    match raw.strip_suffix('}').filter(|_| missing) {
        Some(members) => format!("{members},\"status\":\"success\"}}"),
        None => raw.to_owned(),
    }
}

/// A transition with its times spelled out: in an event, unlike in a record, one without a time is of its entry's.
fn complete_transition(raw: &str, transition: &AgentTransitionRecord) -> String {
    let missing = Object::parse(raw).is_some_and(|record| record.raw("timestamp").is_none());
    match raw.strip_suffix('}').filter(|_| missing && transition.timestamp.is_empty()) {
        Some(members) => format!("{members},\"timestamp\":\"\"}}"),
        None => raw.to_owned(),
    }
}

/// JSON without blanks between its tokens; the tokens stay as they are.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for letter in json.chars() {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else if matches!(letter, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = letter == '"';
        }
        out.push(letter);
    }
    out
}
