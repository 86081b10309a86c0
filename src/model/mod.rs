//! The data that all other modules pass on: numbers, times, ids, events, entries, gaps and records. No bytes of a journal
//! and no files.

pub(crate) mod cursor;
pub(crate) mod entry;
pub(crate) mod event;
pub(crate) mod gap;
pub(crate) mod id;
pub(crate) mod open_turns;
pub(crate) mod record;
pub(crate) mod seq;
pub(crate) mod status;
pub(crate) mod time;
