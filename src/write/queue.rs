//! The queue of one journal: what callers have appended and no round has taken yet, and where the journal stands.
//!
//! Decides what is queued next (the report of a recovery first, `events_lost` behind a hole, `journal_closed` last);
//! does no I/O.

use crate::error::{Error, ErrorKind, Result};
use crate::format::draft::Draft;
use crate::format::line::Tail;
use crate::model::event::{Event, EventsLost, JournalClosed, JournalRecovered};
use crate::model::open_turns::Change;
use crate::model::seq::Seq;
use crate::model::time::{Stamp, Timestamp};
use crate::runtime::pool::Dozer;
use crate::runtime::watermark::{Durability, Watermark};
use crate::write::committer::{Committer, Note};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// So many bytes are written at once even if nobody waits for them.
const GATHERED: usize = 64 << 10;

/// What callers see and change. Held for moments: serialising an event happens before, waking somebody after.
pub(crate) struct Queue {
    pub(crate) mark: Arc<Watermark>,
    pub(crate) lines: Vec<u8>,
    /// An emptied batch, for its capacity.
    pub(crate) spare: Vec<u8>,
    pub(crate) notes: Vec<Note>,
    stamp: Stamp,
    pub(crate) next_seq: u64,
    /// The last number that an entry bears. Behind an unclean end, numbers between it and the next one are skipped.
    pub(crate) last_seq: u64,
    /// Bytes taken from the queue and not written yet.
    pub(crate) in_flight: usize,
    /// To be written before anything else.
    pub(crate) recovered: Option<JournalRecovered>,
    /// The same once it is queued, with its number, until it is written.
    pub(crate) reported: Option<(u64, JournalRecovered)>,
    pub(crate) phase: Phase,
    pub(crate) closing: Option<Close>,
    pub(crate) wants_sync: bool,
    /// Somebody waits for what is queued: it does not gather any longer.
    pub(crate) urgent: bool,
    /// When what was written must be synced.
    pub(crate) sync_by: Option<Instant>,
    pub(crate) turn: Turn,
    /// When the last round ended.
    pub(crate) settled: Option<Instant>,
    pub(crate) lost: Option<Lost>,
    pub(crate) room: Vec<Waker>,
}

/// Whose turn it is to see to the queue.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nobody's: whoever adds something wakes the pool.
    Idle,
    /// The pool's: a round is about to begin, or goes on and looks again at its end.
    Taken,
    /// The pool's, which looks again in a moment, or as soon as it is called: awake, because somebody who waited is likely
    /// to go on at once.
    Lingering,
    /// The same, but asleep, because nobody waits: to look out for more would take a core from those who make it.
    Dozing(Dozer),
    /// The clock's: the disk is full, and the next try has its time.
    Waiting,
}

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Open,
    Closed,
    Failed(Error),
}

/// A close that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    pub(crate) reason: String,
    /// `journal_closed` is in the queue already.
    pub(crate) said: bool,
}

/// Events refused while the disk is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) count: u64,
}

