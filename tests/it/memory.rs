//! A disk in memory: fast enough to open a journal once for every byte and every bit of its files.
//!
//! Behaves like `DiskStorage` as far as foldlog can see: exclusive creation, positioned writes, kernel-like locks that
//! end when the file is dropped. Nothing is ever lost from it; what a crash leaves is put there by the tests, and what a
//! failed sync kept from the disk, too.

use foldlog::{Access, DirEntry, EntryKind, Storage, StorageFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Tree>>);

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, Arc<Inode>>,
    dirs: BTreeSet<PathBuf>,
    /// What the disk has of files of which the cache has something else.
    durable: BTreeMap<PathBuf, Arc<Inode>>,
    /// How many there have been.
    handles: u64,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Mutex<Vec<u8>>,
    /// The handle that holds it alone.
    holder: AtomicU64,
}

/// An open file.
#[derive(Debug)]
struct Handle {
    tree: Memory,
    inode: Arc<Inode>,
    number: u64,
}

impl Memory {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap()
    }

    /// The bytes of a file.
    pub fn get(&self, path: &Path) -> Vec<u8> {
        let inode = Arc::clone(&self.tree().files[path]);
        let bytes = inode.bytes.lock().unwrap();
        bytes.clone()
    }

    /// Puts a file in a place, as a new inode.
    pub fn set(&self, path: &Path, bytes: &[u8]) {
        let inode = Inode { bytes: Mutex::new(bytes.to_vec()), holder: AtomicU64::new(0) };
        let mut tree = self.tree();
        tree.dirs.extend(path.parent().into_iter().flat_map(Path::ancestors).map(Path::to_owned));
        tree.files.insert(path.to_owned(), Arc::new(inode));
    }

    /// Adds to a file, which stays the same inode.
    pub fn append(&self, path: &Path, bytes: &[u8]) {
        let inode = Arc::clone(&self.tree().files[path]);
        inode.bytes.lock().unwrap().extend_from_slice(bytes);
    }

    /// Gives a file other bytes; one that is there stays the same inode.
    pub fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let inode = self.tree().files.get(path).cloned();
        match inode {
            Some(inode) => *inode.bytes.lock().unwrap() = bytes.to_vec(),
            None => self.set(path, bytes),
        }
    }

    /// From now on the disk has only so many bytes of a file, and NULs behind them; the cache has what it had.
    pub fn keep_from_disk(&self, path: &Path, from: usize) {
        let mut bytes = self.get(path);
        bytes[from..].fill(0);
        let inode = Inode { bytes: Mutex::new(bytes), holder: AtomicU64::new(0) };
        self.tree().durable.insert(path.to_owned(), Arc::new(inode));
    }

    /// Every file below a directory, by name.
    pub fn files(&self, dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let tree = self.tree();
        let below = tree.files.iter().filter(|(path, _)| path.parent() == Some(dir));
        below.map(|(path, inode)| (name_of(path), inode.bytes.lock().unwrap().clone())).collect()
    }

    /// Makes a directory hold these files and no others.
    pub fn restore(&self, dir: &Path, files: &BTreeMap<String, Vec<u8>>) {
        self.tree().files.retain(|path, _| path.parent() != Some(dir));
        for (name, bytes) in files {
            self.set(&dir.join(name), bytes);
        }
    }

    fn open_inode(&self, inode: &Arc<Inode>) -> Arc<dyn StorageFile> {
        let number = {
            let mut tree = self.tree();
            tree.handles += 1;
            tree.handles
        };
        Arc::new(Handle { tree: self.clone(), inode: Arc::clone(inode), number })
    }
}

impl Storage for Memory {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.tree().dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let tree = self.tree();
        if !tree.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = tree.files.iter().filter(|(file, _)| file.parent() == Some(path)).map(|(file, inode)| DirEntry {
            name: name_of(file),
            kind: EntryKind::File,
            len: inode.bytes.lock().unwrap().len() as u64,
        });
        let dirs = tree.dirs.iter().filter(|dir| dir.parent() == Some(path));
        let dirs = dirs.map(|dir| DirEntry { name: name_of(dir), kind: EntryKind::Directory, len: 0 });
        Ok(files.chain(dirs).collect())
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let tree = self.tree();
        match (tree.files.contains_key(path), tree.dirs.contains(path)) {
            (true, _) => Ok(EntryKind::File),
            (_, true) => Ok(EntryKind::Directory),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let inode = Arc::new(Inode::default());
        let mut tree = self.tree();
        if tree.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        tree.files.insert(path.to_owned(), Arc::clone(&inode));
        drop(tree);
        Ok(self.open_inode(&inode))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let found = {
            let tree = self.tree();
            let durable = tree.durable.get(path).filter(|_| access == Access::ReadDurable);
            durable.or_else(|| tree.files.get(path)).cloned()
        };
        match found {
            Some(inode) => Ok(self.open_inode(&inode)),
            None if access == Access::Lock => self.create(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let inode = tree.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.tree().files.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.files.retain(|file, _| !file.starts_with(path));
        tree.dirs.retain(|dir| !dir.starts_with(path));
        Ok(())
    }
}

impl StorageFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.inode.bytes.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        let (offset, mut bytes) = (offset as usize, self.inode.bytes.lock().unwrap());
        if bytes.len() < offset + new.len() {
            bytes.resize(offset + new.len(), 0);
        }
        bytes[offset..offset + new.len()].copy_from_slice(new);
        Ok(new.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.bytes.lock().unwrap().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inode.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        let holder = &self.inode.holder;
        let held = holder.load(Ordering::SeqCst);
        if !exclusive {
            // Shared locks are held for an instant only: to see whether it is free is enough.
            return Ok(held == 0 || held == self.number);
        }
        Ok(holder.compare_exchange(0, self.number, Ordering::SeqCst, Ordering::SeqCst).is_ok())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let tree = self.tree.tree();
        Ok(tree.files.get(path).is_some_and(|inode| Arc::ptr_eq(inode, &self.inode)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.inode.holder.compare_exchange(self.number, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
