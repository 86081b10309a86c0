//! A gap: bytes or sequence numbers that could not be read. Always an item, never silence.

use crate::model::seq::Seq;
use crate::text::phrases::count;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of gap it is. The rules are in `format/gap_rules`, as a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// Bytes that had been on disk and are no longer what they were.
    Corrupt,
    /// Bad bytes with good lines behind them, none of which proves that the bad ones were ever on disk.
    Hole,
    /// Bad bytes at the very end: a write that a crash cut short.
    Torn,
    /// A segment that is missing, or shorter than the next one says.
    Lost,
    /// Bytes behind the end that the next segment's header names: a writer that had been shut out.
    BehindSeal,
    /// Bad bytes with no number missing, or a line that is not foldlog's.
    Foreign,
    /// Numbers missing without any bad bytes.
    Missing,
    /// A number again, with other bytes.
    Duplicate,
    /// A segment whose header is missing or bad.
    Header,
    /// An entry whose data is no JSON, where lines of JSON are printed: it is left out.
    NotJson,
    /// A segment in a form that only a newer version of foldlog reads. This is no damage.
    Unsupported,
}

impl GapKind {
    /// The kind's name, as `verify --json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            GapKind::Corrupt => "corrupt",
            GapKind::Hole => "hole",
            GapKind::Torn => "torn",
            GapKind::Lost => "lost",
            GapKind::BehindSeal => "behind_seal",
            GapKind::Foreign => "foreign",
            GapKind::Missing => "missing",
            GapKind::Duplicate => "duplicate",
            GapKind::Header => "header",
            GapKind::NotJson => "not_json",
            GapKind::Unsupported => "unsupported",
        }
    }
}

/// A range of bytes or sequence numbers that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The segment it is in.
    pub segment: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has; 0 if only numbers are missing.
    pub bytes: u64,
    /// What it is.
    pub kind: GapKind,
    /// The first number it swallowed, if any is known to be missing.
    pub first_seq: Option<Seq>,
    /// The last number it swallowed.
    pub last_seq: Option<Seq>,
    /// `Some(true)`: it had been acknowledged as synced. `None`: that cannot be told.
    pub acknowledged: Option<bool>,
    /// It is no damage: the log itself accounts for it (a recovery, or a disk that was full), or a newer version reads it.
    pub explained: bool,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (GapKind::NotJson, Some(seq)) = (self.kind, self.first_seq) {
            return write!(f, "not_json, the data of seq {seq} is no JSON");
        }
        write!(f, "{} in segment {:08} at byte {}", self.kind.as_str(), self.segment, self.offset)?;
        if self.bytes > 0 {
            write!(f, ", {}", count(self.bytes, "byte"))?;
        }
        match (self.first_seq, self.last_seq) {
            (Some(first), Some(last)) if first == last => write!(f, ", seq {first} is missing")?,
            (Some(first), Some(last)) => write!(f, ", seq {first} to {last} are missing")?,
            _ => write!(f, ", no number is known to be missing")?,
        }
        if self.acknowledged == Some(true) {
            f.write_str(", had been acknowledged")?;
        }
        Ok(())
    }
}
