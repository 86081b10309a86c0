//! Which turns are wanted, and which entries belong to them.

use crate::error::{Error, ErrorKind, Result};
use crate::fold::OutlineTurn;
use crate::json::Text;
use crate::model::entry::Entry;
use crate::model::seq::Seq;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A range of turns by their numbers in the record, from 1, both ends included; negative numbers count from the end.
///
/// Written `3`, `3..5`, `3..`, `..5`, `-2..` (the last two).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnRange {
    first: i64,
    last: i64,
}

impl TurnRange {
    /// The positions, from 0, of these turns among `count`.
    fn positions(self, count: usize) -> Range<usize> {
        let length = i64::try_from(count).unwrap_or(i64::MAX);
        let number = |number: i64| if number < 0 { number.saturating_add(length + 1) } else { number };
        let first = number(self.first).max(1);
        let last = number(self.last).min(length);
        match usize::try_from(first - 1).ok().zip(usize::try_from(last).ok()) {
            Some((first, last)) if first < last => first..last,
            _ => 0..0,
        }
    }
}

impl FromStr for TurnRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<TurnRange> {
        let wrong = || {
            let message =
                format!("`{text}` is no range of turns: give a number, 3..5, 3.., ..5, or -2.. for the last two");
            Error::new(ErrorKind::InvalidInput, message)
        };
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number != 0).ok_or_else(wrong);
        let end = |text: &str, default: i64| if text.is_empty() { Ok(default) } else { number(text) };
        let (first, last) = match text.split_once("..") {
            Some(("", "")) => return Err(wrong()),
            Some((first, last)) => (end(first, 1)?, end(last, -1)?),
            None => (number(text)?, number(text)?),
        };
        match (first > 0) == (last > 0) && first > last {
            true => Err(wrong()),
            false => Ok(TurnRange { first, last }),
        }
    }
}

impl fmt::Display for TurnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, -1) => write!(f, "{first}.."),
            (first, last) => write!(f, "{first}..{last}"),
        }
    }
}

/// The entries of a range of turns.
///
/// With them go the events of the session itself, and what belongs to no turn and came while a wanted turn was the newest.
#[derive(Debug)]
pub(super) struct Selection {
    turns: Vec<OutlineTurn>,
    wanted: Range<usize>,
    /// The newest turn at the last entry.
    newest: Option<usize>,
    /// The newest turn of each id at the last entry.
    newest_of: HashMap<String, usize>,
    /// Whether the approvals that were asked for are wanted, by id: their outcomes name no turn.
    approvals: HashMap<String, bool>,
}

/// The members of an event's data that say to which turn it belongs.
#[derive(Deserialize)]
struct OfTurn<'a> {
    #[serde(borrow)]
    turn_id: Option<Text<'a>>,
    #[serde(borrow)]
    approval_id: Option<Text<'a>>,
}

impl Selection {
    pub(super) fn new(range: TurnRange, turns: Vec<OutlineTurn>) -> Selection {
        let wanted = range.positions(turns.len());
        Selection { turns, wanted, newest: None, newest_of: HashMap::new(), approvals: HashMap::new() }
    }

    /// How many turns are wanted.
    pub(super) fn count(&self) -> usize {
        self.wanted.len()
    }

    /// The number of the first of them.
    pub(super) fn first_number(&self) -> usize {
        self.wanted.start + 1
    }

    /// Whether what comes now, and belongs to no turn, is wanted.
    pub(super) fn is_inside(&self) -> bool {
        self.newest.is_some_and(|newest| self.wanted.contains(&newest))
    }

    /// Whether the next entry is wanted.
    pub(super) fn takes(&mut self, entry: &Entry<'_>) -> bool {
        self.go_to(entry.seq());
        let type_name = entry.type_name();
        if type_name.starts_with("session_") || type_name.starts_with("journal_") {
            return true;
        }
        // Turns that were rewound are no turns of the record, and have no number.
        if type_name == "turns_rewound" {
            return false;
        }
        let data = serde_json::from_str::<OfTurn<'_>>(entry.data()).ok();
        let (turn_id, approval_id) = data.map_or((None, None), |data| (data.turn_id, data.approval_id));
        let takes = match turn_id {
            Some(turn_id) => self.newest_of.get(turn_id.as_str()).is_some_and(|at| self.wanted.contains(at)),
            None => self.is_inside(),
        };
        match (type_name, approval_id) {
            ("approval_requested", Some(id)) => {
                self.approvals.insert(id.into_string(), takes);
                takes
            }
            ("approval_resolved", Some(id)) => self.approvals.get(id.as_str()).copied().unwrap_or(takes),
            _ => takes,
        }
    }

    /// Passes the turns that have begun by an entry.
    fn go_to(&mut self, seq: Seq) {
        let mut next = self.newest.map_or(0, |newest| newest + 1);
        while let Some(turn) = self.turns.get(next).filter(|turn| turn.began <= seq) {
            self.newest_of.insert(turn.turn_id.clone(), next);
            self.newest = Some(next);
            next += 1;
        }
    }
}
