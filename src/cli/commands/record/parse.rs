//! A line of input: what it asks to be recorded, or why it is not an event. Decides from its bytes alone.

use base64::Engine;
use foldlog::{Draft, Error, Event, Json, MAX_ID, Metadata, Text, Timestamp, Unparsed};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// What one line of input comes to.
#[derive(Debug)]
pub(crate) enum Parsed {
    Event(Draft),
    /// The id of an event that may have been recorded before.
    Lookup(String),
    /// A look-up that cannot be: answered, and nothing to be kept.
    BadLookup(String),
    /// One of the recorder's own lines, from a journal that is played again: it counts as a line and is not recorded.
    Skipped,
    /// Not an event. To be kept as it came.
    Bad(String),
}

/// The names of other members of an envelope are kept: so many, and so many characters of each.
const MOST_OTHERS: usize = 16;
const LONGEST_OTHER: usize = 40;

/// The members of a journal's lines that are not for the next journal.
const OF_A_JOURNAL: &[&str] = &["synced", "observed", "blobs", "redacted"];

/// The envelope of a line of input.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    type_name: Option<Text<'a>>,
    data: Option<&'a RawValue>,
    time: Option<Text<'a>>,
    id: Option<Text<'a>>,
    session: Option<Text<'a>>,
    /// The id that is looked for. Not an event.
    lookup: Option<Text<'a>>,
    /// These two mark a line of a journal.
    seq: Option<&'a RawValue>,
    crc: Option<&'a RawValue>,
    /// This one marks the header of a segment.
    foldlog: Option<&'a RawValue>,
    others: Vec<String>,
    /// How many there are beyond these.
    more_others: usize,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Envelope<'de>, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    envelope.take_member(&name, &mut map)?;
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Members)
    }
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

    fn take_member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
            name: &'static str,
            slot: &mut Option<T>,
            map: &mut A,
        ) -> Result<(), A::Error> {
            match slot {
                Some(_) => Err(A::Error::duplicate_field(name)),
                None => map.next_value().map(|value| *slot = value),
            }
        }
        match name {
            "type" => once("type", &mut self.type_name, map),
            "data" => once("data", &mut self.data, map),
            "time" => once("time", &mut self.time, map),
            "id" => once("id", &mut self.id, map),
            "session" => once("session", &mut self.session, map),
            "lookup" => once("lookup", &mut self.lookup, map),
            "seq" => once("seq", &mut self.seq, map),
            "crc" => once("crc", &mut self.crc, map),
            "foldlog" => once("foldlog", &mut self.foldlog, map),
            other => {
                match self.others.len() < MOST_OTHERS {
                    true => self.others.push(cut(other)),
                    false => self.more_others += 1,
                }
                map.next_value::<IgnoredAny>().map(drop)
            }
        }
    }

    /// The type that it names, if it does.
    pub(crate) fn type_name(&self) -> Option<&str> {
        self.type_name.as_deref()
    }

    /// The event's data as it came.
    pub(crate) fn data(&self) -> &'a str {
        self.data.map_or("{}", RawValue::get)
    }

    /// The session that it names, if it does.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The members that have no meaning here, and so would not be stored.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        let ours = self.is_from_a_journal();
        let others = self.others.iter().map(String::as_str).filter(move |name| !(ours && OF_A_JOURNAL.contains(name)));
        let lookup = self.lookup.is_some().then_some("lookup");
        let of_a_line = [("seq", &self.seq), ("crc", &self.crc), ("foldlog", &self.foldlog)];
        let of_a_line = of_a_line.into_iter().filter(move |(_, member)| !ours && member.is_some());
        others.chain(lookup).chain(of_a_line.map(|(name, _)| name))
    }

    /// How many more of them there are, whose names were not kept.
    pub(crate) fn more_others(&self) -> usize {
        self.more_others
    }

    /// Whether it has one of the members that have.
    pub(crate) fn has(&self, name: &str) -> bool {
        match name {
            "type" => self.type_name.is_some(),
            "data" => self.data.is_some(),
            "time" => self.time.is_some(),
            "id" => self.id.is_some(),
            "session" => self.session.is_some(),
            _ => false,
        }
    }

    pub(crate) fn is_from_a_journal(&self) -> bool {
        self.seq.is_some() && self.crc.is_some()
    }

    /// What the line asks to be recorded in the session `session_id`.
    pub(crate) fn parse(self, session_id: &str) -> Parsed {
        if self.foldlog.is_some() && self.crc.is_some() && self.type_name.is_none() {
            return Parsed::Skipped;
        }
        if let (None, Some(id)) = (&self.type_name, &self.lookup) {
            return match id.len() {
                0..=MAX_ID => Parsed::Lookup(id.to_string()),
                _ => Parsed::BadLookup(format!("`lookup` is longer than {MAX_ID} bytes: no event has such an id")),
            };
        }
        let Some(type_name) = &self.type_name else {
            return Parsed::Bad("no `type`: an event is {\"type\":..,\"data\":{..}}".to_owned());
        };
        if self.is_from_a_journal() && Event::is_recorders_own(type_name) {
            return Parsed::Skipped;
        }
        if let (None, Some(name)) = (self.data, self.others().next()) {
            return Parsed::Bad(format!("no `data`, but `{name}`: what an event says belongs inside `data`"));
        }
        let time = match self.time.as_deref().map(Timestamp::parse_rfc3339) {
            Some(None) => return Parsed::Bad("`time` is not an RFC 3339 time".to_owned()),
            time => time.flatten(),
        };
        let id = self.id.as_deref();
        if id.is_some_and(|id| id.len() > MAX_ID) {
            return Parsed::Bad(format!("`id` is longer than {MAX_ID} bytes"));
        }
        let data = self.data();
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

/// The beginning of a name.
fn cut(name: &str) -> String {
    match name.char_indices().nth(LONGEST_OTHER) {
        Some((at, _)) => format!("{}...", &name[..at]),
        None => name.to_owned(),
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
