//! Which directory of a root a session has: its name in either spelling, and no other session's on a disk that ignores case.

use crate::error::{Error, ErrorKind, Result};
use crate::model::id::SessionId;
use crate::storage::{EntryKind, FileId, Storage};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Where a session's directory is, or would be. Says nothing of whether it may be used: see [`find`].
pub(crate) fn of(storage: &dyn Storage, root: &Path, session_id: &SessionId) -> PathBuf {
    let (name, old) = (session_id.directory_name(), session_id.old_directory_name());
    let path = root.join(&name);
    if old != name && id_of(storage, &path).is_none() && id_of(storage, &root.join(&old)).is_some() {
        return root.join(old);
    }
    path
}

/// The same, or why the session cannot be told from another one.
pub(crate) fn find(storage: &dyn Storage, root: &Path, session_id: &SessionId) -> Result<PathBuf> {
    let (name, old) = (session_id.directory_name(), session_id.old_directory_name());
    if old != name
        && let (Some(one), Some(other)) = (id_of(storage, &root.join(&name)), id_of(storage, &root.join(&old)))
        && one != other
    {
        let message = format!(
            "the session {:?} has two directories in `{}`: `{name}` and `{old}`; move one of them away",
            session_id.as_str(),
            root.display()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let path = of(storage, root, session_id);
    if let Some(taken) = taken_by(storage, root, &path)? {
        let other = SessionId::from_directory_name(&taken).map_or(taken, |id| id.to_string());
        let message = format!(
            "the session {:?} cannot be told from {other:?}, which is in `{}`: this disk ignores case; use another id",
            session_id.as_str(),
            root.display()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(path)
}

fn id_of(storage: &dyn Storage, path: &Path) -> Option<FileId> {
    storage.status(path).ok().map(|status| status.id)
}

/// The name that a directory really has, if the disk ignores case and that differs from the one it was asked for by.
fn taken_by(storage: &dyn Storage, root: &Path, path: &Path) -> Result<Option<String>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let Some(id) = id_of(storage, path) else { return Ok(None) };
    let swapped: String = name.chars().map(swap_case).collect();
    if swapped == name || id_of(storage, &root.join(swapped)) != Some(id) {
        return Ok(None); // the other case is another name here
    }
    let entries = storage.list(root).map_err(|error| Error::io("list", root, error))?;
    if entries.iter().any(|entry| entry.name == name) {
        return Ok(None);
    }
    Ok(entries.into_iter().find(|entry| entry.name.eq_ignore_ascii_case(name)).map(|entry| entry.name))
}

fn swap_case(letter: char) -> char {
    match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    }
}

/// The ids of all sessions below a root; none if there is no such root.
pub(crate) fn list(storage: &dyn Storage, root: &Path) -> Result<BTreeSet<SessionId>> {
    let entries = match storage.list(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(Error::io("list", root, error)),
    };
    let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
    Ok(directories.filter_map(|entry| SessionId::from_directory_name(&entry.name)).collect())
}
