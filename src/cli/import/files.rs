//! Which files are imported: those that were named, and those below named directories.

use crate::cli::walk::{files_below, has_extension};
use crate::cli::{Exit, Failure};
use foldlog::{Source, SourceFormat, SourceName};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// How much of a file is looked at to tell what it is.
const HEAD: u64 = 1 << 20;
/// How much is looked at if that was not enough.
const MOST_HEAD: u64 = 64 << 20;
/// How much is read at once.
const BUFFER: usize = 256 << 10;
const COMPRESSED: &str = "compressed: unpack it first, with `zstd -d`";

/// A file to import, or the segments of a session of foldlog's, which are read as one.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    parts: Vec<PathBuf>,
    pub(crate) name: SourceName,
    /// It was named itself, and not only a directory above it.
    pub(crate) named: bool,
}

impl Input {
    fn new(path: &Path, parts: Vec<PathBuf>, named: bool) -> Input {
        let mut name = SourceName::of(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        if parts.len() != 1 || parts[0] != path {
            name.stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Input { path: path.to_owned(), parts, name, named }
    }

    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// How many bytes it has at this moment.
    pub(crate) fn len(&self) -> u64 {
        self.parts.iter().filter_map(|part| fs::metadata(part).ok()).map(|part| part.len()).sum()
    }

    /// When it last changed, as far as the system knows.
    pub(crate) fn stamp(&self) -> Option<(u64, std::time::SystemTime)> {
        let metadata = fs::metadata(self.parts.first()?).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }

    /// All of it, part after part.
    pub(crate) fn open(&self) -> Result<BufReader<Parts>, Failure> {
        let mut files = Vec::new();
        for part in self.parts.iter().rev() {
            files.push(File::open(part).map_err(|error| self.failed("open", &error))?);
        }
        Ok(BufReader::with_capacity(BUFFER, Parts(files)))
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

/// Files read one after the other; the last one may go on growing. Stored in reverse.
#[derive(Debug)]
pub(crate) struct Parts(Vec<File>);

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(file) = self.0.last_mut() else { return Ok(0) };
            let count = file.read(buffer)?;
            if count > 0 || self.0.len() == 1 {
                return Ok(count);
            }
            self.0.pop();
        }
    }
}

/// Everything that the paths stand for, parents before what lies in folders of their name.
pub(crate) fn find(paths: &[PathBuf], refuse: &mut dyn FnMut(&Path, &str)) -> Vec<Input> {
    let mut found = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => below(path, &mut found, refuse),
            Ok(_) if has_extension(path, &["zst"]) => refuse(path, COMPRESSED),
            Ok(_) => found.push(Input::new(path, vec![path.clone()], true)),
            Err(error) => refuse(path, &error.to_string()),
        }
    }
    found.dedup_by(|a, b| a.path == b.path);
    found
}

fn below(directory: &Path, found: &mut Vec<Input>, refuse: &mut dyn FnMut(&Path, &str)) {
    let mut segments: Vec<PathBuf> = Vec::new();
    for path in files_below(directory, refuse) {
        if segments.first().is_some_and(|first| first.parent() != path.parent() || !is_segment(&path)) {
            found.push(session(std::mem::take(&mut segments)));
        }
        if is_segment(&path) {
            segments.push(path);
        } else if has_extension(&path, &["jsonl", "json"]) {
            found.push(Input::new(&path, vec![path.clone()], false));
        } else if path.to_string_lossy().ends_with(".jsonl.zst") {
            refuse(&path, COMPRESSED);
        }
    }
    if !segments.is_empty() {
        found.push(session(segments));
    }
}

/// The segments of one session of foldlog's, as one input named after their directory.
fn session(segments: Vec<PathBuf>) -> Input {
    let directory = segments.first().and_then(|first| first.parent()).map(Path::to_owned).unwrap_or_default();
    Input::new(&directory, segments, true)
}

/// Whether a file is a segment of foldlog's by its name: `00000001.jsonl`.
fn is_segment(path: &Path) -> bool {
    let digits = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    has_extension(path, &["jsonl"]) && digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
