//! The measurements: each runs one case once and returns its rate.

use crate::Result;
use crate::disk::{self, Counted};
use crate::table::Sample;
use crate::workload::{self, Shape, Step};
use foldlog::{Draft, Durability, ErrorKind, Event, Journal, JournalOptions, SessionId, Store, TextDelta};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The session that is replayed and verified.
pub(crate) const REPLAYED: &str = "replayed";
/// The session that is opened for writing.
const OPENED: &str = "opened";
/// How large its newest segment is.
const OPENED_BYTES: usize = 64 << 20;
pub(crate) const SEED: u64 = 0x00F0_1D10;
/// Longer than any measurement: nothing is synced behind its back.
const NEVER: Duration = Duration::from_secs(3600);
/// `,"crc":"9f3a61c2"}` and the line break
const CHECKSUM: usize = 19;

/// Where a buffered recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The last event is in the page cache; nothing is synced.
    Written,
    /// All is on disk: the default options, and a sync at the end.
    Synced,
}

/// What is measured: ready events, or making them of the caller's own texts as well. Without a journal, texts are
/// serialised in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Events,
    Texts,
}

/// What all measurements share.
pub(crate) struct Lab {
    pub(crate) store: Store,
    disk: Counted,
    pub(crate) dir: PathBuf,
    pub(crate) runtime: Runtime,
    pub(crate) steps: Arc<[Step]>,
    /// Every line of the replayed session, as it stands on disk.
    pub(crate) lines: Vec<u8>,
    pub(crate) replayed: Vec<PathBuf>,
    opened: PathBuf,
    /// How long a durable measurement goes on.
    pub(crate) durable: Duration,
    sessions: Cell<u64>,
    syncs: RefCell<Vec<Duration>>,
}

impl Lab {
    /// Records the sessions to be read in a directory that is empty.
    pub(crate) fn new(dir: &Path, shape: Shape, events: usize, durable: Duration) -> Result<Lab> {
        let disk = Counted::default();
        let store = Store::open_on(disk.clone(), dir.join("store"))?;
        let steps: Arc<[Step]> = workload::steps(shape, events, SEED).into();
        let journal = store.journal(REPLAYED)?;
        for step in steps.iter() {
            push(&journal, step.event())?;
        }
        journal.close().wait()?;
        drop(journal);
        let replayed = disk::segments(&store.path_of(&SessionId::new(REPLAYED)?))?;
        let mut lines = Vec::new();
        for path in &replayed {
            lines.extend(std::fs::read(path)?);
        }

        // Dropped, not closed: opening it finds the end of a crash.
        let journal = store.journal_with(OPENED, JournalOptions::default().segment_bytes(u64::MAX))?;
        for step in steps.iter().cycle().take(OPENED_BYTES * steps.len() / lines.len()) {
            push(&journal, step.event())?;
        }
        drop(journal);
        let opened = disk::segments(&store.path_of(&SessionId::new(OPENED)?))?.pop().ok_or("nothing was recorded")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
        let (dir, sessions, syncs) = (dir.to_owned(), Cell::new(0), RefCell::default());
        Ok(Lab { store, disk, dir, runtime, steps, lines, replayed, opened, durable, sessions, syncs })
    }

    /// How many events, of what size.
    pub(crate) fn describe_workload(&self) -> String {
        let lines = || self.lines.split_inclusive(|byte| *byte == b'\n');
        let is_delta =
            |line: &&[u8]| line[..line.len().min(120)].windows(19).any(|at| at == b"\"type\":\"text_delta\"");
        let (count, bytes) = lines().filter(is_delta).fold((0, 0), |(count, sum), line| (count + 1, sum + line.len()));
        format!(
            "{} events, {:.1} MB, mean line {} B, {count} text deltas of {} B",
            self.steps.len(),
            self.lines.len() as f64 / 1e6,
            self.lines.len() / lines().count().max(1),
            bytes / count.max(1)
        )
    }

    /// How long the bare `fdatasync`s took.
    pub(crate) fn describe_syncs(&self) -> String {
        crate::machine::percentiles(&mut self.syncs.borrow_mut())
    }

    /// A new journal, closed and deleted after `measure`.
    pub(crate) fn with_journal(
        &self,
        options: JournalOptions,
        measure: impl FnOnce(&Journal) -> Result<Sample>,
    ) -> Result<Sample> {
        self.sessions.set(self.sessions.get() + 1);
        let id = format!("measured-{}", self.sessions.get());
        let journal = self.store.journal_with(id.as_str(), options)?;
        // The first event makes the segment, which no steady state does.
        journal.append(self.steps[0].event())?.wait()?;
        let sample = measure(&journal)?;
        journal.close().wait()?;
        drop(journal);
        self.store.delete(id)?;
        Ok(sample)
    }

    pub(crate) fn per_event(&self, elapsed: Duration) -> Sample {
        Sample::rate(self.steps.len() as f64, elapsed)
    }

