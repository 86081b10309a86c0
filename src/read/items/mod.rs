//! Reading a journal from its first entry to its last: every entry once, in order, and every gap where it is.
//!
//! Never writes, needs no lock, never stops at damage. Memory stays bounded: by the longest line, and by 16 bytes for each
//! entry of one segment.

mod blocks;
mod find;
mod gaps;
mod lacking;
mod lookout;
mod parallel;
mod seek;
mod segment;
mod segments;
mod tail;

pub(crate) use find::Search;
pub use find::{Found, LOOKUP_BYTES};
pub(crate) use parallel::Beforehand;
pub(crate) use tail::{Growth, Remembered};

use crate::error::{Error, Result};
use crate::format::gap_rules::Damage;
use crate::format::header::Header;
use crate::format::names;
use crate::format::salvage::{Flaw, Sifted};
use crate::model::cursor::{Cursor, Position};
use crate::model::entry::Entry;
use crate::model::event::Event;
use crate::model::gap::{Gap, GapKind};
use crate::model::seq::Seq;
use crate::segments::dir::{Files, Opened};
use crate::storage::StorageFile;
use lookout::Lookout;
use segment::Current;
use segments::Walk;
use std::collections::VecDeque;
use std::sync::Arc;

/// What reading or following a journal yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// Something between two entries that could not be read.
    Gap(Gap),
    /// From a follower: there is nothing more for now. What came before was history, what comes is news.
    CaughtUp,
    /// From a follower: what was given out behind this entry does not count any more. It is not in the journal any more, since
    /// a power cut took it, or somebody cut the file; or numbers that were told as missing have come. What follows goes on
    /// behind it, and its numbers may come again.
    Rewound(Seq),
    /// From a follower: another journal stands under the same name. What follows is read from its beginning.
    Replaced,
    /// From a follower: nobody is recording, and all that was recorded has been given out. Another writer may come.
    WriterGone,
}

/// The items of a journal, in order. Each borrows from the reader's buffer, so this is no `Iterator`: call `next`.
#[derive(Debug)]
pub struct Items {
    files: Files,
    walk: Walk,
    current: Option<Current>,
    /// The file of the last segment that was read, until the next one begins: another one may be put in its place meanwhile.
    left: Option<(u64, Arc<dyn StorageFile>)>,
    /// The number and the end of the last segment that was read.
    before: Option<(u64, u64)>,
    ready: VecDeque<Sifted>,
    /// The entry that was read out of a bad line.
    salvaged: Option<Entry<'static>>,
    /// The last entry of the segments that were read, delivered or known.
    last: u64,
    /// Up to this number all have been delivered, are known, or were reported missing.
    settled: u64,
    synced: u64,
    segments: u64,
    /// A writer is at work: half a line at the end is not a gap.
    live: bool,
    /// Whoever reads knows everything up to this entry already.
    known: u64,
    /// The last entry that was given out, or left out because it is known.
    passed: u64,
    /// Reading waits at the end for more.
    growing: bool,
    /// In growing: what the reader has seen of each epoch.
    seen: Position,
    /// Whether `seen` is really known, and not only a place given in words.
    exact: bool,
    /// There was no header yet to compare `seen` with.
    undecided: bool,
    /// Entries behind this one are kept back, and one such is next.
    limit: u64,
    held: bool,
    /// What is to be said before anything else.
    notices: VecDeque<Item<'static>>,
    /// Where the reader was before those.
    before_notices: Option<Cursor>,
    /// A gap at the end, by segment and offset, that was told before more came behind it.
    told: Option<(u64, u64)>,
    /// In growing: when to look for numbers that were told as missing.
    lookout: Lookout,
}

/// What comes next, before it is borrowed.
enum Next {
    Notice(Item<'static>),
    Entry { salvaged: bool },
    Gap(Gap),
}

/// What becomes of an entry.
enum Fate {
    Give,
    /// The reader knows it.
    Skip,
    /// Its time has not come.
    Hold,
    /// It says that the reader knows more than there is: say so first.
    Rewind,
    /// The same of something in the middle of what the reader knows: what is left behind that is read again.
    StartAnew,
}

impl Items {
    pub(crate) fn new(files: Files, live: bool, from: &Cursor) -> Result<Items> {
        let walk = Walk::new(files.clone(), false)?;
        let mut items = Items::begin(files, walk, live, from)?;
        items.resume_lookout(None)?;
        Ok(items)
    }

