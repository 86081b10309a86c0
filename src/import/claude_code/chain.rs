//! Which turn each line of the main conversation belongs to, to find out when a prompt goes back to an earlier one.
//!
//! Lines name the line before them. A prompt whose line before is not in the last turn was asked after going back: the
//! turns since then are rewound.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

#[derive(Default)]
pub(super) struct Chain {
    /// How many turns had begun at each line, by a hash of its id.
    lines: HashMap<u64, usize>,
    /// The turns that stand.
    turns: Vec<String>,
}

impl Chain {
    /// A line of the main conversation.
    pub(super) fn line(&mut self, uuid: &str) {
        self.lines.insert(hash(uuid), self.turns.len());
    }

    /// A turn begins with a prompt that comes after the line `parent`. Returns the first turn that is rewound by that.
    pub(super) fn begin(&mut self, turn: &str, parent: Option<&str>) -> Option<String> {
        let kept = parent.and_then(|parent| self.lines.get(&hash(parent)).copied());
        let rewound = kept.and_then(|kept| self.turns.get(kept).cloned());
        if rewound.is_some() {
            self.turns.truncate(kept.unwrap_or_default());
        }
        self.turns.push(turn.to_owned());
        rewound
    }
}

/// There are many lines, and of 64 bits no two agree.
fn hash(uuid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uuid.hash(&mut hasher);
    hasher.finish()
}
