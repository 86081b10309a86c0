//! What followers cost while nothing happens: tasks of one thread, in a process that does nothing else.

use super::{SESSION, runtime};
use crate::child::{self, tell};
use crate::lab::{SEED, push};
use crate::table::{Line, Plan, Sample};
use crate::workload::{self, Shape};
use crate::{Options, Result, process};
use foldlog::{Cursor, Item, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long followers are given to settle down.
const SETTLE: Duration = Duration::from_secs(6);

/// Name, followers, whether a writer holds the lock.
const CASES: [(&str, usize, bool); 3] = [
    ("1 idle follower beside a writer", 1, true),
    ("1000 idle followers beside a writer", 1000, true),
    ("1000 idle followers, nobody records", 1000, false),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let seconds = options.scaled(10, 2);
    let mut plan = Plan::default();
    for (name, count, recording) in CASES {
        let case = plan.case(move || watch(dir, count, recording, seconds));
        plan.row(format!("{name}: processor time of each"), "us/s", case);
        plan.row(format!("{name}: wake-ups of the process"), "1/s", case.figure(1));
        plan.row(format!("{name}: memory of each"), "KiB", case.figure(2));
    }
    plan.run(options.rounds(1))?;
    Ok(plan.lines())
}

fn watch(dir: &Path, count: usize, recording: bool, seconds: u64) -> Result<Sample> {
    let root = tempfile::tempdir_in(dir)?;
    let journal = Store::open(root.path())?.journal(SESSION)?;
    for step in workload::steps(Shape::Streamed, 1000, SEED) {
        push(&journal, step.event())?;
    }
    journal.sync()?.wait()?;
    let journal = recording.then_some(journal); // else closed here
    let [cpu, wakes, memory] = child::figures("idle", &[&root.path(), &count.to_string(), &seconds.to_string()])?;
    drop(journal);
    let (each, seconds) = (1.0 / count as f64, seconds as f64);
    Ok(Sample::of(cpu / seconds / 1e3 * each).and(wakes / seconds).and(memory * each))
}

/// The process that is watched: prints its processor time, its wake-ups, and what its followers hold.
pub(crate) fn wait_for_parent(mut args: impl Iterator<Item = String>) -> Result<()> {
    let root = PathBuf::from(child::next(&mut args)?);
    let (count, seconds) = (child::next(&mut args)?.parse::<usize>()?, child::next(&mut args)?.parse()?);
    let store = Store::open(root)?;
    runtime()?.block_on(async {
        let before = process::resident()?;
        let ready = Arc::new(AtomicUsize::new(0));
        for _ in 0..count {
            let (mut follower, ready) = (store.follow(SESSION, Cursor::start())?, Arc::clone(&ready));
            tokio::spawn(async move {
                while let Some(item) = follower.next().await {
                    if let Ok(Item::CaughtUp) = item {
                        ready.fetch_add(1, Ordering::AcqRel);
                    }
                }
            });
        }
        while ready.load(Ordering::Acquire) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(SETTLE).await;
        let (cpu, wakes) = (process::processor_time(), process::wake_ups()?);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (cpu, wakes) = (process::processor_time() - cpu, process::wake_ups()? - wakes);
        tell(&format!("{cpu} {wakes} {}", process::resident()?.saturating_sub(before)))
    })
}
