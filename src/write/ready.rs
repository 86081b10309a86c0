//! [`Room`]: resolves once the queue has room again.

use crate::error::Result;
use crate::write::writer::Writer;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Resolves when the queue has room. See [`Journal::ready`](crate::Journal::ready).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Room {
    pub(crate) writer: Arc<Writer>,
}

impl Room {
    /// Blocks until there is room.
    ///
    /// # Errors
    /// If the journal was closed, or the failure that ended its writer.
    pub fn wait(self) -> Result<()> {
        crate::runtime::block_on::block_on(self)
    }
}

impl Future for Room {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.writer.poll_room(context.waker()) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}
