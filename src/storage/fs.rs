//! [`Storage`] on a real file system.

use super::{Access, DirEntry, EntryKind, Storage, StorageFile};
use rustix::fs::{Advice, OFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskStorage;

/// Direct reads start, end and land in memory at multiples of this. No disk of today asks for more.
const BLOCK: usize = 4096;

/// File systems whose changes are often made by other machines, or by a process of their own, without the kernel telling:
/// NFS, SMB, CIFS, FUSE, 9P, Ceph, Coda and AFS. The numbers are those of statfs(2).
const SILENT: &[u32] =
    &[0x6969, 0xFE53_4D42, 0xFF53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x7375_7245, 0x5346_414F];

impl Storage for DiskStorage {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_dir(parent)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
        self.sync_dir(path)?;
        self.sync_dir(parent)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in retry_interrupted(|| std::fs::read_dir(path))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Not followed; a file may be gone by now, which is as if it had not been listed.
            match entry.metadata() {
                Ok(metadata) => entries.push(DirEntry { name, kind: kind_of(&metadata), len: metadata.len() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        std::fs::symlink_metadata(path).map(|metadata| kind_of(&metadata))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        // O_EXCL follows no link either.
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(DiskFile::new(file, false)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let open = |flags: OFlags| {
            OpenOptions::new()
                .read(true)
                .write(matches!(access, Access::Write | Access::Lock))
                .mode(0o600)
                // O_NONBLOCK: a FIFO in a file's place must not hang us; it means nothing for a plain file.
                .custom_flags((flags | OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
                .open(path)
        };
        let (file, direct) = match access {
            Access::Read | Access::Write => (open(OFlags::empty())?, false),
            Access::Lock => match open(OFlags::empty()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let file = open(OFlags::CREATE)?;
                    self.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
                    (file, false)
                }
                opened => (opened?, false),
            },
            Access::ReadDurable => match open(OFlags::DIRECT) {
                Ok(file) => (file, true),
                // tmpfs and others know no direct reads: drop what is cached instead.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let file = open(OFlags::empty())?;
                    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
                    (file, false)
                }
                Err(error) => return Err(error),
            },
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        Ok(Arc::new(DiskFile::new(file, direct)))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn tells_of_changes(&self, path: &Path) -> Option<PathBuf> {
        let path = std::fs::canonicalize(path).ok()?;
        let kind = rustix::fs::statfs(&path).ok()?.f_type as u32;
        (!SILENT.contains(&kind)).then_some(path)
    }
}

fn kind_of(metadata: &std::fs::Metadata) -> EntryKind {
    if metadata.is_file() {
        EntryKind::File
    } else if metadata.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

#[derive(Debug)]
struct DiskFile {
    file: File,
    /// Opened past the page cache: reads must be aligned.
    direct: AtomicBool,
    /// The process that took the lock; 0 for none.
    locked_by: AtomicU32,
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // Closing frees the lock only with its last copy, and a child that another thread is just starting has one until
        // it runs its own program. Unlocking frees all copies; a forked child must not do that to its parent's.
        if self.locked_by.load(Ordering::Relaxed) == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

impl DiskFile {
    fn new(file: File, direct: bool) -> DiskFile {
        DiskFile { file, direct: AtomicBool::new(direct), locked_by: AtomicU32::new(0) }
    }

    /// Reads through the cache from now on, once that is empty.
    fn give_up_direct(&self) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(&self.file)?;
        rustix::fs::fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        self.direct.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Reads whole blocks around the range into aligned memory and copies the range out of them.
    fn read_direct(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let skip = (offset % BLOCK as u64) as usize;
        let span = (skip + buffer.len()).next_multiple_of(BLOCK);
        let mut blocks = vec![0u8; span + BLOCK];
        let align = blocks.as_ptr().align_offset(BLOCK);
        let aligned = &mut blocks[align..align + span];
        let read = self.file.read_at(aligned, offset - skip as u64)?;
        let got = read.saturating_sub(skip).min(buffer.len());
        buffer[..got].copy_from_slice(&aligned[skip..skip + got]);
        Ok(got)
    }
}

impl StorageFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        retry_interrupted(|| {
            if self.direct.load(Ordering::Relaxed) {
                match self.read_direct(buffer, offset) {
                    // Some file systems take O_DIRECT and then refuse to read with it. That is no damage.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.give_up_direct()?,
                    result => return result,
                }
            }
            self.file.read_at(buffer, offset)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        retry_interrupted(|| self.file.write_at(bytes, offset))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        retry_interrupted(|| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        // Interrupted is not failed: the standard library calls again. No other error is tried again.
        self.file.sync_data()
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        let taken = retry_interrupted(|| {
            let taken = if exclusive { self.file.try_lock() } else { self.file.try_lock_shared() };
            match taken {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(error),
            }
        })?;
        if taken {
            self.locked_by.store(std::process::id(), Ordering::Relaxed);
        }
        Ok(taken)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
