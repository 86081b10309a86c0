//! The disk: foldlog's own with its syncs counted, and the bare system calls beside it.

use foldlog::{Access, DirEntry, DiskStorage, FileStatus, Storage, StorageDir, StorageFile};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much a plain reader asks for at once.
const BLOCK: usize = 1 << 20;
/// Direct reads start and land at multiples of this.
const ALIGNMENT: usize = 4096;

/// What is watched of the files that a journal writes.
pub(crate) trait Watch: Clone + Default + std::fmt::Debug + Send + Sync + 'static {
    fn write(&self, file: &dyn StorageFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    fn sync(&self, file: &dyn StorageFile) -> io::Result<()> {
        file.sync_data()
    }
}

/// [`DiskStorage`], watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched<W>(pub(crate) W);

#[derive(Debug)]
struct WatchedDir<W> {
    inner: Arc<dyn StorageDir>,
    watch: W,
}

#[derive(Debug)]
struct WatchedFile<W> {
    inner: Arc<dyn StorageFile>,
    watch: W,
}

/// Counts the syncs of files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Syncs(Arc<AtomicU64>);

/// [`DiskStorage`], counting the syncs of files.
pub(crate) type Counted = Watched<Syncs>;

impl Counted {
    pub(crate) fn syncs(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }
}

impl Watch for Syncs {
    fn sync(&self, file: &dyn StorageFile) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    }
}

impl<W: Watch> Storage for Watched<W> {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DiskStorage.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        let inner = DiskStorage.open_dir(path)?;
        Ok(Arc::new(WatchedDir { inner, watch: self.0.clone() }))
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

impl<W: Watch> WatchedDir<W> {
    fn file(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(WatchedFile { inner, watch: self.watch.clone() })
    }
}

impl<W: Watch> StorageDir for WatchedDir<W> {
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
        self.inner.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.open(name, access).map(|file| self.file(file))
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
        let wrapped = |inner| WatchedDir { inner, watch: self.watch.clone() };
        Ok(self.inner.try_lock(exclusive)?.map(|dir| Arc::new(wrapped(dir)) as Arc<dyn StorageDir>))
    }
}

impl<W: Watch> StorageFile for WatchedFile<W> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.watch.write(&*self.inner, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watch.sync(&*self.inner)
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        self.inner.try_lock(exclusive)
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }
}

/// The segments of a session, in order.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Writes a line and syncs it, again and again, on this thread alone. Returns how many rounds there were and how long
/// they took; the time of each `fdatasync` is added to `syncs`.
pub(crate) fn write_and_sync_rounds(
    path: &Path,
    lines: &[u8],
    time: Duration,
    syncs: &mut Vec<Duration>,
) -> io::Result<(u64, Duration)> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.sync_all()?;
    let (mut rounds, mut offset) = (0, 0);
    let start = Instant::now();
    for line in lines.split_inclusive(|byte| *byte == b'\n').cycle() {
        file.write_all_at(line, offset)?;
        let written = Instant::now();
        file.sync_data()?;
        syncs.push(written.elapsed());
        offset += line.len() as u64;
        rounds += 1;
        if start.elapsed() >= time {
            break;
        }
    }
    let elapsed = start.elapsed();
    std::fs::remove_file(path)?;
    Ok((rounds, elapsed))
}

/// Reads files to their ends, a block at a time, from the page cache where they are in it. Returns how many bytes.
pub(crate) fn read_all(paths: &[PathBuf]) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    for path in paths {
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut block)? {
                0 => break,
                count => bytes += count as u64,
            }
        }
    }
    Ok(bytes)
}

/// Reads a file to its end, a block at a time, past the page cache where the file system can do that.
pub(crate) fn read_direct(path: &Path) -> io::Result<u64> {
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(direct).open(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => File::open(path)?,
        opened => opened?,
    };
    let mut memory = vec![0; BLOCK + ALIGNMENT];
    let aligned = memory.as_ptr().align_offset(ALIGNMENT);
    let block = &mut memory[aligned..aligned + BLOCK];
    let mut bytes = 0;
    loop {
        match file.read_at(block, bytes)? {
            0 => return Ok(bytes),
            count => bytes += count as u64,
        }
        if !bytes.is_multiple_of(ALIGNMENT as u64) {
            return Ok(bytes); // a direct read ends off the grid only at the end of the file
        }
    }
}
