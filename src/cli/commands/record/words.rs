//! What `record` says on standard error: bounded, so that a pipe nobody reads cannot hold the recording up.

use crate::cli::exit::words;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// How many messages of a kind that can come with every line, or every session, are said.
const MOST: u64 = 20;
/// How many warnings are sent in replies.
const MOST_WARNINGS: u64 = 1000;

/// Says things, and counts what it leaves out.
#[derive(Default)]
pub(crate) struct Words {
    said: Cell<u64>,
    found: Cell<u64>,
    warnings: Cell<u64>,
    known: RefCell<HashSet<String>>,
    warned: RefCell<HashSet<(String, String)>>,
}

impl Words {
    /// Says it.
    pub(crate) fn say(&self, text: String) {
        words(&text);
    }

    /// Says what is wrong with a line, unless it is one too many.
    pub(crate) fn say_limited(&self, text: String) {
        match count(&self.said) {
            0..MOST => words(&text),
            MOST => words("more lines like these are only counted"),
            _ => {}
        }
    }

    /// Says what was found when a session was opened, unless it is one too many.
    pub(crate) fn say_found(&self, text: String) {
        match count(&self.found) {
            0..MOST => words(&text),
            MOST => words("what else is found in sessions is not said here; see `foldlog verify` and `foldlog ls`"),
            _ => {}
        }
    }

    /// Whether one more warning may be sent.
    pub(crate) fn may_warn(&self) -> bool {
        count(&self.warnings) < MOST_WARNINGS
    }

    /// Whether a session was not warned in the same words before. Beyond as many warnings as are sent, nothing is new.
    pub(crate) fn is_new(&self, session_id: &str, warning: &str) -> bool {
        let mut warned = self.warned.borrow_mut();
        (warned.len() as u64) < MOST_WARNINGS && warned.insert((session_id.to_owned(), warning.to_owned()))
    }

    /// Says it the first time; what differs only in its line number is the same.
    pub(crate) fn say_once(&self, text: String) {
        let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what).to_owned();
        let mut known = self.known.borrow_mut();
        if (known.len() as u64) < MOST && known.insert(what) {
            words(&text);
        }
    }
}

/// Counts one more; how many there were before.
fn count(counter: &Cell<u64>) -> u64 {
    counter.replace(counter.get() + 1)
}
