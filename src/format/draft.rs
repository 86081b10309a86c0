//! A draft: an event on its way into the log, serialised by its caller, without a number yet.

use crate::error::{Error, ErrorKind, Result};
use crate::format::line::{self, MAX_ID, MAX_LINE, Tail};
use crate::json::escape;
use crate::model::event::Event;
use crate::model::event::custom::is_type_name;
use crate::model::open_turns::Change;
use crate::model::time::Timestamp;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// How deep arrays and objects may be nested in an event's data. With the envelope around it, and inside a folded
/// record, it stays below the 128 levels at which `serde_json` and others stop reading.
pub const MAX_DEPTH: usize = 120;

/// The room that most events need, in bytes.
const SMALL: usize = 256;
/// The most memory that a thread keeps for its next draft, in bytes.
const MAX_SPARE: usize = 64 << 10;

thread_local! {
    /// The memory of the last draft of this thread that was appended.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An event on its way into the log, with the caller's own `id` and `time` if there are any.
///
/// Every event makes one of itself, so `journal.append(event)` is the usual call; a draft is for what comes beside it:
///
/// ```
/// use foldlog::{Draft, TextDelta};
/// let draft = Draft::from(TextDelta::new("t-1", "Hello")).id("chunk-17");
/// ```
#[derive(Clone)]
pub struct Draft {
    type_name: Cow<'static, str>,
    /// The tail of a line without an id and a time of its own, as most have none.
    tail: Vec<u8>,
    /// Where in it the data begins.
    data: usize,
    id: Option<String>,
    time: Option<Timestamp>,
    pub(crate) change: Change,
    /// What is wrong with it, told when it is appended.
    fault: Option<Error>,
}

impl Draft {
    /// An event from its type and the JSON text of its data, kept token for token.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the type is not one, if `data` is not a JSON object or nested deeper than
    /// [`MAX_DEPTH`], if it does not fit its type, or if the type is one that only the recorder writes.
    pub fn from_json(type_name: &str, data: &str) -> Result<Draft> {
        if !is_type_name(type_name) {
            let message = format!("`{}` is no event type: use 1 to 64 of A-Z a-z 0-9 _ . : / -", shorten(type_name));
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if Event::is_recorders_own(type_name) {
            return Err(recorders_own(type_name));
        }
        let data = data.trim_matches([' ', '\t', '\n', '\r']);
        if !data.starts_with('{') {
            return Err(Error::new(ErrorKind::InvalidInput, "`data` must be a JSON object"));
        }
        check_depth(data.as_bytes())?;
        let change = Change::of(&Event::decode(type_name, data)?);
        let mut tail = Vec::with_capacity(data.len() + 96);
        line::begin_plain_tail(&mut tail, type_name);
        let at = tail.len();
        tail.extend_from_slice(data.as_bytes());
        escape::make_fit(&mut tail, at);
        let type_name = Cow::Owned(type_name.to_owned());
        Ok(Draft { type_name, tail, data: at, id: None, time: None, change, fault: None })
    }

    /// Sets the caller's own id, at most [`MAX_ID`] bytes: for resuming without duplicates.
    pub fn id(mut self, id: impl Into<String>) -> Draft {
        self.id = Some(id.into());
        self
    }

    /// Sets when it happened. The recorder's own clock is then kept beside it, as `observed`.
    pub fn time(mut self, time: Timestamp) -> Draft {
        self.time = Some(time);
        self
    }

    /// The event's type.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// The event's data: a JSON object.
    pub fn data(&self) -> &str {
        std::str::from_utf8(self.data_bytes()).unwrap_or("{}")
    }

    fn data_bytes(&self) -> &[u8] {
        &self.tail[self.data..]
    }

    /// Decodes the event again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if its data does not fit its type.
    pub fn event(&self) -> Result<Event<'_>> {
        Event::decode(&self.type_name, self.data())
    }

    /// The caller's time, if one was given.
    pub(crate) fn given_time(&self) -> Option<Timestamp> {
        self.time
    }

    pub(crate) fn given_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What would keep it out of the log, as far as that shows before it is appended.
    pub(crate) fn fault(&self) -> Option<Error> {
        let room = MAX_LINE - line::MAX_HEAD - self.type_name.len() - 6 * MAX_ID - 256;
        let too_large = || Error::new(ErrorKind::TooLarge, format!("the `{}` event is too large", self.type_name));
        self.fault.clone().or_else(|| (self.data_bytes().len() > room).then(too_large))
    }

    /// Checks it and makes the part of its line that needs no number.
    pub(crate) fn tail(&self) -> Result<Tail<'_>> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
            let message = format!("the event's id is longer than {MAX_ID} bytes: give it a shorter one");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let tail = match (&self.id, self.time) {
            (None, None) => Tail::of(Cow::Borrowed(&self.tail)),
            (id, time) => {
                let observed = time.map(|_| Timestamp::now());
                Tail::new(&self.type_name, id.as_deref(), observed, self.data_bytes())
            }
        };
        if tail.line_len() > MAX_LINE {
            let message = format!(
                "the `{}` event is too large: its line would have {} bytes, at most {MAX_LINE} are allowed; split it, or keep its content in a file and record a reference",
                self.type_name,
                tail.line_len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(tail)
    }

    /// Gives back its memory, for the next draft of this thread.
    pub(crate) fn recycle(mut self) {
        if self.tail.capacity() <= MAX_SPARE {
            self.tail.clear();
            SPARE.set(self.tail);
        }
    }

    /// A draft of an event that only the recorder writes.
    pub(crate) fn recorders_own(event: Event<'_>) -> Draft {
        let mut draft = Draft::encode(event);
        draft.fault = None;
        draft
    }

    fn encode(event: Event<'_>) -> Draft {
        let mut tail = SPARE.take();
        tail.reserve(SMALL);
        line::begin_plain_tail(&mut tail, event.type_name());
        let data = tail.len();
        let mut fault = event.encode_data(&mut tail).err().map(|error| {
            Error::new(ErrorKind::InvalidInput, format!("cannot write the `{}` event: {error}", event.type_name()))
        });
        fault = fault.or_else(|| check_depth(&tail[data..]).err());
        if Event::is_recorders_own(event.type_name()) {
            fault = Some(recorders_own(event.type_name()));
        }
        let change = Change::of(&event);
        Draft { type_name: event.static_type_name(), tail, data, id: None, time: None, change, fault }
    }
}

impl<'a, E: Into<Event<'a>>> From<E> for Draft {
    fn from(event: E) -> Draft {
        Draft::encode(event.into())
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({} {})", self.type_name, self.data())
    }
}

fn recorders_own(type_name: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("`{type_name}` events are written by the recorder alone"))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Refuses JSON that is nested deeper than [`MAX_DEPTH`].
fn check_depth(data: &[u8]) -> Result<()> {
    // Most events have few brackets at all: no need to look where they stand.
    if memchr::memchr2_iter(b'[', b'{', data).nth(MAX_DEPTH).is_none() {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in data {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let message = format!("the event's data is nested deeper than {MAX_DEPTH} levels");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}
