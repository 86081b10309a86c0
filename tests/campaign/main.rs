//! The campaign: everything that is done to foldlog to see whether it loses something, as one command and one table.
//!
//! `cargo test` runs a short slice of the parts that need Rust alone, and `cargo test --test campaign -- --system` one of the
//! others. `cargo test --release --test campaign -- --full` runs every part to the count
//! that `docs/RELIABILITY.md` states, `--minutes 30` as far as that time reaches, `--count 1000000 simulated` one part so
//! many times. `--list` names the parts. Whatever fails says how to repeat it, with its seed.
//!
//! A part that needs something that this machine lacks (root, loop devices, `strace`) fails and says what; `--skip` leaves it
//! out.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_debug_implementations,
    unreachable_pub,
    reason = "tests stop at the first surprise, and print what they measured"
)]

#[path = "../it/memory.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod memory;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod support;

#[path = "../it/cursor_laws.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod cursor_laws;
#[path = "../it/transcripts.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod transcripts;

mod bits;
mod cursors;
#[path = "../it/forge.rs"]
#[allow(dead_code, reason = "shared with the other tests, which need all of it")]
mod forge;
mod fuzz;
#[path = "../fuzz/src/targets/mod.rs"]
mod fuzz_targets;
mod hostile;
mod part;
mod real;
mod simulator;
mod table;

use clap::Parser;
use part::{Part, Scope};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// In the order in which they run.
const PARTS: &[Part] = &[
    bits::FLIPS,
    bits::TRUNCATIONS,
    fuzz::LINES,
    fuzz::RECOVERY,
    fuzz::FOLD,
    fuzz::RECORD,
    fuzz::FOLLOW,
    fuzz::IMPORT,
    fuzz::DOCTOR,
    fuzz::COMPACT,
    real::kills::CALLS,
    real::kills::RANDOM,
    real::conditions::CONDITIONS,
    real::errors::INJECTED,
    real::cuts::EXT4,
    real::cuts::XFS,
    real::disks::FAILING_SYNC,
    real::disks::FULL_DISK,
    real::disks::ABORTED,
    simulator::SIMULATED,
    simulator::SYNC_FAILURES,
    simulator::EXHAUSTIVE,
    simulator::SAME_SEED,
    simulator::TAKEN,
    cursors::RESTORED,
    hostile::HOSTILE,
    simulator::CANARIES,
];

#[derive(Debug, Parser)]
#[command(about = "Does to foldlog what disks, kernels and people do, and counts what is lost")]
struct Args {
    /// The parts whose names contain one of these; all if none is given
    parts: Vec<String>,
    /// Run every part to its full count
    #[arg(long, conflicts_with_all = ["count", "minutes"])]
    full: bool,
    /// Run every part so many times
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Run for about this long, shared out equally among the parts
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Where the dice start
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Run the parts that need more than Rust: root, loop devices, strace and others
    #[arg(long)]
    system: bool,
    /// Leave out the parts whose names contain this
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,
    /// Name the parts and end
    #[arg(long)]
    list: bool,
    /// What `cargo test` passes on to every test binary means nothing here
    #[command(flatten)]
    ignored: Ignored,
}

#[derive(Debug, clap::Args)]
struct Ignored {
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    no_capture: bool,
    #[arg(long, hide = true)]
    show_output: bool,
    #[arg(long, hide = true)]
    include_ignored: bool,
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
}

impl Args {
    /// Whether parts were asked for, whatever they need.
    fn chooses_all(&self) -> bool {
        !self.system && (self.full || self.count.is_some() || self.minutes.is_some() || !self.parts.is_empty())
    }
}

fn main() -> ExitCode {
    if real::child::ran() {
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let is_chosen = args.chooses_all();
    let chosen: Vec<&Part> = PARTS
        .iter()
        .filter(|part| is_chosen || args.list || part.needs_system == args.system)
        .filter(|part| args.parts.is_empty() || args.parts.iter().any(|name| part.name.contains(name.as_str())))
        .filter(|part| !args.skip.iter().any(|name| part.name.contains(name.as_str())))
        .collect();
    if args.list {
        chosen.iter().for_each(|part| println!("{}: {}", part.name, part.what));
        return ExitCode::SUCCESS;
    }
    let share = args.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0 / chosen.len().max(1) as f64));
    let mut table = table::Table::default();
    for part in chosen {
        let count = match (args.count, share) {
            (Some(count), _) => count,
            (None, Some(_)) => u64::MAX,
            (None, None) if args.full => part.full,
            (None, None) => part.slice,
        };
        let deadline = share.map(|share| Instant::now() + share);
        table.run(part, &Scope::new(args.seed, count, deadline));
    }
    print!("{table}");
    if !is_chosen && !args.system {
        println!("Parts that need more than Rust were left out: `cargo test --test campaign -- --system`");
    }
    if table.all_held() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
