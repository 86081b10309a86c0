//! The shortest history that still fails: lives and steps are left out one by one, as long as some end of it breaks.

use super::faults::Lie;
use super::run::{Broken, run};
use super::script::History;
use std::time::{Duration, Instant};

/// How many crashes of each life are looked at, and how long the search may take.
const STATES: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(20);

/// Leaves out what can be left out, and tells how the rest fails.
pub fn shrink(mut history: History, mut broken: Broken, lie: Option<Lie>) -> (History, Broken) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        history.lives.truncate(broken.at.0 + 1);
        let shorter = shorter(&history).into_iter().take_while(|_| Instant::now() < give_up);
        let Some(found) = shorter.filter_map(|candidate| Some((run(&candidate, STATES, lie).err()?, candidate))).next()
        else {
            return (history, broken);
        };
        (broken, history) = found;
    }
}

/// Every history with one life, or one step of one, less.
fn shorter(history: &History) -> Vec<History> {
    let mut all = Vec::new();
    for life in 0..history.lives.len() {
        let mut without = history.clone();
        without.lives.remove(life);
        all.push(without);
        for step in 0..history.lives[life].steps.len() {
            let mut without = history.clone();
            without.lives[life].steps.remove(step);
            all.push(without);
        }
    }
    all
}

/// A failure as it is printed, with all that is needed to see it again.
pub fn tell(history: &History, broken: &Broken, seed: u64, lie: Option<Lie>) -> String {
    let (shortest, shortest_broken) = shrink(history.clone(), broken_again(broken), lie);
    let (life, calls) = broken.at;
    let crash = |broken: &Broken| broken.crash.as_ref().map_or("while it lived".to_owned(), ToString::to_string);
    // Where lines stand in their sectors depends on the length of what headers say of the process.
    let process = std::process::id();
    format!(
        "history {seed} in process {process}, life {life}, after call {calls}: {}\n{}\n{history}shortest history that fails, \
         in life {}, after call {}: {}\n{}\n{shortest}",
        crash(broken),
        broken.what,
        shortest_broken.at.0,
        shortest_broken.at.1,
        crash(&shortest_broken),
        shortest_broken.what,
    )
}

fn broken_again(broken: &Broken) -> Broken {
    Broken { at: broken.at, crash: broken.crash.clone(), what: broken.what.clone(), states: broken.states }
}
