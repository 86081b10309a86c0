//! What each operation costs as a journal grows a thousandfold, and `ls` as sessions do; each in a process of its own.
//!
//! Lines are small here, so that ten million events fit any disk: results are cut to 200 bytes. With `--plots DIR` the
//! points are left there as `growth.csv` and `growth.svg`.

use crate::lab::{SEED, push};
use crate::plot::{self, Curve};
use crate::table::{Case, Goal, Line, Plan, Sample, median};
use crate::workload::{self, Shape, Step};
use crate::{Options, Result, child, process};
use foldlog::{Durability, JournalOptions, Store, SummaryFold};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SESSION: &str = "growing";
/// In this order: compaction changes the journal.
const OPERATIONS: [&str; 5] = ["replay", "summary", "verify", "open", "compact"];
/// Cutting results keeps lines small.
const RESULT: usize = 200;
/// Operations on more events than this are measured once.
const LARGE: usize = 100_000;

/// What an operation took on something of a size.
struct Point {
    operation: &'static str,
    size: usize,
    seconds: f64,
    peak_mb: f64,
    /// What of the peak was gone when the operation had ended.
    passing_mb: f64,
}

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let mut points = Vec::new();
    for events in options.scaled(&[10_000, 100_000, 1_000_000, 10_000_000][..], &[2_000, 20_000]) {
        eprintln!("growth: {events} events");
        let root = tempfile::tempdir_in(dir)?;
        record(root.path(), *events)?;
        for operation in OPERATIONS {
            let once = *events > LARGE || operation == "compact";
            points.push(point(operation, root.path(), *events, if once { 1 } else { options.rounds(3) })?);
        }
    }
    for sessions in options.scaled(&[1, 10, 100, 1000, 10_000][..], &[1, 10, 100]) {
        eprintln!("growth: {sessions} sessions");
        let root = tempfile::tempdir_in(dir)?;
        record_sessions(root.path(), *sessions)?;
        points.push(point("ls", root.path(), *sessions, options.rounds(3))?);
    }
    if let Some(place) = &options.plots {
        draw(&points, place)?;
    }
    lines(&points)
}

fn point(operation: &'static str, root: &Path, size: usize, rounds: usize) -> Result<Point> {
    let (mut seconds, mut peaks, mut passing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let [time, peak, end] = child::figures("grow", &[&operation, &root])?;
        seconds.push(time);
        peaks.push(peak / 1024.0);
        passing.push((peak - end) / 1024.0);
    }
    let [seconds, peak_mb, passing_mb] = [seconds, peaks, passing].map(|values| median(&values));
    Ok(Point { operation, size, seconds, peak_mb, passing_mb })
}

/// Turns whose ids never come again, with small results.
fn record(root: &Path, events: usize) -> Result<()> {
    let options = JournalOptions::default().durability(Durability::Written);
    let journal = Store::open(root)?.journal_with(SESSION, options)?;
    let steps = workload::steps(Shape::Streamed, events.min(20_000), SEED);
    for at in 0..events {
        let mut step = steps[at % steps.len()].clone();
        let (Step::TurnStarted { turn, .. }
        | Step::Text { turn, .. }
        | Step::CallStarted { turn, .. }
        | Step::CallEnded { turn, .. }
        | Step::TurnEnded { turn, .. }) = &mut step;
        turn.push_str(&format!("-{}", at / steps.len()));
        if let Step::CallEnded { result, .. } = &mut step {
            result.truncate(result.floor_char_boundary(RESULT));
        }
        push(&journal, step.event())?;
    }
    Ok(journal.close().wait()?)
}

fn record_sessions(root: &Path, sessions: usize) -> Result<()> {
    let store = Store::open(root)?;
    let steps = workload::steps(Shape::Streamed, 20, SEED);
    for number in 0..sessions {
        let options = JournalOptions::default().durability(Durability::Written);
        let journal = store.journal_with(format!("s-{number}"), options)?;
        steps.iter().try_for_each(|step| push(&journal, step.event()))?;
    }
    Ok(())
}

