//! The segment that is being read.

use crate::error::{Error, Result};
use crate::format::block::{Chunk, Ending, Line};
use crate::format::gap_rules::Damage;
use crate::format::header::{Compacted, Seal};
use crate::format::line::{self, Decoded};
use crate::format::salvage::{Flaw, Sifted, Sifter};
use crate::model::entry::Entry;
use crate::segments::dir::{Files, Opened};
use crate::segments::scan::Scanner;
use crate::storage::read_full;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Current {
    pub(super) opened: Opened,
    pub(super) scanner: Scanner,
    pub(super) sifter: Sifter,
    /// The entry that the scanner's line is, if that is what was sifted last.
    pub(super) entry: Option<Entry<'static>>,
    pub(super) seal: Option<Seal>,
    pub(super) end: u64,
    /// Where half a line at the end of the file starts.
    pub(super) half_line: Option<u64>,
    /// The last entry before it, the last number that is accounted for there, and the last that it can hold, if known.
    before: (u64, u64),
    most: Option<u64>,
    /// The highest watermark that any of its entries states, once that was asked for.
    evidence: Option<u64>,
    /// Its end has been settled.
    pub(super) done: bool,
    /// A writer may still add to it.
    pub(super) growing: bool,
    /// In growing: what stood unsettled at the end one poll before, and what of that was told as a gap.
    pub(super) suspect: Option<Unsettled>,
    pub(super) told: Option<Unsettled>,
}

/// Bytes at the end that are neither a line nor, until they have stayed the same for a while, a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) hashes: (u32, u32),
}

impl Current {
    /// Begins a segment after the entry `last`, where the numbers up to `settled` are accounted for.
    pub(super) fn begin(opened: Opened, end: u64, (last, settled): (u64, u64), growing: bool) -> Current {
        let from = opened.lines_from.min(end);
        let sifter = Sifter::new(from, last, settled, opened.is_compacted());
        let mut scanner = Scanner::new(Arc::clone(&opened.file), from, end);
        scanner.wait_for_line_breaks(growing);
        Current {
            opened,
            scanner,
            sifter,
            entry: None,
            seal: None,
            end,
            half_line: None,
            before: (last, settled),
            most: None,
            evidence: None,
            done: false,
            growing,
            suspect: None,
            told: None,
        }
    }

    /// Sifts the next physical line; `false` if there is none.
    pub(super) fn advance(&mut self, ready: &mut VecDeque<Sifted>) -> bool {
        let Some(chunk) = self.scanner.next() else { return false };
        self.note(chunk);
        let line = Line::new(chunk, self.scanner.bytes());
        if let Some(entry) = self.sifter.line(&line, line.decode(), ready) {
            // Kept, and not decoded again: to check once more that a line is text costs more than to copy it.
            entry.keep(&mut self.entry);
        }
        true
    }

