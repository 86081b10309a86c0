//! How far a journal has got: written, synced, closed or failed; and who waits for that.
//!
//! One [`Watermark`] an epoch. The writer advances it; tickets wait on it. Wakers are collected under the lock and woken
//! outside it, so that no woken task runs into the lock that woke it. Whoever gives up waiting is forgotten: at once, or with
//! the number it waited for, which is soon reached or refused.

use crate::error::{Error, Result};
use crate::runtime::block_on::wake_all;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// How safe a ticket's event is when it resolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Handed to the operating system: survives the death of the process.
    Written,
    /// On the disk, by `fdatasync`: survives a power cut.
    #[default]
    Synced,
}

/// How recording goes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Health {
    /// As it should.
    #[default]
    Good,
    /// The disk is full. Writing resumes by itself when there is space.
    StorageFull,
    /// A write or a sync failed: nothing more is recorded until [`Journal::reopen`](crate::Journal::reopen).
    Failed(Error),
    /// The journal was closed.
    Closed,
}

#[derive(Debug, Default)]
pub(crate) struct Watermark {
    written: AtomicU64,
    synced: AtomicU64,
    /// Set with the first failure; until then a reached mark needs no lock to be seen.
    any_failure: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: [BinaryHeap<Reverse<Waiting>>; 2],
    /// Numbers that will never reach a level, and why.
    failures: Vec<Failure>,
    health: Health,
    /// Counts the changes of `health`.
    health_version: u64,
    closed: Option<Result<()>>,
    /// By their numbers.
    watching: BTreeMap<u64, Watching>,
    /// How many watchers there have been.
    watchers: u64,
}

/// Woken by every change of health and by closing.
#[derive(Debug)]
struct Watching {
    /// Also when more than this has reached a level.
    past: Option<(Durability, u64)>,
    waker: Waker,
}

#[derive(Debug)]
struct Failure {
    level: Durability,
    first: u64,
    last: u64,
    error: Error,
}

#[derive(Debug)]
struct Waiting {
    seq: u64,
    waker: Waker,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        self.seq.cmp(&other.seq)
    }
}

/// The watermark of a journal that may be reopened, after which it is another one. Owned by the writer alone; followers hold
/// it weakly, and so find out that the writer is gone.
#[derive(Debug)]
pub(crate) struct CurrentMark(Mutex<Arc<Watermark>>);

impl CurrentMark {
    pub(crate) fn new(mark: Arc<Watermark>) -> CurrentMark {
        CurrentMark(Mutex::new(mark))
    }

