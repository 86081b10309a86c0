//! How a lying storage does what it should not. Each trick leaves out, or puts off, one step that foldlog takes; what the
//! campaign sees is what it would see if foldlog did not take that step.

use super::faults::{Kind, Lie};
use super::storage::World;
use crate::support::{SUFFIX, crc32};
use std::io;
use std::path::{Path, PathBuf};

/// A call that is put off.
#[derive(Clone, Debug)]
pub enum Held {
    /// A whole file is to be renamed, as it is by then.
    Rename(PathBuf, PathBuf),
    /// A file is to be synced.
    Sync(PathBuf),
}

/// Before a call: what it gives without being done, if it is not to be done.
pub fn before(world: &mut World, kind: Kind, path: &Path) -> Option<io::Result<usize>> {
    let lie = world.lie?;
    if let Lie::SyncsLate = lie {
        for held in std::mem::take(&mut world.held_back) {
            carry_out(world, held);
        }
    }
    let count = world.counts.entry(kind as u8).or_default();
    *count += 1;
    let count = *count;
    let is_segment = path.extension().is_some_and(|extension| extension == "jsonl");
    match (lie, kind) {
        (Lie::SyncsLate, Kind::Sync) if is_segment => world.held_back.push(Held::Sync(path.to_owned())),
        _ if lie.skips(kind, path, count) => {}
        _ => return None,
    }
    Some(Ok(0))
}

/// After a call: what was to be done before it is done now.
pub fn after(world: &mut World, kind: Kind, path: &Path) {
    let due = match world.lie {
        Some(Lie::CutsBeforeCopying) => kind == Kind::Sync && path.extension().is_some_and(|end| end == "jsonl"),
        Some(Lie::RemovesBeforeRenaming) => kind == Kind::Remove,
        _ => false,
    };
    if due {
        for held in std::mem::take(&mut world.held_back) {
            carry_out(world, held);
        }
    }
}

/// Renames, or puts that off.
pub fn rename(world: &mut World, from: &Path, to: &Path) {
    let late = match world.lie {
        Some(Lie::CutsBeforeCopying) => to.extension().is_some_and(|end| end == "torn"),
        Some(Lie::RemovesBeforeRenaming) => from.extension().is_some_and(|end| end == "tmp"),
        _ => false,
    };
    match late {
        true => world.held_back.push(Held::Rename(from.to_owned(), to.to_owned())),
        false => world.disk.rename(from, to),
    }
}

fn carry_out(world: &mut World, held: Held) {
    match held {
        Held::Rename(from, to) => {
            if world.disk.names.contains_key(&from) {
                world.disk.rename(&from, &to);
            }
        }
        Held::Sync(path) => {
            if let Some(inode) = world.disk.names.get(&path).copied() {
                world.disk.sync(inode);
            }
        }
    }
}

/// Gives every line that ends like one of ours the checksum that fits it.
pub fn repair_checksums(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        if let Some(body) = line.len().checked_sub(SUFFIX)
            && line[body..].starts_with(b",\"crc\":\"")
        {
            let suffix = format!(",\"crc\":\"{:08x}\"}}", crc32(&line[..body]));
            line[body..].copy_from_slice(suffix.as_bytes());
        }
    }
}
