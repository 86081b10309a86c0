//! How far a journal of this process has got: what its followers may give out, and what wakes them.

use crate::seq::Seq;
use crate::watermark::{Durability, Watermark};
use crate::writer::Writer;
use std::sync::{Arc, Weak};
use std::task::Waker;

pub(crate) struct Gate {
    writer: Weak<Writer>,
    mark: Arc<Watermark>,
    level: Durability,
    /// How far the journal had got before the files were looked at last.
    looked: u64,
}

impl Gate {
    pub(crate) fn new(writer: &Arc<Writer>, level: Durability) -> Gate {
        let mark = writer.mark();
        let looked = mark.reached(level);
        Gate { writer: Arc::downgrade(writer), mark, level, looked }
    }

    /// The files are about to be looked at.
    pub(super) fn look(&mut self) {
        self.looked = self.mark.reached(self.level);
    }

    /// The last entry that may be given out.
    pub(super) fn limit(&mut self) -> u64 {
        if let Some(writer) = self.writer.upgrade() {
            self.mark = writer.mark(); // another one after a reopening
        }
        match (self.level, self.mark.closed()) {
            // All is synced; what comes behind it is another opening's.
            (_, Some(Ok(()))) | (Durability::Written, _) => Seq::MAX.get(),
            (Durability::Synced, _) => self.mark.reached(Durability::Synced),
        }
    }

    /// Has a waker woken when the journal gets further; `true` if it has got further since the last look.
    pub(super) fn attend(&self, waker: &Waker) -> bool {
        self.mark.watch_past(self.level, self.looked, waker)
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("level", &self.level).finish_non_exhaustive()
    }
}
