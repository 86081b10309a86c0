//! [`Follower`]: reading that waits at the tail of a journal for more.

mod durable;
mod open_files;
mod store;
mod tail;
mod wake;

pub(crate) use durable::Gate;
pub use store::{StoreCursor, StoreFollower};

use crate::error::Result;
use crate::model::cursor::Cursor;
use crate::read::items::Item;
use crate::read::reader::Reader;
use crate::segments::dir::Files;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tail::Tail;
use wake::{Bell, Watch};

/// How often a follower looks by itself where the system tells of changes: the net beneath the notices.
const WATCHED: Duration = Duration::from_secs(2);
/// How often where nobody records any more.
const PARKED: Duration = Duration::from_secs(30);
/// How often it looks where the system tells nothing.
const UNWATCHED: Duration = Duration::from_millis(100);
/// How soon it looks again at what is neither a line nor a gap yet.
const UNSETTLED: Duration = Duration::from_millis(250);
/// How long at least between two looks at the whole directory.
const THOROUGH: Duration = Duration::from_secs(1);
/// After how many items at a stretch other tasks get their turn.
const STRETCH: u32 = 256;

/// Follows one journal while it is written, by this process or another, and afterwards.
///
/// Yields what is there already, then waits for more: every entry exactly once, in order, whole; every [gap](crate::Gap)
/// where it is; and how things stand: [`Item::CaughtUp`], [`Item::WriterGone`], [`Item::Rewound`], [`Item::Replaced`]. It
/// reads the files, needs no lock and never makes the writer wait. A slow follower loses nothing: the files are the queue.
///
/// A [`Stream`] that any executor can poll. It has no end, so `next` is never `None`; an error does not end it either:
/// asked again, it tries again. Dropping a pending `next` loses nothing.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use foldlog::{Cursor, Item, Store, TurnStarted};
///
/// let store = Store::open(root.path())?;
/// let journal = store.journal("s-1")?;
/// journal.append(TurnStarted::new("t-1", "Fix the build"))?.await?;
///
/// let mut follower = store.reader("s-1")?.follow(Cursor::start())?; // in this process or another
/// while let Some(item) = follower.next().await {
///     match item? {
///         Item::Entry(entry) => println!("{} {}", entry.seq(), entry.type_name()),
///         Item::Gap(gap) => eprintln!("{gap}"),
///         Item::CaughtUp => break, // what came before was history, what comes is news
///         _ => {}
///     }
/// }
/// let stored = serde_json::to_string(&follower.cursor())?; // to resume after a restart
/// # assert!(stored.contains("after"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Follower {
    files: Files,
    tail: Tail,
    bell: Arc<Bell>,
    watch: Option<Watch>,
    gate: Option<Gate>,
    /// The journal itself tells of what it writes, sooner than the system does: no notices are needed meanwhile.
    told_by_writer: bool,
    /// How often to look, if the system's notices are not to be used.
    interval: Option<Duration>,
    /// When the clock rings next.
    next_poll: Option<Instant>,
    thorough_at: Instant,
    /// Items since the last pause.
    stretch: u32,
    /// Its files are closed while nothing happens, though somebody may record.
    is_one_of_many: bool,
    /// The last look failed: not again before the clock rings.
    failed: bool,
}

impl Follower {
    pub(crate) fn new(files: Files, from: &Cursor, gate: Option<Gate>) -> Result<Follower> {
        let bell = Bell::new(&files.dir)?;
        let told_by_writer = gate.as_ref().is_some_and(|gate| !gate.is_over());
        // First, so that nothing is missed after the first look.
        let watch = if told_by_writer { None } else { watch(&files, &bell) };
        let tail = Tail::new(files.clone(), from)?;
        Ok(Follower {
            files,
            tail,
            bell,
            watch,
            gate,
            told_by_writer,
            interval: None,
            next_poll: None,
            thorough_at: Instant::now(),
            stretch: 0,
            is_one_of_many: false,
            failed: false,
        })
    }

    /// Uses no notices of the system: looks every `interval` instead. For file systems whose notices are not to be trusted.
    pub fn poll_every(mut self, interval: Duration) -> Follower {
        self.watch = None;
        self.interval = Some(interval);
        self
    }

    /// Whether it is told of changes, by the system or by the journal it follows in its own process. If not, it looks for
    /// them ten times a second.
    pub fn is_watching(&self) -> bool {
        self.watch.is_some() || self.told_by_writer
    }

    /// Where the next item stands: everything before it has been given out. Resuming there yields no entry twice and
    /// misses none.
    pub fn cursor(&self) -> Cursor {
        self.tail.cursor()
    }

