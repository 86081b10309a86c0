//! A [`Storage`] on a simulated disk. Keeps the disk as it was after every call that changed something, so that a crash
//! at any of them can be looked at afterwards.

use super::disk::{Disk, name_of};
use super::faults::{EIO, ENOSPC, Fault, Kind, Lie, What};
use super::lies;
use foldlog::{Access, DirEntry, EntryKind, FileId, FileStatus, Storage, StorageDir, StorageFile};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Simulated(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    /// Told when a call arrives at the gate, and when that is opened.
    gate: Condvar,
}

#[derive(Debug, Default)]
pub struct World {
    pub disk: Disk,
    /// How many calls have changed something since the process started.
    calls: usize,
    /// The disk after each of them, the first one before all of them; `None` if nobody will ask.
    snapshots: Option<Vec<Disk>>,
    faults: Vec<Fault>,
    /// Which syncs have failed or lied, after how many calls, and of which files.
    struck: Vec<(usize, What, PathBuf)>,
    /// How many bytes may still be written before the disk is full.
    room: Option<usize>,
    pub lie: Option<Lie>,
    pub held_back: Vec<lies::Held>,
    pub counts: BTreeMap<u8, usize>,
    /// Which handle holds the lock on which file or directory.
    locks: BTreeMap<FileId, u64>,
    /// Every process makes the handles of the ones before it useless.
    process: u64,
    trace: Option<Vec<String>>,
    gate: Gate,
}

#[derive(Debug, Default, PartialEq)]
enum Gate {
    #[default]
    Open,
    Shut,
    /// Somebody waits at it.
    Reached,
}

#[derive(Debug)]
struct Handle {
    storage: Simulated,
    path: PathBuf,
    inode: usize,
    process: u64,
    number: u64,
    durable_only: bool,
}

/// An open directory: it keeps its identity, whatever is put at its path.
#[derive(Debug)]
struct Dir {
    storage: Simulated,
    id: usize,
    process: u64,
    /// The holder of the lock on it that this is.
    number: u64,
}

/// Numbers of handles.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The device of files, and that of directories.
const FILES: u64 = 0;
const DIRECTORIES: u64 = 1;

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl Simulated {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap()
    }

    /// A new process finds this disk. What older ones have open is of no use any more.
    pub fn start(&self, disk: &Disk) {
        let mut world = self.world();
        let (process, lie, trace) = (world.process + 1, world.lie, world.trace.take());
        *world = World { disk: disk.clone(), process, lie, trace, ..World::default() };
    }

    /// The same, and the disk is kept as it was after each call.
    pub fn start_keeping_all(&self, disk: &Disk) {
        self.start(disk);
        self.world().snapshots = Some(vec![disk.clone()]);
    }

    /// How many calls have changed something since the process started.
    pub fn calls(&self) -> usize {
        self.world().calls
    }

    pub fn take_snapshots(&self) -> Vec<Disk> {
        self.world().snapshots.take().unwrap_or_default()
    }

    /// The syncs that have failed or lied: after how many calls, how, and of which file.
    pub fn struck(&self) -> Vec<(usize, What, PathBuf)> {
        self.world().struck.clone()
    }

    pub fn set_fault(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    pub fn set_room(&self, room: Option<usize>) {
        self.world().room = room;
    }

    pub fn tell_lies(&self, lie: Lie) {
        self.world().lie = Some(lie);
    }

    /// From now on, every call is written down.
    pub fn keep_trace(&self) {
        self.world().trace = Some(Vec::new());
    }

    pub fn take_trace(&self) -> Vec<String> {
        self.world().trace.take().unwrap_or_default()
    }

    /// Holds the next call that changes something, until [`Simulated::open_gate`].
    pub fn shut_gate(&self) {
        self.world().gate = Gate::Shut;
    }

    /// Waits until a call is held.
    pub fn await_call(&self) {
        let world = self.world();
        let waiting = |world: &mut World| world.gate == Gate::Shut;
        let (world, timeout) = self.0.gate.wait_timeout_while(world, Duration::from_secs(20), waiting).unwrap();
        assert!(!timeout.timed_out(), "what was appended is not written: {:?}", world.gate);
    }

    pub fn open_gate(&self) {
        self.world().gate = Gate::Open;
        self.0.gate.notify_all();
    }

    /// A call that changes something: waits at the gate, and is done unless a fault or a lie says otherwise.
    fn change(
        &self,
        process: Option<u64>,
        kind: Kind,
        path: &Path,
        act: impl FnOnce(&mut World) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut world = self.world();
        while world.gate != Gate::Open {
            world.gate = Gate::Reached;
            self.0.gate.notify_all();
            world = self.0.gate.wait(world).unwrap();
        }
        if process.is_some_and(|process| process != world.process) {
            return Err(error(EIO));
        }
        let result = lies::before(&mut world, kind, path).unwrap_or_else(|| act(&mut world));
        lies::after(&mut world, kind, path);
        world.write_down(kind, path, &result);
        world.calls += 1;
        let World { disk, snapshots, .. } = &mut *world;
        if let Some(snapshots) = snapshots {
            snapshots.push(disk.clone());
        }
        result
    }

    fn handle(&self, world: &World, path: &Path, inode: usize, access: Access) -> Arc<dyn StorageFile> {
        Arc::new(Handle {
            storage: self.clone(),
            path: path.to_owned(),
            inode,
            process: world.process,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            durable_only: access == Access::ReadDurable,
        })
    }
}

