//! [`Cursor`]: a place in a journal from which reading starts or goes on.

use crate::seq::Seq;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where reading starts: at a place that is given in words, or behind the last item of a [`Follower`](crate::Follower).
///
/// Plain data: store it with serde, and resume after a restart. It names no file, so that it stays right when segments are
/// compacted.
///
/// ```
/// use foldlog::Cursor;
///
/// let cursor = Cursor::last(10);
/// let stored = serde_json::to_string(&cursor)?;
/// assert_eq!(serde_json::from_str::<Cursor>(&stored)?, cursor);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) Place);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Start,
    End,
    From(Seq),
    Last(u64),
    Since(Timestamp),
    After(Position),
}

/// What a follower has seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The journal's id, once a header was seen.
    pub(crate) journal: Option<String>,
    /// The opening that wrote the last entry: a later one may have found less.
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl Cursor {
    /// The first entry.
    pub fn start() -> Cursor {
        Cursor(Place::Start)
    }

    /// Behind the last entry that is there now.
    pub fn end() -> Cursor {
        Cursor(Place::End)
    }

    /// The entry with this number, or the first behind it.
    pub fn from_seq(seq: Seq) -> Cursor {
        Cursor(Place::From(seq))
    }

    /// The last `entries` entries that are there now.
    pub fn last(entries: u64) -> Cursor {
        Cursor(Place::Last(entries))
    }

    /// The first entry whose time is this or later. Everything behind it follows, whatever its time.
    pub fn since(time: Timestamp) -> Cursor {
        Cursor(Place::Since(time))
    }

    /// The number of the last entry that a follower had seen; `None` for a place given in words.
    pub fn seq(&self) -> Option<Seq> {
        match &self.0 {
            Place::After(position) => Some(Seq::new(position.seq)),
            _ => None,
        }
    }
}

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor::start()
    }
}
