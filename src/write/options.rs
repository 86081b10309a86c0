//! How a journal is written: its options and their limits.

use crate::runtime::watermark::Durability;
use std::time::Duration;

/// No segment is filled further ahead.
const MAX_PREFILL: u64 = 64 << 20;

/// What happens when the disk is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Refuse what is queued and what comes, with [`ErrorKind::StorageFull`](crate::ErrorKind::StorageFull), until there
    /// is space again; the log then explains the hole with `events_lost`.
    #[default]
    Fail,
    /// Keep everything queued and try again; nothing is refused but by
    /// [`ErrorKind::Backlog`](crate::ErrorKind::Backlog).
    Wait,
}

/// How a journal is written. Build one from its default:
///
/// ```
/// use foldlog::{Durability, JournalOptions};
/// let options = JournalOptions::default().durability(Durability::Written);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JournalOptions {
    pub(crate) durability: Durability,
    pub(crate) sync_interval: Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) prefill: u64,
    pub(crate) on_full: OnFull,
    /// Whether segments are compacted once they are full, and how many bytes a second that may move.
    pub(crate) compaction: Option<u64>,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions {
            durability: Durability::Synced,
            sync_interval: Duration::from_millis(100),
            queue_bytes: 8 << 20,
            segment_bytes: 64 << 20,
            prefill: 0,
            on_full: OnFull::Fail,
            compaction: None,
        }
    }
}

impl JournalOptions {
    /// How safe an event is when its ticket resolves. By default [`Durability::Synced`].
    pub fn durability(mut self, durability: Durability) -> JournalOptions {
        self.durability = durability;
        self
    }

    /// Within which time events that nobody waits for are synced. By default 100 ms.
    pub fn sync_interval(mut self, interval: Duration) -> JournalOptions {
        self.sync_interval = interval;
        self
    }

    /// How many bytes may wait to be written before `append` and `push` fail with [`ErrorKind::Backlog`](crate::ErrorKind::Backlog). By default
    /// 8 MiB. One event is always taken, whatever its size.
    pub fn queue_bytes(mut self, bytes: usize) -> JournalOptions {
        self.queue_bytes = bytes;
        self
    }

    /// How large a segment may grow. By default 64 MiB. A segment takes at least one entry, whatever its size.
    pub fn segment_bytes(mut self, bytes: u64) -> JournalOptions {
        self.segment_bytes = bytes;
        self
    }

    /// With how many line feeds a segment is filled ahead, each time its lines have reached their end. By default 0: not at
    /// all. More than 64 MiB is taken for 64 MiB; a mebibyte is a good size.
    ///
    /// The next lines are written over them, so that a sync need not make the file longer, which spares the file system a
    /// write to its own journal: worth it where few tasks wait for [`Durability::Synced`] (`docs/PERFORMANCE.md` has
    /// figures). What is left is cut off when the segment is full, when the journal is closed, and by the next opening
    /// after a crash. Until then the file is larger than what it holds, and `tail -f` does not show new lines.
    pub fn prefill(mut self, bytes: u64) -> JournalOptions {
        self.prefill = bytes.min(MAX_PREFILL);
        self
    }

    /// What happens when the disk is full. By default [`OnFull::Fail`].
    pub fn on_full(mut self, on_full: OnFull) -> JournalOptions {
        self.on_full = on_full;
        self
    }

    /// Compacts each segment in the background once it is full, as [`Store::compact`](crate::Store::compact) does, reading
    /// and writing at most so many bytes a second. By default nothing is compacted unasked, except that small segments are
    /// merged when there are more than a hundred.
    pub fn compact_in_background(mut self, bytes_per_second: u64) -> JournalOptions {
        self.compaction = Some(bytes_per_second);
        self
    }
}
