//! A disk in memory: fast enough to open a journal once for every byte and every bit of its files.
//!
//! Behaves like `DiskStorage` as far as foldlog can see: exclusive creation, positioned writes, kernel-like locks that
//! end when the file is dropped. Nothing is ever lost from it; what a crash leaves is put there by the tests, and what a
//! failed sync kept from the disk, too.

use foldlog::{Access, DirEntry, EntryKind, FileId, FileStatus, Storage, StorageDir, StorageFile};
use std::collections::BTreeMap;
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
    dirs: BTreeMap<PathBuf, Arc<Inode>>,
    /// What the disk has of files of which the cache has something else.
    durable: BTreeMap<PathBuf, Arc<Inode>>,
    /// How many there have been.
    handles: u64,
    /// How many entries of directories have been listed, and names looked up.
    looked_at: u64,
    /// How many reads there have been.
    reads: u64,
}

#[derive(Debug, Default)]
struct Inode {
    number: u64,
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

/// An open directory: it keeps its identity where it is renamed.
#[derive(Debug)]
struct Dir {
    memory: Memory,
    inode: Arc<Inode>,
    /// The holder that it is; 0 for none.
    number: u64,
}

impl Drop for Dir {
    fn drop(&mut self) {
        if self.number != 0 {
            self.inode.free(self.number);
        }
    }
}

impl Inode {
    fn new(bytes: &[u8]) -> Arc<Inode> {
        // Of `core`, which the models do not replace: all runs of a model share it, and they run side by side.
        static NEXT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(1);
        let number = NEXT.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        Arc::new(Inode { number, bytes: Mutex::new(bytes.to_vec()), holder: AtomicU64::new(0) })
    }

