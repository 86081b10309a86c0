//! What followers cost the writer: its rate with so many of them, beside its rate alone.
//!
//! Followers and writer share the machine's cores, and each follower gets every entry whole: what a row loses beyond the
//! processor time that its followers take is what foldlog makes the writer wait.

use super::{SESSION, runtime};
use crate::child::{self, tell};
use crate::lab::{SEED, push};
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::{self, Shape, Step};
use crate::{EVENTS, Options, Result};
use foldlog::{Cursor, Durability, Follower, Item, Journal, JournalOptions, Store};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a row with a pace of its own, or with a disk, is measured.
const WINDOW: Duration = Duration::from_millis(400);
/// How many events full speed is measured on.
const AT_FULL_SPEED: usize = 40_000;
/// How often a follower looks whether it shall stop.
const STOP: Duration = Duration::from_millis(50);

#[derive(Clone, Copy)]
enum Where {
    /// Each on a thread of its own.
    Threads,
    /// All as tasks of one thread.
    OneThread,
    /// Each in a process of its own.
    Processes,
}

const CASES: [(&str, usize, Where); 5] = [
    ("1 follower, a thread", 1, Where::Threads),
    ("16 followers, a thread each", 16, Where::Threads),
    ("16 followers, a process each", 16, Where::Processes),
    ("100 followers, a thread each", 100, Where::Threads),
    ("100 followers, tasks of one thread", 100, Where::OneThread),
];

/// What the writer does.
#[derive(Clone, Copy)]
enum Writing {
    FullSpeed,
    DurableOneTask,
    /// So many events a second, from a thread that sleeps between them.
    Paced(u64),
}

const WRITINGS: [(&str, Writing); 3] = [
    ("full speed, `push`", Writing::FullSpeed),
    ("durable, 1 task", Writing::DurableOneTask),
    ("1000 events/s, `push`", Writing::Paced(1000)),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let steps = workload::steps(Shape::Streamed, options.scaled(AT_FULL_SPEED, 5000), SEED);
    let mut plan = Plan::default();
    for (name, writing) in WRITINGS {
        let mut case = |count: usize, place: Where| {
            let steps = &steps;
            plan.case(move || with_followers(dir, steps, writing, count, place))
        };
        let alone = case(0, Where::Threads);
        // A pace that is easily kept tells nothing of a few followers.
        let cases = CASES.into_iter().filter(|(_, count, _)| *count == 100 || !matches!(writing, Writing::Paced(_)));
        let cases: Vec<_> = cases.map(|(followers, count, place)| (followers, place, case(count, place))).collect();
        for (followers, place, ours) in cases {
            // The goal is for many followers used as many should be: on one executor.
            let goal = matches!(place, Where::OneThread).then_some(Goal::AtLeast(0.9));
            plan.row(format!("writer, {name}, {followers}"), EVENTS, ours).peer("the writer alone", alone, goal);
        }
    }
    plan.run(options.rounds(3))?;
    Ok(plan.lines())
}

fn with_followers(dir: &Path, steps: &[Step], writing: Writing, count: usize, place: Where) -> Result<Sample> {
    let root = tempfile::tempdir_in(dir)?;
    let store = Store::open(root.path())?;
    let options = JournalOptions::default();
    let options = match writing {
        Writing::FullSpeed => options.durability(Durability::Written).sync_interval(Duration::from_secs(3600)),
        Writing::DurableOneTask | Writing::Paced(_) => options,
    };
    let journal = store.journal_with(SESSION, options)?;
    journal.append(steps[0].event())?.wait()?;
    let followers = Followers::start(&journal, root.path(), count, place)?;
    let (events, time) = write(&journal, steps, writing)?;
    followers.stop()?;
    Ok(Sample::rate(events as f64, time))
}

