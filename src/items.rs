//! Reading a journal from its first entry to its last: every entry once, in order, and every gap where it is.
//!
//! Never writes, needs no lock, never stops at damage. Memory stays bounded: by the longest line, and by 16 bytes for each
//! entry of one segment.

use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::event::{Event, Hole, JournalRecovered};
use crate::files::{Files, Listed, Opened};
use crate::gap::{Gap, GapKind};
use crate::line::{self, Decoded};
use crate::scan::{Chunk, Ending, Scanner};
use crate::segment::{Header, MAX_HEADER, Seal};
use crate::seq::Seq;
use crate::sift::{Flaw, Sifted, Sifter};
use crate::storage::Access;
use crate::verdict::Damage;
use std::collections::VecDeque;

/// What reading a journal yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// Something between two entries that could not be read.
    Gap(Gap),
}

/// The items of a journal, in order. Each borrows from the reader's buffer, so this is no `Iterator`: call `next`.
#[derive(Debug)]
pub struct Items {
    files: Files,
    /// Segments not opened yet.
    listed: VecDeque<Listed>,
    /// Segments whose first lines are known: they seal and explain the ones before.
    ahead: VecDeque<Opened>,
    /// The id that every header must bear.
    journal: Option<String>,
    current: Option<Current>,
    /// The number and the end of the last segment that was read.
    before: Option<(u64, u64)>,
    ready: VecDeque<Sifted>,
    salvage: Vec<u8>,
    last: u64,
    synced: u64,
    segments: u64,
    /// A writer is at work: half a line at the end is not a gap.
    live: bool,
}

/// The segment being read.
#[derive(Debug)]
struct Current {
    opened: Opened,
    scanner: Scanner,
    sifter: Sifter,
    seal: Option<Seal>,
    end: u64,
    /// Where half a line at the end of the file starts.
    half_line: Option<u64>,
    /// The highest watermark that any of its lines states, once that was asked for.
    evidence: Option<u64>,
    done: bool,
}

impl Items {
    pub(crate) fn new(files: Files, live: bool) -> Result<Items> {
        let (listed, _) = files.list()?;
        let journal = files.newest_header(&listed)?.map(|header| header.journal);
        Ok(Items {
            files,
            listed: listed.into(),
            ahead: VecDeque::new(),
            journal,
            current: None,
            before: None,
            ready: VecDeque::new(),
            salvage: Vec::new(),
            last: 0,
            synced: 0,
            segments: 0,
            live,
        })
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
        while self.ready.is_empty() {
            if !self.advance()? {
                return Ok(None);
            }
        }
        let Some(sifted) = self.ready.pop_front() else { return Ok(None) };
        let gap = match sifted {
            Sifted::Flaw(flaw) => Some(self.judge(flaw)?),
            Sifted::Salvaged { offset, len } => {
                self.read_salvaged(offset, len)?;
                None
            }
            Sifted::Entry => None,
        };
        if let Some(gap) = gap {
            return Ok(Some(Item::Gap(gap)));
        }
        let bytes = match (sifted, &self.current) {
            (Sifted::Entry, Some(current)) => current.scanner.bytes(),
            _ => &self.salvage,
        };
        Ok(line::decode_verified(bytes).map(Item::Entry))
    }

