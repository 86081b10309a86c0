//! The committer: from batches of lines to segments on disk. No thread, no queue and no clock of waiting in it, so that
//! a test can step it by hand.
//!
//! One `write` a batch and at most one `fdatasync`. The first failure is final: what a failed sync has done to the
//! kernel's cache cannot be told from here (see the fsync notes in `docs/DESIGN.md`), so nothing is retried on that file.

use crate::error::{Error, ErrorKind, Result, clone};
use crate::format::header::{FORMAT_VERSION, Header, Seal};
use crate::format::names;
use crate::json::escape::ENTRY_START;
use crate::model::open_turns::{Activity, Change};
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use crate::runtime::watermark::Durability;
use crate::segments::dir::Files;
use crate::segments::lock::{Lock, cut_short, removed};
use crate::storage::{is_full, is_named, write_all};
use crate::write::options::JournalOptions;
use crate::write::segment_file::{Active, Harm, Unfinished};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who writes: the same in every header of an opening.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) journal: String,
    pub(crate) session_id: String,
    pub(crate) epoch: u64,
    pub(crate) epoch_id: String,
    pub(crate) host: String,
}

/// What an entry brings to the headers that follow it.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) seq: u64,
    pub(crate) change: Change,
    pub(crate) id: Option<String>,
}

/// Why a batch could not be written to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// No space. Whole lines that were written stay; the rest may be written again later.
    Full(Error),
    /// Final.
    Failed(Error),
}

#[derive(Debug)]
pub(crate) struct Committer {
    files: Files,
    lock: Arc<Lock>,
    identity: Identity,
    segment_bytes: u64,
    /// How far the segment is filled ahead.
    prefill: u64,
    current: Option<Active>,
    /// A segment whose file exists and whose header could not be written yet.
    headless: Option<Active>,
    next_segment: u64,
    prev: Option<Seal>,
    activity: Activity,
    notes: VecDeque<Note>,
    written: u64,
    synced: u64,
    failed: Option<Error>,
    /// What was written and not synced is not to be counted on: a sync has failed, or the files are gone.
    doubtful: bool,
    /// Those who wait do so for the write alone.
    promises_writes: bool,
    /// When the directory was looked at last.
    looked: Instant,
}

/// How long at least between two looks at whether the directory, its lock and the segment are still in their places.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where a committer starts.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) next_segment: u64,
    pub(crate) last_seq: u64,
    pub(crate) prev: Option<Seal>,
    pub(crate) activity: Activity,
}

impl Committer {
    pub(crate) fn new(
        files: Files,
        lock: Arc<Lock>,
        identity: Identity,
        options: &JournalOptions,
        start: Start,
    ) -> Committer {
        Committer {
            files,
            lock,
            identity,
            segment_bytes: options.segment_bytes,
            prefill: options.prefill,
            current: None,
            headless: None,
            next_segment: start.next_segment,
            prev: start.prev,
            activity: start.activity,
            notes: VecDeque::new(),
            written: start.last_seq,
            synced: start.last_seq,
            failed: None,
            doubtful: false,
            promises_writes: options.durability == Durability::Written,
            looked: Instant::now(),
        }
    }

    /// The last number handed to the operating system.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The last number that may be promised to survive the process. After a failed sync the kernel shows bytes that are on
    /// no disk, and the next opening does not take its word for them; a removed segment goes with the process.
    pub(crate) fn kept(&self) -> u64 {
        if self.doubtful { self.synced } else { self.written }
    }

    /// The last number on disk.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// The segment that is being written.
    pub(crate) fn segment(&self) -> Option<u64> {
        self.current.as_ref().map(|open| open.segment)
    }

