//! raft-engine: the log store of a distributed database, with one region.

use super::Append;
use crate::Result;
use crate::follow::seq_of;
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt};
use std::path::Path;
use std::sync::Arc;

const REGION: u64 = 1;

/// A log entry is a line; its index is the number that the line begins with.
struct Entry;

impl MessageExt for Entry {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        seq_of(&entry.value)
    }
}

struct Raft {
    engine: Engine,
    synced: bool,
}

fn open(dir: &Path, synced: bool) -> Result<Arc<dyn Append>> {
    let dir = dir.join("raft").to_string_lossy().into_owned();
    Ok(Arc::new(Raft { engine: Engine::open(Config { dir, ..Config::default() })?, synced }))
}

pub(crate) fn buffered(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, false)
}

pub(crate) fn synced(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, true)
}

impl Append for Raft {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()> {
        let mut batch = LogBatch::default();
        let entry = BytesValue { value: line.to_vec(), ..BytesValue::default() };
        // Each task of a closed loop takes its number before its turn, so a region each: entries of one must not swap.
        let region = if self.synced { seq } else { REGION };
        batch.add_entries::<Entry>(region, &[entry])?;
        self.engine.write(&mut batch, self.synced)?;
        Ok(())
    }
}
