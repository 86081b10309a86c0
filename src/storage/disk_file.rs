//! An open file of the real disk, read through the page cache or past it.

use crate::storage::{EntryKind, FileId, FileStatus, StorageFile};
use rustix::fs::{Advice, FileType, OFlags, SeekFrom, Stat};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Direct reads start, end and land in memory at multiples of this. No disk of today asks for more.
pub(crate) const BLOCK: usize = 4096;

/// Frees a lock. Closing frees it only with its last copy, and a child that another thread is just starting has one until
/// it runs its own program. Unlocking frees all copies; a forked child must not do that to its parent's.
pub(crate) fn unlock(file: &File, locked_by: u32) {
    if locked_by == std::process::id() {
        let _ = file.unlock();
    }
}

pub(crate) fn status_of(stat: &Stat) -> FileStatus {
    let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    FileStatus {
        kind,
        id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
        len: stat.st_size as u64,
        links: stat.st_nlink as u64,
    }
}

#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    /// Opened past the page cache: reads must be aligned.
    direct: AtomicBool,
    /// The process that took the lock; 0 for none.
    locked_by: AtomicU32,
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        unlock(&self.file, self.locked_by.load(Ordering::Relaxed));
    }
}

impl DiskFile {
    pub(super) fn new(file: File, direct: bool) -> DiskFile {
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

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        // The position that this moves is not used: all reads and writes name theirs.
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(data) => Ok(Some(data)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(_) => Ok(Some(offset)),
        }
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

    fn status(&self) -> io::Result<FileStatus> {
        Ok(status_of(&rustix::fs::fstat(&self.file)?))
    }
}

pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(crate) fn kind_of(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        _ => EntryKind::Other,
    }
}
