//! Reading that waits at the end of a journal for more, while its writer writes, rolls over, dies and comes back, and
//! while others compact, cut or replace the files.

use super::lookout::Evidence;
use super::segment::{Current, Unsettled};
use super::segments::Walk;
use super::{Items, is_in_place};
use crate::error::{Error, Result};
use crate::format::header::Seal;
use crate::format::line::{self, SUFFIX};
use crate::model::cursor::{Cursor, Place, Position};
use crate::model::seq::Seq;
use crate::segments::dir::Files;
use crate::segments::prefill;

/// Bad lines at the end up to this size are read again when the file changes: their writer may yet replace them.
const REREAD_MOST: u64 = 1 << 20;

/// What has become of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// What was read is still there.
    Intact,
    /// What was read is not there any more: reading must start anew behind what has been seen.
    Changed,
}

/// What a reader that closes its files, and goes on later, keeps beside its cursor.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// The gap at the end that was delivered already.
    told: Option<(u64, u64)>,
    /// What there was when numbers that are missing were looked for.
    checked: Option<Evidence>,
}

impl Items {
    /// Items that wait at the end: `next` gives `None` for now, and goes on after [`Items::grow`]. The directory need not
    /// be there yet.
    pub(crate) fn growing(files: Files, from: &Cursor) -> Result<Items> {
        Items::growing_again(files, from, Remembered::default())
    }

    /// The same of a reader that had closed its files.
    pub(crate) fn growing_again(files: Files, from: &Cursor, remembered: Remembered) -> Result<Items> {
        let mut walk = Walk::new(files.clone(), true)?;
        if let Place::After(Position { journal: Some(journal), .. }) = &from.0 {
            walk.expect(journal);
        }
        let mut items = Items::begin(files, walk, false, from)?;
        (items.growing, items.told) = (true, remembered.told);
        items.resume_lookout(remembered.checked)?;
        Ok(items)
    }

    /// Where a reader resumes that has what was delivered: before a notice that was not.
    pub(crate) fn cursor(&self) -> Cursor {
        match &self.before_notices {
            Some(cursor) if !self.notices.is_empty() => cursor.clone(),
            _ => self.place(),
        }
    }

    /// Where reading goes on.
    pub(super) fn place(&self) -> Cursor {
        Cursor(match (self.exact, self.known) {
            (true, _) => Place::After(self.seen.given_out(self.walk.journal().map(str::to_owned))),
            (false, 0) => Place::Start,
            (false, u64::MAX) => Place::End,
            (false, known) => Place::From(Seq::new(known.saturating_add(1))),
        })
    }

    /// Keeps back what stands behind this entry.
    pub(crate) fn keep_back_behind(&mut self, seq: u64) {
        self.limit = seq;
    }

    /// At the end for now: settles what the reader has seen. A notice may come of it.
    pub(crate) fn arrive(&mut self) {
        if self.passed >= self.known || !self.ready.is_empty() {
            return;
        }
        if self.exact {
            let epoch_id = self.seen.newest().to_owned();
            self.rewind_to(&epoch_id, self.passed);
        } else if self.known == u64::MAX {
            (self.known, self.exact) = (self.passed, true);
        }
    }

    /// Whether there is something to be said without looking at the files again.
    pub(crate) fn has_more(&self) -> bool {
        !self.notices.is_empty() || (!self.ready.is_empty() && !self.held)
    }

