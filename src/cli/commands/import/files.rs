//! Which files are imported: those that were named, and those below named directories.

use super::segments;
use crate::cli::exit::{Exit, Failure};
use crate::cli::walk_dir::{files_below, has_extension, is_named_as_segment};
use crate::cli::{compressed, plain_file};
use foldlog::{Source, SourceFormat, SourceName};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How much of a file is looked at to tell what it is.
const HEAD: u64 = 1 << 20;
/// How much is looked at if that was not enough.
const MOST_HEAD: u64 = 64 << 20;
/// How much is read at once.
const BUFFER: usize = 256 << 10;
/// How much of what was read is remembered, to see whether a file that grew still has it: so much of its beginning, and of
/// its end. What lies between is compared by its checksum.
const REMEMBERED: usize = 4 << 10;

/// A file to import, or the segments of a session of foldlog's, which are read as one.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    parts: Vec<PathBuf>,
    /// What a pipe gave, to which a part leads.
    _kept: Option<Rc<plain_file::Kept>>,
    pub(crate) name: SourceName,
    /// It was named itself, and not only a directory above it.
    pub(crate) named: bool,
}

impl Input {
    pub(super) fn new(path: &Path, parts: Vec<PathBuf>, named: bool) -> Input {
        let mut name = SourceName::of(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        if parts.len() != 1 || parts[0] != path {
            name.stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Input { path: path.to_owned(), parts, _kept: None, name, named }
    }

    /// What a pipe of the shell gives.
    fn of_pipe(path: &Path) -> io::Result<Input> {
        let kept = plain_file::Kept::of(path)?;
        let name = SourceName::of(path);
        Ok(Input { path: path.to_owned(), parts: vec![kept.path()], _kept: Some(Rc::new(kept)), name, named: true })
    }

    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// How many bytes it has at this moment.
    pub(crate) fn len(&self) -> u64 {
        self.parts.iter().filter_map(|part| fs::metadata(part).ok()).map(|part| part.len()).sum()
    }

    /// What is at its paths at this moment; nothing if a part of it is gone.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        let stamps = self.parts.iter().map(|part| fs::metadata(part).ok().map(|metadata| Stamp::of(&metadata)));
        stamps.collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether another input consists of the same files.
    pub(crate) fn has_parts_of(&self, other: &Input) -> bool {
        self.parts == other.parts
    }

    /// All of it, part after part.
    pub(crate) fn open(&self) -> Result<BufReader<Parts>, Failure> {
        Ok(self.open_marked()?.0)
    }

    /// The same, and beside it what will have been read.
    pub(crate) fn open_marked(&self) -> Result<(BufReader<Parts>, Read), Failure> {
        let (mut files, mut ids) = (Vec::new(), Vec::new());
        for part in self.parts.iter().rev() {
            let opened = plain_file::open(part).and_then(|file| Ok((Stamp::of(&file.metadata()?), file)));
            let (stamp, file) = opened.map_err(|error| self.failed("open", &error))?;
            ids.insert(0, stamp.id);
            files.push(file);
        }
        let place = Rc::new(RefCell::new(Place::default()));
        let read = Read { ids, place: Rc::clone(&place) };
        Ok((BufReader::with_capacity(BUFFER, Parts { files, place }), read))
    }

    /// What it is, from its first bytes: more of them where a conversation begins late, or after a long line.
    pub(crate) fn identify(&self, format: Option<SourceFormat>) -> Result<Option<Source>, Failure> {
        let (mut head, mut input, mut size) = (Vec::new(), self.open()?, HEAD);
        loop {
            let missing = size - head.len() as u64;
            let failed = |error: io::Error| self.failed("read", &error);
            let read = input.by_ref().take(missing).read_to_end(&mut head).map_err(failed)? as u64;
            let source = Source::identify(&head, &self.name, format);
            if source.as_ref().is_some_and(|source| source.has_conversation) || read < missing || size >= MOST_HEAD {
                return Ok(source);
            }
            size = MOST_HEAD;
        }
    }

    pub(crate) fn failed(&self, doing: &str, error: &io::Error) -> Failure {
        Failure::Words(Exit::Io, format!("cannot {doing} `{}`: {error}", self.path.display()))
    }
}

/// A file as the system sees it: which one, how large, and when it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    id: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// Whether files have grown since they looked so, which explains that they changed.
pub(crate) fn have_grown(before: &[Stamp], now: &[Stamp]) -> bool {
    let size = |stamps: &[Stamp]| stamps.iter().map(|stamp| stamp.size).sum::<u64>();
    before.len() == now.len() && size(before) < size(now)
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        // Not the time of modification, which a program that rewrites a file may set back.
        let (id, changed) = ((metadata.dev(), metadata.ino()), (metadata.ctime(), metadata.ctime_nsec()));
        Stamp { id, size: metadata.len(), changed }
    }
}

/// Files read one after the other; the last one may go on growing.
#[derive(Debug)]
pub(crate) struct Parts {
    /// In reverse.
    files: Vec<File>,
    place: Rc<RefCell<Place>>,
}

/// How far reading has got.
#[derive(Debug, Default)]
struct Place {
    /// In which part, and how many bytes of it.
    part: usize,
    bytes: u64,
    /// The first of these bytes, and the last.
    first: Vec<u8>,
    last: Vec<u8>,
    /// The checksum of all of them.
    hasher: crc32fast::Hasher,
}

impl io::Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(file) = self.files.last_mut() else { return Ok(0) };
            let count = file.read(buffer)?;
            let mut place = self.place.borrow_mut();
            place.take(&buffer[..count]);
            if count > 0 || self.files.len() == 1 {
                return Ok(count);
            }
            *place = Place { part: place.part + 1, ..Place::default() };
            self.files.pop();
        }
    }
}

