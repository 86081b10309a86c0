//! What a compaction shall do.

use crate::write::options::JournalOptions;

/// What a compaction shall do. Build one from its default:
///
/// ```
/// let options = foldlog::CompactOptions::default().dry_run(true);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CompactOptions {
    pub(super) dry_run: bool,
    pub(super) segment_bytes: u64,
    pub(super) drop_streaming: bool,
    pub(super) bytes_per_second: Option<u64>,
    /// Fewer neighbours are not merged.
    pub(super) merge_at_least: usize,
    /// Larger segments are left alone.
    pub(super) only_smaller_than: Option<u64>,
    /// Segments up to this one have been looked at before.
    pub(super) looked_through: u64,
    /// The newest one too, if nobody is writing.
    pub(super) newest: bool,
}

impl Default for CompactOptions {
    fn default() -> CompactOptions {
        CompactOptions {
            dry_run: false,
            segment_bytes: JournalOptions::default().segment_bytes,
            drop_streaming: true,
            bytes_per_second: None,
            merge_at_least: 2,
            only_smaller_than: None,
            looked_through: 0,
            newest: true,
        }
    }
}

impl CompactOptions {
    /// Only finds out what would be done. By default `false`.
    pub fn dry_run(mut self, dry_run: bool) -> CompactOptions {
        self.dry_run = dry_run;
        self
    }

    /// Up to which size neighbouring segments are merged. By default 64 MiB.
    pub fn segment_bytes(mut self, bytes: u64) -> CompactOptions {
        self.segment_bytes = bytes;
        self
    }

    /// Whether streaming that is kept elsewhere is dropped. By default `true`; without, segments are only merged.
    pub fn drop_streaming(mut self, drop: bool) -> CompactOptions {
        self.drop_streaming = drop;
        self
    }

    /// How many bytes a second are read and written at most. By default as many as the disk takes.
    pub fn bytes_per_second(mut self, bytes: u64) -> CompactOptions {
        self.bytes_per_second = Some(bytes);
        self
    }

    /// What a writer does by itself with the segments behind `looked_through` once they are sealed.
    pub(super) fn after_roll_over(
        journal: &JournalOptions,
        bytes_per_second: u64,
        looked_through: u64,
    ) -> CompactOptions {
        // A few small segments are not worth reading a large one again.
        let options = CompactOptions { looked_through, merge_at_least: 16, newest: false, ..CompactOptions::default() };
        options.segment_bytes(journal.segment_bytes).bytes_per_second(bytes_per_second)
    }

    /// What a writer does by itself with many small segments.
    pub(super) fn merge_small(journal: &JournalOptions, small: u64) -> CompactOptions {
        let options = CompactOptions { only_smaller_than: Some(small), newest: false, ..CompactOptions::default() };
        options.segment_bytes(journal.segment_bytes).drop_streaming(false)
    }
}
