//! Recording with an answer once the event is on disk: closed loops, in which each task waits before it goes on.
//!
//! Stores whose append blocks are called through `spawn_blocking`, as their users among tokio's must.

use crate::lab::{Lab, line};
use crate::stores::sqlite::{Queue, Sync};
use crate::stores::{Open, fjall, okaywal, raft, redb};
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::Shape;
use crate::{EVENTS, Options, Result};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::AsyncWriteExt;

/// How far segments are filled ahead, where they are.
const PREFILL: u64 = 1 << 20;

/// An append that resolves when the event is on disk.
type Appending = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let lab = Lab::new(dir, Shape::Streamed, options.events(), options.window())?;
    let mut plan = Plan::default();
    for (tasks, least) in [(1, 0.95), (8, 0.5), (64, 0.5), (512, 0.25)] {
        plan_tasks(&lab, &mut plan, tasks, least);
    }
    plan.run(options.rounds(5))?;
    Ok(plan.lines())
}

fn plan_tasks<'a>(lab: &'a Lab, plan: &mut Plan<'a>, tasks: usize, least: f64) {
    // A limit right before foldlog: a disk's mood may change within a round.
    let limit = plan.case(|| lab.write_and_sync());
    let ours = plan.case(move || lab.durable(tasks, 0));
    let prefilled = plan.case(move || lab.durable(tasks, PREFILL));
    let mut blocking = |open: Open| plan.case(move || spawned(lab, tasks, open));
    // And whether they write into blocks that were written before.
    let stores = [
        ("okaywal", blocking(okaywal::open), true),
        ("raft-engine", blocking(raft::synced), true),
        ("fjall, `SyncData`", blocking(fjall::synced), true),
        ("redb, `Immediate`", blocking(redb::synced), false),
    ];
    let single = plan.case(move || through_sqlite(lab, tasks, 1));
    let drained = plan.case(move || through_sqlite(lab, tasks, usize::MAX));
    let naive = plan.case(move || naively(lab, tasks));
    let name = format!("durable, {tasks} {}", if tasks == 1 { "task" } else { "tasks" });
    let row = plan.row(&name, EVENTS, ours);
    let limit = limit.times(tasks as f64);
    row.limit(format!("{tasks} x write + fdatasync, 1 thread"), limit, Some(Goal::AtLeast(least)));
    let first = Some(Goal::AtLeast(1.0));
    for (name, case, overwrites) in stores {
        // With one task, those that do are to be met by prefilled segments.
        row.peer(name, case, first.filter(|_| tasks > 1 || !overwrites));
    }
    row.peer("SQLite FULL, a transaction an event", single, first);
    row.peer("SQLite FULL, a transaction a drained queue", drained, first);
    row.peer("`Mutex<File>`, write + sync an event", naive, first);
    plan.row(format!("{name}: events an fdatasync"), "", ours.figure(1));
    let row = plan.row(format!("{name}, prefilled segments"), EVENTS, prefilled);
    row.limit(format!("{tasks} x write + fdatasync, 1 thread"), limit, None);
    row.peer("foldlog, not prefilled", ours, Some(Goal::AtLeast(1.3)).filter(|_| tasks == 1));
    for (name, case, _) in stores {
        row.peer(name, case, first);
    }
}

/// Tasks that append again and again until the time is over.
fn closed_loops(
    lab: &Lab,
    tasks: usize,
    append: impl Fn(u64, Vec<u8>) -> Appending + Send + 'static + std::marker::Sync,
) -> Result<Sample> {
    let (append, last) = (Arc::new(append), Arc::new(AtomicU64::new(0)));
    lab.runtime.block_on(async {
        let start = Instant::now();
        let end = start + lab.durable;
        let loops: Vec<_> = (0..tasks)
            .map(|task| {
                let (append, last, steps) = (Arc::clone(&append), Arc::clone(&last), Arc::clone(&lab.steps));
                tokio::spawn(async move {
                    let first = task * steps.len() / tasks;
                    for step in steps.iter().cycle().skip(first) {
                        let seq = last.fetch_add(1, Ordering::Relaxed) + 1;
                        let mut out = Vec::new();
                        line(seq, step.type_name(), step, &mut out)?;
                        append(seq, out).await?;
                        if Instant::now() >= end {
                            break;
                        }
                    }
                    Ok::<_, crate::Error>(())
                })
            })
            .collect();
        for task in loops {
            task.await??;
        }
        Ok(Sample::rate(last.load(Ordering::Relaxed) as f64, start.elapsed()))
    })
}

fn spawned(lab: &Lab, tasks: usize, open: Open) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let store = open(dir.path())?;
    closed_loops(lab, tasks, move |seq, line| {
        let store = Arc::clone(&store);
        Box::pin(async move { tokio::task::spawn_blocking(move || store.append(seq, &line)).await? })
    })
}

fn through_sqlite(lab: &Lab, tasks: usize, most: usize) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let queue = Queue::start(dir.path(), Sync::Full, most)?;
    closed_loops(lab, tasks, move |seq, line| {
        let committed = queue.send(seq, line);
        Box::pin(async move { Ok(committed?.await?) })
    })
}

fn naively(lab: &Lab, tasks: usize) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let path = dir.path().join("log");
    let file = lab.runtime.block_on(tokio::fs::File::create(path))?;
    let file = Arc::new(tokio::sync::Mutex::new(file));
    closed_loops(lab, tasks, move |_, mut line| {
        let file = Arc::clone(&file);
        Box::pin(async move {
            line.push(b'\n');
            let mut file = file.lock().await;
            file.write_all(&line).await?;
            file.flush().await?;
            Ok(file.sync_data().await?)
        })
    })
}
