//! [`StoreFollower`]: all sessions of a store as one stream, with new ones joining as they appear.

use super::wake::{Bell, Watch};
use super::{Follower, UNWATCHED, WATCHED};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::id::SessionId;
use crate::items::Item;
use crate::seq::Seq;
use crate::storage::{EntryKind, Storage};
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// After how many items at a stretch other tasks get their turn.
const STRETCH: u32 = 256;

/// Where following all sessions starts. Plain data, like [`Cursor`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCursor {
    /// Where each of these sessions starts.
    pub sessions: BTreeMap<SessionId, Cursor>,
    /// Where the others start that are there when following begins. Those that appear later start at their beginning.
    #[serde(default)]
    pub others: Cursor,
}

impl From<Cursor> for StoreCursor {
    fn from(others: Cursor) -> StoreCursor {
        StoreCursor { sessions: BTreeMap::new(), others }
    }
}

/// Follows all sessions of a store: each as a [`Follower`] does, new ones as soon as they appear.
///
/// Within a session the order is that of its journal; between sessions there is none. A session whose directory is gone
/// is told as [`Item::Rewound`] to 0, and not followed any more.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// use foldlog::{Cursor, Item, Store, TurnStarted};
/// use std::time::Duration;
///
/// let store = Store::open(root.path())?;
/// let mut follower = store.follow_all(Cursor::end())?;
/// let journal = store.journal("s-1")?;
/// journal.append(TurnStarted::new("t-1", "Fix the build"))?.wait()?;
/// while let Some(item) = follower.next_timeout(Duration::from_secs(5)) {
///     let (session_id, item) = item?;
///     if let Item::Entry(entry) = item {
///         println!("{session_id}: {}", entry.type_name());
///         break;
///     }
/// }
/// let stored = serde_json::to_string(&follower.cursor())?; // to resume after a restart
/// # assert!(stored.contains("s-1"));
/// # Ok(())
/// # }
/// ```
pub struct StoreFollower {
    storage: Arc<dyn Storage>,
    root: PathBuf,
    followed: BTreeMap<u64, Followed>,
    known: BTreeSet<SessionId>,
    next_key: u64,
    due: Arc<Due>,
    told: VecDeque<(SessionId, Item<'static>)>,
    bell: Arc<Bell>,
    watch: Option<Watch>,
    interval: Option<Duration>,
    next_poll: Option<Instant>,
    stretch: u32,
}

struct Followed {
    session_id: SessionId,
    follower: Follower,
    /// Puts it among those that are due.
    waker: Waker,
}

/// The sessions that may have something to say.
#[derive(Default)]
struct Due {
    state: Mutex<DueState>,
}

#[derive(Default)]
struct DueState {
    keys: VecDeque<u64>,
    waker: Option<Waker>,
}

struct Doorbell {
    key: u64,
    due: Arc<Due>,
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        let waker = self.due.add(self.key);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Due {
    fn lock(&self) -> MutexGuard<'_, DueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: u64) -> Option<Waker> {
        let mut state = self.lock();
        state.keys.push_back(key);
        state.waker.take()
    }

    /// The next session that is due; has `waker` woken when there is one, if there is none.
    fn take(&self, waker: &Waker) -> Option<u64> {
        let mut state = self.lock();
        let key = state.keys.pop_front();
        if key.is_none() {
            state.waker = Some(waker.clone());
        }
        key
    }
}

impl StoreFollower {
    pub(crate) fn new(storage: Arc<dyn Storage>, root: &Path, from: &StoreCursor) -> Result<StoreFollower> {
        let bell = Arc::new(Bell::default());
        let watch = watch(&*storage, root, &bell);
        let mut follower = StoreFollower {
            storage,
            root: root.to_owned(),
            followed: BTreeMap::new(),
            known: BTreeSet::new(),
            next_key: 0,
            due: Arc::new(Due::default()),
            told: VecDeque::new(),
            bell,
            watch,
            interval: None,
            next_poll: None,
            stretch: 0,
        };
        for session_id in follower.list()? {
            let cursor = from.sessions.get(&session_id).unwrap_or(&from.others).clone();
            follower.join(session_id, cursor)?;
        }
        Ok(follower)
    }

    /// Uses no notices of the system: looks every `interval` instead, at all sessions.
    pub fn poll_every(mut self, interval: Duration) -> StoreFollower {
        (self.watch, self.interval) = (None, Some(interval));
        let followed = std::mem::take(&mut self.followed);
        let polled = |followed: Followed| Followed { follower: followed.follower.poll_every(interval), ..followed };
        self.followed = followed.into_iter().map(|(key, followed)| (key, polled(followed))).collect();
        self
    }

