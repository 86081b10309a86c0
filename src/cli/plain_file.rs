//! Files that are read because they were named: plain ones. A named pipe or a device may keep a reader for ever, and is
//! refused; what a pipe of the shell gives, as in `<(zcat log.gz)`, is kept first, since files are read more than once.

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, fstatfs, memfd_create};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is said of anything else.
pub(crate) const NO_FILE: &str = "it is no file; save what it gives into one";
/// The file system of pipes without a name: `PIPEFS_MAGIC` of `linux/magic.h`.
const PIPES: u32 = 0x5049_5045;
/// The most bytes of a pipe that are kept, and of a file that is read whole: both are held in memory.
const MOST_HELD: u64 = 1 << 30;

/// Opens a plain file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_any(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(NO_FILE)),
    }
}

/// Opens what is read once, from its beginning to its end: a plain file, or a pipe of the shell.
pub(crate) fn open_once(path: &Path) -> io::Result<File> {
    let file = open_any(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    if !kind.is_fifo() || fstatfs(&file)?.f_type as u32 != PIPES {
        return Err(io::Error::other(NO_FILE));
    }
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Opens a file or a pipe, without waiting for the other end of a named pipe. A device is not even opened: that alone may
/// start something.
fn open_any(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        return Err(io::Error::other(NO_FILE));
    }
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// All of an input that must be in memory as a whole.
pub(crate) fn read_whole(input: impl io::Read) -> io::Result<Vec<u8>> {
    read_at_most(MOST_HELD, input)
}

fn read_at_most(most: u64, input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match input.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes, the most that one document may have"))),
        false => Ok(bytes),
    }
}

/// All that a pipe without a name gave, as a file.
#[derive(Debug)]
pub(crate) struct Kept(File);

impl Kept {
    /// Reads the pipe at a path such as `/dev/fd/63` to its end.
    pub(crate) fn of(path: &Path) -> io::Result<Kept> {
        let pipe = open_once(path)?;
        let mut kept = File::from(memfd_create("foldlog", MemfdFlags::CLOEXEC)?);
        match io::copy(&mut pipe.take(MOST_HELD + 1), &mut kept)? {
            0..=MOST_HELD => Ok(Kept(kept)),
            _ => Err(io::Error::other("it gives more than 1 GiB; save that into a file")),
        }
    }

    /// Where it can be opened as long as this lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::read_at_most;

    #[test]
    fn a_document_that_is_too_long_is_refused_with_the_limit() {
        assert_eq!(read_at_most(3, &b"abc"[..]).expect("as long as it may be"), b"abc");
        let refused = read_at_most(3, &b"abcd"[..]).expect_err("one byte more").to_string();
        assert!(refused.contains("more than 3 bytes"), "{refused}");
        read_at_most(3, std::io::repeat(0)).expect_err("an input without an end");
    }
}
