//! A line of input: what it asks to be recorded, or why it is not an event. Decides from its bytes alone.

use base64::Engine;
use foldlog::{Draft, EVENT_TYPES, Error, Event, Json, Metadata, Timestamp, Unparsed};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What one line of input comes to.
#[derive(Debug)]
pub(crate) enum Parsed {
    Event(Draft),
    /// One of the recorder's own lines, from a journal that is played again: it counts as a line and is not recorded.
    Skipped,
    /// Not an event. To be kept as it came.
    Bad(String),
}

/// The envelope of a line of input. Other members, such as those of foldlog's own lines, are passed over.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow, default)]
    type_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) session: Option<Cow<'a, str>>,
    /// These two mark a line of a journal.
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    crc: Option<&'a RawValue>,
    /// This one marks the header of a segment.
    #[serde(borrow, default)]
    foldlog: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope; the error says what is wrong with the line.
    pub(crate) fn read(line: &'a [u8]) -> Result<Envelope<'a>, String> {
        let text = std::str::from_utf8(line)
            .map_err(|error| format!("not UTF-8: the byte at {} is not text", error.valid_up_to() + 1))?;
        if text.trim().is_empty() {
            return Err("the line is empty".to_owned());
        }
        if !text.trim_start().starts_with('{') {
            return Err("not a JSON object".to_owned());
        }
        serde_json::from_str(text).map_err(|error| format!("not JSON that can be read: {}", without_line(&error)))
    }

    fn is_from_a_journal(&self) -> bool {
        self.seq.is_some() && self.crc.is_some()
    }

    /// What the line asks to be recorded in the session `session_id`.
    pub(crate) fn parse(self, session_id: &str) -> Parsed {
        if self.foldlog.is_some() && self.crc.is_some() && self.type_name.is_none() {
            return Parsed::Skipped;
        }
        let Some(type_name) = &self.type_name else {
            return Parsed::Bad("no `type`: an event is {\"type\":..,\"data\":{..}}".to_owned());
        };
        if self.is_from_a_journal() && Event::is_recorders_own(type_name) {
            return Parsed::Skipped;
        }
        let time = match self.time.as_deref().map(Timestamp::parse_rfc3339) {
            Some(None) => return Parsed::Bad("`time` is not an RFC 3339 time".to_owned()),
            time => time.flatten(),
        };
        let id = self.id.as_deref();
        if id.is_some_and(|id| id.len() > foldlog::MAX_ID) {
            return Parsed::Bad(format!("`id` is longer than {} bytes", foldlog::MAX_ID));
        }
        let data = self.data.map_or("{}", RawValue::get);
        let owned;
        let data = if type_name == "session_started" {
            owned = with_session_id(data, session_id, self.is_from_a_journal());
            owned.as_deref().unwrap_or(data)
        } else {
            data
        };
        match Draft::from_json(type_name, data) {
            Ok(mut draft) => {
                if let Some(time) = time {
                    draft = draft.time(time);
                }
                Parsed::Event(match id {
                    Some(id) => draft.id(id),
                    None => draft,
                })
            }
            Err(error) => Parsed::Bad(error.to_string()),
        }
    }
}

/// The data of a `session_started` with this session's id, where it has none or comes from another journal.
fn with_session_id(data: &str, session_id: &str, replace: bool) -> Option<String> {
    let mut members: Metadata = serde_json::from_str(data).ok()?;
    if members.contains_key("session_id") && !replace {
        return None;
    }
    members.shift_insert(0, "session_id".to_owned(), Json::string(session_id));
    serde_json::to_string(&members).ok()
}

/// The event that keeps a line which is none.
pub(crate) fn keep(line: &[u8], error: &str) -> Draft {
    let kept = Unparsed::new(error);
    match std::str::from_utf8(line) {
        Ok(text) => kept.text(text).into(),
        Err(_) => kept.text_base64(base64::engine::general_purpose::STANDARD.encode(line)).into(),
    }
}

/// What an unknown type may have been meant to be; `None` for a type that is the user's own by its form.
pub(crate) fn unknown_type(type_name: &str) -> Option<String> {
    if EVENT_TYPES.contains(&type_name) || type_name.contains('.') {
        return None;
    }
    let likeness = |known: &&&str| (strsim::jaro_winkler(type_name, known) * 1000.0) as u32;
    let meant = EVENT_TYPES.iter().filter(|known| likeness(known) > 850).max_by_key(likeness);
    Some(match meant {
        Some(meant) => format!("unknown event type `{type_name}`: recorded as it is; did you mean `{meant}`?"),
        None => format!(
            "unknown event type `{type_name}`: recorded as it is; a type with a dot in it is never taken for a mistake"
        ),
    })
}

/// serde_json's message with its position as a column alone: the caller names the line.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => format!("{} at byte {}", &text[..at], error.column()),
        None => text,
    }
}

/// Whether an error means that the event itself cannot be recorded, now or later.
pub(crate) fn is_about_the_event(error: &Error) -> bool {
    use foldlog::ErrorKind::{InvalidInput, TooLarge, WrongSession};
    matches!(error.kind(), InvalidInput | TooLarge | WrongSession)
}
