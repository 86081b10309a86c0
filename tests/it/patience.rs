//! Helpers for tests of a writer: journals on disks that fail, waits that end, gates that hold a disk's calls.

use crate::faulty::Faulty;
use crate::support::{ID, Lab};
use foldlog::{Journal, JournalOptions, Store, TextDelta};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

/// After this, a test takes something for hanging.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn delta(number: usize) -> TextDelta<'static> {
    TextDelta::new("t-1", format!("piece {number} é"))
}

/// A journal on a disk in memory that fails on demand.
pub fn on_faulty(options: JournalOptions) -> (Faulty, Lab, Store, Journal) {
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    let journal = store.journal_with(ID, options).unwrap();
    (disk, lab, store, journal)
}

/// Runs something that must not hang.
pub fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(run()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "still not so: {what}");
        std::thread::yield_now();
    }
}

/// A gate that a storage's call can be held at.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn shut() -> Gate {
        let gate = Gate::default();
        *gate.0.0.lock().unwrap() = true;
        gate
    }

    pub fn shut_again(&self) {
        *self.0.0.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = false;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let mut shut = self.0.0.lock().unwrap();
        while *shut {
            shut = self.0.1.wait(shut).unwrap();
        }
    }
}