    /// Sifts one more line, or goes on to the next segment; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        if let Some(current) = &mut self.current {
            if let Some(chunk) = current.scanner.next() {
                current.note(chunk);
                current.sifter.line(chunk, current.scanner.bytes(), &mut self.ready);
                return Ok(true);
            }
            if !current.done {
                current.done = true;
                self.end_segment()?;
                return Ok(true);
            }
            self.last = current.sifter.last();
            self.synced = self.synced.max(current.sifter.synced());
            let (through, end) = (current.opened.stands_through(), current.end);
            if self.current.take().is_some_and(|current| self.is_ours(&current.opened)) {
                self.before = Some((through, end));
            }
        }
        self.start_segment()
    }

    fn start_segment(&mut self) -> Result<bool> {
        self.look_ahead()?;
        let Some(opened) = self.ahead.pop_front() else { return Ok(false) };
        self.look_ahead()?;
        if self.was_never_created(&opened)? {
            return Ok(true);
        }
        if !self.is_ours(&opened) {
            let flaw = whole_file(&opened);
            let mut current = self.begin(opened, 0)?;
            current.done = true;
            self.current = Some(current);
            self.ready.push_back(Sifted::Flaw(flaw));
            return Ok(true);
        }
        if let Some(lost) = self.find_lost(&opened) {
            // Told while no segment is being read, so that it stands under the lost one's number.
            self.ready.push_back(Sifted::Flaw(lost));
            self.ahead.push_front(opened);
            return Ok(true);
        }
        let seal = self.next_header().and_then(|next| next.prev);
        let seal = seal.filter(|seal| seal.segment == opened.segment && !opened.is_compacted());
        let end = seal.map_or(opened.len, |seal| seal.bytes.min(opened.len));
        let mut current = self.begin(opened, end)?;
        current.seal = seal;
        self.segments += 1;
        self.current = Some(current);
        Ok(true)
    }

    fn begin(&self, opened: Opened, end: u64) -> Result<Current> {
        let file = self.files.open(opened.segment, Access::Read)?;
        let from = opened.lines_from.min(end);
        let sifter = Sifter::new(from, self.last, opened.is_compacted());
        let scanner = Scanner::new(file, from, end);
        Ok(Current { opened, scanner, sifter, seal: None, end, half_line: None, evidence: None, done: false })
    }

    /// Segments that should stand before this one and do not.
    fn find_lost(&mut self, opened: &Opened) -> Option<Flaw> {
        let prev = opened.header.as_ref().and_then(|header| header.prev)?;
        if self.before.is_some_and(|(before, _)| before >= prev.segment) || prev.last_seq <= self.last {
            return None;
        }
        let missing = Some((self.last + 1, prev.last_seq));
        self.before = Some((prev.segment, prev.bytes));
        self.last = prev.last_seq;
        Some(Flaw { damage: Damage::Short, offset: 0, bytes: prev.bytes, missing, at_end: false })
    }

    /// Whether a file is a segment of this journal, as far as its header can be read.
    fn is_ours(&self, opened: &Opened) -> bool {
        opened.header.as_ref().is_none_or(|header| {
            header.segment == opened.segment && self.journal.as_ref().is_none_or(|journal| *journal == header.journal)
        })
    }

    /// The next good header of this journal.
    fn next_header(&self) -> Option<&Header> {
        self.ahead.iter().filter(|next| self.is_ours(next)).find_map(|next| next.header.as_ref())
    }

    /// Reads the first lines of the segments ahead, up to one with entries: it may explain what comes before it.
    fn look_ahead(&mut self) -> Result<()> {
        while !self.ahead.iter().any(|next| next.has_entries && next.header.is_some() && self.is_ours(next)) {
            let Some(listed) = self.listed.pop_front() else { break };
            let Some(opened) = self.files.peek(listed)? else { continue };
            let header = opened.header.as_ref().filter(|_| self.is_ours(&opened));
            if let Some(compacted) = header.and_then(|header| header.compacted) {
                while self.listed.front().is_some_and(|next| next.segment <= compacted.through) {
                    self.listed.pop_front();
                }
            }
            self.ahead.push_back(opened);
        }
        Ok(())
    }

    /// A file that a crash left before its header was on disk: no gap, left where it is. It holds at most a part of a
    /// header, since no entry is written before the header is synced; anything more is damage.
    fn was_never_created(&self, opened: &Opened) -> Result<bool> {
        let named = self.next_header().and_then(|next| next.prev);
        if opened.header.is_some()
            || opened.len > MAX_HEADER
            || named.is_some_and(|seal| seal.segment >= opened.segment)
        {
            return Ok(false);
        }
        let mut scanner = Scanner::new(self.files.open(opened.segment, Access::Read)?, 0, opened.len);
        let (mut sifter, mut sifted) = (Sifter::new(0, 0, false), VecDeque::new());
        let Some(chunk) = scanner.next() else { return Ok(true) };
        sifter.line(chunk, scanner.bytes(), &mut sifted);
        sifter.end(None, opened.len, &mut sifted);
        Ok(sifter.entries() == 0 && scanner.next().is_none())
    }

    /// Settles the end of the current segment against its seal.
    fn end_segment(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Current { opened, sifter, seal, end, .. } = current;
        let compacted = opened.header.as_ref().and_then(|header| header.compacted);
        let last = seal.map(|seal| seal.last_seq).or(compacted.map(|compacted| compacted.last_seq));
        let flaws_before = self.ready.len();
        sifter.end(last, *end, &mut self.ready);
        let bad = self.ready.len() > flaws_before;
        if let Some(compacted) = compacted
            && sifter.entries() < compacted.entries
            && !bad
        {
            let flaw = Flaw { damage: Damage::NoBytes, offset: *end, bytes: 0, missing: None, at_end: false };
            self.ready.push_back(Sifted::Flaw(flaw));
        }
        let Some(seal) = *seal else { return Ok(()) };
        if opened.len < seal.bytes {
            let short = match self.ready.pop_back() {
                Some(Sifted::Flaw(flaw)) => Flaw { damage: Damage::Short, bytes: seal.bytes - flaw.offset, ..flaw },
                other => {
                    self.ready.extend(other);
                    let (offset, bytes) = (opened.len, seal.bytes - opened.len);
                    Flaw { damage: Damage::Short, offset, bytes, missing: None, at_end: false }
                }
            };
            self.ready.push_back(Sifted::Flaw(short));
        } else if opened.len > seal.bytes {
            let (offset, bytes) = (seal.bytes, opened.len - seal.bytes);
            let flaw = Flaw { damage: Damage::BehindSeal, offset, bytes, missing: None, at_end: false };
            self.ready.push_back(Sifted::Flaw(flaw));
        }
        Ok(())
    }

    fn read_salvaged(&mut self, offset: u64, len: u64) -> Result<()> {
        let Some(current) = &self.current else { return Ok(()) };
        self.salvage.resize(len as usize, 0);
        let mut read = 0;
        while read < self.salvage.len() {
            let got = current.scanner.file().read_at(&mut self.salvage[read..], offset + read as u64);
            match got.map_err(|error| Error::io("read", &self.files.path(current.opened.segment), error))? {
                0 => break,
                count => read += count,
            }
        }
        Ok(())
    }

    /// The gap that a flaw is.
    fn judge(&mut self, flaw: Flaw) -> Result<Gap> {
        let newest = self.ahead.is_empty() && self.listed.is_empty();
        let was_durable = self.was_durable(&flaw);
        let segment = match &self.current {
            Some(current) => current.opened.segment,
            None => self.before.map_or(0, |(before, _)| before),
        };
        let mut gap = Flaw { at_end: flaw.at_end && newest, ..flaw }.judge(segment, was_durable);
        let lost = self.explained_by_next_entry(&gap);
        let own_report = self.current.as_ref().and_then(|current| current.opened.recovered.as_ref());
        let next_report = self.ahead.iter().filter(|next| self.is_ours(next)).find_map(|next| next.recovered.as_ref());
        let recovered = [own_report, next_report].into_iter().flatten().find(|report| explains(report, &gap));
        if lost || recovered.is_some() {
            gap.explained = true;
            gap.acknowledged = None;
        }
        if let (Some(report), Some((before, _))) = (recovered, self.before)
            && let Some(cut) = report.cuts.iter().find(|cut| cut.segment == before && gap.bytes == 0)
        {
            // The numbers that a crash tore off: shown where their bytes stood.
            gap = Gap { segment: before, offset: cut.offset, bytes: cut.bytes, kind: GapKind::Torn, ..gap };
        }
        Ok(gap)
    }

    /// Whether what a flaw took had been on disk: the fact that tells rot from a crash.
    fn was_durable(&mut self, flaw: &Flaw) -> bool {
        let next_epoch = self.next_header().map(|header| header.epoch);
        let Some(current) = &mut self.current else { return true };
        let same_epoch = next_epoch.is_some_and(|epoch| epoch <= current.opened.segment);
        same_epoch || current.opened.is_compacted() || current.proves_durable(flaw)
    }

    /// Whether the entry behind the gap says that these events were refused while the disk was full.
    fn explained_by_next_entry(&self, gap: &Gap) -> bool {
        let (Some(current), Some(Sifted::Entry)) = (&self.current, self.ready.front()) else { return false };
        let Some(entry) = line::decode_verified(current.scanner.bytes()) else { return false };
        match entry.event() {
            Ok(Event::EventsLost(lost)) => {
                covers(&Hole { first_seq: lost.first_seq, last_seq: lost.last_seq }, gap.first_seq, gap.last_seq)
            }
            _ => false,
        }
    }

    /// Whether a gap that was just yielded is only the half line that a writer at work has not finished: no damage.
    pub fn is_half_line(&self, gap: &Gap) -> bool {
        let half_line = self.current.as_ref().and_then(|current| current.half_line);
        self.live && gap.kind == GapKind::Torn && half_line == Some(gap.offset)
    }
}

