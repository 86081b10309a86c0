//! How long a line takes from its writer to whoever follows, at 100 events a second.
//!
//! The writer is a foldlog journal (`push`, level `Written`), in another process unless the row says otherwise, and the
//! same one for all rows. Its storage notes the time right before each `write(2)`; the follower notes the time when it
//! has the whole line, or the whole entry, in its hands. Both times are of one clock of the machine.

use super::readers::{self, Course};
use super::stamped::{Stamp, Stamped, now};
use super::{SESSION, runtime, segment};
use crate::child::{self, tell};
use crate::lab::{SEED, push};
use crate::table::{Case, Goal, Line, Plan, Sample, share};
use crate::workload::{self, Shape};
use crate::{Options, Result};
use foldlog::{Cursor, Durability, Item, Journal, JournalOptions, Store};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

/// How long a follower is given to settle down before the first event. The programs do not say when they are ready.
const SETTLE: Duration = Duration::from_millis(150);

type Follow = fn(&Path, &Course<'_>) -> Result<Vec<Stamp>>;

const PEERS: [(&str, Follow); 5] = [
    ("raw inotify + read, tokio `AsyncFd`", readers::inotify_async),
    ("notify crate + read", readers::notify_crate),
    ("GNU `tail -f`, pipe", readers::tail),
    ("linemux", readers::linemux),
    ("a look every 10 ms + read", readers::polling),
];

const OURS: [(&str, Option<Follow>); 4] = [
    ("`Store::follow`, blocking", Some(foldlog_blocking)),
    ("`Journal::follow`, same process", None),
    ("`Store::follow`, async", Some(foldlog_async)),
    ("`Store::follow_all`, blocking", Some(foldlog_all)),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let events = options.scaled(150, 30);
    let mut plan = Plan::default();
    let mut case = |name: &'static str, follow: Option<Follow>| -> Case {
        let round = Cell::new(0);
        plan.case(move || {
            let root = tempfile::tempdir_in(dir)?;
            let (written, arrived) = match follow {
                Some(follow) => beside_another_process(root.path(), events, round.get(), follow)?,
                None => in_one_process(root.path(), events, round.get())?,
            };
            round.set(round.get() + 1);
            let times = differences(&written, &arrived, events).map_err(|error| format!("{name}: {error}"))?;
            Ok(Sample::of(share(&times, 50)).and(share(&times, 99)))
        })
    };
    let limit = case("raw inotify", Some(readers::inotify_blocking));
    let ours = OURS.map(|(name, follow)| (name, case(name, follow)));
    let peers = PEERS.map(|(name, follow)| (name, case(name, Some(follow))));
    for (at, (name, ours)) in ours.into_iter().enumerate() {
        let row = plan.row(format!("follower at 100 events/s, {name}, p50"), "us", ours);
        row.limit("raw inotify + read, blocking thread", limit, Some(Goal::AtMost(2.0)));
        // Once is enough for those who stay the same.
        for (name, peer) in peers.iter().filter(|_| at == 0) {
            row.peer(*name, *peer, None);
        }
        plan.row(format!("follower at 100 events/s, {name}, p99"), "us", ours.figure(1))
            .goal(Goal::AtMost(400.0))
            .limit("raw inotify + read, blocking thread", limit.figure(1), None);
    }
    plan.run(options.rounds(3))?;
    Ok(plan.lines())
}

/// Microseconds from being written to being had.
fn differences(written: &[Stamp], arrived: &[Stamp], events: usize) -> Result<Vec<f64>> {
    let written: HashMap<u64, u64> = written.iter().copied().collect();
    let times = arrived.iter().filter_map(|(seq, at)| Some(at.saturating_sub(*written.get(seq)?) as f64 / 1e3));
    let times: Vec<f64> = times.collect();
    match times.len() == events {
        true => Ok(times),
        false => Err(format!("{} of {events} lines have come", times.len()).into()),
    }
}

