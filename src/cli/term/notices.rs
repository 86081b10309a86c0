//! Messages on stderr. Where data must not wait for them, they go through a bounded queue to a thread of their own.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How many messages wait at most while nobody reads stderr. Those that come then are dropped and counted.
const MOST_WAITING: usize = 64;
/// How long a message is waited for, so that it keeps its place among the data. Not if one before it waits already.
const PATIENCE: Duration = Duration::from_millis(200);

static QUEUE: OnceLock<Mutex<Queue>> = OnceLock::new();

/// The messages on their way to the thread that writes them.
struct Queue {
    messages: SyncSender<String>,
    /// One for each message that was written.
    written: Receiver<()>,
    waiting: usize,
    dropped: u64,
}

/// Hands all messages from now on to a thread, so that a pipe that nobody reads holds nothing up.
pub(crate) fn never_block() -> io::Result<()> {
    let (messages, to_write) = sync_channel::<String>(MOST_WAITING);
    let (done, written) = sync_channel(MOST_WAITING + 1);
    crate::cli::thread::start("notices", "writes messages to stderr", move || {
        for message in to_write {
            write_now(&message);
            if done.send(()).is_err() {
                return;
            }
        }
    })?;
    let _ = QUEUE.set(Mutex::new(Queue { messages, written, waiting: 0, dropped: 0 }));
    Ok(())
}

/// Writes one line.
pub(crate) fn write(line: String) {
    match QUEUE.get() {
        None => write_now(&line),
        Some(queue) => queue.lock().unwrap_or_else(PoisonError::into_inner).push(line),
    }
}

/// Waits a moment for what has not been written yet.
pub(crate) fn finish() {
    if let Some(queue) = QUEUE.get() {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.tell_dropped();
        queue.settle();
    }
}

fn write_now(line: &str) {
    // Nobody is left to be told that stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Queue {
    fn push(&mut self, line: String) {
        while self.written.try_recv().is_ok() {
            self.waiting -= 1;
        }
        let free = self.waiting == 0;
        self.tell_dropped();
        if !self.send(line) {
            self.dropped += 1;
        } else if free {
            self.settle();
        }
    }

    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let what = super::human::count(self.dropped, "message");
            if self.send(format!("foldlog: {what} dropped: nobody was reading stderr")) {
                self.dropped = 0;
            }
        }
    }

    fn send(&mut self, line: String) -> bool {
        let sent = self.messages.try_send(line).is_ok();
        self.waiting += usize::from(sent);
        sent
    }

    fn settle(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.waiting > 0 && self.written.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {
            self.waiting -= 1;
        }
    }
}
