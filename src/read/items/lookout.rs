//! What a follower remembers of the directory, to know when numbers that it told as missing may have come.

use crate::error::Result;
use crate::segments::dir::{Files, Listed};

/// What the directory held when the missing numbers were looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    files: Vec<Listed>,
    /// These count: those from here on are still being written.
    below: u64,
}

impl Evidence {
    /// What a directory holds now.
    pub(super) fn by(files: &Files, below: u64) -> Result<Evidence> {
        Ok(Evidence { files: super::segments::list(files, true)?, below })
    }

    /// Whether the files that count in both are the same. New segments at the end are none of the missing ones.
    pub(super) fn agrees(&self, other: &Evidence) -> bool {
        let below = self.below.min(other.below);
        let count = |files: &[Listed]| files.partition_point(|listed| listed.segment < below);
        self.files[..count(&self.files)] == other.files[..count(&other.files)]
    }
}

/// When to look for the missing numbers again.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// What there was when they were looked for last; `None` if they were not.
    pub(super) checked: Option<Evidence>,
    /// What there is now, if that is something else: once it has stayed the same from one look to the next, they are looked
    /// for. A file that is being copied would be delivered piece by piece, and everything behind it each time.
    pub(super) suspect: Option<Evidence>,
    /// Where reading has gone back to last, and what there was then: not twice for the same.
    pub(super) went_back: Option<(u64, Evidence)>,
}
