//! Where mappers put their events, and what they say about a record.

use crate::format::draft::Draft;
use crate::json::members::text;
use crate::json::quote::quote;
use crate::json::{Json, Metadata};
use crate::model::event::TurnEnded;
use crate::model::time::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It became events, now or later: then it holds its place with [`Out::hold`]. A record that does neither is kept as
    /// it is.
    Mapped,
    /// Known, and not an event of ours: kept as it is, under this name.
    Kept(Cow<'static, str>),
    /// Not known: kept as it is, counted under this name.
    Unknown(String),
    /// It became events, but a part of it is not known: kept as it is too, counted under this name.
    Partly(String),
    /// Not to be believed, and why.
    Refused(&'static str),
}

/// A mapped record whose event is still to be made: it is given back to [`Out`] with that event.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held(u64);

/// What was odd about a record that was understood. It is counted, and the report names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    TurnWithoutPrompt,
    UsageWithoutCall,
    UserMessage,
    UserMessageOutsideTurn,
    ResultWithoutCall,
    CommandOutput,
}

impl Note {
    pub(crate) const ALL: [Note; 6] = [
        Note::TurnWithoutPrompt,
        Note::UsageWithoutCall,
        Note::UserMessage,
        Note::UserMessageOutsideTurn,
        Note::ResultWithoutCall,
        Note::CommandOutput,
    ];

    /// The name in JSON, and the words for one and for several.
    pub(crate) fn words(self) -> [&'static str; 3] {
        match self {
            Note::TurnWithoutPrompt => ["turn_without_prompt", "turn without a prompt", "turns without a prompt"],
            Note::UsageWithoutCall => ["usage_without_call", "usage without a call", "usages without a call"],
            Note::UserMessage => ["user_message", "message sent during a turn", "messages sent during a turn"],
            Note::UserMessageOutsideTurn => {
                ["user_message_outside_turn", "queued message kept", "queued messages kept"]
            }
            Note::ResultWithoutCall => ["result_without_call", "result without a call", "results without a call"],
            Note::CommandOutput => ["command_output", "local command kept", "local commands kept"],
        }
    }
}

/// A place in the sequence of events that a file gives: the offset of a line, and which of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// It is the line's own, and not what the line before had held back.
    pub(crate) own: bool,
    pub(crate) index: u64,
}

/// Gathers the events of a line.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) drafts: Vec<(Place, Draft)>,
    /// Where the next event of this line stands.
    place: Place,
    /// Where the next event that was held back stands.
    late: Place,
    /// When the record happened.
    time: Option<Timestamp>,
    /// Mapped records whose events are still to be made, by offset, with how many each holds back.
    held: BTreeMap<u64, u32>,
    /// When each turn that has not ended was last heard of, by its id as JSON.
    heard: HashMap<Vec<u8>, Timestamp>,
    pub(crate) notes: BTreeMap<Note, u64>,
}

impl Default for Out {
    fn default() -> Out {
        let place = Place { offset: 0, own: true, index: 0 };
        Out {
            drafts: Vec::new(),
            place,
            late: Place { own: false, ..place },
            time: None,
            held: BTreeMap::new(),
            heard: HashMap::new(),
            notes: BTreeMap::new(),
        }
    }
}

impl Out {
    /// Goes on to the line at `offset`.
    pub(crate) fn begin_line(&mut self, offset: u64) {
        if offset != self.place.offset {
            self.place = Place { offset, own: true, index: 0 };
            self.late = Place { offset, own: false, index: 0 };
        }
    }

    /// Sets when the record happened; one that does not say happened when the one before did.
    pub(crate) fn set_time(&mut self, time: Option<Timestamp>) {
        self.time = time.or(self.time);
    }

    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Where the line stands, to make ids of.
    pub(crate) fn offset(&self) -> u64 {
        self.place.offset
    }

    /// An event of this record.
    pub(crate) fn push(&mut self, event: impl Into<Draft>) {
        let place = self.place;
        self.place.index += 1;
        self.put(place, event.into(), self.time);
    }

