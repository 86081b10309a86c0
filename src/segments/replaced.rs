//! Which segment files a compacted segment has replaced: one rule for readers, recovery and compaction.

use crate::error::Result;
use crate::format::block::Ending;
use crate::format::header::Header;
use crate::format::line::{self, Decoded};
use crate::segments::dir::{Files, Listed, Opened};
use crate::segments::scan::Scanner;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How much of a file's end is read at first, to find its last line.
const WINDOW: u64 = 64 << 10;

/// How many files ahead the next header is looked for.
pub(crate) const MOST_AHEAD: usize = 64;

/// The segment files of a journal, without those that are left over.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    /// All but those that a compacted segment has replaced.
    pub(crate) listed: Vec<Listed>,
    /// For each of these, the highest number that a line of it may bear: the next header's word, or its own.
    pub(crate) limits: Vec<u64>,
    /// Those among them whose number a compacted segment claims, and that it has not replaced: each is one foreign gap.
    pub(crate) strangers: BTreeSet<u64>,
    /// The highest number that a compacted segment stands for.
    pub(crate) through: u64,
}

impl Chart {
    fn push(&mut self, listed: Listed, limit: u64) {
        self.listed.push(listed);
        self.limits.push(limit);
    }

    /// Limits the files from this place on, of which `header` is the next header.
    fn limit_from(&mut self, first: usize, header: &Header) {
        let Some(before) = header.prev else { return };
        let first = first.max(self.listed.len().saturating_sub(MOST_AHEAD));
        for (listed, limit) in self.listed[first..].iter().zip(&mut self.limits[first..]) {
            if listed.segment <= before.segment {
                *limit = before.last_seq.min(*limit);
            }
        }
    }

    /// The files of ours up to a segment that may hold a number above `last`, each with the highest that it may hold: there is
    /// none, unless a file came from elsewhere or a header lies.
    pub(crate) fn above(&self, last: u64, up_to: u64) -> impl Iterator<Item = (Listed, u64)> {
        let files = self.listed.iter().copied().zip(self.limits.iter().copied());
        files.filter(move |(listed, limit)| {
            *limit > last && listed.segment < up_to && !self.strangers.contains(&listed.segment)
        })
    }

    /// Without the strangers.
    pub(crate) fn ours(&self) -> Vec<Listed> {
        self.listed.iter().filter(|listed| !self.strangers.contains(&listed.segment)).copied().collect()
    }
}

impl Files {
    /// Reads the header of each of these segments, in rising order, and sorts out what compacted ones have replaced.
    pub(crate) fn chart(&self, listed: &[Listed], journal: Option<&str>) -> Result<Chart> {
        let mut chart = Chart::default();
        let mut by: Option<Header> = None;
        // From here on no header has come.
        let mut unlimited = 0;
        for listed in listed {
            let Some(opened) = self.peek_for(journal, *listed)? else {
                chart.push(*listed, u64::MAX); // it is gone: the reader that goes on finds out why
                continue;
            };
            if listed.segment <= chart.through
                && let Some(by) = &by
            {
                if !is_replaced(&opened, by) {
                    chart.strangers.insert(listed.segment);
                    chart.push(*listed, u64::MAX);
                }
                continue;
            }
            if let Some(header) = opened.header.as_ref().filter(|_| !opened.foreign) {
                chart.limit_from(unlimited, header);
                unlimited = chart.listed.len();
            }
            let own = opened.header.as_ref().and_then(|header| header.compacted.as_ref());
            chart.push(*listed, own.map_or(u64::MAX, |compacted| compacted.last_seq));
            if opened.is_compacted() {
                chart.through = opened.stands_through();
                by = opened.header;
            }
        }
        Ok(chart)
    }
}

/// Whether the compacted segment with the header `by` holds what this file holds: that is nothing, or it is of one of its
/// epochs, and bears no higher number. A file of the same number that was recorded after an older copy had been put back is
/// of another epoch.
pub(crate) fn is_replaced(opened: &Opened, by: &Header) -> bool {
    if opened.file_len == 0 && opened.refused.is_none() && !opened.foreign {
        return true;
    }
    let (Some(header), Some(compacted)) = (&opened.header, &by.compacted) else { return false };
    let id = header.epoch_id();
    let is_known = by.epoch_id() == id || compacted.epochs.iter().any(|epoch| *epoch.epoch_id == *id);
    is_known && last_good(opened).is_none_or(|last| last <= compacted.last_seq)
}

/// The number of the last good line of a segment, read from its end.
fn last_good(opened: &Opened) -> Option<u64> {
    let mut window = WINDOW;
    loop {
        let start = opened.lines_from.max(opened.len.saturating_sub(window));
        let mut scanner = Scanner::new(Arc::clone(&opened.file), start, opened.len);
        let mut last = None;
        while let Some(chunk) = scanner.next() {
            if chunk.ending == Ending::Newline
                && let Decoded::Entry(entry) = line::decode(scanner.bytes())
            {
                last = Some(entry.seq().get());
            }
        }
        if last.is_some() || start == opened.lines_from {
            return last;
        }
        window = window.saturating_mul(16);
    }
}
