//! Files that somebody removes or replaces while they are written: nothing is acknowledged after it that no reader finds,
//! and the next writer begins with what is there.

use super::author::Author;
use super::check::ROOT;
use super::disk::{Disk, name_of};
use super::oracle::{ID, Reading};
use super::storage::Simulated;
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;
use foldlog::{Durability, ErrorKind, Journal, JournalOptions, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub const TAKEN: Part = Part {
    name: "taken-away",
    unit: "removals",
    needs_system: false,
    what: "segments, locks and directories removed, moved or replaced by older copies under a writer",
    slice: 60,
    full: 20_000,
    run: taken,
};

#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The segment that is being written is removed.
    Segment,
    /// Everything is.
    All,
    /// Everything is, and an older copy is put back.
    OlderCopy,
    /// The lock's file is removed.
    Lock,
    /// The directory is moved away.
    Moved,
}

const HARMS: [Harm; 5] = [Harm::Segment, Harm::All, Harm::OlderCopy, Harm::Lock, Harm::Moved];

impl Harm {
    /// Whether what is written from now on has no name at all.
    fn unlinks(self) -> bool {
        matches!(self, Harm::Segment | Harm::All | Harm::OlderCopy)
    }

    fn happen(self, disk: &mut Disk, older: &Disk) {
        let dir = directory();
        let newest = disk.names.keys().filter(|path| name_of(path).ends_with(".jsonl")).max().cloned();
        match self {
            Harm::Segment => newest.into_iter().for_each(|newest| remove(disk, &newest)),
            Harm::Lock => remove(disk, &dir.join("LOCK")),
            Harm::Moved => rename_dir(disk, &dir, &moved()),
            Harm::All | Harm::OlderCopy => {
                disk.names.clear();
                disk.durable_names.clear();
                disk.directories.remove(&dir);
            }
        }
        if let Harm::OlderCopy = self {
            disk.create_dir(&dir);
            for (name, bytes) in older.contents(&dir) {
                let inode = disk.create(&dir.join(name));
                disk.write(inode, bytes, 0);
                disk.sync(inode);
            }
            disk.sync_dir(&dir);
        }
    }
}

fn directory() -> PathBuf {
    Path::new(ROOT).join(ID)
}

fn moved() -> PathBuf {
    Path::new(ROOT).join("moved")
}

fn remove(disk: &mut Disk, path: &Path) {
    disk.names.remove(path);
    disk.durable_names.remove(path);
}

fn rename_dir(disk: &mut Disk, from: &Path, to: &Path) {
    for names in [&mut disk.names, &mut disk.durable_names] {
        let below = std::mem::take(names).into_iter();
        *names =
            below.map(|(path, inode)| (path.strip_prefix(from).map_or(path.clone(), |p| to.join(p)), inode)).collect();
    }
    // A new one at the old path is another directory.
    if let Some(id) = disk.directories.remove(from) {
        disk.directories.insert(to.to_owned(), id);
    }
}

fn taken(scope: &Scope) -> Outcome {
    let mut tally = Tally::default();
    while scope.goes_on(tally.done) {
        let seed = scope.seed * 1_000_003 + tally.done;
        tally.acknowledged += one(seed).unwrap_or_else(|what| panic!("removal {seed}: {what}"));
        tally.done += 1;
    }
    Outcome::Held(tally)
}

/// Appends one event. Its number and data, if it is acknowledged.
fn append(journal: &Journal, author: &mut Author) -> Result<(u64, Arc<str>), ErrorKind> {
    let (draft, data) = author.draft();
    let data = Arc::from(data);
    let ticket = journal.append(draft).map_err(|refused| refused.kind())?;
    ticket.wait().map(|seq| (seq.get(), data)).map_err(|error| error.kind())
}

fn holds(store: &Store, seq: u64, data: &str) -> Result<bool, String> {
    Ok(Reading::of(store)?.entries.get(&seq).is_some_and(|entry| entry.data() == data))
}

/// One history. How many events were acknowledged.
fn one(seed: u64) -> Result<u64, String> {
    let mut dice = Dice::seeded(seed);
    let storage = Simulated::default();
    storage.start(&Disk::default());
    let store = Store::open_on(storage.clone(), ROOT).unwrap();
    let level = [Durability::Synced, Durability::Written][dice.below(2)];
    let options = JournalOptions::default().durability(level).segment_bytes([700, 1_500, 1 << 20][dice.below(3)]);
    let options = options.prefill([0, 300][dice.below(2)]).sync_interval(Duration::from_secs(24 * 3600));
    let (mut author, mut acknowledged) = (Author::default(), 0);
    author.begin_life();
    let journal = store.journal_with(ID, options.clone()).map_err(|error| error.to_string())?;
    let mut older = storage.world().disk.clone();
    for number in 0..1 + dice.below(8) {
        append(&journal, &mut author).map_err(|kind| format!("before: {kind:?}"))?;
        acknowledged += 1;
        if number == 0 || dice.below(3) == 0 {
            older = storage.world().disk.clone();
        }
    }
    let harm = HARMS[dice.below(HARMS.len())];
    harm.happen(&mut storage.world().disk, &older);

    let mut failed = None;
    for _ in 0..12 {
        match append(&journal, &mut author) {
            Ok((seq, data)) => {
                acknowledged += 1;
                if failed.is_some() {
                    return Err(format!("{harm:?}: {seq} was acknowledged after the failure"));
                }
                if harm.unlinks() {
                    return Err(format!("{harm:?}: {seq} was acknowledged, and its file has no name"));
                }
                if let Harm::Lock = harm
                    && !holds(&store, seq, &data)?
                {
                    return Err(format!("{harm:?}: {seq} was acknowledged and is not there"));
                }
            }
            Err(kind) => failed = Some(failed.unwrap_or(kind)),
        }
    }
    if failed.is_some_and(|kind| kind != ErrorKind::Removed) {
        return Err(format!("{harm:?}: it failed as {failed:?}"));
    }
    if harm.unlinks() && failed.is_none() {
        return Err(format!("{harm:?}: it did not fail"));
    }
    if let Harm::Lock = harm
        && store.journal_with(ID, options.clone()).is_ok()
    {
        return Err(format!("{harm:?}: a second writer got in"));
    }
    drop(journal);
    let next = store.journal_with(ID, options).map_err(|error| format!("{harm:?}: afterwards: {error}"))?;
    for _ in 0..3 {
        let (seq, data) = append(&next, &mut author).map_err(|kind| format!("{harm:?}: afterwards: {kind:?}"))?;
        acknowledged += 1;
        if !holds(&store, seq, &data)? {
            return Err(format!("{harm:?}: {seq} of the next writer is not there"));
        }
    }
    Ok(acknowledged)
}
