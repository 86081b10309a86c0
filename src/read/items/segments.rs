//! In which order the segments of a journal are read. A later header seals, explains or replaces what stands before it, so
//! the first lines of some segments are read ahead.

use crate::error::Result;
use crate::format::block::{Ending, Line};
use crate::format::header::{Header, MAX_HEADER, Seal};
use crate::format::line::{self, Decoded};
use crate::format::names;
use crate::format::salvage::Sifter;
use crate::model::event::JournalRecovered;
use crate::segments::dir::{Files, Listed, Opened};
use crate::segments::lock;
use crate::segments::replaced::{Chart, MOST_AHEAD, is_replaced};
use crate::segments::scan::Scanner;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The segments that come next.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) files: Files,
    /// Segments not opened yet.
    listed: VecDeque<Listed>,
    /// Segments whose first lines are known: they seal and explain the ones before.
    ahead: VecDeque<Opened>,
    /// The id that every header must bear, once a good header was seen.
    journal: Option<String>,
    /// The numbers of all files that were ever listed, in order.
    numbers: Vec<u64>,
    /// Files whose numbers a compacted segment claims, and that it has not replaced.
    strangers: BTreeSet<u64>,
    /// The highest number that was ever listed.
    highest: u64,
    /// No segment up to this one that is missing has been merged into another.
    missing: u64,
    /// What has been given out stands for all segments up to this one.
    through: u64,
    /// A writer may be making one more at this moment.
    growing: bool,
}

impl Walk {
    pub(super) fn new(files: Files, growing: bool) -> Result<Walk> {
        let listed = list(&files, growing)?;
        let journal = files.journal_of(&listed)?;
        let highest = listed.last().map_or(0, |listed| listed.segment);
        let numbers = listed.iter().map(|listed| listed.segment).collect();
        let Chart { listed, strangers, .. } = files.chart(&listed, journal.as_deref())?;
        let (listed, ahead) = (listed.into(), VecDeque::new());
        Ok(Walk { files, listed, ahead, journal, numbers, strangers, highest, missing: 0, through: 0, growing })
    }

    pub(super) fn journal(&self) -> Option<&str> {
        self.journal.as_deref()
    }

    /// The journal that has been seen here before, if there is none now.
    pub(super) fn expect(&mut self, journal: &str) {
        self.journal.get_or_insert_with(|| journal.to_owned());
    }

    /// Leaves out what stands before a segment.
    pub(super) fn start_at(&mut self, segment: u64) {
        self.listed.retain(|listed| listed.segment >= segment);
        self.through = segment.saturating_sub(1);
    }

