//! The tool calls of a log that have started and not ended.

use crate::model::time::Timestamp;
use std::collections::{HashMap, HashSet};

/// There may be many: those of a turn are known by its id.
#[derive(Default)]
pub(super) struct Calls {
    /// Their turn, and when they started.
    open: HashMap<String, (String, Option<Timestamp>)>,
    by_turn: HashMap<String, HashSet<String>>,
}

impl Calls {
    pub(super) fn begin(&mut self, id: String, turn: String, time: Option<Timestamp>) {
        self.end(&id);
        self.by_turn.entry(turn.clone()).or_default().insert(id.clone());
        self.open.insert(id, (turn, time));
    }

    pub(super) fn end(&mut self, id: &str) -> Option<(String, Option<Timestamp>)> {
        let (turn, time) = self.open.remove(id)?;
        if let Some(calls) = self.by_turn.get_mut(&turn) {
            calls.remove(id);
            if calls.is_empty() {
                self.by_turn.remove(&turn);
            }
        }
        Some((turn, time))
    }

    /// Whether a turn has any.
    pub(super) fn run_in(&self, turn: &str) -> bool {
        self.by_turn.contains_key(turn)
    }

    /// A turn was stopped, and its calls with it.
    pub(super) fn stop(&mut self, turn: &str) {
        for id in self.by_turn.remove(turn).unwrap_or_default() {
            self.open.remove(&id);
        }
    }
}
