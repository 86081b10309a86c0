//! The standard library with Loom's locks, atomics and threads.

pub use ::std::*;

pub mod sync {
    //! `std::sync`, modelled.

    pub use ::std::sync::*;
    pub use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
}

pub mod thread {
    //! `std::thread`, modelled. No test waits for time.

    pub use loom::thread::*;

    use ::std::time::Duration;

    pub fn park_timeout(_: Duration) {
        unreachable!("no model waits for time")
    }

    pub fn sleep(_: Duration) {
        unreachable!("no model waits for time")
    }
}
