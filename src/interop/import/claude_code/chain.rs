//! Which turn each line of the main conversation belongs to, to find out when a prompt goes back to an earlier one.
//!
//! Lines name the line before them. A prompt whose line before is not in the last turn was asked after going back: the
//! turns since then are rewound. A prompt that names none in a file whose lines are linked went back to the beginning.

use crate::interop::import::hash;
use crate::json::members::Object;
use std::collections::HashMap;

/// What a line says about the line before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// It comes after the line of this id.
    After(String),
    /// It is the first one.
    First,
    /// Nothing.
    #[default]
    Unknown,
}

#[derive(Default)]
pub(super) struct Chain {
    /// How many turns had begun at each line, by a hash of its id.
    lines: HashMap<u64, usize>,
    /// The turns that stand.
    turns: Vec<String>,
    /// A line has named another one of this file.
    is_linked: bool,
}

impl Link {
    pub(super) fn of(line: &Object<'_>) -> Link {
        match line.text("parentUuid") {
            Some(parent) => Link::After(parent.into_string()),
            None if line.raw("parentUuid") == Some("null") => Link::First,
            None => Link::Unknown,
        }
    }
}

impl Chain {
    /// A line of the main conversation. `may_lead`: it may come before a prompt as a part of it, and then goes back where
    /// the prompt does; any other line belongs to the turn that runs.
    pub(super) fn line(&mut self, uuid: &str, link: &Link, may_lead: bool) {
        let before = self.turns_at(link);
        self.is_linked |= matches!(link, Link::After(_)) && before.is_some();
        let turns = before.filter(|_| may_lead).unwrap_or(self.turns.len());
        self.lines.entry(hash(uuid)).or_insert(turns);
    }

    /// A turn begins with a prompt that is linked so. Returns the first turn that is rewound by that.
    pub(super) fn begin(&mut self, turn: &str, link: &Link) -> Option<String> {
        let kept = self.turns_at(link);
        let rewound = kept.and_then(|kept| self.turns.get(kept).cloned());
        if rewound.is_some() {
            self.turns.truncate(kept.unwrap_or_default());
        }
        self.turns.push(turn.to_owned());
        self.lines.insert(hash(turn), self.turns.len());
        rewound
    }

    /// How many turns had begun at the line that a link names. In a file where no line names another one, it says nothing
    /// that a line names none.
    fn turns_at(&self, link: &Link) -> Option<usize> {
        match link {
            Link::After(parent) => self.lines.get(&hash(parent)).copied(),
            Link::First => self.is_linked.then_some(0),
            Link::Unknown => None,
        }
    }
}
