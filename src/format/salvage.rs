//! Sifting a segment: from physical lines to good entries, in order, and what stands between them.
//!
//! Pure: sees lines one by one, decides from their bytes and numbers. A bad line is held until its good neighbours are
//! known; whole entries inside it are found then ("salvage"). What a gap means is up to `gap_rules`.

use crate::format::block::{Chunk, Ending, Line};
use crate::format::delivered::Seen;
use crate::format::gap_rules::{self, Damage, Facts};
use crate::format::line::{self, Decoded};
use crate::json::escape::ENTRY_START;
use crate::model::entry::Entry;
use crate::model::gap::{Gap, GapKind};
use crate::model::seq::Seq;
use std::collections::VecDeque;

/// How many entries found inside bad lines may wait for their good neighbour; beyond that they are taken in order.
const MAX_CANDIDATES: usize = 1 << 16;

/// What sifting yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sifted {
    /// The chunk that was just sifted is the next entry.
    Entry,
    /// The next entry stands here, inside a bad line.
    Salvaged { offset: u64, len: u64 },
    /// Something that is no entry.
    Flaw(Flaw),
}

/// A place where something is wrong, before the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) damage: Damage,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The first and the last missing number.
    pub(crate) missing: Option<(u64, u64)>,
    /// Nothing good follows in this segment, and its end is not known from elsewhere.
    pub(crate) at_end: bool,
}

impl Flaw {
    /// The gap that it is, by the table of verdicts; whether the log explains it is not known yet.
    pub(crate) fn judge(&self, segment: u64, was_durable: bool) -> Gap {
        let Flaw { damage, offset, bytes, missing, at_end } = *self;
        let verdict = gap_rules::judge(Facts { damage, numbers_missing: missing.is_some(), at_end, was_durable });
        Gap {
            segment,
            offset,
            bytes,
            kind: verdict.kind,
            first_seq: missing.map(|(first, _)| Seq::new(first)),
            last_seq: missing.map(|(_, last)| Seq::new(last)),
            acknowledged: verdict.acknowledged,
            explained: verdict.kind == GapKind::Unsupported,
        }
    }
}

/// Sifts one segment, line by line.
#[derive(Debug)]
pub(crate) struct Sifter {
    /// The last number delivered.
    last: u64,
    /// Up to this number all have been delivered or reported missing. May be higher than `last`, also where a header lies:
    /// so it never decides whether an entry is delivered.
    settled: u64,
    /// The last number that the segment can hold, as far as that is known.
    most: u64,
    /// Holes in the numbers are on purpose.
    compacted: bool,
    /// Number and checksum of every entry given out, to tell a copy from a conflict.
    seen: Seen,
    /// Where the last number that came again was told: bad lines before it may be read, and so may it be, more than once.
    told_end: u64,
    /// Where the lines start and end that bear numbers again and touch each other: one flaw, once something else follows.
    again: Option<(u64, u64)>,
    bad: Option<BadRegion>,
    good_end: u64,
    entry_end: u64,
    entry_crc: Option<u32>,
    synced: u64,
}

/// Bad lines that touch each other.
#[derive(Debug)]
struct BadRegion {
    offset: u64,
    end: u64,
    candidates: Vec<Candidate>,
    /// Where the candidates of the current physical line begin.
    line_from: usize,
    hash: crc32fast::Hasher,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    offset: u64,
    len: u64,
    /// Whether a line break follows it directly.
    terminated: bool,
    /// Where its physical line ends, once that is known.
    line_end: u64,
    seq: u64,
    crc: u32,
    synced: u64,
}

impl Sifter {
    /// For a segment whose first line starts at `offset`, after the entry `last`, where the numbers up to `settled` are
    /// accounted for.
    pub(crate) fn new(offset: u64, last: u64, settled: u64, compacted: bool) -> Sifter {
        Sifter {
            last,
            settled: settled.max(last),
            most: u64::MAX,
            compacted,
            seen: Seen::default(),
            told_end: offset,
            again: None,
            bad: None,
            good_end: offset,
            entry_end: offset,
            entry_crc: None,
            synced: 0,
        }
    }

    /// A line with a higher number than this stands in the wrong place: given out, it would keep out all up to its number.
    pub(crate) fn expect_up_to(&mut self, most: u64) {
        self.most = most;
    }

