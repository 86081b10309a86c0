//! An entry kept beyond the reader's buffer.

use foldlog::{Entry, Timestamp};
use std::ops::Range;

/// An entry that waits until it is known to be among the last.
pub(crate) struct Held {
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    pub(crate) type_name: String,
    line: String,
    data: Range<usize>,
}

impl Held {
    pub(crate) fn new(entry: &Entry<'_>) -> Held {
        // `data` is a part of the line: one copy serves both.
        let start = entry.line().rfind(entry.data()).unwrap_or(0);
        Held {
            seq: entry.seq().get(),
            time: entry.time(),
            type_name: entry.type_name().to_owned(),
            line: entry.line().to_owned(),
            data: start..start + entry.data().len(),
        }
    }

    /// The whole line.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// The event's data.
    pub(crate) fn data(&self) -> &str {
        &self.line[self.data.clone()]
    }
}
