//! foldlog beside its peers and beside what the machine can do at best, in one table. From the project's root:
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml                      everything, some ten minutes
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick           does it run?
//! cargo run ... -- replay verify --rounds 15 --dir DIR                              some groups, calmer, elsewhere
//! ```
//!
//! A crate and a workspace of its own, so that building foldlog never builds a peer. All cases of a group take turns
//! within a round, so what disturbs the machine for a while disturbs all of them; ratios are taken in every round, and
//! their median is shown and judged. Only ratios inside one table carry over to another day or machine.
//!
//! Peers that are programs (`jq`, `tail`, Python with the package `duckdb`) are left out, with a word, where they are
//! missing; `FOLDLOG_PYTHON` names another Python than `python3`.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(clippy::print_stderr, reason = "whoever waits wants to know what for")]

mod buffered;
mod caller;
mod child;
mod cold_build;
mod compaction;
mod decode;
#[path = "../../disk.rs"]
#[allow(dead_code, reason = "shared with `cargo bench`")]
mod disk;
mod durable;
mod follow;
mod growth;
#[path = "../../lab.rs"]
#[allow(dead_code, reason = "shared with `cargo bench`")]
mod lab;
mod lines;
#[path = "../../machine.rs"]
#[allow(dead_code, reason = "shared with `cargo bench`")]
mod machine;
mod options;
mod plot;
mod process;
mod python;
mod replay;
mod sessions;
mod size;
mod stores;
#[path = "../../table.rs"]
#[allow(dead_code, reason = "shared with `cargo bench`")]
mod table;
#[path = "../../workload.rs"]
mod workload;

use options::Options;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use table::Line;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;
/// Measures the rows of a group in an empty directory.
type Group = fn(&Options, &Path) -> Result<Vec<Line>>;

const EVENTS: &str = "events/s";
const BYTES: &str = "MB/s";

const GROUPS: [(&str, Group); 13] = [
    ("buffered", buffered::measure),
    ("caller", caller::measure),
    ("durable", durable::measure),
    ("sessions", sessions::measure),
    ("replay", replay::measure),
    ("summary", replay::measure_summary),
    ("verify", replay::measure_verify),
    ("growth", growth::measure),
    ("follow", follow::measure),
    ("idle", follow::measure_idle),
    ("compact", compaction::measure),
    ("size", size::measure),
    ("build", cold_build::measure),
];

/// Does the part of the work that a parent process asks for.
fn answer(mut args: impl Iterator<Item = String>) -> Result<()> {
    let part = child::next(&mut args)?;
    match part.as_str() {
        "write" => follow::write_for_parent(args),
        "read" => follow::read_for_parent(args),
        "idle" => follow::wait_for_parent(args),
        "sessions" => sessions::answer(args),
        "grow" => growth::answer(args),
        "compact" => compaction::answer(args),
        _ => Err(format!("there is no part `{part}`").into()),
    }
}

fn main() -> Result<ExitCode> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == child::WORD).is_some() {
        answer(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::from_args(args)?;
    let dir = tempfile::Builder::new().prefix("foldlog-peers-").tempdir_in(&options.dir)?;
    let machine = machine::describe(dir.path());
    if machine.contains("tmpfs") {
        eprintln!("what waits for the disk does not wait here: --dir names a directory on a real one");
    }
    let mut lines = Vec::new();
    let mut failed = false;
    for (name, measure) in GROUPS.into_iter().filter(|(name, _)| options.wants(name)) {
        eprintln!("{name} ...");
        // What an earlier group left to be written is not this one's to wait for.
        rustix::fs::sync();
        let start = Instant::now();
        let place = tempfile::tempdir_in(dir.path())?;
        match measure(&options, place.path()) {
            Ok(measured) => lines.extend(measured),
            Err(error) => {
                eprintln!("{name}: {error}");
                failed = true;
            }
        }
        eprintln!("{name} took {:.0} s", start.elapsed().as_secs_f64());
    }
    println!("machine: {machine}\n");
    println!("{}", table::render(&lines));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