    /// How many segments have been read so far.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// The highest durable watermark that the entries read so far state.
    pub fn synced(&self) -> Seq {
        let current = self.current.as_ref().map_or(0, |current| current.sifter.synced());
        Seq::new(self.synced.max(current))
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be opened at all. Bytes that cannot be read are gaps.
    #[allow(clippy::should_implement_trait, reason = "a lending iterator: the trait cannot express it")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>> {
        Ok(match self.find_next()? {
            None => None,
            Some(Next::Notice(item)) => Some(item),
            Some(Next::Gap(gap)) => Some(Item::Gap(gap)),
            Some(Next::Entry { salvaged }) => self.entry(salvaged).map(|entry| Item::Entry(entry.borrowed())),
        })
    }

    /// The next item, to keep.
    pub(crate) fn next_owned(&mut self) -> Result<Option<Item<'static>>> {
        Ok(match self.find_next()? {
            None => None,
            Some(Next::Notice(item)) => Some(item),
            Some(Next::Gap(gap)) => Some(Item::Gap(gap)),
            Some(Next::Entry { salvaged: true }) => self.salvaged.take().map(Item::Entry),
            Some(Next::Entry { salvaged: false }) => {
                self.current.as_mut().and_then(|current| current.entry.take()).map(Item::Entry)
            }
        })
    }

    fn find_next(&mut self) -> Result<Option<Next>> {
        loop {
            let next = self.next_ready()?;
            if next.is_some() || self.held || !self.advance()? {
                return Ok(next);
            }
        }
    }

