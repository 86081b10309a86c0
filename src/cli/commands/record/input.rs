//! Standard input: read by a thread of its own, cut into lines, and drained when the program is told to end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How much is read at once.
const CHUNK: usize = 256 << 10;
/// How many chunks may wait: beyond that the pipe fills, and its writer waits.
const CHUNKS: usize = 4;

/// How long a recording that ends waits for what holds it up: once it was told to end for input that does not stop and for
/// space on a full disk; also after the end of input for searches, and for room for its replies.
pub(crate) const END_PATIENCE: Duration = Duration::from_secs(5);

/// Why the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side closed it.
    Eof,
    /// We were told to end; what was in the pipe by then has been read.
    Signal,
    /// We were told to end, and [`END_PATIENCE`] later there was still more.
    Cut,
    /// We were told to end, and a full disk takes no more.
    NoSpace,
    /// Nothing more can be recorded, or read.
    Failed,
}

/// What the thread sends.
pub(crate) enum Chunk {
    Bytes(Vec<u8>),
    End(End),
    Failed(io::Error),
}

/// Starts reading. Writing to, or dropping, the returned pipe makes the thread read what is there and end.
pub(crate) fn start() -> io::Result<(mpsc::Receiver<Chunk>, PipeWriter)> {
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (told, tell) = io::pipe()?;
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let started = std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let last = read_all(stdin, &told, &sender);
        let _ = sender.blocking_send(last);
    });
    let failed = |error: io::Error| format!("cannot start the thread that reads stdin: {error}");
    started.map_err(|error| io::Error::new(error.kind(), failed(error)))?;
    Ok((receiver, tell))
}

/// Whether nobody can write to standard input any more. Never of a file.
pub(crate) fn has_hung_up() -> bool {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&at_once)).is_ok() && watched[0].revents().contains(PollFlags::HUP)
}

fn read_all(mut stdin: File, told: &PipeReader, sender: &mpsc::Sender<Chunk>) -> Chunk {
    let mut draining = None;
    loop {
        match wait(&stdin, told, &mut draining) {
            Ok(None) => {}
            Ok(Some(end)) => return Chunk::End(end),
            Err(error) => return Chunk::Failed(error),
        }
        let mut bytes = vec![0; CHUNK];
        match stdin.read(&mut bytes) {
            Ok(0) => return Chunk::End(if draining.is_some() { End::Signal } else { End::Eof }),
            Ok(count) => {
                bytes.truncate(count);
                if sender.blocking_send(Chunk::Bytes(bytes)).is_err() {
                    return Chunk::End(End::Signal); // nobody listens any more
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Chunk::Failed(error),
        }
    }
}

/// Waits until there is something to read; when we are draining, an end if there is nothing left or no time. `draining` is
/// when that began.
fn wait(stdin: &File, told: &PipeReader, draining: &mut Option<Instant>) -> io::Result<Option<End>> {
    loop {
        let mut watched = [PollFd::new(stdin, PollFlags::IN), PollFd::new(told, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let (count, timeout) = if draining.is_some() { (1, Some(&at_once)) } else { (2, None) };
        match poll(&mut watched[..count], timeout) {
            Ok(_) => {}
            Err(error) if error == rustix::io::Errno::INTR => continue,
            Err(error) => return Err(error.into()),
        }
        let is_readable = !watched[0].revents().is_empty();
        match *draining {
            Some(_) if !is_readable => return Ok(Some(End::Signal)),
            Some(since) if since.elapsed() > END_PATIENCE => return Ok(Some(End::Cut)),
            None if !watched[1].revents().is_empty() => *draining = Some(Instant::now()),
            _ => {}
        }
        if is_readable {
            return Ok(None);
        }
    }
}

/// Cuts chunks into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    limit: usize,
    partial: Vec<u8>,
    /// The line in `partial` has been given out.
    given: bool,
    /// How many bytes of a line over the limit have gone by.
    skipped: usize,
}

/// A line of input, without its line break.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than the limit: only its length is known.
    TooLong(usize),
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Lines {
        Lines { limit, partial: Vec::new(), given: false, skipped: 0 }
    }

    /// The next line that ends within `chunk`; takes it off its front.
    pub(crate) fn next<'a, 'c: 'a>(&'a mut self, chunk: &mut &'c [u8]) -> Option<Line<'a>> {
        if std::mem::take(&mut self.given) {
            self.partial.clear();
        }
        let Some(at) = memchr::memchr(b'\n', chunk) else {
            self.keep(chunk);
            *chunk = &[];
            return None;
        };
        let (line, rest) = chunk.split_at(at);
        *chunk = &rest[1..];
        if self.skipped > 0 {
            let length = std::mem::take(&mut self.skipped) + line.len();
            return Some(Line::TooLong(length));
        }
        if self.partial.is_empty() && line.len() <= self.limit {
            return Some(Line::Whole(line));
        }
        self.keep(line);
        Some(self.finish())
    }

    /// What stands behind the last line break, if anything does.
    pub(crate) fn last(&mut self) -> Option<Line<'_>> {
        let held = !self.given && !self.partial.is_empty();
        (self.skipped > 0 || held).then(|| self.finish())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skipped > 0 {
            self.skipped += bytes.len();
        } else if self.partial.len() + bytes.len() > self.limit {
            self.skipped = self.partial.len() + bytes.len();
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Line<'_> {
        self.given = true;
        match std::mem::take(&mut self.skipped) {
            0 => Line::Whole(self.partial.as_slice()),
            length => Line::TooLong(length),
        }
    }
}
