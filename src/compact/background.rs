//! What writers compact by themselves: on a thread of the store's pool, one journal at a time, with no lock of the writer.

use crate::compact::{CompactOptions, compact};
use crate::model::id::SessionId;
use crate::runtime::pool::{Pool, Task};
use crate::segments::dir::Files;
use crate::write::options::JournalOptions;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Above so many small sealed segments they are merged.
const MANY: usize = 100;
/// What a small segment is smaller than.
const SMALL: u64 = 1 << 20;
/// How long the end of a journal waits for its small segments to be merged.
const PATIENCE: Duration = Duration::from_secs(2);

/// The compactions that a store's writers have asked for.
#[derive(Debug, Default)]
pub(crate) struct Background {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Job>,
    running: Option<Job>,
    /// A thread sees to the queue: one, so that the pool's others stay with those who write.
    busy: bool,
}

#[derive(Clone, Debug)]
struct Job {
    files: Files,
    session_id: SessionId,
    options: CompactOptions,
}

impl Job {
    fn is_about(&self, dir: &Path) -> bool {
        self.files.dir == dir
    }
}

impl Background {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A journal was opened that has so many small segments: many of them are merged.
    pub(crate) fn opened(
        self: &Arc<Self>,
        pool: &Pool,
        files: &Files,
        session_id: &SessionId,
        journal: &JournalOptions,
        small: usize,
    ) {
        if small > MANY {
            let options = CompactOptions::merge_small(journal, SMALL);
            self.ask(pool, Job { files: files.detached(), session_id: session_id.clone(), options });
        }
    }

    /// A journal has begun a new segment, so those behind `looked_through` are sealed. Compacts them if its options say so.
    pub(crate) fn rolled_over(
        self: &Arc<Self>,
        pool: &Pool,
        files: &Files,
        session_id: &SessionId,
        journal: &JournalOptions,
        looked_through: u64,
    ) {
        if let Some(bytes_per_second) = journal.compaction {
            let options = CompactOptions::after_roll_over(journal, bytes_per_second, looked_through);
            self.ask(pool, Job { files: files.detached(), session_id: session_id.clone(), options });
        }
    }

    fn ask(self: &Arc<Self>, pool: &Pool, job: Job) {
        let mut state = self.lock();
        // One that waits already will see to the newer segments too.
        if state.queue.iter().any(|waiting| waiting.is_about(&job.files.dir)) {
            return;
        }
        state.queue.push_back(job);
        let busy = std::mem::replace(&mut state.busy, true);
        drop(state);
        if !busy {
            pool.run(Arc::clone(self) as Arc<dyn Task>);
        }
    }

    /// Waits for a while until the small segments of a journal are merged: a process that opens it for one event would
    /// never live long enough. Streaming is dropped another time.
    pub(crate) fn finish_merging(&self, dir: &Path) {
        let merges = |job: &Job| job.is_about(dir) && job.options.only_smaller_than.is_some();
        let waits = |state: &mut State| state.queue.iter().chain(&state.running).any(merges);
        let _ = self.done.wait_timeout_while(self.lock(), PATIENCE, waits);
    }
}

/// How many of the segments are small.
pub(crate) fn count_small(lengths: impl IntoIterator<Item = u64>) -> usize {
    lengths.into_iter().filter(|len| *len < SMALL).count()
}

impl Task for Background {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        loop {
            let mut state = self.lock();
            state.running = state.queue.pop_front();
            state.busy = state.running.is_some();
            let job = state.running.clone();
            drop(state);
            let Job { files, session_id, options } = job?;
            // Whatever goes wrong, the journal is as it was, and what was not done is done another time. A bug of ours
            // must not take the pool's thread with it.
            let work = || compact(&files, session_id.as_str(), &options, &mut |_| {}).map(drop);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.lock().running = None;
            self.done.notify_all();
        }
    }
}
