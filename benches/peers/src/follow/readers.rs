//! The peers: what tells each of them of new lines, and how it gets them.

use super::runtime;
use super::stamped::{Stamp, now, seq_of};
use crate::Result;
use crate::lines::BLOCK;
use notify::{RecursiveMode, Watcher};
use rustix::fs::inotify;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Until which number a peer follows, and whom it tells that it is there.
pub(crate) struct Course<'a> {
    pub(crate) last: u64,
    pub(crate) ready: &'a dyn Fn() -> Result<()>,
}

/// The lines of whatever can be read, with the time at which each was whole.
pub(crate) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    held: usize,
    pub(crate) arrived: Vec<Stamp>,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(from: R) -> Lines<R> {
        Lines { from, buffer: vec![0; BLOCK], held: 0, arrived: Vec::new() }
    }

    /// Reads once; `false` at the end.
    pub(crate) fn read(&mut self) -> Result<bool> {
        let read = self.from.read(&mut self.buffer[self.held..])?;
        let held = self.held + read;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &self.buffer[..held]) {
            self.arrived.push((seq_of(&self.buffer[start..end]), now()));
            start = end + 1;
        }
        self.buffer.copy_within(start..held, 0);
        self.held = held - start;
        Ok(read > 0)
    }

    fn has(&self, last: u64) -> bool {
        self.arrived.last().is_some_and(|(seq, _)| *seq >= last)
    }
}

impl Lines<File> {
    /// What comes behind the end of a file.
    fn at_end_of(path: &Path) -> Result<Lines<File>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Lines::new(file))
    }
}

fn watch(path: &Path, flags: inotify::CreateFlags) -> Result<OwnedFd> {
    let watching = inotify::init(flags | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watching, path, inotify::WatchFlags::MODIFY)?;
    Ok(watching)
}

/// The least there is: one thread, one watch, one file.
pub(crate) fn inotify_blocking(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let (watching, mut notices) = (watch(path, inotify::CreateFlags::empty())?, [0; 4096]);
    let mut lines = Lines::at_end_of(path)?;
    (course.ready)()?;
    loop {
        while lines.read()? {}
        if lines.has(course.last) {
            return Ok(lines.arrived);
        }
        rustix::io::read(&watching, &mut notices)?;
    }
}

pub(crate) fn inotify_async(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    runtime()?.block_on(async {
        #[allow(deprecated, reason = "sound for a descriptor that owns itself; its successor is unsafe to call")]
        let watching = AsyncFd::new(watch(path, inotify::CreateFlags::NONBLOCK)?)?;
        let (mut lines, mut notices) = (Lines::at_end_of(path)?, [0; 4096]);
        (course.ready)()?;
        loop {
            while lines.read()? {}
            if lines.has(course.last) {
                return Ok(lines.arrived);
            }
            let mut guard = watching.readable().await?;
            while rustix::io::read(watching.get_ref(), &mut notices).is_ok() {}
            guard.clear_ready();
        }
    })
}

pub(crate) fn notify_crate(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    let mut lines = Lines::at_end_of(path)?;
    (course.ready)()?;
    loop {
        while lines.read()? {}
        if lines.has(course.last) {
            return Ok(lines.arrived);
        }
        receiver.recv()??;
    }
}

pub(crate) fn polling(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let mut lines = Lines::at_end_of(path)?;
    (course.ready)()?;
    loop {
        while lines.read()? {}
        if lines.has(course.last) {
            return Ok(lines.arrived);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn linemux(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    runtime()?.block_on(async {
        let mut lines = linemux::MuxedLines::new()?;
        lines.add_file(path).await?;
        (course.ready)()?;
        let mut arrived = Vec::new();
        while let Some(line) = lines.next_line().await? {
            let seq = seq_of(line.line().as_bytes());
            arrived.push((seq, now()));
            if seq >= course.last {
                break;
            }
        }
        Ok(arrived)
    })
}

/// GNU `tail`, through a pipe.
pub(crate) fn tail(path: &Path, course: &Course<'_>) -> Result<Vec<Stamp>> {
    let mut tail = Command::new("tail").args(["-n", "0", "-f"]).arg(path).stdout(Stdio::piped()).spawn()?;
    let mut lines = Lines::new(tail.stdout.take().ok_or("no pipe")?);
    (course.ready)()?;
    while !lines.has(course.last) && lines.read()? {}
    tail.kill()?;
    tail.wait()?;
    Ok(lines.arrived)
}
