//! The conversations of a transcript, by name: empty for the main one.

use super::lane::{Lane, Message};
use crate::interop::import::Out;
use std::collections::{BTreeSet, HashMap};

/// What a sub-agent's conversation is called that has no name, the first of them.
const UNNAMED: &str = "sidechain";

#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<String, Lane>,
    /// Those with a message that may go on; some may have ended it.
    talking: BTreeSet<String>,
    /// How many conversations without a name there are: they are numbered.
    unnamed: u32,
    /// Those of them in which no turn may run: all that are idle, and some that are not.
    maybe_idle: BTreeSet<u32>,
}

impl Lanes {
    pub(super) fn get(&mut self, name: &str) -> &mut Lane {
        // Whatever is done to it may end its turn.
        self.maybe_idle.extend(number_of(name).filter(|number| *number <= self.unnamed));
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// Every one, by name.
    pub(super) fn sorted(&mut self) -> impl Iterator<Item = &mut Lane> {
        let mut lanes: Vec<(&String, &mut Lane)> = self.lanes.iter_mut().collect();
        lanes.sort_by(|a, b| a.0.cmp(b.0));
        lanes.into_iter().map(|(_, lane)| lane)
    }

    /// The latest message of a conversation, which may go on.
    pub(super) fn set_message(&mut self, name: &str, message: Message) {
        self.get(name).message = Some(message);
        self.talking.insert(name.to_owned());
    }

    /// No more of any message comes.
    pub(super) fn end_messages(&mut self, out: &mut Out) {
        for name in std::mem::take(&mut self.talking) {
            self.get(&name).end_message(out);
        }
    }

    /// The first conversation without a name in which no turn runs. There may be many: none is looked at twice unless
    /// something was done to it.
    pub(super) fn idle_unnamed(&mut self) -> String {
        loop {
            let number = self.maybe_idle.first().copied().unwrap_or_else(|| {
                self.unnamed += 1;
                self.maybe_idle.insert(self.unnamed);
                self.unnamed
            });
            let name = if number == 1 { UNNAMED.to_owned() } else { format!("{UNNAMED}-{number}") };
            if self.lanes.get(&name).is_none_or(|lane| lane.turn.is_none()) {
                return name;
            }
            self.maybe_idle.remove(&number);
        }
    }
}

/// The number of a conversation that has no name.
fn number_of(name: &str) -> Option<u32> {
    match name.strip_prefix(UNNAMED)? {
        "" => Some(1),
        number => number.strip_prefix('-')?.parse().ok().filter(|number| *number > 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_idle_conversation_without_a_name_is_used_again() {
        let (mut lanes, mut out) = (Lanes::default(), Out::default());
        lanes.get("sidechain-3").turn = Some("an agent of this very name".to_owned());
        for name in ["sidechain", "sidechain-2", "sidechain-4", "sidechain-5"] {
            assert_eq!((lanes.idle_unnamed(), lanes.idle_unnamed()), (name.to_owned(), name.to_owned()));
            lanes.get(name).turn = Some("t".to_owned());
        }
        for name in ["sidechain-4", "sidechain-2", "sidechain-3"] {
            lanes.get(name).end_turn(&mut out);
        }
        for name in ["sidechain-2", "sidechain-3", "sidechain-4", "sidechain-6"] {
            assert_eq!(lanes.idle_unnamed(), name);
            lanes.get(name).turn = Some("t".to_owned());
        }
    }
}
