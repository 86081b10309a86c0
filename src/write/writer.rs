//! The writer of one journal: its queue, and the rounds in which the pool commits what has gathered there.
//!
//! Callers put encoded lines into the queue under a short lock; a round takes all of them, writes them at once and syncs
//! them at once. While one round syncs, the next batch gathers.

use crate::error::{Error, ErrorKind, Result};
use crate::format::draft::Draft;
use crate::model::event::JournalRecovered;
use crate::runtime::pool::{Pool, Task};
use crate::runtime::watermark::{CurrentMark, Durability, Watermark};
use crate::write::committer::{Committer, Stop};
use crate::write::full_disk::storage_full;
use crate::write::open::Opened;
use crate::write::options::JournalOptions;
use crate::write::publish::{fail_rest, tell_written};
use crate::write::queue::{Close, Phase, Queue, Turn, closed, left_out};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Waker;
use std::time::Instant;

/// How often the queue's lock is tried before it is waited for.
const TRIES: u32 = 100;

/// Told the number of each segment that is begun behind a full one. Must not block.
pub(crate) type RollOver = Box<dyn Fn(u64) + Send + Sync>;

pub(crate) struct Writer {
    session_id: String,
    pub(super) on_roll_over: RollOver,
    pub(super) options: JournalOptions,
    pub(super) pool: Arc<Pool>,
    /// The process that opened it: a forked child must not go on.
    pid: u32,
    queue: Mutex<Queue>,
    /// What followers hold of it: the watermark that is in `queue`, and nothing else.
    current_mark: Arc<CurrentMark>,
    /// Ends the lingering of the thread that has the turn.
    pub(super) called: AtomicBool,
    /// Taken by one round at a time; `None` once the journal is closed. Locked before `queue`, never after it.
    committer: Mutex<Option<Committer>>,
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
        let current_mark = Arc::new(CurrentMark::new(Arc::clone(&mark)));
        let queue = Mutex::new(Queue::new(mark, next_seq, recovered));
        let committer = Mutex::new(Some(committer));
        Writer {
            session_id,
            on_roll_over,
            options,
            pool,
            pid: std::process::id(),
            queue,
            current_mark,
            called: AtomicBool::new(false),
            committer,
        }
    }

    /// Locks the queue, which is held for less time than a system call takes. Once a thread has slept for this lock, each
    /// that takes it while others want it makes two system calls; trying it first is the way out of that.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        for _ in 0..TRIES {
            match self.queue.try_lock() {
                Ok(queue) => return queue,
                Err(TryLockError::Poisoned(queue)) => return queue.into_inner(),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn committer(&self) -> MutexGuard<'_, Option<Committer>> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn current_mark(&self) -> &Arc<CurrentMark> {
        &self.current_mark
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
        queue.check_numbers()?;
        queue.begin_epoch()?;
        let seq = queue.push(draft, &tail);
        queue.wants_sync |= wait && self.options.durability == Durability::Synced;
        let mark = Arc::clone(&queue.mark);
        queue.urgent |= wait;
        self.schedule(queue);
        Ok((mark, seq))
    }

    /// Asks for everything so far to reach a level.
    pub(crate) fn bring_to(self: &Arc<Self>, level: Durability) -> Result<(Arc<Watermark>, u64)> {
        self.check_process()?;
        let mut queue = self.queue();
        if let Phase::Failed(error) = &queue.phase {
            return Err(error.clone());
        }
        queue.wants_sync |= level == Durability::Synced;
        queue.urgent = true;
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
            queue.urgent = true;
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
        let (batch, last) = {
            let mut queue = self.queue();
            if !matches!(queue.phase, Phase::Open) {
                *committer = None;
                return;
            }
            queue.phase = Phase::Closed;
            writing.note(std::mem::take(&mut queue.notes));
            (std::mem::take(&mut queue.lines), queue.last_seq)
        };
        let mark = self.mark();
        let (_, stop) = writing.write(&batch);
        tell_written(&mark, writing);
        let synced = writing.sync();
        mark.advance(Durability::Synced, writing.synced());
        let result = match (stop, synced) {
            (Some(Stop::Failed(error)), _) | (_, Err(error)) => Err(error.with_unknown_outcome()),
            // What did not fit was cut back: the rest is not in the log, and will not be.
            (Some(Stop::Full(_)), Ok(())) => Err(left_out(writing.written() + 1, last)),
            (None, Ok(())) => Ok(()),
        };
        match &result {
            Ok(()) => writing.finish(),
            Err(error) => fail_rest(&mark, writing, error),
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
                self.current_mark.replace(Arc::clone(&mark));
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
        if self.has_room(&queue) {
            return Ok(true);
        }
        if !queue.room.iter().any(|known| known.will_wake(waker)) {
            queue.room.push(waker.clone());
        }
        Ok(false)
    }

    /// Whether those who wait for room need not wait any longer.
    pub(super) fn has_room(&self, queue: &Queue) -> bool {
        (queue.lines.len() + queue.in_flight) * 2 <= self.options.queue_bytes
    }

    fn check_process(&self) -> Result<()> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        let message = "this journal was opened by the parent process: open it again in the child, under another id";
        Err(Error::new(ErrorKind::Forked, message))
    }

    fn schedule(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        match &queue.turn {
            Turn::Idle => {
                queue.turn = Turn::Taken;
                drop(queue);
                self.pool.run(Arc::clone(self) as Arc<dyn Task>);
            }
            Turn::Lingering if queue.urgent || queue.is_much() => {
                queue.turn = Turn::Taken;
                self.called.store(true, Ordering::Release);
            }
            Turn::Dozing(dozer) if queue.urgent => {
                let dozer = dozer.clone();
                queue.turn = Turn::Taken;
                drop(queue);
                dozer.wake();
            }
            Turn::Lingering | Turn::Dozing(_) | Turn::Taken | Turn::Waiting => {}
        }
    }

    pub(super) fn schedule_at(self: &Arc<Self>, at: Instant) {
        self.pool.run_at(at, &(Arc::clone(self) as Arc<dyn Task>));
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
    opened: &Opened,
    next_seq: u64,
    last_given: u64,
) -> u64 {
    if last_given < next_seq {
        return next_seq;
    }
    // Of a journal that was closed, or has no entry yet, there is nothing to report but these numbers.
    let report = recovered.get_or_insert_with(|| opened.to_report());
    report.add_hole(next_seq, last_given);
    last_given + 1
}
