//! The pattern of a well-known agent's recorder: a queue of 256 items, a task that makes each a string and waits for a
//! `tokio::fs` write and flush of it. The pattern, not its code.

use crate::Result;
use crate::workload::Step;
use serde::Serialize;
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many items may wait.
const QUEUE: usize = 256;

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: &'a str,
    r#type: &'a str,
    data: &'a Step,
}

/// Starts the task. It ends when the last sender is gone.
pub(crate) async fn start(path: &Path) -> Result<(mpsc::Sender<Step>, JoinHandle<Result<()>>)> {
    let mut file = tokio::fs::File::create(path).await?;
    let (sender, mut items) = mpsc::channel::<Step>(QUEUE);
    let task = tokio::spawn(async move {
        let mut seq = 0;
        while let Some(step) = items.recv().await {
            seq += 1;
            let line = Line { seq, time: "2026-01-31T23:59:59.123456Z", r#type: step.type_name(), data: &step };
            let mut line = serde_json::to_string(&line)?;
            line.push('\n');
            file.write_all(line.as_bytes()).await?;
            file.flush().await?;
        }
        Ok(())
    });
    Ok((sender, task))
}
