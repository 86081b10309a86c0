//! foldlog's disk, which notes when each line was about to be written.

use foldlog::{Access, DirEntry, DiskStorage, FileStatus, Storage, StorageDir, StorageFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A line's number, and a time.
pub(crate) type Stamp = (u64, u64);

/// Nanoseconds on a clock that all processes of the machine share.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The number that a line begins with; 0 if it is no entry.
pub(crate) fn seq_of(line: &[u8]) -> u64 {
    let digits = line.strip_prefix(b"{\"seq\":").unwrap_or_default();
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// [`DiskStorage`], with the time right before each `write(2)` of an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamped {
    stamps: Arc<Mutex<Vec<Stamp>>>,
}

#[derive(Debug)]
struct StampedFile {
    inner: Arc<dyn StorageFile>,
    stamps: Arc<Mutex<Vec<Stamp>>>,
}

impl Stamped {
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn file(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(StampedFile { inner, stamps: Arc::clone(&self.stamps) })
    }
}

impl Storage for Stamped {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DiskStorage.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        let inner = DiskStorage.open_dir(path)?;
        Ok(Arc::new(StampedDir { inner, storage: self.clone() }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        DiskStorage.list(path)
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        DiskStorage.status(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        DiskStorage.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskStorage.rename(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        DiskStorage.remove_dir_all(path)
    }

    fn tells_of_changes(&self, path: &Path) -> Option<PathBuf> {
        DiskStorage.tells_of_changes(path)
    }
}

#[derive(Debug)]
struct StampedDir {
    inner: Arc<dyn StorageDir>,
    storage: Stamped,
}

impl StorageDir for StampedDir {
    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        self.inner.list()
    }

    fn status_of(&self, name: &str) -> io::Result<FileStatus> {
        self.inner.status_of(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.create(name).map(|file| self.storage.file(file))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        match access {
            Access::Write => self.inner.open(name, access).map(|file| self.storage.file(file)),
            _ => self.inner.open(name, access), // followers are not measured
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>> {
        let wrapped = |inner| StampedDir { inner, storage: self.storage.clone() };
        Ok(self.inner.try_lock(exclusive)?.map(|dir| Arc::new(wrapped(dir)) as Arc<dyn StorageDir>))
    }
}

impl StorageFile for StampedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = now();
        let written = self.inner.write_at(bytes, offset);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (seq_of(line), at));
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        written
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        self.inner.try_lock(exclusive)
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }
}