fn beside_another_process(
    root: &Path,
    events: usize,
    round: usize,
    follow: Follow,
) -> Result<(Vec<Stamp>, Vec<Stamp>)> {
    let mut child = child::command("write")?
        .arg(root)
        .args([events, round].map(|number| number.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = Mutex::new(child.stdin.take().ok_or("no pipe")?);
    let mut told = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let first: u64 = told.next().ok_or("the writer says nothing")??.parse()?;
    let ready = || {
        std::thread::sleep(SETTLE);
        Ok(stdin.lock().map_err(|_| "a panic elsewhere")?.write_all(b"go\n")?)
    };
    let arrived = follow(&segment(&Store::open(root)?)?, &Course { last: first + events as u64, ready: &ready })?;
    let mut written = Vec::new();
    for line in told {
        let line = line?;
        let (seq, at) = line.split_once(' ').ok_or("no stamp")?;
        let seq: u64 = seq.parse()?;
        if seq > first {
            written.push((seq, at.parse()?));
        }
    }
    child.wait()?;
    Ok((written, arrived))
}

/// The writer in another process: opens, waits for the word, writes, and tells when it wrote what.
pub(crate) fn write_for_parent(mut args: impl Iterator<Item = String>) -> Result<()> {
    let root = PathBuf::from(child::next(&mut args)?);
    let (events, round) = (child::next(&mut args)?.parse()?, child::next(&mut args)?.parse()?);
    let (journal, stamped) = journal(&root)?;
    tell(&journal.last_seq().to_string())?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    write(&journal, events, round)?;
    let told: Vec<String> = stamped.stamps().iter().map(|(seq, at)| format!("{seq} {at}")).collect();
    tell(&told.join("\n"))
}

fn in_one_process(root: &Path, events: usize, round: usize) -> Result<(Vec<Stamp>, Vec<Stamp>)> {
    let (journal, stamped) = journal(root)?;
    let first = journal.last_seq().get();
    let mut follower = journal.follow(Cursor::end(), Durability::Written)?;
    let arrived = std::thread::scope(|scope| {
        let following = scope.spawn(move || {
            let take = |timeout| follower.next_timeout(timeout).transpose();
            until(take, first + events as u64, &|| Ok(()))
        });
        std::thread::sleep(SETTLE);
        write(&journal, events, round)?;
        following.join().map_err(|_| "the follower has panicked")?
    })?;
    Ok((stamped.stamps().into_iter().filter(|(seq, _)| *seq > first).collect(), arrived))
}

fn journal(root: &Path) -> Result<(Journal, Stamped)> {
    let stamped = Stamped::default();
    let options = JournalOptions::default().durability(Durability::Written);
    let journal = Store::open_on(stamped.clone(), root)?.journal_with(SESSION, options)?;
    // The first event makes the segment, which no steady state does.
    journal.append(workload::steps(Shape::Streamed, 1, SEED)[0].event())?.wait()?;
    Ok((journal, stamped))
}

/// Pauses of 5 to 15 ms, so that nobody who looks every 10 ms falls into step.
fn write(journal: &Journal, events: usize, round: usize) -> Result<()> {
    let mut random = SEED + round as u64;
    for step in workload::steps(Shape::Streamed, events + 1, SEED + round as u64).iter().skip(1) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(5_000 + (random >> 33) % 10_000));
        push(journal, step.event())?;
    }
    journal.sync()?.wait()?;
    Ok(())
}

/// The store's root, from the path of a segment.
fn store_of(segment: &Path) -> Result<Store> {
    let root = segment.parent().and_then(Path::parent).ok_or("no root")?;
    Ok(Store::open(root)?)
}

/// Takes items until an entry has come; says that it is ready when it has caught up.
fn until(
    mut take: impl FnMut(Duration) -> foldlog::Result<Option<Item<'static>>>,
    last: u64,
    ready: &dyn Fn() -> Result<()>,
) -> Result<Vec<Stamp>> {
    let (mut arrived, mut caught_up) = (Vec::new(), false);
    loop {
        match take(Duration::from_secs(10))? {
            Some(Item::Entry(entry)) => {
                arrived.push((entry.seq().get(), now()));
                if entry.seq().get() >= last {
                    return Ok(arrived);
                }
            }
            Some(Item::CaughtUp) if !caught_up => {
                caught_up = true;
                ready()?;
            }
            Some(Item::Gap(gap)) => return Err(format!("a gap: {gap}").into()),
            Some(_) => {}
            None => return Err("nothing has come for ten seconds".into()),
        }
    }
}

fn foldlog_blocking(segment: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let mut follower = store_of(segment)?.follow(SESSION, Cursor::end())?;
    until(|timeout| follower.next_timeout(timeout).transpose(), course.last, course.ready)
}

fn foldlog_all(segment: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let mut follower = store_of(segment)?.follow_all(Cursor::end())?;
    let take = |timeout| Ok(follower.next_timeout(timeout).transpose()?.map(|(_, item)| item));
    until(take, course.last, course.ready)
}

fn foldlog_async(segment: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let runtime = runtime()?;
    let mut follower = store_of(segment)?.follow(SESSION, Cursor::end())?;
    runtime.block_on(async {
        let mut arrived = Vec::new();
        let mut caught_up = false;
        while let Some(item) = follower.next().await {
            match item? {
                Item::Entry(entry) => {
                    arrived.push((entry.seq().get(), now()));
                    if entry.seq().get() >= course.last {
                        break;
                    }
                }
                Item::CaughtUp if !std::mem::replace(&mut caught_up, true) => (course.ready)()?,
                Item::Gap(gap) => return Err(format!("a gap: {gap}").into()),
                _ => {}
            }
        }
        Ok(arrived)
    })
}
