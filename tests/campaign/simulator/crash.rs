//! What a crash leaves: which of the changes that no sync had made durable have reached the disk all the same.

use super::disk::{Change, Disk, Inode, PAGE};
use crate::support::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What becomes of one pending change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Lost,
    Kept,
    /// Something else than what was written, by the seed of its bytes. What the sector had before, up to the first byte
    /// that changes, stays: disks finish the sector that they are at, and foldlog relies on it.
    Garbage(u64),
    /// A size that has grown only to the end of its page.
    ToPage,
}

/// One way in which a run may end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Crash {
    /// The process is gone; the system lives, and with it everything that was written.
    Kill,
    /// The power is gone: of each pending change, in order, what became of it.
    PowerCut(Vec<Fate>),
}

impl Crash {
    /// One of all ways, as the dice say.
    pub fn any(disk: &Disk, dice: &mut Dice) -> Crash {
        if dice.below(6) == 0 { Crash::Kill } else { Crash::PowerCut(fates(disk, dice)) }
    }

    pub fn is_power_cut(&self) -> bool {
        matches!(self, Crash::PowerCut(_))
    }

    /// The disk as the next process finds it.
    pub fn happen(&self, disk: &Disk) -> Disk {
        match self {
            Crash::Kill => disk.clone(),
            Crash::PowerCut(fates) => survive(disk, fates),
        }
    }
}

/// First how files come through it, then how names do, as a system may treat both alike or not.
fn fates(disk: &Disk, dice: &mut Dice) -> Vec<Fate> {
    let pending = &disk.pending;
    let (model, names) = (dice.below(7), dice.below(4));
    let prefix = dice.below(pending.len() + 1);
    let names_prefix = if dice.below(2) == 0 { prefix } else { dice.below(pending.len() + 1) };
    let garbage = dice.below(pending.len());
    let fate = |(at, change): (usize, &Change)| {
        let kept = if change.is_of_a_name() {
            match names {
                0 => true,
                1 => false,
                2 => at < names_prefix,
                _ => dice.below(2) == 0,
            }
        } else {
            let is_size = matches!(change, Change::Size { .. });
            match model {
                0 => true,
                1 => false,
                2 => at < prefix,
                3 => dice.below(2) == 0,
                4 => is_size,
                5 if is_size => return Fate::ToPage,
                5 => dice.below(2) == 0,
                _ if !is_size && (at == garbage || dice.below(4) == 0) => {
                    return Fate::Garbage(dice.below(usize::MAX) as u64);
                }
                _ => at < prefix || dice.below(2) == 0,
            }
        };
        if kept { Fate::Kept } else { Fate::Lost }
    };
    pending.iter().enumerate().map(fate).collect()
}

/// All of them if they are few, else the telling ones and some that the dice choose, until there are `most`.
pub fn all_crashes(disk: &Disk, most: usize, dice: &mut Dice) -> Vec<Crash> {
    let pending = &disk.pending;
    let count = pending.len();
    let mut ways: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut crashes = vec![Crash::Kill];
    let mut add = |fates: Vec<Fate>| {
        if ways.insert(format!("{fates:?}").into_bytes()) {
            crashes.push(Crash::PowerCut(fates));
        }
    };
    let chosen = |kept: &dyn Fn(usize) -> bool| -> Vec<Fate> {
        (0..count).map(|at| if kept(at) { Fate::Kept } else { Fate::Lost }).collect()
    };
    let subsets = if count < usize::BITS as usize { 1usize << count } else { usize::MAX };
    if subsets <= most {
        (0..subsets).for_each(|subset| add(chosen(&|at| subset >> at & 1 == 1)));
    }
    for prefix in 0..=count {
        add(chosen(&|at| at < prefix));
    }
    add(chosen(&|at| matches!(pending[at], Change::Size { .. })));
    add(chosen(&|at| pending[at].is_of_a_name()));
    add(chosen(&|at| !pending[at].is_of_a_name()));
    for (at, change) in pending.iter().enumerate() {
        let odd = match change {
            Change::Sector { .. } => Fate::Garbage(at as u64),
            Change::Size { .. } => Fate::ToPage,
            _ => continue,
        };
        let fate = |other| if other == at { odd } else { Fate::Kept };
        add((0..count).map(fate).collect());
    }
    for _ in 0..if subsets <= most { 0 } else { most } {
        add(fates(disk, dice));
    }
    crashes.truncate(most.max(count + 4));
    crashes
}

fn survive(disk: &Disk, fates: &[Fate]) -> Disk {
    let mut after = Disk { directories: disk.directories.clone(), ..Disk::default() };
    let mut names = disk.durable_names.clone();
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    let mut images: Vec<Vec<u8>> = disk.files.iter().map(|file| file.durable.clone()).collect();
    for (change, fate) in disk.pending.iter().zip(fates) {
        match (change, fate) {
            (_, Fate::Lost) => {}
            (Change::Sector { inode, at, bytes }, fate) => {
                let image = &mut images[*inode];
                sizes.entry(*inode).or_insert(image.len());
                put(image, *at, bytes, *fate, &disk.files[*inode].durable);
            }
            (Change::Size { inode, len }, fate) => {
                let before = sizes.get(inode).copied().unwrap_or(images[*inode].len());
                let page = (before / PAGE + 1) * PAGE;
                let len = if *fate == Fate::ToPage { page.min(*len) } else { *len };
                images[*inode].truncate(len);
                sizes.insert(*inode, len);
            }
            (name, _) => name.apply(&mut names),
        }
    }
    for (path, inode) in names {
        let mut bytes = std::mem::take(&mut images[inode]);
        if let Some(len) = sizes.get(&inode) {
            bytes.resize(*len, 0);
        }
        after.files.push(Arc::new(Inode { durable: bytes.clone(), current: bytes, owes_an_error: false }));
        after.durable_names.insert(path, after.files.len() - 1);
    }
    after.names = after.durable_names.clone();
    after
}

/// A sector reaches the disk. That alone makes no file longer.
fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8], fate: Fate, durable: &[u8]) {
    let end = at + bytes.len();
    image.resize(image.len().max(end), 0);
    image[at..end].copy_from_slice(bytes);
    if let Fate::Garbage(seed) = fate {
        let mut dice = Dice::seeded(seed);
        let before = durable.get(at..).unwrap_or_default();
        let same = bytes.iter().zip(before).take_while(|(new, old)| new == old).count();
        image[at + same..end].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Crash::PowerCut(fates) = self else { return f.write_str("killed") };
        f.write_str("power cut; of the pending changes, in order: ")?;
        fates.iter().try_for_each(|fate| match fate {
            Fate::Lost => f.write_str("-"),
            Fate::Kept => f.write_str("+"),
            Fate::Garbage(_) => f.write_str("#"),
            Fate::ToPage => f.write_str("p"),
        })
    }
}