    /// The last number delivered.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The last number that was delivered or reported missing.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// How many entries were given out.
    pub(crate) fn entries(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Where the last physical line ends that is good or holds an entry: a salvaged one needs the line break of its line.
    pub(crate) fn good_end(&self) -> u64 {
        self.good_end
    }

    /// Where the last entry ends.
    pub(crate) fn entry_end(&self) -> u64 {
        self.entry_end
    }

    /// The highest durable watermark that any entry stated.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// The bad lines that wait for a good neighbour: where they start, where they end, and their hash.
    pub(crate) fn waiting(&self) -> Option<(u64, u64, u32)> {
        self.bad.as_ref().map(|bad| (bad.offset, bad.end, bad.hash.clone().finalize()))
    }

    /// Forgets the bad lines that wait for a good neighbour, so that they can be read again.
    pub(crate) fn forget_waiting(&mut self) {
        let Some(bad) = self.bad.take() else { return };
        if let Some((offset, _)) = self.again.take_if(|(offset, _)| *offset >= bad.offset) {
            self.told_end = offset;
        }
    }

    /// The checksum of the last good line, which ends where `entry_end` says; `None` before the first.
    pub(crate) fn entry_crc(&self) -> Option<u32> {
        self.entry_crc
    }

    /// Sifts the next line, which was decoded. Returns the entry that it is, if that is the last thing that was sifted.
    pub(crate) fn line<'a>(
        &mut self,
        line: &Line<'a>,
        decoded: Decoded<'a>,
        out: &mut VecDeque<Sifted>,
    ) -> Option<Entry<'a>> {
        let Line { chunk, bytes, .. } = *line;
        let whole = chunk.starts_line && chunk.ending == Ending::Newline;
        match decoded {
            Decoded::Entry(entry) if whole && entry.seq().get() <= self.most => {
                let (seq, synced) = (entry.seq().get(), entry.synced().get());
                self.good_line(chunk, seq, synced, entry.crc, out).then_some(entry)
            }
            _ => {
                self.bad_line(chunk, bytes, out);
                None
            }
        }
    }

    /// Ends the segment. `last` is the last number it should have, if that is known.
    pub(crate) fn end(&mut self, last: Option<u64>, offset: u64, out: &mut VecDeque<Sifted>) {
        let next = last.map(|last| last.saturating_add(1));
        if self.bad.is_some() {
            self.settle(next, out);
        }
        self.end_run(out);
        self.note_missing(next, offset, out);
    }

    /// Tells the lines that bear numbers again and wait for more of them.
    pub(crate) fn end_run(&mut self, out: &mut VecDeque<Sifted>) {
        let Some((offset, end)) = self.again.take() else { return };
        let (bytes, missing) = (end - offset, None);
        out.push_back(Sifted::Flaw(Flaw { damage: Damage::Again, offset, bytes, missing, at_end: false }));
    }

    /// Whether it is the next entry.
    fn good_line(&mut self, chunk: Chunk, seq: u64, synced: u64, crc: u32, out: &mut VecDeque<Sifted>) -> bool {
        if seq <= self.last {
            // Never delivered late. A copy of what was given out is no loss.
            if !self.seen.has(seq, crc) && chunk.offset >= self.told_end {
                self.told_end = chunk.end();
                match &mut self.again {
                    Some((_, end)) if *end == chunk.offset => *end = chunk.end(),
                    _ => {
                        self.end_run(out);
                        self.again = Some((chunk.offset, chunk.end()));
                    }
                }
            }
            // A reader without what the header says of the numbers before it may deliver it: nothing cuts it off.
            self.good_end = chunk.end();
            if self.bad.is_none() {
                (self.entry_end, self.entry_crc) = (chunk.end(), Some(crc));
            }
            return false;
        }
        if self.bad.is_some() {
            self.settle(Some(seq), out);
        }
        self.end_run(out);
        self.note_missing(Some(seq), chunk.offset, out);
        self.give_out(seq, crc, synced);
        (self.good_end, self.entry_end, self.entry_crc) = (chunk.end(), chunk.end(), Some(crc));
        out.push_back(Sifted::Entry);
        true
    }

    fn give_out(&mut self, seq: u64, crc: u32, synced: u64) {
        self.seen.push(seq, crc);
        self.last = seq;
        self.settled = self.settled.max(seq);
        self.synced = self.synced.max(synced);
    }

    /// Numbers that are missing before `next`, with no bytes in their place.
    fn note_missing(&mut self, next: Option<u64>, offset: u64, out: &mut VecDeque<Sifted>) {
        let Some(missing) = next.and_then(|next| missing_between(self.settled, next)) else { return };
        if !self.compacted {
            let missing = Some(missing);
            out.push_back(Sifted::Flaw(Flaw { damage: Damage::NoBytes, offset, bytes: 0, missing, at_end: false }));
        }
        self.settled = missing.1;
    }

    fn bad_line(&mut self, chunk: Chunk, bytes: &[u8], out: &mut VecDeque<Sifted>) {
        if chunk.ending != Ending::EndOfFile {
            self.end_run(out); // the end of what is read so far need not be the end of a line
        }
        let region = self.bad.get_or_insert_with(|| BadRegion {
            offset: chunk.offset,
            end: chunk.offset,
            candidates: Vec::new(),
            line_from: 0,
            hash: crc32fast::Hasher::new(),
        });
        region.end = chunk.end();
        region.hash.update(bytes);
        if chunk.starts_line {
            region.line_from = region.candidates.len();
        }
        if chunk.ending == Ending::EndOfFile {
            // Not a line, so nothing in it counts.
            region.candidates.truncate(region.line_from);
            return;
        }
        let starts: Vec<usize> = memchr::memmem::find_iter(bytes, ENTRY_START).collect();
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).copied().unwrap_or(bytes.len());
            let piece = bytes[*start..end].trim_ascii_end_nuls();
            if let Decoded::Entry(entry) = line::decode(piece) {
                region.candidates.push(Candidate {
                    offset: chunk.offset + *start as u64,
                    len: piece.len() as u64,
                    terminated: start + piece.len() == bytes.len() && chunk.ending == Ending::Newline,
                    line_end: 0,
                    seq: entry.seq().get(),
                    crc: entry.crc,
                    synced: entry.synced().get(),
                });
            }
        }
        if chunk.ending == Ending::Newline {
            region.candidates[region.line_from..].iter_mut().for_each(|candidate| candidate.line_end = chunk.end());
        }
        if region.candidates.len() > MAX_CANDIDATES {
            self.settle_candidates(None, out);
        }
    }

    /// Now that the next good number is known: gives out what can be salvaged from the bad lines, and the gaps between.
    fn settle(&mut self, next: Option<u64>, out: &mut VecDeque<Sifted>) {
        self.settle_candidates(next, out);
        let Some(region) = self.bad.take() else { return };
        if region.offset < region.end {
            let missing = next.and_then(|next| missing_between(self.settled, next));
            if let Some((_, last)) = missing {
                self.settled = last;
            }
            out.push_back(Sifted::Flaw(Flaw {
                damage: Damage::BadBytes,
                offset: region.offset,
                bytes: region.end - region.offset,
                missing,
                at_end: next.is_none(),
            }));
        }
    }

    /// Delivers what can be salvaged from the bad lines that wait, with no good neighbour behind them.
    pub(crate) fn salvage(&mut self, out: &mut VecDeque<Sifted>) {
        self.settle_candidates(None, out);
    }

    fn settle_candidates(&mut self, next: Option<u64>, out: &mut VecDeque<Sifted>) {
        let Some(region) = &mut self.bad else { return };
        let candidates = std::mem::take(&mut region.candidates);
        region.line_from = 0;
        let mut at = region.offset;
        let mut accepted = Vec::new();
        let (mut last, mut settled) = (self.last, self.settled);
        for candidate in candidates {
            if candidate.seq > last && candidate.seq <= self.most && next.is_none_or(|next| candidate.seq < next) {
                let missing = missing_between(settled, candidate.seq);
                let bytes = candidate.offset - at;
                if bytes > 0 || (missing.is_some() && !self.compacted) {
                    let damage = if bytes > 0 { Damage::BadBytes } else { Damage::NoBytes };
                    out.push_back(Sifted::Flaw(Flaw { damage, offset: at, bytes, missing, at_end: false }));
                }
                out.push_back(Sifted::Salvaged { offset: candidate.offset, len: candidate.len });
                at = candidate.offset + candidate.len + u64::from(candidate.terminated);
                last = candidate.seq;
                settled = settled.max(last);
                accepted.push(candidate);
            }
        }
        region.offset = at;
        for Candidate { seq, crc, synced, line_end, .. } in accepted {
            self.give_out(seq, crc, synced);
            (self.good_end, self.entry_end, self.entry_crc) = (at.max(line_end), at, Some(crc));
        }
    }
}

/// The first and the last number between two that are accounted for, if there are any.
fn missing_between(settled: u64, next: u64) -> Option<(u64, u64)> {
    let (first, last) = (settled.checked_add(1)?, next.checked_sub(1)?);
    (first <= last).then_some((first, last))
}

trait TrimNuls {
    fn trim_ascii_end_nuls(&self) -> &[u8];
}

impl TrimNuls for [u8] {
    fn trim_ascii_end_nuls(&self) -> &[u8] {
        let end = self.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        &self[..end]
    }
}
