//! The disk, as foldlog needs it: three small object-safe traits. Only files in this folder call the operating system.
//!
//! Everything above works through these, so that a test can put a simulated disk in their place.

mod disk;
mod disk_file;
mod handle;
mod linux;
mod unopened;

pub use disk::DiskStorage;
pub(crate) use handle::Handle;
pub(crate) use unopened::Unopened;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file or directory below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name; names that are not UTF-8 are left out, since foldlog makes none.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// How many bytes it has.
    pub len: u64,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, or anything else: foldlog never goes through one.
    Other,
}

/// The identity of a file or directory: no two that exist at the same time have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// The state of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// What it is.
    pub kind: EntryKind,
    /// Which one it is.
    pub id: FileId,
    /// How many bytes it has.
    pub len: u64,
    /// How many names it has; 0 once the last one is removed.
    pub links: u64,
}

/// How a file that exists is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To read past the operating system's cache: what is really on the disk.
    ReadDurable,
    /// To read and write.
    Write,
    /// To lock: made if it is missing. Does not sync the directory.
    Lock,
}

/// A place that holds directories of files.
pub trait Storage: Debug + Send + Sync + 'static {
    /// Makes a directory and its missing parents, for the owner alone, and syncs every directory that changed, if the system
    /// can do that.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a directory. A symbolic link in the last place of the path is not followed.
    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>>;
    /// Lists a directory in no particular order. A link to one is followed: a root may be reached through one.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// The state of what is at a path. A symbolic link in the last place is not followed.
    fn status(&self, path: &Path) -> io::Result<FileStatus>;
    /// Makes the names in a directory durable. The error is of the kind `Unsupported` where the system cannot do that.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a directory. Syncs neither of the two that hold it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a directory and all in it, following no link.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The directory's real path, if the system notifies of changes in it; `None` if a follower has to look by itself.
    fn tells_of_changes(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// An open directory. It stays the same one whatever is put at its path later, and so do the files below it: each method
/// takes the name of one of them. No symbolic link is followed.
pub trait StorageDir: Debug + Send + Sync {
    /// Its own state.
    fn status(&self) -> io::Result<FileStatus>;
    /// Lists it in no particular order. One that was removed holds nothing.
    fn list(&self) -> io::Result<Vec<DirEntry>>;
    /// The state of what has this name.
    fn status_of(&self, name: &str) -> io::Result<FileStatus>;
    /// Makes a file that must not exist yet, for the owner alone, to read and write. Does not sync the directory.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens a file.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>>;
    /// Makes the names in it durable. The error is of the kind `Unsupported` where the system cannot do that.
    fn sync(&self) -> io::Result<()>;
    /// Renames a file within it, replacing what is there. Does not sync the directory.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Does not sync the directory.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Takes the kernel's lock on the directory itself, alone or shared, if it is free at this moment. What it returns is
    /// the same directory, opened once more, which holds the lock until it is dropped.
    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>>;
    /// The name of its file system, if others may use the same files without meeting the locks that are taken here: other
    /// machines, or this one by another way.
    fn is_shared(&self) -> Option<&'static str> {
        None
    }
}

/// An open file. Reads and writes are positioned; there is no cursor.
pub trait StorageFile: Debug + Send + Sync {
    /// Reads at most `buffer.len()` bytes; 0 only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at most `bytes.len()` bytes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// How many bytes it has.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// The first offset from `offset` on where bytes are stored; `None` if there is only a hole up to the end. What the file
    /// system does not tell counts as stored.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }
    /// Cuts or lengthens it.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes its bytes and its length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Takes the kernel's lock on it, alone or shared, if it is free at this moment. Closing the file frees it.
    fn try_lock(&self, exclusive: bool) -> io::Result<bool>;
    /// Its state, whatever name it has by now.
    fn status(&self) -> io::Result<FileStatus>;
}

/// Whether a file is still the one with this name in a directory.
pub(crate) fn is_named(dir: &dyn StorageDir, name: &str, file: &dyn StorageFile) -> io::Result<bool> {
    found(dir.status_of(name), file.status()?.id)
}

/// Whether a directory is still the one at this path.
pub(crate) fn is_at(storage: &dyn Storage, path: &Path, dir: &dyn StorageDir) -> io::Result<bool> {
    found(storage.status(path), dir.status()?.id)
}

fn found(status: io::Result<FileStatus>, id: FileId) -> io::Result<bool> {
    match status {
        Ok(status) => Ok(status.id == id),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads from an offset until the buffer is full or the file ends. Returns how many bytes there were.
pub(crate) fn read_full(file: &dyn StorageFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    Ok(read)
}

/// Writes all bytes at an offset; on an error, tells how many were written before it.
pub(crate) fn write_all(file: &dyn StorageFile, bytes: &[u8], offset: u64) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

pub(crate) fn read_exactly(file: &dyn StorageFile, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    match read_full(file, &mut bytes, offset)? == bytes.len() {
        true => Ok(bytes),
        false => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether there is no room for bytes, on the disk or in the quota: there may be some later.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
