//! What a commit cycle publishes to waiters: how far the journal was written, and which events failed.

use crate::error::Error;
use crate::runtime::watermark::{Durability, Watermark};
use crate::write::committer::Committer;

/// Tells those who wait for their events to be written. Returns how far that reaches.
pub(crate) fn tell_written(mark: &Watermark, committer: &Committer) -> u64 {
    // A sync that has failed on the way takes nothing back that was told before it.
    let written = committer.kept().max(mark.reached(Durability::Written));
    mark.advance(Durability::Written, written);
    written
}

/// Everything after what the committer has reached has failed.
pub(crate) fn fail_rest(mark: &Watermark, committer: &Committer, error: &Error) {
    let written = tell_written(mark, committer);
    mark.advance(Durability::Synced, committer.synced());
    mark.fail(Durability::Written, written + 1, u64::MAX, error);
    mark.fail(Durability::Synced, committer.synced() + 1, u64::MAX, error);
}