    /// The next of what has been sifted already.
    fn next_ready(&mut self) -> Result<Option<Next>> {
        self.held = false;
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(Some(Next::Notice(notice)));
            }
            let Some(sifted) = self.ready.pop_front() else { return Ok(None) };
            let salvaged = match sifted {
                Sifted::Flaw(flaw) => match self.gap(flaw)? {
                    Some(gap) => return Ok(Some(Next::Gap(gap))),
                    None => continue,
                },
                Sifted::Salvaged { offset, len } => {
                    if let Some(current) = &self.current {
                        self.salvaged = current.read_salvaged(&self.files, offset, len)?;
                    }
                    true
                }
                Sifted::Entry => false,
            };
            match self.fate(salvaged) {
                Fate::Give => return Ok(Some(Next::Entry { salvaged })),
                Fate::Skip => {}
                Fate::Rewind => self.ready.push_front(sifted),
                Fate::StartAnew => {
                    self.start_anew()?;
                }
                Fate::Hold => {
                    self.ready.push_front(sifted);
                    self.held = true;
                    return Ok(None);
                }
            }
        }
    }

    /// The entry that is next.
    fn entry(&self, salvaged: bool) -> Option<&Entry<'static>> {
        match salvaged {
            true => self.salvaged.as_ref(),
            false => self.current.as_ref()?.entry.as_ref(),
        }
    }

    /// What becomes of the entry that is next.
    fn fate(&mut self, salvaged: bool) -> Fate {
        if !self.growing && self.passed >= self.known {
            return Fate::Give; // the reader knows nothing of it, and takes all
        }
        let Some(entry) = self.entry(salvaged) else { return Fate::Skip };
        let seq = entry.seq().get();
        if seq > self.limit {
            return Fate::Hold;
        }
        if entry.type_name() == "journal_recovered"
            && let Ok(Event::JournalRecovered(recovered)) = entry.event()
        {
            let epoch_id = self.header().map_or_else(String::new, |header| header.epoch_id_at(seq).into_owned());
            let finds_less = self.exact && self.seen.seq_of(&epoch_id).is_none();
            // A power cut need not take the last of what was not synced: it may take what was written before that.
            let hole = recovered.holes.iter().map(|hole| hole.first_seq).min().filter(|first| *first <= self.known);
            if let Some(first) = hole.filter(|first| finds_less && self.growing && *first <= recovered.after) {
                self.rewind_to(&epoch_id, first.saturating_sub(1));
                return Fate::StartAnew;
            }
            if finds_less && recovered.after < self.known && seq > recovered.after {
                self.rewind_to(&epoch_id, recovered.after);
                return Fate::Rewind;
            }
        }
        self.passed = seq;
        if seq <= self.known {
            if !self.exact {
                self.note_seen(seq);
            }
            return Fate::Skip;
        }
        self.note_seen(seq);
        self.exact = true;
        Fate::Give
    }

    /// The gap that a flaw is, unless the reader knows it.
    fn gap(&mut self, flaw: Flaw) -> Result<Option<Gap>> {
        let gap = self.judge(flaw);
        let told = self.told == Some((gap.segment, gap.offset)) && (gap.explained || gap.first_seq.is_none());
        if self.current.as_ref().is_some_and(|current| current.growing) && flaw.at_end {
            self.told = Some((gap.segment, gap.offset));
        }
        let known = match gap.last_seq {
            Some(last) => last.get() <= self.known,
            None => self.passed < self.known,
        };
        if let Some(last) = gap.last_seq
            && !known
            && self.has_met_epoch()
        {
            self.note_seen(last.get().max(self.seen.seq()));
        }
        if !told && !known {
            self.note_lacking(&gap);
        }
        Ok((!told && !known).then_some(gap))
    }

    /// The header of the segment that is being read, if it is good.
    fn header(&self) -> Option<&Header> {
        self.current.as_ref().and_then(|current| current.opened.header.as_ref())
    }

    /// Whether the reader has anything of the epoch that is being read. Else numbers that are missing before its first entry
    /// say nothing yet: that entry may report that the reader has seen more than there is.
    fn has_met_epoch(&self) -> bool {
        let Some(header) = self.header() else { return true };
        self.seen.newest().is_empty() || self.seen.seq_of(&header.last_epoch_id()).is_some()
    }

    /// Notes that the reader has everything up to a number of the segment that is being read.
    fn note_seen(&mut self, seq: u64) {
        match self.current.as_ref().and_then(|current| current.opened.header.as_ref()) {
            Some(header) => self.seen.note(&header.epoch_id_at(seq), seq),
            None => self.seen.note_newest(seq),
        }
    }

    /// The reader has seen more than there is; what follows is of this epoch, or of an older one.
    fn rewind_to(&mut self, epoch_id: &str, seq: u64) {
        if self.notices.is_empty() {
            self.before_notices = Some(self.place());
        }
        (self.known, self.passed) = (seq, seq);
        self.seen.rewind_to(epoch_id, seq);
        self.notices.push_back(Item::Rewound(Seq::new(seq)));
    }

    /// Reads once more from where the reader is.
    fn start_anew(&mut self) -> Result<()> {
        let (files, place) = (self.files.clone(), self.place());
        let mut fresh = match self.growing {
            true => Items::growing(files, &place)?,
            false => Items::new(files, self.live, &place)?,
        };
        fresh.limit = self.limit;
        if !self.notices.is_empty() {
            let later = std::mem::replace(&mut fresh.notices, std::mem::take(&mut self.notices));
            fresh.notices.extend(later);
            fresh.before_notices = self.before_notices.take();
        }
        *self = fresh;
        Ok(())
    }

    /// Sifts one more line, or goes on to the next segment; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        if let Some(current) = &mut self.current {
            if current.advance(&mut self.ready) {
                return Ok(true);
            }
            if current.growing {
                return Ok(false);
            }
            if !current.done {
                if self.growing && !is_in_place(&self.files, current.opened.segment, current.scanner.file())? {
                    // What the next header says may be of another file than this one.
                    self.start_anew()?;
                    return Ok(true);
                }
                if current.read_past_seal() {
                    return Ok(true);
                }
                let behind = match current.salvage_unsealed(&mut self.ready) {
                    true => self.walk.first_number_behind(current.sifter.last()),
                    false => None,
                };
                current.settle(behind, &mut self.ready);
                return Ok(true);
            }
            (self.last, self.settled) = (current.sifter.last(), current.sifter.settled());
            self.passed = self.passed.max(self.settled.min(self.known));
            self.synced = self.synced.max(current.sifter.synced());
            let (through, end) = (current.opened.stands_through(), current.end);
            if let Some(current) = self.current.take().filter(|current| !current.opened.foreign) {
                self.before = Some((through, end));
                self.left = self.growing.then(|| (current.opened.segment, Arc::clone(current.scanner.file())));
            }
        }
        self.start_segment()
    }

    /// Whether the segment that was read last, if none was begun since, is still in its place.
    fn is_left_in_place(&self) -> Result<bool> {
        self.left.as_ref().map_or(Ok(true), |(segment, file)| is_in_place(&self.files, *segment, file))
    }

    /// Whether the file that was read last is still in its place.
    pub(crate) fn is_in_place(&self) -> Result<bool> {
        match &self.current {
            Some(current) if current.opened.newer => Ok(true), // not opened, and under another name
            Some(current) => is_in_place(&self.files, current.opened.segment, current.scanner.file()),
            None => self.is_left_in_place(),
        }
    }

    fn start_segment(&mut self) -> Result<bool> {
        let Some(opened) = self.walk.take()? else { return Ok(false) };
        let decides = self.undecided && opened.header.is_some() && !opened.foreign;
        if decides || !self.is_left_in_place()? {
            self.start_anew()?;
            return Ok(true);
        }
        self.left = None;
        // A disk that refuses to give its bytes says nothing of how many there were: that is a gap, not nothing.
        if opened.refused.is_none() && self.walk.was_never_created(&opened) {
            return Ok(true);
        }
        if opened.foreign {
            let flaw = self.whole_file(&opened);
            let mut current = Current::begin(opened, 0, (self.last, self.settled), false);
            current.done = true;
            self.current = Some(current);
            self.ready.push_back(Sifted::Flaw(flaw));
            return Ok(true);
        }
        if let Some(lost) = self.find_lost(&opened) {
            // Told while no segment is being read, so that it stands under the lost one's number.
            self.ready.push_back(Sifted::Flaw(lost));
            self.walk.put_back(opened);
            return Ok(true);
        }
        self.meet(&opened);
        let growing = self.growing && self.walk.is_at_end() && !opened.is_compacted();
        let (seal, most) = (self.walk.seal_of(&opened), self.walk.most_in(&opened));
        let end = seal.map_or(opened.len, |seal| seal.bytes.min(opened.len));
        // A crash may have undone the making of an empty file; what was in it, its seal tells.
        if opened.header.is_none() && opened.len > 0 {
            self.ready.push_back(Sifted::Flaw(bad_header(&opened)));
        }
        let mut current = Current::begin(opened, end, (self.last, self.settled), growing);
        current.expect(seal, most);
        self.segments += 1;
        self.current = Some(current);
        Ok(true)
    }

    /// Compares what the reader has seen with where a segment begins.
    fn meet(&mut self, opened: &Opened) {
        let Some(header) = &opened.header else { return };
        let before = header.first_seq.saturating_sub(1);
        // What a new opening says of the end before it, the reader may have seen more of.
        let begins_epoch = self.exact && self.seen.seq_of(&header.epoch_id()).is_none();
        let held = header.prev.filter(|_| begins_epoch).map_or(before, |prev| prev.last_seq.min(before));
        let replaces = self.before.is_some_and(|(before, _)| opened.segment <= before);
        if header.compacted.is_some() && replaces && before < self.settled {
            // It has swallowed segments that were read already.
            self.known = self.known.max(self.settled);
        } else if !self.growing {
            return;
        } else if self.passed > held {
            let epoch_id = header.epoch_id().into_owned();
            self.rewind_to(&epoch_id, held);
        }
        if before < self.settled {
            (self.last, self.settled) = (before, before);
        }
    }

    /// Segments that should stand before this one and do not.
    fn find_lost(&mut self, opened: &Opened) -> Option<Flaw> {
        let prev = opened.header.as_ref().and_then(|header| header.prev)?;
        if self.before.is_some_and(|(before, _)| before >= prev.segment) || prev.last_seq <= self.settled {
            return None;
        }
        let missing = Some((self.settled + 1, prev.last_seq));
        self.before = Some((prev.segment, prev.bytes));
        self.settled = prev.last_seq;
        Some(Flaw { damage: Damage::Short, offset: 0, bytes: prev.bytes, missing, at_end: false })
    }

    /// A file that is not read. What only a newer version reads has the numbers up to the seal that the next file puts on it.
    fn whole_file(&mut self, opened: &Opened) -> Flaw {
        let flaw = Flaw { damage: Damage::BadBytes, offset: 0, bytes: opened.len, missing: None, at_end: false };
        if !opened.newer {
            return flaw;
        }
        let flaw = Flaw { damage: Damage::Newer, ..flaw };
        if self.before.is_some_and(|(before, _)| before >= opened.segment) {
            return flaw; // a compacted segment stands for it
        }
        let seal = self.walk.seal_by_next_file().filter(|seal| seal.segment >= opened.segment);
        self.before = Some((seal.map_or(opened.segment, |seal| seal.segment), 0));
        let missing = seal.filter(|seal| seal.last_seq > self.settled).map(|seal| (self.settled + 1, seal.last_seq));
        self.settled = missing.map_or(self.settled, |(_, last)| last);
        Flaw { missing, ..flaw }
    }

    /// Whether a gap that was just yielded is only the half line that a writer at work has not finished: no damage.
    pub fn is_half_line(&self, gap: &Gap) -> bool {
        let half_line = self.current.as_ref().and_then(|current| current.half_line);
        self.live && gap.kind == GapKind::Torn && half_line == Some(gap.offset)
    }
}

/// Whether a segment's file still bears its name.
fn is_in_place(files: &Files, segment: u64, file: &Arc<dyn StorageFile>) -> Result<bool> {
    let named = files.is_named(&names::file_name(segment), &**file);
    named.map_err(|error| Error::io("look at", &files.path(segment), error))
}

fn bad_header(opened: &Opened) -> Flaw {
    Flaw { damage: Damage::Header, offset: 0, bytes: opened.lines_from, missing: None, at_end: false }
}
