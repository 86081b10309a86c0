//! From events to segments on disk: the queue, the writer and its commit cycles, the committer, recovery.

pub(crate) mod append_error;
mod commit_cycle;
mod committer;
mod full_disk;
pub(crate) mod open;
pub(crate) mod options;
mod publish;
mod queue;
pub(crate) mod ready;
pub(crate) mod recovery;
mod segment_file;
pub(crate) mod writer;
