//! A storage that counts what is asked of it and fails where a test says so.
//!
//! Wraps any other storage. A test gives it a closure that sees every call and answers with what becomes of it.

use crate::patience::Gate;
use foldlog::{Access, DirEntry, FileStatus, Storage, StorageDir, StorageFile};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Input/output error.
pub const EIO: i32 = 5;
/// No space left on device.
pub const ENOSPC: i32 = 28;
/// File too large.
pub const EFBIG: i32 = 27;

/// A call to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// So many bytes at an offset.
    Read(usize, u64),
    /// So many bytes at an offset.
    Write(usize, u64),
    Sync,
    SetLen,
    Create,
    SyncDir,
    Rename,
    Remove,
    List,
    Lock,
    LockDir,
}

impl Call {
    /// Whether it changes what is on the disk.
    pub fn changes(self) -> bool {
        !matches!(self, Call::Read(..) | Call::List | Call::Lock | Call::LockDir)
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// Nothing happens but the error with this number.
    Fails(i32),
    /// The system cannot do it at all.
    Unsupported,
    /// Only so many bytes are read or written, without an error; a list shows files at most so long.
    Short(usize),
    /// It waits until the storage's gate is open.
    Waits,
}

type Rule = Box<dyn FnMut(Call, &Path) -> Fate + Send>;

/// The storage. Clones share the rule and the counts.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Storage>,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Mutex<Rule>,
    /// Where calls wait that the rule holds up.
    gate: Gate,
    writes: AtomicU64,
    syncs: AtomicU64,
    /// Names that lists leave out.
    hidden: Mutex<Vec<String>>,
    /// The name of a file system that others use too.
    system: Mutex<Option<&'static str>>,
    /// Names of directories that differ only in case are the same.
    ignores_case: AtomicBool,
}

struct FaultyDir {
    inner: Arc<dyn StorageDir>,
    path: PathBuf,
    shared: Arc<Shared>,
}

