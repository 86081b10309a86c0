//! Recording without waiting for the disk: what ends in the page cache.
//!
//! All begin with the agent's own plain texts and end when the last event has been handed to the system. The peers keep
//! lines as `serde_json` makes them, without a checksum.

use crate::lab::{Given, Lab, Until, line};
use crate::stores::{Open, codex, fjall, plain, raft, redb, sqlite, tracing};
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::{Shape, Step};
use crate::{EVENTS, Options, Result, python};
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

/// How much a limit writes at once.
const LARGE: usize = 256 << 10;

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let lab = Lab::new(&dir.join("streamed"), Shape::Streamed, options.events(), options.window())?;
    let recorded = Lab::new(&dir.join("recorded"), Shape::Recorded, options.events(), options.window())?;
    eprintln!("streamed: {}\nrecorded: {}", lab.describe_workload(), recorded.describe_workload());
    let mut plan = Plan::default();
    one_producer(&lab, &mut plan);
    eight_at_once(&lab, &mut plan);
    let serialise = plan.case(|| recorded.serialise_only(Given::Texts));
    let ours = plan.case(|| recorded.buffered(Given::Texts, Until::Written));
    plan.row("buffered, 1 producer, shape of a recorded run", EVENTS, ours).limit("serialise only", serialise, None);
    plan.run(options.rounds(5))?;
    Ok(plan.lines())
}

fn one_producer<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    let serialise = plan.case(|| lab.serialise_only(Given::Texts));
    let ours = plan.case(|| lab.buffered(Given::Texts, Until::Written));
    let checksum = plan.case(|| lab.checksum_only());
    let copy = plan.case(|| copy_only(lab));
    let large = plan.case(|| write_only(lab, LARGE));
    let small = plan.case(|| write_only(lab, 0));
    let mut peer = |open: Open| plan.case(move || append_all(lab, open));
    let peers = [
        ("`BufWriter`, flushed an event", peer(plain::flushed), 1.16),
        ("tracing-appender, lossless", peer(tracing::open), 1.0),
        ("fjall", peer(fjall::buffered), 2.4),
        ("raft-engine, unsynced", peer(raft::buffered), 1.0),
        ("SQLite NORMAL, a transaction an event", peer(sqlite::autocommit), 8.0),
        ("SQLite NORMAL, a transaction a drained queue", peer(sqlite::drained), 1.0),
        ("redb, `Durability::None`", peer(redb::buffered), 1.0),
    ];
    let codex = plan.case(|| codex_style(lab, 1));
    let python = python::has("json").then(|| plan.case(|| append_in_python(lab)));
    let row = plan.row("buffered, 1 producer", EVENTS, ours);
    row.limit("serialise only", serialise, Some(Goal::AtLeast(0.75)));
    row.limit("crc32 only", checksum, None).limit("memcpy only", copy, None);
    row.limit("write(2) of ready bytes, 256 KB a time", large, None);
    row.limit("write(2) of a ready line a time", small, None);
    for (name, case, least) in peers {
        row.peer(name, case, Some(Goal::AtLeast(least)));
    }
    row.peer("queue, task, `tokio::fs` write + flush an event", codex, Some(Goal::AtLeast(10.0)));
    row.peer_or("Python, `json.dumps` + write + flush", python, "no `python3`", Some(Goal::AtLeast(1.0)));
}

fn eight_at_once<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    let serialise = plan.case(|| lab.serialise_only(Given::Texts));
    let by_tasks = plan.case(|| lab.buffered_by_tasks(8));
    let codex = plan.case(|| codex_style(lab, 8));
    let by_threads = plan.case(|| lab.buffered_by_threads(8));
    let mutex = plan.case(|| append_by_threads(lab, 8, plain::written));
    plan.row("buffered, 8 tasks", EVENTS, by_tasks)
        .limit("serialise only, 1 thread", serialise, Some(Goal::AtLeast(1.0)))
        .peer("queue, task, `tokio::fs` write + flush an event", codex, Some(Goal::AtLeast(18.0)));
    plan.row("buffered, 8 threads", EVENTS, by_threads)
        .limit("serialise only, 1 thread", serialise, None)
        .peer("mutex + write(2) an event", mutex, Some(Goal::AtLeast(1.0)));
}

fn append_all(lab: &Lab, open: Open) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let store = open(dir.path())?;
    let mut out = Vec::new();
    let start = Instant::now();
    for (seq, step) in (1..).zip(&*lab.steps) {
        line(seq, step.type_name(), step, &mut out)?;
        store.append(seq, &out)?;
    }
    store.finish()?;
    Ok(lab.per_event(start.elapsed()))
}

fn append_by_threads(lab: &Lab, threads: usize, open: Open) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let (store, barrier) = (open(dir.path())?, Barrier::new(threads + 1));
    let append = |steps: &[Step]| {
        barrier.wait();
        let mut out = Vec::new();
        for (seq, step) in (1..).zip(steps) {
            line(seq, step.type_name(), step, &mut out)?;
            store.append(seq, &out)?;
        }
        Ok::<_, crate::Error>(())
    };
    let append = &append;
    let start = std::thread::scope(|scope| {
        let shares = lab.steps.chunks(lab.steps.len().div_ceil(threads));
        let threads: Vec<_> = shares.map(|steps| scope.spawn(move || append(steps))).collect();
        barrier.wait();
        let start = Instant::now();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)?;
        Ok::<_, crate::Error>(start)
    })?;
    Ok(lab.per_event(start.elapsed()))
}

fn codex_style(lab: &Lab, producers: usize) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    // It takes its items for good: copies are made before the clock starts.
    let shares: Vec<_> = lab.steps.chunks(lab.steps.len().div_ceil(producers)).map(<[_]>::to_vec).collect();
    lab.runtime.block_on(async {
        let (sender, task) = codex::start(&dir.path().join("log")).await?;
        let start = Instant::now();
        for share in shares {
            let sender = sender.clone();
            tokio::spawn(async move {
                for step in share {
                    sender.send(step).await?;
                }
                Ok::<_, crate::Error>(())
            });
        }
        drop(sender);
        task.await??;
        Ok(lab.per_event(start.elapsed()))
    })
}

fn append_in_python(lab: &Lab) -> Result<Sample> {
    let dir = tempfile::tempdir_in(&lab.dir)?;
    let given = lab.replayed.first().ok_or("no segment")?;
    let time = python::run(python::APPEND, &[given.as_os_str(), dir.path().join("log").as_os_str()])?;
    Ok(lab.per_event(time.mul_f64(lab.lines.len() as f64 / std::fs::metadata(given)?.len() as f64)))
}

fn copy_only(lab: &Lab) -> Result<Sample> {
    let mut copy = vec![0; LARGE];
    let start = Instant::now();
    for piece in lab.lines.chunks(LARGE) {
        copy[..piece.len()].copy_from_slice(piece);
        black_box(&copy);
    }
    Ok(lab.per_event(start.elapsed()))
}

/// Ready bytes written a piece at a time; 0 is a line at a time.
fn write_only(lab: &Lab, piece: usize) -> Result<Sample> {
    let mut file = File::create(tempfile::tempdir_in(&lab.dir)?.path().join("log"))?;
    let start = Instant::now();
    match piece {
        0 => lab.lines.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| file.write_all(line))?,
        _ => lab.lines.chunks(piece).try_for_each(|piece| file.write_all(piece))?,
    }
    Ok(lab.per_event(start.elapsed()))
}
