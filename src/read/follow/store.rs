//! [`StoreFollower`]: all sessions of a store as one stream, with new ones joining as they appear.

use super::open_files::{Room, Rooms};
use super::wake::{Bell, POLL, Watch};
use super::{Follower, UNWATCHED, WATCHED};
use crate::error::{Error, Result};
use crate::model::cursor::Cursor;
use crate::model::id::SessionId;
use crate::model::seq::Seq;
use crate::read::items::Item;
use crate::segments::dir::Files;
use crate::segments::session_dir;
use crate::storage::Storage;
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// What the system says if the process, or the machine, has too many files open.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
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
/// - A session in which nothing happens has no file open. At most 128 sessions have files open at a time, fewer if the
///   system refuses more (see [`StoreFollower::is_crowded`]); the others are read in turn.
/// - A session that cannot be read is returned as an error once, and tried again every 2 seconds. The others go on.
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
    /// Sessions that could not be opened.
    refused: BTreeMap<SessionId, Refused>,
    next_key: u64,
    due: Arc<Due>,
    rooms: Rooms,
    told: VecDeque<Result<(SessionId, Item<'static>)>>,
    /// What was said about the root's list.
    said: Option<String>,
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
    /// The error that was returned last, as long as it stays the same.
    said: Option<String>,
}

