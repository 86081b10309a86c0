//! What followers cost the writer: its rate with so many of them, beside its rate alone.
//!
//! Followers and writer share the machine's cores, and each follower gets every entry whole: what a row loses beyond the
//! processor time that its followers take is what foldlog makes the writer wait.

use crate::{Options, Result, SEED, SESSION, push, runtime, table, tell, workload};
use foldlog::{Cursor, Durability, Follower, Item, Journal, JournalOptions, Store};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a row with a pace of its own, or with a disk, is measured.
const WINDOW: Duration = Duration::from_millis(400);
/// How many events full speed is measured on.
const EVENTS: usize = 40_000;
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

const CASES: [(&str, usize, Where); 6] = [
    ("none", 0, Where::Threads),
    ("1, blocking thread", 1, Where::Threads),
    ("16, blocking threads", 16, Where::Threads),
    ("100, blocking threads", 100, Where::Threads),
    ("100, tasks of one thread", 100, Where::OneThread),
    ("16, processes", 16, Where::Processes),
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
    ("full speed, `push`, until written", Writing::FullSpeed),
    ("durable, one task, every ticket awaited", Writing::DurableOneTask),
    ("1000 events/s, `push`", Writing::Paced(1000)),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<()> {
    let steps = workload::steps(EVENTS, SEED);
    let mut rates = vec![vec![Vec::new(); CASES.len()]; WRITINGS.len()];
    for _ in 0..options.rounds {
        for ((_, writing), rates) in WRITINGS.iter().zip(&mut rates) {
            for ((_, count, place), rates) in CASES.iter().zip(rates) {
                let root = tempfile::tempdir_in(dir)?;
                rates.push(with_followers(root.path(), &steps, *writing, *count, *place)?);
            }
        }
    }
    let mut rows = vec![table::words(&["writer", "followers", "events/s", "÷ none", "n"])];
    for ((writing, _), rates) in WRITINGS.iter().zip(&rates) {
        for ((followers, ..), of_case) in CASES.iter().zip(rates) {
            let row = [writing, followers].map(|name| (*name).to_owned()).into_iter();
            let figures = [table::spread(of_case, 0), table::ratio(of_case, &rates[0]), of_case.len().to_string()];
            rows.push(row.chain(figures).collect());
        }
    }
    table::print("The writer's rate with followers", &rows);
    Ok(())
}

fn with_followers(root: &Path, steps: &[workload::Step], writing: Writing, count: usize, place: Where) -> Result<f64> {
    let store = Store::open(root)?;
    let options = JournalOptions::default();
    let options = match writing {
        Writing::FullSpeed => options.durability(Durability::Written).sync_interval(Duration::from_secs(3600)),
        Writing::DurableOneTask | Writing::Paced(_) => options,
    };
    let journal = store.journal_with(SESSION, options)?;
    journal.append(steps[0].event())?.wait()?;
    let followers = Followers::start(&journal, root, count, place)?;
    let (events, time) = write(&journal, steps, writing)?;
    followers.stop()?;
    Ok(events as f64 / time.as_secs_f64())
}

fn write(journal: &Journal, steps: &[workload::Step], writing: Writing) -> Result<(usize, Duration)> {
    let start = Instant::now();
    let mut events = 0;
    match writing {
        Writing::FullSpeed => {
            let ready: Vec<_> = steps.iter().map(workload::Step::event).collect();
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
                    let mut child = Command::new(std::env::current_exe()?)
                        .arg("read")
                        .arg(root)
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .spawn()?;
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
    let root = PathBuf::from(args.next().ok_or("an argument is missing")?);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Release);
    });
    take_all(Store::open(root)?.follow(SESSION, Cursor::end())?, &stop, &|| tell("ready"))
}
