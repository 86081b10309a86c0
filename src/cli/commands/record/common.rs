//! What all sessions of one `record` share.

use crate::cli::commands::record::patience::Patience;
use crate::cli::commands::record::replies::Replies;
use crate::cli::commands::record::space::Space;
use crate::cli::commands::record::words::Words;
use foldlog::JournalOptions;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

/// What is the same for all sessions of one program.
pub(crate) struct Common {
    pub(crate) options: JournalOptions,
    pub(crate) workspace: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) strict: bool,
    pub(crate) many: bool,
    pub(crate) replies: Replies,
    pub(crate) words: Rc<Words>,
    /// Told when a journal has failed.
    pub(crate) failed: Rc<Notify>,
    pub(crate) space: Space,
    /// Sessions that may be searched at once: the others wait, so that threads are left to record.
    pub(crate) searches: Semaphore,
    /// Places for look-ups that wait for their answer.
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) patience: Rc<Patience>,
}

impl Common {
    /// Waits for room for what a line of input needs. Once the recording ends, no longer than its patience lasts: `None`.
    pub(crate) async fn room<T>(&self, room: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            room = room => Some(room),
            () = self.failed.notified(), if !self.many => {
                self.failed.notify_one(); // also for the reading of the input
                None
            }
            () = self.patience.ended() => None,
            () = self.patience.begins_with_hang_up() => None,
        }
    }
}
