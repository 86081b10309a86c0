//! Signals: those that must not end a recording, and those that end it, in bounded time.

use super::input::{END_PATIENCE, has_hung_up};
use super::session::Common;
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, PipeWriter};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// How often a recording that waits checks whether its input has ended, and one that was told to end whether a journal
/// waits for space.
const CHECK: Duration = Duration::from_millis(100);

/// SIGXFSZ on Linux: sent when a file would grow over the process's limit. Caught, so that the write fails.
const SIGXFSZ: i32 = 25;

/// SIGXCPU on Linux: sent when the process has used up its processor time, some time before it is killed.
const SIGXCPU: i32 = 24;

/// The signals that end a recording.
pub(crate) struct Signals(Vec<Signal>);

impl Signals {
    /// Catches them. To be called before the ready line, so that none is missed.
    pub(crate) fn catch() -> io::Result<Signals> {
        // Once caught, a signal stays caught: the streams themselves are not needed.
        // The whole process group gets an interrupt from the keyboard, and the last events are still to come.
        drop(signal(SignalKind::interrupt())?);
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
        let ending = [SignalKind::hangup(), SignalKind::quit(), SignalKind::from_raw(SIGXCPU)];
        // The parent process may have them ignored, as `nohup` does.
        let heeded = ending.into_iter().filter(|kind| !is_ignored(*kind)).chain([SignalKind::terminate()]);
        heeded.map(signal).collect::<io::Result<_>>().map(Signals)
    }

    /// Waits for one of them. Then the input is drained, by dropping `tell`, and a full disk, a search or a client that
    /// does not read its replies is waited for no longer than [`END_PATIENCE`].
    pub(crate) async fn heed(mut self, tell: PipeWriter, common: Rc<Common>) {
        poll_fn(|task| match self.0.iter_mut().any(|signal| signal.poll_recv(task).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        drop(tell);
        common.patience.begin();
        sleep(END_PATIENCE).await;
        while !common.space.is_waited_for() {
            sleep(CHECK).await;
        }
        common.space.give_up();
    }
}

/// Whether a signal was ignored when the program was started; the kernel's list says so.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored >> (signal.as_raw_value() - 1) & 1 == 1
}

/// How long the end of a recording waits: [`END_PATIENCE`], from the signal or the end of input that began it.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    begun: Cell<bool>,
    ended: Latch,
}

impl Patience {
    /// The recording ends.
    pub(crate) fn begin(self: &Rc<Self>) {
        if !self.begun.replace(true) {
            let patience = Rc::clone(self);
            tokio::task::spawn_local(async move {
                sleep(END_PATIENCE).await;
                patience.ended.close();
            });
        }
    }

    /// Begins once nobody can write to the input any more, though it has not been read to its end. Resolves when it has
    /// ended. For those who hold up the reading: nobody else sees that end.
    pub(crate) async fn begins_with_hang_up(self: &Rc<Self>) {
        while !has_hung_up() {
            sleep(CHECK).await;
        }
        self.begin();
        self.ended().await;
    }

    /// Resolves once it has ended.
    pub(crate) async fn ended(&self) {
        self.ended.closed().await;
    }
}

/// Closed once, for good.
#[derive(Debug, Default)]
struct Latch(watch::Sender<bool>);

impl Latch {
    fn close(&self) {
        self.0.send_replace(true);
    }

    async fn closed(&self) {
        // The sender lives as long as this, so there is no error.
        let _ = self.0.subscribe().wait_for(|closed| *closed).await;
    }
}

/// How many journals wait for space on a full disk, and whether they may go on waiting.
#[derive(Debug, Default)]
pub(crate) struct Space {
    waiting: Cell<usize>,
    given_up: Latch,
}

impl Space {
    /// A journal begins to wait.
    pub(crate) fn begin_waiting(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// A journal waits no longer.
    pub(crate) fn end_waiting(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.get() > 0
    }

    fn give_up(&self) {
        self.given_up.close();
    }

    /// Resolves once nothing may wait for space any longer.
    pub(crate) async fn given_up(&self) {
        self.given_up.closed().await;
    }
}
