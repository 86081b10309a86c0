//! Compaction: how fast, with how much memory, and what a writer beside it has to wait.
//!
//! The journal is one whose turns end with all their text, as most agents' do: its streaming goes, the rest stays.

use crate::lab::{SEED, push};
use crate::lines::BLOCK;
use crate::table::{Goal, Line, Plan, Sample, share};
use crate::workload::{self, Shape, Step};
use crate::{BYTES, Options, Result, child, disk, process};
use foldlog::{SessionId, Store};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SESSION: &str = "compacted";

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let given = dir.join("given");
    let mut steps = workload::steps(Shape::Streamed, options.scaled(200_000, 10_000), SEED);
    end_with_all_text(&mut steps);
    let journal = Store::open(&given)?.journal(SESSION)?;
    steps.iter().try_for_each(|step| push(&journal, step.event()))?;
    journal.close().wait()?;
    drop(journal);

    let mut plan = Plan::default();
    let copying = plan.case(|| copy(&given, dir).map(|(_, sample)| sample));
    let compacting = plan.case(|| {
        let (root, _) = copy(&given, dir)?;
        let [bytes, seconds, peak] = child::figures("compact", &[&root.path()])?;
        Ok(Sample::of(bytes / 1e6 / seconds).and(peak / 1024.0))
    });
    let waiting = plan.case(|| beside_a_writer(&given, dir, options.window()));
    plan.row("compaction", BYTES, compacting).goal(Goal::AtLeast(300.0)).limit(
        "1 MB reads, writes, one fdatasync a file",
        copying,
        None,
    );
    plan.row("compaction: peak memory of its process", "MB", compacting.figure(1)).goal(Goal::AtMost(32.0));
    plan.row("a durable append beside a compaction, p99", "us", waiting).peer("without one", waiting.figure(1), None);
    plan.row("the same: what compaction adds to the p99", "us", waiting.figure(2)).goal(Goal::AtMost(1000.0));
    plan.row("the call of `append` beside a compaction, p99", "us", waiting.figure(3)).goal(Goal::AtMost(1000.0));
    plan.run(options.rounds(3))?;
    Ok(plan.lines())
}

fn end_with_all_text(steps: &mut [Step]) {
    let mut all = String::new();
    for step in steps {
        match step {
            Step::TurnStarted { .. } => all.clear(),
            Step::Text { text, .. } => all.push_str(text),
            Step::TurnEnded { response, .. } => *response = Some(std::mem::take(&mut all)),
            _ => {}
        }
    }
}

/// A copy of the store, and how fast it was made.
fn copy(given: &Path, dir: &Path) -> Result<(tempfile::TempDir, Sample)> {
    let root = tempfile::tempdir_in(dir)?;
    let path = |root: &Path| Ok::<_, crate::Error>(Store::open(root)?.path_of(&SessionId::new(SESSION)?));
    let (from, to) = (path(given)?, path(root.path())?);
    std::fs::create_dir_all(&to)?;
    let (mut block, mut bytes, start) = (vec![0; BLOCK], 0, Instant::now());
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let (mut source, mut target) = (File::open(entry.path())?, File::create(to.join(entry.file_name()))?);
        loop {
            let count = source.read(&mut block)?;
            if count == 0 {
                break;
            }
            target.write_all(&block[..count])?;
            bytes += count;
        }
        target.sync_data()?;
    }
    Ok((root, Sample::rate(bytes as f64 / 1e6, start.elapsed())))
}

/// The process that compacts: how many bytes, in how many seconds, with how much memory.
pub(crate) fn answer(mut args: impl Iterator<Item = String>) -> Result<()> {
    let store = Store::open(PathBuf::from(child::next(&mut args)?))?;
    let mut bytes = 0;
    for segment in disk::segments(&store.path_of(&SessionId::new(SESSION)?))? {
        bytes += std::fs::metadata(segment)?.len();
    }
    let start = Instant::now();
    store.compact(SESSION)?;
    child::tell(&format!("{bytes} {} {}", start.elapsed().as_secs_f64(), process::peak()?))
}

/// A writer of the same session, one task that waits for every event: its 99th percentile beside a compaction and alone,
/// their difference, and that of its calls beside the compaction, in microseconds.
fn beside_a_writer(given: &Path, dir: &Path, alone: Duration) -> Result<Sample> {
    let (root, _) = copy(given, dir)?;
    let store = Store::open(root.path())?;
    let journal = store.journal(SESSION)?;
    let steps = workload::steps(Shape::Streamed, 10_000, SEED + 1);
    let append = |go_on: &dyn Fn() -> bool| {
        let (mut whole, mut calls) = (Vec::new(), Vec::new());
        for step in steps.iter().cycle() {
            let start = Instant::now();
            let ticket = journal.append(step.event())?;
            calls.push(start.elapsed().as_secs_f64() * 1e6);
            ticket.wait()?;
            whole.push(start.elapsed().as_secs_f64() * 1e6);
            if !go_on() {
                break;
            }
        }
        Ok::<_, crate::Error>((share(&whole, 99), share(&calls, 99)))
    };
    let end = Instant::now() + alone;
    let (without, _) = append(&|| Instant::now() < end)?;
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| store.compact(SESSION));
        let (with, calls) = append(&|| !compacting.is_finished())?;
        compacting.join().map_err(|_| "compaction has panicked")??;
        Ok(Sample::of(with).and(without).and(with - without).and(calls))
    })
}
