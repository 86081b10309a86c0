//! How fast a follower gets through what is there already, from the page cache.

use crate::readers::BLOCK;
use crate::{Options, Result, SEED, SESSION, push, runtime, table, workload};
use foldlog::{Cursor, Durability, Item, JournalOptions, SessionId, Store};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// `,"crc":"9f3a61c2"}` and the line break
const CHECKSUM: usize = 19;

/// What is caught up with: one segment, so that all read the same file.
struct Given {
    store: Store,
    segment: PathBuf,
    lines: u64,
}

type Read1 = fn(&Given) -> Result<u64>;

const CASES: [(&str, Read1); 8] = [
    ("1 MB reads + memchr", |given| plainly(given, |_| ())),
    ("1 MB reads + memchr + crc32 a line", |given| plainly(given, checksum)),
    ("1 MB reads + memchr + crc32 + UTF-8 + a `String` a line", |given| {
        plainly(given, |line| {
            checksum(line);
            drop(black_box(std::str::from_utf8(line).map(str::to_owned)));
        })
    }),
    ("**foldlog, `Store::follow`, blocking**", blocking),
    ("**foldlog, `Store::follow`, async**", asynchronously),
    ("foldlog, `Reader::items`, for comparison", items),
    ("GNU `tail -n +1`, pipe", tail),
    ("linemux", linemux),
];

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<()> {
    let given = generate(options.megabytes, dir)?;
    let bytes = std::fs::metadata(&given.segment)?.len() as f64 / 1e6;
    let mut cases: Vec<Vec<f64>> = vec![Vec::new(); CASES.len()];
    for _ in 0..options.rounds {
        for ((name, read), rates) in CASES.iter().zip(&mut cases) {
            let start = Instant::now();
            let lines = read(&given)?;
            rates.push(bytes / start.elapsed().as_secs_f64());
            // The header is a line, and no entry.
            if lines != given.lines && lines + 1 != given.lines {
                return Err(format!("{name}: {lines} lines instead of {}", given.lines).into());
            }
        }
    }
    let of = |name: &str| CASES.iter().position(|(case, _)| case.contains(name)).map_or(&cases[0], |at| &cases[at]);
    let (limits, tails, muxes) = (&cases[0], of("tail"), of("linemux"));
    let mut rows = vec![table::words(&["reader", "MB/s", "÷ reads + memchr", "÷ tail", "÷ linemux", "n"])];
    for ((name, _), rates) in CASES.iter().zip(&cases) {
        let ratios = [limits, tails, muxes].map(|limits| table::ratio(rates, limits));
        let row = [(*name).to_owned(), table::spread(rates, 0)].into_iter().chain(ratios);
        rows.push(row.chain([rates.len().to_string()]).collect());
    }
    let mean = bytes * 1e6 / given.lines as f64;
    table::print(&format!("Catch-up on {bytes:.0} MB in the page cache, mean line {mean:.0} B"), &rows);
    Ok(())
}

fn generate(megabytes: usize, dir: &Path) -> Result<Given> {
    let store = Store::open(dir.join("catch-up"))?;
    let steps = workload::steps(60_000, SEED);
    let options = JournalOptions::default().durability(Durability::Written).segment_bytes(u64::MAX);
    let journal = store.journal_with(SESSION, options)?;
    journal.append(steps[0].event())?.wait()?;
    let session = store.path_of(&SessionId::new(SESSION)?);
    let paths = std::fs::read_dir(session)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|is| is == "jsonl");
    let segment = paths.into_iter().find(is_segment).ok_or("no segment")?;
    for (at, step) in steps.iter().cycle().enumerate() {
        push(&journal, step.event())?;
        if at % 1000 == 0 && std::fs::metadata(&segment)?.len() >= megabytes as u64 * 1_000_000 {
            break;
        }
    }
    journal.close().wait()?;
    let mut given = Given { store, segment, lines: 0 };
    given.lines = plainly(&given, |_| ())?;
    Ok(given)
}

fn plainly(given: &Given, mut each: impl FnMut(&[u8])) -> Result<u64> {
    split(File::open(&given.segment)?, |line| each(&line[..line.len().saturating_sub(CHECKSUM - 1)]))
}

fn checksum(line: &[u8]) {
    black_box(crc32fast::hash(line));
}

/// Calls `each` with every line, and returns how many there were.
fn split(mut from: impl Read, mut each: impl FnMut(&[u8])) -> Result<u64> {
    let (mut buffer, mut held, mut lines) = (vec![0; BLOCK], 0, 0);
    loop {
        let read = from.read(&mut buffer[held..])?;
        if read == 0 {
            return Ok(lines);
        }
        held += read;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..held]) {
            each(&buffer[start..end]);
            start = end + 1;
            lines += 1;
        }
        buffer.copy_within(start..held, 0);
        held -= start;
    }
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
    let lines = split(tail.stdout.take().ok_or("no pipe")?, |_| ());
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
