//! Followers: how soon they have a line, how fast they catch up, and what they cost the writer and the machine.

mod catch_up;
mod idle;
mod latency;
mod readers;
mod stamped;
mod writer;

pub(crate) use idle::{measure as measure_idle, wait_for_parent};
pub(crate) use latency::write_for_parent;
pub(crate) use stamped::seq_of;
pub(crate) use writer::read_for_parent;

use crate::table::Line;
use crate::{Options, Result};
use foldlog::SessionId;
use std::path::{Path, PathBuf};

/// The session that all cases write and follow.
const SESSION: &str = "followed";

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let mut lines = latency::measure(options, dir)?;
    lines.extend(catch_up::measure(options, dir)?);
    lines.extend(writer::measure(options, dir)?);
    Ok(lines)
}

/// A single-threaded runtime, the same for everything asynchronous that is measured.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The first segment of the session in a store.
fn segment(store: &foldlog::Store) -> Result<PathBuf> {
    let segments = crate::disk::segments(&store.path_of(&SessionId::new(SESSION)?))?;
    segments.into_iter().next().ok_or_else(|| "no segment".into())
}
