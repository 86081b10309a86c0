//! [`Lookup`]: whether an event with a caller's own id is in the journal, as durable as was asked.

use crate::error::{Error, ErrorKind, Result};
use crate::files::Files;
use crate::items::{Found, Items};
use crate::pool::{Pool, Task};
use crate::watermark::{Ticket, block_on, wake_all};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Resolves to what was [`Found`] of an id. See [`Journal::lookup`](crate::Journal::lookup).
///
/// A future that any executor can poll, and a blocking [`wait`](Lookup::wait). It holds no lock: dropping it, or waiting for
/// it, keeps no journal open.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Lookup {
    /// For everything that was appended before.
    ticket: Ticket,
    pool: Arc<Pool>,
    search: Arc<Search>,
    begun: bool,
}

/// The search, run by a thread of the pool.
struct Search {
    files: Files,
    id: String,
    /// The number of the last entry that was appended before.
    last: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    result: Option<Result<Found>>,
    waker: Option<Waker>,
}

impl Lookup {
    pub(crate) fn new(files: Files, pool: Arc<Pool>, ticket: Ticket, id: &str) -> Lookup {
        let last = ticket.seq().get();
        let search = Search { files, id: id.to_owned(), last, state: Mutex::default() };
        Lookup { ticket, pool, search: Arc::new(search), begun: false }
    }

    /// Blocks until the search has ended.
    ///
    /// # Errors
    /// The failure that ended the writer, before everything that was appended before was durable;
    /// [`ErrorKind::Io`] if the journal's directory cannot be read.
    pub fn wait(self) -> Result<Found> {
        block_on(self)
    }
}

impl Search {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Search {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        let find = std::panic::AssertUnwindSafe(|| Items::find(&self.files, &self.id, self.last));
        let panicked = |_| Err(Error::new(ErrorKind::Io, "the look-up has panicked: this is a bug in foldlog"));
        let result = std::panic::catch_unwind(find).unwrap_or_else(panicked);
        let waker = {
            let mut state = self.lock();
            state.result = Some(result);
            state.waker.take()
        };
        wake_all(waker);
        None
    }
}

impl Future for Lookup {
    type Output = Result<Found>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Found>> {
        let lookup = &mut *self;
        if !lookup.begun {
            match Pin::new(&mut lookup.ticket).poll(context) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            lookup.begun = true;
            lookup.pool.run(Arc::clone(&lookup.search) as Arc<dyn Task>);
        }
        let mut state = lookup.search.lock();
        match &state.result {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("id", &self.search.id).finish_non_exhaustive()
    }
}
