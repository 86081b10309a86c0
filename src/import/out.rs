//! Where mappers put their events, and what they say about a record.

use crate::draft::Draft;
use crate::json::{Json, Metadata};
use crate::mend::text;
use crate::time::Timestamp;
use std::borrow::Cow;

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It became events, or changed what later ones say.
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

/// A place in the sequence of events that a file gives: the offset of a line, and which of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// It is the line's own, and not what the line before had held back.
    pub(crate) own: bool,
    pub(crate) index: u64,
}

impl Place {
    /// The id of the event made here.
    pub(crate) fn id(self) -> String {
        let late = if self.own { "" } else { ".late" };
        format!("{}.{}{late}", self.offset, self.index)
    }
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
}

impl Default for Out {
    fn default() -> Out {
        let place = Place { offset: 0, own: true, index: 0 };
        Out { drafts: Vec::new(), place, late: Place { own: false, ..place }, time: None }
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

    fn put(&mut self, place: Place, draft: Draft, time: Option<Timestamp>) {
        let draft = match time {
            Some(time) => draft.time(time),
            None => draft,
        };
        self.drafts.push((place, draft));
    }
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

/// Whether a name is in a list of names with blanks between them.
pub(crate) fn is_one_of(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}
