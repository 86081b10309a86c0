//! How fast a follower gets through what is there already, from the page cache.

use super::{SESSION, runtime, segment};
use crate::lab::{SEED, push};
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::{self, Shape};
use crate::{BYTES, Options, Result, lines};
use foldlog::{Cursor, Durability, Item, JournalOptions, Store};
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is caught up with: one segment, so that all read the same file.
struct Given {
    store: Store,
    segment: PathBuf,
    lines: u64,
}

impl Given {
    fn read(&self, name: &str, read: Read) -> Result<Sample> {
        let bytes = std::fs::metadata(&self.segment)?.len() as f64 / 1e6;
        let start = Instant::now();
        let lines = read(self)?;
        let sample = Sample::rate(bytes, start.elapsed());
        // The header is a line, and no entry.
        match lines == self.lines || lines + 1 == self.lines {
            true => Ok(sample),
            false => Err(format!("{name}: {lines} lines instead of {}", self.lines).into()),
        }
    }
}

type Read = fn(&Given) -> Result<u64>;

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let given = generate(options.scaled(300, 20), dir)?;
    let mut plan = Plan::default();
    let mut case = |name: &'static str, read: Read| {
        plan.case({
            let given = &given;
            move || given.read(name, read)
        })
    };
    let split = case("memchr", |given| plainly(given, |_| ()));
    let checked = case("crc32", |given| plainly(given, |line| lines::checksum(line)));
    let kept = case("String", |given| {
        plainly(given, |line| {
            lines::checksum(line);
            drop(black_box(std::str::from_utf8(line).map(str::to_owned)));
        })
    });
    let ours = case("foldlog", blocking);
    let asynchronous = case("foldlog", asynchronously);
    let reader = case("foldlog", items);
    let tail = case("tail", tail);
    let linemux = case("linemux", linemux);
    for (name, ours) in [("blocking", ours), ("async", asynchronous)] {
        plan.row(format!("catch-up, `Store::follow`, {name}"), BYTES, ours)
            .limit("1 MB reads + memchr", split, Some(Goal::AtLeast(0.8)))
            .peer("GNU `tail -n +1`, pipe", tail, Some(Goal::AtLeast(3.5)))
            .peer("linemux", linemux, Some(Goal::AtLeast(20.0)));
    }
    plan.row("the same, `Reader::items`", BYTES, reader)
        .limit("1 MB reads + memchr", split, None)
        .limit("the same + crc32 a line", checked, None)
        .limit("the same + UTF-8 + a `String` a line", kept, None);
    plan.run(options.rounds(5))?;
    Ok(plan.lines())
}

fn generate(megabytes: u64, dir: &Path) -> Result<Given> {
    let store = Store::open(dir.join("catch-up"))?;
    let steps = workload::steps(Shape::Streamed, 60_000, SEED);
    let options = JournalOptions::default().durability(Durability::Written).segment_bytes(u64::MAX);
    let journal = store.journal_with(SESSION, options)?;
    journal.append(steps[0].event())?.wait()?;
    let segment = segment(&store)?;
    for (at, step) in steps.iter().cycle().enumerate() {
        push(&journal, step.event())?;
        if at % 1000 == 0 && std::fs::metadata(&segment)?.len() >= megabytes * 1_000_000 {
            break;
        }
    }
    journal.close().wait()?;
    let mut given = Given { store, segment, lines: 0 };
    given.lines = plainly(&given, |_| ())?;
    Ok(given)
}

fn plainly(given: &Given, each: impl FnMut(&mut [u8])) -> Result<u64> {
    lines::split(File::open(&given.segment)?, each)
}

/// Counts an entry; `true` when there are no more.
fn count(item: Item<'_>, lines: &mut u64) -> Result<bool> {
    match item {
        Item::Entry(entry) => {
            black_box(entry.line());
            *lines += 1;
            Ok(false)
        }
        Item::CaughtUp => Ok(true),
        other => Err(format!("{other:?}").into()),
    }
}

fn blocking(given: &Given) -> Result<u64> {
    let mut follower = given.store.follow(SESSION, Cursor::start())?;
    let mut lines = 0;
    while let Some(item) = follower.next_timeout(std::time::Duration::from_secs(10)) {
        if count(item?, &mut lines)? {
            return Ok(lines);
        }
    }
    Err("nothing has come for ten seconds".into())
}

fn asynchronously(given: &Given) -> Result<u64> {
    runtime()?.block_on(async {
        let mut follower = given.store.follow(SESSION, Cursor::start())?;
        let mut lines = 0;
        while let Some(item) = follower.next().await {
            if count(item?, &mut lines)? {
                break;
            }
        }
        Ok(lines)
    })
}

fn items(given: &Given) -> Result<u64> {
    let mut items = given.store.reader(SESSION)?.items()?;
    let mut lines = 0;
    while let Some(item) = items.next()? {
        count(item, &mut lines)?;
    }
    Ok(lines)
}

fn tail(given: &Given) -> Result<u64> {
    let mut tail = Command::new("tail").args(["-n", "+1"]).arg(&given.segment).stdout(Stdio::piped()).spawn()?;
    let lines = lines::split(tail.stdout.take().ok_or("no pipe")?, |_| ());
    tail.wait()?;
    lines
}

fn linemux(given: &Given) -> Result<u64> {
    runtime()?.block_on(async {
        let mut lines = linemux::MuxedLines::new()?;
        lines.add_file_from_start(&given.segment).await?;
        for _ in 0..given.lines {
            black_box(lines.next_line().await?);
        }
        Ok(given.lines)
    })
}
