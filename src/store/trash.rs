//! Taking sessions out of a root: whole, by a rename, and never one that somebody is working on.
//!
//! Two places below the root take them in. The trash keeps them until somebody empties it; what lies in the other one
//! is on its way out, and is swept up later if a crash leaves it there. Renames within one root are atomic, so no half
//! of a session is ever seen.

use crate::error::{Error, ErrorKind, Result, not_a_directory};
use crate::format::names;
use crate::model::id::SessionId;
use crate::model::time::Timestamp;
use crate::segments::dir::Files;
use crate::segments::lock::hold;
use crate::segments::session_dir;
use crate::storage::{DirEntry, EntryKind, Storage};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where sessions wait until somebody empties it.
pub(crate) const TRASH: &str = ".trash";
/// Where a session goes before it is removed.
pub(crate) const LEAVING: &str = ".leaving";

/// A session in the trash. To have it back, move its directory to [`Store::path_of`](crate::Store::path_of) its id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trashed {
    /// Which session it was.
    pub session_id: SessionId,
    /// When it was thrown away.
    pub trashed_at: Timestamp,
    /// Its directory.
    pub path: PathBuf,
    /// How many bytes its files have; 0 if it cannot be read.
    pub bytes: u64,
}

/// Moves a session to a place below the root. Holds its locks meanwhile, so that nobody can start to write it.
pub(crate) fn move_out(
    storage: &Arc<dyn Storage>,
    root: &Path,
    session_id: &SessionId,
    place: &str,
) -> Result<PathBuf> {
    let dir = session_dir::find(&**storage, root, session_id)?;
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let files = session(storage, &dir)?;
    let _locks = hold(&files, session_id)?;
    let target = free_name(&**storage, &shelter(&**storage, root, place)?, &name, Timestamp::now())?;
    rename(&**storage, &files.dir, &target)?;
    Ok(target)
}

/// What is in the trash, oldest first. Names there that are not ours are nobody's business.
pub(crate) fn list(storage: &Arc<dyn Storage>, root: &Path) -> Result<Vec<Trashed>> {
    let trash = root.join(TRASH);
    let entries = match Files::open_dir(Arc::clone(storage), &trash) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => entries_of(&opened?)?,
    };
    let mut found = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let Some((session_id, trashed_at)) = parse(&entry.name) else { continue };
        let path = trash.join(&entry.name);
        // One that cannot be read is in the trash all the same: deleting it says why it cannot be.
        let files =
            Files::open_dir(Arc::clone(storage), &path).and_then(|files| entries_of(&files)).unwrap_or_default();
        let bytes = files.iter().filter(|file| file.kind == EntryKind::File).map(|file| file.len).sum();
        found.push(Trashed { session_id, trashed_at, path, bytes });
    }
    found.sort_by(|a, b| (a.trashed_at, &a.session_id).cmp(&(b.trashed_at, &b.session_id)));
    Ok(found)
}

/// Removes one session from the trash for good.
pub(crate) fn empty(storage: &Arc<dyn Storage>, root: &Path, trashed: &Trashed) -> Result<()> {
    let name = trashed.path.file_name().and_then(|name| name.to_str()).filter(|name| parse(name).is_some());
    let Some(name) = name.filter(|_| trashed.path.parent() == Some(&root.join(TRASH))) else {
        let message = format!("`{}` is not in the trash of `{}`", trashed.path.display(), root.display());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    };
    // Without asking for a segment: an earlier removal may have died half-way.
    let files = Files::open_dir(Arc::clone(storage), &trashed.path)?;
    let locks = hold(&files, &trashed.session_id)?;
    let target = free_name(&**storage, &shelter(&**storage, root, LEAVING)?, name, Timestamp::now())?;
    rename(&**storage, &trashed.path, &target)?;
    drop(locks);
    remove(&**storage, &target)
}

/// Removes what is out of sight already, and with it what a crash has left of earlier removals.
pub(crate) fn remove(storage: &dyn Storage, leaving: &Path) -> Result<()> {
    let removed = storage.remove_dir_all(leaving).map_err(|error| Error::io("delete", leaving, error));
    let Some(place) = leaving.parent() else { return removed };
    // Whatever is here was to be removed, by us or by somebody who may still be at it: both may try. What resists is
    // tried again next time.
    for entry in storage.list(place).unwrap_or_default() {
        if entry.kind == EntryKind::Directory {
            let _ = storage.remove_dir_all(&place.join(&entry.name));
        }
    }
    removed
}

