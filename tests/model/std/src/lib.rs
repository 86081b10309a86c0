//! The standard library with Shuttle's locks, atomics and threads, and with a clock that moves only when somebody waits.
//!
//! Waiting with a time limit never takes time: it lets others go first, once, and then the time has come. So a test sees
//! that what is due is done, and no order of events is left out because a limit was too short.

pub use ::std::*;

pub mod sync {
    //! `std::sync`, modelled.

    pub use ::std::sync::*;
    pub use shuttle::sync::atomic;

    use crate::time;
    use ::std::ops::{Deref, DerefMut};
    use ::std::time::Duration;

    /// Shuttle's, whose guards know where they come from.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    #[derive(Debug)]
    pub struct MutexGuard<'a, T> {
        guard: shuttle::sync::MutexGuard<'a, T>,
        mutex: &'a Mutex<T>,
    }

    impl<T> Mutex<T> {
        pub const fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            self.guarded(self.0.lock())
        }

        pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
                Err(TryLockError::Poisoned(poisoned)) => self.guarded(Err(poisoned)).map_err(TryLockError::Poisoned),
                Ok(guard) => self.guarded(Ok(guard)).map_err(TryLockError::Poisoned),
            }
        }

        pub fn into_inner(self) -> LockResult<T> {
            self.0.into_inner()
        }

        fn guarded<'a>(
            &'a self,
            locked: LockResult<shuttle::sync::MutexGuard<'a, T>>,
        ) -> LockResult<MutexGuard<'a, T>> {
            match locked {
                Ok(guard) => Ok(MutexGuard { guard, mutex: self }),
                Err(poisoned) => Err(PoisonError::new(MutexGuard { guard: poisoned.into_inner(), mutex: self })),
            }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    /// A condition variable whose time limits are reached at once.
    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    /// Whether a wait ended by its time limit.
    #[derive(Clone, Copy, Debug)]
    pub struct WaitTimeoutResult(bool);

    impl WaitTimeoutResult {
        pub fn timed_out(&self) -> bool {
            self.0
        }
    }

    impl Condvar {
        pub const fn new() -> Condvar {
            Condvar(shuttle::sync::Condvar::new())
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            guard.mutex.guarded(self.0.wait(guard.guard))
        }

        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            limit: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
            let mutex = guard.mutex;
            drop(guard);
            time::pass(limit);
            match mutex.lock() {
                Ok(guard) => Ok((guard, WaitTimeoutResult(true))),
                Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), WaitTimeoutResult(true)))),
            }
        }

        pub fn wait_timeout_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            limit: Duration,
            mut waits: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
            match waits(&mut guard) {
                true => self.wait_timeout(guard, limit),
                false => Ok((guard, WaitTimeoutResult(false))),
            }
        }

        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

pub mod thread {
    //! `std::thread`, modelled. A thread that is parked stays so until it is unparked: waking for nothing is allowed, but
    //! then there would be no end to the orders of events in which somebody does that.

    pub use shuttle::thread::*;

    use crate::sync::{Condvar, Mutex, PoisonError};
    use ::std::io;
    use ::std::sync::Arc;
    use ::std::time::Duration;

    /// Shuttle's, with threads of a scope besides.
    #[derive(Debug, Default)]
    pub struct Builder(shuttle::thread::Builder);

    impl Builder {
        pub fn new() -> Builder {
            Builder::default()
        }

        #[must_use]
        pub fn name(self, name: String) -> Builder {
            Builder(self.0.name(name))
        }

        pub fn spawn<F, T>(self, work: F) -> io::Result<JoinHandle<T>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            self.0.spawn(work)
        }

        pub fn spawn_scoped<'scope, 'env, F, T>(
            self,
            scope: &'scope Scope<'scope, 'env>,
            work: F,
        ) -> io::Result<ScopedJoinHandle<'scope, T>>
        where
            F: FnOnce() -> T + Send + 'scope,
            T: Send + 'scope,
        {
            Ok(scope.spawn(work))
        }
    }

    shuttle::thread_local! {
        static PLACE: Thread = Thread::default();
    }

    /// A thread that can be woken.
    #[derive(Clone, Debug, Default)]
    pub struct Thread(Arc<(Mutex<bool>, Condvar)>);

    impl Thread {
        pub fn unpark(&self) {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.1.notify_one();
        }
    }

    pub fn current() -> Thread {
        PLACE.with(Clone::clone)
    }

    pub fn park() {
        let place = current();
        let mut woken = place.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            woken = place.0.1.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }

    pub fn park_timeout(limit: Duration) {
        crate::time::pass(limit);
        *current().0.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    pub fn sleep(duration: Duration) {
        crate::time::pass(duration);
    }

    /// Takes some time, so that nobody yields for ever.
    pub fn yield_now() {
        crate::time::pass(Duration::from_micros(10));
    }
}

pub mod time {
    //! `std::time`, modelled: an `Instant` of a clock that moves when somebody waits.

    pub use ::std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

    use ::std::cell::Cell;
    use ::std::ops::Add;

    ::std::thread_local! {
        // Shuttle runs all threads of a test on one thread of the system.
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// Others may go first; then so much time has passed.
    pub(crate) fn pass(duration: Duration) {
        shuttle::thread::yield_now();
        NOW.set(NOW.get() + duration);
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Instant(Duration);

    impl Instant {
        pub fn now() -> Instant {
            Instant(NOW.get())
        }

        pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
            self.0.saturating_sub(earlier.0)
        }

        pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
            self.0.checked_sub(earlier.0)
        }

        pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
            self.0.checked_add(duration).map(Instant)
        }

        pub fn elapsed(&self) -> Duration {
            Instant::now().saturating_duration_since(*self)
        }
    }

    impl Add<Duration> for Instant {
        type Output = Instant;

        fn add(self, duration: Duration) -> Instant {
            Instant(self.0 + duration)
        }
    }
}
