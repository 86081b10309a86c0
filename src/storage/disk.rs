//! [`Storage`] on a real file system.

use super::{Access, DirEntry, FileStatus, Storage, StorageDir, StorageFile};
use crate::storage::disk_file::{DiskFile, kind_of, status_of, unlock};
use crate::storage::linux::shared_system;
use rustix::fs::{Advice, AtFlags, CWD, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskStorage;

/// How a directory is opened, whatever for.
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

impl Storage for DiskStorage {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // Up to one that is there, then down again. The last ancestor of a relative path is empty: the working directory.
        let mut missing = Vec::new();
        for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            match std::fs::metadata(dir) {
                Ok(found) if found.is_dir() => break,
                Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(dir),
                Err(error) => return Err(error),
            }
        }
        missing.into_iter().rev().try_for_each(make_dir)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        Ok(Arc::new(DiskDir::open(path, OFlags::NOFOLLOW)?))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        DiskDir::open(path, OFlags::empty())?.list()
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        Ok(status_of(&retry_on_intr(|| rustix::fs::lstat(path))?))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        DiskDir::open(path, OFlags::empty())?.sync()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn tells_of_changes(&self, path: &Path) -> Option<PathBuf> {
        let path = std::fs::canonicalize(path).ok()?;
        let system = rustix::fs::statfs(&path).ok()?;
        shared_system(&system).is_none().then_some(path)
    }
}

/// Makes one directory in a parent that is there, and syncs both.
fn make_dir(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = DiskDir::open(parent, OFlags::empty())?;
    let Some(name) = path.file_name() else {
        // `a/..` is there as soon as `a` is.
        return if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) };
    };
    match retry_on_intr(|| rustix::fs::mkdirat(&parent.dir, name, Mode::RWXU)) {
        Ok(()) => parent.hand_over_dir(path)?,
        Err(Errno::EXIST) if path.is_dir() => {}
        Err(error) => return Err(error.into()),
    }
    for dir in [&DiskDir::open(path, OFlags::empty())?, &parent] {
        match dir.sync() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {} // who needs it asks again
            synced => synced?,
        }
    }
    Ok(())
}

#[derive(Debug)]
struct DiskDir {
    dir: File,
    /// The process that took the lock; 0 for none.
    locked_by: u32,
}

impl Drop for DiskDir {
    fn drop(&mut self) {
        unlock(&self.dir, self.locked_by);
    }
}

impl DiskDir {
    fn open(path: &Path, flags: OFlags) -> io::Result<DiskDir> {
        let dir = retry_on_intr(|| rustix::fs::openat(CWD, path, DIRECTORY | flags, Mode::empty()))?;
        Ok(DiskDir { dir: File::from(dir), locked_by: 0 })
    }

    /// Its owner, if this is root and the owner is not: what root makes in it would be closed to the owner, who could then
    /// neither read nor record the session.
    fn other_owner(&self) -> Option<(Uid, Gid)> {
        let stat = rustix::fs::fstat(&self.dir).ok().filter(|stat| geteuid().is_root() && stat.st_uid != 0)?;
        Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)))
    }

    /// Gives a file that was just made in it to its owner. Where files have no owners it stays as it is.
    fn hand_over(&self, file: &File) {
        if let Some((user, group)) = self.other_owner() {
            let _ = rustix::fs::fchown(file, Some(user), Some(group));
        }
    }

    /// The same for a directory. The owner may have put another one in its place meanwhile, so it must be root's and empty.
    fn hand_over_dir(&self, path: &Path) -> io::Result<()> {
        let Some((user, group)) = self.other_owner() else { return Ok(()) };
        let made = DiskDir::open(path, OFlags::NOFOLLOW)?;
        if rustix::fs::fstat(&made.dir)?.st_uid == 0 && made.list()?.is_empty() {
            let _ = rustix::fs::fchown(&made.dir, Some(user), Some(group));
        }
        Ok(())
    }

    /// Makes a file that must not exist yet. O_EXCL follows no link either.
    fn make(&self, name: &str) -> io::Result<File> {
        let file = self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        self.hand_over(&file);
        Ok(file)
    }

    /// Opens a plain file in it, without following a link.
    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // O_NONBLOCK: a FIFO in a file's place must not hang us; it means nothing for a plain file.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(retry_on_intr(|| rustix::fs::openat(&self.dir, name, flags, mode))?))
    }
}

impl StorageDir for DiskDir {
    fn status(&self) -> io::Result<FileStatus> {
        Ok(status_of(&rustix::fs::fstat(&self.dir)?))
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        let listed = retry_on_intr(|| rustix::fs::Dir::read_from(&self.dir)?.collect::<Result<Vec<_>, Errno>>())?;
        let mut entries = Vec::new();
        for entry in listed {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            match self.status_of(name) {
                Ok(FileStatus { kind, len, .. }) => entries.push(DirEntry { name: name.to_owned(), kind, len }),
                // Gone by now, which is as if it had not been listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // Such as the mount point of a file system whose server has died. One name that cannot be looked at must
                // not hide all others; if it is one that is needed, opening it says what is wrong.
                Err(_) => entries.push(DirEntry { name: name.to_owned(), kind: kind_of(entry.file_type()), len: 0 }),
            }
        }
        Ok(entries)
    }

    fn status_of(&self, name: &str) -> io::Result<FileStatus> {
        Ok(status_of(&retry_on_intr(|| rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(DiskFile::new(self.make(name)?, false)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let (file, direct) = match access {
            Access::Read => (self.open_with(name, OFlags::RDONLY)?, false),
            Access::Write => (self.open_with(name, OFlags::RDWR)?, false),
            Access::Lock => match self.open_with(name, OFlags::RDWR) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.make(name) {
                    // Another process was quicker.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        (self.open_with(name, OFlags::RDWR)?, false)
                    }
                    made => (made?, false),
                },
                opened => (opened?, false),
            },
            Access::ReadDurable => match self.open_with(name, OFlags::RDONLY | OFlags::DIRECT) {
                Ok(file) => (file, true),
                // tmpfs and others know no direct reads: drop what is cached instead.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let file = self.open_with(name, OFlags::RDONLY)?;
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

    fn sync(&self) -> io::Result<()> {
        self.dir.sync_all().map_err(|error| match Errno::from_io_error(&error) {
            // The descriptor is good, and so are the arguments: there is no such sync here. virtiofs says so in both ways.
            Some(Errno::INVAL | Errno::BADF | Errno::NOTSUP | Errno::NOSYS) => {
                let message = format!("this file system does not sync directories ({error})");
                io::Error::new(io::ErrorKind::Unsupported, message)
            }
            _ => error,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::renameat(&self.dir, from, &self.dir, to))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()))?)
    }

    fn is_shared(&self) -> Option<&'static str> {
        rustix::fs::fstatfs(&self.dir).ok().as_ref().and_then(shared_system)
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>> {
        // Opened again: a lock belongs to an open descriptor, and others use this one.
        let dir = retry_on_intr(|| rustix::fs::openat(&self.dir, ".", DIRECTORY, Mode::empty()))?;
        let how = match exclusive {
            true => FlockOperation::NonBlockingLockExclusive,
            false => FlockOperation::NonBlockingLockShared,
        };
        match retry_on_intr(|| rustix::fs::flock(&dir, how)) {
            Ok(()) => Ok(Some(Arc::new(DiskDir { dir: File::from(dir), locked_by: std::process::id() }))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
