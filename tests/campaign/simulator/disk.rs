//! The state of a simulated disk: what programs see, what has reached the platter, and every change in between.
//!
//! Models POSIX and nothing kinder: a change of a file's bytes (by sector), of its size, and of a name in a directory each
//! reach the disk on their own, in any order, unless a sync has put them there. A sync of a file makes its bytes and its
//! size durable, not its name; a sync of a directory makes its names durable, not what the files hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const SECTOR: usize = 512;
pub const PAGE: usize = 4096;

#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// What programs see.
    pub names: BTreeMap<PathBuf, usize>,
    /// What the disk has.
    pub durable_names: BTreeMap<PathBuf, usize>,
    /// Every directory by its path, and which one it is.
    pub directories: BTreeMap<PathBuf, usize>,
    pub files: Vec<Arc<Inode>>,
    /// What lies between the two, in the order in which it was done.
    pub pending: Vec<Change>,
}

#[derive(Clone, Debug, Default)]
pub struct Inode {
    /// As programs see it.
    pub current: Vec<u8>,
    /// As the disk has it.
    pub durable: Vec<u8>,
    /// A sync has failed, and the system will only say so at the next one.
    pub owes_an_error: bool,
}

/// One change that no sync has made durable.
#[derive(Clone, Debug)]
pub enum Change {
    Sector { inode: usize, at: usize, bytes: Arc<[u8]> },
    Size { inode: usize, len: usize },
    Create { path: PathBuf, inode: usize },
    Rename { from: PathBuf, to: PathBuf, inode: usize },
    Remove { path: PathBuf },
}

impl Change {
    pub fn is_of_a_name(&self) -> bool {
        matches!(self, Change::Create { .. } | Change::Rename { .. } | Change::Remove { .. })
    }

    fn is_of_the_file(&self, number: usize) -> bool {
        matches!(self, Change::Sector { inode, .. } | Change::Size { inode, .. } if *inode == number)
    }

    fn is_in(&self, directory: &Path) -> bool {
        match self {
            Change::Create { path, .. } | Change::Remove { path } => path.parent() == Some(directory),
            Change::Rename { to, .. } => to.parent() == Some(directory),
            Change::Sector { .. } | Change::Size { .. } => false,
        }
    }

    /// Makes a change of names.
    pub fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Create { path, inode } => drop(names.insert(path.clone(), *inode)),
            Change::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Change::Remove { path } => drop(names.remove(path)),
            Change::Sector { .. } | Change::Size { .. } => {}
        }
    }
}

impl Disk {
    pub fn file(&mut self, inode: usize) -> &mut Inode {
        Arc::make_mut(&mut self.files[inode])
    }

    /// Makes a change of names, not for good yet.
    fn change_name(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    /// Makes a directory and its parents.
    pub fn create_dir(&mut self, path: &Path) {
        for path in path.ancestors() {
            let next = self.directories.values().max().map_or(0, |highest| highest + 1);
            self.directories.entry(path.to_owned()).or_insert(next);
        }
    }

    pub fn create(&mut self, path: &Path) -> usize {
        self.files.push(Arc::default());
        let inode = self.files.len() - 1;
        self.change_name(Change::Create { path: path.to_owned(), inode });
        inode
    }

    pub fn rename(&mut self, from: &Path, to: &Path) {
        let inode = self.names[from];
        self.change_name(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
    }

    pub fn remove(&mut self, path: &Path) {
        self.change_name(Change::Remove { path: path.to_owned() });
    }

    pub fn write(&mut self, inode: usize, bytes: &[u8], offset: usize) {
        let file = self.file(inode);
        let (before, end) = (file.current.len(), offset + bytes.len());
        file.current.resize(before.max(end), 0);
        file.current[offset..end].copy_from_slice(bytes);
        let sectors: Vec<(usize, Arc<[u8]>)> = (offset / SECTOR..end.div_ceil(SECTOR))
            .map(|sector| (sector * SECTOR, ((sector + 1) * SECTOR).min(file.current.len())))
            .map(|(at, to)| (at, Arc::from(&file.current[at..to])))
            .collect();
        self.pending.extend(sectors.into_iter().map(|(at, bytes)| Change::Sector { inode, at, bytes }));
        if end > before {
            self.pending.push(Change::Size { inode, len: end });
        }
    }

    pub fn set_len(&mut self, inode: usize, len: usize) {
        if self.files[inode].current.len() != len {
            self.file(inode).current.resize(len, 0);
            self.pending.push(Change::Size { inode, len });
        }
    }

    pub fn sync(&mut self, inode: usize) {
        let ours = self.take_pending(|change| change.is_of_the_file(inode));
        let durable = &mut self.file(inode).durable;
        for change in ours {
            // What a failed sync has forgotten stays on no disk, unless its sector is written again.
            match change {
                Change::Sector { at, bytes, .. } => {
                    durable.resize(durable.len().max(at + bytes.len()), 0);
                    durable[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                Change::Size { len, .. } => durable.resize(len, 0),
                _ => {}
            }
        }
    }

    pub fn is_dirty(&self, inode: usize) -> bool {
        self.pending.iter().any(|change| change.is_of_the_file(inode))
    }

    /// A failed sync after which the system takes everything for written: it stays to be read, and never reaches the disk.
    pub fn forget(&mut self, inode: usize) {
        self.pending.retain(|change| !change.is_of_the_file(inode));
    }

    /// A failed sync after which the file is again what the disk has.
    pub fn revert(&mut self, inode: usize) {
        self.forget(inode);
        let file = self.file(inode);
        file.current.clone_from(&file.durable);
    }

    pub fn sync_dir(&mut self, directory: &Path) {
        let ours = self.take_pending(|change| change.is_in(directory));
        ours.iter().for_each(|change| change.apply(&mut self.durable_names));
    }

    fn take_pending(&mut self, is_ours: impl Fn(&Change) -> bool) -> Vec<Change> {
        let (ours, others) = std::mem::take(&mut self.pending).into_iter().partition(is_ours);
        self.pending = others;
        ours
    }

    /// Every file of a directory, as programs see it.
    pub fn contents(&self, directory: &Path) -> BTreeMap<String, &[u8]> {
        let below = self.names.iter().filter(|(path, _)| path.parent() == Some(directory));
        below.map(|(path, inode)| (name_of(path), self.files[*inode].current.as_slice())).collect()
    }
}

pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
