//! Sessions that no id names: their directories were given names that are no session's.

use super::exit::words;
use super::walk_dir::is_named_as_segment;
use foldlog::{SessionId, Store};
use std::fs;
use std::path::Path;

/// How many of them are named.
const MOST_NAMED: usize = 10;

/// Says which directories of the root hold a session that no list can have, since no id stands for it.
pub(crate) fn name(store: &Store) {
    let Ok(entries) = fs::read_dir(store.root()) else { return };
    let unnamed = entries.flatten().filter(|entry| match entry.file_name().to_str() {
        Some(name) => !name.starts_with('.') && SessionId::from_directory_name(name).is_none(),
        None => true,
    });
    let mut strays: Vec<_> = unnamed.map(|entry| entry.path()).filter(|path| holds_segment(path)).collect();
    strays.sort();
    for path in strays.iter().take(MOST_NAMED) {
        words(&format!(
            "`{}` holds a session and is not listed: its name stands for no id; read it by its path, or rename it",
            path.display()
        ));
    }
    if let Some(more @ 1..) = strays.len().checked_sub(MOST_NAMED) {
        words(&format!("{more} more directories hold sessions and are not listed"));
    }
}

/// Whether it is a directory with a file that has a segment's name.
fn holds_segment(path: &Path) -> bool {
    if !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return false;
    }
    fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(|entry| is_named_as_segment(&entry.path())))
}
