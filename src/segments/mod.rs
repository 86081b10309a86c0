//! The files of one journal: its directory, its segments, its locks.

pub(crate) mod dir;
pub(crate) mod lock;
pub(crate) mod prefill;
pub(crate) mod replaced;
pub(crate) mod scan;
pub(crate) mod session_dir;
