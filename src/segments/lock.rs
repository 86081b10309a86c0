//! Who may change a journal's files: the kernel's locks on the session's directory and on the files `LOCK` and
//! `COMPACT.LOCK`, taken the same way by everything that changes something.

use crate::error::{Error, ErrorKind, Result};
use crate::model::id::SessionId;
use crate::model::time::Timestamp;
use crate::segments::dir::Files;
use crate::storage::{self, Access, StorageDir, StorageFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The file that the one writer holds the kernel's lock on.
pub(crate) const LOCK: &str = "LOCK";
/// The file that the one compaction holds the kernel's lock on.
pub(crate) const COMPACT_LOCK: &str = "COMPACT.LOCK";
/// How long a lock is tried at most: readers take it for an instant to see whether anybody writes.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);
/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// A lock on a journal, held until this is dropped. The directory's is freed first, then the file's, whose closing wakes
/// followers: they find both free.
#[derive(Debug)]
pub(crate) struct Lock {
    folder: Arc<dyn StorageDir>,
    file: Arc<dyn StorageFile>,
    name: &'static str,
}

impl Lock {
    /// The directory, of which this keeps a descriptor.
    pub(crate) fn folder(&self) -> &dyn StorageDir {
        &*self.folder
    }

    /// Fails if the directory or the lock's file is no longer what is at its path: nothing keeps others out any more.
    pub(crate) fn must_be_in_place(&self, files: &Files) -> Result<()> {
        match self.missing(files) {
            Ok(None) => Ok(()),
            Ok(Some(path)) => Err(removed(&path)),
            Err(error) => Err(Error::io("look at", &files.dir.join(self.name), error)),
        }
    }

    /// The path of the directory or of the lock's file, if that is no longer the one that is locked.
    pub(crate) fn missing(&self, files: &Files) -> io::Result<Option<PathBuf>> {
        if !storage::is_at(&*files.storage, &files.dir, &*self.folder)? {
            return Ok(Some(files.dir.clone()));
        }
        let is_named = storage::is_named(&*self.folder, self.name, &*self.file)?;
        Ok((!is_named).then(|| files.dir.join(self.name)))
    }

    /// Makes the names in the directory durable. Where the system cannot do that, `may_lack` says whether to go on; returns
    /// whether it was done.
    pub(crate) fn sync_folder(&self, files: &Files, may_lack: bool) -> Result<bool> {
        match self.folder.sync() {
            Ok(()) => Ok(true),
            Err(error) if may_lack && error.kind() == io::ErrorKind::Unsupported => Ok(false),
            Err(error) => Err(sync_failed(&files.dir, error)),
        }
    }
}

/// What is at a path is not what is being written any more.
pub(crate) fn removed(path: &Path) -> Error {
    let message = format!(
        "`{}` was removed, replaced or moved away while it was in use: open the session again to go on",
        path.display()
    );
    Error::new(ErrorKind::Removed, message)
}

/// What was written to a file is not in it any more.
pub(crate) fn cut_short(path: &Path, len: u64, written: u64) -> Error {
    let message = format!(
        "`{}` was cut short while it was in use: it has {len} bytes of {written}, and the events in the others are lost; open the session again to go on",
        path.display()
    );
    Error::new(ErrorKind::Removed, message)
}

/// The names in a directory cannot be made durable.
pub(crate) fn sync_failed(dir: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::Unsupported {
        return Error::io("sync the directory", dir, error);
    }
    let message = format!(
        "cannot sync the directory `{}`: {error}. A power cut could take new files away: use another file system, or record with durability `written`, which does not promise more",
        dir.display()
    );
    Error::io_as(message, dir, error)
}

/// How a try to take a lock ends.
enum Try {
    Taken(Lock),
    /// Somebody holds it: who, in words.
    Held(String),
    /// The directory or the file was moved away or replaced meanwhile.
    Moved,
}

/// Takes the writer's lock: first the one on the directory, then the one on `LOCK`, whose file is made if it is missing. The
/// first lets nobody in where somebody has removed the file; the second also holds off programs that know no other. Where
/// the system locks no directories, the file alone decides. Tries for a while, then says who holds it.
pub(crate) fn writers(files: &Files, purpose: &str, patience: Duration) -> Result<Result<Lock, String>> {
    take(files, patience, || {
        let folder = folder(files)?;
        match folder.try_lock(true) {
            Ok(Some(locked)) => take_file(files, locked, LOCK, purpose),
            Ok(None) => Ok(Try::Held(holder_of(&*folder))),
            Err(_) => take_file(files, folder, LOCK, purpose),
        }
    })
}

/// Takes the lock of the one compaction, which is on its file alone.
pub(crate) fn compactions(files: &Files, purpose: &str, patience: Duration) -> Result<Result<Lock, String>> {
    take(files, patience, || take_file(files, folder(files)?, COMPACT_LOCK, purpose))
}

fn folder(files: &Files) -> Result<Arc<dyn StorageDir>> {
    files.folder().map_err(|error| Error::io("open", &files.dir, error))
}

fn take(files: &Files, patience: Duration, attempt: impl Fn() -> Result<Try>) -> Result<Result<Lock, String>> {
    let give_up = Instant::now() + patience;
    loop {
        let held_by = match attempt()? {
            Try::Taken(lock) => return Ok(Ok(lock)),
            Try::Held(holder) => holder,
            Try::Moved => {
                files.release(); // another directory may be at the path by now
                "another process, which replaces its files".to_owned()
            }
        };
        if Instant::now() >= give_up {
            return Ok(Err(held_by));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Takes the lock on a file and notes in it who holds it, for messages only.
fn take_file(files: &Files, folder: Arc<dyn StorageDir>, name: &'static str, purpose: &str) -> Result<Try> {
    let path = files.dir.join(name);
    let io = |error| Error::io("look at", &path, error);
    let file = folder.open(name, Access::Lock).map_err(|error| Error::io("open", &path, error))?;
    if file.status().map_err(io)?.links > 1 {
        let message = format!(
            "`{}` has a second name (a hard link), and foldlog writes to no file that is also something else: remove this one, a new one is made",
            path.display()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    match file.try_lock(true) {
        Ok(true) => {}
        Ok(false) => return Ok(Try::Held(note_in(&*file))),
        Err(error) => return Err(no_locks(files, error)),
    }
    let lock = Lock { folder, file, name };
    if lock.missing(files).map_err(io)?.is_some() {
        return Ok(Try::Moved);
    }
    let note = format!("pid {} on {} since {}{purpose}\n", std::process::id(), host(), Timestamp::now());
    // A full disk must not keep us from recording.
    let _ = lock.file.set_len(0).and_then(|()| lock.file.write_at(note.as_bytes(), 0));
    Ok(Try::Taken(lock))
}

/// The system refuses the lock itself.
fn no_locks(files: &Files, error: io::Error) -> Error {
    let message = format!(
        "cannot lock `{}`: {error}. Without locks two writers could damage the session: keep it on a file system that has flock(2)",
        files.dir.display()
    );
    Error::io_as(message, &files.dir, error)
}

/// Who holds the lock on a directory: who holds the file's, if anybody does.
fn holder_of(folder: &dyn StorageDir) -> String {
    holder_of_file(folder).unwrap_or_else(|| "another process holds a lock on the directory".to_owned())
}

/// Who holds the lock on `LOCK`; `None` if nobody does, or if it cannot be tried.
fn holder_of_file(folder: &dyn StorageDir) -> Option<String> {
    let file = folder.open(LOCK, Access::Read).ok()?;
    matches!(file.try_lock(false), Ok(false)).then(|| note_in(&*file))
}

/// Who holds a lock, as its file says.
fn note_in(file: &dyn StorageFile) -> String {
    let mut note = [0u8; 200];
    let read = file.read_at(&mut note, 0).unwrap_or(0);
    match String::from_utf8_lossy(&note[..read]).trim_end() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    }
}

/// Whether somebody holds the writer's lock at this moment: either of the two. Both are tried for an instant and shared, so
/// that readers do not take each other for writers. One that cannot be tried (no right, no plain file, no such lock here)
/// leaves the answer to the other.
pub(crate) fn is_held(files: &Files) -> Result<bool> {
    let folder = match files.folder() {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", &files.dir, error)),
    };
    Ok(matches!(folder.try_lock(false), Ok(None)) || holder_of_file(&*folder).is_some())
}

/// The name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Both locks of a session: nobody writes or compacts it while they are held. They go with the files, so whoever waits
/// for them finds afterwards that the session is gone.
pub(crate) fn hold(files: &Files, session_id: &SessionId) -> Result<[Lock; 2]> {
    let is_busy = |doing: &str, holder: String| {
        let id = session_id.as_str();
        let message = format!("the session {id:?} is being {doing} ({holder}): it was left as it is");
        Error::new(ErrorKind::Locked, message)
    };
    let purpose = " (moving it away)";
    let writers = writers(files, purpose, PATIENCE)?.map_err(|holder| is_busy("recorded", holder))?;
    let compactions = compactions(files, purpose, PATIENCE)?.map_err(|holder| is_busy("compacted", holder))?;
    Ok([writers, compactions])
}
