//! Where reading starts: from a place given in words, or from what a follower has seen, to the segment to open first.

use super::walk::Walk;
use super::{Item, Items};
use crate::block::Ending;
use crate::cursor::{Cursor, Place, Position};
use crate::error::Result;
use crate::files::{Files, Listed, Opened};
use crate::line::{self, Decoded};
use crate::scan::Scanner;
use crate::segment::Header;
use crate::seq::Seq;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// By how much the time of an entry may be ahead of the clock that a later segment was created by: a day.
const CLOCK_SLACK_MICROS: i64 = 24 * 3600 * 1_000_000;

/// What whoever reads knows already.
struct Known {
    /// Everything up to this entry.
    seq: u64,
    /// The opening that wrote it, if it has been seen: a later one may have found less.
    epoch: Option<u64>,
}

impl Known {
    /// Whether an opening came after the one that has been seen.
    fn is_older_than(&self, header: &Header) -> bool {
        self.epoch.is_some_and(|epoch| header.epoch > epoch)
    }

    /// Whether a later opening begins with numbers that are known: it has found less than has been seen.
    fn is_taken_back_by(&self, header: &Header) -> bool {
        self.is_older_than(header) && header.first_seq <= self.seq
    }
}

impl Items {
    pub(super) fn begin(files: Files, mut walk: Walk, live: bool, from: &Cursor) -> Result<Items> {
        let mut notices = VecDeque::new();
        let known = match &from.0 {
            Place::Start => Known { seq: 0, epoch: None },
            Place::End => Known { seq: u64::MAX, epoch: None },
            Place::From(seq) => Known { seq: seq.get().saturating_sub(1), epoch: None },
            Place::Last(entries) => Known { seq: before_last(&walk, *entries)?, epoch: None },
            Place::Since(time) => Known { seq: before_time(&walk, *time)?, epoch: None },
            Place::After(position) => match (&position.journal, walk.journal()) {
                (Some(seen), Some(found)) if seen != found => {
                    notices.push_back(Item::Replaced);
                    Known { seq: 0, epoch: Some(0) }
                }
                _ => Known { seq: position.seq, epoch: Some(position.epoch) },
            },
        };
        let first = first_segment(&walk, &known)?;
        let (mut settled, mut passed, mut before, mut begins_anew) = (0, 0, None, false);
        if let Some(header) = first.and_then(|opened| opened.header) {
            walk.start_at(header.segment);
            settled = header.first_seq.saturating_sub(1);
            before = header.prev.map(|prev| (prev.segment, prev.bytes));
            // A later opening says what it found: of numbers that it left out the reader may have seen the entries.
            let found = header.prev.filter(|_| known.is_older_than(&header));
            passed = settled.min(known.seq).min(found.map_or(settled, |prev| prev.last_seq));
            // If it found all to be well, as where a whole segment is gone, there is no report: its own entries are news.
            begins_anew = known.is_taken_back_by(&header);
        }
        let seen = Position { journal: None, epoch: known.epoch.unwrap_or(0), seq: known.seq };
        let mut items = Items {
            files,
            walk,
            current: None,
            before,
            ready: VecDeque::new(),
            salvaged: None,
            last: settled.min(known.seq),
            settled,
            synced: 0,
            segments: 0,
            live,
            known: known.seq,
            passed,
            growing: false,
            seen,
            exact: known.epoch.is_some(),
            limit: Seq::MAX.get(),
            held: false,
            notices,
            told: None,
        };
        if begins_anew {
            items.rewind_to(passed);
        }
        Ok(items)
    }
}

/// The segment to open first; `None` to read all. What was merged into another one is never the first, though its removal
/// was lost.
fn first_segment(walk: &Walk, known: &Known) -> Result<Option<Opened>> {
    let Some(first) = first_behind(walk, known)? else { return Ok(None) };
    let listed: Vec<Listed> = walk.listed().collect();
    match walk.merged(&listed, first.segment)? {
        Some(merged) => walk.peek(merged),
        None => Ok(Some(first)),
    }
}

/// The segment with the first entry that is not known. One whose header is bad is never the first.
fn first_behind(walk: &Walk, known: &Known) -> Result<Option<Opened>> {
    if known.seq == 0 {
        return Ok(None);
    }
    let mut first: Option<Opened> = None;
    for listed in walk.listed().rev() {
        let Some(opened) = walk.peek(listed)?.filter(|opened| !opened.foreign) else { continue };
        let Some(header) = &opened.header else { continue };
        let starts_behind = header.first_seq <= known.seq.saturating_add(1);
        let older_epoch = !known.is_older_than(header);
        if first.is_some() && older_epoch && starts_behind && opened.is_compacted() {
            // Merged: the openings behind the one that its header names may have found less, and their reports say so.
            return Ok(Some(opened));
        }
        if known.is_taken_back_by(header) || (starts_behind && first.is_none()) {
            first = Some(opened);
        }
        if first.is_some() && older_epoch {
            return Ok(first);
        }
    }
    Ok(first)
}

/// The number before the last `count` entries.
fn before_last(walk: &Walk, count: u64) -> Result<u64> {
    if count == 0 {
        return Ok(u64::MAX);
    }
    let (mut before, mut left) = (0, count);
    for listed in walk.listed().rev() {
        let mut seqs = VecDeque::new();
        each_entry(walk, listed, &mut |seq, _| {
            seqs.push_back(seq);
            if seqs.len() as u64 > left {
                seqs.pop_front();
            }
            true
        })?;
        if let Some(first) = seqs.front() {
            before = first - 1;
        }
        left -= seqs.len() as u64;
        if left == 0 {
            return Ok(before);
        }
    }
    Ok(0)
}

/// The number before the first entry of this time or later; the end, if there is none.
fn before_time(walk: &Walk, time: Timestamp) -> Result<u64> {
    // What precedes a segment was recorded before that was created. Clocks go back between two runs, so that the first
    // segment with a late successor counts, and not the last.
    let limit = Timestamp::from_micros(time.micros().saturating_sub(CLOCK_SLACK_MICROS));
    let segments: Vec<Listed> = walk.listed().collect();
    let mut first = 0;
    for (at, listed) in segments.iter().enumerate().skip(1) {
        let Some(opened) = walk.peek(*listed)?.filter(|opened| !opened.foreign) else { continue };
        match opened.header {
            Some(header) if header.created >= limit => break,
            Some(_) => first = at,
            None => {}
        }
    }
    let mut found = u64::MAX;
    for listed in segments.into_iter().skip(first) {
        each_entry(walk, listed, &mut |seq, at| {
            if at >= time {
                found = seq - 1;
            }
            found == u64::MAX
        })?;
        if found < u64::MAX {
            break;
        }
    }
    Ok(found)
}

/// Calls `each` with the number and the time of every good line of a segment, until it says `false`.
fn each_entry(walk: &Walk, listed: Listed, each: &mut dyn FnMut(u64, Timestamp) -> bool) -> Result<()> {
    let Some(opened) = walk.peek(listed)?.filter(|opened| !opened.foreign) else { return Ok(()) };
    let mut scanner = Scanner::new(opened.file, opened.lines_from, opened.len);
    while let Some(chunk) = scanner.next() {
        if chunk.ending == Ending::Newline
            && let Decoded::Entry(entry) = line::decode(scanner.bytes())
            && !each(entry.seq().get(), entry.time())
        {
            break;
        }
    }
    Ok(())
}
