//! Messages that the user sent while the model was working: they wait in a queue until it takes them up.

use crate::interop::import::hash;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The messages, each with a number, in the order in which they came. There may be many, and two may be the same.
#[derive(Default)]
pub(super) struct Queue {
    /// How many there were.
    count: u64,
    queued: BTreeMap<u64, Queued>,
    /// Those that wait, and those that the model has been given, during a turn.
    waiting: Numbers,
    absorbed: Numbers,
}

struct Queued {
    text: String,
    time: Option<Timestamp>,
}

/// The numbers of messages, also by a hash of their text.
#[derive(Default)]
struct Numbers {
    all: BTreeSet<u64>,
    by_text: BTreeSet<(u64, u64)>,
}

impl Queue {
    /// What happened to the queue.
    pub(super) fn operation(&mut self, operation: &str, text: &str, reason: &str, time: Option<Timestamp>) {
        match operation {
            "enqueue" if !text.trim().is_empty() => {
                self.queued.insert(self.count, Queued { text: text.to_owned(), time });
                self.waiting.insert(self.count, text);
                self.count += 1;
            }
            "remove" if reason == "absorbed_mid_turn" => {
                let Some(number) = self.waiting.first(text) else { return };
                if let Some(queued) = self.queued.get_mut(&number) {
                    queued.time = time;
                    self.waiting.remove(number, &queued.text);
                    self.absorbed.insert(number, &queued.text);
                }
            }
            "remove" | "dequeue" => self.take(text),
            "popAll" | "clear" => *self = Queue { count: self.count, ..Queue::default() },
            _ => {}
        }
    }

    /// A message has come out of the queue: this one, or the oldest if its text is not known.
    pub(super) fn take(&mut self, text: &str) {
        let number = [&self.waiting, &self.absorbed].into_iter().filter_map(|numbers| numbers.first(text)).min();
        if let Some((number, queued)) = number.and_then(|number| self.queued.remove_entry(&number)) {
            self.waiting.remove(number, &queued.text);
            self.absorbed.remove(number, &queued.text);
        }
    }

    /// Messages that the model was given and that no other line brought.
    pub(super) fn absorbed(&mut self) -> Vec<(String, Option<Timestamp>)> {
        let absorbed = std::mem::take(&mut self.absorbed).all;
        let queued = absorbed.into_iter().filter_map(|number| self.queued.remove(&number));
        queued.map(|queued| (queued.text, queued.time)).collect()
    }
}

impl Numbers {
    fn insert(&mut self, number: u64, text: &str) {
        self.all.insert(number);
        self.by_text.insert((hash(text), number));
    }

    fn remove(&mut self, number: u64, text: &str) {
        self.all.remove(&number);
        self.by_text.remove(&(hash(text), number));
    }

    /// The oldest with this text, or the oldest of all if that is not known.
    fn first(&self, text: &str) -> Option<u64> {
        match hash(text) {
            _ if text.is_empty() => self.all.first().copied(),
            hash => self.by_text.range((hash, 0)..=(hash, u64::MAX)).next().map(|(_, number)| *number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_a_text_is_meant_else_the_oldest() {
        let mut queue = Queue::default();
        for text in ["a", "b", "a", "c", "b", " "] {
            queue.operation("enqueue", text, "", None);
        }
        queue.operation("remove", "b", "absorbed_mid_turn", None);
        queue.operation("remove", "", "absorbed_mid_turn", None); // the first "a"
        queue.operation("remove", "d", "absorbed_mid_turn", None);
        queue.take("b"); // the one that was absorbed: it is the oldest
        queue.operation("dequeue", "a", "", None);
        let texts = |absorbed: Vec<(String, _)>| absorbed.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert!(queue.absorbed().is_empty());
        for _ in 0..3 {
            queue.operation("remove", "", "absorbed_mid_turn", None);
        }
        assert_eq!(texts(queue.absorbed()), ["a", "c", "b"]);
        assert!(queue.absorbed().is_empty() && queue.queued.is_empty());
        queue.operation("enqueue", "a", "", None);
        queue.operation("popAll", "", "", None);
        queue.operation("remove", "a", "absorbed_mid_turn", None);
        assert!(queue.absorbed().is_empty() && queue.waiting.by_text.is_empty());
    }
}