fn write(journal: &Journal, steps: &[Step], writing: Writing) -> Result<(usize, Duration)> {
    let start = Instant::now();
    let mut events = 0;
    match writing {
        Writing::FullSpeed => {
            let ready: Vec<_> = steps.iter().map(Step::event).collect();
            let start = Instant::now();
            ready.into_iter().try_for_each(|event| push(journal, event))?;
            journal.append(foldlog::TextDelta::new("t-last", ""))?.wait()?;
            return Ok((steps.len(), start.elapsed()));
        }
        Writing::DurableOneTask => runtime()?.block_on(async {
            for step in steps.iter().cycle() {
                journal.append(step.event())?.await?;
                events += 1;
                if start.elapsed() >= WINDOW {
                    break;
                }
            }
            Ok::<_, crate::Error>(())
        })?,
        Writing::Paced(rate) => {
            for step in steps.iter().cycle() {
                let due = Duration::from_secs_f64(events as f64 / rate as f64);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                push(journal, step.event())?;
                events += 1;
                if start.elapsed() >= WINDOW {
                    break;
                }
            }
        }
    }
    Ok((events, start.elapsed()))
}

/// Followers that have caught up, until they are stopped.
struct Followers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
    processes: Vec<Child>,
}

impl Followers {
    fn start(journal: &Journal, root: &Path, count: usize, place: Where) -> Result<Followers> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut threads, mut processes) = (Vec::new(), Vec::new());
        let ready = Arc::new(AtomicU64::new(0));
        let follower = || journal.follow(Cursor::end(), Durability::Written);
        let shared = || (Arc::clone(&stop), Arc::clone(&ready));
        match place {
            Where::Threads => {
                for _ in 0..count {
                    let (follower, (stop, ready)) = (follower()?, shared());
                    threads.push(std::thread::spawn(move || take_all(follower, &stop, &|| arrive(&ready))));
                }
            }
            Where::OneThread => {
                let followers = (0..count).map(|_| follower()).collect::<foldlog::Result<Vec<_>>>()?;
                let (stop, ready) = shared();
                threads.push(std::thread::spawn(move || take_all_as_tasks(followers, &stop, &ready)));
            }
            Where::Processes => {
                for _ in 0..count {
                    let mut child =
                        child::command("read")?.arg(root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
                    let stdout = child.stdout.take().ok_or("no pipe")?;
                    processes.push(child);
                    BufReader::new(stdout).read_line(&mut String::new())?;
                    arrive(&ready)?;
                }
            }
        }
        while ready.load(Ordering::Acquire) < count as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Followers { stop, threads, processes })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().map_err(|_| "a follower has panicked")??;
        }
        for mut process in self.processes {
            drop(process.stdin.take());
            process.wait()?;
        }
        Ok(())
    }
}

fn arrive(ready: &AtomicU64) -> Result<()> {
    ready.fetch_add(1, Ordering::AcqRel);
    Ok(())
}

fn take_all(mut follower: Follower, stop: &AtomicBool, ready: &dyn Fn() -> Result<()>) -> Result<()> {
    let mut caught_up = false;
    while !stop.load(Ordering::Acquire) {
        match follower.next_timeout(STOP).transpose()? {
            Some(Item::CaughtUp) if !std::mem::replace(&mut caught_up, true) => ready()?,
            Some(Item::Gap(gap)) => return Err(format!("a gap: {gap}").into()),
            item => drop(std::hint::black_box(item)),
        }
    }
    Ok(())
}

fn take_all_as_tasks(followers: Vec<Follower>, stop: &AtomicBool, ready: &Arc<AtomicU64>) -> Result<()> {
    runtime()?.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for mut follower in followers {
            let ready = Arc::clone(ready);
            tasks.spawn(async move {
                let mut caught_up = false;
                while let Some(item) = follower.next().await {
                    match item? {
                        Item::CaughtUp if !std::mem::replace(&mut caught_up, true) => arrive(&ready)?,
                        item => drop(std::hint::black_box(item)),
                    }
                }
                Ok::<_, crate::Error>(())
            });
        }
        while !stop.load(Ordering::Acquire) {
            tokio::time::sleep(STOP).await;
        }
        tasks.abort_all();
        Ok(())
    })
}

/// A follower in another process: until its parent closes the pipe.
pub(crate) fn read_for_parent(mut args: impl Iterator<Item = String>) -> Result<()> {
    let root = PathBuf::from(child::next(&mut args)?);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Release);
    });
    take_all(Store::open(root)?.follow(SESSION, Cursor::end())?, &stop, &|| tell("ready"))
}
