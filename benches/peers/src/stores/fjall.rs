//! fjall: a log-structured key-value store.

use super::Append;
use crate::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::sync::Arc;

struct Fjall {
    database: Database,
    events: Keyspace,
    synced: bool,
}

fn open(dir: &Path, synced: bool) -> Result<Arc<dyn Append>> {
    let database = Database::builder(dir.join("fjall")).open()?;
    let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
    Ok(Arc::new(Fjall { database, events, synced }))
}

pub(crate) fn buffered(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, false)
}

pub(crate) fn synced(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, true)
}

impl Append for Fjall {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()> {
        self.events.insert(seq.to_be_bytes(), line)?;
        if self.synced {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}
