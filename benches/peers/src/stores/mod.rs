//! What else keeps events: each peer as its own documentation would have it used.

pub(crate) mod codex;
pub(crate) mod fjall;
pub(crate) mod okaywal;
pub(crate) mod plain;
pub(crate) mod raft;
pub(crate) mod redb;
pub(crate) mod sqlite;
pub(crate) mod tracing;

use crate::Result;
use std::path::Path;
use std::sync::Arc;

/// A store that takes lines one by one, from any thread; they come without a line break.
pub(crate) trait Append: Send + Sync {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()>;

    /// Waits until all is where an append leaves it.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// Opens a store in an empty directory.
pub(crate) type Open = fn(&Path) -> Result<Arc<dyn Append>>;
