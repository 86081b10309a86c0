//! A small runtime: a pool of threads, watermarks, and the tickets that wait for them. Needs no async runtime.

pub(crate) mod block_on;
pub(crate) mod pool;
pub(crate) mod ticket;
pub(crate) mod watermark;
