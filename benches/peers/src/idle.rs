//! What followers cost while nothing happens, in a process that does nothing else.

use crate::{Options, Result, SEED, SESSION, runtime, table, tell, workload};
use foldlog::{Cursor, Item, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long followers are given to settle down.
const SETTLE: Duration = Duration::from_secs(6);

/// Name, followers, whether a writer holds the lock.
const CASES: [(&str, usize, bool); 4] = [
    ("none", 0, true),
    ("1, a writer holds the lock", 1, true),
    ("1000, a writer holds the lock", 1000, true),
    ("1000, nobody records", 1000, false),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<()> {
    let mut rows =
        vec![table::words(&["idle followers", "CPU, ms/s", "CPU of one, us/s", "wake-ups/s", "memory of one, KiB"])];
    let seconds = options.idle.as_secs_f64();
    for (name, count, recording) in CASES {
        let root = tempfile::tempdir_in(dir)?;
        let journal = Store::open(root.path())?.journal(SESSION)?;
        for step in workload::steps(1000, SEED) {
            crate::push(&journal, step.event())?;
        }
        journal.sync()?.wait()?;
        let journal = recording.then_some(journal); // else closed here
        let told = Command::new(std::env::current_exe()?)
            .arg("idle")
            .arg(root.path())
            .args([count as u64, options.idle.as_secs()].map(|number| number.to_string()))
            .output()?;
        let told = String::from_utf8(told.stdout)?;
        let figures = told.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
        let [cpu, wakes, memory] = figures[..] else { return Err("the child has failed".into()) };
        drop(journal);
        let each = |value: f64| if count == 0 { "–".to_owned() } else { format!("{:.1}", value / count as f64) };
        rows.push(vec![
            name.to_owned(),
            format!("{:.2}", cpu / seconds / 1e6),
            each(cpu / seconds / 1e3),
            format!("{:.1}", wakes / seconds),
            each(memory),
        ]);
    }
    table::print(&format!("Idle for {seconds:.0} s after all was given out, 1 MB journal, tasks of one thread"), &rows);
    Ok(())
}

/// The process that is watched: prints its processor time, its wake-ups, and what its followers hold.
pub(crate) fn wait_for_parent(mut args: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || args.next().ok_or("an argument is missing");
    let (root, count, seconds) = (PathBuf::from(next()?), next()?.parse::<usize>()?, next()?.parse()?);
    let store = Store::open(root)?;
    runtime()?.block_on(async {
        let before = resident()?;
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
        let (cpu, wakes) = (processor_time(), wake_ups()?);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (cpu, wakes) = (processor_time() - cpu, wake_ups()? - wakes);
        tell(&format!("{cpu} {wakes} {}", resident()?.saturating_sub(before)))
    })
}

/// Nanoseconds that this process has run.
fn processor_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How often its threads have gone to sleep.
fn wake_ups() -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        sum += field(&std::fs::read_to_string(task?.path().join("status"))?, "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// Kibibytes of memory.
fn resident() -> Result<u64> {
    field(&std::fs::read_to_string("/proc/self/status")?, "VmRSS:")
}

fn field(status: &str, name: &str) -> Result<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
