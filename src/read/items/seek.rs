//! Where reading starts: from a place given in words, or from what a follower has seen, to the segment to open first.

use super::lookout::Lookout;
use super::segments::Walk;
use super::{Item, Items};
use crate::error::Result;
use crate::format::block::Ending;
use crate::format::header::Header;
use crate::format::line::{self, Decoded};
use crate::model::cursor::{Cursor, Place, Position};
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use crate::segments::dir::{Files, Listed, Opened};
use crate::segments::scan::Scanner;
use std::collections::VecDeque;

/// By how much the time of an entry may be ahead of the clock that a later segment was created by: a day.
const CLOCK_SLACK_MICROS: i64 = 24 * 3600 * 1_000_000;

/// What the reader has already.
struct Known {
    /// Everything up to this number.
    seq: u64,
    /// What it has of each epoch; `None` for a place given in words.
    seen: Option<Position>,
    /// What it has to be told first.
    notice: Option<Item<'static>>,
    /// There is no header yet to compare with what it has.
    undecided: bool,
}

impl Known {
    fn in_words(seq: u64) -> Known {
        Known { seq, seen: None, notice: None, undecided: false }
    }

    fn replaced() -> Known {
        Known { seq: 0, seen: Some(Position::default()), notice: Some(Item::Replaced), undecided: false }
    }

    fn undecided(position: &Position) -> Known {
        let undecided = !position.seen.is_empty();
        Known { seq: position.seq(), seen: Some(position.clone()), notice: None, undecided }
    }
}

impl Items {
    pub(super) fn begin(files: Files, mut walk: Walk, live: bool, from: &Cursor) -> Result<Items> {
        let known = match &from.0 {
            Place::Start => Known::in_words(0),
            Place::End => Known::in_words(u64::MAX),
            Place::From(seq) => Known::in_words(seq.get().saturating_sub(1)),
            Place::Last(entries) => Known::in_words(before_last(&walk, *entries)?),
            Place::Since(time) => Known::in_words(before_time(&walk, *time)?),
            Place::After(position) => match (&position.journal, walk.journal()) {
                (Some(seen), Some(found)) if seen != found => Known::replaced(),
                (_, None) => Known::undecided(position),
                _ => resume(&walk, position)?,
            },
        };
        let first = first_segment(&walk, known.seq)?;
        let exact = known.seen.is_some();
        let mut seen = known.seen.unwrap_or_default();
        let (mut settled, mut passed, mut before) = (0, 0, None);
        if let Some(header) = first.and_then(|opened| opened.header) {
            walk.start_at(header.segment);
            settled = header.first_seq.saturating_sub(1);
            before = header.prev.map(|prev| (prev.segment, prev.bytes));
            passed = settled.min(known.seq);
            if !exact {
                seen.note(&header.epoch_id(), passed);
            }
        }
        Ok(Items {
            files,
            walk,
            current: None,
            left: None,
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
            exact,
            undecided: known.undecided,
            limit: Seq::MAX.get(),
            held: false,
            before_notices: known.notice.is_some().then(|| from.clone()),
            notices: known.notice.into_iter().collect(),
            told: None,
            lookout: Lookout::default(),
        })
    }
}

/// An epoch of the journal, while the headers are looked through from the newest to the oldest.
struct LaterEpoch {
    id: String,
    /// The last number before it, if its first header was found and no segment with a bad header may belong to it.
    before: Option<u64>,
}

/// Where a reader goes on that has seen `position`: after the newest epoch that it shares with the journal, unless the
/// journal has less of that than the reader, or the reader has seen later ones that are gone.
fn resume(walk: &Walk, position: &Position) -> Result<Known> {
    let Some((newest_seen, _)) = position.seen.last() else {
        return Ok(Known::undecided(position)); // nothing was delivered yet
    };
    let mut later: Option<LaterEpoch> = None;
    // Entries under a bad header may have been written by any opening between its neighbours'.
    let mut unknown_after = false;
    let mut found_any = false;
    for listed in walk.listed().rev() {
        let Some(opened) = walk.peek(listed)?.filter(|opened| !opened.foreign) else { continue };
        let Some(header) = &opened.header else {
            unknown_after |= opened.has_lines;
            continue;
        };
        found_any = true;
        let is_first = header.epoch == header.segment;
        let own = header.first_epoch();
        for (epoch, is_first) in
            header.epochs_inside().iter().rev().map(|epoch| (epoch, true)).chain([(&own, is_first)])
        {
            let continues = later.as_ref().is_some_and(|later| later.id == epoch.epoch_id);
            if !continues && let Some(delivered) = position.seq_of(&epoch.epoch_id) {
                let held = match &later {
                    Some(LaterEpoch { before: Some(before), .. }) if !unknown_after => *before,
                    None if !unknown_after && *newest_seen == epoch.epoch_id => u64::MAX, // its end is found by reading on
                    _ => last_held(walk, listed, header)?,
                };
                let seq = delivered.min(held);
                let mut seen = position.clone();
                let is_rewound = *newest_seen != epoch.epoch_id || held < delivered;
                if is_rewound {
                    seen.rewind_to(&epoch.epoch_id, seq);
                }
                let notice = is_rewound.then(|| Item::Rewound(Seq::new(seq)));
                return Ok(Known { seq, seen: Some(seen), notice, undecided: false });
            }
            match &mut later {
                Some(later) if continues => later.before = is_first.then_some(epoch.prev_last_seq),
                _ => {
                    let before = is_first.then_some(epoch.prev_last_seq);
                    later = Some(LaterEpoch { id: epoch.epoch_id.clone(), before });
                }
            }
            unknown_after = false;
        }
    }
    Ok(match found_any {
        true => Known::replaced(),
        false => Known::undecided(position),
    })
}

/// The last number that a segment holds; what a compaction dropped counts as held.
fn last_held(walk: &Walk, listed: Listed, header: &Header) -> Result<u64> {
    if let Some(compacted) = &header.compacted {
        return Ok(compacted.last_seq);
    }
    let mut last = header.prev.map_or(0, |prev| prev.last_seq);
    each_entry(walk, listed, &mut |seq, _| {
        last = last.max(seq);
        true
    })?;
    Ok(last)
}

/// The segment to open first; `None` to read all. What was merged into another one is never the first, though its removal
/// was lost.
fn first_segment(walk: &Walk, known: u64) -> Result<Option<Opened>> {
    if known == 0 {
        return Ok(None);
    }
    let listed: Vec<Listed> = walk.listed().collect();
    for newest in listed.iter().rev() {
        // One whose header is bad is never the first.
        let Some(opened) = walk.peek(*newest)?.filter(|opened| !opened.foreign) else { continue };
        if opened.header.as_ref().is_some_and(|header| header.first_seq <= known.saturating_add(1)) {
            return match walk.merged(&listed, opened.segment)? {
                Some(merged) => walk.peek(merged),
                None => Ok(Some(opened)),
            };
        }
    }
    Ok(None)
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
