//! How long the end of a recording waits for others.

use super::input::{END_PATIENCE, has_hung_up};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// How often a recording that waits checks whether its input has ended, and one that was told to end whether a journal
/// waits for space.
pub(super) const CHECK: Duration = Duration::from_millis(100);

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
pub(crate) struct Latch(watch::Sender<bool>);

impl Latch {
    pub(super) fn close(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn closed(&self) {
        // The sender lives as long as this, so there is no error.
        let _ = self.0.subscribe().wait_for(|closed| *closed).await;
    }
}
