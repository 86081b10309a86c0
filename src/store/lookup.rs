//! [`Lookup`]: whether an event with a caller's own id is in the journal, as durable as was asked.
//!
//! One search answers all look-ups of a journal that exist when it begins; those that come while it runs wait for the next.

use crate::error::{Error, ErrorKind, Result};
use crate::read::items::{Found, Items, Search};
use crate::runtime::block_on::{block_on, wake_all};
use crate::runtime::pool::{Pool, Task};
use crate::runtime::ticket::Ticket;
use crate::runtime::watermark::{Durability, Watermark};
use crate::segments::dir::Files;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Resolves to what was [`Found`] of an id. See [`Journal::lookup`](crate::Journal::lookup).
///
/// A future that any executor can poll, and a blocking [`wait`](Lookup::wait). It holds no lock: dropping it, or waiting for
/// it, keeps no journal open. All look-ups that wait are answered by one search, which needs memory for their ids alone.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Lookup {
    /// For everything that was appended before.
    ticket: Ticket,
    searches: Arc<Searches>,
    number: u64,
}

/// The look-ups of one journal, and the search that answers them, run by a thread of the pool.
pub(crate) struct Searches {
    files: Files,
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that exist, by their numbers.
    lookups: BTreeMap<u64, Waiting>,
    /// How many there have been.
    count: u64,
    searching: bool,
}

struct Waiting {
    id: String,
    /// The number of the last entry that was appended before.
    last: u64,
    /// How durable that must be, and who knows.
    level: Durability,
    mark: Arc<Watermark>,
    result: Option<Result<Found>>,
    /// Set once the entry is that durable and the look-up is awaited.
    waker: Option<Waker>,
}

impl Lookup {
    pub(crate) fn new(
        searches: &Arc<Searches>,
        level: Durability,
        mark: Arc<Watermark>,
        last: u64,
        id: &str,
    ) -> Lookup {
        let ticket = Ticket::new(Arc::clone(&mark), level, last);
        let waiting = Waiting { id: id.to_owned(), last, level, mark, result: None, waker: None };
        let mut state = searches.lock();
        state.count += 1;
        let number = state.count;
        state.lookups.insert(number, waiting);
        drop(state);
        Lookup { ticket, searches: Arc::clone(searches), number }
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

impl Drop for Lookup {
    fn drop(&mut self) {
        let waiting = self.searches.lock().lookups.remove(&self.number);
        drop(waiting); // without the lock: with its last waker a task may end, and with that another look-up
    }
}

impl Searches {
    pub(crate) fn new(files: Files, pool: Arc<Pool>) -> Searches {
        Searches { files, pool, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of a look-up whose ticket has resolved. Begins a search if none is running.
    fn poll(self: &Arc<Self>, number: u64, waker: &Waker) -> Poll<Result<Found>> {
        let mut state = self.lock();
        let Some(waiting) = state.lookups.get_mut(&number) else { return Poll::Pending };
        if let Some(result) = &waiting.result {
            return Poll::Ready(result.clone());
        }
        let before = waiting.waker.replace(waker.clone());
        let begins = !std::mem::replace(&mut state.searching, true);
        drop(state);
        drop(before); // without the lock, as above
        if begins {
            self.pool.run(Arc::clone(self) as Arc<dyn Task>);
        }
        Poll::Pending
    }

    /// The look-ups that can be answered now: by their numbers, with their ids and bounds.
    fn ready(&self) -> Vec<(u64, String, u64)> {
        let state = self.lock();
        let open = state.lookups.iter().filter(|(_, waiting)| waiting.result.is_none());
        let durable = open.filter(|(_, waiting)| waiting.mark.reached(waiting.level) >= waiting.last);
        durable.map(|(number, waiting)| (*number, waiting.id.clone(), waiting.last)).collect()
    }

    fn search(&self, lookups: &[(u64, String, u64)]) -> Result<Search> {
        let mut search = Search::default();
        lookups.iter().for_each(|(_, id, last)| search.want(id, *last));
        Items::find(&self.files, &mut search)?;
        Ok(search)
    }

    /// Notes the results; who is to be woken, and whether others wait for the next search.
    fn answer(&self, lookups: &[(u64, String, u64)], searched: &Result<Search>) -> (Vec<Waker>, bool) {
        let mut state = self.lock();
        let mut wakers = Vec::new();
        for (number, id, last) in lookups {
            if let Some(waiting) = state.lookups.get_mut(number) {
                waiting.result = Some(searched.as_ref().map(|search| search.found(id, *last)).map_err(Clone::clone));
                wakers.extend(waiting.waker.take());
            }
        }
        state.searching = state.lookups.values().any(|waiting| waiting.waker.is_some());
        (wakers, state.searching)
    }
}

impl Task for Searches {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        let lookups = self.ready();
        let panicked = |_| Err(Error::new(ErrorKind::Io, "the look-up has panicked: this is a bug in foldlog"));
        let searched = catch_unwind(AssertUnwindSafe(|| self.search(&lookups))).unwrap_or_else(panicked);
        let (wakers, others_wait) = self.answer(&lookups, &searched);
        wake_all(wakers);
        others_wait.then_some(self as Arc<dyn Task>)
    }
}

impl Future for Lookup {
    type Output = Result<Found>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Found>> {
        let lookup = &mut *self;
        match Pin::new(&mut lookup.ticket).poll(context) {
            Poll::Ready(Ok(_)) => lookup.searches.poll(lookup.number, context.waker()),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