/// The process that is measured: how many seconds an operation took, the most memory there has been, and what is left.
pub(crate) fn answer(mut args: impl Iterator<Item = String>) -> Result<()> {
    let operation = child::next(&mut args)?;
    let store = Store::open(PathBuf::from(child::next(&mut args)?))?;
    let start = Instant::now();
    match operation.as_str() {
        "replay" => std::mem::forget(store.reader(SESSION)?.fold()?), // its end is not what is measured
        "summary" => drop(black_box(store.reader(SESSION)?.reduce(SummaryFold::new())?)),
        "verify" => drop(black_box(store.reader(SESSION)?.verify()?)),
        "open" => drop(black_box(store.journal(SESSION)?)),
        "compact" => drop(store.compact(SESSION)?),
        "ls" => {
            for id in store.session_ids()? {
                black_box(store.reader(id.as_str())?.glance()?);
            }
        }
        _ => return Err(format!("no operation `{operation}`").into()),
    }
    child::tell(&format!("{} {} {}", start.elapsed().as_secs_f64(), process::peak()?, process::resident()?))
}

fn lines(points: &[Point]) -> Result<Vec<Line>> {
    let mut plan = Plan::default();
    let mut case = |figure: f64| -> Case { plan.case(move || Ok(Sample::of(figure))) };
    let mut rows = Vec::new();
    for operation in OPERATIONS.into_iter().chain(["ls"]) {
        let of_it: Vec<&Point> = points.iter().filter(|point| point.operation == operation).collect();
        // The first is too small to tell: starting takes a part of its time.
        let (Some(first), Some(last)) = (of_it.get(of_it.len() / 2 - 1), of_it.last()) else { continue };
        let each = |point: &Point| point.seconds * 1e9 / point.size as f64;
        let (time, memory) = ((case(each(last)), case(each(first))), (case(last.peak_mb), case(first.peak_mb)));
        let (total, passing) = (case(last.seconds * 1e3), case(last.passing_mb));
        rows.push((operation, (first.size, last.size), time, memory, total, passing));
    }
    for (operation, (small, large), time, memory, total, passing) in rows {
        let what = if operation == "ls" { "sessions" } else { "events" };
        let name = format!("{operation}, {large} {what}");
        let before = format!("with {small}");
        if operation == "open" {
            plan.row(format!("{name}: time"), "ms", total).goal(Goal::AtMost(50.0));
        } else {
            plan.row(format!("{name}: time of each"), "ns", time.0).peer(&before, time.1, Some(Goal::AtMost(1.25)));
        }
        if operation == "replay" {
            // A record grows with what it records.
            plan.row(format!("{name}: memory beside the record"), "MB", passing).goal(Goal::AtMost(8.0));
        } else {
            let flat = Some(Goal::AtMost(1.25));
            plan.row(format!("{name}: peak memory"), "MB", memory.0).peer(&before, memory.1, flat);
        }
    }
    plan.run(1)?;
    Ok(plan.lines())
}

fn draw(points: &[Point], place: &Path) -> Result<()> {
    let mut csv = String::from("operation,size,seconds,peak_mb\n");
    for point in points {
        csv.push_str(&format!("{},{},{:.6},{:.1}\n", point.operation, point.size, point.seconds, point.peak_mb));
    }
    std::fs::write(place.join("growth.csv"), csv)?;
    let curves = |figure: fn(&Point) -> f64| -> Vec<Curve> {
        let of = |operation: &&'static str| {
            let points = points.iter().filter(|point| point.operation == *operation);
            Curve { name: operation, points: points.map(|point| (point.size as f64, figure(point))).collect() }
        };
        OPERATIONS.iter().chain(&["ls"]).map(of).collect()
    };
    let panels = [
        ("seconds, by events (ls: by sessions)", curves(|point| point.seconds)),
        ("peak memory of the process, MB", curves(|point| point.peak_mb)),
    ];
    Ok(std::fs::write(place.join("growth.svg"), plot::draw(&panels))?)
}