    /// An event at a time of its own.
    pub(crate) fn push_at(&mut self, time: Option<Timestamp>, event: impl Into<Draft>) {
        let place = self.place;
        self.place.index += 1;
        self.put(place, event.into(), time.or(self.time));
    }

    /// An event that was held back until this record showed that no more belongs to it. It does not count among those of
    /// the line: had the file ended before, it would have come earlier.
    pub(crate) fn late(&mut self, time: Option<Timestamp>, event: impl Into<Draft>) {
        let place = self.late;
        self.late.index += 1;
        self.put(place, event.into(), time.or(self.time));
    }

    /// The end of a turn that no record states. It is the time of the turn's last event.
    pub(crate) fn imply_end(&mut self, ended: TurnEnded<'_>) {
        let time = self.last_heard(&ended.turn_id);
        self.push_at(time, ended);
    }

    /// The same where only the end of the file, or of what was held back, shows it.
    pub(crate) fn imply_end_late(&mut self, ended: TurnEnded<'_>) {
        let time = self.last_heard(&ended.turn_id);
        self.late(time, ended);
    }

    /// When a running turn was last heard of: the time of its latest event.
    pub(crate) fn last_heard(&self, turn_id: &str) -> Option<Timestamp> {
        let mut key = Vec::new();
        quote(turn_id, &mut key);
        self.heard.get(&key).copied()
    }

    /// Counts what was odd about a record.
    pub(crate) fn note(&mut self, note: Note) {
        *self.notes.entry(note).or_default() += 1;
    }

    /// Holds back an event of this record.
    pub(crate) fn hold(&mut self) -> Held {
        *self.held.entry(self.place.offset).or_default() += 1;
        Held(self.place.offset)
    }

    /// An event of a record that was held back has been made.
    pub(crate) fn made(&mut self, held: Held) {
        if let Some(count) = self.held.get_mut(&held.0) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&held.0);
            }
        }
    }

    /// Whether events of the current record are held back.
    pub(super) fn is_held(&self) -> bool {
        self.held.contains_key(&self.place.offset)
    }

    /// Of how many records events are held back.
    pub(super) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    fn put(&mut self, place: Place, draft: Draft, time: Option<Timestamp>) {
        self.hear(&draft, time);
        let draft = match time {
            Some(time) => draft.time(time),
            None => draft,
        };
        self.drafts.push((place, draft));
    }
}

impl Out {
    /// Notes when the turn of an event was heard of.
    fn hear(&mut self, draft: &Draft, time: Option<Timestamp>) {
        let Some(turn_id) = turn_id_of(draft.data().as_bytes()) else { return };
        if matches!(draft.type_name(), "turn_ended" | "turn_recorded") {
            self.heard.remove(turn_id);
        } else if let Some(time) = time {
            match self.heard.get_mut(turn_id) {
                Some(heard) => *heard = time.max(*heard),
                None => drop(self.heard.insert(turn_id.to_vec(), time)),
            }
        }
    }
}

/// The turn of an event, as JSON, if its data begins with it: that is how events of turns are written.
fn turn_id_of(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(br#"{"turn_id":"#)?;
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.and_then(|at| rest.get(..at + 2))
}

/// Milliseconds between two times, if both are known and in order.
pub(crate) fn millis_between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    let (from, to) = (from?, to?);
    (to >= from).then(|| to.since(from).as_secs_f64() * 1000.0)
}

/// The arguments of a call. JSON in a string is read, and the string kept beside it, since reading it is a guess.
pub(crate) fn arguments(raw: Option<&str>, metadata: &mut Metadata) -> Option<Json> {
    let written = Json::parse(raw?).ok()?;
    match text(raw?).and_then(|inner| Json::parse(&inner).ok()) {
        Some(inner) => {
            metadata.insert("arguments_as_written".to_owned(), written);
            Some(inner)
        }
        None => Some(written),
    }
}

/// What stands for a text where there are many to compare: of 64 bits no two agree.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Whether a name is in a list of names with blanks between them.
pub(crate) fn is_one_of(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}