    /// Whether this opening has made a segment.
    pub(crate) fn has_written(&self) -> bool {
        self.current.is_some()
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn lock(&self) -> Arc<Lock> {
        Arc::clone(&self.lock)
    }

    /// What the entries of coming batches bring to the headers.
    pub(crate) fn note(&mut self, notes: impl IntoIterator<Item = Note>) {
        self.notes.extend(notes);
    }

    /// Forgets the notes of entries that were refused after all.
    pub(crate) fn forget_notes(&mut self) {
        self.notes.clear();
    }

    /// Writes whole lines, rolling over where a segment is full. Returns how many bytes of whole lines were written, and
    /// why not all.
    pub(crate) fn write(&mut self, batch: &[u8]) -> (usize, Option<Stop>) {
        let mut done = 0;
        while done < batch.len() {
            match self.write_some(&batch[done..]) {
                Ok(count) => done += count,
                Err((count, stop)) => {
                    if let Stop::Failed(error) = &stop {
                        self.failed = Some(error.clone());
                    }
                    return (done + count, Some(stop));
                }
            }
        }
        match self.promises_writes.then(|| self.must_be_there()) {
            Some(Err(error)) => (done, Some(Stop::Failed(error))),
            _ => (done, None),
        }
    }

    /// Fails if what was written has no name any more or was cut short, or, looked at once a second, not the name that
    /// readers look for. Before a write, too: that would make a file that was cut as long as before, and a writer that waits
    /// for space syncs nothing.
    fn must_be_there(&mut self) -> Result<()> {
        let now = Instant::now();
        let thorough = now.saturating_duration_since(self.looked) >= LOOK_EVERY;
        if thorough {
            self.looked = now;
        }
        let harmed = self.current.as_ref().and_then(|open| Some((open, open.harm()?)));
        let found = match harmed {
            Some((open, Harm::Cut(len))) => Err(cut_short(&open.path, len, open.file_len())),
            Some((_, Harm::Unlinked)) => self.find_gone(true),
            None if thorough => self.find_gone(false),
            None => Ok(()),
        };
        found.inspect_err(|error| {
            self.doubtful = true;
            self.failed = Some(error.clone());
        })
    }

    /// Looks at the paths of the directory, its lock and the segment. What cannot be looked at may be there.
    fn find_gone(&self, is_gone: bool) -> Result<()> {
        if let Ok(Some(path)) = self.lock.missing(&self.files) {
            return Err(removed(&path));
        }
        let Some(open) = self.current.as_ref().or(self.headless.as_ref()) else { return Ok(()) };
        let named = || is_named(self.lock.folder(), &names::file_name(open.segment), &*open.file);
        match is_gone || matches!(named(), Ok(false)) {
            true => Err(removed(&open.path)),
            false => Ok(()),
        }
    }

    fn write_some(&mut self, lines: &[u8]) -> Result<usize, (usize, Stop)> {
        if let Some(error) = &self.failed {
            return Err((0, Stop::Failed(error.clone())));
        }
        let room = self.room();
        let fits = match room {
            Some(room) if lines.len() as u64 <= room => lines.len(),
            // A segment without an entry takes one of any size, so that rolling over ends.
            Some(room) => {
                end_of_lines(lines, room as usize, self.current.as_ref().is_some_and(|open| !open.has_entries))
            }
            None => 0,
        };
        if fits == 0 {
            self.roll_over(first_seq(lines)).map_err(|stop| (0, stop))?;
            return Ok(0);
        }
        self.must_be_there().map_err(|error| (0, Stop::Failed(error)))?;
        self.write_lines(&lines[..fits])
    }

    /// How many bytes the current segment still takes; `None` if there is no segment.
    fn room(&self) -> Option<u64> {
        self.current.as_ref().map(|open| self.segment_bytes.saturating_sub(open.size))
    }

    fn write_lines(&mut self, lines: &[u8]) -> Result<usize, (usize, Stop)> {
        let Some(open) = &mut self.current else { return Ok(0) };
        debug_assert!(lines.ends_with(b"\n"), "only whole lines are written");
        debug_assert!(first_seq(lines) > self.written, "numbers rise");
        let (whole, unfinished) = open.append(lines);
        if whole > 0 {
            self.written = last_seq(&lines[..whole]);
            while self.notes.front().is_some_and(|note| note.seq <= self.written) {
                if let Some(note) = self.notes.pop_front() {
                    self.activity.apply(note.seq, note.change);
                    self.activity.last_id = note.id.or(self.activity.last_id.take());
                }
            }
        }
        let Some(Unfinished { mid_line, error }) = unfinished else {
            if self.prefill > 0 && !open.is_ahead() {
                let left = self.segment_bytes.saturating_sub(open.size);
                open.fill_ahead(self.prefill.min(left));
            }
            return Ok(whole);
        };
        let stop = stop("write to", &open.path, &error);
        if !is_full(&error) && !is_too_large(&error) {
            return Err((whole, stop));
        }
        // No part of a line may stay for the next one to be glued to.
        if mid_line && let Err(error) = open.cut_back() {
            return Err((whole, Stop::Failed(Error::io("cut back", &open.path, error))));
        }
        Err((whole, stop))
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Some(open) = &self.current
            && self.synced < self.written
        {
            open.file.sync_data().map_err(|error| {
                let error = Error::io("sync", &open.path, error);
                self.doubtful = true;
                self.failed = Some(error.clone());
                error
            })?;
            self.must_be_there()?;
        }
        self.synced = self.written;
        Ok(())
    }

    /// Everything is written: gives back what the segment was prefilled with.
    pub(crate) fn finish(&mut self) {
        if let Some(open) = self.current.as_mut().filter(|open| open.is_ahead()) {
            // What is not given back is no harm: the header says what it is.
            let _ = open.cut_back();
        }
    }

    /// Ends the current segment and begins the next one.
    fn roll_over(&mut self, first_seq: u64) -> Result<(), Stop> {
        self.sync().map_err(Stop::Failed)?;
        self.find_gone(false).map_err(Stop::Failed)?;
        self.finish();
        if let Some(open) = self.current.take() {
            self.prev = Some(Seal { segment: open.segment, last_seq: self.written, bytes: open.size });
        }
        let mut open = match self.headless.take() {
            Some(open) => open,
            None => self.create_segment()?,
        };
        let header = self.header(open.segment, first_seq).encode();
        if let Err((written, error)) = write_all(&*open.file, &header, 0) {
            let cut = if written > 0 { open.file.set_len(0) } else { Ok(()) };
            let stop = stop("write the header of", &open.path, &error);
            if let (Stop::Full(failed), Err(_)) = (&stop, cut) {
                return Err(Stop::Failed(failed.clone()));
            }
            self.headless = Some(open);
            return Err(stop);
        }
        open.has_header(header.len());
        let synced = open.file.sync_data().map_err(|error| Error::io("sync the header of", &open.path, error));
        let synced = synced.and_then(|()| self.lock.sync_folder(&self.files, self.promises_writes));
        synced.map_err(Stop::Failed)?;
        self.current = Some(open);
        Ok(())
    }

    fn create_segment(&mut self) -> Result<Active, Stop> {
        let segment = self.next_segment;
        if segment > Seq::MAX.get() {
            let message = format!("the journal has no segment number left, the highest is {}", Seq::MAX);
            return Err(Stop::Failed(Error::new(ErrorKind::Exhausted, message)));
        }
        let path = self.files.path(segment);
        let created = self.lock.folder().create(&names::file_name(segment));
        let file = created.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Stop::Failed(fenced(&path, "the file of the next segment exists already")),
            _ => stop("create", &path, &error),
        })?;
        self.next_segment += 1;
        Ok(Active::new(segment, path, file))
    }

    fn header(&self, segment: u64, first_seq: u64) -> Header {
        let (open, open_truncated) = self.activity.open();
        Header {
            foldlog: FORMAT_VERSION,
            journal: self.identity.journal.clone(),
            session_id: self.identity.session_id.clone(),
            segment,
            epoch: self.identity.epoch,
            epoch_id: Some(self.identity.epoch_id.clone()),
            first_seq,
            created: Timestamp::now(),
            writer: concat!("foldlog/", env!("CARGO_PKG_VERSION")).to_owned(),
            pid: u64::from(std::process::id()),
            host: self.identity.host.clone(),
            needs: Vec::new(),
            prev: self.prev,
            turns: self.activity.turns,
            open,
            open_truncated,
            last_id: self.activity.last_id.clone(),
            errors: self.activity.errors,
            spent: self.activity.spent.said(),
            fork: self.activity.fork.clone(),
            prefilled: self.prefill > 0,
            compacted: None,
        }
    }
}

