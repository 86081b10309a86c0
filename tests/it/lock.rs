//! The one writer's lock in a program that starts other programs, as agent runtimes do.

use foldlog::{ErrorKind, Store, TurnStarted};
use rustix::process::WaitOptions;
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

/// Goal: a forked child does not write into its parent's journal, and does not free its lock.
/// Method: fork, append in the child, look at what it says in its exit code.
#[test]
#[allow(unsafe_code, reason = "no crate offers a safe fork, and what a fork does is what this is about")]
fn a_forked_child_is_refused_and_the_parent_goes_on() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn _exit(code: i32) -> !;
    }
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("s-1").unwrap();
    journal.append(TurnStarted::new("t-1", "Go on")).unwrap().wait().unwrap();
    // SAFETY: the child only tries one append, which takes one uncontended lock, and leaves without running anything else.
    let child = unsafe { fork() };
    if child == 0 {
        let refused = journal.append(TurnStarted::new("t-2", "In the child"));
        let code = match refused.map_err(|refused| refused.kind()) {
            Err(ErrorKind::Forked) => 0,
            _ => 1,
        };
        drop(journal);
        // SAFETY: ends the child at once.
        unsafe { _exit(code) };
    }
    let (_, status) =
        rustix::process::waitpid(rustix::process::Pid::from_raw(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    assert!(store.reader("s-1").unwrap().is_live().unwrap(), "the child's end has freed the lock");
    journal.append(TurnStarted::new("t-3", "In the parent")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    assert_eq!(store.get("s-1").unwrap().turns.len(), 2);
}
