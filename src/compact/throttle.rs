//! How fast a compaction goes, and who is told how far it is.

use crate::runtime::pool;
use std::time::{Duration, Instant};

/// Paused for no longer than this at a time.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How many bytes go by between two looks at the clock.
const STRIDE: u64 = 256 << 10;

/// Counts what is read and written, and slows down if that is too much.
pub(super) struct Pace<'a> {
    entries: u64,
    progress: &'a mut dyn FnMut(u64),
    bytes_per_second: Option<u64>,
    /// Bytes since the last look at the clock.
    bytes: u64,
    /// When the next bytes are due.
    due: Instant,
}

impl<'a> Pace<'a> {
    pub(super) fn new(bytes_per_second: Option<u64>, progress: &'a mut dyn FnMut(u64)) -> Pace<'a> {
        Pace { entries: 0, progress, bytes_per_second, bytes: 0, due: Instant::now() }
    }

    /// An entry of so many bytes has been read.
    pub(super) fn read(&mut self, bytes: u64) {
        self.entries += 1;
        (self.progress)(self.entries);
        self.moved(bytes);
    }

    /// So many bytes have been moved.
    pub(super) fn moved(&mut self, bytes: u64) {
        let Some(most) = self.bytes_per_second else { return };
        self.bytes += bytes;
        if self.bytes < STRIDE {
            return;
        }
        let cost = Duration::from_secs_f64(std::mem::take(&mut self.bytes) as f64 / most.max(1) as f64);
        let now = Instant::now();
        // Time that went by unused is not made up for.
        self.due = self.due.max(now) + cost;
        while let Some(ahead) = self.due.checked_duration_since(Instant::now()).filter(|ahead| !ahead.is_zero()) {
            pool::pause(ahead.min(LONGEST_PAUSE));
        }
    }
}