    pub(crate) fn get(&self) -> Arc<Watermark> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn replace(&self, mark: Arc<Watermark>) {
        *self.lock() = mark;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Watermark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watermark {
    /// Everything up to `seq` is on disk already.
    pub(crate) fn starting_at(seq: u64) -> Watermark {
        Watermark { written: AtomicU64::new(seq), synced: AtomicU64::new(seq), ..Watermark::default() }
    }

    fn mark(&self, level: Durability) -> &AtomicU64 {
        match level {
            Durability::Written => &self.written,
            Durability::Synced => &self.synced,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reached(&self, level: Durability) -> u64 {
        self.mark(level).load(Ordering::Acquire)
    }

    /// Every entry up to `seq` that was not refused has reached `level`.
    pub(crate) fn advance(&self, level: Durability, seq: u64) {
        let mut ready = Vec::new();
        {
            let mut state = self.lock();
            debug_assert!(self.reached(level) <= seq, "a watermark never sinks");
            self.mark(level).store(seq, Ordering::Release);
            let waiting = &mut state.waiting[level as usize];
            while waiting.peek().is_some_and(|Reverse(next)| next.seq <= seq) {
                ready.extend(waiting.pop().map(|Reverse(waiting)| waiting.waker));
            }
            state.watching.retain(|_, watching| {
                let passed = watching.past.is_some_and(|(of, past)| of == level && past < seq);
                ready.extend(passed.then(|| watching.waker.clone()));
                !passed
            });
        }
        wake_all(ready);
    }

    /// The entries from `first` to `last` will never reach `level`.
    pub(crate) fn fail(&self, level: Durability, first: u64, last: u64, error: &Error) {
        let mut ready: Vec<Waker> = Vec::new();
        {
            let mut state = self.lock();
            state.failures.push(Failure { level, first, last, error: error.clone() });
            self.any_failure.store(true, Ordering::Release);
            let waiting = std::mem::take(&mut state.waiting[level as usize]);
            let (failed, rest) = waiting.into_iter().partition(|Reverse(next)| (first..=last).contains(&next.seq));
            state.waiting[level as usize] = rest;
            let failed: BinaryHeap<Reverse<Waiting>> = failed;
            ready.extend(failed.into_iter().map(|Reverse(waiting)| waiting.waker));
        }
        wake_all(ready);
    }

    pub(crate) fn set_health(&self, health: Health) {
        let watching = {
            let mut state = self.lock();
            state.health = health;
            state.health_version += 1;
            std::mem::take(&mut state.watching)
        };
        wake_all(watching.into_values().map(|watching| watching.waker));
    }

    pub(super) fn health_version(&self) -> u64 {
        self.lock().health_version
    }

    pub(crate) fn health(&self) -> Health {
        self.lock().health.clone()
    }

    /// The journal is closed, and its lock is free.
    pub(crate) fn close(&self, result: Result<()>) {
        self.lock().closed.get_or_insert(result);
        self.set_health(Health::Closed);
    }

    /// How the journal was closed, if it was.
    pub(crate) fn closed(&self) -> Option<Result<()>> {
        self.lock().closed.clone()
    }

    pub(super) fn poll(
        &self,
        level: Durability,
        seq: u64,
        registered: &mut Option<Waker>,
        waker: &Waker,
    ) -> Poll<Result<()>> {
        if self.reached(level) >= seq && !self.any_failure.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.lock();
        let failed = |failure: &&Failure| failure.level == level && (failure.first..=failure.last).contains(&seq);
        if let Some(failure) = state.failures.iter().find(failed) {
            return Poll::Ready(Err(failure.error.clone()));
        }
        if self.reached(level) >= seq {
            return Poll::Ready(Ok(()));
        }
        if !registered.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *registered = Some(waker.clone());
            state.waiting[level as usize].push(Reverse(Waiting { seq, waker: waker.clone() }));
        }
        Poll::Pending
    }
}

/// Somebody who waits for what may never come. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Watcher {
    mark: Arc<Watermark>,
    number: u64,
}

impl Watcher {
    pub(crate) fn new(mark: Arc<Watermark>) -> Watcher {
        let number = {
            let mut state = mark.lock();
            state.watchers += 1;
            state.watchers
        };
        Watcher { mark, number }
    }

    pub(crate) fn mark(&self) -> &Arc<Watermark> {
        &self.mark
    }

    /// Has a waker woken when more reaches `level`, or when the health changes; `true` if more than `seq` has reached it.
    pub(crate) fn watch_past(&self, level: Durability, seq: u64, waker: &Waker) -> bool {
        let state = self.mark.lock();
        if self.mark.reached(level) > seq {
            return true;
        }
        self.watch(state, Some((level, seq)), waker);
        false
    }

    pub(super) fn poll_closed(&self, waker: &Waker) -> Poll<Result<()>> {
        let state = self.mark.lock();
        match &state.closed {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                self.watch(state, None, waker);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_health(&self, seen: u64, waker: &Waker) -> Poll<Health> {
        let state = self.mark.lock();
        if state.health_version != seen {
            return Poll::Ready(state.health.clone());
        }
        self.watch(state, None, waker);
        Poll::Pending
    }

    fn watch(&self, mut state: MutexGuard<'_, State>, past: Option<(Durability, u64)>, waker: &Waker) {
        let before = state.watching.insert(self.number, Watching { past, waker: waker.clone() });
        // Without the lock: with its last waker a task may go, and with that a watcher of ours.
        drop(state);
        drop(before);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let watching = self.mark.lock().watching.remove(&self.number);
        drop(watching); // without the lock, as above
    }
}
