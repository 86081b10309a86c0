//! How far a journal has got: written, synced, closed or failed; and who waits for that.
//!
//! One [`Watermark`] an epoch. The writer advances it; tickets wait on it. Wakers are collected under the lock and woken
//! outside it, so that no woken task runs into the lock that woke it. Whoever gives up waiting is forgotten: at once, or with
//! the number it waited for, which is soon reached or refused.

use crate::error::{Error, Result};
use crate::seq::Seq;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

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

    fn poll(&self, level: Durability, seq: u64, registered: &mut Option<Waker>, waker: &Waker) -> Poll<Result<()>> {
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

    fn poll_closed(&self, waker: &Waker) -> Poll<Result<()>> {
        let state = self.mark.lock();
        match &state.closed {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                self.watch(state, None, waker);
                Poll::Pending
            }
        }
    }

    fn poll_health(&self, seen: u64, waker: &Waker) -> Poll<Health> {
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

/// The promise for one appended event: resolves to its number when it is as safe as was asked.
///
/// A future that any executor can poll, and a blocking [`wait`](Ticket::wait). Dropping it takes nothing back: the event
/// is recorded all the same.
#[derive(Debug)]
#[must_use = "an event is safe only when its ticket has resolved: await it, `wait()` for it, or use `push`"]
pub struct Ticket {
    mark: Arc<Watermark>,
    level: Durability,
    seq: u64,
    registered: Option<Waker>,
}

impl Ticket {
    pub(crate) fn new(mark: Arc<Watermark>, level: Durability, seq: u64) -> Ticket {
        Ticket { mark, level, seq, registered: None }
    }

    /// The event's number.
    pub fn seq(&self) -> Seq {
        Seq::new(self.seq)
    }

    /// Blocks until the event is as safe as was asked.
    ///
    /// # Errors
    /// If it will never be. [`Error::outcome`] tells whether it may be in the log all the same.
    pub fn wait(self) -> Result<Seq> {
        block_on(self)
    }
}

impl Future for Ticket {
    type Output = Result<Seq>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Seq>> {
        let ticket = &mut *self;
        let seq = Seq::new(ticket.seq);
        ticket
            .mark
            .poll(ticket.level, ticket.seq, &mut ticket.registered, context.waker())
            .map(|done| done.map(|()| seq))
    }
}

/// The promise of a close: resolves when all is safe and the lock is free.
#[derive(Debug)]
#[must_use = "a journal is closed only when this has resolved: await it or `wait()` for it"]
pub struct Closing {
    watcher: Watcher,
}

impl Closing {
    pub(crate) fn new(mark: Arc<Watermark>) -> Closing {
        Closing { watcher: Watcher::new(mark) }
    }

    /// Blocks until the journal is closed.
    ///
    /// # Errors
    /// If what was appended could not all be made safe. The lock is free all the same.
    pub fn wait(self) -> Result<()> {
        block_on(self)
    }
}

impl Future for Closing {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.watcher.poll_closed(context.waker())
    }
}

/// Resolves to the journal's [`Health`] when that has changed.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct HealthChange {
    watcher: Watcher,
    seen: u64,
}

impl HealthChange {
    /// The next one from now on.
    pub(crate) fn new(mark: Arc<Watermark>) -> HealthChange {
        let seen = mark.lock().health_version;
        HealthChange { watcher: Watcher::new(mark), seen }
    }
}

impl Future for HealthChange {
    type Output = Health;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Health> {
        self.watcher.poll_health(self.seen, context.waker())
    }
}

/// Wakes them all. One that panics is a bug of its executor's: it must not keep the others from being woken, nor end the
/// thread that wakes them, which works for everybody.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let poll = |context: &mut Context<'_>| Pin::new(&mut future).poll(context);
    block_until(None, poll).expect("without a deadline it comes to its end")
}

/// Polls on this thread until there is an output, or until the deadline has passed.
pub(crate) fn block_until<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = poll(&mut context) {
            return Some(output);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}
