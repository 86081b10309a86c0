//! `tracing-appender`: a queue and a thread that writes; set to lose nothing.

use super::Append;
use crate::Result;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

struct Tracing {
    writer: NonBlocking,
    /// Its drop waits until all is written.
    guard: Mutex<Option<WorkerGuard>>,
}

pub(crate) fn open(dir: &Path) -> Result<Arc<dyn Append>> {
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(File::create(dir.join("log"))?);
    Ok(Arc::new(Tracing { writer, guard: Mutex::new(Some(guard)) }))
}

impl Append for Tracing {
    fn append(&self, _: u64, line: &[u8]) -> Result<()> {
        // One call an event, as its subscriber makes it: the queue takes whole pieces.
        let mut event = Vec::with_capacity(line.len() + 1);
        event.extend_from_slice(line);
        event.push(b'\n');
        Ok(self.writer.clone().write_all(&event)?)
    }

    fn finish(&self) -> Result<()> {
        drop(self.guard.lock().map_err(|_| "a panic elsewhere")?.take());
        Ok(())
    }
}
