//! What recording and reading cost, each beside what the machine could do at best: `cargo bench`.
//!
//! ```text
//! cargo bench                                              everything, in less than a minute
//! cargo bench -- --quick                     a few seconds: does it run, is it of the right order?
//! cargo bench -- --rounds 15 --dir DIR       calmer figures, on another disk
//! ```
//!
//! How to read the table: figures are medians of the rounds, with the least and the most in brackets; ratios are taken in
//! every round. All cases take turns within a round, so what disturbs the machine for a while disturbs all of them. Only
//! ratios inside one table carry over to another day or machine, and a wide bracket means a noisy run. The limits are not
//! other recorders (those are in `benches/peers`): they are what no recorder of these events can beat by much, with
//! nothing kept, checked or shared.
//!
//! - *Buffered* rows say where they end. "From texts" begins with the agent's own plain strings; the limit serialises
//!   them in one go, the whole line but for its checksum, into memory that is used again. "Ready events" were made before
//!   the clock starts; as a tool's result is raw JSON then, serialising it is copying it.
//! - *Durable* rows are closed loops: each task waits for its event to be on disk before it appends the next. The limit
//!   is as many events a sync as there are tasks, at the pace of one thread that writes one line and syncs it.
//! - *Replay*, *verify* and their limit read from the page cache; *opening* and its limit read past it.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod disk;
mod lab;
mod machine;
#[allow(dead_code, reason = "shared with the peers' benchmark, which uses all of it")]
mod table;
#[allow(dead_code, reason = "shared with the peers' benchmark, which uses all of it")]
mod workload;

use lab::{Given, Lab, Until};
use std::path::PathBuf;
use std::time::Duration;
use table::{Goal, Plan};
use workload::Shape;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const USAGE: &str = "usage: cargo bench -- [--quick] [--rounds N] [--events N] [--dir DIR]";
const EVENTS: &str = "events/s";
const BYTES: &str = "MB/s";

/// How much is measured, and where.
struct Options {
    rounds: usize,
    events: usize,
    /// How long a durable measurement goes on.
    durable: Duration,
    dir: PathBuf,
}

impl Options {
    /// `None` if it was not `cargo bench` that called: tests measure no time.
    fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Options>> {
        let mut called_by_bench = false;
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let mut options = Options { rounds: 7, events: 60_000, durable: Duration::from_millis(350), dir };
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {USAGE}"));
            match arg.as_str() {
                "--bench" => called_by_bench = true,
                "--quick" => {
                    (options.rounds, options.events, options.durable) = (3, 6_000, Duration::from_millis(100));
                }
                "--rounds" => options.rounds = value()?.parse()?,
                "--events" => options.events = value()?.parse()?,
                "--dir" => options.dir = value()?.into(),
                _ => return Err(format!("`{arg}` is no option; {USAGE}").into()),
            }
        }
        if options.rounds == 0 || options.events < 1000 {
            return Err(format!("at least 1 round and 1000 events are needed; {USAGE}").into());
        }
        Ok(called_by_bench.then_some(options))
    }
}

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(&options.dir)?;
    let lab = Lab::new(dir.path(), Shape::Streamed, options.events, options.durable)?;
    println!("workload: {}", lab.describe_workload());
    let mut plan = plan(&lab);
    plan.run(options.rounds)?;
    println!("machine: {}; bare fdatasync {}\n", machine::describe(dir.path()), lab.describe_syncs());
    println!("{}", table::render(&plan.lines()));
    Ok(())
}

fn plan(lab: &Lab) -> Plan<'_> {
    let mut plan = Plan::default();
    buffered(lab, &mut plan);
    durable(lab, &mut plan);
    reading(lab, &mut plan);
    plan
}

fn buffered<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    let serialise = plan.case(|| lab.serialise_only(Given::Texts));
    let written = plan.case(|| lab.buffered(Given::Texts, Until::Written));
    let by_tasks = plan.case(|| lab.buffered_by_tasks(8));
    let by_threads = plan.case(|| lab.buffered_by_threads(8));
    let synced = plan.case(|| lab.buffered(Given::Texts, Until::Synced));
    let copy = plan.case(|| lab.serialise_only(Given::Events));
    let ready = plan.case(|| lab.buffered(Given::Events, Until::Written));
    let checksum = plan.case(|| lab.checksum_only());
    plan.row("buffered, 1 producer, from texts, until written", EVENTS, written)
        .limit("serialise only", serialise, Some(Goal::AtLeast(0.75)))
        .limit("crc32 only", checksum, None);
    let limit = "serialise only, 1 thread";
    plan.row("buffered, 8 tasks, from texts, until written", EVENTS, by_tasks).limit(
        limit,
        serialise,
        Some(Goal::AtLeast(1.0)),
    );
    plan.row("buffered, 8 threads, from texts, until written", EVENTS, by_threads).limit(limit, serialise, None);
    plan.row("buffered, 1 producer, from texts, until synced", EVENTS, synced).limit("serialise only", serialise, None);
    plan.row("buffered, 1 producer, ready events, until written", EVENTS, ready).limit("serialise only", copy, None);
}

fn durable<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    for (tasks, goal) in [(1, 0.95), (8, 0.5), (64, 0.5), (512, 0.25)] {
        // A limit of its own right before each: a disk's mood may change within a round.
        let limit = plan.case(|| lab.write_and_sync());
        let ours = plan.case(move || lab.durable(tasks, 0));
        let name = format!("durable, {tasks} {}, every ticket awaited", if tasks == 1 { "task" } else { "tasks" });
        let limit_is = format!("{tasks} x write + fdatasync, 1 thread");
        plan.row(name.as_str(), EVENTS, ours).limit(limit_is, limit.times(tasks as f64), Some(Goal::AtLeast(goal)));
        plan.row(format!("{name}: events an fdatasync"), "", ours.figure(1));
    }
}

fn reading<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    let read = plan.case(|| lab.read_only());
    let fold = plan.case(|| lab.fold(1));
    let verify = plan.case(|| lab.verify(1));
    let direct = plan.case(|| lab.read_direct());
    let open = plan.case(|| lab.open());
    plan.row("replay to a SessionRecord", BYTES, fold).limit("read(2), 1 MB at a time", read, None);
    plan.row("verify", BYTES, verify).limit("read(2), 1 MB at a time", read, Some(Goal::AtLeast(0.8)));
    plan.row("opening for writing, newest segment of 64 MiB", BYTES, open).limit(
        "read(2) past the cache, 1 MB at a time",
        direct,
        None,
    );
    plan.row("opening for writing, time", "ms", open.figure(1)).goal(Goal::AtMost(50.0));
}
