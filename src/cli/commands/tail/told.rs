//! The gaps that were told of a session, as far as they still count for the exit code.
//!
//! A gap with missing numbers counts until a `Rewound` takes it back. Bytes at the end of a session that are no line may
//! become one without a word, when the rest of them comes, or be explained by the next writer's recovery: what is there
//! instead is looked up when the next entry comes, and at the end.

use foldlog::{Cursor, Gap, Item, SessionId, Store};

/// What was said of a session.
#[derive(Default)]
pub(super) struct Told {
    /// Its last entry.
    last: u64,
    /// The entry behind which its first gap stands.
    gap_behind: Option<u64>,
    /// A gap that may come to be none.
    doubt: Option<Doubt>,
}

/// Where a gap was told that may come to be none.
pub(super) struct Doubt {
    pub(super) store: Store,
    pub(super) session: SessionId,
    /// Before the gap.
    pub(super) from: Cursor,
}

impl Told {
    /// Notes an entry: now it can be told what became of the gap before it.
    pub(super) fn entry(&mut self, seq: u64) {
        self.settle();
        self.last = seq;
    }

    pub(super) fn gap(&mut self, gap: &Gap, doubt: impl FnOnce() -> Option<Doubt>) {
        if self.gap_behind.is_some() {
            return;
        }
        if gap.first_seq.is_none() && self.doubt.is_none() {
            self.doubt = doubt();
        }
        if gap.first_seq.is_some() || self.doubt.is_none() {
            self.gap_behind = Some(self.last);
        }
    }

    /// What was given out behind an entry does not count any more.
    pub(super) fn rewind_to(&mut self, seq: u64) {
        self.doubt.take_if(|_| self.last >= seq);
        self.gap_behind = self.gap_behind.filter(|behind| *behind < seq);
        self.last = seq;
    }

    /// Whether a gap counts, or may.
    pub(super) fn has_gap(&self) -> bool {
        self.gap_behind.is_some() || self.doubt.is_some()
    }

    /// Looks up whether the gap that may have come to be none still is one.
    pub(super) fn settle(&mut self) {
        if self.doubt.take().is_some_and(|doubt| doubt.stands().unwrap_or(true)) {
            self.gap_behind.get_or_insert(self.last);
        }
    }
}

impl Doubt {
    fn stands(&self) -> foldlog::Result<bool> {
        let reader = self.store.reader(self.session.clone())?;
        let mut items = reader.items_from(&self.from)?;
        while let Some(item) = items.next()? {
            let gap = match item {
                Item::Gap(gap) => gap,
                Item::Entry(_) => return Ok(false),
                _ => continue,
            };
            if !gap.explained && !items.is_half_line(&gap) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