struct Refused {
    from: Cursor,
    said: String,
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
        let bell = Bell::new(root)?;
        let watch = watch(&*storage, root, &bell);
        let mut follower = StoreFollower {
            storage,
            root: root.to_owned(),
            followed: BTreeMap::new(),
            known: BTreeSet::new(),
            next_key: 0,
            refused: BTreeMap::new(),
            due: Arc::new(Due::default()),
            rooms: Rooms::default(),
            told: VecDeque::new(),
            said: None,
            bell,
            watch,
            interval: None,
            next_poll: None,
            stretch: 0,
        };
        for session_id in follower.list()? {
            let cursor = from.sessions.get(&session_id).unwrap_or(&from.others).clone();
            follower.join(session_id, cursor);
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

    /// Whether the system notifies of changes in the root directory and in every session's. Where it does not, they are
    /// looked at again and again.
    pub fn is_watching(&self) -> bool {
        self.watch.is_some() && self.followed.values().all(|followed| followed.follower.is_watching())
    }

    /// Whether the system has refused to open more files: `Some` with how many sessions may have files open since then. The
    /// others are read in turn, and looked at every 2 seconds.
    pub fn is_crowded(&self) -> Option<usize> {
        self.rooms.is_crowded.then_some(self.rooms.most)
    }

    /// The place up to which each session was delivered. Resuming there yields no entry twice and misses none, also of
    /// sessions that appear while nobody follows.
    pub fn cursor(&self) -> StoreCursor {
        let followed = self.followed.values().map(|followed| (&followed.session_id, followed.follower.cursor()));
        let refused = self.refused.iter().map(|(session_id, refused)| (session_id, refused.from.clone()));
        let sessions = followed.chain(refused).map(|(session_id, cursor)| (session_id.clone(), cursor)).collect();
        StoreCursor { sessions, others: Cursor::start() }
    }

    /// The next item of any session, as soon as there is one. Never `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory or a file cannot be opened: once, until that changes. The
    /// next call goes on with the other sessions, and tries again later.
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
        crate::runtime::block_on::block_until(deadline, |context| self.poll(context))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(SessionId, Item<'static>)>> {
        if self.stretch >= STRETCH {
            self.stretch = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(told) = self.told.pop_front() {
                return Poll::Ready(told);
            }
            self.bell.attend(context.waker());
            let rung = self.bell.answer();
            if rung > 0 {
                self.look(rung);
            }
            let Some(key) = self.due.take(context.waker()) else {
                if self.told.is_empty() {
                    self.plan_poll();
                    self.stretch = 0;
                    return Poll::Pending;
                }
                continue;
            };
            if let Some(item) = self.poll_one(key) {
                self.stretch += 1;
                return Poll::Ready(item);
            }
        }
    }

    /// What one session has to say, if that is anything.
    fn poll_one(&mut self, key: u64) -> Option<Result<(SessionId, Item<'static>)>> {
        if !self.followed.contains_key(&key) || !self.make_room(key) {
            return None;
        }
        let followed = self.followed.get_mut(&key)?;
        match followed.follower.poll(&mut Context::from_waker(&followed.waker)) {
            Poll::Ready(Ok(item)) => {
                followed.said = None;
                self.rooms.is_busy(key);
                let _ = self.due.add(key); // there may be more; the others come first
                Some(Ok((followed.session_id.clone(), item)))
            }
            Poll::Ready(Err(error)) => {
                let _ = self.due.add(key); // to be woken when it is to be tried again
                self.has_nothing(key);
                if is_out_of_files(&error) && self.have_fewer_rooms(key) {
                    return None;
                }
                let followed = self.followed.get_mut(&key)?;
                let words = error.to_string();
                let is_news = followed.said.replace(words.clone()) != Some(words);
                is_news.then_some(Err(error))
            }
            Poll::Pending => {
                // What comes while it is closed is found by the next look: an error here is one there.
                let _ = followed.follower.rest();
                self.has_nothing(key);
                None
            }
        }
    }

    /// A session has nothing to say for now, or is gone: another one may have waited for that.
    fn has_nothing(&mut self, key: u64) {
        let is_open = self.followed.get(&key).is_some_and(|followed| followed.follower.is_open());
        if let Some(waiting) = self.rooms.is_idle(key, is_open) {
            let _ = self.due.add(waiting);
        }
    }

    /// Sees to it that a session may have its files open: closes those of the one that has been idle longest. `false` if
    /// all that have are being read; it is due again once one of them is not.
    fn make_room(&mut self, key: u64) -> bool {
        match self.rooms.take(key) {
            Room::Free => true,
            Room::Of(idle) => {
                self.close(idle);
                true
            }
            Room::None => false,
        }
    }

    /// The system refuses more open files: fewer sessions may have some from now on. `false` if this was the only one.
    fn have_fewer_rooms(&mut self, key: u64) -> bool {
        let closed = self.rooms.shrink(key);
        closed.iter().for_each(|key| self.close(*key));
        !closed.is_empty() || self.rooms.has_others(key)
    }

    fn close(&mut self, key: u64) {
        if let Some(followed) = self.followed.get_mut(&key) {
            followed.follower.close();
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

    /// Finds the sessions that have come, and those that have gone, and tries those again that could not be opened.
    fn look(&mut self, rung: u8) {
        if self.watch.is_none() && self.interval.is_none() {
            self.watch = watch(&*self.storage, &self.root, &self.bell); // the root may only now be there
        }
        let listed = match self.list() {
            Ok(listed) => listed,
            Err(error) => {
                let words = error.to_string();
                if self.said.replace(words.clone()) != Some(words) {
                    self.told.push_back(Err(error));
                }
                return;
            }
        };
        self.said = None;
        let gone: Vec<u64> = self
            .followed
            .iter()
            .filter(|(_, followed)| !listed.contains(&followed.session_id))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let Some(followed) = self.followed.remove(&key) else { continue };
            self.known.remove(&followed.session_id);
            self.told.push_back(Ok((followed.session_id, Item::Rewound(Seq::ZERO))));
            self.has_nothing(key);
        }
        self.refused.retain(|session_id, _| listed.contains(session_id));
        let is_new =
            |session_id: &SessionId| !self.known.contains(session_id) && !self.refused.contains_key(session_id);
        let new: Vec<SessionId> = listed.into_iter().filter(is_new).collect();
        new.into_iter().for_each(|session_id| self.join(session_id, Cursor::start()));
        if rung & POLL > 0 {
            let refused: Vec<(SessionId, Cursor)> =
                self.refused.iter().map(|(session_id, refused)| (session_id.clone(), refused.from.clone())).collect();
            refused.into_iter().for_each(|(session_id, from)| self.join(session_id, from));
        }
    }

    fn join(&mut self, session_id: SessionId, from: Cursor) {
        let open = |follower: &StoreFollower| {
            let dir = session_dir::of(&*follower.storage, &follower.root, &session_id);
            let files = Files::new(Arc::clone(&follower.storage), &dir);
            Follower::new(files, &from, None)
        };
        let opened = match open(self) {
            Err(error) if is_out_of_files(&error) && self.have_fewer_rooms(self.next_key) => open(self),
            opened => opened,
        };
        let mut follower = match opened {
            Ok(follower) => follower,
            Err(error) => {
                let said = error.to_string();
                let before = self.refused.insert(session_id, Refused { from, said: said.clone() });
                if before.is_none_or(|before| before.said != said) {
                    self.told.push_back(Err(error));
                }
                return;
            }
        };
        if let Some(interval) = self.interval {
            follower = follower.poll_every(interval);
        }
        // It has no file open until its turn comes.
        follower.join_store();
        self.refused.remove(&session_id);
        let key = self.next_key;
        self.next_key += 1;
        let waker = Waker::from(Arc::new(Doorbell { key, due: Arc::clone(&self.due) }));
        self.known.insert(session_id.clone());
        self.followed.insert(key, Followed { session_id, follower, waker, said: None });
        let _ = self.due.add(key);
    }

    fn list(&self) -> Result<BTreeSet<SessionId>> {
        session_dir::list(&*self.storage, &self.root)
    }
}

/// Whether the system refuses to open one more file.
fn is_out_of_files(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.and_then(std::io::Error::raw_os_error).is_some_and(|code| [EMFILE, ENFILE].contains(&code))
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
