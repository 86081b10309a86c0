//! redb: a copy-on-write B-tree, a transaction an event.

use super::Append;
use crate::Result;
use redb::{Database, Durability, TableDefinition};
use std::path::Path;
use std::sync::Arc;

const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");

struct Redb(Database, Durability);

fn open(dir: &Path, durability: Durability) -> Result<Arc<dyn Append>> {
    Ok(Arc::new(Redb(Database::create(dir.join("redb"))?, durability)))
}

pub(crate) fn buffered(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, Durability::None)
}

pub(crate) fn synced(dir: &Path) -> Result<Arc<dyn Append>> {
    open(dir, Durability::Immediate)
}

impl Append for Redb {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(self.1)?;
        transaction.open_table(EVENTS)?.insert(seq, line)?;
        Ok(transaction.commit()?)
    }
}
