//! The rows: what foldlog does, what it is held against, and how far it may fall behind.

use crate::workload::{self, Shape, Step};
use crate::{Result, transcript};
use foldlog::{
    Cursor, Draft, Durability, ErrorKind, Importer, Item, Journal, JournalOptions, Reader, Source, SourceName, Store,
    TextDelta,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many events a row's work is made of.
pub(crate) const EVENTS: usize = 2000;
const SEED: u64 = 0x00F0_1D10;
/// `,"crc":"9f3a61c2"}` and the line break.
const CHECKSUM: usize = 19;
/// Longer than any run: nothing is synced behind its back.
const NEVER: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Foldlog,
    Yardstick,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Foldlog => "foldlog",
            Side::Yardstick => "yardstick",
        }
    }
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) yardstick: &'static str,
    /// The least ratio: a twentieth below what was measured. Runs differ by a thousandth; those of `append` by a fiftieth,
    /// since its threads meet by chance, so it has a little more room.
    pub(crate) floor: f64,
    /// Does one side's work so many times over.
    pub(crate) run: fn(Side, u32, &Path) -> Result<()>,
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "append", yardstick: "serialise the same texts", floor: 1.0, run: append },
    Row { name: "verify", yardstick: "memchr and crc32fast", floor: 0.1, run: verify },
    Row { name: "read", yardstick: "serde_json, data raw", floor: 3.75, run: read },
    Row { name: "fold", yardstick: "serde_json, data typed", floor: 1.61, run: fold },
    Row { name: "follow", yardstick: "read", floor: 0.855, run: follow },
    Row { name: "compact", yardstick: "verify", floor: 0.4, run: compact },
    Row { name: "import", yardstick: "serde_json, a tree", floor: 0.428, run: import },
];

/// Records what the rows read.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    let steps = steps();
    let store = Store::open(dir.join("store"))?;
    // A compaction changes its session: each has one of its own.
    for name in ["s", "c-1-1", "c-3-1", "c-3-2", "c-3-3"] {
        let journal = store.journal(name)?;
        push_all(&journal, &steps)?;
        journal.close().wait()?;
    }
    Ok(std::fs::write(dir.join("transcript.jsonl"), transcript::of(&steps)?)?)
}

fn steps() -> Vec<Step> {
    workload::steps(Shape::Streamed, EVENTS, SEED)
}

fn reader(dir: &Path, session: &str) -> Result<Reader> {
    Ok(Store::open(dir.join("store"))?.reader(session)?.threads(1))
}

/// The lines of the session that the rows read.
fn recorded(dir: &Path) -> Result<Vec<u8>> {
    let session = dir.join("store").join("s");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(session)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    Ok(paths.iter().map(std::fs::read).collect::<std::io::Result<Vec<_>>>()?.concat())
}

