//! Journals that wait for space on a full disk.

use crate::cli::commands::record::patience::Latch;
use std::cell::Cell;

/// How many journals wait for space on a full disk, and whether they may go on waiting.
#[derive(Debug, Default)]
pub(crate) struct Space {
    waiting: Cell<usize>,
    given_up: Latch,
}

impl Space {
    /// A journal begins to wait.
    pub(crate) fn begin_waiting(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// A journal waits no longer.
    pub(crate) fn end_waiting(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.get() > 0
    }

    pub(super) fn give_up(&self) {
        self.given_up.close();
    }

    /// Resolves once nothing may wait for space any longer.
    pub(crate) async fn given_up(&self) {
        self.given_up.closed().await;
    }
}