    /// One thread pushes everything.
    pub(crate) fn buffered(&self, given: Given, until: Until) -> Result<Sample> {
        self.with_journal(options(until), |journal| {
            // `push` takes its event: each round needs events of its own.
            let ready = self.ready(given);
            let start = Instant::now();
            match given {
                Given::Events => ready.into_iter().try_for_each(|event| push(journal, event))?,
                Given::Texts => self.steps.iter().try_for_each(|step| push(journal, step.event()))?,
            }
            wait_until(journal, until)?;
            Ok(self.per_event(start.elapsed()))
        })
    }

    /// So many tasks push an equal share each, from texts, and let others of their threads have a turn as often as those
    /// that send through a channel do.
    pub(crate) fn buffered_by_tasks(&self, tasks: usize) -> Result<Sample> {
        self.with_journal(options(Until::Written), |journal| {
            let share = self.steps.len().div_ceil(tasks);
            let start = Instant::now();
            self.runtime.block_on(async {
                let pushing: Vec<_> = (0..tasks)
                    .map(|task| {
                        let (steps, journal) = (Arc::clone(&self.steps), journal.clone());
                        tokio::spawn(async move {
                            for step in steps.iter().skip(task * share).take(share) {
                                tokio::task::consume_budget().await;
                                push_or_wait(&journal, step.event()).await?;
                            }
                            Ok::<_, crate::Error>(())
                        })
                    })
                    .collect();
                for task in pushing {
                    task.await??;
                }
                Ok::<_, crate::Error>(())
            })?;
            wait_until(journal, Until::Written)?;
            Ok(self.per_event(start.elapsed()))
        })
    }

    /// So many threads push an equal share each, from texts.
    pub(crate) fn buffered_by_threads(&self, threads: usize) -> Result<Sample> {
        self.with_journal(options(Until::Written), |journal| {
            let barrier = Barrier::new(threads + 1);
            let share = |steps: &[Step]| {
                barrier.wait();
                steps.iter().try_for_each(|step| push(journal, step.event()))
            };
            let start = std::thread::scope(|scope| {
                let shares = self.steps.chunks(self.steps.len().div_ceil(threads));
                let pushing: Vec<_> = shares.map(|steps| scope.spawn(move || share(steps))).collect();
                barrier.wait();
                let start = Instant::now();
                for thread in pushing {
                    thread.join().map_err(|_| "a thread has panicked")??;
                }
                Ok::<_, crate::Error>(start)
            })?;
            wait_until(journal, Until::Written)?;
            Ok(self.per_event(start.elapsed()))
        })
    }

    /// The same events as whole lines but for the checksum, into one piece of memory used again and again.
    pub(crate) fn serialise_only(&self, given: Given) -> Result<Sample> {
        let ready = self.ready(given);
        let mut out = Vec::with_capacity(1 << 20);
        let start = Instant::now();
        match given {
            Given::Events => (1..).zip(&ready).try_for_each(|(seq, event)| serialise(seq, event, &mut out))?,
            Given::Texts => {
                (1..).zip(&*self.steps).try_for_each(|(seq, step)| line(seq, step.type_name(), step, &mut out))?
            }
        }
        Ok(self.per_event(start.elapsed()))
    }

    /// The checksum of every line.
    pub(crate) fn checksum_only(&self) -> Result<Sample> {
        let lines: Vec<&[u8]> = self.lines.split_inclusive(|byte| *byte == b'\n').collect();
        let start = Instant::now();
        for line in lines {
            black_box(crc32fast::hash(&line[..line.len() - CHECKSUM]));
        }
        Ok(self.per_event(start.elapsed()))
    }

