//! The files of a journal's directory: which segments there are, and what their first lines say.

use crate::error::{Error, ErrorKind, Result, not_a_directory};
use crate::format::block::Ending;
use crate::format::claims::{self, Claim};
use crate::format::header::{self, Header, MAX_HEADER};
use crate::format::line::{self, Decoded};
use crate::format::names::{self, parse_torn};
use crate::json::escape::ENTRY_START;
use crate::model::event::{Event, JournalRecovered};
use crate::model::id::SessionId;
use crate::segments::prefill;
use crate::segments::scan::{Refused, Scanner};
use crate::storage::{self, Access, EntryKind, FileStatus, Handle, Storage, StorageDir, StorageFile, Unopened};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is a segment by its name. One that can only be told, not read, has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) segment: u64,
    pub(crate) len: u64,
}

/// What recovery cut from a segment, by the name of the file that keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// The directory of one journal. Clones share its handle: the directory is opened once, when it is first needed, and every
/// file is reached through it. So nobody who exchanges the directory, or a link to it, sends us elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    handle: Handle,
}

/// A segment whose first lines have been read.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) segment: u64,
    /// The file these lines were read from: compaction may put another one in its place at any moment.
    pub(crate) file: Arc<dyn StorageFile>,
    /// How many bytes it has, without what it was prefilled with.
    pub(crate) len: u64,
    /// How many bytes the file has.
    pub(crate) file_len: u64,
    pub(crate) header: Option<Header>,
    /// Where its entries begin. If it has no good header, all before that is the bad one.
    pub(crate) lines_from: u64,
    /// Its first entry, if that is the report of a recovery.
    pub(crate) recovered: Option<JournalRecovered>,
    /// A line follows the header, good or bad.
    pub(crate) has_lines: bool,
    /// A good line follows the header directly.
    pub(crate) has_entries: bool,
    /// The disk refused to give some of these lines.
    pub(crate) refused: Option<Refused>,
    /// It belongs to another file or another journal, or is no plain file: it has no header for us, and is one gap.
    pub(crate) foreign: bool,
    /// It is foreign because only a newer version reads the form that it has.
    pub(crate) newer: bool,
}

impl Opened {
    /// Before its lines are read.
    fn unread(segment: u64, file: Arc<dyn StorageFile>, len: u64) -> Opened {
        Opened {
            segment,
            file,
            len,
            file_len: len,
            header: None,
            lines_from: 0,
            recovered: None,
            has_lines: false,
            has_entries: false,
            refused: None,
            foreign: false,
            newer: false,
        }
    }

    pub(crate) fn is_compacted(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.compacted.is_some())
    }

    /// Whether what stands at its end may be no more than room for lines.
    pub(crate) fn is_prefilled(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.prefilled)
    }

    /// Takes the length that its file has by now.
    pub(crate) fn take_len(&mut self, file_len: u64) {
        self.file_len = file_len;
        self.len = if self.is_prefilled() { prefill::end_of_lines(&*self.file, file_len) } else { file_len };
    }

    /// The same as the journal sees it: a header of another file or another journal is none, so that it seals, explains and
    /// replaces nothing. As long as our journal is not known, no file is another journal's.
    fn seen_by(mut self, journal: Option<&str>) -> Opened {
        self.foreign |= self.header.as_ref().is_some_and(|header| {
            header.segment != self.segment || journal.is_some_and(|journal| journal != header.journal)
        });
        if self.foreign {
            (self.header, self.recovered) = (None, None);
        }
        self
    }

    /// Whether the opening that wrote its end also wrote the segment that begins with this header.
    pub(crate) fn is_continued_by(&self, next: &Header) -> bool {
        is_continued(self.segment, self.header.as_ref(), next)
    }

    /// The same as a file that is none of the journal's.
    pub(crate) fn into_foreign(self) -> Opened {
        Opened { header: None, recovered: None, foreign: true, ..self }
    }

    /// The last segment that this one replaces; itself, if it is not compacted.
    pub(crate) fn stands_through(&self) -> u64 {
        self.header.as_ref().map_or(self.segment, Header::stands_through)
    }
}

