//! Scanning a segment's file: from blocks to physical lines, in bounded memory.
//!
//! Splits on 0x0A only. Large holes of the file system, which hold NULs, are passed over without being read. Bytes that the
//! disk refuses to give are replaced by NULs, which are damage wherever they are: a reader goes on after them. A writer asks
//! whether there were any.

use crate::error::Error;
use crate::format::block::{Block, Chunk, Ending};
use crate::format::line::MAX_LINE;
use crate::json::escape::ENTRY_START;
use crate::storage::StorageFile;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How much is read at once.
const BLOCK: usize = 256 << 10;
/// How much is read first: whoever wants only a header gets it for little.
const FIRST_BLOCK: usize = 16 << 10;
/// Holes of the file system from this size on are not read.
const HOLE: u64 = 1 << 20;
/// The unit in which a disk refuses to give bytes.
const SECTOR: usize = 4096;

/// Bytes that the disk refused to give: what they are is not known, and they may be there the next time.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Where the first of them stand.
    pub(crate) start: u64,
    /// Where the last of them end.
    pub(crate) end: u64,
    error: Arc<io::Error>,
}

impl Refused {
    /// As the error of whoever cannot go on without them; `doing` completes "cannot ...".
    pub(crate) fn to_error(&self, doing: &str, path: &Path) -> Error {
        let same = self.error.raw_os_error().map_or_else(|| self.error.kind().into(), io::Error::from_raw_os_error);
        Error::io(doing, path, same)
    }
}

/// Reads a file chunk by chunk.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: Arc<dyn StorageFile>,
    /// Where reading ends.
    end: u64,
    /// Its length only grows: what is read into is not filled with zeros anew each time.
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    held: usize,
    /// The file's offset of the buffer's first byte.
    base: u64,
    /// Where the current chunk stands in the buffer.
    start: usize,
    len: usize,
    /// How many bytes of a hole follow it and belong to it. They are NULs, and were not read.
    hole: u64,
    /// How much is read next.
    block: usize,
    in_line: bool,
    /// What follows the last line break is not given out: it may become a line yet.
    waits: bool,
    refused: Option<Refused>,
}

impl Scanner {
    /// Reads `file` from `offset`, where a line starts, to `end`.
    pub(crate) fn new(file: Arc<dyn StorageFile>, offset: u64, end: u64) -> Scanner {
        Scanner {
            file,
            end,
            buffer: Vec::new(),
            held: 0,
            base: offset,
            start: 0,
            len: 0,
            hole: 0,
            block: FIRST_BLOCK,
            in_line: false,
            waits: false,
            refused: None,
        }
    }

    /// Whether what follows the last line break is kept back.
    pub(crate) fn wait_for_line_breaks(&mut self, wait: bool) {
        self.waits = wait;
    }

    /// Where the next chunk starts.
    pub(crate) fn position(&self) -> u64 {
        self.base + (self.start + self.len) as u64 + self.hole
    }

    /// What follows the last line break and was kept back.
    pub(crate) fn kept_back(&self) -> &[u8] {
        &self.buffer[self.start + self.len..self.held]
    }

    /// Reads on to another end. What was kept back is read again: its writer may have cut and replaced it.
    pub(crate) fn read_on_to(&mut self, end: u64) {
        self.end = end;
        self.held = self.start + self.len;
    }

    /// Reads on to another end, and not again what it holds.
    pub(crate) fn end_at(&mut self, end: u64) {
        self.end = end;
        let before_end = usize::try_from(end.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.held = self.held.min(before_end).max(self.start + self.len);
    }

    /// Goes back to where a line starts.
    pub(crate) fn go_back_to(&mut self, offset: u64) {
        (self.base, self.held, self.start, self.len, self.in_line) = (offset, 0, 0, 0, false);
        self.hole = 0;
    }

    /// Gives back the memory of its buffer. The current chunk's bytes are gone.
    pub(crate) fn release(&mut self) {
        self.go_back_to(self.position());
        self.buffer = Vec::new();
    }

    /// The file it reads.
    pub(crate) fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// What the disk has refused to give so far.
    pub(crate) fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// The current chunk's bytes, without the line break.
    pub(crate) fn bytes(&self) -> &[u8] {
        let bytes = &self.buffer[self.start..self.start + self.len];
        bytes.strip_suffix(b"\n").unwrap_or(bytes)
    }

    /// Goes on to the next chunk; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Chunk> {
        if self.hole > 0 {
            let in_line = self.in_line;
            self.go_back_to(self.position());
            self.in_line = in_line;
        }
        self.start += self.len;
        self.len = 0;
        let mut searched = 0;
        loop {
            let held = &self.buffer[self.start..self.held];
            if let Some(at) = memchr::memchr(b'\n', &held[searched..]) {
                return Some(self.take(searched + at + 1, Ending::Newline));
            }
            searched = held.len();
            if let Some(hole) = self.hole_behind() {
                let at_end = self.base + self.held as u64 + hole == self.end && !self.waits;
                self.hole = hole;
                return Some(self.take(searched, if at_end { Ending::EndOfFile } else { Ending::Continued }));
            }
            if searched > MAX_LINE {
                // Cut before the next entry's start, so that it can be salvaged; keep what may be half of one.
                let cut = memchr::memmem::find(&held[1..], ENTRY_START).map(|at| at + 1);
                return Some(self.take(cut.unwrap_or(searched - (ENTRY_START.len() - 1)), Ending::Continued));
            }
            if !self.fill() {
                let held = self.held - self.start;
                return (held > 0 && !self.waits).then(|| self.take(held, Ending::EndOfFile));
            }
        }
    }