struct FaultyFile {
    inner: Arc<dyn StorageFile>,
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Faulty {
    pub fn new(inner: impl Storage) -> Faulty {
        let rule: Rule = Box::new(|_, _| Fate::Done);
        let (writes, syncs) = (AtomicU64::new(0), AtomicU64::new(0));
        let (rule, hidden, system) = (Mutex::new(rule), Mutex::default(), Mutex::default());
        let shared =
            Shared { rule, gate: Gate::shut(), writes, syncs, hidden, system, ignores_case: AtomicBool::new(false) };
        Faulty { inner: Arc::new(inner), shared: Arc::new(shared) }
    }

    /// From now on, this decides about every call.
    pub fn rule(&self, rule: impl FnMut(Call, &Path) -> Fate + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on, lists of directories leave these names out: as if the files had been made while it was listed.
    pub fn hide(&self, names: &[String]) {
        *self.shared.hidden.lock().unwrap() = names.to_vec();
    }

    /// From now on, directories are found by names in any case.
    pub fn ignore_case(&self) {
        self.shared.ignores_case.store(true, Ordering::SeqCst);
    }

    /// The path by which a directory is really known.
    fn real(&self, path: &Path) -> PathBuf {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let above = path.parent().filter(|_| self.shared.ignores_case.load(Ordering::SeqCst));
        let listed = above.and_then(|above| self.inner.list(above).ok()).unwrap_or_default();
        let found = listed.into_iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
        found.map_or_else(|| path.to_owned(), |entry| path.with_file_name(entry.name))
    }

    /// From now on, others are said to use this file system too.
    pub fn share(&self, system: &'static str) {
        *self.shared.system.lock().unwrap() = Some(system);
    }

    /// From now on, all is well.
    pub fn heal(&self) {
        self.rule(|_, _| Fate::Done);
    }

    /// Where calls wait that the rule holds up; shut at first.
    pub fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// How many writes and how many syncs of files there have been.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.writes.load(Ordering::SeqCst), self.shared.syncs.load(Ordering::SeqCst))
    }
}

impl Shared {
    fn fate(&self, call: Call, path: &Path) -> io::Result<Option<usize>> {
        let fate = (self.rule.lock().unwrap())(call, path);
        match fate {
            Fate::Done => Ok(None),
            Fate::Waits => {
                self.gate.pass();
                Ok(None)
            }
            Fate::Short(bytes) => Ok(Some(bytes)),
            Fate::Unsupported => Err(io::Error::new(io::ErrorKind::Unsupported, "not here")),
            Fate::Fails(code) => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

impl Shared {
    /// What a list shows.
    fn shown(&self, entries: Vec<DirEntry>, most: Option<usize>) -> Vec<DirEntry> {
        let most = most.map_or(u64::MAX, |bytes| bytes as u64);
        let hidden = self.hidden.lock().unwrap();
        let entries = entries.into_iter().filter(|entry| !hidden.contains(&entry.name));
        entries.map(|entry| DirEntry { len: entry.len.min(most), ..entry }).collect()
    }
}

impl Storage for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        let inner = self.inner.open_dir(&self.real(path))?;
        Ok(Arc::new(FaultyDir { inner, path: path.to_owned(), shared: Arc::clone(&self.shared) }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let most = self.shared.fate(Call::List, path)?;
        self.inner.list(path).map(|entries| self.shared.shown(entries, most))
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        self.inner.status(&self.real(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.fate(Call::SyncDir, path)?;
        self.inner.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.fate(Call::Rename, from)?;
        self.inner.rename(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }
}

impl FaultyDir {
    fn file(&self, inner: Arc<dyn StorageFile>, name: &str) -> Arc<dyn StorageFile> {
        Arc::new(FaultyFile { inner, path: self.path.join(name), shared: Arc::clone(&self.shared) })
    }

    fn fate(&self, call: Call, name: &str) -> io::Result<Option<usize>> {
        self.shared.fate(call, &self.path.join(name))
    }
}

impl StorageDir for FaultyDir {
    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        let most = self.shared.fate(Call::List, &self.path)?;
        self.inner.list().map(|entries| self.shared.shown(entries, most))
    }

    fn status_of(&self, name: &str) -> io::Result<FileStatus> {
        self.inner.status_of(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.fate(Call::Create, name)?;
        self.inner.create(name).map(|file| self.file(file, name))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.open(name, access).map(|file| self.file(file, name))
    }

    fn sync(&self) -> io::Result<()> {
        self.shared.fate(Call::SyncDir, &self.path)?;
        self.inner.sync()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.fate(Call::Rename, from)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.fate(Call::Remove, name)?;
        self.inner.remove(name)
    }

    fn is_shared(&self) -> Option<&'static str> {
        *self.shared.system.lock().unwrap()
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>> {
        self.shared.fate(Call::LockDir, &self.path)?;
        let (path, shared) = (&self.path, &self.shared);
        let faulty = |inner| FaultyDir { inner, path: path.clone(), shared: Arc::clone(shared) };
        Ok(self.inner.try_lock(exclusive)?.map(|dir| Arc::new(faulty(dir)) as Arc<dyn StorageDir>))
    }
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let short = self.shared.fate(Call::Read(buffer.len(), offset), &self.path)?;
        let most = short.unwrap_or(buffer.len()).min(buffer.len());
        self.inner.read_at(&mut buffer[..most], offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.shared.writes.fetch_add(1, Ordering::SeqCst);
        let short = self.shared.fate(Call::Write(bytes.len(), offset), &self.path)?;
        self.inner.write_at(&bytes[..short.unwrap_or(bytes.len()).min(bytes.len())], offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.shared.fate(Call::SetLen, &self.path)?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.shared.syncs.fetch_add(1, Ordering::SeqCst);
        self.shared.fate(Call::Sync, &self.path)?;
        self.inner.sync_data()
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        self.shared.fate(Call::Lock, &self.path)?;
        self.inner.try_lock(exclusive)
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.inner)
    }
}

impl fmt::Debug for FaultyDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyDir({})", self.path.display())
    }
}

impl fmt::Debug for FaultyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyFile({})", self.path.display())
    }
}
