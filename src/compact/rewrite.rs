//! Putting one segment in the place of several: written beside them, read back from the disk, compared, and only then
//! renamed. A crash at any step leaves a journal that reads the same.

use crate::compact::group::Member;
use crate::compact::plan::Plan;
use crate::compact::proof::{self, Witness};
use crate::compact::throttle::Pace;
use crate::error::{Error, ErrorKind, Result};
use crate::format::block::{Block, Ending};
use crate::format::header::Header;
use crate::format::line::{self, Decoded};
use crate::format::names;
use crate::segments::dir::{Files, Listed};
use crate::segments::lock::{self, Lock};
use crate::segments::replaced::is_replaced;
use crate::segments::scan::Scanner;
use crate::storage::{Access, StorageFile, write_all};
use std::path::{Path, PathBuf};

/// How much is copied at once.
const BLOCK: usize = 1 << 20;
/// How much is written between two syncs while somebody records: a file system may make a writer's sync wait for whatever
/// else is on its way to the disk, so that must be little. Halves the wait of one in a hundred, and costs a third of the
/// speed.
const GENTLE_BLOCK: usize = 64 << 10;

/// A segment that is to take the place of others.
pub(super) struct Replacement<'a> {
    files: &'a Files,
    members: &'a [Member],
    plan: &'a Plan,
    header: Header,
    name: String,
    path: PathBuf,
    /// The checksum of everything behind the header.
    checksum: u32,
    pub(super) len: u64,
}

impl<'a> Replacement<'a> {
    /// Writes it beside what it shall replace, and syncs it; in small steps if it is to be `gentle` to who records meanwhile.
    pub(super) fn write(
        files: &'a Files,
        lock: &Lock,
        head: Header,
        members: &'a [Member],
        plan: &'a Plan,
        gentle: bool,
        pace: &mut Pace<'_>,
    ) -> Result<Replacement<'a>> {
        let name = names::temporary_name(head.segment);
        let path = files.dir.join(&name);
        let mut new = Replacement { files, members, plan, header: head, name, path, checksum: 0, len: 0 };
        let written = new.write_lines(gentle, pace);
        if written.is_err() {
            new.discard(lock);
        }
        written.map(|()| new)
    }

    fn write_lines(&mut self, gentle: bool, pace: &mut Pace<'_>) -> Result<()> {
        let file = self.files.folder().and_then(|folder| folder.create(&self.name));
        let file = file.map_err(|error| Error::io("create", &self.path, error))?;
        let mut out = Output { file: &*file, path: &self.path, held: self.header.encode(), len: 0, gentle };
        out.flush()?;
        let mut checksum = crc32fast::Hasher::new();
        let mut drops = self.plan.drops.iter().map(|span| span.place).peekable();
        for (at, member) in self.members.iter().enumerate() {
            let source = self.files.open(member.segment, Access::Read)?;
            let (mut block, mut from) = (vec![0; BLOCK], member.lines_from);
            while from < member.len {
                let count = source.read_at(&mut block, from);
                let count = count.map_err(|error| Error::io("read", &self.files.path(member.segment), error))?;
                let to = member.len.min(from + count as u64);
                if count == 0 {
                    return Err(changed(&self.path));
                }
                let (start, mut at_byte) = (from, from);
                while at_byte < to {
                    let next = drops.peek().filter(|drop| drop.member == at && drop.offset < to);
                    let keep_to = next.map_or(to, |drop| drop.offset.max(at_byte));
                    let kept = &block[(at_byte - start) as usize..(keep_to - start) as usize];
                    checksum.update(kept);
                    out.write(kept)?;
                    at_byte = next.map_or(to, |drop| drop.end.min(to));
                    drops.next_if(|drop| drop.member == at && drop.end <= to && drop.offset < to);
                }
                pace.moved(to - from);
                from = to;
            }
        }
        out.flush()?;
        self.len = out.len;
        self.checksum = checksum.finalize();
        out.sync()
    }

    /// Reads it back from the disk: whole, in order, and folding into the same. In words what is wrong.
    pub(super) fn check(&self, pace: &mut Pace<'_>) -> Result<Result<(), String>> {
        let file = self.files.folder().and_then(|folder| folder.open(&self.name, Access::ReadDurable));
        let file = file.map_err(|error| Error::io("open", &self.path, error))?;
        let mut scanner = Scanner::new(file, 0, self.len);
        scanner.next();
        if Header::decode(scanner.bytes()).as_ref() != Some(&self.header) {
            return Ok(Err("the header of the new segment does not read back".to_owned()));
        }
        let (mut checksum, mut witness) = (crc32fast::Hasher::new(), Witness::default());
        let (mut last, mut entries) = (0, 0);
        let mut cuts = self.plan.cuts.iter().peekable();
        let mut block = Block::default();
        'lines: while scanner.next_block(&mut block) {
            for line in block.lines() {
                let Decoded::Entry(entry) = line.decode() else { break 'lines };
                if entry.seq().get() <= last || !line.chunk.starts_line || line.chunk.ending != Ending::Newline {
                    break 'lines;
                }
                last = entry.seq().get();
                entries += 1;
                checksum.update(line.bytes);
                checksum.update(b"\n");
                witness.entry(&entry, proof::decode(&entry).0);
                if cuts.next_if(|cut| **cut == last).is_some() {
                    witness.cut();
                }
                pace.moved(line.chunk.len);
            }
        }
        if entries != self.plan.kept() || checksum.finalize() != self.checksum {
            return Ok(Err("the new segment does not read back as it was written".to_owned()));
        }
        if witness.finish() != self.plan.digest {
            return Ok(Err("without these lines it would fold into something else".to_owned()));
        }
        Ok(Ok(()))
    }

    /// Puts it in the place of the first of the segments, then removes the others.
    pub(super) fn put_in_place(self, lock: &Lock) -> Result<()> {
        lock.must_be_in_place(self.files)?;
        let (files, segment) = (self.files, self.header.segment);
        let renamed = files.folder().and_then(|folder| folder.rename(&self.name, &names::file_name(segment)));
        renamed.map_err(|error| Error::io("rename the new segment to", &files.path(segment), error))?;
        let mut replaced = Vec::new();
        for member in self.members.iter().skip(1) {
            // Another file may have been put in its place meanwhile: that stays.
            let opened =
                files.peek_for(Some(&self.header.journal), Listed { segment: member.segment, len: member.len })?;
            replaced.extend(opened.is_some_and(|opened| is_replaced(&opened, &self.header)).then_some(member.segment));
        }
        remove_replaced(files, lock, &replaced)
    }

    /// Gives it up.
    pub(super) fn discard(&self, lock: &Lock) {
        // If it stays, the next compaction removes it.
        if matches!(lock.missing(self.files), Ok(None)) {
            let _ = self.files.folder().and_then(|folder| folder.remove(&self.name));
        }
    }
}

