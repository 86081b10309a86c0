//! What ends `tail -f` from outside: a signal, also while a long piece of work holds the program, or a reader that has gone.

use crate::cli::exit::{Exit, Failure};
use crate::cli::term::out::Out;
use crate::cli::thread;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// How often to look whether anybody still reads stdout, and whether a session has appeared.
pub(super) const LOOK: Duration = Duration::from_millis(250);
/// How long a signal waits for the program to end by itself, with all that it has printed handed on.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Stop {
    asked: Arc<Notify>,
    /// The exit code, if the program has to be ended from outside.
    exit: Arc<AtomicU8>,
}

/// What comes first.
pub(super) enum Next<T> {
    Item(T),
    /// Nothing for a while.
    Quiet,
    /// Ctrl-C, SIGTERM, or nobody reads stdout any more.
    Stopped,
}

impl Stop {
    /// Catches the signals, on a thread of its own: a long read of a large journal must not keep them waiting.
    pub(super) fn new() -> Result<Stop, Failure> {
        let stop = Stop { asked: Arc::new(Notify::new()), exit: Arc::new(AtomicU8::new(Exit::Fine.code())) };
        let (asked, exit) = (Arc::clone(&stop.asked), Arc::clone(&stop.exit));
        let (ready, is_ready) = channel();
        let waiting = thread::start("signals", "waits for signals", move || {
            if wait_for_signal(&ready).is_ok() {
                asked.notify_one();
                std::thread::sleep(GRACE);
                std::process::exit(i32::from(exit.load(Ordering::Relaxed)));
            }
        });
        waiting.map_err(Failure::io)?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(stop),
            Ok(Err(error)) => Err(Failure::io(error)),
            Err(_) => Err(Failure::io(io::Error::other("signals cannot be caught"))),
        }
    }

    /// What the exit code would be by now.
    pub(super) fn would_exit(&self, exit: Exit) {
        self.exit.store(exit.code(), Ordering::Relaxed);
    }

    pub(super) async fn or<T>(&self, item: impl Future<Output = T>, out: &Out) -> Next<T> {
        tokio::select! {
            biased;
            () = self.asked.notified() => Next::Stopped,
            item = item => Next::Item(item),
            () = tokio::time::sleep(LOOK) => if out.has_reader() { Next::Quiet } else { Next::Stopped },
        }
    }
}

/// Waits for a signal to end; says first that it is caught, or why it cannot be.
fn wait_for_signal(ready: &Sender<io::Result<()>>) -> Result<(), ()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waited = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            let _ = ready.send(Ok(()));
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    });
    waited.map_err(|error| {
        let _ = ready.send(Err(error));
    })
}
