//! The commit cycles of a writer: each takes the whole batch, writes it at once, syncs it at once, and wakes its waiters.

use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::block_on::wake_all;
use crate::runtime::pool::{Dozer, Task};
use crate::runtime::watermark::{Durability, Health, Watermark};
use crate::write::committer::{Committer, Stop};
use crate::write::full_disk::{FULL_RETRY, storage_full};
use crate::write::options::OnFull;
use crate::write::publish::{fail_rest, tell_written};
use crate::write::queue::{Phase, Turn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How much is written at once: a line more at most.
const PART: usize = 1 << 20;

/// Rounds that follow each other within this time are the work of somebody who is at it: the next one is near.
const BUSY: Duration = Duration::from_millis(1);

/// What follows a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Rest,
    /// There is more already.
    Again,
    /// There is likely to be more in a moment, for which somebody waits.
    Linger,
    /// The same, but nobody waits.
    Doze,
    /// Nothing: the journal is closed.
    Closed,
}

/// One round's work.
struct Batch {
    lines: Vec<u8>,
    /// Somebody waits for it.
    urgent: bool,
    sync: bool,
    closing: bool,
}

impl Writer {
    /// One round: take what has gathered, write it, sync it if anybody waits for that, see what is next.
    pub(crate) fn round(self: &Arc<Self>) -> Next {
        let mut slot = self.committer();
        let Some(committer) = slot.as_mut() else { return Next::Rest };
        let mark = self.mark();
        let (next, result) = match self.commit(committer, &mark) {
            Ok(next) => (next, Ok(())),
            Err(error) => (self.fail(committer, &mark, &error), Err(error)),
        };
        if next == Next::Closed {
            if result.is_ok() {
                committer.finish();
            }
            *slot = None; // frees the lock before anybody is told
            drop(slot);
            mark.close(result);
        }
        next
    }

    /// Writes and syncs one batch.
    fn commit(self: &Arc<Self>, committer: &mut Committer, mark: &Watermark) -> Result<Next> {
        let Some(batch) = self.gather(committer)? else { return Ok(Next::Rest) };
        let before = committer.segment();
        let (written, stop) = self.write(committer, &batch.lines);
        if before.is_some()
            && let Some(now) = committer.segment().filter(|now| before != Some(*now))
        {
            (self.on_roll_over)(now);
        }
        // By a roll-over on the way. First, so that whoever waits for the other finds the next line stating it, always.
        mark.advance(Durability::Synced, committer.synced());
        tell_written(mark, committer);
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
        Ok(self.settle(committer, mark, batch, written, full))
    }