fn fenced(path: &std::path::Path, why: &str) -> Error {
    let message = format!("another writer has taken the journal over: {why} (`{}`)", path.display());
    Error::new(ErrorKind::Fenced, message)
}

/// The end of the last whole line within `room` bytes; with `at_least_one`, of the first line if none fits.
fn end_of_lines(lines: &[u8], room: usize, at_least_one: bool) -> usize {
    match memchr::memrchr(b'\n', &lines[..room.min(lines.len())]) {
        Some(at) => at + 1,
        None if at_least_one => memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1),
        None => 0,
    }
}

fn first_seq(lines: &[u8]) -> u64 {
    let digits = lines.get(ENTRY_START.len()..).unwrap_or_default();
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |number, byte| number * 10 + u64::from(byte - b'0'))
}

fn last_seq(lines: &[u8]) -> u64 {
    let body = lines.strip_suffix(b"\n").unwrap_or(lines);
    first_seq(&body[memchr::memrchr(b'\n', body).map_or(0, |at| at + 1)..])
}

/// What an error of a write means: a full disk is waited for, anything else is final.
fn stop(doing: &str, path: &Path, error: &io::Error) -> Stop {
    if is_full(error) {
        return Stop::Full(Error::io(doing, path, clone(error)));
    }
    if is_too_large(error) {
        let message = format!(
            "cannot {doing} `{}`: the file would be larger than this process or its file system allows (EFBIG; see `ulimit -f`, LimitFSIZE): raise the limit, or choose smaller segments",
            path.display()
        );
        return Stop::Failed(Error::io_as(message, path, clone(error)));
    }
    Stop::Failed(Error::io(doing, path, clone(error)))
}

/// Whether a file met a limit on its size, which no waiting changes.
fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}
