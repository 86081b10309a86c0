//! Sequence numbers: where an entry stands in its journal.
//!
//! Owns the type and its range; who gets which number is decided by the writer (`journal`) and by `recovery`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of an entry: 1 for the first of a journal, one more for each that follows.
///
/// At most 2^53 - 1, so that every JSON reader holds it exactly. Zero stands for "before the first entry".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Seq = Seq(0);
    /// The largest sequence number, 2^53 - 1.
    pub const MAX: Seq = Seq((1 << 53) - 1);

    /// A number, clamped to [`Seq::MAX`].
    pub const fn new(number: u64) -> Seq {
        if number > Seq::MAX.0 { Seq::MAX } else { Seq(number) }
    }

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Seq {
    fn from(number: u64) -> Seq {
        Seq::new(number)
    }
}