    /// Looks at what has been written since. A `thorough` look finds also what only others do to files.
    pub(crate) fn grow(&mut self, thorough: bool) -> Result<Growth> {
        if !self.ready.is_empty() || !self.notices.is_empty() {
            return Ok(Growth::Intact);
        }
        if let Some(current) = self.current.as_ref().filter(|current| current.growing)
            && !current.is_intact(&self.files, thorough)?
        {
            return Ok(Growth::Changed);
        }
        if thorough && !self.is_left_in_place()? {
            return Ok(Growth::Changed);
        }
        // First whether there is a successor, then how long the file is: a segment with a successor is complete. Behind one
        // that does not grow, such as a compacted one, only the directory tells what is new.
        let grows = self.current.as_ref().is_some_and(|current| current.growing);
        if self.walk.grow(thorough || !grows)? {
            return Ok(Growth::Changed);
        }
        if thorough {
            self.look_out()?;
        }
        let Some(current) = self.current.as_mut().filter(|current| current.growing) else { return Ok(Growth::Intact) };
        match self.walk.is_at_end() {
            true => current.extend(&self.files)?,
            false => {
                let seal = self.walk.seal_of(&current.opened);
                current.seal(&self.files, seal)?;
            }
        }
        Ok(Growth::Intact)
    }

    /// Looks at what stands unsettled at the end; `abandoned` says that nobody is writing. If it is the same as one poll
    /// before, it is told as a gap. Returns whether something is left to be settled.
    pub(crate) fn settle_end(&mut self, abandoned: bool, poll: bool) -> bool {
        let Some(current) = self.current.as_mut().filter(|current| current.growing) else { return false };
        current.sifter.end_run(&mut self.ready);
        let unsettled = current.unsettled(abandoned);
        if unsettled.is_none() || unsettled == current.told {
            current.suspect = None;
            return false;
        }
        if !poll {
            return true;
        }
        if std::mem::replace(&mut current.suspect, unsettled) != unsettled {
            return true;
        }
        current.told = unsettled;
        if abandoned {
            current.scanner.wait_for_line_breaks(false);
            while current.advance(&mut self.ready) {}
            current.scanner.wait_for_line_breaks(true);
        }
        current.sifter.end(None, current.end, &mut self.ready);
        false
    }

    /// Whether more can come without the file getting longer: it is prefilled, or may turn out to be.
    pub(crate) fn may_grow_unseen(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.opened.is_prefilled())
    }

    /// What to keep when the files are closed.
    pub(crate) fn to_remember(&self) -> Remembered {
        Remembered { told: self.told, checked: self.checked() }
    }

    /// Gives back memory while nothing happens. Returns whether there is nothing here that a cursor does not hold, but for
    /// what was told of the end.
    pub(crate) fn rest(&mut self) -> bool {
        if !self.ready.is_empty() || !self.notices.is_empty() {
            return false;
        }
        let Some(current) = &mut self.current else { return true };
        if !current.scanner.kept_back().is_empty() || current.sifter.waiting().is_some() {
            return false;
        }
        current.scanner.release();
        current.entry = None;
        true
    }
}

impl Current {
    /// Whether the last line that was read still ends where it did; if `thorough`, also whether the file is still in its
    /// place.
    fn is_intact(&self, files: &Files, thorough: bool) -> Result<bool> {
        let file = self.scanner.file();
        let end = self.sifter.entry_end();
        if thorough && !is_in_place(files, self.opened.segment, file)? {
            return Ok(false);
        }
        let Some(crc) = self.sifter.entry_crc() else { return Ok(true) };
        const WINDOW: usize = SUFFIX + 1;
        let mut bytes = [0; WINDOW];
        // Bytes that the disk refuses to give are damage, not a replacement.
        let Ok(read) = file.read_at(&mut bytes, end.saturating_sub(WINDOW as u64)) else { return Ok(true) };
        let line = bytes[..read].strip_suffix(b"\n").unwrap_or(&bytes[..read]);
        Ok(line::stated_checksum(line) == Some(crc))
    }

    /// Reads on: the file has grown, or may have.
    fn extend(&mut self, files: &Files) -> Result<()> {
        let file_len = self.file_len(files)?;
        let len = match self.opened.is_prefilled() {
            true => prefill::first_empty_line(&**self.scanner.file(), self.scanner.position(), file_len),
            false => file_len,
        };
        (self.end, self.opened.len, self.opened.file_len) = (len, len, file_len);
        self.go_back();
        self.scanner.read_on_to(len);
        Ok(())
    }