    /// Sifts a line of a block, which was decoded. Returns the entry that it is.
    pub(super) fn sift<'a>(
        &mut self,
        line: &Line<'a>,
        decoded: Decoded<'a>,
        ready: &mut VecDeque<Sifted>,
    ) -> Option<Entry<'a>> {
        self.note(line.chunk);
        self.sifter.line(line, decoded, ready)
    }

    fn note(&mut self, chunk: Chunk) {
        if chunk.ending == Ending::EndOfFile {
            self.half_line = Some(chunk.offset);
        }
    }

    /// How much of it is still to be read.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.scanner.position())
    }

    /// Gives its scanner away; what stays in its place finds nothing.
    pub(super) fn lend_scanner(&mut self) -> Scanner {
        let nothing = Scanner::new(Arc::clone(self.scanner.file()), self.end, self.end);
        std::mem::replace(&mut self.scanner, nothing)
    }

    /// Takes the seal that the next header puts on it, and the last number that it can hold, if they are known. A compacted
    /// one says itself what it holds.
    pub(super) fn expect(&mut self, seal: Option<Seal>, most: Option<u64>) {
        self.seal = seal;
        self.most = most.into_iter().chain(self.last_expected()).min();
        self.most.into_iter().for_each(|most| self.sifter.expect_up_to(most));
    }

    fn compacted(&self) -> Option<&Compacted> {
        self.opened.header.as_ref().and_then(|header| header.compacted.as_ref())
    }

    /// The last number that it must have, if that is known.
    fn last_expected(&self) -> Option<u64> {
        self.seal.map(|seal| seal.last_seq).or(self.compacted().map(|compacted| compacted.last_seq))
    }

    /// Reads on after the end that the next header names, if the last number that it names has not come by then and a good
    /// line there bears it or one before it: the number of bytes is wrong. `false` if there is no such line.
    ///
    /// A writer that was shut out wrote only higher numbers there.
    pub(super) fn read_past_seal(&mut self) -> bool {
        let Some(seal) = self.seal.filter(|seal| self.sifter.last() < seal.last_seq) else { return false };
        if self.end >= self.opened.len || self.end != seal.bytes {
            return false;
        }
        let from = self.sifter.waiting().map_or(self.end, |(offset, ..)| offset);
        let mut scanner = Scanner::new(Arc::clone(self.scanner.file()), from, self.opened.len);
        let wanted = self.sifter.last() + 1..=seal.last_seq;
        let mut end = self.end;
        while let Some(chunk) = scanner.next() {
            if chunk.ending == Ending::Newline
                && let Decoded::Entry(entry) = line::decode(scanner.bytes())
                && wanted.contains(&entry.seq().get())
            {
                end = chunk.end();
            }
        }
        if end == self.end {
            return false;
        }
        self.sifter.forget_waiting();
        self.end = end;
        self.scanner.go_back_to(from);
        self.scanner.read_on_to(end);
        true
    }

    /// Delivers what can be salvaged from bad lines at its end, where nothing says which number it ends with. `true` if some
    /// of them is left.
    pub(super) fn salvage_unsealed(&mut self, ready: &mut VecDeque<Sifted>) -> bool {
        if self.last_expected().is_some() {
            return false;
        }
        self.sifter.salvage(ready);
        self.sifter.waiting().is_some_and(|(offset, end, _)| offset < end)
    }

    /// Settles its end against its seal. Where it has none, `behind` is the first number behind it, if that is known.
    pub(super) fn settle(&mut self, behind: Option<u64>, ready: &mut VecDeque<Sifted>) {
        self.done = true;
        let last = self.last_expected().or(behind.map(|behind| behind.saturating_sub(1)));
        let Current { opened, sifter, seal, end, .. } = self;
        let compacted = opened.header.as_ref().and_then(|header| header.compacted.as_ref());
        sifter.end_run(ready);
        let (flaws_before, given) = (ready.len(), sifter.settled());
        sifter.end(last, *end, ready);
        let bad = ready.iter().skip(flaws_before).any(|sifted| matches!(sifted, Sifted::Flaw(_)));
        if let Some(compacted) = compacted
            && sifter.entries() < compacted.entries
            && !bad
        {
            // Cut at the end of a line, everything behind that is gone; which lines are gone from the middle cannot be told.
            let missing = (given < compacted.last_seq).then_some((given + 1, compacted.last_seq));
            let flaw = Flaw { damage: Damage::NoBytes, offset: *end, bytes: 0, missing, at_end: false };
            ready.push_back(Sifted::Flaw(flaw));
        }
        let Some(seal) = *seal else { return };
        if opened.len < seal.bytes {
            let at_end = ready.len() > flaws_before;
            let short = match at_end.then(|| ready.pop_back()).flatten() {
                Some(Sifted::Flaw(flaw)) => Flaw { damage: Damage::Short, bytes: seal.bytes - flaw.offset, ..flaw },
                // Only its header is missing: a crash has undone the making of it, and nothing was recorded in it.
                None if sifter.entries() == 0 => return,
                other => {
                    ready.extend(other);
                    let (offset, bytes) = (opened.len, seal.bytes - opened.len);
                    Flaw { damage: Damage::Short, offset, bytes, missing: None, at_end: false }
                }
            };
            ready.push_back(Sifted::Flaw(short));
        } else if opened.len > *end {
            let (offset, bytes) = (*end, opened.len - *end);
            let flaw = Flaw { damage: Damage::BehindSeal, offset, bytes, missing: None, at_end: false };
            ready.push_back(Sifted::Flaw(flaw));
        }
    }

    /// Reads an entry that was found inside a bad line.
    pub(super) fn read_salvaged(&self, files: &Files, offset: u64, len: u64) -> Result<Option<Entry<'static>>> {
        let mut out = vec![0; len as usize];
        let read = read_full(&**self.scanner.file(), &mut out, offset);
        read.map_err(|error| Error::io("read", &files.path(self.opened.segment), error))?;
        Ok(line::decode_verified(&out).map(Entry::into_owned))
    }

    /// Whether the segment says that the first missing number was on disk: its header's `prev` does, since a segment is sealed
    /// only once it is, or the watermark of any of its entries.
    pub(super) fn proves_durable(&mut self, flaw: &Flaw) -> bool {
        let Some((first_missing, _)) = flaw.missing else { return false };
        let prev = self.opened.header.as_ref().and_then(|header| header.prev);
        if prev.is_some_and(|prev| first_missing <= prev.last_seq) {
            return true;
        }
        if self.evidence.is_none() {
            self.evidence = Some(self.highest_synced());
        }
        self.evidence >= Some(first_missing)
    }

    /// Reads all of the segment once more: which lines are entries, only the same rules tell.
    fn highest_synced(&self) -> u64 {
        let mut again = Current::begin(self.opened.clone(), self.end, self.before, false);
        again.expect(self.seal, self.most);
        let mut sifted = VecDeque::new();
        while again.advance(&mut sifted) || again.read_past_seal() {
            sifted.clear();
        }
        again.salvage_unsealed(&mut sifted);
        again.settle(None, &mut sifted);
        again.sifter.synced()
    }

    /// Forgets what was learnt from all its lines: there are more now.
    pub(super) fn forget_evidence(&mut self) {
        self.evidence = None;
    }
}