    /// The next item, as soon as there is one. Never `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the directory or a file cannot be opened. The next call tries again.
    #[allow(clippy::should_implement_trait, reason = "the name that a `Stream`'s users know")]
    pub async fn next(&mut self) -> Option<Result<Item<'static>>> {
        std::future::poll_fn(|context| self.poll(context).map(Some)).await
    }

    /// Blocks for the next item; `None` if there was none within `timeout`.
    ///
    /// # Errors
    /// As for [`Follower::next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<Item<'static>>> {
        self.stretch = 0; // a thread of one's own owes nobody a turn
        if let Some(item) = self.ready() {
            return Some(item); // neither the clock nor a waker is asked for what is there
        }
        let deadline = Instant::now().checked_add(timeout);
        crate::runtime::block_on::block_until(deadline, |context| self.poll(context))
    }

    /// Becomes one of many: holds no file open while nothing happens, nor before it is polled for the first time.
    fn join_store(&mut self) {
        self.is_one_of_many = true;
        self.tail.close();
        self.bell.ring(wake::HINT);
    }

    /// Closes the files. It goes on where it was once something changes.
    fn close(&mut self) {
        self.tail.close();
    }

    /// Closes the files if nobody records and everything was delivered.
    fn rest(&mut self) -> Result<()> {
        self.tail.rest(false)
    }

    fn is_open(&self) -> bool {
        self.tail.is_open()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Item<'static>>> {
        if self.stretch >= STRETCH {
            self.stretch = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(item) = self.ready() {
                return Poll::Ready(item);
            }
            let mut rung = self.bell.answer();
            let failed = self.failed;
            let enough = |rung: u8| rung & wake::POLL > 0 || (rung > 0 && !failed);
            if !enough(rung) {
                rung |= self.wait(context.waker());
            }
            if !enough(rung) {
                self.stretch = 0;
                return Poll::Pending;
            }
            self.failed = false;
            if let Err(error) = self.look(rung) {
                self.failed = true;
                return Poll::Ready(Err(error));
            }
        }
    }

    /// The next item, if there is one without looking at the files again.
    fn ready(&mut self) -> Option<Result<Item<'static>>> {
        if let Some(gate) = &mut self.gate {
            self.tail.keep_back_behind(gate.limit());
        }
        if self.failed {
            return None;
        }
        let item = self.tail.next().transpose()?;
        self.stretch += 1;
        self.failed = item.is_err();
        Some(item)
    }

    /// Has itself woken by whatever comes first. Returns what came meanwhile.
    fn wait(&mut self, waker: &Waker) -> u8 {
        self.bell.attend(waker);
        let passed = self.gate.as_mut().is_some_and(|gate| gate.attend(waker));
        let over = self.told_by_writer && self.gate.as_ref().is_some_and(Gate::is_over);
        let interval = match (self.interval, self.is_watching()) {
            (Some(interval), _) => interval,
            (None, true) if self.tail.is_parked() => PARKED,
            (None, false) if self.tail.is_parked() => WATCHED,
            (None, true) if self.tail.is_unsettled() => UNSETTLED,
            (None, true) => WATCHED,
            (None, false) => UNWATCHED,
        };
        let at = Instant::now() + interval;
        if self.next_poll.is_none_or(|planned| planned > at) {
            self.next_poll = Some(at);
            self.bell.ring_at(at);
        }
        let told = if passed { wake::HINT } else { 0 } | if over { wake::HINT | wake::LOCK_CLOSED } else { 0 };
        self.bell.answer() | told
    }

    fn look(&mut self, rung: u8) -> Result<()> {
        if let Some(gate) = &mut self.gate {
            gate.look();
            if std::mem::replace(&mut self.told_by_writer, !gate.is_over()) && !self.told_by_writer {
                self.find_watch(); // before the files are looked at: others may write from now on
            }
        }
        let poll = rung & wake::POLL > 0;
        let now = Instant::now();
        let thorough = poll && now >= self.thorough_at;
        if poll {
            self.next_poll = None;
        }
        if thorough {
            self.thorough_at = now + THOROUGH;
            // What happens to closed files is seen by the notices alone, where a file need not grow for it.
            self.tail.rest(self.is_one_of_many && self.watch.is_some())?;
        }
        self.tail.look(rung & wake::HINT > 0, poll || rung & wake::LOCK_CLOSED > 0, thorough)?;
        if self.tail.take_restarted() || (thorough && self.watch.is_none()) {
            self.watch = None; // perhaps of a directory that is gone
            self.find_watch();
        }
        Ok(())
    }

    fn find_watch(&mut self) {
        if self.interval.is_none() && !self.told_by_writer {
            self.watch = watch(&self.files, &self.bell);
        }
    }
}

impl Reader {
    /// Follows the journal from a place on, in whatever process it is written.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the directory cannot be read.
    pub fn follow(&self, from: Cursor) -> Result<Follower> {
        Follower::new(self.files.clone(), &from, None)
    }
}

fn watch(files: &Files, bell: &Arc<Bell>) -> Option<Watch> {
    let directory = files.storage.tells_of_changes(&files.dir)?;
    Watch::new(directory, bell).ok()
}

impl Stream for Follower {
    type Item = Result<Item<'static>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Item<'static>>>> {
        self.get_mut().poll(context).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DiskStorage;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Goal: after a look that failed, a mere hint neither looks again nor makes the clock's ring go unheard.
    #[test]
    fn a_hint_after_a_failure_does_not_deafen() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files::new(Arc::new(DiskStorage), dir.path());
        let mut follower = Follower::new(files, &Cursor::start(), None).expect("a follower");
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        while follower.poll(&mut context).is_ready() {}
        follower.bell.ring(wake::HINT);
        follower.failed = true;
        assert!(follower.poll(&mut context).is_pending());
        let before = woken.0.load(Ordering::SeqCst);
        follower.bell.ring(wake::POLL);
        assert_eq!(woken.0.load(Ordering::SeqCst), before + 1);
    }
}