/// A directory, no link to one, and with at least one segment in it: damaged or not, it is a session.
fn session(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Files> {
    let files = Files::open_dir(Arc::clone(storage), dir)?;
    match entries_of(&files)?.iter().any(|entry| names::number_of(&entry.name).is_some()) {
        true => Ok(files),
        false => Err(Error::new(ErrorKind::NotFound, format!("there is no session in `{}`", dir.display()))),
    }
}

fn entries_of(files: &Files) -> Result<Vec<DirEntry>> {
    let entries = files.folder().and_then(|folder| folder.list());
    entries.map_err(|error| Error::io("list", &files.dir, error))
}

fn shelter(storage: &dyn Storage, root: &Path, place: &str) -> Result<PathBuf> {
    let path = root.join(place);
    match storage.status(&path).map(|status| status.kind) {
        Ok(EntryKind::Directory) => Ok(path),
        Ok(_) => Err(not_a_directory(&path)),
        Err(_) => storage.create_dir(&path).map_err(|error| Error::io("create", &path, error)).map(|()| path),
    }
}

/// A name that nothing bears yet: the same id can be thrown away again and again.
fn free_name(storage: &dyn Storage, shelter: &Path, name: &str, now: Timestamp) -> Result<PathBuf> {
    let mut micros = now.micros();
    loop {
        let path = shelter.join(format!("{name}.{}", stamp(Timestamp::from_micros(micros))));
        match storage.status(&path) {
            Ok(_) => micros += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(Error::io("look at", &path, error)),
        }
    }
}

/// Renames from one directory to another. The new name is made safe first: after a power cut it may be in both places
/// or in one, but not in none.
fn rename(storage: &dyn Storage, from: &Path, to: &Path) -> Result<()> {
    storage.rename(from, to).map_err(|error| match error.kind() {
        std::io::ErrorKind::CrossesDevices => {
            let message = format!(
                "cannot move `{}`: {error}. It came with a lower layer of an overlay file system, such as a container's image, or is a mount point: copy it to where it is to be kept, then remove it",
                from.display()
            );
            Error::io_as(message, from, error)
        }
        _ => Error::io("move", from, error),
    })?;
    for dir in [to.parent(), from.parent()].into_iter().flatten() {
        match storage.sync_dir(dir) {
            // Moved it is; only a power cut may take that back.
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
            synced => synced.map_err(|error| Error::io("sync the directory", dir, error))?,
        }
    }
    Ok(())
}

/// A point in time as a part of a name: `20261122T184500123456Z`.
fn stamp(time: Timestamp) -> String {
    time.to_string().replace(['-', ':', '.'], "")
}

/// The session, and when it went, by a name in the trash.
fn parse(name: &str) -> Option<(SessionId, Timestamp)> {
    let (directory, when) = name.rsplit_once('.')?;
    let part = |from: usize, to: usize| when.get(from..to);
    let text = format!(
        "{}-{}-{}:{}:{}.{}",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 11)?,
        part(11, 13)?,
        part(13, 15)?,
        part(15, when.len())?
    );
    let time = Timestamp::parse_rfc3339(&text).filter(|time| stamp(*time) == when)?;
    Some((SessionId::from_directory_name(directory)?, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DiskStorage;

    #[test]
    fn a_name_in_the_trash_says_what_it_was_and_when_it_went() {
        let time = Timestamp::from_micros(1_795_373_100_123_456);
        let id = SessionId::new("a.b/ü").expect("an id");
        let name = format!("{}.{}", id.directory_name(), stamp(time));
        assert_eq!(parse(&name), Some((id, time)));
        for wrong in ["s-1", "s-1.", "s-1.20261122T184500", "s-1.20261322T184500123456Z", ".20261122T184500123456Z"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(5);
        for _ in 0..3 {
            let name = free_name(&DiskStorage, dir.path(), "s-1", now).expect("a name");
            DiskStorage.create_dir(&name).expect("it is free");
        }
        assert_eq!(DiskStorage.list(dir.path()).expect("a list").len(), 3);
    }
}