fn append(side: Side, times: u32, dir: &Path) -> Result<()> {
    let steps = steps();
    if side == Side::Yardstick {
        let mut out = Vec::with_capacity(1 << 20);
        for _ in 0..times {
            for (seq, step) in (1..).zip(&steps) {
                out.clear();
                let time = "2026-01-31T23:59:59.123456Z";
                serde_json::to_writer(
                    &mut out,
                    &Line { seq, synced: seq, time, r#type: step.type_name(), data: step },
                )?;
                black_box(out.as_slice());
            }
        }
        return Ok(());
    }
    let options = JournalOptions::default().durability(Durability::Written).sync_interval(NEVER);
    let journal = Store::open(dir.join(format!("append-{times}")))?.journal_with("s", options)?;
    for _ in 0..times {
        push_all(&journal, &steps)?;
        // Events are written in order: when one more is written, all are.
        journal.append(TextDelta::new("t-last", ""))?.wait()?;
    }
    Ok(())
}

fn push_all(journal: &Journal, steps: &[Step]) -> Result<()> {
    for step in steps {
        let mut next = Some(Draft::from(step.event()));
        while let Some(draft) = next.take() {
            match journal.push(draft) {
                Ok(_) => {}
                Err(refused) if refused.kind() == ErrorKind::Backlog => {
                    journal.ready().wait()?;
                    next = Some(refused.into_draft());
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }
    Ok(())
}

fn verify(side: Side, times: u32, dir: &Path) -> Result<()> {
    let lines = recorded(dir)?;
    for _ in 0..times {
        match side {
            Side::Foldlog => {
                if !reader(dir, "s")?.verify()?.clean {
                    return Err("the session is not what was recorded".into());
                }
            }
            Side::Yardstick => {
                let mut start = 0;
                for end in memchr::memchr_iter(b'\n', &lines) {
                    black_box(crc32fast::hash(&lines[start..(end + 1).saturating_sub(CHECKSUM).max(start)]));
                    start = end + 1;
                }
            }
        }
    }
    Ok(())
}

fn read(side: Side, times: u32, dir: &Path) -> Result<()> {
    match side {
        Side::Foldlog => {
            for _ in 0..times {
                let mut items = reader(dir, "s")?.items()?;
                while let Some(item) = items.next()? {
                    black_box(&item);
                }
            }
            Ok(())
        }
        Side::Yardstick => decode::<Line<'_, &RawValue>>(times, dir),
    }
}

fn fold(side: Side, times: u32, dir: &Path) -> Result<()> {
    match side {
        Side::Foldlog => {
            for _ in 0..times {
                black_box(reader(dir, "s")?.fold()?);
            }
            Ok(())
        }
        Side::Yardstick => decode::<Line<'_, Data<'_>>>(times, dir),
    }
}

fn decode<'a, T: Deserialize<'a> + 'a>(times: u32, dir: &Path) -> Result<()> {
    // As long as the process: what is decoded borrows from it.
    let lines: &'a [u8] = Vec::leak(recorded(dir)?);
    for _ in 0..times {
        // The header is another kind of line.
        for line in lines.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"seq\"")) {
            black_box(serde_json::from_slice::<T>(line)?);
        }
    }
    Ok(())
}

fn follow(side: Side, times: u32, dir: &Path) -> Result<()> {
    if side == Side::Yardstick {
        return read(Side::Foldlog, times, dir);
    }
    for _ in 0..times {
        let mut follower = reader(dir, "s")?.follow(Cursor::start())?;
        while let Some(item) = follower.next_timeout(NEVER) {
            if matches!(item?, Item::CaughtUp { .. }) {
                break;
            }
        }
    }
    Ok(())
}

fn compact(side: Side, times: u32, dir: &Path) -> Result<()> {
    if side == Side::Yardstick {
        return verify(Side::Foldlog, times, dir);
    }
    let store = Store::open(dir.join("store"))?;
    for at in 1..=times {
        black_box(store.compact(format!("c-{times}-{at}"))?);
    }
    Ok(())
}

fn import(side: Side, times: u32, dir: &Path) -> Result<()> {
    let file = std::fs::read(dir.join("transcript.jsonl"))?;
    let name = SourceName { stem: "s".into(), folder: None, parent: None };
    let source = Source::identify(&file, &name, None).ok_or("not a transcript")?;
    for _ in 0..times {
        match side {
            Side::Foldlog => {
                let mut importer = Importer::new(&file[..], &source);
                while let Some(step) = importer.next(true)? {
                    black_box(step);
                }
            }
            Side::Yardstick => {
                for line in file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    black_box(serde_json::from_slice::<serde_json::Value>(line)?);
                }
            }
        }
    }
    Ok(())
}

/// A line as `serde_json` writes and reads it.
#[derive(Serialize, Deserialize)]
struct Line<'a, T> {
    seq: u64,
    synced: u64,
    time: &'a str,
    r#type: &'a str,
    data: T,
}

/// The members of the events that are read.
#[derive(Deserialize)]
#[allow(dead_code, reason = "decoding is what is counted")]
struct Data<'a> {
    #[serde(borrow)]
    turn_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prompt: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    duration_ms: Option<f64>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
}
