//! Finding the entry to which its caller gave an id, in the newest part of a journal.

use super::walk::Walk;
use super::{Item, Items};
use crate::block::Ending;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::files::{Files, Listed, Opened};
use crate::line::{self, Decoded};
use crate::scan::Scanner;
use crate::seq::Seq;
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

impl Items {
    /// Looks for an id among the entries up to the number `last`, in the newest [`LOOKUP_BYTES`].
    pub(crate) fn find(files: &Files, id: &str, last: u64) -> Result<Found> {
        let walk = Walk::new(files.clone(), false)?;
        let listed: Vec<Listed> = walk.listed().collect();
        let Some((newest, older)) = listed.split_last() else { return Ok(Found { seq: None, complete: true }) };
        let newest = files.peek(*newest)?.map_or(0, |opened| opened.len); // without what it was prefilled with
        let bytes = older.iter().fold(newest, |bytes, listed| bytes.saturating_add(listed.len));
        match bytes <= LOOKUP_BYTES {
            true => find_in_all(files, id, last),
            false => find_in_newest(&walk, id, last),
        }
    }
}

fn find_in_all(files: &Files, id: &str, last: u64) -> Result<Found> {
    let mut items = Items::new(files.clone(), true, &Cursor::start())?;
    let mut found = Found { seq: None, complete: true };
    while let Some(item) = items.next()? {
        match item {
            Item::Entry(entry) if entry.seq().get() > last => break,
            Item::Entry(entry) if entry.id() == Some(id) => found.seq = Some(entry.seq()),
            Item::Gap(gap) => found.complete &= gap.explained || items.is_half_line(&gap),
            _ => {}
        }
    }
    Ok(found)
}

/// Segment by segment from the newest one on. Damage needs no mention here: nothing is claimed of what was not found.
fn find_in_newest(walk: &Walk, id: &str, last: u64) -> Result<Found> {
    let mut left = LOOKUP_BYTES;
    for listed in walk.listed().rev() {
        let Some(opened) = walk.peek(listed)?.filter(|opened| !opened.foreign) else { continue };
        let from = opened.lines_from.max(opened.len.saturating_sub(left));
        let seq = find_in_segment(&opened, from, id, last);
        left = left.saturating_sub(opened.len - from.min(opened.len));
        if seq.is_some() || left == 0 {
            return Ok(Found { seq, complete: false });
        }
    }
    Ok(Found { seq: None, complete: false })
}

/// The last entry with the id from an offset on. What is left of a line that is cut there is no good line.
fn find_in_segment(opened: &Opened, from: u64, id: &str, last: u64) -> Option<Seq> {
    let mut scanner = Scanner::new(Arc::clone(&opened.file), from, opened.len);
    let mut found = None;
    while let Some(chunk) = scanner.next() {
        if chunk.ending == Ending::Newline
            && let Decoded::Entry(entry) = line::decode(scanner.bytes())
            && entry.id() == Some(id)
            && entry.seq().get() <= last
        {
            found = Some(entry.seq());
        }
    }
    found
}