impl Queue {
    pub(crate) fn new(mark: Arc<Watermark>, next_seq: u64, recovered: Option<JournalRecovered>) -> Queue {
        let last_seq = mark.reached(Durability::Synced);
        Queue {
            mark,
            lines: Vec::new(),
            spare: Vec::new(),
            notes: Vec::new(),
            stamp: Stamp::default(),
            next_seq,
            last_seq,
            in_flight: 0,
            recovered,
            reported: None,
            phase: Phase::Open,
            closing: None,
            wants_sync: false,
            urgent: false,
            sync_by: None,
            turn: Turn::Idle,
            settled: None,
            lost: None,
            room: Vec::new(),
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match &self.phase {
            Phase::Failed(error) => Err(error.clone()),
            Phase::Open if self.closing.is_none() => Ok(()),
            Phase::Open | Phase::Closed => Err(closed()),
        }
    }

    /// Refuses an event that would need a number higher than there is.
    pub(crate) fn check_numbers(&self) -> Result<()> {
        if self.has_numbers(1 + u64::from(self.recovered.is_some())) {
            return Ok(());
        }
        let message = format!("the journal has no number left, the highest is {}: record under another id", Seq::MAX);
        Err(Error::new(ErrorKind::Exhausted, message))
    }

    fn has_numbers(&self, wanted: u64) -> bool {
        self.next_seq.saturating_add(wanted) - 1 <= Seq::MAX.get()
    }

    /// Whether there is work for a round.
    pub(crate) fn has_more(&self, now: Instant) -> bool {
        !self.lines.is_empty() || self.is_pressing(now)
    }

    /// Whether there is work for a round that should not wait for more to gather.
    pub(crate) fn is_pressing(&self, now: Instant) -> bool {
        let due = self.sync_by.is_some_and(|at| at <= now);
        self.urgent || self.is_much() || self.wants_sync || self.closing.is_some() || due
    }

    /// Whether it need not gather any longer, though nobody waits.
    pub(crate) fn is_much(&self) -> bool {
        self.lines.len() >= GATHERED
    }

    pub(crate) fn last_queued(&self) -> u64 {
        match self.lost {
            Some(lost) => lost.first - 1,
            None => self.last_seq,
        }
    }

    /// The first entry of an opening that found an unclean end is the report of it.
    pub(crate) fn begin_epoch(&mut self) -> Result<()> {
        if let Some(recovered) = self.recovered.take() {
            let draft = Draft::recorders_own(Event::JournalRecovered(recovered.clone()));
            let tail = draft.tail()?;
            let seq = self.push(&draft, &tail);
            self.reported = Some((seq, recovered));
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, draft: &Draft, tail: &Tail<'_>) -> u64 {
        let seq = self.next_seq;
        let time = draft.given_time().unwrap_or_else(Timestamp::now);
        let synced = self.mark.reached(Durability::Synced);
        tail.write_line(&mut self.lines, seq, synced, self.stamp.of(time));
        if draft.change != Change::Nothing || draft.given_id().is_some() {
            self.notes.push(Note { seq, change: draft.change.clone(), id: draft.given_id().map(str::to_owned) });
        }
        self.last_seq = seq;
        self.next_seq += 1;
        seq
    }

    /// Refuses everything that is not written, because the disk is full. Returns the first and the last number whose
    /// waiters must be told.
    pub(crate) fn refuse_all(&mut self, committer: &mut Committer) -> Option<(u64, u64)> {
        self.lines.clear();
        self.notes.clear();
        committer.forget_notes();
        let first = committer.written() + 1;
        let last = self.next_seq - 1;
        let refused = last + 1 - first;
        if let Some((_, mut recovered)) = self.reported.take().filter(|(seq, _)| *seq >= first) {
            // It has to come first all the same, and then accounts for what was refused with it.
            if self.lost.is_none() {
                recovered.add_hole(first, last);
            }
            self.recovered = Some(recovered);
        }
        match &mut self.lost {
            // Only the explanation itself was refused: its number goes to the next try. The report of a recovery, which
            // goes before it, may have been written all the same.
            Some(lost) => {
                self.next_seq = first.max(lost.last + 1);
                None
            }
            None => {
                self.lost = Some(Lost { first, last, count: refused });
                Some((first, last))
            }
        }
    }

    /// Queues `events_lost`, which must be the first entry behind the hole.
    pub(crate) fn push_explanation(&mut self, lost: Lost) {
        self.lines.clear();
        if self.check_numbers().is_err() {
            return; // nothing can follow the hole either
        }
        let _ = self.begin_epoch();
        let event = EventsLost::new("the disk was full").first_seq(lost.first).last_seq(lost.last).count(lost.count);
        let draft = Draft::recorders_own(Event::EventsLost(event));
        if let Ok(tail) = draft.tail() {
            self.push(&draft, &tail);
        }
    }

    /// When everything is on disk, queues `journal_closed`; when that is on disk too, the journal is closed.
    pub(crate) fn go_on_closing(&mut self, committer: &Committer) -> bool {
        let Some(close) = &mut self.closing else { return false };
        let all_synced = committer.synced() + 1 >= self.next_seq || !committer.has_written();
        if !self.lines.is_empty() || !all_synced {
            return false;
        }
        let is_full = self.next_seq > Seq::MAX.get();
        if close.said || is_full || !committer.has_written() {
            self.phase = Phase::Closed;
            return true;
        }
        close.said = true;
        let activity = committer.activity();
        let event = JournalClosed::new(close.reason.clone())
            .open(activity.open().0)
            .turns(activity.turns)
            .errors(activity.errors)
            .spent(activity.spent.said());
        let draft = Draft::recorders_own(Event::JournalClosed(event));
        if let Ok(tail) = draft.tail() {
            self.push(&draft, &tail);
        }
        self.wants_sync = true;
        false
    }
}

/// The end of a journal that waited for space and may wait no longer.
pub(crate) fn left_out(first: u64, last: u64) -> Error {
    let message = match first == last {
        true => format!("the disk is full: entry {first} was not recorded"),
        false => format!("the disk is full: entries {first} to {last} were not recorded"),
    };
    Error::new(ErrorKind::StorageFull, message)
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the journal is closed: open it again to go on")
}