    /// Goes on over all lines that are in memory, at least one, or over the one chunk that comes next, and moves them to
    /// `block`; `false` at the end.
    pub(crate) fn next_block(&mut self, block: &mut Block) -> bool {
        let Some(first) = self.next() else { return false };
        if first.ending == Ending::Newline {
            let behind = &self.buffer[self.start + self.len..self.held];
            self.len += memchr::memrchr(b'\n', behind).map_or(0, |at| at + 1);
        }
        let place = self.start..self.start + self.len;
        let behind = place.end..self.held;
        self.base += place.end as u64 + self.hole;
        (self.start, self.len, self.held, self.hole) = (0, 0, behind.len(), 0);
        // What is behind them goes on in the buffer of the block before.
        self.buffer = block.replace(first, place, std::mem::take(&mut self.buffer));
        if self.buffer.len() < self.held {
            self.buffer.resize(self.held, 0);
        }
        self.buffer[..self.held].copy_from_slice(block.beside(behind));
        true
    }

    fn take(&mut self, len: usize, ending: Ending) -> Chunk {
        let starts_line = !self.in_line;
        self.in_line = ending == Ending::Continued;
        self.len = len;
        Chunk { offset: self.base + self.start as u64, len: len as u64 + self.hole, starts_line, ending }
    }

    /// How many bytes of a hole follow what is held, if that ends as a hole does and there are many of them.
    fn hole_behind(&self) -> Option<u64> {
        let held = &self.buffer[self.start..self.held];
        let last = held.len().checked_sub(SECTOR).map(|from| &held[from..])?;
        if last.iter().any(|byte| *byte != 0) {
            return None;
        }
        let offset = self.base + self.held as u64;
        let data = self.file.next_data(offset).ok()?.unwrap_or(self.end).min(self.end);
        data.checked_sub(offset).filter(|hole| *hole >= HOLE)
    }

    /// Reads one more block; `false` at the end.
    fn fill(&mut self) -> bool {
        self.buffer.copy_within(self.start..self.held, 0);
        self.base += self.start as u64;
        self.held -= self.start;
        self.start = 0;
        let offset = self.base + self.held as u64;
        let wanted = self.end.saturating_sub(offset).min(self.block as u64) as usize;
        self.block = BLOCK;
        let upto = self.held + wanted;
        if self.buffer.len() < upto {
            // With room for a longer piece of a line before the next block: else the buffer would be copied for that.
            self.buffer.reserve(upto - self.buffer.len() + FIRST_BLOCK);
            self.buffer.resize(upto, 0);
        }
        let read = read_past_errors(&*self.file, &mut self.buffer[self.held..upto], offset, &mut self.refused);
        self.held += read;
        read > 0
    }
}

/// Reads until `buffer` is full or the file ends; sectors that cannot be read are left as NULs, and noted.
fn read_past_errors(file: &dyn StorageFile, buffer: &mut [u8], offset: u64, refused: &mut Option<Refused>) -> usize {
    let mut read = 0;
    let mut step = BLOCK;
    while read < buffer.len() {
        let at = offset + read as u64;
        // In sectors, each read ends where a sector does: a bad one costs no byte of its neighbours.
        let span = if step > SECTOR { step } else { SECTOR - (at % SECTOR as u64) as usize };
        let upto = buffer.len().min(read + span);
        match file.read_at(&mut buffer[read..upto], at) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(_) if step > SECTOR => step = SECTOR,
            Err(error) => {
                let start = refused.as_ref().map_or(at, |before| before.start.min(at));
                *refused = Some(Refused { start, end: offset + upto as u64, error: Arc::new(error) });
                buffer[read..upto].fill(0);
                read = upto;
            }
        }
    }
    read
}