impl Place {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
        let missing = REMEMBERED.saturating_sub(self.first.len()).min(bytes.len());
        self.first.extend_from_slice(&bytes[..missing]);
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(REMEMBERED)..]);
        self.last.drain(..self.last.len().saturating_sub(REMEMBERED));
    }
}

/// What has been read of an input.
#[derive(Debug)]
pub(crate) struct Read {
    ids: Vec<(u64, u64)>,
    place: Rc<RefCell<Place>>,
}

impl Read {
    /// Whether these are the files that are being read.
    pub(crate) fn is_of(&self, stamps: &[Stamp]) -> bool {
        self.ids.iter().eq(stamps.iter().map(|stamp| &stamp.id))
    }

    /// Whether all that was read is still there: a file may be rewritten in place.
    pub(crate) fn all_stands(&self, input: &Input) -> Result<bool, Failure> {
        let place = self.place.borrow();
        let Some(path) = input.parts.get(place.part) else { return Ok(false) };
        let check = || -> io::Result<bool> {
            let (mut file, mut hasher) = (plain_file::open(path)?.take(place.bytes), crc32fast::Hasher::new());
            let (mut buffer, mut left) = (vec![0; BUFFER], place.bytes);
            while left > 0 {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(false),
                    Ok(count) => {
                        hasher.update(&buffer[..count]);
                        left -= count as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(hasher.finalize() == place.hasher.clone().finalize())
        };
        checked(check(), input)
    }

    /// The same by its beginning and its end alone: a file may be cut, or replaced in place.
    pub(crate) fn still_stands(&self, input: &Input) -> Result<bool, Failure> {
        let place = self.place.borrow();
        let Some(path) = input.parts.get(place.part) else { return Ok(false) };
        let check = || -> io::Result<bool> {
            let file = plain_file::open(path)?;
            let mut bytes = vec![0; place.first.len()];
            file.read_exact_at(&mut bytes, 0)?;
            let is_same = bytes == place.first;
            bytes.resize(place.last.len(), 0);
            file.read_exact_at(&mut bytes, place.bytes - place.last.len() as u64)?;
            Ok(is_same && bytes == place.last)
        };
        checked(check(), input)
    }
}

fn checked(stands: io::Result<bool>, input: &Input) -> Result<bool, Failure> {
    match stands {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true), // the next look finds it gone
        stands => stands.map_err(|error| input.failed("read", &error)),
    }
}

/// What paths stand for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) inputs: Vec<Input>,
    /// Compressed files below named directories.
    pub(crate) compressed: Vec<PathBuf>,
}

/// Everything that the paths stand for, parents before what lies in folders of their name.
/// `pipes`: those of the shell are read, here and now.
pub(crate) fn find(paths: &[PathBuf], pipes: bool, refuse: &mut dyn FnMut(&Path, &str)) -> Found {
    let mut found = Found::default();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => below(path, &mut found, refuse),
            Ok(metadata) if metadata.is_file() => match compressed::by_name(path) {
                Some(tool) => refuse(path, &compressed::words(tool)),
                None => found.inputs.push(Input::new(path, vec![path.clone()], true)),
            },
            Ok(_) if pipes => match Input::of_pipe(path) {
                Ok(input) => found.inputs.push(input),
                Err(error) => refuse(path, &error.to_string()),
            },
            Ok(_) => refuse(path, plain_file::NO_FILE),
            Err(error) => refuse(path, &error.to_string()),
        }
    }
    found.inputs.dedup_by(|a, b| a.path == b.path);
    found
}

impl Found {
    fn take_segments(&mut self, paths: Vec<PathBuf>) {
        let input = |group: segments::Group| Input::new(&group.path, group.files, group.is_journal);
        self.inputs.extend(segments::grouped(paths).into_iter().map(input));
    }
}

fn below(directory: &Path, found: &mut Found, refuse: &mut dyn FnMut(&Path, &str)) {
    let mut segments: Vec<PathBuf> = Vec::new();
    for path in files_below(directory, refuse) {
        if segments.first().is_some_and(|first| first.parent() != path.parent() || !is_named_as_segment(&path)) {
            found.take_segments(std::mem::take(&mut segments));
        }
        if is_named_as_segment(&path) {
            segments.push(path);
        } else if has_extension(&path, &["jsonl", "json"]) {
            found.inputs.push(Input::new(&path, vec![path.clone()], false));
        } else if compressed::by_name(&path).is_some() {
            found.compressed.push(path);
        }
    }
    found.take_segments(segments);
}
