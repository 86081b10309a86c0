//! The one writer's lock in a program that starts other programs, as agent runtimes do.

use foldlog::{Store, TurnStarted};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Goal: the lock is free when a close resolves, also when another thread is just starting a child, which has a copy of
/// every open file until it runs its own program.
/// Method: open and close in a loop while another thread starts children in a loop.
#[test]
fn a_close_frees_the_lock_whatever_children_are_being_started() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // With a directory of its own, so that it is really forked first.
                Command::new("true").current_dir("/").status().unwrap();
            }
        });
        let held = (0..400).filter(|round| {
            let journal = store.journal("s-1").unwrap();
            journal.append(TurnStarted::new(format!("t-{round}"), "Go on")).unwrap().wait().unwrap();
            journal.close().wait().unwrap();
            store.reader("s-1").unwrap().is_live().unwrap()
        });
        let held = held.count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(held, 0, "of 400 closes left the lock held");
    });
}
