//! Where mappers put their events, and what they say about a record.

use crate::draft::Draft;
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
    pub(crate) index: u64,
}

impl Place {
    /// The id of the event made here.
    pub(crate) fn id(self) -> String {
        format!("{}.{}", self.offset, self.index)
    }

    pub(crate) fn parse(id: &str) -> Option<Place> {
        let (offset, index) = id.split_once('.')?;
        Some(Place { offset: offset.parse().ok()?, index: index.parse().ok()? })
    }
}

/// Gathers the events of a line.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) drafts: Vec<(Place, Draft)>,
    /// Where the next event of this line stands.
    place: Place,
    /// Where the next event that belongs to the line before stands.
    before: Place,
    /// When the record happened.
    time: Option<Timestamp>,
}

impl Out {
    /// Goes on to the line at `offset`.
    pub(crate) fn begin_line(&mut self, offset: u64) {
        if offset != self.place.offset {
            self.before = self.place;
            self.place = Place { offset, index: 0 };
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

    /// An event that belongs to the record before, told only now that no more belongs to that one. It bears the same id
    /// whether the next record or the end of the file brought it.
    pub(crate) fn late(&mut self, time: Option<Timestamp>, event: impl Into<Draft>) {
        let place = match self.place.index {
            0 => &mut self.before,
            _ => &mut self.place,
        };
        let at = *place;
        place.index += 1;
        self.put(at, event.into(), time);
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
