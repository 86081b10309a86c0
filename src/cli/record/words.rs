//! What `record` says on standard error: bounded, so that a pipe nobody reads cannot hold the recording up.

use crate::cli::words;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// How many messages of a kind that can come with every line are said.
const MOST: u64 = 20;

/// Says things, and counts what it leaves out.
#[derive(Default)]
pub(crate) struct Words {
    said: Cell<u64>,
    known: RefCell<HashSet<String>>,
}

impl Words {
    /// Says it.
    pub(crate) fn say(&self, text: String) {
        words(&text);
    }

    /// Says it, unless it is one too many.
    pub(crate) fn say_limited(&self, text: String) {
        let said = self.said.get();
        self.said.set(said + 1);
        match said {
            0..MOST => words(&text),
            MOST => words("more lines like these are only counted"),
            _ => {}
        }
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