/// Whether the opening that wrote a segment's end also wrote the segment that begins with the header `next`: then all of it
/// had been on disk before. Where its own header is bad, the numbers of the files tell.
pub(crate) fn is_continued(segment: u64, header: Option<&Header>, next: &Header) -> bool {
    match header {
        Some(header) => header.last_epoch_id() == next.epoch_id(),
        None => next.epoch <= segment,
    }
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, dir: &Path) -> Files {
        Files { storage, dir: dir.to_owned(), handle: Handle::default() }
    }

    /// A journal's directory that must be there; it is opened.
    pub(crate) fn open_dir(storage: Arc<dyn Storage>, dir: &Path) -> Result<Files> {
        let files = Files::new(storage, dir);
        match files.folder() {
            Ok(_) => Ok(files),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(not_a_directory(dir)),
            Err(error) => Err(Error::io("open", dir, error)),
        }
    }

    /// The open directory.
    pub(crate) fn folder(&self) -> io::Result<Arc<dyn StorageDir>> {
        self.handle.get(&*self.storage, &self.dir)
    }

    /// Closes the directory. It is opened again when it is needed: by then another one may be at its path.
    pub(crate) fn release(&self) {
        self.handle.release();
    }

    /// The same directory with a handle of its own, which is opened when it is needed.
    pub(crate) fn detached(&self) -> Files {
        Files::new(Arc::clone(&self.storage), &self.dir)
    }

    /// Whether a file is still the one with this name.
    pub(crate) fn is_named(&self, name: &str, file: &dyn StorageFile) -> io::Result<bool> {
        match self.folder() {
            Ok(folder) => storage::is_named(&*folder, name, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(names::file_name(segment))
    }

    /// The segments, by number, and what recovery has cut from them. What is no plain file is among them, and what is there
    /// only in a newer version's form.
    pub(crate) fn list(&self) -> Result<(Vec<Listed>, Vec<Torn>)> {
        let entries = self.folder().and_then(|folder| folder.list());
        let entries = entries.map_err(|error| Error::io("list", &self.dir, error))?;
        let (mut segments, mut newer, mut torn) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            if let Some(segment) = names::number_of(&entry.name) {
                let len = if entry.kind == EntryKind::File { entry.len } else { 0 };
                segments.push(Listed { segment, len });
            } else if let Some((segment, true)) = names::reserved_number_of(&entry.name) {
                newer.push(Listed { segment, len: 0 });
            } else if let Some((segment, offset)) = parse_torn(&entry.name) {
                torn.push(Torn { segment, offset, bytes: entry.len });
            }
        }
        segments.append(&mut newer);
        segments.sort_by_key(|listed| listed.segment); // the plain one, which comes first, stays
        segments.dedup_by_key(|listed| listed.segment);
        torn.sort_by_key(|torn| (torn.segment, torn.offset));
        Ok((segments, torn))
    }

    /// The highest number of a segment that a reserved name gives; 0 if there is none.
    ///
    /// # Errors
    /// If one of the segments is there only in a form that a newer version has given it: nothing here may be changed.
    pub(crate) fn reserved(&self) -> Result<u64> {
        let entries = self.folder().and_then(|folder| folder.list());
        let entries = entries.map_err(|error| Error::io("list", &self.dir, error))?;
        let plain: BTreeSet<u64> = entries.iter().filter_map(|entry| names::number_of(&entry.name)).collect();
        let mut highest = 0;
        for entry in &entries {
            let Some((segment, is_segment)) = names::reserved_number_of(&entry.name) else { continue };
            highest = highest.max(segment);
            if is_segment && !plain.contains(&segment) {
                let path = self.dir.join(&entry.name);
                let message = format!(
                    "`{}` was written by a newer version: the session can be read in part, use that version to change it",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        Ok(highest)
    }

    pub(crate) fn open(&self, segment: u64, access: Access) -> Result<Arc<dyn StorageFile>> {
        let opened = self.folder().and_then(|folder| folder.open(&names::file_name(segment), access));
        opened.map_err(|error| Error::io("open", &self.path(segment), error))
    }

    /// Reads the first lines of a segment; `None` if the file is gone.
    pub(crate) fn peek(&self, listed: Listed) -> Result<Option<Opened>> {
        match self.status_of(&names::file_name(listed.segment))? {
            Some(status) if status.kind != EntryKind::File => return Ok(Some(unopened(listed.segment, status, false))),
            Some(_) => {}
            None => {
                let newer = self.status_of(&names::newer_name(listed.segment))?;
                return Ok(newer.map(|status| unopened(listed.segment, status, true)));
            }
        }
        match self.open(listed.segment, Access::Read) {
            Ok(file) => {
                // Not the length that was listed: the file may have grown, and been rolled over, meanwhile. One that has a
                // successor in the list is complete by now.
                let len = file.len().map_err(|error| Error::io("look at", &self.path(listed.segment), error))?;
                Ok(Some(peek_at(Listed { len, ..listed }, file)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The state of what has this name; `None` if nothing has.
    fn status_of(&self, name: &str) -> Result<Option<FileStatus>> {
        match self.folder().and_then(|folder| folder.status_of(name)) {
            Ok(status) => Ok(Some(status)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", &self.dir.join(name), error)),
        }
    }

    /// The same, as a journal sees the segment.
    pub(crate) fn peek_for(&self, journal: Option<&str>, listed: Listed) -> Result<Option<Opened>> {
        Ok(self.peek(listed)?.map(|opened| opened.seen_by(journal)))
    }

    /// The same for a writer: bytes that the disk refuses to give are an error, not damage.
    pub(crate) fn peek_strictly(&self, journal: Option<&str>, listed: Listed) -> Result<Option<Opened>> {
        match self.peek_for(journal, listed)? {
            Some(Opened { refused: Some(refused), .. }) => {
                Err(refused.to_error("read the first lines of", &self.path(listed.segment)))
            }
            opened => Ok(opened),
        }
    }

    /// Rereads what follows the header past the page cache, and so does whoever goes on with its file. The header itself
    /// stays as it was seen: nothing acknowledged stands behind one that no disk has.
    pub(crate) fn reread(&self, mut opened: Opened) -> Result<Opened> {
        // What the reread finds must still be there after a power cut. If this fails, the reread tells what is left.
        let _ = self.open(opened.segment, Access::Write)?.sync_data();
        opened.file = self.open(opened.segment, Access::ReadDurable)?;
        let len = opened.file.len().map_err(|error| Error::io("read", &self.path(opened.segment), error))?;
        // Where a sync has failed the cache may show lines that no disk has, and readers have seen their numbers.
        let shown = opened.len;
        opened.take_len(len);
        opened.len = opened.len.max(shown.min(len));
        opened.lines_from = opened.lines_from.min(opened.len);
        let mut scanner = Scanner::new(Arc::clone(&opened.file), opened.lines_from, opened.len);
        opened.recovered = None;
        (opened.has_lines, opened.has_entries) = (false, false);
        read_first_entry(&mut scanner, &mut opened);
        match refused_so_far(&scanner) {
            Some(refused) => Err(refused.to_error("read the first lines of", &self.path(opened.segment))),
            None => Ok(opened),
        }
    }

    /// The newest header of the journal that these segments belong to; `None` if none of them has a good one.
    pub(crate) fn newest_header(&self, segments: &[Listed]) -> Result<Option<Header>> {
        let Some(journal) = self.journal_of(segments)? else { return Ok(None) };
        let peek = |listed| self.peek_for(Some(&journal), listed);
        Ok(newest_header(segments, &peek)?.map(|(_, header)| header))
    }

    /// The same for a writer: what the disk refuses to give of the newest header, or of a file after it, is an error.
    pub(crate) fn newest_header_strictly(&self, segments: &[Listed]) -> Result<Option<Header>> {
        let newest_good = newest_header(segments, &|listed| self.peek_strictly(None, listed))?;
        let strict_from = newest_good.map_or(0, |(segment, _)| segment);
        let journal = self.journal_by(segments, &|listed| match listed.segment >= strict_from {
            true => self.peek_strictly(None, listed),
            false => self.peek(listed),
        })?;
        let Some(journal) = journal else { return Ok(None) };
        let peek = |listed| self.peek_strictly(Some(&journal), listed);
        Ok(newest_header(segments, &peek)?.map(|(_, header)| header))
    }

    /// The journal that these segments belong to; `None` if none of them has a good header.
    pub(crate) fn journal_of(&self, segments: &[Listed]) -> Result<Option<String>> {
        self.journal_by(segments, &|listed| self.peek(listed))
    }

    fn journal_by(&self, segments: &[Listed], peek: &Peek<'_>) -> Result<Option<String>> {
        let name = self.dir.file_name().and_then(|name| name.to_str());
        let session = name.and_then(SessionId::from_directory_name);
        let files: Vec<u64> = segments.iter().map(|listed| listed.segment).collect();
        claims::journal_of(&files, session.as_ref().map(SessionId::as_str), |at| {
            let header = peek(segments[at])?.and_then(|opened| opened.header);
            Ok(header.and_then(|header| Claim::of(segments[at].segment, &header)))
        })
    }
}

/// Reads the first lines of a segment.
type Peek<'a> = dyn Fn(Listed) -> Result<Option<Opened>> + 'a;

/// The newest good header, and the segment it is in.
fn newest_header(segments: &[Listed], peek: &Peek<'_>) -> Result<Option<(u64, Header)>> {
    for listed in segments.iter().rev() {
        if let Some(header) = peek(*listed)?.and_then(|opened| opened.header) {
            return Ok(Some((listed.segment, header)));
        }
    }
    Ok(None)
}

fn peek_at(Listed { segment, len }: Listed, file: Arc<dyn StorageFile>) -> Opened {
    let mut scanner = Scanner::new(Arc::clone(&file), 0, len);
    let mut opened = Opened::unread(segment, file, len);
    read_first_lines(&mut scanner, &mut opened);
    opened.refused = refused_so_far(&scanner);
    opened
}

/// What is at the place of a segment's file and is not opened.
fn unopened(segment: u64, status: FileStatus, newer: bool) -> Opened {
    Opened { foreign: true, newer, ..Opened::unread(segment, Arc::new(Unopened(status)), 0) }
}

/// More is read at once than is looked at: a bad sector further on is none of ours.
fn refused_so_far(scanner: &Scanner) -> Option<Refused> {
    scanner.refused().filter(|refused| refused.start < scanner.position()).cloned()
}

fn read_first_lines(scanner: &mut Scanner, opened: &mut Opened) {
    scanner.end_at(opened.len.min(MAX_HEADER));
    let Some(first) = scanner.next() else { return };
    let is_line = first.ending == Ending::Newline;
    if is_line {
        opened.header = Header::decode(scanner.bytes());
    }
    if opened.header.is_some() {
        opened.lines_from = first.end();
        opened.take_len(opened.file_len);
    } else {
        // A bad header ends with its line, or where an entry begins in it: the line break between them may be gone.
        let entry = memchr::memmem::find(scanner.bytes(), ENTRY_START).map(|at| at as u64);
        let is_all = is_line || opened.len <= MAX_HEADER;
        opened.lines_from = entry.unwrap_or(if is_all { first.len } else { 0 });
        scanner.go_back_to(opened.lines_from);
    }
    // The first entry is in the block of the header, as a rule.
    scanner.end_at(opened.len);
    read_first_entry(scanner, opened);
}

fn read_first_entry(scanner: &mut Scanner, opened: &mut Opened) {
    if scanner.next().is_some_and(|chunk| chunk.ending == Ending::Newline) {
        take_first_entry(scanner, opened);
    }
}

fn take_first_entry(scanner: &Scanner, opened: &mut Opened) {
    opened.has_lines = true;
    if let Decoded::Entry(entry) = line::decode(scanner.bytes()) {
        opened.has_entries = true;
        if let Ok(Event::JournalRecovered(recovered)) = entry.event() {
            opened.recovered = Some(recovered);
        }
    }
}

pub(crate) fn check_header(files: &Files, header: &header::Header, session_id: &str) -> Result<()> {
    let dir = files.dir.display();
    if let Some(what) = header.unsupported() {
        let message = format!("`{dir}` needs {what}: it can be read, but use a newer foldlog to record into it");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if header.session_id != session_id {
        let message = format!(
            "`{dir}` holds the session {:?}, not {session_id:?}: record under that id, or move the directory away",
            header.session_id
        );
        return Err(Error::new(ErrorKind::WrongSession, message));
    }
    Ok(())
}
