//! Single parts of the library, in every order of events: the watermark, a follower's bell, the pool.
//!
//! They are included by their paths, with what they use, so that a test can hold them alone. If all threads wait, Loom
//! says so: that is how a lost wake-up shows.

#![allow(
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "tests"
)]

#[path = "../../../../src/error.rs"]
mod error;
#[path = "."]
mod model {
    #[path = "../../../../src/model/seq.rs"]
    pub(crate) mod seq;
}

#[path = "."]
mod runtime {
    #[path = "../../../../src/runtime/block_on.rs"]
    pub(crate) mod block_on;
    #[path = "../../../../src/runtime/pool.rs"]
    pub(crate) mod pool;
    #[path = "../../../../src/runtime/ticket.rs"]
    pub(crate) mod ticket;
    #[path = "../../../../src/runtime/watermark.rs"]
    pub(crate) mod watermark;
}

mod segments {
    pub(crate) mod lock {
        pub(crate) const LOCK: &str = "LOCK";
    }
}

#[path = "."]
mod follow {
    #[path = "../../../../src/read/follow/wake.rs"]
    mod wake;

    pub(crate) const HINT: u8 = wake::HINT;
    pub(crate) const POLL: u8 = wake::POLL;

    /// A bell as a follower uses it.
    #[derive(Clone, Default)]
    pub(crate) struct Bell(std::sync::Arc<wake::Bell>);

    impl Bell {
        pub(crate) fn ring(&self, why: u8) {
            self.0.ring(why);
        }

        /// Looks; if there is nothing, has itself woken and looks once more.
        pub(crate) fn poll(&self, waker: &std::task::Waker) -> u8 {
            match self.0.answer() {
                0 => {
                    self.0.attend(waker);
                    self.0.answer()
                }
                rung => rung,
            }
        }
    }
}

use crate::error::{Error, ErrorKind};
use crate::follow::{Bell, HINT, POLL};
use crate::runtime::block_on::block_until;
use crate::runtime::pool::{Pool, Task};
use crate::runtime::ticket::{HealthChange, Ticket};
use crate::runtime::watermark::{Durability, Health, Watcher, Watermark};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread;

/// Every order of events in which threads are interrupted at most so often.
fn orders(scenario: impl Fn() + Send + Sync + 'static) {
    let interruptions =
        std::env::var("FOLDLOG_MODEL_INTERRUPTIONS").ok().and_then(|most| most.parse().ok()).unwrap_or(3);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(interruptions);
    model.check(scenario);
}

#[test]
fn a_ticket_that_is_polled_while_the_mark_passes_it_is_woken() {
    // Goal: between "not yet" and the registered waker nothing gets lost.
    orders(|| {
        let mark = Arc::new(Watermark::starting_at(0));
        let ticket = |seq| Ticket::new(Arc::clone(&mark), Durability::Synced, seq);
        let (one, two) = (ticket(1), ticket(2));
        let waits = thread::spawn(move || one.wait().unwrap());
        mark.advance(Durability::Synced, 1);
        mark.advance(Durability::Synced, 2);
        assert_eq!(two.wait().unwrap().get(), 2);
        assert_eq!(waits.join().unwrap().get(), 1);
    });
}

#[test]
fn a_ticket_that_is_polled_while_its_number_fails_is_told() {
    // Goal: a failure and a mark that has passed are told apart, in any order; nobody waits for what will never come.
    orders(|| {
        let mark = Arc::new(Watermark::starting_at(0));
        let (kept, lost) = (1, 2);
        let ticket = |seq| Ticket::new(Arc::clone(&mark), Durability::Written, seq);
        let (one, two) = (ticket(kept), ticket(lost));
        let waits = thread::spawn(move || (one.wait(), two.wait()));
        mark.advance(Durability::Written, kept);
        mark.fail(Durability::Written, lost, u64::MAX, &Error::new(ErrorKind::Io, "gone"));
        let (one, two) = waits.join().unwrap();
        assert_eq!(one.unwrap().get(), kept);
        assert_eq!(two.unwrap_err().kind(), ErrorKind::Io);
    });
}