    fn gather(&self, committer: &mut Committer) -> Result<Option<Batch>> {
        let mut queue = self.queue();
        match &queue.phase {
            Phase::Open => {}
            Phase::Failed(error) if queue.closing.is_some() => return Err(error.clone()),
            Phase::Failed(_) | Phase::Closed => {
                queue.turn = Turn::Idle;
                return Ok(None);
            }
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
        let urgent = std::mem::take(&mut queue.urgent);
        let sync = std::mem::take(&mut queue.wants_sync) || due || closing;
        Ok(Some(Batch { lines, urgent, sync, closing }))
    }

    /// Writes a batch, a part at a time if it is long: what is written makes room, so that a full queue is filled again
    /// meanwhile. Returns how many bytes were written, and what went wrong.
    fn write(&self, committer: &mut Committer, lines: &[u8]) -> (usize, Option<Stop>) {
        let mut done = 0;
        while done < lines.len() {
            let rest = &lines[done..];
            let part = rest.get(PART..).and_then(|behind| memchr::memchr(b'\n', behind));
            let (written, stop) = committer.write(&rest[..part.map_or(rest.len(), |at| PART + at + 1)]);
            done += written;
            if stop.is_some() || done == lines.len() {
                return (done, stop);
            }
            let mut queue = self.queue();
            queue.in_flight = lines.len() - done;
            let room = if self.has_room(&queue) { std::mem::take(&mut queue.room) } else { Vec::new() };
            drop(queue);
            wake_all(room);
        }
        (done, None)
    }

    /// After a batch: gives room, plans what is due, goes on closing.
    fn settle(
        self: &Arc<Self>,
        committer: &mut Committer,
        mark: &Watermark,
        Batch { mut lines, urgent, .. }: Batch,
        written: usize,
        full: bool,
    ) -> Next {
        let mut queue = self.queue();
        queue.in_flight = 0;
        let (mut health, mut refused) = (None, None);
        if full {
            refused = queue.meet_full_disk(self.options.on_full, committer, lines, written);
            health = Some(Health::StorageFull);
        } else {
            lines.clear();
            queue.spare = lines;
            queue.lost = queue.lost.filter(|lost| committer.written() <= lost.last);
            if matches!(mark.health(), Health::StorageFull) {
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
        let now = Instant::now();
        let busy = queue.settled.replace(now).is_some_and(|before| now.saturating_duration_since(before) < BUSY);
        // What was queued or came due meanwhile woke nobody: this thread looks again.
        let (next, turn) = if full {
            (Next::Rest, Turn::Waiting)
        } else if closed {
            (Next::Closed, Turn::Idle)
        } else if queue.is_pressing(now) || (queue.has_more(now) && !busy) {
            (Next::Again, Turn::Taken)
        } else if busy && urgent {
            (Next::Linger, Turn::Lingering)
        } else if busy {
            (Next::Doze, Turn::Dozing(Dozer::current()))
        } else {
            (Next::Rest, Turn::Idle)
        };
        queue.turn = turn;
        drop(queue);
        if full {
            self.schedule_at(Instant::now() + FULL_RETRY);
        }
        // The news first: whoever is refused finds the journal's health saying why.
        health.into_iter().for_each(|health| mark.set_health(health));
        if let Some((first, last)) = refused {
            mark.fail(Durability::Written, first, last, &storage_full());
            mark.fail(Durability::Synced, first, last, &storage_full());
        }
        wake_all(room);
        next
    }

    /// Stays for a moment; whether there is more then.
    fn stay(&self, awake: bool) -> bool {
        match awake {
            true => self.pool.linger(&self.called),
            false => self.pool.doze(),
        }
        let mut queue = self.queue();
        self.called.store(false, Ordering::Relaxed);
        let more = matches!(queue.phase, Phase::Open) && queue.has_more(Instant::now());
        queue.turn = if more { Turn::Taken } else { Turn::Idle };
        more
    }

    /// The first failure is final: everybody who waits gets it, and so does everybody who comes. A close that was asked
    /// for ends with it.
    fn fail(&self, committer: &mut Committer, mark: &Watermark, error: &Error) -> Next {
        let mut queue = self.queue();
        let closing = queue.closing.is_some();
        queue.phase = Phase::Failed(error.clone());
        queue.lines = Vec::new();
        queue.notes.clear();
        queue.in_flight = 0;
        queue.turn = Turn::Idle;
        let room = std::mem::take(&mut queue.room);
        drop(queue);
        mark.set_health(Health::Failed(error.clone()));
        // What was being written may be on disk all the same.
        fail_rest(mark, committer, &error.with_unknown_outcome());
        wake_all(room);
        if closing { Next::Closed } else { Next::Rest }
    }
}

impl Task for Writer {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        let round = std::panic::AssertUnwindSafe(|| self.round());
        match std::panic::catch_unwind(round) {
            Ok(Next::Again) => return Some(self),
            Ok(Next::Linger) => return self.stay(true).then_some(self),
            Ok(Next::Doze) => return self.stay(false).then_some(self),
            Ok(Next::Rest | Next::Closed) => return None,
            Err(_) => {}
        }
        // A bug of ours must not leave anybody waiting.
        let error = Error::new(ErrorKind::Io, "the journal's writer has panicked: reopen the journal");
        let mut slot = self.committer();
        let mark = self.mark();
        if let Some(committer) = slot.as_mut()
            && self.fail(committer, &mark, &error) == Next::Closed
        {
            *slot = None;
            drop(slot);
            mark.close(Err(error));
        }
        None
    }

    fn due(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        let mut queue = self.queue();
        if matches!(queue.turn, Turn::Taken | Turn::Lingering | Turn::Dozing(_)) {
            return None; // whoever has the turn sees what is due
        }
        queue.turn = Turn::Taken;
        drop(queue);
        self.run()
    }
}
