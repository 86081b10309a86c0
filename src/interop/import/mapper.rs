//! What every imported format provides: a [`Row`] of the table, and a [`Mapper`] from records to events.

use crate::interop::import::drafts::{Fate, Out};
use crate::interop::import::source::{Source, SourceFormat, SourceName};
use crate::json::members::Object;
use crate::model::time::Timestamp;

/// What makes events of one format's records.
pub(crate) trait Mapper: Send {
    /// Makes events of a whole record, and says what became of it.
    fn record(&mut self, text: &str, out: &mut Out) -> Fate;

    /// Makes the events that are held back until the next record shows whether more belongs to them: the file ends here,
    /// for now. What later records become must not depend on where that was. Events made here once are made again only
    /// with `again`, at another end.
    fn settle(&mut self, _end: End, _again: bool, _out: &mut Out) {}

    /// The file goes on after an end at which `settle` was called with [`End::File`]: takes back what was only
    /// concluded from that end.
    fn go_on(&mut self, _out: &mut Out) {}
}

/// Why no further record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The file has not grown for a moment, and is followed on.
    Pause,
    /// This import ends here: what the records so far let one conclude is concluded.
    File,
}

/// What a record says about the session of its file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// What the file's name says.
    pub(crate) name: SourceName,
    pub(crate) session_id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) time: Option<Timestamp>,
}

/// One format: a row of the table.
pub(crate) struct Row {
    pub(crate) format: SourceFormat,
    pub(crate) name: &'static str,
    /// Whether an object is a record of this format: tells formats apart, and records from what is nested in them.
    pub(crate) is_record: fn(&str, &Object<'_>) -> bool,
    /// Whether a record is a part of a conversation: a file without any is claimed by no format.
    pub(crate) speaks: fn(&Object<'_>) -> bool,
    /// Learns about the session from a record, the first ones first.
    pub(crate) identify: fn(&Object<'_>, &mut Identity),
    pub(crate) mapper: fn(&Source) -> Box<dyn Mapper>,
}
