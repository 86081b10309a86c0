//! Followers beside their peers and beside what the machine can do at best. From the project's root:
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- follow            some ten minutes
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- follow --quick    one minute: does it run?
//! cargo run ... -- follow --only catch-up --megabytes 200 --rounds 9 --dir DIR      a part of it, elsewhere
//! ```
//!
//! A crate and a workspace of its own, so that building foldlog never builds a peer. All cases of a table take turns
//! within a round, so what disturbs the machine for a while disturbs all of them; ratios are taken in every round, and
//! their median is shown. Only ratios inside one table carry over to another day or machine.

#![allow(clippy::print_stdout, reason = "the tables are what this program is for")]

mod catch_up;
mod idle;
mod latency;
#[path = "../../machine.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod machine;
mod readers;
mod stamped;
mod table;
#[path = "../../workload.rs"]
mod workload;
mod writer;

use foldlog::{Draft, ErrorKind, Journal};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const USAGE: &str = "usage: foldlog-peers follow [--quick] [--rounds N] [--events N] [--megabytes N] [--seconds N] \
    [--dir DIR] [--only latency|catch-up|writer|idle]";
const SEED: u64 = 0x00F0_1D10;
/// The session that all cases write and follow.
const SESSION: &str = "followed";

/// How much is measured, and where.
struct Options {
    rounds: usize,
    /// Events of one latency measurement.
    events: usize,
    /// The journal that is caught up with.
    megabytes: usize,
    /// How long idle followers are watched.
    idle: Duration,
    dir: PathBuf,
    only: Option<String>,
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options> {
        let (idle, dir) = (Duration::from_secs(20), std::env::temp_dir());
        let mut options = Options { rounds: 5, events: 200, megabytes: 1000, idle, dir, only: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {USAGE}"));
            match arg.as_str() {
                "--quick" => {
                    (options.rounds, options.events, options.megabytes) = (2, 50, 50);
                    options.idle = Duration::from_secs(5);
                }
                "--rounds" => options.rounds = value()?.parse()?,
                "--events" => options.events = value()?.parse()?,
                "--megabytes" => options.megabytes = value()?.parse()?,
                "--seconds" => options.idle = Duration::from_secs(value()?.parse()?),
                "--dir" => options.dir = value()?.into(),
                "--only" => options.only = Some(value()?),
                _ => return Err(format!("`{arg}` is no option; {USAGE}").into()),
            }
        }
        if options.rounds == 0 || options.events == 0 || options.megabytes == 0 {
            return Err(format!("at least one of everything is needed; {USAGE}").into());
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("follow") => follow(&Options::from_args(args)?),
        // What this program calls itself with, for what must happen in another process.
        Some("write") => latency::write_for_parent(args),
        Some("read") => writer::read_for_parent(args),
        Some("idle") => idle::wait_for_parent(args),
        _ => Err(USAGE.into()),
    }
}

fn follow(options: &Options) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("foldlog-peers-").tempdir_in(&options.dir)?;
    println!("machine: {}", machine::describe(dir.path()));
    if options.wants("latency") {
        latency::measure(options, dir.path())?;
    }
    if options.wants("catch-up") {
        catch_up::measure(options, dir.path())?;
    }
    if options.wants("writer") {
        writer::measure(options, dir.path())?;
    }
    if options.wants("idle") {
        idle::measure(options, dir.path())?;
    }
    Ok(())
}

/// Pushes an event, waiting for room where the queue is full.
fn push(journal: &Journal, event: impl Into<Draft>) -> Result<()> {
    let mut refused = match journal.push(event) {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    while refused.kind() == ErrorKind::Backlog {
        journal.ready().wait()?;
        refused = match journal.push(refused.into_draft()) {
            Ok(_) => return Ok(()),
            Err(refused) => refused,
        };
    }
    Err(refused.into())
}

/// Tells the process that has called this one.
fn tell(words: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{words}")?;
    Ok(stdout.flush()?)
}

/// A single-threaded runtime, the same for everything asynchronous that is measured.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