/// Whether the compacted segment with this header is on the disk whole: each line good, and as many as its header says.
pub(super) fn reads_back(files: &Files, header: &Header) -> Result<bool> {
    let Some(compacted) = &header.compacted else { return Ok(false) };
    let file = files.open(header.segment, Access::ReadDurable)?;
    let len = file.len().map_err(|error| Error::io("read", &files.path(header.segment), error))?;
    let mut scanner = Scanner::new(file, 0, len);
    if scanner.next().is_none() || Header::decode(scanner.bytes()).as_ref() != Some(header) {
        return Ok(false);
    }
    let (mut last, mut entries) = (0, 0);
    while let Some(chunk) = scanner.next() {
        match line::decode(scanner.bytes()) {
            Decoded::Entry(entry) if chunk.ending == Ending::Newline && entry.seq().get() > last => {
                (last, entries) = (entry.seq().get(), entries + 1);
            }
            _ => return Ok(false),
        }
    }
    Ok(entries == compacted.entries && last <= compacted.last_seq)
}

/// Removes segments, in rising order, that a segment before them stands for. The last one goes alone, when nothing is left
/// of the others: while any of them is there, it is the newest, and tells the number behind it.
pub(super) fn remove_replaced(files: &Files, lock: &Lock, replaced: &[u64]) -> Result<()> {
    let folder = files.folder().map_err(|error| Error::io("open", &files.dir, error))?;
    let sync = || folder.sync().map_err(|error| lock::sync_failed(&files.dir, error));
    // What stands for them must be there for good before the first of them goes.
    sync()?;
    let Some((last, others)) = replaced.split_last() else { return Ok(()) };
    for part in [others, &[*last]] {
        for segment in part {
            lock.must_be_in_place(files)?;
            let removed = folder.remove(&names::file_name(*segment));
            removed.map_err(|error| Error::io("remove", &files.path(*segment), error))?;
        }
        if !part.is_empty() {
            sync()?;
        }
    }
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("a segment has changed while `{}` was made from it", path.display()))
}

/// Gathers small pieces into large writes.
struct Output<'a> {
    file: &'a dyn StorageFile,
    path: &'a Path,
    held: Vec<u8>,
    len: u64,
    /// Somebody records meanwhile.
    gentle: bool,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(GENTLE_BLOCK) {
            self.held.extend_from_slice(piece);
            if self.gentle && self.held.len() >= GENTLE_BLOCK {
                self.flush()?;
                self.sync()?;
            } else if self.held.len() >= BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| Error::io("sync", self.path, error))
    }

    fn flush(&mut self) -> Result<()> {
        let written = write_all(self.file, &self.held, self.len);
        written.map_err(|(_, error)| Error::io("write to", self.path, error))?;
        self.len += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }
}
