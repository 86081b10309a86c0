//! A thousand open sessions, 64 of them busy, every event on disk before the next: foldlog, and a file each.

use crate::lab::SEED;
use crate::table::{Goal, Line, Plan, Sample, share};
use crate::workload::{self, Shape, Step};
use crate::{EVENTS, Options, Result, child, process};
use foldlog::{JournalOptions, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const BUSY: usize = 64;
/// How far segments are filled ahead, where they are.
const PREFILL: u64 = 256 << 10;

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let (count, millis) = (options.scaled(1000, 100).to_string(), (options.window() * 2).as_millis().to_string());
    let mut plan = Plan::default();
    let mut case = |kind: &'static str| {
        let (count, millis) = (count.clone(), millis.clone());
        plan.case(move || {
            let root = tempfile::tempdir_in(dir)?;
            let [rate, p99, threads, memory] =
                child::figures("sessions", &[&kind, &root.path(), &count.as_str(), &millis.as_str()])?;
            Ok(Sample::of(rate).and(p99).and(threads).and(memory))
        })
    };
    let (ours, prefilled, naive) = (case("foldlog"), case("prefilled"), case("files"));
    let name = format!("{count} open sessions, {BUSY} busy, durable");
    let files = "a `tokio::fs` file each, write + sync an event";
    plan.row(&name, EVENTS, ours).peer(files, naive, Some(Goal::AtLeast(5.0)));
    plan.row(format!("{name}, prefilled segments"), EVENTS, prefilled).peer("foldlog, not prefilled", ours, None).peer(
        files,
        naive,
        Some(Goal::AtLeast(5.0)),
    );
    plan.row(format!("{name}: p99"), "us", ours.figure(1)).peer(files, naive.figure(1), None);
    plan.row(format!("{name}: threads of the process"), "", ours.figure(2)).goal(Goal::AtMost(32.0)).peer(
        files,
        naive.figure(2),
        None,
    );
    plan.row(format!("{name}: memory of an idle one"), "KiB", ours.figure(3)).goal(Goal::AtMost(100.0)).peer(
        files,
        naive.figure(3),
        None,
    );
    plan.run(options.rounds(5))?;
    Ok(plan.lines())
}

/// The process that is looked at: its rate, its 99th percentile, its threads, and the memory of a session.
pub(crate) fn answer(mut args: impl Iterator<Item = String>) -> Result<()> {
    let kind = child::next(&mut args)?;
    let root = PathBuf::from(child::next(&mut args)?);
    let count = child::next(&mut args)?.parse()?;
    let time = Duration::from_millis(child::next(&mut args)?.parse()?);
    let steps: Arc<[Step]> = workload::steps(Shape::Streamed, 10_000, SEED).into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match kind.as_str() {
            "foldlog" => in_journals(&root, count, 0, steps, time).await,
            "prefilled" => in_journals(&root, count, PREFILL, steps, time).await,
            _ => in_files(&root, count, steps, time).await,
        }
    })
}

async fn in_journals(root: &Path, count: usize, prefill: u64, steps: Arc<[Step]>, time: Duration) -> Result<()> {
    let (store, before) = (Store::open(root)?, process::resident()?);
    let mut journals = Vec::new();
    for number in 0..count {
        let options = JournalOptions::default().prefill(prefill);
        let journal = store.journal_with(format!("s-{number}"), options)?;
        journal.append(steps[0].event())?.await?;
        journals.push(journal);
    }
    let memory = process::resident()?.saturating_sub(before) as f64 / count as f64;
    let busy = journals.iter().take(BUSY).map(|journal| {
        let (journal, steps) = (journal.clone(), Arc::clone(&steps));
        tokio::spawn(async move {
            let (mut times, end) = (Vec::new(), Instant::now() + time);
            for step in steps.iter().cycle() {
                let start = Instant::now();
                journal.append(step.event())?.await?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(times)
        })
    });
    tell(busy.collect(), memory).await
}

async fn in_files(root: &Path, count: usize, steps: Arc<[Step]>, time: Duration) -> Result<()> {
    let before = process::resident()?;
    let mut files = Vec::new();
    for number in 0..count {
        files.push(tokio::fs::File::create(root.join(format!("s-{number}"))).await?);
    }
    let memory = process::resident()?.saturating_sub(before) as f64 / count as f64;
    let busy = files.into_iter().take(BUSY).map(|mut file| {
        let steps = Arc::clone(&steps);
        tokio::spawn(async move {
            let (mut times, end, mut line) = (Vec::new(), Instant::now() + time, Vec::new());
            for (seq, step) in (1..).zip(steps.iter().cycle()) {
                let start = Instant::now();
                crate::lab::line(seq, step.type_name(), step, &mut line)?;
                line.push(b'\n');
                file.write_all(&line).await?;
                file.flush().await?;
                file.sync_data().await?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(times)
        })
    });
    tell(busy.collect(), memory).await
}

async fn tell(busy: Vec<tokio::task::JoinHandle<Result<Vec<f64>>>>, memory: f64) -> Result<()> {
    let start = Instant::now();
    let mut times = Vec::new();
    for task in busy {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    child::tell(&format!("{rate} {} {} {memory}", share(&times, 99), process::threads()?))
}
