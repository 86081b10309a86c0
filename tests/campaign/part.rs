//! What a part of the campaign is: a name, a count, and a function that panics at the first promise broken.

use std::time::Instant;

/// One kind of harm, done again and again.
pub struct Part {
    /// By which it is chosen.
    pub name: &'static str,
    /// What is counted: `power cuts`, `crash states`.
    pub unit: &'static str,
    /// It needs more than Rust: `strace`, or root and loop devices, or other programs.
    pub needs_system: bool,
    /// What is done, in a line.
    pub what: &'static str,
    /// How many of them `cargo test` does.
    pub slice: u64,
    /// How many a full run does. A part that tries everything there is ends by itself, and has `u64::MAX` here.
    pub full: u64,
    /// Does it. Panics when an acknowledged event is lost, a loss is not reported, or an event is invented.
    pub run: fn(&Scope) -> Outcome,
}

/// How far a part goes.
pub struct Scope {
    /// Where the dice start.
    pub seed: u64,
    count: u64,
    deadline: Option<Instant>,
}

impl Scope {
    pub fn new(seed: u64, count: u64, deadline: Option<Instant>) -> Scope {
        Scope { seed, count, deadline }
    }

    /// Whether there is more to do after so many.
    pub fn goes_on(&self, done: u64) -> bool {
        done < self.count && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }
}

/// What became of a part that broke no promise.
pub enum Outcome {
    Held(Tally),
    /// Not all of it can be done on this machine: why.
    Missing(String),
}

/// What a part has done.
#[derive(Debug, Default)]
pub struct Tally {
    pub done: u64,
    /// Events that the recorder said were safe, and that were all found again.
    pub acknowledged: u64,
    /// Whatever else is worth telling, in a line.
    pub note: String,
}