#[test]
fn a_refused_number_is_never_taken_for_a_safe_one() {
    // Goal: the mark passes numbers that were refused while the disk was full; their tickets fail all the same, also when
    // they look without the lock.
    orders(|| {
        let mark = Arc::new(Watermark::starting_at(0));
        let ticket = Ticket::new(Arc::clone(&mark), Durability::Written, 1);
        let waits = thread::spawn(move || ticket.wait());
        mark.fail(Durability::Written, 1, 1, &Error::new(ErrorKind::StorageFull, "full"));
        mark.advance(Durability::Written, 2);
        assert_eq!(waits.join().unwrap().unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

#[test]
fn a_follower_of_the_mark_is_told_that_it_has_moved() {
    // Goal: `watch_past` either says so at once or wakes.
    orders(|| {
        let mark = Arc::new(Watermark::starting_at(0));
        let watched = Arc::clone(&mark);
        let follows = thread::spawn(move || {
            let (watcher, level, mut seen) = (Watcher::new(watched), Durability::Synced, 0);
            while seen < 2 {
                let moved = |context: &mut std::task::Context<'_>| {
                    let passed = watcher.watch_past(level, seen, context.waker());
                    if passed { Poll::Ready(watcher.mark().reached(level)) } else { Poll::Pending }
                };
                seen = block_until(None, moved).unwrap();
            }
        });
        mark.advance(Durability::Synced, 1);
        mark.advance(Durability::Synced, 2);
        follows.join().unwrap();
    });
}

#[test]
fn whoever_waits_for_a_change_of_health_is_told() {
    // Goal: no change gets lost between looking and waiting.
    orders(|| {
        let mark = Arc::new(Watermark::starting_at(0));
        let mut change = HealthChange::new(Arc::clone(&mark));
        let waits = thread::spawn(move || block_until(None, |context| Pin::new(&mut change).poll(context)));
        mark.set_health(Health::StorageFull);
        assert!(matches!(waits.join().unwrap(), Some(Health::StorageFull)));
    });
}

#[test]
fn a_bell_that_rings_while_it_is_attended_is_heard() {
    // Goal: no ring is lost between looking and waiting, and none takes another one's reason. Method: two rings of
    // different reasons; the follower waits until it has heard of both.
    orders(|| {
        let bell = Bell::default();
        let (ours, theirs) = (bell.clone(), bell.clone());
        let follows = thread::spawn(move || {
            let mut heard = 0;
            while heard != HINT | POLL {
                let rung = |context: &mut std::task::Context<'_>| match ours.poll(context.waker()) {
                    0 => Poll::Pending,
                    rung => Poll::Ready(rung),
                };
                heard |= block_until(None, rung).unwrap();
            }
        });
        let rings = thread::spawn(move || theirs.ring(POLL));
        bell.ring(HINT);
        rings.join().unwrap();
        follows.join().unwrap();
    });
}

struct Count(AtomicU64);

impl Task for Count {
    fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        None
    }
}

#[test]
fn every_task_that_is_queued_is_run_before_the_pool_ends() {
    // Goal: none is forgotten, whichever threads are starting, idle, or about to wait. Method: the pool's end waits for no
    // one; so each task is waited for, and a forgotten one is a deadlock.
    orders(|| {
        struct Tell(thread::Thread, AtomicU64);
        impl Task for Tell {
            fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
                self.1.store(1, Ordering::SeqCst);
                self.0.unpark();
                None
            }
        }
        let pool = Arc::new(Pool::new(2));
        let theirs = Arc::clone(&pool);
        let counted = Arc::new(Count(AtomicU64::new(0)));
        let other = Arc::clone(&counted);
        let queues = thread::spawn(move || theirs.run(other as Arc<dyn Task>));
        let tell = Arc::new(Tell(thread::current(), AtomicU64::new(0)));
        pool.run(Arc::clone(&tell) as Arc<dyn Task>);
        while tell.1.load(Ordering::SeqCst) == 0 {
            thread::park();
        }
        queues.join().unwrap();
        drop(pool);
    });
}

#[test]
fn a_task_that_has_more_to_do_does_not_wait_for_a_long_one() {
    // Goal: what waits behind a task that takes long gets a thread of its own, also where it is queued again by the thread
    // that takes the long one next. Method: the long one ends when the other has been run again; if that waits for it,
    // nothing goes on.
    orders(|| {
        struct Again(Arc<Pool>, Mutex<u64>, Condvar);
        impl Again {
            fn wait_for(&self, runs: u64) {
                let mut run = self.1.lock().unwrap();
                while *run < runs {
                    run = self.2.wait(run).unwrap();
                }
            }
        }
        impl Task for Again {
            fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
                let mut runs = self.1.lock().unwrap();
                *runs += 1;
                self.2.notify_all();
                let more = *runs < 2;
                drop(runs);
                if more {
                    self.0.linger(&AtomicBool::new(true)); // until it is called, which it is already
                }
                more.then_some(self)
            }
        }
        struct Long(Arc<Again>);
        impl Task for Long {
            fn run(self: Arc<Self>) -> Option<Arc<dyn Task>> {
                self.0.wait_for(2);
                None
            }
        }
        let pool = Arc::new(Pool::new(2));
        let again = Arc::new(Again(Arc::clone(&pool), Mutex::new(0), Condvar::new()));
        pool.run(Arc::clone(&again) as Arc<dyn Task>);
        pool.run(Arc::new(Long(Arc::clone(&again))) as Arc<dyn Task>);
        again.wait_for(2);
        drop(pool);
    });
}
