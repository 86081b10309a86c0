//! [`Store`]: a root directory of sessions.

use crate::compact::{self, Background, CompactOptions, CompactReport};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Files, LOCK};
use crate::id::{SessionId, WorkspaceId};
use crate::journal::Journal;
use crate::options::JournalOptions;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::record::SessionRecord;
use crate::storage::{Access, DiskStorage, EntryKind, Storage};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many threads run all journals of a store. More than cores, since they mostly wait for the disk.
const POOL_THREADS: usize = 8;
/// Where a session goes before it is removed, so that no half of one is ever seen.
const LEAVING: &str = ".leaving";

/// A root of sessions: each is a directory below it.
///
/// A cheap handle. All journals of a store share a small fixed pool of threads, so that idle ones cost none.
#[derive(Clone, Debug)]
pub struct Store {
    storage: Arc<dyn Storage>,
    root: PathBuf,
    pool: Arc<Pool>,
    background: Arc<Background>,
}

impl Store {
    /// The store below a directory, which is made when the first session is recorded.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is something else than a directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Store> {
        Store::open_on(DiskStorage, root)
    }

    /// The store that the command line uses: `FOLDLOG_ROOT`, else `$XDG_STATE_HOME/foldlog`, else
    /// `~/.local/state/foldlog`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if none of the three variables is set.
    pub fn open_default() -> Result<Store> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("FOLDLOG_ROOT")
            .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("foldlog")))
            .or_else(|| set("HOME").map(|home| home.join(".local/state/foldlog")));
        match root {
            Some(root) => Store::open(root),
            None => {
                let message = "no place to keep sessions: set FOLDLOG_ROOT, XDG_STATE_HOME or HOME, or give a root";
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }

    /// The store on another kind of disk, such as a simulated one.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_on(storage: impl Storage, root: impl AsRef<Path>) -> Result<Store> {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let root = root.as_ref();
        // The root itself may be reached through a link: that is its owner's choice.
        if matches!(storage.kind(root), Ok(EntryKind::File)) {
            let message = format!("`{}` is a file: the root of a store must be a directory", root.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Store {
            storage,
            root: root.to_owned(),
            pool: Arc::new(Pool::new(POOL_THREADS)),
            background: Arc::default(),
        })
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a session's directory is, or would be.
    pub fn path_of(&self, session_id: &SessionId) -> PathBuf {
        self.root.join(session_id.directory_name())
    }

    /// Opens a session for recording: takes its lock, recovers what a crash left, and tells what was left open.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] if another writer holds it, [`ErrorKind::InvalidInput`] if the id cannot be one,
    /// [`ErrorKind::WrongSession`], [`ErrorKind::Unsupported`] for a newer format, or [`ErrorKind::Io`].
    pub fn journal(&self, session_id: impl Into<String>) -> Result<Journal> {
        self.journal_with(session_id, JournalOptions::default())
    }

    /// [`Store::journal`] with options.
    ///
    /// # Errors
    /// As for [`Store::journal`].
    pub fn journal_with(&self, session_id: impl Into<String>, options: JournalOptions) -> Result<Journal> {
        let session_id = SessionId::new(session_id)?;
        let dir = self.path_of(&session_id);
        match self.storage.kind(&dir) {
            Ok(EntryKind::Directory) => {}
            Ok(_) => return Err(not_a_directory(&dir)),
            Err(_) => self.storage.create_dir(&dir).map_err(|error| Error::io("create", &dir, error))?,
        }
        let files = Files::new(Arc::clone(&self.storage), &dir);
        Journal::open(files, session_id, options, Arc::clone(&self.pool), Arc::clone(&self.background))
    }

    /// Opens a session for reading.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none with this id.
    pub fn reader(&self, session_id: impl Into<String>) -> Result<Reader> {
        let session_id = SessionId::new(session_id)?;
        let reader = Reader::open_on(Arc::clone(&self.storage), &self.path_of(&session_id));
        reader.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let message = format!(
                    "there is no session {:?} in `{}`: list what there is with `ls`",
                    session_id.as_str(),
                    self.root.display()
                );
                Error::new(ErrorKind::NotFound, message)
            }
            _ => error,
        })
    }

    /// The ids of all sessions, in alphabetical order.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the root cannot be read. A root that does not exist holds no session.
    pub fn session_ids(&self) -> Result<Vec<SessionId>> {
        let entries = match self.storage.list(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list", &self.root, error)),
        };
        let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
        let mut ids: Vec<SessionId> =
            directories.filter_map(|entry| SessionId::from_directory_name(&entry.name)).collect();
        ids.sort();
        Ok(ids)
    }

    /// One session as it stands.
    ///
    /// # Errors
    /// As for [`Store::reader`] and [`Reader::fold`].
    pub fn get(&self, session_id: impl Into<String>) -> Result<SessionRecord> {
        self.reader(session_id)?.fold()
    }

    /// Every session as it stands, or those of one workspace. Sessions that hold no entry yet, or cannot be read, are
    /// left out: one bad session hides no other.
    ///
    /// # Errors
    /// As for [`Store::session_ids`].
    pub fn list(&self, workspace: Option<&WorkspaceId>) -> Result<Vec<SessionRecord>> {
        let records = self.session_ids()?.into_iter().filter_map(|id| self.get(id).ok());
        Ok(records.filter(|record| workspace.is_none_or(|id| record.workspace_id.as_ref() == Some(id))).collect())
    }

    /// Makes a session smaller: drops streaming that an ending event repeats word for word, and merges small segments. The
    /// session folds into the same as before, at any moment, whatever happens; it may be recorded and read meanwhile.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root = tempfile::tempdir()?;
    /// # let store = foldlog::Store::open(root.path())?;
    /// # let journal = store.journal("s-1")?;
    /// # journal.push(foldlog::TurnStarted::new("t-1", "Hi"))?;
    /// # journal.close().wait()?;
    /// let report = store.compact("s-1")?;
    /// println!("{} bytes, now {}", report.before.bytes, report.after.bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Locked`] if it is being compacted already, [`ErrorKind::WrongSession`],
    /// [`ErrorKind::Unsupported`] for a newer format, or [`ErrorKind::Io`]. Damage is no error: what is damaged is left as
    /// it is, and named in the report.
    pub fn compact(&self, session_id: impl Into<String>) -> Result<CompactReport> {
        self.compact_with(session_id, &CompactOptions::default(), &mut |_| {})
    }

    /// [`Store::compact`] with options, telling after each entry how many have been read.
    ///
    /// # Errors
    /// As for [`Store::compact`].
    pub fn compact_with(
        &self,
        session_id: impl Into<String>,
        options: &CompactOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CompactReport> {
        let session_id = SessionId::new(session_id)?;
        self.reader(session_id.clone())?;
        let files = Files::new(Arc::clone(&self.storage), &self.path_of(&session_id));
        compact::compact(&files, session_id.as_str(), options, progress)
    }

    /// Deletes a session that nobody is recording. There is no way back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Locked`] if it is being recorded, [`ErrorKind::Io`].
    pub fn delete(&self, session_id: impl Into<String>) -> Result<()> {
        let session_id = SessionId::new(session_id)?;
        let dir = self.path_of(&session_id);
        self.reader(session_id.clone())?;
        let lock_path = dir.join(LOCK);
        let io = |error| Error::io("delete", &dir, error);
        let lock = self.storage.open(&lock_path, Access::Lock).map_err(io)?;
        if !lock.try_lock(true).map_err(io)? {
            let message = format!("the session {:?} is being recorded: it was not deleted", session_id.as_str());
            return Err(Error::new(ErrorKind::Locked, message));
        }
        // Out of sight at once, whole: a crash on the way leaves no half of a session.
        let leaving = self.root.join(LEAVING);
        self.storage.create_dir(&leaving).map_err(io)?;
        let target = leaving.join(format!("{}.{}", session_id.directory_name(), std::process::id()));
        self.storage.rename(&dir, &target).map_err(io)?;
        self.storage.sync_dir(&self.root).map_err(io)?;
        self.storage.remove_dir_all(&target).map_err(io)
    }
}

fn not_a_directory(dir: &Path) -> Error {
    let message = format!("`{}` is not a directory: foldlog follows no links", dir.display());
    Error::new(ErrorKind::InvalidInput, message)
}
