//! The floor: what foldlog may cost at most, in instructions, each beside a yardstick out of the same build. From the
//! project's root, with valgrind installed:
//!
//! ```text
//! cargo run --release --manifest-path benches/floor/Cargo.toml
//! ```
//!
//! Time is too noisy to fail a change for; instructions are not. Every row's work and its yardstick run under callgrind,
//! once and three times over in a process of its own each; half of the difference is what one costs, without start-up and
//! preparation. The ratio is how much of the yardstick's economy foldlog keeps: it falls when foldlog does more, and not
//! when the compiler gets better at both. Exits with 1 if one falls below its floor.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(clippy::print_stderr, reason = "whoever waits wants to know what for")]

mod callgrind;
mod cases;
mod transcript;
#[path = "../../workload.rs"]
#[allow(dead_code, reason = "shared with `cargo bench`")]
mod workload;

use callgrind::Counter;
use cases::{ROWS, Row, Side};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table(),
        // What runs under callgrind.
        ["run", row, side, times, dir] => {
            let row = ROWS.iter().find(|known| known.name == row).ok_or("no such row")?;
            let side = if side == "foldlog" { Side::Foldlog } else { Side::Yardstick };
            (row.run)(side, times.parse()?, Path::new(dir))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: cargo run --release --manifest-path benches/floor/Cargo.toml".into()),
    }
}

fn table() -> Result<ExitCode> {
    let why = [
        (!cfg!(all(target_arch = "x86_64", target_os = "linux")), "the floors are those of Linux on x86-64"),
        (!callgrind::is_there(), "valgrind is not installed"),
    ];
    if let Some((_, why)) = why.iter().find(|(skipped, _)| *skipped) {
        println!("skipped: {why}");
        return Ok(ExitCode::SUCCESS);
    }
    let dir = tempfile::tempdir()?;
    cases::prepare(dir.path())?;
    let counted = count_all(dir.path())?;
    println!("| row | foldlog | yardstick |  | ratio | floor |  |\n|---|---|---|---|---|---|---|");
    let mut all_hold = true;
    for (row, [ours, yardstick]) in ROWS.iter().zip(counted) {
        let (ratio, events) = (yardstick as f64 / ours as f64, cases::EVENTS as u64);
        let holds = ratio >= row.floor;
        all_hold &= holds;
        let verdict = if holds { "held" } else { "**fallen**" };
        let (ours, each) = (ours / events, yardstick / events);
        println!("| {} | {ours} | {} | {each} | {ratio:.3} | {:.3} | {verdict} |", row.name, row.yardstick, row.floor);
    }
    println!("\nInstructions an event of {} streamed ones; the ratio is the yardstick's to foldlog's.", cases::EVENTS);
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What each row costs, and its yardstick: as many at a time as there are cores, since nobody looks at the clock.
fn count_all(dir: &Path) -> Result<Vec<[u64; 2]>> {
    let jobs: Vec<(&Row, Side)> =
        ROWS.iter().flat_map(|row| [Side::Foldlog, Side::Yardstick].map(|side| (row, side))).collect();
    let (next, counted) = (AtomicUsize::new(0), Mutex::new(vec![0; jobs.len()]));
    let work = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((row, side)) = jobs.get(at) else { return Ok(()) };
            let counter = Counter::new(dir, row.name, side.name());
            let cost = counter.count(3)?.saturating_sub(counter.count(1)?) / 2;
            counted.lock().map_err(|_| "a thread has panicked")?[at] = cost;
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread has panicked")?)
    })?;
    let counted = counted.into_inner().map_err(|_| "a thread has panicked")?;
    Ok(counted.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}
