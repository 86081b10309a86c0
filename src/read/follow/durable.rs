//! How far a journal of this process is durable: what its followers may deliver, and what wakes them.

use crate::model::seq::Seq;
use crate::runtime::watermark::{CurrentMark, Durability, Watcher, Watermark};
use std::sync::{Arc, Weak};
use std::task::Waker;

pub(crate) struct Gate {
    current: Weak<CurrentMark>,
    watcher: Watcher,
    level: Durability,
    /// How far the journal had got before the files were looked at last.
    looked: u64,
}

impl Gate {
    pub(crate) fn new(current: &Arc<CurrentMark>, level: Durability) -> Gate {
        let mark = current.get();
        let looked = mark.reached(level);
        Gate { current: Arc::downgrade(current), watcher: Watcher::new(mark), level, looked }
    }

    /// The files are about to be looked at.
    pub(super) fn look(&mut self) {
        self.find_mark();
        self.looked = self.mark().reached(self.level);
    }

    /// The last entry that may be given out.
    pub(super) fn limit(&mut self) -> u64 {
        if self.level == Durability::Written {
            return Seq::MAX.get(); // asked for every entry: to ask the writer would be to disturb it
        }
        self.find_mark();
        match self.mark().closed() {
            Some(Ok(())) => Seq::MAX.get(), // all is synced; what comes behind it is another opening's
            _ => self.mark().reached(Durability::Synced),
        }
    }

    /// Has a waker woken when the journal gets further or is closed; `true` if it has got further since the last look.
    pub(super) fn attend(&mut self, waker: &Waker) -> bool {
        self.find_mark();
        self.watcher.watch_past(self.level, self.looked, waker)
    }

    /// Whether the journal is closed, so that it will tell nothing more.
    pub(super) fn is_over(&self) -> bool {
        self.current.strong_count() == 0 || self.mark().closed().is_some()
    }

    /// After a reopening it is another one.
    fn find_mark(&mut self) {
        if let Some(mark) = self.current.upgrade().map(|current| current.get())
            && !Arc::ptr_eq(&mark, self.mark())
        {
            self.watcher = Watcher::new(mark);
        }
    }

    fn mark(&self) -> &Arc<Watermark> {
        self.watcher.mark()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("level", &self.level).finish_non_exhaustive()
    }
}
