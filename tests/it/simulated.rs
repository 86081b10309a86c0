//! Simulated power cuts: a disk that models the page cache, cut at a random call, with what was not synced kept, lost,
//! torn, shuffled by sector, replaced by NULs or by garbage, and with directory operations lost on their own.
//!
//! `FOLDLOG_SIMULATED_CUTS` sets how many cuts there are, `FOLDLOG_SIMULATED_SEED` where the dice start.

use crate::support::Dice;
use foldlog::{
    Access, Custom, DirEntry, Durability, EntryKind, Item, Journal, JournalOptions, Json, Storage, StorageFile, Store,
    Ticket,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const SECTOR: usize = 512;

/// A disk under a page cache. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Simulated(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    /// What programs see.
    names: BTreeMap<PathBuf, usize>,
    /// What the disk has.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their directory has made durable yet.
    pending_names: Vec<(PathBuf, Option<usize>)>,
    directories: BTreeSet<PathBuf>,
    files: Vec<Inode>,
    /// Locks held, by file.
    locked: BTreeSet<usize>,
    /// How many more calls that change something are carried out before the power goes.
    calls_left: Option<u64>,
    /// Every boot makes the handles of the one before useless.
    boot: u64,
}

#[derive(Debug, Default)]
struct Inode {
    current: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug)]
struct SimulatedFile {
    disk: Simulated,
    inode: usize,
    boot: u64,
    durable_only: bool,
    locked: Mutex<bool>,
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Simulated {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The power goes after so many more calls that change something.
    pub fn cut_after(&self, calls: u64) {
        self.world().calls_left = Some(calls);
    }

    /// The power comes back: what had not been synced is there or not, as the dice say.
    pub fn reboot(&self, dice: &mut Dice) {
        let mut world = self.world();
        let pending = std::mem::take(&mut world.pending_names);
        let lose_names = dice.below(3);
        for (path, inode) in pending {
            // None, all, or each on its own.
            if lose_names == 0 || (lose_names == 1 && dice.below(2) == 0) {
                match inode {
                    Some(inode) => world.durable_names.insert(path, inode),
                    None => world.durable_names.remove(&path),
                };
            }
        }
        for inode in &mut world.files {
            inode.survive(dice);
        }
        world.names = world.durable_names.clone();
        world.locked.clear();
        world.calls_left = None;
        world.boot += 1;
    }
}

impl World {
    /// A call that changes something: refused once the power is gone.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(eio()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.calls_left == Some(0) { Err(eio()) } else { Ok(()) }
    }
}

impl Inode {
    /// What is left of it after a cut.
    fn survive(&mut self, dice: &mut Dice) {
        let (durable, current) = (std::mem::take(&mut self.durable), std::mem::take(&mut self.current));
        let kept = durable.len().min(current.len());
        let grown = current.len().saturating_sub(durable.len());
        let mut left = match dice.below(6) {
            _ if current.len() < durable.len() => {
                if dice.below(2) == 0 {
                    durable
                } else {
                    current
                }
            }
            0 => durable,
            1 => current,
            2 => current[..kept + dice.below(grown + 1)].to_vec(), // a prefix
            3 => [&current[..kept], &vec![0; grown]].concat(),     // the size without the data
            how => {
                // Sector by sector: written, not written, or full of something else.
                let mut left = [&current[..kept], &vec![0; grown]].concat();
                let mut at = kept;
                while at < current.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(current.len());
                    match dice.below(3) {
                        0 => left[at..end].copy_from_slice(&current[at..end]),
                        1 if how == 5 => left[at..end].iter_mut().for_each(|byte| *byte = dice.below(256) as u8),
                        _ => {}
                    }
                    at = end;
                }
                left.truncate(kept + dice.below(grown + 1).max(grown / 2));
                left
            }
        };
        left.shrink_to_fit();
        self.durable.clone_from(&left);
        self.current = left;
    }
}

