//! What one `append` costs its caller, event by event, while another thread keeps the disk busy.
//!
//! Times hold two looks at the clock, some 50 ns, on both sides.

use crate::lab::{Lab, line};
use crate::table::{Goal, Line, Plan, Sample, share};
use crate::workload::{Shape, Step};
use crate::{Options, Result};
use foldlog::{JournalOptions, TextDelta};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many events come at once, and the pause after them: some hundred thousand a second.
const BURST: usize = 16;
const PAUSE: Duration = Duration::from_micros(100);

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let lab = Lab::new(dir, Shape::Streamed, options.scaled(20_000, 3000), options.window())?;
    let mut plan = Plan::default();
    let serialise = plan.case(|| {
        let mut out = Vec::with_capacity(1 << 20);
        each(&lab, |at| {
            let step = &lab.steps[at];
            let start = Instant::now();
            line(at as u64 + 1, step.type_name(), step, &mut out)?;
            Ok(start.elapsed())
        })
    });
    let append = plan.case(|| while_syncing(&lab));
    plan.row("cost of one `append` to its caller, p50", "us", append).limit(
        "serialising the event, p50",
        serialise,
        Some(Goal::AtMost(1.5)),
    );
    plan.row("cost of one `append`, p99, while a batch syncs", "us", append.figure(1)).goal(Goal::AtMost(20.0)).limit(
        "serialising the event, p99",
        serialise.figure(1),
        None,
    );
    plan.row("the same, text deltas only", "us", append.figure(2)).goal(Goal::AtMost(20.0)).limit(
        "serialising the event, p99",
        serialise.figure(2),
        None,
    );
    plan.run(options.rounds(7))?;
    Ok(plan.lines())
}

/// The median and the 99th percentile of all events, and the latter of text deltas, in microseconds.
fn each(lab: &Lab, mut time: impl FnMut(usize) -> Result<Duration>) -> Result<Sample> {
    let (mut times, mut deltas) = (Vec::with_capacity(lab.steps.len()), Vec::new());
    for (at, step) in lab.steps.iter().enumerate() {
        let time = time(at)?.as_secs_f64() * 1e6;
        times.push(time);
        if let Step::Text { .. } = step {
            deltas.push(time);
        }
        if at % BURST == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Sample::of(share(&times, 50)).and(share(&times, 99)).and(share(&deltas, 99)))
}

fn while_syncing(lab: &Lab) -> Result<Sample> {
    lab.with_journal(JournalOptions::default(), |journal| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let syncing = scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    journal.append(TextDelta::new("t-0", "again"))?.wait()?;
                }
                Ok::<_, crate::Error>(())
            });
            let sample = each(lab, |at| {
                let start = Instant::now();
                let ticket = journal.append(lab.steps[at].event())?;
                let time = start.elapsed();
                drop(ticket); // nobody waits for these
                Ok(time)
            });
            stop.store(true, Ordering::Release);
            syncing.join().map_err(|_| "a thread has panicked")??;
            sample
        })
    })
}
