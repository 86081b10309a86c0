//! The small fixed pool of threads that runs all journals of a store, and its clock for what is due later.
//!
//! Knows nothing of journals: it runs [`Task`]s. The first thread starts when somebody is about to
//! need one, the others when they are needed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a thread stays for a task that may have more to do.
const LINGER: Duration = Duration::from_micros(50);

/// Something with work to do. The pool may run one task on one thread at a time only if the task sees to that itself.
pub(crate) trait Task: Send + Sync {
    /// Does the work that is there now. Returns itself if there is more, to be run again after all that wait.
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>>;

    /// Does what it asked to be called for at a time.
    fn due(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        self.run()
    }
}

/// The threads. Dropping it lets them finish what is queued and end.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Tasks wait: for the thread that lingers.
    some_wait: AtomicBool,
    most_threads: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    due: BinaryHeap<Reverse<Due>>,
    threads: usize,
    idle: usize,
    /// Idle ones that will wake when the next task is due.
    watching: usize,
    /// A thread is awake beside its task, and takes the next one unbidden.
    lingering: bool,
    /// A thread sleeps beside its task.
    dozing: bool,
    ending: bool,
}

struct Job {
    task: Arc<dyn Task>,
    /// Its time has come; otherwise it has work.
    due: bool,
}

struct Due {
    at: Instant,
    task: Weak<dyn Task>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Pool {
    pub(crate) fn new(most_threads: usize) -> Pool {
        let (state, some_wait) = (Mutex::default(), AtomicBool::new(false));
        let shared = Shared { state, changed: Condvar::new(), some_wait, most_threads: most_threads.max(1) };
        Pool { shared: Arc::new(shared) }
    }

    /// Sees to it that there is a thread. It stays as long as the pool does: so what is run or due later is never without
    /// one, though the system may give no other.
    pub(crate) fn have_a_thread(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.threads == 0 {
            self.shared.start_thread(&mut state)?;
        }
        Ok(())
    }

    /// Runs a task as soon as a thread is free.
    pub(crate) fn run(&self, task: Arc<dyn Task>) {
        let mut state = self.shared.lock();
        state.queue.push_back(Job { task, due: false });
        self.shared.some_wait.store(true, Ordering::Release);
        if !state.lingering || state.queue.len() > 1 {
            self.shared.see_to_thread(&mut state);
        }
    }

    /// Runs a task at a time, if it still exists then.
    pub(crate) fn run_at(&self, at: Instant, task: &Arc<dyn Task>) {
        let mut state = self.shared.lock();
        state.due.push(Reverse(Due { at, task: Arc::downgrade(task) }));
        self.shared.see_to_thread(&mut state);
    }

    /// Keeps a task's thread awake for a moment, unless it has better to do: until `called` is set or another task waits.
    /// To be woken again would cost it, and whoever calls it, more than that.
    pub(crate) fn linger(&self, called: &AtomicBool) {
        let mut state = self.shared.lock();
        if state.lingering || state.ending || !state.queue.is_empty() {
            return;
        }
        state.lingering = true;
        drop(state);
        let end = Instant::now() + LINGER;
        let wanted = || called.load(Ordering::Acquire) || self.shared.some_wait.load(Ordering::Acquire);
        while !wanted() && Instant::now() < end {
            std::thread::yield_now();
        }
        self.shared.lock().lingering = false;
    }

    /// Lets a task's thread sleep for a moment, unless it has better to do or another one does that: until it is woken.
    pub(crate) fn doze(&self) {
        let mut state = self.shared.lock();
        if state.dozing || state.ending || !state.queue.is_empty() {
            return;
        }
        state.dozing = true;
        drop(state);
        std::thread::park_timeout(LINGER);
        self.shared.lock().dozing = false;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see_to_thread(self: &Arc<Self>, state: &mut State) {
        // An idle thread may have been woken for an earlier task already: there must be one for each that waits.
        if state.idle >= state.queue.len().max(1) || state.threads >= self.most_threads {
            self.changed.notify_one();
            return;
        }
        // With no thread to be had, the ones that exist do the work; with none at all, the next call tries again.
        let _ = self.start_thread(state);
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(self);
        std::thread::Builder::new().name("foldlog".into()).spawn(move || shared.work())?;
        state.threads += 1;
        Ok(())
    }

    fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            while state.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
                let task = state.due.pop().and_then(|Reverse(due)| due.task.upgrade());
                state.queue.extend(task.map(|task| Job { task, due: true }));
            }
            if let Some(Job { task, due }) = state.queue.pop_front() {
                self.some_wait.store(!state.queue.is_empty(), Ordering::Release);
                // This one may take long: neither what waits behind it nor what is due waits for its end.
                if !state.queue.is_empty() || (state.watching == 0 && !state.due.is_empty()) {
                    self.see_to_thread(&mut state);
                }
                drop(state);
                let again = if due { task.due() } else { task.run() };
                state = self.lock();
                state.queue.extend(again.map(|task| Job { task, due: false }));
                continue;
            }
            if state.ending {
                state.threads -= 1;
                return;
            }
            state.idle += 1;
            let next = state.due.peek().map(|Reverse(due)| due.at);
            state = match next {
                Some(at) => {
                    let pause = at.saturating_duration_since(now);
                    state.watching += 1;
                    state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
                    state.watching -= 1;
                    state
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.idle -= 1;
        }
    }
}

/// A thread that dozes, or is about to.
#[derive(Clone, Debug)]
pub(crate) struct Dozer(std::thread::Thread);

impl Dozer {
    /// The one that this is called on.
    pub(crate) fn current() -> Dozer {
        Dozer(std::thread::current())
    }

    /// Ends its doze, or its next one.
    pub(crate) fn wake(&self) {
        self.0.unpark();
    }
}

/// Lets the task that runs on this thread wait: for work that shall not take all of the disk's time.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_all();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("most_threads", &self.shared.most_threads).finish_non_exhaustive()
    }
}