    /// The segments that were listed and not opened yet.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = Listed> {
        self.listed.iter().copied()
    }

    /// Takes the next segment.
    pub(super) fn take(&mut self) -> Result<Option<Opened>> {
        self.look_ahead()?;
        let Some(opened) = self.ahead.pop_front() else { return Ok(None) };
        self.through = self.through.max(opened.stands_through());
        self.look_ahead()?;
        Ok(Some(opened))
    }

    /// Puts back what was just taken.
    pub(super) fn put_back(&mut self, opened: Opened) {
        self.ahead.push_front(opened);
    }

    /// Whether nothing comes behind what was taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.ahead.is_empty() && (self.growing || self.listed.is_empty())
    }

    /// The next good header of this journal.
    pub(super) fn next_header(&self) -> Option<&Header> {
        self.ahead.iter().find_map(|next| next.header.as_ref())
    }

    /// What the file that comes next, if it has a good header, says of the end before it.
    pub(super) fn seal_by_next_file(&self) -> Option<Seal> {
        self.ahead.front().and_then(|next| next.header.as_ref()).and_then(|header| header.prev)
    }

    /// Where the next header says that this segment ends, but not before its own header does. A compacted one is complete in
    /// itself.
    pub(super) fn seal_of(&self, opened: &Opened) -> Option<Seal> {
        let seal = self.next_header().and_then(|next| next.prev);
        let seal = seal.filter(|seal| seal.segment == opened.segment && !opened.is_compacted());
        seal.map(|seal| Seal { bytes: seal.bytes.max(opened.lines_from), ..seal })
    }

    /// The first number above `last` in the file that comes next, where that has no good header to say what comes before it.
    pub(super) fn first_number_behind(&self, last: u64) -> Option<u64> {
        let next = self.ahead.front().filter(|next| next.header.is_none() && !next.foreign)?;
        let most = self.most_in(next).unwrap_or(u64::MAX);
        let mut scanner = Scanner::new(Arc::clone(&next.file), next.lines_from, next.len);
        while let Some(chunk) = scanner.next() {
            if chunk.ending == Ending::Newline
                && let Decoded::Entry(entry) = line::decode(scanner.bytes())
                && (last.saturating_add(1)..=most).contains(&entry.seq().get())
            {
                return Some(entry.seq().get());
            }
        }
        None
    }

    /// The last number that can stand in a segment: the next header's word on what lies before it.
    pub(super) fn most_in(&self, opened: &Opened) -> Option<u64> {
        let before = self.next_header()?.prev?;
        (before.segment >= opened.segment).then_some(before.last_seq)
    }

    /// The next report of a recovery that begins a segment.
    pub(super) fn next_report(&self) -> Option<&JournalRecovered> {
        self.ahead.iter().filter(|next| !next.foreign).find_map(|next| next.recovered.as_ref())
    }

    /// The first lines of a file, as this journal sees it; `None` if it is gone.
    pub(super) fn peek(&self, listed: Listed) -> Result<Option<Opened>> {
        let opened = self.files.peek_for(self.journal(), listed)?;
        let is_stranger = self.strangers.contains(&listed.segment);
        Ok(opened.map(|opened| if is_stranger { opened.into_foreign() } else { opened }))
    }

    /// Leaves out the files that a compacted segment has replaced. Others that bear their numbers are strangers.
    fn leave_out_replaced(&mut self, by: &Opened) -> Result<()> {
        let Some(header) = &by.header else { return Ok(()) };
        let mut strangers = Vec::new();
        while let Some(listed) = self.listed.front().copied().filter(|next| next.segment <= by.stands_through()) {
            self.listed.pop_front();
            if self.peek(listed)?.is_some_and(|opened| !is_replaced(&opened, header)) {
                strangers.push(listed);
            }
        }
        self.strangers.extend(strangers.iter().map(|listed| listed.segment));
        for listed in strangers.into_iter().rev() {
            self.listed.push_front(listed);
        }
        Ok(())
    }

    /// A file that a crash left before its header was on disk: no gap, left where it is. It holds at most a part of a
    /// header, since no entry is written before the header is synced; anything more is damage.
    pub(super) fn was_never_created(&self, opened: &Opened) -> bool {
        let named = self.next_header().and_then(|next| next.prev);
        if opened.header.is_some()
            || opened.foreign
            || opened.len > MAX_HEADER
            || named.is_some_and(|seal| seal.segment >= opened.segment)
        {
            return false;
        }
        let mut scanner = Scanner::new(Arc::clone(&opened.file), 0, opened.len);
        let (mut sifter, mut sifted) = (Sifter::new(0, 0, 0, false), VecDeque::new());
        let Some(chunk) = scanner.next() else { return true };
        let line = Line::new(chunk, scanner.bytes());
        sifter.line(&line, line.decode(), &mut sifted);
        sifter.end(None, opened.len, &mut sifted);
        sifter.entries() == 0 && scanner.next().is_none()
    }

    /// Finds segments that were not there before: by the number that comes next, or, if thorough, by listing all. Returns
    /// whether reading must start anew: another journal has taken this one's place, or compaction was quicker.
    pub(super) fn grow(&mut self, thorough: bool) -> Result<bool> {
        if thorough {
            let listed = list(&self.files, true)?;
            if self.is_replaced(&listed)? || self.is_overtaken(&listed)? {
                return Ok(true);
            }
            self.listed.extend(listed.into_iter().filter(|listed| listed.segment > self.highest));
            self.highest = self.highest.max(self.listed.back().map_or(0, |listed| listed.segment));
        } else {
            while self.exists(self.highest + 1) {
                self.highest += 1;
                self.listed.push_back(Listed { segment: self.highest, len: 0 });
            }
        }
        let known = self.numbers.last().copied().unwrap_or(0);
        self.numbers.extend(self.listed.iter().map(|listed| listed.segment).filter(|segment| *segment > known));
        self.look_ahead()?;
        let foreign = self.ahead.iter().any(|next| next.foreign);
        Ok(foreign && !thorough && self.is_replaced(&list(&self.files, true)?)?)
    }

    /// Whether these segments are those of another journal: as long as one of ours is among them, the answer that was found
    /// at the beginning stays.
    fn is_replaced(&self, listed: &[Listed]) -> Result<bool> {
        let Some(ours) = &self.journal else { return Ok(false) };
        for listed in listed.iter().rev() {
            if self.peek(*listed)?.is_some_and(|opened| opened.header.is_some()) {
                return Ok(false);
            }
        }
        Ok(self.files.journal_of(listed)?.is_some_and(|journal| journal != *ours))
    }

    /// Whether later segments were made and merged into one that was read already, before anybody saw them here.
    fn is_overtaken(&self, listed: &[Listed]) -> Result<bool> {
        let Some(newest) = listed.last() else { return Ok(false) };
        if !self.listed.is_empty() || !self.ahead.is_empty() || newest.segment > self.through {
            return Ok(false);
        }
        Ok(self.peek(*newest)?.is_some_and(|opened| opened.stands_through() > self.through))
    }

    /// The file to read for a segment that a later one names and that was not listed. A list of a directory in which files
    /// are being made may show the later of two, and not the earlier; or compaction has merged it into an earlier one since.
    fn left_out(&mut self, segment: u64) -> Result<Option<Listed>> {
        let looked_at = |ahead: &Opened| (ahead.segment..=ahead.stands_through()).contains(&segment);
        if segment <= self.through.max(self.missing) || self.ahead.iter().any(looked_at) {
            return Ok(None);
        }
        if self.exists(segment) {
            return Ok(Some(Listed { segment, len: 0 }));
        }
        let merged = self.merged_since(segment)?;
        if merged.is_none() {
            self.missing = segment;
        }
        Ok(merged)
    }

    /// The segment into which one was merged that is gone: the nearest of ours before it, since all between them went
    /// before it. Those after `missing` were looked at for earlier questions, so that each file is looked at once.
    fn merged_since(&self, gone: u64) -> Result<Option<Listed>> {
        let before = &self.numbers[..self.numbers.partition_point(|number| *number < gone)];
        for segment in before.iter().rev().copied() {
            let listed = Listed { segment, len: 0 };
            if let Some(opened) = self.peek(listed)?.filter(|opened| opened.header.is_some()) {
                return Ok((opened.stands_through() >= gone).then_some(listed));
            }
        }
        Ok(None)
    }

    /// The segment, among these, into which another one was merged: one before it. It need not be the nearest: a power cut
    /// may bring back some of those that were removed behind it, and not others.
    pub(super) fn merged(&self, listed: &[Listed], segment: u64) -> Result<Option<Listed>> {
        for before in listed.iter().rev().filter(|listed| listed.segment < segment) {
            if self.peek(*before)?.is_some_and(|opened| opened.stands_through() >= segment) {
                return Ok(Some(*before));
            }
        }
        Ok(None)
    }

    fn exists(&self, segment: u64) -> bool {
        let status = self.files.folder().and_then(|folder| folder.status_of(&names::file_name(segment)));
        status.is_ok()
    }

    /// Reads the first lines of the segments ahead, up to one with entries: it may explain what comes before it.
    ///
    /// Ends whatever the headers say: each step takes a file off `listed` for good, but for one that puts a file before it
    /// with a lower number than any that was seen, which cannot happen more often than there are files.
    fn look_ahead(&mut self) -> Result<()> {
        while self.ahead.len() < MOST_AHEAD && !self.ahead.iter().any(|next| next.has_entries && next.header.is_some())
        {
            let Some(listed) = self.listed.pop_front() else { break };
            let Some(opened) = self.peek(listed)? else {
                self.list_again(listed.segment)?;
                continue;
            };
            let is_last = self.growing && self.listed.is_empty() && !opened.has_entries;
            // One with a bad first line is no longer being made: the lines after it are to be read.
            let is_begun = opened.header.is_some() && !opened.has_lines;
            if is_last && ((is_begun && lock::is_held(&self.files)?) || self.was_never_created(&opened)) {
                // It is being made, or was never finished: the next look tells. Its first entry may explain much, unless
                // no writer is left to write it.
                self.listed.push_front(listed);
                break;
            }
            if self.journal.is_none() {
                self.journal = opened.header.as_ref().map(|header| header.journal.clone());
            }
            if let Some(prev) = opened.header.as_ref().and_then(|header| header.prev)
                && let Some(left_out) = self.left_out(prev.segment)?
            {
                self.listed.push_front(listed);
                while self.ahead.back().is_some_and(|later| later.segment > prev.segment) {
                    let later = self.ahead.pop_back().map(|later| Listed { segment: later.segment, len: later.len });
                    self.listed.extend(later);
                    self.listed.rotate_right(1);
                }
                self.listed.push_front(left_out);
                continue;
            }
            if opened.is_compacted() {
                self.highest = self.highest.max(opened.stands_through()); // the next writer's segment comes after that
                self.leave_out_replaced(&opened)?;
            }
            self.ahead.push_back(opened);
        }
        Ok(())
    }

    /// A segment that was listed is gone: compaction has merged it into an earlier one, or somebody has removed it.
    fn list_again(&mut self, gone: u64) -> Result<()> {
        let listed = list(&self.files, true)?;
        self.numbers = listed.iter().map(|listed| listed.segment).collect();
        let read = self.ahead.back().map_or(self.through, Opened::stands_through).max(self.through);
        let merged = self.merged_since(gone)?;
        let behind =
            listed.into_iter().filter(|listed| listed.segment > gone.max(read) && listed.segment <= self.highest);
        self.listed = merged.into_iter().chain(behind).collect();
        Ok(())
    }
}

/// The segments; none, for a reader that waits for them, if the directory is not there.
pub(super) fn list(files: &Files, may_be_missing: bool) -> Result<Vec<Listed>> {
    match files.list() {
        Ok((listed, _)) => Ok(listed),
        Err(error) if may_be_missing && error.kind() == crate::error::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
