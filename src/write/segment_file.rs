//! The segment that is being written: its file, where its lines end, and what stands ready behind them.

use crate::storage::{StorageFile, write_all};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What a segment is filled with, so much at a time.
static LINE_FEEDS: [u8; 64 << 10] = [b'\n'; 64 << 10];

#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn StorageFile>,
    /// How many bytes its lines have, the header among them.
    pub(crate) size: u64,
    /// How many bytes the file has: more where it was filled ahead.
    file_len: u64,
    pub(crate) has_entries: bool,
    /// Its file system counts the names of a file.
    counts_links: bool,
}

/// What others have done to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It has no name left, so that what is written to it is nowhere.
    Unlinked,
    /// It has only so many bytes, fewer than were written.
    Cut(u64),
}

/// A write that was not finished.
pub(crate) struct Unfinished {
    /// Part of a line was written behind the whole ones.
    pub(crate) mid_line: bool,
    pub(crate) error: io::Error,
}

impl Active {
    /// One whose file is empty.
    pub(crate) fn new(segment: u64, path: PathBuf, file: Arc<dyn StorageFile>) -> Active {
        let counts_links = file.status().is_ok_and(|status| status.links > 0);
        Active { segment, path, file, size: 0, file_len: 0, has_entries: false, counts_links }
    }

    /// What has become of its file. Reaches no disk. What cannot be looked at may be well.
    pub(crate) fn harm(&self) -> Option<Harm> {
        let status = self.file.status().ok()?;
        if self.counts_links && status.links == 0 {
            return Some(Harm::Unlinked);
        }
        (status.len < self.file_len).then_some(Harm::Cut(status.len))
    }

    /// How many bytes its file has, as it was written.
    pub(crate) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Counts the header, which has been written.
    pub(crate) fn has_header(&mut self, len: usize) {
        (self.size, self.file_len) = (len as u64, len as u64);
    }

    /// Writes whole lines behind those that are there: one `write`, if the disk takes it all. Returns how many bytes of
    /// whole lines were written, and what went wrong.
    pub(crate) fn append(&mut self, lines: &[u8]) -> (usize, Option<Unfinished>) {
        let (written, error) = match write_all(&*self.file, lines, self.size) {
            Ok(()) => (lines.len(), None),
            Err((written, error)) => (written, Some(error)),
        };
        let whole = memchr::memrchr(b'\n', &lines[..written]).map_or(0, |at| at + 1);
        self.size += whole as u64;
        self.file_len = self.file_len.max(self.size);
        self.has_entries |= whole > 0;
        (whole, error.map(|error| Unfinished { mid_line: written > whole, error }))
    }

    /// Whether line feeds, or a part of a line, stand behind its lines.
    pub(crate) fn is_ahead(&self) -> bool {
        self.file_len > self.size
    }

    /// Lets line feeds stand behind its lines, for the next ones to be written over. They are on disk with the next sync.
    pub(crate) fn fill_ahead(&mut self, bytes: u64) {
        let end = self.size + bytes;
        while self.file_len < end {
            let feeds = &LINE_FEEDS[..LINE_FEEDS.len().min((end - self.file_len) as usize)];
            if let Err((filled, _)) = write_all(&*self.file, feeds, self.file_len) {
                // No room for more than lines, or an error that the next write will tell of.
                self.file_len += filled as u64;
                return;
            }
            self.file_len += feeds.len() as u64;
        }
    }

    /// Leaves nothing behind its lines.
    pub(crate) fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file_len = self.size;
        Ok(())
    }
}
