//! Signals: those that must not end a recording, and those that end it, in bounded time.

use super::common::Common;
use super::input::END_PATIENCE;
use super::patience::CHECK;
use std::future::poll_fn;
use std::io::{self, PipeWriter};
use std::rc::Rc;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

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