impl Current {
    fn note(&mut self, chunk: Chunk) {
        if chunk.ending == Ending::EndOfFile {
            self.half_line = Some(chunk.offset);
        }
    }

    /// Whether any line of the segment states that the first missing number was synced. Lines before the gap cannot.
    fn proves_durable(&mut self, flaw: &Flaw) -> bool {
        let Some((first_missing, _)) = flaw.missing else { return false };
        let file = self.scanner.file().clone();
        let (from, end) = (self.opened.lines_from, self.end);
        let highest = *self.evidence.get_or_insert_with(|| {
            let mut scanner = Scanner::new(file, from, end);
            let mut highest = 0;
            while scanner.next().is_some() {
                if let Decoded::Entry(entry) = line::decode(scanner.bytes()) {
                    highest = highest.max(entry.synced().get());
                }
            }
            highest
        });
        highest >= first_missing
    }
}

impl Opened {
    fn is_compacted(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.compacted.is_some())
    }

    /// The last segment that this one stands for.
    fn stands_through(&self) -> u64 {
        let compacted = self.header.as_ref().and_then(|header| header.compacted);
        compacted.map_or(self.segment, |compacted| compacted.through)
    }
}

fn whole_file(opened: &Opened) -> Flaw {
    Flaw { damage: Damage::BadBytes, offset: 0, bytes: opened.len, missing: None, at_end: false }
}

fn explains(report: &JournalRecovered, gap: &Gap) -> bool {
    let in_cut = report.cuts.iter().any(|cut| {
        let inside = cut.offset <= gap.offset && gap.offset + gap.bytes <= cut.offset.saturating_add(cut.bytes);
        cut.segment == gap.segment && gap.bytes > 0 && inside
    });
    in_cut || report.holes.iter().any(|hole| covers(hole, gap.first_seq, gap.last_seq))
}

fn covers(hole: &Hole, first: Option<Seq>, last: Option<Seq>) -> bool {
    match (first, last) {
        (Some(first), Some(last)) => hole.first_seq <= first.get() && last.get() <= hole.last_seq,
        _ => false,
    }
}