    pub(crate) fn ready(&self, given: Given) -> Vec<Event<'_>> {
        match given {
            Given::Events => self.steps.iter().map(Step::event).collect(),
            Given::Texts => Vec::new(),
        }
    }

    /// So many tasks append, each waiting for its event to be on disk before it makes the next.
    pub(crate) fn durable(&self, tasks: usize, prefill: u64) -> Result<Sample> {
        self.with_journal(JournalOptions::default().prefill(prefill), |journal| {
            let syncs_before = self.disk.syncs();
            let start = Instant::now();
            let end = start + self.durable;
            let appended = self.runtime.block_on(async {
                let first_of = |task: usize| task * self.steps.len() / tasks;
                let appending: Vec<_> = (0..tasks)
                    .map(|task| {
                        tokio::spawn(append_until(end, journal.clone(), Arc::clone(&self.steps), first_of(task)))
                    })
                    .collect();
                let mut appended = 0;
                for task in appending {
                    appended += task.await??;
                }
                Ok::<_, crate::Error>(appended)
            })?;
            let sample = Sample::rate(appended as f64, start.elapsed());
            let syncs = self.disk.syncs() - syncs_before;
            Ok(sample.and(appended as f64 / syncs.max(1) as f64))
        })
    }

    /// Lines written and synced one by one, by nothing but system calls.
    pub(crate) fn write_and_sync(&self) -> Result<Sample> {
        let path = self.dir.join("raw");
        let mut syncs = self.syncs.borrow_mut();
        let (rounds, elapsed) = disk::write_and_sync_rounds(&path, &self.lines, self.durable, &mut syncs)?;
        Ok(Sample::rate(rounds as f64, elapsed))
    }

    /// From the log to the record.
    pub(crate) fn fold(&self, threads: usize) -> Result<Sample> {
        let start = Instant::now();
        let record = self.store.reader(REPLAYED)?.threads(threads).fold()?;
        let sample = self.per_byte(start.elapsed());
        black_box(record);
        Ok(sample)
    }

    /// Every byte checked.
    pub(crate) fn verify(&self, threads: usize) -> Result<Sample> {
        let start = Instant::now();
        let report = self.store.reader(REPLAYED)?.threads(threads).verify()?;
        let sample = self.per_byte(start.elapsed());
        if !report.clean || report.entries <= self.steps.len() as u64 {
            return Err("the session is not what was recorded".into());
        }
        Ok(sample)
    }

    /// The same bytes read and looked at by nobody.
    pub(crate) fn read_only(&self) -> Result<Sample> {
        let start = Instant::now();
        disk::read_all(&self.replayed)?;
        Ok(self.per_byte(start.elapsed()))
    }

    pub(crate) fn per_byte(&self, elapsed: Duration) -> Sample {
        Sample::rate(self.lines.len() as f64 / 1e6, elapsed)
    }

    /// The lock, the recovery and the report of it, after an end without a close.
    pub(crate) fn open(&self) -> Result<Sample> {
        let bytes = std::fs::metadata(&self.opened)?.len();
        let start = Instant::now();
        let journal = self.store.journal(OPENED)?;
        let elapsed = start.elapsed();
        // Nothing was appended: the next round finds what this one found.
        drop(journal);
        Ok(Sample::rate(bytes as f64 / 1e6, elapsed).and(elapsed.as_secs_f64() * 1e3))
    }

    /// The same segment read past the page cache, as an opening has to.
    pub(crate) fn read_direct(&self) -> Result<Sample> {
        let start = Instant::now();
        let bytes = disk::read_direct(&self.opened)?;
        Ok(Sample::rate(bytes as f64 / 1e6, start.elapsed()))
    }
}

fn options(until: Until) -> JournalOptions {
    match until {
        Until::Written => JournalOptions::default().durability(Durability::Written).sync_interval(NEVER),
        Until::Synced => JournalOptions::default(),
    }
}

fn wait_until(journal: &Journal, until: Until) -> Result<()> {
    match until {
        // Events are written in order: when one more is written, all are.
        Until::Written => journal.append(TextDelta::new("t-last", ""))?.wait()?,
        Until::Synced => journal.sync()?.wait()?,
    };
    Ok(())
}

/// Pushes an event, waiting for room where the queue is full.
pub(crate) fn push(journal: &Journal, event: impl Into<Draft>) -> Result<()> {
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

/// The same in a task.
async fn push_or_wait(journal: &Journal, event: Event<'_>) -> Result<()> {
    let mut pushed = journal.push(event);
    loop {
        match pushed {
            Ok(_) => return Ok(()),
            Err(refused) if refused.kind() != ErrorKind::Backlog => return Err(refused.into()),
            Err(refused) => {
                journal.ready().await?;
                pushed = journal.push(refused.into_draft());
            }
        }
    }
}

/// Appends one event after the other, each on disk before the next. Returns how many.
async fn append_until(end: Instant, journal: Journal, steps: Arc<[Step]>, first: usize) -> Result<u64> {
    let mut appended = 0;
    for at in (0..steps.len()).cycle().skip(first) {
        let ticket = loop {
            match journal.append(steps[at].event()) {
                Ok(ticket) => break ticket,
                Err(refused) if refused.kind() == ErrorKind::Backlog => {}
                Err(refused) => return Err(refused.into()),
            }
            journal.ready().await?;
        };
        ticket.await?;
        appended += 1;
        if Instant::now() >= end {
            break;
        }
    }
    Ok(appended)
}

/// A line as `serde_json` writes it.
#[derive(Serialize)]
struct Line<'a, T> {
    seq: u64,
    synced: u64,
    time: &'a str,
    r#type: &'a str,
    data: &'a T,
}

/// A whole line but for the checksum, without its line break, in place of what `out` holds.
pub(crate) fn line(seq: u64, name: &str, data: &impl Serialize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let line = Line { seq, synced: seq, time: "2026-01-31T23:59:59.123456Z", r#type: name, data };
    serde_json::to_writer(&mut *out, &line)?;
    black_box(out.as_slice());
    Ok(())
}

fn serialise(seq: u64, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
    let name = event.type_name();
    match event {
        Event::TurnStarted(data) => line(seq, name, data, out),
        Event::TextDelta(data) => line(seq, name, data, out),
        Event::ToolCallStarted(data) => line(seq, name, data, out),
        Event::ToolCallEnded(data) => line(seq, name, data, out),
        Event::TurnEnded(data) => line(seq, name, data, out),
        _ => Err(format!("the workload has no `{name}`").into()),
    }
}