    /// Nothing more will be written to it: it ends where the next header says.
    fn seal(&mut self, files: &Files, seal: Option<Seal>) -> Result<()> {
        let file_len = self.file_len(files)?;
        self.opened.take_len(file_len);
        (self.seal, self.growing) = (seal, false);
        let len = self.opened.len;
        self.end = seal.map_or(len, |seal| seal.bytes.min(len));
        self.go_back();
        if self.sifter.waiting().is_some_and(|(offset, ..)| offset >= self.end) {
            self.sifter.forget_waiting();
        }
        self.scanner.wait_for_line_breaks(false);
        self.scanner.read_on_to(self.end);
        Ok(())
    }

    fn file_len(&mut self, files: &Files) -> Result<u64> {
        self.forget_evidence();
        let len = self.scanner.file().len();
        len.map_err(|error| Error::io("look at", &files.path(self.opened.segment), error))
    }

    /// Bad lines at the end are read again, whether they were told or not.
    fn go_back(&mut self) {
        let waiting = self.sifter.waiting().map(|(offset, ..)| offset);
        let told = self.told.map(|told| told.offset).filter(|offset| *offset >= self.sifter.entry_end());
        let Some(offset) = waiting.or(told) else { return };
        let position = self.scanner.position();
        if offset < position && position - offset <= REREAD_MOST {
            self.sifter.forget_waiting();
            self.scanner.go_back_to(offset);
        }
    }

    fn unsettled(&self, abandoned: bool) -> Option<Unsettled> {
        let kept = if abandoned { self.scanner.kept_back() } else { &[] };
        let waiting = self.sifter.waiting();
        if waiting.is_none() && kept.is_empty() {
            return None;
        }
        let position = self.scanner.position();
        let (offset, hash) = waiting.map_or((position, 0), |(offset, _, hash)| (offset, hash));
        let hashes = (hash, crc32fast::hash(kept));
        Some(Unsettled { offset, end: position + kept.len() as u64, hashes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::line::Tail;
    use crate::model::time::Timestamp;
    use crate::storage::DiskStorage;
    use std::sync::Arc;

    /// Goal: a bad last line is a gap only if it is the same one poll later. Method: polls by hand.
    #[test]
    fn a_bad_last_line_gets_a_second_look() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files::new(Arc::new(DiskStorage), dir.path());
        let write = |bytes: &[u8]| std::fs::write(files.path(1), bytes).expect("a file");
        let mut good = Vec::new();
        Tail::new("a", None, None, b"{}").write_line(&mut good, 1, 0, &Timestamp::from_micros(0).to_bytes());
        write(&[&good[..], b"bad\n"].concat());
        let mut items = Items::growing(files.clone(), &Cursor::start()).expect("items");
        let drain = |items: &mut Items| {
            let mut yielded = Vec::new();
            while let Some(item) = items.next().expect("an item") {
                yielded.push(matches!(item, crate::read::items::Item::Entry(_)));
            }
            yielded
        };
        let look = |items: &mut Items| items.grow(true).expect("a look");
        assert_eq!(drain(&mut items), [false, true], "the header is missing");
        assert!(items.settle_end(false, false), "no poll has passed");
        assert!(items.settle_end(false, true), "one poll");
        // Its writer replaces it.
        write(&[&good[..], b"bad, too\n"].concat());
        assert_eq!(look(&mut items), Growth::Intact);
        assert!(drain(&mut items).is_empty());
        assert!(items.settle_end(false, true), "another line, seen for one poll");
        look(&mut items);
        assert!(drain(&mut items).is_empty());
        assert!(!items.settle_end(false, true), "the same for two");
        assert_eq!(drain(&mut items), [false], "a gap");
        look(&mut items);
        assert!(drain(&mut items).is_empty());
        assert!(!items.settle_end(false, true), "told");
    }
}
