//! [`Store`]: a root directory of sessions.

pub(crate) mod journal;
pub(crate) mod lookup;
pub(crate) mod trash;

use crate::compact::{self, Background, CompactOptions, CompactReport};
use crate::error::{Error, ErrorKind, Result, not_a_directory};
use crate::model::cursor::Cursor;
use crate::model::id::{SessionId, WorkspaceId};
use crate::model::record::SessionRecord;
use crate::read::follow::{Follower, StoreCursor, StoreFollower};
use crate::read::reader::Reader;
use crate::runtime::pool::Pool;
use crate::segments::dir::Files;
use crate::segments::session_dir;
use crate::storage::{DiskStorage, EntryKind, Storage};
use crate::write::options::JournalOptions;
use journal::Journal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trash::{LEAVING, TRASH, Trashed};

/// How many threads run all journals of a store. More than cores, since they mostly wait for the disk.
const POOL_THREADS: usize = 24;

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
    /// [`ErrorKind::InvalidInput`] if none of the three variables is set; a relative path in the last two does not count.
    pub fn open_default() -> Result<Store> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // Below a relative one would be another root for each directory that a command is started in.
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let root = set("FOLDLOG_ROOT")
            .or_else(|| absolute("XDG_STATE_HOME").map(|state| state.join("foldlog")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/foldlog")));
        match root {
            Some(root) => Store::open(root),
            None => {
                let message = "no place to keep sessions: set FOLDLOG_ROOT, or XDG_STATE_HOME or HOME to an absolute path, \
                               or give a root";
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
        if storage.status(root).is_ok_and(|status| status.kind == EntryKind::File) {
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
        session_dir::of(&*self.storage, &self.root, session_id)
    }

    /// The same, if the session can be told from all others.
    fn dir_of(&self, session_id: &SessionId) -> Result<PathBuf> {
        session_dir::find(&*self.storage, &self.root, session_id)
    }

    /// Opens a session for recording: takes its lock, recovers what a crash left, and tells what was left open.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] if another writer holds it, [`ErrorKind::InvalidInput`] if the id cannot be one,
    /// [`ErrorKind::WrongSession`], [`ErrorKind::Unsupported`] for a newer format, or [`ErrorKind::Io`], also if the disk refuses
    /// to give what tells where to go on.
    pub fn journal(&self, session_id: impl Into<String>) -> Result<Journal> {
        self.journal_with(session_id, JournalOptions::default())
    }

    /// [`Store::journal`] with options.
    ///
    /// # Errors
    /// As for [`Store::journal`].
    pub fn journal_with(&self, session_id: impl Into<String>, options: JournalOptions) -> Result<Journal> {
        let session_id = SessionId::new(session_id)?;
        let dir = self.dir_of(&session_id)?;
        let open = || {
            if self.storage.status(&dir).is_err() {
                // Never `NotFound`: that is what a session is, not the place for a new one.
                let io = |error| Error::io_as(format!("cannot create `{}`: {error}", dir.display()), &dir, error);
                self.storage.create_dir(&dir).map_err(io)?;
            }
            let files = Files::open_dir(Arc::clone(&self.storage), &dir)?;
            let (pool, background) = (Arc::clone(&self.pool), Arc::clone(&self.background));
            Journal::open(files, session_id.clone(), options.clone(), pool, background)
        };
        match open() {
            // It was thrown away in this very moment: then it begins anew.
            Err(error) if error.kind() == ErrorKind::NotFound => open(),
            opened => opened,
        }
    }

    /// Opens a session for reading.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none with this id.
    pub fn reader(&self, session_id: impl Into<String>) -> Result<Reader> {
        let session_id = SessionId::new(session_id)?;
        let reader = Reader::open_on(Arc::clone(&self.storage), &self.dir_of(&session_id)?);
        reader.map_err(|error| self.name_missing(&session_id, error))
    }

    /// Says of a session that is not there which one it is.
    fn name_missing(&self, session_id: &SessionId, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        let message = format!(
            "there is no session {:?} in `{}`: list what there is with `ls`",
            session_id.as_str(),
            self.root.display()
        );
        Error::new(ErrorKind::NotFound, message)
    }

    /// Follows a session, which need not be there yet: see [`Follower`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the id cannot be one, [`ErrorKind::Io`] if the directory cannot be read.
    pub fn follow(&self, session_id: impl Into<String>, from: Cursor) -> Result<Follower> {
        let dir = self.dir_of(&SessionId::new(session_id)?)?;
        if self.storage.status(&dir).is_ok_and(|status| status.kind != EntryKind::Directory) {
            return Err(not_a_directory(&dir));
        }
        Follower::new(Files::new(Arc::clone(&self.storage), &dir), &from, None)
    }

    /// Follows all sessions, and new ones as they appear: see [`StoreFollower`].
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a directory cannot be read.
    pub fn follow_all(&self, from: impl Into<StoreCursor>) -> Result<StoreFollower> {
        StoreFollower::new(Arc::clone(&self.storage), &self.root, &from.into())
    }

    /// The ids of all sessions, in alphabetical order.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the root cannot be read. A root that does not exist holds no session.
    pub fn session_ids(&self) -> Result<Vec<SessionId>> {
        Ok(session_dir::list(&*self.storage, &self.root)?.into_iter().collect())
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
        let files = self.reader(session_id.clone())?.files;
        compact::compact(&files, session_id.as_str(), options, progress)
    }

    /// Moves a session that nobody is recording or compacting to the trash inside the root, whole, and says where it is.
    /// To have it back, move that directory to [`Store::path_of`] the id. The same id may go there any number of times.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Locked`] if it is being recorded, [`ErrorKind::InvalidInput`] if there is a
    /// link in its place, [`ErrorKind::Io`].
    pub fn trash(&self, session_id: impl Into<String>) -> Result<PathBuf> {
        self.move_out(&SessionId::new(session_id)?, TRASH)
    }

    /// Where the trash is, or would be.
    pub fn trash_path(&self) -> PathBuf {
        self.root.join(TRASH)
    }

    /// The sessions in the trash, in the order in which they went there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it cannot be read. No trash holds nothing.
    pub fn trashed(&self) -> Result<Vec<Trashed>> {
        trash::list(&self.storage, &self.root)
    }

    /// Deletes a session that is in the trash. There is no way back.
    ///
    /// # Errors
    /// As for [`Store::delete`].
    pub fn delete_trashed(&self, trashed: &Trashed) -> Result<()> {
        trash::empty(&self.storage, &self.root, trashed)
    }

    /// Deletes a session that nobody is recording. There is no way back; [`Store::trash`] has one.
    ///
    /// # Errors
    /// As for [`Store::trash`].
    pub fn delete(&self, session_id: impl Into<String>) -> Result<()> {
        let leaving = self.move_out(&SessionId::new(session_id)?, LEAVING)?;
        trash::remove(&*self.storage, &leaving)
    }

    fn move_out(&self, session_id: &SessionId, place: &str) -> Result<PathBuf> {
        let moved = trash::move_out(&self.storage, &self.root, session_id, place);
        moved.map_err(|error| self.name_missing(session_id, error))
    }
}