impl World {
    /// The fault that strikes this call.
    fn fault(&mut self, kind: Kind) -> Option<What> {
        let mut struck = None;
        self.faults.retain_mut(|fault| {
            if fault.on != kind {
                return true;
            }
            if fault.after == 0 && struck.is_none() {
                struck = Some(fault.what);
                return false;
            }
            fault.after = fault.after.saturating_sub(1);
            true
        });
        struck
    }

    /// As [`World::fault`], for calls that can only fail.
    fn check(&mut self, kind: Kind) -> io::Result<()> {
        match self.fault(kind) {
            Some(What::Fails(code)) => Err(error(code)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, inode: usize, bytes: &[u8], offset: usize) -> io::Result<usize> {
        let most = match self.fault(Kind::Write) {
            Some(What::Fails(code)) => return Err(error(code)),
            Some(What::Short(most)) => most.max(1),
            _ => usize::MAX,
        };
        let count = bytes.len().min(most).min(self.room.unwrap_or(usize::MAX));
        if count == 0 && !bytes.is_empty() {
            return Err(error(ENOSPC));
        }
        self.room = self.room.map(|room| room - count);
        self.disk.write(inode, &bytes[..count], offset);
        Ok(count)
    }

    fn sync(&mut self, inode: usize, path: &Path) -> io::Result<usize> {
        if std::mem::take(&mut self.disk.file(inode).owes_an_error) {
            self.struck.push((self.calls, What::Fails(EIO), path.to_owned()));
            return Err(error(EIO));
        }
        let fault = self.fault(Kind::Sync);
        self.struck.extend(fault.map(|what| (self.calls, what, path.to_owned())));
        match fault {
            Some(What::Fails(code)) => return Err(error(code)),
            Some(What::CleanAndKeep) => self.disk.forget(inode),
            Some(What::CleanAndRevert) => self.disk.revert(inode),
            Some(What::OneLate) if self.disk.is_dirty(inode) => {
                self.disk.forget(inode);
                self.disk.file(inode).owes_an_error = true;
                return Ok(0);
            }
            _ => {
                self.disk.sync(inode);
                return Ok(0);
            }
        }
        if self.lie == Some(Lie::HidesSyncErrors) { Ok(0) } else { Err(error(EIO)) }
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        if let Some(id) = self.disk.directories.get(path) {
            let id = FileId { device: DIRECTORIES, inode: *id as u64 };
            return Ok(FileStatus { kind: EntryKind::Directory, id, len: 0, links: 1 });
        }
        let inode = self.disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.status_of(*inode))
    }

    fn status_of(&self, inode: usize) -> FileStatus {
        let links = self.disk.names.values().filter(|named| **named == inode).count() as u64;
        let id = FileId { device: FILES, inode: inode as u64 };
        FileStatus { kind: EntryKind::File, id, len: self.disk.files[inode].current.len() as u64, links }
    }

    fn lock(&mut self, id: FileId, number: u64, exclusive: bool) -> bool {
        let free = self.locks.get(&id).is_none_or(|holder| *holder == number);
        if free && exclusive {
            self.locks.insert(id, number);
        }
        free
    }

    fn unlock(&mut self, id: FileId, process: u64, number: u64) {
        if self.process == process && self.locks.get(&id) == Some(&number) {
            self.locks.remove(&id);
        }
    }

    fn write_down(&mut self, kind: Kind, path: &Path, result: &io::Result<usize>) {
        if let (Some(trace), Some(_)) = (&mut self.trace, &self.snapshots) {
            let result = result.as_ref().map_err(io::Error::raw_os_error);
            trace.push(format!("{kind:?} {} {result:?}", name_of(path)));
        }
    }
}

impl Storage for Simulated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.world().disk.create_dir(path);
        Ok(())
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        let world = self.world();
        let id = *world.disk.directories.get(path).ok_or(io::ErrorKind::NotFound)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Dir { storage: self.clone(), id, process: world.process, number }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.open_dir(path)?.list()
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        self.world().status(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let synced = self.change(None, Kind::SyncDir, path, |world| {
            world.check(Kind::SyncDir)?;
            world.disk.sync_dir(path);
            Ok(0)
        });
        synced.map(drop)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Dir {
    fn file_id(&self) -> FileId {
        FileId { device: DIRECTORIES, inode: self.id as u64 }
    }

    /// Where it is, if it is anywhere.
    fn path(&self) -> io::Result<PathBuf> {
        let world = self.storage.world();
        let mut found = world.disk.directories.iter().filter(|(_, id)| **id == self.id);
        found.next().map(|(path, _)| path.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl StorageDir for Dir {
    fn status(&self) -> io::Result<FileStatus> {
        let links = u64::from(self.path().is_ok());
        Ok(FileStatus { kind: EntryKind::Directory, id: self.file_id(), len: 0, links })
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        let Ok(path) = self.path() else { return Ok(Vec::new()) };
        let world = self.storage.world();
        let files = world.disk.contents(&path).into_iter();
        Ok(files.map(|(name, bytes)| DirEntry { name, kind: EntryKind::File, len: bytes.len() as u64 }).collect())
    }

    fn status_of(&self, name: &str) -> io::Result<FileStatus> {
        let path = self.path()?.join(name);
        self.storage.world().status(&path)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path()?.join(name);
        let inode = self.storage.change(None, Kind::Create, &path, |world| {
            world.check(Kind::Create)?;
            if world.room == Some(0) {
                return Err(error(ENOSPC));
            }
            if world.disk.names.contains_key(&path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(world.disk.create(&path))
        })?;
        let world = self.storage.world();
        Ok(self.storage.handle(&world, &path, inode, Access::Write))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path()?.join(name);
        let world = self.storage.world();
        match world.disk.names.get(&path).copied() {
            Some(inode) => Ok(self.storage.handle(&world, &path, inode, access)),
            None if access == Access::Lock => {
                drop(world);
                self.create(name)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.sync_dir(&self.path()?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let dir = self.path()?;
        let (from, to) = (dir.join(from), dir.join(to));
        let renamed = self.storage.change(None, Kind::Rename, &from, |world| {
            world.check(Kind::Rename)?;
            if !world.disk.names.contains_key(&from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            lies::rename(world, &from, &to);
            Ok(0)
        });
        renamed.map(drop)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path()?.join(name);
        if !self.storage.world().disk.names.contains_key(&path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let removed = self.storage.change(None, Kind::Remove, &path, |world| {
            world.check(Kind::Remove)?;
            world.disk.remove(&path);
            Ok(0)
        });
        removed.map(drop)
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<Option<Arc<dyn StorageDir>>> {
        let mut world = self.storage.world();
        if world.process != self.process {
            return Err(error(EIO));
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let taken = world.lock(self.file_id(), number, exclusive);
        drop(world);
        let dir = Dir { storage: self.storage.clone(), id: self.id, process: self.process, number };
        Ok(taken.then(|| Arc::new(dir) as Arc<dyn StorageDir>))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        self.storage.world().unlock(self.file_id(), self.process, self.number);
    }
}

impl Handle {
    fn id(&self) -> FileId {
        FileId { device: FILES, inode: self.inode as u64 }
    }

    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.storage.world();
        if world.process == self.process { Ok(world) } else { Err(error(EIO)) }
    }
}

impl StorageFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.world()?;
        world.check(Kind::Read)?;
        let file = &world.disk.files[self.inode];
        let offset = offset as usize;
        let count = file.current.len().saturating_sub(offset).min(buffer.len());
        let cached = matches!(world.lie, Some(Lie::SkipsSync(end)) if self.path.to_string_lossy().ends_with(end));
        let bytes = if self.durable_only && !cached { &file.durable } else { &file.current };
        // Where nothing has reached the disk, it has nothing but zeros.
        let there = bytes.get(offset..).unwrap_or_default();
        let there = &there[..there.len().min(count)];
        buffer[..there.len()].copy_from_slice(there);
        buffer[there.len()..count].fill(0);
        if world.lie == Some(Lie::RepairsChecksums) {
            lies::repair_checksums(&mut buffer[..count]);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let act = |world: &mut World| world.write(self.inode, bytes, offset as usize);
        self.storage.change(Some(self.process), Kind::Write, &self.path, act)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.world()?.disk.files[self.inode].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let cut = self.storage.change(Some(self.process), Kind::SetLen, &self.path, |world| {
            world.check(Kind::SetLen)?;
            world.disk.set_len(self.inode, len as usize);
            Ok(len as usize)
        });
        cut.map(drop)
    }

    fn sync_data(&self) -> io::Result<()> {
        let act = |world: &mut World| world.sync(self.inode, &self.path);
        self.storage.change(Some(self.process), Kind::Sync, &self.path, act).map(drop)
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        Ok(self.world()?.lock(self.id(), self.number, exclusive))
    }

    fn status(&self) -> io::Result<FileStatus> {
        Ok(self.world()?.status_of(self.inode))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.storage.world().unlock(self.id(), self.process, self.number);
    }
}
