//! Folding: from a journal's entries to state. Pure: knows no file, no clock and no thread.
//!
//! A [`Reducer`] sees every entry once, in order, and every gap between them. The law all built-in ones keep, at every
//! split: `fold(all) == fold_from(fold(prefix), rest)`; seeing an entry twice changes nothing.

mod anomaly;
mod ledger;
mod outline;
pub(crate) mod prices;
mod rules;
mod session;
mod summary;
mod timeline;

pub use anomaly::{Anomaly, AnomalyKind};
pub(crate) use outline::{OutlineFold, OutlineTurn};
pub use session::{Session, SessionFold};
pub use summary::fold::SummaryFold;
pub use summary::histogram::Durations;
pub use summary::totals::{
    Day, DayStats, GapStats, ModelCallStats, Spent, ToolCallStats, Totals, TurnStats, TypeStats,
};
pub use summary::{SessionState, SessionSummary};
pub use timeline::TimelineFold;
pub use timeline::item::{Timeline, TimelineItem, TimelineKind};

use crate::model::entry::Entry;
use crate::model::gap::Gap;
use crate::model::id::SessionId;
use crate::model::time::Timestamp;

/// Where a journal comes from, as its header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The session the journal records.
    pub session_id: SessionId,
    /// The journal's id: 32 hexadecimal digits, drawn when it was begun. Absent if no header can be read.
    pub journal: Option<String>,
    /// When the journal was begun.
    pub created: Timestamp,
}

/// One step of a fold: total, deterministic, without I/O and without a clock.
///
/// ```
/// use foldlog::{Entry, Reducer};
///
/// /// Counts the tool calls.
/// #[derive(Default)]
/// struct Calls(u64);
///
/// impl Reducer for Calls {
///     type Output = u64;
///     fn entry(&mut self, entry: &Entry<'_>) {
///         self.0 += u64::from(entry.type_name() == "tool_call_started");
///     }
///     fn finish(self) -> u64 {
///         self.0
///     }
/// }
/// ```
pub trait Reducer {
    /// What the fold comes to.
    type Output;

    /// Before the first entry.
    fn begin(&mut self, origin: &Origin) {
        let _ = origin;
    }

    /// The next entry.
    fn entry(&mut self, entry: &Entry<'_>);

    /// Something between two entries that could not be read.
    fn gap(&mut self, gap: &Gap) {
        let _ = gap;
    }

    /// What it comes to. To go on later, clone the reducer instead.
    fn finish(self) -> Self::Output;
}

#[cfg(test)]
mod tests;
