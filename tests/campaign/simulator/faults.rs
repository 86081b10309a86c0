//! What can go wrong with a call to the disk while its machine lives, and the lies by which the campaign is tested itself.

use std::fmt;
use std::path::Path;

pub const EIO: i32 = 5;
pub const ENOSPC: i32 = 28;

/// A call that changes something, or reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Read,
    Write,
    SetLen,
    Sync,
    SyncDir,
    Create,
    Rename,
    Remove,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing happens but the error with this number.
    Fails(i32),
    /// Only so many bytes are written, and no error is told.
    Short(usize),
    /// A sync fails; the pages count as clean, are still there to be read, and never reach the disk.
    CleanAndKeep,
    /// A sync fails; the pages are again what the disk has.
    CleanAndRevert,
    /// A sync fails as with `CleanAndKeep`, but says so only when the file is synced again.
    OneLate,
}

/// One fault, which strikes the n-th call of its kind from when it was set, and only that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub on: Kind,
    pub after: usize,
    pub what: What,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} from now: {:?}", self.on, self.after, self.what)
    }
}

/// A storage that does not do what it says. With each of them the campaign must fail: that shows that it would notice if
/// foldlog left out the step in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// No sync of a file whose name ends so does anything.
    SkipsSync(&'static str),
    /// Only every second sync of a segment does anything.
    SkipsEverySecondSync,
    /// No sync of a directory does anything.
    SkipsSyncDir,
    /// Only every second sync of a directory does anything.
    SkipsEverySecondSyncDir,
    /// A sync is told as done when it begins: the disk does it before the next call.
    SyncsLate,
    /// A sync that fails says nothing.
    HidesSyncErrors,
    /// Lines that have a checksum are given one that fits whenever they are read.
    RepairsChecksums,
    /// What is written, synced and renamed for a `.torn` file is done when the segment has been cut.
    CutsBeforeCopying,
    /// The others are removed before the rename that is to stand for them.
    RemovesBeforeRenaming,
}

impl Lie {
    /// Whether this call, the n-th of its kind, is to do nothing and say that it has.
    pub fn skips(self, kind: Kind, path: &Path, count: usize) -> bool {
        match (self, kind) {
            (Lie::SkipsSync(end), Kind::Sync) => path.to_string_lossy().ends_with(end),
            (Lie::SkipsEverySecondSync, Kind::Sync) | (Lie::SkipsEverySecondSyncDir, Kind::SyncDir) => {
                count.is_multiple_of(2)
            }
            (Lie::SkipsSyncDir, Kind::SyncDir) => true,
            _ => false,
        }
    }
}
