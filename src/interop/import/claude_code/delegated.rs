//! Calls of the tool that starts sub-agents, and who works for them.

use crate::interop::import::hash;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The calls that have no result yet. Each has a number, in the order in which they came: there may be many, and two may
/// have the same prompt or the same id.
#[derive(Default)]
pub(super) struct Delegated {
    /// How many there were, the ended ones included.
    count: u64,
    open: BTreeMap<u64, Call>,
    /// Those for which nobody works yet.
    free: BTreeSet<u64>,
    /// The same by the hash of their prompt, if they have one.
    free_by_prompt: BTreeSet<(u64, u64)>,
    /// Oldest first.
    by_id: HashMap<String, VecDeque<u64>>,
    /// The conversations that work or have worked for a call, by its id.
    workers: HashMap<String, Vec<String>>,
}

struct Call {
    id: String,
    prompt: Option<u64>,
}

impl Delegated {
    pub(super) fn begin(&mut self, id: &str, prompt: &str) {
        let (number, prompt) = (self.count, Some(prompt).filter(|prompt| !prompt.is_empty()).map(hash));
        self.count += 1;
        self.open.insert(number, Call { id: id.to_owned(), prompt });
        self.free.insert(number);
        self.free_by_prompt.extend(prompt.map(|prompt| (prompt, number)));
        self.by_id.entry(id.to_owned()).or_default().push_back(number);
    }

    /// The call that a sub-agent works for in the conversation `lane`: the oldest with its prompt, else the newest for which
    /// nobody works yet, else the newest.
    pub(super) fn take(&mut self, prompt: &str, lane: &str) -> Option<String> {
        let prompt = hash(prompt);
        let named = self.free_by_prompt.range((prompt, 0)..=(prompt, u64::MAX)).next().map(|(_, number)| *number);
        let newest = || self.free.last().or_else(|| self.open.keys().next_back()).copied();
        let number = named.or_else(newest)?;
        self.is_taken(number);
        let id = self.open.get(&number)?.id.clone();
        self.workers.entry(id.clone()).or_default().push(lane.to_owned());
        Some(id)
    }

    /// A call has its result. The conversations that may have worked for it, by name; none if there is no such call.
    pub(super) fn end(&mut self, id: &str) -> Vec<String> {
        let Some(numbers) = self.by_id.get_mut(id) else { return Vec::new() };
        let number = numbers.pop_front();
        if numbers.is_empty() {
            self.by_id.remove(id);
        }
        if let Some(number) = number {
            self.is_taken(number);
            self.open.remove(&number);
        }
        let mut lanes = self.workers.remove(id).unwrap_or_default();
        lanes.sort();
        lanes.dedup();
        lanes
    }

    fn is_taken(&mut self, number: u64) {
        self.free.remove(&number);
        if let Some(prompt) = self.open.get(&number).and_then(|call| call.prompt) {
            self.free_by_prompt.remove(&(prompt, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_agent_works_for_the_oldest_call_with_its_prompt_else_for_the_newest_free_one() {
        let mut calls = Delegated::default();
        for (id, prompt) in [("c-1", "Count"), ("c-2", "Sort"), ("c-3", "Count"), ("c-4", "")] {
            calls.begin(id, prompt);
        }
        assert_eq!(calls.take("Count", "b").as_deref(), Some("c-1"));
        assert_eq!(calls.take("Count", "a").as_deref(), Some("c-3"));
        assert_eq!(calls.take("", "c").as_deref(), Some("c-4"));
        assert_eq!(calls.take("else", "d").as_deref(), Some("c-2"));
        assert_eq!(calls.take("else", "e").as_deref(), Some("c-4"), "nobody is free: the newest");
        assert_eq!(calls.end("c-4"), ["c", "e"]);
        assert_eq!(calls.take("", "a").as_deref(), Some("c-3"));
        assert_eq!(calls.end("c-3"), ["a"]);
        assert_eq!((calls.end("c-3"), calls.end("c-1")), (Vec::new(), vec!["b".to_owned()]));
    }
}
