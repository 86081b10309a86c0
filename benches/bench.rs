//! What recording and reading cost, each beside what the machine could do at best: `cargo bench`.
//!
//! ```text
//! cargo bench                                              everything, in less than a minute
//! cargo bench -- --quick                     a few seconds: does it run, is it of the right order?
//! cargo bench -- --rounds 15 --dir DIR       calmer figures, on another disk
//! ```
//!
//! How to read the table: `ours` and `limit` are medians of the rounds, with the least and the most in brackets;
//! `ours/limit` is taken in every round and its median shown, so it is not the quotient of the two medians. All cases
//! take turns within a round, so what disturbs the machine for a while disturbs all of them. Only ratios inside one table
//! carry over to another day or machine, and a wide bracket means a noisy run. The limits are not other recorders: they
//! are what no recorder of these events can beat by much, with nothing kept, checked or shared.
//!
//! - *Buffered* rows say where they end. "Ready events" were made before the clock starts; as a tool's result is raw JSON
//!   then, serialising it is copying it. "From texts" has both sides make the event of plain strings first, as an agent
//!   does. The limit writes the whole line but for its checksum into memory that is used again.
//! - *Durable* rows are closed loops: each task waits for its event to be on disk before it appends the next. The limit
//!   is as many events a sync as there are tasks, at the pace of one thread that writes one line and syncs it.
//! - *Replay*, *verify* and their limit read from the page cache; *opening* and its limit read past it.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod disk;
mod lab;
mod machine;
mod table;
mod workload;

use lab::{Given, Lab, Until};
use std::path::PathBuf;
use std::time::Duration;
use table::{Plan, Row};

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
    let lab = Lab::new(dir.path(), options.events, options.durable)?;
    println!("workload: {}", lab.describe_workload());
    let mut plan = plan(&lab);
    plan.run(options.rounds)?;
    println!("machine: {}; bare fdatasync {}\n", machine::describe(dir.path()), lab.describe_syncs());
    println!("{}", plan.table());
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
    let serialise = plan.case(|| lab.serialise_only(Given::Events));
    let written = plan.case(|| lab.buffered(Given::Events, Until::Written));
    let synced = plan.case(|| lab.buffered(Given::Events, Until::Synced));
    let serialise_texts = plan.case(|| lab.serialise_only(Given::Texts));
    let written_texts = plan.case(|| lab.buffered(Given::Texts, Until::Written));
    let by_8 = plan.case(|| lab.buffered_by_many(8));
    let checksum = plan.case(|| lab.checksum_only());
    let rows = [
        ("buffered, 1 producer, ready events, until written", written, serialise, "serialise only"),
        ("buffered, 1 producer, ready events, until written", written, checksum, "crc32 only"),
        ("buffered, 1 producer, ready events, until synced", synced, serialise, "serialise only"),
        (
            "buffered, 1 producer, from texts, until written",
            written_texts,
            serialise_texts,
            "make events and serialise only",
        ),
        ("buffered, 8 threads, ready events, until written", by_8, serialise, "serialise only, 1 thread"),
    ];
    for (name, ours, limit, limit_is) in rows {
        let (name, limit_is) = (name.to_owned(), limit_is.to_owned());
        plan.row(Row { name, unit: EVENTS, ours, limit, times: 1.0, limit_is, beside: "" });
    }
}

fn durable<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    for tasks in [1, 8, 64, 512] {
        // A limit of its own right before each: a disk's mood may change within a round.
        let limit = plan.case(|| lab.write_and_sync());
        let ours = plan.case(move || lab.durable(tasks));
        let name = format!("durable, {tasks} {}, every ticket awaited", if tasks == 1 { "task" } else { "tasks" });
        let limit_is = format!("{tasks} x write + fdatasync, 1 thread");
        plan.row(Row { name, unit: EVENTS, ours, limit, times: tasks as f64, limit_is, beside: "events an fdatasync" });
    }
}

fn reading<'a>(lab: &'a Lab, plan: &mut Plan<'a>) {
    let read = plan.case(|| lab.read_only());
    let fold = plan.case(|| lab.fold());
    let verify = plan.case(|| lab.verify());
    let direct = plan.case(|| lab.read_direct());
    let open = plan.case(|| lab.open());
    let rows = [
        ("replay to a SessionRecord", fold, read, "read(2), 1 MB at a time", ""),
        ("verify", verify, read, "read(2), 1 MB at a time", ""),
        ("opening for writing, newest segment of 64 MiB", open, direct, "read(2) past the cache, 1 MB at a time", "ms"),
    ];
    for (name, ours, limit, limit_is, beside) in rows {
        let (name, limit_is) = (name.to_owned(), limit_is.to_owned());
        plan.row(Row { name, unit: BYTES, ours, limit, times: 1.0, limit_is, beside });
    }
}
