//! Finding the entries to which their callers gave ids, in the newest part of a journal: many in one search.

use super::segments::Walk;
use super::{Item, Items};
use crate::error::Result;
use crate::format::block::Ending;
use crate::format::line::{self, Decoded};
use crate::model::cursor::Cursor;
use crate::model::seq::Seq;
use crate::segments::dir::{Files, Listed, Opened};
use crate::segments::scan::Scanner;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many of a journal's newest bytes a look-up searches.
pub const LOOKUP_BYTES: u64 = 64 << 20;

/// The result of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The sequence number of the newest entry with the id; `None` if there is none in what was searched.
    pub seq: Option<Seq>,
    /// Whether the whole journal was searched, without meeting damage. If not, finding nothing proves nothing.
    pub complete: bool,
}

/// The ids that one search looks for, each among the entries up to a number, and what it has found of them.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// For each id its bounds, each with the newest entry that is not above it and above the next lower bound; after the
    /// search, with the newest entry that is not above it. So an entry costs a logarithm, however often its id is wanted.
    ids: HashMap<String, BTreeMap<u64, Option<u64>>>,
    /// How many ids have nothing yet for their lowest bound. Older segments cannot change the others.
    unfound: usize,
    /// The highest bound.
    last: u64,
    whole: bool,
    /// The number of the last entry before the first damage.
    damaged_after: Option<u64>,
}

impl Search {
    /// Also looks for `id` among the entries up to the number `last`.
    pub(crate) fn want(&mut self, id: &str, last: u64) {
        if !self.ids.contains_key(id) {
            self.ids.insert(id.to_owned(), BTreeMap::new());
            self.unfound += 1;
        }
        if let Some(bounds) = self.ids.get_mut(id) {
            bounds.insert(last, None);
        }
        self.last = self.last.max(last);
    }

    /// What was found of a pair that was wanted.
    pub(crate) fn found(&self, id: &str, last: u64) -> Found {
        let seq = self.ids.get(id).and_then(|bounds| bounds.get(&last).copied().flatten()).map(Seq::new);
        Found { seq, complete: self.whole && self.damaged_after.is_none_or(|seq| seq > last) }
    }

    fn see(&mut self, id: Option<&str>, seq: u64) {
        let Some(bounds) = id.and_then(|id| self.ids.get_mut(id)) else { return };
        let is_for_all = bounds.range(..seq).next().is_none();
        let Some((_, found)) = bounds.range_mut(seq..).next() else { return };
        self.unfound -= usize::from(is_for_all && found.is_none());
        *found = (*found).max(Some(seq));
    }

    fn settle(&mut self) {
        for bounds in self.ids.values_mut() {
            let mut newest = None;
            for found in bounds.values_mut() {
                newest = newest.max(*found);
                *found = newest;
            }
        }
    }
}

impl Items {
    /// Looks for ids in the newest [`LOOKUP_BYTES`].
    pub(crate) fn find(files: &Files, search: &mut Search) -> Result<()> {
        let walk = Walk::new(files.clone(), false)?;
        let listed: Vec<Listed> = walk.listed().collect();
        let newest = match listed.last() {
            Some(newest) => files.peek(*newest)?.map_or(0, |opened| opened.len), // without what it was prefilled with
            None => 0,
        };
        let older = &listed[..listed.len().saturating_sub(1)];
        let bytes = older.iter().fold(newest, |bytes, listed| bytes.saturating_add(listed.len));
        match bytes <= LOOKUP_BYTES {
            true => find_in_all(files, search)?,
            false => find_in_newest(&walk, search)?,
        }
        search.settle();
        Ok(())
    }
}

fn find_in_all(files: &Files, search: &mut Search) -> Result<()> {
    let mut items = Items::new(files.clone(), true, &Cursor::start())?;
    let mut passed = 0;
    search.whole = true;
    while let Some(item) = items.next()? {
        match item {
            Item::Entry(entry) => {
                passed = entry.seq().get();
                if passed > search.last {
                    break;
                }
                search.see(entry.id(), passed);
            }
            Item::Gap(gap) => {
                let is_damage = !gap.explained && !items.is_half_line(&gap);
                if is_damage {
                    search.damaged_after.get_or_insert(passed);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Segment by segment from the newest one on. Damage needs no mention here: nothing is claimed of what was not found.
fn find_in_newest(walk: &Walk, search: &mut Search) -> Result<()> {
    let mut left = LOOKUP_BYTES;
    for listed in walk.listed().rev() {
        let Some(opened) = walk.peek(listed)?.filter(|opened| !opened.foreign) else { continue };
        let from = opened.lines_from.max(opened.len.saturating_sub(left));
        find_in_segment(&opened, from, search);
        left = left.saturating_sub(opened.len - from.min(opened.len));
        if search.unfound == 0 || left == 0 {
            break;
        }
    }
    Ok(())
}

/// Sees the entries from an offset on. What is left of a line that is cut there is no good line.
fn find_in_segment(opened: &Opened, from: u64, search: &mut Search) {
    let mut scanner = Scanner::new(Arc::clone(&opened.file), from, opened.len);
    while let Some(chunk) = scanner.next() {
        if chunk.ending == Ending::Newline
            && let Decoded::Entry(entry) = line::decode(scanner.bytes())
        {
            search.see(entry.id(), entry.seq().get());
        }
    }
}
