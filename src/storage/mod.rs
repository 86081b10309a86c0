//! The disk, as foldlog needs it: two small object-safe traits. Only `storage/fs.rs` calls the operating system.
//!
//! Everything above works through these, so that a test can put a simulated disk in their place.

mod fs;

pub use fs::DiskStorage;

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

/// How a file that exists is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To read past the operating system's cache: what is really on the disk.
    ReadDurable,
    /// To read and write.
    Write,
    /// To lock: made if it is missing, and then its directory synced.
    Lock,
}

/// A place that holds directories of files. No method follows a symbolic link in the last place of a path.
pub trait Storage: Debug + Send + Sync + 'static {
    /// Makes a directory and its missing parents, for the owner alone, and syncs every directory that changed.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Lists a directory in no particular order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// What a path stands for.
    fn kind(&self, path: &Path) -> io::Result<EntryKind>;
    /// Makes a file that must not exist yet, for the owner alone, to read and write. Does not sync the directory.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing what is there. Does not sync the directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Does not sync the directory.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it, following no link.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The directory's real path, if the system tells of changes in it; `None` if whoever waits for one must look.
    fn tells_of_changes(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
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
    /// Cuts or lengthens it.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes its bytes and its length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Takes the kernel's lock on it, alone or shared, if it is free at this moment. Closing the file frees it.
    fn try_lock(&self, exclusive: bool) -> io::Result<bool>;
    /// Whether it is still the file at this path.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
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
