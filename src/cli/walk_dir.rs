//! The files below a directory, in an order that does not change.

use std::fs;
use std::path::{Path, PathBuf};

/// Every plain file below a directory: `s.jsonl` before what lies in the folder `s`. What cannot be listed is told.
pub(crate) fn files_below(directory: &Path, refuse: &mut dyn FnMut(&Path, &str)) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths = list(directory, refuse);
    while let Some(path) = paths.pop() {
        // Links are not followed: they could lead round in circles, or out of what was named.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            paths.extend(list(&path, refuse));
        } else if metadata.is_file() {
            found.push(path);
        }
    }
    found
}

/// What is in a directory, in reverse.
fn list(directory: &Path, refuse: &mut dyn FnMut(&Path, &str)) -> Vec<PathBuf> {
    match fs::read_dir(directory) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            paths.sort_by_cached_key(|path| std::cmp::Reverse((path.with_extension(""), path.is_dir())));
            paths
        }
        Err(error) => {
            refuse(directory, &error.to_string());
            Vec::new()
        }
    }
}

pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// Whether a file is named like a segment: `00000001.jsonl`. Files of other programs may be, too.
pub(crate) fn is_named_as_segment(path: &Path) -> bool {
    let digits = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    has_extension(path, &["jsonl"]) && digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
