//! The tail of one journal: what there is to say about it now, without waiting for anything.

use crate::cursor::{Cursor, Place};
use crate::error::Result;
use crate::files::Files;
use crate::items::{Growth, Item, Items};

#[derive(Debug)]
pub(super) struct Tail {
    files: Files,
    items: Items,
    /// Where following began: the cursor until something was seen.
    start: Cursor,
    caught_up: bool,
    writer: Writer,
    /// The last entry closed the journal, so that its writer is about to leave.
    closed: bool,
    /// Something at the end is neither a line nor a gap yet.
    unsettled: bool,
    /// Time has passed since the end was looked at.
    polled: bool,
    /// What was read was not there any more, and reading has begun anew.
    restarted: bool,
}

/// Who records, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Unknown,
    AtWork,
    /// The lock is free; that has not been told yet.
    Gone,
    ToldGone,
}

impl Tail {
    pub(super) fn new(files: Files, start: Cursor) -> Result<Tail> {
        let items = Items::growing(files.clone(), &start)?;
        let mut tail = Tail {
            files,
            items,
            start,
            caught_up: false,
            writer: Writer::Unknown,
            closed: false,
            unsettled: false,
            polled: false,
            restarted: false,
        };
        if tail.start.0 == Place::End {
            // "Now" is now, not when the first item is asked for.
            while tail.items.next()?.is_some() {}
            tail.items.arrive();
        }
        Ok(tail)
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.items.position().map_or_else(|| self.start.clone(), |position| Cursor(Place::After(position)))
    }

    pub(super) fn keep_back_behind(&mut self, seq: u64) {
        self.items.keep_back_behind(seq);
    }

    /// The next item; `None` if there is nothing to say until [`Tail::look`] has found more.
    pub(super) fn next(&mut self) -> Result<Option<Item<'static>>> {
        loop {
            if let Some(item) = self.items.next()? {
                let item = match item {
                    Item::Entry(entry) => {
                        self.closed = entry.type_name() == "journal_closed";
                        Item::Entry(entry.into_owned())
                    }
                    Item::Gap(gap) => Item::Gap(gap),
                    Item::Rewound(seq) => Item::Rewound(seq),
                    Item::Replaced => Item::Replaced,
                    Item::CaughtUp => Item::CaughtUp,
                    Item::WriterGone => Item::WriterGone,
                };
                self.caught_up = false;
                if self.writer != Writer::AtWork {
                    self.writer = Writer::Unknown;
                }
                return Ok(Some(item));
            }
            self.items.arrive();
            self.unsettled = self.items.settle_end(self.is_abandoned(), std::mem::take(&mut self.polled));
            if self.items.has_more() {
                continue;
            }
            if self.writer == Writer::Unknown || (self.closed && self.writer == Writer::AtWork) {
                // Once it is known that nobody writes, one more look finds the last that was written.
                self.closed = false;
                self.ask_for_writer()?;
                if self.writer == Writer::Gone {
                    self.grow(true)?;
                    continue;
                }
            }
            if !std::mem::replace(&mut self.caught_up, true) {
                return Ok(Some(Item::CaughtUp));
            }
            if self.writer == Writer::Gone && !self.unsettled {
                self.writer = Writer::ToldGone;
                return Ok(Some(Item::WriterGone));
            }
            return Ok(None);
        }
    }

    /// Looks at the files again. `poll`: time has passed since the last poll; `thorough`: also for what only others do.
    pub(super) fn look(&mut self, poll: bool, thorough: bool) -> Result<()> {
        if poll && self.writer != Writer::Gone {
            let told = self.writer == Writer::ToldGone;
            self.ask_for_writer()?;
            if told && self.writer == Writer::Gone {
                self.writer = Writer::ToldGone;
            }
        }
        self.polled |= poll;
        self.grow(thorough)
    }

    fn is_abandoned(&self) -> bool {
        matches!(self.writer, Writer::Gone | Writer::ToldGone)
    }

    /// Whether the next poll should come soon.
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Whether the directory may be another one than before.
    pub(super) fn take_restarted(&mut self) -> bool {
        std::mem::take(&mut self.restarted)
    }

    /// Gives back memory while nothing happens.
    pub(super) fn rest(&mut self) {
        self.items.rest();
    }

    fn ask_for_writer(&mut self) -> Result<()> {
        self.writer = if self.files.is_locked()? { Writer::AtWork } else { Writer::Gone };
        Ok(())
    }

    fn grow(&mut self, thorough: bool) -> Result<()> {
        if self.items.grow(thorough)? == Growth::Intact {
            return Ok(());
        }
        let cursor = self.cursor();
        self.items = Items::growing(self.files.clone(), &cursor)?;
        self.restarted = true;
        Ok(())
    }
}