impl Storage for Simulated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let world = self.world();
        world.alive()?;
        if !world.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = world.names.iter().filter(|(name, _)| name.parent() == Some(path)).map(|(name, inode)| DirEntry {
            name: name.file_name().unwrap().to_str().unwrap().to_owned(),
            kind: EntryKind::File,
            len: world.files[*inode].current.len() as u64,
        });
        Ok(files.collect())
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let world = self.world();
        world.alive()?;
        if world.directories.contains(path) {
            return Ok(EntryKind::Directory);
        }
        world.names.get(path).map(|_| EntryKind::File).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.world();
        world.change()?;
        if world.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.files.push(Inode::default());
        let (inode, boot) = (world.files.len() - 1, world.boot);
        world.names.insert(path.to_owned(), inode);
        world.pending_names.push((path.to_owned(), Some(inode)));
        drop(world);
        let (disk, locked) = (self.clone(), Mutex::new(false));
        Ok(Arc::new(SimulatedFile { disk, inode, boot, durable_only: false, locked }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let world = self.world();
        world.alive()?;
        match world.names.get(path).copied() {
            Some(inode) => {
                let (boot, durable_only) = (world.boot, access == Access::ReadDurable);
                drop(world);
                let (disk, locked) = (self.clone(), Mutex::new(false));
                Ok(Arc::new(SimulatedFile { disk, inode, boot, durable_only, locked }))
            }
            None if access == Access::Lock => {
                drop(world);
                let file = self.create(path)?;
                self.sync_dir(path.parent().unwrap())?;
                Ok(file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let (ours, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut world.pending_names).into_iter().partition(|(name, _)| name.parent() == Some(path));
        world.pending_names = others;
        for (name, inode) in ours {
            match inode {
                Some(inode) => world.durable_names.insert(name, inode),
                None => world.durable_names.remove(&name),
            };
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let inode = world.names.remove(from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        world.names.insert(to.to_owned(), inode);
        world.pending_names.push((from.to_owned(), None));
        world.pending_names.push((to.to_owned(), Some(inode)));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.names.remove(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        world.pending_names.push((path.to_owned(), None));
        Ok(())
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl SimulatedFile {
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.disk.world();
        if world.boot == self.boot { Ok(world) } else { Err(eio()) }
    }
}

impl StorageFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.world()?;
        world.alive()?;
        let file = &world.files[self.inode];
        let bytes = if self.durable_only { &file.durable } else { &file.current };
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut world = self.world()?;
        world.change()?;
        let file = &mut world.files[self.inode].current;
        let end = offset as usize + bytes.len();
        file.resize(file.len().max(end), 0);
        file[offset as usize..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.world()?;
        world.alive()?;
        Ok(world.files[self.inode].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.world()?;
        world.change()?;
        world.files[self.inode].current.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.world()?;
        world.change()?;
        let file = &mut world.files[self.inode];
        file.durable = file.current.clone();
        Ok(())
    }

    fn try_lock(&self, exclusive: bool) -> io::Result<bool> {
        let mut world = self.world()?;
        world.alive()?;
        let free = !world.locked.contains(&self.inode);
        if free && exclusive {
            world.locked.insert(self.inode);
            *self.locked.lock().unwrap() = true;
        }
        Ok(free)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let world = self.world()?;
        world.alive()?;
        Ok(world.names.get(path) == Some(&self.inode))
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        if *self.locked.lock().unwrap()
            && let Ok(mut world) = self.world()
        {
            world.locked.remove(&self.inode);
        }
    }
}

/// What was asked of the recorder, and what it has promised.
#[derive(Default)]
struct Oracle {
    /// Everything that was ever appended, by number: a number that a cut removed without a trace may come again.
    submitted: BTreeMap<u64, Vec<String>>,
    acknowledged: BTreeMap<u64, String>,
    next: u64,
}

impl Oracle {
    /// Waits until everything so far is on disk, and holds the recorder to that.
    fn wait(&mut self, journal: &Journal, level: Durability, waiting: &mut Vec<(Ticket, String)>) {
        let synced = level == Durability::Synced || journal.sync().and_then(Ticket::wait).is_ok();
        for (ticket, data) in waiting.drain(..) {
            if let (Ok(seq), true) = (ticket.wait(), synced) {
                self.acknowledged.insert(seq.get(), data);
            }
        }
    }

    /// Everything acknowledged is there, byte for byte; nothing is there that was not submitted.
    fn check(&self, store: &Store, what: &str) {
        let Ok(reader) = store.reader("s-1") else {
            assert!(self.acknowledged.is_empty(), "{what}: nothing is left");
            return;
        };
        let mut there = BTreeMap::new();
        let mut items = reader.items().unwrap();
        while let Some(item) = items.next().unwrap() {
            if let Item::Entry(entry) = item
                && !entry.is_recorders_own()
            {
                there.insert(entry.seq().get(), entry.data().to_owned());
            }
        }
        for (seq, data) in &self.acknowledged {
            assert_eq!(there.get(seq), Some(data), "{what}: seq {seq} had been acknowledged");
        }
        for (seq, data) in &there {
            let submitted = self.submitted.get(seq).is_some_and(|all| all.contains(data));
            assert!(submitted, "{what}: seq {seq} was never submitted: {data}");
        }
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Goal: no cut, wherever it falls and whatever it leaves, takes an acknowledged event, invents one, or leaves a hole that
/// the log does not explain once it has been opened again.
/// Method: one journal after the other, each cut many times, in the middle of writing, of recovery and of closing.
#[test]
fn no_simulated_power_cut_takes_what_was_acknowledged() {
    let (cuts, seed) = (setting("FOLDLOG_SIMULATED_CUTS", 2_400), setting("FOLDLOG_SIMULATED_SEED", 1));
    let (mut done, mut acknowledged, mut journals) = (0, 0, 0);
    while done < cuts {
        let mut dice = Dice::seeded(seed * 1_000_003 + journals);
        let disk = Simulated::default();
        let mut oracle = Oracle::default();
        for epoch in 0..12 {
            let what = format!("seed {seed}, journal {journals}, epoch {epoch}");
            let most = [8, 60, 60, 200][dice.below(4)];
            disk.cut_after(dice.below(most) as u64);
            let store = Store::open_on(disk.clone(), "/sim").unwrap();
            run_until_cut(&disk, &store, &mut oracle, &mut dice);
            drop(store);
            disk.reboot(&mut dice);
            done += 1;
            let store = Store::open_on(disk.clone(), "/sim").unwrap();
            oracle.check(&store, &what);
        }
        let store = Store::open_on(disk.clone(), "/sim").unwrap();
        let journal = store.journal("s-1").unwrap();
        journal.append(note(&mut oracle)).unwrap().wait().unwrap();
        oracle.submitted.entry(journal.last_seq().get()).or_default().push(data(oracle.next - 1));
        journal.close().wait().unwrap();
        oracle.check(&store, &format!("seed {seed}, journal {journals}, at its end"));
        let report = store.reader("s-1").unwrap().verify().unwrap();
        assert!(report.clean, "seed {seed}, journal {journals}: {report:#?}");
        acknowledged += oracle.acknowledged.len();
        journals += 1;
    }
    println!("{done} simulated cuts of {journals} journals, {acknowledged} events acknowledged, 0 missing");
}

fn data(number: u64) -> String {
    format!(r#"{{"name":"n","value":"{}"}}"#, text(number))
}

fn note(oracle: &mut Oracle) -> Custom<'static> {
    let number = oracle.next;
    oracle.next += 1;
    Custom::new("n", Json::string(&text(number)))
}

/// From a few bytes to several sectors.
fn text(number: u64) -> String {
    format!("{number} {}", "é".repeat((number as usize * 37) % if number.is_multiple_of(5) { 1_500 } else { 300 }))
}

/// Opens, appends and perhaps closes, until the power goes or there is nothing more to do.
fn run_until_cut(disk: &Simulated, store: &Store, oracle: &mut Oracle, dice: &mut Dice) {
    // Half of the time much is written that nothing has synced: what is left of that is what recovery is for.
    let level = [Durability::Synced, Durability::Written][dice.below(2)];
    let segment_bytes = [700, 3_000, 1 << 20][dice.below(3)];
    let options = JournalOptions::default().durability(level).segment_bytes(segment_bytes);
    let Ok(journal) = store.journal_with("s-1", options.sync_interval(Duration::from_secs(3600))) else { return };
    let mut waiting: Vec<(Ticket, String)> = Vec::new();
    for _ in 0..dice.below(40) {
        let data = data(oracle.next);
        let Ok(ticket) = journal.append(note(oracle)) else { break };
        oracle.submitted.entry(ticket.seq().get()).or_default().push(data.clone());
        waiting.push((ticket, data));
        if dice.below([3, 12][level as usize]) == 0 {
            oracle.wait(&journal, level, &mut waiting);
        }
    }
    if level == Durability::Synced || dice.below(4) == 0 {
        oracle.wait(&journal, level, &mut waiting);
    } else {
        // So that it is written before the power goes, and not synced.
        waiting.into_iter().for_each(|(ticket, _)| drop(ticket.wait()));
        disk.cut_after(0);
    }
    if dice.below(3) == 0 {
        let _ = journal.close().wait();
    }
}
