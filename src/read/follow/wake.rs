//! What wakes a follower: the system's notices of changes in a directory, and a clock beneath them.
//!
//! A notice is only a hint to look. None of them is needed: the clock alone wakes every follower, only later.

use crate::error::{Error, Result};
use crate::runtime::block_on::wake_all;
use crate::runtime::pool::{Pool, Task};
use crate::segments::lock::LOCK;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

/// Something may have changed.
pub(super) const HINT: u8 = 1;
/// Time has passed.
pub(super) const POLL: u8 = 2;
/// A process has closed the lock's file.
pub(super) const LOCK_CLOSED: u8 = 4;

/// One follower's bell.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    /// The bell of somebody who follows a directory. Without a thread for its clock it might never ring.
    pub(super) fn new(directory: &Path) -> Result<Arc<Bell>> {
        clock().have_a_thread().map_err(|error| {
            let message =
                format!("cannot start the thread that wakes followers: {error}; allow more threads or memory");
            Error::io_as(message, directory, error)
        })?;
        Ok(Arc::default())
    }

    pub(super) fn ring(&self, why: u8) {
        self.rung.fetch_or(why, Ordering::AcqRel);
        let waker = lock(&self.waker).take();
        wake_all(waker);
    }

    /// Why it has rung since this was asked last; 0 if it has not.
    pub(super) fn answer(&self) -> u8 {
        self.rung.swap(0, Ordering::AcqRel)
    }

    /// Has a waker woken at the next ring. Ask [`Bell::answer`] afterwards: it may have rung before.
    pub(super) fn attend(&self, waker: &Waker) {
        let mut slot = lock(&self.waker);
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Rings it at a time, if it still exists then.
    pub(super) fn ring_at(self: &Arc<Self>, at: Instant) {
        let task: Arc<dyn Task> = Arc::clone(self) as Arc<dyn Task>;
        clock().run_at(at, &task);
    }
}

/// What rings bells at a time.
fn clock() -> &'static Pool {
    static CLOCK: OnceLock<Pool> = OnceLock::new();
    CLOCK.get_or_init(|| Pool::new(1))
}

impl Task for Bell {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        self.ring(POLL);
        None
    }
}

/// The directories of this process that are watched, all by one watcher.
#[derive(Default)]
struct Watching {
    watcher: Mutex<Option<RecommendedWatcher>>,
    /// Locked by the watcher's own thread too, so never while `watcher` is being spoken to.
    bells: Mutex<HashMap<PathBuf, Vec<Weak<Bell>>>>,
}

fn watching() -> &'static Watching {
    static WATCHING: OnceLock<Watching> = OnceLock::new();
    WATCHING.get_or_init(Watching::default)
}

/// A directory that is watched for one follower, until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    bell: Weak<Bell>,
}

impl Watch {
    /// Has a bell rung for changes in a directory.
    pub(super) fn new(directory: PathBuf, bell: &Arc<Bell>) -> notify::Result<Watch> {
        let watching = watching();
        // One at a time from here: the count of bells and what the watcher does must agree.
        let mut watcher = lock(&watching.watcher);
        let bell = Arc::downgrade(bell);
        let first = {
            let mut bells = lock(&watching.bells);
            let of_directory = bells.entry(directory.clone()).or_default();
            of_directory.push(Weak::clone(&bell));
            of_directory.len() == 1
        };
        let watch = Watch { directory, bell };
        let watched = match &mut *watcher {
            Some(watcher) if first => watcher.watch(&watch.directory, RecursiveMode::NonRecursive),
            Some(_) => Ok(()),
            none => notify::recommended_watcher(on_event)
                .and_then(|made| none.insert(made).watch(&watch.directory, RecursiveMode::NonRecursive)),
        };
        drop(watcher);
        watched.map(|()| watch) // on an error, its drop takes the bell out again
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let watching = watching();
        let mut watcher = lock(&watching.watcher);
        let last = {
            let mut bells = lock(&watching.bells);
            let Some(of_directory) = bells.get_mut(&self.directory) else { return };
            of_directory.retain(|bell| !bell.ptr_eq(&self.bell));
            let last = of_directory.is_empty();
            if last {
                bells.remove(&self.directory);
            }
            last
        };
        if last && let Some(watcher) = &mut *watcher {
            let _ = watcher.unwatch(&self.directory); // it may be gone
        }
    }
}

/// On the watcher's thread.
fn on_event(event: notify::Result<Event>) {
    let bells = lock(&watching().bells);
    let ring = |directory: &Path, why: u8| {
        for bell in bells.get(directory).into_iter().flatten() {
            if let Some(bell) = bell.upgrade() {
                bell.ring(why);
            }
        }
    };
    match event {
        Ok(event) if !event.need_rescan() => {
            let why = match event.kind {
                // Our own looks open files: such a notice must not cause the next look.
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => match event.paths.first() {
                    Some(path) if path.ends_with(LOCK) => HINT | LOCK_CLOSED,
                    _ => HINT,
                },
                EventKind::Access(_) => return,
                _ => HINT,
            };
            for path in &event.paths {
                ring(path, why);
                if let Some(parent) = path.parent() {
                    ring(parent, why);
                }
            }
        }
        // The system's queue has overflowed, or the watcher has failed: anything may have changed anywhere.
        _ => bells.values().flatten().filter_map(Weak::upgrade).for_each(|bell| bell.ring(HINT)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