    /// Whether the system tells of changes in the root directory.
    pub fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// Where each session stands: everything before has been given out. Resuming there yields no entry twice and misses
    /// none, also of sessions that appear while nobody follows.
    pub fn cursor(&self) -> StoreCursor {
        let sessions = self.followed.values();
        let sessions = sessions.map(|followed| (followed.session_id.clone(), followed.follower.cursor())).collect();
        StoreCursor { sessions, others: Cursor::start() }
    }

    /// The next item of any session, as soon as there is one. Never `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory or a file cannot be opened. The next call goes on with the
    /// other sessions, and tries again.
    #[allow(clippy::should_implement_trait, reason = "the name that a `Stream`'s users know")]
    pub async fn next(&mut self) -> Option<Result<(SessionId, Item<'static>)>> {
        std::future::poll_fn(|context| self.poll(context).map(Some)).await
    }

    /// Blocks for the next item; `None` if there was none within `timeout`.
    ///
    /// # Errors
    /// As for [`StoreFollower::next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<(SessionId, Item<'static>)>> {
        self.stretch = 0;
        let deadline = Instant::now().checked_add(timeout);
        crate::watermark::block_until(deadline, |context| self.poll(context))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(SessionId, Item<'static>)>> {
        if self.stretch >= STRETCH {
            self.stretch = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(told) = self.told.pop_front() {
                return Poll::Ready(Ok(told));
            }
            self.bell.attend(context.waker());
            if self.bell.answer() > 0
                && let Err(error) = self.look()
            {
                return Poll::Ready(Err(error));
            }
            let Some(key) = self.due.take(context.waker()) else {
                if self.told.is_empty() {
                    self.plan_poll();
                    self.stretch = 0;
                    return Poll::Pending;
                }
                continue;
            };
            let Some(followed) = self.followed.get_mut(&key) else { continue };
            if let Poll::Ready(item) = followed.follower.poll(&mut Context::from_waker(&followed.waker)) {
                let _ = self.due.add(key); // there may be more; the others come first
                self.stretch += 1;
                return Poll::Ready(item.map(|item| (followed.session_id.clone(), item)));
            }
        }
    }

    fn plan_poll(&mut self) {
        let usual = if self.watch.is_some() { WATCHED } else { UNWATCHED };
        let at = Instant::now() + self.interval.unwrap_or(usual);
        if self.next_poll.is_none_or(|planned| planned <= Instant::now()) {
            self.next_poll = Some(at);
            self.bell.ring_at(at);
        }
    }

    /// Finds the sessions that have come, and those that have gone.
    fn look(&mut self) -> Result<()> {
        let listed = self.list()?;
        if self.watch.is_none() && self.interval.is_none() {
            self.watch = watch(&*self.storage, &self.root, &self.bell); // the root may only now be there
        }
        let (told, known) = (&mut self.told, &mut self.known);
        self.followed.retain(|_, followed| {
            let stays = listed.contains(&followed.session_id);
            if !stays {
                known.remove(&followed.session_id);
                told.push_back((followed.session_id.clone(), Item::Rewound(Seq::ZERO)));
            }
            stays
        });
        let new: Vec<SessionId> = listed.into_iter().filter(|session_id| !self.known.contains(session_id)).collect();
        new.into_iter().try_for_each(|session_id| self.join(session_id, Cursor::start()))
    }

    fn join(&mut self, session_id: SessionId, from: Cursor) -> Result<()> {
        let files = Files::new(Arc::clone(&self.storage), &self.root.join(session_id.directory_name()));
        let mut follower = Follower::new(files, &from, None)?;
        if let Some(interval) = self.interval {
            follower = follower.poll_every(interval);
        }
        let key = self.next_key;
        self.next_key += 1;
        let waker = Waker::from(Arc::new(Doorbell { key, due: Arc::clone(&self.due) }));
        self.known.insert(session_id.clone());
        self.followed.insert(key, Followed { session_id, follower, waker });
        let _ = self.due.add(key);
        Ok(())
    }

    fn list(&self) -> Result<BTreeSet<SessionId>> {
        let entries = match self.storage.list(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(Error::io("list", &self.root, error)),
        };
        let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
        Ok(directories.filter_map(|entry| SessionId::from_directory_name(&entry.name)).collect())
    }
}

fn watch(storage: &dyn Storage, root: &Path, bell: &Arc<Bell>) -> Option<Watch> {
    Watch::new(storage.tells_of_changes(root)?, bell).ok()
}

impl Stream for StoreFollower {
    type Item = Result<(SessionId, Item<'static>)>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context).map(Some)
    }
}

impl std::fmt::Debug for StoreFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreFollower").field("root", &self.root).field("sessions", &self.known).finish_non_exhaustive()
    }
}
