//! What callers wait for: a ticket for an event, the end of a journal, a change of its health.

use crate::error::Result;
use crate::model::seq::Seq;
use crate::runtime::block_on::block_on;
use crate::runtime::watermark::{Durability, Health, Watcher, Watermark};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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
    /// If it will never be. [`Error::outcome`](crate::Error::outcome) tells whether it may be in the log all the same.
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
        let seen = mark.health_version();
        HealthChange { watcher: Watcher::new(mark), seen }
    }
}

impl Future for HealthChange {
    type Output = Health;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Health> {
        self.watcher.poll_health(self.seen, context.waker())
    }
}
