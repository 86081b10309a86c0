//! A full disk: what could not be written waits in the queue or is refused, and the write is tried again.

use crate::error::{Error, ErrorKind};
use crate::write::committer::Committer;
use crate::write::options::OnFull;
use crate::write::queue::Queue;
use std::time::Duration;

/// How long a full disk is left alone before the next try.
pub(crate) const FULL_RETRY: Duration = Duration::from_millis(200);

impl Queue {
    /// After a write of `lines` that ended after `written` bytes: the rest waits, or all of the queue is refused. Returns
    /// the first and the last number of what was refused.
    pub(crate) fn meet_full_disk(
        &mut self,
        on_full: OnFull,
        committer: &mut Committer,
        mut lines: Vec<u8>,
        written: usize,
    ) -> Option<(u64, u64)> {
        self.wants_sync = true;
        if on_full != OnFull::Wait {
            return self.refuse_all(committer);
        }
        // Back to the front: bytes and numbers stay as they are.
        lines.drain(..written);
        lines.extend_from_slice(&self.lines);
        self.lines = lines;
        None
    }
}

pub(crate) fn storage_full() -> Error {
    Error::new(ErrorKind::StorageFull, "the disk is full: the event was not recorded; free some space")
}
