//! The writer of one journal: its queue, and the rounds in which the pool commits what has gathered there.
//!
//! Callers put encoded lines into the queue under a short lock; a round takes all of them, writes them at once and syncs
//! them at once. While one round syncs, the next batch gathers.

use crate::commit::{Committer, Stop};
use crate::draft::Draft;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Hole, JournalRecovered};
use crate::options::{JournalOptions, OnFull};
use crate::pool::{Pool, Task};
use crate::queue::{Close, Phase, Queue, closed, storage_full};
use crate::watermark::{Durability, Health, Watermark};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How long a full disk is left alone before the next try.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// Told the number of each segment that is begun behind a full one. Must not block.
pub(crate) type RollOver = Box<dyn Fn(u64) + Send + Sync>;

pub(crate) struct Writer {
    session_id: String,
    on_roll_over: RollOver,
    options: JournalOptions,
    pool: Arc<Pool>,
    /// The process that opened it: a forked child must not go on.
    pid: u32,
    queue: Mutex<Queue>,
    /// Taken by one round at a time; `None` once the journal is closed. Locked before `queue`, never after it.
    committer: Mutex<Option<Committer>>,
}

/// One round's work.
struct Batch {
    lines: Vec<u8>,
    sync: bool,
    closing: bool,
}

impl Writer {
    pub(crate) fn new(
        session_id: String,
        options: JournalOptions,
        on_roll_over: RollOver,
        pool: Arc<Pool>,
        committer: Committer,
        next_seq: u64,
        recovered: Option<JournalRecovered>,
    ) -> Writer {
        let mark = Arc::new(Watermark::starting_at(committer.synced()));
        let queue = Mutex::new(Queue::new(mark, next_seq, recovered));
        let committer = Mutex::new(Some(committer));
        Writer { session_id, on_roll_over, options, pool, pid: std::process::id(), queue, committer }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn committer(&self) -> MutexGuard<'_, Option<Committer>> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mark(&self) -> Arc<Watermark> {
        Arc::clone(&self.queue().mark)
    }

    pub(crate) fn durability(&self) -> Durability {
        self.options.durability
    }

    /// The last number given to an event.
    pub(crate) fn last_seq(&self) -> u64 {
        self.queue().last_seq
    }

    /// Queues an event. `wait` says that somebody waits for it.
    pub(crate) fn append(self: &Arc<Self>, draft: &Draft, wait: bool) -> Result<(Arc<Watermark>, u64)> {
        let tail = draft.tail()?;
        self.check_process()?;
        draft.change.check_session(&self.session_id)?;
        let mut queue = self.queue();
        queue.check_open()?;
        if let Some(lost) = &mut queue.lost {
            lost.count += 1;
            return Err(storage_full());
        }
        let held = queue.lines.len() + queue.in_flight;
        if held > 0 && held + tail.line_len() > self.options.queue_bytes {
            let message = format!("{held} bytes wait to be written already: wait for `ready()`, then append again");
            return Err(Error::new(ErrorKind::Backlog, message));
        }
        queue.begin_epoch()?;
        let seq = queue.push(draft, &tail);
        queue.wants_sync |= wait && self.options.durability == Durability::Synced;
        let mark = Arc::clone(&queue.mark);
        self.schedule(queue);
        Ok((mark, seq))
    }

    /// Asks for everything so far to be synced.
    pub(crate) fn sync(self: &Arc<Self>) -> Result<(Arc<Watermark>, u64)> {
        self.check_process()?;
        let mut queue = self.queue();
        if let Phase::Failed(error) = &queue.phase {
            return Err(error.clone());
        }
        queue.wants_sync = true;
        let (mark, last) = (Arc::clone(&queue.mark), queue.last_queued());
        self.schedule(queue);
        Ok((mark, last))
    }

    /// Begins to close the journal.
    pub(crate) fn close(self: &Arc<Self>, reason: &str) -> Arc<Watermark> {
        let mut queue = self.queue();
        let mark = Arc::clone(&queue.mark);
        queue.closing.get_or_insert_with(|| Close { reason: reason.to_owned(), said: false });
        if !matches!(queue.phase, Phase::Closed) && self.check_process().is_ok() {
            self.schedule(queue);
        }
        mark
    }

    /// Writes and syncs what is queued, on this thread, and lets go of the lock. Without `journal_closed`, unless a close
    /// was asked for before.
    pub(crate) fn abandon(self: &Arc<Self>) {
        if self.check_process().is_err() {
            return;
        }
        if self.queue().closing.is_some() {
            self.round(); // what is queued
            self.round(); // `journal_closed`
        }
        let mut committer = self.committer();
        let Some(writing) = committer.as_mut() else { return };
        let batch = {
            let mut queue = self.queue();
            if !matches!(queue.phase, Phase::Open) {
                *committer = None;
                return;
            }
            queue.phase = Phase::Closed;
            writing.note(std::mem::take(&mut queue.notes));
            std::mem::take(&mut queue.lines)
        };
        let mark = self.mark();
        let (_, stop) = writing.write(&batch);
        mark.advance(Durability::Written, writing.written());
        let synced = writing.sync();
        mark.advance(Durability::Synced, writing.synced());
        let result = match stop {
            Some(Stop::Full(error) | Stop::Failed(error)) => Err(error),
            None => synced,
        };
        if let Err(error) = &result {
            fail_rest(&mark, writing, error);
        }
        *committer = None;
        mark.close(result);
    }