    fn lock(&self, number: u64, exclusive: bool) -> bool {
        let held = self.holder.load(Ordering::SeqCst);
        if !exclusive {
            // Shared locks are held for an instant only: to see whether it is free is enough.
            return held == 0 || held == number;
        }
        self.holder.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn free(&self, number: u64) {
        let _ = self.holder.compare_exchange(number, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn status(&self, kind: EntryKind, links: u64) -> FileStatus {
        let len = self.bytes.lock().unwrap().len() as u64;
        FileStatus { kind, id: FileId { device: 0, inode: self.number }, len, links }
    }
}

impl Tree {
    fn add_dirs(&mut self, path: &Path) {
        for path in path.ancestors() {
            self.dirs.entry(path.to_owned()).or_insert_with(|| Inode::new(b""));
        }
    }

    fn number(&mut self) -> u64 {
        self.handles += 1;
        self.handles
    }

    fn list(&self, path: &Path) -> Vec<DirEntry> {
        let files = self.files.iter().filter(|(file, _)| file.parent() == Some(path)).map(|(file, inode)| DirEntry {
            name: name_of(file),
            kind: EntryKind::File,
            len: inode.bytes.lock().unwrap().len() as u64,
        });
        let dirs = self.dirs.keys().filter(|dir| dir.parent() == Some(path));
        let dirs = dirs.map(|dir| DirEntry { name: name_of(dir), kind: EntryKind::Directory, len: 0 });
        files.chain(dirs).collect()
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        match (self.files.get(path), self.dirs.get(path)) {
            (Some(file), _) => Ok(file.status(EntryKind::File, 1)),
            (_, Some(dir)) => Ok(dir.status(EntryKind::Directory, 1)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Memory {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap()
    }

    /// How much reading has asked of it: files opened, entries listed, names looked up and reads.
    pub fn calls(&self) -> u64 {
        let tree = self.tree();
        tree.handles + tree.looked_at + tree.reads
    }

    /// The bytes of a file.
    pub fn get(&self, path: &Path) -> Vec<u8> {
        let inode = Arc::clone(&self.tree().files[path]);
        let bytes = inode.bytes.lock().unwrap();
        bytes.clone()
    }

    /// Puts a file in a place, as a new inode.
    pub fn set(&self, path: &Path, bytes: &[u8]) {
        let mut tree = self.tree();
        path.parent().into_iter().for_each(|parent| tree.add_dirs(parent));
        tree.files.insert(path.to_owned(), Inode::new(bytes));
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
        self.tree().durable.insert(path.to_owned(), Inode::new(&bytes));
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
        let number = self.tree().number();
        Arc::new(Handle { tree: self.clone(), inode: Arc::clone(inode), number })
    }
}

impl Storage for Memory {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.tree().add_dirs(path);
        Ok(())
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        match self.tree().dirs.get(path) {
            Some(inode) => Ok(Arc::new(Dir { memory: self.clone(), inode: Arc::clone(inode), number: 0 })),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.open_dir(path)?.list()
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        self.tree().status(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fn rename<T>(all: &mut BTreeMap<PathBuf, T>, from: &Path, to: &Path) {
            for (path, inode) in std::mem::take(all) {
                let path = match path.strip_prefix(from) {
                    Ok(below) if below.as_os_str().is_empty() => to.to_owned(),
                    Ok(below) => to.join(below),
                    Err(_) => path,
                };
                all.insert(path, inode);
            }
        }
        let mut tree = self.tree();
        tree.status(from)?;
        let Tree { files, dirs, .. } = &mut *tree;
        rename(files, from, to);
        rename(dirs, from, to);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.files.retain(|file, _| !file.starts_with(path));
        tree.dirs.retain(|dir, _| !dir.starts_with(path));
        Ok(())
    }
}

impl Dir {
    /// Where it is now, if anywhere.
    fn path(&self) -> io::Result<PathBuf> {
        let tree = self.memory.tree();
        let found = tree.dirs.iter().find(|(_, inode)| Arc::ptr_eq(inode, &self.inode));
        found.map(|(path, _)| path.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl StorageDir for Dir {
    fn status(&self) -> io::Result<FileStatus> {
        Ok(self.inode.status(EntryKind::Directory, u64::from(self.path().is_ok())))
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        let Ok(path) = self.path() else { return Ok(Vec::new()) };
        let mut tree = self.memory.tree();
        let listed = tree.list(&path);
        tree.looked_at += listed.len() as u64;
        Ok(listed)
    }

    fn status_of(&self, name: &str) -> io::Result<FileStatus> {
        self.memory.tree().looked_at += 1;
        self.memory.status(&self.path()?.join(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path()?.join(name);
        let inode = Inode::new(b"");
        let mut tree = self.memory.tree();
        if tree.files.contains_key(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        tree.files.insert(path, Arc::clone(&inode));
        drop(tree);
        Ok(self.memory.open_inode(&inode))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path()?.join(name);
        let found = {
            let tree = self.memory.tree();
            let durable = tree.durable.get(&path).filter(|_| access == Access::ReadDurable);
            durable.or_else(|| tree.files.get(&path)).cloned()
        };
        match found {
            Some(inode) => Ok(self.memory.open_inode(&inode)),
            None if access == Access::Lock => self.create(name),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let path = self.path()?;
        let mut tree = self.memory.tree();
        let inode = tree.files.remove(&path.join(from)).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(path.join(to), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path()?.join(name);
        self.memory.tree().files.remove(&path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>> {
        let number = self.memory.tree().number();
        let dir = Dir { memory: self.memory.clone(), inode: Arc::clone(&self.inode), number };
        Ok(self.inode.lock(number, exclusive).then(|| Arc::new(dir) as Arc<dyn StorageDir>))
    }
}

impl StorageFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.tree.tree().reads += 1;
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
        Ok(self.inode.lock(self.number, exclusive))
    }

    fn status(&self) -> io::Result<FileStatus> {
        let links = self.tree.tree().files.values().filter(|inode| Arc::ptr_eq(inode, &self.inode)).count() as u64;
        Ok(self.inode.status(EntryKind::File, links))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inode.free(self.number);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
