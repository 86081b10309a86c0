//! `docs/FORMAT.md` as code: from events to the bytes of lines and headers, and back. Bytes in memory only, no files.

pub(crate) mod block;
pub(crate) mod claims;
mod delivered;
pub(crate) mod draft;
pub(crate) mod gap_rules;
pub(crate) mod header;
pub(crate) mod line;
pub(crate) mod names;
pub(crate) mod salvage;
