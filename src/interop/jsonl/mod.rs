//! Lines of files that others wrote: cutting them out, telling good from bad, and saving whole records out of bad ones.
//!
//! Pure: sees bytes, knows no file. A line is judged from its bytes alone; what a record means is up to `import` and
//! `doctor`.

mod lines;
mod objects;
mod salvage;

pub(crate) use lines::{Ending, RawLine, RawLines};
pub(crate) use salvage::{Bad, Fault, Judged, Piece, judge};

use crate::json::members::Object;
use crate::model::time::Timestamp;

/// How deep a record may be nested: `serde_json` and others stop reading at 128 levels.
pub(crate) const MAX_RECORD_DEPTH: usize = 127;

impl Object<'_> {
    /// A member that is a point in time: RFC 3339.
    pub(crate) fn time(&self, key: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.text(key)?)
    }
}

/// Tells a record from other objects by its text. Whether it is in doubt: it stands where a nested object could.
pub(crate) type IsRecord<'a> = &'a dyn Fn(&str, bool) -> bool;