    /// The failure that ended this writer, if one did.
    pub(crate) fn failure(&self) -> Option<Error> {
        match &self.queue().phase {
            Phase::Failed(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Puts a new committer in the place of the one that failed.
    pub(crate) fn replace(
        &self,
        make: impl FnOnce(Committer, u64) -> Result<(Committer, u64, Option<JournalRecovered>), Box<(Committer, Error)>>,
    ) -> Result<()> {
        self.check_process()?;
        let mut slot = self.committer();
        let Some(old) = slot.take() else { return Err(closed()) };
        let last_given = self.queue().next_seq - 1;
        match make(old, last_given) {
            Ok((committer, next_seq, recovered)) => {
                let mut queue = self.queue();
                let mark = Arc::new(Watermark::starting_at(committer.synced()));
                *queue = Queue::new(mark, next_seq, recovered);
                *slot = Some(committer);
                Ok(())
            }
            Err(kept) => {
                let (old, error) = *kept;
                *slot = Some(old);
                Err(error)
            }
        }
    }

    /// Registers a waker for when the queue has room; `true` if it has.
    pub(crate) fn poll_room(&self, waker: &Waker) -> Result<bool> {
        let mut queue = self.queue();
        queue.check_open()?;
        if (queue.lines.len() + queue.in_flight) * 2 <= self.options.queue_bytes {
            return Ok(true);
        }
        if !queue.room.iter().any(|known| known.will_wake(waker)) {
            queue.room.push(waker.clone());
        }
        Ok(false)
    }

    fn check_process(&self) -> Result<()> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        let message = "this journal was opened by the parent process: open it again in the child, under another id";
        Err(Error::new(ErrorKind::Forked, message))
    }

    fn schedule(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if !std::mem::replace(&mut queue.scheduled, true) {
            drop(queue);
            self.pool.run(Arc::clone(self) as Arc<dyn Task>);
        }
    }

    fn schedule_at(self: &Arc<Self>, at: Instant) {
        self.pool.run_at(at, &(Arc::clone(self) as Arc<dyn Task>));
    }

    /// One round: take what has gathered, write it, sync it if anybody waits for that, see what is next.
    fn round(self: &Arc<Self>) {
        let mut slot = self.committer();
        let Some(committer) = slot.as_mut() else { return };
        let mark = self.mark();
        let end = match self.commit(committer, &mark) {
            Ok(closed) => closed.then_some(Ok(())),
            Err(error) => self.fail(committer, &mark, &error).then_some(Err(error)),
        };
        if let Some(result) = end {
            *slot = None; // frees the lock before anybody is told
            drop(slot);
            mark.close(result);
        }
    }

    /// Writes and syncs one batch; `true` when that has closed the journal.
    fn commit(self: &Arc<Self>, committer: &mut Committer, mark: &Watermark) -> Result<bool> {
        let Some(batch) = self.gather(committer)? else { return Ok(false) };
        let before = committer.segment();
        let (written, stop) = committer.write(&batch.lines);
        if before.is_some()
            && let Some(now) = committer.segment().filter(|now| before != Some(*now))
        {
            (self.on_roll_over)(now);
        }
        // By a roll-over on the way. First, so that whoever waits for the other finds the next line stating it, always.
        mark.advance(Durability::Synced, committer.synced());
        mark.advance(Durability::Written, committer.written());
        let full = match stop {
            Some(Stop::Failed(error)) => return Err(error),
            Some(Stop::Full(_)) if batch.closing && self.options.on_full == OnFull::Fail => return Err(storage_full()),
            Some(Stop::Full(_)) => true,
            None => false,
        };
        if batch.sync || full {
            committer.sync()?;
            mark.advance(Durability::Synced, committer.synced());
        }
        Ok(self.settle(committer, mark, batch.lines, written, full))
    }

    fn gather(&self, committer: &mut Committer) -> Result<Option<Batch>> {
        let mut queue = self.queue();
        queue.scheduled = false;
        match &queue.phase {
            Phase::Open => {}
            Phase::Failed(error) if queue.closing.is_some() => return Err(error.clone()),
            Phase::Failed(_) | Phase::Closed => return Ok(None),
        }
        if let Some(lost) = queue.lost {
            queue.push_explanation(lost);
        }
        committer.note(std::mem::take(&mut queue.notes));
        let spare = std::mem::take(&mut queue.spare);
        let lines = std::mem::replace(&mut queue.lines, spare);
        queue.in_flight = lines.len();
        let due = queue.sync_by.is_some_and(|at| at <= Instant::now());
        let closing = queue.closing.is_some();
        let sync = std::mem::take(&mut queue.wants_sync) || due || closing;
        Ok(Some(Batch { lines, sync, closing }))
    }

    /// After a batch: gives room, plans what is due, goes on closing. `true` when the journal is closed.
    fn settle(
        self: &Arc<Self>,
        committer: &mut Committer,
        mark: &Watermark,
        mut lines: Vec<u8>,
        written: usize,
        full: bool,
    ) -> bool {
        let mut queue = self.queue();
        queue.in_flight = 0;
        let (mut health, mut refused) = (None, None);
        if full {
            if self.options.on_full == OnFull::Wait {
                // Back to the front: bytes and numbers stay as they are.
                lines.drain(..written);
                lines.extend_from_slice(&queue.lines);
                queue.lines = std::mem::take(&mut lines);
            } else {
                refused = queue.refuse_all(committer);
            }
            queue.wants_sync = true;
            queue.scheduled = true; // until the next try, nobody else need wake the pool
            health = Some(Health::StorageFull);
        } else {
            lines.clear();
            queue.spare = lines;
            queue.lost = queue.lost.filter(|lost| committer.written() <= lost.last);
            if matches!(mark.health().0, Health::StorageFull) {
                health = Some(Health::Good);
            }
        }
        let room = std::mem::take(&mut queue.room);
        let unsynced = committer.synced() < committer.written();
        queue.sync_by = queue.sync_by.filter(|_| unsynced);
        if unsynced && queue.sync_by.is_none() {
            // Kept until a sync, even if it passes while a write goes on: the round that comes for it is on its way.
            let at = Instant::now() + self.options.sync_interval;
            self.schedule_at(at);
            queue.sync_by = Some(at);
        }
        let closed = !full && queue.go_on_closing(committer);
        let more = !queue.lines.is_empty() || queue.wants_sync || queue.closing.is_some();
        if full {
            drop(queue);
            self.schedule_at(Instant::now() + FULL_RETRY);
        } else if more && !closed {
            self.schedule(queue);
        } else {
            drop(queue);
        }
        // The news first: whoever is refused finds the journal's health saying why.
        health.into_iter().for_each(|health| mark.set_health(health));
        if let Some((first, last)) = refused {
            mark.fail(Durability::Written, first, last, &storage_full());
            mark.fail(Durability::Synced, first, last, &storage_full());
        }
        room.into_iter().for_each(Waker::wake);
        closed
    }

    /// The first failure is final: everybody who waits gets it, and so does everybody who comes. `true` if a close was
    /// asked for, which this ends.
    fn fail(&self, committer: &mut Committer, mark: &Watermark, error: &Error) -> bool {
        let mut queue = self.queue();
        let closing = queue.closing.is_some();
        queue.phase = Phase::Failed(error.clone());
        queue.lines = Vec::new();
        queue.notes.clear();
        queue.in_flight = 0;
        let room = std::mem::take(&mut queue.room);
        drop(queue);
        mark.set_health(Health::Failed(error.clone()));
        fail_rest(mark, committer, error);
        room.into_iter().for_each(Waker::wake);
        closing
    }
}

/// Everything behind what the committer has reached has failed. It may be on disk all the same: its outcome is not known.
fn fail_rest(mark: &Watermark, committer: &Committer, error: &Error) {
    mark.advance(Durability::Written, committer.written());
    mark.advance(Durability::Synced, committer.synced());
    let error = error.with_unknown_outcome();
    mark.fail(Durability::Written, committer.written() + 1, u64::MAX, &error);
    mark.fail(Durability::Synced, committer.synced() + 1, u64::MAX, &error);
}

impl Task for Writer {
    fn run(self: Arc<Self>) {
        let round = std::panic::AssertUnwindSafe(|| self.round());
        if std::panic::catch_unwind(round).is_err() {
            // A bug of ours must not leave anybody waiting.
            let error = Error::new(ErrorKind::Io, "the journal's writer has panicked: reopen the journal");
            let mut slot = self.committer();
            let mark = self.mark();
            if let Some(committer) = slot.as_mut()
                && self.fail(committer, &mark, &error)
            {
                *slot = None;
                drop(slot);
                mark.close(Err(error));
            }
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// The report of a recovery, with the numbers that this process has given out since and that must not come again.
pub(crate) fn skip_given_numbers(
    recovered: &mut Option<JournalRecovered>,
    epoch: u64,
    next_seq: u64,
    last_given: u64,
) -> u64 {
    if last_given < next_seq {
        return next_seq;
    }
    // There is nothing to report of a journal that has no entry yet, but for these numbers.
    let report = recovered.get_or_insert_with(|| JournalRecovered { epoch, ..JournalRecovered::default() });
    report.holes.push(Hole { first_seq: next_seq, last_seq: last_given });
    last_given + 1
}
