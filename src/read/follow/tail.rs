//! The tail of one journal: what there is to say about it now, without waiting for anything.

use crate::error::{ErrorKind, Result};
use crate::model::cursor::{Cursor, Place};
use crate::read::items::{Growth, Item, Items, Remembered};
use crate::segments::dir::{Files, Listed};
use crate::segments::lock;

#[derive(Debug)]
pub(super) struct Tail {
    files: Files,
    state: State,
    caught_up: bool,
    writer: Writer,
    /// The last entry closed the journal, so that its writer is about to leave.
    closed: bool,
    /// Something at the end is neither a line nor a gap yet.
    unsettled: bool,
    /// What the directory held before the files were read to their end.
    held: Option<Held>,
    /// Time has passed since the end was looked at.
    polled: bool,
    /// What was read was not there any more, and reading has begun anew.
    restarted: bool,
}

/// Whether the files are open.
#[derive(Debug)]
enum State {
    Open(Box<Items>),
    /// Everything was delivered: no file is kept open. What the directory held then tells whether to look again; without
    /// that, the next poll does.
    Parked {
        cursor: Cursor,
        held: Option<Held>,
        remembered: Remembered,
    },
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

impl Writer {
    /// Whether the sizes of the files tell of all that is still to come: so long as it is not known who records, not all
    /// was read or told.
    fn is_watched(self, items: &Items) -> bool {
        match self {
            Writer::ToldGone => true,
            Writer::AtWork => !items.may_grow_unseen(),
            Writer::Unknown | Writer::Gone => false,
        }
    }
}

impl Tail {
    pub(super) fn new(files: Files, start: &Cursor) -> Result<Tail> {
        let held = Held::by(&files)?;
        let mut items = Items::growing(files.clone(), start)?;
        if start.0 == Place::End {
            // "Now" is now, not when the first item is asked for.
            while items.next()?.is_some() {}
            items.arrive();
        }
        Ok(Tail {
            files,
            state: State::Open(Box::new(items)),
            caught_up: false,
            writer: Writer::Unknown,
            closed: false,
            unsettled: false,
            held: Some(held),
            polled: false,
            restarted: false,
        })
    }

    pub(super) fn cursor(&self) -> Cursor {
        match &self.state {
            State::Open(items) => items.cursor(),
            State::Parked { cursor, .. } => cursor.clone(),
        }
    }

    pub(super) fn keep_back_behind(&mut self, seq: u64) {
        if let State::Open(items) = &mut self.state {
            items.keep_back_behind(seq);
        }
    }

    /// The next item; `None` if there is nothing to say until [`Tail::look`] has found more.
    pub(super) fn next(&mut self) -> Result<Option<Item<'static>>> {
        loop {
            let State::Open(items) = &mut self.state else { return Ok(None) };
            if let Some(item) = items.next_owned()? {
                if let Item::Entry(entry) = &item {
                    self.closed = entry.type_name() == "journal_closed";
                }
                self.caught_up = false;
                if self.writer != Writer::AtWork {
                    self.writer = Writer::Unknown;
                }
                return Ok(Some(item));
            }
            items.arrive();
            let abandoned = matches!(self.writer, Writer::Gone | Writer::ToldGone);
            self.unsettled = items.settle_end(abandoned, std::mem::take(&mut self.polled));
            if items.has_more() {
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
    pub(super) fn look(&mut self, hint: bool, poll: bool, thorough: bool) -> Result<()> {
        if thorough {
            self.files.release(); // another directory may be at the path by now
        }
        let looked = self.look_at_files(hint, poll, thorough);
        if thorough || !self.is_open() {
            self.files.release(); // while nothing happens it costs no descriptor
        }
        if let (Err(_), State::Parked { held, .. }) = (&looked, &mut self.state) {
            *held = None; // the hint that caused this look does not come again
        }
        looked
    }

    fn look_at_files(&mut self, hint: bool, poll: bool, thorough: bool) -> Result<()> {
        if let State::Parked { cursor, held, remembered } = &mut self.state {
            let found = Held::by(&self.files)?;
            let has_left = poll && self.writer == Writer::AtWork && !lock::is_held(&self.files)?;
            if !hint && !has_left && held.as_ref() == Some(&found) {
                return Ok(());
            }
            let items = Items::growing_again(self.files.clone(), cursor, std::mem::take(remembered))?;
            (self.state, self.held) = (State::Open(Box::new(items)), Some(found));
            self.restarted = true;
        }
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

    /// Whether the next poll should come soon.
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Whether there is nothing to wait for but another writer.
    pub(super) fn is_parked(&self) -> bool {
        !self.is_open() && self.writer == Writer::ToldGone
    }

    /// Whether files are open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether the directory may be another one than before.
    pub(super) fn take_restarted(&mut self) -> bool {
        std::mem::take(&mut self.restarted)
    }

    /// Gives back memory while nothing happens, and closes the files if nobody records. `close_live`: also if somebody does.
    pub(super) fn rest(&mut self, close_live: bool) -> Result<()> {
        let State::Open(items) = &mut self.state else { return Ok(()) };
        let is_over = (close_live || self.writer == Writer::ToldGone) && self.writer.is_watched(items);
        if !items.rest() || items.is_looking_out() || !self.caught_up || !is_over {
            return Ok(());
        }
        // What was there before has been read since: if it is the same now, nothing is left to be read.
        let held = Held::by(&self.files)?;
        let is_same = self.held.as_ref() == Some(&held) && !held.listed.is_empty();
        self.held = Some(held);
        if is_same {
            self.close();
        }
        Ok(())
    }

    /// Closes the files, unless something that was read of them is still to be delivered.
    pub(super) fn close(&mut self) {
        let State::Open(items) = &mut self.state else { return };
        if !items.rest() {
            return;
        }
        let is_known = self.writer.is_watched(items);
        // An older copy that was put back since may look as the directory did then: it is found at the next look.
        let is_in_place = items.is_in_place().unwrap_or(false);
        let held = self.held.take().filter(|_| is_known && is_in_place);
        self.state = State::Parked { cursor: items.cursor(), held, remembered: items.to_remember() };
        self.files.release();
    }

    fn ask_for_writer(&mut self) -> Result<()> {
        self.writer = if lock::is_held(&self.files)? { Writer::AtWork } else { Writer::Gone };
        Ok(())
    }

    fn grow(&mut self, thorough: bool) -> Result<()> {
        let State::Open(items) = &mut self.state else { return Ok(()) };
        if items.grow(thorough)? == Growth::Intact {
            return Ok(());
        }
        let cursor = items.cursor();
        **items = Items::growing(self.files.clone(), &cursor)?;
        self.restarted = true;
        Ok(())
    }
}

/// What the directory of a journal holds, as far as it tells whether to look at the files again.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    listed: Vec<Listed>,
    /// The newest epoch: an older copy that was put back and recorded into may have files of the same sizes.
    epoch_id: Option<String>,
}

impl Held {
    fn by(files: &Files) -> Result<Held> {
        let listed = match files.list() {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed?.0,
        };
        let epoch_id = files.newest_header(&listed)?.map(|header| header.last_epoch_id().into_owned());
        Ok(Held { listed, epoch_id })
    }
}
