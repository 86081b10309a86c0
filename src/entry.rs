//! An entry: an event with its sequence number and time, as a reader gives it.

use crate::error::Result;
use crate::event::Event;
use crate::seq::Seq;
use crate::time::Timestamp;
use std::borrow::Cow;

/// One entry of a journal, borrowed from the bytes it was read from. Its checksum has been verified.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub(crate) seq: Seq,
    pub(crate) synced: Seq,
    pub(crate) time: Timestamp,
    pub(crate) type_name: &'a str,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) observed: Option<Timestamp>,
    pub(crate) data: &'a str,
    pub(crate) line: &'a str,
}

impl<'a> Entry<'a> {
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
    pub fn type_name(&self) -> &'a str {
        self.type_name
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
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// The whole line as it stands in the file, without its line break.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// Decodes the event.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the type is known and the data does not fit it.
    pub fn event(&self) -> Result<Event<'a>> {
        Event::decode(self.type_name, self.data)
    }

    /// Whether the recorder itself wrote it: such an entry has a number but is no event of the session.
    pub fn is_recorders_own(&self) -> bool {
        Event::is_recorders_own(self.type_name)
    }
}
