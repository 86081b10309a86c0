//! An entry: an event with its sequence number and time, as a reader gives it.

use crate::error::Result;
use crate::json;
use crate::model::event::Event;
use crate::model::gap::{Gap, GapKind};
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use std::borrow::Cow;
use std::ops::Range;

/// One entry of a journal. Its checksum has been verified.
///
/// Borrowed from the bytes it was read from, or, as followers give it, with a line of its own.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub(crate) seq: Seq,
    pub(crate) synced: Seq,
    pub(crate) time: Timestamp,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) observed: Option<Timestamp>,
    pub(crate) line: Cow<'a, str>,
    /// The checksum at the end of the line.
    pub(crate) crc: u32,
    /// Where in the line the type's name stands.
    pub(crate) type_name: Range<u32>,
    /// Where in the line the data stands.
    pub(crate) data: Range<u32>,
    /// Whether the data is JSON, if somebody has looked.
    pub(crate) json: Option<bool>,
}

impl<'a> Entry<'a> {
    /// The event, borrowed from where the line is, and not from this; `None` if it has a line of its own.
    pub(crate) fn event_of_line(&self) -> Option<Result<Event<'a>>> {
        let Cow::Borrowed(line) = self.line else { return None };
        Some(Event::decode(part(line, &self.type_name), part(line, &self.data)))
    }
}

impl Entry<'_> {
    /// Its number.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Every entry up to this number was on disk when this one was made.
    pub fn synced(&self) -> Seq {
        self.synced
    }

    /// When it happened: the caller's time if one was given, else the recorder's.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The event's type.
    pub fn type_name(&self) -> &str {
        part(&self.line, &self.type_name)
    }

    /// The caller's own id.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The recorder's clock, if the caller gave the time.
    pub fn observed(&self) -> Option<Timestamp> {
        self.observed
    }

    /// The event's data: a JSON object, as it was recorded.
    pub fn data(&self) -> &str {
        part(&self.line, &self.data)
    }

    /// The whole line as it stands in the file, without its line break.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Decodes the event.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the type is known and the data does not fit it.
    pub fn event(&self) -> Result<Event<'_>> {
        Event::decode(self.type_name(), self.data())
    }

    /// Whether its data is JSON, and so its line. A checksum does not tell: only foldlog makes sure of it when it records, and
    /// others may write lines too.
    pub fn is_json(&self) -> bool {
        self.json.unwrap_or_else(|| json::is_json(self.data()))
    }

    /// The gap that takes its place wherever lines of JSON are printed, if it is none. An entry does not know where
    /// it stands, so that the gap's segment and offset are 0.
    pub fn gap_for_json(&self) -> Option<Gap> {
        let gap = || Gap {
            segment: 0,
            offset: 0,
            bytes: self.line.len() as u64 + 1,
            kind: GapKind::NotJson,
            first_seq: Some(self.seq),
            last_seq: Some(self.seq),
            acknowledged: None,
            explained: false,
        };
        (!self.is_json()).then(gap)
    }

    /// Whether the recorder itself wrote it: such an entry has a number but is no event of the session.
    pub fn is_recorders_own(&self) -> bool {
        Event::is_recorders_own(self.type_name())
    }

    /// The same entry with a line of its own, to keep beyond the reader's buffer.
    pub fn into_owned(self) -> Entry<'static> {
        self.keep_in(&mut None)
    }

    /// Keeps it, where it has a line of its own, in the memory of what was kept there before.
    pub(crate) fn keep(self, kept: &mut Option<Entry<'static>>) {
        let entry = self.keep_in(kept);
        *kept = Some(entry);
    }

    fn keep_in(self, kept: &mut Option<Entry<'static>>) -> Entry<'static> {
        let line = match self.line {
            Cow::Owned(line) => line,
            Cow::Borrowed(text) => {
                let mut line = kept.take().map_or_else(String::new, |entry| entry.line.into_owned());
                line.clear();
                line.push_str(text);
                line
            }
        };
        Entry {
            id: self.id.map(|id| Cow::Owned(id.into_owned())),
            line: Cow::Owned(line),
            seq: self.seq,
            synced: self.synced,
            time: self.time,
            observed: self.observed,
            crc: self.crc,
            type_name: self.type_name,
            data: self.data,
            json: self.json,
        }
    }

    /// The same entry, its line borrowed from this one.
    pub(crate) fn borrowed(&self) -> Entry<'_> {
        Entry {
            id: self.id.as_deref().map(Cow::Borrowed),
            line: Cow::Borrowed(&self.line),
            seq: self.seq,
            synced: self.synced,
            time: self.time,
            observed: self.observed,
            crc: self.crc,
            type_name: self.type_name.clone(),
            data: self.data.clone(),
            json: self.json,
        }
    }

    /// The same entry with other data and another id. It is no line of the log any more.
    pub(crate) fn with_data(&self, data: &str, id: Option<String>) -> Entry<'static> {
        let line = format!("{}{data}", self.type_name());
        let (middle, end) = (self.type_name().len() as u32, line.len() as u32);
        Entry {
            seq: self.seq,
            synced: self.synced,
            time: self.time,
            id: id.map(Cow::Owned),
            observed: self.observed,
            crc: self.crc,
            line: Cow::Owned(line),
            type_name: 0..middle,
            data: middle..end,
            json: None,
        }
    }
}

fn part<'a>(line: &'a str, range: &Range<u32>) -> &'a str {
    &line[range.start as usize..range.end as usize]
}
